#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 815-web-server.bats - the web server that rolemesh-gateway runs, with
# configurations that the core set (810) does not have.
#
# shellcheck disable=SC2154 # helpers set variables

load helpers/all

setup() {
  gw_setup
}

teardown() {
  gw_teardown
}

# gateway ORIGINS - with this list of gateway.cors_origins.
gateway() {
  gw_config <<YAML
gateway: {cors_origins: $1}
models:
  planner: {type: proxy, proxy_url: "http://127.0.0.1:9"}
YAML
  gw_start
}

# too_many_headers [CURL ARGS]
too_many_headers() {
  local long
  long=$(head -c 65536 /dev/zero | tr '\0' a)
  gw_get /health "$@" -H "X-Long: $long" >/dev/null
  assert_error 431 request_headers_too_large
}

allowed_for() {
  gw_get /health -H 'Host:' -H "Origin: $1"
  assert_error 400 invalid_request
  header Access-Control-Allow-Origin || echo none
}

@test "origins: any -> the server's pages are readable from everywhere" {
  gateway '["*"]'
  assert_equal "$(allowed_for https://a.example | tail -n 1)" '*'
  too_many_headers -H 'Origin: https://a.example'
  assert_header Access-Control-Allow-Origin '*'
}

@test "origins: several -> each reads the server's pages, and what was not read everybody" {
  gateway '["https://a.example", "http://localhost:3000", "http://[::1]:3000"]'
  assert_equal "$(allowed_for https://a.example | tail -n 1)" https://a.example
  assert_equal "$(allowed_for http://localhost:3000 | tail -n 1)" http://localhost:3000
  assert_equal "$(allowed_for 'http://[::1]:3000' | tail -n 1)" 'http://[::1]:3000'
  assert_equal "$(allowed_for http://localhost:3001 | tail -n 1)" none
  too_many_headers -H 'Origin: https://a.example'
  assert_header Access-Control-Allow-Origin '*'
}

@test "origins: one that no browser sends -> it starts, the others count" {
  gateway "['https://a\"b', 'https://c\$d', 'https://a.example']"
  assert_equal "$(allowed_for https://a.example | tail -n 1)" https://a.example
}

@test "origins: none -> no such headers" {
  gateway '[]'
  too_many_headers -H 'Origin: https://a.example'
  refute_header Access-Control-Allow-Origin
}

@test "origins: no responder lives -> the server's 503 is readable" {
  gateway '["https://a.example"]'
  # none comes up again
  ln -sfn /bin/false "$(echo "$GW_DIR"/run/rolemesh-*)/responder"
  # shellcheck disable=SC2046 # a list of pids
  kill -KILL $(gw_responders)
  wait_until 10 unavailable
  assert_header Access-Control-Allow-Origin https://a.example
}

unavailable() {
  gw_get /health -H 'Origin: https://a.example' >/dev/null
  [[ $status_code == 503 ]]
}

# ---- bodies ------------------------------------------------------------------

# begin_body HEADERS - a request whose body begins and goes no further, on
# descriptor 5; with a key that nobody knows.
begin_body() {
  exec 5<>"/dev/tcp/127.0.0.1/$GW_PORT"
  printf 'POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n%b\r\n' \
    "Authorization: Bearer nobody\\r\\n$1" >&5
  head -c 300000 /dev/zero | tr '\0' ' ' >&5
}

spooled() {
  find "$GW_DIR/run" -name 'lighttpd-upload-*' | wc -l
}

@test "bodies: a key that nobody knows, and a body that never ends -> 401 at its head, no disk used" {
  gw_config <<'YAML'
auth: {client_api_keys: [sesame]}
models:
  planner: {type: proxy, proxy_url: "http://127.0.0.1:9"}
YAML
  gw_start
  begin_body 'Content-Length: 30000000\r\n'
  assert_match "$(head -n 1 <&5)" '^HTTP/1.1 401 '
  assert_equal "$(spooled)" 0 'files in the upload folder'
}

# disk BYTES - the gateway's folder is on a disk of that size.
disk() {
  local -a how=(unshare --mount)
  ((EUID == 0)) || how=(unshare --user --map-root-user --mount)
  printf '#!/bin/sh\nexec %s sh -c %s sh "$@"\n' "${how[*]}" \
    "'mount -t tmpfs -o size=$1,mode=700 none \"\$TMPDIR\" && exec \"\$@\"'" >"$GW_DIR/with-disk"
  chmod +x "$GW_DIR/with-disk"
}

@test "bodies: no room on the disk for a chunked one -> the error and the log say so, others are served" {
  disk 1m
  gw_config <<'YAML'
models:
  planner: {type: proxy, proxy_url: "http://127.0.0.1:9"}
YAML
  GW_VIA=$GW_DIR/with-disk TMPDIR=$GW_DIR/run gw_start
  wait_until 10 gw_log_has 'level=warn event=disk_full folder=.* room_bytes=[0-9]+'
  head -c 5000000 /dev/zero | tr '\0' ' ' >"$GW_DIR/much"
  gw_post /v1/chat/completions "@$GW_DIR/much" -H 'Transfer-Encoding: chunked'
  assert_error 500 internal_error
  assert_match "$body" 'disk .* is full'
  gw_post /v1/chat/completions '{"model": "planner"}'
  assert_error 502 upstream_unreachable
}
