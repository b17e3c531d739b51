#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 302-node-numbers.bats - weight, max_concurrency and parallel in a registration.

load helpers/all

setup_file() {
  gw_setup
  fake_start one
  gw_config <<YAML
models:
  reviewer: {type: discovered}
YAML
  gw_start
}

teardown_file() {
  gw_teardown
}

teardown() {
  gw_dump_if_failed
}

# register [JQ] - a valid body, changed
register() {
  gw_post /v1/nodes/register "$(jq -cn --arg url "$FAKE_URL_one" '{node_id: "n1", base_url: $url,
    served_models: [{model_id: "m", roles: ["reviewer"]}]} | '"${1:-.}")"
}

# refused PARAM JQ
refused() {
  register "$2"
  assert_error 400 invalid_request "$1"
  assert_match "$(jq -r .error.message <<<"$body")" "$1" message
}

@test "node numbers: weight, max_concurrency, parallel -> accepted, shown, replaced as a whole" {
  register '.weight = 100 | .max_concurrency = 65536
    | .served_models[0] += {weight: 1, max_concurrency: 0, parallel: 65536}'
  assert_status 200
  gw_get /v1/models
  assert_json '.rolemesh.nodes[0] | [.weight, .max_concurrency, .served_models]' \
    '[100,65536,[{"model_id":"m","roles":["reviewer"],"weight":1,"max_concurrency":0,"parallel":65536}]]'
  gw_chat reviewer
  assert_status 200
  assert_header X-RoleMesh-Node n1
  register '.weight = null | .served_models[0] += {parallel: null}'
  assert_status 200
  gw_get /v1/models
  assert_json '.rolemesh.nodes[0] | [.weight, .max_concurrency, .served_models]' \
    '[null,null,[{"model_id":"m","roles":["reviewer"]}]]'
}

@test "node numbers: out of range -> 400, param names the field" {
  local value
  for value in 0 -1 101 18446744073709551616; do
    refused weight ".weight = $value"
    refused served_models.0.weight ".served_models[0].weight = $value"
  done
  for value in -1 65537 4294967296; do
    refused max_concurrency ".max_concurrency = $value"
    refused served_models.0.max_concurrency ".served_models[0].max_concurrency = $value"
    refused served_models.0.parallel ".served_models[0].parallel = $value"
  done
}

@test "node numbers: of another type -> 400, param names the field" {
  local value
  for value in '"2"' 1.5 true '[]' '{}'; do
    refused weight ".weight = $value"
    refused served_models.0.weight ".served_models[0].weight = $value"
    refused max_concurrency ".max_concurrency = $value"
    refused served_models.0.max_concurrency ".served_models[0].max_concurrency = $value"
    refused served_models.0.parallel ".served_models[0].parallel = $value"
  done
}

@test "node numbers: beside the older list of roles -> those of every model" {
  register 'del(.served_models) | .roles = ["reviewer"] | .weight = 7'
  assert_status 200
  gw_get /v1/models
  assert_json '.rolemesh.nodes[0] | [.weight, .served_models]' \
    '[7,[{"model_id":"reviewer","roles":["reviewer"]}]]'
}
