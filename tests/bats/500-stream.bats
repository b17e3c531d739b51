#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 500-stream.bats - streamed answers through lighttpd: each write of the
# upstream reaches the client at once and unchanged, whatever its size, however
# many there are and however slowly they are read.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all

setup_file() {
  gw_setup
  # what a sanitizer keeps of freed memory is no growth
  export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=1
  fake_start alpha
  gw_config <<YAML
gateway:
  sse_keepalive_s: 600
models:
  planner:
    type: proxy
    proxy_url: $FAKE_URL_alpha
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

# stream_pieces JSON-LIST [EXTRA] - a whole stream of exactly these pieces.
stream_pieces() {
  gw_post /v1/chat/completions "$(sse_json /v1/chat/completions planner \
    "$(jq -cn --argjson p "$1" --argjson extra "${2:-{\}}" '{fake: ({pieces: $p} + $extra)}')")" -N
}

# assert_body TEXT - byte for byte, final newlines included.
assert_body() {
  cmp <(printf '%s' "$1") "$body_file"
}

# file_is FILE TEXT - for wait_until.
file_is() {
  cmp -s <(printf '%s' "$2") "$1"
}

# rss_kib PID
rss_kib() {
  awk '/^VmRSS/ { print $2 }' "/proc/$1/status"
}

# rss_of_gateway - KiB of lighttpd and the inference responders together.
rss_of_gateway() {
  local pid words sum=0
  while read -r pid words; do
    [[ $words == *lighttpd* || $words == *responder* ]] || continue
    sum=$((sum + $(rss_kib "$pid")))
  done < <(gw_processes)
  echo "$sum"
}

# --- at once ---

@test "stream: the upstream sends a token -> it arrives before there is another, at every endpoint" {
  local path i
  local -a pids=()
  for path in "${SSE_PATHS[@]}"; do
    stream_to "$S${path//\//-}" "$path" "$(sse_json "$path" planner \
      '{"fake": {"tokens": 6, "wait_tokens": true}}')"
    pids+=("$STREAM_PID" "$_STREAM_READER_PID")
  done
  for ((i = 1; i <= 6; i++)); do
    fake_go alpha "${#SSE_PATHS[@]}"
    for path in "${SSE_PATHS[@]}"; do
      wait_until 10 stream_has "$S${path//\//-}" "$i"
    done
  done
  fake_go alpha "${#SSE_PATHS[@]}" # the end
  wait "${pids[@]}"
  for path in "${SSE_PATHS[@]}"; do
    assert_equal "$(stream_tokens "$S${path//\//-}" | wc -l)" 6 "tokens at $path"
  done
}

# Until then the request may still move to another upstream.
@test "stream: the upstream sends its head and nothing yet -> the head arrives with the first byte" {
  stream_to "$S" /v1/chat/completions "$(sse_json /v1/chat/completions planner \
    '{"fake": {"tokens": 1, "wait_tokens": true}}')"
  wait_until 10 fake_stat_is alpha .waiting 1
  [[ ! -s $S.head ]]
  fake_go alpha
  wait_until 10 stream_has "$S" 1
  grep -q '^HTTP/1.1 200' "$S.head"
  fake_go alpha
  stream_wait
}

@test "stream: half an event -> arrives as that half, the rest when it is sent" {
  stream_to "$S" /v1/chat/completions "$(sse_json /v1/chat/completions planner \
    '{"fake": {"pieces": ["data: {\"a\":", "1}\n\ndata: 2", "\n\n"], "wait_tokens": true}}')" \
    -o "$S.bytes"
  fake_go alpha
  wait_until 10 file_is "$S.bytes" 'data: {"a":'
  fake_go alpha
  wait_until 10 file_is "$S.bytes" $'data: {"a":1}\n\ndata: 2'
  fake_go alpha
  wait_until 10 file_is "$S.bytes" $'data: {"a":1}\n\ndata: 2\n\n'
  fake_go alpha
  stream_wait
  assert_equal "$stream_status" 0
}

@test "stream: every event written in two halves -> all whole in the end" {
  gw_post /v1/chat/completions "$(sse_json /v1/chat/completions planner \
    '{"fake": {"tokens": 5, "half_event": true, "delay_ms": 20}}')" -N
  assert_equal "$(sse_texts)" 't1 t2 t3 t4 t5'
  assert_sse '[last.data, any(.[]; has("unfinished"))]' '["[DONE]",false]'
}

@test "stream: its type in other letters, with parameters -> a stream like any other" {
  gw_chat planner '{"stream": true, "fake": {"tokens": 2, "content_type": "Text/Event-Stream; charset=UTF-8"}}'
  assert_status 200
  assert_header Content-Type 'Text/Event-Stream; charset=UTF-8'
  assert_header Cache-Control no-cache
  assert_header X-Accel-Buffering no
  assert_equal "$(sse_texts)" 't1 t2'
}

