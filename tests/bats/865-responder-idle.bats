#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 865-responder-idle.bats - connections to a --listen pool that have no request:
# they hold nobody up, neither silent ones nor those a web server keeps.

load helpers/all
load helpers/webservers

setup() {
  gw_setup
  export GW_KEY='' WEB_KIND=nginx WEB_WORKERS=1
  fake_start alpha
  gw_config <<YAML
models:
  planner: { type: proxy, proxy_url: "$FAKE_URL_alpha" }
YAML
}

teardown() {
  web_teardown
}

# silent NAME N PORT - so many connections that say nothing, until the teardown.
silent() {
  bash -c 'for ((i = 0; i < $1; i++)); do exec {fd}<>"/dev/tcp/127.0.0.1/$2"; done
    : >"$3"
    exec sleep 600' silent "$2" "$3" "$GW_DIR/$1" >/dev/null 2>&1 </dev/null 3>&- 4>&- &
  gw_track "$1" "$!"
  wait_until 20 test -e "$GW_DIR/$1"
}

@test "idle: more silent connections than a TCP pool has descriptors -> it serves" {
  local port
  port=$(free_ports 1)
  ulimit -n 130
  WEB_POOL=127.0.0.1:$port web_start nginx
  silent silent-1 50 "$port"
  silent silent-2 50 "$port"
  gw_chat planner
  assert_status 200
  silent silent-3 50 "$port"
  gw_chat planner
  assert_status 200
}
