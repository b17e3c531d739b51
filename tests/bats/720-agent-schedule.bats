#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 720-agent-schedule.bats - many requests and one device of a node agent: how
# many run at a time, who comes next, when models change places, and that
# whatever happens to one request the others are answered.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all
load helpers/schedule

# As rules.h has it.
OVERTAKES=$(sed -n 's/^#define AG_OVERTAKES_MAX \([0-9]*\).*/\1/p' \
  "$TOP_SRCDIR/src/agent/queue/rules.h")

setup() {
  gw_setup
}

teardown() {
  gw_teardown
}

# one_device [KEYS] - an agent with the models a, b and c, and room for one.
one_device() {
  node_start "devices: [cpu:0]${1:+$'\n'$1}" "{model_id: a, path: $(fake_model a)}" \
    "{model_id: b, path: $(fake_model b)}" "{model_id: c, path: $(fake_model c)}"
}

# --- one model ---

@test "schedule: more requests than parallel (1) -> one after the other, all answered" {
  one_device
  hold a
  queue_all a1 a2 a3 a4
  assert_equal "$(agent_device a cpu:0 '[.running, .pending]')" '[1,4]'
  leave "$HOLDER"
  answers_wait
  assert_answered a1 a2 a3 a4
  assert_equal "$(order)" 'hold-a a1 a2 a3 a4'
  assert_equal "$(llama_stats a .max_concurrent)" 1 'requests at one time'
}

@test "schedule: server_args has parallel 3 -> three at a time, the fourth waits" {
  local -a holders=()
  local i
  node_start 'devices: [cpu:0]' "{model_id: a, path: $(fake_model a), server_args: {parallel: 3}}"
  for i in 1 2 3; do
    hold a
    holders+=("$HOLDER")
  done
  queue_all a1 a2
  assert_equal "$(llama_stats a .active)" 3 'requests that run'
  leave "${holders[1]}"
  answers_wait
  assert_answered a1 a2
  assert_equal "$(llama_stats a .max_concurrent)" 3 'requests at one time'
}

@test "schedule: ten first requests at once -> one llama-server, all answered" {
  local i
  one_device 'max_pending_per_device: 10'
  for ((i = 0; i < 10; i++)); do
    ask "a$i" a
  done
  answers_wait
  for ((i = 0; i < 10; i++)); do
    assert_answered "a$i"
  done
  assert_equal "$(loads)" a
}

# --- two models ---

@test "swap: a request for b while a is idle -> a has ended before b is started, b answers" {
  local a_pid
  node_start 'devices: [cpu:0]' "{model_id: a, path: $(fake_model a stop_s=0.6)}" \
    "{model_id: b, path: $(fake_model b loading_s=0.5)}"
  agent_chat a a
  assert_status 200
  a_pid=$(llama_pids a)
  ask b1 b
  wait_until 10 llama_starts_are b 1
  gone "$a_pid"
  answers_wait
  assert_answered b1
  assert_equal "$(steps)" 'a:starting a:ready a:stopping a:stopped b:starting b:ready'
}

@test "swap: a request for b while a streams -> the stream is complete, then b answers" {
  local s=$BATS_TEST_TMPDIR/s
  one_device
  agent_stream a "$s" a '{"fake": {"tokens": 2, "wait_tokens": true}}' -H 'X-Request-Id: a1'
  llama_go a
  wait_until 10 stream_has "$s" 1
  queue b1 b
  assert_equal "$(llama_starts b)" 0 'starts of b'
  llama_go a
  llama_go a
  stream_wait
  assert_equal "$stream_status" 0
  answers_wait
  assert_answered b1
  assert_equal "$(stream_tokens "$s" | wc -l)" 2 tokens
  assert_equal "$(last_data "$s")" 'data: [DONE]'
  # by the llama-servers' own clock
  assert_at_least "$(llama_last b .t_ms)" \
    "$(fake_log a 'select(.event == "response_done" and .tokens == 2) | .t_ms')" \
    'start of b, against the end of the stream'
}

@test "swap: requests for two models by turns under load -> every one is answered by its model" {
  local round i id
  local -a ids
  one_device 'max_pending_per_device: 1000'
  for round in 1 2 3 4; do
    ids=()
    for ((i = 0; i < 30; i++)); do
      id=a
      ((RANDOM % 2)) || id=b
      ids+=("$id$round-$i")
      ask "$id$round-$i" "$id" '{"fake": {"first_delay_ms": 5}}'
    done
    answers_wait
    assert_answered "${ids[@]}"
  done
  assert_equal "$(order | wc -w)" 120 'requests at llama-servers'
}

