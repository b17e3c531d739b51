#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 945-resume.bats - streams that break behind their first byte and go on from
# another candidate, the fallback list or the same one; and those that do not.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all
load helpers/failover

ERROR=upstream_protocol_error

setup_file() {
  gw_setup
  fake_start one
  fake_start two
  fake_start three
  gw_config <<YAML
gateway:
  sse_keepalive_s: 0
  eject: {failures: 100}
models:
  team:
    type: discovered
    resume: true
  first:
    type: proxy
    proxy_url: $FAKE_URL_one
    resume: true
    fallback: [second, third]
    # for silences only
    timeouts: {first_byte_s: 60, idle_s: 3}
    defaults: {top_k: 7}
  second:
    type: proxy
    proxy_url: $FAKE_URL_two
    defaults: {model: second-model, min_p: 0.1}
    timeouts: {idle_s: 60}
    retry: {attempts: 0}
  third: {type: proxy, proxy_url: $FAKE_URL_three}
  short:
    type: proxy
    proxy_url: $FAKE_URL_one
    resume: true
    retry: {backoff_s: 0.01}
    defaults: {max_tokens: 10}
  other_limits:
    type: proxy
    proxy_url: $FAKE_URL_one
    resume: true
    fallback: [limited]
    defaults: {n_predict: 20}
  limited:
    type: proxy
    proxy_url: $FAKE_URL_two
    defaults: {max_tokens: 9, max_completion_tokens: 3}
  alone:
    type: proxy
    proxy_url: $FAKE_URL_one
    resume: true
    retry: {backoff_s: 0.01}
    defaults: {top_k: 7}
  as_ever:
    type: proxy
    proxy_url: $FAKE_URL_one
    fallback: [second]
YAML
  gw_start
}

teardown_file() {
  gw_teardown
}

setup() {
  local name
  for name in one two three; do
    fake_mode "$name" '{"tokens": 6}'
    export "COUNT_$name=$(fake_count "$name")"
  done
}

teardown() {
  gw_dump_if_failed
}

# counts - how often each of them was asked in this test.
counts() {
  local name var
  for name in one two three; do
    var=COUNT_$name
    printf '%s ' "$(($(fake_count "$name") - ${!var}))"
  done
}

# assert_counts ONE TWO THREE
assert_counts() {
  assert_equal "$(counts)" "$* "
}

# event DELTA [REASON] - an event of a stream, as a JSON string for `pieces`.
event() {
  jq -cn --argjson delta "$1" --argjson reason "${2:-null}" '{id: "x", created: 5,
    object: "chat.completion.chunk", model: "m", system_fingerprint: "f",
    choices: [{index: 0, delta: $delta, finish_reason: $reason}]} | "data: \(tojson)\n\n"'
}

# assert_whole [TEXT] - all of it, as one answer.
assert_whole() {
  assert_status 200
  assert_equal "$curl_status" 0 "curl's status"
  assert_equal "$(stream_said)" "${1-t1t2t3t4t5t6}" text
  assert_sse '[.[] | select(.json.error?)] | length' 0
  assert_sse '[.[].json | objects | .choices[0].finish_reason? | strings] | length' 1
  assert_sse '[.[].json | objects | [.id, .model, .created, .system_fingerprint]]
    | unique | length' 1
  assert_sse '[.[].json | objects | .choices[0].delta.role? | strings] | length <= 1' true
  assert_sse '[.[] | select(.data == "[DONE]")] | length' 1
  assert_sse '.[-1].data' '[DONE]'
}

# assert_seams NAME... - the comments that say who went on.
assert_seams() {
  assert_sse '[.[].comment? | strings | ltrimstr(" ") | select(startswith("resumed on "))
    | ltrimstr("resumed on ")] | join(" ")' "$*"
}

# assert_broken TEXT - so much of it, and one error event.
assert_broken() {
  assert_status 200
  assert_equal "$(stream_said)" "$1" text
  assert_one_sse_error /v1/chat/completions "${2:-$ERROR}"
}

@test "resume: a node dies in its answer -> the other node goes on" {
  serve team one two
  fake_mode one '{"tokens": 6, "die_after_tokens": 3}'
  chat_stream team
  assert_whole
  if [[ $(asked one) == 0 ]]; then # the other one was first
    chat_stream team
    assert_whole
  fi
  assert_seams two
  assert_equal "$(jq -c '[.messages[-1], .continue_final_message, .add_generation_prompt]' \
    <"$(fake_body two)")" '[{"role":"assistant","content":"t1t2t3"},true,false]'
}

