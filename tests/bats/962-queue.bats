#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 962-queue.bats - who waits for a slot: in which order, how many, for how long,
# and what they are told when it comes to nothing.
#
# shellcheck disable=SC2154,SC2030,SC2031 # set by the helpers; a test is a subshell

load helpers/all
load helpers/queue

setup_file() {
  gw_setup
  fake_start alpha --max-requests 1
  fake_start beta --max-requests 1
  fake_start gamma --max-requests 1
  gw_config <<YAML
gateway:
  eject: {failures: 100}
auth:
  upstream_node_key: key-of-the-gateway
models:
  one:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    max_concurrency: 1
    queue: {timeout_s: 600}
  short:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    defaults: {model: short}
    max_concurrency: 1
    queue: {max: 2, timeout_s: 600}
  none:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    defaults: {model: none}
    max_concurrency: 1
    queue: {max: 0}
  at-once:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    defaults: {model: at-once}
    max_concurrency: 1
    queue: {timeout_s: 0}
  hasty:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    defaults: {model: hasty}
    max_concurrency: 1
    queue: {timeout_s: 0.4}
  patient: # its slots are beta's, so is who stands in for it
    type: proxy
    proxy_url: $FAKE_URL_alpha
    defaults: {model: patient}
    max_concurrency: 1
    queue: {max: 1, timeout_s: 0.8}
    fallback: [stand-in]
  stay: # the same for somebody who waits until it is served
    type: proxy
    proxy_url: $FAKE_URL_alpha
    defaults: {model: stay}
    max_concurrency: 1
    queue: {max: 1, timeout_s: 600}
    fallback: [stand-in]
  stand-in:
    type: proxy
    proxy_url: $FAKE_URL_beta
  total:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    defaults: {model: total}
    max_concurrency: 1
    timeouts: {total_s: 0.6}
  first:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    defaults: {model: first}
    max_concurrency: 1
    timeouts: {first_byte_s: 1.5}
    retry: {attempts: 0}
  team:
    type: discovered
    queue: {timeout_s: 600}
    retry: {attempts: 3, backoff_s: 600, backoff_max_s: 3000}
  team-too: # another queue for the same slots
    type: discovered
    role: team
    queue: {timeout_s: 600}
YAML
  GW_WORKERS=4 gw_start
}

teardown_file() {
  gw_teardown
}

setup() {
  fake_mode alpha '{}'
  fake_mode beta '{}'
  fake_mode gamma '{}'
  QUEUED_BEFORE=$(gw_counter queued)
}

teardown() {
  gw_dump_if_failed
  wait_until 10 gw_holds_nothing
}

# served_in_order FAKE NAME... - each has a slot in its turn, and ends.
served_in_order() {
  local fake=$1 name
  shift
  for name; do
    at "$fake" "$name" || return 1
    fake_go "$fake" || return 1
    assert_equal "$(status_of "$name")" 200 "$name" || return 1
  done
}

record() { # record NAME FIELD - of its access record
  grep -E "event=access rid=$BATS_TEST_NUMBER-$1 " "$GW_DIR/gateway.log" | tail -n 1 | sed -nE "s/.* $2=([^ ]*).*/\1/p"
}

recorded() {
  grep -qE "event=access rid=$BATS_TEST_NUMBER-$1 " "$GW_DIR/gateway.log"
}

@test "queue: requests come one after the other, over four processes -> they are served in that order" {
  local i
  ask q0 one
  at alpha q0
  for i in 1 2 3 4 5 6 7 8; do
    ask "q$i" one
    waits "$i"
  done
  served_in_order alpha q0 q1 q2 q3 q4 q5 q6 q7 q8
}

@test "queue: one more than queue.max -> 429 queue_full at once, with a Retry-After of 1 to 60" {
  ask a short
  at alpha a
  ask b short
  waits 1
  ask c short
  waits 2
  gw_chat short
  assert_error 429 queue_full
  assert_header Retry-After '/^([1-9]|[1-5][0-9]|60)$/'
  assert_match "$body" 'queue.max = 2'
  assert_header X-RoleMesh-Model short
  served_in_order alpha a b c
}

@test "queue: queue.max or queue.timeout_s is 0 -> nobody waits: 429 queue_full at once" {
  local model
  for model in none at-once; do
    ask "$model" "$model"
    at alpha "$model"
    gw_chat "$model"
    assert_error 429 queue_full
    assert_header Retry-After '/^([1-9]|[1-5][0-9]|60)$/'
    fake_go alpha
    assert_equal "$(status_of "$model")" 200
  done
  waits 0
}

@test "queue: a slot does not come within queue.timeout_s -> 503 queue_timeout with Retry-After, and the record tells the wait" {
  ask a hasty
  at alpha a
  ask b hasty
  assert_equal "$(status_of b)" 503
  assert_equal "$(code_of b)" queue_timeout
  assert_match "$(header_of b Retry-After)" '^([1-9]|[1-5][0-9]|60)$'
  wait_until 10 recorded b
  assert_at_least "$(record b queue_ms)" 400
  assert_equal "$(record b phase)" queue
  assert_equal "$(record b attempts)" -
  fake_go alpha
  assert_equal "$(status_of a)" 200
  wait_until 10 recorded a
  assert_equal "$(record a queue_ms)" 0
}

