#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 722-agent-devices.bats - the devices of a node agent, with a scripted
# nvidia-smi: what the inventory says of them, which one a model gets, that
# models on two of them do not disturb each other, and that a vendor's tool that
# hangs holds up nobody.
#
# shellcheck disable=SC2154,SC2030,SC2031 # set by the helpers; a test is a subshell

load helpers/all
load helpers/schedule

setup() {
  gw_setup
  export PATH=$TOP_SRCDIR/tests/fake/bin:$PATH
  export FAKE_NVIDIA_SMI_FILE=$GW_DIR/gpus.csv FAKE_NVIDIA_SMI_JOURNAL=$GW_DIR/smi.journal
}

teardown() {
  gw_teardown
}

# pinned_to MODEL - the CUDA_VISIBLE_DEVICES of its last start.
pinned_to() {
  llama_last "$1" .env.CUDA_VISIBLE_DEVICES
}

# holds MODEL - the device that it is on.
holds() {
  agent_model a "$1" .device
}

# two_gpus FREE0 FREE1 [KEYS [MODEL...]] - GPUs of 24000 MiB with so much free;
# an agent with the models a, b and c, or with those given.
two_gpus() {
  local -a models=("${@:4}")
  local id
  ((${#models[@]})) || for id in a b c; do
    models+=("{model_id: $id, path: $(fake_model $id)}")
  done
  gpus "24000 $1" "24000 $2"
  node_start "${3:-}" "${models[@]}"
}

# --- what there is ---

@test "device: auto, nvidia-smi lists two GPUs -> the inventory has names, memory, utilisation" {
  cp "$TOP_SRCDIR/tests/fixtures/devices/nvidia-two.csv" "$FAKE_NVIDIA_SMI_FILE"
  node_start '' "{model_id: a, path: $(fake_model a)}"
  assert_equal "$(agent_inventory a '[.devices[] | [.id, .name, .memory_total_mib, .memory_free_mib,
    .utilisation_pct, .temperature_c, .power_w, .running, .pending]]')" \
    '[["gpu:0","NVIDIA GeForce RTX 4090",24564,23000,3,41,22,0,0],["gpu:1","NVIDIA GeForce RTX 3060",12288,12036,100,67,169,0,0]]'
}

@test "device: nvidia-smi does not tell numbers ([N/A]) -> null, and models run there" {
  cat >"$FAKE_NVIDIA_SMI_FILE" <<'CSV'
index, uuid, name, memory.total [MiB], memory.free [MiB], utilization.gpu [%], temperature.gpu, power.draw [W]
0, [N/A], NVIDIA GB10, [N/A], [Not Supported], [N/A], [Unknown Error], [N/A]
CSV
  node_start '' "{model_id: a, path: $(fake_model a), memory_mib: 90000}"
  assert_equal "$(agent_device a gpu:0 '[.name, .memory_total_mib, .memory_free_mib,
    .utilisation_pct, .temperature_c, .power_w, .uuid]')" '["NVIDIA GB10",null,null,null,null,null,null]'
  agent_chat a a
  assert_status 200
  assert_equal "$(pinned_to a)" 0
}

@test "device: nvidia-smi finds no driver -> cpu:0 with the machine's memory, GPUs are hidden" {
  unset FAKE_NVIDIA_SMI_FILE
  node_start '' "{model_id: a, path: $(fake_model a)}"
  assert_equal "$(agent_inventory a '[.devices[].id]')" '["cpu:0"]'
  assert_equal "$(agent_device a cpu:0 .memory_total_mib)" \
    "$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)"
  assert_equal "$(agent_device a cpu:0 '[.memory_free_mib, .utilisation_pct | type]')" '["number","number"]'
  agent_chat a a
  assert_status 200
  assert_match "$(pinned_to a)" '^(|-1)$' 'CUDA_VISIBLE_DEVICES'
}

# path_without PROGRAM... - every program of this PATH but those.
path_without() {
  local name
  local -a folders
  mapfile -t folders < <(tr : '\n' <<<"$PATH" | tac)
  mkdir "$GW_DIR/bin"
  # of the same names the last one stays: the first in PATH
  find -L "${folders[@]}" -maxdepth 1 -type f -executable \
    -exec ln -sft "$GW_DIR/bin" -- {} + 2>/dev/null || true
  for name; do
    rm -f "$GW_DIR/bin/$name"
  done
  export PATH=$GW_DIR/bin
}

@test "device: no vendor's tool is installed -> cpu:0, without a warning" {
  path_without nvidia-smi rocm-smi
  node_start '' "{model_id: a, path: $(fake_model a)}"
  assert_equal "$(agent_inventory a '[.devices[].id]')" '["cpu:0"]'
  run ! agent_log_has a 'event=device_tool_failed'
}

# --- which one a model gets ---

