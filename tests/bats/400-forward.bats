#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 400-forward.bats - what reaches the upstream beside the body, what of its
# answer reaches the client, and the paths, methods and origins there are.

load helpers/all

setup_file() {
  gw_setup
  fake_start alpha
  export DEAD_PORT GW_KEY=client-key
  DEAD_PORT=$(free_ports 1)
  gw_config <<YAML
auth:
  client_api_keys: [client-key]
gateway:
  probe_timeout_s: 60
  cors_origins: ["https://app.example", "http://localhost:5173"]
models:
  planner: {type: proxy, proxy_url: "$FAKE_URL_alpha"}
  impatient: {type: proxy, proxy_url: "$FAKE_URL_alpha", timeouts: {first_byte_s: 3}}
  dead: {type: proxy, proxy_url: "http://127.0.0.1:$DEAD_PORT"}
  nowhere: {type: proxy, proxy_url: "http://no-such-host.invalid"}
  not-tls: {type: proxy, proxy_url: "https://127.0.0.1:$FAKE_PORT_alpha"}
YAML
  gw_start
}

teardown_file() {
  gw_teardown
}

# A test that called gw_setup has a gateway of its own.
teardown() {
  if [[ $GW_DIR == "$BATS_TEST_TMPDIR" ]]; then
    gw_teardown
  else
    gw_dump_if_failed
  fi
}

# scripted JSON [CURL ARGS] - a chat that the fake answers as told
scripted() {
  local script=$1
  shift
  gw_chat planner "{\"fake\": $script}" "$@"
}

# --- request headers ---

@test "forward: request headers -> those of the list and no others" {
  gw_chat planner '{}' \
    -H 'Accept: text/event-stream' -H 'User-Agent: sdk/1.2 (x)' \
    -H 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' \
    -H 'tracestate: a=1,b=2' -H 'anthropic-version: 2023-06-01' \
    -H 'anthropic-beta: x-1,y-2' -H 'X-Request-Id: mine-1' \
    -H 'Cookie: session=1' -H 'X-Api-Key: client-key' -H 'X-Conversation-Id: c1' \
    -H 'X-Forwarded-For: 10.0.0.1' -H 'Forwarded: for=10.0.0.1' -H 'Referer: http://r' \
    -H 'Accept-Encoding: gzip' -H 'Accept-Language: de' -H 'Proxy-Authorization: Basic eA==' \
    -H 'Connection: X-Odd' -H 'X-Odd: odd' -H 'TE: trailers' -H 'Upgrade: h2c' \
    -H 'OpenAI-Organization: o' -H 'X-Stainless-Lang: js' -H 'Range: bytes=0-1'
  assert_status 200
  assert_equal "$(fake_last alpha '[.headers[][0] | ascii_downcase] | sort | join(" ")')" \
    'accept anthropic-beta anthropic-version content-length content-type host traceparent tracestate user-agent x-request-id x-rolemesh-via'
  assert_equal "$(fake_header alpha Accept)" text/event-stream
  assert_equal "$(fake_header alpha User-Agent)" 'sdk/1.2 (x)'
  assert_equal "$(fake_header alpha traceparent)" \
    00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
  assert_equal "$(fake_header alpha tracestate)" a=1,b=2
  assert_equal "$(fake_header alpha anthropic-version)" 2023-06-01
  assert_equal "$(fake_header alpha anthropic-beta)" x-1,y-2
  assert_equal "$(fake_header alpha X-Request-Id)" mine-1
  assert_equal "$(fake_header alpha Host)" "127.0.0.1:$FAKE_PORT_alpha"
  assert_equal "$(fake_header alpha Content-Type)" application/json
}

@test "forward: a bare request -> the gateway adds nothing but id, its own name, type and length" {
  gw_chat planner '{}' -H 'Accept:' -H 'User-Agent:' -H 'Content-Type:'
  assert_status 200
  assert_equal "$(fake_last alpha '[.headers[][0] | ascii_downcase] | sort | join(" ")')" \
    'content-length content-type host x-request-id x-rolemesh-via'
}

