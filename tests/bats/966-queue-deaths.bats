#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 966-queue-deaths.bats - processes that are killed or stopped while they hold a
# slot, a place in a queue, or are next.
#
# shellcheck disable=SC2154,SC2030,SC2031 # set by the helpers; a test is a subshell

load helpers/all
load helpers/queue

setup() {
  gw_setup
  fake_start alpha
  gw_config <<YAML
models:
  one:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    max_concurrency: 1
    queue: {timeout_s: 600}
    retry: {attempts: 0}
YAML
  GW_WORKERS=4 gw_start
  QUEUED_BEFORE=0
  STOPPED=()
}

teardown() {
  local pid
  for pid in "${STOPPED[@]}"; do
    kill -CONT "$pid" 2>/dev/null || true
  done
  gw_teardown
}

# row_pid ROW - whose row that is.
row_pid() {
  "$TOP_BUILDDIR/regdump" "$ROLE_MESH_SHM" | sed -nE "s/^row $1 live pid=([0-9]+) .*/\\1/p"
}

# waiters - "NUMBER PID" of those that wait, in the order in which they came.
waiters() {
  "$TOP_BUILDDIR/regdump" "$ROLE_MESH_SHM" |
    sed -nE 's/^waiter .* waiting row=([0-9]+) .* number=([0-9]+).*/\2 \1/p' | sort -n |
    while read -r number row; do echo "$number $(row_pid "$row")"; done
}

# holder - the process that has the slot.
holder() {
  "$TOP_BUILDDIR/regdump" "$ROLE_MESH_SHM" |
    sed -nE 's/^row [0-9]+ live pid=([0-9]+) .*/\1/p' | while read -r pid; do
    [[ $(gw_gauge_of open_requests "$pid") == 0 ]] || echo "$pid"
  done
}

stop_process() {
  kill -STOP "$1"
  STOPPED+=("$1")
  wait_until 10 grep -q '^State:[[:space:]]*T' "/proc/$1/status"
}

go_on() {
  kill -CONT "$1"
}

# a_and_others N - a has the slot; q1 .. qN wait, of at least two processes, and the
# first of them is not of a's.
a_and_others() {
  local i
  ask a one
  at alpha a
  HOLDER=$(holder)
  for ((i = 1; i <= $1; i++)); do
    ask "q$i" one
    waits "$i"
  done
}

