# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# process.bash - waiting for conditions, and knowing which processes are ours.
#
# Every process of a test carries GW_TEST_ID in its environment; that is how a
# leftover is found, whoever its parent is by then. Processes to be stopped by
# the teardown are recorded as files under $GW_DIR/pids, because setup_file and
# the tests are different shells.

# What a busy machine may take for each second of an idle one.
PATIENCE=${GW_TEST_PATIENCE:-4}

# wait_until SECONDS COMMAND [ARGS] - poll every 50 ms until COMMAND succeeds.
# Fails, saying what it waited for, when PATIENCE times SECONDS (ten at least, or 0)
# are over and it has looked five times for each of them: a machine that stood
# still gets as many looks as any other. That it gives up is for tests that fail
# anyway; nothing that a test waits for may come by itself, however late.
wait_until() {
  local seconds=$(($1 > 0 && $1 < 10 ? 10 : $1)) looks=0 deadline
  deadline=$((${EPOCHREALTIME/./} + seconds * PATIENCE * 1000000))
  shift
  until "$@"; do
    looks=$((looks + 1))
    if ((looks > seconds * 5 && ${EPOCHREALTIME/./} > deadline)); then
      echo "gave up waiting for: $*" >&2
      return 1
    fi
    sleep 0.05
  done
}

# wait_ms MS - until that time is over, or more: for what has a time of its own
# and shows nothing when it comes. Slowness can only make it longer; a test that
# calls it must not fail for that.
wait_ms() {
  local until_ms=$(($(mono_ms) + $1))
  until (($(mono_ms) >= until_ms)); do
    sleep 0.05
  done
}

# alive PID - the process exists and is no zombie.
alive() {
  local state
  state=$(sed -n 's/^State:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null)
  [[ -n $state && $state != Z* && $state != X* ]]
}

# gone PID - the opposite, as a command for wait_until.
gone() {
  ! alive "$1"
}

# free_ports [N] - print N free TCP ports, one a line.
free_ports() {
  "$TOP_BUILDDIR/tests/fake/free_port" "${1:-1}"
}

# mono_ms - now, on the clock that tokens and stream_to lines are stamped with.
mono_ms() {
  echo | "$TOP_BUILDDIR/tests/fake/stamp_lines" | tr -d ' \n'
}

# gw_track NAME PID - have gw_teardown stop this process (SIGTERM).
gw_track() {
  mkdir -p "$GW_DIR/pids"
  echo "$2" >"$GW_DIR/pids/$1"
}

# gw_pid NAME - pid of a tracked process: gateway, fake-NAME, ...
gw_pid() {
  cat "$GW_DIR/pids/$1"
}

# gw_requires PROGRAM... - skip where one is missing; fail when
# GW_TEST_STRICT=1, so that a suite cannot become green by skipping.
gw_requires() {
  local program
  for program in "$@"; do
    PATH=$PATH:/usr/sbin:/sbin command -v "$program" >/dev/null && continue
    if [[ ${GW_TEST_STRICT:-0} == 1 ]]; then
      echo "needs $program, which is not installed" >&2
      return 1
    fi
    skip "needs $program"
  done
}

# gw_processes - "PID COMMAND" of each living process of this test. The shells
# of bats itself inherit the mark and are left out.
gw_processes() {
  local file pid words files
  # all of them first: the grep that finds them is one, and has ended by then
  files=$(grep -lszxF -e "GW_TEST_ID=$GW_TEST_ID" -e "ROLE_MESH_SHM=$ROLE_MESH_SHM" \
    /proc/[0-9]*/environ) || true
  for file in $files; do
    pid=${file#/proc/}
    pid=${pid%/environ}
    words=$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") || continue
    [[ -n $words ]] || continue
    [[ $words == *libexec/bats* || $words == *bats-exec* ]] && continue
    alive "$pid" || continue
    echo "$pid $words"
  done
  return 0
}

_no_processes() {
  [[ -z $(gw_processes) ]]
}

# _stop_tracked NAME SECONDS - SIGTERM, then SIGKILL when it does not listen.
_stop_tracked() {
  local pid
  pid=$(gw_pid "$1" 2>/dev/null) || return 0
  kill -TERM "$pid" 2>/dev/null || true
  if ! wait_until "$2" gone "$pid" 2>/dev/null; then
    kill -KILL "$pid" 2>/dev/null || true
    wait_until 5 gone "$pid" || true
  fi
  rm -f "$GW_DIR/pids/$1"
}
