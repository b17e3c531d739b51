#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 300-nodes.bats - nodes come, show signs of life, go stale and leave; what they
# send is checked; what a request to a discovered role becomes on the way.

load helpers/all

setup_file() {
  gw_setup
  fake_start one
  fake_start two
  gw_config <<YAML
gateway: {probe_ttl_s: 0, probe_timeout_s: 60}
auth: {upstream_node_key: shared-node-key}
models:
  reviewer:
    type: discovered
  coder:
    type: discovered
    openai_model_name: code-helper
    role: code
    defaults: {temperature: 0.1, model: ignored-by-nodes}
YAML
  gw_start
}

teardown_file() {
  gw_teardown
}

# Each test begins without nodes.
setup() {
  local id
  gw_get /v1/models >/dev/null
  while read -r id; do
    gw_post /v1/nodes/deregister "$(jq -cn --arg id "$id" '{node_id: $id}')" >/dev/null
  done < <(jq -r '.rolemesh.nodes[].node_id' <<<"$body")
}

# A test that called gw_setup has a gateway of its own.
teardown() {
  if [[ $GW_DIR == "$BATS_TEST_TMPDIR" ]]; then
    gw_teardown
  else
    gw_dump_if_failed
  fi
}

# registration [ID] [JQ] - a valid body for fake `one`; JQ changes it.
registration() {
  jq -cn --arg id "${1:-n1}" --arg url "$FAKE_URL_one" '{node_id: $id, base_url: $url,
    served_models: [{model_id: "m-1", roles: ["reviewer"]}]} | '"${2:-.}"
}

# register [ID] [JQ]
register() {
  gw_post /v1/nodes/register "$(registration "$@")"
}

# assert_node ID FILTER EXPECTED - in /v1/models
assert_node() {
  gw_get /v1/models
  assert_json ".rolemesh.nodes[] | select(.node_id == \"$1\") | $2" "$3"
}

# node_is ID STATUS - for wait_until
node_is() {
  gw_get /v1/models >/dev/null
  [[ $(jq -r --arg id "$1" '.rolemesh.nodes[] | select(.node_id == $id) | .status' \
    <<<"$body") == "$2" ]]
}

# --- register ---

@test "nodes: register with served_models -> 200 with both intervals; the role is listed" {
  register
  assert_status 200
  assert_json . '{"status":"ok","node_id":"n1","stale_after_s":9000,"heartbeat_interval_s":3000}'
  gw_get /v1/models
  assert_json '[.data[].id]' '["reviewer"]'
}

@test "nodes: a request of the role -> the node's model_id is the forwarded model" {
  register n1 '.served_models[0].model_id = "qwen3-8b:Q5 \"x\" ü"'
  gw_post /v1/chat/completions '{ "messages":[], "model" : "reviewer","n":1.0 }'
  assert_status 200
  assert_header X-RoleMesh-Model reviewer
  assert_header X-RoleMesh-Node n1
  assert_equal "$(<"$(fake_body one)")" \
    '{ "messages":[], "model" : "qwen3-8b:Q5 \"x\" ü","n":1.0 }' 'forwarded body'
}

@test "nodes: alias, id and role differ -> requests by alias or id reach the node of the role" {
  register n1 '.served_models = [{model_id: "other", roles: ["coder"]},
    {model_id: "coder-14b", roles: ["x", "code"]}]'
  local name
  for name in coder code-helper; do
    gw_chat "$name"
    assert_status 200
    assert_header X-RoleMesh-Model coder
    assert_equal "$(jq -c '[.model, .temperature]' "$(fake_body one)")" '["coder-14b",0.1]'
  done
  gw_chat code
  assert_error 404 model_not_found
}

@test "nodes: upstream_node_key -> Bearer of requests and probes" {
  register
  gw_chat reviewer '{}' -H 'Authorization: Bearer of-the-client'
  assert_equal "$(fake_header one Authorization)" 'Bearer shared-node-key'
  gw_get /v1/models
  assert_equal "$(fake_log one 'select(.path == "/v1/models") | .headers[]
    | select(.[0] == "Authorization") | .[1]' | sort -u)" 'Bearer shared-node-key'
}

@test "nodes: base_url with a trailing /v1 or / -> /v1 is not doubled" {
  local tail
  for tail in /v1 /v1/ /; do
    register n1 ".base_url += \"$tail\""
    assert_status 200
    gw_chat reviewer
    assert_status 200
    assert_equal "$(fake_last one .path)" /v1/chat/completions
  done
}

