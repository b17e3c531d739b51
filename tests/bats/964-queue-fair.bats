#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 964-queue-fair.bats - whose turn it is, of several clients and classes, and who
# has to go when a queue is full.
#
# shellcheck disable=SC2154,SC2030,SC2031,SC2034 # set by, and for, the helpers

load helpers/all
load helpers/queue

setup_file() {
  gw_setup
  fake_start alpha --max-requests 1
  fake_start beta --max-requests 1
  gw_config <<YAML
auth:
  clients:
    - {name: person, key: key-of-a-person, priority: interactive}
    - {name: ann, key: key-of-ann}
    - {name: bob, key: key-of-bob}
    - {name: job, key: key-of-a-job, priority: batch}
models:
  one:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    max_concurrency: 1
    queue: {timeout_s: 600}
  two:
    type: proxy
    proxy_url: $FAKE_URL_beta
    max_concurrency: 2
    queue: {timeout_s: 600}
  short:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    defaults: {model: short}
    max_concurrency: 1
    queue: {max: 3, timeout_s: 600}
YAML
  GW_WORKERS=4 gw_start
}

teardown_file() {
  gw_teardown
}

setup() {
  QUEUED_BEFORE=$(gw_counter queued)
}

teardown() {
  gw_dump_if_failed
  wait_until 10 gw_holds_nothing
}

# by KEY NAME MODEL - ask, as that client.
by() {
  local ASK_KEY=key-of-$1
  shift
  ask "$@"
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

@test "fair: three classes wait -> interactive, normal, batch; within each who came first" {
  by ann a0 one
  at alpha a0
  by a-job j1 one
  waits 1
  by bob b1 one
  waits 2
  by a-person p1 one
  waits 3
  by a-job j2 one
  waits 4
  by a-person p2 one
  waits 5
  by bob b2 one
  waits 6
  served_in_order alpha a0 p1 p2 b1 b2 j1 j2
}

@test "fair: a client that has a slot and three that wait, and one that comes last with nothing -> the newcomer is next" {
  by ann a1 two
  at beta a1
  by ann a2 two
  at beta a2
  by ann a3 two
  waits 1
  by ann a4 two
  waits 2
  by bob b1 two
  waits 3
  leave a1 # one slot is free
  at beta b1
  assert_equal "$(came_to beta)" 'a1 a2 b1'
  # each has one there: who came first
  fake_go beta 2
  at beta a3
  at beta a4
  fake_go beta 2
  assert_equal "$(status_of a3) $(status_of a4) $(status_of b1)" '200 200 200'
}

@test "fair: the queue is full, and one of a better class comes -> the latest of a worse one gets 429 queue_full" {
  by ann a0 short
  at alpha a0
  by bob b1 short
  waits 1
  by a-job j1 short
  waits 2
  by a-job j2 short
  waits 3
  by a-person p1 short
  assert_equal "$(status_of j2)" 429
  assert_equal "$(code_of j2)" queue_full
  assert_match "$(jq -r .error.message <"$ASKED/j2")" 'better class'
  assert_match "$(header_of j2 Retry-After)" '^([1-9]|[1-5][0-9]|60)$'
  waits 4
  served_in_order alpha a0 p1 b1 j1
}

@test "fair: the queue is full of one client's, and another client comes -> the latest of the many gets 429" {
  by ann a0 short
  at alpha a0
  by ann a1 short
  waits 1
  by ann a2 short
  waits 2
  by ann a3 short
  waits 3
  by bob b1 short
  assert_equal "$(status_of a3)" 429
  waits 4
  served_in_order alpha a0 a1 a2 b1
}

@test "fair: the queue is full, and one comes that is no better -> it gets the 429 itself" {
  by ann a0 short
  at alpha a0
  by ann a1 short
  waits 1
  by bob b1 short
  waits 2
  by a-person p1 short
  waits 3
  by bob b2 short
  assert_equal "$(status_of b2)" 429
  by a-job j1 short
  assert_equal "$(status_of j1)" 429
  served_in_order alpha a0 p1 a1 b1
}

@test "fair: a stream waits and is displaced after its early 200 -> one error event queue_full" {
  by ann a0 short
  at alpha a0
  by a-job j1 short '{"stream": true}' -N
  waits 1
  wait_until 15 grep -qs '^: queued' "$ASKED/j1"
  by bob b1 short
  waits 2
  by ann a1 short
  waits 3
  by a-person p1 short
  assert_equal "$(status_of j1)" 200
  assert_one_sse_error /v1/chat/completions queue_full "$ASKED/j1"
  waits 4
  served_in_order alpha a0 p1 b1 a1
}
