#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 963-queue-states.bats - queues while candidates are not simply well: paused,
# ejected, replaced by a reload; and aliases beside one that has a queue.
#
# shellcheck disable=SC2154,SC2030,SC2031 # set by the helpers; a test is a subshell

load helpers/all
load helpers/queue

write_config() {
  gw_config <<YAML
gateway:
  shutdown_grace_s: 0.5
  eject: {failures: ${FAILURES:-1}, pause_s: ${PAUSE_S:-2}, pause_max_s: 10}
models:
  one:
    type: proxy
    proxy_url: ${ONE_URL:-$FAKE_URL_alpha}
    max_concurrency: 1
    queue: {timeout_s: 600}
    retry: {attempts: 0}
  team:
    type: discovered
    queue: {timeout_s: 600}
  mixed:
    type: discovered
    queue: {timeout_s: 600}
YAML
}

setup() {
  gw_setup
  fake_start alpha --max-requests 1
  fake_start beta
  fake_start gamma
  fake_start delta
  write_config
  GW_WORKERS=4 gw_start
  QUEUED_BEFORE=0
}

teardown() {
  gw_teardown
}

served_in_order() {
  local fake=$1 name
  shift
  for name; do
    at "$fake" "$name" || return 1
    fake_go "$fake" || return 1
    assert_equal "$(status_of "$name")" 200 "$name" || return 1
  done
}

team_of() { # team_of ROLE FAKE... - each with 8 slots
  local role=$1 id var
  shift
  for id; do
    var=FAKE_URL_$id
    gw_post /v1/nodes/register "$(jq -cn --arg id "$role-$id" --arg url "${!var}" --arg role "$role" \
      --argjson slots "${TEAM_SLOTS:-8}" \
      '{node_id: $id, base_url: $url, roles: [$role], max_concurrency: $slots}')" >/dev/null
    assert_status 200
  done
}

@test "states: another alias has a queue -> those of this one still take turns" {
  local i
  team_of team beta gamma delta
  ask a one
  at alpha a
  ask b one
  waits 1
  for i in 1 2 3 4 5 6 7 8 9; do
    gw_chat team
    assert_status 200
  done
  assert_equal "$(fake_count beta) $(fake_count gamma) $(fake_count delta)" '3 3 3'
  fake_go alpha
  served_in_order alpha b
}

@test "states: another alias has a queue, and some nodes of this one have no bound -> they take turns all the same" {
  local i
  team_of mixed beta gamma
  TEAM_SLOTS=0 team_of mixed delta
  ask a one
  at alpha a
  ask b one
  waits 1
  for i in 1 2 3 4 5 6 7 8 9; do
    gw_chat mixed
    assert_status 200
  done
  assert_equal "$(fake_count beta) $(fake_count gamma) $(fake_count delta)" '3 3 3'
  fake_go alpha
  served_in_order alpha b
}

@test "states: the upstream said 429 for a while -> who waits is served in order, before those that come" {
  ask a one '{"fake": {"status": 429, "headers": {"Retry-After": "3"}}}'
  at alpha a
  local i
  for i in 1 2 3 4 5 6; do
    ask "q$i" one
    waits "$i"
  done
  fake_go alpha
  assert_equal "$(status_of a)" 429
  ask z one
  served_in_order alpha q1 q2 q3 q4 q5 q6 z
}

@test "states: the only candidate is ejected -> who waits is served in order, before those that come" {
  ask a one '{"fake": {"status": 502}}'
  at alpha a
  local i
  for i in 1 2 3 4 5 6; do
    ask "q$i" one
    waits "$i"
  done
  fake_go alpha
  assert_equal "$(status_of a)" 502
  ask z one
  served_in_order alpha q1 q2 q3 q4 q5 q6 z
}

@test "states: the only candidate is ejected and full -> who waits enters the queue once" {
  gw_chat one '{"fake": {"status": 502}}'
  assert_status 502
  ask a one
  at alpha a
  ask b one
  sleep 2
  assert_equal "$(gw_counter queued)" 1
  fake_go alpha
  at alpha b
  fake_go alpha
  assert_equal "$(status_of a) $(status_of b)" '200 200'
}

@test "states: many that failed at one node wait for the other one -> they hold up nobody who may go to the first" {
  local i
  FAILURES=100 write_config
  wait_until 15 gw_log_has 'event=config_loaded .*'
  TEAM_SLOTS=1 team_of team beta
  ask a team
  at beta a
  TEAM_SLOTS=1 team_of team gamma
  fake_mode gamma '{"status": 502}'
  for i in {1..12}; do
    ask "p$i" team '{"fake": {"wait_head": false}}'
    waits "$i"
  done
  fake_mode gamma '{}'
  ask z team
  at gamma z
  assert_equal "$(came_to beta)" a
  fake_go gamma
  fake_go beta
  assert_equal "$(status_of z) $(status_of a)" '200 200'
  for i in {1..12}; do
    assert_equal "$(status_of "p$i")" 200
  done
}

@test "states: a reload leads the alias elsewhere while many wait -> what is free there is for those that come, the others are served where they wait" {
  local i
  ask a one
  at alpha a
  for i in {1..12}; do
    ask "q$i" one
    waits "$i"
  done
  ONE_URL=$FAKE_URL_beta write_config
  wait_until 15 gw_log_has 'event=config_loaded .*'
  ask z one
  at beta z
  fake_go beta
  assert_equal "$(status_of z)" 200
  for i in {1..13}; do
    fake_go alpha
  done
  assert_equal "$(status_of a)" 200
  for i in {1..12}; do
    assert_equal "$(status_of "q$i")" 200
  done
}
