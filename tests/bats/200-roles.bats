#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 200-roles.bats - from the `model` of a request to an upstream, and what becomes
# of the body on the way: every byte stays, except `model` where the
# configuration says so and the members that the request lacks.

load helpers/all

setup_file() {
  gw_setup
  fake_start alpha
  fake_start beta --api-key beta-secret
  gw_config <<YAML
default_model: planner
models:
  planner:
    type: proxy
    openai_model_name: planner-v1
    proxy_url: $FAKE_URL_alpha
    defaults:
      temperature: 0.6
      max_tokens: 128
      top_p: 1.0
      seed: 12345678901234567890
      logit_bias: {"50256": -100, tiny: 1e-7}
      stop: ["</s>", "a \"b\" \\\\ ü"]
      cache_prompt: true
      user: null
  writer:
    type: proxy
    proxy_url: $FAKE_URL_alpha/v1/
    defaults:
      model: dolphin3:latest
  guarded:
    type: proxy
    proxy_url: $FAKE_URL_beta/v1
    api_key: beta-secret
  bare:
    type: proxy
    proxy_url: $FAKE_URL_alpha/
  always-streams:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    defaults: {stream: true}
YAML
  gw_start
}

teardown_file() {
  gw_teardown
}

teardown() {
  gw_dump_if_failed
}

# chat_is_forwarded_as BODY EXPECTED - to alpha, byte for byte.
chat_is_forwarded_as() {
  gw_post /v1/chat/completions "$1"
  assert_status 200
  assert_equal "$(<"$(fake_body alpha)")" "$2" 'forwarded body'
}

# what `planner` adds to a request that has none of it
PLANNER_DEFAULTS='"temperature":0.6,"max_tokens":128,"top_p":1.0,"seed":12345678901234567890,"logit_bias":{"50256":-100,"tiny":1e-7},"stop":["</s>","a \"b\" \\ ü"],"cache_prompt":true,"user":null'

# --- which model ---

@test "roles: model names an alias -> its upstream answers, X-RoleMesh-Model is the alias" {
  gw_chat planner
  assert_status 200
  assert_header X-RoleMesh-Model planner
  assert_json '.choices[0].message.content' '[scripted upstream alpha] You said: hello there'
}

@test "roles: model names an openai_model_name -> the same alias" {
  gw_chat planner-v1
  assert_status 200
  assert_header X-RoleMesh-Model planner
}

@test "roles: model spelled with escapes -> the same alias" {
  gw_post /v1/chat/completions '{"model":"\u0070lanner","messages":[]}'
  assert_status 200
  assert_header X-RoleMesh-Model planner
}

@test "roles: two aliases -> two upstreams" {
  gw_chat guarded
  assert_status 200
  assert_json '.choices[0].message.content' '[scripted upstream beta] You said: hello there'
}

@test "roles: unknown model -> 404 model_not_found, naming it and the known ids" {
  gw_chat nobody
  assert_error 404 model_not_found model
  assert_json .error.message 'the model "nobody" does not exist; known models: planner-v1, writer, guarded, bare, always-streams'
  refute_header X-RoleMesh-Model
}

@test "roles: an alias in other case, or with a blank -> 404" {
  local name
  for name in Planner 'planner ' ' '; do
    gw_post /v1/chat/completions "$(jq -cn --arg m "$name" '{model: $m, messages: []}')"
    assert_error 404 model_not_found model
  done
}

@test "roles: no model in the request -> the default model serves it and is added to the body" {
  chat_is_forwarded_as '{ "messages": [] }' \
    "{\"model\":\"planner\",$PLANNER_DEFAULTS, \"messages\": [] }"
  assert_header X-RoleMesh-Model planner
}

@test "roles: an empty object -> model and defaults alone, well formed" {
  gw_post /v1/chat/completions '{}'
  assert_status 400 # the upstream's answer: messages are missing
  assert_equal "$(<"$(fake_body alpha)")" "{\"model\":\"planner\",$PLANNER_DEFAULTS}" 'forwarded body'
}

# --- defaults ---

@test "roles: defaults -> added behind the opening brace in their order, types kept" {
  chat_is_forwarded_as '{"model":"planner","messages":[]}' \
    "{$PLANNER_DEFAULTS,\"model\":\"planner\",\"messages\":[]}"
}

@test "roles: a request that sets a default's key -> its own value stays, others are added" {
  chat_is_forwarded_as \
    '{"model":"planner","temperature":0,"stop":null,"logit_bias":{},"user":"u","messages":[]}' \
    '{"max_tokens":128,"top_p":1.0,"seed":12345678901234567890,"cache_prompt":true,"model":"planner","temperature":0,"stop":null,"logit_bias":{},"user":"u","messages":[]}'
}

