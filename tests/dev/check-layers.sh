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

# The floors, from the ground up: a folder includes its own headers and those of
# folders in lines above its own here, none of its own line or below.
floors() {
  cat <<'TABLE'
src/base
shm
src/config src/upstream src/fcgi
src/nodes src/probe src/sse src/body src/webserver
src/resume
src/serve
src/routing
src/status
src/stage
src/endpoint
src/responder src/agent/process
src/agent/device
src/agent/config
src/agent/model
src/agent/queue src/agent/gateway_line
src/launcher src/agent
TABLE
}

# every_include: "FILE HEADER" for each quoted include, HEADER with its folder
every_include() {
  find src shm -name '*.[ch]' | while read -r f; do
    sed -nE 's/^#[[:space:]]*include[[:space:]]+"([^"]+)".*/\1/p' "$f" |
      while read -r header; do
        case $header in
        */*) echo "$f src/$header" ;;
        *) echo "$f shm/$header" ;; # shm alone has no folder in its names
        esac
      done
  done
}

# upward: includes that do not go down, and folders without a floor
upward() {
  {
    floors | sed 's/^/floor /'
    every_include
  } | awk '
    function folder(path) { sub("/[^/]*$", "", path); return path }
    $1 == "floor" { n++; for (i = 2; i <= NF; i++) floor[$i] = n; next }
    {
      from = folder($1); to = folder($2)
      if (!(from in floor)) print $1 ": its folder is on no floor"
      else if (!(to in floor)) print $1 ": " $2 " is on no floor"
      else if (from != to && floor[to] >= floor[from]) print $1 " includes " $2
    }'
}

# calls: "FILE FILE" for each file that uses a symbol which another one defines,
# from the objects of the build
calls() {
  find "${TOP_BUILDDIR:-build}/src" "${TOP_BUILDDIR:-build}/shm" -name '*.o' |
    while read -r object; do
      # An object is named after its program, too, where it has flags of its own.
      file=$(printf '%s\n' "${object%.o}.c" |
        sed -E 's#^.*/(src|shm)/#\1/#; s#/[a-z_]+_a-([a-z_]+\.c)$#/\1#')
      [ -f "$file" ] || continue # left over from an older layout
      nm -P "$object" | sed "s#^#$file #"
    done | awk '
    $3 ~ /^[TDRBC]$/ { home[$2] = $1 }
    $3 == "U" { wants[$1 " " $2] }
    END {
      for (w in wants) {
        split(w, a, " ")
        if (a[2] in home && home[a[2]] != a[1]) print a[1], home[a[2]]
      }
    }' | sort -u
}

# circles: groups of files that call one another
circles() {
  pairs=$(calls)
  [ "$(printf '%s\n' "$pairs" | wc -l)" -gt 300 ] ||
    echo 'too few calls found: was everything built, and is there nm?'
  printf '%s\n' "$pairs" | tsort 2>&1 >/dev/null | sed 's/^tsort: //'
}

# unlisted: files of tests that the makefile does not know
unlisted() {
  for file in tests/bats/*.bats tests/unit/test_*.c tests/fuzz/fuzz_*.c; do
    grep -qF "$file" Makefile.am || echo "$file is not in Makefile.am"
  done
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
none 'layers: an include -> goes down a floor, or stays in its folder' "$(upward)"
none 'layers: files -> none calls one that calls it back' "$(circles)"
none 'layers: a stage -> never includes another stage' \
  "$(includes 'stage/' | grep -E '^src/stage/' | grep -vE 'stage/(policy|policy_parts|affinity|stage|verdict|attempt|failover|pick_error|queue|rest|taken|pick_walk|explain)\.(h|def)')"
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
  "$(grep -nE '^#[[:space:]]*include[[:space:]]+"' src/agent/process/guard*.[ch] src/agent/process/proc_stat.[ch] \
    src/agent/process/family.[ch] |
    grep -vE '"(agent/process/(guard[a-z_]*|proc_stat|family)|base/cleanup)\.h"')"
none 'style: unbounded string functions -> not used' \
  "$(grep -rnE '\b(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|gets) *\(' \
    src shm --include='*.c' --include='*.h')"
none 'style: JSON -> never printed by hand' \
  "$(grep -rnE 'printf.*"[^;]*\{\\"' src shm --include='*.c')"
none 'style: time limits -> not by the loop, whose time is the wall clock' \
  "$(grep -rn '\bev_now *(' src --include='*.c')"
none 'style: file length -> within 450 lines' "$(long_files)"
none 'tests: each file of tests -> is run by make check' "$(unlisted)"
none 'style: marks of unfinished work -> none' \
  "$(grep -rnE '\b(TODO|FIXME|XXX|HACK)\b' src shm lighttpd configs bootstrap)"

echo "1..$n"
exit $failed
