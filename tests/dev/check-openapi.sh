#!/bin/sh
# SPDX-License-Identifier: MIT
# Compares the OpenAPI documents with the rows of the endpoint tables, and of the
# relayed.def that both include, both ways.
# Prints TAP; a negative control shows that a missing row would be noticed.
set -eu

top=${srcdir:-$(dirname "$0")/../..}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# "GET /v1/models/{id}" for each row; a prefix row ends in '/'.
rows() {
  sed -n 's|^[[:space:]]*{ "\([^"]*\)", GW_METHOD_\([A-Z]*\),.*|\2 \1|p' "$1" |
    sed 's|\([^ ]\)/$|\1/{id}|' | sort
}

# "GET /path" for each method under each path.
documented() {
  awk '
    /^[a-z]/ { inside = ($1 == "paths:") }
    inside && /^  \// { path = $1; sub(/:$/, "", path) }
    inside && /^    (get|post|put|patch|delete):$/ {
      method = toupper($1); sub(/:$/, "", method); print method, path
    }' "$1" | sed 's|^\(POST /rolemesh/nodes/{id}\)/.*|\1|' | sort -u
}

same() {
  rows "$1" >"$tmp/rows"
  documented "$2" >"$tmp/documented"
  diff "$tmp/rows" "$tmp/documented" >"$tmp/diff"
}

failed=0
n=0
result() {
  n=$((n + 1))
  if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else
    echo "not ok $n - $2"
    failed=1
  fi
}

# check NAME TABLE YAML
check() {
  cat "$top/$2" "$top/src/endpoint/relayed.def" >"$tmp/table"
  count=$(rows "$tmp/table" | wc -l)
  expected=$(grep -c 'GW_METHOD_[A-Z]*, ' "$tmp/table")
  [ "$count" -gt 0 ] && [ "$count" -eq "$expected" ] && rc=0 || rc=1
  result "$rc" "openapi: all $expected rows of the $1's endpoint table are understood"

  same "$tmp/table" "$top/$3" && rc=0 || rc=1
  [ "$rc" -eq 0 ] || sed 's/^/# /' "$tmp/diff"
  result "$rc" "openapi: every endpoint of the $1 is documented and the reverse"

  [ "$(grep -c '"508": { ' "$top/$3")" = "$(grep -c 'GW_METHOD_' "$top/src/endpoint/relayed.def")" ] &&
    rc=0 || rc=1
  result "$rc" "openapi: every relayed endpoint of the $1 may answer 508"

  sed '/^  \/v1\/rerank:$/,/^$/d' "$top/$3" >"$tmp/cut.yaml"
  same "$tmp/table" "$tmp/cut.yaml" || true
  [ "$(grep -c '^[<>]' "$tmp/diff")" = 1 ] &&
    grep -q '^< POST /v1/rerank$' "$tmp/diff" && rc=0 || rc=1
  result "$rc" "openapi: an undocumented endpoint of the $1 is noticed"
}

check gateway src/endpoint/table.c doc/openapi.yaml
check 'node agent' src/agent/endpoints.c doc/openapi-node-agent.yaml
echo "1..$n"
exit $failed