@test "queue: all slots are taken and there is a fallback -> it waits all the same" {
  ask a patient
  at alpha a
  ask b patient
  waits 1
  fake_go alpha
  at alpha b
  fake_go alpha
  assert_equal "$(status_of a) $(status_of b)" '200 200'
  assert_equal "$(header_of b X-RoleMesh-Model)" patient
}

@test "queue: queue_full or queue_timeout -> the fallback list is asked" {
  ask a patient
  at alpha a
  ask b patient
  waits 1
  ask c patient # finds no place
  at beta c
  at beta b # its time is over
  fake_go beta 2
  fake_go alpha
  assert_equal "$(status_of a) $(status_of b) $(status_of c)" '200 200 200'
  assert_equal "$(header_of b X-RoleMesh-Model) $(header_of c X-RoleMesh-Model)" 'stand-in stand-in'
  assert_equal "$(header_of a X-RoleMesh-Model)" patient
}

@test "queue: queue_full, and the fallback fails -> its answer; nobody there -> queue_full" {
  ask a stay
  at alpha a
  ask b stay
  waits 1
  ask c stay '{"fake": {"wait_head": false, "status": 418}}'
  assert_equal "$(status_of c)" 418
  fake_go alpha
  at alpha b
  fake_go alpha
  assert_equal "$(status_of a) $(status_of b)" '200 200'
}

@test "queue: total_s is over while it waits -> 504 upstream_timeout" {
  ask a total
  at alpha a
  ask b total
  assert_equal "$(status_of b)" 504
  assert_equal "$(code_of b)" upstream_timeout
  assert_equal "$(status_of a)" 504
}

@test "queue: it waits for longer than first_byte_s -> that counts from its own connection on" {
  ask a first '{"stream": true, "fake": {"wait_head": false, "tokens": 5, "delay_ms": 500}}'
  at alpha a
  ask b first '{"fake": {"wait_head": false, "first_delay_ms": 300}}'
  assert_equal "$(status_of a)" 200
  assert_equal "$(status_of b)" 200
  wait_until 10 recorded b
  assert_at_least "$(record b queue_ms)" 1501
}

@test "queue: clients leave while they wait -> their places are free at once, and those behind them are next" {
  ask a short
  at alpha a
  ask b short
  waits 1
  ask c short
  waits 2
  leave b
  wait_until 10 queued_are 1
  ask d short
  waits 3
  served_in_order alpha a c d
  wait_until 10 recorded b
  assert_equal "$(record b status)" 499
}

@test "queue: who holds the slot fails -> the next has it at once" {
  ask a first '{"fake": {"reset_before_answer": true}}'
  at alpha a
  ask b first
  waits 1
  fake_go alpha
  at alpha b
  fake_go alpha
  assert_equal "$(status_of b)" 200
}

# two_nodes - alpha and beta serve the role team, with a slot each.
two_nodes() {
  local id var
  for id in alpha beta; do
    var=FAKE_URL_$id
    gw_post /v1/nodes/register "$(jq -cn --arg id "$id" --arg url "${!var}" \
      '{node_id: $id, base_url: $url, roles: ["team"], max_concurrency: 1}')" >/dev/null
    assert_status 200
  done
}

no_nodes() {
  local id
  for id in alpha beta gamma; do
    gw_post /v1/nodes/deregister "{\"node_id\":\"$id\"}" >/dev/null
  done
}

@test "queue: an attempt fails and the other node is full -> it waits there with its own arrival, before those that came later" {
  local first second
  two_nodes
  fake_mode alpha '{"turns": [{"status": 502}]}'
  ask a team
  wait_until 15 one_is_there
  ask b team
  wait_until 15 fake_stat_is alpha .active 1
  wait_until 15 fake_stat_is beta .active 1
  if has_come alpha a; then first=b second=a; else first=a second=b; fi
  ask c team
  waits 1
  ask d team
  waits 2
  fake_go alpha # $second fails there: it wants the slot at beta, c has this one
  at alpha c
  waits 3
  fake_go beta
  at beta "$second"
  assert_equal "$(status_of "$first")" 200
  fake_go beta
  assert_equal "$(status_of "$second")" 200
  assert_equal "$(header_of "$second" X-RoleMesh-Attempts)" 2
  at beta d
  fake_go beta
  fake_go alpha
  assert_equal "$(status_of c) $(status_of d)" '200 200'
  no_nodes
}

one_is_there() {
  (($(fake_stats alpha .active) + $(fake_stats beta .active) == 1))
}

@test "queue: two queues for one slot -> it goes to the one that came first, whichever queue it is in" {
  gw_post /v1/nodes/register "$(jq -cn --arg url "$FAKE_URL_gamma" \
    '{node_id: "gamma", base_url: $url, roles: ["team"], max_concurrency: 1}')" >/dev/null
  assert_status 200
  ask q0 team
  at gamma q0
  ask q1 team-too
  waits 1
  ask q2 team
  waits 2
  ask q3 team-too
  waits 3
  served_in_order gamma q0 q1 q2 q3
  no_nodes
}

@test "queue: the only node leaves while requests wait for it -> they end with 503 no_available_node" {
  gw_post /v1/nodes/register "$(jq -cn --arg url "$FAKE_URL_gamma" \
    '{node_id: "gamma", base_url: $url, roles: ["team"], max_concurrency: 1}')" >/dev/null
  ask a team
  at gamma a
  ask b team
  waits 1
  no_nodes
  assert_equal "$(status_of b)" 503
  assert_equal "$(code_of b)" no_available_node
  fake_go gamma
  assert_equal "$(status_of a)" 200
}
