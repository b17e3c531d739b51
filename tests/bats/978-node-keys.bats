#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 978-node-keys.bats - what one node's key opens: its node ids, its roles, the
# addresses it may name. Whatever else it asks for changes nothing.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all

setup_file() {
  gw_setup
  fake_start one
  gw_config <<YAML
gateway: {probe_ttl_s: 0, probe_timeout_s: 60}
auth:
  client_api_keys: [key-of-client]
  operator_keys: [key-of-operator]
  node_api_keys: [key-of-plain]
  nodes:
  - {name: box-a, key: key-of-a, node_ids: ["a-*"], roles: [light, "code-*"], base_url_cidrs: ["127.0.0.0/8", "::1/128", "2001:db8::/32"]}
  - {name: box-b, key_sha256: $(printf key-of-b | sha256sum | cut -d' ' -f1), node_ids: [b]}
  - {name: roles, key: key-of-roles, roles: [light]}
  - {name: lan, key: key-of-lan, base_url_cidrs: ["10.0.0.0/8"]}
models:
  light: {type: discovered}
  coder: {type: discovered, role: code-1}
  secret: {type: discovered}
nodes:
- {node_id: a-written, base_url: "$FAKE_URL_one", roles: [secret]}
- {node_id: z-written, base_url: "$FAKE_URL_one", roles: [secret]}
YAML
  gw_start
}

teardown_file() {
  gw_teardown
}

# Each test begins without nodes that registered.
setup() {
  local id
  for id in $(nodes); do
    with plain deregister "$id" >/dev/null
  done
}

teardown() {
  gw_dump_if_failed
}

# with KEY COMMAND...
with() {
  local GW_KEY=key-of-$1
  "${@:2}"
}

# register ID [JQ]
register() {
  gw_post /v1/nodes/register "$(jq -cn --arg id "$1" --arg url "$FAKE_URL_one" \
    '{node_id: $id, base_url: $url, served_models: [{model_id: "m-1", roles: ["light"]}]} | '"${2:-.}")"
}

heartbeat() {
  gw_post /v1/nodes/heartbeat "{\"node_id\": \"$1\"}"
}

deregister() {
  gw_post /v1/nodes/deregister "{\"node_id\": \"$1\"}"
}

# those that registered, as the operator sees them
nodes() {
  with operator gw_get /v1/models >/dev/null
  jq -r '.rolemesh.nodes[] | select(.static | not) | .node_id' <<<"$body"
}

assert_refused() { # assert_refused PARAM
  assert_error 403 node_not_allowed "$1"
  assert_json .error.type permission_error
}

@test "node keys: within its entry, by key or by hash -> registers, lives, leaves" {
  local pair key id
  for pair in a/a-1 b/b plain/anything roles/anything; do
    key=${pair%/*} id=${pair#*/}
    with "$key" register "$id"
    assert_status 200
    assert_equal "$(nodes)" "$id"
    with "$key" heartbeat "$id"
    assert_status 200
    with "$key" deregister "$id"
    assert_status 200
    assert_equal "$(nodes)" ''
  done
  with a register a-1 '.served_models[0].roles = ["light", "code-1", "code-9"]'
  assert_status 200
  with roles gw_post /v1/nodes/register '{"node_id": "x", "base_url": "http://elsewhere.example", "roles": ["light"]}'
  assert_status 200
}

@test "node keys: another node id -> 403 for each of the three, and nothing is stored" {
  with plain register c
  local before id
  before=$(nodes)
  for id in c b a A-1 xa-1 '*' z-written; do
    with a register "$id"
    assert_refused node_id
    with a heartbeat "$id"
    assert_refused node_id
    with a deregister "$id"
    assert_refused node_id
  done
  assert_equal "$(nodes)" "$before"
}

@test "node keys: whether another's node id is registered, written down or neither -> one answer" {
  local id call wanted
  with plain register c
  for call in heartbeat deregister register; do
    with b "$call" none-such
    wanted=${body/none-such/ID}
    for id in c z-written a-written; do
      with b "$call" "$id"
      assert_refused node_id
      assert_equal "${body/$id/ID}" "$wanted" "$call of $id"
    done
  done
  # its own id tells it more
  with b heartbeat b
  assert_error 404 node_not_registered
  with a register a-written
  assert_error 409 node_is_configured
}

