# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# core_streams.bash - the second half of the core set (core_set.bash): bodies of
# requests, streams, nodes, and processes that die.
#
# shellcheck disable=SC2154 # set by gw_request

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
    GW_KEY=wrong gw_post "/v1/chat/completions?$turn" "@$GW_DIR/much" -H Expect: \
      -H "Transfer-Encoding: $([[ $turn != 2 ]] || echo chunked)"
    assert_equal "$curl_status" 0 "curl status: the answer has an end"
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

# Behind each token something is left open, so that no comment of the gateway's
# can come in between and push the token out of a buffer.
core_test_stream_pace() {
  local file=$BATS_TEST_TMPDIR/s n
  stream_fake "$file" '{"wait_tokens": true, "pieces": ["data: \"t1\"\n\n: and",
    "\ndata: \"t2\"\n\n: and", "\ndata: \"t3\"\n\n: and", "\ndata: \"t4\"\n\n: and",
    "\ndata: \"t5\"\n\n: and", "\n"]}'
  for n in 1 2 3 4 5; do
    fake_go alpha
    wait_until 10 stream_has "$file" "$n"
    assert_equal "$(stream_tokens "$file" | wc -l)" "$n" 'tokens so far'
  done
  fake_go alpha
  fake_go alpha
  stream_wait
  assert_equal "$stream_status" 0 'curl status'
  assert_equal "$(stream_tokens "$file" | wc -l)" 5 tokens
}

core_test_stream_head() {
  # lighttpd gives an answer that has ended by then a length of its own
  stream_fake "$BATS_TEST_TMPDIR/s" '{"tokens": 1, "wait_tokens": true}'
  fake_go alpha
  wait_until 10 stream_has "$BATS_TEST_TMPDIR/s" 1
  fake_go alpha # the end
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
  stream_fake "$file" '{"wait_head": true, "tokens": 2}'
  wait_until 10 grep -qE '^[0-9]+ :' "$file"
  assert_equal "$(stream_tokens "$file" | wc -l)" 0 'tokens at the first comment'
  fake_go alpha
  stream_wait
  assert_equal "$(stream_tokens "$file" | wc -l)" 2 tokens
}

# _left_upstream - the last request's client was seen to leave.
_left_upstream() {
  fake_logged alpha "select(.event == \"client_closed\" and .id == $1)"
}

core_test_leave_streaming() {
  local file=$BATS_TEST_TMPDIR/s id
  stream_fake "$file" '{"tokens": 1000000, "delay_ms": 100}'
  wait_until 10 stream_has "$file" 2
  id=$(fake_last alpha .id)
  kill "$STREAM_PID"
  wait_until 5 _left_upstream "$id"
  stream_wait
  wait_until 5 web_log_has 'event=access .*status=499.*'
}

core_test_leave_silent() {
  local file=$BATS_TEST_TMPDIR/s id
  stream_fake "$file" '{"first_delay_ms": 3600000}'
  wait_until 10 fake_stat_is alpha .active 1
  id=$(fake_last alpha .id)
  kill "$STREAM_PID"
  wait_until 10 _left_upstream "$id"
  stream_wait
}

# Nothing is ever written to that client, so no web server need notice. It gives
# the server another name and port, as behind a reverse proxy.
core_test_leave_waiting() {
  local pid id
  curl -sS --max-time 300 -o /dev/null -H 'Host: example.test:9999' -H "Authorization: Bearer $GW_KEY" \
    -H 'Content-Type: application/json' --data-binary "$(chat_json planner '{"fake": {"never": true}}')" \
    "$GW_URL/v1/chat/completions" 3>&- 4>&- &
  pid=$!
  gw_track stream-waiting "$pid"
  wait_until 10 fake_stat_is alpha .active 1
  id=$(fake_last alpha .id)
  kill "$pid"
  wait "$pid" || true
  wait_until 10 _left_upstream "$id"
  wait_until 5 web_log_has 'event=access .*status=499 phase=first_byte '
  gw_chat planner
  assert_status 200
}

# 32 answers are under way in the same moment, then all leave.
core_test_many_streams() {
  local pid
  mkdir -p "$BATS_TEST_TMPDIR/many"
  curl -sSN -Z --parallel-immediate --parallel-max 50 --max-time 300 \
    -H "Authorization: Bearer $GW_KEY" -H 'Content-Type: application/json' \
    --data-binary "$(chat_json planner \
      '{"stream": true, "fake": {"tokens": 1000000, "delay_ms": 100}}')" \
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
  json=$(chat_json planner '{"fake": {"first_delay_ms": 3600000}}')
  curl -sS --max-time 300 -o "$GW_DIR/lost.body" -D "$GW_DIR/lost.head" \
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

# --- servers that come and go: only where pools or Apache outlive them ---

_register_box() {
  GW_KEY='' _node_post register "$(jq -cn --arg url "$FAKE_URL_alpha" \
    '{node_id: "box-2", base_url: $url, roles: ["reviewer"]}')"
  assert_status 200
}

# The registry is shared memory that belongs to no process.
server_test_restart() {
  _register_box
  web_server_stop
  web_server_start
  gw_chat reviewer
  assert_status 200
  assert_header X-RoleMesh-Node box-2
}

# pool_test_gone STATUS CODE - what the web server says while a pool is away.
pool_test_gone() {
  local pid
  _register_box
  pid=$(gw_pid pool-inference)
  kill -TERM "$pid"
  wait_until 10 gone "$pid"
  gw_chat reviewer
  assert_server_page "$1" "$2"
  gw_get /health
  assert_status 200
  web_pool_inference
  wait_until 10 _chat_works
  gw_chat reviewer
  assert_header X-RoleMesh-Node box-2
}
