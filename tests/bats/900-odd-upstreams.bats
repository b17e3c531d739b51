#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 900-odd-upstreams.bats - answers that are legal but rare, or not HTTP at all:
# none of them may reach the client's head, or cut an answer short. And nodes of
# which none is there.

load helpers/all

setup_file() {
  gw_setup
  raw_files "$GW_DIR/raw"
  fake_start alpha --fixtures "$GW_DIR/raw"
  gw_config <<YAML
gateway: {sse_keepalive_s: 3600}
models:
  planner:
    type: proxy
    proxy_url: $FAKE_URL_alpha
  once:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    retry: {attempts: 0}
  reviewer:
    type: discovered
YAML
  GW_WORKERS=1 gw_start
}

teardown_file() {
  gw_teardown
}

# A test that calls gw_setup has a gateway of its own.
teardown() {
  if [[ $GW_DIR == "$BATS_TEST_TMPDIR" ]]; then
    gw_teardown
  else
    gw_dump_if_failed
  fi
}

# raw_files FOLDER - whole answers, byte for byte.
raw_files() {
  local type='Content-Type: application/json\r\n' two='Content-Length: 2\r\n'
  mkdir -p "$1"
  printf 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: odd\r\n\r\n%b' \
    'Status: 200 OK\r\nX-Injected: yes\r\n\r\nown head' >"$1/switching"
  printf 'HTTP/1.1 103 Early Hints\r\nContent-Type: text/hint\r\n%b%b' \
    'Retry-After: 7\r\n\r\n' \
    "HTTP/1.1 200 OK\\r\\n$type$two\\r\\n{}" >"$1/hints"
  printf 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\rX-Injected: yes\r\n%b' \
    "$two\\r\\nok" >"$1/bare-cr"
  printf 'HTTP/1.1 200 OK\r\nRetry-After: 44\r\nContent-Length: 20\r\n\r\nno' \
    >"$1/short"
  printf 'HTTP/1.1 429 Too Many Requests\r\nRetry-After: 44\r\n%b' \
    "$type$two\\r\\n{}" >"$1/busy"
  printf 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n%b' \
    'Content-Length: 22\r\n\r\ndata: "a"\n\ndata: "b"\n\n' >"$1/events"
  printf 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n%b' \
    'Content-Length: 90\r\n\r\ndata: "a"\n\n' >"$1/cut-events"
}

# replay FILE [EXTRA] - a chat that is answered with the bytes of that file.
replay() {
  gw_chat planner "$(jq -cn --arg file "$1" --argjson extra "${2-{\}}" \
    '{stream: true, fake: ({raw_file: $file} + $extra)}')"
}

@test "upstream: an answer that switches protocols -> 502, and none of it becomes a head" {
  replay switching
  assert_error 502 upstream_protocol_error
  refute_header X-Injected
}

@test "upstream: hints before the answer -> only the answer's own headers count" {
  replay hints
  assert_status 200
  assert_header Content-Type application/json
  refute_header Retry-After
}

@test "upstream: a bare CR in a header -> the header is left out" {
  replay bare-cr
  assert_status 200
  refute_header X-Injected
  refute_header Content-Type
  assert_equal "$body" ok
}

@test "upstream: the answer breaks off -> our 502 does not carry its Retry-After" {
  replay short
  assert_error 502 upstream_protocol_error
  refute_header Retry-After
}

@test "upstream: 429 with Retry-After -> both reach the client" {
  replay busy
  assert_status 429
  assert_header Retry-After 44
}

@test "upstream: an event stream of announced length is silent -> comments do not cut its end off" {
  local first=$(($(wc -c <"$GW_DIR/raw/events") - 11)) # all but one event
  gw_setup
  gw_config <<YAML
gateway: {sse_keepalive_s: 0.2}
models:
  planner:
    type: proxy
    proxy_url: $FAKE_URL_alpha
YAML
  GW_WORKERS=1 gw_start
  stream_to "$BATS_TEST_TMPDIR/s" /v1/chat/completions "$(chat_json planner \
    "{\"stream\": true, \"fake\": {\"raw_file\": \"events\", \"raw_split\": $first, \"wait_tokens\": true}}")"
  wait_until 10 comment_behind_event
  fake_go alpha
  stream_wait
  assert_equal "$stream_status" 0 "curl's exit status"
  headers=$(_last_head "$BATS_TEST_TMPDIR/s.head")
  assert_match "$headers" '^HTTP/1.1 200 '
  refute_header Content-Length
  stream_text "$BATS_TEST_TMPDIR/s" >"$BATS_TEST_TMPDIR/text"
  assert_sse '[.[] | .data | strings]' '["\"a\"","\"b\""]' "$BATS_TEST_TMPDIR/text"
}

# for wait_until
comment_behind_event() {
  sed '0,/ data: "a"$/d' "$BATS_TEST_TMPDIR/s" | grep -qF ': keep-alive'
}

@test "upstream: an event stream of announced length breaks off -> the error event is whole" {
  replay cut-events
  assert_status 200
  assert_one_sse_error /v1/chat/completions upstream_protocol_error
  assert_equal "$curl_status" 0 "curl's exit status"
}

@test "upstream: five nodes refuse -> three are tried, and the 502 names the last" {
  local dead i
  dead=$(free_ports 1)
  for i in 1 2 3 4 5; do
    gw_post /v1/nodes/register "$(jq -cn --arg id "dead-$i" --arg port "$dead" \
      '{node_id: $id, base_url: "http://127.0.0.1:\($port)", roles: ["reviewer"]}')"
    assert_status 200
  done
  gw_chat reviewer '{}' -H 'X-Request-Id: five-dead-nodes'
  assert_error 502 upstream_unreachable
  assert_match "$body" 'none of 3 attempts.* \(dead-[1-5] unconnected, dead-[1-5] unconnected, dead-[1-5] unconnected\)'
  assert_match "$body" 'connection refused'
  wait_until 5 gw_log_has 'event=access rid=five-dead-nodes'
  assert_equal "$(grep -c 'event=upstream_retry rid=five-dead-nodes' "$GW_DIR/gateway.log")" 2
}

@test "odd: a kept connection closes after working on a request -> it is not sent again" {
  gw_chat once '{}'
  assert_status 200
  local before
  before=$(fake_count alpha /v1/chat/completions)
  gw_chat once '{"fake": {"first_delay_ms": 1500, "close_before_answer": true}}'
  assert_error 502 upstream_protocol_error
  assert_equal "$(fake_count alpha /v1/chat/completions)" "$((before + 1))" 'requests upstream'
}
