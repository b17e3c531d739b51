#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 968-queue-streams.bats - what a waiting client sees, and what it costs.
#
# shellcheck disable=SC2154,SC2030,SC2031 # set by the helpers; a test is a subshell

load helpers/all
load helpers/queue
load helpers/webservers

write_config() {
  gw_config <<YAML
gateway:
  sse_keepalive_s: ${KEEPALIVE_S:-20}
  max_bodies_bytes: 1048576
models:
  one:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    max_concurrency: 1
    queue: {max: 2000, timeout_s: ${TIMEOUT_S:-600}}
  instead:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    defaults: {model: instead}
    max_concurrency: 1
    queue: {timeout_s: 1.5}
    fallback: [beta]
  beta:
    type: proxy
    proxy_url: $FAKE_URL_beta
YAML
}

setup_file() {
  gw_setup
  fake_start alpha
  fake_start beta
  write_config
  GW_WORKERS=4 gw_start
  export QUEUE_URL=$GW_URL
}

teardown_file() {
  gw_teardown
}

setup() {
  QUEUED_BEFORE=$(gw_counter queued)
}

# A test that called own_gateway has one to end.
teardown() {
  if [[ $GW_DIR == "$BATS_TEST_TMPDIR" ]]; then
    WEB_KIND=${WEB_KIND:-lighttpd} web_teardown
  else
    gw_dump_if_failed
    wait_until 20 gw_holds_nothing
  fi
}

own_gateway() {
  gw_setup
  unset FAKE_PORT_alpha FAKE_PORT_beta
  fake_start alpha
  fake_start beta
  write_config
  "${@:-gw_start}"
  QUEUED_BEFORE=0
}

# told FILE - "POSITION..." of the comments so far
told() {
  sed -nE 's/^([0-9]+ )?: queued position=([0-9]+) wait_s=[1-9][0-9]*\r?$/\2/p' "$1" | tr '\n' ' ' | sed 's/ $//'
}

told_is() {
  [[ $(told "$1") == "$2" ]]
}

# waiting_stream NAME MODEL FILE - as ask, whose lines are stamped.
waiting_stream() {
  stream_to "$3" /v1/chat/completions \
    "$(said_by "$1" "$2" '{"stream": true, "fake": {"wait_head": true, "tokens": 2}}')" -N
}

@test "queued: streams wait -> each is told its place, once, and again when it has changed" {
  local first=$BATS_TEST_TMPDIR/first second=$BATS_TEST_TMPDIR/second third=$BATS_TEST_TMPDIR/third
  ask a one
  at alpha a
  waiting_stream b one "$first"
  waits 1
  waiting_stream c one "$second"
  waits 2
  waiting_stream d one "$third"
  waits 3
  wait_until 15 told_is "$first" 1
  wait_until 15 told_is "$second" 2
  wait_until 15 told_is "$third" 3
  wait_ms 1500 # nothing has changed
  told_is "$first" 1
  told_is "$third" 3
  fake_go alpha
  at alpha b
  wait_until 15 told_is "$second" '2 1'
  wait_until 15 told_is "$third" '3 2'
  fake_go alpha
  at alpha c
  fake_go alpha
  at alpha d
  fake_go alpha
  stream_wait
  assert_equal "$stream_status" 0
  assert_equal "$(stream_tokens "$third" | cut -d' ' -f2 | tr '\n' ' ')" 't1 t2 '
  told_is "$third" '3 2 1' || told_is "$third" '3 2'
  # a comment is an event of its own
  run ! grep -E '^[0-9]+ : queued.*data' "$third"
  grep -qE 'HTTP/1.1 200' "$third.head"
}

@test "queued: the queue passes quickly -> at most one comment a second" {
  local s=$BATS_TEST_TMPDIR/s i last=0 ms
  ask a one
  at alpha a
  for i in 1 2 3 4 5 6; do
    ask "q$i" one
    waits "$i"
  done
  waiting_stream z one "$s"
  waits 7
  wait_until 15 told_is "$s" 7
  for i in a q1 q2 q3 q4 q5; do
    at alpha "$i"
    fake_go alpha
  done
  at alpha q6
  wait_until 15 grep -qE ': queued position=1 ' "$s"
  fake_go alpha
  at alpha z
  fake_go alpha
  stream_wait
  while read -r ms _; do
    ((last == 0)) || assert_at_least "$((ms - last))" 900
    last=$ms
  done < <(grep ': queued' "$s")
}

