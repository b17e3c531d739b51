#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 810-lighttpd.bats - the core set (helpers/core_set.bash) behind lighttpd as
# rolemesh-gateway runs it: what the other web servers are measured against.

load helpers/all
load helpers/webservers
load helpers/core_set

setup_file() {
  core_setup lighttpd
}

teardown_file() {
  web_teardown
}

teardown() {
  gw_dump_if_failed
}

@test "lighttpd: GET /health without a key -> 200 and a request id" { core_test_health; }
@test "lighttpd: HEAD of what can be got -> the head alone" { core_test_head; }
@test "lighttpd: the model list, with a query -> what is usable and what is not" { core_test_models; }
@test "lighttpd: an id with %2F -> that model, not a path" { core_test_slash_in_id; }
@test "lighttpd: a chat -> the upstream's answer, the client's request id on both sides" { core_test_chat; }
@test "lighttpd: a preflight from a listed origin -> 204 with what is allowed" { core_test_cors; }
@test "lighttpd: a Host with an underscore or digits -> served" { core_test_host_names; }
@test "lighttpd: GET with a body -> served, and the connection goes on" { core_test_get_body; }
@test "lighttpd: an upgrade to h2c -> ignored" { core_test_h2c_upgrade; }
@test "lighttpd: HTTP/2 without TLS -> refused" { core_test_h2_preface; }
@test "lighttpd: the server's own refusal, for a page from a listed origin -> readable" { core_test_cors_server_pages; }
@test "lighttpd: the same for a page from another origin -> not readable" { core_test_cors_stranger; }
@test "lighttpd: a stream, then another request -> both on one connection" { core_test_kept_connection; }
@test "lighttpd: a Range header -> the whole answer" { core_test_range; }
@test "lighttpd: the key in either header -> 200" { core_test_keys; }
@test "lighttpd: a wrong key or none -> the gateway's 401 with WWW-Authenticate" { core_test_wrong_key; }
@test "lighttpd: a key that opens little -> its own models, and the gateway's 403 for the rest" { core_test_own_models; }
@test "lighttpd: unknown paths and models -> the gateway's 404" { core_test_not_found; }
@test "lighttpd: addresses put together by hand, compression, a WebSocket -> as at any other" { core_test_spellings; }
@test "lighttpd: a method that does not fit -> the gateway's 405 with Allow" { core_test_wrong_method; }
@test "lighttpd: truncated JSON -> the gateway's 400" { core_test_bad_body; }
@test "lighttpd: no upstream, no node -> the gateway's 502 and 503" { core_test_no_upstream; }
@test "lighttpd: an upstream's own errors -> status and body untouched" { core_test_upstream_error; }
@test "lighttpd: a request without Host -> the server's 400 as JSON" { core_test_server_400; }
@test "lighttpd: a path that climbs out of the root -> refused as JSON" { core_test_outside; }
@test "lighttpd: a request line of 40 KB -> the server's refusal as JSON" { core_test_server_414; }
@test "lighttpd: 64 KiB of headers -> 431 as JSON" { core_test_server_431; }
@test "lighttpd: a body beyond the server's limit -> 413 as JSON" { core_test_server_413; }
@test "lighttpd: a body of 8 MiB -> the upstream gets every byte" { core_test_large_body; }
@test "lighttpd: a chunked body -> the upstream gets every byte" { core_test_chunked_body; }
@test "lighttpd: a chunked body without a byte -> the gateway's 400" { core_test_empty_chunked_body; }
@test "lighttpd: a byte above gateway.max_body_bytes -> the gateway's 413" { core_test_body_limit; }
@test "lighttpd: wrong keys with large bodies -> 401, and right keys still work" { core_test_early_refusal; }
@test "lighttpd: a chunked body beyond the limit -> refused as JSON" { core_test_chunked_limit; }
@test "lighttpd: a streamed chat -> each token arrives before the next is sent" { core_test_stream_pace; }
@test "lighttpd: a streamed chat -> head of an event stream that nobody buffers" { core_test_stream_head; }
@test "lighttpd: a recorded stream in odd pieces -> byte for byte the same" { core_test_stream_bytes; }
@test "lighttpd: the upstream dies mid-stream -> an error event and no [DONE]" { core_test_stream_broken; }
@test "lighttpd: the upstream is silent -> comments arrive before the first token" { core_test_stream_silence; }
@test "lighttpd: the client leaves mid-stream -> the upstream is cancelled" { core_test_leave_streaming; }
@test "lighttpd: the client leaves a silent stream -> the upstream is cancelled" { core_test_leave_silent; }
@test "lighttpd: the client leaves while it waits for a whole answer -> the upstream is cancelled" { core_test_leave_waiting; }
@test "lighttpd: 32 streams at once -> all of them flow, and end when left" { core_test_many_streams; }
@test "lighttpd: register, chat, heartbeat, deregister -> the node answers while it is there" { core_test_node; }
@test "lighttpd: SIGKILL of the responders -> a JSON error, then new ones serve" { core_test_workers_killed; }
@test "lighttpd: the core set -> complete in this file" { core_is_complete "$BATS_TEST_FILENAME"; }
