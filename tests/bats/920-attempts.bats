#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 920-attempts.bats - one candidate, nobody else to ask: what of a failed attempt
# is tried again there, after which wait, and what the client gets in the end.
# 922-moves.bats is about two candidates, 924-fallbacks.bats about other aliases.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all
load helpers/failover

setup_file() {
  gw_setup
  fake_start one --max-requests 1
  fake_start keeper
  fake_start locked --max-requests 1
  blackhole_start
  gw_config <<YAML
gateway:
  sse_keepalive_s: 0.2
  eject: {failures: 3, pause_s: 600, pause_max_s: 600}
auth:
  upstream_node_key: key-of-the-gateway
models:
  only:
    type: discovered
    retry: {backoff_s: 0.2, backoff_max_s: 2}
    timeouts: {first_byte_s: 600, idle_s: 600}
  short:
    type: discovered
    retry: {backoff_s: 0.2, backoff_max_s: 0.4}
    timeouts: {connect_s: 0.4, first_byte_s: 0.5, idle_s: 600}
  once:
    type: discovered
    retry: {attempts: 0}
  eleven:
    type: discovered
    retry: {attempts: 10, backoff_s: 0.01, backoff_max_s: 0.02}
  limited:
    type: discovered
    retry: {attempts: 10, backoff_s: 0.4, backoff_max_s: 0.4}
    timeouts: {total_s: 1}
  patient:
    type: discovered
    retry: {backoff_s: 60, backoff_max_s: 60}
  keyless:
    type: proxy
    proxy_url: $FAKE_URL_locked
  keyed:
    type: proxy
    proxy_url: $FAKE_URL_locked
    api_key: key-of-the-alias
    retry: {backoff_s: 0.01}
YAML
  gw_start
}

teardown_file() {
  gw_teardown
}

setup() {
  fake_mode one '{}'
  S=$BATS_TEST_TMPDIR/stream
}

# No lease stays, whatever the end was.
teardown() {
  gw_dump_if_failed
  wait_until 10 gw_holds_nothing
}

# fails_as MODEL SCRIPT ATTEMPTS - a whole chat that ends with that many.
fails_as() {
  serve "$1" one
  fake_mode one "$2"
  gw_chat "$1"
  assert_equal "$(asked one)" "$3" "attempts with $2"
}

# --- not connected ---

@test "attempts: refused, the only one -> again after the backoff, twice, then 502" {
  local port
  port=$(free_ports 1)
  serve only "dead=http://127.0.0.1:$port"
  gw_chat only
  assert_error 502 upstream_unreachable
  # 0.2 s and 0.4 s, each less a quarter
  assert_at_least "$time_total_ms" 450 'ms of waiting'
}

@test "attempts: no such name, no TLS there, no answer to connect -> again, then 502 or 504 that says which limit" {
  serve only "dead=http://no-such-name.invalid:1"
  gw_chat only
  assert_error 502 upstream_unreachable
  assert_at_least "$time_total_ms" 450 'ms of waiting'
  serve only "dead=${FAKE_URL_one/http:/https:}"
  gw_chat only
  assert_error 502 upstream_unreachable
  assert_at_least "$time_total_ms" 450 'ms of waiting'
  serve short "dead=$BLACKHOLE_URL"
  gw_chat short
  assert_error 504 upstream_timeout
  assert_json '.error.message | contains("connect_s")' true
  # three times 0.4 s, and the waits of 0.15 s and 0.3 s
  assert_at_least "$time_total_ms" 1630 'ms'
}

@test "attempts: a client leaves during the wait for a refused one -> it ends; the next one finds it alive" {
  fake_start late
  fake_stop late
  serve patient "late=$FAKE_URL_late"
  stream_to "$S" /v1/chat/completions "$(chat_json patient)"
  wait_until 10 gw_gauge_is open_requests 1
  kill "$STREAM_PID"
  stream_wait
  wait_until 10 gw_holds_nothing
  fake_start late
  gw_chat patient
  assert_status 200
  fake_stop late
}

@test "attempts: retry.attempts 0 -> one, whatever happens" {
  local script
  for script in '{"status": 503}' '{"reset_before_answer": true}' '{"status": 429}' '{"status": 500}'; do
    fails_as once "$script" 1
  done
}

# --- connected, but no answer ---

