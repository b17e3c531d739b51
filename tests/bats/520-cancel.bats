#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 520-cancel.bats - a client that leaves: in every phase the upstream's
# connection closes, and the access log says 499 and the phase, once.
#
# A silent client's leaving shows at once on a connection that lighttpd has
# waited on for input (most of these tests see to that, see leave_later), else
# within a second: we ask the kernel.
#
# shellcheck disable=SC2154,SC2030,SC2031 # set by the helpers; a test is a subshell

load helpers/all
load helpers/webservers

setup_file() {
  gw_setup
  fake_start alpha
  blackhole_start
  gw_config <<YAML
gateway:
  sse_keepalive_s: 0.4
models:
  planner:
    type: proxy
    proxy_url: $FAKE_URL_alpha
  unconnected:
    type: proxy
    proxy_url: $BLACKHOLE_URL
    timeouts: {connect_s: 60}
  reviewer:
    type: discovered
YAML
  gw_start
}

teardown_file() {
  gw_teardown
}

setup() {
  RID=left-$BATS_TEST_NUMBER
  S=$BATS_TEST_TMPDIR/stream
  BEFORE=$(fake_stats alpha .aborted)
}

# The one test that calls gw_setup has a gateway of its own.
teardown() {
  if [[ $GW_DIR == "$BATS_TEST_TMPDIR" ]]; then
    web_teardown
  else
    gw_dump_if_failed
  fi
}

# begin_upload - connect, send a head and a part of the body; fd 7 stays open.
begin_upload() {
  exec 7<>"/dev/tcp/127.0.0.1/$GW_PORT"
  printf '%s\r\n' 'POST /v1/chat/completions HTTP/1.1' 'Host: gateway' "X-Request-Id: $RID" \
    'Content-Type: application/json' 'Content-Length: 1000' '' >&7
  printf '{"model":"planner","messages":[' >&7
}

# leave_later JSON [CURL ARGS] - a chat in the background whose body is sent once
# lighttpd has asked for it: from then on it watches for the client's end. Sets
# STREAM_PID. The answer goes to $S.bytes.
leave_later() {
  local json=$1
  shift
  rm -f "$S.bytes" # of an earlier one
  curl -sSN --max-time 300 --expect100-timeout 300 -o "$S.bytes" -H 'Expect: 100-continue' \
    -H "X-Request-Id: $RID" -H 'Content-Type: application/json' --data-binary "$json" "$@" \
    "$GW_URL/v1/chat/completions" 2>"$S.err" 3>&- 4>&- &
  STREAM_PID=$!
  gw_track "stream-$STREAM_PID" "$STREAM_PID"
}

# upstream_has N - that many requests are being answered; for wait_until.
upstream_has() {
  fake_stat_is alpha .active "$1"
}

# leave - the client is killed, $LEFT_MS is when.
leave() {
  LEFT_MS=$(mono_ms)
  kill -KILL "$STREAM_PID"
  wait "$STREAM_PID" 2>/dev/null || true
  rm -f "$GW_DIR/pids/stream-$STREAM_PID"
}

# assert_cancelled PHASE - after leave: the upstream saw its client go, which no
# answer of these tests ever lets it see otherwise; the log has one record of it.
assert_cancelled() {
  local closed_ms
  wait_until 10 _upstream_closed
  closed_ms=$(fake_log alpha 'select(.event == "client_closed") | .t_ms' | tail -n 1)
  assert_at_least $((closed_ms - LEFT_MS)) -50 'ms until the upstream was let go' || return 1
  assert_equal "$(fake_stats alpha .active)" 0 'requests at the upstream' || return 1
  assert_logged_once "$1"
}

_upstream_closed() {
  (($(fake_stats alpha .aborted) > BEFORE))
}

# assert_logged_once PHASE
assert_logged_once() {
  wait_until 10 gw_log_has "event=access rid=$RID .* status=499 phase=$1 "
  assert_equal "$(grep -c "rid=$RID " "$GW_DIR/gateway.log")" 1 'records of the request' || return 1
  wait_until 5 gw_gauge_is open_requests 0
}

# --- by phase ---

@test "cancel: while uploading -> nothing reaches the upstream, nothing stays open" {
  local before
  before=$(fake_count alpha)
  begin_upload
  exec 7>&-
  gw_chat planner
  assert_status 200
  assert_equal "$(fake_count alpha)" $((before + 1)) 'requests at the upstream'
  wait_until 5 gw_gauge_is open_requests 0
}

