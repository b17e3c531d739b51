#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 308-told-nodes.bats - two nodes that tell how their models stand, as node agents
# do: which of them gets a request. They are scripted upstreams, and only a test
# says what they tell, so nothing changes by itself.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all

setup_file() {
  gw_setup
  fake_start a
  fake_start b
  gw_config <<'YAML'
gateway: {sse_keepalive_s: 0}
models:
  planner: {type: discovered}
  coder: {type: discovered}
  gambler: {type: discovered, role: planner, strategy: random}
  idler: {type: discovered, role: planner, strategy: least_busy}
YAML
  GW_WORKERS=2 ROLE_MESH_NODE_STALE_AFTER_S=9000 gw_start
}

teardown_file() {
  gw_teardown
}

# Each test begins with two nodes that told nothing.
setup() {
  local name url
  for name in a b; do
    url=FAKE_URL_$name
    fake_mode "$name" '{}'
    gw_post /v1/nodes/register "$(jq -cn --arg id "$name" --arg url "${!url}" '{node_id: $id, base_url: $url,
      served_models: [{model_id: "plan", roles: ["planner"]}, {model_id: "code", roles: ["coder"]}]}')"
    assert_status 200
  done
  HOLDERS=()
}

teardown() {
  local pid
  gw_dump_if_failed
  for pid in "${HOLDERS[@]}"; do
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  wait_until 10 fake_stat_is a .active 0
  wait_until 10 fake_stat_is b .active 0
}

# tell NAME PLAN [CODE [DEVICES]] - a heartbeat: the states of its models as JSON
# without braces ('"state": "ready"'), nothing of one that is empty; so many
# devices (1).
tell() {
  gw_post /v1/nodes/heartbeat "{\"node_id\": \"$1\", \"metrics\": {
    \"devices\": $(jq -cn --argjson n "${4:-1}" '[range($n) | {id: "gpu:\(.)"}]'),
    \"models\": {\"plan\": {$2}, \"code\": {${3:-}}}}}"
  assert_status 200
}

# who ALIAS [N] - the nodes that answer so many requests (4), in one line.
who() {
  local i
  for ((i = 0; i < ${2:-4}; i++)); do
    gw_chat "$1" >&2
    assert_status 200 >&2 || return 1
    header X-RoleMesh-Node
  done | sort | uniq -c | xargs
}

# hold ALIAS NAME... - a request of that alias stands still at a node, one of those.
hold() {
  local before
  before=$(all_waiting "${@:2}")
  stream_to "$BATS_TEST_TMPDIR/hold-${#HOLDERS[@]}" /v1/chat/completions \
    "$(chat_json "$1" '{"stream": true, "fake": {"wait_head": true}}')"
  HOLDERS+=("$STREAM_PID")
  wait_until 10 all_waiting_are $((before + 1)) "${@:2}"
}

# all_waiting NAME..., all_waiting_are N NAME... - for wait_until.
all_waiting() {
  local name sum=0
  for name; do
    sum=$((sum + $(fake_stats "$name" .waiting)))
  done
  echo "$sum"
}

all_waiting_are() {
  [[ $(all_waiting "${@:2}") == "$1" ]]
}

READY='"state": "ready", "parallel": 1, "evicts": false'
STARTING='"state": "starting", "parallel": 1, "evicts": false'
ROOM='"state": "stopped", "parallel": 1, "evicts": false'
EVICTS='"state": "stopped", "parallel": 1, "evicts": true'

@test "told: nothing, or the same of both -> they take turns" {
  assert_equal "$(who planner)" '2 a 2 b'
  for state in "$READY" "$STARTING" "$ROOM" "$EVICTS"; do
    tell a "$state"
    tell b "$state"
    assert_equal "$(who planner)" '2 a 2 b' "$state"
  done
}

@test "told: one can serve sooner -> it gets all, whatever the strategy" {
  local alias i j
  local -a states=("$READY" "$STARTING" "$ROOM" "$EVICTS")
  for ((i = 0; i < 3; i++)); do
    for ((j = i + 1; j < 4; j++)); do
      tell a "${states[j]}"
      tell b "${states[i]}"
      for alias in planner gambler idler; do
        assert_equal "$(who "$alias")" '4 b' "$alias: ${states[i]} before ${states[j]}"
      done
    done
  done
}

