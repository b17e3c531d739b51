# shellcheck shell=bash disable=SC2154,SC2034 # set in run.sh and the other parts
# SPDX-License-Identifier: MIT
#
# report.sh - what was measured, as tables (terminal and RESULTS.md), as a plot
# and as bench.json.

missed=0

# target GROUP WHAT UNIT VALUE min|max LIMIT - one verdict; a value that could not
# be measured is a miss
target() {
  local group=$1 what=$2 unit=$3 value=$4 kind=$5 limit=$6 verdict=ok
  wanted "$group" || return 0
  if [[ -z $value ]] || ! awk -v v="$value" -v l="$limit" -v k="$kind" \
    'BEGIN { exit !(k == "min" ? v >= l : v <= l) }'; then
    verdict=MISSED
    missed=1
  fi
  [[ $kind == min ]] && kind='at least' || kind='at most'
  printf '%s|%s|%s|%s\n' "$what" "$(number "$value")${unit:+ $unit}" \
    "$kind $limit${unit:+ $unit}" "$verdict" >>"$dir/targets"
}

# Four digits are enough; ratios to a limit of 1.03 need all of them.
number() {
  [[ -z ${1:-} ]] && echo '-' && return
  awk -v v="$1" 'BEGIN { a = v < 0 ? -v : v
    printf (a >= 100 || v == int(v) ? "%.0f" : a >= 10 ? "%.1f" : "%.3f"), v }'
}

# quantities: NAME|text of the rows of the big table
rows_chat='chat_rate|requests/s, 32 connections
chat_web_us|CPU of a chat, web server, us
chat_app_us|CPU of a chat, responder or application, us
added_us|added latency, one connection, median, us
syscalls|system calls of a responder for a chat
upstream_busy|how busy the upstream was (1 = one core)'
rows_streams='token_web_us|CPU of a token, web server, us
token_app_us|CPU of a token, responder or application, us
token_rate|tokens/s
delay_us|delay of a token, median, us
delay_p99_us|delay of a token, p99, us
added_p99_us|added delay of a token, p99, us
stream_web_kib|memory of a stream, web server, KiB
stream_app_kib|memory of a stream, responder or application, KiB'

# medians QUANTITY FRONT - "-" where there is none
medians() {
  number "$(all "$1" "$2" | median)"
}

# table FRONT... - lines of cells, separated by |, of what was measured
table() {
  local name text front line rows=''
  wanted chat && rows+=$rows_chat$'\n'
  wanted streams && rows+=$rows_streams$'\n'
  while IFS='|' read -r name text; do
    [[ -n $name ]] || continue
    line=$text
    for front; do
      line+="|$(medians "$name" "$front")"
    done
    [[ ${line#"$text"} =~ ^[-|]*$ ]] || echo "$line"
  done <<<"$rows"
}

# Columns of the table: no front at all (not with --against), and the fronts.
columns=()

front_title() {
  case $1 in
    direct) echo 'no front' ;;
    nginx) echo 'nginx proxy_pass' ;;
    haproxy) echo HAProxy ;;
    fastapi) echo 'FastAPI + httpx' ;;
    kept) echo 'nginx, kept FastCGI' ;;
    gateway) echo 'gateway' ;;
    *) echo "$1" ;;
  esac
}

# markdown: cells separated by | on standard input -> rows of a table
markdown() {
  sed 's/|/ | /g; s/^/| /; s/$/ |/'
}

headings() {
  local front line='medians of the rounds'
  for front in "${columns[@]}"; do
    line+="|$(front_title "$front")"
  done
  echo "$line"
}

