#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 710-agent-models.bats - how the node agent starts llama-servers, knows that
# they are ready, and what becomes of requests when one fails. How they end is
# in 715-agent-end.bats.
#
# shellcheck disable=SC2154 # the request helpers set status_code and the like

load helpers/all

# One agent for the tests that need nothing special. Its models have names of
# their own for each test: a failure is remembered. `idle` and `other` are there
# to go on working.
setup_file() {
  local id
  BEGAN=$(date +%s)
  export BEGAN
  gw_setup
  # what a sanitizer keeps of freed memory is no growth
  export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=1
  # two GPUs, whatever this machine has
  export PATH=$TOP_SRCDIR/tests/fake/bin:$PATH
  export FAKE_NVIDIA_SMI_FILE=$TOP_SRCDIR/tests/fixtures/devices/nvidia-two.csv
  agent_ports s 32
  {
    cat <<YAML
llama_server_bin: $FAKE_LLAMA_SERVER
llama_server_port_base: $AGENT_LLAMA_PORTS_s
llama_server_probe_interval_s: 0.05
stop_timeout_s: 1
sse_keepalive_s: 0
devices: [gpu:0, gpu:1, cpu:0]
models:
  - model_id: flags
    path: $(fake_model flags)
    devices: [gpu:1]
    ctx_size: 512
    batch_size: 256
    ubatch_size: 128
    threads: 3
    threads_batch: 4
    gpu_layers: all
    main_gpu: 0
    tensor_split: [3, 1]
    flash_attn: on
    alias: flags-alias
    server_args: {parallel: 3, jinja: true, mlock: false, pooling: null, cache_type_k: q8_0}
    env: {TEST_WORDS: "two words", TEST_NUMBER: 7, TEST_YES: true}
  - {model_id: other, path: $(fake_model other), devices: [gpu:1]}
YAML
    for id in first missing invalid dies early once alone again hurt mid loud moved; do
      echo "  - {model_id: $id, path: $GW_DIR/$id.gguf, devices: [cpu:0]}"
    done
    cat <<YAML
  - model_id: badflag
    path: $(fake_model badflag)
    devices: [cpu:0]
    server_args: {bogus: 1}
YAML
  } | agent_config s
  # what is there when the agent starts is looked at; `missing` is not there
  for id in first invalid dies early once alone again hurt mid loud moved; do
    fake_model "$id" >/dev/null
  done
  agent_start s
}

teardown_file() {
  gw_teardown
}

# A test that called gw_setup has agents of its own.
teardown() {
  if [[ $GW_DIR == "${BATS_TEST_TMPDIR:-}" ]]; then
    gw_teardown
  else
    gw_dump_if_failed
  fi
}

# own_agent - agent `a`, with the keys from standard input, in this test's folder.
own_agent() {
  agent_ports a 8
  {
    cat <<YAML
llama_server_bin: $FAKE_LLAMA_SERVER
llama_server_port_base: $AGENT_LLAMA_PORTS_a
llama_server_probe_interval_s: 0.05
devices: [cpu:0]
YAML
    cat
  } | agent_config a
}

# steps_of NAME MODEL - the states it went through, by the agent's log.
steps_of() {
  sed -nE "s/.* event=model_state model=\"?$2\"? from=([a-z]+) to=([a-z]+) .*/\1>\2/p" \
    "$GW_DIR/agent-$1.log" | tr '\n' ' '
}

# has_failed NAME MODEL [FROM] - by its log: the state itself lasts a second only.
has_failed() {
  agent_log_has "$1" "event=model_state model=\"?$2\"? from=${3:-[a-z]+} to=failed "
}

# message - of the error that came
message() {
  jq -r .error.message <<<"$body"
}

other_works() {
  agent_chat s other
  assert_status 200
}

# ---- a start -----------------------------------------------------------------

