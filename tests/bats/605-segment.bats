#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 605-segment.bats - somebody takes the file of the shared memory away: a cleaner,
# a logout, a hand. All processes meet in one registry again, and what was
# registered is there.
#
# shellcheck disable=SC2154,SC2030,SC2031 # helpers set variables; a test is a subshell

load helpers/all
load helpers/webservers

setup() {
  gw_setup
  SHM=/dev/shm/${ROLE_MESH_SHM#/}
  fake_start alpha
  gw_config <<YAML
gateway: {shutdown_grace_s: 3600}
models:
  planner: {type: proxy, proxy_url: "$FAKE_URL_alpha"}
  reviewer: {type: discovered}
YAML
}

teardown() {
  rm -f "$SHM.away"
  web_teardown
}

# begin - a gateway with three processes for requests and a node.
begin() {
  GW_WORKERS=3 gw_start
  register box
}

register() {
  gw_post /v1/nodes/register "$(jq -cn --arg id "$1" --arg url "$FAKE_URL_alpha" \
    '{node_id: $id, base_url: $url, roles: ["reviewer"]}')"
  assert_status 200
}

# in_one_registry - every process has mapped the file that has the name, and no
# other; for wait_until.
in_one_registry() {
  local pid words ino n=0
  ino=$(stat -c %i "$SHM" 2>/dev/null) || return 1
  while read -r pid words; do
    [[ $words == *rolemesh-* ]] || continue
    # the parent of a pool has none
    grep -q " ${SHM%-*}" "/proc/$pid/maps" || continue
    [[ $(grep " ${SHM%-*}" "/proc/$pid/maps" | awk '{print $5}' | sort -u) == "$ino" ]] ||
      return 1
    n=$((n + 1))
  done < <(gw_processes)
  ((n >= ${1:-5}))
}

# all_serve - chats to the discovered role, more than there are processes, at once
# and one after the other.
all_serve() {
  local seen
  for _ in 1 2 3; do
    seen=$(node "$TOP_SRCDIR/tests/bats/helpers/load.mjs" "$GW_URL/v1/chat/completions" \
      40 8 '{"model":"reviewer","messages":[]}')
    assert_equal "$(jq -rc .status <<<"$seen")" '{"200":40}'
  done
}

moved_lines() {
  grep -c event=shm_moved "$GW_DIR/gateway.log"
}

processes() {
  gw_pid gateway
  gw_responders
}

another_control() {
  local pid
  pid=$(gw_responders control)
  [[ -n $pid && $pid != "$1" ]] && gw_is_up
}

# --- the file goes ---

@test "segment: removed, nobody restarts -> one line, the node is served by all processes at any time" {
  begin
  gw_chat reviewer
  assert_status 200
  rm "$SHM"
  all_serve
  wait_until 10 in_one_registry
  all_serve
  assert_equal "$(gw_node box .status)" fresh
  assert_equal "$(moved_lines)" 1 'lines shm_moved'
  gw_log_has "event=shm_moved shm=$ROLE_MESH_SHM nodes=1 .*RemoveIPC=no"
}

@test "segment: removed, a responder is killed -> one registry, old and new nodes are served" {
  local victim
  begin
  victim=$(gw_responders inference | head -n 1)
  rm "$SHM"
  kill -KILL "$victim"
  wait_until 10 in_one_registry
  all_serve
  register late
  wait_until 10 gw_node_has late .status fresh
  gw_post /v1/nodes/deregister '{"node_id":"box"}'
  assert_status 200
  all_serve
  assert_equal "$(fake_count alpha)" 240
}

@test "segment: removed, and a later process made another with a node of its own -> both nodes are in one" {
  local control pids
  begin
  control=$(gw_responders control)
  mapfile -t pids < <(processes)
  kill -STOP "${pids[@]}"
  rm "$SHM"
  kill -KILL "$control"
  wait_until 20 another_control "$control"
  register late
  gw_post /v1/nodes/heartbeat '{"node_id":"box"}'
  assert_error 404 node_not_registered
  kill -CONT "${pids[@]}" || true # the killed one is no more
  wait_until 10 in_one_registry
  assert_equal "$(gw_node box .status) $(gw_node late .status)" 'fresh fresh'
  gw_post /v1/nodes/heartbeat '{"node_id":"box"}'
  assert_status 200
  all_serve
}

@test "segment: the node registered anew while others stood still -> the later registration counts" {
  local control pids
  begin
  fake_start beta
  control=$(gw_responders control)
  mapfile -t pids < <(processes)
  kill -STOP "${pids[@]}"
  rm "$SHM"
  kill -KILL "$control"
  wait_until 20 another_control "$control"
  FAKE_URL_alpha=$FAKE_URL_beta register box
  kill -CONT "${pids[@]}" || true
  wait_until 10 in_one_registry
  all_serve
  assert_equal "$(fake_count alpha) $(fake_count beta)" '0 120'
}

@test "segment: renamed, and back -> both times one registry, nothing of the past returns" {
  begin
  mv "$SHM" "$SHM.away"
  wait_until 10 in_one_registry
  register late
  gw_post /v1/nodes/deregister '{"node_id":"box"}'
  assert_status 200
  mv "$SHM.away" "$SHM"
  wait_until 10 in_one_registry
  all_serve
  assert_equal "$(gw_node box)" ''
  assert_equal "$(gw_node late .status)" fresh
}

@test "segment: removed again and again under load -> every request is answered" {
  local out=$BATS_TEST_TMPDIR/load i pid
  begin
  node "$TOP_SRCDIR/tests/bats/helpers/load.mjs" "$GW_URL/v1/chat/completions" \
    3000 6 '{"model":"reviewer","messages":[]}' >"$out" 3>&- &
  pid=$!
  for i in 1 2 3 4 5; do
    rm "$SHM"
    wait_until 10 in_one_registry
    assert_equal "$(moved_lines)" "$i" 'lines shm_moved'
  done
  wait "$pid"
  assert_equal "$(jq -rc .status "$out")" '{"200":3000}'
}

# --- what is under way, what was counted ---

@test "segment: removed during a stream -> it ends whole; its lease counts in the new one and is given back" {
  begin
  stream_to "$BATS_TEST_TMPDIR/s" /v1/chat/completions "$(chat_json reviewer \
    '{"stream": true, "fake": {"tokens": 2, "wait_tokens": true}}')"
  fake_go alpha
  wait_until 10 stream_has "$BATS_TEST_TMPDIR/s" 1
  rm "$SHM"
  wait_until 10 in_one_registry
  assert_equal "$(gw_leases) $(gw_gauge open_requests)" '1 1'
  gw_node_has box .in_flight 1
  fake_go alpha
  fake_go alpha
  stream_wait
  assert_equal "$(stream_text "$BATS_TEST_TMPDIR/s" | grep -cF '[DONE]')" 1 ends
  wait_until 10 gw_holds_nothing
}

@test "segment: removed -> counters go on, turns go on" {
  local i before
  begin
  register second
  for i in {1..7}; do
    gw_chat reviewer >/dev/null
  done
  before=$(gw_counter answered_2xx)
  rm "$SHM"
  wait_until 10 in_one_registry
  for i in {1..7}; do
    gw_chat reviewer >/dev/null
  done
  assert_equal "$(gw_counter answered_2xx)" $((before + 7))
  assert_equal "$(grep -F 'path="/v1/chat/completions"' "$GW_DIR/gateway.log" |
    grep -o 'node=[a-z]*' | sort | uniq -c | tr -s ' ' | tr -d '\n')" ' 7 node=box 7 node=second'
}

