#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 992-drain.bats - a node that an operator takes out of service: no new requests,
# whatever it registers, until it is put back. What runs there ends as it would. And
# what an operator has a node's agent do.
#
# shellcheck disable=SC2154,SC2030,SC2031 # set by the helpers; a test is a subshell

load helpers/all
load helpers/queue

setup() {
  gw_setup
  fake_start alpha
  fake_start beta
}

teardown() {
  gw_teardown
}

config() {
  gw_config <<YAML
auth:
  operator_keys: [key-of-operator]
models:
  coder: {type: discovered, queue: {max: 5, timeout_s: 60}}
  helper: {type: discovered, role: coder, fallback: [attic]}
  attic: {type: proxy, proxy_url: "$FAKE_URL_beta"}
nodes:
  - {node_id: still, base_url: "$FAKE_URL_beta", roles: [writer, other]}
YAML
}

order() { # NODE drain|undrain
  gw_post "/rolemesh/nodes/$1/$2" '' -u operator:key-of-operator
}

register() { # NODE URL [MORE]
  gw_post /v1/nodes/register "$(jq -cn --arg id "$1" --arg url "$2" --argjson more "${3:-{\}}" \
    '{node_id: $id, base_url: $url, roles: ["coder"]} + $more')"
  assert_status 200
}

beat() {
  gw_post /v1/nodes/heartbeat "{\"node_id\": \"$1\"}"
}

nodes_of() { # N - which nodes answered so many requests
  for _ in $(seq "$1"); do
    gw_chat coder >/dev/null
    assert_status 200
    header X-RoleMesh-Node
  done | sort -u | paste -sd' '
}

# status_says FILTER VALUE
status_says() {
  gw_get /rolemesh/status -u operator:key-of-operator
  [[ $(jq -c "$1" <<<"$body") == "$2" ]]
}

@test "drain: no new requests go there, until it is undrained" {
  config
  gw_start
  register a "$FAKE_URL_alpha"
  register b "$FAKE_URL_beta"
  assert_equal "$(nodes_of 6)" 'a b'
  order a drain
  assert_status 200
  assert_json . '{"node_id":"a","draining":true}'
  assert_equal "$(nodes_of 6)" b
  order a drain
  assert_status 200
  wait_until 2 status_says '[.nodes[] | select(.node_id == "a") | .draining, .state, .why]' '[true,"draining","drained by an operator"]'
  assert_json '[.aliases[0].candidates[] | [.node, .state, .why]]' '[["a","draining","drained by an operator"],["b","ready",null]]'
  gw_get /v1/models -u x:key-of-operator
  order a undrain
  assert_json . '{"node_id":"a","draining":false}'
  assert_equal "$(nodes_of 6)" 'a b'
  wait_until 2 gw_log_has 'event=node_drained .*node="a" key=[0-9a-f]* reason='
  wait_until 2 gw_log_has 'event=node_undrained .*node="a" '
  assert_equal "$(grep -c event=node_drained "$GW_DIR/gateway.log")" 1 'said once'
}

@test "drain: holds over a new registration, which is told" {
  config
  gw_start
  register a "$FAKE_URL_alpha"
  assert_json 'has("draining")' false
  register b "$FAKE_URL_beta"
  order a drain
  beat a
  assert_json '[.status, .draining]' '["ok",true]'
  beat b
  assert_json 'has("draining")' false
  gw_post /v1/nodes/deregister '{"node_id": "a"}'
  assert_status 200
  register a "$FAKE_URL_alpha"
  assert_json '[.node_id, .draining]' '["a",true]'
  assert_equal "$(nodes_of 4)" b
  # processes that start later know it as well
  kill -9 $(gw_responders)
  answers() {
    gw_chat coder
    [[ $status_code == 200 ]]
  }
  wait_until 10 answers
  assert_equal "$(nodes_of 4)" b
  # one that left can be undrained
  gw_post /v1/nodes/deregister '{"node_id": "a"}'
  order a undrain
  assert_status 200
  order a undrain
  assert_error 404 node_not_registered
  register a "$FAKE_URL_alpha"
  assert_json 'has("draining")' false
}

