#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 718-agent-files.bats - files of models: on a file system that hangs, and found
# from the folder of the configuration.
#
# shellcheck disable=SC2154,SC2119,SC2153 # helpers set variables

load helpers/all

setup() {
  gw_setup
}

teardown() {
  touch "$GW_DIR/go"
  gw_teardown
}

# agent LINE... - agent `a` with these lines of YAML, started. What is at the
# path $GW_DIR/nfs.gguf hangs until `goes`.
agent() {
  agent_ports a 8
  {
    cat <<YAML
llama_server_bin: $FAKE_LLAMA_SERVER
llama_server_port_base: $AGENT_LLAMA_PORTS_a
llama_server_probe_interval_s: 0.05
llama_server_startup_timeout_s: ${STARTUP_S:-600}
devices: [cpu:0]
YAML
    printf '%s\n' "$@"
  } | agent_config a
  export AGENT_VIA_a="env LD_PRELOAD=$TOP_BUILDDIR/tests/fake/hang_stat.so HANG_STAT=$GW_DIR/nfs.gguf HANG_STAT_GO=$GW_DIR/go"
  AGENT_VIA_a+=" ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0"
  agent_start a
}

goes() {
  touch "$GW_DIR/go"
}

# model ID [KEY=VALUE...] - a line of `models`, the file written.
model() {
  echo "  - {model_id: $1, path: $(fake_model "$@"), group: all, memory_mib: 1}"
}

@test "files: the weights are on a file system that hangs -> streams and other models go on, it starts when they are there" {
  agent 'models:' "$(model m1)" "$(model nfs)"
  agent_stream a "$GW_DIR/s" m1 '{"fake": {"tokens": 3, "wait_tokens": true}}'
  llama_go m1
  wait_until 10 stream_has "$GW_DIR/s" 1
  agent_stream a "$GW_DIR/t" nfs
  wait_until 10 agent_model_has a nfs .pending 1
  llama_go m1
  llama_go m1
  llama_go m1 # the end
  wait_until 10 grep -qF '[DONE]' "$GW_DIR/s"
  assert_equal "$(stream_tokens "$GW_DIR/s" | wc -l)" 3 'tokens beside it'
  agent_chat a m1
  assert_status 200
  assert_equal "$(llama_starts nfs)" 0
  goes
  stream_wait
  grep -qF '[DONE]' "$GW_DIR/t"
  assert_equal "$(llama_starts nfs)" 1
}

@test "files: the file system hangs for long -> 503 that says so, tried again by itself" {
  STARTUP_S=1 agent 'models:' "$(model nfs)"
  agent_chat a nfs
  assert_error 503 model_start_failed
  assert_match "$(jq -r .error.message <<<"$body")" "file system .* of model 'nfs' does not answer: $GW_DIR/nfs.gguf"
  goes
  wait_until 20 agent_model_is a nfs stopped
  agent_chat a nfs
  assert_status 200
}

@test "files: the file system hangs -> the agent ends all the same" {
  agent 'models:' "$(model nfs | sed 's/}$/, preload: true}/')"
  agent_stop a
  assert_equal "$agent_status" 0 'exit status'
}

# in_folders - conf/a.yaml with a model beside it, over/b.yaml with one of its own.
in_folders() {
  mkdir -p "$GW_DIR/conf/weights" "$GW_DIR/conf/bin" "$GW_DIR/over" "$GW_DIR/elsewhere"
  ln -s "$FAKE_LLAMA_SERVER" "$GW_DIR/conf/bin/server"
  fake_model conf/weights/m1 >/dev/null
  fake_model over/m1 message=other >/dev/null
  agent_ports a 8
  cat >"$GW_DIR/conf/a.yaml" <<YAML
llama_server_bin: bin/server
llama_server_port_base: $AGENT_LLAMA_PORTS_a
devices: [cpu:0]
models: [{model_id: m1, path: weights/m1.gguf}]
YAML
  cat >"$GW_DIR/over/b.yaml" <<YAML
models: [{model_id: m1, path: ./m1.gguf}]
YAML
}

# model_of [AGENT ARGS] - the path that would be started.
model_of() {
  run -0 agent_run --dry-run "$@"
  sed -nE 's/.* --model ([^ ]+) .*/\1/p' <<<"$output"
}

@test "files: relative paths -> from the folder of the file they stand in, wherever the agent is started" {
  in_folders
  local from
  for from in "$GW_DIR" "$GW_DIR/conf" "$GW_DIR/elsewhere" /; do
    cd "$from"
    run -0 agent_run --check --config "$GW_DIR/conf/a.yaml"
    assert_equal "$output" "$GW_DIR/conf/a.yaml: ok"
    assert_equal "$(model_of --config "$GW_DIR/conf/a.yaml")" "$GW_DIR/conf/weights/m1.gguf"
  done
  cd "$GW_DIR"
  run -0 agent_run --check --config conf/a.yaml
  assert_equal "$output" 'conf/a.yaml: ok'
  assert_equal "$(model_of --config conf/a.yaml)" "$GW_DIR/conf/weights/m1.gguf"
  assert_equal "$(model_of --config conf/a.yaml --config-override over/b.yaml)" "$GW_DIR/over/./m1.gguf"
  cd conf
  assert_equal "$(model_of --config a.yaml)" weights/m1.gguf
  run -0 agent_run --check --config a.yaml --config-override ../over/b.yaml
  assert_equal "$output" 'a.yaml: ok'
}

@test "files: relative paths, started elsewhere -> it serves" {
  in_folders
  cp "$GW_DIR/conf/a.yaml" "$GW_DIR/agent-a.yaml" # beside nothing: not this one
  cd "$GW_DIR/elsewhere"
  agent_start a --config "$GW_DIR/conf/a.yaml"
  agent_chat a m1
  assert_status 200
}
