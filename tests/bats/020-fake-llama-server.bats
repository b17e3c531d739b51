#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 020-fake-llama-server.bats - the scripted llama-server by itself, no agent: a
# model file does what tests/fake/README.md says, a bad command line is refused
# as by the real one, and the helpers read what happened. When this file fails,
# the tests of the node agent prove nothing.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all

setup() {
  gw_setup
  llama_environment
  port=$(free_ports 1)
  url=http://127.0.0.1:$port
}

teardown() {
  gw_teardown
}

# llama_start MODEL [ARGS] - run it beside the test; sets $pid, $log_file. The
# alias is the name of the file.
llama_start() {
  local model=$1 alias=${1##*/}
  shift
  alias=${alias%.gguf}
  log_file=$GW_DIR/$alias.err
  "$FAKE_LLAMA_SERVER" --model "$model" --alias "$alias" --host 127.0.0.1 \
    --port "$port" "$@" >"$GW_DIR/$alias.out" 2>"$log_file" 3>&- 4>&- &
  pid=$!
  gw_track "$alias" "$pid"
}

# llama_ready - /health says 200; for wait_until.
llama_ready() {
  curl -sf --noproxy '*' -o /dev/null "$url/health"
}

# llama_end STATUS [ARGS] - run it to its end, which must have that status; what
# it said is in $output, times taken off.
llama_end() {
  local expected=$1
  shift
  run "-$expected" timeout 300 "$FAKE_LLAMA_SERVER" "$@"
  output=$(sed -E 's/^[0-9]+\.[0-9]{2}\.[0-9]{3}\.[0-9]{3} //' <<<"$output")
}

# ends_with STATUS - the last one ends, with that status.
ends_with() {
  local status=0
  wait "$pid" || status=$?
  assert_equal "$status" "$1" 'exit status'
}

# --- an ordinary start ---

@test "llama-server: a model file -> serves under the same pid, its alias as id" {
  llama_start "$(fake_model m1)" -c 512 -ngl 99 --parallel 2 --no-ui --jinja
  wait_until 10 llama_ready
  assert_match "$(tr '\0' ' ' <"/proc/$pid/cmdline")" '^[^ ]*/fake_llama '
  gw_get "$url/v1/models"
  assert_json '[.data[].id]' '["m1"]'
  gw_post "$url/v1/chat/completions" "$(chat_json m1)"
  assert_json '.choices[0].message.content' '[scripted upstream m1] You said: hello there'
  assert_equal "$(fake_count m1 /v1/chat/completions)" 1
  run -0 cat "$log_file"
  assert_match "$output" "I srv    load_model: loading model '$GW_DIR/m1.gguf'"
  assert_match "$output" 'I srv  llama_server: model loaded'
  assert_match "$output" "I srv  llama_server: listening on $url"
  kill "$pid"
  ends_with 0
}

@test "llama-server: without --alias -> the id is the path of the model" {
  local model
  model=$(fake_model m1)
  "$FAKE_LLAMA_SERVER" -m "$model" --port "$port" 2>"$GW_DIR/m1.err" 3>&- &
  gw_track m1 "$!"
  wait_until 10 llama_ready
  gw_get "$url/v1/models"
  assert_json '[.data[].id]' "[\"$model\"]"
}

@test "llama-server: --api-key -> 401 without it" {
  llama_start "$(fake_model m1)" --api-key sesame
  wait_until 10 llama_ready
  gw_get "$url/v1/models"
  assert_status 401
  gw_get "$url/v1/models" -H 'Authorization: Bearer sesame'
  assert_status 200
  run ! grep CORS "$log_file"
}

@test "llama-server: LLAMA_API_KEY -> the same, but for control requests" {
  LLAMA_API_KEY=sesame llama_start "$(fake_model m1)"
  wait_until 10 llama_ready
  gw_get "$url/v1/models"
  assert_status 401
  GW_KEY=sesame gw_get "$url/v1/models"
  assert_status 200
  gw_get "$url/fake/stats"
  assert_status 200
}

@test "llama-server: models, tokens, script of a model file -> obeyed" {
  llama_start "$(fake_model m1 models=x,y tokens=2 'script={"usage": true}')"
  wait_until 10 llama_ready
  gw_get "$url/v1/models"
  assert_json '[.data[].id]' '["x","y"]'
  stream_to "$GW_DIR/s" "$url/v1/chat/completions" "$(chat_json m1 '{"stream": true}')"
  stream_wait
  assert_equal "$(stream_tokens "$GW_DIR/s" | wc -l)" 2
  run -0 grep -c '"usage":{' "$GW_DIR/s"
}

# --- the journal and its helpers ---

@test "llama-server: a start -> one line with arguments and environment" {
  local before
  assert_equal "$(llama_starts)" 0
  before=$(mono_ms)
  CUDA_VISIBLE_DEVICES=1 HIP_VISIBLE_DEVICES='' TEST_WORD='a "b"' OTHER=x \
    llama_start "$(fake_model m1)" -c 512
  wait_until 10 llama_ready
  assert_equal "$(llama_starts) $(llama_starts m1) $(llama_starts m2)" '1 1 0'
  assert_equal "$(llama_last m1 .pid)" "$pid"
  assert_equal "$(llama_pids m1)" "$pid"
  assert_equal "$(llama_option m1 --port) $(llama_option m1 -c)" "$port 512"
  assert_equal "$(llama_last m1 '.argv | length')" 10
  assert_equal "$(llama_last m1 '.env | [.CUDA_VISIBLE_DEVICES, .HIP_VISIBLE_DEVICES, .TEST_WORD]')" \
    '["1","","a \"b\""]'
  assert_equal "$(llama_last m1 '.env | has("OTHER"), has("FAKE_LLAMA")' | tr '\n' ' ')" 'true '
  assert_between "$(llama_last m1 .t_ms)" "$before" "$(mono_ms)"
  llama_put m1 /fake/mode '{"status": 429}'
  gw_post "$url/v1/chat/completions" "$(chat_json m1)"
  assert_status 429
  assert_equal "$(llama_stats m1 '.requests["/v1/chat/completions"]')" 1
  llama_put m1 /fake/exit '{"signal": 9}'
  wait_until 5 gone "$pid"
  assert_equal "$(llama_pids)" ''
}

@test "llama-server: odd arguments and failed starts -> in the journal, too" {
  llama_end 1 -a 'a "b"' --bogus $'line\nline' '' 'é'
  assert_equal "$(llama_last 'a "b"' .argv)" '["-a","a \"b\"","--bogus","line\nline","","é"]'
}

# --- model files ---

@test "model file: loading_s -> 503 until then" {
  llama_start "$(fake_model m1 loading_s=3600)"
  wait_until 10 fake_says 503
  assert_json .error.message 'Loading model'
  run ! grep 'model loaded' "$log_file"
  kill "$pid"
  wait_until 5 gone "$pid"
  llama_start "$(fake_model m1 loading_s=0.3)"
  wait_until 10 llama_ready
  wait_until 5 grep -q 'model loaded' "$log_file"
}

fake_says() {
  gw_get "$url/health" >/dev/null
  [[ $status_code == "$1" ]]
}

@test "model file: never_ready -> listens, loading for ever" {
  llama_start "$(fake_model m1 never_ready=1)"
  local never=$url
  wait_until 10 fake_says 503
  # one that began later has loaded
  port=$(free_ports 1)
  url=http://127.0.0.1:$port
  llama_start "$(fake_model m2 loading_s=0.5)"
  wait_until 10 llama_ready
  url=$never
  fake_says 503
}

@test "model file: hang -> does not listen, ends by SIGTERM" {
  llama_start "$(fake_model m1 hang=1)"
  wait_until 10 runs_fake
  gw_get "$url/health"
  assert_equal "$curl_status" 7
  kill "$pid"
  ends_with 143
}

runs_fake() {
  [[ $(tr '\0' ' ' <"/proc/$pid/cmdline") == */fake_llama* ]]
}

@test "model file: message, exit_at_start -> the text, why it could not load, that status" {
  llama_end 42 -m "$(fake_model m1 'message=hello = you' message=again exit_at_start=42)"
  assert_match "$output" $'\nhello = you\nagain\n'
  assert_match "$output" 'cudaMalloc failed: out of memory'
  assert_match "$output" $'\nE srv  llama_server: exiting due to model loading error$'
}

@test "model file: print_mb -> that much output" {
  llama_start "$(fake_model m1 print_mb=3)"
  wait_until 20 llama_ready
  assert_between "$(wc -c <"$log_file")" $((3 << 20)) $(((3 << 20) + 5000))
}

@test "model file: die_after_s -> SIGSEGV, or die_signal, or die_status" {
  llama_end 139 -m "$(fake_model m1 die_after_s=0.1)" --port "$port"
  llama_end 134 -m "$(fake_model m1 die_signal=ABRT die_after_s=0.1)" --port "$port"
  llama_end 5 -m "$(fake_model m1 die_after_s=0.1 die_status=5)" --port "$port"
}

@test "model file: ignore_sigterm -> only SIGKILL ends it" {
  llama_start "$(fake_model m1 ignore_sigterm=1)"
  wait_until 10 llama_ready
  kill "$pid"
  llama_ready
  kill -KILL "$pid"
  ends_with 137
}

@test "model file: stop_s -> serves on after SIGTERM, then ends with 0" {
  llama_start "$(fake_model m1 stop_s=3600)"
  wait_until 10 llama_ready
  kill "$pid"
  wait_until 5 grep -q 'cleaning up before exit' "$log_file"
  llama_ready
  kill -KILL "$pid"
  wait_until 5 gone "$pid"
  llama_start "$(fake_model m1 stop_s=0.3)"
  wait_until 10 llama_ready
  kill "$pid"
  ends_with 0
}

@test "model file: wrapper -> a child that outlives SIGTERM to the wrapper" {
  llama_start "$(fake_model m1 wrapper=1)"
  wait_until 10 llama_ready
  local child
  child=$(pid_of "$FAKE_LLAMA")
  [[ -n $child && $child != "$pid" ]]
  kill "$pid"
  ends_with 143
  llama_ready
  kill "$child"
  wait_until 5 gone "$child"
}

@test "model file: daemon -> a process of another session that stays" {
  llama_start "$(fake_model m1 daemon=1)"
  wait_until 10 llama_ready
  local left
  wait_until 5 pid_of sleep
  left=$(pid_of sleep)
  assert_equal "$(session_of "$left")" "$left"
  kill "$pid"
  ends_with 0
  alive "$left"
  kill "$left"
}

# pid_of PROGRAM - the pid of the one process of this test that runs it.
pid_of() {
  local all
  all=$(gw_processes)
  awk -v program="$1" '$2 == program { print $1; found = 1 } END { exit !found }' <<<"$all"
}

session_of() {
  cut -d' ' -f6 "/proc/$1/stat"
}

@test "model file: written again -> the next start obeys the new one" {
  llama_end 3 -m "$(fake_model m1 exit_at_start=3)" -a m1
  llama_start "$(fake_model m1)"
  wait_until 10 llama_ready
  llama_starts_are m1 2
}

@test "model file: an unknown key, a line without one -> says so, status 2" {
  llama_end 2 -m "$(fake_model m1 loadng_s=1)"
  assert_match "$output" 'unknown key loadng_s'
  llama_end 2 -m "$(fake_model m1 words)"
  assert_match "$output" 'no key=value: words'
}

# --- as the real one: recorded with llama-server b10573 ---

# failed_load MODEL CAUSE... - the whole complaint.
failed_load() {
  local model=$1
  shift
  cat <<TEXT
I srv    load_model: loading model '$model'
$(printf '%s\n' "$@")
E llama_model_load: error loading model: llama_model_loader: failed to load model from $model
E llama_model_load_from_file_impl: failed to load model
E common_fit_params: encountered an error while trying to fit params to free device memory: failed to load model
$(printf '%s\n' "$@")
E llama_model_load: error loading model: llama_model_loader: failed to load model from $model
E llama_model_load_from_file_impl: failed to load model
E cmn  common_init_: failed to load model '$model'
E srv    load_model: failed to load model, '$model'
I srv    operator(): operator(): cleaning up before exit...
E srv  llama_server: exiting due to model loading error
TEXT
}

@test "llama-server: files that are no model -> the real one's words, status 1" {
  local file=$GW_DIR/x.gguf
  llama_end 1 -m "$file" --api-key k
  assert_equal "$(tail -n +2 <<<"$output")" "$(failed_load "$file" \
    "E gguf_init_from_file: failed to open GGUF file '$file' (No such file or directory)")"
  printf 'GGUF\x03\0\0\0' >"$file"
  llama_end 1 -m "$file" --api-key k
  assert_equal "$(tail -n +2 <<<"$output")" \
    "$(failed_load "$file" 'E gguf_init_from_reader: failed to read key-value pairs')"
  echo hello >"$file"
  llama_end 1 -m "$file" --api-key k
  assert_equal "$(tail -n +2 <<<"$output")" "$(failed_load "$file" \
    "E gguf_init_from_reader: invalid magic characters: 'hell', expected 'GGUF'")"
  : >"$file"
  llama_end 1 -m "$file" --api-key k
  assert_equal "$(tail -n +2 <<<"$output")" \
    "$(failed_load "$file" 'E gguf_init_from_reader: failed to read magic')"
  llama_end 1 -m "$GW_DIR" --api-key k
  assert_match "$output" 'failed to read magic'
}

@test "llama-server: a taken port -> the real one's words, status 1" {
  fake_start other
  llama_end 1 -m "$(fake_model m1)" --host 127.0.0.1 --port "$FAKE_PORT_other"
  assert_match "$output" "
E srv         start: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: $FAKE_PORT_other
I srv    operator\(\): operator\(\): cleaning up before exit...
E srv  llama_server: exiting due to HTTP server error\$"
}

@test "llama-server: unknown options -> 'invalid argument', status 1" {
  local bad
  for bad in --bogus extra '' --port=18 --no-ui=1; do
    llama_end 1 "$bad" -c zz
    assert_equal "$output" "error: invalid argument: $bad"
  done
}

@test "llama-server: bad and missing values -> which, why, and the usage" {
  llama_end 1 -c 12x --ctx_size zz --bogus
  assert_equal "$output" 'error while handling argument "--ctx-size": stoi

usage:
-c,    --ctx-size N                     size of the prompt context (default: 0, 0 = loaded from model)
                                        (env: LLAMA_ARG_CTX_SIZE)


to show complete usage, run with -h'
  llama_end 1 --flash-attn maybe
  assert_equal "$output" "error while handling argument \"--flash-attn\": error: unknown value for --flash-attn: 'maybe'


usage:
-fa,   --flash-attn [on|off|auto]       set Flash Attention use ('on', 'off', or 'auto', default: 'auto')
                                        (env: LLAMA_ARG_FLASH_ATTN)


to show complete usage, run with -h"
  local args why
  while IFS='|' read -r args why; do
    # shellcheck disable=SC2086 # words
    llama_end 1 $args
    assert_equal "${lines[0]}" "error while handling argument $why"
  done <<'TEXT'
--model|"--model": expected value for argument
-ngl 9 -np|"-np": expected value for argument
-ngl all -t 99999999999|"-t": stoi
-ngl some|"-ngl": stoi
-ts 1,x|"-ts": stof
-np 0|"-np": error: invalid value for n_parallel
--cache-type-k q9|"--cache-type-k": Unsupported cache type: q9
TEXT
}

# --- what else the tests of the agent stand on ---

@test "agent_ports: two agents -> ports of their own, all free" {
  agent_ports a 8
  agent_ports b 32
  ((AGENT_LLAMA_PORTS_a + 8 <= AGENT_LLAMA_PORTS_b ||
    AGENT_LLAMA_PORTS_b + 32 <= AGENT_LLAMA_PORTS_a))
  assert_between "$AGENT_LLAMA_PORTS_a" 20000 31999
  assert_match "$AGENT_URL_a" "^http://127.0.0.1:$AGENT_PORT_a\$"
  run -0 "$TOP_BUILDDIR/tests/fake/free_port" 32 "$AGENT_LLAMA_PORTS_b"
  assert_equal "${#lines[@]} ${lines[31]}" "32 $((AGENT_LLAMA_PORTS_b + 31))"
}

@test "agent_ports: a range that somebody holds -> not given again" {
  agent_ports a 1
  run ! flock -n "/tmp/rolemesh-test-ports.$UID/$AGENT_LLAMA_PORTS_a" true
  port=$AGENT_LLAMA_PORTS_a
  url=http://127.0.0.1:$port
  llama_start "$(fake_model m1)"
  wait_until 10 llama_ready
  run ! "$TOP_BUILDDIR/tests/fake/free_port" 2 "$port"
}

@test "nvidia-smi: a file -> printed; fail and no file -> status 9; hang -> silence" {
  local tool=$TOP_SRCDIR/tests/fake/bin/nvidia-smi
  printf 'index, name\r\n0, A\r\n' >"$GW_DIR/gpus"
  FAKE_NVIDIA_SMI_JOURNAL=$GW_DIR/asked FAKE_NVIDIA_SMI_FILE=$GW_DIR/gpus "$tool" --query x |
    cmp "$GW_DIR/gpus"
  assert_equal "$(<"$GW_DIR/asked")" '--query x'
  FAKE_NVIDIA_SMI_MODE=fail FAKE_NVIDIA_SMI_FILE=$GW_DIR/gpus run -9 "$tool"
  assert_match "$output" "^NVIDIA-SMI has failed because it couldn't communicate"
  run -9 "$tool"
  FAKE_NVIDIA_SMI_MODE=hang run -124 timeout 0.3 "$tool"
  assert_equal "$output" ''
}
