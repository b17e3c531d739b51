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

rss_kib() {
  awk '/^VmRSS/ { print $2 }' "/proc/$1/status"
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

@test "growth: 5,000 requests of all kinds -> memory and descriptors are back where they were" {
  local pid
  local -A fds rss
  for pid in $(gw_responders); do
    fds[$pid]=$(open_fds "$pid")
  done
  # Caches and pools have their size after this: each responder has held as many
  # requests at one time as it can later, when it may get all 16.
  some_load 1600 48
  for pid in $(gw_responders inference); do
    rss[$pid]=$(rss_kib "$pid")
  done
  some_load 5000
  for pid in $(gw_responders inference); do
    echo "pid $pid: ${rss[$pid]} KiB before, $(rss_kib "$pid") KiB after"
    assert_between $(($(rss_kib "$pid") - rss[$pid])) -100000 1024 'KiB grown by 5,000 requests'
  done
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
