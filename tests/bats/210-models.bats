#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 210-models.bats - what is usable right now: /v1/models with its probes,
# /v1/models/{id}, /ready and /health.

load helpers/all

# alpha and beta answer; mute takes every probe and says nothing.
setup_file() {
  BEGAN=$(date +%s)
  export BEGAN
  gw_setup
  fake_start alpha --models weights
  fake_start beta --api-key beta-secret
  fake_start mute
  export DEAD_PORT
  DEAD_PORT=$(free_ports 1)
  usual_config | gw_config
  gw_start
}

# Probes are never believed twice here, so that each test sees its own.
usual_config() {
  cat <<YAML
default_model: planner
gateway:
  probe_ttl_s: 0
  probe_timeout_s: 60
models:
  planner:
    type: proxy
    openai_model_name: org/planner-v1
    proxy_url: $FAKE_URL_alpha
  keyed:
    type: proxy
    proxy_url: $FAKE_URL_beta
    api_key: beta-secret
  wrong-key:
    type: proxy
    proxy_url: $FAKE_URL_beta
    api_key: beta-guess
  dead:
    type: proxy
    openai_model_name: dead-name
    proxy_url: http://127.0.0.1:$DEAD_PORT
  nowhere:
    type: proxy
    proxy_url: http://no-such-host.invalid:8011
  reviewer:
    type: discovered
YAML
}

teardown_file() {
  gw_teardown
}

setup() {
  fake_mode alpha '{}'
}

# A test that called gw_setup has a gateway of its own. A pool beside it ends
# first: the shared memory stays while anybody uses it.
teardown() {
  if [[ $GW_DIR == "$BATS_TEST_TMPDIR" ]]; then
    _stop_tracked pool 5
    gw_teardown
  else
    gw_dump_if_failed
  fi
}

# why_not ID FILTER - of its entry among the unavailable models
why_not() {
  jq -rc --arg id "$1" \
    ".rolemesh.unavailable_models[] | select(.id == \$id) | $2" <<<"$body"
}

probes_of() {
  fake_count "$1" /v1/models
}

# --- the list ---

@test "models: GET /v1/models -> OpenAI's list of the usable ids" {
  gw_get /v1/models
  assert_status 200
  assert_header Content-Type application/json
  assert_json '[.object, (.data | map(.id))]' '["list",["org/planner-v1","keyed"]]'
  assert_json '.data[0] | [keys, .object, .owned_by, (.created | type)]' \
    '[["created","id","object","owned_by"],"model","rolemesh","number"]'
  local now
  now=$(date +%s)
  assert_between "$(jq '.data[0].created' <<<"$body")" "$BEGAN" "$now" created
}

@test "models: rolemesh -> the default model, unavailable models and nodes beside the list" {
  gw_get /v1/models
  assert_json .rolemesh.default_model planner
  assert_json '[.rolemesh.unavailable_models[].id]' \
    '["wrong-key","dead-name","nowhere","reviewer"]'
  assert_json .rolemesh.nodes '[]'
}

@test "models: nothing listens there -> unavailable, connection refused, with alias, type and since" {
  gw_get /v1/models
  assert_equal "$(why_not dead-name '[keys, .alias, .type, .reason]')" \
    '[["alias","id","reason","since","type"],"dead","proxy","connection refused"]'
  local now since
  now=$(date +%s)
  since=$(why_not dead-name .since)
  assert_between "$since" "$BEGAN" "$now" since
  # the same trouble goes on: since stays
  gw_get /v1/models
  assert_equal "$(why_not dead-name .since)" "$since" since
}

@test "models: no such host -> unavailable, and says that the name does not resolve" {
  gw_get /v1/models
  assert_equal "$(why_not nowhere .reason)" 'host name cannot be resolved'
}

@test "models: the upstream refuses our key -> unavailable with HTTP 401" {
  gw_get /v1/models
  assert_equal "$(why_not wrong-key .reason)" 'HTTP 401: the upstream wants another key'
}

@test "models: a discovered role without a node -> unavailable and says so" {
  gw_get /v1/models
  assert_equal "$(why_not reviewer '[.type, .reason]')" \
    '["discovered","no node registered for role '"'reviewer'"'"]'
}

