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

# --- what comes every few seconds ---

# beat ID RID
beat() {
  gw_post /v1/nodes/heartbeat "{\"node_id\":\"$1\"}" -H 'Authorization: Bearer node-one' \
    -H "X-Request-Id: $2"
}

# ask RID [HEADER] - one /v1/models
ask() {
  gw_get /v1/models -H 'X-Api-Key: one' -H "X-Request-Id: $1" ${2:+-H "$2"}
  assert_status 200
}

# begin_with_node [LEVEL] - all of it is the control process's: its records come
# in the order of the requests.
begin_with_node() {
  configure one
  GW_LOG_LEVEL=${1:-info} gw_start
  gw_post /v1/nodes/register "{\"node_id\":\"box\",\"base_url\":\"$FAKE_URL_alpha\",\"roles\":[\"r\"]}" \
    -H 'Authorization: Bearer node-one'
  assert_status 200
}

records() {
  grep -c "event=access rid=$1 " "$GW_DIR/gateway.log" || true
}

@test "access: heartbeats and a gateway's probes that went well -> no line; those that did not, and people's -> one" {
  begin_with_node
  beat box well
  assert_status 200
  ask probe 'X-RoleMesh-Via: 0123456789abcdef'
  beat stranger badly
  assert_error 404 node_not_registered
  ask person
  record badly
  record person
  assert_equal "$(records well) $(records probe)" '0 0'
}

@test "access: GW_LOG_LEVEL=debug -> heartbeats and probes, too" {
  begin_with_node debug
  beat box well
  ask probe 'X-RoleMesh-Via: 0123456789abcdef'
  record well
  record probe
}
