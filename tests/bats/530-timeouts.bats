#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 530-timeouts.bats - the four limits of a model, each by itself: a 504 that
# names it before the answer has begun, one error event in a stream after that.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all

setup_file() {
  gw_setup
  fake_start alpha
  blackhole_start
  gw_config <<YAML
gateway:
  sse_keepalive_s: 0.3
models:
  connect:
    type: proxy
    proxy_url: $BLACKHOLE_URL
    timeouts: {connect_s: 0.6, total_s: 0}
  first:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    timeouts: {first_byte_s: 0.6}
  hasty:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    timeouts: {first_byte_s: 0.1}
  idle:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    timeouts: {idle_s: 0.5}
  total:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    timeouts: {total_s: 1}
  unconnected:
    type: proxy
    proxy_url: $BLACKHOLE_URL
    timeouts: {connect_s: 0, total_s: 0.6}
  patient:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    timeouts: {connect_s: 0, first_byte_s: 0, idle_s: 0, total_s: 0}
  reviewer:
    type: discovered
    timeouts: {connect_s: 0.6}
YAML
  gw_start
}

teardown_file() {
  gw_teardown
}

setup() {
  S=$BATS_TEST_TMPDIR/stream
}

teardown() {
  gw_dump_if_failed
}

# assert_timeout LIMIT SECONDS - a 504 that names the limit, after that time.
assert_timeout() {
  assert_error 504 upstream_timeout || return 1
  assert_json ".error.message | contains(\"timeouts.$1 = $2 s\")" true || return 1
  assert_at_least "$time_total_ms" "$(awk "BEGIN { print int($2 * 1000) - 20 }")" ms
}

# assert_timeout_event LIMIT SECONDS [PATH] - the same behind a 200.
assert_timeout_event() {
  local path=${3:-/v1/chat/completions}
  local file=${3:+$(sse_file "$3")}
  file=${file:-$body_file}
  assert_one_sse_error "$path" upstream_timeout "$file" || return 1
  assert_sse "last.json | .error.message // .message | contains(\"timeouts.$1 = $2 s\")" \
    true "$file"
}

# gw_stream MODEL SCRIPT - a chat stream, whole.
gw_stream() {
  gw_post /v1/chat/completions \
    "$(sse_json /v1/chat/completions "$1" "$(jq -cn --argjson s "$2" '{fake: $s}')")" -N
}

# aborted_since N - the upstream saw more clients leave than N; for wait_until.
aborted_since() {
  (($(fake_stats alpha .aborted) > $1))
}

# --- connect_s ---

@test "timeouts: nobody accepts -> 504 connect_s" {
  gw_chat connect
  assert_timeout connect_s 0.6
}

@test "timeouts: nobody accepts, after comments -> an error event, connect_s" {
  gw_stream connect '{}'
  assert_status 200
  assert_timeout_event connect_s 0.6
}

@test "timeouts: a node cannot be connected in time -> another one answers" {
  local node
  for node in "dead $BLACKHOLE_URL" "live $FAKE_URL_alpha"; do
    gw_post /v1/nodes/register "$(jq -cn --arg id "${node% *}" --arg url "${node#* }" \
      '{node_id: $id, base_url: $url, roles: ["reviewer"]}')"
    assert_status 200
  done
  for node in 1 2; do
    gw_chat reviewer
    assert_status 200
    assert_header X-RoleMesh-Node live
  done
}

# --- first_byte_s ---

@test "timeouts: no answer -> 504 first_byte_s, and the upstream is let go" {
  local before
  before=$(fake_stats alpha .aborted)
  gw_chat first '{"fake": {"never": true}}'
  assert_timeout first_byte_s 0.6
  wait_until 5 aborted_since "$before"
}

@test "timeouts: no answer, after comments -> an error event, first_byte_s, and the upstream is let go" {
  local before
  before=$(fake_stats alpha .aborted)
  gw_stream first '{"never": true}'
  assert_status 200
  assert_timeout_event first_byte_s 0.6
  wait_until 5 aborted_since "$before"
}

@test "timeouts: a stream is late before the first comment -> 504 first_byte_s" {
  gw_stream hasty '{"never": true}'
  assert_timeout first_byte_s 0.1
}

@test "timeouts: a head and no first byte of a stream -> an error event, first_byte_s" {
  gw_stream first '{"head_delay_ms": 5000, "tokens": 1}'
  assert_status 200
  assert_timeout_event first_byte_s 0.6
}

@test "timeouts: a head and no first byte of a whole answer -> 504 first_byte_s" {
  gw_chat first '{"fake": {"head_delay_ms": 5000}}'
  assert_timeout first_byte_s 0.6
}

