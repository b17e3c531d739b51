#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 700-agent.bats - the node agent's HTTP surface: keys, lists of models, the
# inventory, refusals, and requests that pass through it to a llama-server.
#
# shellcheck disable=SC2154,SC2034 # variables of the request helpers

load helpers/all

# Two agents: `a` with keys and several models, `b` with one model and no keys,
# on a machine that seems to have two GPUs.
setup_file() {
  BEGAN=$(date +%s)
  export BEGAN AGENT_KEY=sesame
  gw_setup
  export PATH=$TOP_SRCDIR/tests/fake/bin:$PATH
  export FAKE_NVIDIA_SMI_FILE=$TOP_SRCDIR/tests/fixtures/devices/nvidia-two.csv
  agent_ports a 8
  agent_config a <<YAML
node_id: node-a
auth: {api_keys: [sesame, second-key]}
llama_server_bin: $FAKE_LLAMA_SERVER
llama_server_port_base: $AGENT_LLAMA_PORTS_a
llama_server_probe_interval_s: 0.05
stop_timeout_s: 1
max_body_bytes: 4096
sse_keepalive_s: 0
devices: [cpu:0]
models:
  - model_id: m1
    path: $(fake_model m1)
    alias: m1-alias
    roles: [planner, writer]
    group: all
    memory_mib: 1
    meta: {context: 4096, tags: [a, b]}
  - model_id: team/m2
    path: $(fake_model m2)
    group: all
    memory_mib: 1
  - model_id: never-asked
    path: $(fake_model m3)
YAML
  agent_start a
  agent_ports b 8
  agent_config b <<YAML
llama_server_bin: $FAKE_LLAMA_SERVER
llama_server_port_base: $AGENT_LLAMA_PORTS_b
llama_server_probe_interval_s: 0.05
stop_timeout_s: 1
models: [{model_id: only, path: $(fake_model only)}]
YAML
  agent_start b
}

teardown_file() {
  gw_teardown
}

teardown() {
  gw_dump_if_failed
}

# Method, path, and a body where one belongs to it: all but /health.
GUARDED=(
  'GET /v1/models'
  'GET /v1/models/m1'
  'GET /v1/node/inventory'
  'POST /v1/chat/completions {"model":"never-asked","messages":[]}'
  'POST /v1/completions {"model":"never-asked","prompt":"x"}'
  'POST /v1/embeddings {"model":"never-asked","input":"x"}'
  'POST /v1/rerank {"model":"never-asked","query":"x","documents":["y"]}'
  'POST /v1/responses {"model":"never-asked","input":"x"}'
  'POST /v1/messages {"model":"never-asked","max_tokens":1,"messages":[]}'
  'POST /v1/messages/count_tokens {"model":"never-asked","messages":[]}'
)

# ---- keys --------------------------------------------------------------------

@test "agent: GET and HEAD /health without a key -> 200" {
  AGENT_KEY='' agent_get a /health
  assert_status 200
  assert_json . '{"status":"ok"}'
  assert_header X-Request-Id '/^req_[0-9a-f]{32}$/'
  AGENT_KEY='' agent_request a HEAD /health
  assert_status 200
}

@test "agent: a configured key as Bearer or X-Api-Key, the first or the second -> 200" {
  local header
  for header in 'Authorization: Bearer sesame' 'Authorization: bearer second-key' \
    'X-Api-Key: sesame' 'X-Api-Key: second-key'; do
    AGENT_KEY='' agent_get a /v1/models -H "$header"
    assert_status 200
  done
}

@test "agent: no key or a wrong one, at every endpoint but /health -> 401 with WWW-Authenticate" {
  local row method path json header
  for row in "${GUARDED[@]}"; do
    read -r method path json <<<"$row"
    for header in 'X-Nothing: 1' 'Authorization: Bearer sesam' 'X-Api-Key: sesame2'; do
      AGENT_KEY='' agent_request a "$method" "$path" -H "$header" ${json:+--data-binary "$json"}
      assert_error 401 invalid_api_key
      assert_header WWW-Authenticate '/^Bearer /'
    done
  done
  assert_equal "$(llama_starts never-asked)" 0 'llama-servers started for them'
}

@test "agent: keys, right and wrong -> in no log, no answer and no command line" {
  AGENT_KEY=wrong-secret-4711 agent_get a /v1/models
  assert_status 401
  agent_chat a m1
  assert_status 200
  run ! grep -F -e wrong-secret-4711 -e sesame -e second-key "$GW_DIR/agent-a.log" \
    "$GW_DIR/agent-a.out" "$GW_DIR/llama.journal" "$GW_DIR/fake-m1-alias.log" "$body_file"
}

# ---- models ------------------------------------------------------------------

