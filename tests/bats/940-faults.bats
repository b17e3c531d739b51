#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 940-faults.bats - sixteen faults of providers, as the public failoverbench lists
# them (methodology v0.1, S01 to S16): a first choice that fails in one of these
# ways, a fallback that is well, and a client that wants the whole text.
#
# The text has sixty words; what is compared is what a client puts together. How
# the gateway behaves beside that (attempts, waits, one [DONE], usage of the whole
# answer, the id that the client saw first) is held to as well.
#
# shellcheck disable=SC2154,SC2034 # set by and for the helpers

load helpers/all
load helpers/failover

TEXT='A miller kept forty geese beside the river and counted them each evening by the light of a lamp until one night the lamp went out and he counted them by their voices instead which took him until morning when he found that there were sixty for the geese of his neighbour had come to hear who was counting late'

setup_file() {
  local n
  gw_setup
  fake_start prime --max-requests 1 --script "$(jq -cn --arg text "$TEXT" '{$text, delay_ms: 5}')"
  fake_start spare --max-requests 1 --script "$(jq -cn --arg text "$TEXT" '{$text, delay_ms: 5}')"
  {
    cat <<YAML
x-first: &first
  type: proxy
  proxy_url: $FAKE_URL_prime
  resume: true
  fallback: [ok]
  # for silences only: whoever is well answers within milliseconds
  timeouts: {first_byte_s: 3, idle_s: 3}
gateway:
  eject: {pause_s: 0.5, pause_max_s: 1}
models:
  ok:
    type: proxy
    proxy_url: $FAKE_URL_spare
    defaults: {model: spare-model}
YAML
    for n in {01..16}; do
      printf '  s%s: {<<: *first}\n' "$n"
    done
  } | gw_config
  gw_start
}

teardown_file() {
  gw_teardown
}

setup() {
  SPARED=$(fake_count spare)
}

# A healthy request is answered after each of them.
teardown() {
  gw_dump_if_failed
  fake_mode prime '{}'
  fake_mode spare '{}'
  wait_until 10 gw_holds_nothing
  gw_chat ok
  assert_status 200
}

spared() {
  echo $(($(fake_count spare) - SPARED))
}

# play SNN FAULT - the client's stream while its first choice has that fault.
play() {
  SERVED=$1
  fake_mode prime "$2"
  chat_stream "$1" '{"stream_options": {"include_usage": true}}'
}

# assert_whole - all of the text, once, and nothing that says otherwise.
assert_whole() {
  assert_status 200
  assert_equal "$curl_status" 0 "curl's status"
  assert_equal "$(stream_said | xargs)" "$TEXT" text
  assert_sse '[.[] | select(.json.error?)] | length' 0
  assert_sse '[.[].json | objects | .choices[0].finish_reason? | strings]' '["stop"]'
  assert_sse '[.[].json | objects | .id | strings] | unique | length' 1
  assert_sse '[.[].json | objects | .model | strings] | unique | length' 1
  assert_sse '[.[].json | objects | .created | numbers] | unique | length' 1
  assert_sse '[.[] | select(.data == "[DONE]")] | length' "${1:-1}"
  assert_usage
}

# "hi", and sixty words.
assert_usage() {
  assert_sse '[.[].json.usage? | objects | [.prompt_tokens, .completion_tokens, .total_tokens]]' \
    '[[1,60,61]]'
}

assert_by() {
  assert_header X-RoleMesh-Model "$1"
}

@test "fault S01: 429 with Retry-After 2, well then -> asked again by the clock, no fallback" {
  play s01 '{"turns": [{"status": 429, "headers": {"Retry-After": "2"}}]}'
  assert_whole
  assert_equal "$(asked prime) $(spared)" '2 0'
  assert_at_least "$(gap prime 1)" 2000 ms
}

@test "fault S02: 429 always -> a few attempts with waits, then the fallback" {
  play s02 '{"status": 429}'
  assert_whole
  assert_by ok
  assert_equal "$(asked prime) $(spared)" '3 1'
}

@test "fault S03: 500 once -> asked again, no fallback" {
  play s03 '{"turns": [{"status": 500}]}'
  assert_whole
  assert_equal "$(asked prime) $(spared)" '2 0'
}

