#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 991-status.bats - what an operator is told of how the gateway stands: processes,
# aliases, nodes, clients, the last edit. One truth, whichever process says it.
#
# shellcheck disable=SC2154,SC2030,SC2031 # set by the helpers; a test is a subshell

load helpers/all
load helpers/queue

setup() {
  gw_setup
  fake_start alpha
  fake_start beta
  DEAD=$(free_ports 1)
  export ROLE_MESH_NODE_STALE_AFTER_S=9000
}

teardown() {
  gw_teardown
}

# config [KEY: VALUE ...] - further lines of `gateway`
config() {
  gw_config <<YAML
gateway: {${1:-}}
default_model: planner
auth:
  clients:
    - {name: ann, key: key-of-ann, max_concurrency: 2, requests_per_minute: 100}
    - {name: bob, key: key-of-bob}
  client_api_keys: [key-plain]
  operator_keys: [key-of-operator]
models:
  planner: {type: proxy, proxy_url: "$FAKE_URL_alpha", max_concurrency: 1, queue: {max: 5, timeout_s: 60}}
  coder: {type: discovered, strategy: least_busy}
  attic: {type: proxy, proxy_url: "http://127.0.0.1:$DEAD", retry: {attempts: 0}, fallback: [planner]}
  cellar: {type: proxy, proxy_url: "http://127.0.0.1:$DEAD", retry: {attempts: 0}}
nodes:
  - {node_id: still, base_url: "$FAKE_URL_beta", roles: [coder]}
YAML
}

status() {
  gw_get /rolemesh/status -u operator:key-of-operator
  assert_status 200
}

status_says() { # FILTER VALUE
  gw_get /rolemesh/status -u operator:key-of-operator
  [[ $(jq -c "$1" <<<"$body") == "$2" ]]
}

register() { # NODE URL
  gw_post /v1/nodes/register "$(jq -cn --arg id "$1" --arg url "$2" \
    '{node_id: $id, base_url: $url, served_models: [{model_id: "m", roles: ["coder"], weight: 3}], meta: {rack: 7}}')"
  assert_status 200
}

# hold NAME KEY - a stream that lasts; its client's process in held_NAME
hold() {
  GW_KEY=$2 stream_to "$GW_DIR/$1" /v1/chat/completions \
    "$(chat_json planner '{"stream": true, "fake": {"tokens": 100000, "delay_ms": 50}}')"
  printf -v "held_$1" %s "$STREAM_PID"
}

@test "status: what there is, and nothing secret" {
  config
  gw_start
  register box "$FAKE_URL_beta"
  gw_post /v1/nodes/heartbeat '{"node_id": "box", "metrics": {"devices": [{"id": "gpu:0"}],
    "models": {"m": {"state": "ready", "running": 1, "pending": 2, "device": "gpu:0"}}}}'
  assert_status 200
  status
  assert_header Content-Type application/json
  assert_header Cache-Control no-store
  assert_json 'keys' '["aliases","clients","config","counters","default_model","generation","nodes","now","processes","started","version"]'
  assert_json '[.generation, .default_model, .config.last_reload]' '[1,"planner",null]'
  assert_json '.version == "'"$("$TOP_BUILDDIR/rolemesh-gateway" --version | grep -o '[0-9][0-9.]*' | head -1)"'"' true
  assert_json '(now - .now | fabs) < 60 and (now - .started) < 600 and (now - .config.loaded) < 600' true
  assert_json '.counters | has("requests") and has("open_requests")' true
  assert_json '[.aliases[] | [.name, .type, .role, .strategy, .default, .fallback, .queued]]' \
    '[["planner","proxy",null,null,true,[],0],["coder","discovered","coder","least_busy",false,[],0],["attic","proxy",null,null,false,["planner"],0],["cellar","proxy",null,null,false,[],0]]'
  assert_json '.aliases[0] | [.queue, .candidates]' \
    '[{"max":5,"timeout_s":60},[{"node":null,"model":null,"state":"ready","why":null,"in_flight":0,"max_concurrency":1,"weight":1,"ejected_for_s":null}]]'
  assert_json '[.aliases[1].candidates[] | [.node, .model, .state, .weight]]' '[["box","m","ready",3],["still","coder","ready",1]]'
  assert_json '[.nodes[] | [.node_id, .fixed, .state, .why, .draining, .in_flight, .ejected_for_s]]' \
    '[["box",false,"fresh",null,false,0,null],["still",true,"fresh",null,false,0,null]]'
  assert_json '.nodes[0] | [.base_url, .devices, .queues, .meta, .seen_age_s < 60]' \
    "[\"$FAKE_URL_beta\",[{\"id\":\"gpu:0\"}],[{\"model\":\"m\",\"running\":1,\"pending\":2}],{\"rack\":7},true]"
  assert_json '.nodes[0].models[0] | [.model_id, .roles, .state, .told, .device]' '["m",["coder"],"ready","ready","gpu:0"]'
  assert_json '[.clients[] | [.name, .max_concurrency, .requests_per_minute, .remaining]][:2]' \
    '[["ann",2,100,100],["bob",null,null,null]]'
  assert_json '.clients | length' 3
  [[ $body != *key-of-* && $body != *key-plain* ]]
  for key in key-of-ann key-of-bob key-plain key-of-operator; do
    [[ $body != *"$(printf %s "$key" | sha256sum | cut -d' ' -f1)"* ]]
  done
  gw_get /rolemesh/status -u operator:key-of-operator -I
  assert_status 200
}