@test "resume: nobody else of the alias -> the fallback list, as that alias" {
  fake_mode one '{"tokens": 6, "end_after_tokens": 3}'
  chat_stream first
  assert_whole
  assert_seams second
  assert_counts 1 1 0
  assert_header X-RoleMesh-Model first
  assert_equal "$(jq -c '[.model, .top_k, .min_p]' <"$(fake_body two)")" \
    '["second-model",null,0.1]'
}

@test "resume: dies inside an event -> half an event is never shown" {
  fake_mode one '{"tokens": 6, "end_after_tokens": 3, "half_event": true, "delay_ms": 1}'
  chat_stream first
  assert_whole
  assert_seams second
  assert_equal "$(grep -c '^data: {' "$body_file")" 8
}

@test "resume: nobody else at all -> the same one" {
  fake_mode one '{"turns": [{"tokens": 6, "die_after_tokens": 2}], "tokens": 6}'
  chat_stream alone
  assert_whole
  assert_seams alone
  assert_counts 2 0 0
  assert_equal "$(jq -c .top_k <"$(fake_body one)")" 7
}

@test "resume: silent for idle_s behind its first byte -> goes on elsewhere" {
  fake_mode one '{"tokens": 6, "silent_after_tokens": 4}'
  chat_stream first
  assert_whole
  assert_seams second
  gw_log_has 'event=access .*attempts=first:silent:[^ ]*,second:ok:'
}

@test "resume: a clean end without a reason -> goes on elsewhere" {
  fake_mode one "{\"pieces\": [$(event '{"content": "t1"}')]}"
  chat_stream first
  assert_whole
  assert_seams second
}

@test "resume: who goes on breaks, too -> the third; the third time it is over" {
  fake_mode one '{"tokens": 6, "die_after_tokens": 2}'
  fake_mode two '{"tokens": 6, "die_after_tokens": 2}'
  chat_stream first
  assert_whole
  assert_seams second third
  assert_equal "$(jq -c '.messages[-1].content' <"$(fake_body three)")" '"t1t2t3t4"'
  fake_mode three '{"tokens": 6, "die_after_tokens": 1}'
  chat_stream first
  assert_broken t1t2t3t4t5
  assert_seams second third
  assert_counts 2 2 2
}

@test "resume: no event was whole yet -> the client's own request elsewhere" {
  fake_mode one '{"pieces": ["data: {\"id\":"], "die_after_tokens": 1}'
  chat_stream first
  assert_whole
  assert_equal "$(jq -c '.messages | length' <"$(fake_body two)")" 1
}

@test "resume: who goes on refuses the last message -> asked plainly once, nothing doubled" {
  fake_mode one '{"tokens": 6, "die_after_tokens": 3}'
  fake_mode two '{"tokens": 6, "prefill": "refuse"}'
  chat_stream first
  assert_whole
  assert_seams second
  assert_counts 1 2 0
  assert_equal "$(jq -c '[.messages[].role]' <"$(fake_body two)")" '["user"]'
}

@test "resume: who goes on begins anew -> asked plainly once, nothing doubled" {
  fake_mode one '{"tokens": 6, "die_after_tokens": 3}'
  fake_mode two '{"tokens": 6, "prefill": "restart"}'
  chat_stream first
  assert_whole
  assert_seams second
  assert_counts 1 2 0
  assert_equal "$(jq -c '[.messages[].role]' <"$(fake_body two)")" '["user"]'
}

@test "resume: asked plainly it is down -> the next one is asked to go on" {
  fake_mode one '{"tokens": 6, "die_after_tokens": 3}'
  fake_mode two '{"turns": [{"tokens": 6, "prefill": "refuse"}, {"close_before_answer": true}]}'
  chat_stream first
  assert_whole
  assert_seams third
  assert_counts 1 2 1
  assert_equal "$(jq -c '[.messages[].role]' <"$(fake_body three)")" '["user","assistant"]'
}

