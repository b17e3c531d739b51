#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 993-events.bats - the status each second for whoever looks: at once, unbuffered
# behind every web server, and nothing for those who do not look any more.
#
# shellcheck disable=SC2154,SC2030,SC2031 # set by the helpers; a test is a subshell

load helpers/all
load helpers/webservers

setup() {
  gw_setup
  fake_start alpha
}

teardown() {
  web_teardown
}

config() {
  gw_config <<YAML
auth:
  operator_keys: [key-of-operator]
models:
  planner: {type: proxy, proxy_url: "$FAKE_URL_alpha"}
  coder: {type: discovered}
YAML
}

# watch NAME [CURL ARGS] - events to $GW_DIR/NAME
watch() {
  local name=$1
  shift
  GW_TIMEOUT=120 stream_to "$GW_DIR/$name" /rolemesh/events '' -G -u operator:key-of-operator "$@"
}

# seen NAME N - so many snapshots are whole
seen() {
  (($(stream_text "$GW_DIR/$1" | grep -c '^data: {.*}$') >= $2))
}

# last NAME FILTER - of the newest snapshot
last() {
  stream_text "$GW_DIR/$1" | sed -n 's/^data: //p' | tail -1 | jq -c "$2"
}

last_is() {
  [[ $(last "$1" "$2") == "$3" ]]
}

events_of() {
  config
  web_start "$1"
  watch one
  wait_until 20 seen one 3
  assert_match "$(cat "$GW_DIR/one.head")" '200'
  assert_match "$(tr -d '\r' <"$GW_DIR/one.head")" 'Content-Type: text/event-stream'
  # each has its name, its data, an empty line
  assert_equal "$(stream_text "$GW_DIR/one" | head -3 | cut -c1-13 | paste -sd'|')" 'event: status|data: {"gener|'
  assert_equal "$(last one 'keys | length')" 11
  # a second apart, not in lumps
  stream_text "$GW_DIR/one" >/dev/null
  gaps=$(grep ' data: ' "$GW_DIR/one" | awk 'NR > 1 { print $1 - before } { before = $1 }')
  assert_equal "$(awk '$1 < 500' <<<"$gaps")" '' 'ms between snapshots'
  kill "$STREAM_PID"
}

@test "events: behind lighttpd" { events_of lighttpd; }
@test "events: behind Apache with mod_fcgid" { events_of fcgid; }
@test "events: behind Apache with mod_proxy_fcgi" { events_of proxy; }
@test "events: behind nginx" { events_of nginx; }

@test "events: a change is seen, by all who look alike" {
  config
  gw_start
  watch one
  watch two
  wait_until 10 seen one 1
  wait_until 10 seen two 1
  gw_post /v1/nodes/register "{\"node_id\": \"n\", \"base_url\": \"$FAKE_URL_alpha\", \"roles\": [\"coder\"]}"
  assert_status 200
  wait_until 10 last_is one '[.nodes[].node_id]' '["n"]'
  wait_until 10 last_is two '[.nodes[].node_id]' '["n"]'
  # the same snapshots, not each its own
  wait_until 10 seen one 4
  wait_until 10 seen two 4
  nows() { stream_text "$GW_DIR/$1" | sed -n 's/^data: //p' | jq .now | sort; }
  assert_at_least "$(comm -12 <(nows one) <(nows two) | wc -l)" 3
}

@test "events: for operators alone, and so many of them" {
  config
  gw_start
  gw_get /rolemesh/events
  assert_error 401 invalid_api_key
  gw_get /rolemesh/events -u operator:key-of-operator -I
  assert_status 200
  assert_header Content-Type text/event-stream
  assert_header X-Accel-Buffering no
  for i in $(seq 32); do watch "v$i"; done
  all_seen() { for i in $(seq 32); do seen "v$i" 1 || return 1; done; }
  wait_until 20 all_seen
  gw_get /rolemesh/events -u operator:key-of-operator
  assert_error 503 overloaded
  # one leaves: there is room
  kill "$STREAM_PID"
  has_room() {
    rm -f "$GW_DIR/again"
    watch again
    wait_until 2 seen again 1 || { kill "$STREAM_PID"; return 1; }
  }
  wait_until 10 has_room
}

@test "events: who does not read -> holds up nobody, and then sees the newest" {
  {
    echo 'auth: {operator_keys: [key-of-operator]}'
    echo 'models:'
    for i in $(seq 0 49); do echo "  role-$i: {type: discovered}"; done
    echo 'nodes:'
    for i in $(seq 0 199); do
      echo "  - {node_id: n$i, base_url: \"$FAKE_URL_alpha\", roles: [role-$((i % 50)), role-$(((i + 7) % 50))]}"
    done
  } | gw_config
  gw_start
  watch slow
  local slow=$STREAM_PID
  wait_until 10 seen slow 1
  kill -STOP "$slow"
  watch quick
  wait_until 20 seen quick 8
  local before now
  before=$(stream_text "$GW_DIR/slow" | grep -c '^data: {.*}$')
  now=$(last quick .now)
  kill -CONT "$slow"
  caught_up() { [[ $(last slow ".now >= $now") == true ]]; }
  wait_until 20 caught_up
  assert_at_least "$(stream_text "$GW_DIR/slow" | grep -c '^data: {.*}$')" "$before"
  stream_text "$GW_DIR/slow" | sed -n 's/^data: //p' | jq -e .now >/dev/null
}

@test "events: the gateway stops -> the stream ends by itself" {
  config
  gw_start
  watch one
  wait_until 10 seen one 1
  gw_stop
  stream_wait
  assert_equal "$stream_status" 0
}
