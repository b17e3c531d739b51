#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 979-many-clients.bats - 500 connections with 50 keys, of all classes and with all
# kinds of limits, ask over four processes as much as they can: the books of the
# clients, of the gateway and of the upstreams agree to the last request, no limit
# is passed, and those that want the same get the same.
#
# GW_TEST_CROWD_S is how long they ask (12 s; the lead of a release takes a minute:
# only then a request of a lower class has waited long enough to rise). The seed of
# the chance is printed, and taken from GW_TEST_SEED.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all

ALIASES=(shared desk night narrow rush brief open)

setup() {
  local alias
  gw_requires node
  gw_setup
  SEED=${GW_TEST_SEED:-$$}
  SECONDS_ASKED=${GW_TEST_CROWD_S:-12}
  RANDOM=$SEED
  echo "seed: $SEED"
  for alias in "${ALIASES[@]}"; do
    # no connection is closed while the next request is on its way to it
    fake_start "$alias" --max-requests 1000000 --idle-ms 3600000
  done
  node "$TOP_SRCDIR/tests/bats/helpers/crowd_plan.mjs" | gw_config
  STOPPED=''
  GW_WORKERS=4 gw_start
}

teardown() {
  [[ -z $STOPPED ]] || kill -CONT "$STOPPED" 2>/dev/null || true
  gw_teardown
}

# crowd_begins - all of them begin to ask. crowd_is_over - all have their answers.
crowd_begins() {
  node "$TOP_SRCDIR/tests/bats/helpers/crowd.mjs" "$GW_URL/v1/chat/completions" \
    "$SECONDS_ASKED" "$SEED" >"$GW_DIR/book" 2>"$GW_DIR/crowd.err" 3>&- 4>&- &
  CROWD=$!
  BEGUN=$(mono_ms)
  gw_track crowd "$CROWD"
}

crowd_is_over() {
  local status=0
  wait "$CROWD" || status=$?
  rm -f "$GW_DIR/pids/crowd"
  cat "$GW_DIR/crowd.err"
  assert_equal "$status" 0 'exit status of the crowd'
}

# add_up KILLED - sets $sums.
add_up() {
  sums=$(node "$TOP_SRCDIR/tests/bats/helpers/crowd_books.mjs" "$GW_DIR/book" \
    "$GW_DIR/gateway.log" "$GW_DIR" "$1")
  echo "$sums"
  echo "# $(jq -c 'del(.wrong)' <<<"$sums")" >&3
  assert_equal "$(jq -c .wrong <<<"$sums")" '[]' 'what does not add up'
}

# of FILTER - a number of the sums; 0 where there is none.
of() {
  jq -r "$1 // 0" <<<"$sums"
}

# counters_agree MORE - what the gateway counted is what it recorded. What a process
# counts it records at once: one that is killed in between, MORE of them, has counted
# one more.
counters_agree() {
  local word of
  while read -r word of; do
    assert_between "$(gw_counter "$word")" "$(of "$of")" "$(($(of "$of") + $1))" "$word"
  done <<'WORDS'
requests .records
rate_limited .refused.rate_limited
client_busy .refused.client_busy
queue_full .refused.queue_full
queue_timeouts .refused.queue_timeout
client_gone .gone
WORDS
}

# nothing_stays - no lease, no waiter, no open request, at nobody.
nothing_stays() {
  local alias
  wait_until 15 gw_holds_nothing
  run -0 "$TOP_BUILDDIR/regdump" "$ROLE_MESH_SHM"
  assert_match "$output" 'every invariant holds'
  run ! grep '^waiter ' <<<"$output"
  for alias in "${ALIASES[@]}"; do
    wait_until 10 fake_stat_is "$alias" .active 0
  done
}

@test "crowd: 500 connections with 50 keys -> every book says the same, every limit holds, equals get the same" {
  local alias
  crowd_begins
  crowd_is_over
  nothing_stays
  add_up 0
  # what the upstreams counted themselves
  for alias in shared desk night narrow rush brief; do
    assert_equal "$(fake_stats "$alias" .max_concurrent)" "$(of ".at_once.$alias")" "$alias"
  done
  counters_agree 0
}

# kill_one, stop_one - what becomes of a responder.
kill_one() {
  local -a pids
  mapfile -t pids < <(gw_responders inference)
  ((${#pids[@]} == 0)) || kill -KILL "${pids[RANDOM % ${#pids[@]}]}" 2>/dev/null || true
  wait_ms $((300 + RANDOM % 1000))
}

stop_one() {
  local -a pids
  mapfile -t pids < <(gw_responders inference)
  ((${#pids[@]} > 0)) || return 0
  STOPPED=${pids[RANDOM % ${#pids[@]}]}
  kill -STOP "$STOPPED" 2>/dev/null || true
  wait_ms $((300 + RANDOM % 1500))
  kill -CONT "$STOPPED" 2>/dev/null || true
  STOPPED=''
}

@test "crowd: responders are killed and stopped meanwhile -> every limit holds, what is answered is recorded, nobody starves" {
  local kills=0
  crowd_begins
  while ((kills == 0 || $(mono_ms) - BEGUN < SECONDS_ASKED * 1000)); do
    kill_one
    kills=$((kills + 1))
    ((RANDOM % 2)) || stop_one
  done
  crowd_is_over
  nothing_stays
  add_up 1
  # some were hit, most were not
  assert_at_least "$(of .how.whole)" "$(of .how.cut)" 'whole answers'
  counters_agree "$kills"
}
