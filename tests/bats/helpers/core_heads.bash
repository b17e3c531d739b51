# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# core_heads.bash - the part of the core set about what stands in a request's
# head: names, methods and versions as people's set-ups send them.
#
# shellcheck disable=SC2154 # set by gw_request

core_test_host_names() {
  local host
  local -a hosts=(llm_gateway llm_gateway:8000 -dash- EXAMPLE.com. '[::1]:80')
  # Apache refuses all-digit and odd names, and stops at that only together with
  # its checks of all other headers.
  case $WEB_KIND in
  lighttpd) hosts+=(123 1.2.3.4.5 0x7f a..b 'ex*mple' m_ü.example localhost:) ;;
  nginx) hosts+=(123 1.2.3.4.5 0x7f) ;;
  esac
  for host in "${hosts[@]}"; do
    gw_get /v1/models -H "Host: $host"
    assert_status 200
  done
}

# Each of them on a connection that goes on serving.
core_test_get_body() {
  local answers
  answers=$(curl -sS --max-time 20 -o /dev/null -w '%{http_code} %{num_connects}\n' \
    -H "Authorization: Bearer $GW_KEY" -X GET --data-binary '{}' "$GW_URL/v1/models" \
    --next -sS -o /dev/null -w '%{http_code} %{num_connects}\n' "$GW_URL/health")
  assert_equal "$answers" $'200 1\n200 0' 'status and new connections'
  gw_get /v1/models -H 'Transfer-Encoding: chunked' --data-binary '{"limit": 5}'
  assert_status 200
}

core_test_h2c_upgrade() {
  local answer
  for answer in "$GW_URL/health" "-d {} $GW_URL/v1/models"; do
    # shellcheck disable=SC2086 # options and address
    answer=$(curl -sS --max-time 20 --http2 -o /dev/null -w '%{http_code} %{http_version}' \
      -X GET -H "Authorization: Bearer $GW_KEY" $answer)
    assert_equal "$answer" '200 1.1' 'status and version'
  done
}

# The preface of HTTP/2 and its first frames. Whoever speaks it answers with
# frames of its own; the others with a refusal in plain text.
core_test_h2_preface() {
  local answer
  answer=$(
    exec 5<>"/dev/tcp/127.0.0.1/$GW_PORT"
    printf 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0' >&5
    head -n 1 <&5
  )
  assert_match "$answer" '^HTTP/1\.[01] (400|505) '
}

# --- what the web server itself refuses, seen by a page in a browser ---

# assert_readable_from ORIGIN... - the last answer tells its browser that, with
# one of these.
assert_readable_from() {
  local origins="$*"
  assert_header Access-Control-Allow-Origin "/^(${origins// /|})\$/"
  assert_header Vary /Origin/
}

core_test_cors_server_pages() {
  local origin=https://app.example long
  long=$(head -c 65536 /dev/zero | tr '\0' a)
  head -c $((WEB_MAX_KIB * 1024 + 1)) /dev/zero | tr '\0' ' ' >"$GW_DIR/much"
  gw_post /v1/chat/completions "@$GW_DIR/much" -H "Origin: $origin"
  assert_server_page 413 request_too_large
  assert_readable_from "$origin"
  gw_get /health -H "Origin: $origin" -H "X-Long: $long" >/dev/null
  assert_server_page 431 request_headers_too_large
  assert_readable_from "$origin" '\*' # where the Origin was not read
  gw_get /health -H "Origin: $origin" -H 'Host:'
  assert_server_page 400 invalid_request
  assert_readable_from "$origin"
}

core_test_cors_stranger() {
  head -c $((WEB_MAX_KIB * 1024 + 1)) /dev/zero | tr '\0' ' ' >"$GW_DIR/much"
  gw_post /v1/chat/completions "@$GW_DIR/much" -H 'Origin: https://app.example.org'
  assert_server_page 413 request_too_large
  refute_header Access-Control-Allow-Origin
}
