#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 924-fallbacks.bats - an alias that has no attempt left, and the aliases that
# stand in for it: when, in which order, with what of the request, and who is
# said to have answered.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all
load helpers/failover

setup_file() {
  gw_setup
  fake_start one --max-requests 1
  fake_start spare --max-requests 1
  fake_start last --max-requests 1
  fake_start guarded --api-key key-of-the-fallback
  fake_start locked --max-requests 1
  gw_config <<YAML
gateway:
  sse_keepalive_s: 0.2
  eject: {failures: 3, pause_s: 600, pause_max_s: 600}
auth:
  upstream_node_key: key-of-the-gateway
models:
  falls:
    type: discovered
    defaults: {temperature: 0.5, seed: 1}
    retry: {backoff_s: 0.05, backoff_max_s: 0.5}
    timeouts: {first_byte_s: 1}
    fallback: [ok, last]
  ok:
    type: proxy
    proxy_url: $FAKE_URL_spare
    defaults: {model: spare-model, temperature: 0.7, top_k: 7}
    retry: {backoff_s: 0.05, backoff_max_s: 0.1}
  last:
    type: proxy
    proxy_url: $FAKE_URL_last
    retry: {backoff_s: 0.05, backoff_max_s: 0.1}
  never:
    type: proxy
    proxy_url: $FAKE_URL_one
  open:
    type: discovered
    retry: {attempts: 0}
    fallback: [guarded]
  guarded:
    type: proxy
    proxy_url: $FAKE_URL_guarded
    api_key: key-of-the-fallback
  eleven:
    type: discovered
    retry: {attempts: 4, backoff_s: 0.01, backoff_max_s: 0.02}
    fallback: [twelve]
  twelve:
    type: proxy
    proxy_url: $FAKE_URL_spare
    defaults: {model: twelve-model}
    retry: {attempts: 10, backoff_s: 0.01, backoff_max_s: 0.02}
  long:
    type: discovered
    retry: {backoff_s: 0.01, backoff_max_s: 0.02}
    fallback: [long-1, long-2]
  long-1:
    type: proxy
    proxy_url: $FAKE_URL_spare
    retry: {backoff_s: 0.01, backoff_max_s: 0.02}
  long-2:
    type: proxy
    proxy_url: $FAKE_URL_last
    retry: {backoff_s: 0.01, backoff_max_s: 0.02}
  two-deep:
    type: discovered
    retry: {backoff_s: 0.01, backoff_max_s: 0.02}
    fallback: [two-1, two-2]
  two-1:
    type: proxy
    proxy_url: $FAKE_URL_spare
    retry: {backoff_s: 0.01, backoff_max_s: 0.02}
    fallback: [never]
  two-2:
    type: proxy
    proxy_url: $FAKE_URL_last
  keyed:
    type: proxy
    proxy_url: $FAKE_URL_locked
    api_key: key-of-the-alias
    fallback: [ok]
YAML
  gw_start
}

teardown_file() {
  gw_teardown
}

setup() {
  local name
  for name in one spare last guarded locked; do
    fake_mode "$name" '{}'
  done
  SPARED=$(fake_count spare)
  LAST=$(fake_count last)
}

# No lease stays, whatever the end was.
teardown() {
  gw_dump_if_failed
  wait_until 10 gw_holds_nothing
}

spared() {
  echo $(($(fake_count spare) - SPARED))
}

# falls_after N SCRIPT - `one` is asked N times, then the fallback answers.
falls_after() {
  SPARED=$(fake_count spare)
  serve falls one
  fake_mode one "$2"
  gw_chat falls
  assert_status 200
  assert_equal "$(asked one)" "$1" "attempts with $2"
  assert_equal "$(spared)" 1 "attempts at the fallback with $2"
  assert_header X-RoleMesh-Model ok
  assert_json .model spare-model
  assert_header X-RoleMesh-Attempts $(($1 + 1))
}

# --- when ---

@test "fallback: not connected, after the last attempt -> the next alias" {
  local url
  for url in "http://127.0.0.1:$(free_ports 1)" http://no-such-name.invalid:1; do
    serve falls "dead=$url"
    gw_chat falls
    assert_status 200
    assert_header X-RoleMesh-Model ok
  done
}

