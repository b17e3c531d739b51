#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 928-nobody-left.bats - attempts came to nothing, and who is next in the fallback
# list cannot be asked, or is the same upstream once more.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all
load helpers/failover

setup_file() {
  gw_setup
  fake_start one --max-requests 1
  fake_start guarded --max-requests 1 --api-key key-of-the-fallback
  gw_config <<YAML
gateway:
  sse_keepalive_s: 0.2
  eject: {failures: 255, pause_s: 600, pause_max_s: 600}
models:
  falls:
    type: proxy
    proxy_url: $FAKE_URL_one
    retry: {attempts: 0}
    timeouts: {first_byte_s: 1}
    fallback: [nobody]
  dead:
    type: proxy
    proxy_url: http://127.0.0.1:$(free_ports 1)
    retry: {attempts: 0}
    fallback: [nobody]
  nobody: # no node has that role
    type: discovered
  refused:
    type: proxy
    proxy_url: $FAKE_URL_guarded
    api_key: another-key
    defaults: {model: one-model}
    fallback: [accepted]
  locked:
    type: proxy
    proxy_url: $FAKE_URL_guarded
    api_key: another-key
    retry: {attempts: 0}
    fallback: [nobody]
  accepted:
    type: proxy
    proxy_url: $FAKE_URL_guarded
    api_key: key-of-the-fallback
    defaults: {model: one-model}
  goes-on:
    type: proxy
    proxy_url: $FAKE_URL_one
    resume: true
    retry: {backoff_s: 0.01}
    fallback: [nobody]
YAML
  gw_start
}

teardown_file() {
  gw_teardown
}

setup() {
  fake_mode one '{}'
}

teardown() {
  gw_dump_if_failed
  wait_until 10 gw_holds_nothing
}

@test "nobody left: an answer of the upstream's own -> the client gets that one" {
  fake_mode one '{"status": 503, "body": "its own words", "content_type": "text/plain"}'
  gw_chat falls
  assert_status 503
  assert_equal "$body" 'its own words'
  assert_equal "$(header X-RoleMesh-Model) $(attempts_header)" 'falls 1'
  chat_stream falls
  assert_status 503
  fake_mode one '{"status": 400, "error": {"code": "context_length_exceeded"}}'
  gw_chat falls
  assert_status 400
  assert_json .error.code context_length_exceeded
}

@test "nobody left: no answer -> the error says what happened, not that there is nobody" {
  gw_chat dead
  assert_error 502 upstream_unreachable
  fake_mode one '{"reset_before_answer": true}'
  gw_chat falls
  assert_error 502 upstream_protocol_error
  fake_mode one '{"never": true}'
  gw_chat falls
  assert_error 504 upstream_timeout
  gw_chat locked
  assert_error 502 upstream_auth_failed
}

@test "nobody left: behind an early 200 -> the upstream's own error as the event" {
  fake_mode one '{"first_delay_ms": 500, "status": 503, "error": {"code": "its_own"}}'
  chat_stream falls
  assert_status 200
  assert_sse '[.[] | .json.error? | objects | .code]' '["its_own"]'
}

@test "nobody left: the fallback is the same upstream and model with another key -> it is asked" {
  gw_chat refused
  assert_json .object chat.completion
  assert_equal "$(header X-RoleMesh-Model) $(attempts_header)" 'accepted 2'
  # whoever is to mend it finds the key, though the client was served
  wait_until 5 gw_log_has 'upstream_retry.*key_refused.*models\.refused\.api_key'
}

@test "nobody left: a stream broke and the fallback list has nobody -> the same one goes on" {
  fake_mode one '{"tokens": 4, "turns": [{"die_after_tokens": 2}, {"prefill": "continue"}]}'
  chat_stream goes-on
  assert_status 200
  assert_equal "$(stream_said)" t1t2t3t4
  assert_sse '[.[] | select(.data == "[DONE]")] | length' 1
}
