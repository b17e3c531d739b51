# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# request.bash - HTTP requests whose course can be read in a failed test's
# output, and streams that run beside the test.
#
# shellcheck disable=SC2034 # what these functions set is for the tests

# gw_request METHOD PATH [CURL ARGS] - one request to the gateway, or to any
# address when PATH is one. Sets $status_code (000: no answer), $headers (last
# head, no CR), $body (text), $body_file (bytes), $curl_status (curl's exit
# status) and $time_total_ms. Sends $GW_KEY as Bearer when set, from the host
# that $GW_VIA leads to (gw_on). Always succeeds: the asserts that follow say
# what is wrong.
gw_request() {
  local method=$1 url=$2 line
  local -a how=(-X "$method")
  shift 2
  [[ $url == http* ]] || url=$GW_URL$url
  [[ $method == HEAD ]] && how=(--head)
  [[ -n ${GW_KEY:-} ]] && how+=(-H "Authorization: Bearer $GW_KEY")
  body_file=${GW_DIR:-$BATS_TEST_TMPDIR}/answer.body
  rm -f "$body_file" "$body_file.head"
  curl_status=0
  line=$(${GW_VIA:-} curl -sS --noproxy '*' --globoff --max-time "${GW_TIMEOUT:-300}" "${how[@]}" \
    -o "$body_file" -D "$body_file.head" -w '%{http_code} %{time_total}' \
    "$@" "$url" 2>"$body_file.err") || curl_status=$?
  status_code=${line%% *}
  # microseconds as digits: seconds without their point
  time_total_ms=${line##*[ .]}
  line=${line##* }
  time_total_ms=$((10#${line%.*} * 1000 + 10#${time_total_ms:0:3}))
  [[ -e $body_file ]] || : >"$body_file"
  headers=$(_last_head "$body_file.head")
  body=$(tr -d '\0' <"$body_file")
  local words=$*
  printf '$ %s %s %s\n' "$method" "$url" "${words:0:300}"
  printf '%s\n%s\n' "$headers" "${body:0:2000}"
  if ((curl_status)); then
    cat "$body_file.err"
  fi
  return 0
}

# 100 Continue and redirects put several heads into one file.
_last_head() {
  [[ -e $1 ]] || return 0
  tr -d '\r\0' <"$1" | awk '/^HTTP\// { n = 0 } { lines[n++] = $0 }
    END { for (i = 0; i < n; i++) if (lines[i] != "") print lines[i] }'
}

# gw_get PATH [CURL ARGS]
gw_get() {
  gw_request GET "$@"
}

# gw_post PATH JSON [CURL ARGS] - the text is sent byte for byte.
gw_post() {
  local path=$1 json=$2
  shift 2
  gw_request POST "$path" -H 'Content-Type: application/json' \
    --data-binary "$json" "$@"
}

# chat_json MODEL [EXTRA] - a chat body; EXTRA is a JSON object of more members,
# MODEL "" leaves the model out.
chat_json() {
  jq -cn --arg model "$1" --argjson extra "${2:-{\}}" '
    (if $model == "" then {} else {model: $model} end)
    + {messages: [{role: "user", content: "hello there"}]} + $extra'
}

# gw_chat MODEL [EXTRA] [CURL ARGS] - a chat request, whole answer.
gw_chat() {
  local model=$1 extra=${2:-}
  shift
  (($# == 0)) || shift
  gw_post /v1/chat/completions "$(chat_json "$model" "$extra")" "$@"
}

# stream_to FILE PATH JSON [CURL ARGS] - a request in the background whose body
# lines go to FILE as they come, each behind its time of arrival (mono_ms).
# $FILE.head holds the response head. Sets $STREAM_PID, curl's own: kill it to
# leave; stream_wait to see the end.
stream_to() {
  local file=$1 url=$2 json=$3
  local -a how=()
  shift 3
  [[ $url == http* ]] || url=$GW_URL$url
  [[ -n ${GW_KEY:-} ]] && how=(-H "Authorization: Bearer $GW_KEY")
  rm -f "$file.pipe" "$file.head" # of an earlier one
  : >"$file"
  mkfifo "$file.pipe"
  "$TOP_BUILDDIR/tests/fake/stamp_lines" <"$file.pipe" >"$file" 3>&- 4>&- &
  _STREAM_READER_PID=$!
  ${GW_VIA:-} curl -sSN --noproxy '*' --max-time "${GW_TIMEOUT:-300}" -D "$file.head" "${how[@]}" \
    -H 'Content-Type: application/json' --data-binary "$json" "$@" "$url" \
    >"$file.pipe" 2>"$file.err" 3>&- 4>&- &
  STREAM_PID=$!
  gw_track "stream-$STREAM_PID" "$STREAM_PID"
}

# stream_wait - wait for the end of the last stream_to, its file complete. Sets
# $stream_status, curl's exit status: 0, 18 cut short, 28 its time-out, 143
# killed.
stream_wait() {
  stream_status=0
  wait "$STREAM_PID" || stream_status=$?
  wait "$_STREAM_READER_PID"
  rm -f "$GW_DIR/pids/stream-$STREAM_PID"
}

# stream_has FILE N - at least N scripted tokens (t1, t2, ...) have arrived.
stream_has() {
  (($(stream_tokens "$1" | wc -l) >= $2))
}

# stream_tokens FILE - "ARRIVED_MS TEXT" of each scripted token so far.
stream_tokens() {
  sed -nE 's/^([0-9]+) data: .*"(t[0-9]+(@[0-9]+)?)[."].*/\1 \2/p' "$1"
}

# stream_text FILE - the lines as the server sent them, stamps taken off.
stream_text() {
  sed -E 's/^[0-9]+ //' "$1"
}
