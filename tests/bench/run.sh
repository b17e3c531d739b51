#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# run.sh - how much the gateway costs, beside nginx proxy_pass.
#
#   make bench        or        tests/bench/run.sh [--quick] [--only chat|streams]
#
# Two fronts, the same scripted upstream, the same number of workers, taking
# turns in one run, so that a busy machine disturbs both alike. What counts is
# the ratio of the medians; absolute numbers are the machine's. nginx parses,
# checks and routes nothing here: it is the floor, not a rival.
#
# Ends with status 1 when a ratio misses its target, 2 when something could not
# be measured. Needs nginx, wrk and jq. Not part of make check.
set -u

TOP_BUILDDIR=${TOP_BUILDDIR:-$PWD}
TOP_SRCDIR=${TOP_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}
PATH=$PATH:/usr/sbin:/sbin

# Targets: at least this share of nginx's requests/s, at most this multiple of
# its CPU time for each streamed token.
CHAT_RATIO_MIN=0.25
TOKEN_CPU_RATIO_MAX=1.8

WORKERS=2
STREAMS=1000
TOKEN_MS=50 # 20 tokens/s a stream
CHAT_ROUNDS=5
CHAT_S=4
STREAM_ROUNDS=3
STREAM_S=8
only=all

die() {
  echo "bench: $*" >&2
  exit 2
}

while (($#)); do
  case $1 in
    --quick) CHAT_ROUNDS=3 CHAT_S=2 STREAM_ROUNDS=1 STREAM_S=4 ;;
    --only)
      only=${2:-}
      shift
      ;;
    *) die "unknown option $1" ;;
  esac
  shift
done
[[ $only == all || $only == chat || $only == streams ]] ||
  die "--only chat or --only streams"

for program in nginx wrk jq curl; do
  command -v "$program" >/dev/null || die "needs $program"
done
for program in rolemesh-gateway rolemesh-responder tests/fake/fake_llama \
  tests/fake/free_port tests/bench/stream_client; do
  [[ -x $TOP_BUILDDIR/$program ]] || die "$TOP_BUILDDIR/$program is not built"
done

dir=$(mktemp -d)
chmod 711 "$dir" # nginx's workers may run as another user
pids=()

