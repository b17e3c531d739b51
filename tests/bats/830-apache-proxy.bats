#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 830-apache-proxy.bats - the core set (helpers/core_set.bash) behind Apache with
# mod_proxy_fcgi and pools of responders, and what only this server does: it
# passes a body on while the client still types it.

# shellcheck disable=SC2154 # set by gw_request

load helpers/all
load helpers/webservers
load helpers/core_set

setup_file() {
  export WEB_WORKERS=1
  core_setup proxy
}

teardown_file() {
  web_teardown
}

teardown() {
  gw_dump_if_failed
}

@test "apache proxy: GET /health without a key -> 200 and a request id" { core_test_health; }
@test "apache proxy: HEAD of what can be got -> the head alone" { core_test_head; }
@test "apache proxy: the model list, with a query -> what is usable and what is not" { core_test_models; }
@test "apache proxy: an id with %2F -> that model, not a path" { core_test_slash_in_id; }
@test "apache proxy: a chat -> the upstream's answer, the client's request id on both sides" { core_test_chat; }
@test "apache proxy: a preflight from a listed origin -> 204 with what is allowed" { core_test_cors; }
@test "apache proxy: a Host with an underscore or digits -> served" { core_test_host_names; }
@test "apache proxy: GET with a body -> served, and the connection goes on" { core_test_get_body; }
@test "apache proxy: an upgrade to h2c -> ignored" { core_test_h2c_upgrade; }
@test "apache proxy: HTTP/2 without TLS -> refused" { core_test_h2_preface; }
@test "apache proxy: the server's own refusal, for a page from a listed origin -> readable" { core_test_cors_server_pages; }
@test "apache proxy: the same for a page from another origin -> not readable" { core_test_cors_stranger; }
@test "apache proxy: a stream, then another request -> both on one connection" { core_test_kept_connection; }
@test "apache proxy: a Range header -> the whole answer" { core_test_range; }
@test "apache proxy: the key in either header -> 200" { core_test_keys; }
@test "apache proxy: a wrong key or none -> the gateway's 401 with WWW-Authenticate" { core_test_wrong_key; }
@test "apache proxy: a key that opens little -> its own models, and the gateway's 403 for the rest" { core_test_own_models; }
@test "apache proxy: unknown paths and models -> the gateway's 404" { core_test_not_found; }
@test "apache proxy: addresses put together by hand, compression, a WebSocket -> as at any other" { core_test_spellings; }
@test "apache proxy: a method that does not fit -> the gateway's 405 with Allow" { core_test_wrong_method; }
@test "apache proxy: truncated JSON -> the gateway's 400" { core_test_bad_body; }
@test "apache proxy: no upstream, no node -> the gateway's 502 and 503" { core_test_no_upstream; }
@test "apache proxy: an upstream's own errors -> status and body untouched" { core_test_upstream_error; }
@test "apache proxy: a request without Host -> the server's 400 as JSON" { core_test_server_400; }
@test "apache proxy: a path that climbs out of the root -> refused as JSON" { core_test_outside; }
@test "apache proxy: a request line of 40 KB -> the server's refusal as JSON" { core_test_server_414; }
@test "apache proxy: 64 KiB of headers -> 431 as JSON" { core_test_server_431; }
@test "apache proxy: a body beyond the server's limit -> 413 as JSON" { core_test_server_413; }
@test "apache proxy: a body of 8 MiB -> the upstream gets every byte" { core_test_large_body; }
@test "apache proxy: a chunked body -> the upstream gets every byte" { core_test_chunked_body; }
@test "apache proxy: a chunked body without a byte -> the gateway's 400" { core_test_empty_chunked_body; }
@test "apache proxy: a byte above gateway.max_body_bytes -> the gateway's 413" { core_test_body_limit; }
@test "apache proxy: wrong keys with large bodies -> 401, and right keys still work" { core_test_early_refusal; }
@test "apache proxy: a chunked body beyond the limit -> refused as JSON" { core_test_chunked_limit; }
@test "apache proxy: a streamed chat -> each token arrives before the next is sent" { core_test_stream_pace; }
@test "apache proxy: a streamed chat -> head of an event stream that nobody buffers" { core_test_stream_head; }
@test "apache proxy: a recorded stream in odd pieces -> byte for byte the same" { core_test_stream_bytes; }
@test "apache proxy: the upstream dies mid-stream -> an error event and no [DONE]" { core_test_stream_broken; }
@test "apache proxy: the upstream is silent -> comments arrive before the first token" { core_test_stream_silence; }
@test "apache proxy: the client leaves mid-stream -> the upstream is cancelled" { core_test_leave_streaming; }
@test "apache proxy: the client leaves a silent stream -> the upstream is cancelled" { core_test_leave_silent; }
@test "apache proxy: the client leaves while it waits for a whole answer -> the upstream is cancelled" { core_test_leave_waiting; }
@test "apache proxy: 32 streams at once -> all of them flow, and end when left" { core_test_many_streams; }
@test "apache proxy: register, chat, heartbeat, deregister -> the node answers while it is there" { core_test_node; }
@test "apache proxy: SIGKILL of the responders -> a JSON error, then new ones serve" { core_test_workers_killed; }
@test "apache proxy: the core set -> complete in this file" { core_is_complete "$BATS_TEST_FILENAME"; }

