# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# sse.bash - what a client makes of an event stream.
#
# shellcheck disable=SC2154,SC2016 # body_file is set by gw_request; jq has $s

# The streaming endpoints, with what else a request to each needs.
SSE_PATHS=(/v1/chat/completions /v1/completions /v1/messages /v1/responses)

# sse_json PATH MODEL [EXTRA] - a body that asks for a stream at that endpoint;
# EXTRA is a JSON object of more members.
sse_json() {
  jq -cn --arg path "$1" --arg model "$2" --argjson extra "${3:-{\}}" '
    {model: $model, stream: true}
    + {"/v1/chat/completions": {messages: [{role: "user", content: "hi"}]},
       "/v1/completions": {prompt: "hi"},
       "/v1/messages": {max_tokens: 9, messages: [{role: "user", content: "hi"}]},
       "/v1/responses": {input: "hi"}}[$path]
    + $extra'
}

# sse_everywhere MODEL [EXTRA] - a stream at each of these endpoints, all at one
# time; fails where curl does. Their bytes are in $(sse_file PATH), heads in
# $(sse_file PATH).head.
sse_everywhere() {
  local path file status=0
  local -a pids=()
  for path in "${SSE_PATHS[@]}"; do
    file=$(sse_file "$path")
    curl -sSN --max-time "${GW_TIMEOUT:-300}" -o "$file" -D "$file.head" \
      -H 'Content-Type: application/json' \
      --data-binary "$(sse_json "$path" "$1" "${2:-}")" "$GW_URL$path" 3>&- 4>&- &
    pids+=("$!")
  done
  for path in "${pids[@]}"; do
    wait "$path" || status=$?
  done
  return "$status"
}

# sse_file PATH
sse_file() {
  echo "$BATS_TEST_TMPDIR/sse${1//\//-}"
}

# sse_events [FILE] - events and comments of a stream, a JSON object a line
# (sse_events.mjs); of the last gw_request's body without FILE. Parsed once.
sse_events() {
  local file=${1:-$body_file}
  [[ $file.events -nt $file ]] ||
    node "$TOP_SRCDIR/tests/bats/helpers/sse_events.mjs" <"$file" >"$file.events" || return 1
  cat "$file.events"
}

# assert_sse FILTER EXPECTED [FILE [JQ ARGS]] - jq FILTER on the list of them.
assert_sse() {
  local filter=$1 expected=$2 file=${3:-$body_file} actual
  shift $(($# < 3 ? $# : 3))
  actual=$(sse_events "$file" | jq -src "$@" "$filter" 2>&1) ||
    _fail "jq failed on the events: $actual" || return 1
  [[ $actual == "$expected" ]] || _fail "events differ at $filter" \
    "  expected: $expected" "  actual:   $actual" \
    "  the stream ends: $(tail -c 600 "$file")"
}

# assert_one_sse_error PATH CODE [FILE] - the last event of the stream is an
# error in the dialect of that endpoint, the only one, and nothing claims that
# the stream was complete. CODE is compared where the dialect has a code.
assert_one_sse_error() {
  local shape code=$2
  [[ $code =~ ^[0-9]+$ ]] || code="\"$code\""
  case $1 in
  /v1/messages)
    shape='.event == "error" and .json.type == "error"
      and (.json | keys == ["error", "type"])
      and (.json.error | keys == ["message", "type"])
      and (.json.error.message | length > 0)'
    ;;
  /v1/responses)
    shape='.event == "error" and .json.type == "error"
      and (.json | keys == ["code", "message", "param", "sequence_number", "type"])
      and .json.code == $code and (.json.message | length > 0)'
    ;;
  *)
    shape='.event == "message" and (.json | keys == ["error"])
      and (.json.error | keys == ["code", "message", "param", "type"])
      and .json.error.code == $code and (.json.error.message | length > 0)'
    ;;
  esac
  assert_sse "[(last | $shape),
    ([.[] | select(.event == \"error\" or (.json | objects | has(\"error\")))]
      | length == 1),
    (any(.[]; has(\"unfinished\") or .data == \"[DONE]\") | not)]" \
    '[true,true,true]' "${3:-$body_file}" --argjson code "$code"
}

# sse_texts [FILE] - the scripted tokens that a client received, in one line.
sse_texts() {
  sse_events "${1:-$body_file}" | jq -rs '[.[] | .json | objects
    | .choices[0].delta.content? // .choices[0].text? // .delta.text? // .delta?
    | strings | select(test("^t[0-9]+"))] | join(" ")'
}
