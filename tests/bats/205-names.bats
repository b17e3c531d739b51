#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 205-names.bats - further names of an alias, and the one that takes every
# unknown name.

load helpers/all

setup_file() {
  gw_setup
  fake_start alpha
  fake_start beta
  gw_config <<YAML
models:
  planner: {type: proxy, proxy_url: "$FAKE_URL_alpha", names: [gpt-4o, "a name", org/m]}
  writer:
    type: proxy
    proxy_url: "$FAKE_URL_beta"
    openai_model_name: writer-1
    names: ["*"]
    defaults: {model: loaded}
YAML
  gw_start
}

teardown_file() {
  gw_teardown
}

teardown() {
  gw_dump_if_failed
}

@test "names: a further name -> its alias serves it, the body as it was sent" {
  local name
  for name in gpt-4o 'a name' org/m planner; do
    gw_chat "$name"
    assert_status 200
    assert_header X-RoleMesh-Model planner
    assert_equal "$(jq -r .model "$(fake_body alpha)")" "$name" 'model upstream'
  done
}

@test "names: unknown ones -> the alias with \"*\", which sends its own model" {
  local name
  for name in gpt-5 GPT-4o '*' 'x y' writer writer-1; do
    gw_chat "$name"
    assert_status 200
    assert_header X-RoleMesh-Model writer
    assert_equal "$(jq -r .model "$(fake_body beta)")" loaded 'model upstream'
  done
}

@test "names: no model at all is no name -> 400 without a default model" {
  gw_chat ''
  assert_error 400 invalid_request model
}

@test "names: the list shows one entry an alias; a name finds it" {
  gw_get /v1/models
  assert_json '[.data[].id]' '["planner","writer-1"]'
  gw_get /v1/models/gpt-4o
  assert_json .id planner
  gw_get /models/org/m/
  assert_json .id planner
  gw_get /v1/models/whatever
  assert_json .id writer-1
}

@test "names: --print-config shows them, and it loads again" {
  gw_run --print-config --config "$GW_CONFIG" >"$BATS_TEST_TMPDIR/printed.yaml"
  grep -F 'gpt-4o' "$BATS_TEST_TMPDIR/printed.yaml"
  run -0 gw_run --check --config "$BATS_TEST_TMPDIR/printed.yaml"
}

@test "names: an edit gives a name to another alias -> the next request goes there" {
  sed -i 's/names: \[gpt-4o, /names: [/; s/names: \["\*"\]/names: ["*", gpt-4o]/' "$GW_CONFIG"
  wait_until 10 goes_to gpt-4o writer
}

goes_to() {
  gw_chat "$1"
  [[ $(header X-RoleMesh-Model) == "$2" ]]
}
