#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 515-stall.bats - a responder that could not run for a while, as on a machine
# that was suspended or is busy: comments, limits and answers become due in one
# moment, and each request ends once.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all

setup_file() {
  gw_setup
  fake_start alpha
  gw_config <<YAML
gateway: {sse_keepalive_s: 0.2}
models:
  planner: {type: proxy, proxy_url: $FAKE_URL_alpha}
  impatient: {type: proxy, proxy_url: $FAKE_URL_alpha, timeouts: {first_byte_s: 1}}
YAML
  GW_WORKERS=1 gw_start
}

teardown_file() {
  gw_teardown
}

# Nobody stands still for longer than the test that stopped him.
teardown() {
  gw_dump_if_failed
  # shellcheck disable=SC2046 # a list
  kill -CONT $(gw_responders inference) || true
}

# stalled_while_answered MODEL SCRIPT DUE_MS - eight streams, one after the other:
# the responder stands still while the upstream gives its answer and a comment,
# or a limit, becomes due, DUE_MS after the request. It must be the same one
# afterwards. Where the limit came before the responder was stopped, nothing was
# seen of the two together: once more.
stalled_while_answered() {
  local pid i s tries=0
  pid=$(gw_responders inference)
  for ((i = 0; i < 8; i++)); do
    s=$BATS_TEST_TMPDIR/s$i
    stream_to "$s" /v1/chat/completions \
      "$(chat_json "$1" "{\"stream\": true, \"fake\": $2}")"
    if ! stopped_while_upstream_waits "$pid"; then
      kill -CONT "$pid"
      stream_wait
      ((++tries < 50)) || _fail 'the limit always came first' || return 1
      i=$((i - 1))
      continue
    fi
    fake_go alpha
    # stopped, it cannot be why an answer ends
    wait_until 10 fake_stat_is alpha .active 0
    wait_ms "$3"
    kill -CONT "$pid"
    stream_wait
    assert_equal "$stream_status" 0 "curl's exit status"
    assert_equal "$(gw_responders inference)" "$pid" 'the responder'
  done
}

# stopped_while_upstream_waits PID - the upstream has the request, and the
# responder stands still; false when it had given up by then.
stopped_while_upstream_waits() {
  wait_until 10 upstream_waits_or_client_has_all || return 1
  kill -STOP "$1"
  wait_until 10 is_stopped "$1" || return 1
  # what it closed before it stopped is seen with the first look at the latest
  fake_stat_is alpha .waiting 1 && fake_stat_is alpha .waiting 1
}

# for wait_until
upstream_waits_or_client_has_all() {
  fake_stat_is alpha .waiting 1 || gone "$STREAM_PID"
}

is_stopped() {
  grep -q '^State:[[:space:]]*T' "/proc/$1/status"
}

@test "stall: a comment and the answer are due in one moment -> the answer, once" {
  local i
  stalled_while_answered planner '{"tokens": 2, "wait_head": true}' 200
  for ((i = 0; i < 8; i++)); do
    assert_equal "$(stream_tokens "$BATS_TEST_TMPDIR/s$i" | cut -d ' ' -f 2 | tr '\n' ' ')" 't1 t2 '
    assert_equal "$(grep -cF 'data: [DONE]' "$BATS_TEST_TMPDIR/s$i")" 1 ends
  done
}

@test "stall: a limit and the answer are due in one moment -> one of them" {
  local i
  stalled_while_answered impatient '{"tokens": 2, "wait_head": true}' 1000
  for ((i = 0; i < 8; i++)); do
    assert_equal "$(grep -cE 'data: \[DONE\]|upstream_timeout' "$BATS_TEST_TMPDIR/s$i")" 1 ends
  done
}

@test "stall: the client leaves, and a comment is due -> 499, once" {
  local pid i
  pid=$(gw_responders inference)
  for ((i = 0; i < 4; i++)); do
    stream_to "$BATS_TEST_TMPDIR/s" /v1/chat/completions \
      "$(chat_json planner '{"stream": true, "fake": {"never": true}}')" -H "X-Request-Id: left-$i"
    wait_until 10 fake_stat_is alpha .active 1
    kill -STOP "$pid"
    kill "$STREAM_PID"
    stream_wait
    wait_ms 200
    kill -CONT "$pid"
    wait_until 10 fake_stat_is alpha .active 0
    wait_until 10 gw_log_has "event=access rid=left-$i .* status=499 "
    assert_equal "$(grep -c "event=access rid=left-$i " "$GW_DIR/gateway.log")" 1 records
    assert_equal "$(gw_responders inference)" "$pid" 'the responder'
  done
}
