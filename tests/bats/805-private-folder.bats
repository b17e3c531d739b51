#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 805-private-folder.bats - the private folder of a running gateway or agent, or
# a part of it, is taken away by somebody: it is noticed, and served again.
#
# shellcheck disable=SC2154,SC2030,SC2031 # helpers set variables; a test is a subshell

load helpers/all

setup() {
  gw_setup
}

teardown() {
  gw_teardown
}

gateway() {
  gw_config <<'YAML'
models:
  planner: {type: proxy, proxy_url: "http://127.0.0.1:9"}
  reviewer: {type: discovered}
YAML
  gw_start
}

# The one private folder that there is in $1 ($GW_DIR/run).
folder() {
  local -a found=("${1:-$GW_DIR/run}"/rolemesh-*)
  [[ ${#found[@]} == 1 && -d ${found[0]} ]] && echo "${found[0]}"
}

# served_again OLD_FOLDER [PARENT] - from another folder; for wait_until.
served_again() {
  local now
  now=$(folder "${2:-}") && [[ $now != "$1" ]] && gw_is_up
}

# assert_heals COMMAND... - the command takes something away; FOLDER in its words
# is the private folder's path.
assert_heals() {
  local before pid
  before=$(folder)
  pid=$(gw_pid gateway)
  "${@//FOLDER/$before}"
  wait_until 20 served_again "$before"
  gw_log_has 'level=error event=folder_lost .*was removed'
  alive "$pid"
  # a body that has to wait in the folder
  head -c 200000 /dev/zero | tr '\0' ' ' >"$GW_DIR/blanks"
  gw_post /v1/chat/completions "@$GW_DIR/blanks"
  assert_error 400 invalid_json
}

@test "folder: removed -> served again, in the same process" {
  gateway
  assert_heals rm -rf FOLDER
  [[ $(readlink "/proc/$(gw_pid gateway)/exe") == "$TOP_BUILDDIR/"* ]]
  assert_equal "$(<"/proc/$(gw_pid gateway)/comm")" rolemesh-gatewa
  assert_equal "$(grep -c '^RoleMesh Gateway .* on ' "$GW_DIR/gateway.out")" 2 'ready lines'
  gw_stop
  assert_equal "$gw_status" 0 'exit status'
}

@test "folder: the uploads in it removed -> served again" {
  gateway
  assert_heals rmdir FOLDER/upload
}

@test "folder: a socket in it removed -> served again" {
  gateway
  assert_heals rm FOLDER/i-1
}

@test "folder: the control pool's socket removed -> served again" {
  gateway
  assert_heals rm FOLDER/c-0
}

@test "folder: everything in it removed -> served again" {
  gateway
  assert_heals find FOLDER -mindepth 1 -delete
}

@test "folder: moved away, another one in its place -> served again" {
  gateway
  swap() { mv "$1" "$GW_DIR/moved" && mkdir -m 700 "$1"; }
  assert_heals swap FOLDER
}

@test "folder: logout removes XDG_RUNTIME_DIR -> served from TMPDIR, nodes are still known" {
  mkdir -m 700 "$GW_DIR/session"
  export GW_VIA="env XDG_RUNTIME_DIR=$GW_DIR/session"
  gateway # the helper's variables come before
  gw_post /v1/nodes/register '{"node_id": "n1", "base_url": "http://127.0.0.1:9", "roles": ["reviewer"]}'
  assert_status 200
  [[ -n $(folder "$GW_DIR/session") ]]
  rm -rf "$GW_DIR/session"
  wait_until 20 served_again none "$GW_DIR/run"
  assert_equal "$(gw_node n1 .status)" fresh
}

@test "folder: removed while a stream is open -> the stream ends whole" {
  local before script='{"stream": true, "fake": {"tokens": 2, "wait_tokens": true}}'
  fake_start alpha
  gw_config <<YAML
gateway: {shutdown_grace_s: 600}
models:
  planner: {type: proxy, proxy_url: "$FAKE_URL_alpha"}
YAML
  gw_start
  before=$(folder)
  stream_to "$GW_DIR/s" /v1/chat/completions "$(chat_json planner "$script")"
  fake_go alpha
  wait_until 10 stream_has "$GW_DIR/s" 1
  rm -rf "$before"
  wait_until 10 gw_log_has 'event=folder_lost'
  fake_go alpha
  fake_go alpha # the end
  stream_wait
  assert_equal "$stream_status" 0 "curl's exit status"
  grep -qF 'data: [DONE]' "$GW_DIR/s"
  wait_until 20 served_again "$before"
}

@test "folder: removed, and the configuration is broken by then -> errors and exit 2" {
  gateway
  gw_config <<<'models: ['
  wait_until 10 gw_log_has 'event=config_broken'
  rm -rf "$(folder)"
  wait_until 20 test -s "$GW_DIR/gateway.status"
  assert_equal "$(<"$GW_DIR/gateway.status")" 2 'exit status'
  gw_log_has 'models.yaml:[12]:[0-9]+: error'
}

@test "folder: a responder is killed again and again -> nothing is lost" {
  local before
  gateway
  before=$(folder)
  for _ in 1 2 3; do
    # shellcheck disable=SC2046 # a list of pids
    kill -KILL $(gw_responders)
    wait_until 10 gw_is_up
  done
  assert_equal "$(folder)" "$before"
  run ! gw_log_has folder_lost
}

@test "folder: a program that removes what is old and honours locks -> not affected" {
  local before
  gateway
  before=$(folder)
  find "$before" -exec touch --no-dereference -d '40 days ago' {} +
  # what systemd-tmpfiles does before it looks into a folder
  run ! flock --nonblock --exclusive "$before" true
  run ! flock --nonblock --shared "$before" true
}

@test "agent: its folder is removed -> it serves again, and its models, too" {
  agent_node a <<YAML
stop_timeout_s: 1
models: [{model_id: m1, path: $(fake_model m1)}]
YAML
  agent_start a
  agent_chat a m1
  assert_status 200
  rm -rf "$(folder)"
  wait_until 10 agent_log_has a 'event=folder_lost'
  wait_until 20 agent_serves_anew
  agent_chat a m1
  assert_status 200
}

agent_serves_anew() {
  (($(grep -c '^RoleMesh Node Agent .* on ' "$GW_DIR/agent-a.out") == 2)) && agent_is_up a
}
