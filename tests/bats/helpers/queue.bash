# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# queue.bash - requests that wait for a slot, by names of their own. Their scripted
# upstream answers when it is told (wait_head, fake_go), so a test knows who has a
# slot and who waits; the order in which they come is its log.
#
# shellcheck disable=SC2154 # set by the helpers

# ask NAME MODEL [EXTRA] [CURL ARGS] - a chat beside the test, said by NAME: its
# answer goes to $ASKED/NAME, its head to $ASKED/NAME.head, its status, once it is
# over, to $ASKED/NAME.status. $ASK_KEY is sent as Bearer when set.
ask() {
  local name=$1 model=$2 extra=${3:-} out
  local -a how=()
  shift $(($# < 3 ? $# : 3))
  ASKED=${ASKED:-$BATS_TEST_TMPDIR/asked}
  mkdir -p "$ASKED"
  out=$ASKED/$name
  rm -f "$out" "$out".*
  [[ -z ${ASK_KEY:-} ]] || how=(-H "Authorization: Bearer $ASK_KEY")
  (
    code=$(curl -sSN --noproxy '*' --max-time "${GW_TIMEOUT:-300}" -o "$out" -D "$out.head" \
      -H 'Content-Type: application/json' -H "X-Request-Id: ${BATS_TEST_NUMBER:-0}-$name" "${how[@]}" \
      -w '%{http_code}' "$@" --data-binary "$(said_by "$name" "$model" "$extra")" \
      "$GW_URL/v1/chat/completions" 2>"$out.err") || true
    echo "$code" >"$out.code"
    mv "$out.code" "$out.status"
  ) 3>&- 4>&- &
  gw_track "stream-$!" "$!"
  ASK_PID=$!
}

# said_by NAME MODEL [EXTRA] - a chat body with NAME, and which test it is, as its
# words; the upstream waits to be told to answer.
said_by() {
  jq -cn --arg name "${BATS_TEST_NUMBER:-0}-$1" --arg model "$2" --argjson extra "${3:-{\}}" '
    {model: $model, messages: [{role: "user", content: $name}], fake: {wait_head: true}}
    * $extra'
}

# leave NAME - its client goes.
leave() {
  local pid
  for pid in $(grep -lxzF "X-Request-Id: ${BATS_TEST_NUMBER:-0}-$1" /proc/[0-9]*/cmdline \
    2>/dev/null | cut -d/ -f3); do
    ! grep -qzF "$GW_URL" "/proc/$pid/cmdline" 2>/dev/null || kill -KILL "$pid" || true
  done
}

# status_of NAME - its answer's, once it is over.
status_of() {
  wait_until 20 test -s "$ASKED/$1.status" || return 1
  cat "$ASKED/$1.status"
}

# is_over NAME - for wait_until.
is_over() {
  [[ -s $ASKED/$1.status ]]
}

# code_of NAME - of its error, once it is over.
code_of() {
  status_of "$1" >/dev/null && jq -r .error.code <"$ASKED/$1"
}

# header_of NAME HEADER
header_of() {
  sed -nE "s/^$2: (.*)\r\$/\1/Ip" "$ASKED/$1.head" | tail -n 1
}

# came_to FAKE - the names of those of this test that reached that upstream, in order.
came_to() {
  fake_log "$1" 'select(.event == "request" and (.body | type) == "string")
    | .body | fromjson? | .messages[-1].content | strings' |
    sed -n "s/^${BATS_TEST_NUMBER:-0}-//p" | tr '\n' ' ' | sed 's/ $//'
}

# has_come FAKE NAME - for wait_until.
has_come() {
  [[ " $(came_to "$1") " == *" $2 "* ]]
}

# at FAKE NAME - wait until that one is there.
at() {
  wait_until 20 has_come "$1" "$2"
}

# waits N - wait until so many requests of this test have had to wait; setup() keeps
# QUEUED_BEFORE=$(gw_counter queued).
waits() {
  wait_until 15 gw_counter_is queued $((QUEUED_BEFORE + $1))
}

# queued - how many wait, all processes.
queued() {
  "$TOP_BUILDDIR/regdump" "$ROLE_MESH_SHM" | grep -c '^waiter ' || true
}

# queued_are N - for wait_until.
queued_are() {
  [[ $(queued) == "$1" ]]
}
