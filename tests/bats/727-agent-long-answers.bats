#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 727-agent-long-answers.bats - a llama-server, or a gateway, whose headers or
# trailers do not end: 64 KiB of them are read, and no more.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all

setup() {
  gw_setup
  raw_files "$GW_DIR/raw"
}

teardown() {
  gw_teardown
}

# agent [GATEWAY]
agent() {
  export FAKE_FIXTURES=$GW_DIR/raw
  NODE_GATEWAY=${1:-null} agent_node a <<YAML
heartbeat_interval_s: 0.3
models: [{model_id: m-plan, path: $(fake_model m-plan), roles: [planner]}]
YAML
  agent_start a
}

@test "agent: a llama-server's headers and trailers of 64 KiB pass, more is a protocol error" {
  fake_start gateway
  agent "$FAKE_URL_gateway"
  agent_chat a m-plan '{"fake": {"raw_file": "trailers-fit"}}'
  assert_status 200
  assert_equal "$body $curl_status" '{} 0'
  agent_chat a m-plan '{"fake": {"raw_file": "headers"}}'
  assert_error 502 upstream_protocol_error
  assert_match "$body" 'over 64 KiB'
  agent_chat a m-plan '{"fake": {"raw_file": "one-line"}}'
  assert_error 502 upstream_protocol_error
  agent_chat a m-plan '{"fake": {"raw_file": "trailers"}}'
  assert_error 502 upstream_protocol_error
  assert_match "$body" 'over 64 KiB'
  agent_chat a m-plan '{"stream": true, "fake": {"raw_file": "stream-trailers"}}'
  assert_one_sse_error /v1/chat/completions upstream_protocol_error
  agent_chat a m-plan
  assert_status 200
}

@test "agent: a gateway's answer with more than 64 KiB of headers or trailers -> it failed, and is tried again" {
  local kind
  fake_start gateway --fixtures "$GW_DIR/raw"
  fake_mode gateway '{"raw_file": "trailers"}'
  agent "$FAKE_URL_gateway"
  for kind in trailers headers one-line; do
    fake_mode gateway "{\"raw_file\": \"$kind\"}"
    wait_until 20 dispatcher_says '64 KiB'
    fake_mode gateway '{}'
    wait_until 20 dispatcher_says null
    assert_equal "$(agent_inventory a .dispatcher.registered)" true "behind $kind"
  done
}

dispatcher_says() {
  [[ $(agent_inventory a .dispatcher.error) == *"$1"* ]]
}
