#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 922-moves.bats - several candidates: what of a failed attempt moves to another
# one, how often, and what counts towards ejection.
#
# Of two nodes that take turns one fails. Two requests: one of them meets the
# failing one first, the other one does not.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all
load helpers/failover

setup_file() {
  gw_setup
  fake_start one --max-requests 1
  fake_start two --max-requests 1
  fake_start three --max-requests 1
  blackhole_start
  gw_config <<YAML
gateway:
  sse_keepalive_s: 0.2
  eject: {failures: 3, pause_s: 600, pause_max_s: 600}
auth:
  upstream_node_key: key-of-the-gateway
models:
  team:
    type: discovered
    # whoever waits for the same one again waits for ever
    retry: {attempts: 5, backoff_s: 600, backoff_max_s: 3000}
    timeouts: {first_byte_s: 600, idle_s: 600}
  other:
    type: discovered
  spent: # as many attempts as nodes
    type: discovered
    retry: {attempts: 2, backoff_s: 0.05}
  quick:
    type: discovered
    retry: {attempts: 5, backoff_s: 600, backoff_max_s: 3000}
    timeouts: {connect_s: 2, first_byte_s: 3}
  silent: # nobody of it ever answers
    type: discovered
    timeouts: {first_byte_s: 0.6}
YAML
  gw_start
}

teardown_file() {
  gw_teardown
}

setup() {
  fake_mode one '{}'
  fake_mode two '{}'
  fake_mode three '{}'
  S=$BATS_TEST_TMPDIR/stream
}

# No lease stays, whatever the end was.
teardown() {
  gw_dump_if_failed
  wait_until 10 gw_holds_nothing
}

# moves ROLE SCRIPT [stream] - two requests over a failing `one` and a good `two`:
# both are answered, and one of them had two attempts.
moves() {
  local all=''
  serve "$1" one two
  fake_mode one "$2"
  for _ in 1 2; do
    if [[ ${3:-} == stream ]]; then
      chat_stream "$1" '{"fake": {"tokens": 2}}'
      assert_equal "$(stream_said)" t1t2 "text with $2"
      assert_sse '[.[] | select(.data == "[DONE]")] | length' 1
    else
      gw_chat "$1"
      assert_json .object chat.completion
    fi
    assert_status 200
    # comments have sent the head on its way: it knows of the first attempt only
    [[ $2 == *pings* ]] || assert_header X-RoleMesh-Node two
    all+="$(attempts_header) "
  done
  [[ $2 == *pings* ]] ||
    assert_equal "$(tr ' ' '\n' <<<"$all" | sort | xargs)" '1 2' "attempts with $2"
  assert_equal "$(asked one) $(asked two)" '1 2' "asked one, two with $2"
}

# counts ROLE SCRIPT - `one` fails beside a good one: three times, and nobody asks
# it any more.
counts() {
  serve "$1" one two
  fake_mode one "$2"
  for _ in 1 2 3 4 5 6 7 8; do
    gw_chat "$1"
    assert_status 200
  done
  assert_equal "$(asked one)" 3 "failures that ejected it, with $2"
  ejected_are 1
}

# stops_after N ROLE SCRIPT - all three fail alike: that many are asked.
stops_after() {
  local name
  serve "$2" one two three
  for name in one two three; do
    fake_mode "$name" "$3"
  done
  gw_chat "$2"
  assert_equal "$(($(asked one) + $(asked two) + $(asked three)))" "$1" "attempts with $3"
}

# --- not connected ---

@test "moves: refused, no such name, no TLS, no answer to connect -> another at once" {
  local url
  for url in "http://127.0.0.1:$(free_ports 1)" http://no-such-name.invalid:1 \
    "${FAKE_URL_one/http:/https:}" "$BLACKHOLE_URL"; do
    serve quick "dead=$url" two
    for _ in 1 2; do
      gw_chat quick
      assert_status 200
      assert_header X-RoleMesh-Node two
    done
    assert_equal "$(asked two)" 2
  done
}

@test "moves: refused -> counts double, and for every model at that address" {
  local url
  serve team two
  url=http://127.0.0.1:$(free_ports 1)
  add_both dead "$url"
  add_both two "$FAKE_URL_two"
  for _ in 1 2 3 4; do
    gw_chat team
    assert_status 200
  done
  # another role, another model, the same address
  for _ in 1 2 3 4; do
    gw_chat other
    assert_status 200
    assert_header X-RoleMesh-Attempts 1
  done
  # one refusal is two failures, of the address
  candidates 'failures=[24] .*unconnected' | grep -q .
}

# add_both ID URL - a node with a model for each of two roles
add_both() {
  gw_post /v1/nodes/register "$(jq -cn --arg id "$1" --arg url "$2" --arg model "$SERVED" \
    '{node_id: $id, base_url: $url, served_models: [
      {model_id: $model, roles: ["team"]}, {model_id: "\($model)-b", roles: ["other"]}]}')"
  assert_status 200
  echo "$1" >>"$GW_DIR/serving"
}

