#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Every key of options.def stands in the example configuration: as a line that
# sets it, at the depth its path says. Prints TAP; what is missing by name.
set -eu

top=${TOP_SRCDIR:-${srcdir:-.}}
table=$top/src/config/options.def
example=$top/configs/models.example.yaml

# The paths of the table, `*` for an alias.
keys=$(sed -n 's/^OPTION("\([^"]*\)".*/\1/p' "$table")

# The paths of the example: blanks give the depth, two a level; below `models`
# the alias becomes `*`.
paths=$(awk '
  /^ *[A-Za-z_0-9-]+:/ {
    match($0, /^ */)
    depth = RLENGTH / 2
    name = $0
    sub(/^ */, "", name)
    sub(/:.*/, "", name)
    if (depth == 1 && at[0] == "models")
      name = "*"
    at[depth] = name
    path = at[0]
    for (i = 1; i <= depth; i++)
      path = path "." at[i]
    print path
  }' "$example")

n=0
failed=0
for key in $keys; do
  n=$((n + 1))
  if printf '%s\n' "$paths" | grep -qxF -e "$key"; then
    echo "ok $n - options: $key -> in the example"
  else
    failed=1
    echo "not ok $n - options: $key -> missing in configs/models.example.yaml"
  fi
done
n=$((n + 1))
if [ "$n" -gt 20 ]; then
  echo "ok $n - options: the table has rows"
else
  failed=1
  echo "not ok $n - options: only $((n - 1)) rows found in options.def"
fi
echo "1..$n"
exit "$failed"
