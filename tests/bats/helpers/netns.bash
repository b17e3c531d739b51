# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# netns.bash - hosts of their own for a test: network namespaces on one wire.
#
# netns_start gw box   makes two hosts, 10.77.X.1 and 10.77.X.2
# netns_exec box cmd   runs a program on one; netns_spawn: beside the test
# gw_on gw             the gateway's host; agent_on a box: an agent's
# netns_teardown       after gw_teardown, which ends what was spawned
#
# Each has its own loopback, ports and addresses; files and processes are
# shared. The wire is a bridge in one more namespace, so nothing of this shows
# on the machine itself, and nothing of the machine is reachable. Who is not root
# gets a user namespace first, in which he is; where the kernel allows none, root
# is needed.

# The words before a program's that take it into the user namespace; none for
# root. A list cannot be exported: no word of it holds a blank.
_ip() {
  # shellcheck disable=SC2086
  PATH=$PATH:/usr/sbin:/sbin ${NETNS_INSIDE:-} ip "$@"
}

# _netns_inside - sets NETNS_INSIDE. /run is a folder of its own in there, because
# ip keeps its names in it.
_netns_inside() {
  local holder
  NETNS_INSIDE=''
  ((EUID != 0)) || return 0
  env -u GW_TEST_ID -u ROLE_MESH_SHM \
    unshare --user --map-root-user --net --mount sh -c '
      mount -t tmpfs none /run && mkdir /run/netns && exec sleep infinity' \
    >"$GW_DIR/userns.out" 2>&1 </dev/null 3>&- 4>&- &
  holder=$!
  disown "$holder" # its end is nobody's news
  echo "$holder" >"$GW_DIR/userns"
  NETNS_INSIDE="nsenter -t $holder -U -n -m --preserve-credentials"
  export NETNS_INSIDE
  wait_until 5 _netns_is_inside "$holder" && alive "$holder"
}

# True as well when it died: there is nothing left to wait for.
_netns_is_inside() {
  gone "$1" || $NETNS_INSIDE test -d /run/netns 2>/dev/null
}

# _in NAME PROGRAM [ARGS] - run it in a namespace, by the name ip netns has for
# it. Not with `ip netns exec` or `ip -n`: those mount things, for which / has to
# be a mount point, and in a chroot it is none.
_in() {
  # shellcheck disable=SC2086
  PATH=$PATH:/usr/sbin:/sbin ${NETNS_INSIDE:-} nsenter "--net=/run/netns/$1" "${@:2}"
}

# netns_requires - skip where there can be no namespaces; fail when
# GW_TEST_STRICT=1.
netns_requires() {
  local probe=rolemesh-probe-$GW_TEST_ID why
  gw_requires ip || return 1
  if ! _netns_inside; then
    why="no user namespace ($(<"$GW_DIR/userns.out"))"
  elif why=$(_ip netns add "$probe" 2>&1); then
    _ip netns del "$probe"
    return
  fi
  if [[ ${GW_TEST_STRICT:-0} == 1 ]]; then
    echo "needs network namespaces: $why" >&2
    return 1
  fi
  skip "needs network namespaces: $why"
}

# netns_name NAME - what ip netns calls it; unique to this test.
netns_name() {
  echo "rolemesh-$GW_TEST_ID-$1"
}

# netns_start NAME... - up to 200 hosts; fails when one of them cannot be made.
netns_start() {
  local wire name n=0 subnet
  netns_requires || return 1
  subnet=10.77.$(($(cksum <<<"$GW_TEST_ID" | cut -d' ' -f1) % 256))
  wire=$(netns_name .wire)
  mkdir -p "$GW_DIR/netns"
  _netns_add .wire && _in "$wire" ip link add wire type bridge &&
    _in "$wire" ip link set wire up || return 1
  for name in "$@"; do
    n=$((n + 1))
    _netns_add "$name" && _netns_plug "$name" "$subnet.$n" "$wire" "port$n" ||
      return 1
  done
}

_netns_add() {
  : >"$GW_DIR/netns/$1"
  _ip netns add "$(netns_name "$1")" &&
    _in "$(netns_name "$1")" ip link set lo up
}

_netns_plug() { # _netns_plug NAME ADDRESS WIRE PORT
  local host
  host=$(netns_name "$1")
  echo "$2 $4" >"$GW_DIR/netns/$1"
  _ip link add eth0 netns "$host" type veth peer name "$4" netns "$3" &&
    _in "$3" ip link set "$4" master wire up &&
    _in "$host" ip addr add "$2/24" dev eth0 &&
    _in "$host" ip link set eth0 up
}

# netns_address NAME - its address on the wire.
netns_address() {
  local address port
  read -r address port <"$GW_DIR/netns/$1" && echo "$address"
}

# netns_exec NAME PROGRAM [ARGS] - run it there; functions cannot.
netns_exec() {
  _in "$(netns_name "$1")" "${@:2}"
}

# netns_spawn TRACK NAME PROGRAM [ARGS] - the same beside the test, to be ended
# by gw_teardown under the name TRACK; its output is in $GW_DIR/TRACK.out.
netns_spawn() {
  local track=$1 host
  host=$(netns_name "$2")
  # shellcheck disable=SC2086
  ${NETNS_INSIDE:-} nsenter "--net=/run/netns/$host" "${@:3}" \
    >"$GW_DIR/$track.out" 2>&1 </dev/null 3>&- 4>&- &
  gw_track "$track" "$!"
}

# netns_via NAME - the words before a program's that run it there.
netns_via() {
  echo "${NETNS_INSIDE:-} nsenter --net=/run/netns/$(netns_name "$1")"
}

# gw_on NAME - from its next start on the gateway is there and listens on the
# wire, and what asks it (gw_request, stream_to) asks from there.
gw_on() {
  GW_VIA=$(netns_via "$1")
  GW_HOST=$(netns_address "$1")
  export GW_VIA GW_HOST
  _gw_choose_port
}

# agent_on AGENT NAME - the same for an agent; before agent_ports.
agent_on() {
  export "AGENT_VIA_$1=$(netns_via "$2")" "AGENT_HOST_$1=$(netns_address "$2")"
}

# netns_link NAME up|down - its own end of the wire: it knows.
netns_link() {
  _in "$(netns_name "$1")" ip link set eth0 "$2"
}

# netns_unplug NAME, netns_replug NAME - from now on no packet passes to or from
# it, or again. Nobody is told: the link stays up, as behind a broken switch.
netns_unplug() {
  _netns_port "$1" nomaster
}

netns_replug() {
  _netns_port "$1" master wire
}

_netns_port() {
  local address port
  read -r address port <"$GW_DIR/netns/$1" &&
    _in "$(netns_name .wire)" ip link set "$port" "${@:2}"
}

# netns_teardown - remove them; fails, and ends them, when processes still run
# in one.
netns_teardown() {
  local file name pids status=0
  for file in "$GW_DIR"/netns/* "$GW_DIR"/netns/.wire; do
    [[ -e $file ]] || continue
    name=$(netns_name "${file##*/}")
    pids=$(_ip netns pids "$name" 2>/dev/null)
    if [[ -n $pids ]]; then
      echo "processes left on the host ${file##*/}: ${pids//$'\n'/ }" >&2
      # shellcheck disable=SC2086 # the shell's own: not every host has another
      kill -KILL $pids || true
      status=1
    fi
    _ip netns del "$name" || status=1
    rm -f "$file"
  done
  if [[ -e $GW_DIR/userns ]]; then
    kill -KILL "$(<"$GW_DIR/userns")" 2>/dev/null || true
    rm -f "$GW_DIR/userns"
  fi
  return "$status"
}
