#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 510-keepalive.bats - an upstream that is silent for longer than
# gateway.sse_keepalive_s: the client gets its 200 and comments, and whatever
# comes then is told in the stream.
#
# shellcheck disable=SC2154,SC2030,SC2031 # set by the helpers; a test is a subshell

load helpers/all

KEEPALIVE_MS=200

setup_file() {
  gw_setup
  fake_start alpha
  gw_config <<YAML
gateway:
  sse_keepalive_s: 0.2
models:
  planner:
    type: proxy
    proxy_url: $FAKE_URL_alpha
  always-streams:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    defaults: {stream: true}
  impatient:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    timeouts: {first_byte_s: 2}
YAML
  gw_start
  export KEEPALIVE_URL=$GW_URL
}

teardown_file() {
  gw_teardown
}

setup() {
  S=$BATS_TEST_TMPDIR/stream
}

# A test that calls gw_setup has a gateway of its own.
teardown() {
  if [[ $GW_DIR == "$BATS_TEST_TMPDIR" ]]; then
    gw_teardown
  else
    gw_dump_if_failed
  fi
}

# silence_then PATH SCRIPT - a stream whose upstream says nothing until a comment
# has arrived, and then does what the script says.
silence_then() {
  behind_comments "$GW_DIR/answer.body" -- \
    gw_post "$1" "$(sse_json "$1" planner "$(_after_silence "$2")")" -N
  assert_status 200
  assert_equal "$curl_status" 0 "curl's exit status"
}

# silence_then_everywhere SCRIPT - the same at each endpoint, all at one time.
silence_then_everywhere() {
  local path
  local -a files=()
  for path in "${SSE_PATHS[@]}"; do
    files+=("$(sse_file "$path")")
  done
  behind_comments "${files[@]}" -- sse_everywhere planner "$(_after_silence "$1")"
}

_after_silence() {
  jq -cn --argjson s "$1" '{fake: ({wait_head: true} + $s)}'
}

# behind_comments FILE... -- COMMAND [ARGS] - requests that the upstream answers
# (wait_head) once each of the files, where the bodies go, has a comment.
behind_comments() {
  local going status=0
  local -a files=()
  while [[ $1 != -- ]]; do
    files+=("$1")
    shift
  done
  shift
  rm -f "${files[@]}" "$S.answered"
  _go_behind_comments "${files[@]}" 3>&- 4>&- &
  going=$!
  "$@" || status=$?
  : >"$S.answered"
  wait "$going"
  return "$status"
}

# More than once: libcurl sends a request again when a kept connection closes.
_go_behind_comments() {
  until [[ -e $S.answered ]]; do
    ! _each_has_comment "$@" ||
      curl -sS --noproxy '*' --max-time 300 -X PUT "$FAKE_URL_alpha/fake/go" >/dev/null || true
    sleep 0.05
  done
}

_each_has_comment() {
  local file
  for file; do
    grep -qsF ': keep-alive' "$file" || return 1
  done
}

# pause_behind_first_event - of two that a stream_to gets (wait_tokens), until a
# comment stands there. The whole is in $S.text then.
pause_behind_first_event() {
  fake_go alpha
  wait_until 10 _comment_behind_first_event
  fake_go alpha
  fake_go alpha
  stream_wait
  assert_equal "$stream_status" 0 "curl's exit status"
  stream_text "$S" >"$S.text"
}

_comment_behind_first_event() {
  sed '0,/ data: 1$/d' "$S" | grep -qF ': keep-alive'
}

# without_comments FILE - the bytes behind the leading comments.
without_comments() {
  awk 'begun || !/^(: keep-alive)?$/ { begun = 1; print }' "$1"
}

# assert_some_comments [FILE]
assert_some_comments() {
  assert_at_least "$(grep -cxF ': keep-alive' "${1:-$body_file}")" 1 comments
}

# comments - of the stream_to, so far.
comments() {
  grep -cF ': keep-alive' "$S"
}

# has_comments N - at least so many have arrived; for wait_until.
has_comments() {
  (($(comments) >= $1))
}

# three_intervals_pass - for a stream that began later, at a gateway that sends
# comments: what was to come at another one had its time.
three_intervals_pass() {
  local file=$BATS_TEST_TMPDIR/intervals
  GW_URL=$KEEPALIVE_URL stream_to "$file" /v1/chat/completions \
    "$(sse_json /v1/chat/completions planner '{"fake": {"never": true}}')"
  wait_until 10 has_three_comments "$file"
  kill "$STREAM_PID"
  stream_wait
}

