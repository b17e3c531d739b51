#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 950-random-kills.bats - nodes and responders are killed at random under load:
# every request is answered whole or with one clear error, and nothing of it stays.
#
# GW_TEST_KILL_S is how long each test does so (6 s; the lead of a release takes a
# minute). The seed of the chance is printed, and taken from GW_TEST_SEED.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all
load helpers/failover

NODES=(one two three)

setup() {
  local name
  gw_setup
  RANDOM=${GW_TEST_SEED:-$$}
  echo "seed: ${GW_TEST_SEED:-$$}"
  for name in "${NODES[@]}"; do
    start_node "$name"
  done
  gw_config <<'YAML'
gateway:
  sse_keepalive_s: 0.5
  eject: {failures: 2, pause_s: 0.3, pause_max_s: 0.6}
models:
  team:
    type: discovered
    resume: true
    retry: {attempts: 3, backoff_s: 0.05}
YAML
  GW_WORKERS=3 gw_start
  for name in "${NODES[@]}"; do
    local url=FAKE_URL_$name
    add_node "$name" "${!url}" model-of-all team
  done
}

teardown() {
  touch "$GW_DIR/stop"
  gw_teardown
}

start_node() {
  fake_start "$1" --script '{"tokens": 12, "delay_ms": 15}'
}

# A node is gone, and comes back a moment later.
kill_node() {
  local name=${NODES[RANDOM % ${#NODES[@]}]}
  fake_stop "$name"
  wait_ms $((RANDOM % 300))
  start_node "$name"
}

kill_responder() {
  local -a pids
  mapfile -t pids < <(gw_responders inference)
  ((${#pids[@]} == 0)) || kill -KILL "${pids[RANDOM % ${#pids[@]}]}" 2>/dev/null || true
  wait_ms $((200 + RANDOM % 400))
}

# under_fire COMMAND... - clients ask while one of these commands after the other,
# by chance, does its worst. Sets $seen.
under_fire() {
  local until_ms load
  node "$TOP_SRCDIR/tests/bats/helpers/kills.mjs" "$GW_URL/v1/chat/completions" team 12 12 \
    "$GW_DIR/stop" >"$GW_DIR/seen" 2>"$GW_DIR/seen.err" 3>&- 4>&- &
  load=$!
  gw_track kills "$load"
  until_ms=$(($(mono_ms) + ${GW_TEST_KILL_S:-6} * 1000))
  while (($(mono_ms) < until_ms)); do
    "${@:1 + RANDOM % $#:1}"
  done
  touch "$GW_DIR/stop"
  wait "$load"
  rm -f "$GW_DIR/pids/kills"
  seen=$(<"$GW_DIR/seen")
  echo "# $seen" >&3
}

# nothing_stays - no lease, no open request, and the next requests bring every
# candidate back.
nothing_stays() {
  wait_until 15 gw_holds_nothing
  wait_until 15 all_well
  candidates_are 0 'in_flight=[1-9]'
  run -0 "$TOP_BUILDDIR/regdump" "$ROLE_MESH_SHM"
  assert_match "$output" 'every invariant holds'
}

all_well() {
  gw_chat team >/dev/null
  assert_status 200
  candidates_are 0 ejected
}

seen_is() {
  assert_equal "$(jq -rcS "$1" <<<"$seen")" "$2" "$1"
}

@test "kills: nodes, at random -> every request is whole or has one clear error; most are whole" {
  under_fire kill_node
  seen_is .wrong '[]'
  seen_is .cut 0
  assert_at_least "$(jq .whole <<<"$seen")" "$(jq .error <<<"$seen")" 'whole answers'
  nothing_stays
}

@test "kills: responders, at random -> only what they had in hand is lost, and that is told" {
  under_fire kill_responder
  seen_is .wrong '[]'
  assert_at_least "$(jq .whole <<<"$seen")" 1 'whole answers'
  nothing_stays
}

@test "kills: nodes and responders, at random -> nothing stays" {
  under_fire kill_node kill_responder
  seen_is .wrong '[]'
  nothing_stays
}
