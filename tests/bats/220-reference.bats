#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 220-reference.bats - the configuration reference, sentence by sentence: each
# title is one of its statements, in its order, and its examples are served for
# real (tests/fixtures/config holds them; the addresses become scripted
# upstreams). What the node agent does with its own file is not tested here.

load helpers/all

# The upstreams of the examples: ports 8011, 8012 and 8013.
setup_file() {
  gw_setup
  fake_start first
  fake_start second
  fake_start third
}

teardown_file() {
  gw_teardown
}

teardown() {
  gw_dump_if_failed
}

# serving EXAMPLE [YAML] - the gateway runs on that example, YAML laid on top;
# the one before goes on when it is the same.
serving() {
  if [[ -e $GW_DIR/serving && $(<"$GW_DIR/serving") == "$*" ]]; then
    GW_PORT=$(<"$GW_DIR/port")
    GW_URL=http://127.0.0.1:$GW_PORT
    return
  fi
  gw_stop
  rm -f "$GW_DIR/serving"
  sed "s|http://127.0.0.1:8011|$FAKE_URL_first|; s|http://127.0.0.1:8012|$FAKE_URL_second|
    s|http://127.0.0.1:8013|$FAKE_URL_third|" "$TOP_SRCDIR/tests/fixtures/config/$1.yaml" |
    gw_config
  printf '%s\n' "${2:-# nothing}" | gw_config "$GW_DIR/extra.yaml"
  # an upstream may take its time on a busy machine
  gw_config "$GW_DIR/patient.yaml" <<<'gateway: {probe_timeout_s: 60}'
  GW_WORKERS=1 gw_start --config-override "$GW_DIR/patient.yaml" \
    --config-override "$GW_DIR/extra.yaml"
  echo "$GW_PORT" >"$GW_DIR/port"
  printf '%s' "$*" >"$GW_DIR/serving"
}

# Probes that are never old, for sentences about what is up right now.
AT_ONCE='gateway: {probe_ttl_s: 0}'

# says UPSTREAM - the last chat was answered by that one
says() {
  assert_status 200
  assert_json '.choices[0].message.content' "[scripted upstream $1] You said: hello there"
}

# register [URL] [JQ] - the example of the reference
register() {
  gw_post /v1/nodes/register "$(jq -cn --arg url "${1:-http://10.0.0.12:8014}" '{
    "node_id": "gpu-box-1",
    "base_url": $url,
    "served_models": [
      {
        "model_id": "qwen3-8b",
        "roles": ["reviewer", "planner"],
        "meta": {"family": "Qwen3", "quant": "Q5_K_M"}
      },
      {
        "model_id": "qwen2.5-coder-14b",
        "roles": ["coder"],
        "meta": {"family": "Qwen2.5-Coder", "quant": "Q5_K_M"}
      }
    ],
    "meta": {"gpu": "Tesla P40", "notes": "llama-server on GPU0"}
  } | '"${2:-.}")"
}

# --- configuration ---

@test "reference: configuration is loaded from a YAML file, by default configs/models.yaml" {
  mkdir -p "$BATS_TEST_TMPDIR/configs"
  cp "$TOP_SRCDIR/tests/fixtures/config/proxy.yaml" "$BATS_TEST_TMPDIR/configs/models.yaml"
  cd "$BATS_TEST_TMPDIR"
  run -0 env -u ROLE_MESH_CONFIG bash -c "$(declare -f gw_run); gw_run --print-config"
  assert_match "$output" 'writer:'
}

@test "reference: ROLE_MESH_CONFIG overrides that" {
  mkdir -p "$BATS_TEST_TMPDIR/configs"
  cp "$TOP_SRCDIR/tests/fixtures/config/proxy.yaml" "$BATS_TEST_TMPDIR/configs/models.yaml"
  cd "$BATS_TEST_TMPDIR"
  ROLE_MESH_CONFIG=$TOP_SRCDIR/tests/fixtures/config/discovered.yaml run -0 gw_run --print-config
  assert_match "$output" 'reviewer:'
  [[ $output != *writer* ]]
}

@test "reference: the top-level schema: version, default_model, gateway, auth, models" {
  run -0 gw_run --print-config --config "$TOP_SRCDIR/tests/fixtures/config/top_level.yaml"
  assert_match "$output" 'host: "?0\.0\.0\.0'
  assert_match "$output" 'port: 8000'
  serving top_level
  GW_KEY=... gw_chat ''
  says second
  GW_KEY=... gw_get /ready
  assert_json .model writer
}

