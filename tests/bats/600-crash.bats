#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 600-crash.bats - processes that are killed while they work, and the end of a
# gateway with open streams. 800-launcher.bats has the same ends without load.
#
# shellcheck disable=SC2154,SC2030,SC2031 # set by the helpers; a test is a subshell

load helpers/all

setup_file() {
  gw_setup
  fake_start alpha
  write_config
  gw_start
  register_box
}

write_config() {
  gw_config <<YAML
gateway:
  shutdown_grace_s: ${GRACE_S:-3}
  sse_keepalive_s: 0.5
models:
  planner:
    type: proxy
    proxy_url: $FAKE_URL_alpha
  reviewer:
    type: discovered
YAML
}

register_box() {
  gw_post /v1/nodes/register "$(jq -cn --arg url "$FAKE_URL_alpha" \
    '{node_id: "box", base_url: $url, roles: ["reviewer"]}')"
  assert_status 200
}

teardown_file() {
  gw_teardown
}

# A test that called own_gateway has one to end as it likes.
teardown() {
  if [[ $GW_DIR == "$BATS_TEST_TMPDIR" ]]; then
    gw_teardown
  else
    gw_dump_if_failed
  fi
}

own_gateway() {
  gw_setup
  unset FAKE_PORT_alpha
  fake_start alpha
  write_config
  gw_start
}

# open_streams N MODEL SCRIPT - N chat streams at once: curl's pids in PIDS,
# bytes in $OUT.1 ..; returns when each has its first token. Those of a SCRIPT
# with wait_tokens stay there until they are told to go on.
open_streams() {
  local i json
  json=$(sse_json /v1/chat/completions "$2" "{\"fake\": $3}")
  OUT=$BATS_TEST_TMPDIR/stream
  PIDS=()
  for ((i = 1; i <= $1; i++)); do
    rm -f "$OUT.$i" # of an earlier round: curl replaces it with the first byte
    curl -sSN --max-time 300 -o "$OUT.$i" -H "X-Request-Id: stream-$BATS_TEST_NUMBER-$i" \
      -H 'Content-Type: application/json' --data-binary "$json" \
      "$GW_URL/v1/chat/completions" 2>"$OUT.$i.err" 3>&- 4>&- &
    PIDS+=("$!")
  done
  [[ $3 != *wait_tokens* ]] || fake_go alpha "$1"
  for ((i = 1; i <= $1; i++)); do
    wait_until 15 grep -qs '"t1"' "$OUT.$i"
  done
}

# finish_streams N - let the N that still wait take their second token and end.
finish_streams() {
  fake_go alpha "$1"
  fake_go alpha "$1"
}

