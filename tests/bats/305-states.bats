#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 305-states.bats - a node goes stale, an upstream is gone, an alias cannot be
# used, and each comes back: one line in the log for all processes together, also
# while nobody asks for anything.
#
# shellcheck disable=SC2154,SC2030,SC2031 # helpers set variables; a test is a subshell

load helpers/all

setup() {
  gw_setup
  fake_start alpha
}

teardown() {
  gw_teardown
}

# begin [STALE_S] - a gateway with three processes for requests
begin() {
  ROLE_MESH_NODE_STALE_AFTER_S=${1:-9000} GW_WORKERS=3 gw_start
}

discovered() {
  gw_config <<<'models: {reviewer: {type: discovered}, writer: {type: discovered}}'
}

# register ID URL [ROLE...] - a node with these roles: reviewer
register() {
  local id=$1 url=$2
  shift 2
  gw_post /v1/nodes/register "$(jq -cn --arg id "$id" --arg url "$url" \
    '{node_id: $id, base_url: $url, roles: $ARGS.positional}' --args "${@:-reviewer}")"
  assert_status 200
}

beat() {
  gw_post /v1/nodes/heartbeat "{\"node_id\":\"$1\"}"
  assert_status 200
}

# lines EVENT [REGEX] - how many such lines
lines() {
  grep -cE "event=$1 .*${2:-}" "$GW_DIR/gateway.log" || true
}

lines_are() {
  [[ $(lines "$1" "${3:-}") == "$2" ]]
}

# assert_lines "EVENT=N ..." - of all six events; those left out: none
assert_lines() {
  local event seen=''
  for event in node_stale node_back upstream_unreachable upstream_reachable \
    role_unavailable role_usable; do
    lines_are "$event" 0 || seen+="$event=$(lines "$event") "
  done
  assert_equal "${seen% }" "$1" lines
}

# every process has looked at least twice since
all_have_looked() {
  wait_ms 2200
}

# --- nodes ---

@test "states: heartbeats end, nobody asks -> one line stale, one that the role is unavailable; one each back" {
  discovered
  begin 2
  register box "$FAKE_URL_alpha"
  wait_until 10 gw_log_has event=role_unavailable
  all_have_looked
  assert_lines 'node_stale=1 role_unavailable=1'
  gw_log_has 'level=warn .*event=node_stale node="box" last_seen_s=[0-9.]+ reason="no sign of life for 2 s"'
  gw_log_has "event=role_unavailable model=reviewer reason=\"the only node of role 'reviewer' is stale\""
  beat box
  gw_log_has 'event=node_back node="box" stale_s=[0-9.]+ reason='
  gw_log_has 'event=role_usable model=reviewer unavailable_s=[0-9.]+ reason='
  assert_equal "$(lines node_back) $(lines role_usable)" '1 1'
}

@test "states: a node that registers again counts as back; so does each of many absences between two looks" {
  discovered
  begin 0.2
  register box "$FAKE_URL_alpha"
  for _ in 1 2 3 4 5; do
    wait_ms 300
    beat box
  done
  wait_ms 300
  register box "$FAKE_URL_alpha"
  wait_until 10 lines_are node_stale 7
  wait_until 10 lines_are role_unavailable 7
  all_have_looked
  assert_lines 'node_stale=7 node_back=6 role_unavailable=7 role_usable=6'
}

@test "states: one of two nodes goes stale -> its line, and the role stays usable; it is deregistered -> silence" {
  discovered
  begin 3
  register box "$FAKE_URL_alpha"
  register other "$FAKE_URL_alpha" reviewer writer
  until gw_log_has 'event=node_stale node="box"'; do
    beat other >/dev/null
    sleep 0.1
  done
  gw_post /v1/nodes/deregister '{"node_id":"box"}'
  assert_lines 'node_stale=1'
}

@test "states: the last node leaves -> the role is unavailable; never a node -> no line at all" {
  discovered
  begin
  all_have_looked
  assert_lines ''
  register box "$FAKE_URL_alpha"
  assert_lines ''
  gw_post /v1/nodes/deregister '{"node_id":"box"}'
  assert_lines 'role_unavailable=1'
  gw_log_has "event=role_unavailable model=reviewer reason=\"no node registered for role 'reviewer'\""
  register box "$FAKE_URL_alpha"
  all_have_looked
  assert_lines 'role_unavailable=1 role_usable=1'
}

