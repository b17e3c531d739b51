#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 725-agent-cancel.bats - what a client of the node agent sees while it waits,
# for its model or for its turn, and what becomes of its place when it leaves,
# when a time limit ends it, or when there is nothing to wait for any more.
#
# When a silent client's leaving shows is lighttpd's to say: see 520-cancel.bats
# and watched() below.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all
load helpers/schedule

setup() {
  gw_setup
  S=$BATS_TEST_TMPDIR/stream
}

teardown() {
  gw_teardown
}

# one_device [KEYS] - an agent with the models a and b and room for one, which
# sends comments soon.
one_device() {
  node_start $'devices: [cpu:0]\nsse_keepalive_s: 0.2'"${1:+$'\n'$1}" \
    "{model_id: a, path: $(fake_model a "${@:2}")}" "{model_id: b, path: $(fake_model b)}"
}

# watched ID MODEL [EXTRA] - as queue, from a client whose end lighttpd sees at
# once: it has waited on this connection for the body.
watched() {
  queue "$1" "$2" "${3:-}" -H 'Expect: 100-continue' --expect100-timeout 300
}

# has_comment FILE - for wait_until.
has_comment() {
  stream_text "$1" | grep -q '^:'
}

# stream_queued ID MODEL [PATH] - a stream that has to wait; its first comment is
# there when this returns. Sets $STREAM_PID.
stream_queued() {
  local path=${3:-/v1/chat/completions}
  stream_to "$S.$1" "$(agent_url a)$path" "$(sse_json "$path" "$2")" -H "X-Request-Id: $1"
  wait_until 15 has_comment "$S.$1"
}

# comments_everywhere - each stream of sse_everywhere began with one; for
# wait_until.
comments_everywhere() {
  local path
  for path in "${SSE_PATHS[@]}"; do
    [[ $(head -c 1 "$(sse_file "$path")" 2>/dev/null) == : ]] || return 1
  done
}

# --- what a waiting client sees ---

@test "wait: a stream while its model loads -> comments, then the stream, at every endpoint" {
  local path file
  node_start $'devices: [cpu:0]\nsse_keepalive_s: 0.2' \
    "{model_id: a, path: $(fake_model a 'script={"loading": true}'), server_args: {parallel: 4}}"
  GW_TIMEOUT=120 GW_URL=$(agent_url a) sse_everywhere a '{"fake": {"tokens": 3}}' 3>&- 4>&- &
  wait_until 15 comments_everywhere
  llama_loaded a a
  wait "$!"
  for path in "${SSE_PATHS[@]}"; do
    file=$(sse_file "$path")
    head -n 1 "$file.head" | grep -q ' 200 '
    grep -qi '^content-type: text/event-stream' "$file.head"
    assert_equal "$(head -c 1 "$file")" : "first byte at $path"
    assert_equal "$(sse_texts "$file")" 't1 t2 t3' "tokens at $path"
    assert_sse '[.[] | select(.event == "error" or (.json | objects | has("error")))]' '[]' "$file"
  done
}

@test "wait: a stream while others run -> comments, then the stream" {
  one_device
  hold a
  stream_queued a1 a
  assert_equal "$(waiting)" 1 'requests that wait'
  leave "$HOLDER"
  wait "$STREAM_PID"
  wait "$_STREAM_READER_PID"
  assert_equal "$(last_data "$S.a1")" 'data: [DONE]'
}

@test "wait: a whole answer while its model loads -> nothing but the answer" {
  one_device '' loading_s=1
  agent_chat a a
  assert_status 200
  assert_header Content-Type '/^application\/json/'
  assert_json '.choices[0].message.content' '[scripted upstream a] You said: hello there'
}

@test "wait: the model dies while it loads, behind comments -> one error event, at every endpoint" {
  local path
  node_start $'devices: [cpu:0]\nsse_keepalive_s: 0.2' \
    "{model_id: a, path: $(fake_model a never_ready=1)}"
  GW_TIMEOUT=120 GW_URL=$(agent_url a) sse_everywhere a 3>&- 4>&- &
  wait_until 15 comments_everywhere
  wait_until 10 agent_model_is a a loading
  llama_put a /fake/exit '{"signal": 11}'
  wait "$!"
  for path in "${SSE_PATHS[@]}"; do
    head -n 1 "$(sse_file "$path").head" | grep -q ' 200 '
    assert_one_sse_error "$path" model_start_failed "$(sse_file "$path")"
  done
}