@test "stream: lines of JSON that are no events -> arrive one by one all the same" {
  stream_to "$S" /v1/chat/completions "$(sse_json /v1/chat/completions planner \
    '{"fake": {"pieces": ["{\"n\":1}\n", "{\"n\":2}\n"], "wait_tokens": true,
      "content_type": "application/x-ndjson"}}')" -o "$S.bytes"
  fake_go alpha
  wait_until 10 file_is "$S.bytes" $'{"n":1}\n'
  fake_go alpha
  fake_go alpha
  stream_wait
  file_is "$S.bytes" $'{"n":1}\n{"n":2}\n'
  grep -qi '^content-type: application/x-ndjson' "$S.head"
  run ! grep -qi '^x-accel-buffering' "$S.head"
}

# --- the head ---

@test "stream: the head -> Content-Type of the upstream, no caching, no buffering, no length" {
  # with a pause: lighttpd counts the bytes of an answer it has whole at once
  stream_to "$S" /v1/chat/completions "$(sse_json /v1/chat/completions planner \
    '{"fake": {"pieces": ["data: 1\n\n", "data: 2\n\n"], "wait_tokens": true,
      "content_type": "text/event-stream; charset=utf-8"}}')"
  fake_go alpha
  wait_until 10 grep -q 'data: 1' "$S"
  fake_go alpha
  fake_go alpha
  stream_wait
  headers=$(_last_head "$S.head")
  assert_match "$headers" '^HTTP/1.1 200 '
  assert_header Content-Type 'text/event-stream; charset=utf-8'
  assert_header Cache-Control no-cache
  assert_header X-Accel-Buffering no
  assert_header X-RoleMesh-Model planner
  assert_header Transfer-Encoding chunked
  refute_header Content-Length
  refute_header Accept-Ranges
  assert_equal "$(grep -ciE '^(content-type|cache-control|x-accel-buffering|x-request-id):' \
    <<<"$headers")" 4 'each of these headers once'
}

@test "stream: an HTTP/1.0 client -> the same bytes without chunks" {
  stream_pieces '["data: 1\n\n", "data: 2\n\n"]'
  cp "$body_file" "$S"
  gw_post /v1/chat/completions "$(sse_json /v1/chat/completions planner \
    '{"fake": {"pieces": ["data: 1\n\n", "data: 2\n\n"]}}')" --http1.0
  assert_status 200
  refute_header Transfer-Encoding
  cmp "$S" "$body_file"
}

# --- the bytes ---

@test "stream: CR, CRLF, comments, ids, blank events, UTF-8 cut in two -> byte for byte" {
  local odd=$': ping\r\n\r\nid: 7\rdata: a\r\r\n\n\n\nevent:x\ndata\ndata:\u00fc\n\nretry: 3\n\n'
  stream_pieces "$(jq -cn --arg s "$odd" '[$s]')"
  assert_body "$odd"
  stream_pieces "$(jq -cn --arg s "$odd" '$s | split("")')"
  assert_body "$odd"
}

@test "stream: a stream that ends without [DONE] -> nothing is added" {
  stream_pieces '["data: {\"x\":1}\n\n"]'
  assert_equal "$curl_status" 0
  assert_body $'data: {"x":1}\n\n'
}

@test "stream: a clean end inside an event -> nothing is added" {
  stream_pieces '["data: {\"x\":1}\n\ndata: {\"y\""]'
  assert_equal "$curl_status" 0
  assert_body $'data: {"x":1}\n\ndata: {"y"'
}

@test "stream: no event at all -> no answer, 502" {
  stream_pieces '[]'
  assert_error 502 upstream_protocol_error
}

@test "stream: tokens of 1 MiB -> each one whole" {
  gw_post /v1/chat/completions "$(sse_json /v1/chat/completions planner \
    '{"fake": {"tokens": 6, "big_tokens": 1048576}}')" -N
  assert_equal "$curl_status" 0
  assert_sse '[.[] | .json | objects | .choices[0].delta.content | strings]
    | [.[] | [length, .[0:3], (.[2:] | test("^[.]+$"))]] | unique' \
    '[[1048576,"t1.",true],[1048576,"t2.",true],[1048576,"t3.",true],[1048576,"t4.",true],[1048576,"t5.",true],[1048576,"t6.",true]]'
  assert_sse last.data '[DONE]'
}

