#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 717-agent-port.bats - whose is the port of a model: strangers that listen on
# it get neither questions nor prompts, and strangers that call it get no
# answer.
#
# shellcheck disable=SC2154,SC2119,SC2153 # helpers set variables

load helpers/all

setup() {
  gw_setup
}

teardown() {
  gw_teardown
}

# agent LINE... - agent `a` with these lines of YAML, started.
agent() {
  agent_ports a 8
  {
    cat <<YAML
llama_server_bin: $FAKE_LLAMA_SERVER
llama_server_port_base: $AGENT_LLAMA_PORTS_a
llama_server_probe_interval_s: 0.05
llama_server_startup_timeout_s: 600
devices: [cpu:0]
YAML
    printf '%s\n' "$@"
  } | agent_config a
  agent_start a
}

# model ID KEY=VALUE... - a line of `models`, the file written.
model() {
  echo "  - {model_id: $1, path: $(fake_model "$@")}"
}

# stranger [OPTIONS] - another program listens on the first model's port.
stranger() {
  FAKE_PORT_stranger=$AGENT_LLAMA_PORTS_a fake_start stranger "$@"
}

# Nothing but the questions of this test itself.
was_told_nothing() {
  assert_equal "$(fake_log stranger 'select(.event == "request")')" '' 'what the stranger was told'
}

guard_of() {
  awk '$1 == "PPid:" { print $2 }' "/proc/$1/status"
}

# status_of PATH [CURL ARGS] - of the first model's llama-server, asked directly.
status_of() {
  curl -s --noproxy '*' --max-time 10 -o "$GW_DIR/direct" -w '%{http_code}' "${@:2}" \
    "http://127.0.0.1:$(llama_option m1 --port)$1"
}

@test "port: a stranger listens before llama-server does -> never asked; the next start has another port" {
  agent 'models:' "$(model m1 hang=1)"
  agent_stream a "$GW_DIR/s" m1 # makes it start
  wait_until 10 llama_starts_are m1 1
  stranger
  wait_until 20 agent_log_has a "event=model_failed .*is not the llama-server of model 'm1' \(user $UID\) listens on its port $AGENT_LLAMA_PORTS_a"
  stream_wait
  fake_model m1 >/dev/null
  wait_until 10 agent_model_is a m1 stopped
  agent_chat a m1
  assert_status 200
  assert_json '.choices[0].message.content' '[scripted upstream m1] You said: hello there'
  assert_equal "$(llama_option m1 --port)" "$((AGENT_LLAMA_PORTS_a + 1))" 'another port'
  was_told_nothing
  fake_stop stranger
}

@test "port: llama-server died unseen and a stranger listens -> no prompt for it, also on all addresses" {
  local pid guard
  agent 'models:' "$(model m1)"
  agent_chat a m1
  assert_status 200
  pid=$(llama_last m1 .pid)
  guard=$(guard_of "$pid")
  # so that nobody tells the agent
  kill -STOP "$guard"
  kill -KILL "$pid"
  stranger --host 0.0.0.0
  agent_stream a "$GW_DIR/s" m1
  wait_until 20 agent_log_has a 'another program listens there'
  kill -CONT "$guard"
  stream_wait
  was_told_nothing
  wait_until 20 agent_model_is a m1 ready # it ran: it comes back by itself
  agent_chat a m1
  assert_status 200
  assert_json '.choices[0].message.content' '[scripted upstream m1] You said: hello there'
  was_told_nothing
  fake_stop stranger
}

@test "port: llama-server is started by a wrapper, in a session of its own -> it is believed" {
  local wrapper=$GW_DIR/wrapper
  cat >"$wrapper" <<SH
#!/bin/sh
setsid sh -c 'setsid "\$@" & wait' sh "$FAKE_LLAMA_SERVER" "\$@" &
wait
SH
  chmod +x "$wrapper"
  FAKE_LLAMA_SERVER=$wrapper agent 'models:' "$(model m1)"
  agent_chat a m1
  assert_status 200
}

@test "port: another user of this host calls llama-server -> 401 to all but its health" {
  agent 'models:' "$(model m1)"
  agent_chat a m1
  assert_status 200
  assert_equal "$(status_of /health)" 200
  assert_equal "$(status_of /v1/models)" 401
  assert_equal "$(status_of /v1/chat/completions -d '{"messages":[]}')" 401
  assert_equal "$(status_of /v1/models -H 'Authorization: Bearer guessed')" 401
  assert_equal "$(status_of /v1/models -H "Authorization: Bearer $(llama_key m1)")" 200
}

@test "port: the key -> another one at each start, on no command line, in no log, document or file" {
  local first second
  agent 'models:' "$(model m1)"
  agent_chat a m1
  first=$(llama_key m1)
  assert_match "$first" '^[0-9a-f]{64}$'
  run ! grep -lF "$first" /proc/[0-9]*/cmdline
  # but for what llama-server itself was sent
  run ! grep -rF "$first" "$GW_DIR" --exclude='fake-*'
  run ! grep -F "$first" <<<"$(agent_inventory a)"
  llama_put m1 /fake/exit '{"signal": 9}'
  wait_until 20 agent_model_has a m1 '[.state, .starts]' '["ready",2]'
  second=$(llama_key m1)
  assert_match "$second" '^[0-9a-f]{64}$'
  [[ $first != "$second" ]]
  run ! grep -F LLAMA_API_KEY <<<"$(agent_run --dry-run --config "$GW_DIR/agent-a.yaml")"
}