@test "apache proxy: Apache restarts -> registered nodes are still there" { server_test_restart; }
@test "apache proxy: the pool is away -> a 503 as JSON; it comes back -> all as before" { pool_test_gone 503 gateway_unavailable; }

# slow_upload OUT JSON - types a chat one byte a second, and the rest of it once
# $OUT.go exists; what is answered goes to OUT.
slow_upload() {
  local out=$1 json=$2 i
  exec 5<>"/dev/tcp/127.0.0.1/$GW_PORT"
  printf '%s\r\n' 'POST /v1/chat/completions HTTP/1.1' 'Host: gateway' \
    "Authorization: Bearer $GW_KEY" 'Content-Type: application/json' \
    'Connection: close' "Content-Length: ${#json}" '' >&5
  for ((i = 0; i < ${#json}; i++)); do
    if [[ -e $out.go ]]; then
      printf '%s' "${json:i}" >&5
      break
    fi
    printf '%s' "${json:i:1}" >&5
    sleep 1
  done
  cat <&5 >"$out"
}

# open_requests N - the responders hold that many; for wait_until.
open_requests() {
  [[ $("$TOP_BUILDDIR/regdump" "$ROLE_MESH_SHM" | grep " live " |
    grep -o "g0=[0-9]*" | awk -F= '{ sum += $2 } END { print sum + 0 }') == "$1" ]]
}

@test "apache proxy: clients that type a byte a second -> no other stream waits for them" {
  local n out=$BATS_TEST_TMPDIR/slow
  for n in 1 2 3 4 5 6 7 8; do
    slow_upload "$out$n" "$(chat_json planner)" 3>&- 4>&- &
    gw_track "stream-slow-$n" "$!"
  done
  wait_until 15 open_requests 8
  core_test_stream_pace
  touch "$out"{1,2,3,4,5,6,7,8}.go
  for n in 1 2 3 4 5 6 7 8; do
    wait_until 10 grep -q 'You said: hello there' "$out$n"
  done
}

# is_too_much FILE - for wait_until
is_too_much() {
  gw_request POST /v1/chat/completions --data-binary "@$1" >/dev/null
  [[ $status_code == 413 ]]
}

# for wait_until
bodies_hold() {
  local n
  n=$(gw_gauge body_bytes)
  ((n >= $1))
}

@test "apache proxy: chunked bodies that are larger together than may be -> 503 overloaded, and nothing is left" {
  local out=$BATS_TEST_TMPDIR/b
  cp "$GW_CONFIG" "$out.yaml"
  sed 's/^gateway:/&\n  max_bodies_bytes: 3000000/' "$out.yaml" | gw_config
  head -c 3000001 /dev/zero >"$out.much"
  wait_until 10 is_too_much "$out.much"
  printf '{"model":"planner","messages":[],"user":"%s' \
    "$(head -c 1900000 /dev/zero | tr '\0' u)" >"$out.part"
  # one stops in the middle: all that came of it is held
  bash -c 'exec 5<>"/dev/tcp/127.0.0.1/$1"
    printf "%s\r\n" "POST /v1/chat/completions HTTP/1.1" "Host: g" "Authorization: Bearer $2" \
      "Transfer-Encoding: chunked" "" 1e8480 >&5
    cat "$3" >&5
    exec sleep 600' half "$GW_PORT" "$GW_KEY" "$out.part" >/dev/null 2>&1 </dev/null 3>&- 4>&- &
  gw_track stream-half "$!"
  wait_until 20 bodies_hold 1800000
  { cat "$out.part" && printf '"}'; } >"$out.json"
  gw_request POST /v1/chat/completions -H 'Transfer-Encoding: chunked' --data-binary "@$out.json"
  assert_error 503 overloaded
  gw_chat planner
  assert_status 200
  kill "$(gw_pid stream-half)"
  wait_until 20 gw_gauge_is body_bytes 0
  gw_request POST /v1/chat/completions -H 'Transfer-Encoding: chunked' --data-binary "@$out.json"
  assert_status 200
  gw_config <"$out.yaml"
}
