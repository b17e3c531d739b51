#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 750-warm-nodes.bats - a gateway and two node agents with one device each, both
# with the roles planner and coder: each role settles on a node instead of
# swapping at every request, one with a free slot is taken before one that is
# busy, and a node that refuses costs the client nothing.
#
# Heartbeats come as seldom as the gateway allows: what it knows was told as news.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all

setup() {
  gw_setup
  gw_config <<YAML
gateway: {probe_ttl_s: 0, probe_timeout_s: 60, sse_keepalive_s: 0}
models:
  planner: {type: discovered}
  coder: {type: discovered}
YAML
  ROLE_MESH_NODE_STALE_AFTER_S=9000 gw_start
}

teardown() {
  gw_teardown
}

# node_up NAME [KEYS [PLAN [CODE]]] - an agent with further lines of YAML; PLAN and
# CODE are lines of its models' files.
node_up() {
  agent_node "$1" <<YAML
heartbeat_interval_s: 3600
${2:-}
models:
- {model_id: $1-plan, path: $(fake_model "$1-plan" ${3:+"$3"}), roles: [planner]}
- {model_id: $1-code, path: $(fake_model "$1-code" ${4:+"$4"}), roles: [coder]}
YAML
  agent_start "$1"
  wait_until 10 gw_node_has "$1" '.metrics.models | length' 2
}

# knows NAME MODEL STATE - the gateway knows that; for wait_until.
knows() {
  gw_node_has "$1" ".metrics.models[\"$2\"].state" "$3"
}

# warm NAME plan|code - the node has loaded that model, and the gateway knows.
warm() {
  agent_chat "$1" "$1-$2"
  assert_status 200
  wait_until 10 knows "$1" "$1-$2" ready
}

# hold MODEL ALIAS - a stream of ALIAS that stands still after a token until it is
# let go; that model has to get it.
hold() {
  stream_to "$BATS_TEST_TMPDIR/hold" /v1/chat/completions \
    "$(chat_json "$2" '{"stream": true, "fake": {"tokens": 2, "wait_tokens": true}}')"
  llama_go "$1"
  wait_until 10 stream_has "$BATS_TEST_TMPDIR/hold" 1
}

# let_go MODEL - that stream ends.
let_go() {
  llama_go "$1"
  llama_go "$1"
  stream_wait
  grep -qF '[DONE]' "$BATS_TEST_TMPDIR/hold"
}

@test "warm: two roles by turns, two nodes -> two llama-servers are started, one a role" {
  local i
  node_up east
  node_up west
  for ((i = 0; i < 8; i++)); do
    gw_chat planner
    assert_status 200
    gw_chat coder
    assert_status 200
  done
  assert_equal "$(llama_starts)" 2 starts
  assert_equal "$(llama_journal .alias | sed 's/^.*-//' | sort | xargs)" 'code plan'
}

@test "warm: both roles, many requests at one moment -> all are answered" {
  local -a pids=()
  local i alias
  node_up east 'max_pending_per_device: 100'
  node_up west 'max_pending_per_device: 100'
  for ((i = 0; i < 16; i++)); do
    alias=planner
    ((i % 2)) || alias=coder
    curl -s --noproxy '*' --max-time 300 -o /dev/null -w '%{http_code}\n' \
      -H 'Content-Type: application/json' --data-binary "$(chat_json $alias)" \
      "$GW_URL/v1/chat/completions" >"$BATS_TEST_TMPDIR/$i" 3>&- 4>&- &
    pids+=("$!")
  done
  wait "${pids[@]}"
  assert_equal "$(sort "$BATS_TEST_TMPDIR"/{0..15} | uniq -c | tr -s ' ')" ' 16 200'
}

@test "warm: a stream holds the only slot of a node -> later requests go to the idle node" {
  local i
  node_up east
  node_up west
  warm east plan
  hold east-plan planner
  for ((i = 0; i < 4; i++)); do
    gw_chat planner
    assert_status 200
    assert_header X-RoleMesh-Node west
  done
  assert_equal "$(llama_starts)" 2 starts
  let_go east-plan
}

# four_at_once - requests for the planner at one moment; their statuses will be in
# FOLDER/1 to 4. Returns when all are answered.
four_at_once() {
  local i
  local -a pids=()
  for i in 1 2 3 4; do
    gw_chat_to "$BATS_TEST_TMPDIR/four-$i" planner
    pids+=("$CHAT_PID")
  done
  wait "${pids[@]}"
  assert_equal "$(cat "$BATS_TEST_TMPDIR"/four-?.status | sort | uniq -c | tr -s ' ')" ' 4 200'
}

