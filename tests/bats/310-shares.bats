#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 310-shares.bats - which of several nodes gets a request: exactly equal shares
# over all processes, chance, who is passed over, and what happens when the one
# that was chosen cannot be connected.

load helpers/all

setup_file() {
  local name
  gw_setup
  for name in one two three; do
    fake_start "$name" --instant
  done
  export DEAD_PORT
  DEAD_PORT=$(free_ports 1)
  gw_config <<'YAML'
models:
  reviewer:
    type: discovered
  gambler:
    type: discovered
    strategy: random
  long:
    type: discovered
YAML
  GW_WORKERS=3 gw_start
}

teardown_file() {
  gw_teardown
}

# Each test begins without nodes.
setup() {
  local id
  gw_get /v1/models >/dev/null
  while read -r id; do
    gw_post /v1/nodes/deregister "{\"node_id\":\"$id\"}" >/dev/null
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

# add_node ID PORT MODEL... - register, each model with all three roles
add_node() {
  local id=$1 port=$2
  shift 2
  gw_post /v1/nodes/register "$(jq -cn --arg id "$id" --arg port "$port" '{node_id: $id,
    base_url: "http://127.0.0.1:\($port)", served_models: [$ARGS.positional[] |
    {model_id: ., roles: ["reviewer", "gambler", "long"]}]}' --args "$@")"
  assert_status 200
}

# load_chats N [MODEL] [AT_ONCE] - N chats; sets $seen
load_chats() {
  seen=$(node "$TOP_SRCDIR/tests/bats/helpers/load.mjs" "$GW_URL/v1/chat/completions" \
    "$1" "${3:-12}" "{\"model\":\"${2:-reviewer}\",\"messages\":[]}")
  echo "$seen"
}

# seen_is FILTER EXPECTED
seen_is() {
  assert_equal "$(jq -rcS "$1" <<<"$seen")" "$2" "$1"
}

# --- round robin ---

@test "shares: 1,000 requests over two fresh nodes and all processes -> exactly 500 each" {
  add_node n1 "$FAKE_PORT_one" m-1
  add_node n2 "$FAKE_PORT_two" m-2
  for _ in {1..20}; do # until the web server has used all three
    load_chats 1000
    seen_is .status '{"200":1000}'
    seen_is .node '{"n1":500,"n2":500}'
    (($(processes_that_took_part) < 3)) || break
  done
  assert_equal "$(processes_that_took_part)" 3 'responder processes that took part'
}

processes_that_took_part() {
  grep -F 'path="/v1/chat/completions"' "$GW_DIR/gateway.log" |
    grep -o 'responder\[[0-9]*\]' | sort -u | wc -l
}

@test "shares: 1,000 requests over three nodes -> shares differ by at most one" {
  add_node n1 "$FAKE_PORT_one" m-1
  add_node n2 "$FAKE_PORT_two" m-2
  add_node n3 "$FAKE_PORT_three" m-3
  load_chats 1000
  seen_is '.node | [.[]] | sort' '[333,333,334]'
}

@test "shares: a responder was killed and replaced -> shares stay exact" {
  add_node n1 "$FAKE_PORT_one" m-1
  add_node n2 "$FAKE_PORT_two" m-2
  load_chats 51
  local victim
  victim=$(gw_responders inference | head -n 1)
  kill -KILL "$victim"
  wait_until 10 three_responders_without "$victim"
  load_chats 51
  seen_is '.node | [.[]] | sort' '[25,26]'
}

three_responders_without() {
  local all
  all=$(gw_responders inference)
  [[ $(wc -w <<<"$all") == 3 && $all != *$1* ]]
}

@test "shares: one node with two models for the role, one with one -> each model a third" {
  add_node n1 "$FAKE_PORT_one" m-a m-b
  add_node n2 "$FAKE_PORT_two" m-c
  load_chats 300
  seen_is .node '{"n1":200,"n2":100}'
}

@test "shares: a node with two models for the role -> both are asked for by name" {
  gw_setup
  fake_start four
  gw_config <<<'models: {reviewer: {type: discovered}, gambler: {type: discovered}, long: {type: discovered}}'
  gw_start
  add_node n1 "$FAKE_PORT_four" m-a m-b
  load_chats 10
  assert_equal "$(jq -r .model "$GW_DIR"/fake-four.bodies/*.body | sort | uniq -c |
    tr -s ' \n' ' ')" ' 5 m-a 5 m-b ' 'forwarded models'
}