@test "nodes: legacy flat roles -> model_id is the role" {
  register n1 'del(.served_models) | .roles = ["reviewer", "code"]'
  assert_status 200
  gw_chat reviewer
  assert_equal "$(jq -r .model "$(fake_body one)")" reviewer
  gw_chat coder
  assert_equal "$(jq -r .model "$(fake_body one)")" code
  assert_node n1 .served_models \
    '[{"model_id":"reviewer","roles":["reviewer"]},{"model_id":"code","roles":["code"]}]'
}

@test "nodes: served_models and roles -> served_models wins" {
  register n1 '.roles = ["code"]'
  assert_status 200
  gw_chat coder
  assert_error 503 no_available_node
  gw_chat reviewer
  assert_status 200
}

@test "nodes: a second register of the same id -> replaces address and models as a whole" {
  register
  gw_post /v1/nodes/register "$(jq -cn --arg url "$FAKE_URL_two" '{node_id: "n1",
    base_url: $url, served_models: [{model_id: "m-2", roles: ["code"]}], meta: {v: 2}}')"
  assert_status 200
  gw_chat reviewer
  assert_error 503 no_available_node
  gw_chat coder
  assert_status 200
  assert_equal "$(jq -r .model "$(fake_body two)")" m-2
  assert_node n1 '[.served_models, .meta]' \
    '[[{"model_id":"m-2","roles":["code"]}],{"v":2}]'
  assert_json '.rolemesh.nodes | length' 1
}

@test "nodes: unknown keys and null for optional ones -> accepted" {
  register n1 '.future = {a: [1]} | .served_models[0].future = true | .meta = null | .roles = null'
  assert_status 200
}

@test "nodes: ids of any characters -> kept as they are" {
  register 'gpu box/1 "ü"'
  assert_status 200
  assert_node 'gpu box/1 \"ü\"' .status fresh
}

# --- what cannot be registered ---

# refused PARAM JQ - registration changed like that is a 400 naming PARAM
refused() {
  register n1 "$2"
  assert_error 400 invalid_request "$1"
  assert_match "$(jq -r .error.message <<<"$body")" "$1" message
}

@test "nodes: a field is missing -> 400, param names it" {
  refused node_id 'del(.node_id)'
  refused base_url 'del(.base_url)'
  refused served_models 'del(.served_models)'
  refused served_models.0.model_id 'del(.served_models[0].model_id)'
  refused served_models.0.roles 'del(.served_models[0].roles)'
}

@test "nodes: a field has a wrong type or is empty -> 400, param names it" {
  refused node_id '.node_id = 5'
  refused node_id '.node_id = ""'
  refused base_url '.base_url = ["http://h"]'
  refused served_models '.served_models = {}'
  refused served_models '.served_models = []'
  refused served_models.0 '.served_models = ["m"]'
  refused served_models.1.model_id '.served_models[1] = {model_id: 5, roles: ["r"]}'
  refused served_models.0.roles '.served_models[0].roles = "reviewer"'
  refused served_models.0.roles '.served_models[0].roles = []'
  refused served_models.0.roles.1 '.served_models[0].roles[1] = 5'
  refused served_models.0.meta '.served_models[0].meta = "x"'
  refused meta '.meta = []'
  refused roles 'del(.served_models) | .roles = "reviewer"'
  refused roles.0 'del(.served_models) | .roles = [{}]'
}

@test "nodes: base_url that is no absolute http or https address -> 400 base_url" {
  local url
  for url in file:///etc/passwd 10.0.0.12:8014 //h/x /v1 http:// ftp://h 'http://a b' \
    http://user:secret@h http://h:99999 'http://h/?q=1' ''; do
    refused base_url ".base_url = \"$url\""
    [[ $body != *secret* ]]
  done
}

@test "nodes: after what was refused -> the registration before stays in force" {
  register
  register n1 '.base_url = "file:///etc/passwd"'
  assert_status 400
  gw_chat reviewer
  assert_status 200
}

@test "nodes: a body that is no JSON object -> 400 invalid_json" {
  local text
  for text in '' '{' '[]' '5' "{'node_id':'n1'}" '{"node_id":NaN}' '{} x'; do
    gw_post /v1/nodes/register "$text"
    assert_error 400 invalid_json
  done
}

# --- limits ---

@test "nodes: 64 models -> accepted, 65 -> 400" {
  register n1 '.served_models = [range(64) | {model_id: "m\(.)", roles: ["reviewer"]}]'
  assert_status 200
  refused served_models '.served_models = [range(65) | {model_id: "m\(.)", roles: ["reviewer"]}]'
  assert_match "$(jq -r .error.message <<<"$body")" '65.*64' message
}

@test "nodes: 16 roles of a model -> accepted, 17 -> 400" {
  register n1 '.served_models[0].roles = [range(15) | "r\(.)"] + ["reviewer"]'
  assert_status 200
  refused served_models.0.roles '.served_models[0].roles = [range(17) | "r\(.)"]'
}

