#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 985-logs.bats - the form of the log's lines, which the manual describes: for
# the journal and for programs.

load helpers/all

setup() {
  gw_setup
  fake_start alpha
}

teardown() {
  gw_teardown
}

configure() {
  gw_config <<YAML
models:
  planner: {type: proxy, proxy_url: "$FAKE_URL_alpha"}
YAML
}

# lines_of PROGRAM - its log lines
lines_of() {
  grep -E " $1\\[[0-9]+\\] " "$GW_DIR/gateway.log"
}

@test "logs: standard error is the journal's -> each line of each process begins with its priority" {
  configure
  : >"$GW_DIR/gateway.log"
  JOURNAL_STREAM=$(stat -c %d:%i "$GW_DIR/gateway.log") gw_start
  gw_chat planner '{}' -H 'X-Request-Id: told'
  wait_until 10 gw_log_has '^<6>[0-9-]+T.* rolemesh-responder\[.* event=access rid=told '
  gw_post /v1/nodes/register '{"node_id":"box","base_url":"http://127.0.0.1:9","roles":["r"]}'
  echo 'nonsense: 1' >>"$GW_CONFIG"
  wait_until 10 gw_log_has '^<3>.* event=config_broken '
  run ! grep -Ev '^<[3-7]>' <(lines_of 'rolemesh-(gateway|responder)')
  [[ $(lines_of rolemesh-gateway | wc -l) -gt 0 ]]
}

@test "logs: the journal has another stream -> no priorities" {
  configure
  JOURNAL_STREAM=8:1 gw_start
  gw_chat planner '{}' -H 'X-Request-Id: told'
  wait_until 10 gw_log_has '^2[0-9-]+T.* rolemesh-responder\[.* event=access rid=told '
}

# --- one object a line ---

# configure_odd FORMAT - an alias and a role with names that need quotes
configure_odd() {
  gw_config <<YAML
gateway: {log_format: $1}
models:
  planner: {type: proxy, proxy_url: "$FAKE_URL_alpha"}
  "odd \"name\" ü, a:b": {type: discovered, role: "r \"1\""}
YAML
}

# objects - the log's lines, but for the web server's own
objects() {
  grep -vE '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]+: \(' "$GW_DIR/gateway.log" || true
}

# object RID - the access record, an object
object() {
  wait_until 10 gw_log_has "\"event\":\"access\",\"rid\":\"$1\"" || return 1
  grep "\"event\":\"access\",\"rid\":\"$1\"" "$GW_DIR/gateway.log"
}

# assert_field RID FILTER WANTED - of an access record, with its type
assert_field() {
  assert_equal "$(object "$1" | jq -c "$2")" "$3" "$2 of $1"
}

@test "logs: log_format json -> each line of a busy run is an object, whatever the names in it" {
  local alias='odd "name" ü, a:b' i line message
  local -a askers
  configure_odd json
  gw_start
  gw_post /v1/nodes/register "$(jq -nc --arg url "$FAKE_URL_alpha" \
    '{node_id: "box \"7\" \\ ü 😀, a:b", base_url: $url, roles: ["r \"1\""]}')"
  assert_status 200
  gw_chat "$alias" '{}' -H 'X-Request-Id: odd'
  assert_status 200
  gw_chat 'no "such" model' '{}' -H 'X-Request-Id: unknown'
  assert_error 404 model_not_found
  message=$(jq -c .error.message <<<"$body")
  gw_request GET "$GW_URL/v1/%22a%5C%20%FF%0A%C3%BC%3D" -H 'X-Request-Id: path'
  assert_status 404
  for i in {1..20}; do
    curl -sS --noproxy '*' --max-time 60 -o /dev/null -H 'Content-Type: application/json' \
      -H "X-Request-Id: busy-$i" -d "$(chat_json planner '{"stream": true}')" \
      "$GW_URL/v1/chat/completions" &
    askers+=($!)
  done
  wait "${askers[@]}"
  gw_post /v1/nodes/deregister '{"node_id": "box \"7\" \\ ü 😀, a:b"}'
  assert_status 200
  echo '"odd \"key": 1' >>"$GW_CONFIG"
  wait_until 10 gw_log_has '"event":"config_broken"'
  for i in odd unknown path busy-{1..20}; do object "$i" >/dev/null; done
  while read -r line; do
    jq -e 'type == "object" and has("time") and has("process") and has("process_id")
      and has("level") and has("event")' <<<"$line" >/dev/null || _fail "no object of ours: $line"
  done < <(objects)

  assert_field odd .model "$(jq -nc --arg a "$alias" '$a')"
  assert_field odd .node '"box \"7\" \\ ü 😀, a:b"'
  assert_field odd '.attempts | map({candidate, result, ms: (.ms | type)})' \
    '[{"candidate":"box \"7\" \\ ü 😀, a:b","result":"ok","ms":"number"}]'
  assert_field odd '[.queue_ms, .tokens_in, .tokens_out, .tokens_cached]' '[0,2,7,0]'
  assert_field unknown '[.tokens_in, .tokens_out, .tokens_cached]' '[null,null,null]'
  assert_field unknown '[.status, .model, .upstream_status, .attempts, .error]' \
    '[404,null,0,[],"model_not_found"]'
  assert_field unknown .message "$message"
  assert_field path .path "$(jq -nc --arg p '/v1/"a\ \xff'$'\n''ü=' '$p')"
  assert_field busy-1 '[.stream, .broken, (.ms | type), (.bytes_in | type), .client]' \
    '[true,false,"number","number","127.0.0.1"]'
}