@test "status: each process, its pool and what it holds" {
  config
  GW_WORKERS=3 gw_start
  status_has_all() { status_says '[.processes[].pool] | sort' '["control","inference","inference","inference","launcher"]'; }
  wait_until 5 status_has_all
  assert_json '[.processes[].generation] | unique' '[1]'
  assert_json '[.processes[] | .resident_bytes > 1000000 and .open_descriptors > 2] | all' true
  assert_json '[.processes[].pid] | unique | length' 5
  assert_json "[.processes[] | select(.pid == $(gw_pid gateway)) | .pool]" '["launcher"]'
  assert_json '[.processes[] | select(.open_requests > 0) | .pool]' '["control"]'
  hold s1 key-of-ann
  at_work() { status_says '[.processes[] | select(.pool == "inference" and .open_requests == 1)] | length' 1; }
  wait_until 5 at_work
}

@test "status: what is in flight, what waits, what a client uses" {
  config
  gw_start
  hold s1 key-of-ann
  wait_until 5 status_says '.aliases[0] | [.in_flight, .queued, .candidates[0].state]' '[1,0,"full"]'
  assert_json '.aliases[0].candidates[0].why' '1 of 1 slots are taken'
  assert_json '.clients[0] | [.in_flight, .queued, .remaining]' '[1,0,99]'
  hold s2 key-of-bob
  wait_until 5 status_says '.aliases[0] | [.in_flight, .queued]' '[1,1]'
  assert_json '[.clients[] | [.in_flight, .queued]]' '[[1,0],[0,1],[0,0]]'
  assert_json '.aliases[0].state' usable
  kill "$held_s1"
  wait_until 5 status_says '[.clients[] | [.in_flight, .queued]]' '[[0,0],[1,0],[0,0]]'
}

@test "status: why an alias is not usable, since when, and who stands in" {
  config
  gw_start
  local before
  before=$(date +%s)
  GW_KEY=key-of-ann gw_get /v1/models
  wait_until 5 status_says '[.aliases[] | .state]' '["usable","usable","by_fallback","unusable"]'
  assert_json '.aliases[2] | [.via, .why, .since]' '["planner","connection refused",null]'
  assert_json '.aliases[3] | [.via, .why]' '[null,"connection refused"]'
  since_is_known() { status_says ".aliases[3].since >= $before and .aliases[3].since <= now" true; }
  wait_until 5 since_is_known
  assert_json '.aliases[3].candidates[0] | [.state, .why]' '["unreachable","connection refused"]'
}

@test "status: a node that goes stale -> says so, and why" {
  ROLE_MESH_NODE_STALE_AFTER_S=1
  config
  gw_start
  register box "$FAKE_URL_beta"
  wait_until 5 status_says '[.nodes[] | [.node_id, .state]]' '[["box","stale"],["still","fresh"]]'
  assert_match "$(jq -r '.nodes[0].why' <<<"$body")" 'no sign of life for [0-9.]+ s'
  assert_json '[.aliases[1].candidates[] | .state]' '["stale","ready"]'
}

@test "status: the last edit is told by all alike" {
  config
  gw_start
  GW_KEY=key-of-ann gw_get /v1/models
  assert_json '.rolemesh | [has("counters"), .last_reload]' '[false,null]'
  config 'sse_keepalive_s: 9'
  wait_until 5 status_says '[.generation, .config.last_reload.success, .config.last_reload.error]' '[2,true,null]'
  wait_until 5 status_says '[.processes[].generation] | unique' '[2]'
  config 'sse_keepalive: 9'
  wait_until 5 status_says '[.generation, .config.last_reload.success]' '[2,false]'
  assert_match "$(jq -r .config.last_reload.error <<<"$body")" 'models.yaml:1:11: error: unknown key .gateway.sse_keepalive.'
  assert_json '.config.last_reload.time >= .config.loaded' true
  local told
  told=$(jq -c .config.last_reload <<<"$body")
  GW_KEY=key-plain gw_get /v1/models
  assert_json .rolemesh.last_reload "$told"
  # who starts now, with a copy of what is in force, says the same
  kill -9 $(gw_responders)
  wait_until 10 status_says '[.generation, (.processes | length), ([.processes[].generation] | unique), .config.last_reload.success]' '[2,4,[2],false]'
  config 'sse_keepalive_s: 8'
  wait_until 5 status_says '[.generation, .config.last_reload.success]' '[3,true]'
}

@test "status: 300 nodes and 100 roles -> all of it, and others are served meanwhile" {
  {
    echo 'models:'
    for i in $(seq 0 99); do echo "  role-$i: {type: discovered}"; done
    echo 'nodes:'
    for i in $(seq 0 299); do
      echo "  - {node_id: n$i, base_url: \"$FAKE_URL_beta\", roles: [role-$((i % 100)), role-$(((i + 7) % 100))]}"
    done
  } | gw_config
  gw_start
  gw_get /rolemesh/status
  assert_status 200
  assert_json '[(.nodes | length), (.aliases | length), ([.aliases[].candidates | length] | unique)]' '[300,100,[6]]'
}