@test "warm: a stream holds the only slot, four requests at one moment -> none stays behind it" {
  node_up east
  node_up west
  warm east plan
  hold east-plan planner
  four_at_once # the second node has to load it first
  four_at_once
  assert_equal "$(llama_starts)" 2 starts
  wait_until 10 agent_model_has east east-plan '[.running, .pending]' '[1,0]'
  let_go east-plan
}

@test "warm: both have it loaded, a stream holds one -> later requests go to the other" {
  local i held=east other=west
  node_up east
  node_up west
  warm east plan
  warm west plan
  stream_to "$BATS_TEST_TMPDIR/hold" /v1/chat/completions \
    "$(chat_json planner '{"stream": true, "fake": {"tokens": 2, "wait_tokens": true}}')"
  wait_until 10 one_waits
  [[ $(llama_stats east-plan .waiting) == 1 ]] || held=west other=east
  for ((i = 0; i < 4; i++)); do
    gw_chat planner
    assert_status 200
    assert_header X-RoleMesh-Node "$other"
  done
  llama_go "$held-plan"
  let_go "$held-plan"
}

one_waits() {
  (($(llama_stats east-plan .waiting) + $(llama_stats west-plan .waiting) == 1))
}

@test "warm: the role is busy, the other node has another role -> waits its turn, pushes nobody out" {
  node_up east
  node_up west
  warm east plan
  warm west code
  hold east-plan planner
  gw_chat_to "$BATS_TEST_TMPDIR/second" planner
  wait_until 10 agent_model_has east east-plan .pending 1
  gw_chat coder
  assert_status 200
  assert_header X-RoleMesh-Node west
  let_go east-plan
  wait "$CHAT_PID"
  assert_equal "$(<"$BATS_TEST_TMPDIR/second.status")" 200
  assert_equal "$(llama_starts)" 2 starts
}

# gw_chat_to FILE ALIAS - a chat beside the test; its status is in FILE.status.
gw_chat_to() {
  curl -s --noproxy '*' --max-time 300 -o "$1" -w '%{http_code}\n' \
    -H 'Content-Type: application/json' --data-binary "$(chat_json "$2")" \
    "$GW_URL/v1/chat/completions" >"$1.status" 3>&- 4>&- &
  CHAT_PID=$!
}

@test "warm: llama-server tells two slots -> a second request is beside the first, the third goes elsewhere" {
  local slots='script={"props": {"total_slots": 2}}'
  node_up east '' "$slots"
  node_up west '' "$slots"
  warm east plan
  wait_until 10 gw_node_has east '.metrics.models["east-plan"].parallel' 2
  hold east-plan planner
  gw_chat planner
  assert_header X-RoleMesh-Node east
  stream_to "$BATS_TEST_TMPDIR/two" /v1/chat/completions \
    "$(chat_json planner '{"stream": true, "fake": {"tokens": 1, "wait_tokens": true}}')"
  wait_until 10 _llama_waits east-plan 2
  gw_chat planner
  assert_status 200
  assert_header X-RoleMesh-Node west
}

@test "warm: the node's queue is full -> the other node answers, the client sees nothing" {
  node_up east 'max_pending_per_device: 1'
  node_up west
  warm east plan
  # by others than the gateway: it believes that there is a free slot
  agent_stream east "$BATS_TEST_TMPDIR/a" east-plan '{"fake": {"tokens": 1000000, "delay_ms": 50}}'
  wait_until 10 stream_has "$BATS_TEST_TMPDIR/a" 1
  agent_stream east "$BATS_TEST_TMPDIR/b" east-plan
  wait_until 10 agent_model_has east east-plan .pending 1
  gw_chat planner
  assert_status 200
  assert_header X-RoleMesh-Node west
  assert_header X-RoleMesh-Attempts 2
  wait_until 10 agent_log_has east 'event=access.*status=429'
}

@test "warm: the model cannot be started there -> the other node answers, though it has to swap" {
  node_up east '' exit_at_start=1
  node_up west
  warm west code
  gw_chat planner
  assert_status 200
  assert_header X-RoleMesh-Node west
  assert_header X-RoleMesh-Attempts 2
  wait_until 10 knows east east-plan failed
  # it is told, so nobody tries there
  gw_chat planner
  assert_header X-RoleMesh-Attempts 1
}
