# shellcheck shell=bash disable=SC2154,SC2034 # set in run.sh and the other parts
# SPDX-License-Identifier: MIT
#
# streams.sh - tokens: CPU, delay, memory; very many streams; streams beside
# large bodies.

# set_pace MS - what the upstreams wait between two tokens of streams to come
set_pace() {
  local name
  for name in "${!upstream[@]}"; do
    curl -sf -m 5 -o "$dir/answer" -X PUT -d "{\"delay_ms\": $1}" \
      "http://${upstream[$name]}/fake/mode" || die "the upstream cannot be told its pace"
  done
}

# open_streams N SECONDS URL... - N streams at each, one client process each.
# Returns when every stream has had its first token; then streams_report.
open_streams() {
  local n=$1 seconds=$2 address i=0 line fd
  shift 2
  clients=() client_fd=()
  for address; do
    rm -f "$dir/client.$i"
    mkfifo "$dir/client.$i"
    "$TOP_BUILDDIR/tests/bench/stream_client" "$address/v1/chat/completions" \
      "$dir/stream.json" "$BENCH_KEY" "$n" "$seconds" >"$dir/client.$i" &
    clients+=("$!")
    exec {fd}<"$dir/client.$i"
    client_fd+=("$fd")
    i=$((i + 1))
  done
  for ((i = 0; i < ${#clients[@]}; i++)); do
    read -r -t 90 line <&"${client_fd[i]}" || die "streams did not open"
    [[ $line == *start* ]] || die "streams did not open: $line"
  done
}

# streams_report -> $report, one JSON object: the sums, and the worst delays.
# Fails when a stream broke or a token is missing.
streams_report() {
  local i line fd complete=0
  : >"$dir/reports"
  for ((i = 0; i < ${#clients[@]}; i++)); do
    read -r -t 90 line <&"${client_fd[i]}" || die "no report of the streams"
    echo "$line" >>"$dir/reports"
    fd=${client_fd[i]}
    exec {fd}<&-
    wait "${clients[i]}" || complete=1
  done
  report=$(jq -cs '{streams: map(.streams) | add, streams_failed: map(.streams_failed) | add,
    missing: map(.missing) | add, tokens: map(.tokens) | add,
    tokens_per_s: map(.tokens_per_s) | add,
    median: map(.delay_median_us) | max, p99: map(.delay_p99_us) | max}' "$dir/reports")
  return "$complete"
}

# tokens ROUND FRONT N -> token_us and its two parts, token_rate; in round 0
# stream_web_kib and stream_app_kib
tokens() {
  local round=$1 front=$2 n=$3 w a web_kib app_kib count
  if ((round == 0)); then
    web_kib=$(memory_kib "${web[$front]:-}") app_kib=$(memory_kib "${app[$front]:-}")
  fi
  open_streams "$n" "$STREAM_S" "${stream_url[$front]}"
  w=$(cpu_ns "${web[$front]:-}") a=$(cpu_ns "${app[$front]:-}")
  if ((round == 0)); then
    sleep $((STREAM_S / 2)) # memory is taken in the middle
    put 0 stream_web_kib "$front" \
      "$(calc '(k - i) / n' k="$(memory_kib "${web[$front]:-}")" i="$web_kib" n="$n")"
    put 0 stream_app_kib "$front" \
      "$(calc '(k - i) / n' k="$(memory_kib "${app[$front]:-}")" i="$app_kib" n="$n")"
  fi
  streams_report || die "$front: tokens are missing: $report"
  w=$(($(cpu_ns "${web[$front]:-}") - w)) a=$(($(cpu_ns "${app[$front]:-}") - a))
  count=$(jq .tokens <<<"$report")
  put "$round" token_web_us "$front" "$(calc 'w / n / 1000' w="$w" n="$count")"
  put "$round" token_app_us "$front" "$(calc 'a / n / 1000' a="$a" n="$count")"
  put "$round" token_us "$front" "$(calc '(w + a) / n / 1000' w="$w" a="$a" n="$count")"
  put "$round" token_rate "$front" "$(jq .tokens_per_s <<<"$report")"
  jq -r --arg f "$front" --argjson w "$w" --argjson a "$a" '"  tokens   \($f) \(.tokens_per_s | round)/s,"
    + " \($w / .tokens / 10 | round / 100) + \($a / .tokens / 10 | round / 100) us CPU"' <<<"$report"
}

# delays ROUND FRONT -> delay_us, delay_p99_us: with fewer streams, since delays
# on a machine that is nearly busy are those of waiting for a processor
delays() {
  open_streams "$DELAY_STREAMS" "$STREAM_S" "${stream_url[$2]}"
  streams_report || die "$2: tokens are missing: $report"
  put "$1" delay_us "$2" "$(jq .median <<<"$report")"
  put "$1" delay_p99_us "$2" "$(jq .p99 <<<"$report")"
  jq -r --arg f "$2" '"  delays   \($f) \(.median) us, p99 \(.p99) us"' <<<"$report"
}

# many_streams - as many streams as were asked for, at 1 token/s, behind fresh
# gateways: a lighttpd needs three descriptors for each, so one may not do.
many_streams() {
  local limit each n=$MANY_STREAMS i idle kib got=$MANY_STREAMS
  local -a addresses=()
  local responders=''
  limit=$(ulimit -n)
  [[ $limit == unlimited ]] && limit=65535
  each=$(((limit - 64) / 3)) # as rolemesh-gateway reckons (server.max-connections)
  if ((n > 2 * each)); then
    n=$((2 * each))
    note "descriptors (ulimit -Hn $limit) allow $n of $MANY_STREAMS streams behind two gateways"
  fi
  gateways=$(((n + each - 1) / each))
  for ((i = 0; i < gateways; i++)); do
    start_gateway "many$i" "${ports[MANY_PORT + i]}" "${upstream[main]}" \
      "$TOP_BUILDDIR" "$TOP_SRCDIR"
    addresses+=("${url[many$i]}")
    responders+=" ${app[many$i]}"
  done
  set_pace 1000
  idle=$(memory_kib "$responders")
  open_streams $((n / gateways)) "$MANY_S" "${addresses[@]}"
  sleep $((MANY_S / 2))
  kib=$(memory_kib "$responders")
  streams_report || note "very many streams: $(<"$dir/reports")"
  got=$(jq .streams <<<"$report")
  put 0 many_streams gateway "$got"
  put 0 many_broken gateway "$(jq '.streams_failed + .missing' <<<"$report")"
  put 0 many_rate gateway "$(jq .tokens_per_s <<<"$report")"
  put 0 many_p99_us gateway "$(jq .p99 <<<"$report")"
  put 0 many_kib gateway "$(calc '(k - i) / n' k="$kib" i="$idle" n="$got")"
  jq -r --arg k "$(all many_kib gateway)" --arg g "$gateways" '"  many     \(.streams) streams"
    + " behind \($g) gateways, \(.streams_failed) broken, \(.missing) tokens missing,"
    + " \(.tokens_per_s | round) tokens/s, p99 \(.p99) us, \($k) KiB of responder each"' <<<"$report"
}

# send_bodies N URL - a body of 30 MiB once a second to a model with an upstream of
# its own: what is measured is the gateway, not an upstream that is busy
send_bodies() {
  local i
  for ((i = 0; i < $1; i++)); do
    sleep 1 &
    curl -s -m 20 -o /dev/null -w '%{http_code}\n' -H 'Expect:' \
      -H "Authorization: Bearer $BENCH_KEY" -H 'Content-Type: application/json' \
      --data-binary @"$dir/big.json" "$2/v1/chat/completions"
    wait "$!"
  done
}

# beside_bodies ROUND - big_ms: by how much the bodies move the p99 of delays
beside_bodies() {
  local with
  for with in $(in_turn "$1" 0 1); do
    open_streams "$BIG_STREAMS" "$BIG_S" "${stream_url[gateway]}"
    : >"$dir/bodies"
    if ((with)); then
      send_bodies "$BIG_S" "${url[gateway]}" >"$dir/bodies"
    fi
    streams_report || die "gateway: tokens are missing beside large bodies: $report"
    ! grep -qv 200 "$dir/bodies" || die "a body of 30 MiB was refused: $(tail -n 1 "$dir/bodies")"
    put "$1" "big_p99_us_$with" gateway "$(jq .p99 <<<"$report")"
  done
  put "$1" big_ms gateway "$(calc '(w - o) / 1000' \
    w="$(all big_p99_us_1 gateway | tail -n 1)" o="$(all big_p99_us_0 gateway | tail -n 1)")"
  printf '  bodies   p99 %s us without, %s us with 30 MiB a second\n' \
    "$(all big_p99_us_0 gateway | tail -n 1)" "$(all big_p99_us_1 gateway | tail -n 1)"
}
