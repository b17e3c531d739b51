#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 730-agent-gateway.bats - node agents that registered at a gateway: what it
# knows of them, how requests for a role pass through both, and what becomes of
# them when a model fails or an agent ends.
#
# Heartbeats come as seldom as the gateway allows here, so that what it knows
# soon after a change was told because of it.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all

setup_file() {
  gw_setup
  gw_config <<YAML
gateway: {probe_ttl_s: 0, probe_timeout_s: 60, sse_keepalive_s: 0}
auth: {node_api_keys: [the-node-key], upstream_node_key: the-agent-key}
models:
  planner: {type: discovered}
  code-helper: {type: discovered, role: code}
  spare: {type: discovered}
YAML
  gw_start
  export NODE_KEY=the-node-key AGENT_KEY=the-agent-key
  agent_node first <<YAML
heartbeat_interval_s: 3600
models:
- model_id: m-plan
  path: $(fake_model m-plan)
  roles: [planner, thinker]
  meta: {quant: Q5_K_M}
- {model_id: m-code, path: $(fake_model m-code), roles: [code]}
- {model_id: m-local, path: $(fake_model m-local)}
YAML
  agent_start first
  wait_until 10 gw_node_has first .metrics.models.\"m-code\".state stopped
}

teardown_file() {
  gw_teardown
}

# Agents but the first are a test's own. What the gateway was too busy to hear at
# their end it would believe for hours.
teardown() {
  local file
  gw_dump_if_failed
  for file in "$GW_DIR"/pids/stream-*; do
    [[ ! -e $file ]] || _stop_tracked "${file##*/}" 2
  done
  for file in "$GW_DIR"/pids/agent-*; do
    [[ -e $file && $file != */agent-first ]] || continue
    agent_stop "${file##*/agent-}"
    forget second
    forget "$(uname -n)"
  done
}

# forget ID - the gateway knows that node no more.
forget() {
  GW_KEY=$NODE_KEY gw_post /v1/nodes/deregister "{\"node_id\": \"$1\"}" >/dev/null
}

# second_node - the configuration of a test's own agent.
second_node() {
  { echo 'heartbeat_interval_s: 3600' && cat; } | agent_node second
}

# state_is ID MODEL STATE, answers MODEL STATUS, and their like - for wait_until.
state_is() {
  gw_node_has "$1" ".metrics.models[\"$2\"].state" "$3"
}

answers() {
  gw_chat "$1" >/dev/null
  [[ $status_code == "$2" ]]
}

# --- what the gateway knows ---

@test "agent: started -> the gateway lists the node with models, roles, meta and capacity" {
  assert_equal "$(gw_node first '[.status, .reachable, .served_models]')" \
    '["fresh",true,[{"model_id":"m-plan","roles":["planner","thinker"],"max_concurrency":2,"meta":{"quant":"Q5_K_M"}},{"model_id":"m-code","roles":["code"],"max_concurrency":2}]]'
  assert_equal "$(gw_node first '.meta | [.agent, .capacity.max_pending_per_device,
    (.capacity.devices | length), .capacity.devices[0].id,
    .capacity.devices[0].memory_total_mib > 0]')" \
    '["rolemesh-node-agent",8,1,"cpu:0",true]'
  gw_get /v1/models
  assert_json '[.data[].id]' '["planner","code-helper"]'
}

@test "agent: a model without roles -> served locally, the gateway is not told" {
  assert_equal "$(gw_node first '[.served_models[].model_id] | index("m-local")')" null
  gw_chat m-local
  assert_error 404 model_not_found
  agent_chat first m-local
  assert_status 200
}

@test "agent: node_id is not set -> the host's name" {
  second_node <<YAML
models: [{model_id: m-second, path: $(fake_model m-second), roles: [spare]}]
YAML
  sed -i /^node_id:/d "$GW_DIR/agent-second.yaml"
  agent_start second
  wait_until 10 gw_node_has "$(uname -n)" .status fresh
}

@test "agent: a heartbeat -> devices and the state of every model in the node's metrics" {
  assert_equal "$(gw_node first '.metrics.devices | [length, .[0].id,
    (.[0] | .memory_total_mib >= .memory_free_mib and .memory_free_mib > 0),
    (.[0] | .running, .pending | type)]')" '[1,"cpu:0",true,"number","number"]'
  assert_equal "$(gw_node first '.metrics.models | keys')" '["m-code","m-local","m-plan"]'
}

@test "agent: a model gets ready, then makes room -> the node's metrics say so at once" {
  gw_chat planner
  assert_status 200
  wait_until 10 state_is first m-plan ready
  assert_equal "$(gw_node first '.metrics.models["m-plan"] | [.device, .pending]')" '["cpu:0",0]'
  gw_chat code-helper
  assert_status 200
  wait_until 10 state_is first m-code ready
  wait_until 10 state_is first m-plan stopped
}

