#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# mutate.sh - would a test notice? Plants small defects, one at a time, in a
# private copy of the sources; the test that must catch each has to fail there.
#
#   mutate.sh [-l] [NAME...]     only these (globs); -l lists them
#
# tests/dev/mutants/*.tsv have one a row, TAB between the columns:
#
#   name     of its own
#   file     that is changed
#   program  of `perl -0pi -e`; must change that file in one place
#   test     an entry of TESTS, the fastest one that must catch it
#   note     x86: a memory order whose absence x86 does not show; or
#            "equivalent: reason": no test can tell. Neither is run, but both
#            must still apply. Else empty
#
# Prints TAP; the exit status is 1 when a mutant survived, does not apply or
# does not compile, or when a test fails without any.
# TOP_SRCDIR names the sources; TOP_BUILDDIR a build folder, whose configure
# options are used. Works in $TMPDIR, changes nothing elsewhere.
set -euo pipefail

LIMIT_S=${MUTATE_LIMIT_S:-300} # a test that runs longer has noticed
BUILD_LIMIT_S=1800
QUOTED_MAX=10 # lines of a compiler or test that are shown

top=$(cd "${TOP_SRCDIR:-$(dirname "${BASH_SOURCE[0]}")/../..}" && pwd)
configured=${TOP_BUILDDIR:-$top/build}
jobs=$(nproc 2>/dev/null || echo 2)
# What a build needs; build folders may lie beside it, or be the same place.
parts='aclocal.m4 build-aux autoconf.h.in configure configure.ac Makefile.am
  Makefile.in configs doc lighttpd shm src tests'
# Programs that only .bats files start.
bats_programs='tests/fake/free_port tests/fake/full_backlog
  tests/fake/stamp_lines tests/fake/stopped_clients
  tests/fake/hang_stat.so'

work=
tree=   # the copy
folder= # its build folder
child=
watched=
why=

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 2
}

# ---- processes ---------------------------------------------------------------

# supervised SECONDS COMMAND... - its exit status; 124 or 137: took too long.
# It has a process group of its own, which ends with us, or with a first test
# case in the file $watched that failed: the rest may hang.
supervised() {
  local status=0
  timeout -k 5 "$@" </dev/null &
  child=$!
  while [[ -n $watched ]] && kill -0 "$child" 2>/dev/null; do
    if grep -q '^not ok ' "$watched"; then
      kill "$child" 2>/dev/null || true
      break
    fi
    sleep 0.05
  done
  wait "$child" || status=$?
  child=
  return "$status"
}

clean_up() {
  trap '' INT TERM HUP
  if [[ -n $child ]]; then
    kill "$child" 2>/dev/null || true
    wait "$child" 2>/dev/null || true
  fi
  [[ -z $work ]] || rm -rf "$work"
}

# ---- the tables --------------------------------------------------------------

names=() files=() programs=() tests=() notes=()

read_table() {
  local line=0 name file program test note
  while IFS=$'\t' read -r name file program test note || [[ -n $name ]]; do
    line=$((line + 1))
    [[ -n $name && $name != '#'* ]] || continue
    [[ -n $test && $name != *' '* ]] ||
      die "$1:$line: not NAME, FILE, PROGRAM, TEST, NOTE with TABs between"
    [[ $note == '' || $note == x86 || $note == 'equivalent: '* ]] ||
      die "$1:$line: the note is neither x86 nor equivalent: REASON"
    [[ " ${names[*]} " != *" $name "* ]] || die "$1:$line: $name is there twice"
    [[ -f $top/$file ]] || die "$1:$line: there is no file $file"
    names+=("$name") files+=("$file") programs+=("$program")
    tests+=("$test") notes+=("$note")
  done <"$1"
}