# --- somebody else has the name ---

@test "segment: the name is taken by an unusable file -> the gateway serves on, one line; gone -> one registry" {
  begin
  install -m 666 /dev/null "$SHM.away"
  ((EUID != 0)) || chown 33 "$SHM.away"
  mv "$SHM.away" "$SHM"
  wait_until 10 gw_log_has event=shm_refused
  all_serve
  wait_ms 1500 # another try of each, at least
  assert_equal "$(grep -c event=shm_refused "$GW_DIR/gateway.log")" 1 'lines shm_refused'
  gw_log_has "event=shm_refused shm=$ROLE_MESH_SHM .*(belongs to user 33|open to other users)"
  assert_equal "$(stat -c '%s %a' "$SHM")" '0 666' 'their file'
  register late
  all_serve
  rm "$SHM"
  wait_until 10 in_one_registry
  assert_equal "$(gw_node box .status) $(gw_node late .status)" 'fresh fresh'
  all_serve
}

# --- the end ---

@test "segment: removed, and the gateway ends at once -> nothing stays behind" {
  begin
  rm "$SHM"
  gw_stop
  assert_equal "$gw_status" 0 'exit status'
  [[ ! -e $SHM ]]
}

@test "segment: removed -> two gateways of one configuration are still refused" {
  begin
  rm "$SHM"
  wait_until 10 in_one_registry
  run -1 gw_run --config "$GW_CONFIG" --port "$(free_ports 1)"
  assert_match "$output" 'running already'
}

# --- pools of other web servers ---

@test "segment: pools behind nginx -> removed, a worker killed: one registry for both pools" {
  local worker
  export WEB_KIND=nginx GW_KEY=''
  web_start nginx
  register box
  gw_chat reviewer
  assert_status 200
  worker=$(cut -d' ' -f1 "/proc/$(gw_pid pool-inference)/task/$(gw_pid pool-inference)/children")
  rm "$SHM"
  kill -KILL "$worker"
  wait_until 10 in_one_registry 3
  all_serve
  register late
  gw_post /v1/nodes/deregister '{"node_id":"box"}'
  assert_status 200
  all_serve
}