# close_streams - wait for their ends: WHOLE of them came to [DONE] and curl
# was content, CUT ended before it and curl noticed; OTHER is neither.
close_streams() {
  local i status
  WHOLE=0 CUT=0 OTHER=0
  for ((i = 1; i <= ${#PIDS[@]}; i++)); do
    status=0
    wait "${PIDS[i - 1]}" || status=$?
    if grep -q '^data: \[DONE\]' "$OUT.$i"; then
      ((status ? (OTHER += 1) : (WHOLE += 1)))
    elif ((status)) || grep -q '^data: {"error"' "$OUT.$i"; then
      ((CUT += 1))
    else
      ((OTHER += 1))
    fi
  done
  echo "$WHOLE whole, $CUT cut, $OTHER other"
}

# another_serves POOL OLD N - N processes again, OLD is none; for wait_until.
another_serves() {
  local pids
  pids=$(gw_responders "$1")
  [[ $(wc -w <<<"$pids") == "$3" ]] && ! grep -qx "$2" <<<"$pids"
}

chat_is_answered() {
  [[ $(curl -s --max-time 300 -o /dev/null -w '%{http_code}' -H 'Content-Type: application/json' \
    --data-binary '{"model":"planner","messages":[]}' "$GW_URL/v1/chat/completions") == 200 ]]
}

# By the candidates' account, the dead's included until they are swept.
leases_are() {
  [[ $(gw_in_flight) == "$1" ]]
}

nothing_but_the_fake() {
  ! gw_processes | grep -qv fake_llama
}

nothing_is_left() {
  nothing_but_the_fake && [[ ! -e /dev/shm/${ROLE_MESH_SHM#/} && -z $(ls -A "$GW_DIR/run") ]]
}

# --- a responder is killed ---

# streams_in_both N - N streams, some of them in each of the two processes: the
# web server spreads them as it likes.
streams_in_both() {
  local tries
  for ((tries = 0; tries < 20; tries++)); do
    open_streams "$1" reviewer '{"tokens": 2, "wait_tokens": true}'
    wait_until 5 gw_gauge_is open_requests "$1"
    ! gw_each_holds inference || return 0
    finish_streams "$1"
    close_streams
    wait_until 5 gw_gauge_is open_requests 0
  done
  _fail 'all streams are in one process, each time'
}

@test "crash: each inference responder in turn, with open streams -> only its own streams break" {
  local victim round requests its_own
  for round in 1 2; do
    streams_in_both 8
    leases_are 8
    requests=$(gw_counter requests)
    victim=$(gw_responders inference | sed -n "${round}p")
    its_own=$(gw_gauge_of open_requests "$victim")
    kill -KILL "$victim"
    wait_until 5 leases_are $((8 - its_own))
    wait_until 5 chat_is_answered
    wait_until 5 another_serves inference "$victim" 2
    assert_at_least "$(gw_counter requests)" "$requests" 'counter requests'
    wait_until 5 fake_stat_is alpha .active $((8 - its_own))
    finish_streams $((8 - its_own))
    close_streams
    assert_equal "$WHOLE $CUT $OTHER" "$((8 - its_own)) $its_own 0" 'streams whole, cut, other'
    wait_until 5 gw_gauge_is open_requests 0
    wait_until 5 leases_are 0
    wait_until 5 fake_stat_is alpha .active 0
    assert_at_least "$(gw_counter requests)" $((requests + 8 - its_own + 1)) 'counter requests'
  done
}

@test "crash: the control responder, with open streams -> they go on, the node stays known" {
  local victim
  open_streams 4 reviewer '{"tokens": 2, "wait_tokens": true}'
  victim=$(gw_responders control)
  kill -KILL "$victim"
  wait_until 5 gw_is_up
  gw_get /v1/models
  assert_json '.rolemesh.nodes[] | [.node_id, .status, .in_flight]' '["box","fresh",4]'
  finish_streams 4
  close_streams
  assert_equal "$WHOLE $CUT $OTHER" '4 0 0' 'streams whole, cut, other'
}

@test "crash: responders killed under load -> only requests in their hands fail, as JSON errors" {
  local victim seen load lost=0
  # none is answered before both are killed, all are at once then
  fake_mode alpha '{"wait_head": true}'
  node "$TOP_SRCDIR/tests/bats/helpers/load.mjs" "$GW_URL/v1/chat/completions" 400 8 \
    '{"model":"planner","messages":[]}' >"$BATS_TEST_TMPDIR/seen" 3>&- 4>&- &
  load=$!
  for victim in 1 2; do
    wait_until 10 gw_gauge_is open_requests 8
    wait_until 10 fake_stat_is alpha .waiting 8
    victim=$(gw_responders inference | sed -n "${victim}p")
    lost=$((lost + $(gw_gauge_of open_requests "$victim")))
    kill -KILL "$victim"
    wait_until 5 another_serves inference "$victim" 2
  done
  wait_until 10 fake_stat_is alpha .waiting 8
  fake_mode alpha '{}'
  fake_go alpha 8
  wait "$load" || true
  seen=$(<"$BATS_TEST_TMPDIR/seen")
  echo "$seen"
  # and those that reached a dead one before lighttpd knew: no more at one time
  assert_between "$(jq '.status["200"]' <<<"$seen")" 384 $((400 - lost)) 'answers 200'
  assert_equal "$(jq -c '.status | keys - ["200", "500", "502", "503"]' <<<"$seen")" '[]' 'other answers'
  wait_until 5 gw_gauge_is open_requests 0
}

@test "crash: killed before the answer began -> the client gets a JSON error at once" {
  local pid code=$BATS_TEST_TMPDIR/code
  curl -sS --max-time 300 -o "$code.body" -w '%{http_code} %{content_type}' \
    -H 'Content-Type: application/json' \
    --data-binary '{"model":"planner","messages":[],"fake":{"never":true}}' \
    "$GW_URL/v1/chat/completions" >"$code" 3>&- 4>&- &
  pid=$!
  wait_until 10 gw_gauge_is open_requests 1
  # all of them: which one has it is not known
  # shellcheck disable=SC2046
  kill -KILL $(gw_responders inference)
  wait_until 5 gone "$pid"
  assert_match "$(<"$code")" '^50[0-9] application/json'
  assert_equal "$(jq -c '.error | keys' "$code.body")" '["code","message","param","type"]' 'envelope'
  # killed twice within a second, lighttpd waits two before it starts one
  wait_until 5 chat_is_answered
  wait_until 5 fake_stat_is alpha .active 0
}

# --- the others are killed ---

@test "crash: lighttpd is killed with open streams -> the launcher ends, all is gone" {
  own_gateway
  open_streams 4 planner '{"tokens": 1000000, "delay_ms": 50}'
  kill -KILL "$(gw_processes | awk '/^[0-9]+ lighttpd / { print $1 }')"
  close_streams
  assert_equal "$WHOLE $CUT $OTHER" '0 4 0' 'streams whole, cut, other'
  wait_until 10 test -s "$GW_DIR/gateway.status"
  assert_equal "$(<"$GW_DIR/gateway.status")" 1 'exit status'
  wait_until 5 nothing_is_left
  wait_until 5 fake_stat_is alpha .active 0
}

@test "crash: the launcher is killed with open streams -> nothing runs on, upstreams are let go" {
  own_gateway
  gw_expect_leftovers
  open_streams 4 planner '{"tokens": 1000000, "delay_ms": 50}'
  kill -KILL "$(gw_pid gateway)"
  wait_until 5 test -s "$GW_DIR/gateway.status" # its own, not the next one's
  close_streams
  assert_equal "$WHOLE $OTHER" '0 0' 'streams whole, other'
  wait_until 10 nothing_but_the_fake
  wait_until 5 fake_stat_is alpha .active 0
  # and the next one starts on what is left
  gw_start
  wait_until 5 chat_is_answered
}

# --- an orderly end under load ---

@test "crash: SIGTERM with open streams and a pending answer -> all finish, nobody new gets in" {
  local pid
  GRACE_S=3600 own_gateway
  open_streams 6 planner '{"tokens": 2, "wait_tokens": true}'
  curl -sS --max-time 300 -o "$BATS_TEST_TMPDIR/pending" -w '%{http_code}' \
    -H 'Content-Type: application/json' --data-binary \
    '{"model":"planner","messages":[],"fake":{"wait_head":true}}' \
    "$GW_URL/v1/chat/completions" >"$BATS_TEST_TMPDIR/code" 3>&- 4>&- &
  pid=$!
  wait_until 10 fake_stat_is alpha .waiting 7
  kill -TERM "$(gw_pid gateway)"
  wait_until 5 gw_log_has 'graceful shutdown started'
  gw_request GET /health
  assert_status 000
  fake_go alpha 7
  fake_go alpha 6
  close_streams
  assert_equal "$WHOLE $CUT $OTHER" '6 0 0' 'streams whole, cut, other'
  wait "$pid"
  assert_equal "$(<"$BATS_TEST_TMPDIR/code")" 200 'status of the pending answer'
  wait_until 5 test -s "$GW_DIR/gateway.status"
  assert_equal "$(<"$GW_DIR/gateway.status")" 0 'exit status'
  nothing_is_left
}

@test "crash: SIGTERM, streams that outlast the grace time -> cut then, all is gone, upstreams let go" {
  own_gateway
  open_streams 6 planner '{"tokens": 1000000, "delay_ms": 50}'
  kill -TERM "$(gw_pid gateway)"
  close_streams
  assert_equal "$WHOLE $CUT $OTHER" '0 6 0' 'streams whole, cut, other'
  wait_until 5 test -s "$GW_DIR/gateway.status"
  assert_equal "$(<"$GW_DIR/gateway.status")" 0 'exit status'
  nothing_is_left
  wait_until 5 fake_stat_is alpha .active 0
}

@test "crash: a second signal with open streams -> everything ends at once" {
  GRACE_S=600 own_gateway
  open_streams 6 planner '{"tokens": 1000000, "delay_ms": 50}'
  kill -TERM "$(gw_pid gateway)"
  wait_until 5 gw_log_has 'graceful shutdown started'
  kill -TERM "$(gw_pid gateway)"
  wait_until 5 test -s "$GW_DIR/gateway.status"
  close_streams
  assert_equal "$CUT" 6 'streams that were cut'
  nothing_is_left
}
