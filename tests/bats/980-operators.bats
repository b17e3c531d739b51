#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 980-operators.bats - what is for operators: whose key opens it, how a browser gets
# in, and who may look where there are no keys. Behind every web server.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all
load helpers/webservers
load helpers/netns

setup() {
  gw_setup
  fake_start alpha
}

teardown() {
  local status=0
  web_teardown || status=1
  netns_teardown || status=1
  return "$status"
}

# config [AUTH] - a gateway with these keys.
config() {
  gw_config <<YAML
gateway: {cors_origins: ["https://app.example"]}
auth: ${1:-{\}}
models:
  planner: {type: proxy, proxy_url: "$FAKE_URL_alpha"}
YAML
}

status() {
  gw_get /rolemesh/status "$@"
}

refused() {
  status "$@"
  assert_error 401 invalid_api_key
  assert_header WWW-Authenticate 'Basic realm="rolemesh"'
}

# What holds with keys.
keys_of() {
  config '{client_api_keys: [client-key], node_api_keys: [node-key], operator_keys: [operator-key]}'
  web_start "$1"
  refused
  refused -H 'Authorization: Bearer client-key'
  refused -H 'X-Api-Key: node-key'
  refused -H 'X-RoleMesh-Node-Key: operator-key'
  refused -u any:client-key
  refused -u operator-key:
  status -H 'Authorization: Bearer operator-key'
  assert_status 200
  assert_json '.default_model' null
  assert_json '.counters.answered_4xx >= 6' true
  assert_header Cache-Control no-store
  status -H 'X-Api-Key: operator-key'
  assert_status 200
  status -u any:operator-key
  assert_status 200
  status -u :operator-key -I
  assert_status 200
  # it opens no model
  gw_chat planner '{}' -H 'Authorization: Bearer operator-key'
  assert_error 401 invalid_api_key
  assert_header WWW-Authenticate 'Bearer realm="rolemesh"'
  # pages of other origins read nothing
  status -u any:operator-key -H 'Origin: https://app.example'
  assert_status 200
  refute_header Access-Control-Allow-Origin
  gw_request OPTIONS /rolemesh/status -H 'Origin: https://app.example' \
    -H 'Access-Control-Request-Method: GET'
  assert_error 405 method_not_allowed
  refute_header Access-Control-Allow-Origin
}

# What holds without any.
open_of() {
  config
  web_start "$1"
  status
  assert_status 200
  status -H 'Host: localhost'
  assert_status 200
  for header in 'X-Forwarded-For: 127.0.0.1' 'X-Forwarded-Proto: https' 'X-Forwarded-Some-Day: 1' \
    'Forwarded: for=127.0.0.1' 'X-Real-IP: 127.0.0.1' 'Host: gateway.example'; do
    status -H "$header"
    assert_error 403 operator_only
  done
  status -H 'Origin: https://evil.example'
  assert_error 403 forbidden_origin
  status -H 'Sec-Fetch-Site: cross-site'
  assert_error 403 forbidden_origin
  status -H 'Origin: http://localhost:3000'
  assert_status 200
  refute_header Access-Control-Allow-Origin
}

@test "operators: keys behind lighttpd" { keys_of lighttpd; }
@test "operators: keys behind Apache with mod_fcgid" { keys_of fcgid; }
@test "operators: keys behind Apache with mod_proxy_fcgi" { keys_of proxy; }
@test "operators: keys behind nginx" { keys_of nginx; }

@test "operators: without keys, behind lighttpd -> this host alone" { open_of lighttpd; }
@test "operators: without keys, behind Apache with mod_fcgid -> this host alone" { open_of fcgid; }
@test "operators: without keys, behind Apache with mod_proxy_fcgi -> this host alone" { open_of proxy; }
@test "operators: without keys, behind nginx -> this host alone" { open_of nginx; }

@test "operators: a key of any other kind -> nothing is open, and the answer says what is missing" {
  local auth
  for auth in '{client_api_keys: [client-key]}' '{node_api_keys: [node-key]}' \
    '{trust_web_server_user: true, clients: [{name: a, user: alice}]}'; do
    config "$auth"
    web_start lighttpd
    refused
    assert_json '.error.message | startswith("this needs an operator'"'"'s key, and none is configured")' true
    gw_stop
  done
}

@test "operators: without keys, from another host -> 403, whatever it says" {
  netns_start gw box
  config
  port=$(free_ports 1)
  TMPDIR=$GW_DIR/run XDG_RUNTIME_DIR=$GW_DIR/run ROLEMESH_DATADIR=$TOP_SRCDIR/lighttpd \
    ROLEMESH_RESPONDER=$TOP_BUILDDIR/rolemesh-responder netns_spawn outside gw \
    "$TOP_BUILDDIR/rolemesh-gateway" --config "$GW_CONFIG" --host 0.0.0.0 --port "$port"
  url=http://$(netns_address gw):$port
  wait_until 10 netns_exec box curl -sf "$url/health" -o "$GW_DIR/health"
  assert_equal "$(asked box "$url")" 403 'from there'
  assert_equal "$(asked box "$url" -H 'Host: 127.0.0.1')" 403 'with our Host'
  assert_equal "$(asked gw "http://127.0.0.1:$port")" 200 'from here'
  assert_equal "$(asked gw "$url")" 403 'from here, at the outer address'
}

# asked HOST URL [CURL ARGS] - the status that it gets.
asked() {
  local host=$1 url=$2
  shift 2
  netns_exec "$host" curl -s -o "$GW_DIR/asked" -w '%{http_code}' "$url/rolemesh/status" "$@"
}
