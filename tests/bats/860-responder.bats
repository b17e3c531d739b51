#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 860-responder.bats - rolemesh-responder by itself: what its options do, which
# sockets its pools make, replace and leave alone, and how a pool lives and ends.
# nginx stands in front where requests are needed.

load helpers/all
load helpers/webservers

setup() {
  gw_setup
  export GW_KEY='' WEB_KIND=nginx
  fake_start alpha
  gw_config <<YAML
gateway: { shutdown_grace_s: 3600 }
models:
  planner: { type: proxy, proxy_url: "$FAKE_URL_alpha" }
YAML
  SOCKET=$GW_DIR/pool.sock
}

teardown() {
  web_teardown
}

# responder [ARGS] - in the foreground, for those that end at once.
responder() {
  timeout 300 "$TOP_BUILDDIR/rolemesh-responder" --config "$GW_CONFIG" "$@" \
    </dev/null
}

# pool NAME ADDRESS [ARGS] - one process in the background, up or dead.
pool() {
  web_pool_start "$1" 1 "${@:2}"
  POOL_PID=$(gw_pid "pool-$1")
  POOL_LOG=$GW_DIR/pool-$1.log
  wait_until 10 _pool_up_or_dead
}

_pool_up_or_dead() {
  gone "$POOL_PID" || grep -q 'event=start pool=' "$POOL_LOG"
}

# pool_end - its exit status, once it has ended; sets $pool_status.
pool_end() {
  pool_status=0
  wait_until 20 gone "$POOL_PID"
  wait "$POOL_PID" || pool_status=$?
}

pool_workers() {
  cat "/proc/$POOL_PID/task/$POOL_PID/children"
}

# --- options ---

@test "responder: --version and --help -> what they say, status 0" {
  run -0 responder --version
  assert_match "$output" '^rolemesh-responder [0-9]+\.[0-9]+'
  run -0 responder --help
  assert_match "$output" '--socket-group'
}

@test "responder: an unknown option, a value out of range, a stray word -> status 2, named" {
  local bad
  for bad in --workers=0 --workers=257 --workers=1x --workers= --socket-mode=9 \
    --socket-mode=1000 --socket-mode=-1 --nonsense stray; do
    run -2 responder --listen "unix:$SOCKET" "$bad"
    assert_match "$output" "${bad#--*=}" "what is said about $bad"
  done
  [[ ! -e $SOCKET ]]
}

@test "responder: something that is no address -> status 2 and the form it wants" {
  local bad
  for bad in nonsense unix: :9000 127.0.0.1: 127.0.0.1:http 127.0.0.1:65536 \
    127.0.0.1:0 '[]:9000' ''; do
    run -2 responder --listen "$bad" --workers 1
    assert_match "$output" 'unix:PATH or HOST:PORT' "what is said about '$bad'"
  done
}

@test "responder: standard input is no socket -> status 2 and what to do" {
  run -2 responder
  assert_match "$output" 'use --listen'
}

@test "responder: a configuration with errors -> status 2 and every one of them" {
  gw_config <<<'{models: {a: {type: proxy}, b: {type: odd}}}'
  local workers
  for workers in '' '--workers=2'; do
    # shellcheck disable=SC2086 # none, or one word
    run -2 responder --listen "unix:$SOCKET" $workers
    assert_match "$output" 'a\.proxy_url'
    assert_match "$output" 'b\.type'
    [[ ! -e $SOCKET ]]
  done
}

@test "responder: a pool that other hosts reach, nodes register without a key -> no key for nodes: status 2" {
  local host
  gw_config <<<'{auth: {client_api_keys: [c], upstream_node_key: u}, models: {a: {type: discovered}}}'
  for host in 0.0.0.0 '[::]' 192.0.2.1; do
    run -2 responder --listen "$host:9000"
    assert_match "$output" 'auth\.upstream_node_key: .* --listen `[^`]*. is not a loopback address'
  done
  pool local "127.0.0.1:$(free_ports 1)"
  alive "$POOL_PID"
}

@test "responder: a pool that other hosts reach, no keys at all -> it starts, and warns" {
  pool open "0.0.0.0:$(free_ports 1)"
  alive "$POOL_PID"
  grep -q 'warning: .*--listen.*auth\.client_api_keys is empty' "$POOL_LOG"
  grep -q 'warning: .*--listen.*auth\.node_api_keys is empty' "$POOL_LOG"
}

# --- sockets ---

@test "responder: a socket without options -> only its user may connect" {
  pool one "unix:$SOCKET"
  assert_equal "$(stat -c %a "$SOCKET")" 600 mode
}

@test "responder: --socket-mode and --socket-group -> that mode and group" {
  local group
  group=$(id -Gn | tr ' ' '\n' | tail -n 1)
  if ((EUID == 0)); then
    group=www-data
  fi
  pool one "unix:$SOCKET" --socket-mode 0660 --socket-group "$group"
  assert_equal "$(stat -c '%a %G' "$SOCKET")" "660 $group" 'mode and group'
}

@test "responder: a group that does not exist -> status 1, named, and no socket" {
  run -1 responder --listen "unix:$SOCKET" --workers 1 --socket-group no-such-group
  assert_match "$output" 'no-such-group'
  [[ ! -e $SOCKET ]]
}

@test "responder: a path too long for a socket -> status 1 and why" {
  run -1 responder --workers 1 --listen "unix:$GW_DIR/$(printf 'x%.0s' {1..120})"
  assert_match "$output" 'too long'
}

