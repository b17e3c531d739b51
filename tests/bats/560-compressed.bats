#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 560-compressed.bats - upstreams that compress their answers although nobody
# asked them to: the bytes pass with the header that tells how to read them, and
# are decoded for a client that has its head already.
#
# shellcheck disable=SC2154,SC2034 # set by the helpers, or for them

load helpers/all

setup_file() {
  gw_setup
  raw_files "$GW_DIR/raw"
  fake_start alpha --fixtures "$GW_DIR/raw"
  gw_config <<YAML
gateway: {sse_keepalive_s: 20}
models:
  planner:
    type: proxy
    proxy_url: $FAKE_URL_alpha
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

EVENTS=$'data: {"choices":[{"index":0,"delta":{"content":"t1"}}]}\n\ndata: [DONE]\n\n'
CHAT='{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"all of it"},"finish_reason":"stop"}]}'
ERROR='{"error":{"message":"too long","type":"exceed_context_size_error","code":"ctx"}}'

# raw NAME STATUS TYPE CODING FILTER - $FOLDER/NAME is an answer whose body is
# standard input through that filter, with its length.
raw() {
  "${@:5}" >"$FOLDER/$1.body"
  {
    printf 'HTTP/1.1 %s X\r\nContent-Type: %s\r\nContent-Encoding: %s\r\n' "$2" "$3" "$4"
    printf 'Content-Length: %s\r\n\r\n' "$(wc -c <"$FOLDER/$1.body")"
    cat "$FOLDER/$1.body"
  } >"$FOLDER/$1"
}

raw_files() {
  FOLDER=$1
  mkdir -p "$FOLDER"
  printf '%s' "$CHAT" | raw chat 200 application/json gzip gzip -c
  printf '%s' "$CHAT" | raw chat-zlib 200 application/json DEFLATE zlib_of
  printf '%s' "$EVENTS" | raw events 200 'text/event-stream; charset=utf-8' gzip gzip -c
  printf '%s' "$ERROR" | raw error 400 application/json x-gzip gzip -c
  printf '%s' "$CHAT" | raw brotli 200 application/json br cat
  printf '%s' "$CHAT" | raw no-gzip 200 application/json gzip cat
  printf '%s' "$CHAT" | raw plain 200 application/json Identity cat
  head -c 100000 /dev/urandom | base64 | raw large 200 text/plain gzip gzip -c
}

zlib_of() {
  node -e 'process.stdout.write(require("zlib").deflateSync(require("fs").readFileSync(0)))'
}

# early - a gateway of its own that sends the early 200 soon.
early() {
  gw_setup
  FOLDER=$GW_DIR/raw
  raw_files "$FOLDER"
  fake_start beta --fixtures "$FOLDER"
  gw_config <<YAML
gateway: {sse_keepalive_s: 0.2}
models:
  planner:
    type: proxy
    proxy_url: $FAKE_URL_beta
YAML
  GW_WORKERS=1 gw_start
}

# behind_comment FILE - a stream answered with that file behind the early 200.
# Its text is in $body_file.
behind_comment() {
  local file=$BATS_TEST_TMPDIR/stream-$1
  stream_to "$file" /v1/chat/completions "$(chat_json planner \
    "{\"stream\": true, \"fake\": {\"raw_file\": \"$1\", \"wait_head\": true, \"raw_split\": ${2:-1000000}}}")" \
    -H "X-Request-Id: early-$1"
  wait_until 10 grep -qsF ': keep-alive' "$file"
  fake_go beta
  stream_wait
  body_file=$file.text
  stream_text "$file" >"$body_file"
  headers=$(_last_head "$file.head")
}

@test "compressed: upstreams are not asked to, whatever the client takes" {
  gw_chat planner '{}' -H 'Accept-Encoding: gzip, br'
  assert_status 200
  assert_equal "$(fake_header alpha Accept-Encoding)" ''
}

@test "compressed: a whole answer -> its bytes and its Content-Encoding" {
  gw_chat planner '{"fake": {"raw_file": "chat"}}'
  assert_status 200
  assert_header Content-Encoding gzip
  assert_equal "$(gzip -dc <"$body_file")" "$CHAT"
  gw_chat planner '{"fake": {"raw_file": "chat"}}' --compressed
  assert_equal "$body" "$CHAT"
  gw_chat planner '{"fake": {"raw_file": "chat-zlib"}}' --compressed
  assert_equal "$body" "$CHAT"
}

@test "compressed: a long answer -> its bytes and its Content-Encoding" {
  gw_chat planner '{"fake": {"raw_file": "large"}}'
  assert_header Content-Encoding gzip
  cmp "$body_file" "$GW_DIR/raw/large.body"
}

@test "compressed: an error -> its bytes and its Content-Encoding" {
  gw_chat planner '{"fake": {"raw_file": "error"}}'
  assert_status 400
  assert_header Content-Encoding x-gzip
  assert_equal "$(gzip -dc <"$body_file")" "$ERROR"
}

@test "compressed: a stream -> its bytes and its Content-Encoding" {
  gw_chat planner '{"stream": true, "fake": {"raw_file": "events"}}' --compressed
  assert_status 200
  assert_header Content-Encoding gzip
  assert_header X-Accel-Buffering no
  assert_equal "$body" "${EVENTS%$'\n\n'}"
}

@test "compressed: the coding is 'identity' -> as if there were none" {
  gw_chat planner '{"fake": {"raw_file": "plain"}}'
  refute_header Content-Encoding
  assert_equal "$body" "$CHAT"
}

@test "compressed: our own errors are not" {
  gw_chat nobody '{}'
  assert_error 404 model_not_found
  refute_header Content-Encoding
}

@test "compressed: answers behind an early 200 -> decoded" {
  early
  behind_comment events 5
  refute_header Content-Encoding
  assert_sse '[.[] | .data | strings] | length' 2
  assert_equal "$(sse_texts)" t1
  behind_comment error
  assert_one_sse_error /v1/chat/completions ctx
  assert_sse 'last.json.error.message' 'too long'
  behind_comment chat-zlib
  assert_sse '[.[].json | objects | .choices[].delta.content | strings] | add' 'all of it'
}

@test "compressed: behind an early 200, and nobody can read it -> one error event says so" {
  early
  behind_comment brotli
  assert_one_sse_error /v1/chat/completions upstream_protocol_error
  assert_sse 'last.json.error.message | contains("(br)")' true
  behind_comment no-gzip
  assert_one_sse_error /v1/chat/completions upstream_protocol_error
  assert_sse 'last.json.error.message | contains("not in its Content-Encoding")' true
}

@test "compressed: a silent stream -> no comment in its middle" {
  early
  local half
  half=$(($(wc -c <"$FOLDER/events") - 10))
  stream_to "$BATS_TEST_TMPDIR/s" /v1/chat/completions "$(chat_json planner \
    "{\"stream\": true, \"fake\": {\"raw_file\": \"events\", \"raw_split\": $half, \"raw_delay_ms\": 900}}")"
  stream_wait
  assert_equal "$stream_status" 0 "curl's exit status"
  run ! grep -qaF keep-alive "$BATS_TEST_TMPDIR/s"
}
