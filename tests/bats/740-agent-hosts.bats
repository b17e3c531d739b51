#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 740-agent-hosts.bats - a gateway and two nodes, each on a host of its own, both
# nodes with the same two roles on one device: requests are spread, a node that
# dies or cannot be reached is left out, and comes back.
#
# Each test has hosts of its own, and its teardown fails when a process, a
# folder or a host is left of them.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all

setup() {
  gw_setup
  netns_start gw east west
  gw_on gw
  agent_on east east
  agent_on west west
}

teardown() {
  gw_teardown
  netns_teardown
}

# hosts_up [STALE_S [LIMIT_S]] - everything runs, the gateway knows both nodes.
# LIMIT_S is how long it tries to connect one.
hosts_up() {
  gw_config <<YAML
gateway: {probe_ttl_s: 0, probe_timeout_s: ${2:-10}}
models:
  planner: {type: discovered, timeouts: {connect_s: ${2:-10}}}
  coder: {type: discovered, timeouts: {connect_s: ${2:-10}}}
YAML
  ROLE_MESH_NODE_STALE_AFTER_S=${1:-9000} gw_start
  node_up east
  node_up west
}

# node_up NAME - an agent that advertises the address of its host.
node_up() {
  agent_node "$1" <<YAML
models:
- {model_id: $1-plan, path: $(fake_model "$1-plan"), roles: [planner]}
- {model_id: $1-code, path: $(fake_model "$1-code"), roles: [coder]}
YAML
  agent_start "$1"
  wait_until 10 gw_node_has "$1" '.metrics.models | length' 2
}

# warm NAME... - those nodes have loaded their planner, and the gateway knows: they
# are alike to it.
warm() {
  local name
  for name; do
    agent_chat "$name" "$name-plan"
    assert_status 200 || return 1
    wait_until 10 gw_node_has "$name" ".metrics.models[\"$name-plan\"].state" ready
  done
}

# nodes_of N ALIAS - that many requests, one after the other, each answered with
# 200: prints which node answered, one a line.
nodes_of() {
  for ((i = 0; i < $1; i++)); do
    gw_chat "$2" >&2
    assert_status 200 || return 1
    header X-RoleMesh-Node
  done
}

# spread N ALIAS - how many of them each node answered, as one line.
spread() {
  local nodes
  nodes=$(nodes_of "$@") && sort <<<"$nodes" | uniq -c | tr -s ' \n' ' '
}

# both_answer ALIAS, only_west ALIAS - for wait_until.
both_answer() {
  [[ $(spread 2 "$1" 2>/dev/null) == ' 1 east 1 west ' ]]
}

only_west() {
  [[ $(spread 6 "$1" 2>/dev/null) == ' 6 west ' ]]
}

# refuses NAME - nobody listens at the agent's address any more; for wait_until.
refuses() {
  local status=0
  $GW_VIA curl -s --noproxy '*' --max-time 300 -o /dev/null "$(agent_url "$1")/health" || status=$?
  ((status == 7))
}

@test "hosts: a role served by two nodes -> requests alternate between them" {
  hosts_up
  warm east west
  assert_equal "$(spread 10 planner)" ' 5 east 5 west '
  assert_equal "$(fake_count east-plan /v1/chat/completions)" 6 'requests on east'
}

@test "hosts: a llama-server of a node -> not reachable from other hosts" {
  hosts_up
  gw_chat planner
  assert_status 200
  local port
  port=$(llama_option east-plan --port)
  netns_exec east curl -sf --max-time 300 -o /dev/null "http://127.0.0.1:$port/health"
  run -7 netns_exec gw curl -s --max-time 300 "http://$(netns_address east):$port/health"
}

@test "hosts: an agent is killed -> no llama-server is left, the other node answers everything" {
  hosts_up
  warm east west
  assert_equal "$(spread 4 planner)" ' 2 east 2 west '
  agent_kill east
  wait_until 10 refuses east
  # still fresh: each refused connection becomes a request to the other node
  assert_equal "$(gw_node east .status)" fresh
  assert_equal "$(spread 8 planner)" ' 8 west '
  wait_until 10 no_llama east-plan
}

no_llama() {
  [[ -z $(llama_pids "$1") ]]
}

@test "hosts: an agent is killed while requests come -> each gets an answer, soon all of them 200" {
  hosts_up
  warm east west
  wait_until 10 both_answer planner
  requests 200 planner 3>&- 4>&- &
  wait_until 20 answered planner 20
  agent_kill east
  wait "$!"
  # in mid-answer: the gateway cannot know whether it may ask again; and lighttpd
  # outlives its agent for a moment, in which it says 500 or 503
  assert_equal "$(grep -vcE '^(200|50[023])$' "$GW_DIR/planner.status")" 0 'other answers'
  wait_until 10 refuses east
  assert_equal "$(spread 8 planner)" ' 8 west '
}

