#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 987-tokens.bats - what upstreams tell of their tokens is in the access record,
# and every byte of it with the client.

load helpers/all

setup_file() {
  gw_setup
  fake_start alpha
  gw_config <<YAML
models:
  planner: {type: proxy, proxy_url: "$FAKE_URL_alpha"}
  going-on: {type: proxy, proxy_url: "$FAKE_URL_alpha", resume: true}
YAML
  gw_start
}

teardown_file() {
  gw_teardown
}

teardown() {
  gw_dump_if_failed
}

# assert_told RID IN OUT CACHED - what the record of that request has
assert_told() {
  local line
  wait_until 10 gw_log_has "event=access rid=$1 "
  line=$(grep -F "event=access rid=$1 " "$GW_DIR/gateway.log")
  assert_match "$line" " tokens_in=$2 tokens_out=$3 tokens_cached=$4 " record
}

# recorded FILE PATH STREAM RID [PIECE] - that recorded answer, in pieces of so
# many bytes: it reaches the client as it is without a gateway.
recorded() {
  local fake direct=$BATS_TEST_TMPDIR/direct
  fake=$(jq -cn --arg file "$1.http" --argjson split "${5:-50}" \
    '{raw_file: $file, raw_split: $split}')
  gw_post "$FAKE_URL_alpha$2" "{\"stream\":$3,\"fake\":$fake}"
  cp "$body_file" "$direct"
  gw_post "$2" "{\"model\":\"${model:-planner}\",\"stream\":$3,\"fake\":$fake}" -H "X-Request-Id: $4"
  assert_status 200
  cmp "$direct" "$body_file"
  test -s "$body_file"
}

@test "tokens: recorded whole answers -> told, and passed byte for byte" {
  recorded chat /v1/chat/completions false t-chat
  assert_told t-chat 18 32 0
  recorded completions /v1/completions false t-completions
  assert_told t-completions 3 8 1
  recorded messages /v1/messages false t-messages
  assert_told t-messages 9 16 8
  recorded responses /v1/responses false t-responses
  assert_told t-responses 9 16 1
  recorded emb-openai /v1/embeddings false t-embeddings
  assert_told t-embeddings 3 0 -
}

@test "tokens: recorded streams, in pieces of any size -> told, and passed byte for byte" {
  local piece
  for piece in 1 7 100000; do
    recorded chat-stream /v1/chat/completions true "s-chat-$piece" "$piece"
    assert_told "s-chat-$piece" 18 32 17
    recorded chat-stream-usage /v1/chat/completions true "s-usage-$piece" "$piece"
    assert_told "s-usage-$piece" 18 8 17
    recorded messages-stream /v1/messages true "s-messages-$piece" "$piece"
    assert_told "s-messages-$piece" 9 8 8
    recorded responses-stream /v1/responses true "s-responses-$piece" "$piece"
    assert_told "s-responses-$piece" 9 8 8
  done
  model=going-on recorded chat-stream /v1/chat/completions true s-resumed 7
  assert_told s-resumed 18 32 17
}

@test "tokens: a large answer that is not held -> told" {
  local request=$BATS_TEST_TMPDIR/request
  jq -n '{model: "planner", messages: [], fake: {text: ("x\"y" * 100000)}}' >"$request"
  gw_request POST /v1/chat/completions -H 'Content-Type: application/json' \
    --data-binary "@$request" -H 'X-Request-Id: large'
  assert_status 200
  assert_at_least "$(stat -c %s "$body_file")" 300000
  assert_told large "$(jq .usage.prompt_tokens <<<"$body")" "$(jq .usage.completion_tokens <<<"$body")" '[0-9-]+'
}

@test "tokens: nothing told, an error, compressed, a model that speaks of tokens -> none" {
  gw_chat planner '{"stream": true, "fake": {"pieces": ["data: {\"choices\":[]}\n\n", "data: [DONE]\n\n"]}}' \
    -H 'X-Request-Id: nothing'
  assert_told nothing - - -
  gw_chat planner '{"fake": {"status": 400, "body": "{\"usage\":{\"prompt_tokens\":5}}"}}' -H 'X-Request-Id: an-error'
  assert_status 400
  assert_told an-error - - -
  gw_chat planner '{"fake": {"status": 200, "body": "{\"usage\":{\"prompt_tokens\":5}}",
    "headers": {"Content-Encoding": "x-odd"}}}' -H 'X-Request-Id: coded'
  assert_told coded - - -
  gw_chat planner '{"stream": true, "fake": {"pieces": [
    "data: {\"choices\":[{\"delta\":{\"content\":\"\\\"usage\\\":{\\\"prompt_tokens\\\":5}\"}}]}\n\n",
    "data: [DONE]\n\n"]}}' -H 'X-Request-Id: says-so'
  assert_told says-so - - -
  gw_get /v1/models -H 'X-Request-Id: a-list'
  assert_told a-list - - -
}

@test "tokens: the client left before they were told -> none" {
  local out=$BATS_TEST_TMPDIR/stream
  stream_to "$out" /v1/chat/completions \
    "$(sse_json /v1/chat/completions planner '{"fake": {"wait_tokens": true, "tokens": 2, "usage": true}}')" \
    -H 'X-Request-Id: left'
  fake_go alpha
  wait_until 10 stream_has "$out" 1
  kill "$STREAM_PID"
  stream_wait
  assert_told left - - -
}
