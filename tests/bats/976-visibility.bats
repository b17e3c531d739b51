#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 976-visibility.bats - whose key opens some of the models uses these alone, and
# no answer tells it of the others: three clients whose models overlap, one with
# none, and beside them those who see everything.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all

# Every name here is found in no other word, so that an answer can be searched.
setup_file() {
  gw_setup
  fake_start alpha
  fake_start beta --max-requests 1
  fake_start gamma --max-requests 1
  fake_start light --max-requests 1
  fake_start deep --max-requests 1
  export DEAD_PORT
  DEAD_PORT=$(free_ports 1)
  config | gw_config
  gw_start
  add_node node-both "$FAKE_URL_light" '[{model_id: "m-heavy", roles: ["role-heavy"]},
    {model_id: "m-light", roles: ["role-light"], meta: {quant: "q-of-light"}},
    {model_id: "m-shared", roles: ["role-heavy", "role-light"]}]' '{rack: "rack-seven"}'
  add_node node-deep "$FAKE_URL_deep" '[{model_id: "m-deep", roles: ["role-deep"]}]' '{}'
  add_node node-alien "$FAKE_URL_deep" '[{model_id: "m-alien", roles: ["role-alien"]}]' '{}'
  gw_post /v1/nodes/heartbeat '{"node_id": "node-both", "metrics": {"note": "metric-nine"}}'
}

config() {
  cat <<YAML
default_model: vault
gateway:
  probe_timeout_s: 60
  probe_ttl_s: 0
  sse_keepalive_s: 0.2
  cors_origins: ["https://app.example"]
  eject: {failures: 1000}
auth:
  clients:
  - {name: coders, key: key-of-coders, models: ["coder-*"]}
  - {name: writers, key_sha256: $(hash_of key-of-writers), models: [scribe, lounge]}
  - {name: mixed, key: key-of-mixed, models: [coder-small, vault, attic, lounge]}
  - {name: nobody, key: key-of-nobody, models: []}
  - {name: everything, key: key-of-everything}
  client_api_keys: [key-plain]
  operator_keys: [key-of-operator]
models:
  coder-big: {type: discovered, role: role-heavy}
  coder-small: {type: proxy, proxy_url: $FAKE_URL_alpha, names: [tiny-helper]}
  scribe:
    type: proxy
    openai_model_name: scribe-public
    proxy_url: $FAKE_URL_beta
    fallback: [vault]
    resume: true
    retry: {attempts: 0}
    timeouts: {first_byte_s: 1}
  vault:
    type: proxy
    openai_model_name: vault-public
    proxy_url: $FAKE_URL_gamma
    retry: {attempts: 0}
    timeouts: {first_byte_s: 1}
  lounge:
    type: discovered
    role: role-light
    fallback: [cellar]
    retry: {attempts: 0}
    timeouts: {first_byte_s: 1}
  cellar:
    type: discovered
    role: role-deep
    retry: {attempts: 0}
    timeouts: {first_byte_s: 1}
  attic: {type: proxy, proxy_url: "http://127.0.0.1:$DEAD_PORT", retry: {attempts: 0}}
YAML
}

hash_of() {
  printf %s "$1" | sha256sum | cut -d' ' -f1
}

# add_node ID URL SERVED META
add_node() {
  gw_post /v1/nodes/register "$(jq -cn --arg id "$1" --arg url "$2" \
    "{node_id: \$id, base_url: \$url, served_models: $3, meta: $4}")"
  assert_status 200
}

teardown_file() {
  gw_teardown
}

setup() {
  local name
  for name in alpha beta gamma light deep; do
    fake_mode "$name" '{}'
  done
}

# A test that called gw_setup has a gateway of its own.
teardown() {
  if [[ $GW_DIR == "$BATS_TEST_TMPDIR" ]]; then
    gw_teardown
  else
    gw_dump_if_failed
    wait_until 10 gw_holds_nothing
  fi
}

# as CLIENT COMMAND... - with its key
as() {
  local GW_KEY=key-of-$1
  [[ $1 != plain ]] || GW_KEY=key-plain
  [[ $1 != stranger ]] || GW_KEY=
  "${@:2}"
}

# What only who sees everything may read, whatever it may use.
hidden='rack-seven metric-nine node-alien m-alien role-alien counters prompt_cache key-of- key-plain'

# foreign CLIENT - every word that no answer to it may hold
foreign() {
  local ports="$FAKE_PORT_alpha $FAKE_PORT_beta $FAKE_PORT_gamma $FAKE_PORT_light $FAKE_PORT_deep"
  local coder='coder-big coder-small tiny-helper role-heavy m-heavy'
  local write='scribe lounge role-light m-light q-of-light'
  local rest='cellar role-deep m-deep node-deep'
  case $1 in
  coders) echo "$hidden $ports $DEAD_PORT $write $rest vault attic" ;;
  writers) echo "$hidden $ports $DEAD_PORT $coder $rest vault attic" ;;
  mixed) echo "$hidden $ports $DEAD_PORT $rest coder-big role-heavy m-heavy scribe" ;;
  nobody | stranger)
    echo "$hidden $ports $DEAD_PORT $coder $write $rest vault attic node-both m-shared"
    ;;
  esac
}

