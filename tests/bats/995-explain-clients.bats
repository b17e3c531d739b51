#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 995-explain-clients.bats - what would be done with the request of a client: its
# rights and limits, looked at without being used up.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all
load helpers/queue

setup_file() {
  gw_setup
  fake_start alpha
  gw_config <<YAML
gateway:
  eject: {failures: 1, pause_s: 0.3, pause_max_s: 0.3}
auth:
  clients:
    - {name: ann, key: key-of-ann, requests_per_minute: 2, models: [open]}
    - {name: bob, key: key-of-bob, max_concurrency: 1}
    - {name: carl, key: key-of-carl}
  operator_keys: [key-of-operator]
models:
  open: {type: proxy, proxy_url: "$FAKE_URL_alpha"}
  closed: {type: proxy, proxy_url: "$FAKE_URL_alpha"}
  frail: {type: proxy, proxy_url: "$FAKE_URL_alpha", defaults: {model: frail}, retry: {attempts: 0}}
YAML
  gw_start
}

teardown_file() {
  gw_teardown
}

teardown() {
  gw_dump_if_failed
}

explain() { # MODEL CLIENT
  gw_get "/rolemesh/explain?model=$1&client=$2" -u operator:key-of-operator
  assert_status 200
}

@test "explain: a client's models and rate -> as it would meet them, and nothing is used up" {
  for _ in 1 2 3 4; do
    explain open ann
    assert_json '[.would, .client.name, .client.allowed, .client.remaining]' '["send","ann",true,2]'
  done
  explain closed ann
  assert_json '[.would, .status, .code, .client.allowed]' '["refuse",403,"model_not_allowed",false]'
  GW_KEY=key-of-ann gw_chat open
  assert_status 200
  GW_KEY=key-of-ann gw_chat open
  assert_status 200
  explain open ann
  assert_json '[.would, .status, .code, .client.remaining]' '["refuse",429,"rate_limited",0]'
  GW_KEY=key-of-ann gw_chat open
  assert_status 429
  explain open bob
  assert_json '[.would, .client.max_concurrency, .client.in_flight, .client.remaining]' '["send",1,0,null]'
}

@test "explain: what a client has under way -> seen with a bound and without one" {
  ASK_KEY=key-of-bob ask b open
  at alpha b
  explain open bob
  assert_json '[.would, .code, .client.in_flight]' '["refuse","client_busy",1]'
  fake_go alpha
  assert_equal "$(status_of b)" 200
  wait_until 10 gw_holds_nothing
  explain open bob
  assert_json .would send
  explain open carl
  assert_json '[.would, .client.in_flight, .client.max_concurrency]' '["send",0,null]'
}

@test "explain: an ejected candidate whose pause is over -> the trial is told, and not taken" {
  trial_is() {
    explain frail carl
    [[ $(jq -c '[.would, .trial, .aliases[0].candidates[0].state]' <<<"$body") == "$1" ]]
  }
  GW_KEY=key-of-carl gw_post /v1/chat/completions \
    '{"model": "frail", "messages": [], "fake": {"close_before_answer": true}}'
  assert_status 502
  wait_until 10 trial_is '["send",true,"ejected"]'
  trial_is '["send",true,"ejected"]'
  GW_KEY=key-of-carl gw_chat frail
  assert_status 200
  trial_is '["send",false,"ready"]'
}