# shellcheck disable=SC2317 # runs from the trap
finish() {
  local pid
  for pid in "${pids[@]}"; do
    kill -TERM "$pid" 2>/dev/null
  done
  for pid in "${pids[@]}"; do
    wait "$pid" 2>/dev/null
  done
  rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT TERM

# --- the processes -------------------------------------------------------------

wait_for() {
  local i
  for ((i = 0; i < 200; i++)); do
    "$@" >/dev/null 2>&1 && return 0
    sleep 0.05
  done
  return 1
}

start_upstream() {
  "$TOP_BUILDDIR/tests/fake/fake_llama" --instant --port 0 \
    --port-file "$dir/upstream.port" --stamp --tokens 100000000 \
    --delay-ms "$TOKEN_MS" --max-requests 1000000000 --idle-ms 600000 \
    2>"$dir/upstream.log" &
  pids+=("$!")
  wait_for test -s "$dir/upstream.port" || die "the upstream did not start"
  upstream=127.0.0.1:$(<"$dir/upstream.port")
}

# Buffering on for whole answers, off for streams, as nginx's own manual advises.
start_nginx() {
  cat >"$dir/nginx.conf" <<CONF
daemon off;
worker_processes $WORKERS;
worker_rlimit_nofile 65536;
pid $dir/nginx.pid;
error_log $dir/nginx.log;
events { worker_connections 8192; }
http {
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path $dir/nginx-body;
  proxy_temp_path $dir/nginx-proxy;
  fastcgi_temp_path $dir/nginx-fastcgi;
  uwsgi_temp_path $dir/nginx-uwsgi;
  scgi_temp_path $dir/nginx-scgi;
  upstream up {
    server $upstream;
    keepalive 256;
    keepalive_requests 100000000;
  }
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  server {
    listen 127.0.0.1:${ports[0]} backlog=4096;
    location / { proxy_pass http://up; }
  }
  server {
    listen 127.0.0.1:${ports[1]} backlog=4096;
    location / { proxy_pass http://up; proxy_buffering off; }
  }
}
CONF
  nginx -p "$dir" -e "$dir/nginx.log" -c "$dir/nginx.conf" &
  nginx_pid=$!
  pids+=("$nginx_pid")
  nginx_chat=http://127.0.0.1:${ports[0]}
  nginx_stream=http://127.0.0.1:${ports[1]}
  wait_for curl -s "$nginx_chat/health" || die "nginx: $(<"$dir/nginx.log")"
}

start_gateway() {
  cat >"$dir/models.yaml" <<YAML
models:
  planner:
    type: proxy
    proxy_url: http://$upstream
YAML
  mkdir -m 700 "$dir/run"
  TMPDIR=$dir/run XDG_RUNTIME_DIR=$dir/run ROLE_MESH_SHM=/rolemesh-bench-$$ \
    ROLEMESH_RESPONDER=$TOP_BUILDDIR/rolemesh-responder \
    ROLEMESH_DATADIR=$TOP_SRCDIR/lighttpd \
    "$TOP_BUILDDIR/rolemesh-gateway" --config "$dir/models.yaml" \
    --host 127.0.0.1 --port "${ports[2]}" --workers "$WORKERS" \
    >"$dir/gateway.log" 2>&1 &
  gateway_pid=$!
  pids+=("$gateway_pid")
  gateway=http://127.0.0.1:${ports[2]}
  wait_for curl -sf "$gateway/health" || die "gateway: $(tail "$dir/gateway.log")"
}

# --- what they cost ------------------------------------------------------------

# The process and all its descendants.
tree_of() {
  ps -eo pid=,ppid= | awk -v root="$1" '
    { parent[$1] = $2 }
    END {
      for (p in parent) {
        for (q = p; q in parent && q != root; q = parent[q]);
        if (q == root) print p
      }
    }'
}

# User and system time of a tree so far, in microseconds.
cpu_us() {
  local tick
  tick=$(getconf CLK_TCK)
  tree_of "$1" | while read -r pid; do
    sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null
  done | awk -v tick="$tick" '{ t += $12 + $13 } END { printf "%d\n", t * 1e6 / tick }'
}

# Proportional set size of a tree, in KiB.
pss_kib() {
  tree_of "$1" | while read -r pid; do
    grep '^Pss:' "/proc/$pid/smaps_rollup" 2>/dev/null
  done | awk '{ k += $2 } END { printf "%d\n", k }'
}

# --- the measurements: each appends one line to a file --------------------------

# chat NAME ROOT_PID URL -> NAME.chat: requests/s, CPU us a request
chat() {
  local before after line rate errors
  before=$(cpu_us "$2")
  line=$(BENCH_BODY=$dir/chat.json wrk -t1 -c64 -d"${CHAT_S}s" \
    -s "$TOP_SRCDIR/tests/bench/chat.lua" "$3/v1/chat/completions" |
    sed -n 's/^result //p')
  after=$(cpu_us "$2")
  read -r rate errors <<<"$line"
  [[ -n ${rate:-} && ${errors:-1} == 0 ]] || die "$1: chat failed (${line:-no result})"
  awk -v r="$rate" -v c="$((after - before))" -v s="$CHAT_S" \
    'BEGIN { printf "%.1f %.2f\n", r, c / (r * s) }' | tee -a "$dir/$1.chat" |
    awk -v n="$1" '{ printf "  chat     %-8s %9.0f requests/s  %6.1f us CPU/request\n", n, $1, $2 }'
}

# streams NAME ROOT_PID URL -> NAME.streams: CPU us a token, KiB a stream,
# tokens/s, median and p99 delay
streams() {
  local before after report line kib
  [[ -e $dir/$1.idle ]] || pss_kib "$2" >"$dir/$1.idle"
  rm -f "$dir/client"
  mkfifo "$dir/client"
  "$TOP_BUILDDIR/tests/bench/stream_client" "$3/v1/chat/completions" \
    "$dir/stream.json" "$STREAMS" "$STREAM_S" >"$dir/client" &
  local client=$!
  exec 7<"$dir/client"
  read -r -t 90 line <&7 || die "$1: streams did not open"
  [[ $line == *start* ]] || die "$1: streams did not open: $line"
  before=$(cpu_us "$2")
  sleep $((STREAM_S / 2)) # memory is taken in the middle of the measurement
  kib=$(pss_kib "$2")
  read -r -t 90 report <&7 || die "$1: no report"
  after=$(cpu_us "$2")
  exec 7<&-
  wait "$client" || die "$1: tokens are missing: $report"
  jq -r --argjson cpu "$((after - before))" \
    --argjson kib "$((kib - $(<"$dir/$1.idle")))" \
    '[$cpu / .tokens, $kib / .streams, .tokens_per_s, .delay_median_ms,
      .delay_p99_ms] | map(tostring) | join(" ")' <<<"$report" |
    tee -a "$dir/$1.streams" |
    awk -v n="$1" '{ printf "  streams  %-8s %9.0f tokens/s    %6.1f us CPU/token  %5.1f KiB/stream  delay %d ms, p99 %d ms\n", n, $3, $1, $2, $4, $5 }'
}

# median FILE COLUMN
median() {
  awk -v c="$2" '{ print $c }' "$1" | sort -g |
    awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# --- the report ------------------------------------------------------------------

missed=0

# row WHAT UNIT NAME COLUMN [min|max LIMIT] - one line of the table, one JSON row
row() {
  local what=$1 unit=$2 suffix=$3 column=$4 kind=${5:-} limit=${6:-} n g ratio verdict=''
  n=$(median "$dir/nginx.$suffix" "$column")
  g=$(median "$dir/gateway.$suffix" "$column")
  ratio=$(awk -v g="$g" -v n="$n" 'BEGIN { printf "%.3f", n ? g / n : 0 }')
  if [[ -n $kind ]]; then
    verdict="ok ($kind $limit)"
    if ! awk -v r="$ratio" -v l="$limit" -v k="$kind" \
      'BEGIN { exit !(k == "min" ? r >= l : r <= l) }'; then
      verdict="MISSED ($kind $limit)"
      missed=1
    fi
  fi
  printf '%-24s %-8s %12.1f %12.1f %9s  %s\n' "$what" "$unit" "$n" "$g" "$ratio" "$verdict"
  jq -cn --arg what "$what" --arg unit "$unit" --argjson nginx "$n" \
    --argjson gateway "$g" --argjson ratio "$ratio" --arg verdict "$verdict" \
    '{what: $what, unit: $unit, nginx: $nginx, gateway: $gateway,
      ratio: $ratio, verdict: $verdict}' >>"$dir/rows"
}

chat_rows() {
  row 'chat requests' 1/s chat 1 min "$CHAT_RATIO_MIN"
  row 'CPU of a chat' us chat 2
}

stream_rows() {
  row 'CPU of a token' us streams 1 max "$TOKEN_CPU_RATIO_MAX"
  row 'memory of a stream' KiB streams 2
  row 'tokens' 1/s streams 3
  row 'delay, median' ms streams 4
  row 'delay, p99' ms streams 5
  local name
  for name in nginx gateway; do
    awk -v got="$(median "$dir/$name.streams" 3)" -v want="$((STREAMS * 1000 / TOKEN_MS))" \
      'BEGIN { exit !(got < 0.95 * want) }' || continue
    # a machine without idle time hands out tokens in bursts, which cost less
    echo "note: the machine was too busy for all tokens behind $name:" \
      "its CPU of a token is not that of $STREAMS streams"
  done
}

jq -cn '{model: "planner", max_tokens: 64, temperature: 0.2, messages: [
  {role: "system", content: "You are terse."},
  {role: "user", content: ("Say something about gateways. " * 8)}]}' >"$dir/chat.json"