@test "states: a node says that its model failed -> the role is unavailable, and usable when it runs" {
  discovered
  begin
  register box "$FAKE_URL_alpha"
  gw_post /v1/nodes/heartbeat \
    '{"node_id":"box","metrics":{"models":{"reviewer":{"state":"failed"}}}}'
  wait_until 10 gw_log_has 'event=role_unavailable model=reviewer reason="the models of role .* have failed'
  gw_post /v1/nodes/heartbeat \
    '{"node_id":"box","metrics":{"models":{"reviewer":{"state":"ready"}}}}'
  wait_until 10 gw_log_has event=role_usable
  all_have_looked
  assert_lines 'role_unavailable=1 role_usable=1'
}

# --- upstreams ---

two_proxies() {
  gw_config <<YAML
gateway: {probe_ttl_s: 0.1}
models:
  planner: {type: proxy, proxy_url: "$FAKE_URL_alpha"}
  twin: {type: proxy, proxy_url: "$FAKE_URL_alpha/v1"}
YAML
}

@test "states: an upstream dies, /v1/models is asked often -> one line, one for each alias; back -> the same, unasked" {
  two_proxies
  begin
  gw_get /v1/models
  fake_stop alpha
  for _ in 1 2 3 4 5 6; do
    gw_get /v1/models >/dev/null
    wait_ms 150
  done
  wait_until 10 lines_are role_unavailable 2
  all_have_looked
  assert_lines 'upstream_unreachable=1 role_unavailable=2'
  gw_log_has "event=upstream_unreachable upstream=\"$FAKE_URL_alpha\" reason=\"connection refused\""
  gw_log_has 'event=role_unavailable model=twin reason="connection refused"'
  fake_start alpha
  wait_until 20 lines_are role_usable 2
  all_have_looked
  assert_lines 'upstream_unreachable=1 upstream_reachable=1 role_unavailable=2 role_usable=2'
}

@test "states: an upstream dies and only chats are sent -> noticed all the same" {
  two_proxies
  begin
  gw_chat planner
  assert_status 200
  fake_stop alpha
  gw_chat planner
  assert_error 502 upstream_unreachable
  wait_until 10 lines_are role_unavailable 2
  assert_lines 'upstream_unreachable=1 role_unavailable=2'
}

@test "states: a node's address refuses -> unreachable and the role unavailable; it listens -> both back" {
  discovered
  begin
  fake_stop alpha
  register box "$FAKE_URL_alpha" reviewer writer
  gw_get /v1/models
  wait_until 10 lines_are role_unavailable 2
  assert_lines 'upstream_unreachable=1 role_unavailable=2'
  gw_log_has 'event=role_unavailable model=writer reason="no fresh node is reachable: box: connection refused"'
  fake_start alpha
  wait_until 20 lines_are role_usable 2
  assert_lines 'upstream_unreachable=1 upstream_reachable=1 role_unavailable=2 role_usable=2'
}

# --- many ---

@test "states: more nodes and aliases than one turn looks at -> one line for each, and one each back" {
  local i
  {
    echo 'gateway: {probe_ttl_s: 0.1}'
    echo 'models:'
    for i in {1..40}; do
      echo "  planner-$i: {type: proxy, proxy_url: \"$FAKE_URL_alpha\"}"
    done
  } | gw_config
  begin 1
  for i in {1..70}; do
    register "box-$i" "$FAKE_URL_alpha"
  done
  wait_until 20 lines_are node_stale 70
  fake_stop alpha
  gw_get /v1/models
  wait_until 20 lines_are role_unavailable 40
  fake_start alpha
  wait_until 20 lines_are role_usable 40
  all_have_looked
  assert_lines 'node_stale=70 upstream_unreachable=1 upstream_reachable=1 role_unavailable=40 role_usable=40'
}

# --- processes and the segment ---

other_responders() {
  local now
  now=$(gw_responders | sort)
  [[ $(wc -w <<<"$now") == 4 && -z $(comm -12 <(echo "$1") <(echo "$now")) ]]
}

@test "states: all responders are killed, the segment is removed -> nothing is said twice, the change after it once" {
  local before
  discovered
  begin 2
  register box "$FAKE_URL_alpha"
  wait_until 10 gw_log_has event=role_unavailable
  before=$(gw_responders | sort)
  # shellcheck disable=SC2086 # a list
  kill -KILL $before
  wait_until 20 other_responders "$before"
  rm "/dev/shm/${ROLE_MESH_SHM#/}"
  wait_until 10 gw_log_has event=shm_moved
  all_have_looked
  assert_lines 'node_stale=1 role_unavailable=1'
  wait_until 10 gw_is_up
  beat box
  assert_equal "$(lines node_back) $(lines role_usable)" '1 1'
}