@test "agent: a request for a stopped model -> started, loaded, ready, in that order, answered" {
  fake_model first 'script={"loading": true}' >/dev/null
  llama_loaded s first 3>&- 4>&- &
  GW_TIMEOUT=90 agent_chat s first
  wait "$!"
  fake_model first >/dev/null # for later starts
  assert_status 200
  assert_json '.choices[0].message.content' '[scripted upstream first] You said: hello there'
  assert_equal "$(steps_of s first)" 'stopped>starting starting>loading loading>ready '
  assert_equal "$(agent_model s first '[.pid, .port, .device, .starts]')" \
    "[$(llama_last first .pid),$(llama_option first --port),\"cpu:0\",1]"
  assert_between "$(agent_model s first .since)" "$BEGAN" "$(date +%s)" since
}

@test "agent: a second request -> the same llama-server" {
  local starts
  agent_chat s first
  starts=$(llama_starts first)
  agent_chat s first
  assert_status 200
  assert_equal "$(llama_starts first)" "$starts"
}

@test "agent: keys, server_args, alias -> on the command line, in order, nothing else" {
  agent_chat s flags
  assert_status 200
  assert_equal "$(llama_last flags-alias '.argv | join(" ")')" "--model $GW_DIR/flags.gguf \
--alias flags-alias --host 127.0.0.1 --port $AGENT_LLAMA_PORTS_s --ctx-size 512 \
--batch-size 256 --ubatch-size 128 --threads 3 --threads-batch 4 --n-gpu-layers all --main-gpu 0 \
--tensor-split 3,1 --flash-attn on --parallel 3 --jinja --cache-type-k q8_0"
}

@test "agent: env of a model -> in its llama-server's environment only" {
  agent_chat s flags
  assert_equal "$(llama_last flags-alias '.env | [.TEST_WORDS, .TEST_NUMBER, .TEST_YES]')" \
    '["two words","7","true"]'
  agent_chat s other
  assert_equal "$(llama_last other '.env | [.TEST_WORDS, .TEST_NUMBER]')" '[null,null]'
}

@test "agent: a device -> pinned by the environment, the CPU to no GPU" {
  agent_chat s flags
  assert_equal "$(agent_model s flags .device)" gpu:1
  assert_equal "$(llama_last flags-alias '.env | [.CUDA_VISIBLE_DEVICES, .CUDA_DEVICE_ORDER]')" \
    '["1","PCI_BUS_ID"]'
  agent_chat s first
  assert_equal "$(agent_model s first .device)" cpu:0
  assert_equal "$(llama_last first '.env | [.CUDA_VISIBLE_DEVICES, .HIP_VISIBLE_DEVICES]')" \
    '["-1","-1"]'
}

@test "agent: a llama-server -> listens on 127.0.0.1 only, and shares nothing but its output" {
  local pid
  agent_chat s first
  pid=$(llama_last first .pid)
  assert_equal "$(listens_at "$(llama_option first --port)")" 0100007F
  assert_equal "$(readlink "/proc/$pid/fd/0")" /dev/null
  assert_equal "$(comm -12 <(sockets_of "$pid") <(sockets_of "$(gw_pid agent-s)"))" \
    "$(readlink "/proc/$pid/fd/1")"
}

# Addresses in hex where somebody listens on that port.
listens_at() {
  awk -v port="$(printf '%04X' "$1")" '
    $4 == "0A" && $2 ~ ":" port "$" { print substr($2, 1, 8) }' /proc/net/tcp
}