@test "attempts: reset, end, no HTTP, the only one -> once more after the backoff, then 502" {
  local script
  for script in '{"reset_before_answer": true}' '{"close_before_answer": true}' '{"garbage": true}'; do
    fails_as only "$script" 2
    assert_status 502
    assert_json '.error.code | IN("upstream_unreachable", "upstream_protocol_error")' true
    assert_at_least "$(gap one 1)" 150 'ms of backoff'
  done
}

@test "attempts: reset once, then well -> 200, two attempts told" {
  local script
  for script in '{"reset_before_answer": true}' '{"close_before_answer": true}' '{"garbage": true}' \
    '{"die_after_bytes": 0}' '{"end_after_bytes": 0}'; do
    serve only one
    fake_mode one "{\"turns\": [$script]}"
    gw_chat only
    assert_status 200
    assert_header X-RoleMesh-Attempts 2
    assert_json .object chat.completion
  done
}

@test "attempts: a stream's head, then reset, end or no chunk; once -> the second attempt's stream, once" {
  local script
  for script in '{"die_after_tokens": 0}' '{"end_after_tokens": 0}' '{"bad_chunk_after_tokens": 0}' \
    '{"pings": 2, "die_after_tokens": 0}'; do
    serve only one
    fake_mode one "{\"tokens\": 3, \"turns\": [$script]}"
    chat_stream only
    assert_status 200
    assert_equal "$(stream_said)" t1t2t3 "with $script"
    assert_sse '[.[] | select(.data == "[DONE]")] | length' 1
    assert_sse '[.[] | select(.json.error?)] | length' 0
  done
}

@test "attempts: an answer that breaks when a part has gone to the client -> not again, and no whole answer" {
  serve only one
  fake_mode one '{"tokens": 9, "die_after_tokens": 2}'
  chat_stream only
  assert_one_sse_error /v1/chat/completions upstream_protocol_error
  assert_equal "$(stream_said)" t1t2
  assert_equal "$(asked one)" 1
  serve only one
  fake_mode one '{"die_after_bytes": 40, "delay_ms": 20}'
  gw_chat only
  # cut, or an error: never a success
  [[ $curl_status != 0 || $status_code == 502 ]]
}

@test "attempts: an error event that is the first of a stream -> passes, it is an answer" {
  serve only one
  fake_mode one '{"pings": 1, "error_after_tokens": 0}'
  chat_stream only
  assert_sse '[.[].json | objects | .error.message]' '["scripted error event"]'
  assert_equal "$(asked one)" 1
}

@test "attempts: a kept connection that was dead -> asked afresh, and no attempt counted" {
  serve only keeper
  fake_mode keeper '{"close_reused": true}'
  for _ in 1 2 3 4 5 6; do
    gw_chat only
    assert_status 200
    assert_header X-RoleMesh-Attempts 1
  done
}

# --- 429, and 503 with Retry-After ---

@test "attempts: 429 without Retry-After, the only one -> again after the backoff, then its own answer" {
  fails_as only '{"status": 429, "body": "{\"busy\": 1}"}' 3
  assert_status 429
  assert_equal "$body" '{"busy": 1}'
  assert_header X-RoleMesh-Attempts 3
  assert_at_least "$(gap one 1)" 150 'ms of backoff'
  assert_at_least "$(gap one 2)" 300 'ms of backoff'
}

@test "attempts: Retry-After within backoff_max_s -> never earlier than it says" {
  local status
  for status in 429 503; do
    serve only one
    fake_mode one "{\"turns\": [{\"status\": $status, \"headers\": {\"Retry-After\": \"1\"}}]}"
    gw_chat only
    assert_status 200
    assert_header X-RoleMesh-Attempts 2
    assert_at_least "$(gap one 1)" 1000 'ms, as Retry-After says'
  done
}

@test "attempts: Retry-After as a date, within backoff_max_s -> not before that second" {
  local at
  at=$(($(date +%s) + 2))
  serve only one
  fake_mode one "$(jq -cn --arg at "$(date -ud "@$at" '+%a, %d %b %Y %H:%M:%S GMT')" \
    '{turns: [{status: 503, headers: {"Retry-After": $at}}]}')"
  gw_chat only
  if [[ $status_code == 200 ]]; then
    assert_at_least "$(date +%s)" "$at" 'now, in seconds'
  else
    # the machine was quick: two seconds are a little more than backoff_max_s
    assert_status 503
  fi
}