@test "wait: the model is not ready in time, behind comments -> one error event, at every endpoint" {
  local path
  node_start $'devices: [cpu:0]\nsse_keepalive_s: 0.2\nllama_server_startup_timeout_s: 6' \
    "{model_id: a, path: $(fake_model a never_ready=1)}"
  # where the time was over before the first comment, the machine had stood still
  for _ in 1 2 3 4 5; do
    GW_URL=$(agent_url a) sse_everywhere a
    ! all_began_with_200 || break
    wait_until 20 agent_model_is a a stopped
  done
  for path in "${SSE_PATHS[@]}"; do
    head -n 1 "$(sse_file "$path").head" | grep -q ' 200 '
    assert_one_sse_error "$path" model_start_timeout "$(sse_file "$path")"
  done
}

all_began_with_200() {
  local path
  for path in "${SSE_PATHS[@]}"; do
    head -n 1 "$(sse_file "$path").head" | grep -q ' 200 ' || return 1
  done
}

# --- a waiting client leaves ---

@test "leave: a stream while its model loads -> its place is free, the llama-server never sees it" {
  one_device '' 'script={"loading": true}'
  stream_queued a1 a
  leave "$STREAM_PID"
  wait_until 10 waiting_is 0
  llama_loaded a a
  wait_until 15 agent_model_is a a ready
  agent_chat a a '' -H 'X-Request-Id: a2'
  assert_status 200
  assert_equal "$(order)" a2
  agent_log_has a 'rid=a1 .* status=499 phase=queue '
}

@test "leave: a whole answer while its model loads -> its place is free, the llama-server never sees it" {
  one_device '' 'script={"loading": true}'
  watched a1 a
  leave "$ASKED"
  wait_until 10 waiting_is 0
  llama_loaded a a
  wait_until 15 agent_model_is a a ready
  agent_chat a a '' -H 'X-Request-Id: a2'
  assert_status 200
  assert_equal "$(order)" a2
  agent_log_has a 'rid=a1 .* status=499 phase=queue '
}

@test "leave: a stream that waits for a slot -> the queue is shorter, the next one moves up" {
  one_device 'max_pending_per_device: 2'
  hold a
  stream_queued a1 a
  queue_all a2
  leave "$STREAM_PID"
  wait_until 10 waiting_is 1
  queue_all a3 # there is room again
  leave "$HOLDER"
  answers_wait
  assert_answered a2 a3
  assert_equal "$(order)" 'hold-a a2 a3'
}

@test "leave: a whole answer that waits for a slot -> the queue is shorter, the next one moves up" {
  one_device 'max_pending_per_device: 2'
  hold a
  watched a1 a
  queue_all a2
  leave "${ALL_ASKED[0]}"
  wait_until 10 waiting_is 1
  queue_all a3
  leave "$HOLDER"
  answers_wait
  assert_answered a2 a3
  assert_equal "$(order)" 'hold-a a2 a3'
}

@test "leave: the only one that waits for b -> a stays, b is never started" {
  one_device
  hold a
  stream_queued b1 b
  leave "$STREAM_PID"
  wait_until 10 waiting_is 0
  leave "$HOLDER"
  agent_chat a a
  assert_status 200
  assert_equal "$(loads)" a
}

@test "leave: all that wait, at once -> the queue is empty, the agent serves on" {
  local i
  one_device 'max_pending_per_device: 100'
  hold a
  for ((i = 0; i < 12; i++)); do
    watched "a$i" a
    watched "b$i" b
  done
  kill -KILL "${ALL_ASKED[@]}"
  wait_until 10 waiting_is 0
  leave "$HOLDER"
  agent_chat a a '' -H 'X-Request-Id: a99'
  assert_status 200
  assert_equal "$(order)" 'hold-a a99'
}

@test "leave: the one for whom a drains -> a is stopped, its other requests are answered all the same" {
  local i
  node_start $'devices: [cpu:0]\nsse_keepalive_s: 0.2' "{model_id: b, path: $(fake_model b)}" \
    "{model_id: a, path: $(fake_model a), server_args: {parallel: 2}}"
  hold a
  stream_queued b1 b
  for i in 1 2 3 4 5 6 7 8; do
    agent_chat a a
    assert_status 200
  done
  wait_until 5 agent_model_is a a draining
  queue_all a9
  leave "$STREAM_PID"
  wait_until 10 waiting_is 1
  leave "$HOLDER"
  answers_wait
  assert_answered a9
  assert_equal "$(loads)" 'a a'
}

# --- a running request ends early ---

# upstream_let_go - a llama-server saw a client leave; for wait_until.
upstream_let_go() {
  fake_logged a 'select(.event == "client_closed")'
}

