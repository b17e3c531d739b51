#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 942-faults-of-nodes.bats - the faults of 940-faults.bats where the other choice
# is another node of the role, and at the other endpoint that is resumed.
#
# shellcheck disable=SC2154,SC2034 # set by and for the helpers

load helpers/all
load helpers/failover

TEXT='one two three four five six seven eight nine ten eleven twelve'

setup_file() {
  local name
  gw_setup
  for name in prime spare; do
    fake_start "$name" --max-requests 1 --script "$(jq -cn --arg text "$TEXT" '{$text, delay_ms: 5}')"
  done
  gw_config <<'YAML'
gateway:
  eject: {failures: 3, pause_s: 600, pause_max_s: 600}
models:
  pair:
    type: discovered
    resume: true
    # whoever is asked again must be the other one
    retry: {backoff_s: 600, backoff_max_s: 3000}
    # for silences only: whoever is well answers within milliseconds
    timeouts: {first_byte_s: 3, idle_s: 3}
  alone:
    type: discovered
    resume: true
    retry: {backoff_s: 0.05}
  cut:
    type: discovered
    retry: {backoff_s: 600, backoff_max_s: 3000}
YAML
  gw_start
}

teardown_file() {
  gw_teardown
}

teardown() {
  gw_dump_if_failed
  fake_mode prime '{}'
  fake_mode spare '{}'
  wait_until 10 gw_holds_nothing
}

# whole_from PATH ROLE - a stream that is all of the text, once.
whole_from() {
  gw_post "$1" "$(sse_json "$1" "$2")" -N
  assert_status 200
  assert_equal "$(stream_said | xargs)" "$TEXT" text
  assert_sse '[.[] | select(.json.error?)] | length' 0
  assert_sse '[.[].json | objects | .choices[0].finish_reason? | strings]' '["stop"]'
  assert_sse '[.[].json | objects | .id | strings] | unique | length' 1
  assert_sse '[.[] | select(.data == "[DONE]")] | length' 1
}

# both_whole FAULT [PATH] - of two streams one meets the fault at `prime`.
both_whole() {
  local path=${2:-/v1/chat/completions}
  echo "fault: $1"
  serve pair prime spare
  fake_mode prime "$1"
  whole_from "$path" pair
  whole_from "$path" pair
  assert_at_least "$(asked prime)" 1 'times that prime was asked'
}

@test "faults of nodes: a failure before the first token -> the other node's text" {
  local fault
  for fault in '{"status": 429}' '{"status": 500}' '{"status": 503}' '{"reset_before_answer": true}' \
    '{"end_after_tokens": 0}'; do
    both_whole "$fault"
  done
}

@test "faults of nodes: silence before the first token -> the other node's text" {
  both_whole '{"never": true}'
}

@test "faults of nodes: a stream that breaks -> goes on from the other node" {
  local fault
  for fault in '{"die_after_tokens": 5}' '{"end_after_tokens": 5}' '{"bad_chunk_after_tokens": 11}' \
    '{"half_event": true, "die_after_tokens": 3}' '{"end_after_tokens": 12}' '{"end_after_tokens": 1}'; do
    both_whole "$fault"
  done
}

@test "faults of nodes: a stream that falls silent -> goes on from the other node" {
  both_whole '{"silent_after_tokens": 5}'
}

@test "faults of nodes: the same of completions" {
  local fault
  for fault in '{"status": 503}' '{"die_after_tokens": 5}' '{"half_event": true, "end_after_tokens": 5}'; do
    both_whole "$fault" /v1/completions
  done
}

@test "faults of nodes: a stream that breaks, only one node -> goes on from the same one" {
  serve alone prime
  fake_mode prime '{"turns": [{"die_after_tokens": 5}]}'
  whole_from /v1/chat/completions alone
  assert_equal "$(asked prime)" 2
}

@test "faults of nodes: a stream that breaks again and again -> twice it goes on, then one error event" {
  serve alone prime
  fake_mode prime '{"die_after_tokens": 2}'
  chat_stream alone
  assert_equal "$(stream_said | xargs)" 'one two three four five six'
  assert_one_sse_error /v1/chat/completions upstream_protocol_error
  assert_equal "$(asked prime)" 3
}

@test "faults of nodes: a node that begins anew instead of going on -> its text once" {
  serve pair prime spare
  fake_mode prime '{"die_after_tokens": 5}'
  fake_mode spare '{"prefill": "restart"}'
  whole_from /v1/chat/completions pair
  whole_from /v1/chat/completions pair
  assert_equal "$(asked prime)" 1
}

@test "faults of nodes: a node that begins anew or refuses a prefill, and says something else -> one error event, nothing mixed" {
  local how
  for how in restart refuse; do
    serve pair prime spare
    fake_mode prime '{"die_after_tokens": 5}'
    fake_mode spare "{\"prefill\": \"$how\", \"text\": \"one two three and now for something else\"}"
    for _ in 1 2; do
      chat_stream pair
      [[ $(stream_said) == 'one two three and'* ]] || break
    done
    assert_equal "$(stream_said | xargs)" 'one two three four five'
    assert_sse '[.[] | select(.json.error?)] | length' 1
    assert_sse '[.[] | select(.data == "[DONE]")] | length' 0
  done
}

@test "faults of nodes: an error event of the upstream's own after the first token -> passes, not resumed" {
  serve pair prime spare
  fake_mode prime '{"error_after_tokens": 3}'
  fake_mode spare '{"error_after_tokens": 3}'
  chat_stream pair
  assert_equal "$(stream_said | xargs)" 'one two three'
  assert_sse '[.[] | .json.error? | objects | .message]' '["scripted error event"]'
  assert_equal "$(($(asked prime) + $(asked spare)))" 1
}

@test "faults of nodes: resume is off -> a broken stream ends with one error event" {
  serve cut prime
  fake_mode prime '{"die_after_tokens": 5}'
  chat_stream cut
  assert_one_sse_error /v1/chat/completions upstream_protocol_error
  assert_equal "$(asked prime)" 1
}