@test "attempts: Retry-After beyond backoff_max_s -> not this candidate; its own answer" {
  local value
  for value in 3 3600 315360000 99999999999999999999 'Wed, 21 Oct 2065 07:28:00 GMT'; do
    serve only one
    fake_mode one "$(jq -cn --arg v "$value" '{status: 429, headers: {"Retry-After": $v}}')"
    gw_chat only
    assert_status 429
    assert_header Retry-After "$value"
    assert_equal "$(asked one)" 1 "attempts with Retry-After: $value"
  done
}

@test "attempts: Retry-After negative, in the past, or nonsense -> as if there were none" {
  local value
  for value in -5 soon 1e9999 0x10 'Wed, 21 Oct 2015 07:28:00 GMT' '1;2' 0; do
    serve only one
    fake_mode one "$(jq -cn --arg v "$value" '{turns: [{status: 429, headers: {"Retry-After": $v}}]}')"
    gw_chat only
    assert_status 200
    assert_equal "$(asked one)" 2 "attempts with Retry-After: $value"
  done
}

@test "attempts: 429 with 10 MB -> again all the same; at last that status reaches the client" {
  serve only one
  fake_mode one '{"turns": [{"status": 429, "body_bytes": 10000000}]}'
  gw_chat only
  assert_status 200
  assert_header X-RoleMesh-Attempts 2
  fails_as only '{"status": 429, "body_bytes": 10000000}' 3
  assert_status 429
  wait_until 10 gw_holds_nothing
}

# --- 500, 502, 503, 504 ---

@test "attempts: 500, the only one -> once more, then its own answer" {
  fails_as only '{"status": 500, "body": "{\"own\": 500}"}' 2
  assert_status 500
  assert_equal "$body" '{"own": 500}'
  assert_header X-RoleMesh-Attempts 2
  serve only one
  fake_mode one '{"turns": [{"status": 500}]}'
  gw_chat only
  assert_status 200
  assert_header X-RoleMesh-Attempts 2
}

@test "attempts: 502, 503, 504, the only one -> again after the backoff, then its own answer" {
  local status
  for status in 502 503 504; do
    fails_as only "{\"status\": $status, \"body\": \"{\\\"own\\\": $status}\"}" 3
    assert_status "$status"
    assert_equal "$body" "{\"own\": $status}"
    assert_header X-RoleMesh-Attempts 3
    assert_at_least "$(gap one 1)" 150 'ms of backoff'
    assert_at_least "$(gap one 2)" 300 'ms of backoff'
  done
}

@test "attempts: an error answer whose body breaks off -> an attempt like any other" {
  serve only one
  fake_mode one '{"turns": [{"status": 503, "end_after_bytes": 5}]}'
  gw_chat only
  assert_status 200
  assert_header X-RoleMesh-Attempts 2
}

@test "attempts: answered before the request was sent whole -> that answer counts" {
  local big=$BATS_TEST_TMPDIR/big
  serve only one
  fake_mode one '{"early_answer": true, "status": 404, "body": "{\"early\": 1}"}'
  {
    printf '{"model": "only", "messages": [], "x": "'
    head -c 20000000 /dev/zero | tr '\0' x
    printf '"}'
  } >"$big"
  gw_request POST /v1/chat/completions -H 'Content-Type: application/json' --data-binary "@$big"
  assert_status 404
  assert_equal "$body" '{"early": 1}'
  fake_mode one '{"early_answer": true, "status": 503}'
  gw_request POST /v1/chat/completions -H 'Content-Type: application/json' --data-binary "@$big"
  assert_status 503
  assert_json .error.code 503
}

# --- loading ---

@test "attempts: 503 Loading model, the only one -> waited for, sent again when it is loaded, no attempt used" {
  serve only one
  fake_mode one '{"loading": true}'
  stream_to "$S" /v1/chat/completions "$(chat_json only)" -H 'X-Request-Id: loading-1'
  wait_until 10 asked_is one 1
  # it is asked whether it is loaded, again and again
  wait_until 10 probed_since "$(fake_stats one '.requests["/v1/models"] // 0')" 3
  assert_equal "$(asked one)" 1 'requests while it loads'
  fake_mode one '{}'
  stream_wait
  grep -q '"chat.completion"' "$S"
  assert_equal "$(asked one)" 2
}

probed_since() {
  (($(fake_stats one '.requests["/v1/models"] // 0') >= $1 + $2))
}