jq -c '. + {stream: true}' "$dir/chat.json" >"$dir/stream.json"

ulimit -n "$(ulimit -Hn)"
mapfile -t ports < <("$TOP_BUILDDIR/tests/fake/free_port" 3)
start_upstream
start_nginx
start_gateway

if [[ $only != streams ]]; then
  for ((round = 0; round < CHAT_ROUNDS; round++)); do
    chat nginx "$nginx_pid" "$nginx_chat"
    chat gateway "$gateway_pid" "$gateway"
  done
fi
if [[ $only != chat ]]; then
  for ((round = 0; round < STREAM_ROUNDS; round++)); do
    streams nginx "$nginx_pid" "$nginx_stream"
    streams gateway "$gateway_pid" "$gateway"
  done
fi

printf '\n%-24s %-8s %12s %12s %9s\n' "medians" unit nginx gateway ratio
[[ $only == streams ]] || chat_rows
[[ $only == chat ]] || stream_rows

jq -s --argjson workers "$WORKERS" --argjson streams "$STREAMS" \
  --argjson cores "$(nproc)" --arg when "$(date -u +%FT%TZ)" \
  '{when: $when, cores: $cores, workers: $workers, streams: $streams, rows: .}' \
  "$dir/rows" >"$TOP_BUILDDIR/bench.json" || die "cannot write bench.json"
echo "written to $TOP_BUILDDIR/bench.json"
exit "$missed"