# --- request ids ---

@test "forward: no X-Request-Id -> one is made, sent upstream, answered and logged once" {
  gw_chat planner
  local id
  id=$(header X-Request-Id)
  assert_match "$id" '^req_[0-9a-f]{32}$'
  assert_equal "$(fake_header alpha X-Request-Id)" "$id"
  wait_until 2 gw_log_has "event=access rid=$id "
  assert_equal "$(grep -c "event=access rid=$id " "$GW_DIR/gateway.log")" 1 'access records'
}

@test "forward: a sane X-Request-Id -> kept in the answer, upstream and in the log" {
  gw_chat planner '{}' -H 'X-Request-Id: My.id_1:2-3'
  assert_header X-Request-Id My.id_1:2-3
  assert_equal "$(fake_header alpha X-Request-Id)" My.id_1:2-3
  wait_until 2 gw_log_has 'event=access rid=My.id_1:2-3 .*status=200'
}

@test "forward: an insane X-Request-Id -> replaced" {
  local id
  for id in 'two words' 'a"b' 'rid=1 status=500' "$(printf 'x%.0s' {1..300})"; do
    gw_chat planner '{}' -H "X-Request-Id: $id"
    assert_header X-Request-Id '/^req_[0-9a-f]{32}$/'
  done
}

@test "forward: every kind of answer -> X-Request-Id" {
  gw_get /health
  assert_header X-Request-Id /./
  gw_get /nowhere
  assert_header X-Request-Id /./
  gw_request DELETE /health
  assert_header X-Request-Id /./
  GW_KEY='' gw_get /v1/models
  assert_status 401
  assert_header X-Request-Id /./
  gw_chat dead
  assert_status 502
  assert_header X-Request-Id /./
}

@test "forward: prompts and answers -> never in the log" {
  gw_post /v1/chat/completions \
    '{"model":"planner","messages":[{"role":"user","content":"the-secret-prompt"}]}'
  assert_match "$body" the-secret-prompt
  gw_post /v1/chat/completions '{"model":"planner","messages":[the-secret-prompt'
  assert_status 400
  run ! grep -F the-secret-prompt "$GW_DIR/gateway.log"
}

# --- answers ---

@test "forward: response headers -> status, type, length, Retry-After and our own, no others" {
  scripted '{"status": 429, "body": "{}", "headers": {"Retry-After": "7", "Set-Cookie": "a=b",
    "X-Odd": "odd", "Server": "llama.cpp", "Location": "http://x/", "Cache-Control": "max-age=9",
    "Access-Control-Allow-Origin": "*", "X-RoleMesh-Node": "spoofed", "X-Request-Id": "theirs",
    "Status": "200", "X-Sendfile": "/etc/passwd", "X-LIGHTTPD-send-file": "/etc/passwd"}}'
  assert_status 429
  assert_header Retry-After 7
  assert_equal "$(sed -n 's/:.*//; 2,$p' <<<"$headers" | tr 'A-Z\n' 'a-z ' | xargs -n1 | sort | xargs)" \
    'content-length content-type date retry-after server server-timing x-request-id x-rolemesh-attempts x-rolemesh-model'
  assert_header Server RoleMesh-Gateway
  assert_header X-Request-Id '/^req_/'
}

@test "forward: any status of the upstream -> it and its body pass untouched" {
  local status
  for status in 201 400 403 404 409 422 429 499 500 501 503 504 529; do
    scripted "{\"status\": $status, \"body\": \"not {json \\u00e9\\n\", \"content_type\": \"text/x-odd; charset=y\"}"
    assert_status "$status"
    assert_header Content-Type 'text/x-odd; charset=y'
    printf 'not {json é\n' | cmp - "$body_file"
  done
}

@test "forward: an answer without a body -> without a body" {
  scripted '{"status": 204, "body": ""}'
  assert_status 204
  assert_equal "$(wc -c <"$body_file")" 0 bytes
}

