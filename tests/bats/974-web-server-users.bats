#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 974-web-server-users.bats - users whom the web server lets in, with what the
# shipped configurations show for it: they are clients without a key, and no header
# makes anybody one of them.
#
# shellcheck disable=SC2154 # helpers set variables

load helpers/all
load helpers/webservers
load helpers/netns

setup() {
  gw_setup
  fake_start alpha
  # not in the test's own folder: www-data has to read it
  WEB_USERS=$(mktemp /tmp/rolemesh-users.XXXXXX)
  export WEB_USERS
  chmod 644 "$WEB_USERS"
  printf '%s:%s\n' alice "$(openssl passwd -apr1 wonder)" \
    bob "$(openssl passwd -apr1 builder)" >"$WEB_USERS"
  gw_config <<YAML
gateway: {cors_origins: ["https://app.example"]}
auth:
  trust_web_server_user: true
  clients:
    - {name: front-desk, user: alice}
    - {name: everybody, user: "*"}
    - {name: robot, key: robot-key}
  node_api_keys: [node-key]
models:
  planner: {type: proxy, proxy_url: "$FAKE_URL_alpha"}
  reviewer: {type: discovered}
YAML
}

teardown() {
  local status=0
  rm -f "$WEB_USERS"
  web_teardown || status=1
  netns_teardown || status=1
  return "$status"
}

# served_as NAME [CURL ARGS] - a chat, and whose it is by the log.
served_as() {
  local name=$1 id=users-$RANDOM$RANDOM
  shift
  gw_chat planner '{}' -H "X-Request-Id: $id" "$@"
  assert_status 200
  wait_until 5 web_log_has "event=access rid=$id .* key=$name "
}

# refused_by_web_server [CURL ARGS]
refused_by_web_server() {
  gw_chat planner '{}' "$@"
  assert_error 401 unauthorized
  assert_header WWW-Authenticate '/^Basic /'
  refute_header X-Request-Id
}

refused_by_gateway() {
  gw_chat planner '{}' "$@"
  assert_error 401 invalid_api_key
  assert_header X-Request-Id '/./'
}

# What holds behind each web server that lets users in.
users_of() {
  web_start "$1"
  gw_get /health
  assert_status 200
  refused_by_web_server
  refused_by_web_server -u alice:wrong
  refused_by_web_server -u carol:wonder
  served_as front-desk -u alice:wonder
  # one entry stands for all the others, each by his own name
  served_as bob -u bob:builder
  gw_get /v1/models -u bob:builder
  assert_status 200
  assert_json '[.data[].id]' '["planner"]'
  gw_get /v1/models/planner -u bob:builder
  assert_status 200
  # a body of unknown length
  served_as front-desk -u alice:wonder -H 'Transfer-Encoding: chunked'
  # a key that is sent as well is the one to go by
  served_as robot -u alice:wonder -H 'X-Api-Key: robot-key'
  refused_by_gateway -u alice:wonder -H 'X-Api-Key: robot-kez'
  # what a client says of users is not what the web server says
  spoofs
  for spoof in "${SPOOFS[@]}"; do
    served_as bob -u bob:builder "${FIXED[@]}" -H "$spoof: alice"
  done
  # nodes have keys
  gw_post /v1/nodes/register "$(registration)" -H 'Authorization: Bearer node-key'
  assert_status 200
  gw_post /v1/nodes/register "$(registration)" -u alice:wonder
  assert_error 401 invalid_api_key
  # a browser sends the password with whatever a page asks
  gw_chat planner '{}' -u alice:wonder -H 'Origin: https://other.example'
  assert_error 403 forbidden_origin
  served_as front-desk -u alice:wonder -H 'Origin: https://app.example'
  # but asks without it whether a page may ask, and shows the page a refusal
  gw_request OPTIONS /v1/chat/completions -H 'Origin: https://app.example' \
    -H 'Access-Control-Request-Method: POST' -H 'Access-Control-Request-Headers: authorization'
  assert_status 204
  assert_header Access-Control-Allow-Origin https://app.example
  refused_by_web_server -H 'Origin: https://app.example'
  assert_header Access-Control-Allow-Origin https://app.example
}

