#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 800-reload.bats - the configuration is edited while the gateway runs: what
# takes effect, in which processes, how soon; what a broken edit does (nothing)
# and what is said about it, once.

load helpers/all

# Each test edits, so each has a gateway of its own.
setup() {
  gw_setup
  fake_start alpha
  usual | gw_config
}

teardown() {
  gw_teardown
}

# usual [MORE-MODELS] [TOP-LEVEL]
usual() {
  printf '%s\nmodels:\n  planner: {type: proxy, proxy_url: "%s"}\n%s\n' "${2:-}" \
    "$FAKE_URL_alpha" "${1:-}"
}

# also ALIAS [MORE] - one more model, a line of YAML
also() {
  printf '  %s: {type: proxy, proxy_url: "%s"%s}' "$1" "$FAKE_URL_alpha" "${2:+, $2}"
}

# is_live ALIAS - the control process knows it; for wait_until
is_live() {
  gw_get "/v1/models/$1" >/dev/null
  [[ $status_code == 200 ]]
}

# served_by_all ALIAS N - all of N inference processes serve it; for wait_until
served_by_all() {
  local alias=$1 n=$2 i pids
  local -a asks=()
  for ((i = 0; i < n; i++)); do
    asks+=(-o /dev/null "$GW_URL/v1/chat/completions")
  done
  # held open together, they are spread over all processes
  curl -s --noproxy '*' --max-time 300 --parallel --parallel-immediate \
    -w '%{http_code}\n' -H "X-Request-Id: spread-$alias" \
    --data-binary "$(chat_json "$alias" '{"fake": {"first_delay_ms": 300}}')" \
    "${asks[@]}" >"$GW_DIR/codes"
  assert_equal "$(sort "$GW_DIR/codes" | uniq -c | tr -s ' ')" " $n 200" 'answers' || return 1
  pids=$(grep "rid=spread-$alias .*status=200" "$GW_DIR/gateway.log" |
    grep -o 'responder\[[0-9]*\]' | sort -u | wc -l)
  assert_equal "$pids" "$n" 'processes that knew the new model'
}

# lines REGEX - how many log lines match
lines() {
  grep -Ec "$1" "$GW_DIR/gateway.log" || true
}

# --- good edits ---

@test "reload: an alias is added -> every process serves it" {
  GW_WORKERS=3 gw_start
  usual "$(also fresh)" | gw_config
  wait_until 3 is_live fresh
  # the contract is a second; a machine under load gets some more
  wait_until 3 served_by_all fresh 3
}

@test "reload: an alias is removed while its stream is open -> the stream ends whole, new requests get 404" {
  usual "$(also old)" | gw_config
  GW_WORKERS=1 gw_start
  stream_to "$GW_DIR/s" /v1/chat/completions \
    "$(chat_json old '{"stream": true, "fake": {"tokens": 3, "wait_tokens": true}}')"
  fake_go alpha
  wait_until 10 stream_has "$GW_DIR/s" 1
  usual | gw_config
  wait_until 3 answers_404 old
  # still in the middle: the same process served both
  fake_go alpha
  fake_go alpha
  fake_go alpha # the end
  stream_wait
  assert_equal "$(stream_tokens "$GW_DIR/s" | wc -l)" 3 tokens
  grep -qF '[DONE]' "$GW_DIR/s"
}

answers_404() {
  gw_chat "$1" >/dev/null
  [[ $status_code == 404 ]]
}

@test "reload: defaults, default_model and an upstream's address change -> the next request shows it" {
  fake_start beta
  gw_start
  gw_chat planner
  assert_equal "$(jq .temperature "$(fake_body alpha)")" null
  gw_config <<YAML
default_model: planner
models:
  planner: {type: proxy, proxy_url: "$FAKE_URL_beta", defaults: {temperature: 0.25}}
YAML
  wait_until 3 default_is_beta
  assert_equal "$(jq -c '[.model, .temperature]' "$(fake_body beta)")" '["planner",0.25]'
}

default_is_beta() {
  gw_chat '' >/dev/null
  [[ $body == *'upstream beta'* ]]
}

@test "reload: client keys are set, changed, taken away -> in force each time" {
  gw_start
  gw_get /v1/models
  assert_status 200
  usual '' 'auth: {client_api_keys: [one]}' | gw_config
  wait_until 3 key_gets '' 401
  key_gets one 200
  usual '' 'auth: {client_api_keys: [two]}' | gw_config
  wait_until 3 key_gets one 401
  key_gets two 200
  usual | gw_config
  wait_until 3 key_gets '' 200
}

key_gets() {
  GW_KEY=$1 gw_get /v1/models >/dev/null
  [[ $status_code == "$2" ]]
}

