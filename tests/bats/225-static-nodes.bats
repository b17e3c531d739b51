#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 225-static-nodes.bats - nodes that are written in the configuration: they serve
# discovered roles without any agent, and beside nodes that registered.

load helpers/all

# authority NAME - a private one: NAME.ca, NAME.ca.key
authority() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
    -subj "/CN=$1" -keyout "$GW_DIR/$1.ca.key" -out "$GW_DIR/$1.ca" 2>/dev/null
}

front_answers() {
  curl -sk --noproxy '*' --max-time 2 -o /dev/null "$TLS_URL/v1/models"
}

# tls_front UPSTREAM - sets TLS_URL, whose certificate comes from ours.ca
tls_front() {
  local port
  port=$(free_ports 1)
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=front \
    -keyout "$GW_DIR/front.key" -out "$GW_DIR/front.csr" 2>/dev/null
  openssl x509 -req -in "$GW_DIR/front.csr" -CA "$GW_DIR/ours.ca" -CAkey "$GW_DIR/ours.ca.key" \
    -CAcreateserial -days 2 -extfile <(echo subjectAltName=IP:127.0.0.1) \
    -out "$GW_DIR/front.pem" 2>/dev/null
  cat >"$GW_DIR/front.conf" <<CONF
daemon off;
master_process off;
pid $GW_DIR/front.pid;
events { }
http {
  access_log off;
  client_body_temp_path $GW_DIR/front.tmp; proxy_temp_path $GW_DIR/front.tmp;
  fastcgi_temp_path $GW_DIR/front.tmp; uwsgi_temp_path $GW_DIR/front.tmp; scgi_temp_path $GW_DIR/front.tmp;
  server {
    listen 127.0.0.1:$port ssl;
    ssl_certificate $GW_DIR/front.pem;
    ssl_certificate_key $GW_DIR/front.key;
    location / { proxy_pass $1; proxy_http_version 1.1; }
  }
}
CONF
  nginx -e "$GW_DIR/front.nginx.log" -c "$GW_DIR/front.conf" >/dev/null 2>&1 3>&- 4>&- &
  gw_track tls-front "$!"
  export TLS_URL=https://127.0.0.1:$port
  wait_until 10 front_answers
}

setup() {
  gw_setup
  fake_start one
  fake_start two
}

teardown() {
  gw_teardown
}

# role_config NODES [TOP-LEVEL] - one discovered role and these lines of `nodes`
role_config() {
  printf 'gateway: {probe_ttl_s: 0, probe_timeout_s: 60}\n%s\nmodels: {coder: {type: discovered}}\nnodes:\n%s\n' \
    "${2:-}" "$1"
}

# box ID URL [MORE] - a node of the role, one line of YAML
box() {
  printf -- '- {node_id: %s, base_url: "%s", served_models: [{model_id: m-%s, roles: [coder]}]%s}\n' \
    "$1" "$2" "$1" "${3:+, $3}"
}

# both [MORE] - the usual two
both() {
  box box-1 "$FAKE_URL_one" "${1:-}"
  box box-2 "$FAKE_URL_two" "${1:-}"
}

# asked N - who answered N requests, one word each
asked() {
  local i
  for ((i = 0; i < $1; i++)); do
    gw_chat coder >/dev/null
    [[ $status_code == 200 ]] || echo "HTTP-$status_code"
    header X-RoleMesh-Node || true
  done
}

# shares N - "COUNT NODE" of N requests, sorted
shares() {
  asked "$1" | sort | uniq -c | awk '{ print $1, $2 }' | paste -sd,
}

# nodes_are ID... - what /v1/models lists, in that order; for wait_until
nodes_are() {
  gw_get /v1/models >/dev/null
  [[ $(jq -r '[.rolemesh.nodes[].node_id] | join(" ")' <<<"$body") == "$*" ]]
}

# answers NAME - the next request is answered by that node; for wait_until
answers() {
  [[ $(asked 1) == "$1" ]]
}

register() {
  gw_post /v1/nodes/register "$(jq -cn --arg id "$1" --arg url "$2" \
    '{node_id: $id, base_url: $url, served_models: [{model_id: "registered", roles: ["coder"]}]}')"
}