@test "agent: advertise_url -> what the gateway calls" {
  fake_start stand_in
  second_node <<YAML
advertise_url: $FAKE_URL_stand_in/v1
models: [{model_id: m-second, path: $(fake_model m-second), roles: [spare]}]
YAML
  agent_start second
  wait_until 10 answers spare 200
  assert_equal "$(jq -r .model "$(fake_body stand_in)")" m-second
  assert_equal "$(fake_header stand_in Authorization)" 'Bearer the-agent-key'
  assert_equal "$(llama_starts m-second)" 0
}

# --- requests through both ---

@test "agent: a request for a role -> its model answers; the headers name node and alias" {
  gw_chat code-helper '{"temperature": 0.25}'
  assert_status 200
  assert_header X-RoleMesh-Model code-helper
  assert_header X-RoleMesh-Node first
  assert_json '[.object, .model]' '["chat.completion","m-code"]'
  assert_equal "$(jq -c '[.model, .temperature]' "$(fake_body m-code)")" '["m-code",0.25]'
}

@test "agent: every inference endpoint -> reaches the llama-server under its own path" {
  local path
  for path in /v1/chat/completions /v1/completions /v1/embeddings /v1/responses /v1/messages \
    /v1/messages/count_tokens /v1/rerank; do
    gw_post "$path" '{"model": "planner", "fake": {"echo_headers": true}}'
    assert_status 200
    assert_json .path "$path"
  done
}

@test "agent: a request id -> the same for client, gateway, agent and llama-server" {
  gw_chat planner '{}' -H 'X-Request-Id: all-the-way-1'
  assert_header X-Request-Id all-the-way-1
  assert_equal "$(fake_header m-plan X-Request-Id)" all-the-way-1
  wait_until 5 agent_log_has first 'event=access.*rid=all-the-way-1'
}

@test "agent: a recorded stream -> the client gets the llama-server's bytes, whatever their framing" {
  local name
  agent_chat first m-plan # it is running, and the last one asked
  for name in chat-stream-usage chat-tools-stream completions-stream messages-stream \
    responses-stream; do
    name+=.http
    replay "http://127.0.0.1:$(llama_option m-plan --port)" "$name" "$BATS_TEST_TMPDIR/want" \
      -H "Authorization: Bearer $(llama_key m-plan)"
    replay "$GW_URL" "$name" "$BATS_TEST_TMPDIR/got"
    cmp "$BATS_TEST_TMPDIR/want" "$BATS_TEST_TMPDIR/got"
    [[ -s $BATS_TEST_TMPDIR/got ]]
  done
}

# replay URL FIXTURE FILE [CURL ARGS]
replay() {
  curl -sSN --noproxy '*' --max-time 20 -o "$3" -H 'Content-Type: application/json' \
    --data-binary "{\"model\": \"planner\", \"stream\": true,
      \"fake\": {\"raw_file\": \"$2\", \"raw_split\": 300}}" "${@:4}" "$1/v1/chat/completions"
}

@test "agent: a stream -> tokens reach the client while the answer is not complete" {
  stream_to "$BATS_TEST_TMPDIR/s" /v1/chat/completions \
    "$(chat_json planner '{"stream": true, "fake": {"tokens": 1000000, "delay_ms": 50}}')"
  wait_until 10 stream_has "$BATS_TEST_TMPDIR/s" 3
  assert_equal "$(llama_stats m-plan .active)" 1 'streams the llama-server is in'
}

@test "agent: the client of a stream leaves -> the llama-server is told through both" {
  stream_to "$BATS_TEST_TMPDIR/s" /v1/chat/completions \
    "$(chat_json planner '{"stream": true, "fake": {"tokens": 1000000, "delay_ms": 50}}')"
  wait_until 10 stream_has "$BATS_TEST_TMPDIR/s" 1
  kill "$STREAM_PID"
  stream_wait
  wait_until 10 no_stream m-plan
  wait_until 10 agent_model_has first m-plan .running 0
}

no_stream() {
  [[ $(llama_stats "$1" .active) == 0 ]]
}

@test "agent: its llama-server dies in mid-stream -> one error event, no end of a stream" {
  stream_to "$BATS_TEST_TMPDIR/s" /v1/chat/completions \
    "$(chat_json planner '{"stream": true, "fake": {"tokens": 1000000, "delay_ms": 50}}')"
  wait_until 10 stream_has "$BATS_TEST_TMPDIR/s" 2
  kill -KILL "$(llama_last m-plan .pid)"
  stream_wait
  assert_equal "$stream_status" 0
  stream_text "$BATS_TEST_TMPDIR/s" >"$BATS_TEST_TMPDIR/s.text"
  assert_one_sse_error /v1/chat/completions upstream_protocol_error "$BATS_TEST_TMPDIR/s.text"
  # it comes back by itself, and serves
  wait_until 20 agent_model_is first m-plan ready
  gw_chat planner
  assert_status 200
}