@test "cancel: while uploading through a server that passes bodies on -> 499 receive" {
  gw_setup
  fake_start behind
  gw_config <<YAML
models:
  planner:
    type: proxy
    proxy_url: $FAKE_URL_behind
YAML
  web_start proxy
  begin_upload
  wait_until 10 gw_gauge_is open_requests 1
  exec 7>&-
  wait_until 5 web_log_has "event=access rid=$RID .* status=499 phase=receive "
  wait_until 5 gw_gauge_is open_requests 0
  assert_equal "$(fake_count behind)" 0 'requests at the upstream'
}

@test "cancel: while the upstream is being connected, whole answer -> 499 connect" {
  leave_later "$(chat_json unconnected)"
  wait_until 10 gw_gauge_is open_requests 1
  leave
  assert_logged_once connect
}

@test "cancel: while the upstream is being connected, stream -> 499 connect" {
  leave_later "$(chat_json unconnected '{"stream": true}')"
  wait_until 10 test -s "$S.bytes" # a comment
  leave
  assert_logged_once connect
}

@test "cancel: before the first byte, whole answer -> upstream let go, 499 first_byte" {
  leave_later "$(chat_json planner '{"fake": {"never": true}}')"
  wait_until 10 upstream_has 1
  leave
  assert_cancelled first_byte
}

@test "cancel: before the first byte, stream -> upstream let go, 499 first_byte" {
  leave_later "$(chat_json planner '{"stream": true, "fake": {"never": true}}')"
  wait_until 10 upstream_has 1
  leave
  assert_cancelled first_byte
}

@test "cancel: behind the comments of an early 200 -> upstream let go, 499 first_byte" {
  leave_later "$(chat_json planner '{"stream": true, "fake": {"never": true}}')"
  wait_until 10 test -s "$S.bytes"
  leave
  assert_cancelled first_byte
}

@test "cancel: in mid-stream -> upstream let go, 499 stream" {
  leave_later "$(chat_json planner '{"stream": true, "fake": {"tokens": 1000000, "delay_ms": 20}}')"
  wait_until 10 grep -q '"t5"' "$S.bytes"
  leave
  assert_cancelled stream
}

@test "cancel: in mid-stream while the upstream is silent -> upstream let go, 499 stream" {
  leave_later "$(chat_json planner '{"stream": true, "fake": {"tokens": 2, "delay_ms": 3600000}}')"
  wait_until 10 grep -q '"t1"' "$S.bytes"
  leave
  assert_cancelled stream
}

@test "cancel: the upstream is silent inside an event -> upstream let go, 499 stream" {
  leave_later "$(chat_json planner '{"stream": true, "fake": {"pieces": ["data: ha", "x"], "delay_ms": 3600000}}')"
  wait_until 10 grep -q 'data: ha' "$S.bytes"
  leave
  assert_cancelled stream
}

@test "cancel: in the middle of a long whole answer -> upstream let go, 499 stream" {
  leave_later "$(chat_json planner '{"fake": {"pieces": ["[1", "]"], "delay_ms": 3600000,
    "content_type": "text/plain"}}')"
  wait_until 10 test -s "$S.bytes"
  leave
  assert_cancelled stream
}

@test "cancel: while a short whole answer is coming -> upstream let go, 499" {
  leave_later "$(chat_json planner '{"fake": {"raw_file": "chat.http", "raw_split": 500,
    "raw_delay_ms": 3600000}}')"
  wait_until 10 upstream_has 1
  leave
  assert_cancelled '(first_byte|stream)'
}

@test "cancel: a client that had stopped reading -> upstream let go, 499 stream" {
  leave_later "$(chat_json planner '{"stream": true, "fake": {"tokens": 100000, "big_tokens": 65536}}')"
  wait_until 10 test -s "$S.bytes"
  kill -STOP "$STREAM_PID"
  wait_until 10 tokens_stand_still
  leave
  assert_cancelled stream
}

tokens_stand_still() {
  local before
  before=$(fake_stats alpha .tokens)
  sleep 0.5
  [[ $(fake_stats alpha .tokens) == "$before" ]]
}

# --- on a connection's first request, where lighttpd may not see it ---