@test "forward: recorded refusals of llama-server -> status, type and every byte" {
  local name script
  for name in err-404 err-bad-json err-no-messages err-bad-type err-ctx-exceed \
    embeddings-disabled emb-rerank router-chat-unknown router-child-killed-nonstream; do
    script="{\"fake\": {\"raw_file\": \"$name.http\"}}"
    gw_post "$FAKE_URL_alpha/v1/chat/completions" "$(chat_json planner "$script")"
    cp "$body_file" "$BATS_TEST_TMPDIR/direct"
    local direct_status=$status_code direct_type
    direct_type=$(header Content-Type)
    gw_chat planner "$script"
    assert_status "$direct_status"
    assert_header Content-Type "$direct_type"
    cmp "$BATS_TEST_TMPDIR/direct" "$body_file"
    test -s "$body_file"
  done
}

# Its probe says that it is loaded, so it is asked all the time.
@test "forward: 503 Loading model until first_byte_s is over -> passes untouched, one attempt" {
  gw_chat impatient '{"fake": {"raw_file": "loading_v1_chat_completions.503.http"}}' \
    -H 'X-Request-Id: loads-on'
  assert_status 503
  assert_header Content-Type 'application/json; charset=utf-8'
  assert_header X-RoleMesh-Attempts 1
  assert_equal "$body" '{"error":{"message":"Loading model","type":"unavailable_error","code":503}}'
  wait_until 5 gw_log_has 'event=access rid=loads-on .* attempts=impatient:loading:[0-9.]+[ ,]'
  run ! gw_log_has 'event=access rid=loads-on .* attempts=.*loading.*loading'
}

@test "forward: a redirect -> passes as it is, nobody follows it" {
  local before
  fake_start target
  before=$(fake_stats target .requests_total)
  scripted "{\"redirect\": \"$FAKE_URL_target/v1/chat/completions\"}"
  assert_status 302
  assert_equal "$(fake_stats target .requests_total)" "$before" 'requests at its target'
}

@test "forward: an answer of 2 MiB -> every byte" {
  head -c 1572864 /dev/urandom | base64 -w0 >"$BATS_TEST_TMPDIR/text"
  { printf '{"model":"planner","fake":{"status":200,"content_type":"text/plain","body":"'
    cat "$BATS_TEST_TMPDIR/text"
    printf '"}}'; } >"$BATS_TEST_TMPDIR/ask"
  gw_request POST /v1/chat/completions --data-binary "@$BATS_TEST_TMPDIR/ask"
  assert_status 200
  cmp "$BATS_TEST_TMPDIR/text" "$body_file"
}

# --- the way there ---

@test "forward: nothing listens -> 502 upstream_unreachable, connection refused" {
  gw_chat dead
  assert_error 502 upstream_unreachable
  assert_json .error.message "none of 3 attempts for model 'dead' has an answer (dead unconnected,\
 dead unconnected, dead unconnected); the last: connection refused"
}

@test "forward: the host name does not resolve -> 502 upstream_unreachable" {
  gw_chat nowhere
  assert_error 502 upstream_unreachable
  assert_match "$(jq -r .error.message <<<"$body")" 'cannot be resolved'
}

@test "forward: https to a port that speaks none -> 502 upstream_unreachable, TLS" {
  gw_chat not-tls
  assert_error 502 upstream_unreachable
  assert_match "$(jq -r .error.message <<<"$body")" TLS
}

@test "forward: http_proxy in the environment -> not used" {
  gw_setup
  fake_start beta
  gw_config <<<"models: {planner: {type: proxy, proxy_url: \"$FAKE_URL_beta\"}}"
  local proxy=http://127.0.0.1:$DEAD_PORT
  http_proxy=$proxy HTTP_PROXY=$proxy all_proxy=$proxy no_proxy='' gw_start
  gw_chat planner
  assert_status 200
}