sockets_of() {
  readlink "/proc/$1"/fd/* | grep -E '^(socket|pipe):' | sort -u
}

# ---- what cannot be started --------------------------------------------------

@test "agent: no file of the model at the start -> failed at once, others serve, no llama-server" {
  wait_until 5 agent_model_is s missing failed
  assert_match "$(agent_model s missing .error)" "'missing' .*$GW_DIR/missing.gguf: No such file"
  agent_chat s missing
  assert_error 503 model_start_failed
  assert_match "$(message)" "$GW_DIR/missing.gguf: No such file"
  assert_header Retry-After '/^[0-9]+$/'
  assert_equal "$(llama_starts missing)" 0
  other_works
}

@test "agent: the missing file appears -> not failed any more by itself, and served" {
  fake_model missing >/dev/null
  wait_until 70 agent_model_is s missing stopped
  agent_chat s missing
  assert_status 200
}

@test "agent: a file that is no model -> 503, llama-server's own words in inventory and log" {
  echo 'no model at all' >"$GW_DIR/invalid.gguf"
  agent_chat s invalid
  assert_error 503 model_start_failed
  assert_match "$(message)" "'invalid' ended with status 1 before it was ready"
  assert_equal "$(agent_model s invalid '[.last_exit.status, .crashes]')" '[1,1]'
  has_failed s invalid
  assert_match "$(agent_model s invalid '.output | join("\n")')" \
    "invalid magic characters: 'no m', expected 'GGUF'"
  agent_log_has s 'event=model_failed model="?invalid"? failures=1 '
  agent_log_has s 'event=child_output model="?invalid"? line=.*exiting due to model loading error'
  other_works
}

@test "agent: an option that llama-server does not know -> 503, its words in inventory and log" {
  agent_chat s badflag
  assert_error 503 model_start_failed
  assert_equal "$(agent_model s badflag '.output | join("\n")')" 'error: invalid argument: --bogus'
  agent_log_has s 'event=child_output model="?badflag"? line=.*error: invalid argument: --bogus'
}

@test "agent: failed a moment ago -> refused without another start, Retry-After says when" {
  local starts retry_in
  fake_model dies exit_at_start=42 >/dev/null
  agent_chat s dies
  assert_error 503 model_start_failed
  assert_match "$(message)" 'ended with status 42 before it was ready'
  assert_header Retry-After '/^[0-9]+$/'
  # On a busy machine the wait may be over before all has been looked at. Then
  # there is another start, and the next wait is twice as long.
  for _ in 1 2 3 4 5; do
    starts=$(llama_starts dies)
    agent_chat s dies
    assert_error 503 model_start_failed
    assert_header Retry-After '/^[0-9]+$/'
    retry_in=$(agent_model s dies '.retry_in_s // empty')
    [[ -z $retry_in || $(llama_starts dies) != "$starts" ]] || break
  done
  assert_equal "$(llama_starts dies)" "$starts" 'starts after the refusal'
  assert_between "$retry_in" 0 32 retry_in_s
}

@test "agent: a file that is in order again -> the next try serves" {
  fake_model dies >/dev/null
  wait_until 20 agent_model_is s dies stopped
  agent_chat s dies
  assert_status 200
}

@test "agent: an end by a signal -> its number in message and inventory" {
  fake_model early die_after_s=0 die_signal=ABRT never_ready=1 >/dev/null
  agent_chat s early
  assert_error 503 model_start_failed
  assert_match "$(message)" 'was ended by signal 6 \(Aborted\) before it was ready'
  assert_equal "$(agent_model s early .last_exit.signal)" 6
}

@test "agent: another program on the model's port -> a spare one, said so, the stranger never asked" {
  local index spare
  index=$(agent_inventory s '[.models[].model_id] | index("moved")')
  spare=$((AGENT_LLAMA_PORTS_s + $(agent_inventory s '.models | length')))
  export FAKE_PORT_stranger=$((AGENT_LLAMA_PORTS_s + index))
  fake_start stranger
  agent_chat s moved
  assert_status 200
  assert_json '.choices[0].message.content' '[scripted upstream moved] You said: hello there'
  assert_equal "$(llama_option moved --port) $(agent_model s moved .port)" "$spare $spare"
  agent_log_has s "event=port_taken model=\"?moved\"? port=$FAKE_PORT_stranger using=$spare"
  assert_equal "$(fake_stats stranger .connections)" 1 'connections to the stranger, this one included'
  fake_stop stranger
}

@test "agent: two agents with the same ports start a model at one moment -> each has its own port" {
  gw_setup
  own_agent <<YAML
models: [{model_id: m1, path: $(fake_model m1 start_s=1), preload: true}]
YAML
  cp "$GW_DIR/agent-a.yaml" "$GW_DIR/agent-b.yaml"
  agent_start a
  agent_start b
  wait_until 10 agent_model_is a m1 ready
  wait_until 10 agent_model_is b m1 ready
  assert_equal "$(agent_model a m1 '[.port, .starts, .crashes]')" "[$AGENT_LLAMA_PORTS_a,1,0]"
  assert_equal "$(agent_model b m1 '[.port, .starts, .crashes]')" "[$((AGENT_LLAMA_PORTS_a + 1)),1,0]"
  assert_equal "$(llama_pids m1 | sort)" "$({ agent_model a m1 .pid && agent_model b m1 .pid; } | sort)"
}

@test "agent: llama_server_bin is missing -> 503 that names the key, a new one is found by itself" {
  gw_setup
  FAKE_LLAMA_SERVER=$GW_DIR/bin/llama-server own_agent <<YAML
models: [{model_id: m1, path: $(fake_model m1)}]
YAML
  agent_start a
  agent_chat a m1
  assert_error 503 model_start_failed
  assert_match "$(message)" "llama_server_bin cannot be executed: $GW_DIR/bin/llama-server: No such file"
  assert_equal "$(agent_model a m1 .state)" failed
  agent_get a /health
  assert_status 200
  mkdir "$GW_DIR/bin"
  ln -s "$FAKE_LLAMA_SERVER" "$GW_DIR/bin/llama-server"
  wait_until 70 agent_model_is a m1 stopped
  agent_chat a m1
  assert_status 200
}

@test "agent: llama_server_bin cannot be executed -> 503 with the system's reason" {
  gw_setup
  echo '#!/nowhere/interpreter' >"$GW_DIR/not-llama"
  chmod +x "$GW_DIR/not-llama"
  FAKE_LLAMA_SERVER=$GW_DIR/not-llama own_agent <<YAML
models: [{model_id: m1, path: $(fake_model m1)}]
YAML
  agent_start a
  agent_chat a m1
  assert_error 503 model_start_failed
  assert_match "$(message)" "'m1' cannot be executed: No such file or directory"
  assert_equal "$(agent_model a m1 .last_exit.error)" 'No such file or directory'
  has_failed a m1
}

@test "agent: never ready -> 503 model_start_timeout that names the limit, then failed and gone" {
  local id
  gw_setup
  own_agent <<YAML
llama_server_startup_timeout_s: 2
models:
  - {model_id: loads, path: $(fake_model loads never_ready=1)}
  - {model_id: hangs, path: $(fake_model hangs hang=1)}
YAML
  agent_start a
  for id in loads hangs; do
    agent_chat a "$id"
    assert_error 503 model_start_timeout
    assert_match "$(message)" "'$id' was not ready within llama_server_startup_timeout_s = 2 s"
    assert_header Retry-After '/^[0-9]+$/'
    wait_until 10 has_failed a "$id" stopping
  done
  wait_until 5 no_llama
  # a slow one was not heard to load within the two seconds
  assert_match "$(steps_of a loads)" \
    '^stopped>starting (starting>loading loading|starting)>stopping stopping>failed '
  assert_match "$(steps_of a hangs)" '^stopped>starting starting>stopping stopping>failed '
}

# answered_by ID - it is ready and answers; for wait_until.
answered_by() {
  agent_chat a "$1" >/dev/null
  [[ $status_code == 200 ]]
}

# However often a start was too slow: once it is ready, its limit is over.
@test "agent: ready in time -> the limit of its start does not end it later" {
  local process
  gw_setup
  own_agent <<YAML
llama_server_startup_timeout_s: 2
models: [{model_id: m1, path: $(fake_model m1)}]
YAML
  agent_start a
  wait_until 30 answered_by m1
  process=$(agent_model a m1 '[.state, .pid]')
  assert_match "$process" '"ready"'
  wait_ms 2500
  assert_equal "$(agent_model a m1 '[.state, .pid]')" "$process" 'it goes on'
}

no_llama() {
  [[ -z $(llama_pids) ]]
}

# ---- what dies ---------------------------------------------------------------

@test "agent: a llama-server that dies -> restarted by itself, requests meanwhile wait for it" {
  agent_chat s once
  assert_status 200
  llama_put once /fake/exit '{"signal": 11}'
  wait_until 5 agent_model_has s once .crashes 1
  agent_chat s once
  assert_status 200
  assert_equal "$(agent_model s once '[.state, .starts, .crashes, .last_exit.signal]')" \
    '["ready",2,1,11]'
  assert_between "$(agent_model s once .last_exit.at)" "$BEGAN" "$(date +%s)"
  assert_match "$(steps_of s once)" 'ready>failed failed>starting '
}

@test "agent: nobody asks for what died -> ready again all the same" {
  agent_chat s alone
  llama_put alone /fake/exit '{"status": 3}'
  wait_until 20 agent_model_has s alone '[.state, .starts, .crashes, .last_exit.status]' \
    '["ready",2,1,3]'
}

@test "agent: it dies again and again -> longer waits, during a long one requests are refused" {
  agent_chat s again
  assert_status 200
  llama_put again /fake/exit '{"signal": 9}'
  wait_until 20 agent_model_has s again '[.state, .starts]' '["ready",2]'
  # a try that comes before the request fails, too
  fake_model again exit_at_start=1 >/dev/null
  llama_put again /fake/exit '{"signal": 9}'
  wait_until 5 agent_model_has s again '.crashes >= 2' true
  agent_chat s again
  fake_model again >/dev/null
  assert_error 503 model_start_failed
  assert_match "$(message)" "'again' (was ended by signal 9|ended with status 1)"
  assert_header Retry-After '/^[0-9]+$/'
  assert_match "$(waits_of again)" '^1:1000 2:2000 '
}

# FAILURES:WAIT_MS of each failure.
waits_of() {
  sed -nE "s/.*event=model_failed model=\"?$1\"? failures=([0-9]+) retry_in_ms=([0-9]+) .*/\1:\2/p" \
    "$GW_DIR/agent-s.log" | tr '\n' ' '
}

