#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 970-clients.bats - clients of auth.clients: who they are, and how many requests
# each may have under way, over all processes, whatever becomes of those.
#
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # helpers set variables; a test is a subshell

load helpers/all

setup() {
  gw_setup
  fake_start alpha
}

teardown() {
  gw_teardown
}

hash_of() {
  printf %s "$1" | sha256sum | cut -d' ' -f1
}

# two_of_carol [CLIENTS] - a configuration whose carol may have two requests under
# way; more of auth.clients in front of her.
two_of_carol() {
  gw_config <<YAML
gateway: {sse_keepalive_s: 0.5}
auth:
  client_api_keys: [plain-key]
  operator_keys: [operator-key]
  clients:
    - {name: alice, key: alice-key}
    - {name: bob, key_sha256: $(hash_of bob-key)}
    ${1:-- {name: carol, key: carol-key, max_concurrency: 2\}}
models:
  planner: {type: proxy, proxy_url: "$FAKE_URL_alpha"}
YAML
}

begin() {
  two_of_carol
  GW_WORKERS=4 gw_start
}

# as KEY - a chat with that key.
as() {
  GW_KEY=$1 gw_chat planner '{}'
}

is_served() {
  as "$1" >/dev/null
  [[ $status_code == 200 ]]
}

# hold NAME KEY - a stream that is under way, its first token sent, until it is told
# to go on; curl's pid in PID_NAME.
hold() {
  local waiting
  waiting=$(fake_stats alpha .waiting)
  GW_KEY=$2 stream_to "$GW_DIR/$1" /v1/chat/completions \
    "$(chat_json planner '{"stream": true, "fake": {"tokens": 1, "wait_tokens": true}}')"
  printf -v "PID_$1" %s "$STREAM_PID"
  wait_until 10 fake_stat_is alpha .waiting "$((waiting + 1))"
}

assert_busy() {
  as "$1"
  assert_error 429 client_busy
  assert_json .error.type rate_limit_error
  assert_header Retry-After 1
  assert_match "$(jq -r .error.message <<<"$body")" '2 requests under way' message
}

# --- who it is ---

@test "clients: a key, a key whose hash is configured, a plain one -> served, each by its own name" {
  local name
  begin
  for name in alice bob; do
    as "$name-key"
    assert_status 200
    wait_until 5 gw_log_has "status=200 .* key=$name "
  done
  as plain-key
  assert_status 200
  wait_until 5 gw_log_has "status=200 .* key=$(hash_of plain-key | cut -c 1-8) "
  run ! grep -E '(alice|bob|plain)-key' "$GW_DIR/gateway.log"
}

@test "clients: the hash itself, a wrong key, none -> 401" {
  local key
  begin
  for key in "$(hash_of bob-key)" bob-kez alice ''; do
    as "$key"
    assert_error 401 invalid_api_key
  done
}

@test "clients: an operator's key -> the model list, and no model" {
  begin
  GW_KEY=operator-key
  gw_get /v1/models
  assert_status 200
  gw_get /v1/models/planner
  assert_status 200
  gw_chat planner
  assert_error 401 invalid_api_key
  gw_post /v1/nodes/deregister '{"node_id": "n1"}' -H 'X-RoleMesh-Node-Key: operator-key'
  assert_error 404 node_not_registered # anybody may: there are no keys for nodes
}

@test "clients: 4,096 of them in one file -> each is known, nobody else" {
  local i
  {
    echo "auth:"
    echo "  clients:"
    for ((i = 0; i < 4096; i++)); do
      echo "    - {name: c$i, key: key-number-$i, max_concurrency: 4, requests_per_minute: 600}"
    done
    echo "models: {planner: {type: proxy, proxy_url: \"$FAKE_URL_alpha\"}}"
  } | gw_config
  gw_start
  for i in 0 1 2047 4094 4095; do
    as "key-number-$i"
    assert_status 200
    wait_until 5 gw_log_has "status=200 .* key=c$i "
  done
  as key-number-4096
  assert_error 401 invalid_api_key
}

# --- how many at once ---

@test "clients: as many under way as it may -> one more is 429 client_busy, others are served" {
  begin
  hold one carol-key
  hold two carol-key
  assert_busy carol-key
  refute_header X-RateLimit-Limit-Requests
  as alice-key
  assert_status 200
  as plain-key
  assert_status 200
  # what needs no model is not counted, nor refused
  GW_KEY=carol-key gw_get /v1/models
  assert_status 200
  assert_busy carol-key
  assert_equal "$(gw_counter client_busy)" 2 'refused'
  fake_go alpha 2
  fake_go alpha 2
  wait_until 10 is_served carol-key
}