read_tables() {
  local table
  for table in "$top"/tests/dev/mutants/*.tsv; do
    [[ ! -e $table ]] || read_table "$table"
  done
  ((${#names[@]})) || die "no mutants in $top/tests/dev/mutants"
}

chosen=()

# choose GLOB... - without any, all.
choose() {
  local glob i found
  (($#)) || set -- '*'
  for glob; do
    found=''
    for i in "${!names[@]}"; do
      # shellcheck disable=SC2053 # a glob it is
      [[ ${names[i]} == $glob ]] || continue
      found=yes
      [[ " ${chosen[*]} " == *" $i "* ]] || chosen+=("$i")
    done
    [[ -n $found ]] || die "no mutant is called $glob"
  done
}

list() {
  local i
  for i in "${chosen[@]}"; do
    printf '%-36s %-30s %s\n' "${names[i]}" "${tests[i]}" "${notes[i]}"
  done
}

# ---- the copy ----------------------------------------------------------------

# What was built beside the sources must not be taken for what is built here.
copy_sources() {
  local part
  mkdir "$tree"
  for part in $parts; do
    [[ -e $top/$part ]] || continue
    tar -C "$top" -cf - --exclude='*.o' --exclude='*.a' --exclude='.deps' \
      --exclude='.dirstamp' --exclude='*.trs' --exclude='*.log' \
      --exclude='node_modules' "$part" | tar -C "$tree" -xf -
  done
  find "$tree" -type f -perm -u+x -exec sh -c '
    for file; do
      [ "$(head -c 4 "$file" | tail -c 3 | tr -d "\0")" != ELF ] || rm "$file"
    done' sh {} +
  chmod -R u+w "$tree" # a distribution may be read-only
}

make_folder() {
  local -a options=()
  [[ -x $top/configure ]] || die "$top has no configure: run autoreconf -fi"
  [[ ! -x $configured/config.status ]] ||
    eval "options=($("$configured/config.status" --config))" # quoted there
  mkdir "$folder"
  # A defect may leave a variable unused: warnings are no errors.
  supervised "$BUILD_LIMIT_S" env -C "$folder" \
    ../configure "${options[@]}" --srcdir=.. --disable-developer >"$work/build.log" 2>&1 ||
    { quote "$work/build.log" >&2 && die 'configure fails'; }
}

# What make has to build for a test: its program, and what that starts.
targets() {
  case $1 in
  # all-am: "all" is a make of its own, beside this one in the same folder.
  *.bats) echo all-am "$bats_programs" ;;
  *.sh) ;;
  test_regdump) echo regdump "$1" ;;
  test_agent_*) echo rolemesh-guard "$1" ;;
  *) echo "$1" ;;
  esac
}

# shellcheck disable=SC2086,SC2046 # lists of words
build() { # build [MAKE OPTION] TEST...
  local test list=''
  for test; do
    list="$list $(targets "$test")"
  done
  [[ -n ${list// /} ]] || return 0
  supervised "$BUILD_LIMIT_S" make -C "$folder" -j"$jobs" $list \
    >"$work/build.log" 2>&1
}

quote() { # quote LOG - its end, as comments
  tail -n "$QUOTED_MAX" "$1" | sed 's/^/# /'
}

# ---- tests -------------------------------------------------------------------

# As automake's driver: what passed has printed its plan and all of it.
is_complete_tap() {
  awk '/^(not )?ok / { n++ }
    /^1\.\.[0-9]+/ { plan = substr($1, 4) + 0; plans++ }
    /^not ok / || /^Bail out!/ { bad = 1 }
    END { exit !(plans == 1 && plan == n && !bad) }' "$1"
}

# passes TEST LIMIT_S - if not, says how in $why.
passes() {
  local test=$1 limit=$2 status=0
  case $test in
  *.bats) set -- "$bats" --tap "$tree/$test" ;;
  *.sh) set -- "$tree/$test" ;;
  *) set -- "./$test" ;;
  esac
  : >"$work/test.out"
  watched=$work/test.out
  supervised "$limit" env -C "$folder" "$@" \
    >"$watched" 2>"$work/test.err" || status=$?
  watched=''
  case $status in
  0) why='its TAP is not complete' ;;
  124 | 137) why=hangs ;;
  *) why="exit status $status" ;;
  esac
  grep -q '^not ok ' "$work/test.out" &&
    why=$(grep -m 1 '^not ok ' "$work/test.out")
  ((status == 0)) && is_complete_tap "$work/test.out" && why=''
  [[ -z $why ]]
}

# ---- mutants -----------------------------------------------------------------

# plant NUMBER - if it cannot be, says so in $why.
plant() {
  local file=$tree/${files[$1]} places
  cp "$file" "$work/original"
  why=''
  perl -0pi -e "${programs[$1]}" "$file" 2>"$work/perl.err" ||
    why="is no program: $(head -n 1 "$work/perl.err")"
  [[ -z $why ]] || return 0
  # What changes within a few lines, as when two of them swap, is one place.
  places=$(diff -U3 "$work/original" "$file" | grep -c '^@@' || true)
  case $places in
  0) why="does not apply to ${files[$1]}" ;;
  1) ;;
  *) why="changes $places places of ${files[$1]}" ;;
  esac
}

# A new time of its own, else make would keep what was built with the defect.
restore() {
  local file=$tree/${files[$1]}
  cp "$work/original" "$file"
  cmp -s "$work/original" "$file" || die "${files[$1]} could not be restored"
}

n=0 caught=0 survived=0 unseen=0 equivalent=0 broken=0

result() { # result ok|'not ok' NUMBER WHAT
  n=$((n + 1))
  printf '%s %d - mutant %s: %s\n' "$1" "$n" "${names[$2]}" "$3"
}

try() {
  local i=$1 test=${tests[$1]} note=${notes[$1]}
  plant "$i"
  if [[ -n $why ]]; then
    restore "$i"
    broken=$((broken + 1))
    result 'not ok' "$i" "$why"
    return
  fi
  if [[ -n $note ]]; then
    restore "$i"
    case $note in
    x86) unseen=$((unseen + 1)) note='not shown on x86' ;;
    *) equivalent=$((equivalent + 1)) ;;
    esac
    result ok "$i" "$note"
    return
  fi
  if [[ " $failing " == *" $test "* ]]; then
    broken=$((broken + 1))
    result 'not ok' "$i" "$test fails without it"
  elif ! build "$test"; then
    broken=$((broken + 1))
    result 'not ok' "$i" 'does not compile'
    quote "$work/build.log"
  elif passes "$test" "$LIMIT_S"; then
    survived=$((survived + 1))
    result 'not ok' "$i" "survives $test"
  else
    caught=$((caught + 1))
    result ok "$i" "caught by $test"
    printf '# %s\n' "$why"
  fi
  restore "$i"
}

# Each test that is used has to pass now.
failing=''

check_unharmed() {
  local i used='' test
  for i in "${chosen[@]}"; do
    test=${tests[i]}
    [[ -n ${notes[i]} || " $used " == *" $test "* ]] || used="$used $test"
  done
  # shellcheck disable=SC2086
  build $used || { quote "$work/build.log" >&2 && die 'the copy cannot be built'; }
  for test in $used; do
    passes "$test" $((10 * LIMIT_S)) && continue
    failing="$failing $test"
    printf '# %s fails without any mutant: %s\n' "$test" "$why"
  done
}

main() {
  local list_only='' i
  if [[ ${1:-} == -l ]]; then
    list_only=yes
    shift
  fi
  read_tables
  choose "$@"
  if [[ -n $list_only ]]; then
    list
    return
  fi
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  work=$(mktemp -d "${TMPDIR:-/tmp}/mutants.XXXXXX")
  tree=$work/tree folder=$work/tree/build
  export LC_ALL=C TOP_SRCDIR=$tree TOP_BUILDDIR=$folder srcdir=$tree
  unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES TESTS
  copy_sources
  make_folder
  bats=$(sed -n 's/^BATS = //p' "$folder/Makefile")
  echo "1..${#chosen[@]}"
  check_unharmed
  for i in "${chosen[@]}"; do
    try "$i"
  done
  ((!equivalent)) || echo "# $equivalent equivalent"
  ((!broken)) || echo "# $broken could not be tried"
  echo "# $caught caught, $survived survived, $unseen not shown on x86"
  ((!survived && !broken))
}

main "$@"