@test "resume: asked plainly it says something else -> one error event, nothing of it" {
  fake_mode one '{"tokens": 6, "die_after_tokens": 3}'
  fake_mode two '{"text": "t1t2 something else", "prefill": "refuse"}'
  chat_stream first
  assert_broken t1t2t3
  assert_counts 1 2 0
}

@test "resume: who goes on is busy, down or says nothing -> the next one" {
  fake_mode one '{"tokens": 6, "die_after_tokens": 3}'
  fake_mode two '{"status": 200, "content_type": "text/event-stream", "body": ""}'
  chat_stream first
  assert_whole
  assert_seams third
  fake_mode two '{"close_before_answer": true}'
  chat_stream first
  assert_whole
  assert_seams third
  fake_mode two '{"status": 429, "headers": {"Retry-After": "1"}}'
  chat_stream first
  assert_whole
  assert_seams third
}

@test "resume: nobody goes on -> one error event" {
  fake_mode one '{"tokens": 6, "die_after_tokens": 3}'
  fake_mode two '{"status": 503}'
  fake_mode three '{"status": 404}'
  chat_stream first
  assert_equal "$(stream_said)" t1t2t3
  assert_sse '[.[] | select(.json.error?)] | length' 1
  assert_sse '[.[] | select(.data == "[DONE]")] | length' 0
}

@test "resume: a whole answer where the rest was asked for -> one error event" {
  fake_mode one '{"tokens": 6, "die_after_tokens": 3}'
  fake_mode two '{"status": 200, "body": "{\"choices\":[{\"message\":{\"content\":\"all\"}}]}"}'
  chat_stream first
  assert_broken t1t2t3
}

@test "resume: completions -> the prompt goes on" {
  fake_mode one '{"tokens": 6, "die_after_tokens": 3}'
  gw_post /v1/completions "$(sse_json /v1/completions first '{"max_tokens": 9}')" -N
  assert_whole
  assert_seams second
  assert_equal "$(jq -c '[.prompt, .max_tokens, .continue_final_message]' \
    <"$(fake_body two)")" '["hit1t2t3",6,null]'
}

@test "resume: usage -> one, as if one had said all of it" {
  fake_mode one '{"tokens": 6, "die_after_tokens": 4}'
  chat_stream first '{"stream_options": {"include_usage": true}}'
  assert_whole
  assert_sse '[.[].json.usage? | objects | [.completion_tokens, .total_tokens - .prompt_tokens]]' \
    '[[6,6]]'
}

@test "resume: limits -> lowered by what was said, also those of the alias" {
  fake_mode one '{"tokens": 6, "die_after_tokens": 4}'
  chat_stream first '{"max_tokens": 50, "max_completion_tokens": 5.0, "n_predict": -1}'
  assert_whole
  assert_equal "$(jq -c '[.max_tokens, .max_completion_tokens, .n_predict]' <"$(fake_body two)")" \
    '[46,1,-1]'
  fake_mode one '{"turns": [{"tokens": 6, "die_after_tokens": 4}], "tokens": 6}'
  chat_stream short
  assert_whole
  assert_equal "$(jq -c .max_tokens <"$(fake_body one)")" 6
}

@test "resume: a fallback goes on -> with its own limits, lowered, and none of the first alias" {
  fake_mode one '{"tokens": 6, "die_after_tokens": 4}'
  chat_stream other_limits
  assert_whole
  assert_seams limited
  assert_equal "$(jq -c '[.max_tokens, .max_completion_tokens, .n_predict]' <"$(fake_body two)")" \
    '[5,1,null]'
}

@test "resume: an alias that stands in for one with resume breaks -> goes on" {
  fake_mode one '{"close_before_answer": true}'
  fake_mode two '{"tokens": 6, "die_after_tokens": 3}'
  chat_stream first
  assert_whole
  assert_seams third
}

@test "resume: all tokens were said -> the limit ends it here" {
  fake_mode one '{"tokens": 6, "die_after_tokens": 4}'
  chat_stream first '{"max_tokens": 4}'
  assert_whole t1t2t3t4
  assert_sse '[.[].json | objects | .choices[0].finish_reason | strings]' '["length"]'
  assert_counts 1 0 0
}