@test "deaths: the process that has the slot is killed -> the next one has it soon, and nothing is leaked" {
  a_and_others 12
  local alive_before dead=() i
  # whoever is not the holder's goes on
  kill -KILL "$HOLDER"
  wait_until 15 fake_stat_is alpha .active 1
  for ((i = 0; i < 12; i++)); do
    wait_until 15 fake_served_one || break
  done
  for ((i = 1; i <= 12; i++)); do
    case $(status_of "q$i") in
    200) : ;;
    *) dead+=("q$i") ;;
    esac
  done
  # those of the killed process alone came to nothing
  ((${#dead[@]} < 12))
  wait_until 10 queued_are 0
}

# Lets one go that is at the upstream; false where nobody is left.
fake_served_one() {
  (($(queued) == 0 && $(fake_stats alpha .waiting) == 0)) && return 1
  (($(fake_stats alpha .waiting) == 1)) && fake_go alpha
  return 0
}

@test "deaths: the process of the one that is next is killed -> the next of another process has the slot" {
  a_and_others 12
  local next
  next=$(waiters | head -n 1 | cut -d' ' -f2)
  [[ $next != "$HOLDER" ]] || skip 'the web server gave both to one process'
  kill -KILL "$next"
  fake_go alpha
  assert_equal "$(status_of a)" 200
  wait_until 15 fake_stat_is alpha .waiting 1
  # its waiters are gone for good
  wait_until 10 no_waiter_of "$next"
  until (($(queued) == 0 && $(fake_stats alpha .waiting) == 0)); do
    (($(fake_stats alpha .waiting) == 0)) || fake_go alpha
    sleep 0.05
  done
}

no_waiter_of() {
  ! waiters | grep -q " $1\$"
}

@test "deaths: the process of the one that is next stands still -> others are served meanwhile, and it is when it goes on" {
  a_and_others 12
  local next n mine
  next=$(waiters | head -n 1 | cut -d' ' -f2)
  [[ $next != "$HOLDER" ]] || skip 'the web server gave both to one process'
  mine=$(waiters | grep -c " $next\$")
  ((mine < 12)) || skip 'the web server gave all to one process'
  stop_process "$next"
  fake_go alpha
  assert_equal "$(status_of a)" 200
  for ((n = 0; n < 12 - mine; n++)); do
    wait_until 15 fake_stat_is alpha .waiting 1
    fake_go alpha
  done
  wait_until 15 queued_are "$mine"
  go_on "$next"
  for ((n = 0; n < mine; n++)); do
    wait_until 15 fake_stat_is alpha .waiting 1
    fake_go alpha
  done
  for ((n = 1; n <= 12; n++)); do
    assert_equal "$(status_of "q$n")" 200 "q$n"
  done
}

@test "deaths: the process that has the slot stands still -> the slot stays taken, nobody is sent beside it" {
  a_and_others 6
  stop_process "$HOLDER"
  wait_ms 1500
  assert_equal "$(fake_stats alpha .active)" 1
  assert_equal "$(came_to alpha)" a
  go_on "$HOLDER"
  local n
  for ((n = 0; n < 7; n++)); do
    wait_until 15 fake_stat_is alpha .waiting 1
    fake_go alpha
  done
  for ((n = 1; n <= 6; n++)); do
    assert_equal "$(status_of "q$n")" 200 "q$n"
  done
  assert_equal "$(fake_stats alpha .max_concurrent)" 1
}

@test "deaths: a process whose requests wait is drained -> they are served before it ends" {
  a_and_others 8
  local pid n
  pid=$(waiters | tail -n 1 | cut -d' ' -f2)
  kill -TERM "$pid"
  wait_until 10 gw_log_has "responder\[$pid\].*event=drain"
  for ((n = 0; n < 9; n++)); do
    wait_until 15 fake_stat_is alpha .waiting 1
    fake_go alpha
  done
  for ((n = 1; n <= 8; n++)); do
    assert_equal "$(status_of "q$n")" 200 "q$n"
  done
  wait_until 15 gone "$pid"
}

@test "deaths: the file of the shared memory is removed while requests wait -> they wait on in the new one, in their order" {
  a_and_others 6
  rm "/dev/shm/${ROLE_MESH_SHM#/}"
  wait_until 15 gw_log_has 'event=shm_moved'
  wait_until 15 queued_are 6
  local n
  fake_go alpha
  for ((n = 1; n <= 6; n++)); do
    at alpha "q$n"
    fake_go alpha
    assert_equal "$(status_of "q$n")" 200 "q$n"
  done
  assert_equal "$(fake_stats alpha .max_concurrent)" 1
}

# called_of PID - how many of its waiters were called and did not move.
called_of() {
  local row
  row=$("$TOP_BUILDDIR/regdump" "$ROLE_MESH_SHM" | sed -nE "s/^row ([0-9]+) live pid=$1 .*/\\1/p")
  "$TOP_BUILDDIR/regdump" "$ROLE_MESH_SHM" | grep -cE "^waiter .* row=$row .* called=" || true
}

@test "deaths: a process with many that are next is stopped -> one of them is waited for, not each" {
  a_and_others 24
  local next name=a
  next=$(waiters | head -n 1 | cut -d' ' -f2)
  [[ $next != "$HOLDER" ]] || skip 'the web server gave both to one process'
  stop_process "$next"
  for name in 1 2 3 4 5; do
    fake_go alpha
    wait_until 15 fake_stat_is alpha .waiting 1
  done
  assert_equal "$(called_of "$next")" 1
  go_on "$next"
  for name in {1..20}; do
    fake_go alpha
  done
  wait_until 10 queued_are 0
}
