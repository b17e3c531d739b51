# shellcheck shell=bash disable=SC2154,SC2034 # set in run.sh and the other parts
# SPDX-License-Identifier: MIT
#
# chat.sh - whole answers: requests/s, CPU, latency, system calls.

# load CONNECTIONS SECONDS URL -> $line: "REQUESTS/S REQUESTS ERRORS MEDIAN P99"
load() {
  line=$(BENCH_BODY=$dir/chat.json wrk -t1 -c"$1" -d"${2}s" --latency \
    -s "$TOP_SRCDIR/tests/bench/chat.lua" "$3/v1/chat/completions" |
    sed -n 's/^result //p')
}

# chat ROUND FRONT -> chat_rate, chat_us and its two parts
chat() {
  local rate requests errors _ w a u
  w=$(cpu_ns "${web[$2]:-}") a=$(cpu_ns "${app[$2]:-}") u=$(cpu_ns "${upstream_pid[main]}")
  load "$CHAT_CONNECTIONS" "$CHAT_S" "${url[$2]}"
  w=$(($(cpu_ns "${web[$2]:-}") - w)) a=$(($(cpu_ns "${app[$2]:-}") - a))
  u=$(($(cpu_ns "${upstream_pid[main]}") - u))
  read -r rate requests errors _ <<<"$line"
  [[ -n ${requests:-} && ${errors:-1} == 0 ]] || die "$2: chat failed (${line:-no result})"
  put "$1" chat_rate "$2" "$rate"
  put "$1" chat_web_us "$2" "$(calc 'w / n / 1000' w="$w" n="$requests")"
  put "$1" chat_app_us "$2" "$(calc 'a / n / 1000' a="$a" n="$requests")"
  put "$1" chat_us "$2" "$(calc '(w + a) / n / 1000' w="$w" a="$a" n="$requests")"
  put "$1" upstream_busy "$2" "$(calc 'u / s / 1e9' u="$u" s="$CHAT_S")"
  awk -v n="$2" -v r="$rate" -v w="$w" -v a="$a" -v q="$requests" 'BEGIN {
    printf "  chat     %-8s %9.0f requests/s  %6.1f + %6.1f us CPU\n", n, r, w / q / 1e3, a / q / 1e3 }'
}

# latency ROUND FRONT -> latency_us, the median of one connection
latency() {
  local _ errors median p99
  load 1 "$LATENCY_S" "${url[$2]}"
  read -r _ _ errors median p99 <<<"$line"
  [[ -n ${median:-} && ${errors:-1} == 0 ]] || die "$2: latency failed (${line:-no result})"
  put "$1" latency_us "$2" "$median"
  printf '  latency  %-8s %9d us median  %6d us p99\n' "$2" "$median" "$p99"
}

# put_added QUANTITY DIRECT AS FRONT... - what a front adds to the upstream's own,
# round by round: its QUANTITY less the upstream's DIRECT
put_added() {
  local quantity=$1 own=$2 as=$3 front
  shift 3
  for front; do
    awk -v q="$quantity" -v o="$own" -v as="$as" -v f="$front" '
      $2 == q && $3 == f { mine[$1] = $4 }
      $2 == o && $3 == "direct" { direct[$1] = $4 }
      END { for (r in mine) if (r in direct) print r, as, f, mine[r] - direct[r] }' \
      "$dir/values" >"$dir/added"
    cat "$dir/added" >>"$dir/values"
  done
}

# access_lines LOG - requests that the chat responders have finished
access_lines() {
  grep -c 'event=access.*/v1/chat/completions' "$1"
}

# syscalls FRONT -> syscalls: calls of the chat responders for one chat. The
# loop's waits are shared by many requests, and clock calls seldom enter the
# kernel: both are left out. strace slows all down, so nothing else is measured.
syscalls() {
  local pid tracer before chats
  local -a attach=()
  if ! command -v strace >/dev/null; then
    note "system calls were not counted: strace is missing"
    return
  fi
  for pid in ${app[$1]}; do
    grep -qz '^ROLE_MESH_POOL=inference$' "/proc/$pid/environ" 2>/dev/null && attach+=(-p "$pid")
  done
  load "$CHAT_CONNECTIONS" 1 "${url[$1]}" # connections to the upstream are there
  strace -f -c -o "$dir/calls" "${attach[@]}" 2>"$dir/strace.log" &
  tracer=$!
  # every one of them: else some chats would have no calls
  if ! wait_for eval "[[ \$(grep -c attached '$dir/strace.log') == $((${#attach[@]} / 2)) ]]"; then
    kill -INT "$tracer" 2>/dev/null
    note "system calls were not counted: $(head -n 1 "$dir/strace.log")"
    return
  fi
  before=$(access_lines "$dir/$1.log")
  load "$CHAT_CONNECTIONS" "$SYSCALLS_S" "${url[$1]}"
  sleep 0.2 # wrk leaves in the middle of requests: their lines come now
  kill -INT "$tracer"
  wait "$tracer" 2>/dev/null
  chats=$(($(access_lines "$dir/$1.log") - before))
  ((chats > 100)) || die "$1: only $chats chats while system calls were counted"
  put 0 syscalls "$1" "$(calls_in "$dir/calls" | awk -v n="$chats" '
    { calls += $1 } END { printf "%.1f\n", calls / n }')"
  call_list=$(calls_in "$dir/calls" | sort -rn | awk -v n="$chats" '
    $1 / n >= 0.05 { printf "%s%s %.1f", sep, $2, $1 / n; sep = ", " }')
  printf '  syscalls %-8s %9.1f a chat: %s\n' "$1" "$(all syscalls "$1")" "$call_list"
}

# calls_in TABLE - "CALLS NAME" of strace -c, without waits and clocks
calls_in() {
  awk '$1 ~ /^[0-9.]+$/ && $NF != "total" && $NF !~ /^(epoll_p?wait2?|clock_gettime|gettimeofday|restart_syscall)$/ {
    print $4, $NF }' "$1"
}
