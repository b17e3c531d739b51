#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 800-launcher.bats - rolemesh-gateway: options, start, way down, leftovers.
#
# shellcheck disable=SC2154,SC2030,SC2031 # helpers set variables; a test is a subshell

load helpers/all

setup() {
  gw_setup
  gw_config <<'YAML'
gateway:
  shutdown_grace_s: 3
models:
  planner:
    type: proxy
    proxy_url: http://127.0.0.1:9
YAML
}

teardown() {
  gw_teardown
}

# The one private folder there is.
runtime_folder() {
  local -a found=("$GW_DIR"/run/rolemesh-*)
  [[ ${#found[@]} == 1 && -d ${found[0]} ]] && echo "${found[0]}"
}

mode_of() {
  stat -c %a "$1"
}

nothing_runs() {
  [[ -z $(gw_processes) ]]
}

nothing_but_the_fake() {
  ! gw_processes | grep -qv fake_llama
}

# in_background NAME FILE COMMAND... - run it, output to FILE.out and FILE.log.
in_background() {
  local name=$1 file=$2
  shift 2
  env TMPDIR="$GW_DIR/run" XDG_RUNTIME_DIR="$GW_DIR/run" \
    ROLEMESH_RESPONDER="$TOP_BUILDDIR/rolemesh-responder" \
    ROLEMESH_DATADIR="$TOP_SRCDIR/lighttpd" \
    "$@" >"$file.out" 2>"$file.log" 3>&- 4>&- &
  gw_track "$name" "$!"
  wait_until 15 test -s "$file.out"
}

# end_background NAME
end_background() {
  kill -TERM "$(gw_pid "$1")"
  wait_until 10 gone "$(gw_pid "$1")"
}

# ---- options -----------------------------------------------------------------

@test "options: --version -> name and version, exit 0" {
  run -0 gw_run --version
  assert_match "$output" '^rolemesh-gateway [0-9]+\.[0-9]+\.[0-9]+$'
}

@test "options: --help -> every option is explained, exit 0" {
  local option
  run -0 gw_run --help
  for option in config config-override host port workers check print-config hash-key version help; do
    assert_match "$output" "--$option "
  done
}

@test "options: several mistakes -> all are named, exit 2" {
  run -2 gw_run --nonsense --port 0 --workers 2x extra
  assert_match "$output" 'nonsense'
  assert_match "$output" '--port must be a number from 1 to 65535, not "0"'
  assert_match "$output" '--workers must be a number from 1 to 256, not "2x"'
  assert_match "$output" 'unexpected argument "extra"'
}

@test "options: more overrides than fit -> a clear error, exit 2" {
  local -a many=()
  for _ in $(seq 16); do many+=(--config-override x.yaml); done
  run -2 gw_run "${many[@]}"
  assert_match "$output" 'more than 15 --config-override'
}

@test "options: an override whose path holds a colon -> a clear error, exit 2" {
  : >"$GW_DIR/a:b.yaml"
  run -2 gw_run --check --config "$GW_CONFIG" --config-override "$GW_DIR/a:b.yaml"
  assert_match "$output" 'a:b.yaml: .*colon'
}

@test "check: a good file -> FILE: ok, exit 0, nothing is started" {
  run -0 gw_run --check --config "$GW_CONFIG"
  assert_equal "$output" "$GW_CONFIG: ok"
  run -1 test -e "/dev/shm/${ROLE_MESH_SHM#/}"
}

@test "check: without --config -> ROLE_MESH_CONFIG is checked" {
  ROLE_MESH_CONFIG=$GW_CONFIG run -0 gw_run --check
  assert_equal "$output" "$GW_CONFIG: ok"
}

@test "check: neither --config nor ROLE_MESH_CONFIG -> configs/models.yaml" {
  mkdir -p "$GW_DIR/work/configs"
  cp "$GW_CONFIG" "$GW_DIR/work/configs/models.yaml"
  cd "$GW_DIR/work"
  run -0 gw_run --check
  assert_equal "$output" 'configs/models.yaml: ok'
}

@test "check: three mistakes -> three places and exit 2" {
  gw_config <<'YAML'
gateway:
  prot: 8000
models:
  planner:
    type: proxy
  writer:
    type: porxy
YAML
  run -2 gw_run --check --config "$GW_CONFIG"
  assert_match "$output" "$GW_CONFIG:2:[0-9]+: .*prot.*port"
  assert_match "$output" "$GW_CONFIG:[45]:[0-9]+: .*proxy_url"
  assert_match "$output" "$GW_CONFIG:7:[0-9]+: .*porxy"
}

@test "check: a host that is not loopback and no keys -> a warning, still ok" {
  run -0 gw_run --check --config "$GW_CONFIG" --host 0.0.0.0
  assert_match "$output" 'warning: .*client_api_keys'
  assert_match "$output" "$GW_CONFIG: ok"
}

@test "check: --host decides whether nodes may register without a key -> error, warning, nothing" {
  gw_config <<YAML
gateway: {host: 0.0.0.0}
auth: {client_api_keys: [k], upstream_node_key: the-nodes-key}
models: {reviewer: {type: discovered}}
YAML
  run -2 gw_run --check --config "$GW_CONFIG"
  assert_match "$output" "$GW_CONFIG:2:[0-9]+: error: auth.upstream_node_key: .*gateway.host .0\.0\.0\.0"
  run -0 gw_run --check --config "$GW_CONFIG" --host 127.0.0.1
  assert_equal "$output" "$GW_CONFIG: ok"
  sed -i '/^gateway/d' "$GW_CONFIG"
  run -0 gw_run --check --config "$GW_CONFIG"
  assert_equal "$output" "$GW_CONFIG: ok"
  # a leftover of somebody's shell is not --host
  ROLE_MESH_HOST=0.0.0.0 run -0 gw_run --check --config "$GW_CONFIG"
  run -2 gw_run --check --config "$GW_CONFIG" --host ::
  assert_match "$output" 'error: auth.upstream_node_key: .*--host .::'
  [[ $output != *the-nodes-key* ]]
  sed -i 's/upstream_node_key/upstream_operator_key/' "$GW_CONFIG"
  run -2 gw_run --check --config "$GW_CONFIG" --host ::
  assert_match "$output" 'error: auth.upstream_operator_key: .*--host .::'
  sed -i 's/upstream_operator_key/upstream_node_key/' "$GW_CONFIG"
  sed -i 's/, upstream_node_key: the-nodes-key//' "$GW_CONFIG"
  run -0 gw_run --check --config "$GW_CONFIG" --host ::
  assert_match "$output" 'warning: --host: .::. is not .*node_api_keys is empty'
}

@test "reload: an edit that opens the nodes' key to strangers, under --host -> refused" {
  gw_config <<YAML
models: {reviewer: {type: discovered}}
YAML
  gw_start --host 0.0.0.0
  gw_log_has 'warning: .*node_api_keys'
  gw_config <<YAML
auth: {upstream_node_key: the-nodes-key}
models: {reviewer: {type: discovered}, added: {type: discovered}}
YAML
  wait_until 10 gw_log_has 'auth.upstream_node_key: .*--host'
  gw_get /v1/models
  assert_json '[.rolemesh.unavailable_models[].id]' '["reviewer"]'
}

@test "check: --host and gateway.host with a port -> what to write instead, exit 2" {
  run -2 gw_run --check --config "$GW_CONFIG" --host 0.0.0.0:8000
  assert_match "$output" 'host "0\.0\.0\.0:8000" is a host with a port; write .0\.0\.0\.0. '
  gw_config <<YAML
gateway: {host: "0.0.0.0:8000"}
models: {writer: {type: proxy, proxy_url: "http://127.0.0.1:1/v1/chat/completions"}}
YAML
  run -2 gw_run --check --config "$GW_CONFIG"
  assert_match "$output" 'gateway.host: .*write .0\.0\.0\.0. and give the port \(8000\)'
  assert_match "$output" 'proxy_url: .*write .http://127\.0\.0\.1:1.'
}

@test "start: a broken configuration -> all errors, exit 2, nothing left" {
  echo 'models: 5' | gw_config
  run -2 gw_run --config "$GW_CONFIG"
  assert_match "$output" "$GW_CONFIG:1:[0-9]+: error"
}

@test "start: a missing configuration -> its path is named, exit 2" {
  run -2 gw_run --config "$GW_DIR/nowhere.yaml"
  assert_match "$output" 'nowhere.yaml'
}

@test "print-config: options and override win, keys are masked, it loads again" {
  gw_config "$GW_DIR/over.yaml" <<'YAML'
auth:
  client_api_keys: ["sekret-sekret"]
YAML
  run -0 --separate-stderr gw_run --print-config --config "$GW_CONFIG" \
    --config-override "$GW_DIR/over.yaml" --host 127.0.0.2 --port 8123 --workers 7
  [[ $output != *sekret* ]]
  printf '%s\n' "$output" >"$GW_DIR/printed.yaml"
  run -0 gw_run --check --config "$GW_DIR/printed.yaml"
  run -0 cat "$GW_DIR/printed.yaml"
  assert_match "$output" 'host: "?127\.0\.0\.2'
  assert_match "$output" 'port: 8123'
  assert_match "$output" 'workers: 7'
  assert_match "$output" '\*\*\*'
}

# ---- start -------------------------------------------------------------------

@test "start: ready -> one line on standard output names address and pid" {
  gw_start
  assert_match "$(<"$GW_DIR/gateway.out")" \
    "^RoleMesh Gateway [0-9.]+ on $GW_URL \(pid $(gw_pid gateway)\)\$"
}

@test "start: host and port of the configuration are honoured" {
  gw_config <<YAML
gateway: {host: 127.0.0.1, port: $GW_PORT}
models:
  planner: {type: proxy, proxy_url: "http://127.0.0.1:9"}
YAML
  GW_PORT_FROM_CONFIG=1 gw_start
  gw_get /health
  assert_status 200
}

@test "start: --host ::1 and [::1] -> it answers there, and only there" {
  local host
  for host in ::1 '[::1]'; do
    GW_URL="http://[::1]:$GW_PORT" gw_start --host "$host"
    gw_request GET "http://[::1]:$GW_PORT/health"
    assert_status 200
    gw_request GET "http://127.0.0.1:$GW_PORT/health"
    assert_status 000
    gw_stop
  done
}

@test "start: --host :: -> IPv4 and IPv6 are answered" {
  gw_start --host ::
  gw_request GET "http://[::1]:$GW_PORT/health"
  assert_status 200
  gw_request GET "http://127.0.0.1:$GW_PORT/health"
  assert_status 200
}

@test "start: --host 0.0.0.0 -> it answers and warns about missing keys" {
  gw_start --host 0.0.0.0
  gw_get /health
  assert_status 200
  gw_log_has 'warning: .*client_api_keys'
}

@test "start: the folder is 0700, sockets and files in it are 0600" {
  local folder file
  gw_start
  folder=$(runtime_folder)
  assert_equal "$(mode_of "$folder")" 700
  for file in "$folder"/i-0 "$folder"/i-1 "$folder"/c-0; do
    [[ -S $file ]]
    assert_equal "$(mode_of "$file")" 600 "$file"
  done
  assert_equal "$(mode_of "$folder/lighttpd.conf")" 600
  assert_equal "$(mode_of "$folder/upload")" 700
  assert_equal "$(mode_of "$folder/last-good/0.yaml")" 600
  assert_equal "$(mode_of "/dev/shm/${ROLE_MESH_SHM#/}")" 600
}

@test "start: pools have --workers inference processes and one for control" {
  GW_WORKERS=3 gw_start
  wait_until 5 inference_are 3
  assert_equal "$(gw_responders control | wc -l)" 1
}

inference_are() {
  [[ $(gw_responders inference | wc -l) == "$1" ]]
}

@test "start: the same instance runs already -> its pid is named, exit 1" {
  gw_start
  run -1 gw_run --config "$GW_CONFIG" --port "$(free_ports 1)"
  assert_match "$output" "running already.*$(gw_pid gateway).*ROLE_MESH_SHM"
  gw_get /health
  assert_status 200
}

@test "start: another instance beside this one -> both answer" {
  local port
  gw_start
  port=$(free_ports 1)
  in_background other "$GW_DIR/other" ROLE_MESH_SHM="$ROLE_MESH_SHM-b" \
    "$TOP_BUILDDIR/rolemesh-gateway" --config "$GW_CONFIG" --port "$port" --workers 1
  gw_get /health
  assert_status 200
  gw_request GET "http://127.0.0.1:$port/health"
  assert_status 200
  end_background other
  run -1 test -e "/dev/shm/${ROLE_MESH_SHM#/}-b"
}

@test "start: the port is in use -> host and port are named, exit 1, all gone" {
  fake_start squatter
  run -1 gw_run --config "$GW_CONFIG" --port "$FAKE_PORT_squatter"
  assert_match "$output" "port $FAKE_PORT_squatter on 127.0.0.1 is in use"
  run -1 test -e "/dev/shm/${ROLE_MESH_SHM#/}"
  assert_equal "$(ls -A "$GW_DIR/run")" ''
}

@test "start: lighttpd is missing -> the package is named, exit 1" {
  LIGHTTPD=/nonexistent/lighttpd run -1 gw_run --config "$GW_CONFIG" --port "$GW_PORT"
  assert_match "$output" 'lighttpd was not found \(/nonexistent/lighttpd\): install the package lighttpd'
}

@test "start: lighttpd ends by itself -> the log says so, exit 1, all gone" {
  LIGHTTPD=/bin/false run -1 gw_run --config "$GW_CONFIG" --port "$GW_PORT"
  assert_match "$output" 'lighttpd ended by itself with status 1'
  assert_equal "$(ls -A "$GW_DIR/run")" ''
}

@test "start: an address that is not this machine's -> a clear error, exit 1" {
  run -1 gw_run --config "$GW_CONFIG" --host 192.0.2.1 --port "$GW_PORT"
  assert_match "$output" "cannot listen on 192.0.2.1 port $GW_PORT: "
}

@test "start: paths with blanks -> it runs" {
  local odd="$GW_DIR/a folder, with 'odd' \"characters\""
  mkdir -p "$odd"
  cp "$TOP_BUILDDIR/rolemesh-responder" "$odd/rolemesh-responder"
  cp -r "$TOP_SRCDIR/lighttpd" "$odd/data"
  gw_config "$odd/models.yaml" <"$GW_CONFIG"
  in_background odd "$GW_DIR/odd" ROLEMESH_RESPONDER="$odd/rolemesh-responder" \
    ROLEMESH_DATADIR="$odd/data" "$TOP_BUILDDIR/rolemesh-gateway" \
    --config "$odd/models.yaml" --port "$GW_PORT" --workers 1
  gw_request FOO /v1/models
  assert_error 501 not_implemented
  end_background odd
}

@test "start: a TMPDIR too long for sockets -> another place is taken" {
  local long
  long=$GW_DIR/$(printf 'x%.0s' {1..90})
  mkdir -p "$long"
  in_background long "$GW_DIR/long" XDG_RUNTIME_DIR="$long" \
    "$TOP_BUILDDIR/rolemesh-gateway" --config "$GW_CONFIG" --port "$GW_PORT" --workers 1
  assert_equal "$(ls -A "$long")" ''
  [[ -d $(runtime_folder) ]]
}

# ---- the way down ------------------------------------------------------------

@test "stop: SIGTERM while idle -> exit 0 without waiting for shutdown_grace_s, all gone" {
  sed -i 's|_grace_s: 3|_grace_s: 600|' "$GW_CONFIG"
  gw_start
  gw_stop TERM
  assert_equal "$gw_status" 0 'exit status'
  nothing_runs
  assert_equal "$(ls -A "$GW_DIR/run")" ''
  run -1 test -e "/dev/shm/${ROLE_MESH_SHM#/}"
}

@test "stop: SIGINT works like SIGTERM" {
  gw_start
  gw_stop INT
  assert_equal "$gw_status" 0 'exit status'
  nothing_runs
}

@test "stop: an open stream -> it ends whole, new connections are refused" {
  local pid script='{"stream": true, "fake": {"tokens": 3, "wait_tokens": true}}'
  fake_start alpha
  sed -i "s|http://127.0.0.1:9|$FAKE_URL_alpha|; s|_grace_s: 3|_grace_s: 3600|" "$GW_CONFIG"
  gw_start
  stream_to "$GW_DIR/s" /v1/chat/completions "$(chat_json planner "$script")"
  fake_go alpha
  wait_until 10 stream_has "$GW_DIR/s" 1
  pid=$(gw_pid gateway)
  kill -TERM "$pid"
  wait_until 5 gw_log_has 'graceful shutdown started'
  gw_request GET /health
  assert_status 000
  fake_go alpha
  fake_go alpha
  fake_go alpha # the end
  stream_wait
  assert_equal "$stream_status" 0 "curl's exit status"
  assert_equal "$(stream_tokens "$GW_DIR/s" | wc -l)" 3 tokens
  grep -qF 'data: [DONE]' "$GW_DIR/s"
  wait_until 5 gone "$pid"
  wait_until 10 test -s "$GW_DIR/gateway.status"
  assert_equal "$(<"$GW_DIR/gateway.status")" 0 'exit status'
}

@test "stop: a stream longer than shutdown_grace_s -> cut then, all gone" {
  local pid before script='{"stream": true, "fake": {"tokens": 1000000, "delay_ms": 100}}'
  fake_start alpha
  sed -i "s|http://127.0.0.1:9|$FAKE_URL_alpha|; s|_grace_s: 3|_grace_s: 1|" "$GW_CONFIG"
  gw_start
  stream_to "$GW_DIR/s" /v1/chat/completions "$(chat_json planner "$script")"
  wait_until 10 stream_has "$GW_DIR/s" 2
  pid=$(gw_pid gateway)
  before=$(mono_ms)
  kill -TERM "$pid"
  wait_until 10 gone "$pid"
  assert_at_least "$(($(mono_ms) - before))" 950 'ms to stop'
  stream_wait
  run ! grep -F '[DONE]' "$GW_DIR/s"
  wait_until 10 test -s "$GW_DIR/gateway.status"
  assert_equal "$(<"$GW_DIR/gateway.status")" 0 'exit status'
  nothing_but_the_fake
}

@test "stop: a second signal -> everything ends at once" {
  local pid script='{"stream": true, "fake": {"tokens": 1000000, "delay_ms": 100}}'
  fake_start alpha
  sed -i "s|http://127.0.0.1:9|$FAKE_URL_alpha|; s|_grace_s: 3|_grace_s: 600|" "$GW_CONFIG"
  gw_start
  stream_to "$GW_DIR/s" /v1/chat/completions "$(chat_json planner "$script")"
  wait_until 10 stream_has "$GW_DIR/s" 2
  pid=$(gw_pid gateway)
  kill -INT "$pid"
  wait_until 2 gw_log_has 'graceful shutdown started'
  kill -INT "$pid"
  wait_until 10 gone "$pid"
  wait_until 2 nothing_but_the_fake
}

@test "stop: lighttpd is killed -> exit 1, its responders go too" {
  local pid lighttpd
  gw_start
  pid=$(gw_pid gateway)
  lighttpd=$(gw_processes | awk '/^[0-9]+ lighttpd / { print $1 }')
  kill -KILL "$lighttpd"
  wait_until 10 gone "$pid"
  wait_until 10 test -s "$GW_DIR/gateway.status"
  assert_equal "$(<"$GW_DIR/gateway.status")" 1 'exit status'
  gw_log_has 'lighttpd was ended by signal 9'
  nothing_runs
  assert_equal "$(ls -A "$GW_DIR/run")" ''
}

@test "kill: the launcher gets SIGKILL -> nothing runs on, the next start clears up" {
  local pid first
  gw_expect_leftovers
  gw_start
  first=$(runtime_folder)
  pid=$(gw_pid gateway)
  kill -KILL "$pid"
  wait_until 5 test -s "$GW_DIR/gateway.status" # its own, not the next one's
  wait_until 5 nothing_runs
  [[ -d $first ]]
  gw_start
  run -1 test -e "$first"
  assert_equal "$(find "$GW_DIR/run" -mindepth 1 -maxdepth 1 | wc -l)" 1 folders
  gw_stop
  assert_equal "$(ls -A "$GW_DIR/run")" ''
}

@test "kill: the port of a killed gateway is let go late -> the next start waits for it" {
  local first
  gw_expect_leftovers
  # it waits for five seconds: once more where this shell was away for longer
  for _ in 1 2 3 4; do
    gw_start
    first=$(runtime_folder)
    kill -KILL "$(gw_pid gateway)"
    wait_until 5 test -s "$GW_DIR/gateway.status" # its own, not the next one's
    wait_until 5 nothing_runs
    # stands in for a web server that is slow to die
    export FAKE_PORT_slow=$GW_PORT
    fake_start slow
    _gw_launch
    wait_until 5 folder_is_another_or_dead "$first"
    fake_stop slow
    wait_until 10 _gw_up_or_dead
    gone "$(gw_pid gateway)" || return 0
  done
  _fail 'it did not wait'
}

folder_is_another_or_dead() {
  gone "$(gw_pid gateway)" || [[ $(runtime_folder) != "$1" && -d $(runtime_folder) ]]
}

@test "kill: a responder gets SIGKILL -> another takes its place" {
  local pid
  gw_start
  pid=$(gw_responders control)
  kill -KILL "$pid"
  wait_until 5 gw_is_up
  [[ $(gw_responders control) != "$pid" ]]
}

# ---- edits -------------------------------------------------------------------

@test "edit: broken, then a responder dies -> the next one serves the last good files" {
  gw_start
  echo 'models: [' | gw_config
  wait_until 3 gw_log_has 'event=config_broken'
  kill -KILL "$(gw_responders control)"
  wait_until 3 gw_is_up
  gw_get /v1/models
  assert_status 200
  assert_json '.rolemesh.unavailable_models[0].id' planner
}

@test "edit: last good files go on meaning the folders of the originals" {
  mkdir -p "$GW_DIR/conf/secrets"
  printf 'key-one-key-one\n' >"$GW_DIR/conf/secrets/k"
  GW_CONFIG=$GW_DIR/conf/models.yaml
  gw_config <<'YAML'
auth:
  client_api_keys: ["${file:secrets/k}"]
models:
  planner: {type: proxy, proxy_url: "http://127.0.0.1:9"}
YAML
  gw_start
  echo 'models: [' | gw_config
  wait_until 3 gw_log_has 'event=config_broken'
  kill -KILL "$(gw_responders control)"
  wait_until 3 gw_is_up
  GW_KEY=key-one-key-one gw_get /v1/models
  assert_status 200
  GW_KEY=another gw_get /v1/models
  assert_status 401
}

@test "edit: broken -> said once, by one process; repaired -> in force" {
  gw_start
  echo 'models: [' | gw_config
  wait_until 3 gw_log_has 'event=config_broken'
  gw_config <<'YAML'
models:
  writer: {type: proxy, proxy_url: "http://127.0.0.1:9"}
YAML
  wait_until 3 gw_log_has 'event=config_loaded'
  wait_until 3 models_are writer
  assert_equal "$(grep -c 'event=config_broken' "$GW_DIR/gateway.log")" 1 lines
  assert_equal "$(grep -c 'event=config_loaded' "$GW_DIR/gateway.log")" 1 lines
}

models_are() {
  gw_get /v1/models >/dev/null
  [[ $(jq -r '.rolemesh.unavailable_models | map(.id) | join(",")' <<<"$body") == "$1" ]]
}

@test "edit: max_body_bytes changed -> the log says once that it waits for a restart" {
  gw_start
  gw_config <<<"$(sed 's|_grace_s: 3|&\n  max_body_bytes: 5000|' "$GW_CONFIG")"
  wait_until 3 gw_log_has 'event=config_needs_restart.*max_body_bytes'
  gw_get /health
  assert_status 200
  assert_equal "$(grep -c event=config_needs_restart "$GW_DIR/gateway.log")" 1 lines
}
