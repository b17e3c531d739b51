#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Every field that the sources log has a row in log_fields.def, every row is a
# field that is logged, no name stands twice, and each field of the access record
# is in the manual. Prints TAP; what is missing by name.
set -eu

cd "${TOP_SRCDIR:-${srcdir:-.}}"
table=src/base/log_fields.def
manual=doc/rolemesh-responder.1
n=0
failed=0

# rows [WHERE] - the names of the table
rows() {
  sed -n "s/^LOG_FIELD(\\([a-z_0-9]*\\), [A-Z]*, ${1:-[A-Z]*}, .*/\\1/p" "$table"
}

# logged - the keys in the texts of all calls that log, in pieces of lines, and
# those that gw_log_told() is given by name
logged() {
  find src -name '*.c' -exec awk '
    # the text of the literals of a call, up to the semicolon
    FNR == 1 { call = 0 }
    /gw_log(_limited)?\(|put_(word|number|time|told)\(|gw_line_puts\(l|snprintf\(what|log_end\(/ { call = 1 }
    call {
      line = $0
      gsub(/\\"/, "\001", line)
      while (match(line, /"[^"]*"/)) {
        printf "%s", substr(line, RSTART + 1, RLENGTH - 2)
        line = substr(line, RSTART + RLENGTH)
      }
    }
    call && /;[[:space:]]*$/ { call = 0; print "" }
  ' {} + | sed 's/\x01[^\x01]*\x01/./g' | tr ' ' '\n' | sed -n 's/^\([a-z_0-9]\{1,\}\)=.*/\1/p'
  find src -name '*.c' -exec sed -nE \
    's/.*gw_log_told\(.*"([a-z_]+)",.*/\1/p; s/^[[:space:]]+"([a-z_]+)", diag->.*/\1/p' {} +
}

# report TITLE WHAT-IS-WRONG
report() {
  n=$((n + 1))
  if [ -z "$2" ]; then
    echo "ok $n - log: $1"
  else
    failed=1
    echo "not ok $n - log: $1"
    printf '%s\n' "$2" | sed 's/^/# /'
  fi
}

# only_first FIRST SECOND - the words of one list that the other lacks
only_first() {
  printf '%s\n' "$1" | while read -r word; do
    printf '%s\n' "$2" | grep -qx -e "$word" || echo "$word"
  done
}

# in_manual - the names that begin a paragraph of the log's section, or are
# marked in it
in_manual() {
  sed -n '/^\.SH LOG/,/^\.SH EXAMPLES/p' "$manual" |
    sed -n 's/^\.BR\{0,1\} //p' | tr -c 'a-z_0-9\n' '\n' | sort -u
}

used=$(logged | sort -u)
known=$(rows | sort)
access=$(rows ACCESS)
report "each field that is logged -> a row" "$(only_first "$used" "$known")"
report "each row -> a field that is logged" "$(only_first "$known" "$used")"
report "no name twice" "$(printf '%s\n' "$known" | uniq -d)"
report "each field of the access record -> in the manual" "$(only_first "$access" "$(in_manual)")"
report "the table -> has rows" "$([ "$(printf '%s\n' "$known" | wc -l)" -ge 60 ] || echo "too few")"
report "the access record -> has fields" "$([ "$(printf '%s\n' "$access" | wc -l)" -ge 20 ] || echo "too few")"
echo "1..$n"
exit "$failed"
