# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# core_set.bash - what must hold behind every web server that we ship a
# configuration for. One function is one test; 810 to 840 name them all, and
# core_is_complete fails a file that leaves one out.
#
# shellcheck disable=SC2154 # set by gw_request

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
  run -0 curl -sS --max-time 20 -o /dev/null -w '%{http_code} %{num_connects}\n' \
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
  run -0 curl -sS --max-time 20 -o /dev/null -w '%{http_code} %{num_connects}\n' \
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

# --- refusals of the gateway, unchanged by the web server ---

core_test_not_found() {
  local path
  for path in /nothing /v1//models /v1/%2e%2e/nothing; do
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

# --- bodies ---

# A chat of 8 MiB whose text has every kind of character that needs care.
_large_chat() {
  jq -cn --arg text 'quote " backslash \ line
 break, ü, 😀 ' '{model: "planner",
    messages: [{role: "user", content: ($text * 190000)}]}' >"$1"
}

_assert_upstream_got() {
  cmp "$(fake_body alpha)" "$1" || _fail 'the upstream got other bytes'
}

core_test_large_body() {
  _large_chat "$GW_DIR/large"
  assert_between "$(stat -c %s "$GW_DIR/large")" 8388608 "$WEB_MAX_BODY" bytes
  gw_post /v1/chat/completions "@$GW_DIR/large" >/dev/null
  assert_status 200
  _assert_upstream_got "$GW_DIR/large"
}

core_test_chunked_body() {
  jq -cn '{model: "planner", user: ("u" * 300000),
    messages: [{role: "user", content: "hello there"}]}' >"$GW_DIR/chunked"
  gw_post /v1/chat/completions "@$GW_DIR/chunked" -H 'Transfer-Encoding: chunked'
  assert_status 200
  _assert_upstream_got "$GW_DIR/chunked"
}

core_test_empty_chunked_body() {
  gw_post /v1/chat/completions '' -H 'Transfer-Encoding: chunked'
  assert_error 400 invalid_json
}

core_test_body_limit() {
  head -c $((WEB_MAX_BODY + 1)) /dev/zero | tr '\0' ' ' >"$GW_DIR/much"
  gw_post /v1/chat/completions "@$GW_DIR/much"
  assert_error 413 request_too_large
  assert_header X-Request-Id '/^req_/'
}

# The answer is there before the body is: no later request may suffer from it.
core_test_early_refusal() {
  local turn
  head -c 4000000 /dev/zero | tr '\0' ' ' >"$GW_DIR/much"
  for turn in 1 2 3; do
    GW_KEY=wrong gw_post "/v1/chat/completions?$turn" "@$GW_DIR/much" -H 'Expect:'
    assert_error 401 invalid_api_key
    gw_chat planner
    assert_status 200
  done
}

# Its length is known to nobody before it has come.
core_test_chunked_limit() {
  head -c $((WEB_MAX_BODY + 2097152)) /dev/zero | tr '\0' ' ' >"$GW_DIR/much"
  gw_post /v1/chat/completions "@$GW_DIR/much" -H 'Transfer-Encoding: chunked'
  if [[ $WEB_KIND == fcgid ]]; then # knows no 413
    assert_server_page 500 internal_error
  else
    assert_error 413 request_too_large
  fi
}

# --- streams ---

