#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 745-vanished-hosts.bats - the host of an upstream goes without a word, as one
# that is switched off: what it did not acknowledge goes to another node within
# seconds, what it took and has not begun to answer as well, and neither waits
# for first_byte_s. A stream that has begun ends with an error.
# A busy upstream on a host that is there is not mistaken for one that is gone.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all

setup() {
  gw_setup
  netns_start gw east west
  gw_on gw
  gw_config <<YAML
gateway: {sse_keepalive_s: 3600}
models:
  planner: {type: discovered, timeouts: {connect_s: 8, first_byte_s: 9000, idle_s: 9000}}
  patient: {type: discovered, role: planner, timeouts: {connect_s: 3600, first_byte_s: 9000}}
  clock: {type: proxy, proxy_url: "http://$(netns_address gw):8092", timeouts: {first_byte_s: 9}}
YAML
  # one inference process: it alone keeps connections
  GW_WORKERS=1 gw_start
}

teardown() {
  gw_teardown
  netns_teardown
}

# serve NAME [OPTIONS] - a scripted upstream on that host serves `planner`.
serve() {
  netns_spawn "fake-$1" "$1" "$TOP_BUILDDIR/tests/fake/fake_llama" --host 0.0.0.0 \
    --port 8091 --idle-ms 3600000 --name "$1" --log "$GW_DIR/fake-$1.log" "${@:2}"
  wait_until 10 grep -q 'listens on' "$GW_DIR/fake-$1.out"
  gw_post /v1/nodes/register "$(jq -cn --arg id "$1" --arg url "http://$(netns_address "$1"):8091" \
    '{node_id: $id, base_url: $url, roles: ["planner"]}')"
  assert_status 200
}

# A connection is kept for four seconds: a busy machine may need several tries.
@test "vanish: a host with a kept connection is gone -> the other node answers" {
  local try
  serve east
  serve west
  for try in 1 2 3 4 5; do
    for _ in 1 2; do # by turns
      gw_chat planner
      assert_status 200
    done
    netns_unplug east
    for _ in 1 2; do
      gw_chat planner
      assert_status 200
      assert_header X-RoleMesh-Node west
    done
    netns_replug east
    grep -q 'event=upstream_retry .*node=east .*reason="its host does not acknowledge the request"' \
      "$GW_DIR/gateway.log" && return 0
  done
  echo "a connection was never kept until the request came, in $try tries" >&2
  return 1
}

# whole_to FILE [CURL ARGS] - a chat in the background, its status in FILE.code.
# Sets WHOLE_PID.
whole_to() {
  local file=$1
  shift
  ${GW_VIA:-} curl -sS --noproxy '*' --max-time 300 -o "$file" -D "$file.head" -w '%{http_code}' \
    -H 'Content-Type: application/json' "$@" "$GW_URL/v1/chat/completions" \
    >"$file.code" 3>&- 4>&- &
  WHOLE_PID=$!
}

# large_body FILE - more than the buffers between two hosts hold.
large_body() {
  {
    printf '{"model":"planner","messages":[],"x":"'
    head -c 8000000 /dev/zero | tr '\0' x
    printf '"}'
  } >"$1"
}

# stuck_upload FILE - east is the only node and reads nothing of a large request,
# see whole_to; returns when no more of it fits between the two hosts.
stuck_upload() {
  serve east
  large_body "$BATS_TEST_TMPDIR/large"
  kill -STOP "$(gw_pid fake-east)"
  whole_to "$1" --data-binary "@$BATS_TEST_TMPDIR/large"
  wait_until 10 queue_stands_still
}

# nine_seconds_pass - for the process that serves all requests: its own limit for
# one that began just now.
nine_seconds_pass() {
  gw_chat clock '{"fake": {"never": true}}'
  assert_error 504 upstream_timeout
}

# clock_start - what nine_seconds_pass asks, on the gateway's own host.
clock_start() {
  netns_spawn fake-clock gw "$TOP_BUILDDIR/tests/fake/fake_llama" --host 0.0.0.0 \
    --port 8092 --name clock
  wait_until 10 grep -q 'listens on' "$GW_DIR/fake-clock.out"
}

