#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 705-agent-options.bats - rolemesh-node-agent's command line: --check,
# --print-config, --dry-run and the rest, and starts that cannot work.
#
# shellcheck disable=SC2154 # `run` and the helpers set variables

load helpers/all

setup() {
  gw_setup
  export AGENT_CONFIG=$GW_DIR/agent-a.yaml
  # two GPUs, whatever this machine has
  export PATH=$TOP_SRCDIR/tests/fake/bin:$PATH
  export FAKE_NVIDIA_SMI_FILE=$TOP_SRCDIR/tests/fixtures/devices/nvidia-two.csv
  agent_config a <<YAML
llama_server_bin: $FAKE_LLAMA_SERVER
devices: [cpu:0]
models: [{model_id: m1, path: $(fake_model m1)}]
YAML
}

teardown() {
  gw_teardown
}

# ---- options -----------------------------------------------------------------

@test "agent: --version -> name and version, exit 0" {
  run -0 agent_run --version
  assert_match "$output" '^rolemesh-node-agent [0-9]+\.[0-9]+\.[0-9]+$'
}

@test "agent: --help -> every option is explained, exit 0" {
  local option
  run -0 agent_run --help
  for option in config config-override host port check print-config dry-run version help; do
    assert_match "$output" "--$option "
  done
}

@test "agent: several wrong options -> all are named, exit 2" {
  run -2 agent_run --nonsense --port 0 extra
  assert_match "$output" 'nonsense'
  assert_match "$output" '--port must be a number from 1 to 65535, not "0"'
  assert_match "$output" 'unexpected argument "extra"'
}

# ---- --check -----------------------------------------------------------------

@test "agent: --check of a good file -> FILE: ok, exit 0, nothing is started" {
  run -0 agent_run --check --config "$AGENT_CONFIG"
  assert_equal "$output" "$AGENT_CONFIG: ok"
  assert_equal "$(llama_starts)" 0
  assert_equal "$(ls -A "$GW_DIR/run")" ''
}

@test "agent: without --config -> ROLE_MESH_AGENT_CONFIG, else configs/node_agent.yaml" {
  ROLE_MESH_AGENT_CONFIG=$AGENT_CONFIG run -0 agent_run --check
  assert_equal "$output" "$AGENT_CONFIG: ok"
  mkdir -p "$GW_DIR/work/configs"
  cp "$AGENT_CONFIG" "$GW_DIR/work/configs/node_agent.yaml"
  cd "$GW_DIR/work"
  run -0 agent_run --check
  assert_equal "$output" 'configs/node_agent.yaml: ok'
}

@test "agent: no such configuration -> its path is named, exit 2" {
  run -2 agent_run --config "$GW_DIR/nowhere.yaml"
  assert_match "$output" "$GW_DIR/nowhere.yaml"
}

@test "agent: --check, files that are missing -> a warning with its place for each, exit 0" {
  agent_config a <<YAML
llama_server_bin: no-such-llama-server
devices: [cpu:0]
models:
  - model_id: m1
    path: $GW_DIR/nowhere.gguf
  - {model_id: m2, path: $GW_DIR}
YAML
  run -0 agent_run --check --config "$AGENT_CONFIG"
  assert_match "$output" \
    "$AGENT_CONFIG:1:19: warning: llama_server_bin: .no-such-llama-server.: no such program in PATH"
  assert_match "$output" "$AGENT_CONFIG:5:11: warning: models\[0\]\.path: .$GW_DIR/nowhere.gguf.: No such file"
  assert_match "$output" "$AGENT_CONFIG:6:26: warning: models\[1\]\.path: .$GW_DIR.: Is a directory"
  assert_match "$output" "$AGENT_CONFIG: ok"
}

@test "agent: mistakes of many kinds -> each with line and column in one run, exit 2" {
  agent_config a <<YAML
listen_prot: 8091
heartbeat_interval_s: soon
devices: [gpu:0, gpu:0]
models:
  - model_id: m1
    path: a.gguf
    ctx_size: -1
    server_args: {port: 1, np: 2}
  - model_id: m1
    path: b.gguf
    env: {CUDA_VISIBLE_DEVICES: 1}
  - path: c.gguf
    devices: [gpu:7]
YAML
  run -2 agent_run --check --config "$AGENT_CONFIG"
  assert_match "$output" "$AGENT_CONFIG:1:1: error: .*listen_prot.*listen_port"
  assert_match "$output" "$AGENT_CONFIG:2:23: error: heartbeat_interval_s: "
  assert_match "$output" "$AGENT_CONFIG:3:18: error: devices: .gpu:0. stands there twice"
  assert_match "$output" "$AGENT_CONFIG:7:15: error: models\[0\]\.ctx_size: "
  assert_match "$output" "$AGENT_CONFIG:8:19: error: models\[0\]\.server_args\.port: "
  assert_match "$output" "$AGENT_CONFIG:8:28: error: models\[0\]\.server_args\.np: .*parallel"
  assert_match "$output" "$AGENT_CONFIG:9:15: error: models\[1\]\.model_id: .m1. is already .*models\[0\] \($AGENT_CONFIG:5:15\)"
  assert_match "$output" "$AGENT_CONFIG:11:11: error: models\[1\]\.env\.CUDA_VISIBLE_DEVICES: "
  assert_match "$output" "$AGENT_CONFIG:12:5: error: .models\[2\]\.model_id. is missing"
  [[ $output != *": ok"* ]]
}

