# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# schedule.bash - for tests of the node agent's queues: an agent `a` in one
# line, requests beside the test that arrive in a known order, and in which
# order llama-servers got them. Load it behind helpers/all.

# node_start KEYS MODEL... - an agent `a`: KEYS are lines of YAML, each MODEL one
# entry of `models`. gw_setup comes first.
node_start() {
  [[ -n ${AGENT_LLAMA_PORTS_a:-} ]] || agent_ports a 12
  {
    printf '%s\n' "llama_server_bin: $FAKE_LLAMA_SERVER" \
      "llama_server_port_base: $AGENT_LLAMA_PORTS_a" 'llama_server_probe_interval_s: 0.05'
    printf '%s\n' "$1" models:
    printf -- '- %s\n' "${@:2}"
  } | agent_config a
  agent_start a
}

# ask ID MODEL [EXTRA [CURL ARGS]] - a chat beside the test, whole answer; ID is
# its X-Request-Id. The answer goes to $BATS_TEST_TMPDIR/ID.answer, the status to
# ID.status. Sets $ASKED, curl's pid. It has time to wait while others are asked.
ask() {
  local file=$BATS_TEST_TMPDIR/$1 url
  url=$(agent_url a)/v1/chat/completions
  curl -sS --noproxy '*' --max-time "${GW_TIMEOUT:-300}" -o "$file.answer" -w '%{http_code}\n' \
    -H "X-Request-Id: $1" -H 'Content-Type: application/json' "${@:4}" \
    --data-binary "$(chat_json "$2" "${3:-}")" "$url" \
    >"$file.status" 2>"$file.err" 3>&- 4>&- &
  ASKED=$!
  ALL_ASKED+=("$ASKED")
}

# waiting [DEVICE] - requests in the queue of one device, or of all.
waiting() {
  # shellcheck disable=SC2016 # jq's $id
  agent_inventory a '[.devices[] | select($id == "" or .id == $id) | .pending] | add' \
    --arg id "${1:-}"
}

# waiting_is N [DEVICE] - for wait_until.
waiting_is() {
  [[ $(waiting "${2:-}") == "$1" ]]
}

# queue ID MODEL [EXTRA [CURL ARGS]] - ask, and wait until it stands in a queue.
queue() {
  local before
  before=$(waiting)
  ask "$@"
  wait_until 10 waiting_is $((before + 1))
}

# queue_all ID... - chats in that order, each for the model that its ID begins
# with: queue_all a1 b1 a2
queue_all() {
  local id
  for id; do
    queue "$id" "${id%%[0-9]*}"
  done
}

# answers_wait - all that was asked has ended.
answers_wait() {
  wait "${ALL_ASKED[@]}" || true
  ALL_ASKED=()
}

# assert_answered ID... - 200, and from the model that the ID begins with.
assert_answered() {
  local id
  for id; do
    assert_equal "$(<"$BATS_TEST_TMPDIR/$id.status")" 200 "status of $id" || return 1
    assert_match "$(<"$BATS_TEST_TMPDIR/$id.answer")" \
      "\[scripted upstream ${id%%[0-9]*}\]" "answer of $id" || return 1
  done
}

# assert_refused ID STATUS CODE
assert_refused() {
  assert_equal "$(<"$BATS_TEST_TMPDIR/$1.status")" "$2" "status of $1" || return 1
  assert_equal "$(jq -r .error.code "$BATS_TEST_TMPDIR/$1.answer")" "$3" "error of $1"
}

# answered_by MODEL - a chat; for wait_until, where a limit may be too short for a
# machine that stands still.
answered_by() {
  agent_chat a "$1" >/dev/null
  [[ $status_code == 200 ]]
}

# hold MODEL [EXTRA] - an endless stream that keeps a slot of the model until
# its client leaves. Sets $HOLDER; its bytes are in $BATS_TEST_TMPDIR/hold-MODEL.
# shellcheck disable=SC2034 # for the tests
hold() {
  local file=$BATS_TEST_TMPDIR/hold-$1
  GW_TIMEOUT=${GW_TIMEOUT:-600} agent_stream a "$file" "$1" "$(jq -cn --argjson extra "${2:-{\}}" \
    '{fake: {tokens: 1000000, delay_ms: 50}} + $extra')" -H "X-Request-Id: hold-$1"
  HOLDER=$STREAM_PID
  wait_until 15 stream_has "$file" 1
}

# leave PID - that client goes away in the middle.
leave() {
  kill -KILL "$1"
  wait "$1" 2>/dev/null || true
  rm -f "$GW_DIR/pids/stream-$1"
}

# last_data FILE - the last event of a stream so far.
last_data() {
  stream_text "$1" | grep '^data' | tail -n 1
}

# order - the ids of the requests that llama-servers got, in that order.
order() {
  cat "$GW_DIR"/fake-*.log | jq -r 'select(.event == "request" and .method == "POST")
    | "\(.t_ms) \(.headers[] | select(.[0] == "X-Request-Id")[1])"' |
    sort -s -n -k 1,1 | cut -d ' ' -f 2 | xargs
}

# got ID - a llama-server got that request; for wait_until.
got() {
  [[ " $(order) " == *" $1 "* ]]
}

# steps [MODEL] - what the agent's log says of its models, without "loading",
# which a quick one skips: a:starting a:ready ...
steps() {
  sed -nE 's/.* event=model_state model="([^"]+)" from=[a-z]+ to=([a-z]+) .*/\1:\2/p' \
    "$GW_DIR/agent-a.log" | grep -E "^${1:-.*}:" | grep -v ':loading$' | xargs
}

# loads - the models in the order in which their llama-servers were started.
loads() {
  llama_journal .alias | xargs
}

# gpus "TOTAL FREE"... - what the scripted nvidia-smi lists from now on: a GPU
# each, MiB.
gpus() {
  local i=0 total free
  {
    echo 'index, uuid, name, memory.total [MiB], memory.free [MiB],' \
      'utilization.gpu [%], temperature.gpu, power.draw [W]'
    while (($#)); do
      read -r total free <<<"$1"
      echo "$i, GPU-$i, Scripted GPU, $total MiB, $free MiB, 5 %, 40, 20.00 W"
      i=$((i + 1))
      shift
    done
  } >"$FAKE_NVIDIA_SMI_FILE.new"
  mv "$FAKE_NVIDIA_SMI_FILE.new" "$FAKE_NVIDIA_SMI_FILE"
}
