#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 715-agent-end.bats - how llama-servers of a node agent end: when they are told
# to, when nobody uses them, with the agent, and after a SIGKILL to it. And what
# is started with it.
#
# shellcheck disable=SC2154,SC2119 # helpers set variables

load helpers/all

setup() {
  gw_setup
}

teardown() {
  gw_teardown
}

# keys LINE... - agent `a` gets these lines of YAML.
keys() {
  [[ -n ${AGENT_LLAMA_PORTS_a:-} ]] || agent_ports a 8
  {
    cat <<YAML
llama_server_bin: $FAKE_LLAMA_SERVER
llama_server_port_base: $AGENT_LLAMA_PORTS_a
llama_server_probe_interval_s: 0.05
devices: [cpu:0]
YAML
    printf '%s\n' "$@"
  } | agent_config a
}

# agent LINE... - the same, and it is started.
agent() {
  keys "$@"
  agent_start a
}

# model ID KEY=VALUE... - a line of `models`, the file written.
model() {
  echo "  - {model_id: $1, path: $(fake_model "$@"), group: all, memory_mib: 1}"
}

# preloaded ID KEY=VALUE... - the same, to be started with the agent.
preloaded() {
  model "$@" | sed 's/}$/, preload: true}/'
}

# The one private folder there is.
runtime_folder() {
  local -a found=("$GW_DIR"/run/rolemesh-*)
  [[ ${#found[@]} == 1 && -d ${found[0]} ]] && echo "${found[0]}"
}

nothing_runs() {
  [[ -z $(gw_processes) ]]
}

# No process of a model, wrappers, guards and daemons included: they name its
# file, but for the daemons.
nothing_of_models() {
  local processes
  processes=$(gw_processes)
  run ! grep -F -e .gguf -e 'sleep 600' <<<"$processes"
}

guard_pids() {
  local processes
  processes=$(gw_processes)
  awk '$2 ~ /rolemesh-guard$/ { print $1 }' <<<"$processes"
}

# ends_with STATUS - the agent ends by itself, with that status.
ends_with() {
  wait_until 20 test -s "$GW_DIR/agent-a.status"
  assert_equal "$(<"$GW_DIR/agent-a.status")" "$1" 'exit status'
}

assert_all_gone() {
  assert_equal "$(gw_processes)" '' 'processes left'
  assert_equal "$(ls -A "$GW_DIR/run")" '' 'folders left'
}

# ---- with the agent ----------------------------------------------------------

@test "agent: preload -> ready without a request" {
  agent 'models:' "$(preloaded m1)" "$(model m2)"
  wait_until 20 agent_model_is a m1 ready
  assert_equal "$(llama_starts m1) $(llama_starts m2)" '1 0'
}

@test "agent: more to preload than fits -> the first is ready, the other is said to be skipped" {
  agent 'models:' "  - {model_id: m1, path: $(fake_model m1), preload: true}" \
    "  - {model_id: m2, path: $(fake_model m2), preload: true}"
  wait_until 20 agent_model_is a m1 ready
  agent_log_has a 'event=preload_skipped model="?m2"?'
  assert_equal "$(agent_model a m2 '[.state, .starts]')" '["stopped",0]'
  agent_chat a m2
  assert_status 200
}

@test "agent: idle_unload_s -> what nobody uses is stopped, and started again when asked for" {
  agent 'idle_unload_s: 0.5' 'models:' "$(model m1)"
  agent_chat a m1
  assert_status 200
  wait_until 20 agent_model_is a m1 stopped
  assert_equal "$(agent_model a m1 '[.reason, .pid, .crashes]')" '["unused for idle_unload_s",null,0]'
  assert_equal "$(llama_pids)" ''
  agent_chat a m1
  assert_status 200
}

@test "agent: idle_unload_s while a stream runs -> not stopped before its end" {
  agent 'idle_unload_s: 0.2' 'models:' "$(model m1)" "$(model m2)"
  agent_stream a "$GW_DIR/s" m1 '{"fake": {"tokens": 2, "wait_tokens": true}}'
  llama_go m1
  wait_until 20 stream_has "$GW_DIR/s" 1
  # one that was used after that is stopped
  agent_chat a m2
  assert_status 200
  wait_until 20 agent_model_is a m2 stopped
  assert_equal "$(agent_model a m1 .state)" ready
  llama_go m1
  llama_go m1
  stream_wait
  assert_equal "$(stream_tokens "$GW_DIR/s" | wc -l)" 2
  wait_until 20 agent_model_is a m1 stopped
}

# ---- one llama-server --------------------------------------------------------

@test "agent: a llama-server that ignores SIGTERM -> killed after stop_timeout_s" {
  local pid
  agent 'idle_unload_s: 0.1' 'stop_timeout_s: 0.3' 'models:' "$(model m1 ignore_sigterm=1)"
  agent_chat a m1
  pid=$(llama_last m1 .pid)
  wait_until 20 agent_model_is a m1 stopped
  assert_equal "$(agent_model a m1 '[.last_exit.signal, .crashes]')" '[9,0]'
  gone "$pid"
}

@test "agent: a llama-server that takes its time -> waited for within stop_timeout_s" {
  agent 'idle_unload_s: 0.1' 'stop_timeout_s: 60' 'models:' "$(model m1 stop_s=1)"
  agent_chat a m1
  wait_until 20 agent_model_is a m1 stopped
  agent_log_has a 'event=model_state .*to=stopping'
  assert_equal "$(agent_model a m1 .last_exit.status)" 0
}

@test "agent: a wrapper, and one that leaves a process behind, unloaded -> nothing of them is left" {
  agent 'idle_unload_s: 0.2' 'stop_timeout_s: 1' 'models:' "$(model m1 wrapper=1)" \
    "$(model m2 daemon=1)" "$(model m3 wrapper=1 daemon=1 ignore_sigterm=1)"
  local id
  for id in m1 m2 m3; do
    agent_chat a "$id"
    assert_status 200
  done
  for id in m1 m2 m3; do
    wait_until 20 agent_model_is a "$id" stopped
  done
  nothing_of_models
}

@test "agent: a llama-server that dies -> what it had left behind goes, too" {
  agent 'models:' "$(model m1 daemon=1)"
  agent_chat a m1
  fake_model m1 >/dev/null
  llama_put m1 /fake/exit '{"signal": 9}'
  wait_until 20 agent_model_has a m1 '[.state, .starts]' '["ready",2]'
  wait_until 5 no_sleeper
}

@test "agent: a guard is killed -> its llama-server ends with it and is started again" {
  local first
  agent 'models:' "$(model m1)"
  agent_chat a m1
  first=$(llama_last m1 .pid)
  kill -KILL "$(guard_pids)"
  wait_until 20 agent_model_has a m1 '[.state, .starts, .crashes, .last_exit.signal]' '["ready",2,1,9]'
  wait_until 5 gone "$first"
}

no_sleeper() {
  local processes
  processes=$(gw_processes)
  [[ $processes != *'sleep 600'* ]]
}

# ---- the agent ends ----------------------------------------------------------

@test "agent: SIGTERM or SIGINT -> exit 0, every llama-server and the folder are gone" {
  local signal
  for signal in TERM INT; do
    agent 'llama_server_startup_timeout_s: 600' 'models:' "$(model m1)" "$(model m2 wrapper=1)" \
      "$(model m3 daemon=1)" "$(preloaded m4 loading_s=600)"
    agent_chat a m1
    agent_chat a m2
    agent_chat a m3
    assert_status 200
    wait_until 20 agent_model_is a m4 loading
    agent_stop a "$signal"
    assert_equal "$agent_status" 0 "exit status after $signal"
    assert_all_gone
  done
}

@test "agent: SIGTERM while llama-servers ignore it -> killed after stop_timeout_s, exit 0" {
  agent 'stop_timeout_s: 0.5' 'models:' "$(model m1 ignore_sigterm=1)" "$(model m2 ignore_sigterm=1 wrapper=1)"
  agent_chat a m1
  agent_chat a m2
  assert_status 200
  agent_stop a
  assert_equal "$agent_status" 0 'exit status'
  assert_all_gone
}

@test "agent: SIGTERM, a stream is open -> it ends whole, new connections are refused" {
  agent 'shutdown_grace_s: 300' 'models:' "$(model m1)"
  GW_TIMEOUT=300 agent_stream a "$GW_DIR/s" m1 '{"fake": {"tokens": 3, "wait_tokens": true}}'
  llama_go m1
  llama_go m1
  wait_until 20 stream_has "$GW_DIR/s" 2
  kill -TERM "$(gw_pid agent-a)"
  wait_until 5 refuses
  alive "$(gw_pid agent-a)"
  llama_go m1
  llama_go m1
  stream_wait
  assert_equal "$stream_status" 0 'curl status'
  assert_equal "$(stream_tokens "$GW_DIR/s" | wc -l)" 3 tokens
  grep -qF 'data: [DONE]' "$GW_DIR/s"
  ends_with 0
  assert_all_gone
}

refuses() {
  agent_get a /health >/dev/null
  [[ $curl_status == 7 ]]
}

@test "agent: SIGTERM, a stream longer than shutdown_grace_s -> cut then, exit 0, all gone" {
  agent 'shutdown_grace_s: 0.5' 'models:' "$(model m1)"
  agent_stream a "$GW_DIR/s" m1 '{"fake": {"tokens": 1000000, "delay_ms": 100}}'
  wait_until 20 stream_has "$GW_DIR/s" 2
  agent_stop a
  assert_equal "$agent_status" 0 'exit status'
  stream_wait
  run ! grep -F '[DONE]' "$GW_DIR/s"
  assert_all_gone
}

@test "agent: a second SIGTERM -> no more waiting for streams and llama-servers" {
  agent 'shutdown_grace_s: 600' 'stop_timeout_s: 600' 'models:' "$(model m1 ignore_sigterm=1)"
  agent_stream a "$GW_DIR/s" m1 '{"fake": {"tokens": 1000000, "delay_ms": 100}}'
  wait_until 20 stream_has "$GW_DIR/s" 2
  kill -TERM "$(gw_pid agent-a)"
  wait_until 5 refuses
  kill -TERM "$(gw_pid agent-a)"
  ends_with 0
  stream_wait
  assert_all_gone
}

@test "agent: SIGTERM while it starts -> exit 0, all gone" {
  keys 'models:' "$(preloaded m1 loading_s=600)"
  _agent_launch a
  wait_until 10 agent_log_has a 'to=starting'
  agent_stop a
  assert_equal "$agent_status" 0 'exit status'
  assert_all_gone
}

@test "agent: its lighttpd is killed -> exit 1, said why, all gone" {
  local processes
  agent 'models:' "$(model m1)" "$(model m2 wrapper=1 daemon=1)"
  agent_chat a m1
  agent_chat a m2
  processes=$(gw_processes)
  kill -KILL "$(awk '$2 == "lighttpd" { print $1 }' <<<"$processes")"
  ends_with 1
  agent_log_has a 'lighttpd was ended by signal 9'
  assert_all_gone
}

# ---- the agent is killed -----------------------------------------------------

@test "agent: SIGKILL while models run, load, have wrappers and daemons -> all of them end by themselves" {
  agent 'llama_server_startup_timeout_s: 600' 'models:' "$(model m1)" "$(model m2 wrapper=1)" \
    "$(model m3 daemon=1)" "$(preloaded m4 loading_s=600)" "$(model m5 ignore_sigterm=1)"
  local id
  for id in m1 m2 m3 m5; do
    agent_chat a "$id"
    assert_status 200
  done
  wait_until 20 agent_model_is a m4 loading
  agent_kill a
  wait_until 10 nothing_runs
}

@test "agent: killed and started again at once, same port -> serves, the old folder is gone" {
  local first
  agent 'models:' "$(model m1)" "$(model m2 wrapper=1)"
  agent_chat a m1
  agent_chat a m2
  first=$(runtime_folder)
  agent_kill a
  agent_start a
  agent_chat a m1
  assert_status 200
  agent_chat a m2
  assert_status 200
  [[ ! -e $first ]]
  runtime_folder
  agent_stop a
  assert_all_gone
}

# both_killed - agent and guard in one moment: stopped, it cannot react to the
# death of the guard.
both_killed() {
  local guard
  guard=$(guard_pids)
  kill -STOP "$(gw_pid agent-a)"
  kill -KILL "$guard"
  wait_until 5 gone "$guard"
  agent_kill a
}

# survivors PATTERN - the wrapper dies with its guard, by the kernel; its
# children do not, nor who left for a session of its own.
survivors() {
  local processes
  processes=$(gw_processes)
  awk -v pattern="$1" '$0 ~ pattern { print $1 }' <<<"$processes"
}

@test "agent: killed together with its guard -> the next start ends what survived" {
  local left daemon
  agent 'models:' "$(model m1 wrapper=1 daemon=1)"
  agent_chat a m1
  both_killed
  left=$(survivors 'fake_llama ')
  daemon=$(survivors 'sleep 600')
  alive "$left"
  alive "$daemon"
  agent_start a
  wait_until 5 gone "$left"
  wait_until 5 gone "$daemon"
  agent_log_has a "event=leftover_killed pid=$left"
  agent_log_has a "event=leftover_killed pid=$daemon"
  agent_chat a m1
  assert_status 200
  assert_equal "$(llama_option m1 --port)" "$AGENT_LLAMA_PORTS_a" 'its own port again'
}

@test "agent: a pid of children.json that is somebody else's by now -> left alone" {
  local file
  agent 'models:' "$(model m1)"
  agent_chat a m1
  file=$(runtime_folder)/children.json
  assert_equal "$(jq -c '.children | map([.model_id, .pid])' "$file")" \
    "[[\"m1\",$(llama_last m1 .pid)]]"
  setsid sleep 300 3>&- 4>&- &
  gw_track stranger "$!"
  agent_kill a
  jq -c --argjson pid "$!" '.children[0].pid = $pid' "$file" >"$file.new"
  mv "$file.new" "$file"
  agent_start a
  alive "$(gw_pid stranger)"
  run ! agent_log_has a "event=leftover_killed pid=$(gw_pid stranger)"
}
