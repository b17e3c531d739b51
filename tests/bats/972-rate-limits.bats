#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 972-rate-limits.bats - how often a client may ask: a bucket of N, refilled evenly,
# N a minute, exact over all processes; and what it is told about that.
#
# A bucket is refilled while a test runs, so each counts what it may have got
# meanwhile: a machine that stands still may see more served, never less.
#
# shellcheck disable=SC2030,SC2031,SC2034,SC2154,SC2218 # helpers set variables; a test is a subshell

load helpers/all
load helpers/webservers

setup() {
  gw_setup
  fake_start alpha
}

teardown() {
  web_teardown
}

# limits [CLIENTS] - alice may ask 6 times a minute, bob 60, carol 20; more of
# auth.clients in front of them.
limits() {
  gw_config <<YAML
gateway: {sse_keepalive_s: 0.5, cors_origins: ["https://app.example"]}
auth:
  clients:
    ${1:-}
    - {name: alice, key: alice-key, requests_per_minute: ${ALICE:-6}}
    - {name: bob, key: bob-key, requests_per_minute: 60}
    - {name: carol, key: carol-key, requests_per_minute: 20}
    - {name: both, key: both-key, requests_per_minute: 6, max_concurrency: 1}
    - {name: free, key: free-key}
models:
  planner: {type: proxy, proxy_url: "$FAKE_URL_alpha"}
YAML
}

begin() {
  limits
  GW_WORKERS=4 gw_start
}

as() {
  local key=$1
  shift
  GW_KEY=$key gw_chat planner '{}' "$@"
}

is_served() {
  as "$1" >/dev/null
  [[ $status_code == 200 ]]
}

# load KEY COUNT - that many chats, 40 at once; sets SERVED, REFUSED.
load() {
  local seen
  seen=$(node "$TOP_SRCDIR/tests/bats/helpers/load.mjs" "$GW_URL/v1/chat/completions" \
    "$2" 40 '{"model":"planner","messages":[]}' "$1")
  echo "$seen"
  SERVED=$(jq '.status["200"] // 0' <<<"$seen")
  REFUSED=$(jq '.status["429"] // 0' <<<"$seen")
  assert_equal "$((SERVED + REFUSED))" "$2" 'answers'
}

# assert_told LIMIT - the three headers; sets REMAINING.
assert_told() {
  assert_header x-ratelimit-limit-requests "$1"
  assert_header x-ratelimit-remaining-requests '/^[0-9]+$/'
  assert_header x-ratelimit-reset-requests '/^([0-9]+m)?[0-9]+(\.[0-9]+)?s$|^[0-9]+ms$/'
  REMAINING=$(header x-ratelimit-remaining-requests)
}

refute_told() {
  refute_header x-ratelimit-limit-requests
  refute_header x-ratelimit-remaining-requests
  refute_header x-ratelimit-reset-requests
}

assert_limited() {
  assert_error 429 rate_limited
  assert_json .error.type rate_limit_error
  assert_header Retry-After '/^([1-9]|[1-5][0-9]|60)$/'
  assert_told "$1"
  assert_equal "$REMAINING" 0 'remaining requests'
}

# use_up - alice, who may ask once a minute, does; sets USED_UP, when.
use_up() {
  USED_UP=$(mono_ms)
  as alice-key
  assert_status 200
}

# assert_used_up - she is refused since then; where more than a minute has gone by
# meanwhile, she may have been served, once.
assert_used_up() {
  as alice-key
  if [[ $status_code == 200 ]] && (($(mono_ms) - USED_UP >= 60000)); then
    USED_UP=$(mono_ms)
    as alice-key
  fi
  assert_limited 1
}

# --- exact ---

@test "rate: 300 requests at once, over four processes -> as many as the bucket has, then what it is refilled with" {
  local begun ms
  begin
  begun=$(mono_ms)
  load alice-key 300
  ms=$(($(mono_ms) - begun))
  # one more each ten seconds
  assert_between "$SERVED" 6 "$((6 + ms / 10000))" served
  assert_equal "$(fake_count alpha)" "$SERVED" 'asked upstream'
  assert_equal "$(gw_counter rate_limited)" "$REFUSED" 'counted as refused'
  # nobody else is meant
  as bob-key
  assert_status 200
  assert_told 60
  assert_equal "$REMAINING" 59
  as free-key
  assert_status 200
  refute_told
}