@test "agent: a llama-server dies before it answers -> 502, others serve" {
  agent_chat s hurt '{"fake": {"close_before_answer": true}}'
  assert_status 502
  agent_stream s "$GW_DIR/s" hurt '{"fake": {"never": true}}'
  wait_until 10 agent_model_has s hurt .running 1
  llama_put hurt /fake/exit '{"signal": 9}'
  stream_wait
  assert_match "$(_last_head "$GW_DIR/s.head")" '^HTTP/1.1 502 '
  # within a second of its start the connection is tried once more, and refused
  assert_match "$(stream_text "$GW_DIR/s")" 'upstream_(protocol_error|unreachable)'
  other_works
}

@test "agent: a llama-server dies mid-stream -> what came, one error event, no [DONE]" {
  local file=$GW_DIR/mid
  agent_stream s "$file" mid '{"fake": {"tokens": 1000000, "delay_ms": 100}}'
  wait_until 20 stream_has "$file" 2
  llama_put mid /fake/exit '{"signal": 9}'
  stream_wait
  stream_text "$file" >"$file.sse"
  assert_one_sse_error /v1/chat/completions upstream_protocol_error "$file.sse"
  stream_has "$file" 2
  agent_chat s mid
  assert_status 200
}

@test "agent: 100 MB of output -> still served, forty lines kept, the agent does not grow" {
  local before after
  before=$(memory_kib "$(gw_pid agent-s)")
  fake_model loud print_mb=100 message=the-end >/dev/null
  GW_TIMEOUT=300 agent_chat s loud
  assert_status 200
  after=$(memory_kib "$(gw_pid agent-s)")
  # a quarter of what was said is more than any allocator's whims, and less than
  # whoever keeps it needs
  assert_between $((after - before)) -1000000 25600 'KiB of memory added'
  assert_equal "$(agent_model s loud '.output | length')" 40
  assert_match "$(agent_model s loud '.output | join(" ")')" 'the-end.*model loaded'
}

memory_kib() {
  awk '/^(Anonymous|Swap):/ { sum += $2 } END { print sum }' "/proc/$1/smaps_rollup"
}

@test "agent: everything above -> no zombie, and a guard for each llama-server that lives" {
  # children come and go: what stays is a fault
  wait_until 5 has_no_zombie "$(gw_pid agent-s)"
  wait_until 5 guards_match
}

has_no_zombie() {
  ! awk '{ sub(/\(.*\)/, "x"); print $4, $3 }' /proc/[0-9]*/stat 2>/dev/null | grep -qx "$1 Z"
}

guards_match() {
  local processes
  processes=$(gw_processes)
  [[ $(grep -c "rolemesh-guard .* $FAKE_LLAMA_SERVER " <<<"$processes") == "$(llama_pids | wc -l)" ]]
}