@test "node keys: a role that the entry does not list -> 403 that names its place" {
  with a register a-1 '.served_models += [{model_id: "m-2", roles: ["code-1", "secret"]}]'
  assert_refused served_models.1.roles
  assert_match "$(jq -r .error.message <<<"$body")" '"secret"'
  with a gw_post /v1/nodes/register \
    "{\"node_id\": \"a-1\", \"base_url\": \"$FAKE_URL_one\", \"roles\": [\"light\", \"secret\"]}"
  assert_refused roles.1
  local role
  for role in Light 'light ' code coder secret '*' 'code-*x'; do
    with roles register r "$(jq -cn --arg role "$role" '$role' | sed 's/^/.served_models[0].roles = [/; s/$/]/')"
    assert_refused served_models.0.roles
  done
  assert_equal "$(nodes)" ''
  with client gw_chat secret
  assert_status 200 # by the nodes that are written down, and by no other
}

@test "node keys: a refused registration -> the one before it stays as it was" {
  with a register a-1 '.meta = {kept: true}'
  with a register a-1 '.served_models[0].roles = ["secret"]'
  assert_refused served_models.0.roles
  with a register a-1 '.base_url = "http://10.1.2.3:8000"'
  assert_refused base_url
  with b register a-1
  assert_refused node_id
  with operator gw_get /v1/models
  assert_json '.rolemesh.nodes[] | select(.node_id == "a-1") | [.served_models[0].roles, .meta.kept]' \
    '[["light"],true]'
}

@test "node keys: base_url_cidrs -> only a literal address of one of these networks" {
  local url
  for url in http://127.9.9.9:1 "http://[::1]:8014" "http://[2001:db8::7]/v1" https://127.0.0.1; do
    with a register a-1 ".base_url = \"$url\""
    assert_status 200
  done
  with a deregister a-1
  for url in http://localhost:1 http://10.0.0.1 http://128.0.0.1 "http://[::2]" "http://[2001:db9::1]" \
    http://127.0.0.1.example http://gpu-box http://127.0.0.1.:80; do
    with a register a-1 ".base_url = \"$url\""
    assert_refused base_url
  done
  assert_equal "$(nodes)" ''
}

@test "node keys: an address in another spelling -> what it means decides, and no trick leads elsewhere" {
  local url
  with lan register x '.base_url = "http://10.1"'
  assert_status 200
  with lan deregister x
  for url in http://0xc0000201 http://3221225985 http://0300.0.2.1 http://10.0.0.1@192.0.2.1 \
    'http://192.0.2.1#@10.0.0.1' 'http://10.0.0.1\\@192.0.2.1' http://10.0.0.1%2f@192.0.2.1 \
    'http://10.0.0.1%00.example' "http://[::ffff:192.0.2.1]" "http://[fe80::1%25eth0]" \
    http://10.0.0.1.192.0.2.1 http://10.0.0.256 http://192.0.2.1/10.0.0.1 'http://192.0.2.1?10.0.0.1'; do
    with lan register x ".base_url = \"$url\""
    assert_match "$status_code" '^(400|403)$'
    assert_json .error.param base_url
  done
  assert_equal "$(nodes)" ''
}

@test "node keys: a key of another kind, or none -> 401" {
  local key
  for key in client operator nobody; do
    with "$key" register a-1
    assert_error 401 invalid_api_key
  done
  for key in a b plain; do
    with "$key" gw_get /v1/models
    assert_error 401 invalid_api_key
  done
  assert_equal "$(nodes)" ''
}

@test "node keys: an entry's key -> the access record has the entry's name, never the key" {
  with a register a-1
  with b heartbeat b
  gw_log_has 'path="/v1/nodes/register" status=200 .* key=box-a '
  gw_log_has 'path="/v1/nodes/heartbeat" status=404 .* key=box-b '
  run ! grep -E 'key-of-(a|b|roles|lan|plain)' "$GW_DIR/gateway.log"
}

@test "node keys: an agent with another node's key -> its log says what was refused, and where that is written" {
  NODE_KEY=key-of-b agent_node c <<YAML
models: [{model_id: m1, path: $(fake_model m1), roles: [light]}]
YAML
  agent_start c
  wait_until 15 agent_log_has c 'does not take that from this node .HTTP 403, .*the node .*auth\.nodes'
  assert_equal "$(nodes)" ''
  agent_stop c
}