@test "agent: GET /v1/models -> every configured model in order, with state, roles and meta" {
  agent_get a /v1/models
  assert_status 200
  assert_header Content-Type application/json
  assert_json '.object, (.data | map(.id) | join(" "))' $'list\nm1 team/m2 never-asked'
  assert_json '.data | map([.object, .owned_by, (.created | type)] | join(" ")) | unique' \
    '["model rolemesh number"]'
  assert_json '.data | map(.roles)' '[["planner","writer"],[],[]]'
  assert_json '.data | map(.meta)' '[{"context":4096,"tags":["a","b"]},null,null]'
  assert_json '.data[2].state' stopped
}

@test "agent: a model that runs -> ready in /v1/models" {
  agent_chat a m1
  assert_status 200
  agent_get a /v1/models
  assert_json '.data[0].state' ready
}

@test "agent: HEAD where GET works -> the same status and length, no body" {
  local path length new='%{http_code} %{num_connects}\n'
  for path in /v1/models /v1/models/m1 /v1/node/inventory; do
    agent_get a "$path"
    assert_status 200
    length=$(header Content-Length)
    agent_request a HEAD "$path"
    assert_status 200
    assert_header Content-Type application/json
    [[ $path == */inventory ]] || assert_header Content-Length "$length"
  done
  # a body after all would be taken for the answer to the next request
  run -0 curl -sS --max-time 20 -o /dev/null -w "$new" -H 'X-Api-Key: sesame' --head \
    "$AGENT_URL_a/v1/models" --next -sS -o /dev/null -w "$new" "$AGENT_URL_a/health"
  assert_equal "${lines[*]}" '200 1 200 0' 'status and new connections'
}

@test "agent: GET /v1/models/ID, by id, by alias, with an escaped slash -> that model" {
  local id
  for id in m1 m1-alias; do
    agent_get a "/v1/models/$id"
    assert_status 200
    assert_json '[.id, .object, .roles[0]]' '["m1","model","planner"]'
  done
  agent_get a /v1/models/team%2Fm2
  assert_status 200
  assert_json .id team/m2
}

@test "agent: GET /v1/models/ID of none -> 404 that lists those there are" {
  agent_get a /v1/models/stranger
  assert_error 404 model_not_found model
  assert_match "$(jq -r .error.message <<<"$body")" '"?stranger"? .*m1-alias, team/m2, never-asked'
}

# ---- the inventory -----------------------------------------------------------

@test "agent: inventory -> exactly the documented members, each of its type" {
  agent_get a /v1/node/inventory
  assert_status 200
  assert_header Content-Type application/json
  assert_json 'to_entries | map("\(.key):\(.value | type)") | join(" ")' \
    'node_id:string started:number devices:array models:array dispatcher:null counters:object'
  assert_json '.node_id' node-a
  assert_json '.models | map(.model_id) | join(" ")' 'm1 team/m2 never-asked'
}

@test "agent: inventory, a model that does not run -> stopped, without device, pid and port" {
  # How many may be sent of it is 728's.
  assert_equal "$(agent_model a never-asked 'del(.since, .evicts, .max_concurrency)')" \
    "$(jq -c . <<<'{"model_id": "never-asked", "state": "stopped", "parallel": 1, "device": null,
      "running": 0, "pending": 0, "reason": null, "pid": null, "port": null, "starts": 0,
      "crashes": 0, "last_exit": null, "roles": [], "output": []}')"
  assert_between "$(agent_model a never-asked .since)" "$BEGAN" "$(date +%s)"
}

@test "agent: inventory, a model that runs -> its device, pid, port and output" {
  agent_chat a m1
  assert_status 200
  assert_equal "$(agent_model a m1 '[.state, .device, .parallel, .crashes, .last_exit]')" \
    '["ready","cpu:0",1,0,null]'
  assert_equal "$(agent_model a m1 .pid)" "$(llama_last m1-alias .pid)" pid
  assert_equal "$(agent_model a m1 .port)" "$(llama_option m1-alias --port)" port
  assert_equal "$(agent_model a m1 .starts)" "$(llama_starts m1-alias)" starts
  assert_match "$(agent_model a m1 '.output | join("\n")')" 'llama_server: model loaded'
}

@test "agent: inventory, cpu:0 -> memory and load in numbers" {
  local total
  total=$(awk '/^MemTotal:/ { print int($2 / 1024) }' /proc/meminfo)
  assert_equal "$(agent_device a cpu:0 'to_entries | map("\(.key):\(.value | type)") | join(" ")')" \
    'id:string name:string memory_total_mib:number memory_free_mib:number utilisation_pct:number running:number pending:number'
  assert_equal "$(agent_device a cpu:0 .memory_total_mib)" "$total"
  assert_between "$(agent_device a cpu:0 .memory_free_mib)" 1 "$total"
  assert_between "$(agent_device a cpu:0 .utilisation_pct)" 0 100
}