@test "stream: an error that the upstream sends as its last event -> passes as it is, alone" {
  local piece='data: {"error":{"message":"slot lost","type":"server_error","code":500}}'
  stream_pieces "$(jq -cn --arg p "$piece" '[$p + "\n\n"]')"
  assert_body "$piece"$'\n\n'
}

# --- many, and slow readers ---

@test "stream: 200 streams at once -> all run side by side, each complete" {
  local i
  for ((i = 1; i <= 200; i++)); do
    printf 'url = "%s/v1/chat/completions"\noutput = "%s"\n' "$GW_URL" "$S.$i"
  done >"$S.urls"
  fake_mode alpha '{"tokens": 10, "wait_tokens": true}'
  go_ten_times 3>&- 4>&- &
  run curl -sSN -Z --parallel-immediate --parallel-max 200 --max-time 300 \
    -H 'Content-Type: application/json' \
    --data-binary "$(sse_json /v1/chat/completions planner)" -K "$S.urls"
  fake_mode alpha '{}'
  assert_equal "$status" 0 "curl: $output"
  wait "$!"
  assert_equal "$(fake_stats alpha .max_concurrent)" 200 'streams at one time'
  for ((i = 1; i <= 200; i++)); do
    assert_equal "$(sed -nE 's/.*"(t[0-9]+)".*/\1/p; s/^data: (\[DONE\])$/\1/p' "$S.$i" | tr '\n' ' ')" \
      't1 t2 t3 t4 t5 t6 t7 t8 t9 t10 [DONE] ' "stream $i"
  done
}

# go_ten_times - each time that all 200 are there, and once for the end.
go_ten_times() {
  local i
  for ((i = 0; i <= 10; i++)); do
    fake_go alpha 200 || break
  done
}

# tokens_stand_still [N] - at least N were sent, and none between two looks half a
# second apart. An upstream that did not run in that time looks the same: what it
# took from then on can only make a test pass.
tokens_stand_still() {
  local before
  before=$(fake_stats alpha .tokens)
  ((before >= ${1:-0})) || return 1
  sleep 0.5
  [[ $(fake_stats alpha .tokens) == "$before" ]]
}

@test "stream: a client that stops reading -> the upstream is held back, memory stays flat, no byte is lost" {
  local before during sent
  before=$(rss_of_gateway)
  sent=$(fake_stats alpha .tokens)
  stream_to "$S" /v1/chat/completions "$(sse_json /v1/chat/completions planner \
    '{"fake": {"tokens": 800, "big_tokens": 65536}}')" -o "$S.bytes"
  wait_until 10 test -s "$S.bytes"
  kill -STOP "$STREAM_PID"
  wait_until 20 tokens_stand_still $((sent + 8))
  during=$(rss_of_gateway)
  echo "$(($(fake_stats alpha .tokens) - sent)) tokens of 64 KiB taken, grown by $((during - before)) KiB"
  assert_between $(($(fake_stats alpha .tokens) - sent)) 8 600 'tokens (64 KiB each) taken from the upstream'
  assert_between $((during - before)) -100000 8192 'KiB that the gateway grew by'
  kill -CONT "$STREAM_PID"
  stream_wait
  assert_equal "$stream_status" 0
  # tokens in order, each followed by its dots up to 64 KiB
  assert_equal "$(LC_ALL=C awk -F'"content":"' '/"content":"t/ {
      at = index($2, "\"") - 1; want = "t" ++n "."
      bad += at != 65536 || substr($2, 1, length(want)) != want
    } END { print n, bad + 0, NR / 2, $0 }' "$S.bytes")" '800 0 803 ' 'tokens, bad ones, events'
  assert_equal "$(tail -c 14 "$S.bytes")" 'data: [DONE]'
}

@test "stream: one client does not read -> another stream of the same process goes on" {
  local worker
  fake_mode alpha '{"tokens": 4000, "big_tokens": 65536}'
  local -a stopped=()
  wait_until 10 gw_gauge_is open_requests 0
  for worker in {1..20}; do # until each of the two processes has one
    ! gw_each_holds inference || break
    stream_to "$S.$worker" /v1/chat/completions \
      "$(sse_json /v1/chat/completions planner)" -o "$S.$worker.bytes"
    wait_until 10 test -s "$S.$worker.bytes"
    kill -STOP "$STREAM_PID"
    stopped+=("$STREAM_PID")
  done
  gw_each_holds inference
  wait_until 20 tokens_stand_still
  gw_post /v1/chat/completions "$(sse_json /v1/chat/completions planner \
    '{"fake": {"tokens": 3, "big_tokens": 0}}')" -N
  fake_mode alpha '{}'
  kill -KILL "${stopped[@]}"
  assert_equal "$curl_status" 0
  assert_equal "$(sse_texts)" 't1 t2 t3'
}