@test "models: the upstream loads its model (503) -> unavailable, with a hint" {
  fake_mode alpha '{"loading": true}'
  gw_get /v1/models
  assert_equal "$(why_not org/planner-v1 .reason)" 'HTTP 503: it may be loading its model'
}

@test "models: probe answered 500, 404, 302 -> unavailable; 200, 204, 299 -> usable" {
  local status
  for status in 500 404 302; do
    fake_mode alpha "{\"models_status\": $status}"
    gw_get /v1/models
    assert_match "$(why_not org/planner-v1 .reason)" "^HTTP $status"
  done
  for status in 200 204 299; do
    fake_mode alpha "{\"models_status\": $status}"
    gw_get /v1/models
    assert_json '.data[0].id' org/planner-v1
  done
}

@test "models: the upstream closes the probe's connection -> unavailable" {
  fake_mode alpha '{"models_close": true}'
  gw_get /v1/models
  assert_equal "$(why_not org/planner-v1 .reason)" 'connection closed without an answer'
}

@test "models: the upstream comes back -> listed by the next call" {
  fake_mode alpha '{"models_status": 500}'
  gw_get /v1/models
  assert_json '[.data[].id]' '["keyed"]'
  fake_mode alpha '{}'
  gw_get /v1/models
  assert_json '[.data[].id]' '["org/planner-v1","keyed"]'
}

