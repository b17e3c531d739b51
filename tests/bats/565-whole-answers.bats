#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 565-whole-answers.bats - a stream was asked for, the client has its early 200,
# and then the upstream answers with one JSON document: the client gets it as
# the events that it waits for.
#
# shellcheck disable=SC2154,SC2034 # set by the helpers, or for them

load helpers/all

setup_file() {
  gw_setup
  fake_start alpha
  gw_config <<YAML
gateway: {sse_keepalive_s: 0.2}
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

teardown() {
  gw_dump_if_failed
}

# behind_comment PATH SCRIPT - a stream that is answered so behind the early 200.
# Its text is in $body_file.
behind_comment() {
  local file=$BATS_TEST_TMPDIR/stream
  stream_to "$file" "$1" "$(sse_json "$1" planner \
    "$(jq -cn --argjson s "$2" '{fake: ({wait_head: true} + $s)}')")" -H 'X-Request-Id: whole'
  wait_until 10 grep -qsF ': keep-alive' "$file"
  fake_go alpha
  stream_wait
  assert_equal "$stream_status" 0 "curl's exit status"
  body_file=$file.text
  rm -f "$body_file.events"
  stream_text "$file" >"$body_file"
}

# recorded NAME - a script with the body of a recorded answer.
recorded() {
  sed '1,/^\r$/d' "$TOP_SRCDIR/tests/fixtures/upstream/$1.http" | jq -c '{body: tojson}'
}

# told FILTER - one of the recorded answer's own facts.
told() {
  sed '1,/^\r$/d' "$TOP_SRCDIR/tests/fixtures/upstream/$1.http" | jq -rc "$2"
}

@test "whole: a chat completion -> chunks, the reason, usage, [DONE]" {
  behind_comment /v1/chat/completions "$(recorded chat)"
  assert_sse '[.[].json | objects | .object] | unique' '["chat.completion.chunk"]'
  assert_sse '[.[].json | objects | .choices[0].delta.content | strings] | add' \
    "$(told chat .choices[0].message.content)"
  assert_sse '[.[].json | objects | .choices[0].finish_reason | strings] | join(" ")' \
    "$(told chat .choices[0].finish_reason)"
  assert_sse '[.[].json | objects | .usage | objects | .total_tokens]' \
    "[$(told chat .usage.total_tokens)]"
  assert_sse 'last.data' '[DONE]'
  wait_until 5 gw_log_has 'event=access rid=whole .* status=200 .* broken=0 '
}

@test "whole: calls of tools -> numbered, as in a stream" {
  behind_comment /v1/chat/completions "$(recorded chat-tools)"
  assert_sse '[.[].json | objects | .choices[0].delta.tool_calls | arrays | .[]
    | [.index, .function.name]]' \
    "$(told chat-tools '[.choices[0].message.tool_calls | to_entries[] | [.key, .value.function.name]]')"
  assert_sse 'last.data' '[DONE]'
}

@test "whole: a completion -> its text, [DONE]" {
  behind_comment /v1/completions "$(recorded completions)"
  assert_sse '[.[].json | objects | .choices[0].text | strings] | add' \
    "$(told completions .choices[0].text)"
  assert_sse 'last.data' '[DONE]'
}

@test "whole: a message -> its blocks from message_start to message_stop" {
  behind_comment /v1/messages "$(recorded messages)"
  assert_sse '[.[] | .event | strings | select(. != "message")] | unique' \
    '["content_block_delta","content_block_start","content_block_stop","message_delta","message_start","message_stop"]'
  assert_sse '[.[].json | objects | .delta.text | strings] | add' \
    "$(told messages '[.content[].text | strings] | add')"
  assert_sse '[.[].json | objects | select(.type == "message_delta") | .delta.stop_reason]' \
    "$(told messages '[.stop_reason]')"
  assert_sse 'any(.[]; .data == "[DONE]")' false
}

@test "whole: a response -> created, items, their text, completed" {
  behind_comment /v1/responses "$(recorded responses)"
  assert_sse '[.[].json | objects | .type | strings] | [first, last]' \
    '["response.created","response.completed"]'
  assert_sse '[.[].json | objects | select(.type == "response.output_text.delta") | .delta] | add' \
    "$(told responses '[.output[].content[]?.text | strings] | add')"
  assert_sse 'last.json.response.status' completed
  assert_sse '[.[].json | objects | .sequence_number] | . == [range(length)]' true
}

@test "whole: a stream that is announced as JSON -> as it is" {
  behind_comment /v1/chat/completions '{"body": "data: {\"a\":1}\n\ndata: [DONE]\n\n"}'
  assert_sse '[.[] | .data | strings]' '["{\"a\":1}","[DONE]"]'
}

@test "whole: an error that comes with 200 -> one error event" {
  behind_comment /v1/chat/completions '{"body": "{\"error\":{\"message\":\"no\",\"code\":\"bad\"}}"}'
  assert_one_sse_error /v1/chat/completions bad
}

@test "whole: an answer of another endpoint -> one error event" {
  behind_comment /v1/messages "$(recorded chat)"
  assert_one_sse_error /v1/messages 200
}

@test "whole: 1 MiB is delivered, a byte more is not" {
  local empty
  empty=$(jq -cn '{choices: [{index: 0, message: {content: ""}}]}' | tr -d '\n' | wc -c)
  body_of() {
    jq -cn --argjson n $((1048576 - empty + $1)) \
      '{body: ({choices: [{index: 0, message: {content: ("x" * $n)}}]} | tojson)}' \
      >"$BATS_TEST_TMPDIR/mode"
    fake_mode alpha "@$BATS_TEST_TMPDIR/mode"
  }
  body_of 0
  behind_comment /v1/chat/completions '{}'
  assert_sse 'last.data' '[DONE]'
  body_of 1
  behind_comment /v1/chat/completions '{}'
  fake_mode alpha '{}'
  assert_one_sse_error /v1/chat/completions upstream_protocol_error
}
