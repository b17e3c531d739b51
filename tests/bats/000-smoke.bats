#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 000-smoke.bats - does anything work at all? The shortest way through each
# program; what fails here need not be looked for elsewhere.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all

setup_file() {
  gw_setup
  fake_start alpha
  gw_config <<YAML
default_model: planner
models:
  planner: {type: proxy, proxy_url: $FAKE_URL_alpha}
  reviewer: {type: discovered}
YAML
  gw_start
  agent_node box <<YAML
models: [{model_id: tiny, path: $(fake_model tiny), roles: [reviewer]}]
YAML
  agent_start box
}

teardown_file() {
  gw_teardown
}

teardown() {
  gw_dump_if_failed
}

@test "smoke: the gateway is up -> /health, /ready and the list of models say so" {
  gw_get /health
  assert_json .status ok
  gw_get /ready
  assert_status 200
  gw_get /v1/models
  assert_status 200
  assert_json '.data[0].id' planner
}

@test "smoke: a chat -> the upstream's answer" {
  gw_chat planner
  assert_status 200
  assert_json '.choices[0].message.content' \
    '[scripted upstream alpha] You said: hello there'
}

@test "smoke: a streamed chat -> its tokens, one [DONE]" {
  local s=$BATS_TEST_TMPDIR/s
  stream_to "$s" /v1/chat/completions \
    "$(chat_json planner '{"stream": true, "fake": {"tokens": 3}}')"
  stream_wait
  assert_equal "$(stream_tokens "$s" | cut -d ' ' -f 2 | tr '\n' ' ')" 't1 t2 t3 '
  assert_equal "$(grep -cF 'data: [DONE]' "$s")" 1 ends
}

@test "smoke: an agent registers -> its model is started and answers for its role" {
  wait_until 15 gw_node_has box .status fresh
  gw_chat reviewer
  assert_status 200
  assert_header X-RoleMesh-Node box
}

@test "smoke: what is wrong -> an error document" {
  gw_chat nobody
  assert_error 404 model_not_found
  gw_post /v1/chat/completions '{"model": '
  assert_error 400 invalid_json
}

@test "smoke: a wrong configuration -> --check names the line, exit status 2" {
  echo 'models: {a: {type: prxy}}' >"$BATS_TEST_TMPDIR/bad.yaml"
  run -2 gw_run --check --config "$BATS_TEST_TMPDIR/bad.yaml"
  assert_match "$output" 'bad.yaml:1:'
}
