# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# failover.bash - what the files about failing upstreams share: a test gets
# candidates of its own by a model id of its own, and counts who was asked. Their
# scripted upstreams run with --max-requests 1: a kept connection that turns out
# to be dead is asked afresh, which is no attempt, and would be counted here.
#
# shellcheck disable=SC2154 # set by the helpers

# serve ROLE FAKE... - from now on these scripted upstreams, and nobody else,
# serve that role, as nodes of their own names. FAKE=URL is a node at that
# address. Their model id, $SERVED, was never asked before: no failure of another
# test counts against it.
serve() {
  local role=$1 node url var
  shift
  SERVED=m${BATS_TEST_NUMBER:-0}-$((SERVES += 1))
  EJECTED=$(candidates ejected | wc -l)
  forget_nodes
  for node; do
    url=${node#*=}
    node=${node%%=*}
    var=FAKE_URL_$node
    [[ $url != "$node" ]] || url=${!var}
    add_node "$node" "$url" "$SERVED" "$role" || return 1
  done
}

# add_node ID URL MODEL ROLE
add_node() {
  gw_post /v1/nodes/register "$(jq -cn --arg id "$1" --arg url "$2" --arg model "$3" \
    --arg role "$4" '{node_id: $id, base_url: $url,
      served_models: [{model_id: $model, roles: [$role]}]}')" >/dev/null
  assert_status 200 || return 1
  echo "$1" >>"$GW_DIR/serving"
}

# Those of add_node, whichever test it was.
forget_nodes() {
  local id
  [[ -e $GW_DIR/serving ]] || return 0
  for id in $(sort -u "$GW_DIR/serving"); do
    gw_post /v1/nodes/deregister "{\"node_id\":\"$id\"}" >/dev/null
  done
  rm -f "$GW_DIR/serving"
}

# asked FAKE [MODEL] - how often it was asked for the model served last.
asked() {
  times_asked "$@" | wc -l
}

# times_asked FAKE [MODEL] - when, in ms.
times_asked() {
  fake_log "$1" "select(.event == \"request\" and
    (.body // \"\" | contains(\"\\\"${2:-$SERVED}\\\"\"))) | .t_ms"
}

# asked_is FAKE N - for wait_until.
asked_is() {
  [[ $(asked "$1") == "$2" ]]
}

# gap FAKE N - ms between its attempts N and N + 1 (1 ..).
gap() {
  times_asked "$1" | awk -v n="$2" 'NR == n { t = $1 } NR == n + 1 { print int($1 - t) }'
}

# attempts_header - X-RoleMesh-Attempts of the last answer, or "none".
attempts_header() {
  header X-RoleMesh-Attempts || echo none
}

# chat_stream MODEL [EXTRA] - a streamed chat, to its end.
chat_stream() {
  gw_post /v1/chat/completions "$(sse_json /v1/chat/completions "$1" "${2:-}")" -N
}

# stream_said [FILE] - the text of a stream as its client puts it together.
stream_said() {
  sse_events "${1:-$body_file}" | jq -rs 'map(.json | objects
    | .choices[0].delta.content? // .choices[0].text? // "") | add // ""'
}

# candidates WORD - lines of regdump about candidates that have that word:
# candidates ejected
candidates() {
  "$TOP_BUILDDIR/regdump" "$ROLE_MESH_SHM" | grep -E "^candidate .*$1" || true
}

# candidates_are N [WORD] - for wait_until.
candidates_are() {
  [[ $(candidates "${2:-}" | wc -l) == "$1" ]]
}

# ejected_are N - so many more are ejected than when `serve` was called last.
ejected_are() {
  candidates_are $((EJECTED + $1)) ejected
}
