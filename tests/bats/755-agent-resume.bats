#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 755-agent-resume.bats - a stream behind an agent breaks: its llama-server died,
# or the agent is stopped. Another node goes on with it.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all

setup() {
  gw_setup
  gw_config <<YAML
gateway: {sse_keepalive_s: 0}
models:
  planner: {type: discovered, resume: true}
  plain: {type: discovered, role: planner}
YAML
  gw_start
  node_up east '{"tokens": 6, "wait_tokens": true}'
}

teardown() {
  gw_teardown
}

# node_up NAME SCRIPT - an agent whose model answers so.
node_up() {
  agent_node "$1" <<YAML
shutdown_grace_s: 0
models:
- {model_id: $1-plan, path: $(fake_model "$1-plan" "script=$2"), roles: [planner]}
YAML
  agent_start "$1"
  wait_until 10 gw_node_has "$1" '.metrics.models | length' 1
}

# begin ALIAS - a stream from the node east stands still after its second token; then
# the node west is there, too.
begin() {
  stream_to "$BATS_TEST_TMPDIR/s" /v1/chat/completions "$(chat_json "$1" '{"stream": true}')"
  llama_go east-plan
  wait_until 10 stream_has "$BATS_TEST_TMPDIR/s" 1
  llama_go east-plan
  wait_until 10 stream_has "$BATS_TEST_TMPDIR/s" 2
  node_up west '{"tokens": 6}'
}

assert_went_on() {
  local said=$BATS_TEST_TMPDIR/s.text
  stream_wait
  stream_text "$BATS_TEST_TMPDIR/s" >"$said"
  assert_sse '[.[].json | objects | .choices[0].delta.content? | strings] | join("")' \
    t1t2t3t4t5t6 "$said"
  assert_sse '[.[] | select(.json.error?)] | length' 0 "$said"
  assert_sse '[.[].comment? | strings | select(test("resumed on"))]' \
    '[" resumed on west"]' "$said"
  assert_sse '.[-1].data' '[DONE]' "$said"
}

@test "agent: its llama-server dies in mid-stream -> another node goes on" {
  begin planner
  kill -KILL "$(llama_last east-plan .pid)"
  assert_went_on
}

@test "agent: it is stopped in mid-stream -> another node goes on" {
  begin planner
  agent_stop east
  assert_went_on
}

@test "agent: its llama-server dies in mid-stream, no resume -> one error event" {
  begin plain
  kill -KILL "$(llama_last east-plan .pid)"
  stream_wait
  stream_text "$BATS_TEST_TMPDIR/s" >"$BATS_TEST_TMPDIR/s.text"
  assert_one_sse_error /v1/chat/completions upstream_protocol_error "$BATS_TEST_TMPDIR/s.text"
}