@test "clients: a client leaves its streams -> others of it are served" {
  begin
  hold one carol-key
  hold two carol-key
  assert_busy carol-key
  kill "$PID_one"
  wait_until 10 is_served carol-key
  wait_until 10 fake_stat_is alpha .waiting 1
  hold three carol-key
  assert_busy carol-key
  kill "$PID_two" "$PID_three"
  wait_until 10 gw_holds_nothing
}

@test "clients: many at once, over four processes -> never one too many upstream" {
  local seen
  begin
  fake_mode alpha '{"head_delay_ms": 20}'
  seen=$(node "$TOP_SRCDIR/tests/bats/helpers/load.mjs" "$GW_URL/v1/chat/completions" \
    400 40 '{"model":"planner","messages":[]}' carol-key)
  assert_equal "$(jq '.status | add' <<<"$seen")" 400 answers
  assert_equal "$(jq -c '.status | keys' <<<"$seen")" '["200","429"]' 'what they were'
  assert_equal "$(fake_stats alpha .max_concurrent)" 2 'most at one time'
  assert_equal "$(fake_count alpha)" "$(jq '.status["200"]' <<<"$seen")" 'asked upstream'
  wait_until 5 gw_holds_nothing
}

@test "clients: a request that is refused for its key or its body -> holds no place" {
  local i
  begin
  for i in 1 2 3 4 5; do
    GW_KEY=carol-key gw_post /v1/chat/completions 'no json'
    assert_error 400 invalid_json
    GW_KEY=carol-key gw_chat nobody
    assert_error 404 model_not_found
  done
  as carol-key
  assert_status 200
}

# --- what becomes of processes and files ---

@test "clients: another order, another name, the key's hash -> the same client, its streams count" {
  begin
  hold one carol-key
  hold two carol-key
  two_of_carol "- {name: dora, key: dora-key}
    - {name: caroline, key_sha256: $(hash_of carol-key), max_concurrency: 2}"
  wait_until 5 is_served dora-key
  # all of the processes
  for _ in 1 2 3 4 5 6 7 8; do
    assert_busy carol-key
  done
  wait_until 5 gw_log_has 'status=429 .* key=caroline '
  # a wider limit is in force at once, for what is under way as well
  two_of_carol "- {name: carol, key: carol-key, max_concurrency: 3}"
  wait_until 5 is_served carol-key
  hold three carol-key
  as carol-key
  assert_error 429 client_busy
  fake_go alpha 3
  fake_go alpha 3
  wait_until 10 gw_holds_nothing
}

# holders - pids of those that have a request open.
holders() {
  local pid
  for pid in $(gw_responders inference); do
    (($(gw_gauge_of open_requests "$pid") == 0)) || echo "$pid"
  done
}

@test "clients: a process is killed with its stream -> within a second that place is free" {
  local pids
  begin
  hold one carol-key
  hold two carol-key
  assert_busy carol-key
  mapfile -t pids < <(holders)
  kill -KILL "${pids[@]}"
  wait_until 10 is_served carol-key
  wait_until 10 gw_holds_nothing
}

@test "clients: a process that holds places stands still -> they count, and nobody waits for it" {
  local pid
  begin
  hold one carol-key
  pid=$(holders)
  kill -STOP "$pid"
  # the web server gives each to one that has nothing to do
  hold two carol-key
  for _ in 1 2 3 4; do
    assert_busy carol-key
  done
  as alice-key
  assert_status 200
  kill -CONT "$pid"
  fake_go alpha 2
  fake_go alpha 2
  wait_until 10 gw_holds_nothing
}

@test "clients: the file of the shared memory is taken away -> what is under way counts still" {
  local shm=/dev/shm/${ROLE_MESH_SHM#/}
  begin
  hold one carol-key
  hold two carol-key
  rm "$shm"
  wait_until 10 gw_log_has event=shm_moved
  wait_until 10 gw_in_flight_is 4
  for _ in 1 2 3 4 5 6 7 8; do
    assert_busy carol-key
  done
  fake_go alpha 2
  fake_go alpha 2
  wait_until 10 is_served carol-key
}

# A stream counts at its candidate and at its client.
gw_in_flight_is() {
  [[ $(gw_in_flight) == "$1" ]]
}