@test "fallback: reset, end, no HTTP -> once more, then the next alias" {
  falls_after 2 '{"reset_before_answer": true}'
  falls_after 2 '{"close_before_answer": true}'
  falls_after 2 '{"garbage": true}'
}

@test "fallback: 429, 503 with Retry-After -> after the attempts; a long Retry-After: at once" {
  falls_after 3 '{"status": 429}'
  falls_after 1 '{"status": 429, "headers": {"Retry-After": "3600"}}'
  falls_after 1 '{"status": 503, "headers": {"Retry-After": "3600"}}'
}

@test "fallback: 500 -> once more, then the next alias" {
  falls_after 2 '{"status": 500}'
}

@test "fallback: 502, 503, 504 -> after the attempts" {
  falls_after 3 '{"status": 502}'
  falls_after 3 '{"status": 503}'
  falls_after 3 '{"status": 504}'
}

@test "fallback: loading until first_byte_s is over -> the next alias" {
  serve falls one
  fake_mode one '{"loading": true}'
  gw_chat falls
  assert_status 200
  assert_equal "$(asked one)" 1
  assert_header X-RoleMesh-Model ok
}

@test "fallback: first_byte_s is over -> the next alias, with a first_byte_s of its own" {
  falls_after 1 '{"never": true}'
  falls_after 1 '{"tokens": 1, "head_delay_ms": 3600000}'
}

@test "fallback: a context that is too long -> the next alias at once" {
  falls_after 1 '{"status": 400, "error": {"type": "exceed_context_size_error"}}'
  falls_after 1 '{"status": 400, "error": {"code": "context_length_exceeded"}}'
  falls_after 1 '{"status": 413, "error": {"type": "exceed_context_size_error"}}'
  falls_after 1 '{"raw_file": "err-ctx-exceed.http"}'
}

@test "fallback: a context too long for everybody -> the last one's own answer" {
  local name
  serve falls one
  for name in one spare last; do
    fake_mode "$name" '{"status": 400, "error": {"code": "context_length_exceeded"}}'
  done
  gw_chat falls
  assert_status 400
  assert_json .error.code context_length_exceeded
  assert_equal "$(asked one) $(spared) $(($(fake_count last) - LAST))" '1 1 1'
}

@test "fallback: 401 or 403 to the gateway's own key -> the next alias at once" {
  falls_after 1 '{"status": 401}'
  falls_after 1 '{"status": 403}'
  fake_mode locked '{"status": 401}'
  gw_chat keyed
  assert_status 200
  assert_header X-RoleMesh-Model ok
  run ! grep -F key-of-the-alias "$GW_DIR/gateway.log"
}

@test "fallback: every other status -> passes, no fallback" {
  local script
  for script in '{"status": 400, "error": {"code": "content_policy_violation"}}' '{"status": 404}' \
    '{"status": 422}' '{"status": 501}' '{"status": 413}'; do
    serve falls one
    fake_mode one "$script"
    gw_chat falls
    assert_status "$(jq .status <<<"$script")"
    assert_header X-RoleMesh-Model falls
    assert_equal "$(asked one) $(spared)" '1 0'
  done
}

@test "fallback: no node for the role -> the next alias at once, and it is usable" {
  forget_nodes
  gw_chat falls
  assert_status 200
  assert_header X-RoleMesh-Model ok
  gw_get /v1/models
  assert_json '[.data[].id | select(. == "falls")]' '["falls"]'
  assert_json '[.data[] | select(.id == "falls") | .via]' '["ok"]'
}

@test "fallback: all its candidates are ejected -> the next alias at once" {
  serve falls one
  fake_mode one '{"reset_before_answer": true}'
  gw_chat falls
  gw_chat falls
  ejected_are 1
  falls_at=$(asked one)
  gw_chat falls
  assert_status 200
  assert_header X-RoleMesh-Attempts 1
  assert_header X-RoleMesh-Model ok
  assert_equal "$(asked one)" "$falls_at"
}

# --- which, and with what ---

@test "fallback: the first fails, too -> the second; a fallback's own is not followed" {
  serve two-deep one
  fake_mode one '{"status": 503}'
  fake_mode spare '{"status": 503}'
  gw_chat two-deep
  assert_status 200
  assert_header X-RoleMesh-Model two-2
  assert_header X-RoleMesh-Attempts 7
  assert_equal "$(spared)" 3 'attempts at the first fallback'
}