@test "reference: the alias is what clients pass as model in /v1/chat/completions" {
  serving proxy 'models: {writer: {openai_model_name: the-writer}}'
  gw_chat writer
  says second
}

@test "reference: openai_model_name is the model id returned by /v1/models" {
  serving proxy 'models: {writer: {openai_model_name: the-writer}}'
  gw_get /v1/models
  assert_json '[.data[].id]' '["the-writer"]'
}

@test "reference: ... usually the same as the alias: it is, when not configured" {
  serving proxy 'models: {writer: {openai_model_name: null}}'
  gw_get /v1/models
  assert_json '[.data[].id]' '["writer"]'
}

# --- roles are aliases, not a fixed list ---

@test "reference: no built-in set of roles is reserved; the keys under models are the role names" {
  serving role_set
  gw_get /v1/models
  assert_json '[.data[].id]' '["researcher","summarizer","security-reviewer"]'
  gw_chat planner
  assert_error 404 model_not_found
}

@test "reference: clients send those keys in the OpenAI model field" {
  serving role_set
  gw_chat researcher
  says first
  gw_chat summarizer
  says second
  gw_chat security-reviewer
  says third
}

@test "reference: sample roles can be renamed or replaced entirely" {
  serving role_set "models: {researcher: null, summarizer: null, security-reviewer: null,
    '質問係 #1': {type: proxy, proxy_url: \"$FAKE_URL_third\"}}"
  gw_get /v1/models
  assert_json '[.data[].id]' '["質問係 #1"]'
  gw_chat '質問係 #1'
  says third
}

@test "reference: different projects can use different role layouts with the same gateway" {
  serving quick
  GW_KEY=change-me-client-key gw_get /v1/models
  assert_json '[.data[].id]' '["planner","writer"]'
  GW_KEY=change-me-client-key gw_chat researcher
  assert_error 404 model_not_found
}

# --- where the weights are selected ---

@test "reference: a proxy alias points to an already-running inference server" {
  serving proxy
  gw_chat writer
  says second
}

@test "reference: the weights are chosen by that upstream server, not by the gateway" {
  serving proxy
  gw_chat writer
  # what it is asked for is what the client said; what it has loaded, it answers with
  assert_equal "$(jq -r .model "$(fake_body second)")" writer
}

@test "reference: llamafile and llama-server: proxy_url alone is enough" {
  serving proxy 'models: {writer: {defaults: null, openai_model_name: null}}'
  gw_chat writer
  says second
}

@test "reference: Ollama: the request's model is injected by defaults.model" {
  serving proxy 'models: {writer: {defaults: {model: "dolphin3:latest"}}}'
  gw_chat writer
  says second
  assert_equal "$(jq -r .model "$(fake_body second)")" dolphin3:latest
}

@test "reference: a discovered alias points to a role served by a registered node" {
  serving discovered
  gw_chat reviewer
  assert_error 503 no_available_node
  register "$FAKE_URL_first"
  gw_chat reviewer
  says first
}

@test "reference: the role leads to a registered node and a concrete upstream model id" {
  serving discovered
  register "$FAKE_URL_first"
  gw_chat reviewer
  assert_header X-RoleMesh-Node gpu-box-1
  assert_equal "$(jq -r .model "$(fake_body first)")" qwen3-8b
}

@test "reference: the weight file is defined on the node side: a path in a registration is nothing to the gateway" {
  serving discovered
  register "$FAKE_URL_first" '.served_models[0].path = "/models/SomePlannerModel.Q5_K_M.gguf"'
  assert_status 200
  gw_get /v1/models
  run ! grep -F SomePlannerModel "$body_file"
}

# --- proxy models ---

@test "reference: proxy: route to a fixed upstream, any host reachable from the gateway" {
  serving proxy "models: {writer: {proxy_url: \"http://localhost:$FAKE_PORT_third\"}}"
  gw_chat writer
  says third
}

@test "reference: proxy: openai_model_name is what GET /v1/models returns" {
  serving proxy
  gw_get /v1/models
  assert_json '[.data[].id]' '["writer"]'
}

@test "reference: proxy: proxy_url is the actual upstream backend to call" {
  serving proxy
  gw_chat writer
  assert_equal "$(fake_header second Host)" "127.0.0.1:$FAKE_PORT_second"
}

@test "reference: proxy: defaults are only applied when the request does not already set those keys" {
  serving proxy
  gw_chat writer
  assert_equal "$(jq -c .temperature "$(fake_body second)")" 0.6
  gw_chat writer '{"temperature": 0.1}'
  assert_equal "$(jq -c .temperature "$(fake_body second)")" 0.1
  gw_chat writer '{"temperature": null}'
  assert_equal "$(jq -c .temperature "$(fake_body second)")" null
}

# --- discovered models ---

# two nodes for the role, and where eight requests went
eight_requests() {
  register "$FAKE_URL_first"
  register "$FAKE_URL_second" '.node_id = "gpu-box-2"'
  local i
  nodes=''
  for i in {1..8}; do
    gw_chat reviewer >/dev/null
    nodes+="$(header X-RoleMesh-Node | tail -c 2)"
  done
}

@test "reference: discovered: round_robin rotates requests across fresh matching nodes" {
  serving discovered
  eight_requests
  assert_match "$nodes" '^(12121212|21212121)$' 'nodes in turn'
}

@test "reference: discovered: random chooses a fresh matching node at random for each request" {
  serving discovered 'models: {reviewer: {strategy: random}}'
  local tries
  # eight fair draws are all alike, or in turn, in four of 256 cases
  for tries in 1 2 3 4 5 6; do
    eight_requests
    [[ $nodes == *1* && $nodes == *2* && ! $nodes =~ ^(12121212|21212121)$ ]] && return
  done
  _fail "not at random: $nodes"
}

# --- registering nodes ---

@test "reference: nodes register to POST /v1/nodes/register: the example is accepted and shown" {
  serving discovered "$AT_ONCE"
  register
  assert_status 200
  gw_get /v1/models
  assert_json '.rolemesh.nodes[0] | [.node_id, .meta.gpu, (.served_models | map(.model_id, .roles, .meta.quant))]' \
    '["gpu-box-1","Tesla P40",["qwen3-8b",["reviewer","planner"],"Q5_K_M","qwen2.5-coder-14b",["coder"],"Q5_K_M"]]'
}

@test "reference: model_id is the concrete name that the upstream expects in the forwarded request" {
  serving discovered 'models: {planner: {type: discovered}, coder: {type: discovered}}'
  register "$FAKE_URL_first"
  gw_chat reviewer
  assert_equal "$(jq -r .model "$(fake_body first)")" qwen3-8b
  gw_chat coder
  assert_equal "$(jq -r .model "$(fake_body first)")" qwen2.5-coder-14b
}

@test "reference: roles are the workflow roles that this model can satisfy" {
  serving discovered 'models: {planner: {type: discovered}, coder: {type: discovered}}'
  register "$FAKE_URL_first" 'del(.served_models[1])'
  gw_chat planner
  says first
  gw_chat coder
  assert_error 503 no_available_node
}

@test "reference: meta is optional operator-facing metadata" {
  serving discovered "$AT_ONCE"
  register "$FAKE_URL_first" 'del(.meta) | del(.served_models[].meta)'
  assert_status 200
  gw_chat reviewer
  says first
}

@test "reference: legacy flat roles are still accepted, as a fallback where model_id is the role" {
  serving discovered
  register "$FAKE_URL_first" 'del(.served_models) | .roles = ["reviewer"]'
  assert_status 200
  gw_chat reviewer
  assert_equal "$(jq -r .model "$(fake_body first)")" reviewer
  # a fallback: beside served_models it counts for nothing
  register "$FAKE_URL_first" '.roles = ["reviewer"]'
  gw_chat reviewer
  assert_equal "$(jq -r .model "$(fake_body first)")" qwen3-8b
}

# --- keys ---

@test "reference: client keys set: callers of /v1/models and /v1/chat/completions must provide one" {
  serving quick
  gw_get /v1/models
  assert_error 401 invalid_api_key
  gw_chat planner
  assert_error 401 invalid_api_key
}

@test "reference: node keys set: callers of /v1/nodes/register and heartbeat must provide one" {
  serving quick
  register
  assert_error 401 invalid_api_key
  gw_post /v1/nodes/heartbeat '{"node_id":"gpu-box-1"}'
  assert_error 401 invalid_api_key
}

@test "reference: keys not set: nobody needs one" {
  serving proxy
  gw_get /v1/models
  assert_status 200
  register
  assert_status 200
}

@test "reference: clients: Authorization: Bearer <key> or X-Api-Key: <key>" {
  serving quick
  gw_chat planner '{}' -H 'Authorization: Bearer change-me-client-key'
  says first
  gw_chat planner '{}' -H 'X-Api-Key: change-me-client-key'
  says first
}

@test "reference: nodes: Authorization: Bearer <node_key> or X-RoleMesh-Node-Key: <node_key>" {
  serving quick
  gw_post /v1/nodes/heartbeat '{"node_id":"x"}' -H 'Authorization: Bearer change-me-node-key'
  assert_error 404 node_not_registered
  gw_post /v1/nodes/heartbeat '{"node_id":"x"}' -H 'X-RoleMesh-Node-Key: change-me-node-key'
  assert_error 404 node_not_registered
}

@test "reference: the quick example: two models, each with its own defaults" {
  serving quick
  GW_KEY=change-me-client-key gw_chat ''
  says first
  assert_equal "$(jq -c '[.model, .temperature, .max_tokens]' "$(fake_body first)")" \
    '["planner",0,128]'
  GW_KEY=change-me-client-key gw_chat writer
  says second
  assert_equal "$(jq -c '[.model, .temperature, .max_tokens]' "$(fake_body second)")" \
    '["writer",0.6,256]'
}

# --- availability ---

@test "reference: configured aliases are not assumed healthy: /v1/models only returns the reachable ones" {
  serving role_set "$AT_ONCE"
  fake_mode second '{"models_close": true}'
  gw_get /v1/models
  fake_mode second '{}'
  assert_json '[.data[].id]' '["researcher","security-reviewer"]'
}

@test "reference: unavailable aliases are included separately in rolemesh.unavailable_models" {
  serving role_set "$AT_ONCE"
  fake_mode second '{"models_close": true}'
  gw_get /v1/models
  fake_mode second '{}'
  assert_json '[.rolemesh.unavailable_models[].id]' '["summarizer"]'
}

@test "reference: /ready returns success only when default_model is currently usable" {
  serving role_set 'default_model: summarizer
gateway: {probe_ttl_s: 0}'
  gw_get /ready
  assert_status 200
  fake_mode second '{"models_close": true}'
  gw_get /ready
  fake_mode second '{}'
  assert_status 503
}

@test "reference: ROLE_MESH_NODE_STALE_AFTER_S is the freshness of discovered nodes, by default 30" {
  ROLE_MESH_NODE_STALE_AFTER_S='' serving discovered '# nothing says when nodes are old'
  register
  assert_json .stale_after_s 30
}

@test "reference: discovered nodes are only routable while they are fresh; stale ones are marked" {
  ROLE_MESH_NODE_STALE_AFTER_S=3 serving discovered '# nodes grow old fast'
  wait_until 20 registered_and_used
  says first
  wait_until 10 node_is_stale
  gw_chat reviewer
  assert_error 503 no_available_node
}

# for wait_until: the request came before the node was stale
registered_and_used() {
  register "$FAKE_URL_first"
  gw_chat reviewer
  [[ $status_code == 200 ]]
}

node_is_stale() {
  gw_get /v1/models >/dev/null
  [[ $(jq -r '.rolemesh.nodes[0].status' <<<"$body") == stale ]]
}

# --- base config plus local override ---

@test "reference: the local file is merged at launch: nested dictionaries merge, lists and scalars are replaced" {
  serving quick "auth: {client_api_keys: [local-key]}
models: {planner: {proxy_url: \"$FAKE_URL_third\", defaults: {max_tokens: 9}}}"
  GW_KEY=change-me-client-key gw_chat planner
  assert_error 401 invalid_api_key
  GW_KEY=local-key gw_chat planner
  says third
  assert_equal "$(jq -c '[.temperature, .max_tokens]' "$(fake_body third)")" '[0,9]'
  GW_KEY=local-key gw_chat writer
  says second
}

@test "reference: the shipped models.example.yaml takes a local override" {
  printf 'models: {writer: {type: proxy, proxy_url: "http://10.0.0.12:8012"}}\n' \
    >"$BATS_TEST_TMPDIR/models.local.yaml"
  run -0 gw_run --config "$TOP_SRCDIR/configs/models.example.yaml" \
    --config-override "$BATS_TEST_TMPDIR/models.local.yaml" --print-config
  assert_match "$output" 'http://10\.0\.0\.12:8012'
}