@test "shares: two roles used in turn -> each has its own rotation" {
  add_node n1 "$FAKE_PORT_one" m-1
  add_node n2 "$FAKE_PORT_two" m-2
  local i long=''
  for i in 1 2 3 4; do
    gw_chat reviewer >/dev/null
    gw_chat long >/dev/null
    long+=$(header X-RoleMesh-Node)' '
  done
  assert_match "$long" '^(n1 n2 n1 n2|n2 n1 n2 n1) $' "nodes of 'long'"
}

@test "shares: a node joins -> it gets its share from then on; it leaves -> nothing" {
  add_node n1 "$FAKE_PORT_one" m-1
  load_chats 10
  seen_is .node '{"n1":10}'
  add_node n2 "$FAKE_PORT_two" m-2
  load_chats 100
  seen_is .node '{"n1":50,"n2":50}'
  gw_post /v1/nodes/deregister '{"node_id":"n2"}'
  load_chats 20
  seen_is .node '{"n1":20}'
}

@test "shares: requests that were refused before a node was chosen -> cost nobody a turn" {
  add_node n1 "$FAKE_PORT_one" m-1
  add_node n2 "$FAKE_PORT_two" m-2
  local i who=''
  for i in 1 2 3 4; do
    gw_post /v1/chat/completions '{"model":"reviewer",' >/dev/null
    gw_chat reviewer >/dev/null
    who+=$(header X-RoleMesh-Node)' '
  done
  assert_match "$who" '^(n1 n2 n1 n2|n2 n1 n2 n1) $' nodes
}

# --- random ---

@test "shares: strategy random -> every node is hit, nobody gets all" {
  add_node n1 "$FAKE_PORT_one" m-1
  add_node n2 "$FAKE_PORT_two" m-2
  add_node n3 "$FAKE_PORT_three" m-3
  load_chats 300 gambler
  seen_is .status '{"200":300}'
  # chance gives one of three nodes fewer than 50 once in a hundred million runs
  seen_is '.node | [keys, all(. >= 50)]' '[["n1","n2","n3"],true]'
  # in turn, no node would ever follow itself
  load_chats 60 gambler 1
  seen_is '.repeats > 0' true
}

# --- stale and unreachable nodes ---

@test "shares: one of two nodes goes stale -> the other gets everything" {
  gw_setup
  fake_start four
  fake_start five
  gw_config <<<'models: {reviewer: {type: discovered}}'
  ROLE_MESH_NODE_STALE_AFTER_S=3 gw_start
  add_node n1 "$FAKE_PORT_four" m-1
  add_node n2 "$FAKE_PORT_five" m-2
  wait_until 10 beat_and_see_stale n1 n2
  assert_equal "$(answered_by 20 n1)" 'n1' 'nodes that answered'
  assert_equal "$(answered_by 20 n1 n2)" 'n1 n2' 'nodes that answered'
}

# answered_by N BEATING... - the nodes that answered N requests, each right behind
# heartbeats. One that came when these were old again is none of them.
answered_by() {
  local n=$1 id tries nodes=''
  shift
  for ((tries = 0; n > 0; tries++)); do
    ((tries < 500)) || return 1
    for id in "$@"; do
      gw_post /v1/nodes/heartbeat "{\"node_id\":\"$id\"}" >/dev/null
    done
    gw_chat reviewer >/dev/null
    if [[ $status_code != 200 ]]; then
      assert_error 503 no_available_node || return 1
      continue
    fi
    nodes+=$(header X-RoleMesh-Node)$'\n'
    n=$((n - 1))
  done
  sort -u <<<"$nodes" | xargs
}

# beat_and_see_stale BEATING SILENT
beat_and_see_stale() {
  gw_post /v1/nodes/heartbeat "{\"node_id\":\"$1\"}" >/dev/null
  gw_get /v1/models >/dev/null
  [[ $(jq -r --arg id "$2" '.rolemesh.nodes[] | select(.node_id == $id) | .status' \
    <<<"$body") == stale ]]
}

@test "shares: one of two nodes refuses connections -> every request is answered by the other" {
  add_node n1 "$FAKE_PORT_one" m-1
  add_node dead "$DEAD_PORT" m-x
  load_chats 100
  seen_is .status '{"200":100}'
  seen_is .node '{"n1":100}'
  gw_log_has 'event=upstream_retry .*node=dead'
}