@test "fallback: all of them fail -> the last one's own answer, eight attempts in all" {
  serve long one
  fake_mode one '{"status": 503}'
  fake_mode spare '{"status": 502}'
  fake_mode last '{"status": 503, "body": "{\"own\": \"last\"}"}'
  gw_chat long
  assert_status 503
  assert_equal "$body" '{"own": "last"}'
  assert_header X-RoleMesh-Attempts 8
  assert_header X-RoleMesh-Model long-2
  assert_equal "$(asked one) $(spared) $(($(fake_count last) - LAST))" '3 3 2'
}

@test "fallback: an alias without a model of its own -> asked for its own name, as if the client had" {
  serve falls one
  fake_mode one '{"status": 400, "error": {"code": "context_length_exceeded"}}'
  fake_mode spare '{"status": 400, "error": {"code": "context_length_exceeded"}}'
  gw_chat falls
  assert_status 200
  assert_header X-RoleMesh-Model last
  assert_equal "$(jq -r .model <"$(fake_body last)")" last
}

@test "fallback: eight attempts in all, however many each may have" {
  serve eleven one
  # nobody is ejected for that
  fake_mode one '{"status": 429}'
  fake_mode spare '{"status": 429}'
  gw_chat eleven
  assert_status 429
  assert_equal "$(asked one) $(spared)" '5 3'
  assert_header X-RoleMesh-Attempts 8
}

@test "fallback: the request is made anew -> its model, its defaults, not those of the first alias" {
  local sent
  serve falls one
  fake_mode one '{"status": 429, "headers": {"Retry-After": "3600"}}'
  gw_chat falls '{"user": "me", "top_k": 3}'
  assert_status 200
  sent=$(jq -cS 'del(.messages)' <"$(fake_body spare)")
  assert_equal "$sent" '{"model":"spare-model","temperature":0.7,"top_k":3,"user":"me"}'
  sent=$(jq -cS 'del(.messages)' <"$(fake_body one)")
  assert_equal "$sent" "{\"model\":\"$SERVED\",\"seed\":1,\"temperature\":0.5,\"top_k\":3,\"user\":\"me\"}"
}

@test "fallback: its key, not the first one's" {
  serve open one
  fake_mode one '{"status": 503}'
  gw_chat open
  assert_status 200
  assert_header X-RoleMesh-Model guarded
  assert_equal "$(fake_header one Authorization)" 'Bearer key-of-the-gateway'
  assert_equal "$(fake_header guarded Authorization)" 'Bearer key-of-the-fallback'
}

@test "fallback: X-RoleMesh-Node of a node that failed -> not on the answer of another alias" {
  serve falls one
  fake_mode one '{"status": 503}'
  gw_chat falls
  assert_status 200
  refute_header X-RoleMesh-Node
}

@test "fallback: a stream -> the fallback's model, usage and one [DONE]" {
  serve falls one
  fake_mode one '{"status": 503}'
  fake_mode spare '{"tokens": 4}'
  chat_stream falls '{"stream_options": {"include_usage": true}}'
  assert_status 200
  assert_equal "$(stream_said)" t1t2t3t4
  assert_sse '[.[].json | objects | .model] | unique' '["spare-model"]'
  assert_sse '[.[].json.usage | objects | .completion_tokens]' '[4]'
  assert_sse '[.[] | select(.data == "[DONE]")] | length' 1
}

# --- what is refused when it is written ---

@test "fallback: itself, an unknown alias, a circle, no list -> refused, with its line" {
  local bad
  for bad in '[a]' '[nobody]' '[b]' 'b' '[1]' '[b, b]'; do
    gw_config "$GW_DIR/bad.yaml" <<YAML
models:
  a:
    type: proxy
    proxy_url: http://127.0.0.1:1
    fallback: $bad
  b:
    type: proxy
    proxy_url: http://127.0.0.1:1
    fallback: [a]
YAML
    run gw_run --check --config "$GW_DIR/bad.yaml"
    assert_equal "$status" 2 "exit status with fallback: $bad"
    assert_match "$output" 'bad\.yaml:[0-9]+:[0-9]+' "what is said of $bad"
  done
}
