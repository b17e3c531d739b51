#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 986-server-timing.bats - what an answer says of where its time went.

load helpers/all
load helpers/queue

setup_file() {
  gw_setup
  fake_start alpha
  export DEAD_PORT
  DEAD_PORT=$(free_ports 1)
  gw_config <<YAML
gateway:
  cors_origins: ["https://app.example"]
models:
  planner: {type: proxy, proxy_url: "$FAKE_URL_alpha"}
  dead: {type: proxy, proxy_url: "http://127.0.0.1:$DEAD_PORT", retry: {attempts: 0}, fallback: [planner]}
  single: {type: proxy, proxy_url: "$FAKE_URL_alpha", max_concurrency: 1}
  lost: {type: proxy, proxy_url: "http://127.0.0.1:$DEAD_PORT", retry: {attempts: 0}}
YAML
  gw_start
}

teardown_file() {
  gw_teardown
}

teardown() {
  gw_dump_if_failed
}

# The names in the answer's header, with blanks between.
told_names() {
  header Server-Timing | sed 's/;dur=[0-9]*\.[0-9][0-9][0-9]\(,\|$\)/\1/g; s/,//g'
}

# told_us NAME - its microseconds
told_us() {
  header Server-Timing | tr ',' '\n' | sed -n "s/^ *$1;dur=//p" | tr -d .  | sed 's/^0*//; s/^$/0/'
}

has_comments() {
  stream_text "$1" | grep -q '^:'
}

# For wait_until: lets the stream take one more step.
goes_to_its_end() {
  curl -sS --noproxy '*' -X PUT "$FAKE_URL_alpha/fake/go"
  ! alive "$STREAM_PID"
}

@test "timing: each relayed answer -> the same five times" {
  local path
  for path in /v1/chat/completions /v1/completions /v1/messages /v1/embeddings /v1/responses; do
    gw_post "$path" '{"model":"planner","messages":[{"role":"user","content":"a"}],"prompt":"a","input":"a","max_tokens":5}'
    assert_status 200
    assert_equal "$(told_names)" 'auth queue connect upstream gateway'
  done
  gw_chat planner '{"stream": true}'
  assert_status 200
  assert_equal "$(told_names)" 'auth queue connect upstream gateway'
  gw_chat planner '{"fake": {"status": 400, "body": "{}"}}'
  assert_status 400
  assert_equal "$(told_names)" 'auth queue connect upstream gateway'
}

@test "timing: an upstream that computes for 300 ms -> its own time, and nobody else's" {
  gw_chat planner '{"fake": {"first_delay_ms": 300}}'
  assert_status 200
  assert_at_least "$(told_us upstream)" 299000
}

@test "timing: another upstream was asked before -> that time is told as well" {
  gw_chat dead
  assert_status 200
  assert_header X-RoleMesh-Attempts 2
  assert_equal "$(told_names)" 'auth queue retry connect upstream gateway'
}

@test "timing: a turn that is waited for -> a time of its own" {
  QUEUED_BEFORE=$(gw_counter queued)
  ask first single
  at alpha first
  ask second single
  waits 1
  wait_ms 200
  fake_go alpha
  at alpha second
  fake_go alpha
  assert_equal "$(status_of second)" 200
  headers=$(tr -d '\r' <"$ASKED/second.head")
  assert_equal "$(told_names)" 'auth queue connect upstream gateway'
  assert_at_least "$(told_us queue)" 200000
}

@test "timing: a head that goes out before the answer has begun -> what is known by then" {
  local out=$BATS_TEST_TMPDIR/stream
  fake_mode alpha '{"pings": 1, "wait_tokens": true, "tokens": 1}'
  stream_to "$out" /v1/chat/completions "$(sse_json /v1/chat/completions planner)"
  fake_go alpha
  wait_until 10 has_comments "$out"
  wait_until 20 goes_to_its_end
  stream_wait
  fake_mode alpha '{}'
  headers=$(tr -d '\r' <"$out.head")
  assert_equal "$(told_names)" 'auth queue connect gateway'
}

@test "timing: answers of the gateway's own -> no such header" {
  gw_get /v1/models
  run ! header Server-Timing
  gw_chat unknown
  assert_status 404
  run ! header Server-Timing
  gw_chat lost
  assert_status 502
  run ! header Server-Timing
}

@test "timing: a page of another origin -> may read it" {
  gw_chat planner '{}' -H 'Origin: https://app.example'
  assert_header Access-Control-Expose-Headers '/Server-Timing/'
}

@test "timing: the documentation -> each time by its name" {
  local word
  while read -r word; do
    grep -q "^ *$word: " <<<"$(sed -n '/Server-Timing:/,/x-ratelimit/p' "$TOP_SRCDIR/doc/openapi.yaml" | sed 's/`//g')"
  done < <(sed -n 's/^TIME([A-Z]*, "\([a-z]*\)".*/\1/p' "$TOP_SRCDIR/src/serve/server_timing.def")
}
