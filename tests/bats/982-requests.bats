#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 982-requests.bats - what is kept of requests: every one of all processes, as it
# went, whoever dies meanwhile; and nothing of what they said.
#
# shellcheck disable=SC2154,SC2030,SC2031 # set by the helpers; a test is a subshell

load helpers/all

setup() {
  gw_setup
  fake_start alpha
  fake_start beta
  DEAD=$(free_ports 1)
  gw_config <<YAML
auth:
  clients: [{name: ann, key: key-of-ann}, {name: bob, key: key-of-bob}]
  operator_keys: [key-of-operator]
models:
  planner: {type: proxy, proxy_url: "$FAKE_URL_alpha", names: [gpt-planner]}
  coder: {type: discovered}
  attic: {type: proxy, proxy_url: "http://127.0.0.1:$DEAD", retry: {attempts: 0}, fallback: [planner]}
YAML
  GW_WORKERS=3 gw_start
  gw_post /v1/nodes/register "$(jq -cn --arg url "$FAKE_URL_beta" \
    '{node_id: "box-1", base_url: $url, roles: ["coder"]}')"
  assert_status 200
}

teardown() {
  gw_teardown
}

# ask ID MODEL [EXTRA JSON] - a chat of ann's.
ask() {
  GW_KEY=key-of-ann gw_chat "$2" "${3:-{\}}" -H "X-Request-Id: $1"
}

# requests [QUERY]
requests() {
  gw_get "/rolemesh/requests${1:-}" -u operator:key-of-operator
  assert_status 200
}

# one ID FILTER VALUE - what is said of that request.
one() {
  assert_json "[.requests[] | select(.id == \"$1\")] | if length == 1 then .[0] | $2 else \"\(length) of them\" end" "$3"
}

has_request() {
  gw_get '/rolemesh/requests?limit=4096' -u operator:key-of-operator
  [[ $(jq "[.requests[] | select(.id == \"$1\")] | length" <<<"$body") == 1 ]]
}

@test "requests: each as it went, the newest first" {
  ask first planner
  assert_status 200
  ask second coder
  assert_status 200
  ask third nowhere
  assert_status 404
  ask fourth attic
  assert_status 200
  GW_KEY=key-of-bob gw_chat gpt-planner '{"stream": true}' -H 'X-Request-Id: fifth'
  assert_status 200
  gw_chat planner '{}' -H 'X-Request-Id: sixth'
  assert_status 401
  wait_until 5 has_request sixth
  requests
  assert_json '[.requests[].id]' '["sixth","fifth","fourth","third","second","first"]'
  one first '[.client, .model, .path, .status, .outcome, .ended_by, .stream]' \
    '["ann","planner","/v1/chat/completions",200,"ok","upstream",false]'
  one first '[.error, (.attempts | length), .attempts[0].candidate, .attempts[0].result]' '[null,1,"planner","ok"]'
  one first '.total_ms >= .first_byte_ms and .first_byte_ms > 0 and .bytes_out > 0 and .bytes_in > 0' true
  one first '.time > 1700000000 and (now - .time) < 600' true
  one second '[.model, .ended_by, .attempts[0].candidate]' '["coder","node","box-1"]'
  one third '[.model, .outcome, .ended_by, .error, .attempts]' '[null,"refused","gateway","model_not_found",[]]'
  one fourth '[.model, .outcome, [.attempts[] | [.candidate, .result]]]' \
    '["planner","ok",[["attic","unconnected"],["planner","ok"]]]'
  one fifth '[.client, .model, .stream, .outcome]' '["bob","planner",true,"ok"]'
  one sixth '[.client, .outcome, .error]' '[null,"refused","invalid_api_key"]'
  requests '?model=gpt-planner&outcome=ok&limit=2'
  assert_json '[.requests[].id]' '["fifth","fourth"]'
  requests '?outcome=failed'
  assert_json '.requests' '[]'
  gw_get /rolemesh/requests -H 'Authorization: Bearer key-of-ann'
  assert_error 401 invalid_api_key
  for query in limit=-1 limit=1000000000 limit=many outcome=bad; do
    gw_get "/rolemesh/requests?$query" -u :key-of-operator
    assert_error 400 invalid_request
    assert_json .error.param "${query%%=*}"
  done
  gw_get '/rolemesh/requests?colour=red' -u :key-of-operator
  assert_error 400 invalid_request
}

@test "requests: a client that leaves, an upstream that breaks off -> who ended it" {
  local json
  json=$(chat_json planner '{"stream": true, "fake": {"tokens": 3, "die_after_tokens": 1}}')
  GW_KEY=key-of-ann gw_post /v1/chat/completions "$json" -H 'X-Request-Id: breaks'
  wait_until 5 has_request breaks
  requests
  one breaks '[.outcome, .ended_by, .error, .stream]' '["broken","upstream","upstream_protocol_error",true]'
  fake_mode alpha '{"never": true}'
  GW_KEY=key-of-ann stream_to "$GW_DIR/left" /v1/chat/completions "$(chat_json planner '{"stream": true}')" \
    -H 'X-Request-Id: leaves'
  wait_until 10 fake_stat_is alpha .active 1
  kill "$STREAM_PID"
  wait_until 10 has_request leaves
  requests
  one leaves '[.outcome, .ended_by, .status]' '["client_gone","client",499]'
}

@test "requests: responders are killed -> what they had kept stays, and the others go on" {
  local pid i
  for i in {1..12}; do
    ask "before-$i" planner
    assert_status 200
  done
  wait_until 5 has_request before-12
  for pid in $(gw_responders); do
    kill -KILL "$pid"
  done
  wait_until 15 gw_is_up
  served() { ask after planner >/dev/null && [[ $status_code == 200 ]]; }
  wait_until 15 served
  listed() {
    gw_get '/rolemesh/requests?limit=4096&outcome=ok' -u :key-of-operator
    [[ $(jq '[.requests[].id | select(startswith("before-"))] | length' <<<"$body") == 12 &&
      $(jq '[.requests[].id | select(. == "after")] | length' <<<"$body") == 1 ]]
  }
  wait_until 10 listed
}

@test "requests: more than the ring holds, by all processes -> the last 4,096, whole" {
  for _ in {1..4300}; do
    echo "url = $GW_URL/v1/chat/completions"
    echo 'output = /dev/null'
  done >"$GW_DIR/many"
  curl -sS --noproxy '*' -Z --parallel-max 16 -H "Authorization: Bearer key-of-ann" -H 'Content-Type: application/json' \
    -d '{"model": "none of them", "messages": []}' -K "$GW_DIR/many"
  full() {
    gw_get '/rolemesh/requests?limit=4096' -u :key-of-operator
    [[ $(jq '.requests | length' <<<"$body") -ge 4090 ]]
  }
  wait_until 20 full
  assert_json '[.requests[] | select(.error != "model_not_found" or .client != "ann")] | length' 0
  assert_json '[.requests[].id] | length == (unique | length)' true
}

@test "requests: the shared memory has no prompt, no answer, no key" {
  ask word planner '{"messages": [{"role": "user", "content": "prompt-of-the-test"}], "fake": {"text": "answer-of-the-test"}}'
  assert_status 200
  wait_until 5 has_request word
  grep -aq ann "/dev/shm$ROLE_MESH_SHM"
  for secret in prompt-of-the-test answer-of-the-test key-of-ann key-of-operator; do
    if grep -aq "$secret" "/dev/shm$ROLE_MESH_SHM"; then
      echo "$secret is in the shared memory" >&2
      return 1
    fi
  done
}