@test "reload: said once, by one of the processes" {
  GW_WORKERS=3 gw_start
  usual "$(also fresh)" | gw_config
  wait_until 3 served_by_all fresh 3
  usual "$(also fresh-2)" | gw_config
  wait_until 3 served_by_all fresh-2 3
  assert_equal "$(lines event=config_loaded)" 2 'lines config_loaded'
}

@test "reload: an override file is edited -> in force, merged as at the start" {
  printf 'models: {planner: {defaults: {top_k: 1}}}\n' >"$GW_DIR/over.yaml"
  gw_start --config-override "$GW_DIR/over.yaml"
  gw_chat planner
  assert_equal "$(jq .top_k "$(fake_body alpha)")" 1
  printf 'models: {planner: {defaults: {top_k: 2}}}\n' | gw_config "$GW_DIR/over.yaml"
  wait_until 3 forwards_top_k 2
  assert_header X-RoleMesh-Model planner
}

forwards_top_k() {
  gw_chat planner >/dev/null
  [[ $(jq .top_k "$(fake_body alpha)") == "$1" ]]
}

@test "reload: a file that \${file:} reads is edited -> the key in it is in force" {
  printf 'secret-one\n' >"$GW_DIR/key"
  usual '' "auth: {client_api_keys: ['\${file:$GW_DIR/key}']}" | gw_config
  gw_start
  key_gets secret-one 200
  printf 'secret-two\n' >"$GW_DIR/key.new"
  mv "$GW_DIR/key.new" "$GW_DIR/key"
  wait_until 3 key_gets secret-two 200
  key_gets secret-one 401
}

@test "reload: written in place, bit by bit -> in force, nothing broken is reported" {
  gw_start
  local text broken began took i
  # half a file that stands still for 0.1 s is an edit: what this shell wrote in
  # more time than that says nothing, and is written anew
  for ((i = 1; i <= 20; i++)); do
    text=$(usual "$(also "fresh-$i")")
    broken=$(lines event=config_broken)
    began=${EPOCHREALTIME/./}
    # what editors do that truncate first
    : >"$GW_CONFIG"
    printf '%s' "${text:0:30}" >>"$GW_CONFIG"
    printf '%s\n' "${text:30}" >>"$GW_CONFIG"
    took=$((${EPOCHREALTIME/./} - began))
    wait_until 3 is_live "fresh-$i"
    ((took > 50000)) || break
  done
  ((took <= 50000))
  assert_equal "$(lines event=config_broken)" "$broken" 'lines config_broken'
}

@test "reload: the file is a symlink that moves on to another folder -> in force" {
  mkdir "$GW_DIR/v1" "$GW_DIR/v2"
  usual >"$GW_DIR/v1/models.yaml"
  usual "$(also fresh)" >"$GW_DIR/v2/models.yaml"
  ln -s v1 "$GW_DIR/current"
  ln -sf current/models.yaml "$GW_CONFIG"
  gw_start
  ln -s v2 "$GW_DIR/next"
  mv -T "$GW_DIR/next" "$GW_DIR/current"
  wait_until 3 is_live fresh
}

@test "reload: touched, or written again unchanged -> not a word in the log" {
  gw_start
  touch "$GW_CONFIG"
  usual | gw_config
  # the next real edit shows that the others have been looked at
  usual "$(also fresh)" | gw_config
  wait_until 3 is_live fresh
  assert_equal "$(lines 'event=config_(loaded|broken)')" 1 'lines about edits'
}

@test "reload: thirty edits without a pause -> the last one is in force" {
  gw_start
  local i
  for i in {1..30}; do
    usual "$(also "fresh-$i")" | gw_config
  done
  wait_until 4 is_live fresh-30
  gw_get /v1/models/fresh-29
  assert_status 404
}

@test "reload: nodes and counters -> kept" {
  usual '  reviewer: {type: discovered}' | gw_config
  gw_start
  gw_post /v1/nodes/register \
    "{\"node_id\":\"n1\",\"base_url\":\"$FAKE_URL_alpha\",\"roles\":[\"reviewer\"]}"
  gw_chat reviewer
  gw_get /rolemesh/status
  local before
  before=$(jq .counters.requests <<<"$body")
  usual "  reviewer: {type: discovered}"$'\n'"$(also fresh)" | gw_config
  wait_until 3 is_live fresh
  gw_chat reviewer
  assert_status 200
  assert_header X-RoleMesh-Node n1
  gw_get /rolemesh/status
  assert_json ".counters.requests > $before" true
}

# --- broken edits ---