# --- connected, but no answer ---

@test "moves: reset, end, no HTTP -> another at once" {
  local script
  for script in '{"reset_before_answer": true}' '{"close_before_answer": true}' '{"garbage": true}' \
    '{"end_after_bytes": 0}' '{"die_after_bytes": 0}'; do
    moves team "$script"
  done
}

@test "moves: a stream's head and comments, then reset, end, no chunk, an error event -> another's stream" {
  local script
  for script in '{"die_after_tokens": 0}' '{"end_after_tokens": 0}' '{"bad_chunk_after_tokens": 0}' \
    '{"pings": 2, "die_after_tokens": 0}'; do
    # the request has a script of its own: what fails must win over it
    moves team "$(jq -c '{turns: [.]}' <<<"$script")" stream
  done
}

@test "moves: a prompt that kills servers -> two of three, not all" {
  stops_after 2 team '{"reset_before_answer": true}'
  assert_status 502
  stops_after 2 team '{"garbage": true}'
  assert_status 502
}

@test "moves: reset -> counts" {
  counts team '{"reset_before_answer": true}'
}

# --- 429, 503 with Retry-After ---

@test "moves: 429, 503 with Retry-After -> another at once, and passed over until then" {
  local script
  for script in '{"status": 429, "headers": {"Retry-After": "3600"}}' \
    '{"status": 503, "headers": {"Retry-After": "3600"}}' \
    '{"status": 429, "headers": {"Retry-After": "3600"}, "body_bytes": 10000000}'; do
    moves team "$script"
    for _ in 1 2 3 4; do gw_chat team; done
    assert_equal "$(asked one)" 1 'while its Retry-After runs'
  done
}

@test "moves: 429 without Retry-After -> passed over for a second" {
  local first
  serve team one two
  fake_mode one '{"turns": [{"status": 429}]}'
  gw_chat team
  gw_chat team
  assert_equal "$(asked one)" 1
  first=$(times_asked one)
  wait_until 10 asked_again
  assert_at_least "$(($(times_asked one | sed -n 2p) - first))" 1000 'ms'
}

asked_again() {
  gw_chat team >/dev/null
  (($(asked one) > 1))
}

@test "moves: 429, 503 with Retry-After, however often -> does not count" {
  local status
  for status in 429 503; do
    serve team one two
    fake_mode one "{\"status\": $status, \"headers\": {\"Retry-After\": \"0\"}}"
    wait_until 30 asked_at_least 4
    ejected_are 0
    wait_until 10 asked_at_least 5
  done
}

asked_at_least() {
  gw_chat team >/dev/null
  assert_status 200
  (($(asked one) >= $1))
}

@test "moves: all say 429 -> every one of them is asked, and the last answer passes" {
  stops_after 3 team '{"status": 429, "headers": {"Retry-After": "3600"}}'
  assert_status 429
  assert_header Retry-After 3600
  assert_header X-RoleMesh-Attempts 3
}

# --- 500 ---

@test "moves: 500 -> another, once" {
  moves team '{"status": 500}'
  stops_after 2 team '{"status": 500}'
  assert_status 500
  assert_header X-RoleMesh-Attempts 2
}

@test "moves: 500 where another answered the same request -> counts" {
  counts team '{"status": 500}'
}

@test "moves: 500 from everybody -> the request's fault, counts for nobody" {
  serve team one two
  fake_mode one '{"status": 500}'
  fake_mode two '{"status": 500}'
  for _ in 1 2 3 4 5 6; do
    gw_chat team
    assert_status 500
  done
  assert_equal "$(asked one) $(asked two)" '6 6'
  fake_mode one '{}'
  fake_mode two '{}'
  for _ in 1 2; do gw_chat team; done
  assert_equal "$(asked one) $(asked two)" '7 7'
}

# --- 502, 503, 504 ---

@test "moves: 502, 503, 504 -> another at once" {
  local status
  for status in 502 503 504; do
    moves team "{\"status\": $status}"
  done
}

@test "moves: 502, 503, 504 -> counts" {
  local status
  for status in 502 503 504; do
    counts team "{\"status\": $status}"
  done
}

@test "moves: 503 from everybody -> each is asked once, and the last answer passes" {
  stops_after 3 spent '{"status": 503, "body": "{\"own\": 503}"}'
  assert_status 503
  assert_equal "$body" '{"own": 503}'
  assert_header X-RoleMesh-Attempts 3
}

# --- loading ---

@test "moves: 503 Loading model -> another at once; does not count, no attempt used" {
  serve team one two
  fake_mode one '{"loading": true}'
  for _ in 1 2 3 4 5 6 7 8; do
    gw_chat team
    assert_status 200
    assert_header X-RoleMesh-Node two
  done
  assert_at_least "$(asked one)" 1
  fake_mode one '{}'
  wait_until 10 served_by_one
}