@test "cancel: the client of a running stream leaves -> the llama-server is told, the slot is given on" {
  one_device
  hold a
  queue_all a1
  leave "$HOLDER"
  answers_wait
  assert_answered a1
  wait_until 5 upstream_let_go
  assert_equal "$(llama_stats a '[.aborted, .max_concurrent]')" '[1,1]'
}

@test "cancel: the client of a running whole answer leaves -> the llama-server is told, the slot is given on" {
  one_device
  agent_chat a a # the model is there
  ask a1 a '{"fake": {"never": true}}' -H 'Expect: 100-continue' --expect100-timeout 300
  wait_until 10 got a1
  queue_all a2
  leave "${ALL_ASKED[0]}"
  answers_wait
  assert_answered a2
  wait_until 5 upstream_let_go
  assert_equal "$(llama_stats a .aborted)" 1
}

# --- time limits ---

@test "limit: total_s while another model has the device -> 504 that names it, its place is free" {
  node_start $'devices: [cpu:0]\ntimeouts: {total_s: 1}' "{model_id: a, path: $(fake_model a)}" \
    "{model_id: b, preload: true, path: $(fake_model b never_ready=1)}"
  wait_until 10 llama_starts_are b 1
  agent_chat a a
  assert_error 504 upstream_timeout
  assert_json '.error.message | contains("timeouts.total_s = 1 s")' true
  wait_until 5 waiting_is 0
  assert_equal "$(loads)" b
}

@test "limit: total_s while its model loads, behind comments -> one error event" {
  one_device 'timeouts: {total_s: 6}' never_ready=1
  # a 504 came before the first comment: the machine had stood still
  for _ in 1 2 3 4 5; do
    agent_post a /v1/messages "$(sse_json /v1/messages a)" -N
    [[ $status_code == 504 ]] || break
  done
  assert_status 200
  assert_one_sse_error /v1/messages upstream_timeout
  assert_sse '.[-1].json.error.message | contains("timeouts.total_s = 6 s")' true
}

@test "limit: total_s of a running stream -> one error event, the slot is given on" {
  one_device 'timeouts: {total_s: 8}'
  wait_until 20 answered_by a # also where its start took longer
  for _ in 1 2 3 4 5; do
    agent_post a /v1/chat/completions "$(sse_json /v1/chat/completions a \
      '{"fake": {"tokens": 1000000, "delay_ms": 50}}')" -N
    [[ $status_code == 504 ]] || break
  done
  assert_one_sse_error /v1/chat/completions upstream_timeout
  wait_until 20 answered_by b
  assert_equal "$(fake_log a 'select(.event == "client_closed") | .status' | tail -n 1)" 200
}

@test "limit: loading takes longer than first_byte_s -> answered, the limit begins behind it" {
  local id
  node_start $'devices: [cpu:0]\ntimeouts: {first_byte_s: 3}' \
    "{model_id: a, path: $(fake_model a loading_s=4)}" \
    "{model_id: b, path: $(fake_model b loading_s=4)}" \
    "{model_id: c, path: $(fake_model c loading_s=4)}"
  # another one where the answer itself took longer
  for id in a b c; do
    agent_chat a "$id"
    [[ $status_code == 504 ]] || break
  done
  assert_status 200
}

@test "limit: first_byte_s of a silent llama-server -> 504 that names it, the slot is given on" {
  one_device 'timeouts: {first_byte_s: 5}'
  agent_chat a a '{"fake": {"never": true}}'
  assert_error 504 upstream_timeout
  assert_json '.error.message | contains("timeouts.first_byte_s = 5 s")' true
  wait_until 20 answered_by b
}

@test "limit: a client that does not read for idle_s -> its stream ends, the device is given on" {
  one_device 'timeouts: {idle_s: 5}'
  agent_stream a "$S" a '{"fake": {"tokens": 1000000, "big_tokens": 20000}}'
  wait_until 15 test -s "$S"
  kill -STOP "$STREAM_PID"
  ask b1 b
  answers_wait
  assert_answered b1
  assert_match "$(grep 'did not read' "$GW_DIR/agent-a.log")" 'status=200 .*error=upstream_timeout'
  leave "$STREAM_PID"
}

@test "leave: nobody waits any more for a model that loads -> its load ends, the next one is served" {
  one_device '' never_ready=1
  stream_queued a1 a
  queue b1 b
  leave "$STREAM_PID"
  answers_wait
  assert_answered b1
  assert_equal "$(steps a)" 'a:starting a:stopping a:stopped'
}
