#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 620-stop.bats - answers that are still open when the grace time of a stop is
# over: their clients are told who ended them, and the log says the same.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all
load helpers/webservers

ENDLESS='{"stream": true, "fake": {"tokens": 1000000, "delay_ms": 100}}'
SILENT='{"fake": {"never": true}}'

setup() {
  gw_setup
  fake_start alpha
}

teardown() {
  if [[ -n ${WEB_KIND:-} ]]; then
    web_teardown
  else
    gw_teardown
  fi
}

# configured GRACE_S
configured() {
  gw_config <<YAML
gateway: {shutdown_grace_s: $1}
models:
  planner: {type: proxy, proxy_url: $FAKE_URL_alpha}
YAML
}

# open_both - an endless stream into $GW_DIR/s and a whole answer that does not
# come, into $GW_DIR/whole.
open_both() {
  stream_to "$GW_DIR/s" /v1/chat/completions "$(chat_json planner "$ENDLESS")" \
    -H 'X-Request-Id: open-stream'
  curl -sS --noproxy '*' --max-time 60 -o "$GW_DIR/whole" -w '%{http_code}' \
    -H 'X-Request-Id: open-whole' -H 'Content-Type: application/json' \
    --data-binary "$(chat_json planner "$SILENT")" "$GW_URL/v1/chat/completions" \
    >"$GW_DIR/whole.status" 2>"$GW_DIR/whole.err" 3>&- 4>&- &
  WHOLE=$!
  wait_until 10 stream_has "$GW_DIR/s" 2
  wait_until 10 fake_stat_is alpha .active 2
}

# assert_told - both clients were told that the process stopped.
assert_told() {
  stream_wait
  wait "$WHOLE" || true
  assert_equal "$stream_status" 0 "curl's exit status"
  stream_text "$GW_DIR/s" >"$GW_DIR/s.text"
  assert_one_sse_error /v1/chat/completions shutting_down "$GW_DIR/s.text"
  assert_equal "$(<"$GW_DIR/whole.status")" 503 'status of the whole answer'
  assert_equal "$(jq -r .error.code "$GW_DIR/whole")" shutting_down
}

# assert_logged FILE - as that, and as nothing else.
assert_logged() {
  grep -Eq 'rid=open-stream .*status=200 .* broken=1 error=shutting_down' "$1"
  grep -Eq 'rid=open-whole .*status=503 .* error=shutting_down' "$1"
  run ! grep -Eq 'event=access rid=open-.*(status=499|client_gone)' "$1"
}

stopped() {
  wait_until 15 test -s "$GW_DIR/gateway.status"
  rm -f "$GW_DIR/pids/gateway"
}

# responders_stopped N - so many said so.
responders_stopped() {
  [[ $(grep -c 'rolemesh-responder\[.* event=stop reason=' "$GW_DIR/gateway.log") == "$1" ]]
}

@test "stop: the grace time is over -> an error event, a 503, and the log says who" {
  configured 0.5
  GW_WORKERS=1 gw_start
  open_both
  kill -TERM "$(gw_pid gateway)"
  assert_told
  stopped
  assert_equal "$(<"$GW_DIR/gateway.status")" 0 'exit status'
  assert_logged "$GW_DIR/gateway.log"
  wait_until 10 responders_stopped 2 # what they say last
}

@test "stop: no grace time at all -> the same" {
  configured 0
  GW_WORKERS=1 gw_start
  open_both
  kill -TERM "$(gw_pid gateway)"
  assert_told
  stopped
  assert_logged "$GW_DIR/gateway.log"
}

@test "stop: a second signal -> none is logged as a client that left" {
  configured 600
  GW_WORKERS=1 gw_start
  open_both
  kill -TERM "$(gw_pid gateway)"
  wait_until 5 gw_log_has 'graceful shutdown started'
  kill -TERM "$(gw_pid gateway)"
  stopped
  stream_wait
  wait "$WHOLE" || true
  assert_logged "$GW_DIR/gateway.log"
}

@test "stop: a client that leaves within the grace time -> still 499" {
  configured 600
  GW_WORKERS=1 gw_start
  open_both
  kill -TERM "$(gw_pid gateway)"
  wait_until 5 gw_log_has 'graceful shutdown started'
  kill -KILL "$WHOLE" "$STREAM_PID"
  stopped
  assert_equal "$(grep -Ec 'rid=open-(stream|whole) .*status=499' "$GW_DIR/gateway.log")" 2
}

@test "stop: a pool of its own gets SIGTERM -> the same, through nginx" {
  configured 0.5
  web_start nginx
  open_both
  kill -TERM "$(gw_pid pool-inference)"
  assert_told
  wait_until 10 gone "$(gw_pid pool-inference)"
  rm -f "$GW_DIR/pids/pool-inference"
  assert_logged "$GW_DIR/pool-inference.log"
}

@test "stop: the node agent -> an error event and 503, and its log says who" {
  agent_node a <<YAML
shutdown_grace_s: 0.5
models: [{model_id: planner, path: $(fake_model planner), server_args: {parallel: 2}}]
YAML
  NODE_GATEWAY=http://127.0.0.1:9 agent_start a
  export GW_URL
  GW_URL=$(agent_url a)
  stream_to "$GW_DIR/s" /v1/chat/completions "$(chat_json planner "$ENDLESS")" \
    -H 'X-Request-Id: open-stream'
  wait_until 20 stream_has "$GW_DIR/s" 2
  curl -sS --noproxy '*' --max-time 60 -o "$GW_DIR/whole" -w '%{http_code}' \
    -H 'X-Request-Id: open-whole' -H 'Content-Type: application/json' \
    --data-binary "$(chat_json planner "$SILENT")" "$GW_URL/v1/chat/completions" \
    >"$GW_DIR/whole.status" 2>"$GW_DIR/whole.err" 3>&- 4>&- &
  WHOLE=$!
  wait_until 10 whole_is_there
  kill -TERM "$(gw_pid agent-a)"
  assert_told
  agent_stop a
  assert_equal "$agent_status" 0 'exit status'
  assert_logged "$GW_DIR/agent-a.log"
}

whole_is_there() {
  grep -q open-whole "$GW_DIR"/fake-planner.log
}