@test "device: first models of a node -> the GPU with more free memory, then the empty one, both at a time" {
  two_gpus 8000 20000
  agent_chat a a
  assert_equal "$(holds a)/$(pinned_to a)" gpu:1/1
  agent_chat a b
  assert_equal "$(holds b)/$(pinned_to b)" gpu:0/0
  hold a
  hold b
  assert_equal "$(llama_stats a .active)$(llama_stats b .active)" 11 'streams of both'
}

@test "device: it holds the model and is busy -> waits there, though another one is free" {
  two_gpus 8000 20000
  hold a
  gpus '24000 24000' '24000 100'
  queue_all a1 # looks at the inventory, too, which shows the new numbers
  assert_equal "$(waiting gpu:1)/$(waiting gpu:0)" 1/0
  leave "$HOLDER"
  answers_wait
  assert_answered a1
  assert_equal "$(loads)" a
}

@test "device: both hold other models, one is busy -> the idle one is taken, the stream goes on" {
  local busy
  two_gpus 20000 8000
  hold a
  busy=$HOLDER
  agent_chat a b
  agent_chat a c
  assert_status 200
  assert_equal "$(holds a) $(holds b) $(holds c)" 'gpu:0 null gpu:1'
  alive "$busy"
}

@test "device: all are busy with other models -> the one with fewer requests" {
  two_gpus 20000 8000
  hold a
  hold b
  queue_all a1
  queue c1 c
  assert_equal "$(waiting gpu:0)/$(waiting gpu:1)" 1/1
}

@test "device: requests for a new model at once -> one device" {
  local i
  two_gpus 20000 20000
  for i in 1 2 3 4 5 6; do
    ask "a$i" a
  done
  answers_wait
  assert_answered a1 a2 a3 a4 a5 a6
  assert_equal "$(loads)" a
}

@test "device: models[].devices names one -> that one, though another has more room" {
  two_gpus 4000 20000 '' "{model_id: a, path: $(fake_model a), devices: [gpu:0]}" \
    "{model_id: b, path: $(fake_model b), devices: [gpu:0]}"
  agent_chat a a
  assert_equal "$(holds a)" gpu:0
  agent_chat a b
  assert_equal "$(holds a) $(holds b)" 'null gpu:0'
}

@test "device: memory_mib is more than one device has -> the larger one; more than any -> 503 no_device" {
  gpus '8000 8000' '24000 5000'
  node_start '' "{model_id: a, path: $(fake_model a), memory_mib: 8001}" \
    "{model_id: b, path: $(fake_model b), memory_mib: 24001}"
  agent_chat a a
  assert_equal "$(holds a)" gpu:1
  assert_equal "$(agent_model a b .state)" failed
  agent_chat a b
  assert_error 503 no_device
}

@test "device: one of the list is not there -> shown as missing, never used; its models are failed" {
  gpus '24000 24000'
  node_start 'devices: [gpu:7, gpu:0]' "{model_id: a, path: $(fake_model a)}" \
    "{model_id: b, path: $(fake_model b), devices: [gpu:7]}"
  assert_equal "$(agent_inventory a '[.devices[] | [.id, .missing]]')" '[["gpu:7",true],["gpu:0",null]]'
  agent_chat a a
  assert_equal "$(holds a)" gpu:0
  assert_equal "$(agent_model a b .state)" failed
  agent_chat a b
  assert_error 503 no_device
  gpus '24000 24000' '1 1' '1 1' '1 1' '1 1' '1 1' '1 1' '24000 24000'
  wait_until 30 agent_model_is a b stopped
  agent_chat a b
  assert_equal "$(holds b)" gpu:7
}

@test "device: gpu:0,1 -> one llama-server over both, memory is their sum" {
  gpus '24000 20000' '24000 8000'
  node_start 'devices: ["gpu:0,1"]' "{model_id: a, path: $(fake_model a), memory_mib: 40000}"
  assert_equal "$(agent_device a gpu:0,1 '[.memory_total_mib, .memory_free_mib]')" '[48000,28000]'
  agent_chat a a
  assert_status 200
  assert_equal "$(pinned_to a)" 0,1
}

# --- side by side ---

@test "device: a llama-server crashes -> the stream on the other device goes on" {
  local s=$BATS_TEST_TMPDIR/s
  two_gpus 20000 8000
  agent_stream a "$s" a '{"fake": {"tokens": 3, "wait_tokens": true}}'
  llama_go a
  wait_until 10 stream_has "$s" 1
  hold b
  llama_put b /fake/exit '{"signal": 9}'
  wait_until 10 agent_model_has a b .crashes 1
  for _ in 2 3 end; do
    llama_go a
  done
  wait_until 20 grep -q 'DONE' "$s"
  assert_equal "$(stream_tokens "$s" | wc -l)" 3 tokens
}

