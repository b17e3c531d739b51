#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 985-logs.bats - the form of the log's lines, which the manual describes: for
# the journal and for programs.

load helpers/all

setup() {
  gw_setup
  fake_start alpha
}

teardown() {
  gw_teardown
}

configure() {
  gw_config <<YAML
models:
  planner: {type: proxy, proxy_url: "$FAKE_URL_alpha"}
YAML
}

# lines_of PROGRAM - its log lines
lines_of() {
  grep -E " $1\\[[0-9]+\\] " "$GW_DIR/gateway.log"
}

@test "logs: standard error is the journal's -> each line of each process begins with its priority" {
  configure
  : >"$GW_DIR/gateway.log"
  JOURNAL_STREAM=$(stat -c %d:%i "$GW_DIR/gateway.log") gw_start
  gw_chat planner '{}' -H 'X-Request-Id: told'
  wait_until 10 gw_log_has '^<6>[0-9-]+T.* rolemesh-responder\[.* event=access rid=told '
  gw_post /v1/nodes/register '{"node_id":"box","base_url":"http://127.0.0.1:9","roles":["r"]}'
  echo 'nonsense: 1' >>"$GW_CONFIG"
  wait_until 10 gw_log_has '^<3>.* event=config_broken '
  run ! grep -Ev '^<[3-7]>' <(lines_of 'rolemesh-(gateway|responder)')
  [[ $(lines_of rolemesh-gateway | wc -l) -gt 0 ]]
}

@test "logs: the journal has another stream -> no priorities" {
  configure
  JOURNAL_STREAM=8:1 gw_start
  gw_chat planner '{}' -H 'X-Request-Id: told'
  wait_until 10 gw_log_has '^2[0-9-]+T.* rolemesh-responder\[.* event=access rid=told '
}
