#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 728-agent-slots-told.bats - how many requests of a model a node agent wants to
# have at one time, as its gateway is told: what runs at one time, and where
# models take turns on a device a share of those that may wait for it.
#
# Heartbeats come once an hour here, so that what is known was told because it
# had changed.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all

setup() {
  gw_setup
  gw_config <<YAML
gateway: {probe_ttl_s: 0, probe_timeout_s: 60}
models:
  planner: {type: discovered}
  coder: {type: discovered}
  thinker: {type: discovered, role: thinker}
YAML
  ROLE_MESH_NODE_STALE_AFTER_S=9000 gw_start
}

teardown() {
  gw_teardown
}

# node KEYS MODEL... - an agent `a`, KEYS are lines of YAML, each MODEL an entry
# of `models`; returns when the gateway knows how they stand.
node() {
  {
    printf '%s\n' 'heartbeat_interval_s: 3600' "$1" 'models:'
    printf -- '- %s\n' "${@:2}"
  } | agent_node a
  agent_start a
  wait_until 10 gw_node_has a '.metrics.models | length' $(($# - 1))
}

# registered - how many requests of each model, as it registered.
registered() {
  gw_node a '[.served_models[].max_concurrency]'
}

# told - the same, as its last heartbeat says.
told() {
  gw_node a '.metrics.models | to_entries | sort_by(.key) | map(.value.max_concurrency)'
}

# told_is VALUE - for wait_until.
told_is() {
  [[ $(told) == "$1" ]]
}

@test "told: a model alone on its device -> as many as run at one time, loaded or not" {
  node '' "{model_id: a, roles: [planner], path: $(fake_model a), server_args: {parallel: 4}}"
  assert_equal "$(registered)" '[4]'
  assert_equal "$(told)" '[4]'
  gw_chat planner
  assert_status 200
  wait_until 10 gw_node_has a .metrics.models.a.state ready
  assert_equal "$(told)" '[4]'
}

@test "told: two models take turns -> their share of what may wait, and what runs of the loaded one" {
  node '' "{model_id: a, roles: [planner], path: $(fake_model a), server_args: {parallel: 3}}" \
    "{model_id: b, roles: [coder], path: $(fake_model b)}"
  assert_equal "$(registered)" '[5,3]'
  assert_equal "$(told)" '[2,2]'
  gw_chat planner
  assert_status 200
  wait_until 10 told_is '[5,2]'
  gw_chat coder
  assert_status 200
  wait_until 10 told_is '[2,3]'
}

@test "told: fewer may wait than there are models -> one of each" {
  node 'max_pending_per_device: 1' "{model_id: a, roles: [planner], path: $(fake_model a)}" \
    "{model_id: b, roles: [coder], path: $(fake_model b)}"
  assert_equal "$(registered)" '[2,2]'
  assert_equal "$(told)" '[1,1]'
}

@test "told: a group that fits beside each other -> each as many as it runs, nobody takes turns" {
  node '' "{model_id: a, roles: [planner], path: $(fake_model a), group: g, memory_mib: 1}" \
    "{model_id: b, roles: [coder], path: $(fake_model b), group: g, memory_mib: 1, server_args: {parallel: 2}}"
  assert_equal "$(registered)" '[1,2]'
  assert_equal "$(told)" '[1,2]'
}

@test "told: llama-server tells its slots -> they count at once" {
  node '' "{model_id: a, roles: [planner], path: $(fake_model a 'script={"props": {"total_slots": 6}}')}"
  assert_equal "$(registered)" '[1]' 'before it was ever asked'
  gw_chat planner
  assert_status 200
  wait_until 10 told_is '[6]'
  assert_equal "$(registered)" '[1]'
}

@test "told: more slots than may wait -> while it is not loaded as many as may wait" {
  node 'max_pending_per_device: 2' \
    "{model_id: a, roles: [planner], path: $(fake_model a), server_args: {parallel: 5}}"
  assert_equal "$(registered)" '[5]'
  assert_equal "$(told)" '[2]'
  gw_chat planner
  assert_status 200
  wait_until 10 told_is '[5]'
}

@test "told: the inventory has the same" {
  node '' "{model_id: a, roles: [planner], path: $(fake_model a)}" \
    "{model_id: b, roles: [coder], path: $(fake_model b)}"
  agent_chat a a
  assert_status 200
  assert_equal "$(agent_inventory a '[.models[] | [.model_id, .max_concurrency]]')" '[["a",4],["b",3]]'
}

# --- what the gateway makes of it ---

# chat ID ALIAS [EXTRA] - a stream beside the test; ID names its files.
chat() {
  stream_to "$BATS_TEST_TMPDIR/$1" /v1/chat/completions \
    "$(chat_json "$2" "$(jq -c '. + {stream: true}' <<<"${3:-{\}}")")"
}

# queued ID..., answered ID... - for wait_until: they are told their place in the
# gateway's queue; they have ended well.
queued() {
  local id
  for id; do
    grep -q ': queued position=[1-9]' "$BATS_TEST_TMPDIR/$id" || return 1
  done
}

answered() {
  local id
  for id; do
    grep -qF 'data: [DONE]' "$BATS_TEST_TMPDIR/$id" || return 1
  done
}

# hold ALIAS MODEL - a stream that stands still; llama_go lets it go on.
hold() {
  chat held "$1" '{"fake": {"wait_head": true}}'
  wait_until 20 agent_model_has a "$2" .running 1
  wait_until 20 _llama_waits "$2" 1
}

@test "told: a model alone, its slot is taken -> others wait at the gateway, none at the agent" {
  node '' "{model_id: a, roles: [planner], path: $(fake_model a)}"
  hold planner a
  chat second planner
  chat third planner
  wait_until 20 queued second third
  assert_equal "$(agent_model a a '[.running, .pending]')" '[1,0]'
  assert_equal "$(gw_node a .states.a)" full
  llama_go a
  wait_until 20 answered held second third
  assert_equal "$(llama_stats a .max_concurrent)" 1 'requests at one time'
}

@test "told: slots are learned while requests wait at the gateway -> they run at once" {
  node '' "{model_id: a, roles: [planner], path: $(fake_model a \
    'script={"loading": true, "props": {"total_slots": 3}, "wait_head": true}')}"
  chat first planner
  chat second planner
  chat third planner
  wait_until 20 agent_model_has a a .pending 1
  llama_loaded a a
  llama_go a 3 # all three of them are there
  wait_until 20 answered first second third
}

@test "told: a model with two roles -> they share its slot" {
  node '' "{model_id: a, roles: [planner, thinker], path: $(fake_model a)}"
  hold planner a
  chat second thinker
  wait_until 20 queued second
  assert_equal "$(agent_model a a '[.running, .pending]')" '[1,0]'
  llama_go a
  wait_until 20 answered held second
}

@test "told: two models take turns, one has many requests -> the agent knows who waits for the other" {
  local i
  node '' "{model_id: a, roles: [planner], path: $(fake_model a)}" \
    "{model_id: b, roles: [coder], path: $(fake_model b)}"
  hold planner a
  for i in 1 2 3 4 5 6; do
    chat "a$i" planner
  done
  wait_until 20 agent_model_has a a .pending 3
  chat b coder
  wait_until 20 agent_model_has a b .pending 1
  assert_equal "$(agent_model a a '[.running, .pending]')" '[1,3]'
  llama_go a
  wait_until 30 answered held a1 a2 a3 a4 a5 a6 b
}

@test "told: two models take turns, many requests of both at one moment -> none is refused" {
  local -a pids=()
  local i alias
  node '' "{model_id: a, roles: [planner], path: $(fake_model a)}" \
    "{model_id: b, roles: [coder], path: $(fake_model b)}"
  for ((i = 0; i < 40; i++)); do
    alias=planner
    ((i % 2)) || alias=coder
    curl -s --noproxy '*' --max-time 300 -o /dev/null -w '%{http_code}\n' \
      -H 'Content-Type: application/json' --data-binary "$(chat_json $alias)" \
      "$GW_URL/v1/chat/completions" >"$BATS_TEST_TMPDIR/$i" 3>&- 4>&- &
    pids+=("$!")
  done
  wait "${pids[@]}"
  assert_equal "$(sort "$BATS_TEST_TMPDIR"/{0..39} | uniq -c | tr -s ' ')" ' 40 200'
  run ! agent_log_has a 'event=access.*status=429'
}
