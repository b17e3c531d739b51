#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 735-agent-alone.bats - node agents whose gateway is down, restarted, refuses
# them or is none: local service goes on all the time, and they register as soon
# as that is possible.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all

setup() {
  gw_setup
  export NODE_KEY=the-node-key AGENT_KEY=the-agent-key
  unset NODE_GATEWAY
}

teardown() {
  gw_teardown
}

# gateway [AUTH] - one that knows the role planner.
gateway() {
  gw_config <<YAML
gateway: {probe_ttl_s: 0, probe_timeout_s: 60}
auth: ${1:-{node_api_keys: [the-node-key], upstream_node_key: the-agent-key\}}
models: {planner: {type: discovered}}
YAML
  gw_start
}

# agent [YAML] - one that serves it; with further lines of configuration.
agent() {
  agent_node a <<YAML
${1:-}
models: [{model_id: m-plan, path: $(fake_model m-plan), roles: [planner]}]
YAML
  GW_LOG_LEVEL=debug agent_start a
}

assert_local_service() {
  agent_chat a m-plan
  assert_status 200
  agent_get a /v1/models
  assert_json '.data[0].state' ready
}

# dispatcher_is FILTER VALUE - of the inventory; for wait_until.
dispatcher_is() {
  [[ $(agent_inventory a ".dispatcher | $1") == "$2" ]]
}

# failures - how often the gateway could not be told; failed N - for wait_until.
failures() {
  grep -cE 'event=gateway_(failed|retry)' "$GW_DIR/agent-a.log"
}

failed() {
  (($(failures) >= $1))
}

# registrations_are N - for wait_until.
registrations_are() {
  [[ $(grep -c event=gateway_registered "$GW_DIR/agent-a.log") == "$1" ]]
}

# The first three: each is at least half of what it may be, and that doubles.
assert_waits_grow() {
  local -a waits
  mapfile -t waits < <(sed -nE 's/.*event=gateway_(failed|retry) .*retry_in_ms=([0-9]+) .*/\2/p' \
    "$GW_DIR/agent-a.log")
  ((waits[0] < waits[1] && waits[1] < waits[2])) || _fail "waits: ${waits[*]}"
}

# --- it is down ---

@test "agent: the gateway is down -> local service, tries with growing waits, then it registers" {
  agent
  assert_local_service
  wait_until 20 failed 3
  assert_local_service
  assert_equal "$(agent_inventory a '.dispatcher | [.registered, .error, .last_ok]')" \
    '[false,"connection refused",null]'
  assert_waits_grow
  agent_log_has a "event=gateway_failed url=$GW_URL/v1/nodes/register .*reason=\"connection refused\""
  gateway
  wait_until 20 gw_node_has a .status fresh
  gw_chat planner
  assert_status 200
  wait_until 10 dispatcher_is '[.registered, .error]' '[true,null]'
}

@test "agent: the gateway is restarted and forgot its nodes -> the agent registers again" {
  gateway
  agent 'heartbeat_interval_s: 0.3'
  wait_until 10 gw_node_has a .status fresh
  gw_stop
  wait_until 10 failed 1
  wait_until 10 dispatcher_is .error 'connection refused'
  assert_local_service
  gw_start
  wait_until 20 gw_node_has a .status fresh
  gw_chat planner
  assert_status 200
  wait_until 10 registrations_are 2
}

@test "agent: the gateway goes, comes back, refuses -> one line each, however often it was tried" {
  fake_start gateway
  NODE_GATEWAY=$FAKE_URL_gateway agent 'heartbeat_interval_s: 0.3'
  wait_until 10 agent_log_has a event=gateway_registered
  fake_stop gateway
  wait_until 20 failed 3
  assert_equal "$(log_lines gateway_failed)" 1 'lines when it went'
  assert_equal "$(log_lines gateway_back)" 0 'lines while it is away'
  fake_start gateway
  wait_until 20 agent_log_has a 'event=gateway_back .*failures=[3-9]'
  fake_mode gateway '{"heartbeat_status": 401}'
  wait_until 20 failed 5
  assert_equal "$(log_lines gateway_back)" 1 'lines when it came back'
}

log_lines() { # log_lines EVENT
  grep -c "event=$1 " "$GW_DIR/agent-a.log" || true
}

@test "agent: the gateway forgot its node in between -> the agent registers again, nothing failed" {
  gateway
  agent 'heartbeat_interval_s: 0.3'
  wait_until 10 gw_node_has a '.metrics.models | length' 1
  GW_KEY=the-node-key gw_post /v1/nodes/deregister '{"node_id": "a"}'
  assert_status 200
  wait_until 10 gw_node_has a '.metrics.models | length' 1
  assert_equal "$(failures)" 0 failures
}

@test "agent: the gateway takes it and knows it no more each time -> waits grow there, too" {
  fake_start gateway
  fake_mode gateway '{"heartbeat_status": 404}'
  NODE_GATEWAY=$FAKE_URL_gateway agent
  wait_until 20 failed 3
  assert_waits_grow
  (($(fake_count gateway /v1/nodes/register) >= 3))
  assert_local_service
}

@test "agent: the gateway is down -> SIGTERM ends the agent with status 0" {
  agent
  assert_local_service
  wait_until 10 failed 1
  AGENT_STOP_S=10 agent_stop a
  assert_equal "$agent_status" 0
  run ! agent_log_has a event=gateway_left
}

@test "agent: the gateway went down after the registration -> SIGTERM ends the agent with status 0" {
  gateway
  agent
  wait_until 10 gw_node_has a .status fresh
  gw_stop
  AGENT_STOP_S=10 agent_stop a
  assert_equal "$agent_status" 0
}

