#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 732-agent-news.bats - what a node agent tells its gateway of its models, by
# which that chooses between nodes: state, slots, and whether a start would push
# another model out. A scripted gateway keeps what it was told.
#
# Heartbeats come once an hour here, so that what was told was told because it
# had changed.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all
load helpers/schedule

setup() {
  gw_setup
  fake_start gateway
  export NODE_GATEWAY=$FAKE_URL_gateway
}

teardown() {
  touch "$GW_DIR/go"
  gw_teardown
}

# node MODEL... - an agent, each MODEL an entry of `models`. A model at the path
# $GW_DIR/late.gguf is looked for until `touch "$GW_DIR/go"`.
node() {
  {
    echo 'heartbeat_interval_s: 3600'
    echo 'models:'
    printf -- '- %s\n' "$@"
  } | agent_node a
  export AGENT_VIA_a="env LD_PRELOAD=$TOP_BUILDDIR/tests/fake/hang_stat.so HANG_STAT=$GW_DIR/late.gguf HANG_STAT_GO=$GW_DIR/go"
  AGENT_VIA_a+=" ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0"
  agent_start a
}

# heartbeats [FILTER] - of all their metrics, in their order.
heartbeats() {
  fake_log gateway 'select(.event == "request" and .path == "/v1/nodes/heartbeat") | .body |
    fromjson | .metrics.models | '"${1:-.}"
}

# told - of each model in the last heartbeat: [state, slots, would it push out]
told() {
  heartbeats 'to_entries | sort_by(.key) | map([.value.state, .value.parallel, .value.evicts])' |
    tail -n 1
}

# told_is VALUE - for wait_until.
told_is() {
  [[ $(told) == "$1" ]]
}

# registered [FILTER] - of its last registration.
registered() {
  fake_log gateway 'select(.event == "request" and .path == "/v1/nodes/register") | .body |
    fromjson | '"${1:-.}" | tail -n 1
}

@test "news: the start -> all is stopped and has room; slots where they are configured" {
  node "{model_id: m1, roles: [x], path: $(fake_model m1)}" \
    "{model_id: m2, roles: [y], path: $(fake_model m2), server_args: {parallel: 2}}"
  wait_until 10 told_is '[["stopped",1,false],["stopped",2,false]]'
  assert_equal "$(registered '[.served_models[] | [.model_id, .parallel]]')" '[["m1",null],["m2",2]]'
}

@test "news: a request for a model -> it starts, another would push it out, and then its slots" {
  node "{model_id: m1, roles: [x], path: $(fake_model m1 'script={"loading": true, "props": {"total_slots": 3}}')}" \
    "{model_id: m2, roles: [y], path: $(fake_model m2)}"
  agent_stream a "$BATS_TEST_TMPDIR/s" m1
  wait_until 10 told_is '[["loading",1,false],["stopped",1,true]]'
  llama_loaded a m1
  wait_until 10 told_is '[["ready",3,false],["stopped",1,true]]'
  stream_wait
}

@test "news: a request waits for files to be found -> told before anything is started" {
  node "{model_id: late, roles: [x], path: $(fake_model late)}" \
    "{model_id: m2, roles: [y], path: $(fake_model m2)}"
  agent_stream a "$BATS_TEST_TMPDIR/s" late
  wait_until 10 told_is '[["stopped",1,false],["stopped",1,true]]'
  assert_equal "$(llama_starts)" 0 starts
  touch "$GW_DIR/go"
  stream_wait
  wait_until 10 told_is '[["ready",1,false],["stopped",1,true]]'
}

@test "news: the only one that waits for a model leaves -> there is room again" {
  node "{model_id: late, roles: [x], path: $(fake_model late)}" \
    "{model_id: m2, roles: [y], path: $(fake_model m2)}"
  agent_stream a "$BATS_TEST_TMPDIR/s" late
  wait_until 10 told_is '[["stopped",1,false],["stopped",1,true]]'
  kill "$STREAM_PID"
  stream_wait
  wait_until 20 told_is '[["stopped",1,false],["stopped",1,false]]'
}

@test "news: one model makes room for another -> each knows whom it would push out" {
  node "{model_id: m1, roles: [x], path: $(fake_model m1)}" \
    "{model_id: m2, roles: [y], path: $(fake_model m2)}"
  agent_chat a m1
  assert_status 200
  wait_until 10 told_is '[["ready",1,false],["stopped",1,true]]'
  agent_chat a m2
  assert_status 200
  wait_until 10 told_is '[["stopped",1,true],["ready",1,false]]'
}

@test "news: two devices -> only the third model would push one out" {
  node "{model_id: m1, roles: [x], path: $(fake_model m1)}" \
    "{model_id: m2, roles: [y], path: $(fake_model m2)}" \
    "{model_id: m3, roles: [z], path: $(fake_model m3)}"
  agent_stop a
  export PATH=$TOP_SRCDIR/tests/fake/bin:$PATH FAKE_NVIDIA_SMI_FILE=$GW_DIR/gpus.csv
  gpus '24000 23000' '24000 23000'
  sed -i '/^devices:/d' "$GW_DIR/agent-a.yaml"
  agent_start a
  agent_chat a m1
  assert_status 200
  wait_until 10 told_is '[["ready",1,false],["stopped",1,false],["stopped",1,false]]'
  agent_chat a m2
  assert_status 200
  wait_until 10 told_is '[["ready",1,false],["ready",1,false],["stopped",1,true]]'
}

@test "news: registered anew -> slots that were learned are part of it" {
  node "{model_id: m1, roles: [x], path: $(fake_model m1 'script={"props": {"total_slots": 3}}')}"
  agent_chat a m1
  wait_until 10 told_is '[["ready",3,false]]'
  assert_equal "$(registered .served_models[0].parallel)" null
  fake_mode gateway '{"heartbeat_status": 404}'
  kill -KILL "$(llama_last m1 .pid)" # news
  wait_until 20 fake_logged gateway 'select(.path == "/v1/nodes/register" and (.body | test("\"parallel\":3")))'
}

@test "news: the inventory shows slots and whom a start would push out" {
  node "{model_id: m1, roles: [x], path: $(fake_model m1)}" \
    "{model_id: m2, path: $(fake_model m2), server_args: {parallel: 4}}"
  agent_chat a m1
  assert_equal "$(agent_inventory a '[.models[] | [.model_id, .parallel, .evicts]]')" \
    '[["m1",1,false],["m2",4,true]]'
}
