#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# demo.sh - a gateway with two proxy roles and one discovered role to try.
#
#   tests/dev/demo.sh BUILD_FOLDER
#
# The backends are the scripted upstream of the test suite: canned answers, no
# language model. ROLEMESH_DEMO_PORT (8000) is the gateway's port. Runs until
# Ctrl-C, which stops everything it started.

set -eu
# Every background job gets a process group of its own: Ctrl-C comes to this
# script alone, which passes it on once, in the right order.
set -m

build=$(cd "$1" && pwd)
top=$(cd "$(dirname "$0")/../.." && pwd)
port=${ROLEMESH_DEMO_PORT:-8000}
url=http://127.0.0.1:$port
folder=$(mktemp -d)
gateway=''
others=()
asked=''

say() { printf '%s\n' "$*"; }

finish() {
  local status=$?
  trap - EXIT
  [[ -z $asked ]] || status=0
  # A second Ctrl-C is a second signal: the gateway then ends at once.
  trap 'kill -TERM "$gateway" 2>/dev/null || true' INT TERM HUP
  if [[ -n $gateway ]]; then
    kill -TERM "$gateway" 2>/dev/null || true
    while kill -0 "$gateway" 2>/dev/null; do
      wait "$gateway" 2>/dev/null || true
    done
  fi
  for pid in ${others[@]+"${others[@]}"}; do
    disown "$pid" 2>/dev/null || true # or bash reports how it ended
    kill -TERM -- "-$pid" 2>/dev/null || true
  done
  for pid in ${others[@]+"${others[@]}"}; do
    while kill -0 -- "-$pid" 2>/dev/null; do
      sleep 0.02
    done
  done
  rm -rf "$folder"
  exit "$status"
}

stop() {
  asked=yes
  exit 0
}

is_taken() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

require_free() {
  if is_taken "$1"; then
    say "demo: port $1, for $2, is in use by another program. $3" >&2
    exit 1
  fi
}

# wait_for WHAT PID COMMAND... - while PID lives, at most 60 s.
wait_for() {
  local what=$1 pid=$2 end=$((SECONDS + 60))
  shift 2
  until "$@"; do
    if ! kill -0 "$pid" 2>/dev/null || ((SECONDS > end)); then
      say "demo: $what did not start; the lines above may say why" >&2
      exit 1
    fi
    sleep 0.05
  done
}

upstream() {
  "$build/tests/fake/fake_llama" --host 127.0.0.1 --port "$2" --name "$1" \
    --port-file "$folder/$1.port" >&2 &
  others+=("$!")
  wait_for "the scripted upstream $1" "$!" test -s "$folder/$1.port"
}

post() {
  curl -sS -o /dev/null --fail --max-time 5 -H 'Content-Type: application/json' \
    -d "$2" "$url$1"
}

register() {
  post /v1/nodes/register '{
    "node_id": "demo-node", "base_url": "http://127.0.0.1:18014",
    "served_models": [{"model_id": "scripted-reviewer", "roles": ["reviewer"]}],
    "meta": {"notes": "scripted upstream of the test suite"}}'
}

# A node that says nothing for 30 s gets no more requests; an unknown one
# registers again.
keep_alive() {
  while sleep 10; do
    post /v1/nodes/heartbeat '{"node_id": "demo-node"}' 2>/dev/null ||
      register 2>/dev/null || true
  done
}

trap finish EXIT
trap stop INT TERM HUP

require_free "$port" 'the gateway' 'Choose another with ROLEMESH_DEMO_PORT=8001.'
for taken in 18011 18012 18014; do
  require_free "$taken" 'a scripted upstream' 'Stop that program first.'
done

upstream planner 18011
upstream writer 18012
upstream reviewer 18014

"$build/rolemesh-gateway" --config "$top/configs/demo.yaml" \
  --host 127.0.0.1 --port "$port" >"$folder/gateway.out" &
gateway=$!
wait_for 'the gateway' "$gateway" test -s "$folder/gateway.out"
register
keep_alive &
others+=("$!")

chat="$url/v1/chat/completions -H 'Content-Type: application/json'"
cat <<TEXT

$(cat "$folder/gateway.out")
DEMO: the backends are the scripted upstream of the test suite. They give canned
answers; no language model is involved.

Try these in another terminal:

  curl $url/v1/models

  curl $chat \\
    -d '{"model": "planner", "messages": [{"role": "user", "content": "Hello"}]}'

  curl -N $chat \\
    -d '{"model": "reviewer", "stream": true, "messages": [{"role": "user", "content": "Hello"}]}'

Ctrl-C stops everything.

TEXT

status=0
wait "$gateway" || status=$?
say "demo: the gateway ended by itself with status $status" >&2
gateway=''
exit 1
