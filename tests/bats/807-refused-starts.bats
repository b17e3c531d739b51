#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 807-refused-starts.bats - surroundings in which a gateway or an agent could only
# serve by chance: it does not start, and says why and what to do.
#
# shellcheck disable=SC2154,SC2030,SC2031 # helpers set variables; a test is a subshell

load helpers/all

setup() {
  gw_setup
  gw_config <<'YAML'
models:
  planner: {type: proxy, proxy_url: "http://127.0.0.1:9"}
YAML
}

teardown() {
  gw_teardown
}

# start - a gateway that is expected not to come up.
start() {
  gw_run --config "$GW_CONFIG" --port "$GW_PORT" "$@"
}

# limited N COMMAND... - with so many descriptors at most.
limited() (
  ulimit -n "$1"
  shift
  "$@"
)

assert_nothing_left() {
  [[ ! -e /dev/shm/${ROLE_MESH_SHM#/} ]]
  assert_equal "$(ls -A "$GW_DIR/run")" ''
}

agent_configuration() {
  agent_node a <<YAML
models: [{model_id: m1, path: $(fake_model m1)}]
YAML
}

@test "refused: 64 descriptors -> how many are needed and how to get them, exit 1" {
  run -1 limited 64 start
  assert_match "$output" 'only 64 descriptors are allowed, and 256 .*ulimit -n.*LimitNOFILE.*; a connection takes three'
  assert_nothing_left
}

@test "refused: 255 descriptors -> exit 1; 256 -> it serves" {
  run -1 limited 255 start
  assert_match "$output" 'only 255 descriptors'
  GW_VIA="prlimit --nofile=256:256" gw_start
  gw_get /v1/models
  assert_status 200
}

@test "refused: an agent with 64 descriptors -> the same" {
  agent_configuration
  run -1 limited 64 agent_run --config "$GW_DIR/agent-a.yaml" --port "$(free_ports 1)"
  assert_match "$output" 'only 64 descriptors are allowed, and 256 '
  assert_equal "$(ls -A "$GW_DIR/run")" ''
}

# begin_foreign - how somebody else's files come about: root gives them away, and
# for others root's are a stranger's inside a user namespace. Sets via, the words
# in front of a program that is to see them so.
begin_foreign() {
  via=()
  ((EUID == 0)) || via=(unshare --user --map-root-user --mount)
}

@test "refused: TMPDIR of another user -> why and what to do, exit 1" {
  local theirs=/usr
  begin_foreign
  agent_configuration
  if ((EUID == 0)); then
    theirs=$GW_DIR/theirs
    mkdir -m 777 "$theirs"
    chown 33:33 "$theirs"
  fi
  via+=(env -u XDG_RUNTIME_DIR "TMPDIR=$theirs" "ROLEMESH_DATADIR=$TOP_SRCDIR/lighttpd"
    "ROLEMESH_GUARD=$TOP_BUILDDIR/rolemesh-guard")
  run -1 "${via[@]}" "$TOP_BUILDDIR/rolemesh-gateway" --config "$GW_CONFIG" --port "$GW_PORT"
  assert_match "$output" "TMPDIR is $theirs, a folder of another user.*unset it"
  assert_nothing_left
  run -1 "${via[@]}" "$TOP_BUILDDIR/rolemesh-node-agent" --config "$GW_DIR/agent-a.yaml" \
    --port "$(free_ports 1)"
  assert_match "$output" "TMPDIR is $theirs, a folder of another user.*unset it"
}

@test "refused: another user has the shared memory's name -> whose it is and what to do, exit 1" {
  local shm=/dev/shm/${ROLE_MESH_SHM#/} mode
  begin_foreign
  for mode in 600 666; do
    if ((EUID == 0)); then
      install -m "$mode" -o 33 /dev/null "$shm"
    else
      via+=(sh -c "mount -t tmpfs none /dev/shm && : >$shm && mount --bind /etc/passwd $shm &&
        exec \"\$@\"" sh)
    fi
    run -1 "${via[@]}" env TMPDIR="$GW_DIR/run" XDG_RUNTIME_DIR="$GW_DIR/run" \
      "$TOP_BUILDDIR/rolemesh-gateway" --config "$GW_CONFIG" --port "$GW_PORT"
    rm -f "$shm"
    assert_match "$output" "$shm belongs to user [0-9]+, not to user $( ((EUID == 0)) && echo "$EUID" || echo 0).*ROLE_MESH_SHM"
    begin_foreign
  done
  assert_nothing_left
}