@test "timeouts: the first byte in time, the rest much later -> no first_byte_s" {
  gw_stream first '{"tokens": 4, "delay_ms": 300}'
  assert_equal "$(sse_texts)" 't1 t2 t3 t4'
  assert_sse last.data '[DONE]'
}

# --- idle_s ---

@test "timeouts: a stream falls silent -> its tokens and an error event, idle_s, at every endpoint" {
  local path file before
  before=$(fake_stats alpha .aborted)
  # comments come between, and do not count as the upstream's bytes
  fake_mode alpha '{"pieces": ["data: {\"delta\":\"t1\"}\n\n", "x"], "delay_ms": 8000}'
  sse_everywhere idle
  fake_mode alpha '{}'
  for path in "${SSE_PATHS[@]}"; do
    assert_timeout_event idle_s 0.5 "$path"
    assert_equal "$(sse_texts "$(sse_file "$path")")" t1
  done
  wait_until 5 aborted_since "$((before + 3))"
}

@test "timeouts: silence in half an event -> the half is closed off, then the error event" {
  gw_stream idle '{"pieces": ["data: 1\n\ndata: 2", "x"], "delay_ms": 8000}'
  assert_timeout_event idle_s 0.5
  assert_sse '[.[].data] | .[:2]' '["1","2"]'
}

@test "timeouts: a short whole answer stops half-way -> 504 idle_s" {
  gw_chat idle '{"fake": {"raw_file": "chat.http", "raw_split": 500, "raw_delay_ms": 8000}}'
  assert_timeout idle_s 0.5
}

@test "timeouts: a long whole answer stops half-way -> broken off, no error inside" {
  gw_chat idle '{"fake": {"pieces": ["[1,", "2]"], "delay_ms": 8000, "content_type": "application/json"}}'
  assert_status 200
  assert_equal "$curl_status" 18 'exit status of curl'
  assert_equal "$body" '[1,'
}

@test "timeouts: pauses shorter than idle_s, more than that in all -> the whole stream" {
  gw_stream idle '{"tokens": 8, "delay_ms": 150}'
  assert_equal "$(sse_texts)" 't1 t2 t3 t4 t5 t6 t7 t8'
  assert_sse last.data '[DONE]'
}

@test "timeouts: silence before the first byte -> idle_s does not count there" {
  gw_chat idle '{"fake": {"first_delay_ms": 1000}}'
  assert_status 200
}

@test "timeouts: a client that does not read for longer than idle_s -> all bytes in the end" {
  stream_to "$S" /v1/chat/completions "$(sse_json /v1/chat/completions idle \
    '{"fake": {"tokens": 400, "big_tokens": 65536}}')" -o "$S.bytes"
  wait_until 10 test -s "$S.bytes"
  kill -STOP "$STREAM_PID"
  sleep 1.5 # what is tested is that nothing happens in this time
  kill -CONT "$STREAM_PID"
  stream_wait
  assert_equal "$stream_status" 0
  assert_equal "$(grep -c '^data: {.*"t[0-9]*[.]' "$S.bytes")" 400 tokens
  assert_equal "$(tail -c 14 "$S.bytes")" 'data: [DONE]'
}

# --- total_s ---

@test "timeouts: tokens without end -> cut with an error event, total_s, and the upstream is let go" {
  local before
  before=$(fake_stats alpha .aborted)
  gw_stream total '{"tokens": 100000, "delay_ms": 50}'
  assert_status 200
  assert_timeout_event total_s 1
  assert_between "$(sse_texts | wc -w)" 2 21 tokens
  wait_until 5 aborted_since "$before"
}

@test "timeouts: no answer within total_s -> 504 total_s" {
  gw_chat total '{"fake": {"never": true}}'
  assert_timeout total_s 1
}

@test "timeouts: total_s counts the connecting as well -> 504 total_s" {
  gw_chat unconnected
  assert_timeout total_s 0.6
}

# --- none ---

@test "timeouts: all limits 0 -> a late and halting answer is waited for" {
  gw_chat patient '{"fake": {"first_delay_ms": 1000}}'
  assert_status 200
  gw_stream patient '{"pieces": ["data: 1\n\n", "data: 2\n\n"], "delay_ms": 600}'
  assert_sse '[.[].data | strings]' '["1","2"]'
}

# --- afterwards ---

@test "timeouts: the access record -> status, phase and error; nothing stays open" {
  gw_chat first '{"fake": {"never": true}}' -H 'X-Request-Id: late-1'
  gw_stream connect '{}' >/dev/null
  wait_until 5 gw_log_has 'rid=late-1 .* status=504 phase=first_byte .* broken=0 error=upstream_timeout'
  assert_equal "$(grep -c 'event=access rid=late-1 ' "$GW_DIR/gateway.log")" 1 records
  wait_until 5 fake_stat_is alpha .active 0
  wait_until 5 gw_gauge_is open_requests 0
}