@test "roles: a default's key spelled with escapes in the request -> counts as set" {
  gw_post /v1/chat/completions '{"model":"planner","temp\u0065rature":0,"messages":[]}'
  assert_status 200
  run ! grep -F '"temperature":0.6' "$(fake_body alpha)"
}

@test "roles: a default's key deeper in the request -> does not count as set" {
  gw_post /v1/chat/completions '{"model":"planner","x":{"temperature":0},"messages":[]}'
  assert_status 200
  grep -F '{"temperature":0.6,' "$(fake_body alpha)"
}

@test "roles: defaults.model -> replaces the routing name in the forwarded body" {
  chat_is_forwarded_as '{"model":"writer","messages":[]}' \
    '{"model":"dolphin3:latest","messages":[]}'
  assert_header X-RoleMesh-Model writer
}

@test "roles: defaults.stream -> the answer is streamed though the request did not ask" {
  gw_chat always-streams '{"fake":{"tokens":2}}'
  assert_status 200
  assert_header Content-Type '/^text\/event-stream/'
  grep -F 'data: [DONE]' "$body_file"
}

# --- the body ---

@test "roles: no defaults, no model to change -> every byte as sent" {
  local odd
  odd=$(printf '{\n\t"messages" : [ ] ,"n":1.0E+2, "big":123456789012345678901234567890, "z":-0,\r\n "u":"\\u00e9\\ud83d\\/", "a":1,"a":2 ,\n "model"\t:  "bare" }')
  chat_is_forwarded_as "$odd" "$odd"
}

@test "roles: model replaced in place -> all around it as sent, blanks included" {
  chat_is_forwarded_as '{ "a": [1.10, {"model":"x"}] , "model" :  "wri\u0074er"  ,"messages":[],"z":0.10}' \
    '{ "a": [1.10, {"model":"x"}] , "model" :  "dolphin3:latest"  ,"messages":[],"z":0.10}'
}

@test "roles: blanks before the object -> kept, additions go inside it" {
  chat_is_forwarded_as $' \n {"messages":[],"model":"writer"} ' \
    $' \n {"messages":[],"model":"dolphin3:latest"} '
}

@test "roles: a 3 MiB body -> every byte arrives" {
  { printf '{"model":"bare","messages":[],"pad":"'
    head -c 3145728 /dev/urandom | base64 -w0
    printf '"}'; } >"$BATS_TEST_TMPDIR/big"
  gw_request POST /v1/chat/completions -H 'Content-Type: application/json' \
    --data-binary "@$BATS_TEST_TMPDIR/big"
  assert_status 200
  cmp "$BATS_TEST_TMPDIR/big" "$(fake_body alpha)"
}

@test "roles: Content-Length -> that of the edited body" {
  gw_chat writer
  assert_status 200
  assert_equal "$(fake_header alpha Content-Length)" "$(fake_last alpha .body_bytes)"
  assert_equal "$(fake_header alpha Transfer-Encoding)" ''
}

# --- the address and the key ---

@test "roles: proxy_url with /v1/, with / and without -> /v1 never doubled" {
  local alias
  for alias in planner writer bare; do
    gw_chat "$alias"
    assert_status 200
    assert_equal "$(fake_last alpha .path)" /v1/chat/completions
  done
}

@test "roles: api_key -> sent upstream as Bearer; without one no Authorization" {
  gw_chat guarded '{}' -H 'Authorization: Bearer of-the-client'
  assert_status 200
  assert_equal "$(fake_header beta Authorization)" 'Bearer beta-secret'
  gw_chat bare '{}' -H 'Authorization: Bearer of-the-client'
  assert_status 200
  assert_equal "$(fake_header alpha Authorization)" ''
}

@test "roles: every relayed endpoint -> the same path upstream, the same routing" {
  local path
  for path in chat/completions completions embeddings responses messages \
    messages/count_tokens rerank; do
    gw_post "/v1/$path" '{"model":"writer","messages":[],"input":"i","prompt":"p","query":"q","documents":["d"],"max_tokens":1}'
    assert_status 200
    assert_header X-RoleMesh-Model writer
    assert_equal "$(fake_last alpha .path)" "/v1/$path"
    assert_equal "$(jq -r .model "$(fake_body alpha)")" dolphin3:latest "model at /v1/$path"
  done
}

@test "roles: a query string -> does not change the endpoint" {
  gw_post '/v1/chat/completions?api-version=2' "$(chat_json planner)"
  assert_status 200
}