@test "fault S04: 503 always -> a few attempts, then the fallback" {
  play s04 '{"status": 503}'
  assert_whole
  assert_by ok
  assert_equal "$(asked prime) $(spared)" '3 1'
}

@test "fault S05: a reset before any byte, once -> asked again, no fallback" {
  play s05 '{"turns": [{"reset_before_answer": true}]}'
  assert_whole
  assert_equal "$(asked prime) $(spared)" '2 0'
}

@test "fault S06: no answer at all -> not asked again, the fallback" {
  play s06 '{"never": true}'
  assert_whole
  assert_by ok
  assert_equal "$(asked prime) $(spared)" '1 1'
}

@test "fault S07: a head at once and no token -> the limit of the first token, then the fallback" {
  play s07 '{"head_delay_ms": 3600000}'
  assert_whole
  assert_by ok
  assert_sse '[.[].json | objects | .model | strings] | unique' '["spare-model"]'
  assert_equal "$(asked prime) $(spared)" '1 1'
}

@test "fault S08: dies after 40 of 60 tokens -> the whole text, as one answer" {
  play s08 '{"end_after_tokens": 40}'
  assert_whole
  assert_equal "$(asked prime) $(spared)" '1 1'
  # what was said went along, to be continued
  assert_equal "$(jq -rc '.messages[-1].role' <"$(fake_body spare)")" assistant
  assert_sse 'any(.[]; .comment? | strings | startswith(" resumed"))' true
}

@test "fault S09: silent after 20 tokens -> the whole text, as one answer" {
  play s09 '{"silent_after_tokens": 20}'
  assert_whole
  assert_equal "$(asked prime) $(spared)" '1 1'
}

@test "fault S10: one event that is no JSON -> the text is complete" {
  play s10 '{"bad_event_after_tokens": 9}'
  assert_whole
  assert_equal "$(asked prime) $(spared)" '1 0'
}

@test "fault S11: complete, but without [DONE] -> ends at once, with usage" {
  play s11 '{"no_done": true}'
  assert_whole 0
  assert_equal "$(asked prime) $(spared)" '1 0'
}

@test "fault S12: a context too long, always -> one attempt, then the fallback" {
  play s12 '{"status": 400, "error": {"code": "context_length_exceeded"}}'
  assert_whole
  assert_by ok
  assert_equal "$(asked prime) $(spared)" '1 1'
}

@test "fault S13: refused for its content, always -> one attempt, that error, no fallback" {
  play s13 '{"status": 400, "error": {"code": "content_policy_violation"}}'
  assert_status 400
  assert_json .error.code content_policy_violation
  assert_equal "$(asked prime) $(spared)" '1 0'
}

@test "fault S14: dies after 40 tokens, and the fallback refuses a prefill -> the whole text all the same" {
  fake_mode spare '{"prefill": "refuse"}'
  play s14 '{"end_after_tokens": 40}'
  assert_whole
  assert_equal "$(asked prime) $(spared)" '1 2'
}

@test "fault S15: 503 for a while, well then -> every request answered, one attempt a trial, and back soon" {
  local n more=0
  SERVED=s15
  fake_mode prime '{"status": 503}'
  gw_chat s15
  assert_status 200
  # whole requests and trials, until there were three of these
  for ((n = 1; more < 3; n++)); do
    gw_chat s15
    assert_status 200
    assert_by ok
    (($(attempts_header) <= 2)) || _fail 'a trial that failed was tried again'
    ((more += $(attempts_header) - 1, 1))
    ((n < 400))
  done
  fake_mode prime '{}'
  wait_until 10 answered_by s15
}

answered_by() {
  gw_chat s15 >/dev/null
  assert_status 200
  [[ $(header X-RoleMesh-Model) == "$1" ]]
}

@test "fault S16: 503 always -> the answer names the fallback's model, and has its usage" {
  play s16 '{"status": 503}'
  assert_whole
  assert_sse '[.[].json | objects | .model | strings] | unique' '["spare-model"]'
  assert_by ok
  (($(asked prime) <= 6))
}
