# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# core_set.bash - what must hold behind every web server that we ship a
# configuration for, core_heads.bash and core_streams.bash included. One function
# is one test; 810 to 840 name them all, and core_is_complete fails a file that
# leaves one out.
#
# shellcheck disable=SC2154 # set by gw_request

load helpers/core_heads
load helpers/core_streams

# core_setup KIND - one upstream, one gateway behind that web server.
core_setup() {
  gw_setup
  export WEB_KIND=$1 GW_KEY=sesame
  fake_start alpha
  gw_config <<YAML
default_model: planner
gateway:
  max_body_bytes: $WEB_MAX_BODY
  shutdown_grace_s: 2
  sse_keepalive_s: 1
  cors_origins: ["https://app.example"]
auth:
  client_api_keys: [sesame]
  node_api_keys: [nodekey]
  clients: [{name: few, key: key-of-few, models: [planner]}]
  nodes: [{name: box, key: key-of-box, node_ids: ["box-*"]}]
models:
  planner:
    type: proxy
    proxy_url: $FAKE_URL_alpha
  team/writer:
    type: proxy
    proxy_url: $FAKE_URL_alpha
  nobody-there:
    type: proxy
    proxy_url: http://127.0.0.1:$(free_ports 1)
  reviewer:
    type: discovered
YAML
  web_start "$1"
}

# core_is_complete FILE - every core_test_* function is a test of FILE.
core_is_complete() {
  local name missing=''
  for name in $(compgen -A function core_test_); do
    grep -qE "^@test .*\{ $name; \}\$" "$1" || missing+=" $name"
  done
  assert_equal "$missing" '' 'core tests that this file leaves out'
}

# by_server LIGHTTPD FCGID PROXY NGINX - prints the one for this web server.
by_server() {
  case $WEB_KIND in
  lighttpd) echo "$1" ;;
  fcgid) echo "$2" ;;
  proxy) echo "$3" ;;
  nginx) echo "$4" ;;
  esac
}

# A page of the web server itself: a complete envelope, without a request id.
assert_server_page() {
  assert_error "$1" "$2"
  refute_header X-Request-Id
}

# ask_fake SCRIPT [CURL ARGS] - a chat that the upstream answers as told.
ask_fake() {
  local script=$1
  shift
  gw_chat planner "{\"fake\": $script}" "$@"
}

# stream_fake FILE SCRIPT - the same, streamed, in the background.
stream_fake() {
  stream_to "$1" /v1/chat/completions \
    "$(chat_json planner "{\"stream\": true, \"fake\": $2}")"
}

# --- ordinary answers ---

core_test_health() {
  GW_KEY='' gw_get /health
  assert_status 200
  assert_json . '{"status":"ok"}'
  assert_header Content-Type application/json
  assert_header X-Request-Id '/^req_[0-9a-f]{32}$/'
}

core_test_head() {
  gw_request HEAD /v1/models
  assert_status 200
  assert_header Content-Type application/json
  # a body after all would be taken for the answer to the next request
  run -0 curl -sS --max-time 300 -o /dev/null -w '%{http_code} %{num_connects}\n' \
    --head "$GW_URL/health" --next -sS -o /dev/null \
    -w '%{http_code} %{num_connects}\n' "$GW_URL/health"
  assert_equal "${lines[*]}" '200 1 200 0' 'status and new connections'
}

core_test_models() {
  gw_get '/v1/models?limit=5'
  assert_status 200
  assert_json '[.data[].id] | sort | join(" ")' 'planner team/writer'
  assert_json '.rolemesh.unavailable_models | map(.id) | sort | join(" ")' \
    'nobody-there reviewer'
}

core_test_slash_in_id() {
  gw_get /v1/models/team%2Fwriter
  assert_status 200
  assert_json .id team/writer
}

core_test_chat() {
  gw_chat team/writer '{}' -H 'X-Request-Id: mine-17'
  assert_status 200
  assert_json '.choices[0].message.content' \
    '[scripted upstream alpha] You said: hello there'
  assert_header X-RoleMesh-Model team/writer
  assert_header X-Request-Id mine-17
  assert_equal "$(fake_header alpha X-Request-Id)" mine-17 'id seen upstream'
  assert_equal "$(fake_header alpha Authorization)" '' 'key seen upstream'
  refute_header Accept-Ranges
}

core_test_cors() {
  gw_request OPTIONS /v1/chat/completions -H 'Origin: https://app.example' \
    -H 'Access-Control-Request-Method: POST' \
    -H 'Access-Control-Request-Headers: authorization, content-type'
  assert_status 204
  assert_header Access-Control-Allow-Origin https://app.example
  assert_header Access-Control-Allow-Headers '/Authorization/'
}

core_test_kept_connection() {
  run -0 curl -sS --max-time 300 -o /dev/null -w '%{http_code} %{num_connects}\n' \
    -H "Authorization: Bearer $GW_KEY" -H 'Content-Type: application/json' \
    --data-binary "$(chat_json planner '{"stream": true}')" \
    "$GW_URL/v1/chat/completions" --next -sS -o /dev/null \
    -w '%{http_code} %{num_connects}\n' "$GW_URL/health"
  assert_equal "${lines[*]}" '200 1 200 0' 'status and new connections'
}

# Ranges are for files: no client may get a piece of an answer.
core_test_range() {
  gw_get /v1/models/planner -H 'Range: bytes=0-9'
  assert_status 200
  assert_json .id planner
  refute_header Accept-Ranges
}

# --- keys ---