@test "agent: the gateway hangs -> SIGTERM ends the agent with status 0" {
  fake_start gateway
  fake_mode gateway '{"never": true}'
  NODE_GATEWAY=$FAKE_URL_gateway agent
  wait_until 10 fake_stat_is gateway .active 1
  assert_local_service
  AGENT_STOP_S=10 agent_stop a
  assert_equal "$agent_status" 0
}

# --- what the gateway thinks of freshness ---

@test "agent: its interval is too long for the gateway -> it keeps to the gateway's" {
  local seen=0 renewed=0 before=0 now
  ROLE_MESH_NODE_STALE_AFTER_S=2 gateway
  agent 'heartbeat_interval_s: 10'
  wait_until 10 gw_node_has a .status fresh
  wait_until 10 agent_log_has a 'event=gateway_registered .*heartbeat_interval_ms=666'
  # five times younger than the look before: for longer than it could be fresh
  for ((seen = 0; renewed < 5; seen++)); do
    now=$(gw_node a '.last_seen_s * 10 | round')
    ((now >= before)) || renewed=$((renewed + 1))
    before=$now
    ((seen < 600)) || _fail "renewed $renewed times only"
    sleep 0.05
  done
  wait_until 10 gw_node_has a .status fresh
}

@test "agent: its interval is shorter than the gateway's -> its own" {
  gateway
  agent 'heartbeat_interval_s: 0.5'
  wait_until 10 agent_log_has a 'event=gateway_registered .*heartbeat_interval_ms=500'
}

# --- keys and addresses ---

@test "agent: the gateway refuses its key -> log and inventory name both keys, local service goes on" {
  gateway
  NODE_KEY=another-key agent
  wait_until 10 failed 2
  agent_log_has a 'event=gateway_failed.*HTTP 401.*dispatcher_api_key.*auth\.node_api_keys'
  run ! grep -qF another-key "$GW_DIR/agent-a.log"
  dispatcher_is '[.registered, (.error | test("dispatcher_api_key"))]' '[false,true]'
  assert_local_service
  assert_equal "$(gw_node a)" ''
}

@test "agent: the gateway has no key for it -> /v1/models says that the node wants another one" {
  gateway '{node_api_keys: [the-node-key]}'
  agent
  wait_until 10 gw_node_has a .status fresh
  assert_equal "$(gw_node a '[.reachable, .reason]')" \
    '[false,"HTTP 401: the upstream wants another key"]'
  gw_get /v1/models
  assert_json '.rolemesh.unavailable_models[0].reason' \
    'no fresh node is reachable: a: HTTP 401: the upstream wants another key'
  gw_chat planner
  assert_error 401 invalid_api_key
  assert_header X-RoleMesh-Node a
}

@test "agent: dispatcher_base_url ends in /v1 -> registers" {
  gateway
  NODE_GATEWAY=$GW_URL/v1 agent
  wait_until 10 gw_node_has a .status fresh
}

@test "agent: dispatcher_base_url ends in a slash -> registers" {
  gateway
  NODE_GATEWAY=$GW_URL/ agent
  wait_until 10 gw_node_has a .status fresh
}

# --- what is no gateway ---

# not_a_gateway SCRIPT REGEX - registering at a server that answers like that
# fails, for that reason, more than once, and harms nobody.
not_a_gateway() {
  fake_start gateway
  fake_mode gateway "$1"
  NODE_GATEWAY=$FAKE_URL_gateway agent
  assert_local_service
  wait_until 20 failed 2
  agent_log_has a "event=gateway_(failed|retry) .*failures=2 retry_in_ms=[0-9]+ reason=.*$2"
  dispatcher_is '[.registered, (.error | length > 0)]' '[false,true]'
  assert_local_service
  assert_equal "$(fake_last gateway .path)" /v1/nodes/register
}

@test "agent: the gateway answers with bytes that are no HTTP -> tried again, local service goes on" {
  not_a_gateway '{"garbage": true}' ''
}

@test "agent: the gateway answers 500 -> tried again, its words are logged, local service goes on" {
  not_a_gateway '{"status": 500, "body": "{\"error\": {\"message\": \"out of order\"}}"}' \
    'HTTP 500.*out of order'
}

@test "agent: the gateway redirects -> not followed, tried again, local service goes on" {
  fake_start elsewhere
  not_a_gateway "{\"redirect\": \"$FAKE_URL_elsewhere/v1/nodes/register\"}" 'HTTP 302'
  assert_equal "$(fake_count elsewhere)" 0 'requests after the redirect'
}

@test "agent: the gateway closes without an answer -> tried again, local service goes on" {
  not_a_gateway '{"close_before_answer": true}' ''
}

@test "agent: the gateway is some web site -> that is no registration, local service goes on" {
  not_a_gateway '{"status": 200, "content_type": "text/html", "body": "<html>It works!</html>"}' \
    'no gateway'
}

@test "agent: the gateway's address has no such path -> the log says what to check" {
  not_a_gateway '{"status": 404}' 'HTTP 404.*dispatcher_base_url'
}

@test "agent: the gateway cannot be connected -> local service goes on, SIGTERM ends it" {
  blackhole_start
  NODE_GATEWAY=$BLACKHOLE_URL agent
  assert_local_service
  dispatcher_is '[.registered, .last_ok]' '[false,null]'
  AGENT_STOP_S=10 agent_stop a
  assert_equal "$agent_status" 0
}

@test "agent: the gateway hangs in mid-answer -> local service goes on, SIGTERM ends it" {
  fake_start gateway
  fake_mode gateway '{"head_delay_ms": 1000000}'
  NODE_GATEWAY=$FAKE_URL_gateway agent
  wait_until 10 fake_stat_is gateway .active 1
  assert_local_service
  AGENT_STOP_S=10 agent_stop a
  assert_equal "$agent_status" 0
}