@test "logs: log_format is edited -> each process writes the other form, text as before" {
  configure_odd text
  gw_start
  gw_chat planner '{}' -H 'X-Request-Id: text'
  wait_until 10 gw_log_has 'level=info event=access rid=text method=POST '
  configure_odd json
  wait_until 10 gw_log_has '"event":"config_loaded"'
  wait_until 10 asked_as_object
  configure_odd text
  wait_until 10 gw_log_has 'level=info event=config_loaded '
  gw_stop
  wait_until 10 gw_log_has ' rolemesh-gateway\[[0-9]+\] level=info event=stop '
}

asked_as_object() {
  gw_chat planner '{}' -H 'X-Request-Id: object'
  gw_log_has '"event":"access","rid":"object"'
}

@test "logs: json under the journal -> objects without priorities in front" {
  configure_odd json
  : >"$GW_DIR/gateway.log"
  JOURNAL_STREAM=$(stat -c %d:%i "$GW_DIR/gateway.log") gw_start
  gw_chat planner '{}' -H 'X-Request-Id: told'
  object told | jq -e '.level == "info"'
}

@test "logs: a responder that starts while an edit is broken -> its findings are objects, too" {
  local one
  configure_odd json
  gw_start
  echo '"odd \"key": 1' >>"$GW_CONFIG"
  wait_until 10 gw_log_has '"event":"config_broken"'
  one=$(gw_responders inference | head -n 1)
  kill -KILL "$one"
  wait_until 10 asked_as_object
  wait_until 10 gw_log_has '"event":"config_broken".*"doing":"using the last files that loaded"'
  while read -r line; do
    jq -e 'type == "object"' <<<"$line" >/dev/null || _fail "no object of ours: $line"
  done < <(objects)
}

@test "logs: an agent with log_format json -> each of its lines is an object" {
  agent_node a <<YAML
log_format: json
models: [{model_id: "m 1", path: $(fake_model m), roles: [r]}]
YAML
  agent_start a
  agent_chat a 'm 1'
  assert_status 200
  agent_stop a
  while read -r line; do
    jq -e 'type == "object" and .process == "rolemesh-node-agent"' <<<"$line" >/dev/null ||
      _fail "no object of ours: $line"
  done < <(grep -vE '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]+: \(' "$GW_DIR/agent-a.log")
  jq -se '[.[] | select(.event == "model_state") | [.model, (.port | type)]] | unique ==
    [["m 1", "number"]]' < <(grep '^{' "$GW_DIR/agent-a.log")
}

@test "logs: an unknown log_format -> refused, with the choices" {
  configure_odd xml
  run "$TOP_BUILDDIR/rolemesh-gateway" --check --config "$GW_CONFIG"
  assert_equal "$status" 2
  assert_match "$output" 'gateway\.log_format.*`text`.*`json`'
}
