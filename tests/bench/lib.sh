# shellcheck shell=bash disable=SC2154,SC2034 # set in run.sh and the other parts
# SPDX-License-Identifier: MIT
#
# lib.sh - processes, what they cost, and the values that were measured.
#
# A value is one line of $dir/values: ROUND QUANTITY FRONT VALUE. Nothing else
# passes from the measurements to the report.

die() {
  echo "bench: $*" >&2
  exit 2
}

# What could not be measured or is out of the ordinary, for the report as well.
note() {
  echo "note: $*"
  echo "$*" >>"$dir/notes"
}

pids=()    # what was started, in order
clients=() # stream clients of the measurement that is under way

# shellcheck disable=SC2317 # runs from the trap
finish() {
  local i
  ((${#clients[@]} == 0)) || kill "${clients[@]}" 2>/dev/null
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do # fronts before their upstream
    kill -TERM "${pids[i]}" 2>/dev/null
  done
  for ((i = 0; i < ${#pids[@]}; i++)); do
    wait "${pids[i]}" 2>/dev/null
  done
  rm -rf "$dir"
  rm -f /dev/shm/rolemesh-bench-$$-* # pools of their own leave it to their operator
}

wait_for() {
  local i
  for ((i = 0; i < 200; i++)); do
    "$@" >/dev/null 2>&1 && return 0
    sleep 0.05
  done
  return 1
}

# tree_of PID [COMMAND] - the process and its descendants, of that command only.
tree_of() {
  ps -eo pid=,ppid=,comm= | awk -v root="$1" -v command="${2:-}" '
    { parent[$1] = $2; name[$1] = $3 }
    END {
      for (p in parent) {
        for (q = p; q in parent && q != root; q = parent[q]);
        if (q == root && (command == "" || name[p] == command)) print p
      }
    }' | tr '\n' ' '
}

# cpu_ns "PID..." - time on a processor so far. From the scheduler: it counts
# nanoseconds, /proc/PID/stat ticks of 10 ms.
cpu_ns() {
  local pid
  for pid in $1; do
    cat "/proc/$pid/task/"*/schedstat 2>/dev/null
  done | awk '{ t += $1 } END { printf "%.0f\n", t }'
}

# memory_kib "PID..." - memory of their own; what forked processes still share is
# divided among them. Files and shared memory do not count: others use them, too.
memory_kib() {
  local pid
  for pid in $1; do
    grep '^Pss_Anon:' "/proc/$pid/smaps_rollup" 2>/dev/null
  done | awk '{ k += $2 } END { printf "%d\n", k }'
}

# calc EXPRESSION [NAME=NUMBER...] - awk's arithmetic, three decimals.
calc() {
  local expression=$1 pair
  local -a given=()
  shift
  for pair in "$@"; do
    given+=(-v "$pair")
  done
  awk "${given[@]}" "BEGIN { printf \"%.3f\n\", $expression }"
}

# put ROUND QUANTITY FRONT VALUE
put() {
  printf '%s %s %s %s\n' "$@" >>"$dir/values"
}

# all QUANTITY FRONT - its values, one a line, in the order of the rounds
all() {
  awk -v q="$1" -v f="$2" '$2 == q && $3 == f { print $4 }' "$dir/values"
}

# paired QUANTITY FRONT OTHER - "VALUE OTHER'S" of the rounds that have both
paired() {
  awk -v q="$1" -v f="$2" -v o="$3" '
    $2 == q && $3 == f { mine[$1] = $4 }
    $2 == q && $3 == o { theirs[$1] = $4 }
    END { for (r in mine) if (r in theirs) print mine[r], theirs[r] }' "$dir/values"
}

# The middle one of the numbers on standard input; nothing when there is none.
median() {
  sort -g | awk '{ v[NR] = $1 } END {
    if (NR) print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# ratio QUANTITY FRONT OTHER - the median over the rounds, since what disturbs a
# round disturbs both.
ratio() {
  paired "$@" | awk '$2 > 0 { print $1 / $2 }' | median
}

# part_ratio QUANTITY OTHER-QUANTITY FRONT - the same of two of its own values
part_ratio() {
  awk -v q="$1" -v o="$2" -v f="$3" '
    $2 == q && $3 == f { mine[$1] = $4 }
    $2 == o && $3 == f { theirs[$1] = $4 }
    END { for (r in mine) if (theirs[r] > 0) print mine[r] / theirs[r] }' "$dir/values" | median
}

# in_turn ROUND FRONT... - the fronts in the order of that round: every other
# one runs backwards, so that nobody always comes after the same one.
in_turn() {
  local round=$1
  shift
  (($#)) || return 0
  if ((round % 2)); then
    printf '%s\n' "$@" | tac
  else
    printf '%s\n' "$@"
  fi
}