# leave_first SCRIPT - four times a request that comes with its connection.
leave_first() {
  local i
  for i in 1 2 3 4; do
    RID=first-$BATS_TEST_NUMBER-$i
    BEFORE=$(fake_stats alpha .aborted)
    stream_to "$S" /v1/chat/completions "$(chat_json planner "$1")" -H "X-Request-Id: $RID"
    wait_until 10 upstream_has 1
    leave
    assert_cancelled first_byte
  done
}

@test "cancel: first request of a connection, silent upstream, stream -> let go" {
  leave_first '{"stream": true, "fake": {"never": true}}'
}

@test "cancel: first request of a connection, silent upstream, whole answer -> let go" {
  leave_first '{"fake": {"never": true}}'
}

@test "cancel: a client leaves while it waits -> lighttpd reports no crash of ours" {
  local before
  before=$(wc -l <"$GW_DIR/gateway.log")
  leave_first '{"fake": {"never": true}}'
  run ! grep -E 'fastcgi process died|response not received' \
    <(tail -n "+$((before + 1))" "$GW_DIR/gateway.log")
}

@test "cancel: a client that ends its sending side in mid-stream -> its stream is broken off, not ended" {
  local status=0
  node "$TOP_SRCDIR/tests/bats/helpers/leave.mjs" "$GW_PORT" \
    "$(chat_json planner '{"stream": true, "fake": {"tokens": 1000000, "delay_ms": 50}}')" \
    >"$S" || status=$?
  assert_equal "$status" 0 "the client's exit status"
  grep -q '"t1"' "$S"
  run ! grep -zP '\r\n0\r\n\r\n$' "$S"
}

@test "cancel: a client resets its connection at once -> let go" {
  local i
  for i in 1 2 3 4; do
    RID=reset-$i
    BEFORE=$(fake_stats alpha .aborted)
    LEFT_MS=$(mono_ms)
    node "$TOP_SRCDIR/tests/bats/helpers/leave.mjs" "$GW_PORT" \
      "$(chat_json planner '{"fake": {"never": true}}')" "$RID" reset "$FAKE_URL_alpha"
    assert_cancelled first_byte
  done
}

# --- what is left ---

@test "cancel: many leave at once -> every upstream connection closes, counters agree" {
  local i gone_before requests_before
  local -a pids=()
  gone_before=$(gw_counter client_gone)
  requests_before=$(gw_counter requests)
  for ((i = 0; i < 30; i++)); do
    RID=many-$i
    S=$BATS_TEST_TMPDIR/$i
    leave_later "$(chat_json planner '{"stream": true, "fake": {"tokens": 1000000, "delay_ms": 100}}')"
    pids+=("$STREAM_PID")
  done
  wait_until 20 upstream_has 30
  for ((i = 0; i < 30; i++)); do
    wait_until 10 grep -qs '"t1"' "$BATS_TEST_TMPDIR/$i.bytes"
  done
  kill -KILL "${pids[@]}"
  wait_until 10 upstream_has 0
  assert_equal "$(fake_stats alpha .aborted)" $((BEFORE + 30)) 'clients that left the upstream'
  wait_until 10 gw_gauge_is open_requests 0
  wait_until 10 gw_counter_is requests $((requests_before + 30))
  assert_equal "$(gw_counter client_gone)" $((gone_before + 30)) 'counter client_gone'
  assert_equal "$(gw_counter requests)" $((requests_before + 30)) 'counter requests'
  assert_equal "$(grep -cE 'event=access rid=many-.* status=499 phase=stream ' "$GW_DIR/gateway.log")" 30 records
}

@test "cancel: a stream of a node -> its lease is given back" {
  gw_post /v1/nodes/register "$(jq -cn --arg url "$FAKE_URL_alpha" \
    '{node_id: "box", base_url: $url, roles: ["reviewer"]}')"
  leave_later "$(chat_json reviewer '{"stream": true, "fake": {"tokens": 1000000, "delay_ms": 50}}')"
  wait_until 10 grep -q '"t2"' "$S.bytes"
  assert_equal "$(gw_leases)" 1
  leave
  assert_cancelled stream
  assert_equal "$(gw_leases)" 0
}

@test "cancel: leaving behind a complete answer -> 200, no cancellation" {
  leave_later "$(chat_json planner)"
  wait "$STREAM_PID"
  wait_until 5 gw_log_has "event=access rid=$RID .* status=200 "
  run ! grep -E "rid=$RID .*status=499" "$GW_DIR/gateway.log"
  assert_equal "$(fake_stats alpha .aborted)" "$BEFORE" 'cancelled at the upstream'
}
