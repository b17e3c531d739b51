#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 724-agent-groups.bats - models of one group share a device of a node agent as
# far as their memory_mib fit: who makes room for whom, and who stays.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all
load helpers/schedule

setup() {
  gw_setup
  export PATH=$TOP_SRCDIR/tests/fake/bin:$PATH
  export FAKE_NVIDIA_SMI_FILE=$GW_DIR/gpus.csv
}

teardown() {
  gw_teardown
}

# member ID MIB [KEYS] - an entry of `models` in the group g.
member() {
  echo "{model_id: $1, path: $(fake_model "$1"), group: g, memory_mib: $2${3:+, $3}}"
}

# one_gpu [KEYS] - 24000 MiB; a, b and c are of a group, any two of them fit; x is
# of none.
one_gpu() {
  gpus '24000 24000'
  node_start "${1:-}" "$(member a 10000)" "$(member b 10000)" "$(member c 10000)" \
    "{model_id: x, path: $(fake_model x)}"
}

# loaded - the models that are ready, in the order of the configuration.
loaded() {
  agent_inventory a '[.models[] | select(.state == "ready") | .model_id] | join(" ")'
}

# loaded_are MODELS - for wait_until.
loaded_are() {
  [[ $(loaded) == "$1" ]]
}

# free_is MIB - for wait_until.
free_is() {
  [[ $(agent_device a gpu:0 .memory_free_mib) == "$1" ]]
}

# chats MODEL... - one after the other, each answered.
chats() {
  local model
  for model; do
    agent_chat a "$model"
    assert_status 200 || return 1
  done
}

@test "group: two models that fit -> both stay loaded on one device and serve side by side" {
  one_gpu
  chats a b a b
  assert_equal "$(loaded)" 'a b'
  assert_equal "$(loads)" 'a b'
  hold a
  hold b
  assert_equal "$(agent_device a gpu:0 .running)" 2
}

@test "group: two models are asked for at once -> both are loaded, nobody is stopped" {
  one_gpu
  ask a1 a
  ask b1 b
  answers_wait
  assert_answered a1 b1
  assert_equal "$(loaded)" 'a b'
}

@test "group: a third that does not fit -> the one unused longest goes" {
  one_gpu
  chats a b c
  assert_equal "$(loaded)" 'b c'
  assert_equal "$(agent_model a a .reason)" 'c needs its place'
}

@test "group: the first one was used again -> the second one goes" {
  one_gpu
  chats a b a c
  assert_equal "$(loaded)" 'a c'
  chats b
  assert_equal "$(loaded)" 'b c'
}

@test "group: the one unused longest is busy -> the other one goes, the stream goes on" {
  one_gpu
  hold a
  chats b c
  assert_equal "$(loaded)" 'a c'
  assert_equal "$(llama_starts a)" 1 'starts of a'
  alive "$HOLDER"
}

@test "group: all that are loaded are busy -> the third waits until one is idle" {
  local a_holder
  one_gpu
  hold a
  a_holder=$HOLDER
  hold b
  queue_all c1
  leave "$HOLDER"
  answers_wait
  assert_answered c1
  assert_equal "$(loaded)" 'a c'
  alive "$a_holder"
}

@test "group: one that needs the room of two -> both go" {
  gpus '24000 24000'
  node_start '' "$(member a 8000)" "$(member b 8000)" "$(member d 24000)"
  chats a b d
  assert_equal "$(loaded)" d
  chats a b
  assert_equal "$(loaded)" 'a b'
}

@test "group: exactly as much as there is -> fits; 1 MiB more -> does not" {
  gpus '24000 24000'
  node_start '' "$(member a 12000)" "$(member b 12000)" "$(member c 12001)"
  chats a b
  assert_equal "$(loaded)" 'a b'
  chats c
  assert_equal "$(loaded)" c
}

@test "group: a model of no group -> ends both; one of the group then ends it" {
  one_gpu
  chats a b x
  assert_equal "$(loaded)" x
  chats b
  assert_equal "$(loaded)" b
}

@test "group: one of two streams, a model of no group waits -> the stream is not cut, the other one waits behind" {
  one_gpu
  hold a
  chats b
  queue_all x1
  queue_all b1
  alive "$HOLDER"
  leave "$HOLDER"
  answers_wait
  assert_answered x1 b1
  assert_match "$(order)" ' x1 b1$' order
}

@test "group: another group -> does not share the device" {
  gpus '24000 24000'
  node_start '' "$(member a 1000)" \
    "{model_id: o, path: $(fake_model o), group: other, memory_mib: 1000}"
  chats a o
  assert_equal "$(loaded)" o
}

@test "group: other programs took the memory -> the one unused longest goes, though the sizes would fit" {
  one_gpu
  chats a
  gpus '24000 4000'
  wait_until 10 free_is 4000
  chats b
  assert_equal "$(loaded)" b
}

@test "group: one crashes -> the other one is not touched, it comes back beside it" {
  one_gpu
  hold a
  chats b
  llama_put b /fake/exit '{"signal": 9}'
  wait_until 10 agent_model_has a b .crashes 1
  wait_until 10 loaded_are 'a b'
  assert_equal "$(llama_starts a)" 1 'starts of a'
  alive "$HOLDER"
}

@test "group: idle_unload_s -> each goes by its own time" {
  one_gpu 'idle_unload_s: 0.3'
  hold a
  chats b
  wait_until 10 loaded_are a
  alive "$HOLDER"
}
