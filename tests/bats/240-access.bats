#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 240-access.bats - who it was, in the access record: a name of the key that
# stays the same wherever the key stands, and the client's address.

load helpers/all

setup() {
  gw_setup
  fake_start alpha
}

teardown() {
  gw_teardown
}

# configure CLIENT_KEYS... - written anew
configure() {
  gw_config <<YAML
auth:
  client_api_keys: [$(IFS=,; echo "$*")]
  node_api_keys: [node-one]
models:
  planner: {type: proxy, proxy_url: "$FAKE_URL_alpha"}
YAML
}

# name_of KEY - as documented
name_of() {
  printf %s "$1" | sha256sum | head -c 8
}

# record RID - the request's access line
record() {
  wait_until 10 gw_log_has "event=access rid=$1 " || return 1
  grep "event=access rid=$1 " "$GW_DIR/gateway.log"
}

@test "access: a key has the same name before and after it moves in the list; no key has none" {
  configure one two
  gw_start
  gw_chat planner '{}' -H 'X-Api-Key: two' -H 'X-Request-Id: before'
  assert_status 200
  assert_match "$(record before)" " key=$(name_of two) client=127\\.0\\.0\\.1 "
  configure new two one
  wait_until 10 gw_chat_works new
  gw_chat planner '{}' -H 'Authorization: Bearer two' -H 'X-Request-Id: after'
  assert_status 200
  assert_match "$(record after)" " key=$(name_of two) client=127\\.0\\.0\\.1 "
  gw_chat planner '{}' -H 'Authorization: Bearer wrong' -H 'X-Request-Id: wrong'
  assert_error 401 invalid_api_key
  assert_match "$(record wrong)" ' key=- client=127\.0\.0\.1 '
  gw_post /v1/nodes/heartbeat '{"node_id":"x"}' -H 'Authorization: Bearer node-one' -H 'X-Request-Id: node'
  assert_match "$(record node)" " key=$(name_of node-one) "
}

gw_chat_works() {
  gw_chat planner '{}' -H "X-Api-Key: $1"
  [[ $status_code == 200 ]]
}

@test "access: over IPv6 -> that address" {
  configure one
  GW_URL="http://[::1]:$GW_PORT" gw_start --host ::1
  gw_request GET "http://[::1]:$GW_PORT/health" -H 'X-Request-Id: six'
  assert_status 200
  assert_match "$(record six)" ' client="?::1"? '
}
