#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 994-explain.bats - what would be done with a request, told without doing it: the
# same as what then happens, and nothing moves.
#
# shellcheck disable=SC2154,SC2030,SC2031 # set by the helpers; a test is a subshell

load helpers/all
load helpers/queue

setup_file() {
  gw_setup
  fake_start alpha
  fake_start beta
  fake_start gamma
  export ROLE_MESH_NODE_STALE_AFTER_S=9000
  gw_config <<YAML
gateway:
  eject: {failures: 1, pause_s: 600, pause_max_s: 600}
default_model: proxy
auth:
  operator_keys: [key-of-operator]
  trust_web_server_user: false
models:
  rr: {type: discovered, role: r, queue: {timeout_s: 0.15}, retry: {attempts: 0}}
  rnd: {type: discovered, role: r, strategy: random, queue: {timeout_s: 0.15}, retry: {attempts: 0}}
  lb: {type: discovered, role: r, strategy: least_busy, queue: {timeout_s: 0.15}, retry: {attempts: 0}}
  aff: {type: discovered, role: r, strategy: affinity, queue: {timeout_s: 0.15}, retry: {attempts: 0}}
  only-0: {type: discovered, queue: {timeout_s: 0.15}, retry: {attempts: 0}}
  only-1: {type: discovered, queue: {timeout_s: 0.15}, retry: {attempts: 0}}
  only-2: {type: discovered, queue: {timeout_s: 0.15}, retry: {attempts: 0}}
  only-3: {type: discovered, queue: {timeout_s: 0.15}, retry: {attempts: 0}}
  only-4: {type: discovered, queue: {timeout_s: 0.15}, retry: {attempts: 0}}
  stands-in: {type: discovered, role: only-1, queue: {timeout_s: 0.15}, fallback: [hasty, proxy], retry: {attempts: 0}}
  hasty: {type: discovered, role: only-2, queue: {max: 0}, retry: {attempts: 0}}
  never: {type: discovered, role: nobody}
  proxy:
    type: proxy
    proxy_url: $FAKE_URL_gamma
    defaults: {temperature: 0.25, "a:b": [1, {"c": 2}], model: inner}
  full: {type: proxy, proxy_url: "$FAKE_URL_alpha", defaults: {model: full}, max_concurrency: 1, queue: {max: 2, timeout_s: 600}}
YAML
  GW_WORKERS=3 gw_start
}

teardown_file() {
  gw_teardown
}

teardown() {
  gw_dump_if_failed
}

explain() { # MODEL [QUERY]
  gw_get "/rolemesh/explain?model=$1${2:-}" -u operator:key-of-operator
}

explain_body() { # BODY [QUERY]
  gw_post "/rolemesh/explain${2:-}" "$1" -u operator:key-of-operator
}

@test "explain: 200 random situations -> what is explained is what happens" {
  run node "$TOP_SRCDIR/tests/bats/helpers/situations.mjs" "$GW_URL" key-of-operator \
    "${GW_TEST_SEED:-7}" 200 "$FAKE_URL_alpha" "$FAKE_URL_beta" "$FAKE_URL_gamma"
  echo "$output"
  assert_equal "$status" 0
  # Each kind of answer was among them.
  local kind
  for kind in '"send":' '"send by chance":' '"wait":' '"refuse":' '"by a fallback":'; do
    assert_match "$output" "$kind"
  done
}

@test "explain: a proxy -> what is added, where it goes; nothing is sent" {
  local before
  before=$(fake_stats gamma | jq .requests)
  explain proxy
  assert_status 200
  assert_json '[.model, .alias, .would, .status, .queue, .client]' '["proxy","proxy","send",null,null,null]'
  assert_json .defaults_added '{"temperature":0.25,"a:b":[1,{"c":2}]}'
  assert_json '[.candidate.node, .candidate.model, .candidate.chosen]' '[null,"proxy",true]'
  explain_body '{"temperature": 1, "messages": []}' # the default model
  assert_json '[.model, .defaults_added]' '["proxy",{"a:b":[1,{"c":2}]}]'
  assert_equal "$(fake_stats gamma | jq .requests)" "$before"
}

@test "explain: all slots are taken -> the place in the queue" {
  local before full
  ask a full
  at alpha a
  ask b full
  wait_until 10 queued_are 1
  explain full
  assert_json '[.would, .alias, .queue.position, .queue.waiting, .queue.max, .candidate]' '["wait","full",2,1,2,null]'
  assert_json '.aliases[0].candidates[0].passed_over' '1 of 1 slots are taken'
  ask c full
  wait_until 10 queued_are 2
  before=$(gw_counter queued) full=$(gw_counter queue_full)
  explain full
  assert_json '[.would, .status, .code]' '["refuse",429,"queue_full"]'
  assert_json '.retry_after_s >= 1' true
  assert_equal "$(gw_counter queued) $(gw_counter queue_full)" "$before $full"
  assert_equal "$(queued)" 2
  fake_go alpha
  at alpha b
  fake_go alpha
  at alpha c
  fake_go alpha
  assert_equal "$(status_of a) $(status_of b) $(status_of c)" '200 200 200'
}

@test "explain: bad questions -> an error that names what is wrong" {
  explain nobody-has-this
  assert_status 404
  assert_json .error.code model_not_found
  assert_match "$body" nobody-has-this
  explain proxy '&client=nobody'
  assert_status 404
  assert_json '[.error.code, .error.param]' '["not_found","client"]'
  explain proxy '&colour=red'
  assert_status 400
  assert_match "$body" colour
  explain_body '{"model": '
  assert_status 400
  assert_json .error.code invalid_json
  explain_body '{"model": "nobody-has-this"}'
  assert_status 404
  explain_body '{"model": "proxy"}' '?model=proxy'
  assert_status 400
  head -c $((31 << 20)) /dev/zero | tr '\0' ' ' >"$GW_DIR/large"
  explain_body "@$GW_DIR/large"
  assert_status 400
  gw_get '/rolemesh/explain?model=proxy'
  assert_status 401
  gw_post /rolemesh/explain '{"model": "proxy"}'
  assert_status 401
}

@test "explain: a body over max_body_bytes -> 413" {
  head -c $((40 << 20)) /dev/zero | tr '\0' ' ' >"$GW_DIR/large"
  explain_body "@$GW_DIR/large"
  assert_status 413
  assert_json .error.code request_too_large
}