# tells_nothing CLIENT [SENT] - neither head nor body of the last answer names
# what is not its own. What it sent itself may come back.
tells_nothing() {
  local word sent=${2:-}
  for word in $(foreign "$1"); do
    [[ $sent == *"$word"* ]] || [[ "$headers"$'\n'"$body" != *"$word"* ]] ||
      _fail "an answer to $1 names $word" "$headers" "$body" || return 1
  done
}

names='coder-big coder-small tiny-helper scribe scribe-public vault vault-public lounge cellar
attic no-such-name role-heavy role-light m-shared node-both'

# --- the list ---

@test "visibility: /v1/models -> a client's own models, usable and not, and no others" {
  as coders gw_get /v1/models
  assert_json '[[.data[].id], .rolemesh.default_model, [.rolemesh.unavailable_models[].id]]' \
    '[["coder-big","coder-small"],null,[]]'
  as writers gw_get /v1/models
  assert_json '[[.data[].id], .rolemesh.default_model, [.rolemesh.unavailable_models[].id]]' \
    '[["scribe-public","lounge"],null,[]]'
  as mixed gw_get /v1/models
  assert_json '[[.data[].id], .rolemesh.default_model, [.rolemesh.unavailable_models[].id]]' \
    '[["coder-small","vault-public","lounge"],"vault",["attic"]]'
  as nobody gw_get /v1/models
  assert_json . '{"object":"list","data":[],"rolemesh":{"default_model":null,"unavailable_models":[],"nodes":[]}}'
}

@test "visibility: rolemesh.nodes -> those that serve a client's models, cut down to these" {
  local mine='[.rolemesh.nodes[] | [.node_id, .status, .reachable, .in_flight, .served_models,
    (.states | keys), (keys - ["node_id", "status", "last_seen_s", "reachable", "result_age_s",
      "in_flight", "states", "served_models"])]]'
  as coders gw_get /v1/models
  assert_json "$mine" '[["node-both","fresh",true,0,[{"model_id":"m-heavy","roles":["role-heavy"]},{"model_id":"m-shared","roles":["role-heavy"]}],["m-heavy","m-shared"],[]]]'
  as writers gw_get /v1/models
  assert_json "$mine" '[["node-both","fresh",true,0,[{"model_id":"m-light","roles":["role-light"],"meta":{"quant":"q-of-light"}},{"model_id":"m-shared","roles":["role-light"]}],["m-light","m-shared"],[]]]'
}

@test "visibility: in_flight of a node -> the requests of a client's own models" {
  fake_mode light '{"wait_head": true}'
  as mixed stream_to "$BATS_TEST_TMPDIR/s" /v1/chat/completions "$(chat_json lounge '{"stream": true}')"
  wait_until 10 fake_stat_is light .waiting 1
  gw_request GET /v1/models -H 'Authorization: Bearer key-plain'
  local served
  served=$(fake_last light .body | jq -r .model)
  as writers gw_get /v1/models
  assert_json '[.rolemesh.nodes[].in_flight]' '[1]'
  as coders gw_get /v1/models
  if [[ $served == m-light ]]; then
    assert_json '[.rolemesh.nodes[].in_flight]' '[0]'
  else # the model that both of them may use
    assert_json '[.rolemesh.nodes[].in_flight]' '[1]'
  fi
  fake_go light
  stream_wait
}

@test "visibility: a client without models, a plain key, an operator's -> all, as ever" {
  local who
  for who in everything plain operator; do
    as "$who" gw_get /v1/models
    assert_json '[[.data[].id], .rolemesh.default_model, [.rolemesh.unavailable_models[].id],
      [.rolemesh.nodes[].node_id]]' \
      '[["coder-big","coder-small","scribe-public","vault-public","lounge","cellar"],"vault",["attic"],["node-both","node-deep","node-alien"]]'
    assert_json '.rolemesh.nodes[0] | [.meta.rack, .metrics.note, (.served_models | length)]' \
      '["rack-seven","metric-nine",3]'
    assert_json '.rolemesh | has("counters")' false
    assert_json '.rolemesh.last_reload' null
    as "$who" gw_get /v1/models/cellar
    assert_status 200
    as "$who" gw_get /v1/models/no-such-name
    assert_match "$(jq -r .error.message <<<"$body")" \
      'known models: coder-big, coder-small, scribe-public, vault-public, lounge, cellar, attic$'
  done
}

