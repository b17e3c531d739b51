#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 012-fake-failures.bats - how the scripted upstream fails: the words of its
# vocabulary that the tests of the gateway's attempts rest on.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all

setup_file() {
  gw_setup
  fake_start a
}

teardown_file() {
  gw_teardown
}

setup() {
  fake_mode a '{}'
  S=$BATS_TEST_TMPDIR/stream
}

teardown() {
  gw_dump_if_failed
}

# ask SCRIPT [CURL ARGS] - a chat with this "fake" member, straight to the fake.
ask() {
  local script=$1
  shift
  gw_post "$FAKE_URL_a/v1/chat/completions" "$(chat_json m "{\"fake\": $script}")" "$@"
}

# ask_stream SCRIPT [MORE] - the same, streamed; MORE is a JSON object of more
# members of the body.
ask_stream() {
  gw_post "$FAKE_URL_a/v1/chat/completions" "$(sse_json /v1/chat/completions m \
    "$(jq -cn --argjson fake "$1" --argjson more "${2:-{\}}" '{$fake} + $more')")" -N
}

# assistant_said TEXT - messages that end with it.
assistant_said() {
  jq -cn --arg text "$1" '{messages: [{role: "user", content: "say two"},
    {role: "assistant", content: $text}]}'
}

said() {
  sse_events "$body_file" | jq -rs 'map(.json | objects
    | .choices[0].delta.content? // .choices[0].text? // "") | add'
}

# statuses N - of the next N chats, in one line.
statuses() {
  local i all=''
  for ((i = 0; i < $1; i++)); do
    ask '{}' >/dev/null
    all+="$status_code "
  done
  echo "$all"
}

# --- whole answers ---

@test "fake: error, body_bytes -> members of the error, a message of that size" {
  ask '{"status": 400, "error": {"code": "context_length_exceeded", "param": "messages"}}'
  assert_status 400
  assert_json .error '{"message":"scripted status 400","type":"invalid_request_error","code":"context_length_exceeded","param":"messages"}'
  ask '{"status": 429, "body_bytes": 10000000, "headers": {"Retry-After": "1"}}'
  assert_status 429
  assert_header Retry-After 1
  assert_at_least "$(jq '.error.message | length' <"$body_file")" 10000000 bytes
}

@test "fake: die_after_bytes, end_after_bytes -> the head, a part of the body, RST or FIN" {
  ask '{"die_after_bytes": 20, "delay_ms": 20}'
  assert_status 200
  assert_equal "$curl_status" 56
  assert_equal "$(stat -c %s "$body_file")" 20 bytes
  ask '{"end_after_bytes": 20}'
  assert_equal "$curl_status" 18
  assert_equal "$(stat -c %s "$body_file")" 20 bytes
  ask '{"end_after_bytes": 0, "status": 503}'
  assert_status 503
  assert_equal "$curl_status" 18
  ask '{"end_after_bytes": 1000000}'
  assert_equal "$curl_status" 0
}

@test "fake: reset_before_answer -> curl sees a reset" {
  ask '{"reset_before_answer": true}'
  assert_equal "$curl_status" 56
}

@test "fake: early_answer -> before the body is there, and whoever goes on sending gets it" {
  fake_mode a '{"early_answer": true, "status": 503, "headers": {"Retry-After": "3"}}'
  # the head and one byte of a body that never comes
  run -0 bash -c "exec 5<>/dev/tcp/127.0.0.1/$FAKE_PORT_a
    printf 'POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n{' >&5
    cat <&5"
  assert_match "$output" '^HTTP/1.1 503'
  assert_match "$output" 'scripted status 503'
  head -c 20000000 /dev/zero | tr '\0' ' ' >"$BATS_TEST_TMPDIR/big"
  gw_request POST "$FAKE_URL_a/v1/chat/completions" --data-binary "@$BATS_TEST_TMPDIR/big"
  assert_status 503
  assert_header Retry-After 3
  assert_json .error.code 503
}

# --- streams ---