@test "forward: 250 requests one after the other -> connections are reused up to the upstream's limit" {
  gw_setup
  fake_start beta
  gw_config <<<"models: {planner: {type: proxy, proxy_url: \"$FAKE_URL_beta\"}}"
  GW_WORKERS=1 gw_start
  run -0 node "$TOP_SRCDIR/tests/bats/helpers/load.mjs" "$GW_URL/v1/chat/completions" \
    250 1 '{"model":"planner","messages":[]}'
  assert_equal "$(jq -c .status <<<"$output")" '{"200":250}'
  # 100 requests each, the connection that asks for the counter, and one more for
  # each pause in which an unused one grew too old: after four seconds
  local pauses
  pauses=$(fake_log beta 'select(.event == "request") | .t_ms' |
    awk 'NR > 1 && $1 - last > 3900 { n++ } { last = $1 } END { print n + 0 }')
  assert_between "$(fake_stats beta .connections)" 3 $((4 + pauses)) connections
}

@test "forward: a reused connection that the upstream closed -> tried again on a fresh one" {
  gw_setup
  fake_start beta
  gw_config <<<"models: {planner: {type: proxy, proxy_url: \"$FAKE_URL_beta\"}}"
  GW_WORKERS=1 gw_start
  fake_mode beta '{"close_reused": true}'
  local i
  for i in 1 2 3 4; do
    gw_chat planner
    assert_status 200
  done
}

# --- paths and methods ---