@test "rate: a million a minute -> everything is served" {
  ALICE=1000000 limits
  GW_WORKERS=4 gw_start
  load alice-key 400
  assert_equal "$SERVED" 400 served
  as alice-key
  assert_told 1000000
}

@test "rate: one a minute -> one, and the next within the minute" {
  ALICE=1 limits
  gw_start
  use_up
  assert_told 1
  assert_equal "$REMAINING" 0
  assert_used_up
  assert_header Retry-After '/^(5[0-9]|60|[1-4][0-9]|[1-9])$/'
  assert_match "$(jq -r .error.message <<<"$body")" 'may ask 1 time a minute' message
}

@test "rate: told to come again in a second -> then it is served" {
  begin
  load bob-key 100
  assert_at_least "$SERVED" 60 served
  # until the bucket is empty at the very moment: it is refilled each second
  wait_until 10 is_refused bob-key
  assert_limited 60
  assert_header Retry-After 1
  wait_ms 1000
  as bob-key
  assert_status 200
}

is_refused() {
  as "$1" >/dev/null
  [[ $status_code == 429 ]]
}

# --- what is told ---

@test "rate: the headers of answers -> count down, to a 429 that says when to come again" {
  local left
  begin
  for left in 5 4 3 2 1 0; do
    as alice-key
    assert_status 200
    assert_told 6
    assert_at_least "$REMAINING" "$left" 'remaining requests'
  done
  wait_until 10 is_refused alice-key
  assert_limited 6
  assert_match "$(jq -r .error.message <<<"$body")" '6 times a minute' message
}

@test "rate: a stream, an early 200, an upstream's error -> the headers are there" {
  begin
  gw_post /v1/chat/completions "$(chat_json planner '{"stream": true}')" \
    -H 'Authorization: Bearer bob-key'
  assert_status 200
  assert_told 60
  gw_post /v1/chat/completions \
    "$(chat_json planner '{"stream": true, "fake": {"first_delay_ms": 2000}}')" \
    -H 'Authorization: Bearer bob-key'
  assert_status 200
  [[ $body == ':'* ]]
  assert_told 60
  GW_KEY=bob-key gw_chat planner '{"fake": {"status": 400}}'
  assert_status 400
  assert_told 60
  GW_KEY=bob-key gw_chat nobody
  assert_error 404 model_not_found
  assert_told 60
}

@test "rate: what is no request to a model, or nobody's -> not told, not counted" {
  begin
  GW_KEY=alice-key
  for _ in 1 2 3 4 5 6 7 8; do
    gw_get /v1/models
    assert_status 200
    refute_told
    gw_request PUT /v1/chat/completions
    assert_error 405 method_not_allowed
    refute_told
  done
  GW_KEY=wrong gw_chat planner
  assert_error 401 invalid_api_key
  refute_told
  gw_chat planner
  assert_told 6
  assert_equal "$REMAINING" 5
}

@test "rate: a page of another origin -> may read the headers" {
  begin
  as alice-key -H 'Origin: https://app.example'
  assert_status 200
  assert_header Access-Control-Expose-Headers \
    '/x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests/'
}

@test "rate: a body of unknown length, which the web server asks about first -> counts once" {
  begin
  as alice-key -H 'Transfer-Encoding: chunked'
  assert_status 200
  assert_told 6
  assert_equal "$REMAINING" 5
}

@test "rate: refused as busy -> nothing is taken from the bucket, and its state is told" {
  begin
  GW_KEY=both-key stream_to "$GW_DIR/s" /v1/chat/completions \
    "$(chat_json planner '{"stream": true, "fake": {"tokens": 1, "wait_tokens": true}}')"
  wait_until 10 fake_stat_is alpha .waiting 1
  for _ in 1 2 3 4 5 6 7 8; do
    as both-key
    assert_error 429 client_busy
    assert_header Retry-After 1
    assert_told 6
    assert_at_least "$REMAINING" 5
  done
  fake_go alpha
  fake_go alpha
  stream_wait
  wait_until 10 is_served both-key
}

@test "rate: refused as too often -> it holds no place, so that the next is refused as that as well" {
  begin
  load both-key 50
  wait_until 10 is_refused both-key
  assert_limited 6
  wait_until 5 gw_holds_nothing
}

# --- what becomes of processes, files and configurations ---

