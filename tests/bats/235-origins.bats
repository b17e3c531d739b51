#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 235-origins.bats - web pages of strangers, where there are no keys: a browser
# lets any page send requests to any address. At a gateway and at a node.

load helpers/all

setup_file() {
  gw_setup
  fake_start alpha
  gw_config <<YAML
default_model: planner
gateway: {cors_origins: ["https://ui.example"]}
models:
  planner: {type: proxy, proxy_url: "$FAKE_URL_alpha"}
  reviewer: {type: discovered}
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

@test "origin: a stranger's page, without keys -> 403 forbidden_origin, whatever it asks" {
  local before url origin path doc
  before=$(fake_count alpha)
  doc=$(jq -cn --arg url "$FAKE_URL_alpha" '{node_id: "evil", base_url: $url, roles: ["reviewer"]}')
  for origin in https://evil.example http://evil.example:8000 null http://localhost.evil.example \
    http://127.0.0.1.evil.example http://127.evil.example https://ui.example.evil \
    http://localhost:80/x http://localhost: 'http://localhost:80, https://evil.example' http://localhost@evil.example http://ui.example https://ui.example:444 http://10.0.0.1 file:// chrome-extension://abc x \
    ://localhost http://evil.example. http://localhost.. http://. http://xn--mller-kva.example 'http://[::1' 'http://[::1].evil' http://2130706433; do
    for url in $(on_both); do
      gw_request POST "$url/v1/chat/completions" -H "Origin: $origin" \
        -H 'Content-Type: text/plain' --data-binary '{"model":"planner","messages":[]}'
      assert_error 403 forbidden_origin
      refute_header Access-Control-Allow-Origin
      gw_get "$url/v1/models" -H "Origin: $origin"
      assert_error 403 forbidden_origin
    done
    gw_request POST /v1/nodes/register -H "Origin: $origin" -H 'Content-Type: text/plain' --data-binary "$doc"
    assert_error 403 forbidden_origin
  done
  for path in ready v1/models/planner; do
    gw_get "/$path" -H 'Origin: https://evil.example'
    assert_error 403 forbidden_origin
  done
  for path in heartbeat deregister; do
    gw_post "/v1/nodes/$path" '{"node_id":"x"}' -H 'Origin: https://evil.example'
    assert_error 403 forbidden_origin
  done
  gw_get "$(agent_url a)/v1/node/inventory" -H 'Origin: https://evil.example'
  assert_error 403 forbidden_origin
  assert_equal "$(fake_count alpha)" "$before" 'requests upstream'
  gw_get /v1/models
  assert_json '.rolemesh.nodes | length' 0
}

@test "origin: cross-site without an Origin (a link, an image) -> 403; same-site, same-origin, none -> served" {
  local url site
  for url in $(on_both); do
    gw_get "$url/v1/models" -H 'Sec-Fetch-Site: cross-site'
    assert_error 403 forbidden_origin
    for site in same-site same-origin none; do
      gw_get "$url/v1/models" -H "Sec-Fetch-Site: $site"
      assert_status 200
    done
  done
  chat /v1/chat/completions -H 'Sec-Fetch-Site: cross-site'
  assert_error 403 forbidden_origin
}

@test "origin: of this machine, or a listed one -> served, also cross-site" {
  local origin
  for origin in http://localhost http://localhost:3000 https://127.0.0.1:8443 http://127.3.4.5 \
    'http://[::1]:3000' http://app.localhost:5173 tauri://localhost \
    HTTP://LOCALHOST:3000 http://localhost. http://app.localhost.:80 'http://[::ffff:127.0.0.1]' https://ui.example; do
    chat /v1/chat/completions -H "Origin: $origin" -H 'Sec-Fetch-Site: cross-site'
    assert_status 200
  done
  assert_header Access-Control-Allow-Origin https://ui.example
}

@test "origin: /health and / tell nothing -> served to anybody" {
  local url path
  for url in $(on_both); do
    for path in /health /; do
      gw_get "$url$path" -H 'Origin: https://evil.example' -H 'Sec-Fetch-Site: cross-site'
      assert_status 200
    done
  done
}

@test "origin: none -> served, whatever the Host says" {
  local url host
  for url in $(on_both); do
    for host in evil.example evil.example:8000 localhost 10.0.0.1; do
      gw_get "$url/v1/models" -H "Host: $host"
      assert_status 200
    done
  done
}