@test "responder: the socket of a killed pool -> replaced" {
  pool one "unix:$SOCKET"
  kill -KILL "$POOL_PID"
  wait_until 10 _no_responders
  [[ -S $SOCKET ]]
  pool two "unix:$SOCKET"
  alive "$POOL_PID"
}

_no_responders() {
  [[ -z $(gw_responders) ]]
}

@test "responder: a socket that is answered -> status 1, and the first pool serves on" {
  pool one "unix:$SOCKET"
  run -1 responder --listen "unix:$SOCKET" --workers 1
  assert_match "$output" 'in use'
  [[ -S $SOCKET ]]
  alive "$POOL_PID"
}

@test "responder: a file that is no socket -> status 1, and the file is untouched" {
  echo precious >"$SOCKET"
  run -1 responder --listen "unix:$SOCKET" --workers 1
  assert_match "$output" 'no socket'
  assert_equal "$(<"$SOCKET")" precious
}

@test "responder: a port that is taken -> status 1 and the address" {
  run -1 responder --listen "127.0.0.1:$FAKE_PORT_alpha" --workers 1
  assert_match "$output" "127.0.0.1:$FAKE_PORT_alpha.*in use"
}

@test "responder: SIGTERM without requests -> status 0, and the socket is gone" {
  pool one "unix:$SOCKET"
  kill -TERM "$POOL_PID"
  pool_end
  assert_equal "$pool_status" 0 'exit status'
  [[ ! -e $SOCKET ]]
}

# Without root the web server runs as the same user, whom 0600 lets in.
@test "responder: nginx as www-data -> let in by 0660 and its group, locked out by 0600" {
  local pid
  web_start nginx
  pid=$(gw_pid web)
  if ((EUID == 0)); then
    pid=$(cut -d" " -f1 "/proc/$pid/task/$pid/children")
    assert_equal "$(stat -c %U "/proc/$pid")" www-data 'user of nginx'
    chmod 0600 "$WEB_DIR/sockets/inference"
    gw_chat planner
    assert_error 502 gateway_unreachable
    chmod 0660 "$WEB_DIR/sockets/inference"
  fi
  gw_chat planner
  assert_status 200
}

# --- requests over TCP ---

@test "responder: --listen HOST:PORT -> nginx reaches it there" {
  WEB_POOL=127.0.0.1:$(free_ports 1) web_start nginx
  gw_chat planner
  assert_status 200
}

@test "responder: --listen [::1]:PORT -> nginx reaches it there" {
  WEB_POOL="[::1]:$(free_ports 1)" web_start nginx
  gw_chat planner
  assert_status 200
}

# --- life of a pool ---

@test "responder: a killed worker -> another takes its place, requests go on" {
  local before
  web_start nginx
  POOL_PID=$(gw_pid pool-inference)
  before=$(pool_workers)
  # shellcheck disable=SC2086 # a list
  kill -KILL $before
  wait_until 10 _other_workers "$before"
  gw_chat planner
  assert_status 200
}

_other_workers() {
  local now
  now=$(pool_workers)
  [[ $(wc -w <<<"$now") == 2 && " $now " != *" ${1%% *} "* ]]
}

# _drain_begins - a stream of four tokens has two of them, and its pool was told
# to end.
_drain_begins() {
  stream_to "$BATS_TEST_TMPDIR/s" /v1/chat/completions "$(chat_json planner \
    '{"stream": true, "fake": {"tokens": 4, "wait_tokens": true}}')"
  fake_go alpha
  fake_go alpha
  wait_until 10 stream_has "$BATS_TEST_TMPDIR/s" 2
  POOL_PID=$(gw_pid pool-inference)
  kill -TERM "$POOL_PID"
  wait_until 10 grep -q event=drain "$GW_DIR/pool-inference.log"
}

# _stream_goes_on - the other two, and the end.
_stream_goes_on() {
  fake_go alpha
  fake_go alpha
  fake_go alpha
  stream_wait
  assert_equal "$(stream_tokens "$BATS_TEST_TMPDIR/s" | wc -l)" 4 tokens
}

@test "responder: SIGTERM -> the open stream ends whole, new requests are refused at once" {
  web_start nginx
  _drain_begins
  gw_chat planner
  assert_error 502 gateway_unreachable
  alive "$POOL_PID"
  _stream_goes_on
  assert_equal "$(stream_text "$BATS_TEST_TMPDIR/s" | grep -cF '[DONE]')" 1 ends
  pool_end
  assert_equal "$pool_status" 0 'exit status'
}

@test "responder: SIGTERM during a stream -> the address is free for the next pool" {
  web_start nginx
  _drain_begins
  web_pool_start next 1 "unix:$WEB_DIR/sockets/inference" --socket-mode 0666
  wait_until 10 _chat_works
  alive "$POOL_PID"
  _stream_goes_on
  pool_end
  [[ -S $WEB_DIR/sockets/inference ]]
  gw_chat planner
  assert_status 200
}

_chat_works() {
  gw_chat planner >/dev/null
  [[ $status_code == 200 ]]
}

@test "responder: a second signal -> the end at once, streams and all" {
  web_start nginx
  _drain_begins
  kill -INT "$POOL_PID"
  pool_end
  assert_equal "$pool_status" 0 'exit status'
  stream_wait
  assert_equal "$(stream_text "$BATS_TEST_TMPDIR/s" | grep -cF '[DONE]')" 0 ends
  wait_until 10 fake_stat_is alpha .active 0
}

@test "responder: the parent is killed -> the workers end as well" {
  pool one "unix:$SOCKET"
  kill -KILL "$POOL_PID"
  wait_until 10 _no_responders
}