@test "told: a node that tells no states -> counts as one with free slots" {
  tell a "$READY"
  assert_equal "$(who planner)" '2 a 2 b'
  tell a "$ROOM"
  assert_equal "$(who planner)" '4 b'
}

@test "told: the loaded one has no free slot -> one with room, before one that is busy" {
  tell a "$READY"
  tell b "$ROOM"
  hold planner a
  assert_equal "$(who planner)" '4 b'
}

@test "told: the loaded one has no free slot -> waits there, before another is pushed out" {
  tell a "$READY"
  tell b "$EVICTS"
  hold planner a
  assert_equal "$(who planner)" '4 a'
}

@test "told: two slots -> the second request is beside the first, the third elsewhere" {
  tell a '"state": "ready", "parallel": 2'
  tell b "$ROOM"
  hold planner a
  assert_equal "$(who planner)" '4 a'
  hold planner a
  assert_equal "$(who planner)" '4 b'
}

@test "told: slots of the registration, none in the heartbeat -> they count" {
  gw_post /v1/nodes/register "{\"node_id\": \"a\", \"base_url\": \"$FAKE_URL_a\",
    \"served_models\": [{\"model_id\": \"plan\", \"roles\": [\"planner\"], \"parallel\": 1}]}"
  assert_status 200
  tell a '"state": "ready"'
  tell b "$ROOM"
  hold planner a
  assert_equal "$(who planner)" '4 b'
}

@test "told: two roles at one moment, nothing is loaded -> a node each, before any of them tells" {
  tell a "$ROOM" "$ROOM"
  tell b "$EVICTS" "$ROOM"
  hold planner a
  assert_equal "$(who coder)" '4 b'
}

@test "told: ... a node with two devices -> has room for both" {
  tell a "$ROOM" "$ROOM" 2
  tell b "$EVICTS" "$EVICTS"
  hold planner a
  assert_equal "$(who coder)" '4 a'
}

@test "told: a request waits where another model has to go -> the next one waits for the same" {
  tell a "$EVICTS" "$READY"
  tell b '"state": "failed"' "$READY"
  hold planner a
  tell b "$EVICTS" "$READY"
  assert_equal "$(who planner)" '4 a'
}

@test "told: all slots are taken, one becomes free elsewhere -> who waits goes there, once" {
  local there other
  tell a "$READY"
  tell b "$READY"
  hold planner a b
  hold planner a b
  assert_equal "$(fake_stats a .waiting) $(fake_stats b .waiting)" '1 1' 'requests at each'
  hold planner a b # in line behind one of them
  there=a other=b
  [[ $(fake_stats a .waiting) == 2 ]] || there=b other=a
  fake_go "$other"
  wait_until 20 fake_stat_is "$there" .waiting 1
  wait_until 20 fake_stat_is "$other" .waiting 1
  # the first one of the other two is not moved: nobody is before it
  fake_go "$other"
  stream_wait
  assert_equal "$stream_status" 0
  assert_match "$(cat "$BATS_TEST_TMPDIR/hold-2.head")" "X-RoleMesh-Node: $other" headers
  assert_match "$(cat "$BATS_TEST_TMPDIR/hold-2.head")" 'X-RoleMesh-Attempts: 2' headers
  fake_go "$there"
  wait_until 10 nothing_in_flight
}

nothing_in_flight() {
  [[ $(gw_node a .in_flight) == 0 && $(gw_node b .in_flight) == 0 ]]
}

@test "told: the model failed -> no request, until it is told otherwise" {
  tell a '"state": "failed"'
  tell b "$EVICTS"
  assert_equal "$(who planner)" '4 b'
  tell b '"state": "failed"'
  gw_chat planner
  assert_error 503 no_available_node
  tell a "$EVICTS"
  assert_equal "$(who planner)" '4 a'
}