has_three_comments() {
  (($(grep -cF ': keep-alive' "$1") >= 3))
}

# silent_for_three JSON [PATH] - a request whose upstream says nothing (wait_head)
# for that time, and then a teapot's status.
silent_for_three() {
  local silent reader file=$BATS_TEST_TMPDIR/silent
  stream_to "$file" "${2:-/v1/chat/completions}" "$1"
  silent=$STREAM_PID
  reader=$_STREAM_READER_PID
  wait_until 10 fake_stat_is alpha .waiting 1
  three_intervals_pass
  assert_equal "$(cat "$file" "$file.head")" '' 'what came of a silent upstream'
  fake_go alpha
  wait "$silent" "$reader"
  assert_match "$(_last_head "$file.head")" '^HTTP/1.1 418 '
}

# --- comments ---

@test "keepalive: the upstream is silent -> 200 and a comment each interval, then the stream" {
  local -a at
  local before
  before=$(mono_ms)
  stream_to "$S" /v1/chat/completions "$(sse_json /v1/chat/completions planner \
    '{"fake": {"tokens": 2, "wait_head": true}}')"
  wait_until 10 has_comments 4
  fake_go alpha
  stream_wait
  assert_equal "$stream_status" 0
  headers=$(_last_head "$S.head")
  assert_match "$headers" '^HTTP/1.1 200 '
  assert_header Content-Type text/event-stream
  assert_header Cache-Control no-cache
  assert_header X-Accel-Buffering no
  assert_header X-RoleMesh-Model planner
  mapfile -t at < <(grep -F ': keep-alive' "$S" | cut -d' ' -f1)
  # none is early; the last one may be as late as it likes
  assert_at_least $((at[-1] - before)) $((KEEPALIVE_MS * ${#at[@]} - 20)) "ms until comment ${#at[@]}"
  stream_has "$S" 2
  stream_text "$S" >"$S.text"
  assert_sse '[.[:4][] | .comment] | unique' '[" keep-alive"]' "$S.text"
  assert_sse '[last.data, ([.[] | objects | select(has("unfinished"))] | length)]' \
    '["[DONE]",0]' "$S.text"
}

@test "keepalive: a recorded stream behind the comments -> byte for byte" {
  local path name
  for name in chat-stream messages-stream; do
    silence_then /v1/chat/completions "{\"raw_file\": \"$name.http\"}"
    assert_some_comments
    without_comments "$body_file" >"$S.got"
    curl -sS -o "$S.want" --data-binary "{\"fake\": {\"raw_file\": \"$name.http\"}}" \
      "$FAKE_URL_alpha/v1/chat/completions"
    cmp "$S.want" "$S.got"
  done
}

@test "keepalive: the upstream pauses between two events -> comments there, both events whole" {
  stream_to "$S" /v1/chat/completions "$(sse_json /v1/chat/completions planner \
    '{"fake": {"pieces": ["data: 1\n\n", "data: 2\n\n"], "wait_tokens": true}}')"
  pause_behind_first_event
  assert_sse '[.[] | .data // .comment] | (.[index("1") + 1:index("2")] | unique), unique' \
    $'[" keep-alive"]\n[" keep-alive","1","2"]' "$S.text"
}

@test "keepalive: the upstream pauses inside an event -> no comment in it" {
  local pids piece
  stream_to "$S" /v1/chat/completions "$(sse_json /v1/chat/completions planner \
    '{"fake": {"pieces": ["data: {\"a\":", "1}\n", "\n: end\n"], "wait_tokens": true}}')" -o "$S.bytes"
  pids=("$STREAM_PID" "$_STREAM_READER_PID")
  for piece in 'data: {"a":' 'data: {"a":1}' ': end'; do
    fake_go alpha
    wait_until 10 grep -qsF "$piece" "$S.bytes"
    [[ $piece == ': end' ]] || three_intervals_pass
  done
  fake_go alpha
  wait "${pids[@]}"
  assert_equal "$(without_comments "$S.bytes")" $'data: {"a":1}\n\n: end'
}

@test "keepalive: the upstream's head came, no event yet -> comments" {
  local n
  stream_to "$S" /v1/chat/completions "$(sse_json /v1/chat/completions planner \
    '{"fake": {"tokens": 1, "wait_tokens": true}}')"
  wait_until 10 fake_stat_is alpha .waiting 1 # its head is on the way
  n=$(comments) || true
  wait_until 10 has_comments $((n + 2))
  fake_go alpha
  fake_go alpha
  stream_wait
  stream_text "$S" >"$S.text"
  assert_equal "$(sse_texts "$S.text")" t1
}

# Tokens each 25 ms: on an idle machine no comment comes at all.
@test "keepalive: a token came -> no comment before an interval is over" {
  stream_to "$S" /v1/chat/completions "$(sse_json /v1/chat/completions planner \
    '{"fake": {"tokens": 40, "delay_ms": 25, "stamp": true}}')"
  stream_wait
  assert_equal "$stream_status" 0 "curl's exit status"
  assert_equal "$(stream_tokens "$S" | wc -l)" 40 tokens
  assert_equal "$(early_comments)" '' 'comments that came early'
}

# early_comments - those of $S that arrived within an interval after the token
# before them was sent.
early_comments() {
  awk -v ms="$KEEPALIVE_MS" '
    match($0, /"t[0-9]+@[0-9]+/) { split(substr($0, RSTART, RLENGTH), token, "@") }
    /: keep-alive/ && token[2] && $1 < token[2] + ms { print token[1], token[2], $0 }' "$S"
}

@test "keepalive: stream comes from the alias's defaults -> comments" {
  behind_comments "$GW_DIR/answer.body" -- \
    gw_chat always-streams '{"fake": {"tokens": 1, "wait_head": true}}' -N
  assert_status 200
  assert_some_comments
  assert_equal "$(sse_texts)" t1
}

@test "keepalive: no stream was asked for -> no early 200, the answer alone" {
  silent_for_three "$(chat_json planner \
    '{"fake": {"wait_head": true, "status": 418, "body": "{\"teapot\":true}"}}')"
  assert_equal "$(stream_text "$BATS_TEST_TMPDIR/silent")" '{"teapot":true}'
}

@test "keepalive: stream is false though defaults say true -> no early 200" {
  silent_for_three "$(chat_json always-streams \
    '{"stream": false, "fake": {"wait_head": true, "status": 418}}')"
}

@test "keepalive: a stream that was not asked for pauses -> comments all the same" {
  stream_to "$S" /v1/chat/completions "$(chat_json planner \
    '{"fake": {"pieces": ["data: 1\n\n", "data: 2\n\n"], "wait_tokens": true}}')"
  pause_behind_first_event
  assert_sse '[.[] | .data // .comment] | unique' '[" keep-alive","1","2"]' "$S.text"
}

@test "keepalive: an endpoint that never streams -> no early 200, whatever the body asks" {
  local path
  for path in embeddings rerank messages/count_tokens; do
    silent_for_three '{"model": "planner", "stream": true, "input": "i", "query": "q",
      "documents": ["d"], "fake": {"wait_head": true, "status": 418}}' "/v1/$path"
  done
}

