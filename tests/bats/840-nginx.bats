#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 840-nginx.bats - the core set (helpers/core_set.bash) behind nginx and pools of
# responders.

load helpers/all
load helpers/webservers
load helpers/core_set

setup_file() {
  core_setup nginx
}

teardown_file() {
  web_teardown
}

teardown() {
  gw_dump_if_failed
}

@test "nginx: GET /health without a key -> 200 and a request id" { core_test_health; }
@test "nginx: HEAD of what can be got -> the head alone" { core_test_head; }
@test "nginx: the model list, with a query -> what is usable and what is not" { core_test_models; }
@test "nginx: an id with %2F -> that model, not a path" { core_test_slash_in_id; }
@test "nginx: a chat -> the upstream's answer, the client's request id on both sides" { core_test_chat; }
@test "nginx: a preflight from a listed origin -> 204 with what is allowed" { core_test_cors; }
@test "nginx: a Host with an underscore or digits -> served" { core_test_host_names; }
@test "nginx: GET with a body -> served, and the connection goes on" { core_test_get_body; }
@test "nginx: an upgrade to h2c -> ignored" { core_test_h2c_upgrade; }
@test "nginx: HTTP/2 without TLS -> refused" { core_test_h2_preface; }
@test "nginx: the server's own refusal, for a page from a listed origin -> readable" { core_test_cors_server_pages; }
@test "nginx: the same for a page from another origin -> not readable" { core_test_cors_stranger; }
@test "nginx: a stream, then another request -> both on one connection" { core_test_kept_connection; }
@test "nginx: a Range header -> the whole answer" { core_test_range; }
@test "nginx: the key in either header -> 200" { core_test_keys; }
@test "nginx: a wrong key or none -> the gateway's 401 with WWW-Authenticate" { core_test_wrong_key; }
@test "nginx: a key that opens little -> its own models, and the gateway's 403 for the rest" { core_test_own_models; }
@test "nginx: unknown paths and models -> the gateway's 404" { core_test_not_found; }
@test "nginx: addresses put together by hand, compression, a WebSocket -> as at any other" { core_test_spellings; }
@test "nginx: a method that does not fit -> the gateway's 405 with Allow" { core_test_wrong_method; }
@test "nginx: truncated JSON -> the gateway's 400" { core_test_bad_body; }
@test "nginx: no upstream, no node -> the gateway's 502 and 503" { core_test_no_upstream; }
@test "nginx: an upstream's own errors -> status and body untouched" { core_test_upstream_error; }
@test "nginx: a request without Host -> the server's 400 as JSON" { core_test_server_400; }
@test "nginx: a path that climbs out of the root -> refused as JSON" { core_test_outside; }
@test "nginx: a request line of 40 KB -> the server's refusal as JSON" { core_test_server_414; }
@test "nginx: 64 KiB of headers -> 431 as JSON" { core_test_server_431; }
@test "nginx: a body beyond the server's limit -> 413 as JSON" { core_test_server_413; }
@test "nginx: a body of 8 MiB -> the upstream gets every byte" { core_test_large_body; }
@test "nginx: a chunked body -> the upstream gets every byte" { core_test_chunked_body; }
@test "nginx: a chunked body without a byte -> the gateway's 400" { core_test_empty_chunked_body; }
@test "nginx: a byte above gateway.max_body_bytes -> the gateway's 413" { core_test_body_limit; }
@test "nginx: wrong keys with large bodies -> 401, and right keys still work" { core_test_early_refusal; }
@test "nginx: a chunked body beyond the limit -> refused as JSON" { core_test_chunked_limit; }
@test "nginx: a streamed chat -> each token arrives before the next is sent" { core_test_stream_pace; }
@test "nginx: a streamed chat -> head of an event stream that nobody buffers" { core_test_stream_head; }
@test "nginx: a recorded stream in odd pieces -> byte for byte the same" { core_test_stream_bytes; }
@test "nginx: the upstream dies mid-stream -> an error event and no [DONE]" { core_test_stream_broken; }
@test "nginx: the upstream is silent -> comments arrive before the first token" { core_test_stream_silence; }
@test "nginx: the client leaves mid-stream -> the upstream is cancelled" { core_test_leave_streaming; }
@test "nginx: the client leaves a silent stream -> the upstream is cancelled" { core_test_leave_silent; }
@test "nginx: the client leaves while it waits for a whole answer -> the upstream is cancelled" { core_test_leave_waiting; }
@test "nginx: 32 streams at once -> all of them flow, and end when left" { core_test_many_streams; }
@test "nginx: register, chat, heartbeat, deregister -> the node answers while it is there" { core_test_node; }
@test "nginx: SIGKILL of the responders -> a JSON error, then new ones serve" { core_test_workers_killed; }
@test "nginx: the core set -> complete in this file" { core_is_complete "$BATS_TEST_FILENAME"; }

@test "nginx: nginx restarts -> registered nodes are still there" { server_test_restart; }
@test "nginx: the pool is away -> a 502 as JSON; it comes back -> all as before" { pool_test_gone 502 gateway_unreachable; }
