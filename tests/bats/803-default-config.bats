#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 803-default-config.bats - which configuration a program takes that was told
# none: from the current folder, else the installed one; and that it says so.
#
# shellcheck disable=SC2154 # helpers set variables

load helpers/all

setup() {
  gw_setup
  unset ROLE_MESH_CONFIG ROLE_MESH_AGENT_CONFIG
  mkdir -p "$GW_DIR/work"
  cd "$GW_DIR/work" || return
}

teardown() {
  gw_teardown
}

# with_etc PROGRAM... - run it where /etc/rolemesh holds both programs'
# configurations, in a mount namespace.
with_etc() {
  local -a how=(unshare --mount)
  ((EUID == 0)) || how=(unshare --user --map-root-user --mount)
  # shellcheck disable=SC2016 # that shell's $@
  "${how[@]}" sh -c 'mount -t tmpfs none /etc && mkdir /etc/rolemesh &&
    echo "models: {installed: {type: proxy, proxy_url: http://127.0.0.1:9}}" >/etc/rolemesh/models.yaml &&
    echo "models: [{model_id: installed, path: /m.gguf}]" >/etc/rolemesh/node_agent.yaml &&
    exec "$@"' sh "$@"
}

programs() {
  export TMPDIR=$GW_DIR/run XDG_RUNTIME_DIR=$GW_DIR/run
  gateway=$TOP_BUILDDIR/rolemesh-gateway
  agent=$TOP_BUILDDIR/rolemesh-node-agent
}

@test "default configuration: none anywhere -> every place is named, exit 2" {
  [[ ! -e /etc/rolemesh/models.yaml && ! -e /etc/rolemesh/node_agent.yaml ]]
  run -2 gw_run --check
  assert_match "$output" 'configs/models.yaml in the current folder nor /etc/rolemesh/models.yaml .*--config or ROLE_MESH_CONFIG'
  run -2 gw_run
  assert_match "$output" '/etc/rolemesh/models.yaml'
  run -2 agent_run --check
  assert_match "$output" 'configs/node_agent.yaml in the current folder nor /etc/rolemesh/node_agent.yaml .*--config or ROLE_MESH_AGENT_CONFIG'
  run -2 "$TOP_BUILDDIR/rolemesh-responder" --listen unix:"$GW_DIR/s"
  assert_match "$output" '/etc/rolemesh/models.yaml'
}

@test "default configuration: installed only -> that one, and it is said" {
  programs
  run -0 with_etc "$gateway" --check
  assert_match "$output" '^/etc/rolemesh/models.yaml: ok'
  run -0 --separate-stderr with_etc "$gateway" --print-config
  assert_match "$output" 'installed:'
  assert_match "$stderr" 'using /etc/rolemesh/models.yaml$'
  run -0 --separate-stderr with_etc "$agent" --print-config
  assert_match "$output" 'model_id: "?installed'
  assert_match "$stderr" 'using /etc/rolemesh/node_agent.yaml'
}

@test "default configuration: in the current folder, too -> that one, and it is said" {
  programs
  mkdir configs
  echo 'models: {here: {type: proxy, proxy_url: http://127.0.0.1:9}}' >configs/models.yaml
  run -0 --separate-stderr with_etc "$gateway" --print-config
  assert_match "$output" 'here:'
  assert_match "$stderr" 'using configs/models.yaml$'
}

@test "default configuration: named by ROLE_MESH_CONFIG or --config -> that one, without a word" {
  programs
  echo 'models: {named: {type: proxy, proxy_url: http://127.0.0.1:9}}' >named.yaml
  ROLE_MESH_CONFIG=named.yaml run -0 --separate-stderr with_etc "$gateway" --print-config
  assert_match "$output" 'named:'
  assert_equal "$stderr" ''
  run -0 --separate-stderr with_etc "$gateway" --print-config --config named.yaml
  assert_match "$output" 'named:'
  assert_equal "$stderr" ''
}
