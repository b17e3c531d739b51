#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 926-early-200.bats - a stream whose 200 went out before its upstream answered:
# as long as the client had comments only, it moves like any other; what cannot
# be helped becomes one error event. And what is written of attempts.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all
load helpers/failover

setup_file() {
  gw_setup
  fake_start one --max-requests 1
  fake_start two --max-requests 1
  fake_start spare --max-requests 1
  gw_config <<YAML
gateway:
  sse_keepalive_s: 0.1
  eject: {failures: 3, pause_s: 600, pause_max_s: 600}
models:
  only:
    type: discovered
    retry: {backoff_s: 0.5, backoff_max_s: 1}
  team:
    type: discovered
    retry: {attempts: 5, backoff_s: 600, backoff_max_s: 3000}
  both: # as many attempts as nodes
    type: discovered
    retry: {attempts: 1}
  patient:
    type: discovered
    retry: {backoff_s: 60, backoff_max_s: 60}
  falls:
    type: discovered
    retry: {attempts: 0}
    fallback: [ok]
  ok:
    type: proxy
    proxy_url: $FAKE_URL_spare
    defaults: {model: spare-model}
YAML
  gw_start
}

teardown_file() {
  gw_teardown
}

setup() {
  fake_mode one '{}'
  fake_mode two '{}'
  fake_mode spare '{}'
  S=$BATS_TEST_TMPDIR/stream
}

# No lease stays, whatever the end was.
teardown() {
  gw_dump_if_failed
  wait_until 10 gw_holds_nothing
}

has_comments() {
  stream_text "$S" | grep -q '^:'
}

# begin_stream MODEL SCRIPT [PATH] - a stream at `one`, whose script fails when it
# is told to go on; returns when the client has its first comment.
begin_stream() {
  local path=${3:-/v1/chat/completions}
  fake_mode one "$(jq -c '{wait_head: true} + .' <<<"$2")"
  stream_to "$S" "$path" "$(sse_json "$path" "$1")"
  wait_until 10 fake_stat_is one .waiting 1
  wait_until 10 has_comments
  grep -q '^HTTP/1.1 200' "$S.head"
}

end_stream() {
  stream_wait
  stream_text "$S" >"$S.text"
}

@test "early 200: then reset, 429, 500, 503, 401 -> another node's stream, behind the comments" {
  local script
  # two is never the first: it is full of failures until one has the stream
  for script in '{"reset_before_answer": true}' '{"status": 429}' '{"status": 500}' '{"status": 503}' \
    '{"garbage": true}' '{"status": 503, "body_bytes": 10000000}'; do
    serve team one
    begin_stream team "$script"
    add_node two "$FAKE_URL_two" "$SERVED" team
    fake_mode two '{"tokens": 3}'
    fake_go one
    end_stream
    assert_equal "$(stream_said "$S.text")" t1t2t3 "with $script"
    assert_sse '[.[] | select(.data == "[DONE]")] | length' 1 "$S.text"
    assert_sse '[.[] | select(.json.error?)] | length' 0 "$S.text"
  done
}

@test "early 200: then 503 of the only one -> again after the wait, comments go on" {
  local before
  serve only one
  begin_stream only '{"turns": [{"status": 503}], "tokens": 2}'
  before=$(grep -c ' :' "$S")
  fake_mode one '{"tokens": 2}'
  fake_go one
  end_stream
  assert_equal "$(stream_said "$S.text")" t1t2
  assert_equal "$(asked one)" 2
  assert_at_least "$(grep -c ' :' "$S")" $((before + 1)) comments
}

@test "early 200: then a failure with a fallback -> the fallback's stream" {
  serve falls one
  fake_mode spare '{"tokens": 3}'
  begin_stream falls '{"status": 400, "error": {"code": "context_length_exceeded"}}'
  fake_go one
  end_stream
  assert_equal "$(stream_said "$S.text")" t1t2t3
  assert_sse '[.[].json | objects | .model] | unique' '["spare-model"]' "$S.text"
}

@test "early 200: nothing is left -> one error event, in the dialect, with what the upstream said" {
  local path
  for path in "${SSE_PATHS[@]}"; do
    serve only one
    begin_stream only '{"status": 404}' "$path"
    fake_go one
    end_stream
    assert_sse '[.[] | select((.json | objects | has("error")) or .event == "error")] | length' 1 "$S.text"
    grep -q 'scripted status 404' "$S.text"
    run ! grep -F '[DONE]' "$S.text"
  done
}

@test "early 200: the last of several answers -> the error event holds it" {
  serve both one two
  fake_mode one '{"wait_head": true, "status": 503}'
  fake_mode two '{"wait_head": true, "status": 503}'
  stream_to "$S" /v1/chat/completions "$(sse_json /v1/chat/completions both)"
  wait_until 10 has_comments
  go_who_waits
  go_who_waits
  end_stream
  assert_equal "$(asked one) $(asked two)" '1 1'
  assert_sse '[.[] | select(.json.error?)] | length' 1 "$S.text"
  grep -q 'scripted status 503' "$S.text"
}

someone_waits() {
  (($(fake_stats one .waiting) + $(fake_stats two .waiting) == 1))
}

# Whichever of the two it is, and not the other.
go_who_waits() {
  wait_until 10 someone_waits
  fake_go "$(fake_stat_is one .waiting 1 && echo one || echo two)"
}

@test "early 200: an upstream's comments are no first byte -> it moves when that upstream dies" {
  serve team one
  fake_mode one '{"pings": 3, "wait_tokens": true, "die_after_tokens": 0}'
  fake_mode two '{"tokens": 3}'
  stream_to "$S" /v1/chat/completions "$(sse_json /v1/chat/completions team)"
  for _ in 1 2 3; do
    fake_go one
  done
  add_node two "$FAKE_URL_two" "$SERVED" team
  fake_go one
  end_stream
  assert_equal "$(stream_said "$S.text")" t1t2t3
  assert_sse '[.[] | select(.data == "[DONE]")] | length' 1 "$S.text"
}

@test "early 200: the client leaves during the wait -> it ends, no further attempt" {
  serve patient one
  begin_stream patient '{"status": 503}'
  fake_go one
  wait_until 10 fake_stat_is one .active 0
  kill "$STREAM_PID"
  stream_wait
  wait_until 10 gw_holds_nothing
  assert_equal "$(asked one)" 1
}

# --- what is written ---

@test "attempts told: the answer's headers and the access record" {
  local record
  serve falls one
  fake_mode one '{"status": 503}'
  gw_chat falls '' -H 'X-Request-Id: told-1'
  assert_status 200
  assert_header X-RoleMesh-Attempts 2
  assert_header X-RoleMesh-Model ok
  wait_until 5 gw_log_has 'access.*rid=told-1'
  record=$(grep -E 'access.*rid=told-1' "$GW_DIR/gateway.log")
  echo "$record"
  # both, in order: where, what came of it, ms
  assert_match "$record" ' attempts=one:down:[0-9.]+,ok:ok:[0-9.]+ '
}