@test "reload: a broken edit -> nothing changes, each error is logged exactly once" {
  GW_WORKERS=3 gw_start
  gw_config <<<$'gateway: {port: 70000}\nmodels:\n  planner: {type: proxy, proxy_ulr: "http://x"}'
  wait_until 3 gw_log_has 'event=config_broken.*models\.yaml:3:26:.*proxy_ulr'
  gw_chat planner
  assert_status 200
  # a later edit is in force everywhere: by then all have seen the broken one
  usual "$(also fresh)" | gw_config
  wait_until 3 served_by_all fresh 3
  assert_equal "$(lines 'event=config_broken.*:1:17:.*gateway\.port')" 1 'lines about the port'
  assert_equal "$(lines 'event=config_broken.*proxy_ulr')" 1 'lines about the unknown key'
  assert_equal "$(lines event=config_loaded)" 1 'lines config_loaded'
}

@test "reload: a broken edit, repaired, broken the same way again -> reported again" {
  gw_start
  echo 'models: [' | gw_config
  wait_until 3 gw_log_has event=config_broken
  usual "$(also fresh)" | gw_config
  wait_until 3 is_live fresh
  local before
  before=$(lines event=config_broken)
  echo 'models: [' | gw_config
  wait_until 3 broken_lines_exceed "$before"
}

broken_lines_exceed() {
  (($(lines event=config_broken) > $1))
}

@test "reload: taken back to what it was before a broken edit -> in force, later edits as well" {
  gw_start
  echo 'models: [' | gw_config
  wait_until 3 gw_log_has event=config_broken
  usual | gw_config
  gw_chat planner
  assert_status 200
  usual "$(also fresh)" | gw_config
  wait_until 3 is_live fresh
}

@test "reload: the file is gone -> nothing changes, one error; it is back -> in force" {
  gw_start
  rm "$GW_CONFIG"
  wait_until 4 gw_log_has 'event=config_broken.*models\.yaml'
  gw_chat planner
  assert_status 200
  usual "$(also fresh)" | gw_config
  wait_until 3 is_live fresh
  assert_equal "$(lines event=config_broken)" 1 'lines config_broken'
}

@test "reload: every responder is killed during a broken edit -> they come back with the last good files" {
  usual "$(also second)" | gw_config
  gw_start
  # the last good files are an edit's, not those of the start
  usual "$(also third)" | gw_config
  wait_until 3 is_live third
  echo 'models: {planner: {type: proxy' | gw_config
  wait_until 3 gw_log_has event=config_broken
  local pids
  pids=$(gw_responders)
  # shellcheck disable=SC2086
  kill -KILL $pids
  wait_until 10 back_with third
  gw_chat second
  assert_error 404 model_not_found
  # and out of it again
  usual "$(also fourth)" | gw_config
  wait_until 3 back_with fourth
}

back_with() {
  gw_chat "$1" >/dev/null
  [[ $status_code == 200 ]] || return 1
  is_live "$1"
}

# --- what a running gateway cannot change ---

@test "reload: host, port, workers, max_body_bytes change -> each said once, the rest is in force" {
  usual '' "gateway: {host: 127.0.0.1, port: $GW_PORT, workers: 3}" | gw_config
  GW_PORT_FROM_CONFIG=1 GW_WORKERS='' gw_start
  usual "$(also fresh)" \
    'gateway: {host: 127.0.0.2, port: 9, workers: 7, max_body_bytes: 2000}' | gw_config
  wait_until 3 served_by_all fresh 3
  wait_until 3 gw_log_has 'event=config_needs_restart .*key=gateway\.max_body_bytes'
  local key
  for key in host port workers max_body_bytes; do
    assert_equal "$(lines "event=config_needs_restart .*key=gateway\.$key")" 1 "lines about $key"
  done
  assert_equal "$(lines event=config_needs_restart)" 4 'lines in all'
  gw_get /health
  assert_status 200
}

@test "reload: host, port, workers change where the command line decides -> nothing said" {
  gw_start
  usual "$(also fresh)" 'gateway: {host: 127.0.0.2, port: 9, workers: 7}' | gw_config
  wait_until 3 served_by_all fresh 2
  # whoever speaks of this edit has seen the first one as well
  usual "$(also fresh)" 'gateway: {port: 9, max_body_bytes: 2000}' | gw_config
  wait_until 3 gw_log_has 'event=config_needs_restart .*key=gateway\.max_body_bytes'
  assert_equal "$(lines event=config_needs_restart)" 1 'lines in all'
}

@test "reload: max_body_bytes changes -> the old limit stays until the restart" {
  gw_start
  usual "$(also fresh)" 'gateway: {max_body_bytes: 2000}' | gw_config
  wait_until 3 is_live fresh
  wait_until 3 served_by_all fresh 2
  local pad
  pad=$(printf 'x%.0s' {1..4000})
  gw_chat planner "{\"pad\": \"$pad\"}"
  assert_status 200
  gw_stop
  gw_start
  gw_chat planner "{\"pad\": \"$pad\"}"
  assert_error 413 request_too_large
}