core_test_stream_pace() {
  local file=$BATS_TEST_TMPDIR/s arrived token sent before='' n=0
  stream_fake "$file" '{"tokens": 5, "delay_ms": 300, "stamp": true}'
  stream_wait
  assert_equal "$stream_status" 0 'curl status'
  while read -r arrived token; do
    sent=${token#*@}
    [[ -z $before ]] || assert_between "$before" 0 "$((sent - 1))" \
      "arrival of t$n, before the next was sent"
    before=$arrived
    n=$((n + 1))
  done < <(stream_tokens "$file")
  assert_equal "$n" 5 tokens
}

core_test_stream_head() {
  stream_fake "$BATS_TEST_TMPDIR/s" '{"tokens": 2}'
  stream_wait
  headers=$(_last_head "$BATS_TEST_TMPDIR/s.head")
  assert_header Content-Type '/^text\/event-stream/'
  assert_header Cache-Control no-cache
  assert_header X-Accel-Buffering no
  assert_header X-RoleMesh-Model planner
  refute_header Content-Length
}

core_test_stream_bytes() {
  local json
  json=$(chat_json planner '{"stream": true, "fake":
    {"raw_file": "chat-stream.http", "raw_split": 61}}')
  gw_post "$FAKE_URL_alpha/v1/chat/completions" "$json"
  cp "$body_file" "$GW_DIR/original"
  gw_post /v1/chat/completions "$json"
  assert_status 200
  cmp "$body_file" "$GW_DIR/original"
}

core_test_stream_broken() {
  local file=$BATS_TEST_TMPDIR/s
  stream_fake "$file" '{"tokens": 9, "delay_ms": 20, "die_after_tokens": 2}'
  stream_wait
  assert_equal "$stream_status" 0 'curl status'
  assert_equal "$(stream_tokens "$file" | wc -l)" 2 tokens
  assert_equal "$(stream_text "$file" | grep -c '^data: {"error":')" 1 'error events'
  assert_equal "$(stream_text "$file" | grep -cF '[DONE]')" 0 'ends'
}

core_test_stream_silence() {
  local file=$BATS_TEST_TMPDIR/s
  stream_fake "$file" '{"first_delay_ms": 1600, "tokens": 2}'
  wait_until 10 grep -qE '^[0-9]+ :' "$file"
  assert_equal "$(stream_tokens "$file" | wc -l)" 0 'tokens at the first comment'
  stream_wait
  assert_equal "$(stream_tokens "$file" | wc -l)" 2 tokens
}

# _left_upstream - the last request's client was seen to leave.
_left_upstream() {
  fake_logged alpha "select(.event == \"client_closed\" and .id == $1)"
}

core_test_leave_streaming() {
  local file=$BATS_TEST_TMPDIR/s id
  stream_fake "$file" '{"tokens": 400, "delay_ms": 100}'
  wait_until 10 stream_has "$file" 2
  id=$(fake_last alpha .id)
  kill "$STREAM_PID"
  wait_until 5 _left_upstream "$id"
  stream_wait
  wait_until 5 web_log_has 'event=access .*status=499.*'
}

core_test_leave_silent() {
  local file=$BATS_TEST_TMPDIR/s id
  stream_fake "$file" '{"first_delay_ms": 60000}'
  wait_until 10 fake_stat_is alpha .active 1
  id=$(fake_last alpha .id)
  kill "$STREAM_PID"
  wait_until 10 _left_upstream "$id"
  stream_wait
}

# 32 answers are under way in the same moment, then all leave.
core_test_many_streams() {
  local pid
  mkdir -p "$BATS_TEST_TMPDIR/many"
  curl -sSN -Z --parallel-immediate --parallel-max 50 --max-time 60 \
    -H "Authorization: Bearer $GW_KEY" -H 'Content-Type: application/json' \
    --data-binary "$(chat_json planner \
      '{"stream": true, "fake": {"tokens": 900, "delay_ms": 100}}')" \
    -o "$BATS_TEST_TMPDIR/many/#1" "$GW_URL/v1/chat/completions?[1-32]" \
    2>/dev/null 3>&- 4>&- &
  pid=$!
  gw_track stream-many "$pid"
  wait_until 40 _many_have_token
  assert_equal "$(fake_stats alpha .active)" 32 'open upstream answers'
  kill "$pid"
  wait "$pid" || true
  wait_until 10 fake_stat_is alpha .active 0
}

_many_have_token() {
  (($(grep -lF '"t1"' "$BATS_TEST_TMPDIR"/many/* 2>/dev/null | wc -l) == 32))
}

# --- nodes ---

_node_post() {
  gw_post "/v1/nodes/$1" "$2" -H 'X-RoleMesh-Node-Key: nodekey'
}

core_test_node() {
  GW_KEY='' _node_post register "$(jq -cn --arg url "$FAKE_URL_alpha" '
    {node_id: "box-1", base_url: $url,
     served_models: [{model_id: "tiny", roles: ["reviewer"]}]}')"
  assert_status 200
  assert_json .node_id box-1
  GW_KEY='' _node_post heartbeat '{"node_id": "box-1"}'
  assert_status 200
  gw_chat reviewer
  assert_status 200
  assert_header X-RoleMesh-Node box-1
  assert_equal "$(fake_last alpha '.body | fromjson | .model')" tiny 'model upstream'
  GW_KEY='' _node_post deregister '{"node_id": "box-1"}'
  assert_status 200
  GW_KEY='' _node_post heartbeat '{"node_id": "box-1"}'
  assert_error 404 node_not_registered
}

# --- the worst ---

_chat_works() {
  gw_chat planner >/dev/null
  [[ $status_code == 200 ]]
}

# The request that the killed process held is lost; nothing else is.
core_test_workers_killed() {
  local pid json
  json=$(chat_json planner '{"fake": {"first_delay_ms": 60000}}')
  curl -sS --max-time 30 -o "$GW_DIR/lost.body" -D "$GW_DIR/lost.head" \
    -H "Authorization: Bearer $GW_KEY" -H 'Content-Type: application/json' \
    --data-binary "$json" "$GW_URL/v1/chat/completions" 3>&- 4>&- &
  pid=$!
  gw_track stream-lost "$pid"
  wait_until 10 fake_stat_is alpha .active 1
  # shellcheck disable=SC2046 # a list of pids
  kill -KILL $(web_workers)
  wait "$pid"
  wait_until 10 _chat_works
  headers=$(_last_head "$GW_DIR/lost.head")
  body=$(<"$GW_DIR/lost.body")
  status_code=$(sed -n '1s/^HTTP[^ ]* \([0-9]*\).*/\1/p' <<<"$headers")
  echo "$headers"
  echo "$body"
  assert_server_page "$(by_server 500 500 503 502)" \
    "$(by_server internal_error internal_error gateway_unavailable gateway_unreachable)"
  wait_until 5 fake_stat_is alpha .active 0
}
