# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# registry.bash - the counters in the gateway's shared memory, by their names in
# src/serve/counters.def.

# _reg_index KIND WORD - the place of a COUNTER or GAUGE among its kind.
_reg_index() {
  awk -F'"' -v kind="^$1\\\\(" -v word="$2" '
    $0 ~ kind { if ($2 == word) { print n + 0; found = 1 } n++ }
    END { exit !found }' "$TOP_SRCDIR/src/serve/counters.def"
}

# _reg_sum STATE FIELD - over the rows of regdump; what it leaves out is 0.
_reg_sum() {
  "$TOP_BUILDDIR/regdump" "$ROLE_MESH_SHM" | awk -v state="$1" -v field="$2=" '
    $1 == "row" && (state == "" || $3 == state) {
      for (i = 4; i <= NF; i++)
        if (index($i, field) == 1) sum += substr($i, length(field) + 1)
    }
    END { print sum + 0 }'
}

# gw_counter WORD - all processes together, those that ended included:
# requests, answered_2xx, client_gone, stream_broken, ...
gw_counter() {
  local index
  index=$(_reg_index COUNTER "$1") && _reg_sum '' "c$index"
}

# gw_gauge WORD - what the living processes hold: open_requests
gw_gauge() {
  local index
  index=$(_reg_index GAUGE "$1") && _reg_sum live "g$index"
}

# gw_gauge_of WORD PID - what that process holds.
gw_gauge_of() {
  local index
  index=$(_reg_index GAUGE "$1") &&
    "$TOP_BUILDDIR/regdump" "$ROLE_MESH_SHM" | awk -v pid="pid=$2" -v field="g$index=" '
      $1 == "row" && $4 == pid {
        for (i = 5; i <= NF; i++)
          if (index($i, field) == 1) sum += substr($i, length(field) + 1)
      }
      END { print sum + 0 }'
}

# gw_each_holds POOL - every process of that pool has an open request: where a
# test needs them all, as the web server spreads requests as it likes.
gw_each_holds() {
  local pid
  for pid in $(gw_responders "$1"); do
    (($(gw_gauge_of open_requests "$pid") > 0)) || return 1
  done
}

# gw_counter_is WORD N, gw_gauge_is WORD N - for wait_until.
gw_counter_is() {
  [[ $(gw_counter "$1") == "$2" ]]
}

gw_gauge_is() {
  [[ $(gw_gauge "$1") == "$2" ]]
}

# gw_leases - requests that living processes have under way at nodes.
gw_leases() {
  _reg_sum live leases
}

# gw_in_flight - the same, as the candidates count them.
gw_in_flight() {
  "$TOP_BUILDDIR/regdump" "$ROLE_MESH_SHM" | awk '
    $1 == "candidate" && sub(/^in_flight=/, "", $4) { sum += $4 }
    END { print sum + 0 }'
}

# gw_holds_nothing - no request is open and no lease taken; for wait_until.
gw_holds_nothing() {
  [[ $(gw_leases) == 0 && $(gw_in_flight) == 0 && $(gw_gauge open_requests) == 0 && $(gw_gauge body_bytes) == 0 ]]
}