@test "agent: inventory, GPUs -> name, uuid, memory, load, temperature and power in numbers" {
  assert_equal "$(agent_device b gpu:0)" "$(jq -c . <<<'{"id": "gpu:0",
    "name": "NVIDIA GeForce RTX 4090", "memory_total_mib": 24564, "memory_free_mib": 23000,
    "utilisation_pct": 3, "running": 0, "pending": 0,
    "uuid": "GPU-00000000-0000-0000-0000-000000000001", "temperature_c": 41, "power_w": 22}')"
  assert_equal "$(agent_device b gpu:1 '[.memory_free_mib, .utilisation_pct]')" '[12036,100]'
}

@test "agent: inventory while a request runs -> counted at model and device" {
  local counts='[.models[0].running, .devices[0].running]'
  agent_stream a "$GW_DIR/s" m1 '{"fake": {"tokens": 1000000, "delay_ms": 20}}'
  wait_until 20 stream_has "$GW_DIR/s" 1
  assert_equal "$(agent_inventory a "$counts")" '[1,1]'
  kill "$STREAM_PID"
  stream_wait
  wait_until 10 inventory_has a "$counts" '[0,0]'
}

inventory_has() { # NAME FILTER VALUE
  [[ $(agent_inventory "$1" "$2") == "$3" ]]
}

# ---- refusals ----------------------------------------------------------------

@test "agent: unknown paths, those of the gateway too -> 404 not_found" {
  local path
  for path in /nothing /v1 /v1/nodes/register /ready /v1/node/inventory/x; do
    agent_get a "$path"
    assert_error 404 not_found
    assert_match "$(jq -r .error.message <<<"$body")" "$path"
  done
}

@test "agent: a wrong method at every endpoint -> 405 with Allow" {
  local row method path json
  for row in 'GET /health' "${GUARDED[@]}"; do
    read -r method path json <<<"$row"
    if [[ $method == GET ]]; then
      agent_request a POST "$path" --data-binary x
      assert_error 405 method_not_allowed
      assert_header Allow 'GET, HEAD, OPTIONS'
    else
      agent_get a "$path"
      assert_error 405 method_not_allowed
      assert_header Allow 'POST, OPTIONS'
    fi
  done
}

@test "agent: a body that is no JSON object -> 400 invalid_json" {
  local bad
  for bad in '' '{"model": "m1", ' '[]' "{'model': 'm1'}" '{"model": "m1"} x'; do
    agent_post a /v1/chat/completions "$bad"
    assert_error 400 invalid_json
  done
}

# chat_of BYTES - a chat to m1 of exactly that length.
chat_of() {
  local frame='{"model":"m1","messages":[{"role":"user","content":"hello there"}],"user":""}'
  printf '%s%s"}' "${frame%\"\}}" "$(head -c $(($1 - ${#frame})) /dev/zero | tr '\0' u)"
}

@test "agent: a body of max_body_bytes -> served; one byte more -> 413 that names the key" {
  chat_of 4096 >"$GW_DIR/fits"
  chat_of 4097 >"$GW_DIR/much"
  agent_post a /v1/chat/completions "@$GW_DIR/fits"
  assert_status 200
  cmp "$(fake_body m1-alias)" "$GW_DIR/fits"
  agent_post a /v1/chat/completions "@$GW_DIR/much"
  assert_error 413 request_too_large
  assert_match "$(jq -r .error.message <<<"$body")" '4096 bytes \(max_body_bytes\)'
}

@test "agent: no model in the request, several configured -> 400 invalid_request, param model" {
  agent_chat a ''
  assert_error 400 invalid_request model
}

@test "agent: no model in the request, one configured -> served by it" {
  agent_chat b ''
  assert_status 200
  assert_header X-RoleMesh-Model only
}

@test "agent: a model that is not configured -> 404 model_not_found, those there are listed" {
  agent_chat a stranger
  assert_error 404 model_not_found model
  assert_match "$(jq -r .error.message <<<"$body")" 'm1-alias, team/m2, never-asked'
}

# ---- what passes -------------------------------------------------------------

@test "agent: a model by its alias -> served, X-RoleMesh-Model is the model_id" {
  agent_chat a m1-alias
  assert_status 200
  assert_header X-RoleMesh-Model m1
}

@test "agent: a chat -> the llama-server's answer, with its model and a request id" {
  agent_chat a team/m2 '{}' -H 'X-Request-Id: mine-17'
  assert_status 200
  assert_header Content-Type '/^application\/json/'
  assert_json '.choices[0].message.content' '[scripted upstream team/m2] You said: hello there'
  assert_header X-RoleMesh-Model team/m2
  assert_header X-Request-Id mine-17
}

