#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 215-old-results.bats - an upstream that hangs: /ready and /v1/models answer from
# what was known, and say how old that is. The probes' time-out is longer than
# any request here may last, so an answer shows that nobody waited for it.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all

setup_file() {
  gw_setup
  fake_start alpha
  fake_start beta
  gw_config <<YAML
gateway: {probe_timeout_s: 60, probe_ttl_s: 0.05}
models:
  planner: {type: proxy, proxy_url: $FAKE_URL_alpha}
  writer: {type: proxy, proxy_url: $FAKE_URL_beta}
  reviewer: {type: discovered}
YAML
  gw_start
  gw_post /v1/nodes/register "{\"node_id\": \"n1\", \"base_url\": \"$FAKE_URL_alpha\", \"roles\": [\"reviewer\"]}"
  gw_get /v1/models
  fake_mode alpha '{"models_delay_ms": 90000}'
}

teardown_file() {
  fake_stop alpha
  gw_teardown
}

teardown() {
  gw_dump_if_failed
}

is_old() {
  gw_get /v1/models
  [[ $(jq '[.data[] | select(.id == "planner") | .result_age_s > 0] == [true]' <<<"$body") == true ]]
}

@test "old results: a hanging upstream -> /v1/models tells what was known, and its age" {
  wait_until 10 is_old
  assert_status 200
  assert_json '[.data[].id]' '["planner","writer","reviewer"]'
  assert_json '[.rolemesh.nodes[] | [.node_id, .reachable, .result_age_s > 0]]' '[["n1",true,true]]'
}

@test "old results: the other upstream answers -> renewed" {
  renewed() {
    gw_get /v1/models
    [[ $(jq '[.data[] | select(.id == "writer") | has("result_age_s")] == [false]' <<<"$body") == true ]]
  }
  wait_until 10 renewed
}

@test "old results: /ready without a default model -> 200 from what was known" {
  gw_get /ready
  assert_status 200
  assert_json .model planner
  assert_json '.result_age_s > 0' true
}

@test "old results: one model -> the same" {
  gw_get /v1/models/planner
  assert_status 200
  assert_json '.result_age_s > 0' true
}

@test "old results: a new node hangs, too -> /ready does not wait for it" {
  fake_start gamma
  fake_mode gamma '{"models_wait": true}'
  gw_post /v1/nodes/register "{\"node_id\": \"n2\", \"base_url\": \"$FAKE_URL_gamma\", \"roles\": [\"reviewer\"]}"
  gw_get /ready
  assert_status 200
  assert_json .status ready
  gw_get /v1/models/reviewer
  assert_status 200
  # its probe has neither been answered nor cut off by now
  assert_equal "$(fake_stats gamma .waiting)" 1 'probes that wait'
  gw_post /v1/nodes/deregister '{"node_id": "n2"}'
  fake_stop gamma
}