@test "rate: all processes are killed -> the bucket is as empty as it was" {
  local pids
  ALICE=1 limits
  GW_WORKERS=2 gw_start
  use_up
  mapfile -t pids < <(gw_responders)
  kill -KILL "${pids[@]}"
  wait_until 15 is_up_again
  assert_used_up
}

is_up_again() {
  gw_is_up && GW_KEY=free-key gw_chat planner >/dev/null && [[ $status_code == 200 ]]
}

@test "rate: another order, another name, the key's hash -> the bucket is as empty as it was" {
  ALICE=1 limits
  gw_start
  use_up
  ALICE=1 limits "- {name: dora, key: dora-key}"
  sed -i "s/{name: alice, key: alice-key/{name: al, key_sha256: $(printf alice-key | sha256sum | cut -d' ' -f1)/" "$GW_CONFIG"
  wait_until 5 is_served dora-key
  for _ in 1 2 3 4; do
    assert_used_up
  done
}

@test "rate: a wider limit -> in force at once; none -> no word about it" {
  ALICE=1 limits
  GW_WORKERS=1 gw_start
  use_up
  assert_used_up
  ALICE=600 limits "- {name: dora, key: dora-key}"
  wait_until 5 is_served dora-key
  wait_until 10 is_served alice-key
  as alice-key
  assert_told 600
  ALICE=0 limits "- {name: eve, key: eve-key}"
  wait_until 5 is_served eve-key
  as alice-key
  assert_status 200
  refute_told
}

@test "rate: the file of the shared memory is taken away -> the bucket is as empty as it was" {
  ALICE=1 limits
  gw_start
  use_up
  rm "/dev/shm/${ROLE_MESH_SHM#/}"
  wait_until 10 gw_log_has event=shm_moved
  for _ in 1 2 3 4; do
    assert_used_up
  done
}

@test "rate: a process stands still in the middle of its work -> the others count on" {
  local pid begun ms
  begin
  GW_KEY=alice-key stream_to "$GW_DIR/s" /v1/chat/completions \
    "$(chat_json planner '{"stream": true, "fake": {"tokens": 1, "wait_tokens": true}}')"
  begun=$(mono_ms)
  wait_until 10 fake_stat_is alpha .waiting 1
  for pid in $(gw_responders inference); do
    (($(gw_gauge_of open_requests "$pid") == 0)) || break
  done
  kill -STOP "$pid"
  SERVED=1
  for _ in 1 2 3 4 5 6 7 8; do
    as alice-key
    [[ $status_code != 200 ]] || SERVED=$((SERVED + 1))
  done
  ms=$(($(mono_ms) - begun))
  kill -CONT "$pid"
  assert_between "$SERVED" 6 "$((6 + ms / 10000))" served
  fake_go alpha
  fake_go alpha
}

# --- the official client, and other web servers ---

@test "rate: the openai client -> waits as it is told, and is served" {
  local seen
  gw_requires node
  if [[ ! -d $TOP_SRCDIR/tests/openai/node_modules/openai ]]; then
    echo "the client is not installed: ./bootstrap check, or npm ci in tests/openai" >&2
    return 1
  fi
  begin
  load carol-key 60 # one more each three seconds
  # again where the client came so late that there was one for it
  for _ in 1 2 3 4 5 6 7 8; do
    wait_until 10 is_refused carol-key
    seen=$(node "$TOP_SRCDIR/tests/openai/limits.mjs" carol-key)
    echo "$seen"
    [[ $(jq .statuses[0] <<<"$seen") == 200 ]] || break
  done
  assert_match "$(jq -r .text <<<"$seen")" 'hello there' answer
  # a retry that waits for its own half second would be refused once more
  assert_equal "$(jq -c .statuses <<<"$seen")" '[429,200]' 'answers it got'
  assert_between "$(jq .told_s <<<"$seen")" 1 3 'seconds it was told to wait'
  assert_at_least "$(jq .ms <<<"$seen")" "$(jq '.told_s * 1000' <<<"$seen")" 'ms it took'
}

@test "rate: behind Apache -> exact as well" {
  local begun ms
  limits
  web_start proxy
  begun=$(mono_ms)
  load alice-key 60
  ms=$(($(mono_ms) - begun))
  assert_between "$SERVED" 6 "$((6 + ms / 10000))" served
  wait_until 10 is_refused alice-key
  assert_limited 6
}