@test "nodes: meta of 4,096 bytes -> accepted and shown whole, 4,097 -> 400" {
  register n1 '.meta = {k: ("x" * 4088)} | .served_models[0].meta = {k: ("y" * 4088)}'
  assert_status 200
  assert_node n1 '[.meta.k, .served_models[0].meta.k] | map(length)' '[4088,4088]'
  refused meta '.meta = {k: ("x" * 4089)}'
  refused served_models.0.meta '.served_models[0].meta = {k: ("x" * 4089)}'
}

@test "nodes: a node id of 128 bytes -> accepted, 129 -> 400" {
  local id
  id=$(printf 'n%.0s' {1..128})
  register "$id"
  assert_status 200
  assert_json .node_id "$id"
  refused node_id '.node_id = "n" * 129'
  # bytes, not characters
  refused node_id '.node_id = "ü" * 65'
}

@test "nodes: all limits at once -> one registration holds them, and serves" {
  register n1 '.served_models = [range(64) as $m | {model_id: "m\($m)",
    roles: ([range(15) | "role-\($m)-\(.)"] + ["reviewer"])}]'
  assert_status 200
  gw_chat reviewer
  assert_status 200
}

@test "nodes: a register body over the limit for documents -> 413" {
  head -c 3000000 /dev/zero | tr '\0' ' ' >"$BATS_TEST_TMPDIR/blank"
  gw_request POST /v1/nodes/register --data-binary "@$BATS_TEST_TMPDIR/blank"
  assert_error 413 request_too_large
}

# --- heartbeat, deregister ---

@test "nodes: heartbeat -> 200, last_seen_s starts again, metrics are shown" {
  local before
  register
  wait_until 10 gw_node_has n1 '.last_seen_s >= 1' true
  before=$(mono_ms)
  gw_post /v1/nodes/heartbeat '{"node_id":"n1","metrics":{"gpu_util":0.25,"n":[1,{"a":null}]}}'
  assert_status 200
  assert_json . '{"status":"ok","node_id":"n1"}'
  assert_node n1 .metrics '{"gpu_util":0.25,"n":[1,{"a":null}]}'
  # not longer ago than the heartbeat
  assert_at_least "$(($(mono_ms) - before))" \
    "$(jq '.rolemesh.nodes[0].last_seen_s * 1000 | floor' <<<"$body")" 'ms since then'
}

@test "nodes: heartbeat of a stranger -> 404 node_not_registered" {
  gw_post /v1/nodes/heartbeat '{"node_id":"stranger"}'
  assert_error 404 node_not_registered
  assert_match "$(jq -r .error.message <<<"$body")" '"stranger"' message
}

@test "nodes: heartbeat without node_id or with wrong types -> 400, param names it" {
  gw_post /v1/nodes/heartbeat '{}'
  assert_error 400 invalid_request node_id
  gw_post /v1/nodes/heartbeat '{"node_id":["n1"]}'
  assert_error 400 invalid_request node_id
  register
  gw_post /v1/nodes/heartbeat '{"node_id":"n1","metrics":[1]}'
  assert_error 400 invalid_request metrics
}

@test "nodes: heartbeat says that a model failed -> no requests for it until it says otherwise" {
  register
  gw_post /v1/nodes/heartbeat '{"node_id":"n1","metrics":{"models":{"m-1":{"state":"failed"}}}}'
  gw_chat reviewer
  assert_error 503 no_available_node
  gw_post /v1/nodes/heartbeat '{"node_id":"n1","metrics":{"models":{"m-1":{"state":"ready"}}}}'
  gw_chat reviewer
  assert_status 200
}

@test "nodes: deregister -> gone at once, from routing and from the list; again -> 404" {
  register
  gw_post /v1/nodes/deregister '{"node_id":"n1"}'
  assert_status 200
  gw_chat reviewer
  assert_error 503 no_available_node
  gw_get /v1/models
  assert_json .rolemesh.nodes '[]'
  gw_post /v1/nodes/deregister '{"node_id":"n1"}'
  assert_error 404 node_not_registered
  gw_post /v1/nodes/heartbeat '{"node_id":"n1"}'
  assert_error 404 node_not_registered
}

@test "nodes: deregistered while its stream is open -> the stream goes on to its end" {
  register
  stream_to "$BATS_TEST_TMPDIR/s" /v1/chat/completions \
    "$(chat_json reviewer '{"stream": true, "fake": {"tokens": 3, "wait_tokens": true}}')"
  fake_go one
  wait_until 10 stream_has "$BATS_TEST_TMPDIR/s" 1
  gw_post /v1/nodes/deregister '{"node_id":"n1"}'
  assert_status 200
  fake_go one
  fake_go one
  fake_go one # the end
  stream_wait
  assert_equal "$(stream_tokens "$BATS_TEST_TMPDIR/s" | wc -l)" 3 tokens
  grep -qF '[DONE]' "$BATS_TEST_TMPDIR/s"
}

