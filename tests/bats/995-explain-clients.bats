#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 995-explain-clients.bats - what would be done with the request of a client: its
# rights and limits, looked at without being used up.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all

setup_file() {
  gw_setup
  fake_start alpha
  gw_config <<YAML
auth:
  clients:
    - {name: ann, key: key-of-ann, requests_per_minute: 2, models: [open]}
    - {name: bob, key: key-of-bob, max_concurrency: 1}
  operator_keys: [key-of-operator]
models:
  open: {type: proxy, proxy_url: "$FAKE_URL_alpha"}
  closed: {type: proxy, proxy_url: "$FAKE_URL_alpha"}
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