served_by_one() {
  gw_chat team >/dev/null
  [[ $(header X-RoleMesh-Node) == one ]]
}

# --- first_byte_s ---

@test "moves: first_byte_s is over -> another, once, with a fresh one" {
  stops_after 2 silent '{"never": true}'
  assert_error 504 upstream_timeout
  assert_json '.error.message | contains("first_byte_s")' true
  assert_at_least "$time_total_ms" 1190 'ms: twice 0.6 s'
}

# at_once N MODEL - so many chats side by side; all must be answered.
at_once() {
  local seen
  seen=$(node "$TOP_SRCDIR/tests/bats/helpers/load.mjs" "$GW_URL/v1/chat/completions" \
    "$1" "$1" "$(chat_json "$2")")
  assert_equal "$(jq -c .status <<<"$seen")" "{\"200\":$1}" 'answers'
}

@test "moves: first_byte_s is over while it gives nobody a byte -> counts" {
  serve quick one two
  fake_mode one '{"never": true}'
  at_once 6 quick
  assert_equal "$(asked one)" 3 'silences that ejected it'
  for _ in 1 2 3 4; do gw_chat quick; done
  assert_equal "$(asked one)" 3 'after it was ejected'
}

@test "moves: first_byte_s is over while it gives another client bytes -> does not count" {
  serve quick one two
  # a stream that runs all the time, on `one`
  fake_mode two '{"status": 503}'
  stream_to "$S" /v1/chat/completions \
    "$(chat_json quick '{"stream": true, "fake": {"tokens": 1000000, "delay_ms": 50}}')"
  wait_until 10 stream_has "$S" 1
  fake_mode two '{}'
  fake_mode one '{"never": true}'
  at_once 8 quick
  assert_equal "$(asked one)" 5 'the stream, and half of eight'
  fake_mode one '{}'
  for _ in 1 2; do gw_chat quick; done
  assert_equal "$(asked one)" 6 'as before'
  kill "$STREAM_PID"
  stream_wait
}

# --- what passes ---

@test "moves: a context that is too long, or any other status -> passes at once, nobody else is asked, nothing counts" {
  local script status
  for script in '{"status": 400, "error": {"type": "exceed_context_size_error"}}' \
    '{"status": 413, "error": {"code": "context_length_exceeded"}}' \
    '{"status": 400, "error": {"code": "content_policy_violation"}}' '{"status": 404}' '{"status": 501}'; do
    serve team one two
    status=$(jq .status <<<"$script")
    fake_mode one "$script"
    fake_mode two "$script"
    for _ in 1 2; do
      gw_chat team
      assert_status "$status"
      assert_header X-RoleMesh-Attempts 1
    done
    assert_equal "$(asked one) $(asked two)" '1 1'
  done
  for _ in 1 2 3 4 5 6; do gw_chat team; done
  assert_equal "$(asked one) $(asked two)" '4 4'
}

# --- keys ---

@test "moves: 401 or 403 to the gateway's own key -> another at once; counts" {
  moves team '{"status": 401}'
  counts team '{"status": 401}'
  counts team '{"status": 403}'
  stops_after 3 team '{"status": 401}'
  assert_error 502 upstream_auth_failed
}

# --- success ---

@test "moves: a success between failures -> the count begins anew" {
  serve team one two
  fake_mode one '{"turns": [{"status": 503}, {"status": 503}, {}], "turns_again": true}'
  for _ in {1..20}; do
    gw_chat team
    assert_status 200
  done
  assert_equal "$(asked one)" 10
}

@test "moves: breaking off after the first byte -> the stream ends with one error event; counts" {
  serve team one two
  fake_mode one '{"tokens": 9, "die_after_tokens": 2}'
  for _ in 1 2 3 4 5 6; do
    chat_stream team
  done
  assert_equal "$(asked one)" 3
  for _ in 1 2; do chat_stream team; done
  assert_equal "$(asked one)" 3 'after it was ejected'
}

@test "moves: a client that leaves -> counts for nobody" {
  serve team one
  for _ in 1 2 3 4; do
    stream_to "$S" /v1/chat/completions \
      "$(chat_json team '{"stream": true, "fake": {"tokens": 1000000, "delay_ms": 50}}')"
    wait_until 10 stream_has "$S" 1
    kill "$STREAM_PID"
    stream_wait
    wait_until 10 gw_holds_nothing
  done
  fake_start four
  serve_more four
  for _ in 1 2 3 4; do gw_chat team; done
  assert_equal "$(asked one)" 6 'four that left, and half of four'
  fake_stop four
}

# serve_more FAKE - beside those that serve already
serve_more() {
  local var=FAKE_URL_$1
  add_node "$1" "${!var}" "$SERVED" team
}
