#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 723-agent-slots.bats - how many requests of a model run at one time where the
# configuration does not say: as many as its llama-server tells that it has
# slots.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all
load helpers/schedule

setup() {
  gw_setup
}

teardown() {
  gw_teardown
}

# one_model SCRIPT [KEYS] - an agent with the model a, whose llama-server obeys
# that script.
one_model() {
  node_start "devices: [cpu:0]${2:+$'\n'$2}" "{model_id: a, path: $(fake_model a "script=$1")}"
}

@test "slots: parallel is not configured, llama-server tells 3 -> three at a time" {
  local -a holders=()
  one_model '{"props": {"total_slots": 3}}'
  assert_equal "$(agent_model a a .parallel)" 1 'before it was ever asked'
  for _ in 1 2 3; do
    hold a
    holders+=("$HOLDER")
  done
  queue_all a1
  assert_equal "$(agent_model a a '[.parallel, .running, .pending]')" '[3,3,1]'
  leave "${holders[1]}"
  answers_wait
  assert_answered a1
  assert_equal "$(llama_stats a .max_concurrent)" 3 'requests at one time'
}

@test "slots: parallel is configured -> that many, llama-server is not asked" {
  node_start 'devices: [cpu:0]' "{model_id: a, server_args: {parallel: 2},
    path: $(fake_model a 'script={"props": {"total_slots": 3}}')}"
  agent_chat a a
  assert_status 200
  assert_equal "$(agent_model a a .parallel)" 2
  assert_equal "$(llama_stats a '.requests | [.["/v1/models"] > 0, .["/props"]]')" '[true,null]' 'questions'
}

@test "slots: llama-server tells more than may be -> as many as may be" {
  one_model '{"props": {"total_slots": 1000000}}'
  agent_chat a a
  assert_status 200
  assert_equal "$(agent_model a a .parallel)" 64
}

@test "slots: llama-server tells nonsense, or nothing -> one at a time, it serves" {
  local script
  for script in '{}' '{"props": {}}' '{"props": {"total_slots": 0}}' '{"props": {"total_slots": -4}}' \
    '{"props": {"total_slots": "4"}}' '{"props": {"total_slots": 2.5}}' \
    '{"props": {"total_slots": 99999999999999999999}}' '{"props": {"total_slots": null}}'; do
    one_model "$script"
    agent_chat a a
    assert_status 200
    assert_equal "$(agent_model a a .parallel)" 1 "slots of $script"
    agent_stop a
  done
}

@test "slots: llama-server does not answer that question -> it is ready all the same" {
  # more than once, where the machine is too slow to be ready within that limit
  one_model '{"props": {"total_slots": 3}, "props_wait": true}' 'llama_server_startup_timeout_s: 2'
  wait_until 60 answered_by a
  assert_equal "$(agent_model a a .parallel)" 1
}

@test "slots: started anew with another number -> that one holds" {
  one_model '{"props": {"total_slots": 3}}'
  agent_chat a a
  assert_equal "$(agent_model a a .parallel)" 3
  fake_model a 'script={"props": {"total_slots": 2}}' >/dev/null
  kill -KILL "$(llama_last a .pid)"
  wait_until 20 llama_starts_are a 2
  wait_until 20 agent_model_is a a ready
  assert_equal "$(agent_model a a .parallel)" 2
}
