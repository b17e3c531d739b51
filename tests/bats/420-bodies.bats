#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 420-bodies.bats - what the request bodies of a process may take of its memory
# together: up to gateway.max_bodies_bytes they are served, beyond it they are
# refused, and afterwards nothing of them is left.
#
# shellcheck disable=SC2154,SC2034 # set by the helpers, or for them

load helpers/all

MIB=1048576

setup() {
  gw_setup
  export GW_KEY=''
  # what a sanitizer keeps of freed memory is nothing that we hold
  export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=1
  fake_start alpha
  gw_config <<YAML
gateway: {max_body_bytes: $((4 * MIB)), max_bodies_bytes: $((8 * MIB)), sse_keepalive_s: 0}
models:
  planner: {type: proxy, proxy_url: $FAKE_URL_alpha}
YAML
  B=$BATS_TEST_TMPDIR/body
}

teardown() {
  gw_teardown
}

# chat_of BYTES [EXTRA] - a chat of exactly that length.
chat_of() {
  local frame
  frame=$(chat_json planner "${2:-{\}}")
  printf '%s,"user":"' "${frame%\}}"
  head -c $(($1 - ${#frame} - 10)) /dev/zero | tr '\0' u
  printf '"}'
}

# hold BYTES - a chat of that length which the upstream takes and
# does not answer before fake_go.
hold() {
  local file=$BATS_TEST_TMPDIR/held.$((HELD = ${HELD:-0} + 1))
  chat_of "$1" '{"fake": {"wait_head": true}}' >"$file.body"
  stream_to "$file" /v1/chat/completions "@$file.body"
}

# ask BYTES - a chat of that length.
ask() {
  chat_of "$1" >"$B"
  gw_post /v1/chat/completions "@$B"
}

# inference - the one process that holds the bodies
inference() {
  gw_responders inference
}

# anonymous_kib PID - memory that is no file's.
anonymous_kib() {
  awk '/^(Anonymous|Swap):/ { sum += $2 } END { print sum }' "/proc/$1/smaps_rollup"
}

@test "bodies: as many bytes as may be -> held; another byte -> 503 overloaded; then all is served again" {
  local i before pid
  GW_WORKERS=1 gw_start
  pid=$(inference)
  ask 1000
  assert_status 200
  before=$(anonymous_kib "$pid")
  for i in 1 2 3; do
    hold $((2 * MIB))
  done
  wait_until 20 fake_stat_is alpha .waiting 3
  wait_until 20 gw_gauge_is body_bytes $((6 * MIB))
  ask $((2 * MIB + 1))
  assert_error 503 overloaded
  assert_header Retry-After 5
  assert_match "$(jq -r .error.message <<<"$body")" '8388608 bytes together \(gateway\.max_bodies_bytes\)'
  hold $((2 * MIB))
  wait_until 20 fake_stat_is alpha .waiting 4
  assert_equal "$(gw_gauge body_bytes)" $((8 * MIB)) 'bytes held'
  # the smallest body is one too many, and what has none is none
  gw_chat planner
  assert_error 503 overloaded
  gw_post /v1/messages "$(sse_json /v1/messages planner)"
  assert_error 503 overloaded
  gw_log_has 'event=access .* status=503 phase=receive .* error=overloaded message=".*max_bodies_bytes'
  gw_get /health
  assert_status 200
  gw_get /v1/models
  assert_status 200
  gw_get /v1/chat/completions
  assert_error 405 method_not_allowed
  fake_go alpha 4
  wait_until 20 gw_gauge_is open_requests 0
  assert_equal "$(gw_gauge body_bytes)" 0 'bytes held afterwards'
  assert_equal "$(inference)" "$pid" 'the responder'
  assert_between "$(($(anonymous_kib "$pid") - before))" -100000 2048 'KiB kept of 8 MiB'
  ask $((4 * MIB))
  assert_status 200
}

# announce N BYTES SENT - N clients that announce so much, send SENT bytes of it,
# and stay.
announce() {
  bash -c 'for ((i = 0; i < $1; i++)); do
      exec {fd}<>"/dev/tcp/127.0.0.1/$3"
      printf "POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nContent-Length: %s\r\n\r\n" "$2" >&$fd
      cat "$4" >&$fd
    done
    exec sleep 600' announce "$1" "$2" "$GW_PORT" "$3" >/dev/null 2>&1 </dev/null 3>&- 4>&- &
  gw_track stream-announce "$!"
}

@test "bodies: large ones are announced and never sent -> nobody else is refused" {
  : >"$B.nothing"
  GW_WORKERS=1 gw_start
  announce 20 $((4 * MIB)) "$B.nothing"
  wait_until 20 gw_gauge_is open_requests 20
  assert_equal "$(gw_gauge body_bytes)" 0 'bytes held'
  ask $((4 * MIB))
  assert_status 200
}

# for wait_until
holds_some() {
  local n
  n=$(gw_gauge body_bytes)
  (($1 <= n && n <= $2))
}

@test "bodies: half of each is sent -> they hold twice that at most, and nothing when the clients leave" {
  chat_of $((4 * MIB)) | head -c "$MIB" >"$B.part"
  GW_WORKERS=1 gw_start
  announce 3 $((4 * MIB)) "$B.part"
  wait_until 20 holds_some $((3 * MIB)) $((6 * MIB))
  ask $((2 * MIB))
  assert_status 200
  kill "$(gw_pid stream-announce)"
  wait_until 20 gw_gauge_is open_requests 0
  assert_equal "$(gw_gauge body_bytes)" 0 'bytes held'
}

@test "bodies: more uploads at once than there is room for -> some are served, the others refused" {
  local i
  GW_WORKERS=1 gw_start
  fake_mode alpha '{"wait_head": true}'
  chat_of $((3 * MIB)) >"$B"
  for ((i = 0; i < 8; i++)); do
    stream_to "$BATS_TEST_TMPDIR/s$i" /v1/chat/completions "@$B" -H 'Expect:'
  done
  wait_until 30 gw_counter_is answered_5xx 6
  fake_go alpha 2
  wait_until 20 gw_gauge_is open_requests 0
  wait_until 20 answered 2 6
  assert_equal "$(gw_gauge body_bytes)" 0 'bytes held'
}

@test "bodies: the limit is raised while it is reached -> served at once, without a restart" {
  local i
  GW_WORKERS=1 gw_start
  for i in 1 2; do
    hold $((4 * MIB))
  done
  wait_until 20 fake_stat_is alpha .waiting 2
  gw_chat planner
  assert_error 503 overloaded
  sed "s/max_bodies_bytes: [0-9]*/max_bodies_bytes: $((9 * MIB))/" "$GW_CONFIG" | gw_config
  wait_until 10 gw_log_has event=config_loaded
  wait_until 10 is_served
  fake_go alpha 2
  wait_until 20 gw_gauge_is body_bytes 0
}

# answered N M - so many clients were served, so many refused; for wait_until
answered() {
  [[ $(cat "$BATS_TEST_TMPDIR"/s?.head | awk '/^HTTP.1.1 200/ { n++ } /^HTTP.1.1 503/ { m++ }
    END { print n + 0, m + 0 }') == "$1 $2" ]]
}

# for wait_until
is_served() {
  gw_chat planner >/dev/null
  [[ $status_code == 200 ]]
}

@test "bodies: all may have less than one -> --check warns; one of that size is served, a byte more is a 413" {
  gw_config <<<"{gateway: {max_bodies_bytes: 5000}, models: {planner: {type: proxy, proxy_url: \"$FAKE_URL_alpha\"}}}"
  run -0 gw_run --check --config "$GW_CONFIG"
  assert_match "$output" '1:30: warning: gateway\.max_bodies_bytes: 5000 is below gateway\.max_body_bytes'
  GW_WORKERS=1 gw_start
  ask 5000
  assert_status 200
  ask 5001
  assert_error 413 request_too_large
  assert_match "$(jq -r .error.message <<<"$body")" '5000 bytes \(gateway\.max_bodies_bytes\)'
}

@test "bodies: of an agent's waiting requests -> the same bound, and nothing is left of them" {
  local i
  local -a pids=()
  agent_ports a 8
  agent_config a <<YAML
llama_server_bin: $FAKE_LLAMA_SERVER
llama_server_port_base: $AGENT_LLAMA_PORTS_a
llama_server_probe_interval_s: 0.05
stop_timeout_s: 1
max_body_bytes: $((4 * MIB))
max_bodies_bytes: $((8 * MIB))
devices: [cpu:0]
models: [{model_id: planner, path: $(fake_model planner never_ready=1)}]
YAML
  agent_start a
  GW_URL=$AGENT_URL_a
  for i in 1 2 3 4; do
    hold $((2 * MIB))
    pids+=("$STREAM_PID")
  done
  wait_until 20 agent_holds "$((8 * MIB))"
  gw_chat planner
  assert_error 503 overloaded
  assert_match "$(jq -r .error.message <<<"$body")" '8388608 bytes together \(max_bodies_bytes\)'
  gw_get /health
  assert_status 200
  kill "${pids[@]}"
  wait_until 20 agent_holds 0
}

# agent_holds BYTES - for wait_until
agent_holds() {
  [[ $(curl -sS --noproxy '*' "$AGENT_URL_a/v1/node/inventory" | jq .counters.body_bytes) == "$1" ]]
}