# requests N ALIAS - 4 at a time; their statuses are in $GW_DIR/ALIAS.status, one
# a line.
requests() {
  : >"$GW_DIR/$2.status"
  # shellcheck disable=SC2086 # words
  seq "$1" | xargs -P 4 -I '{}' ${GW_VIA:-} curl -s --noproxy '*' --max-time 300 -o /dev/null \
    -w '%{http_code}\n' -H 'Content-Type: application/json' \
    --data-binary "$(chat_json "$2")" "$GW_URL/v1/chat/completions" >>"$GW_DIR/$2.status" || true
}

answered() {
  (($(wc -l <"$GW_DIR/$1.status") >= $2))
}

@test "hosts: a killed agent starts again -> its node gets requests again" {
  hosts_up
  agent_kill east
  wait_until 10 refuses east
  assert_equal "$(spread 4 planner)" ' 4 west '
  agent_start east
  warm east
  wait_until 10 both_answer planner
}

@test "hosts: a fresh node cannot be reached -> the other one answers" {
  hosts_up 9000 3
  netns_unplug east
  # again where west was too slow; of two in turn one is east's
  wait_until 20 only_west planner
  # what was known serves until its probe has ended
  wait_until 20 gw_node_has east '[.status, .reachable]' '["fresh",false]'
}

@test "hosts: a node's link goes down -> its role moves once it is stale; up again -> it is back" {
  hosts_up 2
  warm east west
  wait_until 10 both_answer planner
  netns_link east down
  wait_until 20 gw_node_has east .status stale
  # of two seconds: a busy machine makes west stale for a moment, too
  wait_until 10 only_west planner
  netns_link east up
  wait_until 60 gw_node_has east .status fresh
  wait_until 10 both_answer planner
}

@test "hosts: a node is cut off -> it serves its own host, and returns by itself" {
  hosts_up 2
  warm west
  netns_unplug east
  wait_until 20 gw_node_has east .status stale
  agent_chat east east-plan
  assert_status 200
  netns_replug east
  wait_until 60 gw_node_has east .status fresh
  wait_until 10 both_answer planner
}

@test "hosts: both roles under load, one device a node -> every request is answered" {
  local first
  hosts_up
  requests 30 planner &
  first=$!
  requests 30 coder
  wait "$first"
  assert_equal "$(sort "$GW_DIR/planner.status" "$GW_DIR/coder.status" | uniq -c | tr -s ' ')" ' 60 200'
  # never two on one device
  assert_equal "$(wc -w <<<"$(llama_pids)")" 2 'llama-servers'
}

@test "hosts: the client leaves its stream -> the llama-server behind both is told" {
  local model
  hosts_up
  stream_to "$BATS_TEST_TMPDIR/s" /v1/chat/completions \
    "$(chat_json coder '{"stream": true, "fake": {"tokens": 1000000, "delay_ms": 50}}')"
  wait_until 20 stream_has "$BATS_TEST_TMPDIR/s" 2
  model=$(sed -nE 's/^X-RoleMesh-Node: ([a-z]+).*/\1/p' "$BATS_TEST_TMPDIR/s.head")-code
  kill "$STREAM_PID"
  stream_wait
  wait_until 10 fake_logged "$model" 'select(.event == "client_closed")'
}

@test "hosts: a node dies with a stream in it -> one error event; the next request is answered" {
  local node
  hosts_up
  stream_to "$BATS_TEST_TMPDIR/s" /v1/chat/completions \
    "$(chat_json coder '{"stream": true, "fake": {"tokens": 1000000, "delay_ms": 50}}')"
  wait_until 20 stream_has "$BATS_TEST_TMPDIR/s" 2
  node=$(sed -nE 's/^X-RoleMesh-Node: ([a-z]+).*/\1/p' "$BATS_TEST_TMPDIR/s.head")
  agent_kill "$node"
  stream_wait
  assert_equal "$stream_status" 0
  stream_text "$BATS_TEST_TMPDIR/s" >"$BATS_TEST_TMPDIR/s.text"
  assert_one_sse_error /v1/chat/completions upstream_protocol_error "$BATS_TEST_TMPDIR/s.text"
  wait_until 10 refuses "$node"
  gw_chat coder
  assert_status 200
}
