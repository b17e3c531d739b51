#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check-layers.sh - the structural rules of src/ARCHITECTURE.md, as TAP.
# Run from anywhere: TOP_SRCDIR names the sources, else the current folder.
set -u
cd "${TOP_SRCDIR:-.}" || exit 1

n=0
failed=0

# none TITLE VIOLATIONS: a test that passes when there are no violations
none() {
  n=$((n + 1))
  if [ -z "$2" ]; then
    echo "ok $n - $1"
  else
    failed=1
    echo "not ok $n - $1"
    printf '%s\n' "$2" | sed 's/^/# /'
  fi
}

# includes HEADER-PATTERN: file:line of each include of it in the sources
includes() {
  grep -rnE "^#[[:space:]]*include[[:space:]]+[<\"]$1" src shm \
    --include='*.c' --include='*.h'
}

# outside HEADER-PATTERN FILES-PATTERN: includes in other files than these
outside() {
  includes "$1" | grep -vE "^($2):"
}

long_files() {
  find src shm -name '*.c' -o -name '*.h' | while read -r f; do
    lines=$(wc -l <"$f")
    [ "$lines" -gt 450 ] && echo "$f has $lines lines, the limit is 450"
  done
}

none 'layers: libcurl -> only src/upstream/curl_*.c and the URL check' \
  "$(outside 'curl/' 'src/upstream/curl_[a-z_]+\.[ch]|src/config/url\.c')"
none 'layers: libfcgi -> only src/fcgi/exchange.c' \
  "$(outside 'fcgi(app|_stdio|misc)\.h|fastcgi\.h' 'src/fcgi/exchange\.c')"
none 'layers: yajl -> only src/body and base/json.c' \
  "$(outside 'yajl/' 'src/body/[a-z]+\.[ch]|src/base/json\.c')"
none 'layers: libyaml -> only src/config' \
  "$(outside 'yaml\.h' 'src/config/[a-z_]+\.[ch]')"
none 'layers: a stage -> never includes another stage' \
  "$(includes 'stage/' | grep -E '^src/stage/' | grep -vE 'stage/(policy|stages)\.h')"
none 'layers: a stage -> never calls another stage' \
  "$(grep -nE '\bgw_stage_[a-z_]+ *\(' src/stage/*.c |
    grep -vE ':gw_stage_[a-z_]+\(struct')"
none 'layers: bytes for clients -> only through src/serve/reply.c' \
  "$(grep -rnE '\bgw_fcgi_(write|finish|abort) *\(' src --include='*.c' |
    grep -vE '^src/(serve/reply\.c|fcgi/)')"
none 'layers: shm -> knows nothing of src but the hash' \
  "$(grep -rnE '^#[[:space:]]*include[[:space:]]+"[a-z]+/' shm |
    grep -v '"base/hash\.h"')"
none 'layers: webserver -> knows nothing of the gateway, its configuration included' \
  "$(grep -rnE '^#[[:space:]]*include[[:space:]]+"[a-z]+/' src/webserver |
    grep -vE '"(base|webserver)/')"
none 'layers: serve -> knows neither registry nor nodes' \
  "$(includes '(reg\.h|nodes/|probe/)' | grep '^src/serve/')"
none 'layers: the guard -> nothing but libc and its own files' \
  "$(grep -nE '^#[[:space:]]*include[[:space:]]+"' src/agent/process/guard*.[ch] src/agent/process/proc_stat.[ch] |
    grep -vE '"(agent/process/(guard[a-z_]*|proc_stat)|base/cleanup)\.h"')"
none 'style: unbounded string functions -> not used' \
  "$(grep -rnE '\b(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|gets) *\(' \
    src shm --include='*.c' --include='*.h')"
none 'style: JSON -> never printed by hand' \
  "$(grep -rnE 'printf.*"[^;]*\{\\"' src shm --include='*.c')"
none 'style: time limits -> not by the loop, whose time is the wall clock' \
  "$(grep -rn '\bev_now *(' src --include='*.c')"
none 'style: file length -> within 450 lines' "$(long_files)"
none 'style: marks of unfinished work -> none' \
  "$(grep -rnE '\b(TODO|FIXME|XXX|HACK)\b' src shm lighttpd configs bootstrap)"

echo "1..$n"
exit $failed