@test "agent: a configuration with errors -> not started, exit 2" {
  agent_config a <<<'models: []'
  run -2 agent_run --config "$AGENT_CONFIG" --port "$(free_ports 1)"
  assert_match "$output" "$AGENT_CONFIG:1:9: error: models"
  assert_equal "$(ls -A "$GW_DIR/run")" ''
}

@test "agent: another host and no keys -> a warning, still ok" {
  run -0 agent_run --check --config "$AGENT_CONFIG" --host 0.0.0.0
  assert_match "$output" 'warning: listen_host: .0\.0\.0\.0. is not a loopback address and auth\.api_keys is empty'
  assert_match "$output" "$AGENT_CONFIG: ok"
}

# ---- --print-config ----------------------------------------------------------

secretive() {
  agent_config a <<YAML
auth: {api_keys: [sekret-caller]}
dispatcher_base_url: http://127.0.0.1:9
dispatcher_api_key: sekret-node
llama_server_bin: $FAKE_LLAMA_SERVER
devices: [cpu:0]
models:
  - model_id: m1
    path: $(fake_model m1)
    roles: [r]
    server_args: {parallel: 2, jinja: true}
    env: {HF_TOKEN: sekret-token, GGML_X: shown}
YAML
}

@test "agent: --print-config -> keys and secrets of the environment are masked" {
  secretive
  run -0 agent_run --print-config --config "$AGENT_CONFIG"
  [[ $output != *sekret* ]]
  assert_equal "$(grep -cF '***' <<<"$output")" 3
  assert_match "$output" 'GGML_X: "?shown'
  assert_match "$output" 'stop_timeout_s: 10'
}

@test "agent: --print-config -> options and overrides are in it, and it loads again" {
  secretive
  agent_config over <<<'{idle_unload_s: 77, devices: [gpu:3]}'
  agent_config over2 <<<'{idle_unload_s: 78}'
  run -0 --separate-stderr agent_run --print-config --config "$AGENT_CONFIG" \
    --config-override "$GW_DIR/agent-over.yaml" --config-override "$GW_DIR/agent-over2.yaml" \
    --host 127.0.0.2 --port 8123
  assert_equal "$stderr" ''
  agent_config printed <<<"$output"
  assert_match "$output" 'idle_unload_s: 78'
  assert_match "$output" 'gpu:3'
  assert_match "$output" 'listen_host: "?127\.0\.0\.2'
  assert_match "$output" 'listen_port: 8123'
  run -0 agent_run --check --config "$GW_DIR/agent-printed.yaml"
  assert_equal "$output" "$GW_DIR/agent-printed.yaml: ok"
  run -0 agent_run --print-config --config "$GW_DIR/agent-printed.yaml"
  assert_equal "$output" "$(<"$GW_DIR/agent-printed.yaml")" 'printed again'
}

# ---- --dry-run ---------------------------------------------------------------

@test "agent: --dry-run -> each model on each device it may run on, nothing is started" {
  agent_config a <<YAML
llama_server_bin: $FAKE_LLAMA_SERVER
llama_server_port_base: 21000
devices: [gpu:0, gpu:1, cpu:0]
models:
  - {model_id: m1, path: /m1.gguf}
  - {model_id: m2, path: /m2.gguf, devices: [gpu:1]}
YAML
  run -0 --separate-stderr agent_run --dry-run --config "$AGENT_CONFIG"
  assert_equal "$(grep '^#' <<<"$output")" \
    $'# m1 on gpu:0\n# m1 on gpu:1\n# m1 on cpu:0\n# m2 on gpu:1'
  assert_equal "$(tail -n 1 <<<"$output")" "CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=1 \
$FAKE_LLAMA_SERVER --model /m2.gguf --alias m2 \
--host 127.0.0.1 --port 21001"
  assert_equal "$(llama_starts)" 0
}