@test "agent: others have filled its device's queue -> the client gets the agent's 429 as it is" {
  second_node <<YAML
max_pending_per_device: 1
models: [{model_id: m-second, path: $(fake_model m-second), roles: [spare]}]
YAML
  agent_start second
  wait_until 10 answers spare 200
  # by others than the gateway, which would let its own wait
  agent_stream second "$BATS_TEST_TMPDIR/s1" m-second '{"fake": {"tokens": 1000000, "delay_ms": 50}}'
  wait_until 10 stream_has "$BATS_TEST_TMPDIR/s1" 1
  agent_stream second "$BATS_TEST_TMPDIR/s2" m-second
  wait_until 10 agent_model_has second m-second .pending 1
  gw_chat spare
  assert_error 429 device_queue_full
  assert_header Retry-After '/^[0-9]+$/'
  assert_header X-RoleMesh-Node second
  assert_json .error.type rate_limit_error
}

@test "agent: a model is not ready in time -> the client gets the agent's 503 as it is" {
  second_node <<YAML
llama_server_startup_timeout_s: 1
stop_timeout_s: 1
models: [{model_id: m-second, path: $(fake_model m-second never_ready=1), roles: [spare]}]
YAML
  agent_start second
  wait_until 10 gw_node_has second .status fresh
  gw_chat spare
  assert_error 503 model_start_timeout
  assert_header Retry-After '/^[0-9]+$/'
  assert_header X-RoleMesh-Node second
}

# --- models that failed ---

@test "agent: a model's file is missing -> 503 says the model failed, the agent gets no request" {
  second_node <<YAML
models: [{model_id: m-second, path: $GW_DIR/missing.gguf, roles: [spare]}]
YAML
  agent_start second
  wait_until 10 state_is second m-second failed
  gw_chat spare '{}' -H 'X-Request-Id: never-arrives'
  assert_error 503 no_available_node
  assert_match "$(jq -r .error.message <<<"$body")" "'spare'.*failed" message
  refute_header X-RoleMesh-Node
  run ! agent_log_has second never-arrives
  gw_get /v1/models
  assert_json '.rolemesh.unavailable_models[] | [.id, (.reason | test("failed"))]' '["spare",true]'
}

@test "agent: the missing file comes -> requests of its role are answered again" {
  second_node <<YAML
models: [{model_id: m-second, path: $GW_DIR/m-second.gguf, roles: [spare]}]
YAML
  rm -f "$GW_DIR/m-second.gguf"
  agent_start second
  wait_until 10 answers spare 503
  fake_model m-second
  wait_until 30 answers spare 200
  gw_get /v1/models
  assert_json '.rolemesh.unavailable_models' '[]'
}

@test "agent: a preloaded model crashes at its start -> no requests until it is up" {
  second_node <<YAML
models: [{model_id: m-second, path: $(fake_model m-second exit_at_start=1), roles: [spare], preload: true}]
YAML
  agent_start second
  wait_until 20 state_is second m-second failed
  wait_until 10 spare_failed
  fake_model m-second
  # by itself: it was to be preloaded
  wait_until 30 state_is second m-second ready
  gw_chat spare
  assert_status 200
}

spare_failed() {
  gw_chat spare >/dev/null
  [[ $(jq -r .error.code <<<"$body") == no_available_node ]]
}

@test "agent: two nodes for a role, the model of one failed -> the other gets every request" {
  second_node <<YAML
models: [{model_id: m-second, path: $GW_DIR/missing.gguf, roles: [planner]}]
YAML
  agent_start second
  wait_until 10 state_is second m-second failed
  for _ in 1 2 3 4 5 6; do
    gw_chat planner
    assert_status 200
    assert_header X-RoleMesh-Node first
  done
}

# --- the end ---

@test "agent: SIGTERM -> the gateway knows it no more while its last stream goes on" {
  second_node <<YAML
shutdown_grace_s: 300
models: [{model_id: m-second, path: $(fake_model m-second), roles: [spare]}]
YAML
  agent_start second
  wait_until 10 answers spare 200
  GW_TIMEOUT=300 stream_to "$BATS_TEST_TMPDIR/s" /v1/chat/completions \
    "$(chat_json spare '{"stream": true, "fake": {"tokens": 3, "wait_tokens": true}}')"
  llama_go m-second
  wait_until 10 stream_has "$BATS_TEST_TMPDIR/s" 1
  kill "$(gw_pid agent-second)"
  wait_until 10 gw_node_has second .status ''
  run ! grep -qF '[DONE]' "$BATS_TEST_TMPDIR/s"
  gw_chat spare
  assert_error 503 no_available_node
  for _ in 2 3 end; do
    llama_go m-second
  done
  stream_wait
  assert_equal "$(stream_tokens "$BATS_TEST_TMPDIR/s" | wc -l)" 3 tokens
  grep -qF '[DONE]' "$BATS_TEST_TMPDIR/s"
  agent_stop second
  assert_equal "$agent_status" 0 'exit status'
  agent_log_has second 'event=gateway_left.*node=second'
}