@test "models: a probe -> GET <base>/v1/models with the Bearer that requests use" {
  gw_get /v1/models
  local keys
  keys=$(fake_log beta 'select(.path == "/v1/models") | .method + " " +
    ([.headers[] | select(.[0] == "Authorization") | .[1]] | join(","))' | sort -u)
  assert_equal "$keys" $'GET Bearer beta-guess\nGET Bearer beta-secret'
  assert_equal "$(fake_log alpha 'select(.path == "/v1/models") | .headers[]
    | select(.[0] == "Authorization")')" ''
}

@test "models: HEAD /v1/models -> the headers of GET without a body" {
  gw_request HEAD /v1/models
  assert_status 200
  assert_header Content-Type application/json
  assert_header Content-Length '/^[1-9][0-9]+$/'
  assert_equal "$(wc -c <"$body_file.head")" "$(wc -c <"$body_file")" 'nothing but the head'
}

# --- one model ---

@test "models: GET /v1/models/{id} -> that model" {
  gw_get /v1/models/keyed
  assert_status 200
  assert_json '[.id, .object, .owned_by]' '["keyed","model","rolemesh"]'
}

@test "models: an id with a slash, as %2F or as it is -> that model" {
  gw_get /v1/models/org%2Fplanner-v1
  assert_status 200
  assert_json .id org/planner-v1
  gw_get /v1/models/org/planner-v1
  assert_status 200
  assert_json .id org/planner-v1
}

@test "models: GET /v1/models/{alias} -> the model under its id" {
  gw_get /v1/models/planner
  assert_status 200
  assert_json .id org/planner-v1
}

@test "models: GET of an unknown id -> 404 that lists the known ids" {
  gw_get /v1/models/nobody
  assert_error 404 model_not_found model
  assert_match "$(jq -r .error.message <<<"$body")" 'known models: org/planner-v1, keyed'
}

@test "models: GET of an unusable model -> 503 with the reason and Retry-After" {
  gw_get /v1/models/dead-name
  assert_error 503 no_available_node
  assert_match "$(jq -r .error.message <<<"$body")" 'connection refused'
  assert_header Retry-After '/^[0-9]+$/'
}

@test "models: GET of one model -> only its own upstream is probed" {
  local before
  before=$(probes_of alpha)
  gw_get /v1/models/keyed
  assert_equal "$(probes_of alpha)" "$before" 'probes of another upstream'
}

# --- /ready and /health ---

@test "ready: the default model's upstream answers -> 200" {
  gw_get /ready
  assert_status 200
  assert_json . '{"status":"ready","model":"planner"}'
}

@test "ready: the default model's upstream is down, others are not -> 503 with the reason" {
  fake_mode alpha '{"models_status": 500}'
  gw_get /ready
  assert_error 503 no_available_node
  assert_match "$(jq -r .error.message <<<"$body")" "default model 'planner'.*HTTP 500"
}

@test "ready: no default_model -> 200 as long as one alias is usable, else 503" {
  gw_setup
  fake_start gamma
  gw_config <<YAML
gateway: {probe_ttl_s: 0, probe_timeout_s: 60}
models:
  dead: {type: proxy, proxy_url: "http://127.0.0.1:$DEAD_PORT"}
  planner: {type: proxy, proxy_url: "$FAKE_URL_gamma"}
YAML
  gw_start
  gw_get /ready
  assert_status 200
  assert_json .model planner
  fake_stop gamma
  gw_get /ready
  assert_error 503 no_available_node
}

@test "ready: the default model's upstream is down, one that stands in for it is not -> 200 that says which" {
  local path
  gw_setup
  fake_start gamma
  gw_config <<YAML
default_model: planner
models:
  planner: {type: proxy, proxy_url: "http://127.0.0.1:$DEAD_PORT", fallback: [reviewer, spare]}
  reviewer: {type: discovered}
  spare: {type: proxy, proxy_url: "$FAKE_URL_gamma"}
YAML
  gw_start
  for path in /ready /v1/models/planner; do
    gw_get "$path"
    assert_status 200
    assert_json .via spare
  done
}

@test "ready: HEAD -> the status alone" {
  gw_request HEAD /ready
  assert_status 200
}

@test "health: every upstream is down -> 200, and none of them is asked" {
  local before
  fake_mode alpha '{"models_status": 500}'
  before=$(fake_stats alpha .requests_total)
  gw_get /health
  assert_status 200
  assert_json . '{"status":"ok"}'
  assert_equal "$(fake_stats alpha .requests_total)" "$before" 'requests upstream'
}

# --- what probing costs ---

# silent_upstreams TTL [TIME-OUT] - a gateway of one's own whose three models all point at
# upstreams that take the probe and never answer.
silent_upstreams() {
  gw_setup
  fake_start one
  fake_start two
  fake_start three
  gw_config <<YAML
gateway: {probe_ttl_s: $1, probe_timeout_s: ${2:-20}}
models:
  one: {type: proxy, proxy_url: "$FAKE_URL_one"}
  two: {type: proxy, proxy_url: "$FAKE_URL_two"}
  three: {type: proxy, proxy_url: "$FAKE_URL_three"}
YAML
  gw_start
}

mute_all() {
  local name
  for name in one two three; do
    fake_mode "$name" '{"models_wait": true}'
  done
}

@test "models: three silent upstreams -> all are asked at one time" {
  local name pid
  silent_upstreams 3600
  mute_all
  curl -sS --noproxy '*' --max-time 300 -o "$GW_DIR/list" "$GW_URL/v1/models" 3>&- 4>&- &
  pid=$!
  for name in one two three; do
    wait_until 10 fake_stat_is "$name" .waiting 1
  done
  for name in one two three; do # all of them still wait
    fake_go "$name"
  done
  wait "$pid"
  assert_equal "$(jq -c '[.data[].id]' "$GW_DIR/list")" '["one","two","three"]'
}

@test "models: silent upstreams -> given up after probe_timeout_s, and not asked again" {
  local before
  silent_upstreams 3600 2
  mute_all
  gw_get /v1/models
  assert_status 200
  assert_json '[.rolemesh.unavailable_models[].reason] | unique' '["no answer in time"]'
  assert_at_least "$time_total_ms" 1900 'ms with a time-out of 2 s'
  before=$(probes_of_all)
  gw_get /v1/models
  assert_json '.rolemesh.unavailable_models | length' 3
  assert_equal "$(probes_of_all)" "$before" probes
}

# for a gateway of its own: probes may be on their way, but not while nobody asks
probes_of_all() {
  local name
  for name in one two three; do
    wait_until 10 fake_stat_is "$name" .waiting 0 || return 1
  done
  gw_counter probes
}

@test "models: within probe_ttl_s -> the result is kept, good or bad" {
  silent_upstreams 3600
  gw_get /v1/models
  assert_json '.data | length' 3
  fake_mode one '{"models_status": 500}'
  gw_get /v1/models
  gw_get /ready
  assert_status 200
  gw_get /v1/models/one
  assert_status 200
  assert_equal "$(probes_of one)" 1 probes
}

@test "models: probe_ttl_s is over -> asked again" {
  silent_upstreams 0.2
  gw_get /v1/models
  assert_json '.data | length' 3
  fake_mode one '{"models_status": 500}'
  wait_until 5 now_lists 2
}

now_lists() {
  gw_get /v1/models >/dev/null
  [[ $(jq '.data | length' <<<"$body") == "$1" ]]
}

@test "models: a node registers anew -> probed by the next call, whatever was cached" {
  gw_setup
  fake_start node
  gw_config <<YAML
gateway: {probe_ttl_s: 3600, probe_timeout_s: 60}
models:
  reviewer: {type: discovered}
YAML
  gw_start
  local registration
  registration=$(jq -cn --arg url "$FAKE_URL_node" \
    '{node_id: "n1", base_url: $url, roles: ["reviewer"]}')
  fake_mode node '{"loading": true}'
  gw_post /v1/nodes/register "$registration"
  assert_status 200
  gw_get /v1/models
  assert_equal "$(why_not reviewer .reason)" \
    'no fresh node is reachable: n1: HTTP 503: it may be loading its model'
  fake_mode node '{}'
  gw_post /v1/nodes/register "$registration"
  gw_get /v1/models
  assert_json '[.data[].id]' '["reviewer"]'
}

# control_pool N - N more responders of this gateway's instance, behind a
# lighttpd of their own at $POOL_URL.
control_pool() {
  local conf=$GW_DIR/pool.conf port
  port=$(free_ports 1)
  POOL_URL=http://127.0.0.1:$port
  ROLE_MESH_CONFIG=$GW_CONFIG "$TOP_BUILDDIR/rolemesh-responder" \
    --listen "unix:$GW_DIR/pool.sock" --workers "$1" \
    >"$GW_DIR/pool.out" 2>"$GW_DIR/pool.log" 3>&- 4>&- &
  gw_track pool "$!"
  cat >"$conf" <<CONF
server.modules = ("mod_fastcgi")
server.compat-module-load = "disable"
server.bind = "127.0.0.1"
server.port = $port
server.document-root = "$GW_DIR"
fastcgi.server = ("/" => ((
  "socket" => "$GW_DIR/pool.sock", "check-local" => "disable")))
CONF
  PATH=$PATH:/usr/sbin lighttpd -D -f "$conf" >"$GW_DIR/web.out" 2>&1 3>&- 4>&- &
  gw_track web "$!"
  wait_until 10 pool_is_up
}

pool_is_up() {
  [[ $(curl -s --max-time 300 -o /dev/null -w '%{http_code}' "$POOL_URL/health") == 200 ]]
}

@test "models: many calls at once in several processes -> each upstream is asked once" {
  silent_upstreams 3600
  control_pool 3
  fake_mode one '{"models_delay_ms": 300}'
  local -a urls=()
  local i
  for i in 1 2 3 4 5 6; do
    urls+=(-o "$GW_DIR/answer-$i" "$POOL_URL/v1/models" -o "$GW_DIR/answer-g$i" "$GW_URL/v1/models")
  done
  run -0 curl -sS --max-time 300 --parallel --parallel-immediate "${urls[@]}"
  assert_equal "$(jq -rc '[.data[].id]' "$GW_DIR"/answer-* | sort | uniq -c |
    sed 's/^ *//')" '12 ["one","two","three"]'
  assert_equal "$(probes_of one)" 1 probes
  assert_equal "$(fake_stats one .models_max_concurrent)" 1 'probes at a time'
  # and they did meet several processes: the gateway's own and one of the pool
  wait_until 5 several_processes
}

several_processes() {
  (($(grep -h 'event=access' "$GW_DIR/gateway.log" "$GW_DIR/pool.log" |
    grep '/v1/models' | grep -o 'responder\[[0-9]*\]' | sort -u | wc -l) >= 2))
}
