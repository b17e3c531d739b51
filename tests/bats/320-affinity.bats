#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 320-affinity.bats - which node a conversation goes to: the one that has its
# prompt in the cache; shares by weight, and the least busy node.

load helpers/all

setup_file() {
  local name
  gw_setup
  for name in one two three four; do
    fake_start "$name" --instant
  done
  gw_config <<'YAML'
models:
  coder: {type: discovered, strategy: affinity}
  named: {type: discovered, role: coder, strategy: affinity, affinity_header: X-Chat}
  busy: {type: discovered, strategy: least_busy}
  even: {type: discovered}
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

teardown() {
  gw_dump_if_failed
}

# add_node ID FAKE [MEMBERS] - register, with more members of its one model
add_node() {
  local port=FAKE_PORT_$2
  gw_post /v1/nodes/register "{\"node_id\":\"$1\",\"base_url\":\"http://127.0.0.1:${!port}\",
    \"served_models\":[{\"model_id\":\"m-$1\",\"roles\":[\"coder\",\"busy\",\"even\"]${3:+,$3}}]}"
  assert_status 200
}

four_nodes() {
  add_node n1 one
  add_node n2 two
  add_node n3 three
  add_node n4 four
}

# converse FORM COUNT TURNS AT_ONCE [ONLY_TURN] - sets $seen. Those of one test are
# the same, and no others.
converse() {
  seen=$(node "$TOP_SRCDIR/tests/bats/helpers/conversations.mjs" "$GW_URL/v1" \
    "test $BATS_TEST_NUMBER" "$@")
  echo "$seen" | jq -c 'del(.homes)'
}

seen_is() {
  assert_equal "$(jq -rcS "$1" <<<"$seen")" "$2" "$1"
}

@test "affinity: conversations of one system prompt -> each stays at its node" {
  four_nodes
  converse chat 60 5 8
  seen_is .status '{"200":300}'
  seen_is '[.later, .at_home]' '[240,240]'
  seen_is '.node | length' 4
}

@test "affinity: conversations, one request at a time -> no node has 1.3 times its share" {
  four_nodes
  converse chat 300 2 1
  seen_is .status '{"200":600}'
  seen_is '[.later, .at_home]' '[300,300]'
  seen_is '.node | [.[]] | max <= 1.3 * 600 / 4' true
}

@test "affinity: other APIs' prompts -> the same" {
  local form
  four_nodes
  for form in messages responses completions; do
    converse "$form" 40 3 4
    seen_is .status '{"200":120}'
    seen_is '[.later, .at_home]' '[80,80]'
    seen_is '.node | length' 4
  done
}

@test "affinity: X-Session-Id -> wins over the prompt" {
  four_nodes
  converse chat-session 40 3 4
  seen_is .status '{"200":120}'
  seen_is '[.later, .at_home]' '[80,80]'
  seen_is '.node | length' 4
}

@test "affinity: a header of one's own -> names the conversation" {
  local i who=''
  four_nodes
  for i in {1..8}; do
    gw_post /v1/chat/completions "{\"model\":\"named\",\"messages\":[{\"role\":\"user\",\"content\":\"$i\"}]}" \
      -H 'X-Chat: my chat' >/dev/null
    who+=$(header X-RoleMesh-Node)$'\n'
  done
  assert_equal "$(sort -u <<<"$who" | grep -c .)" 1 'nodes that one chat went to'
}

@test "affinity: a node leaves -> only its own conversations move, and stay where they are then" {
  local before after
  four_nodes
  converse chat 80 2 4
  before=$seen
  gw_post /v1/nodes/deregister '{"node_id":"n2"}'
  converse chat 80 3 4 2
  after=$seen
  assert_equal "$(jq -nc --argjson a "$before" --argjson b "$after" '[$a.homes | to_entries[] |
    select(.value != $b.homes[.key]) | .value] | unique')" '["n2"]' 'nodes whose conversations moved'
  add_node n2 two
  converse chat 80 4 4 3
  assert_equal "$(jq -nc --argjson a "$after" --argjson b "$seen" '$a.homes == $b.homes')" \
    true 'it comes back: nobody moves'
}

@test "affinity: a responder was killed -> its conversations are known to the others" {
  local before victim
  four_nodes
  converse chat 40 1 4
  before=$seen
  victim=$(gw_responders inference | head -n 1)
  kill -KILL "$victim"
  wait_until 10 three_responders_without "$victim"
  converse chat 40 2 4 1
  assert_equal "$(jq -nc --argjson a "$before" --argjson b "$seen" '$a.homes == $b.homes')" \
    true 'each is where it was'
}

three_responders_without() {
  local all
  all=$(gw_responders inference)
  [[ $(wc -w <<<"$all") == 3 && $all != *$1* ]]
}

@test "affinity: what upstreams say about their caches -> is counted" {
  local before
  fake_start cache
  add_node n1 cache
  gw_get /rolemesh/status >/dev/null
  before=$(jq -c '.counters | [.prompt_cache_hits, .prompt_cache_misses]' <<<"$body")
  fake_mode cache '{"status": 200, "content_type": "application/json",
    "body": "{\"usage\":{\"prompt_tokens_details\":{\"cached_tokens\":7}}}"}'
  gw_chat coder
  assert_status 200
  fake_mode cache '{"status": 200, "content_type": "application/json",
    "body": "{\"usage\":{\"prompt_tokens_details\":{\"cached_tokens\":0}}}"}'
  gw_chat coder
  gw_chat coder
  gw_get /rolemesh/status >/dev/null
  assert_equal "$(jq -c --argjson b "$before" '.counters |
    [.prompt_cache_hits - $b[0], .prompt_cache_misses - $b[1]]' <<<"$body")" '[1,2]' 'hits, misses'
}

# --- weights ---

# load_chats N MODEL [AT_ONCE] - N chats; sets $seen
load_chats() {
  seen=$(node "$TOP_SRCDIR/tests/bats/helpers/load.mjs" "$GW_URL/v1/chat/completions" \
    "$1" "${3:-12}" "{\"model\":\"$2\",\"messages\":[]}")
  echo "$seen"
}

@test "weights: 3 and 1 and 2 -> exactly these shares, over all processes" {
  add_node n1 one '"weight":3'
  add_node n2 two
  add_node n3 three '"weight":2'
  load_chats 600 even
  seen_is .status '{"200":600}'
  seen_is .node '{"n1":300,"n2":100,"n3":200}'
}

# --- least busy ---

@test "least_busy: idle nodes -> take turns" {
  four_nodes
  load_chats 100 busy 1
  seen_is .node '{"n1":25,"n2":25,"n3":25,"n4":25}'
}

@test "least_busy: one node has a request -> the next ones go to the other" {
  local chat
  fake_start slow
  add_node n1 slow
  fake_mode slow '{"wait_head": true}'
  gw_chat busy >/dev/null 3>&- &
  chat=$!
  wait_until 10 fake_stat_is slow .waiting 1
  add_node n2 two
  load_chats 20 busy 1
  seen_is .node '{"n2":20}'
  fake_mode slow '{}'
  fake_go slow
  wait "$chat"
}