# --- the list of nodes ---

@test "nodes: /v1/models -> what a node serves, its meta and state, but no address" {
  register n1 '.meta = {gpu: "Tesla P40"} | .served_models[0].meta = {quant: "Q5_K_M"}'
  assert_node n1 '[.status, (.last_seen_s | type), .reachable, .in_flight, .meta, .served_models]' \
    '["fresh","number",true,0,{"gpu":"Tesla P40"},[{"model_id":"m-1","roles":["reviewer"],"meta":{"quant":"Q5_K_M"}}]]'
  run ! grep -F "$FAKE_PORT_one" "$body_file"
}

@test "nodes: an open stream -> counted in in_flight, and no longer once it ended" {
  register
  stream_to "$BATS_TEST_TMPDIR/s" /v1/chat/completions \
    "$(chat_json reviewer '{"stream": true, "fake": {"tokens": 1000000, "delay_ms": 50}}')"
  wait_until 10 stream_has "$BATS_TEST_TMPDIR/s" 1
  assert_node n1 .in_flight 1
  kill "$STREAM_PID"
  stream_wait
  wait_until 5 in_flight_is n1 0
}

in_flight_is() {
  gw_get /v1/models >/dev/null
  [[ $(jq --arg id "$1" '.rolemesh.nodes[] | select(.node_id == $id) | .in_flight' \
    <<<"$body") == "$2" ]]
}

@test "nodes: a fresh node does not answer -> shown as not reachable, its role is unavailable" {
  register n1 ".base_url = \"http://127.0.0.1:$(free_ports 1)\""
  assert_node n1 '[.status, .reachable, .reason]' '["fresh",false,"connection refused"]'
  assert_json '.rolemesh.unavailable_models[] | select(.id == "reviewer") | .reason' \
    'no fresh node is reachable: n1: connection refused'
}

# --- freshness ---

@test "nodes: heartbeats stop -> stale, visible, no traffic; they return -> fresh again" {
  gw_setup
  fake_start three
  gw_config <<<'{gateway: {probe_ttl_s: 0}, models: {reviewer: {type: discovered}}}'
  local before probes
  ROLE_MESH_NODE_STALE_AFTER_S=3 gw_start
  gw_post /v1/nodes/register "$(jq -cn --arg url "$FAKE_URL_three" \
    '{node_id: "n1", base_url: $url, roles: ["reviewer"]}')"
  assert_status 200
  assert_json '[.stale_after_s, .heartbeat_interval_s]' '[3,1]'
  wait_until 20 beaten_and_used

  wait_until 10 node_is n1 stale
  before=$(fake_count three)
  probes=$(fake_count three /v1/models)
  assert_json '.rolemesh.nodes[0].last_seen_s >= 3' true
  assert_json '.rolemesh.unavailable_models[0].reason' "the only node of role 'reviewer' is stale"
  gw_chat reviewer
  assert_error 503 no_available_node
  assert_header Retry-After '/^[0-9]+$/'
  assert_match "$(jq -r .error.message <<<"$body")" "'reviewer'.* 3 s" message
  assert_equal "$(fake_count three)" "$before" 'requests the node got'
  gw_get /v1/models/reviewer
  assert_error 503 no_available_node
  gw_get /v1/models
  assert_equal "$(fake_count three /v1/models)" "$probes" 'probes of it'

  wait_until 20 beaten_and_used
}

# beaten_and_used - a request right behind a heartbeat, within the three seconds;
# for wait_until.
beaten_and_used() {
  gw_post /v1/nodes/heartbeat '{"node_id":"n1"}'
  assert_status 200
  gw_chat reviewer
  [[ $status_code == 200 ]]
}

@test "nodes: nothing says when a node is stale -> after 30 s, and a heartbeat each 10 s" {
  gw_setup
  gw_config <<<'models: {reviewer: {type: discovered}}'
  ROLE_MESH_NODE_STALE_AFTER_S='' gw_start
  register
  assert_json '[.stale_after_s, .heartbeat_interval_s]' '[30,10]'
}

@test "nodes: stale after seconds are no number -> the gateway does not start and says why" {
  gw_setup
  gw_config <<<'models: {reviewer: {type: discovered}}'
  ROLE_MESH_NODE_STALE_AFTER_S=soon run ! gw_run --config "$GW_CONFIG" --port "$GW_PORT"
  assert_match "$output" ROLE_MESH_NODE_STALE_AFTER_S
}