# queue_stands_still - two looks at what the gateway has not sent, for wait_until.
queue_stands_still() {
  local before
  before=$(queued)
  sleep 0.3
  ((before > 0)) && [[ $(queued) == "$before" ]]
}

queued() {
  netns_exec gw ss -Htn dst "$(netns_address east)" | awk '{ n += $3 } END { print n + 0 }'
}

# Longer than another node would be waited for; there is none.
# bats test_tags=slow
@test "vanish: the link of the only host is down for nine seconds -> its request is answered all the same" {
  local whole=$BATS_TEST_TMPDIR/whole
  serve east
  clock_start
  for _ in 1 2 3 4 5; do
    gw_chat patient
    assert_status 200
    netns_unplug east
    whole_to "$whole" --data-binary "$(chat_json patient)"
    nine_seconds_pass
    netns_replug east
    wait "$WHOLE_PID"
    assert_equal "$(<"$whole.code")" 200
    run ! grep -E 'event=upstream_(retry|failed)' "$GW_DIR/gateway.log"
    ! came_on_one_connection || return 0
  done
  _fail 'a connection was never kept until the request came'
}

# came_on_one_connection - the last two requests to east.
came_on_one_connection() {
  [[ $(fake_log east 'select(.event == "request" and .path != "/v1/models") | .conn' |
    tail -n 2 | uniq | wc -l) == 1 ]]
}

# bats test_tags=slow
@test "vanish: a host goes while its upstream does not read -> the other node answers" {
  local whole=$BATS_TEST_TMPDIR/whole
  stuck_upload "$whole"
  netns_unplug east
  serve west
  wait "$WHOLE_PID"
  kill -CONT "$(gw_pid fake-east)"
  assert_equal "$(<"$whole.code")" 200
  grep -qi '^X-RoleMesh-Node: west' "$whole.head"
}

# bats test_tags=slow
@test "vanish: a host that took its requests is gone -> its stream ends, another node answers the rest" {
  local s=$BATS_TEST_TMPDIR/s whole=$BATS_TEST_TMPDIR/whole
  serve east --script '{"never": true}'
  GW_TIMEOUT=300 stream_to "$s" /v1/chat/completions \
    "$(chat_json planner '{"stream": true, "fake": {"never": false, "tokens": 2, "delay_ms": 9000000}}')"
  wait_until 10 stream_has "$s" 1
  whole_to "$whole" --data-binary "$(chat_json planner)"
  wait_until 10 has_requests east 2
  serve west
  netns_unplug east
  wait "$WHOLE_PID"
  assert_equal "$(<"$whole.code")" 200
  grep -qi '^X-RoleMesh-Node: west' "$whole.head"
  gw_log_has 'event=upstream_retry .*node=east result=lost .*reason="its host took the request and is gone"'
  stream_wait
  stream_text "$s" >"$s.text"
  assert_one_sse_error /v1/chat/completions upstream_protocol_error "$s.text"
  assert_equal "$(fake_count west)" 1 'requests at the other node'
}

# has_requests NAME N - so many came; for wait_until.
has_requests() {
  (($(fake_count "$1") >= $2))
}

# bats test_tags=slow
@test "vanish: an upstream takes neither connections nor bytes, its host lives -> waited for, answered once" {
  local whole=$BATS_TEST_TMPDIR/whole
  clock_start
  stuck_upload "$whole"
  # the kernel's probes of a full window come at intervals that double: by then
  # one was longer than the six seconds
  nine_seconds_pass
  nine_seconds_pass
  kill -CONT "$(gw_pid fake-east)"
  wait "$WHOLE_PID"
  assert_equal "$(<"$whole.code")" 200
  assert_equal "$(fake_count east)" 1 requests
  run ! grep -E 'event=upstream_(retry|failed)' "$GW_DIR/gateway.log"
}