registration() {
  jq -cn --arg url "$FAKE_URL_alpha" \
    '{node_id: "n1", base_url: $url, roles: ["reviewer"]}'
}

# Names of headers that could be taken for the parameters of a web server, in SPOOFS;
# FIXED are sent with each.
spoofs() {
  SPOOFS=(Remote-User REMOTE_USER Remote_User remote-user X-Remote-User
    X-Forwarded-User Http-Remote-User REDIRECT_REMOTE_USER User)
  FIXED=(-H 'Auth-Type: Basic' -H 'AUTH_TYPE: Basic' -H 'Auth_Type: Basic'
    -H 'REDIRECT_AUTH_TYPE: Basic')
}

# Where the web server lets nobody in, nobody is a user.
nobody_of() {
  WEB_USERS='' web_start "$1"
  spoofs
  for spoof in "${SPOOFS[@]}"; do
    refused_by_gateway "${FIXED[@]}" -H "$spoof: alice"
    refused_by_gateway "${FIXED[@]}" -H "$spoof: alice" -u alice:wonder
  done
  refused_by_gateway -u alice:wonder
  served_as robot -H 'X-Api-Key: robot-key' -u alice:wonder
  served_as robot -H 'Authorization: Bearer robot-key'
}

@test "users: of lighttpd's mod_auth -> clients without a key" { users_of lighttpd; }
@test "users: of Apache's mod_auth_basic, with mod_fcgid -> clients without a key" { users_of fcgid; }
@test "users: of Apache's mod_auth_basic, with mod_proxy_fcgi -> clients without a key" { users_of proxy; }
@test "users: of nginx's auth_basic -> clients without a key" { users_of nginx; }

@test "users: lighttpd lets nobody in -> nobody is one, whatever headers say" { nobody_of lighttpd; }
@test "users: Apache with mod_fcgid lets nobody in -> nobody is one" { nobody_of fcgid; }
@test "users: Apache with mod_proxy_fcgi lets nobody in -> nobody is one" { nobody_of proxy; }
@test "users: nginx lets nobody in -> nobody is one, though it passes on what clients claim" { nobody_of nginx; }

@test "users: over TCP from the same host -> believed" {
  WEB_POOL=127.0.0.1:$(free_ports 1)
  export WEB_POOL
  web_start nginx
  served_as front-desk -u alice:wonder
}

@test "users: not trusted -> the web server's refusal first, then the gateway's" {
  sed -i 's/trust_web_server_user: true/trust_web_server_user: false/; /user:/d' "$GW_CONFIG"
  web_start lighttpd
  refused_by_web_server
  refused_by_gateway -u alice:wonder
  served_as robot -u alice:wonder -H 'X-Api-Key: robot-key'
}

# lets_in HOST PARAM... - the status that a web server of that host gets which says
# to have let alice in.
lets_in() {
  local host=$1
  shift
  netns_exec "$host" node "$TOP_SRCDIR/tests/bats/helpers/fcgi.mjs" \
    "$(netns_address gw)" "$port" REQUEST_METHOD=GET REQUEST_URI=/v1/models \
    REMOTE_USER=alice AUTH_TYPE=Basic "$@" | tr -d '\r' | sed -n 's/^Status: \([0-9]*\).*/\1/p'
}

@test "users: over TCP from another host -> not believed" {
  gw_requires node
  netns_start gw box
  port=$(free_ports 1)
  netns_spawn pool-tcp gw "$TOP_BUILDDIR/rolemesh-responder" --config "$GW_CONFIG" \
    --listen "$(netns_address gw):$port" --workers 1
  wait_until 10 grep -q event=start "$GW_DIR/pool-tcp.out"
  assert_equal "$(lets_in gw)" 200 'to the address of this host'
  assert_equal "$(lets_in box)" 401 'from another host'
  # its word that the client is of this host is worth nothing, either
  assert_equal "$(lets_in box REMOTE_ADDR=127.0.0.1 SERVER_ADDR=127.0.0.1)" 401 'the same'
  assert_equal "$(lets_in box HTTP_X_API_KEY=robot-key)" 200 'with a key'
}