@test "resume: the client's own last message -> extended" {
  fake_mode one '{"text": "We are here", "die_after_tokens": 1}'
  fake_mode two '{"text": "We are here"}'
  gw_post /v1/chat/completions '{"model": "first", "stream": true, "messages": [
    {"role": "user", "content": "q"}, {"role": "assistant", "content": "We "}],
    "big": 18446744073709551617}' -N
  assert_whole 'are here'
  assert_equal "$(jq -c '.messages[1:]' <"$(fake_body two)")" \
    '[{"role":"assistant","content":"We are"}]'
  grep -q '"big": 18446744073709551617}' "$(fake_body two)"
}

@test "resume: it broke behind its reason -> whole, with [DONE]" {
  fake_mode one "{\"die_after_tokens\": 2, \"delay_ms\": 1,
    \"pieces\": [$(event '{"content": "t1"}'), $(event '{}' '"stop"')]}"
  chat_stream first
  assert_whole t1
  assert_counts 1 0 0
}

@test "resume: an error event of the upstream's own -> passes, nobody else is asked" {
  fake_mode one '{"tokens": 6, "error_after_tokens": 3}'
  chat_stream first
  assert_equal "$(stream_said)" t1t2t3
  assert_sse '[.[].json.error? | objects | .message]' '["scripted error event"]'
  assert_counts 1 0 0
}

# not_resumed EXTRA - it ends with the one error event.
not_resumed() {
  chat_stream first "$1"
  assert_sse '[.[] | select(.json.error?)] | length' 1
  assert_sse '.[-1].json.error.code' "$ERROR"
  assert_seams
}

@test "resume: what cannot be continued -> ends with the one error event, as before" {
  local large=$BATS_TEST_TMPDIR/large
  fake_mode one '{"tokens": 6, "die_after_tokens": 3}'
  not_resumed '{"n": 2}'
  not_resumed '{"logprobs": true}'
  not_resumed '{"response_format": {"type": "json_object"}}'
  not_resumed '{"grammar": "root ::= \"a\""}'
  fake_mode one '{"die_after_tokens": 1}'
  not_resumed '{"tools": [{"type": "function", "function": {"name": "f"}}],
    "tool_choice": "required"}'
  fake_mode one "{\"die_after_tokens\": 1, \"delay_ms\": 1,
    \"pieces\": [$(event '{"reasoning_content": "hm"}')]}"
  not_resumed '{}'
  assert_counts 6 0 0
  fake_mode one '{"tokens": 6, "die_after_tokens": 3}'
  head -c 1100000 /dev/zero | tr '\0' x | jq -cR '{model: "first", stream: true,
    messages: [{role: "user", content: "hi"}], pad: .}' >"$large"
  gw_post /v1/chat/completions "@$large" -N
  assert_broken t1t2t3
  assert_counts 7 0 0
}

@test "resume: tools that are there, but not called -> goes on" {
  fake_mode one '{"tokens": 6, "die_after_tokens": 3}'
  chat_stream first '{"tools": [{"type": "function", "function": {"name": "f"}}]}'
  assert_whole
  assert_seams second
  assert_equal "$(jq -c '.tools | length' <"$(fake_body two)")" 1
}

@test "resume: not set -> ends with the error event" {
  fake_mode one '{"tokens": 6, "die_after_tokens": 3}'
  chat_stream as_ever
  assert_broken t1t2t3
  assert_counts 1 0 0
}

@test "resume: more than 1 MiB of answer -> not resumed, and it is all there" {
  fake_mode one '{"tokens": 1200, "big_tokens": 1000, "die_after_tokens": 1199}'
  chat_stream first
  assert_one_sse_error /v1/chat/completions "$ERROR"
  assert_sse '[.[].json.choices[0].delta.content? | strings] | length' 1199
  assert_counts 1 0 0
}

@test "resume: the client leaves while the rest comes -> nothing is held" {
  local leaver
  fake_mode one '{"tokens": 6, "die_after_tokens": 3}'
  fake_mode two '{"tokens": 6, "wait_tokens": true}'
  curl -sSN --max-time 300 -o "$BATS_TEST_TMPDIR/left" "$GW_URL/v1/chat/completions" \
    --data-binary "$(sse_json /v1/chat/completions first)" 3>&- 4>&- &
  leaver=$!
  wait_until 10 fake_stat_is two .waiting 1
  kill "$leaver"
  wait "$leaver" || true
  wait_until 10 fake_stat_is two .active 0
  wait_until 10 gw_holds_nothing
}
