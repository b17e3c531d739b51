#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 610-growth.bats - what thousands of requests leave behind: nothing.
#
# shellcheck disable=SC2154,SC2030,SC2031 # set by the helpers; a test is a subshell

load helpers/all

setup_file() {
  gw_setup
  # what a sanitizer keeps of freed memory is no growth
  export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=1
  fake_start alpha
  gw_config <<YAML
models:
  planner:
    type: proxy
    proxy_url: $FAKE_URL_alpha
YAML
  gw_start
}

teardown_file() {
  gw_teardown
}

teardown() {
  gw_dump_if_failed
}

# memory_kib PID... - anonymous memory of all of them, swapped out or not: what
# is mapped from files comes and goes with the machine's other work.
memory_kib() {
  local pid
  for pid; do
    cat "/proc/$pid/smaps_rollup"
  done | awk '/^(Anonymous|Swap):/ { sum += $2 } END { print sum }'
}

open_fds() {
  find "/proc/$1/fd" -mindepth 1 -maxdepth 1 | wc -l
}

# some_load N [AT_ONCE] - N chats, a quarter of them refused, a quarter streamed, a
# quarter broken off by the upstream; 16 at one time.
some_load() {
  local n=$(($1 / 4)) body
  for body in '{"model":"planner","messages":[]}' '{"model":"nobody"}' \
    '{"model":"planner","messages":[],"stream":true}' \
    '{"model":"planner","messages":[],"stream":true,"fake":{"tokens":3,"end_after_tokens":1}}'; do
    node "$TOP_SRCDIR/tests/bats/helpers/load.mjs" "$GW_URL/v1/chat/completions" "$n" "${2:-16}" "$body"
  done
}

# A leak grows with every load; caches, pools and the gaps between blocks fill
# up with the first ones. So one load that adds next to nothing is the proof. 64
# bytes left by each of the 6,000 requests of one kind are 375 KiB, some of which
# may go where something else was before. Freed memory in a sanitizer's keeping
# moves by as much: there its leak checker judges at the end (gw_teardown), and
# here only larger ones show.
@test "growth: tens of thousands of requests of all kinds, again and again -> no memory is added" {
  local pids before after grown load limit=64
  ! grep -q __asan_init "$TOP_BUILDDIR/rolemesh-responder" || limit=1024
  mapfile -t pids < <(gw_responders inference)
  # each responder has held as many requests at one time as it can later
  some_load 1600 48
  some_load 12000
  before=$(memory_kib "${pids[@]}")
  for ((load = 1; load <= 3; load++)); do
    some_load 24000
    after=$(memory_kib "${pids[@]}")
    echo "load $load: $before KiB before, $after KiB after"
    grown=$((after - before))
    ((grown > limit)) || break
    before=$after
  done
  assert_between "$grown" -1000000 "$limit" 'KiB grown by each load, the last one'
  assert_equal "$(gw_responders inference | xargs)" "${pids[*]}" 'the responders'
}

@test "growth: requests of all kinds -> descriptors are back where they were" {
  local pid
  local -A fds
  for pid in $(gw_responders); do
    fds[$pid]=$(open_fds "$pid")
  done
  some_load 400
  for pid in $(gw_responders); do
    echo "pid $pid: ${fds[$pid]} descriptors before, $(open_fds "$pid") now"
  done
  wait_until 15 descriptors_are_back
}

# idle upstream connections are closed after a while; "now" needs a request
descriptors_are_back() {
  local pid
  gw_chat planner >/dev/null
  for pid in "${!fds[@]}"; do
    (($(open_fds "$pid") <= fds[$pid] + 2)) || return 1
  done
}