core_test_keys() {
  local key
  for key in 'Authorization: Bearer sesame' 'X-Api-Key: sesame'; do
    GW_KEY='' gw_chat planner '{}' -H "$key"
    assert_status 200
  done
}

core_test_wrong_key() {
  local key
  for key in 'Authorization: Bearer nodekey' 'X-Api-Key: open' 'X-Nothing: 1'; do
    GW_KEY='' gw_chat planner '{}' -H "$key"
    assert_error 401 invalid_api_key
    assert_header WWW-Authenticate '/^Bearer/'
    assert_header X-Request-Id '/^req_/'
  done
}

# a key that opens one model, and one that speaks for some nodes
core_test_own_models() {
  local GW_KEY=key-of-few
  gw_chat planner
  assert_status 200
  gw_get /v1/models
  assert_json '[[.data[].id], .rolemesh.unavailable_models, .rolemesh.nodes]' '[["planner"],[],[]]'
  gw_get /v1/models/team%2Fwriter
  assert_error 404 model_not_found model
  gw_chat team/writer
  assert_error 403 model_not_allowed model
  assert_header X-Request-Id '/^req_/'
  refute_header X-RoleMesh-Model
  GW_KEY=key-of-box
  gw_post /v1/nodes/heartbeat '{"node_id": "other"}'
  assert_error 403 node_not_allowed node_id
  gw_post /v1/nodes/heartbeat '{"node_id": "box-1"}'
  assert_error 404 node_not_registered
}

# --- refusals of the gateway, unchanged by the web server ---

core_test_not_found() {
  local path
  for path in /nothing /v2//models /v1/%2e%2e/nothing; do
    gw_get "$path" --path-as-is
    assert_error 404 not_found
    assert_header X-Request-Id '/^req_/'
  done
  # nor are the pages of the web server anybody's
  gw_get /rolemesh-errors/431.asis
  assert_error "$(by_server 404 403 403 404)" \
    "$(by_server not_found forbidden forbidden not_found)"
  gw_chat stranger
  assert_error 404 model_not_found
}

# what people write for an address, and what clients try first
core_test_spellings() {
  local path
  for path in /v1//chat/completions //v1/chat/completions/ /v1/v1/chat/completions /chat/completions; do
    gw_post "$path" "$(chat_json planner)"
    assert_status 200
  done
  for path in /models //v1/models /v1/models/ /v1/health /health/; do
    gw_get "$path"
    assert_status 200
  done
  gw_get /
  assert_status 200
  assert_match "$body" 'RoleMesh is running'
  gw_request HEAD /
  assert_status 200
  gw_post /v1/chat/completions "$(chat_json planner)" -H 'Content-Encoding: gzip'
  assert_error 415 unsupported_encoding
  gw_get /v1/responses --http1.1 -H 'Connection: Upgrade' -H 'Upgrade: websocket' \
    -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='
  assert_error 426 upgrade_required
}

core_test_wrong_method() {
  local method
  for method in GET PUT PROPFIND; do
    gw_request "$method" /v1/chat/completions
    assert_error 405 method_not_allowed
    assert_header Allow 'POST, OPTIONS'
    assert_header X-Request-Id '/^req_/'
  done
}

core_test_bad_body() {
  gw_post /v1/chat/completions '{"model": "planner", "messages": ['
  assert_error 400 invalid_json
  assert_header X-Request-Id '/^req_/'
}

core_test_no_upstream() {
  gw_chat nobody-there
  assert_error 502 upstream_unreachable
  assert_header X-Request-Id '/^req_/'
  gw_chat reviewer
  assert_error 503 no_available_node
  assert_header Retry-After '/^[0-9]+$/'
}

# Each of these statuses has a page of the web server that must stay away.
core_test_upstream_error() {
  local status
  for status in 400 401 403 404 405 413 429 500 501 502 503 504; do
    ask_fake "{\"status\": $status, \"body\": \"as the upstream says: $status\",
      \"content_type\": \"text/x-odd\", \"headers\": {\"Retry-After\": \"7\"}}"
    assert_status "$status"
    assert_equal "$body" "as the upstream says: $status" body
    assert_header Content-Type '/^text\/x-odd/'
    assert_header Retry-After 7
  done
}

# --- refusals of the web server, in the gateway's words ---

core_test_server_400() {
  gw_request GET /health -H 'Host:'
  assert_server_page 400 invalid_request
}

core_test_outside() {
  gw_get /%2e%2e/etc/passwd --path-as-is
  if [[ $WEB_KIND == lighttpd ]]; then # leaves it to the gateway
    assert_error 404 not_found
  else
    assert_server_page 400 invalid_request
  fi
}

core_test_server_414() {
  local long
  long=$(head -c 40000 /dev/zero | tr '\0' a)
  gw_get "/health?$long" >/dev/null
  if [[ $WEB_KIND == lighttpd ]]; then # counts the line among the headers
    assert_server_page 431 request_headers_too_large
  else
    assert_server_page 414 uri_too_long
  fi
}

core_test_server_431() {
  local long
  long=$(head -c 65536 /dev/zero | tr '\0' a)
  gw_get /health -H "X-Long: $long" >/dev/null
  assert_server_page 431 request_headers_too_large
}

core_test_server_413() {
  head -c $((WEB_MAX_KIB * 1024 + 1)) /dev/zero | tr '\0' ' ' >"$GW_DIR/much"
  gw_post /v1/chat/completions "@$GW_DIR/much"
  assert_server_page 413 request_too_large
}
