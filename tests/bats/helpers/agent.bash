# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# agent.bash - node agents of one's own for a test, and the scripted
# llama-servers that they start (tests/fake/README.md has their vocabulary).
#
# After gw_setup:
#   agent_ports a 8
#   agent_config a <<YAML
#   llama_server_bin: $FAKE_LLAMA_SERVER
#   llama_server_port_base: $AGENT_LLAMA_PORTS_a
#   models: [{model_id: m1, path: $(fake_model m1 loading_s=1)}]
#   YAML
#   agent_start a
# gw_teardown stops agents and fails when one left a process or a folder. NAME
# is a word of letters, digits and _; AGENT_PORT_NAME and AGENT_URL_NAME hold
# where it listens. Requests carry $AGENT_KEY as Bearer when set. agent_on puts
# an agent on another host than 127.0.0.1.

FAKE_LLAMA_SERVER=$TOP_SRCDIR/tests/fake/llama-server
export FAKE_LLAMA_SERVER

# Below the ports that the kernel hands out (32768), so that nobody but another
# test is given one of them, and among tests a lock decides.
_PORTS_LOW=20000
_PORTS_SLOT=32
_PORTS_SLOTS=375

# agent_config NAME - write its configuration from standard input, replacing it
# in one step.
agent_config() {
  gw_config "$GW_DIR/agent-$1.yaml"
}

# agent_node NAME - its configuration as a node of the gateway, with the rest of
# it (models) from standard input: scripted llama-servers that are asked often,
# one device. NODE_GATEWAY ($GW_URL) and NODE_KEY (none) lead to the gateway;
# callers need $AGENT_KEY when set.
agent_node() {
  agent_ports "$1" 8
  local ports=AGENT_LLAMA_PORTS_$1
  {
    cat <<YAML
node_id: $1
dispatcher_base_url: ${NODE_GATEWAY:-$GW_URL}
dispatcher_api_key: ${NODE_KEY:-null}
auth: {api_keys: [${AGENT_KEY:-}]}
llama_server_bin: $FAKE_LLAMA_SERVER
llama_server_port_base: ${!ports}
llama_server_probe_interval_s: 0.05
devices: [cpu:0]
YAML
    cat
  } | agent_config "$1"
}

# agent_ports NAME N - choose N ports (32 at most) in a row for its
# llama-servers: the first is AGENT_LLAMA_PORTS_NAME, the others follow. Chooses
# AGENT_PORT_NAME, too, for configurations that name it.
agent_ports() {
  local base folder=/tmp/rolemesh-test-ports.$UID fd tries
  mkdir -p "$folder"
  for ((tries = 0; tries < 1000; tries++)); do
    base=$((_PORTS_LOW + RANDOM % _PORTS_SLOTS * _PORTS_SLOT))
    # the lock lives as long as this shell, or a child that inherits it
    exec {fd}>"$folder/$base"
    if flock -n "$fd" &&
      "$TOP_BUILDDIR/tests/fake/free_port" "$2" "$base" >/dev/null 2>&1; then
      export "AGENT_LLAMA_PORTS_$1=$base"
      export AGENT_LOCKS="${AGENT_LOCKS:-} $fd"
      _agent_choose_port "$1"
      return
    fi
    exec {fd}>&-
  done
  echo "no $2 free ports in a row" >&2
  return 1
}

_agent_choose_port() {
  local port host_var=AGENT_HOST_$1
  port=$(free_ports 1)
  export "AGENT_PORT_$1=$port" "AGENT_URL_$1=http://${!host_var:-127.0.0.1}:$port"
}

# agent_via NAME - the words before a command that runs it on the agent's host.
agent_via() {
  local var=AGENT_VIA_$1
  echo "${!var:-}"
}

# agent_url NAME
agent_url() {
  local var=AGENT_URL_$1
  echo "${!var}"
}

# llama_environment - what the scripted llama-server needs to know, exported.
llama_environment() {
  export FAKE_LLAMA=$TOP_BUILDDIR/tests/fake/fake_llama
  export FAKE_LLAMA_JOURNAL=$GW_DIR/llama.journal
  export FAKE_LLAMA_LOG_DIR=$GW_DIR
  export FAKE_FIXTURES=${FAKE_FIXTURES:-$TOP_SRCDIR/tests/fixtures/upstream}
}

_agent_environment() {
  llama_environment
  export TMPDIR=$GW_DIR/run XDG_RUNTIME_DIR=$GW_DIR/run
  export ROLEMESH_GUARD=$TOP_BUILDDIR/rolemesh-guard
  export ROLEMESH_RESPONDER=$TOP_BUILDDIR/rolemesh-responder
  export ROLEMESH_DATADIR=$TOP_SRCDIR/lighttpd
}

# agent_run [ARGS] - rolemesh-node-agent as it was built, with nothing assumed;
# use with `run`: run -2 agent_run --check --config bad.yaml
agent_run() (
  _agent_environment
  exec "$TOP_BUILDDIR/rolemesh-node-agent" "$@"
)

