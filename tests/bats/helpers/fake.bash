# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# fake.bash - scripted upstreams (tests/fake/README.md has the vocabulary).
#
# NAME is a word of letters, digits and _. FAKE_PORT_NAME and FAKE_URL_NAME hold
# where it listens, in the tests too when setup_file started it.

# fake_start NAME [OPTIONS] - start one and wait until it listens. Again after
# fake_stop, it takes the same port.
fake_start() {
  local name=$1 file=$GW_DIR/fake-$1 port_var=FAKE_PORT_$1
  shift
  mkdir -p "$file.bodies"
  rm -f "$file.port"
  "$TOP_BUILDDIR/tests/fake/fake_llama" --port "${!port_var:-0}" \
    --port-file "$file.port" --name "$name" --log "$file.log" \
    --body-dir "$file.bodies" --fixtures "$TOP_SRCDIR/tests/fixtures/upstream" \
    "$@" >"$file.out" 2>&1 3>&- 4>&- &
  gw_track "fake-$name" "$!"
  wait_until 10 _fake_is_up "$name" "$!" || return 1
  if [[ ! -s $file.port ]]; then
    cat "$file.out" >&2
    return 1
  fi
  export "$port_var=$(<"$file.port")"
  export "FAKE_URL_$name=http://127.0.0.1:${!port_var}"
}

# True as well when it died: there is nothing left to wait for.
_fake_is_up() {
  [[ -s $GW_DIR/fake-$1.port ]] || gone "$2"
}

# fake_stop NAME [SIGNAL] - end it (KILL by default: its port refuses at once).
fake_stop() {
  local pid
  pid=$(gw_pid "fake-$1")
  kill "-${2:-KILL}" "$pid"
  wait_until 5 gone "$pid"
  rm -f "$GW_DIR/pids/fake-$1"
}

_fake_url() {
  local var=FAKE_URL_$1
  echo "${!var}"
}

# fake_mode NAME JSON - defaults of all its answers from now on; {} restores.
fake_mode() {
  curl -sS --noproxy '*' --fail-with-body --max-time 60 -X PUT --data-binary "$2" \
    "$(_fake_url "$1")/fake/mode" >/dev/null
}

# fake_stats NAME [FILTER] - its counters, or one: fake_stats a .active
fake_stats() {
  curl -sS --noproxy '*' --max-time 60 "$(_fake_url "$1")/fake/stats" | jq -rc "${2:-.}"
}

# fake_stat_is NAME FILTER VALUE - for wait_until.
fake_stat_is() {
  [[ $(fake_stats "$1" "$2") == "$3" ]]
}

# fake_go NAME [N] - once N answers (1) wait, let them all take one step (see
# wait_head and wait_tokens).
fake_go() {
  wait_until 10 fake_stat_is "$1" .waiting "${2:-1}" || return 1
  curl -sS --noproxy '*' --fail --max-time 60 -X PUT "$(_fake_url "$1")/fake/go" >/dev/null
}

# fake_log NAME [FILTER] - its events through jq, one a line:
#   fake_log a 'select(.event == "client_closed") | .after_ms'
fake_log() {
  jq -rc "${2:-.}" <"$GW_DIR/fake-$1.log"
}

# fake_logged NAME FILTER - the filter finds something; for wait_until.
fake_logged() {
  [[ -n $(fake_log "$1" "$2") ]]
}

# fake_count NAME [PATH] - requests logged for a path (all but probes).
fake_count() {
  fake_log "$1" "select(.event == \"request\")
    | select(if \"${2:-}\" == \"\" then .path != \"/v1/models\" else .path == \"${2:-}\" end)" |
    wc -l
}

# fake_last NAME [FILTER] - the last request that was no probe.
fake_last() {
  jq -rcs "[.[] | select(.event == \"request\" and .path != \"/v1/models\")] | last | ${2:-.}" \
    <"$GW_DIR/fake-$1.log"
}

# fake_header NAME HEADER - what that request's header held, "" without one.
fake_header() {
  fake_last "$1" "[.headers[] | select(.[0] | ascii_downcase == \"${2,,}\") | .[1]] | join(\", \")"
}

# fake_body NAME - path of the file that holds that request's body, as received.
fake_body() {
  echo "$GW_DIR/fake-$1.bodies/$(fake_last "$1" .id).body"
}

# blackhole_start - an address that nobody can connect: BLACKHOLE_URL.
blackhole_start() {
  rm -f "$GW_DIR/blackhole.port"
  "$TOP_BUILDDIR/tests/fake/full_backlog" "$GW_DIR/blackhole.port" \
    >"$GW_DIR/blackhole.out" 2>&1 3>&- 4>&- &
  gw_track blackhole "$!"
  wait_until 10 test -s "$GW_DIR/blackhole.port" || return 1
  BLACKHOLE_URL=http://127.0.0.1:$(<"$GW_DIR/blackhole.port")
  export BLACKHOLE_URL
}