@test "visibility: a model that a fallback serves -> via is told to who may use that one" {
  fake_mode light '{"models_status": 500}'
  as plain gw_get /v1/models
  assert_json '.data[] | select(.id == "lounge") | .via' cellar
  as writers gw_get /v1/models
  assert_json '.data[] | select(.id == "lounge") | .via' null
  tells_nothing writers
}

# --- one model ---

@test "visibility: /v1/models/{id} of another's model -> 404, word for word as if there were none" {
  local name wanted path
  for name in $names; do
    path=/v1/models/$name
    as coders gw_get /v1/models/no-such-model
    wanted=${body/no-such-model/$name}
    as coders gw_get "$path"
    case $name in
    coder-* | tiny-helper) assert_status 200 ;;
    *)
      assert_error 404 model_not_found model
      assert_equal "$body" "$wanted" "body for $name"
      as coders gw_get "$path/" # the same with slashes around it
      assert_equal "$body" "$wanted" "body for $name/"
      ;;
    esac
    tells_nothing coders "$path"
  done
}

@test "visibility: the names in a 404 -> a client's own" {
  as writers gw_chat no-such-name
  assert_error 404 model_not_found model
  assert_match "$(jq -r .error.message <<<"$body")" 'known models: scribe-public, lounge$'
  as nobody gw_chat no-such-name
  assert_match "$(jq -r .error.message <<<"$body")" 'known models: none$'
}

# --- requests ---

@test "visibility: a request for another's model, by any of its names -> 403 model_not_allowed, no upstream is asked" {
  local name before
  before=$(fake_count gamma)$(fake_count alpha)
  for name in vault vault-public coder-small tiny-helper cellar; do
    as writers gw_chat "$name"
    assert_error 403 model_not_allowed model
    assert_json .error.type permission_error
    refute_header X-RoleMesh-Model
    refute_header X-RoleMesh-Node
    refute_header Retry-After
    tells_nothing writers "$name"
  done
  assert_equal "$(fake_count gamma)$(fake_count alpha)" "$before" 'requests upstream'
  gw_log_has 'status=403 .* model=vault .* key=writers .* error=model_not_allowed'
}

@test "visibility: no model, and the default one is not the client's -> 403 that does not name it" {
  local model
  for model in '{}' '{"model": null}' '{"model": ""}'; do
    as coders gw_post /v1/chat/completions "$model"
    assert_error 403 model_not_allowed model
    tells_nothing coders
  done
  as mixed gw_chat ''
  assert_status 200
  assert_header X-RoleMesh-Model vault
}

@test "visibility: each endpoint -> 403 for another's model, in one envelope" {
  local path
  for path in chat/completions completions embeddings rerank responses messages messages/count_tokens; do
    as writers gw_post "/v1/$path" '{"model": "vault", "stream": true}'
    assert_error 403 model_not_allowed model
  done
}

@test "visibility: an operator's key -> opens no model" {
  as operator gw_chat vault
  assert_error 401 invalid_api_key
}

@test "visibility: whatever a client asks -> no answer names what is not its own" {
  local who name
  for who in coders writers mixed nobody; do
    for name in '' $names; do
      as "$who" gw_get "/v1/models/$name" -H 'Origin: https://app.example'
      tells_nothing "$who" "$name"
      as "$who" gw_request HEAD "/v1/models/$name"
      tells_nothing "$who" "$name"
      [[ $name != lounge ]] || continue # the upstream's own words pass as they are
      as "$who" gw_chat "$name" '{"fake": {"body": "ok", "status": 200}}' -H 'Origin: https://app.example'
      tells_nothing "$who" "$name"
      as "$who" gw_chat "$name" '{"stream": true, "fake": {"close_before_answer": true}}'
      tells_nothing "$who" "$name"
    done
    as "$who" gw_post /v1/chat/completions '{"model": '
    tells_nothing "$who"
    for name in /ready /health / /v1/nothing /v1/nodes/register; do
      as "$who" gw_get "$name"
      tells_nothing "$who"
    done
    as "$who" gw_get /v1/chat/completions
    assert_error 405 method_not_allowed
    tells_nothing "$who"
    as "$who" gw_request PUT /v1/models/vault
    tells_nothing "$who" vault
    as "$who" gw_request OPTIONS /v1/models -H 'Origin: https://app.example' \
      -H 'Access-Control-Request-Method: GET'
    tells_nothing "$who"
    as "$who" gw_post /v1/nodes/heartbeat '{"node_id": "n"}'
    tells_nothing "$who"
  done
}

# --- who stands in ---

# cut_lounge - its node breaks, and so does who stands in for it
cut_lounge() {
  fake_mode light '{"close_before_answer": true}'
  fake_mode deep "${1:-{\"close_before_answer\": true\}}"
}

