#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 540-replay.bats - answers of a real llama-server, recorded with their framing,
# come through the gateway byte for byte, however the upstream's writes are cut;
# where the recording broke off, one error event follows and nothing else.
#
# The bytes to expect are what curl gets from the scripted upstream directly.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all

setup_file() {
  gw_setup
  fake_start alpha
  mkdir "$GW_DIR/cut"
  fake_start cut --fixtures "$GW_DIR/cut"
  gw_config <<YAML
models:
  planner:
    type: proxy
    proxy_url: $FAKE_URL_alpha
  loading:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    timeouts: {first_byte_s: 3}
  cut:
    type: proxy
    proxy_url: $FAKE_URL_cut
    retry: {attempts: 0}
YAML
  gw_start
}

teardown_file() {
  gw_teardown
}

setup() {
  OUT=$BATS_TEST_TMPDIR
}

teardown() {
  gw_dump_if_failed
}

# answer OUT URL MODEL FILE [SPLIT] - a recording through that address, SPLIT
# bytes a write: OUT.body, OUT.head and OUT.result, which is curl's exit status,
# the HTTP status and the type. Exit status 18: broken off.
answer() {
  local out=$1 url=$2 model=$3 name=$4 split=${5:-0} result status=0
  : >"$out.body"
  result=$(curl -sSN -o "$out.body" -D "$out.head" -w '%{http_code} %{content_type}' \
    --max-time 600 -H 'Content-Type: application/json' --data-binary "{\"model\": \"$model\",
      \"stream\": true, \"fake\": {\"raw_file\": \"$name\", \"raw_split\": $split}}" \
    "$url/v1/chat/completions" 2>"$out.err") || status=$?
  echo "$status $result" >"$out.result"
}

# assert_same WANT GOT WHAT - status, type and body are those of the upstream.
assert_same() {
  assert_equal "$(<"$2.result")" "$(<"$1.result")" "result of $3" || return 1
  cmp "$1.body" "$2.body" || _fail "body of $3 differs"
}

# assert_cut WANT GOT WHAT - the bytes that the upstream sent, and behind them
# one error event alone.
assert_cut() {
  local size
  size=$(stat -c %s "$1.body")
  assert_equal "$(<"$2.result")" "0 200 text/event-stream" "result of $3" || return 1
  cmp -n "$size" "$1.body" "$2.body" || _fail "body of $3 differs" || return 1
  # a line and an event that were left open are closed first
  assert_match "$(tail -c "+$((size + 1))" "$2.body")" $'^\n?\n?data: [^\n]*$' \
    "what follows in $3" || return 1
  assert_one_sse_error /v1/chat/completions upstream_protocol_error "$2.body"
}

# all_recordings SPLIT - all of them at one time: byte by byte takes a while.
all_recordings() {
  local file name n=0 cut=0
  local -a pids=()
  for file in "$TOP_SRCDIR"/tests/fixtures/upstream/*.http; do
    name=${file##*/}
    [[ $name != loading_* ]] || continue # waited for, a test of their own
    answer "$OUT/want-$name" "$FAKE_URL_alpha" planner "$name" 3>&- 4>&- &
    pids+=("$!")
    answer "$OUT/got-$name" "$GW_URL" planner "$name" "$1" 3>&- 4>&- &
    pids+=("$!")
  done
  wait "${pids[@]}"
  for file in "$OUT"/want-*.result; do
    name=${file##*/want-}
    name=${name%.result}
    case $(<"$file") in
    '0 '*)
      assert_same "$OUT/want-$name" "$OUT/got-$name" "$name"
      ;;
    *)
      assert_equal "$(<"$file")" '18 200 text/event-stream' "the recording $name"
      assert_cut "$OUT/want-$name" "$OUT/got-$name" "$name"
      ((cut += 1))
      ;;
    esac
    ((n += 1))
  done
  assert_between "$n" 29 1000 recordings
  assert_between "$cut" 2 9 'recordings that broke off'
}

@test "replay: every recorded answer, written in one piece -> the same bytes" {
  all_recordings 0
}

@test "replay: every recorded answer, written byte by byte -> the same bytes" {
  all_recordings 1
}

@test "replay: every recorded answer, written 7 bytes at a time -> the same bytes" {
  all_recordings 7
}

# through MODEL FILE - one recording through the gateway, as gw_request leaves it.
through() {
  gw_post /v1/chat/completions "{\"model\": \"$1\", \"stream\": true,
    \"fake\": {\"raw_file\": \"$2\"}}" -N
}

@test "replay: 503 Loading model until first_byte_s is over -> passes untouched" {
  through loading loading_v1_chat_completions.503.http
  assert_status 503
  assert_header Content-Type 'application/json; charset=utf-8'
  assert_equal "$body" '{"error":{"message":"Loading model","type":"unavailable_error","code":503}}'
}

@test "replay: the upstream got SIGTERM in mid-stream -> its last ping, then one error event" {
  through planner sigterm-midstream.http
  assert_sse '[.[-2:][] | keys[0]]' '["comment","data"]'
  assert_one_sse_error /v1/chat/completions upstream_protocol_error
}

@test "replay: the upstream's own worker died, a clean end -> its line of text, no event added" {
  through planner router-child-killed-midstream.http
  assert_equal "$curl_status" 0
  assert_match "$(tail -n 1 "$body_file")" 'proxy error: Failed to read connection$'
  assert_sse '[.[] | .json | objects | select(has("error"))] | length' 0
}

# --- cut anywhere ---

# cut_at FILE BYTE - the name of that recording's beginning.
cut_at() {
  local name=${1%.http}-$2.http
  head -c "$2" "$TOP_SRCDIR/tests/fixtures/upstream/$1" >"$GW_DIR/cut/$name"
  echo "$name"
}

@test "replay: a stream cut anywhere -> what came, closed off, and one error event" {
  local whole=completions-stream.http name at n=0
  local body_at size
  size=$(stat -c %s "$TOP_SRCDIR/tests/fixtures/upstream/$whole")
  body_at=$(LC_ALL=C grep -abom 1 'data: ' "$TOP_SRCDIR/tests/fixtures/upstream/$whole" |
    head -n 1 | cut -d: -f1)
  for ((at = body_at + 1; at < size; at += 149)); do
    name=$(cut_at "$whole" "$at")
    answer "$OUT/want" "$FAKE_URL_cut" cut "$name"
    assert_equal "$(<"$OUT/want.result")" '18 200 text/event-stream' "the recording $name"
    answer "$OUT/got" "$GW_URL" cut "$name"
    assert_cut "$OUT/want" "$OUT/got" "$name"
    ((n += 1))
  done
  assert_between "$n" 15 100 cuts
}

@test "replay: a stream cut inside its head, or right behind it -> 502" {
  local at body_at
  body_at=$(LC_ALL=C grep -abPm 1 '^\r$' \
    "$TOP_SRCDIR/tests/fixtures/upstream/completions-stream.http" | cut -d: -f1)
  for at in 1 9 20 60 130 $((body_at + 2)); do
    through cut "$(cut_at completions-stream.http "$at")"
    assert_error 502 upstream_protocol_error || _fail "cut at byte $at"
  done
}

@test "replay: a short whole answer cut anywhere -> 502" {
  local at size
  size=$(stat -c %s "$TOP_SRCDIR/tests/fixtures/upstream/chat.http")
  for ((at = 1; at < size; at += 61)); do
    through cut "$(cut_at chat.http "$at")" >"$OUT/log"
    assert_error 502 upstream_protocol_error || _fail "cut at byte $at"
  done
}