# --- what comes after the early 200 ---

@test "keepalive: then the upstream answers 503 -> one error event with its message and code" {
  local path file
  local body_503='{"error":{"message":"Loading no more","type":"unavailable_error","code":503}}'
  silence_then_everywhere "$(jq -cn --arg b "$body_503" '{status: 503, body: $b}')"
  for path in "${SSE_PATHS[@]}"; do
    file=$(sse_file "$path")
    assert_some_comments "$file"
    assert_one_sse_error "$path" 503 "$file"
    assert_sse 'last.json | .error.message // .message' 'Loading no more' "$file"
  done
}

@test "keepalive: then the upstream answers 400 -> its type and code in words of the dialect" {
  local error='{"error":{"message":"too long","type":"exceed_context_size_error","param":"prompt","code":"ctx"}}'
  silence_then /v1/chat/completions "$(jq -cn --arg b "$error" '{status: 400, body: $b}')"
  assert_one_sse_error /v1/chat/completions ctx
  assert_sse 'last.json' "$(jq -Sc . <<<"$error")" "$body_file" -S
  silence_then /v1/messages "$(jq -cn --arg b "$error" '{status: 400, body: $b}')"
  assert_one_sse_error /v1/messages ctx
  assert_sse 'last.json.error' '{"message":"too long","type":"invalid_request_error"}' "$body_file" -S
}

@test "keepalive: then a page of HTML -> one error event that quotes it" {
  silence_then /v1/chat/completions \
    '{"status": 502, "body": "<html>\n\ndata: x\n\nbad gateway</html>\n", "content_type": "text/html"}'
  assert_one_sse_error /v1/chat/completions 502
  assert_sse 'last.json.error.message | [contains("502"), contains("bad gateway")]' '[true,true]'
}

