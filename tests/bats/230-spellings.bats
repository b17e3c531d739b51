#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 230-spellings.bats - what clients send whose base URL was put together by
# hand, who compress, who try a WebSocket first, or who leave `model` empty. At a
# gateway and at a node.

load helpers/all

setup_file() {
  gw_setup
  fake_start alpha
  gw_config <<YAML
default_model: planner
models:
  planner: {type: proxy, proxy_url: "$FAKE_URL_alpha"}
  reviewer: {type: discovered}
  odd: {type: proxy, proxy_url: "$FAKE_URL_alpha", openai_model_name: /org//odd}
YAML
  gw_start
  agent_ports a 8
  agent_config a <<YAML
llama_server_bin: $FAKE_LLAMA_SERVER
llama_server_port_base: $AGENT_LLAMA_PORTS_a
llama_server_probe_interval_s: 0.05
devices: [cpu:0]
models: [{model_id: m1, path: $(fake_model m1)}]
YAML
  agent_start a
}

teardown_file() {
  gw_teardown
}

teardown() {
  gw_dump_if_failed
}

chat() {
  gw_post "$1" '{"model":"planner","messages":[{"role":"user","content":"hi"}]}' "${@:2}"
}

# on_both - the addresses of the gateway and of the node
on_both() {
  echo "$GW_URL" "$(agent_url a)"
}

# --- paths ---

@test "paths: slashes doubled, one at the end, /v1 twice or missing -> served" {
  local path
  for path in /v1/chat/completions //v1/chat/completions /v1//chat//completions \
    /v1/chat/completions/ /v1/chat/completions// /v1/v1/chat/completions \
    /v1/v1//chat/completions/ /chat/completions //chat/completions/; do
    chat "$path"
    assert_status 200
    assert_equal "$(fake_last alpha .path)" /v1/chat/completions 'path upstream'
  done
}

@test "paths: every endpoint without /v1, with two of them, with a slash behind -> served" {
  local path form
  for path in completions embeddings responses messages messages/count_tokens rerank; do
    for form in "/$path" "/v1/v1/$path" "/v1/$path/"; do
      gw_post "$form" '{"model":"planner","input":"x","prompt":"x","query":"x","documents":["x"],"messages":[]}'
      assert_equal "$(fake_last alpha .path)" "/v1/$path" 'path upstream'
    done
  done
  for form in /models /models/ //v1/models /v1/v1/models /v1/models/ /v1/models//; do
    gw_get "$form"
    assert_status 200
    assert_json .object list
  done
  for path in health ready; do
    for form in "/$path" "/v1/$path" "/$path/" "//$path" "/v1/v1/$path/"; do
      gw_get "$form"
      assert_status 200
      assert_match "$(jq -r .status <<<"$body")" '^(ok|ready)$'
    done
  done
}

@test "paths: a node registers, beats and leaves below any of them -> 200" {
  local doc
  doc=$(jq -cn --arg url "$FAKE_URL_alpha" '{node_id: "n1", base_url: $url, roles: ["reviewer"]}')
  gw_post //v1/nodes/register/ "$doc"
  assert_status 200
  gw_post /v1/v1/nodes/heartbeat '{"node_id":"n1"}'
  assert_status 200
  gw_post /nodes/deregister '{"node_id":"n1"}'
  assert_status 200
}

@test "paths: a model's own slashes -> kept where it has them" {
  local path
  for path in /v1/models/planner /models/planner/ //v1//models//planner; do
    gw_get "$path"
    assert_status 200
    assert_json .id planner
  done
  for path in '/v1/models/%2Forg%2F%2Fodd' /v1/models//org//odd /models//org//odd/; do
    gw_get "$path"
    assert_status 200
    assert_json .id /org//odd
  done
  gw_get /v1/models//nobody/
  assert_error 404 model_not_found model
  assert_match "$(jq -r .error.message <<<"$body")" 'model "?nobody"? does not'
}

@test "paths: the method is judged in every spelling -> 405 with Allow" {
  gw_get //v1/chat/completions/
  assert_error 405 method_not_allowed
  assert_header Allow 'POST, OPTIONS'
  gw_request DELETE /models/
  assert_error 405 method_not_allowed
  assert_header Allow 'GET, HEAD, OPTIONS'
}

@test "paths: what is none -> 404 as before" {
  local path
  for path in /v1 /v1/ /v2/models /V1/models /v1/model /v1x/models /api/v1/models; do
    gw_get "$path"
    assert_error 404 not_found
  done
}

@test "paths: a node takes them, too -> served" {
  local url path
  url=$(agent_url a)
  for path in /health /v1/health //health/; do
    gw_get "$url$path"
    assert_json .status ok
  done
  for path in /models //v1/models/ /v1/v1/models; do
    gw_get "$url$path"
    assert_json '.data[0].id' m1
  done
  gw_get "$url/models/m1/"
  assert_json .id m1
  gw_get "$url/node/inventory"
  assert_status 200
  for path in /chat/completions //v1/chat/completions/ /v1/v1/chat/completions; do
    gw_post "$url$path" '{"model":"m1","messages":[{"role":"user","content":"hi"}]}'
    assert_status 200
  done
}

@test "root: GET and HEAD / -> 200 and a short text; POST -> 405" {
  local url
  for url in $(on_both); do
    gw_get "$url/"
    assert_status 200
    assert_header Content-Type '/^text\/plain/'
    assert_match "$body" 'RoleMesh is running'
    gw_request HEAD "$url/"
    assert_status 200
    assert_header Content-Length '/^[1-9][0-9]*$/'
    gw_post "$url/" '{}'
    assert_error 405 method_not_allowed
  done
}

# --- a body that is compressed, a WebSocket, no model ---

@test "encoding: a request with a Content-Encoding -> 415 that names it, nothing goes upstream" {
  local before url coding
  before=$(fake_count alpha)
  printf '{"model":"planner","messages":[]}' | gzip >"$BATS_TEST_TMPDIR/z"
  for url in $(on_both); do
    for coding in gzip zstd 'gzip, br' x-unheard-of; do
      gw_request POST "$url/v1/chat/completions" -H "Content-Encoding: $coding" \
        --data-binary "@$BATS_TEST_TMPDIR/z"
      assert_error 415 unsupported_encoding
      assert_match "$(jq -r .error.message <<<"$body")" "Content-Encoding \"?$coding"
      assert_header Accept-Encoding identity
    done
  done
  gw_request POST /v1/nodes/register -H 'Content-Encoding: gzip' --data-binary "@$BATS_TEST_TMPDIR/z"
  assert_error 415 unsupported_encoding
  assert_equal "$(fake_count alpha)" "$before" 'requests upstream'
}

@test "encoding: identity, or none -> served" {
  chat /v1/chat/completions -H 'Content-Encoding: identity'
  assert_status 200
  chat /v1/chat/completions -H 'Content-Encoding;'
  assert_status 200
}

# websocket URL PATH - the handshake of a client that would like one
websocket() {
  gw_get "$1$2" --http1.1 -H 'Connection: Upgrade' -H 'Upgrade: websocket' \
    -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='
}

@test "websocket: an upgrade of /v1/responses -> 426 upgrade_required" {
  local url path
  for url in $(on_both); do
    for path in /v1/responses /responses //v1/responses/; do
      websocket "$url" "$path"
      assert_error 426 upgrade_required
      assert_match "$(jq -r .error.message <<<"$body")" 'POST'
    done
  done
}

@test "websocket: an upgrade of what is served by GET -> served, no upgrade" {
  websocket "$GW_URL" /health
  assert_status 200
}

@test "model: null or \"\" -> the default model, replaced in place" {
  local value
  for value in null '""'; do
    gw_post /v1/chat/completions "{\"a\":1,\"model\" : $value ,\"messages\":[]}"
    assert_status 200
    assert_header X-RoleMesh-Model planner
    assert_equal "$(<"$(fake_body alpha)")" '{"a":1,"model" : "planner" ,"messages":[]}' 'body upstream'
  done
}

@test "model: null or \"\" at a node with one model -> that one" {
  local value
  for value in null '""'; do
    gw_post "$(agent_url a)/v1/chat/completions" "{\"model\":$value,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"
    assert_status 200
    assert_header X-RoleMesh-Model m1
  done
}
