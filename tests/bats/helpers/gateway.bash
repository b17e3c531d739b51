# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# gateway.bash - a gateway of one's own for a test, or for a file of tests.
#
# A test:  setup() { gw_setup; }       teardown() { gw_teardown; }
# A file:  setup_file() { gw_setup; }  teardown_file() { gw_teardown; }
#          teardown() { gw_dump_if_failed; }
# Everything lives in $GW_DIR, the bats folder of that test or file; ports and
# the shared memory's name are its own, so files run in parallel.

# gw_setup - choose folder, marks, port. Sets GW_DIR GW_TEST_ID ROLE_MESH_SHM
# GW_PORT GW_URL GW_CONFIG.
gw_setup() {
  GW_DIR=${BATS_TEST_TMPDIR:-$BATS_FILE_TMPDIR}
  GW_TEST_ID=$(printf '%s' "$GW_DIR" | cksum | cut -d' ' -f1)-$$-$RANDOM
  ROLE_MESH_SHM=/rolemesh-test-$GW_TEST_ID
  GW_CONFIG=$GW_DIR/models.yaml
  export GW_DIR GW_TEST_ID ROLE_MESH_SHM GW_CONFIG
  mkdir -p "$GW_DIR/pids" "$GW_DIR/run"
  chmod 700 "$GW_DIR/run"
  _gw_choose_port
}

_gw_choose_port() {
  GW_PORT=$(free_ports 1)
  GW_URL=http://${GW_HOST:-127.0.0.1}:$GW_PORT
  export GW_PORT GW_URL
}

# gw_config [FILE] - write a configuration from standard input (default
# $GW_CONFIG), replacing it in one step as careful editors do.
gw_config() {
  local file=${1:-$GW_CONFIG}
  cat >"$file.new"
  mv "$file.new" "$file"
}

# gw_run [ARGS] - rolemesh-gateway as it was built, with nothing assumed; use
# with `run`: run -2 gw_run --check --config bad.yaml
gw_run() {
  env TMPDIR="$GW_DIR/run" XDG_RUNTIME_DIR="$GW_DIR/run" \
    ROLEMESH_RESPONDER="$TOP_BUILDDIR/rolemesh-responder" \
    ROLEMESH_DATADIR="$TOP_SRCDIR/lighttpd" \
    "$TOP_BUILDDIR/rolemesh-gateway" "$@"
}

# gw_start [ARGS] - run it on $GW_CONFIG and wait until /health answers. Host
# (GW_HOST, 127.0.0.1) and port come from the command line unless GW_PORT_FROM_CONFIG=1. GW_WORKERS
# (2) sets --workers, empty: the configuration does. On a port that someone else just took: another port.
# A node stays fresh for hours, however slow its test is, unless ROLE_MESH_NODE_STALE_AFTER_S
# says otherwise; empty: for as long as the gateway finds right. GW_DATADIR names another
# folder of templates.
gw_start() {
  local tries
  for tries in 1 2 3; do
    _gw_launch "$@"
    wait_until "${GW_START_S:-15}" _gw_up_or_dead || break
    alive "$(gw_pid gateway)" && return 0
    [[ ${GW_PORT_FROM_CONFIG:-0} == 1 ]] && break
    grep -qi 'in use' "$GW_DIR/gateway.log" || break
    _gw_choose_port
  done
  echo "the gateway did not start (attempt $tries):" >&2
  cat "$GW_DIR/gateway.log" >&2
  return 1
}

_gw_launch() {
  local -a where=(--host "${GW_HOST:-127.0.0.1}" --port "$GW_PORT")
  [[ ${GW_PORT_FROM_CONFIG:-0} == 1 ]] && where=()
  [[ -z ${GW_WORKERS-2} ]] || where+=(--workers "${GW_WORKERS-2}")
  rm -f "$GW_DIR/gateway.status" "$GW_DIR/pids/gateway"
  # a shell stays behind to keep the exit status: gw_stop may run in another
  (
    exec 3>&- 4>&-
    export ROLE_MESH_NODE_STALE_AFTER_S=${ROLE_MESH_NODE_STALE_AFTER_S-9000}
    [[ -n $ROLE_MESH_NODE_STALE_AFTER_S ]] || unset ROLE_MESH_NODE_STALE_AFTER_S
    TMPDIR="$GW_DIR/run" XDG_RUNTIME_DIR="$GW_DIR/run" \
      ROLEMESH_RESPONDER="$TOP_BUILDDIR/rolemesh-responder" \
      ROLEMESH_DATADIR="${GW_DATADIR:-$TOP_SRCDIR/lighttpd}" \
      ${GW_VIA:-} "$TOP_BUILDDIR/rolemesh-gateway" --config "$GW_CONFIG" "${where[@]}" "$@" \
      >"$GW_DIR/gateway.out" 2>>"$GW_DIR/gateway.log" &
    gw_track gateway "$!"
    status=0
    wait "$!" || status=$?
    echo "$status" >"$GW_DIR/gateway.status"
  ) </dev/null >/dev/null 2>&1 &
  wait_until 5 test -s "$GW_DIR/pids/gateway"
}

# gw_is_up - /health says 200.
gw_is_up() {
  [[ $(${GW_VIA:-} curl -s --noproxy '*' --max-time 20 -o /dev/null -w '%{http_code}' \
    "$GW_URL/health") == 200 ]]
}

_gw_up_or_dead() {
  gone "$(gw_pid gateway)" || gw_is_up
}