@test "swap: streams of two models under load -> every one is complete" {
  local i model path=/v1/chat/completions
  local -a pids=()
  one_device 'max_pending_per_device: 1000'
  for ((i = 0; i < 24; i++)); do
    model=a
    ((i % 2)) || model=b
    curl -sSN --noproxy '*' --max-time 300 -o "$BATS_TEST_TMPDIR/$i" -H 'Content-Type: application/json' \
      --data-binary "$(sse_json $path $model '{"fake": {"tokens": 4, "delay_ms": 5}}')" \
      "$(agent_url a)$path" 3>&- 4>&- &
    pids+=("$!")
  done
  wait "${pids[@]}"
  for ((i = 0; i < 24; i++)); do
    assert_equal "$(sse_texts "$BATS_TEST_TMPDIR/$i")" 't1 t2 t3 t4' "stream $i"
    assert_sse last.data '[DONE]' "$BATS_TEST_TMPDIR/$i"
  done
}

# --- who comes next ---

@test "grouping: a is busy and a, b, a, b, ... wait -> all of a, one swap, all of b" {
  one_device
  hold a
  queue_all a1 b1 a2 b2 a3 b3 a4 b4
  leave "$HOLDER"
  answers_wait
  assert_answered a1 b1 a2 b2 a3 b3 a4 b4
  assert_equal "$(order)" 'hold-a a1 a2 a3 a4 b1 b2 b3 b4'
  assert_equal "$(loads)" 'a b'
}

@test "grouping: more later requests for a than may pass b -> exactly $OVERTAKES pass, then b" {
  local i
  local -a ids=()
  one_device 'max_pending_per_device: 100'
  for ((i = 1; i <= OVERTAKES + 2; i++)); do
    ids+=("a$i")
  done
  hold a
  queue_all a0 b1 "${ids[@]}"
  leave "$HOLDER"
  answers_wait
  assert_answered a0 b1 "${ids[@]}"
  assert_equal "$(order)" \
    "hold-a a0 ${ids[*]:0:OVERTAKES} b1 ${ids[*]:OVERTAKES}"
  assert_equal "$(loads)" 'a b a'
}

# keep_asking N MODEL - until the file `enough` is there, with its statuses in
# N.statuses.
keep_asking() {
  local url json
  url=$(agent_url a)/v1/chat/completions
  json=$(chat_json "$2" '{"fake": {"first_delay_ms": 200}}')
  while [[ ! -e $BATS_TEST_TMPDIR/enough ]]; do
    curl -sS --noproxy '*' --max-time 300 -o /dev/null -w '%{http_code}\n' \
      -H 'Content-Type: application/json' --data-binary "$json" "$url" \
      >>"$BATS_TEST_TMPDIR/$1.statuses"
  done 3>&- 4>&- &
  ALL_ASKED+=("$!")
}

@test "grouping: requests for a never stop coming -> b is answered after one swap" {
  local i
  one_device
  for i in 1 2 3 4; do
    keep_asking "$i" a
  done
  wait_until 10 agent_model_has a a '.running + .pending > 2' true
  agent_chat a b
  : >"$BATS_TEST_TMPDIR/enough"
  answers_wait
  assert_status 200
  assert_equal "$(llama_starts b)" 1 'starts of b'
  assert_equal "$(sort -u "$BATS_TEST_TMPDIR"/*.statuses)" 200 'statuses of the others'
}

@test "grouping: a streams and others have passed b as often as they may -> a drains, new ones wait" {
  local i
  node_start 'devices: [cpu:0]' "{model_id: b, path: $(fake_model b)}" \
    "{model_id: a, path: $(fake_model a), server_args: {parallel: 2}}"
  hold a
  queue b1 b
  for ((i = 1; i <= OVERTAKES; i++)); do
    assert_equal "$(agent_model a a .state)" ready "state of a before request $i"
    agent_chat a a '' -H "X-Request-Id: a$i"
    assert_status 200
  done
  wait_until 5 agent_model_is a a draining
  queue a9 a
  alive "$HOLDER" # a busy model is not cut
  leave "$HOLDER"
  answers_wait
  assert_answered b1 a9
  assert_match "$(order)" ' b1 a9$' 'order'
}

@test "grouping: c waited first, then b, then c again -> c serves both of its requests, then b" {
  one_device
  hold a
  queue_all c1 b1 c2
  leave "$HOLDER"
  answers_wait
  assert_answered c1 b1 c2
  assert_equal "$(order)" 'hold-a c1 c2 b1'
  assert_equal "$(loads)" 'a c b'
}

# --- the length of a queue ---

@test "queue: max_pending_per_device requests wait -> one more is a 429 with Retry-After, of any model" {
  one_device 'max_pending_per_device: 2'
  hold a
  queue_all a1 b1
  agent_chat a a
  assert_error 429 device_queue_full
  assert_header Retry-After '/^[1-9][0-9]*$/'
  assert_json '.error.message | test("max_pending_per_device")' true
  agent_chat a c
  assert_error 429 device_queue_full
  leave "$HOLDER"
  answers_wait
  assert_answered a1 b1
  agent_chat a c
  assert_status 200
}

