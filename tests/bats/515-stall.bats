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
  impatient: {type: proxy, proxy_url: $FAKE_URL_alpha, timeouts: {first_byte_s: 0.3}}
YAML
  GW_WORKERS=1 gw_start
}

teardown_file() {
  gw_teardown
}

teardown() {
  gw_dump_if_failed
}

# stalled_while_answered MODEL SCRIPT - eight streams, one after the other: the
# responder stands still while the upstream gives its answer and a comment, or a
# limit, becomes due. It must be the same one afterwards.
stalled_while_answered() {
  local pid i s done
  pid=$(gw_responders inference)
  for ((i = 0; i < 8; i++)); do
    s=$BATS_TEST_TMPDIR/s$i
    done=$(fake_log alpha 'select(.event == "response_done")' | wc -l)
    stream_to "$s" /v1/chat/completions \
      "$(chat_json "$1" "{\"stream\": true, \"fake\": $2}")"
    wait_until 10 fake_stat_is alpha .waiting 1
    kill -STOP "$pid"
    fake_go alpha
    wait_until 10 answers_are "$((done + 1))"
    sleep 0.4 # what became due in this time is what is tested
    kill -CONT "$pid"
    stream_wait
    assert_equal "$stream_status" 0 "curl's exit status"
    assert_equal "$(gw_responders inference)" "$pid" 'the responder'
  done
}

# answers_are N - so many were given; for wait_until.
answers_are() {
  (($(fake_log alpha 'select(.event == "response_done")' | wc -l) >= $1))
}

@test "stall: a comment and the answer are due in one moment -> the answer, once" {
  local i
  stalled_while_answered planner '{"tokens": 2, "wait_head": true}'
  for ((i = 0; i < 8; i++)); do
    assert_equal "$(stream_tokens "$BATS_TEST_TMPDIR/s$i" | cut -d ' ' -f 2 | tr '\n' ' ')" 't1 t2 '
    assert_equal "$(grep -cF 'data: [DONE]' "$BATS_TEST_TMPDIR/s$i")" 1 ends
  done
}

@test "stall: a limit and the answer are due in one moment -> one of them" {
  local i
  stalled_while_answered impatient '{"tokens": 2, "wait_head": true}'
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
    sleep 0.4 # what became due in this time is what is tested
    kill -CONT "$pid"
    wait_until 10 fake_stat_is alpha .active 0
    wait_until 10 gw_log_has "event=access rid=left-$i .* status=499 "
    assert_equal "$(gw_responders inference)" "$pid" 'the responder'
  done
}
