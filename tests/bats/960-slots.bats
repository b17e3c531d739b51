#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 960-slots.bats - max_concurrency: requests in flight at a candidate never are
# more, whatever process has them; what is more waits.
#
# shellcheck disable=SC2154,SC2030,SC2031 # set by the helpers; a test is a subshell

load helpers/all
load helpers/queue

write_config() {
  gw_config <<YAML
models:
  one:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    max_concurrency: ${SLOTS:-1}
  three:
    type: proxy
    proxy_url: $FAKE_URL_beta
    max_concurrency: 3
  left: # two names of one model at one address
    type: proxy
    proxy_url: $FAKE_URL_gamma
    defaults: {model: same}
    max_concurrency: 1
  right:
    type: proxy
    proxy_url: $FAKE_URL_gamma
    defaults: {model: same}
    max_concurrency: 1
  free:
    type: proxy
    proxy_url: $FAKE_URL_gamma
  absurd:
    type: proxy
    proxy_url: $FAKE_URL_gamma
    max_concurrency: 0
  written:
    type: discovered
    role: written
  team:
    type: discovered
  twin:
    type: discovered
nodes:
  - node_id: fixed
    base_url: $FAKE_URL_delta
    roles: [written]
    max_concurrency: 2
YAML
}

setup_file() {
  gw_setup
  fake_start alpha
  fake_start beta
  fake_start gamma
  fake_start delta
  fake_start eps
  write_config
  GW_WORKERS=4 gw_start
}

teardown_file() {
  gw_teardown
}

setup() {
  QUEUED_BEFORE=$(gw_counter queued)
}

teardown() {
  gw_dump_if_failed
  wait_until 10 gw_holds_nothing
}

# serve ID FAKE MODELS [EXTRA] - registers it.
serve() {
  local var=FAKE_URL_$2 extra=${4:-}
  gw_post /v1/nodes/register "$(jq -cn --arg id "$1" --arg url "${!var}" \
    --argjson models "$3" --argjson extra "${extra:-{\}}" \
    '{node_id: $id, base_url: $url, served_models: $models} + $extra')" >/dev/null
  assert_status 200
}

gone_node() {
  gw_post /v1/nodes/deregister "{\"node_id\":\"$1\"}" >/dev/null
}

@test "slots: one slot, two requests -> the second one comes when the first has ended" {
  ask a one
  at alpha a
  ask b one
  waits 1
  assert_equal "$(fake_stats alpha .active)" 1
  fake_go alpha
  assert_equal "$(status_of a)" 200
  at alpha b
  fake_go alpha
  assert_equal "$(status_of b)" 200
}

@test "slots: 300 requests of 50 clients at once over four processes, three slots -> never more than three, never fewer while any waits" {
  run node "$TOP_SRCDIR/tests/bats/helpers/load.mjs" "$GW_URL/v1/chat/completions" 300 50 \
    '{"model":"three","messages":[{"role":"user","content":"@I@"}],"fake":{"first_delay_ms":4}}'
  assert_equal "$status" 0
  assert_equal "$(jq -c '[.status, .failed]' <<<"$output")" '[{"200":300},0]'
  assert_equal "$(fake_stats beta .max_concurrent)" 3
}

@test "slots: two aliases for one model at one address -> they share its slots" {
  ask a left
  at gamma a
  ask b right
  waits 1
  assert_equal "$(fake_stats gamma .active)" 1
  fake_go gamma
  at gamma b
  fake_go gamma
  assert_equal "$(status_of a) $(status_of b)" '200 200'
}

@test "slots: no max_concurrency, or 0 -> no bound" {
  local i
  for i in 1 2 3; do
    ask "f$i" free
    ask "z$i" absurd
  done
  fake_go gamma 6
  for i in 1 2 3; do
    assert_equal "$(status_of "f$i") $(status_of "z$i")" '200 200'
  done
  waits 0
}