@test "forward: a path that is no endpoint -> 404 not_found that names it" {
  local path
  for path in /v1 /v1/ /v1/chat /v1/chat/completion /V1/models /v2/models \
    /v1/models/../../etc/passwd /health/x /v1/nodes /completions/chat; do
    gw_get "$path" --path-as-is
    # /v1/models/ANYTHING is a model's id
    [[ $path == /v1/models/* ]] && assert_error 404 model_not_found && continue
    assert_error 404 not_found
    assert_match "$(jq -r .error.message <<<"$body")" "\"$path\"" message
  done
}

@test "forward: a wrong method -> 405 with Allow" {
  local method path allow
  while read -r method path allow; do
    gw_request "$method" "$path" -H 'Content-Length: 0'
    assert_error 405 method_not_allowed
    assert_header Allow "$allow"
  done <<'TABLE'
GET /v1/chat/completions POST, OPTIONS
PUT /v1/completions POST, OPTIONS
DELETE /v1/models GET, HEAD, OPTIONS
POST /v1/models/planner GET, HEAD, OPTIONS
POST /health GET, HEAD, OPTIONS
PATCH /ready GET, HEAD, OPTIONS
GET /v1/nodes/register POST, OPTIONS
PROPFIND /v1/messages POST, OPTIONS
OPTIONS /v1/embeddings POST, OPTIONS
TABLE
  gw_request HEAD /v1/rerank
  assert_status 405
  assert_header Allow 'POST, OPTIONS'
}

@test "forward: a method that nobody knows -> 501 as JSON" {
  gw_request BREW /v1/messages
  assert_error 501 not_implemented
}

@test "forward: HEAD where GET works -> the same status and length, no body" {
  local path
  for path in /health /ready /v1/models/planner; do
    gw_get "$path"
    assert_status 200
    local length
    length=$(header Content-Length)
    gw_request HEAD "$path"
    assert_status 200
    assert_header Content-Length "$length"
  done
}

@test "forward: a percent-encoded path -> the endpoint it spells" {
  gw_get /%68ealth
  assert_status 200
}

@test "forward: a broken percent escape -> 400 invalid_request" {
  gw_get /v1/models/%zz
  assert_error 400 invalid_request
  gw_get /v1/models/a%0
  assert_error 400 invalid_request
  gw_get /v1/models/a%00b
  assert_error 400 invalid_request
}

@test "forward: a path of 5,000 bytes -> a clean error" {
  gw_get "/v1/models/$(printf 'x%.0s' {1..5000})"
  assert_error 413 request_too_large
}

# --- browsers ---

@test "cors: preflight from a listed origin -> 204 with what is allowed, no key needed" {
  GW_KEY='' gw_request OPTIONS /v1/chat/completions -H 'Origin: https://app.example' \
    -H 'Access-Control-Request-Method: POST' \
    -H 'Access-Control-Request-Headers: authorization,content-type'
  assert_status 204
  assert_header Access-Control-Allow-Origin https://app.example
  assert_header Vary Origin
  assert_header Access-Control-Allow-Methods '/POST/'
  assert_header Access-Control-Allow-Headers '/Authorization.*Content-Type.*X-Api-Key/'
}

# The official clients send headers whose names nobody here can list.
@test "cors: preflight for other headers, from a listed origin -> allowed too" {
  local asked='authorization,x-stainless-os,x-stainless-retry-count,openai-beta'
  gw_request OPTIONS /v1/chat/completions -H 'Origin: https://app.example' \
    -H 'Access-Control-Request-Method: POST' -H "Access-Control-Request-Headers: $asked"
  assert_status 204
  assert_header Access-Control-Allow-Headers "/, ${asked//,/, ?}\$/"
}

@test "cors: preflight for headers that are no names -> only the usual ones" {
  gw_request OPTIONS /v1/chat/completions -H 'Origin: https://app.example' \
    -H 'Access-Control-Request-Method: POST' \
    -H 'Access-Control-Request-Headers: x-ok, "x-bad": 1'
  assert_status 204
  assert_header Access-Control-Allow-Headers '/anthropic-beta$/'
}

@test "cors: preflight from an unlisted origin -> no CORS header" {
  local origin
  for origin in https://evil.example https://app.example.evil.example http://app.example null; do
    gw_request OPTIONS /v1/chat/completions -H "Origin: $origin" \
      -H 'Access-Control-Request-Method: POST'
    assert_status 405
    refute_header Access-Control-Allow-Origin
    refute_header Access-Control-Allow-Headers
  done
}

@test "cors: an unlisted origin's preflight -> the 405 names the key that lists them" {
  gw_request OPTIONS /v1/models -H 'Origin: https://evil.example' \
    -H 'Access-Control-Request-Method: GET'
  assert_error 405 method_not_allowed
  assert_match "$body" 'gateway\.cors_origins'
}

@test "cors: a request from a listed origin -> allowed to read the answer and our headers" {
  gw_chat planner '{}' -H 'Origin: http://localhost:5173'
  assert_status 200
  assert_header Access-Control-Allow-Origin http://localhost:5173
  assert_header Vary Origin
  assert_header Access-Control-Expose-Headers '/X-Request-Id.*X-RoleMesh-Model/'
}

@test "cors: errors for a listed origin -> readable as well" {
  GW_KEY='' gw_chat planner '{}' -H 'Origin: https://app.example'
  assert_status 401
  assert_header Access-Control-Allow-Origin https://app.example
  gw_get /nowhere -H 'Origin: https://app.example'
  assert_status 404
  assert_header Access-Control-Allow-Origin https://app.example
}

@test "cors: no Origin, or an unlisted one -> answered without CORS headers" {
  gw_chat planner
  assert_status 200
  refute_header Access-Control-Allow-Origin
  gw_chat planner '{}' -H 'Origin: https://evil.example'
  assert_status 200
  refute_header Access-Control-Allow-Origin
}

@test "cors: origins [\"*\"] -> every origin; none configured -> none" {
  gw_setup
  gw_config <<<'{gateway: {cors_origins: ["*"]}, models: {r: {type: discovered}}}'
  gw_start
  gw_request OPTIONS /v1/models -H 'Origin: https://any.example' \
    -H 'Access-Control-Request-Method: GET'
  assert_status 204
  assert_header Access-Control-Allow-Origin '*'
  gw_config <<<'{models: {r: {type: discovered}}}'
  wait_until 5 no_cors_any_more
}

no_cors_any_more() {
  gw_request OPTIONS /v1/models -H 'Origin: https://any.example' \
    -H 'Access-Control-Request-Method: GET' >/dev/null
  [[ $status_code == 405 ]] && ! header Access-Control-Allow-Origin >/dev/null
}
