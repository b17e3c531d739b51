#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 929-total.bats - total_s of the alias that a request names, and that of the one
# that stands in for it.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all

setup_file() {
  gw_setup
  fake_start bad
  fake_start slow
  gw_config <<YAML
models:
  bounded:
    type: proxy
    proxy_url: $FAKE_URL_bad
    retry: {attempts: 0}
    timeouts: {total_s: 1}
    fallback: [slow]
  unbounded:
    type: proxy
    proxy_url: $FAKE_URL_bad
    retry: {attempts: 0}
    fallback: [brief]
  slow:
    type: proxy
    proxy_url: $FAKE_URL_slow
  brief:
    type: proxy
    proxy_url: $FAKE_URL_slow
    timeouts: {total_s: 2}
YAML
  gw_start
}

teardown_file() {
  gw_teardown
}

setup() {
  fake_mode bad '{"status": 503}'
  fake_mode slow '{"never": true}'
}

teardown() {
  gw_dump_if_failed
  wait_until 10 gw_holds_nothing
}

@test "total_s: of the alias that was named -> covers its fallback, which has none" {
  gw_chat bounded
  assert_error 504 upstream_timeout
  assert_equal "$(fake_count slow)" 1
  [[ $(jq -r .error.message <<<"$body") == *"'bounded'"*"total_s = 1 s"* ]]
}

@test "total_s: of a fallback -> covers what it does, not what came before it" {
  # whoever counted from the beginning would not ask it at all
  fake_mode bad '{"first_delay_ms": 2500, "status": 503}'
  fake_mode slow '{}'
  gw_chat unbounded
  assert_status 200
  assert_header X-RoleMesh-Model brief
  fake_mode slow '{"never": true}'
  fake_mode bad '{"status": 503}'
  gw_chat unbounded
  assert_error 504 upstream_timeout
  [[ $(jq -r .error.message <<<"$body") == *"'brief'"*"total_s = 2 s"* ]]
}
