#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# run.sh - how much the gateway costs, beside nginx, HAProxy and a gateway of
# FastAPI and httpx.
#
#   make bench [BENCH_FLAGS='--quick | --only chat|streams|many|big|queue | --against DIR']
#
# Same upstream, same client, same number of workers, taking turns within each
# round, so that a busy machine disturbs all alike. What counts are ratios;
# absolute numbers are the machine's. nginx and HAProxy parse, check and route
# nothing here: they are the floor, not rivals.
#
# A whole run takes less than five minutes and writes tests/bench/RESULTS.md and
# results.svg; a shorter one writes them into the build folder. --against DIR
# compares with the gateway built in DIR and nothing else.
#
# Ends with status 1 when a target (targets.sh) is missed, 2 when something could
# not be measured. Needs nginx, wrk and jq; HAProxy, FastAPI, strace and gnuplot
# only if they are there. Not part of make check.
# shellcheck disable=SC2034,SC2154 # the parts read and set them
set -u

TOP_BUILDDIR=${TOP_BUILDDIR:-$PWD}
TOP_SRCDIR=${TOP_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}
PATH=$PATH:/usr/sbin:/sbin
for part in lib fronts chat streams queue targets report; do
  # shellcheck source=/dev/null
  . "$TOP_SRCDIR/tests/bench/$part.sh" || exit 2
done

WORKERS=2
ROUNDS=5
CHAT_CONNECTIONS=32
CHAT_S=2
LATENCY_S=1
SYSCALLS_S=2
STREAMS=1000
FASTAPI_STREAMS=25 # more than that it does not keep up with
TOKEN_MS=50        # 20 tokens/s a stream
STREAM_S=2
DELAY_STREAMS=250
MANY_STREAMS=10000
MANY_S=6
BIG_STREAMS=200
BIG_S=3
QUEUE_RESPONDERS=4
QUEUE_CONNECTIONS=32 # all but one of them wait
QUEUE_ANSWER_MS=5
QUEUE_S=2
export BENCH_KEY=bench-key-0123456789abcdef

only=all before='' whole=1
while (($#)); do
  case $1 in
    --quick) ROUNDS=3 CHAT_S=1 STREAM_S=1 MANY_STREAMS=2000 MANY_S=4 whole=0 ;;
    --only) only=${2:-} whole=0 && shift ;;
    --against) before=${2:-} whole=0 && shift ;;
    *) die "unknown option $1" ;;
  esac
  shift
done
[[ $only == @(all|chat|streams|many|big|queue) ]] || die '--only chat, streams, many, big or queue'

wanted() { [[ $only == all || $only == "$1" ]]; }

for program in nginx wrk jq curl; do
  command -v "$program" >/dev/null || die "needs $program"
done
for program in rolemesh-gateway rolemesh-responder tests/fake/fake_llama \
  tests/fake/free_port tests/bench/stream_client; do
  [[ -x $TOP_BUILDDIR/$program ]] || die "$TOP_BUILDDIR/$program is not built"
done
[[ -r /proc/self/schedstat ]] || die 'needs /proc/PID/schedstat (CONFIG_SCHED_INFO)'
if [[ -n $before ]]; then
  [[ -x $before/rolemesh-gateway ]] || die "--against: no rolemesh-gateway in $before"
  before=$(cd "$before" && pwd)
  before_src=$(sed -n 's/^abs_top_srcdir = //p' "$before/Makefile")
fi

dir=$(mktemp -d)
chmod 711 "$dir" # nginx's workers may run as another user
trap finish EXIT
trap 'exit 130' INT TERM
: >"$dir/values"
: >"$dir/notes"

question=$(jq -cn '{model: "planner", max_tokens: 64, temperature: 0.2, messages: [
  {role: "system", content: "You are terse."},
  {role: "user", content: ("Say something about gateways. " * 8)}]}')
printf %s "$question" >"$dir/chat.json"
jq -c '. + {stream: true}' <<<"$question" >"$dir/stream.json"
{
  printf '{"model":"big","messages":[{"role":"user","content":"'
  head -c $((30 << 20)) /dev/zero | tr '\0' a
  printf '"}]}'
} >"$dir/big.json"

ulimit -n "$(ulimit -Hn)"
MANY_PORT=6 # the first of two
QUEUE_PORT=8
mapfile -t ports < <("$TOP_BUILDDIR/tests/fake/free_port" 9)
start_upstream main
start_upstream big
url[direct]=http://${upstream[main]} stream_url[direct]=http://${upstream[main]}
start_gateway gateway "${ports[0]}" "${upstream[main]}" "$TOP_BUILDDIR" "$TOP_SRCDIR"

fronts=() streamers=() # what chats and streams go through
if [[ -n $before ]]; then
  start_gateway before "${ports[1]}" "${upstream[main]}" "$before" "$before_src"
  fronts=(gateway before) streamers=(gateway before)
  # a few percent are looked for: many short turns
  ROUNDS=$((3 * ROUNDS)) CHAT_S=1 STREAM_S=2
else
  start_nginx "${ports[1]}" "${ports[2]}"
  fronts=(nginx) streamers=(nginx)
  if command -v haproxy >/dev/null; then
    start_haproxy "${ports[3]}"
    fronts+=(haproxy) streamers+=(haproxy)
  else
    note 'HAProxy is missing: not measured'
  fi
  if [[ -n $(fastapi_python) ]]; then
    start_fastapi "${ports[4]}"
    fronts+=(fastapi)
  else
    note 'FastAPI, httpx or uvicorn is missing: not measured'
  fi
  start_kept "${ports[5]}"
  fronts+=(kept gateway) streamers+=(gateway)
fi

turns=(direct "${fronts[@]}") delay_turns=(direct "${streamers[@]}")
[[ -z $before ]] || turns=() delay_turns=()

started=$SECONDS
if wanted streams; then # before the chats, while memory is fresh
  for ((round = 0; round < ROUNDS; round++)); do
    for front in $(in_turn "$round" "${streamers[@]}"); do
      tokens "$round" "$front" "$STREAMS"
    done
    for front in $(in_turn "$round" "${delay_turns[@]}"); do
      delays "$round" "$front"
    done
    [[ -z ${url[fastapi]:-} ]] || tokens "$round" fastapi "$FASTAPI_STREAMS"
  done
  # less its median: the upstream's own p99 is the machine's noise
  put_added delay_p99_us delay_us added_p99_us "${streamers[@]}"
fi
if wanted chat; then
  for ((round = 0; round < ROUNDS; round++)); do
    for front in $(in_turn "$round" "${fronts[@]}"); do
      chat "$round" "$front"
    done
    for front in $(in_turn "$round" "${turns[@]}"); do
      latency "$round" "$front"
    done
  done
  put_added latency_us latency_us added_us "${fronts[@]}"
  syscalls gateway
  [[ -z $before ]] || syscalls before
fi
if [[ -z $before ]]; then
  if wanted big; then
    set_pace 50
    for ((round = 0; round < ROUNDS; round++)); do
      beside_bodies "$round"
    done
  fi
  ! wanted many || many_streams
  ! wanted queue || freed_slots
fi
took=$((SECONDS - started))

report
exit "$missed"