write_results() {
  local version cells
  # the last one that changed the programs
  version=$(git -C "$TOP_SRCDIR" log -1 --format=%h -- src shm lighttpd 2>/dev/null)
  cells=$(headings | tr -cd '|')
  cat <<MD
# Results of make bench

Written by tests/bench/run.sh; not edited by hand. [doc/benchmark.md](../../doc/benchmark.md) says how it is measured.
$(date -u +%F), commit ${version:-unknown}, $(nproc) cores, $WORKERS workers each, $ROUNDS rounds, $took seconds.

| target | measured | wanted | |
|---|---|---|---|
$(markdown <"$dir/targets")
MD
  [[ -z $(table "${columns[@]}") ]] || cat <<MD

$(headings | markdown)
|---${cells//|/|---}|
$(table "${columns[@]}" | markdown)

Streams: $STREAMS at $((1000 / TOKEN_MS)) tokens/s each (FastAPI + httpx: $FASTAPI_STREAMS), $DELAY_STREAMS for the delays.
MD
  [[ -z $(all many_streams gateway) ]] || cat <<MD
Very many: $(all many_streams gateway) streams at 1 token/s behind $gateways gateways, $(all many_broken gateway) broken or lost,
$(number "$(all many_rate gateway)") tokens/s, p99 of the delay $(number "$(calc 'u / 1000' u="$(all many_p99_us gateway)")") ms.
MD
  [[ -z $(all slot_ms gateway) ]] || cat <<MD

Freed slots: the next of $QUEUE_CONNECTIONS requests is at the upstream after $(medians slot_ms gateway) ms (p99 $(medians slot_p99_ms gateway) ms),
$(medians slots gateway) of them in $QUEUE_S seconds; $QUEUE_RESPONDERS responders.
MD
  [[ -z ${call_list:-} ]] || printf '\nSystem calls of a responder for a chat: %s.\n' "$call_list"
  sort -u "$dir/notes" | sed 's/^/\nNote: /'
  [[ ! -s $dir/results.svg ]] || printf '\n![The same as a plot](results.svg)\n'
}

# plot - $dir/results.svg: requests/s, CPU of a chat and of a token, added delay
plot() {
  [[ $only == all && -z $before ]] || return 0 # it shows chats and streams
  if ! command -v gnuplot >/dev/null; then
    note 'no plot: gnuplot is missing'
    return
  fi
  plot_data chat_rate >"$dir/plot.rate"
  plot_data chat_web_us chat_app_us | grep -v FastAPI >"$dir/plot.chat"
  plot_data token_web_us token_app_us | grep -v FastAPI >"$dir/plot.token"
  plot_data added_p99_us >"$dir/plot.delay"
  if ! plot_script | gnuplot 2>"$dir/plot.log"; then
    note "no plot: $(grep . "$dir/plot.log" | tail -n 1)"
    rm -f "$dir/results.svg"
  fi
}

# plot_data QUANTITY... - one line for each front that has them
plot_data() {
  local front quantity line
  for front in "${fronts[@]}"; do
    line="\"$(front_title "$front" | sed 's/,\? /\\n/')\""
    for quantity; do
      line+=" $(medians "$quantity" "$front")"
    done
    [[ $line == *' -'* ]] || echo "$line"
  done
}

# What FastAPI takes is left to the titles: its bars would hide all others.
beside_scale() {
  [[ -z $(all "$1" fastapi) ]] || echo " (FastAPI + httpx: $(medians "$1" fastapi))"
}

plot_script() {
  cat <<PLOT
set terminal svg size 1000,720 noenhanced font "sans-serif,12" background "#ffffff"
set output "$dir/results.svg"
set style fill solid noborder
set style data histograms
set style histogram rowstacked
set boxwidth 0.6
set border 3 lc rgb "#888888"
set grid ytics lc rgb "#e4e4e4"
set tics nomirror scale 0
set xtics font ",9"
set bmargin 4
set offsets 0.1, 0.1, 0, 0
set yrange [0:*]
set key off
set multiplot layout 2,2
set title "chats: requests/s, $CHAT_CONNECTIONS connections"
plot "$dir/plot.rate" using 2:xtic(1) lc rgb "#4e79a7"
set key top left reverse Left
set title "CPU of a chat, us$(beside_scale chat_us)"
plot "$dir/plot.chat" using 2:xtic(1) title "web server" lc rgb "#a0b8d0", \
  "" using 3 title "responder" lc rgb "#f28e2b"
set title "CPU of a streamed token, us$(beside_scale token_us)"
plot "$dir/plot.token" using 2:xtic(1) title "web server" lc rgb "#a0b8d0", \
  "" using 3 title "responder" lc rgb "#f28e2b"
set key off
set title "added delay of a token, 99th percentile, us"
plot "$dir/plot.delay" using 2:xtic(1) lc rgb "#59a14f"
PLOT
}

# write_json - every value of every round, for whoever wants to look closer
write_json() {
  jq -Rn --argjson cores "$(nproc)" --argjson seconds "$took" --arg when "$(date -u +%FT%TZ)" \
    --rawfile targets "$dir/targets" '
    {$when, $cores, $seconds,
     targets: [$targets | split("\n")[] | select(. != "") | split("|")
       | {what: .[0], measured: .[1], wanted: .[2], verdict: .[3]}],
     values: [inputs | split(" ") | {round: (.[0] | tonumber), quantity: .[1],
       front: .[2], value: (.[3] | tonumber)}]}' "$dir/values"
}

# The machine's limits show in the numbers: say so.
check_load() {
  local front
  for front in "${fronts[@]}"; do
    awk -v b="$(all upstream_busy "$front" | median)" 'BEGIN { exit !(b > 0.9) }' &&
      note "chats behind $front waited for the upstream, which was busy all the time"
    awk -v r="$(all token_rate "$front" | median)" -v f="$front" -v w="$((STREAMS * 1000 / TOKEN_MS))" \
      'BEGIN { exit !(f != "fastapi" && r != "" && r < 0.95 * w) }' &&
      note "the machine was too busy for all tokens behind $front: in bursts they cost less"
  done
}

report() {
  local to=$TOP_BUILDDIR/tests/bench
  : >"$dir/targets"
  columns=("${turns[@]}")
  [[ -z $before ]] || columns=("${fronts[@]}")
  if [[ -n $before ]]; then against_targets; else targets; fi
  check_load
  echo
  if [[ -n $(table "${columns[@]}") ]]; then
    { headings && table "${columns[@]}"; } | column -t -s '|'
    echo
  fi
  column -t -s '|' "$dir/targets"
  plot
  ((whole)) && to=$TOP_SRCDIR/tests/bench
  mkdir -p "$to"
  write_results >"$dir/RESULTS.md"
  cp "$dir/RESULTS.md" "$to/" || die "cannot write $to/RESULTS.md"
  [[ ! -s $dir/results.svg ]] || cp "$dir/results.svg" "$to/"
  write_json >"$TOP_BUILDDIR/bench.json" || die 'cannot write bench.json'
  printf '\n%s seconds; written: %s/RESULTS.md, %s/bench.json\n' "$took" "$to" "$TOP_BUILDDIR"
}
