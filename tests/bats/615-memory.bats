#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 615-memory.bats - what many clients took of a process's memory goes back to the
# system when they are gone.
#
# shellcheck disable=SC2154,SC2034 # set by the helpers, or for them

load helpers/all

CLIENTS=200

setup() {
  gw_setup
  export GW_KEY=''
}

teardown() {
  gw_teardown
}

# anonymous_kib PID - memory that is no file's.
anonymous_kib() {
  awk '/^(Anonymous|Swap):/ { sum += $2 } END { print sum }' "/proc/$1/smaps_rollup"
}

# stopped_clients PORT - as many clients that ask for a stream of 2.5 MiB and read
# nothing of it, until stopped_clients_leave.
stopped_clients() {
  local i path=/v1/chat/completions
  local -a bodies=()
  for i in 0 1 2 3; do
    bodies+=("$(sse_json $path "m$i" '{"fake": {"tokens": 40, "big_tokens": 65536}}')")
  done
  "$TOP_BUILDDIR/tests/fake/stopped_clients" "$1" $path "$CLIENTS" "${bodies[@]}" 3>&- 4>&- &
  gw_track stream-stopped "$!"
}

stopped_clients_leave() {
  _stop_tracked stream-stopped 10
}

# holds_at_least PID KIB, holds_at_most PID KIB - for wait_until
holds_at_least() {
  (($(anonymous_kib "$1") >= $2))
}

holds_at_most() {
  (($(anonymous_kib "$1") <= $2))
}

# rise_and_fall PID PORT - each client makes it hold 100 KiB and more; of that a
# small part stays, however often they come. A sanitizer has an allocator of its
# own, which is not told: there the clients are all that is tried.
rise_and_fall() {
  local before round limit=10000
  ! grep -q __asan_init "/proc/$1/exe" || limit=1000000
  before=$(anonymous_kib "$1")
  for round in 1 2; do
    stopped_clients "$2"
    wait_until 60 holds_at_least "$1" $((before + CLIENTS * 90))
    echo "round $round: $before KiB before, $(anonymous_kib "$1") with the clients"
    stopped_clients_leave
    wait_until 60 holds_at_most "$1" $((before + limit))
    echo "round $round: $before KiB before, $(anonymous_kib "$1") after"
  done
}

@test "memory: hundreds of clients that do not read, twice -> a responder gives back what they took" {
  local pid
  fake_start alpha
  gw_config <<YAML
models: {m0: {type: proxy, proxy_url: $FAKE_URL_alpha, names: [m1, m2, m3]}}
YAML
  GW_WORKERS=1 gw_start
  gw_chat m0
  assert_status 200
  pid=$(gw_responders inference)
  rise_and_fall "$pid" "$GW_PORT"
  wait_until 20 gw_gauge_is open_requests 0
  assert_equal "$(gw_responders inference)" "$pid" 'the responder'
}

@test "memory: hundreds of clients that do not read, twice -> an agent gives back what they took" {
  local i
  agent_ports a 8
  agent_config a <<YAML
llama_server_bin: $FAKE_LLAMA_SERVER
llama_server_port_base: $AGENT_LLAMA_PORTS_a
llama_server_probe_interval_s: 0.05
stop_timeout_s: 1
devices: [cpu:0]
models:
$(for i in 0 1 2 3; do
    echo "- {model_id: m$i, path: $(fake_model m$i), group: g, memory_mib: 1, server_args: {parallel: 64}}"
  done)
YAML
  agent_start a
  for i in 0 1 2 3; do
    agent_chat a "m$i"
    assert_status 200
  done
  rise_and_fall "$(gw_pid agent-a)" "$AGENT_PORT_a"
  agent_chat a m0
  assert_status 200
}