@test "drain: all of them -> the role is unavailable and says why; fallbacks serve" {
  config
  gw_start
  register a "$FAKE_URL_alpha"
  order a drain
  gw_chat coder
  assert_error 503 no_available_node
  assert_match "$(jq -r .error.message <<<"$body")" drained
  gw_chat helper
  assert_status 200
  assert_header X-RoleMesh-Model attic
  gw_get /v1/models
  assert_json '[.rolemesh.unavailable_models[] | [.id, .reason]]' \
    "[[\"coder\",\"the only fresh node of role 'coder' is drained by an operator\"]]"
  assert_json '[.data[].id]' '["helper","attic"]'
  assert_json '.rolemesh.nodes[] | select(.node_id == "a") | [.status, .states.coder]' '["fresh","draining"]'
  wait_until 5 gw_log_has "event=role_unavailable .*model=coder reason=.*drained"
  order a undrain
  gw_chat coder
  assert_status 200
  wait_until 5 gw_log_has 'event=role_usable .*model=coder '
}

@test "drain: what runs there ends; who waits goes elsewhere, or on after undrain" {
  config
  gw_start
  register a "$FAKE_URL_alpha" '{"max_concurrency": 1}'
  ask first coder
  wait_until 5 status_says '.aliases[0].in_flight' 1
  ask second coder
  wait_until 5 status_says '.aliases[0].queued' 1
  order a drain
  assert_equal "$(status_of second)" 503
  assert_match "$(cat "$ASKED/second")" no_available_node
  run ! is_over first
  fake_go alpha
  assert_equal "$(status_of first)" 200
  # who waits when another node is there goes to that
  order a undrain
  ask third coder
  wait_until 5 status_says '.aliases[0].in_flight' 1
  ask fourth coder
  wait_until 5 status_says '.aliases[0].queued' 1
  register b "$FAKE_URL_beta" '{"max_concurrency": 1}'
  order a drain
  wait_until 5 status_says '[.aliases[0].candidates[] | [.node, .in_flight]]' '[["a",1],["b",1]]'
  ask fifth coder
  wait_until 5 status_says '.aliases[0].queued' 1
  # undrained, and free: it gets who waits
  fake_go alpha
  assert_equal "$(status_of third)" 200
  run ! is_over fifth
  order a undrain
  wait_until 5 status_says '[.aliases[0].candidates[] | [.node, .in_flight]]' '[["a",1],["b",1]]'
  fake_go alpha
  assert_equal "$(status_of fifth)" 200
  fake_go beta
  assert_equal "$(status_of fourth)" 200
}

@test "drain: a node of the configuration, too" {
  config
  sed -i 's/^models:/models:\n  writer: {type: discovered}/' "$GW_CONFIG"
  gw_start
  gw_chat writer
  assert_status 200
  order still drain
  assert_status 200
  gw_chat writer
  assert_error 503 no_available_node
  wait_until 2 status_says '.nodes[0] | [.node_id, .fixed, .state]' '["still",true,"draining"]'
  order still undrain
  gw_chat writer
  assert_status 200
}

@test "drain: for operators alone; strangers are none" {
  config
  gw_start
  register a "$FAKE_URL_alpha"
  gw_post /rolemesh/nodes/a/drain ''
  assert_error 401 invalid_api_key
  assert_header WWW-Authenticate 'Basic realm="rolemesh"'
  gw_post /rolemesh/nodes/a/drain '' -H 'Authorization: Bearer wrong'
  assert_error 401 invalid_api_key
  # a page of another origin has the password from the browser
  gw_post /rolemesh/nodes/a/drain '' -u operator:key-of-operator -H 'Origin: https://evil.example'
  assert_error 403 forbidden_origin
  gw_get /rolemesh/nodes/a/drain -u operator:key-of-operator
  assert_error 405 method_not_allowed
  assert_header Allow 'POST, OPTIONS'
  assert_equal "$(nodes_of 1)" a
  order stranger drain
  assert_error 404 node_not_registered
  order a explode
  assert_error 404 not_found
  gw_post /rolemesh/nodes/a '' -u operator:key-of-operator
  assert_error 404 not_found
  gw_post /rolemesh/nodes/drain '' -u operator:key-of-operator
  assert_error 404 not_found
  order "$(printf 'x%.0s' $(seq 300))" drain
  assert_error 404 not_found
  order 'a%00b' drain
  assert_between "$status_code" 400 499
  # names may hold anything
  register 'rack 7/box "1"' "$FAKE_URL_alpha"
  order 'rack%207%2Fbox%20%221%22' drain
  assert_status 200
  assert_json .node_id '"rack 7/box \"1\""' || assert_json .node_id 'rack 7/box "1"'
}

