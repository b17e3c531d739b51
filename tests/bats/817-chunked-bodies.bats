#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 817-chunked-bodies.bats - bodies whose length nobody knows, in front of the
# gateway and of the node agent: who may send them is asked before they are kept.
#
# shellcheck disable=SC2154 # helpers set variables

load helpers/all

setup() {
  gw_setup
}

teardown() {
  exec 5>&-
  gw_teardown
}

gateway() {
  fake_start alpha
  gw_config <<YAML
auth: {client_api_keys: [sesame], node_api_keys: [node-key]}
models:
  planner: {type: proxy, proxy_url: "$FAKE_URL_alpha"}
YAML
  gw_start
}

# endless PORT METHOD PATH [HEADER] - a request whose chunked body begins, a 300,000
# bytes of it, and does not end; on descriptor 5.
endless() {
  exec 5<>"/dev/tcp/127.0.0.1/$1"
  {
    printf '%s %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n%b\r\n' "$2" "$3" "${4:-}"
    printf '493e0\r\n'
    head -c 300000 /dev/zero | tr '\0' ' '
    printf '\r\n'
  } >&5 2>/dev/null || true # it may have closed by now
}

status_line() {
  head -n 1 <&5
}

spooled() {
  find "$GW_DIR/run" -name 'lighttpd-upload-*' | wc -l
}

@test "chunked: without a key that is known, and no end -> 401 at the head, no disk used" {
  gateway
  local key
  for key in '' 'Authorization: Bearer nobody\r\n' 'X-Api-Key: nobody\r\n'; do
    endless "$GW_PORT" POST /v1/chat/completions "$key"
    assert_match "$(status_line)" '^HTTP/1.1 401 ' "with '$key'"
    endless "$GW_PORT" POST /v1/nodes/register "$key"
    assert_match "$(status_line)" '^HTTP/1.1 401 ' "a node with '$key'"
  done
  assert_equal "$(spooled)" 0 'files in the upload folder'
}

@test "chunked: a path or method that does not exist, and no end -> refused at the head" {
  gateway
  endless "$GW_PORT" POST /nowhere
  assert_match "$(status_line)" '^HTTP/1.1 404 '
  endless "$GW_PORT" POST /health
  assert_match "$(status_line)" '^HTTP/1.1 405 '
  endless "$GW_PORT" PUT /v1/chat/completions
  assert_match "$(status_line)" '^HTTP/1.1 405 '
  assert_equal "$(spooled)" 0 'files in the upload folder'
}

@test "chunked: a method without a use for it -> 413 beyond 64 KiB, no disk used" {
  gateway
  local method
  for method in GET HEAD OPTIONS; do
    endless "$GW_PORT" "$method" /health
    assert_match "$(status_line)" '^HTTP/1.1 413 ' "$method"
  done
  assert_equal "$(spooled)" 0 'files in the upload folder'
  run -0 curl -sS --noproxy '*' -X GET -H 'Transfer-Encoding: chunked' -d '{}' "$GW_URL/health"
  assert_equal "$output" '{"status":"ok"}'
}

@test "chunked: with a key -> arrives whole, one access record" {
  gateway
  {
    printf '{"model": "planner", "messages": [], "x": "'
    head -c 3000000 /dev/zero | tr '\0' x
    printf '"}'
  } >"$GW_DIR/much"
  gw_post /v1/chat/completions "@$GW_DIR/much" -H 'Transfer-Encoding: chunked' -H 'Authorization: Bearer sesame'
  assert_status 200
  cmp "$GW_DIR/much" "$(fake_body alpha)"
  assert_equal "$(grep -c 'event=access .*path="/v1/chat' "$GW_DIR/gateway.log")" 1 'records'
  wait_until 10 gw_counter_is requests "$(grep -c 'event=access ' "$GW_DIR/gateway.log")"
  gw_post /v1/nodes/heartbeat '{"node_id": "x"}' -H 'Transfer-Encoding: chunked' -H 'Authorization: Bearer node-key'
  assert_error 404 node_not_registered
}

@test "chunked: the process that is asked for the key is killed -> the next one is asked" {
  gateway
  kill -KILL "$(gw_responders control)"
  served() {
    gw_post /v1/chat/completions '{"model": "planner", "messages": []}' -H 'Transfer-Encoding: chunked' \
      -H "Authorization: Bearer $1" >/dev/null
    [[ $status_code == "$2" ]]
  }
  wait_until 15 served sesame 200
  wait_until 15 served nobody 401
}

@test "chunked: to a node agent without its key -> 401 at the head, no disk used; with it served" {
  export AGENT_KEY=sesame
  agent_node a <<YAML
models: [{model_id: m-plan, path: $(fake_model m-plan), roles: [planner]}]
YAML
  agent_start a
  local port=${AGENT_URL_a##*:}
  endless "$port" POST /v1/chat/completions 'Authorization: Bearer nobody\r\n'
  assert_match "$(status_line)" '^HTTP/1.1 401 '
  assert_equal "$(spooled)" 0 'files in the upload folder'
  run -0 curl -sS --noproxy '*' -o /dev/null -w '%{http_code}' -H 'Authorization: Bearer sesame' \
    -H 'Transfer-Encoding: chunked' -d '{"model": "m-plan", "messages": []}' "$AGENT_URL_a/v1/chat/completions"
  assert_equal "$output" 200
}
