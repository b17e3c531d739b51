#!/bin/sh
# SPDX-License-Identifier: MIT
#
# render-conf.sh - fill in the @NAME@ of a web server template.
#
#   render-conf.sh TEMPLATE NAME=VALUE... > FILE
#
# Comments keep their @NAME@ as they are filled in too. A name that is left over
# is an error: a half-filled configuration must not start. Values go into quoted
# strings of the templates and may not hold quotes, backslashes or line breaks.
set -eu

if [ $# -lt 1 ]; then
	echo "usage: render-conf.sh TEMPLATE NAME=VALUE..." >&2
	exit 2
fi
template=$1
shift

exec awk '
BEGIN {
	for (i = 2; i < ARGC; i++) {
		eq = index(ARGV[i], "=")
		if (eq < 2) {
			print "render-conf: not NAME=VALUE: " ARGV[i] > "/dev/stderr"
			failed = 1
			exit 2
		}
		value = substr(ARGV[i], eq + 1)
		if (value ~ /["\\\n]/) {
			print "render-conf: unusable value: " ARGV[i] > "/dev/stderr"
			failed = 1
			exit 2
		}
		values[substr(ARGV[i], 1, eq - 1)] = value
		ARGV[i] = ""
	}
}
{
	rest = $0
	out = ""
	while (match(rest, /@[A-Z][A-Z_]*@/)) {
		name = substr(rest, RSTART + 1, RLENGTH - 2)
		out = out substr(rest, 1, RSTART - 1)
		if (name in values)
			out = out values[name]
		else if ($0 ~ /^[ \t]*#/)
			out = out "@" name "@"
		else {
			print "render-conf: " FILENAME ":" FNR ": no value for @" \
				name "@" > "/dev/stderr"
			failed = 1
		}
		rest = substr(rest, RSTART + RLENGTH)
	}
	print out rest
}
END { if (failed) exit 2 }
' "$template" "$@"
