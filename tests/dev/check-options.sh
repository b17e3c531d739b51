#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Every key of an options.def stands in its example configuration: as a line
# that sets it, at the depth its path says. Prints TAP; what is missing by name.
set -eu

top=${TOP_SRCDIR:-${srcdir:-.}}
n=0
failed=0

# The paths of a table: `*` for an alias, `[]` for an element of a list.
table_paths() {
  sed -n 's/^OPTION("\([^"]*\)".*/\1/p' "$1"
}

# The paths of an example: blanks give the depth, two a level; a dash is the
# level of its list's elements. Below `models` an alias becomes `*`.
example_paths() {
  awk '
    /^ *(- +)?[A-Za-z_0-9-]+:/ {
      line = $0
      if (match(line, /^ *- /)) {
        at[RLENGTH / 2 - 1] = "[]"
        sub(/-/, " ", line)
      }
      match(line, /^ */)
      depth = RLENGTH / 2
      name = line
      sub(/^ */, "", name)
      sub(/:.*/, "", name)
      if (depth == 1 && at[0] == "models")
        name = "*"
      at[depth] = name
      path = at[0]
      for (i = 1; i <= depth; i++)
        path = path "." at[i]
      print path
    }' "$1"
}

# report PASSED TITLE
report() {
  n=$((n + 1))
  if [ "$1" = yes ]; then
    echo "ok $n - options: $2"
  else
    failed=1
    echo "not ok $n - options: $2"
  fi
}

# check TABLE EXAMPLE ROWS: every key is there, and the table has that many
check() {
  paths=$(example_paths "$top/$2")
  rows=0
  for key in $(table_paths "$top/$1"); do
    rows=$((rows + 1))
    if printf '%s\n' "$paths" | grep -qxF -e "$key"; then
      report yes "$key -> in $2"
    else
      report no "$key -> missing in $2"
    fi
  done
  if [ "$rows" -ge "$3" ]; then
    report yes "$1 -> has rows"
  else
    report no "$1 -> has only $rows rows"
  fi
}

set -f # a key may hold a `*`
check src/config/options.def configs/models.example.yaml 20
check src/agent/config/options.def configs/node_agent.example.yaml 40
echo "1..$n"
exit "$failed"