@test "keepalive: then an empty 500 -> one error event that says so" {
  silence_then /v1/chat/completions '{"status": 500, "body": ""}'
  assert_one_sse_error /v1/chat/completions 500
  assert_sse 'last.json.error.message' 'the upstream answered with status 500'
}

@test "keepalive: then an error of 1 MiB -> one error event, its message cut" {
  jq -cn '{status: 500, body: ("x" * 1048576)}' >"$S.mode"
  fake_mode alpha "@$S.mode"
  silence_then /v1/chat/completions '{}'
  fake_mode alpha '{}'
  assert_one_sse_error /v1/chat/completions 500
  assert_between "$(stat -c %s "$body_file")" 1000 100000 'bytes of the stream'
}

@test "keepalive: then JSON that answers nothing -> one error event" {
  silence_then /v1/chat/completions '{"body": "{\"choices\":[]}"}'
  assert_one_sse_error /v1/chat/completions 200
}

@test "keepalive: then the upstream closes without a word -> one error event" {
  local path file
  silence_then_everywhere '{"close_before_answer": true}'
  for path in "${SSE_PATHS[@]}"; do
    file=$(sse_file "$path")
    assert_some_comments "$file"
    assert_one_sse_error "$path" upstream_protocol_error "$file"
  done
}

@test "keepalive: then bytes that are no HTTP -> one error event" {
  silence_then /v1/chat/completions '{"garbage": true}'
  assert_one_sse_error /v1/chat/completions upstream_protocol_error
}

@test "keepalive: then a stream that dies -> its tokens and one error event" {
  silence_then /v1/chat/completions '{"tokens": 9, "die_after_tokens": 2, "delay_ms": 100}'
  assert_equal "$(sse_texts)" 't1 t2'
  assert_one_sse_error /v1/chat/completions upstream_protocol_error
}

@test "keepalive: then a time-out -> one error event that names the limit" {
  local path file
  # where the limit came before a comment, the machine had stood still
  for _ in 1 2 3 4 5 6 7 8; do
    sse_everywhere impatient '{"fake": {"never": true}}'
    ! all_began_with_comments || break
  done
  for path in "${SSE_PATHS[@]}"; do
    file=$(sse_file "$path")
    assert_some_comments "$file"
    assert_one_sse_error "$path" upstream_timeout "$file"
    assert_sse 'last.json | .error.message // .message | contains("timeouts.first_byte_s = 2 s")' \
      true "$file"
  done
}

all_began_with_comments() {
  local path
  for path in "${SSE_PATHS[@]}"; do
    grep -q '^HTTP/1.1 200' "$(sse_file "$path").head" || return 1
  done
}

@test "keepalive: the error came before the first comment -> the upstream's own answer" {
  gw_setup
  gw_config <<YAML
gateway:
  sse_keepalive_s: 3600
models:
  planner:
    type: proxy
    proxy_url: $FAKE_URL_alpha
YAML
  gw_start
  gw_post /v1/chat/completions "$(sse_json /v1/chat/completions planner \
    '{"fake": {"status": 429, "body": "{\"e\":1}", "headers": {"Retry-After": "7"}}}')"
  assert_status 429
  assert_header Retry-After 7
  assert_equal "$body" '{"e":1}'
}

# --- off ---

@test "keepalive: sse_keepalive_s 0 -> neither an early 200 nor comments" {
  gw_setup
  fake_start silent
  gw_config <<YAML
gateway:
  sse_keepalive_s: 0
models:
  planner:
    type: proxy
    proxy_url: $FAKE_URL_silent
YAML
  gw_start
  local silent halting
  stream_to "$S.silent" /v1/chat/completions "$(sse_json /v1/chat/completions planner \
    '{"fake": {"never": true}}')"
  silent=$STREAM_PID
  stream_to "$S" /v1/chat/completions "$(sse_json /v1/chat/completions planner \
    '{"fake": {"pieces": ["data: 1\n\n", "data: 2\n\n"], "wait_tokens": true}}')"
  halting=("$STREAM_PID" "$_STREAM_READER_PID")
  fake_go silent
  wait_until 10 grep -q 'data: 1' "$S"
  wait_until 10 fake_stat_is silent .active 2
  three_intervals_pass
  assert_equal "$(cat "$S.silent" "$S.silent.head")" '' 'what came of a silent upstream'
  kill "$silent"
  fake_go silent
  fake_go silent
  wait "${halting[@]}"
  assert_equal "$(stream_text "$S")" $'data: 1\n\ndata: 2'
}