@test "slots: a node of the configuration -> its max_concurrency holds" {
  local i
  for i in 1 2 3; do
    ask "w$i" written
  done
  waits 1
  wait_until 10 fake_stat_is delta .active 2
  fake_go delta 2
  fake_go delta 1
  for i in 1 2 3; do
    assert_equal "$(status_of "w$i")" 200
  done
  assert_equal "$(fake_stats delta .max_concurrent)" 2
}

@test "slots: two registered nodes of one slot -> a request each, the third goes where one ends" {
  serve n1 delta '[{"model_id": "t", "roles": ["team"], "max_concurrency": 1}]'
  serve n2 eps '[{"model_id": "t", "roles": ["team"]}]' '{"max_concurrency": 1}'
  ask a team
  ask b team
  wait_until 10 fake_stat_is delta .active 1
  wait_until 10 fake_stat_is eps .active 1
  ask c team
  waits 1
  fake_go eps
  at eps c
  assert_equal "$(fake_stats delta .active)" 1
  fake_go eps
  fake_go delta
  assert_equal "$(status_of a) $(status_of b) $(status_of c)" '200 200 200'
  gone_node n1
  gone_node n2
}

@test "slots: a model with two roles -> they share its slots" {
  serve n1 delta '[{"model_id": "t", "roles": ["team", "twin"], "max_concurrency": 1}]'
  ask a team
  at delta a
  ask b twin
  waits 1
  fake_go delta
  at delta b
  fake_go delta
  assert_equal "$(status_of a) $(status_of b)" '200 200'
  gone_node n1
}

@test "slots: all are taken -> the node's state is full, and the role stays usable" {
  serve n1 delta '[{"model_id": "t", "roles": ["team"], "max_concurrency": 1}]'
  ask a team
  at delta a
  gw_get /v1/models
  assert_json '.rolemesh.nodes[] | select(.node_id == "n1") | [.states.t, .in_flight]' '["full",1]'
  assert_json '[.data[] | select(.id == "team")] | length' 1
  fake_go delta
  assert_equal "$(status_of a)" 200
  gone_node n1
}

@test "slots: a heartbeat tells another number -> it counts at once, for those that wait too" {
  serve n1 delta '[{"model_id": "t", "roles": ["team"], "max_concurrency": 1}]'
  ask a team
  at delta a
  ask b team
  waits 1
  gw_post /v1/nodes/heartbeat '{"node_id": "n1", "metrics": {"models": {"t":
    {"state": "ready", "max_concurrency": 2}}}}'
  assert_status 200
  at delta b
  fake_go delta 2
  assert_equal "$(status_of a) $(status_of b)" '200 200'
  gone_node n1
}

@test "slots: a node comes while a request waits -> that request goes there" {
  serve n1 delta '[{"model_id": "t", "roles": ["team"], "max_concurrency": 1}]'
  ask a team
  at delta a
  ask b team
  waits 1
  serve n2 eps '[{"model_id": "t", "roles": ["team"], "max_concurrency": 1}]'
  at eps b
  fake_go delta
  fake_go eps
  assert_equal "$(status_of a) $(status_of b)" '200 200'
  gone_node n1
  gone_node n2
}

@test "slots: a client leaves in mid-stream -> its slot goes to the next" {
  ask a one '{"stream": true, "fake": {"wait_head": false, "wait_tokens": true, "tokens": 3}}' -N
  at alpha a
  ask b one
  waits 1
  leave a
  at alpha b
  fake_go alpha
  assert_equal "$(status_of b)" 200
}

@test "slots: a reload with more of them -> who waits goes at once; with fewer -> nobody is cut, the bound holds for those that come" {
  ask a one
  at alpha a
  ask b one
  ask c one
  waits 2
  SLOTS=2 write_config
  wait_until 15 fake_stat_is alpha .active 2
  SLOTS=1 write_config
  wait_until 15 gw_log_has 'event=config_loaded .*'
  wait_until 15 loaded_are 2
  fake_go alpha 2
  wait_until 15 fake_stat_is alpha .active 1
  fake_go alpha
  assert_equal "$(status_of a) $(status_of b) $(status_of c)" '200 200 200'
}

loaded_are() {
  (($(grep -c 'event=config_loaded' "$GW_DIR/gateway.log") >= $1))
}
