#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 910-quoting.bats - what a client sent is quoted in errors and in the log: both
# stay UTF-8 and one line, whatever it was. jq repairs bad bytes silently, so
# iconv is the judge here.

load helpers/all

setup_file() {
  gw_setup
  fake_start alpha
  gw_config <<YAML
models:
  planner:
    type: proxy
    proxy_url: $FAKE_URL_alpha
YAML
  GW_WORKERS=1 gw_start
}

teardown_file() {
  gw_teardown
}

teardown() {
  gw_dump_if_failed
}

is_utf8() { # is_utf8 FILE
  iconv -f UTF-8 -t UTF-8 "$1" >/dev/null
}

# repeat N TEXT
repeat() {
  local blanks
  printf -v blanks '%*s' "$1" ''
  printf '%s' "${blanks// /$2}"
}

@test "quoting: a path of bytes that are no UTF-8 -> a 404 that is UTF-8" {
  gw_get '/v1/%ff%c3%28%ed%a0%80'
  assert_error 404 not_found
  is_utf8 "$body_file"
  assert_match "$body" 'xff'
}

@test "quoting: a model id in the path that is no UTF-8 -> a 404 that is UTF-8" {
  gw_get '/v1/models/%ff'
  assert_error 404 model_not_found model
  is_utf8 "$body_file"
}

# The two lengths differ by one byte: one of them would be cut in mid-character.
@test "quoting: a long name of two-byte characters -> cut between two of them" {
  local name
  for name in "$(repeat 127 é)" "x$(repeat 127 é)"; do
    gw_chat "$name"
    assert_error 404 model_not_found model
    assert_match "$body" 'éé\.\.\.'
    is_utf8 "$body_file"
  done
}

@test "quoting: readable text beyond ASCII -> stays readable in the message" {
  gw_chat 'größe'
  assert_error 404 model_not_found model
  assert_match "$body" '"größe\\"'
}

@test "quoting: paths and names that are no UTF-8 -> the log is UTF-8" {
  gw_get '/v1/models/%fe%fe' -H 'X-Request-Id: odd-bytes'
  wait_until 5 gw_log_has 'rid=odd-bytes .*xfe'
  is_utf8 "$GW_DIR/gateway.log"
}
