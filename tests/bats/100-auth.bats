#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 100-auth.bats - who may call what: the keys of clients and of nodes, in each
# header they may come in, and what somebody without one is told.

load helpers/all

setup_file() {
  gw_setup
  fake_start alpha
  gw_config <<YAML
auth:
  client_api_keys: ["client-one", "client-two"]
  node_api_keys: ["node-one"]
models:
  planner:
    type: proxy
    proxy_url: $FAKE_URL_alpha
  reviewer:
    type: discovered
YAML
  gw_start
}

teardown_file() {
  gw_teardown
}

teardown() {
  gw_dump_if_failed
}

registration() {
  jq -cn --arg url "$FAKE_URL_alpha" \
    '{node_id: "n1", base_url: $url, roles: ["reviewer"]}'
}

# the gateway refused, as the SDKs expect it, and says which header to use
assert_refused() {
  assert_error 401 invalid_api_key
  assert_json .error.type authentication_error
  assert_header WWW-Authenticate '/^Bearer /'
}

# --- clients ---

@test "auth: Authorization: Bearer with a client key -> 200" {
  gw_chat planner '{}' -H 'Authorization: Bearer client-one'
  assert_status 200
}

@test "auth: X-Api-Key with a client key -> 200" {
  gw_chat planner '{}' -H 'X-Api-Key: client-one'
  assert_status 200
}

@test "auth: the second of two client keys -> 200" {
  gw_chat planner '{}' -H 'Authorization: Bearer client-two'
  assert_status 200
}

@test "auth: the word bearer in any case -> 200" {
  gw_chat planner '{}' -H 'authorization: bEARER client-one'
  assert_status 200
}

@test "auth: no key on a client endpoint -> 401 and WWW-Authenticate, upstream untouched" {
  local before
  before=$(fake_count alpha)
  gw_chat planner
  assert_refused
  assert_match "$(jq -r .error.message <<<"$body")" 'X-Api-Key' message
  assert_equal "$(fake_count alpha)" "$before" 'requests that reached the upstream'
}

@test "auth: wrong keys of every shape -> 401" {
  local wrong
  for wrong in 'Bearer client-on' 'Bearer client-one1' 'Bearer CLIENT-ONE' \
    'Bearer ' 'Bearer' 'client-one' 'Basic client-one' 'Bearer client-one client-two'; do
    gw_chat planner '{}' -H "Authorization: $wrong"
    assert_refused
  done
  gw_chat planner '{}' -H 'X-Api-Key: client-oneX'
  assert_refused
  gw_chat planner '{}' -H 'X-Api-Key;'
  assert_refused
}

@test "auth: a key is never repeated, in the answer or in the log" {
  gw_chat planner '{}' -H 'Authorization: Bearer wrong-secret-4711'
  assert_refused
  gw_chat planner '{}' -H 'X-Api-Key: client-two'
  run ! grep -F wrong-secret-4711 "$GW_DIR/gateway.log" "$body_file"
  run ! grep -F client-two "$GW_DIR/gateway.log"
}

@test "auth: a wrong Bearer beside a right X-Api-Key, and the reverse -> 200" {
  gw_chat planner '{}' -H 'Authorization: Bearer dummy' -H 'X-Api-Key: client-one'
  assert_status 200
  gw_chat planner '{}' -H 'Authorization: Bearer client-one' -H 'X-Api-Key: dummy'
  assert_status 200
}

@test "auth: both client headers wrong -> 401" {
  gw_chat planner '{}' -H 'Authorization: Bearer dummy' -H 'X-Api-Key: dummy'
  assert_refused
}

@test "auth: the node header on a client endpoint -> 401, even with a client key in it" {
  gw_get /v1/models -H 'X-RoleMesh-Node-Key: client-one'
  assert_refused
}

@test "auth: a node key on a client endpoint -> 401" {
  gw_get /v1/models -H 'Authorization: Bearer node-one'
  assert_refused
  gw_chat planner '{}' -H 'X-Api-Key: node-one'
  assert_refused
}

@test "auth: every client endpoint without a key -> 401" {
  local path
  for path in chat/completions completions embeddings responses messages \
    messages/count_tokens rerank; do
    gw_post "/v1/$path" '{"model":"planner"}'
    assert_refused
  done
  for path in models models/planner models/nobody; do
    gw_get "/v1/$path"
    assert_refused
  done
}

@test "auth: /health and /ready -> no key asked for" {
  gw_get /health
  assert_status 200
  gw_get /ready
  assert_status 200
}

@test "auth: the client's key -> not sent upstream in any header" {
  gw_chat planner '{}' -H 'Authorization: Bearer client-one' -H 'X-Api-Key: client-one'
  assert_status 200
  assert_equal "$(fake_last alpha '[.headers[][1]] | map(select(contains("client-one"))) | length')" 0
}

# --- nodes ---

@test "auth: register with a node key as Bearer, or as X-RoleMesh-Node-Key -> 200" {
  gw_post /v1/nodes/register "$(registration)" -H 'Authorization: Bearer node-one'
  assert_status 200
  gw_post /v1/nodes/register "$(registration)" -H 'X-RoleMesh-Node-Key: node-one'
  assert_status 200
}

@test "auth: heartbeat and deregister with a node key -> 200" {
  gw_post /v1/nodes/register "$(registration)" -H 'Authorization: Bearer node-one'
  gw_post /v1/nodes/heartbeat '{"node_id":"n1"}' -H 'X-RoleMesh-Node-Key: node-one'
  assert_status 200
  gw_post /v1/nodes/deregister '{"node_id":"n1"}' -H 'Authorization: Bearer node-one'
  assert_status 200
}

@test "auth: no key on a node endpoint -> 401 that names the node header" {
  local what
  for what in register heartbeat deregister; do
    gw_post "/v1/nodes/$what" "$(registration)"
    assert_refused
    assert_match "$(jq -r .error.message <<<"$body")" 'X-RoleMesh-Node-Key' message
  done
}

@test "auth: a client key on a node endpoint -> 401" {
  gw_post /v1/nodes/register "$(registration)" -H 'Authorization: Bearer client-one'
  assert_refused
  gw_post /v1/nodes/register "$(registration)" -H 'X-RoleMesh-Node-Key: client-one'
  assert_refused
}

@test "auth: the client header on a node endpoint -> 401, even with a node key in it" {
  gw_post /v1/nodes/register "$(registration)" -H 'X-Api-Key: node-one'
  assert_refused
}

@test "auth: an unknown path -> 404, whether a key is sent or not" {
  gw_get /v1/nowhere
  assert_error 404 not_found
  gw_get /v1/nowhere -H 'Authorization: Bearer client-one'
  assert_error 404 not_found
}
