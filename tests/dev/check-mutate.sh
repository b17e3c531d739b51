#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# check-mutate.sh - what mutate.sh says of defects that are caught and of those
# that are not, as TAP. On a toy of three lines, which is built by copying.
# shellcheck disable=SC2016,SC2317 # check runs its arguments
set -u

mutate=$(cd "$(dirname "$0")" && pwd)/mutate.sh
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
toy=$tmp/toy
mkdir -p "$toy/src" "$toy/tests/dev/mutants" "$tmp/work"

cat >"$toy/src/toy.sh" <<'TOY'
answer=42 # and
unused=1
#
# far enough
# from the first place
#
#
#
#
# test_toy and test_red ask for it
TOY
cat >"$toy/configure" <<'TOY'
#!/bin/sh
cat >Makefile <<'MAKE'
test_toy test_red: ../src/toy.sh
	sh -n ../src/toy.sh
	sed -e '1i #!/bin/sh' -e '$$a . ../tests/$@.sh' ../src/toy.sh >$@
	chmod +x $@
MAKE
TOY
chmod +x "$toy/configure"
cat >"$toy/tests/test_toy.sh" <<'TOY'
while [ "$answer" = wait ]; do
  [ -e "$TOY_RUNS" ] || echo $$ >"$TOY_RUNS"
  sleep 1
done
if [ "$answer" = 42 ]; then echo 'ok 1 - answer'; else echo 'not ok 1 - answer'; fi
[ "$answer" = silent ] || echo 1..1
TOY
echo 'echo not ok 1 - always; echo 1..1' >"$toy/tests/test_red.sh"

row() { # row NAME PROGRAM TEST [NOTE]
  printf '%s\tsrc/toy.sh\t%s\t%s\t%s\n' "$1" "$2" "$3" "${4:-}"
}
{
  echo '# a comment'
  row wrong 's/42/41/' test_toy
  row unnoticed 's/unused=1/unused=2/' test_toy
  row gone 's/43/42/' test_toy
  row everywhere 's/ and/ or/g' test_toy
  row broken 's/answer=42/if/' test_toy
  row red 's/42/41/' test_red
  row order 's/42/41/' test_toy x86
  row same 's/unused=1/unused=2/' test_toy 'equivalent: nobody asks'
  row endless 's/42/wait/' test_toy
} >"$toy/tests/dev/mutants/toy.tsv"

n=0
failed=0
check() { # check TITLE COMMAND...
  local title=$1
  shift
  n=$((n + 1))
  if "$@"; then
    echo "ok $n - mutate: $title"
  else
    failed=1
    echo "not ok $n - mutate: $title"
    sed 's/^/# /' "$tmp/out"
  fi
}

# try NAME... - what is said goes to $tmp/out, the exit status to $status.
export TOY_RUNS=$tmp/runs TMPDIR=$tmp/work
try() {
  status=0
  TOP_SRCDIR=$toy TOP_BUILDDIR=$toy "$mutate" "$@" >"$tmp/out" 2>&1 || status=$?
}
says() { grep -qxF -- "$1" "$tmp/out"; }
is_clean() { [ -z "$(ls -A "$tmp/work")" ]; }
is() { [ "$status" -eq "$1" ]; }
ends_as() { is "$1" && [ "$(tail -n 1 "$tmp/out")" = "$2" ]; }

try wrong
check 'its test fails -> caught, and by what' \
  says 'ok 1 - mutant wrong: caught by test_toy'
check 'all are caught -> the exit status is 0' \
  ends_as 0 '# 1 caught, 0 survived, 0 not shown on x86'
check 'the end -> the sources are as before, and nothing is left' \
  eval 'is_clean && grep -q answer=42 "$toy/src/toy.sh"'

try unnoticed wrong
check 'its test passes -> named as a survivor' \
  says 'not ok 1 - mutant unnoticed: survives test_toy'
check 'a survivor -> the next one is tried without it' \
  says 'ok 2 - mutant wrong: caught by test_toy'
check 'a survivor -> the exit status is 1' \
  ends_as 1 '# 1 caught, 1 survived, 0 not shown on x86'

try gone
check 'the text is not there any more -> an error' \
  eval 'is 1 && says "not ok 1 - mutant gone: does not apply to src/toy.sh"'
try everywhere
check 'two places -> an error' eval \
  'is 1 && says "not ok 1 - mutant everywhere: changes 2 places of src/toy.sh"'
try broken
check 'it does not compile -> an error' \
  eval 'is 1 && says "not ok 1 - mutant broken: does not compile"'
try red
check 'the test fails anyway -> an error' \
  eval 'is 1 && says "not ok 1 - mutant red: test_red fails without it"'
try order same
check 'a note -> not run, and counted' \
  ends_as 0 '# 0 caught, 0 survived, 1 not shown on x86'

MUTATE_LIMIT_S=2 try endless
check 'its test hangs -> caught' \
  eval 'is 0 && says "ok 1 - mutant endless: caught by test_toy" && says "# hangs"'
check 'its test hangs -> is ended' eval '! kill -0 "$(cat "$TOY_RUNS")" 2>/dev/null'

rm -f "$TOY_RUNS"
TOP_SRCDIR=$toy TOP_BUILDDIR=$toy "$mutate" endless >"$tmp/out" 2>&1 &
pid=$!
until [ -s "$TOY_RUNS" ] || ! kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
kill -TERM "$pid"
status=0
wait "$pid" || status=$?
check 'ended in a test -> takes it along and leaves nothing' \
  eval 'is 143 && is_clean && ! kill -0 "$(cat "$TOY_RUNS")" 2>/dev/null'

try -l
check '-l -> lists, and runs nothing' \
  eval 'is 0 && [ "$(wc -l <"$tmp/out")" -eq 9 ]'
try nobody
check 'an unknown name -> refused' is 2

echo "1..$n"
exit "$failed"