@test "static nodes: two servers in the file -> the role is served by both in turn, with no agent" {
  role_config "$(both)" | gw_config
  gw_start
  assert_equal "$(shares 10)" '5 box-1,5 box-2' 'answers'
  assert_equal "$(jq -r .model <"$(fake_body one)")" m-box-1 'the model that one was asked for'
  assert_equal "$(jq -r .model <"$(fake_body two)")" m-box-2 'the model that two was asked for'
  gw_get /ready
  assert_status 200
}

@test "static nodes: /v1/models -> fresh, static, reachable, with what they serve" {
  role_config "$(box box-1 "$FAKE_URL_one" 'weight: 3, max_concurrency: 8, meta: {room: 12}')
- {node_id: box-2, base_url: \"$FAKE_URL_two/v1\", roles: [coder]}" | gw_config
  gw_start
  gw_get /v1/models
  assert_json '[.data[].id]' '["coder"]'
  assert_json '.rolemesh.nodes[0]' '{"node_id":"box-1","status":"fresh","last_seen_s":0,"reachable":true,"in_flight":0,"states":{"m-box-1":"ready"},"static":true,"weight":3,"max_concurrency":8,"served_models":[{"model_id":"m-box-1","roles":["coder"]}],"meta":{"room":12}}'
  assert_json '.rolemesh.nodes[1] | [.node_id, .static, .served_models]' \
    '["box-2",true,[{"model_id":"coder","roles":["coder"]}]]'
  refute_secret_address
}

# Clients hold only a client key: where nodes are is not their business.
refute_secret_address() {
  [[ $body != *"$FAKE_URL_one"* ]] || _fail 'the address of a node is shown'
}

@test "static nodes: they stay fresh however long nothing is heard of them" {
  role_config "$(both)" | gw_config
  ROLE_MESH_NODE_STALE_AFTER_S=0.2 gw_start
  register guest "$FAKE_URL_one"
  assert_status 200
  wait_until 10 gw_node_has guest .status stale
  assert_equal "$(gw_node box-1 .status)" fresh 'status'
  assert_equal "$(shares 4)" '2 box-1,2 box-2' 'answers'
  run -1 grep -q 'event=node_stale.*box-' "$GW_DIR/gateway.log"
}

@test "static nodes: beside a registered one -> all three in turn" {
  fake_start three
  role_config "$(both)" | gw_config
  gw_start
  register guest "$FAKE_URL_three"
  assert_status 200
  assert_equal "$(shares 9)" '3 box-1,3 box-2,3 guest' 'answers'
}

@test "static nodes: weights -> three times the weight, three times the requests; a model's own wins" {
  role_config "$(box box-1 "$FAKE_URL_one" 'weight: 3')
$(box box-2 "$FAKE_URL_two")" | gw_config
  gw_start
  assert_equal "$(shares 12)" '9 box-1,3 box-2' 'answers'
  role_config "- {node_id: box-1, base_url: \"$FAKE_URL_one\", weight: 100, served_models: [{model_id: m, roles: [coder], weight: 1}]}
$(box box-2 "$FAKE_URL_two" 'weight: 2')" | gw_config
  wait_until 20 gw_node_has box-2 .weight 2
  wait_until 20 two_thirds
}

# A process that does not know the edit yet makes it another share.
two_thirds() {
  [[ $(shares 12) == '4 box-1,8 box-2' ]]
}

@test "static nodes: keys -> each node gets its own, else auth.upstream_node_key, requests and probes alike" {
  role_config "$(box box-1 "$FAKE_URL_one" 'api_key: own-key')
$(box box-2 "$FAKE_URL_two")" 'auth: {upstream_node_key: shared-key}' | gw_config
  gw_start
  asked 2
  assert_equal "$(fake_header one authorization)" 'Bearer own-key' 'key of the request'
  assert_equal "$(fake_header two authorization)" 'Bearer shared-key' 'key of the request'
  gw_get /v1/models
  assert_equal "$(probe_keys one)" 'Bearer own-key' 'keys of probes'
  assert_equal "$(probe_keys two)" 'Bearer shared-key' 'keys of probes'
}

# probe_keys NAME - what its probes had as Authorization
probe_keys() {
  fake_log "$1" 'select(.event == "request" and .path == "/v1/models") | .headers[]
    | select(.[0] | ascii_downcase == "authorization") | .[1]' | sort -u
}

@test "static nodes: its own key is refused -> 502, the log names the place and not the key" {
  role_config "$(box box-1 "$FAKE_URL_one" 'api_key: own-key')" | gw_config
  gw_start
  fake_mode one '{"status": 401}'
  gw_chat coder
  assert_error 502 upstream_auth_failed
  assert_match "$(jq -r .error.message <<<"$body")" "api_key in nodes"
  run -1 grep -q own-key "$GW_DIR/gateway.log"
}

@test "static nodes: behind a private authority -> believed where it is named, for that node alone" {
  gw_requires nginx
  gw_requires openssl
  authority ours
  tls_front "$FAKE_URL_one"
  role_config "$(box box-1 "$TLS_URL" 'tls: {ca_file: ours.ca}')
$(box box-2 "$TLS_URL")
$(box box-3 "$TLS_URL" 'tls: {verify: false}')" | gw_config
  gw_start
  gw_get /v1/models
  assert_json '[.rolemesh.nodes[] | .reachable]' '[true,false,true]'
  assert_match "$(jq -r '.rolemesh.nodes[1].reason' <<<"$body")" TLS
  asked 6 >"$GW_DIR/who"
  run -1 grep -q 'box-2\|HTTP' "$GW_DIR/who"
  grep -q box-1 "$GW_DIR/who"
  grep -q box-3 "$GW_DIR/who"
}

@test "static nodes: one is dead -> the other serves, and the list says why" {
  role_config "$(both)" | gw_config
  gw_start
  fake_stop two
  assert_equal "$(shares 6)" '6 box-1' 'answers'
  gw_get /v1/models
  assert_json '[.data[].id]' '["coder"]'
  assert_json '.rolemesh.nodes[1] | [.node_id, .status, .reachable, .reason]' \
    '["box-2","fresh",false,"connection refused"]'
  fake_start two
  wait_until 20 answers box-2
}

@test "static nodes: all are dead -> 502, and the role is unavailable" {
  role_config "$(both)" | gw_config
  gw_start
  fake_stop one
  fake_stop two
  gw_chat coder
  assert_error 502 upstream_unreachable
  gw_get /v1/models
  assert_json '[.data[], .rolemesh.unavailable_models[] | .id]' '["coder"]'
  assert_match "$(jq -r '.rolemesh.unavailable_models[0].reason' <<<"$body")" 'connection refused'
}

@test "static nodes: register, heartbeat and deregister with such an id -> 409 node_is_configured" {
  local path
  role_config "$(both)" | gw_config
  gw_start
  register box-1 "$FAKE_URL_two"
  assert_error 409 node_is_configured node_id
  for path in heartbeat deregister; do
    gw_post "/v1/nodes/$path" '{"node_id": "box-2"}'
    assert_error 409 node_is_configured node_id
  done
  nodes_are box-1 box-2
  # another one, and one that only begins so
  register box-10 "$FAKE_URL_two"
  assert_status 200
  gw_post /v1/nodes/heartbeat '{"node_id": "box-3"}'
  assert_error 404 node_not_registered
}

@test "static nodes: an edit adds, changes and takes away -> in force in every process, streams go on" {
  role_config "$(box box-1 "$FAKE_URL_one")" | gw_config
  GW_WORKERS=3 gw_start
  assert_equal "$(shares 3)" '3 box-1' 'answers'
  stream_to "$GW_DIR/s" /v1/chat/completions \
    "$(chat_json coder '{"stream": true, "fake": {"tokens": 3, "wait_tokens": true}}')"
  fake_go one
  wait_until 10 stream_has "$GW_DIR/s" 1
  role_config "$(both)" | gw_config
  wait_until 20 nodes_are box-1 box-2
  wait_until 20 answers box-2
  role_config "$(box box-2 "$FAKE_URL_two")" | gw_config
  wait_until 20 nodes_are box-2
  wait_until 20 only_box_2
  fake_go one
  fake_go one
  fake_go one
  stream_wait
  assert_match "$(stream_text "$GW_DIR/s")" 'data: \[DONE\]'
  # the same id at another place, with a key
  role_config "$(box box-2 "$FAKE_URL_one" 'api_key: new-key')" | gw_config
  wait_until 20 key_arrived new-key
  role_config '' 'x-none: 1' | gw_config
  wait_until 20 nodes_are ''
  gw_chat coder
  assert_error 503 no_available_node
}

# All three processes know: as many in a row as it takes to meet each.
only_box_2() {
  [[ $(shares 12) == '12 box-2' ]]
}

key_arrived() {
  asked 1 >/dev/null
  [[ $(fake_header one authorization) == "Bearer $1" ]]
}

@test "static nodes: one registered, then an edit made its id static -> hidden, and back when that is gone" {
  role_config "$(box box-1 "$FAKE_URL_one")" | gw_config
  gw_start
  register guest "$FAKE_URL_two"
  assert_status 200
  nodes_are guest box-1
  role_config "$(box box-1 "$FAKE_URL_one")
$(box guest "$FAKE_URL_one")" | gw_config
  wait_until 20 gw_node_has guest .static true
  nodes_are box-1 guest
  gw_post /v1/nodes/heartbeat '{"node_id": "guest"}'
  assert_error 409 node_is_configured
  wait_until 20 only_fake_one
  role_config "$(box box-1 "$FAKE_URL_one")" | gw_config
  wait_until 20 nodes_are guest box-1
  gw_post /v1/nodes/heartbeat '{"node_id": "guest"}'
  assert_status 200
  wait_until 20 answers guest
}

# The registered guest was at fake two: nothing gets there any more.
only_fake_one() {
  local before
  before=$(fake_count two)
  asked 6 >/dev/null
  [[ $(fake_count two) == "$before" ]]
}

@test "static nodes: a responder is killed -> its successor knows them" {
  local pid
  role_config "$(both)" | gw_config
  GW_WORKERS=1 gw_start
  pid=$(gw_responders inference)
  kill -KILL "$pid"
  wait_until 20 gone "$pid"
  wait_until 20 answers box-1
  assert_equal "$(shares 4)" '2 box-1,2 box-2' 'answers'
}

@test "static nodes: the file in /dev/shm is removed -> they are there all the same" {
  role_config "$(both)" | gw_config
  gw_start
  register guest "$FAKE_URL_one"
  asked 1
  rm -f "/dev/shm/${ROLE_MESH_SHM#/}"
  wait_until 20 gw_log_has 'event=shm_moved'
  nodes_are guest box-1 box-2
  assert_equal "$(shares 6)" '2 box-1,2 box-2,2 guest' 'answers'
}

@test "static nodes: --check and --print-config -> mistakes with their place; what is printed loads again" {
  role_config "$(box box-1 "$FAKE_URL_one" 'api_key: own-key')
$(box box-1 "$FAKE_URL_two")" | gw_config
  run -2 gw_run --check --config "$GW_CONFIG"
  assert_match "$output" 'models.yaml:6:13: error: nodes\[1\]\.node_id: `box-1` is the id of nodes\[0\] already'
  role_config "$(both 'api_key: own-key')" | gw_config
  gw_run --print-config --config "$GW_CONFIG" >"$GW_DIR/printed.yaml"
  run -1 grep -q own-key "$GW_DIR/printed.yaml"
  run -0 gw_run --check --config "$GW_DIR/printed.yaml"
}

@test "static nodes: the shipped example of two servers -> nothing to complain about" {
  run -0 gw_run --check --config "$TOP_SRCDIR/configs/two_servers.example.yaml"
  assert_match "$output" 'two_servers.example.yaml: ok$'
  [[ $output != *warning* ]]
}

@test "static nodes: an agent with such an id -> told why and says so once, joins when the file lets it" {
  role_config "$(box helper "$FAKE_URL_one")" | gw_config
  gw_start
  agent_node helper <<YAML
heartbeat_interval_s: 3600
models: [{model_id: m-agent, path: $(fake_model m-agent), roles: [coder]}]
YAML
  agent_start helper
  wait_until 20 agent_complained
  assert_match "$(grep 'event=gateway_failed' "$GW_DIR/agent-helper.log")" \
    'HTTP 409, .*written in the gateway.s configuration'
  assert_equal "$(grep -c 'event=gateway_failed' "$GW_DIR/agent-helper.log")" 1 'complaints'
  role_config "$(box other "$FAKE_URL_one")" | gw_config
  wait_until 60 gw_node_has helper .status fresh
  # who has its model loaded goes first
  agent_chat helper m-agent
  assert_status 200
  wait_until 20 answers helper
}

agent_complained() {
  grep -q 'event=gateway_failed' "$GW_DIR/agent-helper.log"
}