@test "attempts: 503 Loading model until first_byte_s is over -> an error, once" {
  serve short one
  fake_mode one '{"loading": true}'
  gw_chat short
  [[ $status_code == 503 || $status_code == 504 ]]
  assert_equal "$(asked one)" 1
}

@test "attempts: a client leaves while the model loads -> nobody waits any more" {
  serve only one
  fake_mode one '{"loading": true}'
  stream_to "$S" /v1/chat/completions "$(chat_json only)"
  wait_until 10 asked_is one 1
  kill "$STREAM_PID"
  stream_wait
  wait_until 10 gw_holds_nothing
  fake_mode one '{}'
}

# --- first_byte_s ---

@test "attempts: first_byte_s is over, the only one -> no more, 504 that says so" {
  local script
  for script in '{"never": true}' '{"tokens": 1, "silent_after_tokens": 0}'; do
    serve short one
    fake_mode one "$script"
    chat_stream short
    assert_equal "$(asked one)" 1
  done
  serve short one
  fake_mode one '{"never": true}'
  gw_chat short
  assert_error 504 upstream_timeout
  assert_json '.error.message | contains("first_byte_s")' true
  assert_equal "$(asked one)" 1
}

@test "attempts: an upstream's comments are no first byte -> first_byte_s ends it all the same" {
  serve short one
  fake_mode one '{"tokens": 1, "pings": 400, "ping_ms": 50}'
  chat_stream short
  assert_one_sse_error /v1/chat/completions upstream_timeout
  assert_equal "$(asked one)" 1
}

# --- what passes ---

@test "attempts: a context that is too long, or any other status -> passes untouched at once" {
  local script
  for script in '{"status": 400, "error": {"type": "exceed_context_size_error"}}' \
    '{"status": 400, "error": {"code": "context_length_exceeded"}}' \
    '{"status": 413, "error": {"code": "context_length_exceeded"}}' \
    '{"status": 400, "error": {"code": "content_policy_violation"}}' \
    '{"status": 404}' '{"status": 418}' '{"status": 422}' '{"status": 501}' '{"status": 507}'; do
    fails_as only "$script" 1
    assert_status "$(jq .status <<<"$script")"
    assert_json .error.message "scripted status $(jq .status <<<"$script")"
    assert_header X-RoleMesh-Attempts 1
  done
}

# --- keys ---

@test "attempts: 401 or 403 to the gateway's own key -> 502 upstream_auth_failed, the log names the place, not the key" {
  local status
  for status in 401 403; do
    fails_as only "{\"status\": $status}" 1
    assert_error 502 upstream_auth_failed
    fake_mode locked "{\"status\": $status}"
    gw_chat keyed
    assert_error 502 upstream_auth_failed
  done
  gw_log_has 'auth\.upstream_node_key'
  gw_log_has 'models\.keyed\.api_key'
  run ! grep -rF -e key-of-the-gateway -e key-of-the-alias "$GW_DIR/gateway.log"
}

@test "attempts: 401 or 403 where the gateway showed no key -> passes untouched" {
  local status
  for status in 401 403; do
    fake_mode locked "{\"status\": $status}"
    gw_chat keyless
    assert_status "$status"
    assert_json .error.message "scripted status $status"
  done
}

# --- limits of it all ---

@test "attempts: retry.attempts 10 -> eight in all" {
  fails_as eleven '{"status": 503}' 8
  assert_status 503
  assert_header X-RoleMesh-Attempts 8
}

@test "attempts: total_s is over during attempts and waits -> the end, whatever is left of them" {
  serve limited one
  fake_mode one '{"status": 503}'
  gw_chat limited
  [[ $status_code == 504 || $status_code == 503 ]]
  (($(asked one) <= 4)) # waits of at least 0.3 s, within 1 s
}

@test "attempts: a client leaves during the wait -> it ends, no further attempt, 499 in the record" {
  serve patient one
  fake_mode one '{"status": 503}'
  stream_to "$S" /v1/chat/completions "$(chat_json patient)" -H 'X-Request-Id: leaves-1'
  wait_until 10 asked_is one 1
  kill "$STREAM_PID"
  stream_wait
  wait_until 10 gw_holds_nothing
  wait_until 5 gw_log_has 'rid=leaves-1.* status=499'
  assert_equal "$(asked one)" 1
}