@test "fake: error_after_tokens -> N tokens, an error event, a clean end without [DONE]" {
  ask_stream '{"tokens": 5, "error_after_tokens": 2}'
  assert_equal "$curl_status" 0
  assert_equal "$(said)" t1t2
  assert_sse 'last.json.error.type' server_error
}

@test "fake: bad_chunk_after_tokens -> N tokens, then what is no chunk" {
  ask_stream '{"tokens": 5, "bad_chunk_after_tokens": 2}'
  assert_equal "$curl_status" 56
  assert_equal "$(said)" t1t2
}

@test "fake: bad_event_after_tokens -> an event more that is no JSON, all else as usual" {
  ask_stream '{"tokens": 3, "bad_event_after_tokens": 1}'
  assert_equal "$curl_status" 0
  assert_equal "$(said)" t1t2t3
  assert_sse '[.[] | select(.data != "[DONE]" and (has("json") | not))] | length' 1
  assert_sse 'last.data' '[DONE]'
}

@test "fake: silent_after_tokens -> N tokens, then nothing; with silent_ms the end" {
  local before
  stream_to "$S" "$FAKE_URL_a/v1/chat/completions" "$(chat_json m \
    '{"stream": true, "fake": {"tokens": 5, "silent_after_tokens": 2}}')"
  wait_until 5 stream_has "$S" 2
  fake_stat_is a .active 1
  kill "$STREAM_PID"
  stream_wait
  stream_to "$S" "$FAKE_URL_a/v1/chat/completions" "$(chat_json m \
    '{"stream": true, "fake": {"tokens": 5, "silent_after_tokens": 0}}')"
  wait_until 5 grep -q '^HTTP/1.1 200' "$S.head"
  assert_equal "$(wc -c <"$S")" 0 bytes
  kill "$STREAM_PID"
  stream_wait
  before=$(mono_ms)
  ask_stream '{"tokens": 5, "silent_after_tokens": 2, "silent_ms": 200}'
  assert_equal "$curl_status" 18
  assert_equal "$(said)" t1t2
  assert_at_least "$(($(mono_ms) - before))" 200 'ms of silence'
}

@test "fake: pings -> comments, then the tokens; or what breaks a stream before them" {
  local n
  ask_stream '{"tokens": 2, "pings": 3, "ping_ms": 5}'
  assert_sse '[.[0:3][].comment]' '["","",""]'
  assert_equal "$(said)" t1t2
  ask_stream '{"tokens": 2, "pings": 2, "die_after_tokens": 0}'
  assert_equal "$curl_status" 56
  assert_equal "$(sort -u "$body_file" | tr -d '\n')" : 'what came'
  # told when: each comment by PUT /fake/go
  stream_to "$S" "$FAKE_URL_a/v1/chat/completions" "$(chat_json m \
    '{"stream": true, "fake": {"tokens": 1, "pings": 2, "wait_tokens": true}}')"
  for n in 1 2; do
    fake_go a
    wait_until 5 fake_stat_is a .waiting 1
    wait_until 5 comments_are "$n"
  done
  fake_go a
  fake_go a
  stream_wait
  stream_has "$S" 1
}

comments_are() {
  [[ $(stream_text "$S" | grep -c '^:$') == "$1" ]]
}

# --- prefills ---

@test "fake: a last message of the assistant's -> a stream goes on behind it, a whole answer repeats it" {
  ask_stream '{"text": "one two three"}' "$(assistant_said 'one tw')"
  assert_equal "$(said)" 'o three'
  ask_stream '{"tokens": 12, "usage": true}' "$(assistant_said t1t2t3t4t5t6t7t8t9t10)"
  assert_equal "$(said)" t11t12
  assert_sse '[.[].json | objects | select(.usage) | .usage | [.prompt_tokens, .completion_tokens]]' '[[12,2]]'
  ask_stream '{"text": "one two"}' "$(assistant_said 'one two')"
  assert_equal "$(said)" ''
  assert_sse 'last.data' '[DONE]'
  ask_stream '{"text": "one two"}' "$(assistant_said 'another')"
  assert_equal "$(said)" 'one two' 'what is no beginning of it'
  gw_post "$FAKE_URL_a/v1/chat/completions" \
    "$(chat_json m "$(assistant_said one | jq -c '. + {fake: {text: "one two"}}')")"
  assert_json '.choices[0].message.content' 'one two'
}