@test "queue: it is full, but a slot of the loaded model is free -> runs at once" {
  node_start $'devices: [cpu:0]\nmax_pending_per_device: 1' \
    "{model_id: b, path: $(fake_model b)}" \
    "{model_id: a, path: $(fake_model a), server_args: {parallel: 2}}"
  hold a
  queue_all b1
  agent_chat a a
  assert_status 200
  assert_equal "$(waiting)" 1 'requests that wait'
  leave "$HOLDER"
  answers_wait
  assert_answered b1
}

# --- what happens to others ---

@test "failure: a model that cannot start, others wait behind it -> refused, they are answered" {
  node_start 'devices: [cpu:0]' "{model_id: a, path: $(fake_model a)}" \
    "{model_id: bad, path: $(fake_model bad exit_at_start=1)}" \
    "{model_id: b, path: $(fake_model b)}"
  hold a
  queue_all bad1 b1 bad2 a1
  leave "$HOLDER"
  answers_wait
  assert_refused bad1 503 model_start_failed
  assert_refused bad2 503 model_start_failed
  assert_answered b1 a1
}

@test "failure: a llama-server crashes while others wait -> its stream ends with an error, they are answered" {
  local s=$BATS_TEST_TMPDIR/hold-a
  one_device
  hold a
  queue_all a1 b1
  llama_put a /fake/exit '{"signal": 9}'
  answers_wait
  assert_answered a1 b1
  stream_wait
  assert_equal "$(stream_text "$s" | grep -c '"error"')" 1 'error events'
  run ! grep -F '[DONE]' "$s"
  assert_equal "$(agent_model a a .crashes)" 1 crashes
}

@test "failure: one connection breaks, the llama-server lives -> the others are answered, no restart" {
  one_device
  hold a
  queue a1 a '{"fake": {"close_before_answer": true}}'
  queue_all a2 a3
  leave "$HOLDER"
  answers_wait
  assert_refused a1 502 upstream_protocol_error
  assert_answered a2 a3
  assert_equal "$(loads)" a
}

@test "failure: a connection breaks and the llama-server is not ready again in time -> those that wait are refused" {
  local s=$BATS_TEST_TMPDIR/s
  one_device 'llama_server_startup_timeout_s: 8'
  wait_until 20 answered_by a # also where its start took longer
  agent_stream a "$s" a '{"fake": {"tokens": 9, "wait_tokens": true, "die_after_tokens": 1}}'
  llama_go a
  wait_until 15 stream_has "$s" 1
  queue_all a1
  llama_put a /fake/mode '{"loading": true}'
  llama_go a # it breaks
  answers_wait
  assert_refused a1 503 model_start_timeout
  wait_until 20 answered_by b
}

@test "failure: a llama-server crashes while it stops for another -> the other one is started" {
  node_start $'devices: [cpu:0]\nstop_timeout_s: 600' \
    "{model_id: a, path: $(fake_model a ignore_sigterm=1)}" "{model_id: b, path: $(fake_model b)}"
  agent_chat a a
  ask b1 b
  wait_until 10 agent_model_is a a stopping
  llama_put a /fake/exit '{"signal": 11}'
  answers_wait
  assert_answered b1
}

# --- unused models ---

@test "idle: unused for idle_unload_s -> stopped, the next request starts it again" {
  one_device 'idle_unload_s: 0.3'
  agent_chat a a
  assert_status 200
  wait_until 10 agent_model_is a a stopped
  assert_equal "$(agent_model a a .reason)" 'unused for idle_unload_s'
  agent_chat a a
  assert_status 200
  assert_equal "$(loads)" 'a a'
}

@test "idle: a stream longer than idle_unload_s -> not cut" {
  local s=$BATS_TEST_TMPDIR/s
  one_device 'idle_unload_s: 0.2'
  agent_stream a "$s" a '{"fake": {"tokens": 3, "delay_ms": 600}}'
  stream_wait
  assert_equal "$stream_status" 0
  assert_equal "$(stream_tokens "$s" | wc -l)" 3 tokens
  wait_until 10 agent_model_is a a stopped
  assert_equal "$(steps)" 'a:starting a:ready a:stopping a:stopped'
}

@test "failure: llama-server is gone and nobody knows yet -> the request waits for the next one" {
  local pid guard
  node_start 'devices: [cpu:0]' "{model_id: a, path: $(fake_model a)}"
  agent_chat a a
  assert_status 200
  pid=$(llama_pids a)
  guard=$(awk '{ print $4 }' "/proc/$pid/stat")
  kill -STOP "$guard"
  kill -KILL "$pid"
  wait_until 5 gone "$pid"
  ask a1 a
  wait_until 10 agent_log_has a 'event=upstream_retry .*model=a .*reason="connection refused"'
  kill -CONT "$guard"
  answers_wait
  assert_answered a1
  assert_equal "$(llama_starts a)" 2
}