@test "agent: every inference endpoint -> path and body reach the llama-server byte for byte" {
  local path
  for path in /v1/chat/completions /v1/completions /v1/embeddings /v1/responses /v1/messages \
    /v1/messages/count_tokens /v1/rerank; do
    printf '{ "zz":1.0e2,\t"model" : "m1-\\u0061lias",\n "input":"\\u00fc ü 😀","prompt":"p",
      "query":"q","documents":["d"],"max_tokens":1,"messages":[{"role":"user","content":"%s"}],
      "big":12345678901234567890} \n' "$path" >"$GW_DIR/sent"
    agent_post a "$path" "@$GW_DIR/sent"
    assert_status 200
    assert_header X-RoleMesh-Model m1
    assert_equal "$(fake_last m1-alias .path)" "$path"
    cmp "$(fake_body m1-alias)" "$GW_DIR/sent"
  done
}

@test "agent: request headers -> those of the list pass, keys and cookies do not" {
  agent_chat a m1 '{}' -H 'Accept: text/x' -H 'User-Agent: tester/1' -H 'X-Request-Id: r-1' \
    -H 'traceparent: 00-1' -H 'tracestate: a=b' -H 'anthropic-version: v' \
    -H 'anthropic-beta: w' -H 'X-Api-Key: sesame' -H 'Cookie: c=d' -H 'X-Other: e' \
    -H 'X-Forwarded-For: 1.2.3.4' -H 'Origin: https://x' -H 'Accept-Encoding: gzip'
  assert_status 200
  assert_equal "$(fake_last m1-alias '[.headers[][0] | ascii_downcase] | sort | join(" ")')" \
    'accept anthropic-beta anthropic-version authorization content-length content-type host traceparent tracestate user-agent x-request-id x-rolemesh-via'
  assert_equal "$(fake_header m1-alias X-Request-Id)" r-1
  assert_equal "$(fake_header m1-alias Authorization)" "Bearer $(llama_key m1-alias)"
  assert_equal "$(fake_header m1-alias Host)" "127.0.0.1:$(llama_option m1-alias --port)"
}

@test "agent: an error of the llama-server -> passed on as it is" {
  agent_chat a m1 '{"fake": {"status": 503, "body": "as it says", "content_type": "text/x-odd",
    "headers": {"Retry-After": "7"}}}'
  assert_status 503
  assert_equal "$body" 'as it says'
  assert_header Content-Type '/^text\/x-odd/'
  assert_header Retry-After 7
}

@test "agent: a stream -> each token arrives before the next one is sent" {
  local file=$GW_DIR/s n
  agent_stream a "$file" m1 '{"fake": {"tokens": 4, "wait_tokens": true}}'
  for n in 1 2 3 4; do
    llama_go m1-alias
    wait_until 10 stream_has "$file" "$n"
    assert_equal "$(stream_tokens "$file" | wc -l)" "$n" 'tokens so far'
  done
  run ! grep -F '[DONE]' "$file"
  llama_go m1-alias
  stream_wait
  assert_equal "$stream_status" 0 'curl status'
  grep -qF '[DONE]' "$file"
  headers=$(_last_head "$file.head")
  assert_header Content-Type '/^text\/event-stream/'
  assert_header X-RoleMesh-Model m1
  assert_header X-Accel-Buffering no
}

@test "agent: a stream -> every byte as the llama-server sent it" {
  local json
  json=$(chat_json m1 '{"stream": true, "fake": {"raw_file": "chat-stream.http", "raw_split": 61}}')
  agent_chat a m1
  GW_KEY=$(llama_key m1-alias) \
    gw_post "http://127.0.0.1:$(llama_option m1-alias --port)/v1/chat/completions" "$json"
  cp "$body_file" "$GW_DIR/original"
  agent_post a /v1/chat/completions "$json"
  assert_status 200
  cmp "$body_file" "$GW_DIR/original"
}

@test "agent: clients that leave their streams -> the requests of others are served on" {
  local n
  for n in 1 2 3; do
    agent_stream a "$GW_DIR/s$n" m1 '{"fake": {"tokens": 1000000, "delay_ms": 20}}'
    wait_until 20 stream_has "$GW_DIR/s$n" 1
    kill "$STREAM_PID"
    agent_chat a team/m2
    assert_status 200
    agent_chat a m1
    assert_status 200
    stream_wait
  done
}

@test "agent: chats, one after the other -> one access line each, without prompt and answer" {
  agent_chat a m1 '{"user": "prompt-4711"}' -H 'X-Request-Id: seen-once'
  wait_until 5 agent_log_has a 'seen-once'
  assert_equal "$(grep -c seen-once "$GW_DIR/agent-a.log")" 1
  agent_log_has a 'event=access .*seen-once'
  run ! grep -e prompt-4711 -e 'hello there' "$GW_DIR/agent-a.log"
}