@test "visibility: a fallback that is not the client's answers -> served, and no header names it" {
  cut_lounge '{"status": 200, "body": "fine"}'
  as writers gw_chat lounge
  assert_status 200
  assert_equal "$body" fine
  assert_header X-RoleMesh-Attempts 2
  refute_header X-RoleMesh-Model
  refute_header X-RoleMesh-Node
  tells_nothing writers
  as plain gw_chat lounge
  assert_header X-RoleMesh-Model cellar
  assert_header X-RoleMesh-Node node-deep
}

@test "visibility: a fallback that is not the client's fails -> the 502 names only its code, the log the rest" {
  cut_lounge
  as writers gw_chat lounge
  assert_error 502 upstream_protocol_error
  assert_json .error.message 'the upstream broke off or did not speak HTTP'
  tells_nothing writers
  gw_log_has 'key=writers .*attempts=node-both:.*node-deep:'
  as plain gw_chat lounge
  assert_match "$(jq -r .error.message <<<"$body")" "model 'cellar' .*node-deep"
}

@test "visibility: the same behind an early 200 -> the error event names only its code, in each dialect" {
  local path
  fake_mode light '{"first_delay_ms": 500, "close_before_answer": true}'
  fake_mode deep '{"never": true}'
  for path in chat/completions messages responses; do
    as writers gw_post "/v1/$path" '{"model": "lounge", "stream": true, "max_tokens": 9, "messages": []}'
    assert_status 200
    assert_match "$body" 'the upstream took longer than a configured limit'
    tells_nothing writers
  done
  as plain gw_post /v1/chat/completions '{"model": "lounge", "stream": true, "messages": []}'
  assert_match "$body" "the upstream of 'cellar' sent no first byte"
}

@test "visibility: a stream goes on at a fallback that is not the client's -> the comment does not name it" {
  fake_mode beta '{"tokens": 6, "die_after_tokens": 2}'
  fake_mode gamma '{"tokens": 6, "prefill": "restart"}'
  as writers gw_post /v1/chat/completions "$(chat_json scribe '{"stream": true}')"
  assert_status 200
  assert_match "$body" ': resumed on a fallback'
  as plain gw_post /v1/chat/completions "$(chat_json scribe '{"stream": true}')"
  assert_match "$body" ': resumed on vault'
}

# --- /ready, which needs no key ---

@test "visibility: /ready -> names models to who may know of them" {
  local who
  for who in stranger coders nobody; do
    as "$who" gw_get /ready
    assert_status 200
    assert_json 'del(.result_age_s)' '{"status":"ready"}'
  done
  for who in mixed everything plain operator; do
    as "$who" gw_get /ready
    assert_json .model vault
  done
}

@test "visibility: /ready says no -> the reason for who may know of it" {
  fake_mode gamma '{"models_status": 500}'
    as stranger gw_get /ready
  assert_error 503 no_available_node
  assert_json .error.message 'not ready: the default model is not usable'
  as operator gw_get /ready
  assert_match "$(jq -r .error.message <<<"$body")" "default model 'vault'.*HTTP 500"
}

# --- other configurations ---

@test "visibility: an edit takes a model from a client, gives it back -> in force within a second" {
  as coders gw_chat coder-small
  assert_status 200
  config | sed 's/"coder-\*"/"coder-b*"/' | gw_config
  wait_until 5 coder_is 403
  wait_until 5 coders_see '["coder-big"]'
  config | gw_config
  wait_until 5 coder_is 200
  wait_until 5 coders_see '["coder-big","coder-small"]'
}

coders_see() {
  as coders gw_get /v1/models >/dev/null
  [[ $(jq -c '[.data[].id]' <<<"$body") == "$1" ]]
}

coder_is() {
  as coders gw_chat coder-small >/dev/null
  [[ $status_code == "$1" ]]
}

@test "visibility: a name that '*' takes -> the right to the alias that it leads to decides" {
  gw_setup
  fake_start omega
  gw_config <<YAML
auth:
  clients:
  - {name: some, key: key-of-some, models: [burrow]}
  - {name: others, key: key-of-others, models: ["loft-*"]}
models:
  burrow: {type: proxy, proxy_url: "$FAKE_URL_omega", names: ["*"]}
  loft-one: {type: proxy, proxy_url: "$FAKE_URL_omega"}
YAML
  gw_start
  as some gw_chat whatever
  assert_status 200
  assert_header X-RoleMesh-Model burrow
  as some gw_chat loft-one
  assert_error 403 model_not_allowed
  as others gw_chat whatever
  assert_error 403 model_not_allowed
  [[ "$headers$body" != *burrow* ]]
  as others gw_get /v1/models/whatever
  assert_error 404 model_not_found
  assert_match "$(jq -r .error.message <<<"$body")" 'known models: loft-one$'
  as others gw_get /v1/models
  assert_json '[.data[].id]' '["loft-one"]'
}
