#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 550-broken.bats - upstreams that break off or do not speak HTTP: one error
# event in a stream, a 502 while there is nothing to take back, a broken
# transfer where a whole answer is half sent.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all

setup_file() {
  gw_setup
  fake_start alpha
  mkdir "$GW_DIR/raw"
  fake_start beta --fixtures "$GW_DIR/raw"
  gw_config <<YAML
models:
  planner:
    type: proxy
    proxy_url: $FAKE_URL_alpha
  passing:
    type: proxy
    proxy_url: $FAKE_URL_beta
YAML
  gw_start
}

teardown_file() {
  gw_teardown
}

teardown() {
  gw_dump_if_failed
}

# gw_stream SCRIPT - a chat stream, whole.
gw_stream() {
  gw_post /v1/chat/completions "$(sse_json /v1/chat/completions planner \
    "$(jq -cn --argjson s "$1" '{fake: $s}')")" -N
}

# assert_broken_everywhere SCRIPT TOKENS - at each endpoint: those tokens, one
# error event in its dialect, and the proper end of an answer.
assert_broken_everywhere() {
  local path
  sse_everywhere planner "{\"fake\": $1}"
  for path in "${SSE_PATHS[@]}"; do
    assert_one_sse_error "$path" upstream_protocol_error "$(sse_file "$path")"
    assert_equal "$(sse_texts "$(sse_file "$path")")" "$2" "tokens at $path"
  done
}

# --- streams ---

@test "broken: a stream is reset -> what came, then one error event, at every endpoint" {
  assert_broken_everywhere '{"tokens": 9, "die_after_tokens": 3, "delay_ms": 150}' 't1 t2 t3'
}

@test "broken: a stream is closed without its last chunk -> the same" {
  assert_broken_everywhere '{"tokens": 9, "end_after_tokens": 3, "delay_ms": 20}' 't1 t2 t3'
}

@test "broken: a reset inside an event -> its half is closed off, the error event stands alone" {
  local path half
  sse_everywhere planner '{"fake": {"tokens": 9, "half_event": true, "die_after_tokens": 2,
    "delay_ms": 150}}'
  for path in "${SSE_PATHS[@]}"; do
    assert_one_sse_error "$path" upstream_protocol_error "$(sse_file "$path")"
    assert_equal "$(sse_texts "$(sse_file "$path")")" 't1 t2' "tokens at $path"
    # the half event: data that was begun, so no JSON; or not even that
    half=$(sse_events "$(sse_file "$path")" | jq -rs '.[-2] | has("json")')
    assert_equal "$half" false "the event before the error at $path is whole"
  done
}

@test "broken: an end inside an event -> the same" {
  gw_stream '{"tokens": 9, "half_event": true, "end_after_tokens": 2, "delay_ms": 20}'
  assert_one_sse_error /v1/chat/completions upstream_protocol_error
  assert_equal "$(sse_texts)" 't1 t2'
  assert_sse '.[-2] | has("json")' false
}

@test "broken: an end in the middle of a blank line -> the event before it is not lost" {
  local end
  for end in '' '\n' '\r' '\r\n' '\n\n' '\r\n\r' '\r\n\r\n' '\r\r'; do
    gw_stream "{\"pieces\": [\"data: {\\\"n\\\":1}$end\", \"x\"], \"end_after_tokens\": 1}"
    assert_one_sse_error /v1/chat/completions upstream_protocol_error
    assert_sse '[length, .[0].data]' '[2,"{\"n\":1}"]' || _fail "end: $end"
  done
}

@test "broken: a named event cut before its data -> the error event does not take its name" {
  gw_stream '{"pieces": ["event: content_block_delta\n", "x"], "end_after_tokens": 1}'
  assert_one_sse_error /v1/chat/completions upstream_protocol_error
  assert_sse length 1
}

@test "broken: a comment cut in its middle -> the error event is no part of it" {
  gw_stream '{"pieces": [": ping\n\n", ": pin", "x"], "end_after_tokens": 2}'
  assert_status 200
  assert_one_sse_error /v1/chat/completions upstream_protocol_error
  gw_stream '{"pieces": ["data: 1\n\n: pin", "x"], "end_after_tokens": 1}'
  assert_one_sse_error /v1/chat/completions upstream_protocol_error
}

@test "broken: a reset behind the head -> 502, as nothing was passed on" {
  gw_stream '{"tokens": 9, "die_after_tokens": 0, "delay_ms": 50}'
  assert_error 502 upstream_protocol_error
}

@test "broken: behind [DONE] but without a last chunk -> the error event comes all the same" {
  # the client has its answer; that the connection broke is still the truth
  gw_stream '{"pieces": ["data: {\"n\":1}\n\n", "data: [DONE]\n\n", "x"], "end_after_tokens": 2}'
  assert_equal "$curl_status" 0
  assert_sse '[.[0:2][].data], (last.json.error.code)' \
    $'["{\\"n\\":1}","[DONE]"]\nupstream_protocol_error'
}

