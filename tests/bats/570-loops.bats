#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 570-loops.bats - addresses that lead back to the gateway: a 508 at once, where
# every process would else be filled with one request's copies.
#
# shellcheck disable=SC2154,SC2034 # set by the helpers, or for them

load helpers/all

# Gateway $GW_URL, and a second one beside it that points back: $TWO_URL.
setup_file() {
  gw_setup
  fake_start alpha
  TWO_PORT=$(free_ports 1)
  export TWO_URL=http://127.0.0.1:$TWO_PORT
  cat >"$GW_DIR/two.yaml" <<YAML
auth: {client_api_keys: [two]}
models:
  back: {type: proxy, proxy_url: $GW_URL, api_key: one, defaults: {model: around}}
  served: {type: proxy, proxy_url: $FAKE_URL_alpha}
YAML
  gw_config <<YAML
gateway: {probe_timeout_s: 20}
auth: {client_api_keys: [one]}
models:
  own: {type: proxy, proxy_url: $GW_URL, api_key: one, defaults: {model: own}}
  keyless: {type: proxy, proxy_url: $GW_URL}
  around: {type: proxy, proxy_url: $TWO_URL, api_key: two, defaults: {model: back}}
  next: {type: proxy, proxy_url: $TWO_URL, api_key: two, defaults: {model: served}}
  node: {type: discovered}
YAML
  GW_PORT_FROM_CONFIG=0 GW_WORKERS=2 gw_start
  ROLE_MESH_SHM=$ROLE_MESH_SHM-two TMPDIR=$GW_DIR/run XDG_RUNTIME_DIR=$GW_DIR/run \
    ROLEMESH_RESPONDER=$TOP_BUILDDIR/rolemesh-responder ROLEMESH_DATADIR=$TOP_SRCDIR/lighttpd \
    "$TOP_BUILDDIR/rolemesh-gateway" --config "$GW_DIR/two.yaml" --host 127.0.0.1 \
    --port "$TWO_PORT" --workers 2 >"$GW_DIR/two.log" 2>&1 3>&- 4>&- &
  gw_track two "$!"
  wait_until 15 two_is_up
}

two_is_up() {
  [[ $(curl -s --noproxy '*' -o /dev/null -w '%{http_code}' "$TWO_URL/health") == 200 ]]
}

teardown_file() {
  gw_teardown
}

setup() {
  GW_KEY=one
}

teardown() {
  gw_dump_if_failed
}

# requests_of ID - how often the two gateways saw it.
requests_of() {
  cat "$GW_DIR/gateway.log" "$GW_DIR/two.log" | grep -c "event=access rid=$1 "
}

@test "loop: an alias whose address is the gateway -> 508 at once, streamed or not" {
  gw_chat own '{}' -H 'X-Request-Id: own-whole'
  assert_error 508 loop_detected
  assert_match "$body" '"message":"loop: '
  wait_until 5 gw_log_has 'event=access rid=own-whole .*upstream_status=508'
  assert_equal "$(requests_of own-whole)" 2 'requests that the gateway saw'
  gw_chat own '{"stream": true}'
  assert_error 508 loop_detected
}

@test "loop: the key does not fit either -> 508 all the same" {
  gw_chat keyless '{}'
  assert_error 508 loop_detected
}

@test "loop: every endpoint that goes upstream -> 508" {
  local path
  for path in /v1/completions /v1/embeddings /v1/messages /v1/responses /v1/rerank \
    /v1/messages/count_tokens; do
    gw_post "$path" '{"model": "own"}'
    assert_error 508 loop_detected
  done
}

@test "loop: over two gateways -> 508 when it comes back" {
  gw_chat around '{}' -H 'X-Request-Id: round-trip'
  assert_error 508 loop_detected
  wait_until 5 gw_log_has 'event=access rid=round-trip .*upstream_status=508'
  assert_equal "$(requests_of round-trip)" 3 'requests that both saw'
}

@test "loop: a gateway behind a gateway is none -> served, and both are named upstream" {
  gw_chat next '{}'
  assert_status 200
  assert_match "$(fake_header alpha X-RoleMesh-Via)" '^[0-9a-f]{16}, [0-9a-f]{16}$'
}

@test "loop: a node whose address is the gateway -> 508 at once" {
  gw_post /v1/nodes/register "{\"node_id\": \"mirror\", \"base_url\": \"$GW_URL\", \"roles\": [\"node\"]}"
  assert_status 200
  gw_chat node '{}' -H 'X-Request-Id: by-node'
  assert_error 508 loop_detected
  wait_until 5 gw_log_has 'event=access rid=by-node .*upstream_status=508'
  assert_equal "$(requests_of by-node)" 2 'requests that the gateway saw'
}

@test "loop: probes -> the gateway knows itself, and two do not wait for each other" {
  gw_get /v1/models
  assert_status 200
  assert_json '[.rolemesh.unavailable_models[] | select(.alias == "own" or .alias == "keyless") | .reason] | unique' \
    '["HTTP 508: the address leads back to this gateway"]'
  assert_json '[.data[].id | select(. == "around" or . == "next")]' '["around","next"]'
}

@test "loop: a stranger's header -> nothing of it is believed but names" {
  gw_chat next '{}' -H 'X-RoleMesh-Via: nobody, "x"; 0123456789abcdef'
  assert_status 200
  assert_match "$(fake_header alpha X-RoleMesh-Via)" \
    '^(0123456789abcdef, )?[0-9a-f]{16}, [0-9a-f]{16}$'
}