# gw_stop [SIGNAL] - end it (TERM) and wait; sets $gw_status, its exit status.
# shellcheck disable=SC2120
gw_stop() {
  local pid
  pid=$(gw_pid gateway 2>/dev/null) || return 0
  kill "-${1:-TERM}" "$pid" 2>/dev/null || true
  if ! wait_until "${GW_STOP_S:-15}" test -s "$GW_DIR/gateway.status"; then
    kill -KILL "$pid" 2>/dev/null || true
    rm -f "$GW_DIR/pids/gateway"
    return 1
  fi
  rm -f "$GW_DIR/pids/gateway"
  # shellcheck disable=SC2034
  gw_status=$(<"$GW_DIR/gateway.status")
}

# gw_responders [POOL] - pids of the living responders of this gateway, or of
# one pool of it: inference, control.
gw_responders() {
  gw_processes | while read -r pid words; do
    [[ $words == *responder* ]] || continue
    [[ -z ${1:-} ]] ||
      tr '\0' '\n' 2>/dev/null <"/proc/$pid/environ" |
      grep -qx "ROLE_MESH_POOL=$1" || continue
    echo "$pid"
  done
}

# gw_node ID [FILTER] - a node as the gateway shows it, through jq; nothing when
# it is not registered. Sends $GW_KEY as gw_request does.
gw_node() {
  local -a how=()
  [[ -n ${GW_KEY:-} ]] && how=(-H "Authorization: Bearer $GW_KEY")
  # shellcheck disable=SC2016 # jq's $id
  ${GW_VIA:-} curl -sS --noproxy '*' --max-time 60 "${how[@]}" "$GW_URL/v1/models" |
    jq -rc --arg id "$1" '.rolemesh.nodes[] | select(.node_id == $id) | '"${2:-.}"
}

# gw_node_has ID FILTER VALUE - for wait_until; VALUE "": it is not registered.
gw_node_has() {
  [[ $(gw_node "$1" "$2") == "$3" ]]
}

# gw_log_has REGEX - the gateway's log holds a line; for wait_until.
gw_log_has() {
  grep -Eq "$1" "$GW_DIR/gateway.log"
}

# gw_expect_leftovers - this test kills the gateway with SIGKILL on purpose:
# the teardown clears up after it without complaint.
gw_expect_leftovers() {
  : >"$GW_DIR/expect-leftovers"
}

# gw_dump_if_failed - the logs, when the test did not complete.
gw_dump_if_failed() {
  local file
  [[ -n ${BATS_TEST_NAME:-} && -z ${BATS_TEST_COMPLETED:-} ]] || return 0
  for file in "$GW_DIR"/*.log "$GW_DIR"/*.out; do
    [[ -s $file ]] || continue
    echo "--- ${file##*/} (last 30 lines)"
    tail -n 30 "$file" | cut -c 1-400
  done
}

# gw_teardown - stop everything, then fail when the gateway still held a request
# or a lease, when a process, the shared memory or the runtime folder outlives
# it, or a sanitizer had something to say.
gw_teardown() {
  local file problems=''
  [[ -n ${GW_DIR:-} ]] || return 0
  gw_dump_if_failed
  for file in "$GW_DIR"/pids/stream-*; do
    [[ ! -e $file ]] || _stop_tracked "${file##*/}" 2
  done
  problems+=$(_gw_still_held)
  problems+=$(agents_stop)
  problems+=${problems:+$'\n'}
  # shellcheck disable=SC2119
  gw_stop || problems+="the gateway did not stop in time"$'\n'
  for file in "$GW_DIR"/pids/*; do
    [[ ! -e $file ]] || _stop_tracked "${file##*/}" 2
  done
  problems+=$(_gw_leftovers)
  problems+=$(_gw_sanitizer_reports)
  [[ -z $problems ]] && return 0
  echo "left behind by ${BATS_TEST_DESCRIPTION:-this file}:" >&2
  echo "$problems" >&2
  return 1
}

# Every client has ended: whatever ends a request gives its lease back. Left out
# where the test ended the gateway itself, or stopped a process for good.
_gw_still_held() {
  local pid
  [[ -e /dev/shm/${ROLE_MESH_SHM#/} && ! -e $GW_DIR/expect-leftovers ]] || return 0
  pid=$(gw_pid gateway 2>/dev/null) && alive "$pid" || return 0
  wait_until 15 gw_holds_nothing 2>/dev/null && return 0
  printf 'open requests: %s, leases: %s, counted: %s, bytes of bodies: %s\n' "$(gw_gauge open_requests)" \
    "$(gw_leases)" "$(gw_in_flight)" "$(gw_gauge body_bytes)"
}

# Prints what is left, and removes it so that it harms no other test.
_gw_leftovers() {
  local shm=/dev/shm/${ROLE_MESH_SHM#/} left='' processes pid words
  if [[ -e $GW_DIR/expect-leftovers ]]; then
    gw_processes | while read -r pid words; do kill -KILL "$pid" || true; done
    rm -rf "$shm" "${GW_DIR:?}/run"/*
  fi
  if ! wait_until 3 _no_processes 2>/dev/null; then
    processes=$(gw_processes)
    left+="processes: $processes"$'\n'
    gw_processes | while read -r pid words; do kill -KILL "$pid" || true; done
  fi
  if [[ -e $shm ]]; then
    left+="shared memory: $shm"$'\n'
    rm -f "$shm"
  fi
  [[ ! -e $GW_DIR/agent-killed ]] || rm -rf "${GW_DIR:?}/run"/*
  if [[ -n $(ls -A "$GW_DIR/run") ]]; then
    left+="runtime folder: $(ls "$GW_DIR/run")"$'\n'
  fi
  printf '%s' "$left"
}

_gw_sanitizer_reports() {
  grep -hE -A 20 'ERROR: [A-Za-z]*Sanitizer|runtime error:' \
    "$GW_DIR"/*.log "$GW_DIR"/*.out 2>/dev/null | head -n 60
  return 0
}
