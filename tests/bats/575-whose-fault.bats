#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 575-whose-fault.bats - failures that are not the client's: a node that is
# loading beside one that is ready, a key of the gateway's own that is refused,
# an upstream's error event, a name that nobody can look up, endless trailers.
#
# shellcheck disable=SC2154,SC2034 # set by the helpers, or for them

load helpers/all

setup_file() {
  gw_setup
  raw_files "$GW_DIR/raw"
  fake_start alpha --fixtures "$GW_DIR/raw"
  fake_start beta
  fake_start guarded --api-key right
  gw_config <<YAML
gateway: {sse_keepalive_s: 20}
auth: {upstream_node_key: node-key-of-the-gateway}
models:
  planner: {type: proxy, proxy_url: $FAKE_URL_alpha}
  wrong: {type: proxy, proxy_url: $FAKE_URL_guarded, api_key: wrong-key}
  keyless: {type: proxy, proxy_url: $FAKE_URL_guarded}
  pair: {type: discovered}
  impatient: {type: discovered, timeouts: {first_byte_s: 3}}
  locked: {type: discovered}
YAML
  GW_WORKERS=1 gw_start
}

teardown_file() {
  gw_teardown
}

setup() {
  fake_mode alpha '{}'
  fake_mode beta '{}'
}

teardown() {
  gw_dump_if_failed
}

# register ID URL ROLE
register() {
  gw_post /v1/nodes/register "$(jq -cn --arg id "$1" --arg url "$2" --arg role "$3" \
    '{node_id: $id, base_url: $url, roles: [$role]}')"
}

deregister() {
  gw_post /v1/nodes/deregister "{\"node_id\": \"$1\"}"
}

@test "fault: a node is loading, another is ready -> that one answers each request" {
  local i
  register alpha "$FAKE_URL_alpha" pair
  register beta "$FAKE_URL_beta" pair
  fake_mode alpha '{"loading": true}'
  for i in 1 2 3 4; do
    gw_chat pair '{}'
    assert_status 200
    assert_header X-RoleMesh-Node beta
    gw_chat pair '{"stream": true}'
    assert_status 200
    assert_header X-RoleMesh-Node beta
  done
  gw_log_has 'event=upstream_retry .*node=alpha result=loading status=503 .*next="another one"'
  deregister alpha
  deregister beta
}

@test "fault: all nodes are loading until first_byte_s is over -> the answer of one of them" {
  register alpha "$FAKE_URL_alpha" impatient
  register beta "$FAKE_URL_beta" impatient
  fake_mode alpha '{"loading": true}'
  fake_mode beta '{"loading": true}'
  gw_chat impatient '{}'
  assert_status 503
  assert_json .error.message 'Loading model'
  deregister beta
  gw_chat impatient '{}'
  assert_status 503
  assert_json .error.message 'Loading model'
}

@test "fault: one is loading, the other cannot be connected -> 503, come again" {
  register dead "http://127.0.0.1:$(free_ports 1)" impatient
  fake_mode alpha '{"loading": true}'
  gw_chat impatient '{}' -H 'X-Request-Id: r1'
  assert_status 503
  gw_chat impatient '{}' -H 'X-Request-Id: r2'
  assert_status 503
  deregister dead
}

@test "fault: our own key is refused -> 502 that says where it is, no 401" {
  gw_chat wrong '{}' -H 'X-Request-Id: wrong-key-1'
  assert_error 502 upstream_auth_failed
  refute_header WWW-Authenticate
  assert_match "$body" 'models\.wrong\.api_key'
  gw_chat wrong '{"stream": true}'
  assert_error 502 upstream_auth_failed
  wait_until 5 gw_log_has 'event=access rid=wrong-key-1 .*status=502 .*error=upstream_auth_failed .*models.wrong.api_key'
  run ! grep -q 'wrong-key"' "$GW_DIR/gateway.log"
}

@test "fault: no key was shown -> the upstream's own 401" {
  gw_chat keyless '{}'
  assert_status 401
}

@test "fault: a node refuses our key -> another one first, then 502" {
  register guarded "$FAKE_URL_guarded" locked
  gw_chat locked '{}'
  assert_error 502 upstream_auth_failed
  assert_match "$body" 'auth\.upstream_node_key'
  register open "$FAKE_URL_beta" locked
  local i
  for i in 1 2 3; do
    gw_chat locked '{}'
    assert_status 200
    assert_header X-RoleMesh-Node open
  done
  run ! grep -qF node-key-of-the-gateway "$GW_DIR/gateway.log"
}

@test "fault: an upstream's error event -> passed on, logged and counted as broken" {
  local before
  gw_get /rolemesh/status
  before=$(jq .counters.stream_broken <<<"$body")
  gw_chat planner '{"stream": true, "fake": {"pieces": ["data: {\"choices\":[]}\n\n",
    "data: {\"error\":{\"message\":\"of the prompt\",\"type\":\"server_error\",\"param\":null,\"code\":\"upstream_protocol_error\"}}\n\n"], "no_done": true}}' \
    -H 'X-Request-Id: told-error'
  assert_status 200
  assert_one_sse_error /v1/chat/completions upstream_protocol_error
  wait_until 5 gw_log_has 'event=access rid=told-error .* broken=1 error=upstream_error_event .*sent an error event: upstream_protocol_error'
  run ! grep -qF 'of the prompt' "$GW_DIR/gateway.log"
  gw_get /rolemesh/status
  assert_json .counters.stream_broken "$((before + 1))"
}

@test "fault: text that speaks of errors -> no error" {
  gw_chat planner '{"stream": true, "fake": {"text": "an \"error\": {} event: error"}}' \
    -H 'X-Request-Id: only-text'
  assert_status 200
  wait_until 5 gw_log_has 'event=access rid=only-text .* broken=0 error=-'
}

@test "fault: a node with an international name -> refused, and the message says how" {
  register idn 'http://müller.example:8014' pair
  assert_error 400 invalid_request base_url
  assert_match "$body" 'xn--'
  register idn 'http://m%C3%BCller.example:8014' pair
  assert_error 400 invalid_request base_url
  register idn 'http://xn--mller-kva.example:8014' pair
  assert_status 200
  deregister idn
}

@test "fault: headers and trailers of 64 KiB pass, more is a protocol error" {
  gw_chat planner '{"fake": {"raw_file": "trailers-fit"}}'
  assert_status 200
  assert_equal "$body $curl_status" '{} 0'
  gw_chat planner '{"fake": {"raw_file": "headers"}}'
  assert_error 502 upstream_protocol_error
  assert_match "$body" 'over 64 KiB'
  gw_chat planner '{"fake": {"raw_file": "one-line"}}'
  assert_error 502 upstream_protocol_error
  gw_chat planner '{"fake": {"raw_file": "trailers"}}'
  assert_error 502 upstream_protocol_error
  assert_match "$body" 'over 64 KiB'
  gw_chat planner '{"stream": true, "fake": {"raw_file": "stream-trailers"}}'
  assert_one_sse_error /v1/chat/completions upstream_protocol_error
}