@test "fake: a completion's prompt that holds a part of the answer -> the rest of it" {
  gw_post "$FAKE_URL_a/v1/completions" '{"prompt": "say: one tw", "stream": true, "fake": {"text": "one two three"}}'
  assert_equal "$(said)" 'o three'
  gw_post "$FAKE_URL_a/v1/completions" '{"prompt": "say: t1t2", "stream": true, "fake": {"tokens": 3}}'
  assert_equal "$(said)" t3
  assert_sse '[.[].json | objects | select(.usage) | .usage | [.prompt_tokens, .completion_tokens]]' '[[3,1]]'
}

@test "fake: prefill restart, refuse -> the whole text; 400" {
  ask_stream '{"tokens": 3, "prefill": "restart"}' "$(assistant_said t1)"
  assert_equal "$(said)" t1t2t3
  ask_stream '{"tokens": 3, "prefill": "refuse"}' "$(assistant_said t1)"
  assert_status 400
  ask_stream '{"tokens": 3, "prefill": "refuse"}'
  assert_equal "$(said)" t1t2t3
  ask '{"prefill": "maybe"}'
  assert_status 400
}

# --- whose turn, and when ---

@test "fake: turns -> a script each, then the rest alone; turns_again -> for ever" {
  fake_mode a '{"turns": [{"status": 429}, {}, {"status": 503}]}'
  assert_equal "$(statuses 5)" '429 200 503 200 200 '
  fake_mode a '{"turns": [{"status": 429}, {}], "turns_again": true}'
  assert_equal "$(statuses 5)" '429 200 429 200 429 '
  fake_mode a '{"status": 500, "turns": [{"status": 0}]}'
  assert_equal "$(statuses 3)" '200 500 500 '
  # probes take no turn, and each PUT begins anew
  fake_mode a '{"turns": [{"status": 429}]}'
  gw_get "$FAKE_URL_a/v1/models"
  assert_equal "$(statuses 2)" '429 200 '
  ask '{"tokens": 1}'
  gw_request PUT "$FAKE_URL_a/fake/mode" --data-binary '{"turns": [{"tokns": 1}]}'
  assert_status 400
  gw_request PUT "$FAKE_URL_a/fake/mode" --data-binary '{"turns": [{"turns": []}]}'
  assert_status 400
  gw_request PUT "$FAKE_URL_a/fake/mode" --data-binary '{"turns": [7]}'
  assert_status 400
}

@test "fake: exit_signal in the third turn -> two answers, then the process is gone" {
  local pid
  fake_start b --script '{"turns": [{}, {}, {"exit_signal": 9}]}'
  pid=$(gw_pid fake-b)
  for _ in 1 2; do
    gw_post "$FAKE_URL_b/v1/chat/completions" "$(chat_json m)"
    assert_status 200
  done
  gw_post "$FAKE_URL_b/v1/chat/completions" "$(chat_json m)"
  assert_status 000
  wait_until 5 gone "$pid"
  rm -f "$GW_DIR/pids/fake-b"
}

@test "fake: for_ms -> the mode for that time, the command line's then; every_ms -> again and again" {
  local before
  before=$(mono_ms)
  fake_mode a '{"status": 503, "for_ms": 300}'
  wait_until 5 answers 200
  assert_at_least "$(($(mono_ms) - before))" 299 'ms'
  fake_mode a '{"loading": true, "for_ms": 200, "every_ms": 400}'
  wait_until 5 answers 503
  wait_until 5 answers 200
  wait_until 5 answers 503
  fake_mode a '{}'
}

answers() {
  ask '{}' >/dev/null
  [[ $status_code == "$1" ]]
}
