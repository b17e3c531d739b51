#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 517-slow-readers.bats - clients that read slowly, or not at all: each answer
# ends whole or visibly broken, and nobody holds an upstream for ever.

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
  hasty:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    timeouts: {client_idle_s: 1}
YAML
  S=$BATS_TEST_TMPDIR/s
}

teardown() {
  [[ -z ${STREAM_PID:-} ]] || kill -CONT "$STREAM_PID" 2>/dev/null || true
  gw_teardown
}

@test "slow readers: one takes nothing for client_idle_s -> cut, its upstream is let go, the log says why" {
  gw_start
  stream_to "$S" /v1/chat/completions "$(sse_json /v1/chat/completions hasty \
    '{"fake": {"wait_head": true, "tokens": 4000, "big_tokens": 65536}}')" -o "$S.bytes"
  wait_until 10 fake_stat_is alpha .waiting 1
  kill -STOP "$STREAM_PID"
  fake_go alpha
  wait_until 30 gw_log_has 'event=access .* status=499 .* error=client_gone message=.*client_idle_s = 1 s'
  wait_until 10 fake_stat_is alpha .active 0
  kill -CONT "$STREAM_PID"
  stream_wait
  [[ $stream_status != 0 ]]
}

@test "slow readers: three descriptors a connection -> none is without the file its answer may need" {
  local folder
  ulimit -n 256
  GW_WORKERS=1 gw_start
  folder=$(sed -n 's/.* event=child_started .*folder=//p' "$GW_DIR/gateway.log")
  assert_equal "$(sed -n 's/^server.max-connections = //p' "$folder/server.conf")" \
    "$(((256 - 64) / 3))" 'connections of lighttpd'
}

@test "slow readers: more of them than connections -> each gets all of its answer" {
  local i status=0
  local -a pids=()
  ulimit -n 256
  GW_WORKERS=1 gw_start
  for ((i = 0; i < 80; i++)); do
    curl -sSN --max-time 100 --limit-rate 400k -o "$S.$i" -H 'Content-Type: application/json' \
      --data-binary "$(sse_json /v1/chat/completions planner \
        '{"fake": {"tokens": 8, "big_tokens": 65536}}')" \
      "$GW_URL/v1/chat/completions" 3>&- 4>&- &
    pids+=("$!")
  done
  for i in "${pids[@]}"; do
    wait "$i" || status=$?
  done
  assert_equal "$status" 0 'the status of the curls'
  assert_equal "$(tail -qc 14 "$S".* | grep -cF '[DONE]')" 80 'answers with an end'
}
