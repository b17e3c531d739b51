#!/bin/sh
# SPDX-License-Identifier: MIT
#
# summary.sh - add up what `make check` left in build folders.
#
#   summary.sh BUILD_FOLDER...
#
# Every test case counts once, from the .trs files that automake's TAP driver
# writes; the cases that did not pass are named from the .log files beside them,
# with what they said, up to SAID_MAX lines each: what is on record of a run
# elsewhere is often its end alone.
# Ends with the line "N passed, N failed, N skipped"; the exit status is 0 only
# when something passed and nothing failed or was skipped.
set -eu

SAID_MAX=60

list=$(mktemp)
trap 'rm -f "$list"' EXIT
find "$@" -name '*.trs' >"$list"

while IFS= read -r results; do
	grep -qE '^:test-result: (FAIL|ERROR|XPASS|SKIP)' "$results" || continue
	echo "$results:"
	log=${results%.trs}.log
	{
		# a step of bootstrap has no log: its name stands behind the result
		grep -hE '^:test-result: (FAIL|ERROR) .' "$results" || true
		[ ! -e "$log" ] || awk -v max="$SAID_MAX" '
			/^(not )?ok / { said = 0; shown = /^not ok|# SKIP/ }
			/^Bail out|^ERROR/ { print; next }
			shown && said++ <= max { print }' "$log"
	} | sed 's/^/  /'
done <"$list"

while IFS= read -r results; do
	cat "$results"
done <"$list" | awk '
	/^:test-result: (PASS|XFAIL)/ { passed++; next }
	/^:test-result: SKIP/ { skipped++; next }
	/^:test-result: / { failed++ }
	END {
		if (passed == 0)
			print "no test has passed: nothing was run"
		printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
		exit passed == 0 || failed > 0 || skipped > 0
	}
'
