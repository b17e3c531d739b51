#!/bin/sh
# SPDX-License-Identifier: MIT
# Compares doc/openapi.yaml with the rows of src/endpoint/table.c and of the
# relayed.def that it includes, both ways.
# Prints TAP; a negative control shows that a missing row would be noticed.
set -eu

top=${srcdir:-$(dirname "$0")/../..}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# "GET /v1/models/{id}" for each row; a prefix row ends in '/'.
rows() {
  sed -n 's|^[[:space:]]*{ "\([^"]*\)", GW_METHOD_\([A-Z]*\),.*|\2 \1|p' "$1" |
    sed 's|/$|/{id}|' | sort
}

# "GET /path" for each method under each path.
documented() {
  awk '
    /^[a-z]/ { inside = ($1 == "paths:") }
    inside && /^  \// { path = $1; sub(/:$/, "", path) }
    inside && /^    (get|post|put|patch|delete):$/ {
      method = toupper($1); sub(/:$/, "", method); print method, path
    }' "$1" | sort
}

same() {
  rows "$1" >"$tmp/rows"
  documented "$2" >"$tmp/documented"
  diff "$tmp/rows" "$tmp/documented" >"$tmp/diff"
}

table=$tmp/table
cat "$top/src/endpoint/table.c" "$top/src/endpoint/relayed.def" >"$table"
yaml=$top/doc/openapi.yaml
failed=0
result() {
  if [ "$1" -eq 0 ]; then echo "ok $2 - $3"; else
    echo "not ok $2 - $3"
    failed=1
  fi
}

echo "1..3"
count=$(rows "$table" | wc -l)
expected=$(grep -c 'GW_METHOD_[A-Z]*, ' "$table")
[ "$count" -gt 0 ] && [ "$count" -eq "$expected" ] && rc=0 || rc=1
result "$rc" 1 "openapi: all $expected rows of the endpoint table are understood"

same "$table" "$yaml" && rc=0 || rc=1
[ "$rc" -eq 0 ] || sed 's/^/# /' "$tmp/diff"
result "$rc" 2 "openapi: every endpoint is documented and the reverse"

sed '/^  \/v1\/rerank:$/,/^$/d' "$yaml" >"$tmp/cut.yaml"
same "$table" "$tmp/cut.yaml" || true
[ "$(grep -c '^[<>]' "$tmp/diff")" = 1 ] &&
  grep -q '^< POST /v1/rerank$' "$tmp/diff" && rc=0 || rc=1
result "$rc" 3 "openapi: an undocumented endpoint is noticed"
exit $failed