@test "device: idle_unload_s, one model is used and one is not -> that one is stopped" {
  two_gpus 20000 8000 'idle_unload_s: 0.3'
  hold a
  agent_chat a b
  wait_until 10 agent_model_is a b stopped
  assert_equal "$(agent_model a a .state)" ready
}

# --- a vendor's tool that hangs ---

# bats test_tags=slow
@test "device: nvidia-smi hangs at the start -> the agent starts all the same, with cpu:0" {
  export FAKE_NVIDIA_SMI_MODE=hang
  AGENT_START_S=40 node_start '' "{model_id: a, path: $(fake_model a)}"
  assert_equal "$(agent_inventory a '[.devices[].id]')" '["cpu:0"]'
  agent_log_has a 'event=device_tool_failed tool=nvidia-smi reason="no answer within'
  agent_chat a a
  assert_status 200
}

# hanging_tool - the pid of the nvidia-smi that waits for the file.
hanging_tool() {
  gw_processes | sed -n "s|^\([0-9]*\) cat $FAKE_NVIDIA_SMI_FILE .*|\1|p" | grep .
}

# tool_hangs - one runs, asked for by a look at the inventory; for wait_until.
tool_hangs() {
  agent_inventory a .node_id >/dev/null
  hanging_tool >/dev/null
}

@test "device: nvidia-smi hangs later -> requests, swaps and the inventory do not wait for it" {
  local tool model
  two_gpus 20000 8000
  agent_chat a a
  rm "$FAKE_NVIDIA_SMI_FILE"
  mkfifo "$FAKE_NVIDIA_SMI_FILE" # nobody writes: cat hangs
  # Were they to wait, they would be served only once it was given up. That it
  # is given up just then proves nothing, so there are several tries.
  for _ in {1..8}; do
    wait_until 30 tool_hangs
    tool=$(hanging_tool)
    for model in a b c; do
      agent_chat a "$model"
      assert_status 200
    done
    # not known any more after some that were given up
    assert_match "$(agent_device a gpu:0 .memory_free_mib)" '^(20000|null)$'
    [[ $(hanging_tool) != "$tool" ]] || return 0
  done
  echo 'no nvidia-smi hung from the first of three requests to the last' >&2
  return 1
}

@test "device: told to end while nvidia-smi hangs at the start -> ends, leaves nothing" {
  export FAKE_NVIDIA_SMI_MODE=hang
  agent_ports a 8
  agent_config a <<YAML
llama_server_bin: $FAKE_LLAMA_SERVER
llama_server_port_base: $AGENT_LLAMA_PORTS_a
models: [{model_id: a, path: $(fake_model a)}]
YAML
  _agent_launch a
  wait_until 10 test -s "$FAKE_NVIDIA_SMI_JOURNAL"
  agent_stop a
  assert_equal "$agent_status" 0
}

# --- devices that come and go ---

# only_gpu_1 - GPU 0 has fallen off the bus.
only_gpu_1() {
  gpus '24000 20000' '24000 10000'
  sed '/^0,/d' "$FAKE_NVIDIA_SMI_FILE" >"$FAKE_NVIDIA_SMI_FILE.cut"
  mv "$FAKE_NVIDIA_SMI_FILE.cut" "$FAKE_NVIDIA_SMI_FILE"
}

# b_waits_for_gpu_0 [KEYS OF b] - a and c have a GPU each, b waits for that of a.
b_waits_for_gpu_0() {
  two_gpus 20000 10000 '' "{model_id: a, path: $(fake_model a), devices: ['gpu:0']}" \
    "{model_id: c, path: $(fake_model c), devices: ['gpu:1']}" \
    "{model_id: b, path: $(fake_model b)${1:-}}"
  hold a
  A_HOLDER=$HOLDER
  hold c
  queue b1 b
  assert_equal "$(waiting gpu:0)" 1 'waiting for gpu:0'
}

@test "device: another one becomes free -> who waits for a busy one goes there" {
  b_waits_for_gpu_0
  leave "$HOLDER"
  answers_wait
  assert_answered b1
  assert_equal "$(pinned_to b)" 1
  assert_equal "$(holds a)" gpu:0 'a still streams'
  leave "$A_HOLDER"
}

@test "device: a GPU falls off the bus while requests wait for it -> they go to another" {
  b_waits_for_gpu_0
  only_gpu_1
  wait_until 15 waiting_is 1 gpu:1
  leave "$HOLDER"
  answers_wait
  assert_answered b1
  assert_equal "$(pinned_to b)" 1
  leave "$A_HOLDER"
}

@test "device: the only GPU of a model falls off the bus -> who waits for it is told, 503" {
  b_waits_for_gpu_0 ", devices: ['gpu:0']"
  only_gpu_1
  answers_wait
  assert_refused b1 503 no_device
  assert_equal "$(agent_model a b .state)" failed
  leave "$A_HOLDER"
  leave "$HOLDER"
}
