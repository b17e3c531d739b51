#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 030-hosts.bats - hosts of their own for a test: what helpers/netns.bash
# promises.

load helpers/all

setup() {
  gw_setup
  netns_start here there
}

teardown() {
  gw_teardown
  netns_teardown
}

# serve NAME PORT - a scripted upstream on a host.
serve() {
  netns_spawn "server-$1" "$1" "$TOP_BUILDDIR/tests/fake/fake_llama" \
    --host 0.0.0.0 --port "$2" --name "$1"
  wait_until 10 grep -q 'listens on' "$GW_DIR/server-$1.out"
}

# models_of NAME ADDRESS:PORT - what the server there says to that host.
models_of() {
  netns_exec "$1" curl -s --noproxy '*' --max-time 300 "http://$2/v1/models" |
    jq -r '.data[0].id'
}

@test "hosts: one port on two hosts -> each address its own server" {
  serve here 8091
  serve there 8091
  assert_equal "$(models_of here "$(netns_address there):8091")" there
  assert_equal "$(models_of there "$(netns_address here):8091")" here
  assert_equal "$(models_of here 127.0.0.1:8091)" here
}

@test "hosts: a server on a host's loopback -> other hosts cannot reach it" {
  netns_spawn server there "$TOP_BUILDDIR/tests/fake/fake_llama" --port 8091
  wait_until 10 grep -q 'listens on' "$GW_DIR/server.out"
  netns_exec there curl -sf --max-time 300 -o /dev/null http://127.0.0.1:8091/health
  run -7 netns_exec here curl -s --max-time 300 "http://$(netns_address there):8091/health"
}

@test "hosts: unplugged -> silence, not a refusal; plugged in again -> answers" {
  serve there 8091
  local address
  address=$(netns_address there):8091
  assert_equal "$(models_of here "$address")" there
  netns_unplug there
  run -28 netns_exec here curl -s --max-time 1 "http://$address/health"
  assert_equal "$(models_of there 127.0.0.1:8091)" there
  netns_replug there
  assert_equal "$(models_of here "$address")" there
}

@test "hosts: torn down -> nothing of them is left, forgotten processes are told" {
  local name
  name=$(netns_name there)
  netns_exec there sleep 1000 3>&- 4>&- &
  wait_until 5 host_is_busy there
  run -1 netns_teardown
  assert_match "$output" 'processes left on the host there'
  [[ $(_ip netns list) != *"$name"* ]]
  wait_until 5 _no_processes
}

host_is_busy() {
  [[ -n $(_ip netns pids "$(netns_name "$1")") ]]
}