@test "queued: no stream is asked for, or sse_keepalive_s is 0 -> no comment, and the answer has its own status" {
  ask a one
  at alpha a
  ask b one '{"fake": {"status": 418}}'
  waits 1
  wait_ms 1200
  fake_go alpha
  at alpha b
  fake_go alpha
  assert_equal "$(status_of b)" 418
  run ! grep -q queued "$ASKED/b"
  KEEPALIVE_S=0 own_gateway
  ask a one
  at alpha a
  ask c one '{"stream": true, "fake": {"status": 418}}' -N
  waits 1
  wait_ms 1200
  fake_go alpha
  at alpha c
  fake_go alpha
  assert_equal "$(status_of c)" 418
  run ! grep -q queued "$ASKED/c"
}

@test "queued: a stream has its early 200, and its time in the queue is over -> one error event queue_timeout" {
  TIMEOUT_S=1.2 own_gateway
  ask a one
  at alpha a
  ask b one '{"stream": true}' -N
  assert_equal "$(status_of b)" 200
  assert_one_sse_error /v1/chat/completions queue_timeout "$ASKED/b"
  fake_go alpha
  assert_equal "$(status_of a)" 200
}

@test "queued: a stream has its early 200 and goes to the fallback -> its answer is a stream all the same" {
  ask a instead
  at alpha a
  ask b instead '{"stream": true, "fake": {"wait_head": false, "tokens": 2}}' -N
  assert_equal "$(status_of b)" 200
  assert_equal "$(sse_texts "$ASKED/b")" 't1 t2'
  assert_match "$(told "$ASKED/b")" '^1'
  fake_go alpha
  assert_equal "$(status_of a)" 200
}

@test "queued: bodies wait -> they count for max_bodies_bytes, one more is 503 overloaded" {
  local big
  GW_WORKERS=1 own_gateway
  big=$(head -c 700000 /dev/zero | tr '\0' x)
  ask a one
  at alpha a
  jq -n --rawfile pad <(printf %s "$big") \
    '{model: "one", messages: [{role: "user", content: $pad}]}' >"$BATS_TEST_TMPDIR/big.json"
  curl -s -o "$BATS_TEST_TMPDIR/big" -w '%{http_code}' --max-time 300 -H 'Content-Type: application/json' \
    --data-binary "@$BATS_TEST_TMPDIR/big.json" "$GW_URL/v1/chat/completions" \
    >"$BATS_TEST_TMPDIR/big.status" 3>&- 4>&- &
  waits 1
  gw_request POST /v1/chat/completions -H 'Content-Type: application/json' \
    --data-binary "@$BATS_TEST_TMPDIR/big.json"
  assert_error 503 overloaded
  fake_go alpha
  wait_until 15 grep -qs 200 "$BATS_TEST_TMPDIR/big.status"
}

@test "queued: 1,000 streams wait, and all of their clients leave at once -> nothing of them stays" {
  GW_WORKERS=4 own_gateway
  ask a one
  at alpha a
  node "$TOP_SRCDIR/tests/bats/helpers/wait_many.mjs" "$GW_URL/v1/chat/completions" 1000 \
    "$(said_by x one '{"stream": true}')" >"$BATS_TEST_TMPDIR/many.out" 2>&1 3>&- 4>&- &
  local pid=$!
  wait_until 60 queued_are 1000
  wait_until 30 grep -qs told "$BATS_TEST_TMPDIR/many.out" # all had a comment
  kill -KILL "$pid"
  wait_until 30 queued_are 0
  ask b one
  waits 1001
  fake_go alpha
  at alpha b
  fake_go alpha
  assert_equal "$(status_of a) $(status_of b)" '200 200'
  assert_equal "$(gw_counter client_gone)" 1000
}

@test "queued: behind Apache -> the comments come through as they are sent" {
  gw_requires apache2
  own_gateway web_start proxy
  local s=$BATS_TEST_TMPDIR/s
  ask a one
  at alpha a
  waiting_stream b one "$s"
  waits 1
  wait_until 15 told_is "$s" 1
  fake_go alpha
  at alpha b
  fake_go alpha
  stream_wait
  assert_equal "$stream_status" 0
  assert_equal "$(stream_tokens "$s" | wc -l)" 2
}