@test "shares: the dead node's share -> goes to all that are left, not to its neighbour" {
  add_node dead "$DEAD_PORT" m-x
  add_node n1 "$FAKE_PORT_one" m-1
  add_node n2 "$FAKE_PORT_two" m-2
  load_chats 300 reviewer 1
  seen_is .status '{"200":300}'
  seen_is '.node | [keys, all(. >= 140)]' '[["n1","n2"],true]'
}

@test "shares: the other node's model -> is the one forwarded after a retry" {
  gw_setup
  fake_start four
  gw_config <<<'models: {reviewer: {type: discovered, defaults: {top_k: 5}}}'
  gw_start
  add_node dead "$DEAD_PORT" model-of-the-dead
  add_node n1 "$FAKE_PORT_four" m-1
  local i
  for i in 1 2; do
    gw_chat reviewer
    assert_status 200
    assert_header X-RoleMesh-Node n1
    assert_equal "$(<"$(fake_body four)")" \
      '{"top_k":5,"model":"m-1","messages":[{"role":"user","content":"hello there"}]}'
  done
}

@test "shares: all nodes refuse connections -> 502 that says so" {
  add_node dead-1 "$DEAD_PORT" m-1
  add_node dead-2 "$(free_ports 1)" m-2
  gw_chat reviewer
  assert_error 502 upstream_unreachable
  local message
  message=$(jq -r .error.message <<<"$body")
  assert_match "$message" 'none of 3 attempts .*connection refused' message
  assert_match "$message" '[(].*dead-1 unconnected' message
  assert_match "$message" '[(].*dead-2 unconnected' message
}

@test "shares: no node at all -> 503 no_available_node with Retry-After" {
  gw_chat reviewer
  assert_error 503 no_available_node
  assert_header Retry-After '/^[0-9]+$/'
  assert_match "$(jq -r .error.message <<<"$body")" "'reviewer'" message
}

@test "shares: a node answers 503 itself -> the other one gets its requests, too" {
  gw_setup
  fake_start four
  fake_start five
  gw_config <<<'models: {reviewer: {type: discovered}}'
  gw_start
  fake_mode four '{"loading": true}'
  add_node n1 "$FAKE_PORT_four" m-1
  add_node n2 "$FAKE_PORT_five" m-2
  load_chats 10
  seen_is .status '{"200":10}'
  seen_is .node '{"n2":10}'
  assert_equal "$(fake_count four)" 5 'requests that the node refused'
}

# --- a full registry ---

# Small nodes that are registered at once and never heard of again.
register_many() {
  seen=$(node "$TOP_SRCDIR/tests/bats/helpers/load.mjs" "$GW_URL/v1/nodes/register" \
    "$1" 8 '{"node_id":"n@I@","base_url":"http://127.0.0.1:1","roles":["reviewer"]}')
  seen_is .status "{\"200\":$1}"
}

@test "shares: 4,096 fresh nodes -> one more is refused with 503, a known one may return" {
  gw_setup
  gw_config <<<'models: {reviewer: {type: discovered}}'
  gw_start
  register_many 4096
  node_post extra
  assert_error 503 registry_full
  assert_header Retry-After '/^[0-9]+$/'
  node_post n7
  assert_status 200
  gw_post /v1/nodes/deregister '{"node_id":"n8"}'
  node_post extra
  assert_status 200
}

@test "shares: 4,096 nodes, stale ones among them -> the longest-stale one makes room" {
  gw_setup
  gw_config <<<'models: {reviewer: {type: discovered}}'
  ROLE_MESH_NODE_STALE_AFTER_S=0.3 gw_start
  node_post first
  assert_status 200
  wait_until 5 first_is_stale
  register_many 4095
  node_post extra
  assert_status 200
  gw_log_has 'event=node_evicted .*node="first"'
  gw_post /v1/nodes/heartbeat '{"node_id":"first"}'
  assert_error 404 node_not_registered
  gw_post /v1/nodes/heartbeat '{"node_id":"n4094"}'
  assert_status 200
}

first_is_stale() {
  gw_get /v1/models >/dev/null
  [[ $(jq -r '.rolemesh.nodes[0].status' <<<"$body") == stale ]]
}

node_post() {
  gw_post /v1/nodes/register \
    "{\"node_id\":\"$1\",\"base_url\":\"http://127.0.0.1:1\",\"roles\":[\"reviewer\"]}"
}