@test "broken: the access record and the counter -> broken=1, its error, once" {
  local before
  before=$(gw_counter stream_broken)
  gw_post /v1/chat/completions "$(sse_json /v1/chat/completions planner \
    '{"fake": {"tokens": 9, "end_after_tokens": 1, "delay_ms": 20}}')" -H 'X-Request-Id: broke-1'
  wait_until 5 gw_log_has 'event=access rid=broke-1 .* status=200 phase=stream .* broken=1 error=upstream_protocol_error'
  assert_equal "$(grep -c 'event=access rid=broke-1 ' "$GW_DIR/gateway.log")" 1 records
  assert_equal "$(gw_counter stream_broken)" $((before + 1)) 'counter stream_broken'
}

@test "broken: the upstream's process is killed in mid-stream -> one error event; later a 502" {
  fake_mode beta '{"tokens": 1000000, "delay_ms": 50}'
  stream_to "$BATS_TEST_TMPDIR/s" /v1/chat/completions "$(sse_json /v1/chat/completions passing)"
  wait_until 10 stream_has "$BATS_TEST_TMPDIR/s" 3
  fake_stop beta
  stream_wait
  assert_equal "$stream_status" 0
  stream_text "$BATS_TEST_TMPDIR/s" >"$BATS_TEST_TMPDIR/text"
  assert_one_sse_error /v1/chat/completions upstream_protocol_error "$BATS_TEST_TMPDIR/text"
  gw_chat passing
  assert_error 502 upstream_unreachable
  fake_start beta --fixtures "$GW_DIR/raw"
  gw_chat passing
  assert_status 200
}

# --- whole answers ---

@test "broken: a short answer ends before its length -> 502" {
  gw_chat planner '{"fake": {"content_length_lie": 10}}'
  assert_error 502 upstream_protocol_error
}

@test "broken: a long answer ends before its length -> the client sees a broken transfer" {
  gw_chat planner "$(jq -cn '{fake: {text: ("x" * 100000), content_length_lie: 10}}')"
  assert_status 200
  assert_equal "$curl_status" 18 'exit status of curl'
  assert_between "$(stat -c %s "$body_file")" 100000 101000 'bytes'
  run ! grep -F upstream_protocol_error "$body_file"
}

@test "broken: an answer of unknown length is reset -> the client sees a broken transfer" {
  gw_chat planner '{"fake": {"pieces": ["[1,", "2,", "3]"], "die_after_tokens": 2, "delay_ms": 100,
    "content_type": "application/x-ndjson"}}'
  assert_status 200
  assert_equal "$curl_status" 18 'exit status of curl'
  assert_equal "$body" '[1,2,'
}

@test "broken: the same of JSON, which is held until it is whole -> 502" {
  gw_chat planner '{"fake": {"pieces": ["[1,", "2,", "3]"], "die_after_tokens": 2, "delay_ms": 100,
    "content_type": "application/json"}}'
  assert_error 502 upstream_protocol_error
}

@test "broken: the end comes together with the beginning -> what came arrives, then the broken transfer" {
  printf '%s\r\n' 'HTTP/1.1 200 OK' 'Content-Type: application/x-ndjson' \
    'Transfer-Encoding: chunked' '' '9' $'{"n":12}\n' >"$GW_DIR/raw/cut.http"
  gw_chat passing '{"fake": {"raw_file": "cut.http"}}'
  assert_status 200
  assert_equal "$curl_status" 18 'exit status of curl'
  assert_equal "$body" '{"n":12}'
}

@test "broken: closed before any byte -> 502" {
  gw_chat planner '{"fake": {"close_before_answer": true}}'
  assert_error 502 upstream_protocol_error
  gw_stream '{"close_before_answer": true}'
  assert_error 502 upstream_protocol_error
}

@test "broken: bytes that are no HTTP -> 502" {
  gw_chat planner '{"fake": {"garbage": true}}'
  assert_error 502 upstream_protocol_error
  gw_stream '{"garbage": true}'
  assert_error 502 upstream_protocol_error
}

@test "broken: a 502 -> says which model and how, and nothing of the address" {
  gw_chat planner '{"fake": {"close_before_answer": true}}'
  assert_json .error.message "none of 2 attempts for model 'planner' has an answer (planner lost, planner lost);\
 the last: connection closed without an answer"
}

@test "broken: after each of these -> the next request is answered" {
  local script
  for script in '{"garbage": true}' '{"close_before_answer": true}' '{"content_length_lie": 10}' \
    '{"stream": true, "die_after_tokens": 1, "tokens": 2}'; do
    gw_chat planner "{\"fake\": $script}" || true
    gw_chat planner
    assert_status 200
  done
  wait_until 5 fake_stat_is alpha .active 0
}