@test "drain: where no key is configured -> it wants one all the same" {
  gw_config <<YAML
models:
  coder: {type: discovered}
YAML
  gw_start
  register a "$FAKE_URL_alpha"
  gw_post /rolemesh/nodes/a/drain ''
  assert_error 401 invalid_api_key
  gw_get /rolemesh/status
  assert_status 200
  assert_json '.nodes[0].draining' false
}

@test "drain: a node's agent is told, says so once and shows it" {
  config
  gw_start
  agent_node a <<YAML
heartbeat_interval_s: 0.5
models:
- {model_id: m, path: $(fake_model m), roles: [coder]}
YAML
  agent_start a
  wait_until 10 status_says '[.nodes[].node_id]' '["a","still"]'
  order a drain
  assert_status 200
  is_told() { [[ $(agent_inventory a .dispatcher.draining) == "$1" ]]; }
  wait_until 10 is_told true
  order a undrain
  wait_until 10 is_told false
  assert_equal "$(grep -c 'event=gateway_drains ' "$GW_DIR/agent-a.log")" 1
  assert_equal "$(grep -c 'event=gateway_undrains ' "$GW_DIR/agent-a.log")" 1
}

# --- orders to a node's agent ---

# asked FILTER - the last request that alpha got for it
asked() {
  fake_log alpha "select(.event == \"request\" and (.path | startswith(\"/v1/node/\"))) | $1" | tail -1
}

@test "orders: load and unload -> passed to the node's agent, its answer to the operator" {
  config
  sed -i 's/operator_keys:/upstream_operator_key: key-of-agents\n  operator_keys:/' "$GW_CONFIG"
  gw_start
  gw_post /v1/nodes/register "$(jq -cn --arg url "$FAKE_URL_alpha" \
    '{node_id: "a", base_url: $url, served_models: [{model_id: "org/m 1", roles: ["coder"]}]}')"
  assert_status 200
  fake_mode alpha '{"status": 202, "content_type": "application/json", "body": "{\"status\":\"loading\"}"}'
  order a models/org%2Fm%201/load
  assert_status 202
  assert_json . '{"status":"loading"}'
  assert_equal "$(asked .method)$(asked .path)" 'POST/v1/node/models/org%2Fm%201/load'
  assert_equal "$(asked '.headers[] | select(.[0] == "Authorization") | .[1]')" 'Bearer key-of-agents'
  order a models/org/m%201/unload
  assert_status 202
  assert_equal "$(asked .path)" '/v1/node/models/org%2Fm%201/unload'
  fake_mode alpha '{"status": 409, "content_type": "application/json", "body": "{\"error\":{\"message\":\"pinned\",\"code\":\"pinned\"}}"}'
  order a models/org%2Fm%201/unload
  assert_status 409
  assert_json .error.code pinned
  fake_mode alpha '{"status": 404, "content_type": "application/json", "body": "{\"error\":{\"message\":\"none\",\"code\":\"model_not_found\"}}"}'
  order a models/org%2Fm%201/load
  assert_error 404 model_not_found || assert_json .error.code model_not_found
  # no agent, an older one
  fake_mode alpha '{"status": 404, "content_type": "application/json", "body": "{\"error\":{\"message\":\"none\",\"code\":\"not_found\"}}"}'
  order a models/org%2Fm%201/load
  assert_error 501 node_not_able
  fake_mode alpha '{"status": 405, "content_type": "text/html", "body": "no"}'
  order a models/org%2Fm%201/load
  assert_error 501 node_not_able
  fake_mode alpha '{"status": 200, "content_type": "text/html", "body": "<p>hello"}'
  order a models/org%2Fm%201/load
  assert_error 502 upstream_protocol_error
  fake_mode alpha '{"status": 401, "content_type": "application/json", "body": "{}"}'
  order a models/org%2Fm%201/load
  assert_error 502 upstream_auth_failed
  assert_match "$(jq -r .error.message <<<"$body")" 'auth.upstream_operator_key'
  run ! grep -q key-of-agents "$GW_DIR/gateway.log"
  # strangers
  order stranger models/m/load
  assert_error 404 node_not_registered
  order a models/other/load
  assert_error 404 not_found
  order a load
  assert_error 404 node_not_registered
  gw_post /rolemesh/nodes/a/models/org%2Fm%201/load ''
  assert_error 401 invalid_api_key
  fake_stop alpha
  order a models/org%2Fm%201/load
  assert_error 502 upstream_unreachable
}