# agent_start NAME [ARGS] - run it on its configuration and wait until /health
# answers (AGENT_START_S, 15). It keeps its port over a restart. On a port that
# someone else just took: another port.
agent_start() {
  local name=$1 port_var=AGENT_PORT_$1 tries
  shift
  [[ -n ${!port_var:-} ]] || _agent_choose_port "$name"
  for tries in 1 2 3; do
    _agent_launch "$name" "$@"
    wait_until "${AGENT_START_S:-15}" _agent_up_or_dead "$name" || break
    alive "$(gw_pid "agent-$name")" && return 0
    grep -qi 'in use' "$GW_DIR/agent-$name.log" || break
    wait_until 5 test -s "$GW_DIR/agent-$name.status"
    _agent_choose_port "$name"
  done
  echo "the agent $name did not start (attempt $tries):" >&2
  cat "$GW_DIR/agent-$name.log" >&2
  return 1
}

_agent_launch() {
  local name=$1 file=$GW_DIR/agent-$1 port_var=AGENT_PORT_$1 host_var=AGENT_HOST_$1 via
  shift
  via=$(agent_via "$name")
  rm -f "$file.status" "$GW_DIR/pids/agent-$name"
  # a shell stays behind to keep the exit status: agent_stop may run in another
  (
    exec 3>&- 4>&-
    for fd in ${AGENT_LOCKS:-}; do
      exec {fd}>&-
    done
    _agent_environment
    $via "$TOP_BUILDDIR/rolemesh-node-agent" --config "$file.yaml" \
      --host "${!host_var:-127.0.0.1}" --port "${!port_var}" "$@" >"$file.out" 2>>"$file.log" &
    gw_track "agent-$name" "$!"
    status=0
    wait "$!" || status=$?
    echo "$status" >"$file.status"
  ) </dev/null >/dev/null 2>&1 &
  wait_until 5 test -s "$GW_DIR/pids/agent-$name"
}

# agent_is_up NAME - /health says 200.
agent_is_up() {
  # shellcheck disable=SC2046 # words
  [[ $($(agent_via "$1") curl -s --noproxy '*' --max-time 20 -o /dev/null -w '%{http_code}' \
    "$(agent_url "$1")/health") == 200 ]]
}

_agent_up_or_dead() {
  gone "$(gw_pid "agent-$1")" || agent_is_up "$1"
}

# agent_stop NAME [SIGNAL] - end it (TERM) and wait (AGENT_STOP_S, 20); sets
# $agent_status, its exit status. Fails when it had to be killed.
agent_stop() {
  local pid file=$GW_DIR/agent-$1
  pid=$(gw_pid "agent-$1" 2>/dev/null) || return 0
  kill "-${2:-TERM}" "$pid" 2>/dev/null || true
  if ! wait_until "${AGENT_STOP_S:-20}" test -s "$file.status"; then
    agent_kill "$1"
    return 1
  fi
  rm -f "$GW_DIR/pids/agent-$1"
  # shellcheck disable=SC2034
  agent_status=$(<"$file.status")
}

# agent_kill NAME - SIGKILL. The runtime folder that it could not remove is no
# fault at the teardown; a process that it left behind is. Waits for its exit
# status, or that would be written over the next start's.
agent_kill() {
  local pid
  pid=$(gw_pid "agent-$1")
  : >"$GW_DIR/agent-killed"
  kill -KILL "$pid"
  wait_until 5 test -s "$GW_DIR/agent-$1.status"
  rm -f "$GW_DIR/pids/agent-$1"
}

