#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 535-stopped-responder.bats - a responder that was stopped for longer than a
# time limit (a debugger, a suspended machine, memory on a slow disk) reads what
# came meanwhile before it judges.

load helpers/all

setup() {
  gw_setup
  export GW_KEY=''
  fake_start alpha
  gw_config <<YAML
gateway: {sse_keepalive_s: 0}
models:
  planner:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    timeouts: {idle_s: 4, first_byte_s: 4}
YAML
  gw_start
  S=$BATS_TEST_TMPDIR/s
}

teardown() {
  go_on 2>/dev/null || true
  gw_teardown
}

# stop_them, go_on - the processes that serve inference requests.
stop_them() {
  # shellcheck disable=SC2046 # a list of pids
  kill -STOP $(gw_responders inference)
}

go_on() {
  # shellcheck disable=SC2046 # a list of pids
  kill -CONT $(gw_responders inference)
}

@test "stopped: tokens wait longer than idle_s in the socket -> the whole stream" {
  stream_to "$S" /v1/chat/completions "$(chat_json planner \
    '{"stream": true, "fake": {"tokens": 3, "wait_tokens": true}}')"
  fake_go alpha
  wait_until 10 stream_has "$S" 1
  stop_them
  fake_go alpha
  fake_go alpha
  fake_go alpha
  sleep 5 # the limit has to pass
  go_on
  stream_wait
  assert_equal "$(stream_tokens "$S" | wc -l)" 3 tokens
  assert_equal "$(stream_text "$S" | grep -cF '[DONE]')" 1 ends
}

@test "stopped: an answer waits longer than first_byte_s in the socket -> 200" {
  stream_to "$S" /v1/chat/completions "$(chat_json planner \
    '{"fake": {"wait_head": true}}')"
  wait_until 10 fake_stat_is alpha .waiting 1
  stop_them
  fake_go alpha
  sleep 5 # the limit has to pass
  go_on
  stream_wait
  wait_until 5 gw_log_has 'event=access .* status=200 '
}
