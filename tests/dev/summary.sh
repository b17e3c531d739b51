#!/bin/sh
# SPDX-License-Identifier: MIT
#
# summary.sh - add up what `make check` left in build folders.
#
#   summary.sh BUILD_FOLDER...
#
# Every test case counts once, from the .trs files that automake's TAP driver
# writes. Ends with the line "N passed, N failed, N skipped"; the exit status is
# 0 only when something passed and nothing failed or was skipped.
set -eu

find "$@" -name '*.trs' -exec awk -v folders="$*" '
	/^:test-result: / {
		result = $2
		if (result == "PASS" || result == "XFAIL")
			passed++
		else if (result == "SKIP")
			skipped++
		else
			failed++
		if (result != "PASS" && result != "XFAIL") {
			sub(/^:test-result: /, "")
			print FILENAME ": " $0
		}
	}
	END { printf "%d %d %d\n", passed, failed, skipped }
' {} + | awk '
	# find may run the program above several times: the last fields add up.
	NF == 3 && /^[0-9]+ [0-9]+ [0-9]+$/ {
		passed += $1
		failed += $2
		skipped += $3
		next
	}
	{ print }
	END {
		if (passed == 0)
			print "no test has passed: nothing was run"
		printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
		exit passed == 0 || failed > 0 || skipped > 0
	}
'