# agents_stop - all that run; prints which of them did not stop in time.
agents_stop() {
  local file name
  for file in "$GW_DIR"/pids/agent-*; do
    [[ -e $file ]] || continue
    name=${file##*/agent-}
    agent_stop "$name" || echo "the agent $name did not stop in time"
  done
}

# agent_log_has NAME REGEX - its log holds a line; for wait_until.
agent_log_has() {
  grep -Eq "$2" "$GW_DIR/agent-$1.log"
}

# --- requests: gw_request and its kin with the agent's address and key ---

# agent_request NAME METHOD PATH [CURL ARGS]
agent_request() {
  local url
  url=$(agent_url "$1")$3
  GW_KEY=${AGENT_KEY:-} GW_VIA=$(agent_via "$1") gw_request "$2" "$url" "${@:4}"
}

# agent_get NAME PATH [CURL ARGS]
agent_get() {
  agent_request "$1" GET "${@:2}"
}

# agent_post NAME PATH JSON [CURL ARGS]
agent_post() {
  agent_request "$1" POST "$2" -H 'Content-Type: application/json' \
    --data-binary "$3" "${@:4}"
}

# agent_chat NAME MODEL [EXTRA] [CURL ARGS] - as gw_chat.
agent_chat() {
  agent_post "$1" /v1/chat/completions "$(chat_json "$2" "${3:-}")" "${@:4}"
}

# agent_stream NAME FILE MODEL [EXTRA] [CURL ARGS] - a streamed chat beside the
# test, as stream_to.
agent_stream() {
  local url extra
  url=$(agent_url "$1")/v1/chat/completions
  extra=$(jq -c '. + {stream: true}' <<<"${4:-{\}}")
  GW_KEY=${AGENT_KEY:-} GW_VIA=$(agent_via "$1") stream_to "$2" "$url" \
    "$(chat_json "$3" "$extra")" "${@:5}"
}

# --- what it says of itself ---

# agent_inventory NAME [FILTER [JQ ARGS]] - GET /v1/node/inventory through jq.
agent_inventory() {
  local -a how=()
  [[ -z ${AGENT_KEY:-} ]] || how=(-H "Authorization: Bearer $AGENT_KEY")
  # shellcheck disable=SC2046 # words
  $(agent_via "$1") curl -sS --noproxy '*' --fail-with-body --max-time 60 "${how[@]}" \
    "$(agent_url "$1")/v1/node/inventory" | jq -rc "${@:3}" "${2:-.}"
}

# agent_model NAME MODEL [FILTER] - one model of it: agent_model a m1 .restarts
agent_model() {
  # shellcheck disable=SC2016 # jq's $id
  agent_inventory "$1" '.models[] | select(.model_id == $id) | '"${3:-.}" --arg id "$2"
}

# agent_model_is NAME MODEL STATE, agent_model_has NAME MODEL FILTER VALUE - for
# wait_until.
agent_model_is() {
  [[ $(agent_model "$1" "$2" .state) == "$3" ]]
}

agent_model_has() {
  [[ $(agent_model "$1" "$2" "$3") == "$4" ]]
}

# agent_device NAME DEVICE [FILTER]
agent_device() {
  # shellcheck disable=SC2016 # jq's $id
  agent_inventory "$1" '.devices[] | select(.id == $id) | '"${3:-.}" --arg id "$2"
}

# --- the llama-servers ---

# fake_model NAME [KEY=VALUE...] - write a model file, replacing it in one step,
# and print its path.
fake_model() {
  local file=$GW_DIR/$1.gguf
  shift
  printf '%s\n' fake-model "$@" >"$file.new"
  mv "$file.new" "$file"
  echo "$file"
}

# llama_journal [FILTER [JQ ARGS]] - starts of llama-servers through jq, one a
# line; nothing before the first.
llama_journal() {
  [[ -e $GW_DIR/llama.journal ]] || return 0
  flock -s "$GW_DIR/llama.journal" jq -rc "${@:2}" "${1:-.}" "$GW_DIR/llama.journal"
}

_llama_started() { # _llama_started ALIAS FILTER - of all with an empty ALIAS
  # shellcheck disable=SC2016 # jq's $alias
  llama_journal 'select(.event == "start" and ($alias == "" or .alias == $alias)) | '"$2" \
    --arg alias "$1"
}

# llama_starts [ALIAS] - how many there were.
llama_starts() {
  _llama_started "${1:-}" .pid | wc -l
}

# llama_starts_are ALIAS N - for wait_until.
llama_starts_are() {
  [[ $(llama_starts "$1") == "$2" ]]
}

# llama_last ALIAS [FILTER] - the last start: .pid, .argv, .env.TEST_X
llama_last() {
  _llama_started "$1" "${2:-.}" | tail -n 1
}

# llama_option ALIAS OPTION - its value on the last command line.
llama_option() {
  _llama_started "$1" ".argv | .[index(\"$2\") + 1]" | tail -n 1
}

# llama_key ALIAS - what the last one asks its callers for.
llama_key() {
  tr '\0' '\n' <"/proc/$(llama_last "$1" .pid)/environ" | sed -n 's/^LLAMA_API_KEY=//p'
}

# llama_pids [ALIAS] - those that live, in the order of their start.
llama_pids() {
  local pid
  _llama_started "${1:-}" .pid | while read -r pid; do
    ! alive "$pid" || echo "$pid"
  done
}

# llama_put ALIAS PATH JSON - a control request to the last one: /fake/exit
# '{"signal": 9}', /fake/mode '{"status": 500}'.
llama_put() {
  curl -sS --noproxy '*' --fail-with-body --max-time 60 -X PUT --data-binary "$3" \
    "http://127.0.0.1:$(llama_option "$1" --port)$2" >/dev/null
}

# llama_stats ALIAS [FILTER] - counters of the last one. Its requests are in
# the log that fake_log, fake_count, fake_last read by the alias.
llama_stats() {
  curl -sS --noproxy '*' --max-time 60 \
    "http://127.0.0.1:$(llama_option "$1" --port)/fake/stats" | jq -rc "${2:-.}"
}

# llama_go ALIAS [N] - once N answers (1) of the last one wait, let them all take
# one step (see wait_head and wait_tokens).
llama_go() {
  wait_until 10 _llama_waits "$1" "${2:-1}" && llama_put "$1" /fake/go ''
}

_llama_waits() {
  [[ $(llama_stats "$1" .waiting) == "$2" ]]
}

# llama_loaded NAME MODEL - once that agent knows that the model loads, let it be
# ready. Its file says 'script={"loading": true}', its alias is its id.
llama_loaded() {
  wait_until 15 agent_model_is "$1" "$2" loading &&
    llama_put "$2" /fake/mode '{"loading": false}'
}