@test "agent: --dry-run, run by a shell -> the same arguments and environment as the agent's start" {
  local line started
  agent_ports a 2
  agent_config a <<YAML
llama_server_bin: $FAKE_LLAMA_SERVER
llama_server_port_base: $AGENT_LLAMA_PORTS_a
llama_server_probe_interval_s: 0.05
devices: [gpu:1]
models:
  - model_id: "it's \"\$odd\"; ü \`x\` \\\\ # *"
    path: $(fake_model "m 1'\"\$(x)" exit_at_start=3)
    ctx_size: 512
    server_args: {parallel: 2, jinja: true, lora: ["a b", "c'd"], cache_type_k: q8_0}
    env: {TEST_ODD: "x y'\"\$HOME\`;&|<>*?[]{}~!#\\\\\nz", TEST_EMPTY: ""}
YAML
  run -0 --separate-stderr agent_run --dry-run --config "$AGENT_CONFIG"
  line=$(tail -n +2 <<<"$output")
  agent_start a
  agent_chat a ''
  assert_error 503 model_start_failed
  started=$(llama_last '' '{argv, env}')
  agent_stop a
  (
    llama_environment
    run -3 /bin/sh -c "$line"
  )
  assert_equal "$(llama_last '' '{argv, env}')" "$started" 'what a shell starts'
}

# ---- starts that cannot work -------------------------------------------------

@test "agent: ready -> one line on standard output names address and pid" {
  agent_start a
  assert_match "$(<"$GW_DIR/agent-a.out")" \
    "^RoleMesh Node Agent [0-9.]+ on $AGENT_URL_a \(pid $(gw_pid agent-a)\)\$"
}

@test "agent: address of the configuration -> it listens there, on ::1 too" {
  local port
  port=$(free_ports 1)
  cat >>"$AGENT_CONFIG" <<YAML
listen_host: "::1"
listen_port: $port
YAML
  (
    _agent_environment
    exec "$TOP_BUILDDIR/rolemesh-node-agent" --config "$AGENT_CONFIG"
  ) >"$GW_DIR/v6.out" 2>"$GW_DIR/v6.log" 3>&- 4>&- &
  gw_track v6 "$!"
  wait_until 15 test -s "$GW_DIR/v6.out"
  gw_request GET "http://[::1]:$port/health"
  assert_status 200
  gw_request GET "http://127.0.0.1:$port/health"
  assert_status 000
  kill -TERM "$(gw_pid v6)"
  wait_until 10 gone "$(gw_pid v6)"
}

@test "agent: the port is taken -> address and listen_port are named, exit 1, nothing is left" {
  fake_start squatter
  run -1 agent_run --config "$AGENT_CONFIG" --port "$FAKE_PORT_squatter"
  assert_match "$output" "port $FAKE_PORT_squatter on 127.0.0.1 is in use by another program: .*listen_port"
  assert_equal "$(ls -A "$GW_DIR/run")" ''
}

@test "agent: another agent has the port -> the same message, and that one serves on" {
  agent_start a
  run -1 agent_run --config "$AGENT_CONFIG" --port "$AGENT_PORT_a"
  assert_match "$output" "port $AGENT_PORT_a on 127.0.0.1 is in use"
  agent_chat a m1
  assert_status 200
}

@test "agent: lighttpd is missing -> the package is named, exit 1" {
  LIGHTTPD=/nonexistent/lighttpd run -1 agent_run --config "$AGENT_CONFIG" --port "$(free_ports 1)"
  assert_match "$output" 'lighttpd was not found \(/nonexistent/lighttpd\): install the package lighttpd'
  assert_equal "$(ls -A "$GW_DIR/run")" ''
}

@test "agent: lighttpd ends at once -> the log says so, exit 1, nothing is left" {
  LIGHTTPD=/bin/false run -1 agent_run --config "$AGENT_CONFIG" --port "$(free_ports 1)"
  assert_match "$output" 'lighttpd ended by itself with status 1'
  assert_equal "$(ls -A "$GW_DIR/run")" ''
}

@test "agent: rolemesh-guard is missing -> its path is named, exit 1" {
  local guard=$GW_DIR/nowhere/rolemesh-guard
  run -1 agent_run_with "ROLEMESH_GUARD=$guard" \
    --config "$AGENT_CONFIG" --port "$(free_ports 1)"
  assert_match "$output" "$guard"
  assert_equal "$(ls -A "$GW_DIR/run")" ''
}

# agent_run_with NAME=VALUE [ARGS] - agent_run with one variable of its own.
agent_run_with() (
  _agent_environment
  export "${1?}"
  exec "$TOP_BUILDDIR/rolemesh-node-agent" "${@:2}"
)
