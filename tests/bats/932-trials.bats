#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 932-trials.bats - the trial of an ejected candidate that ends in another way
# than what it was ejected for.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all
load helpers/failover

setup_file() {
  gw_setup
  fake_start one --max-requests 1
  fake_start spare --max-requests 1
  gw_config <<YAML
gateway:
  eject: {failures: 2, pause_s: 0.3, pause_max_s: 0.3}
models:
  falls:
    type: proxy
    proxy_url: $FAKE_URL_one
    retry: {attempts: 0}
    fallback: [spare]
  spare:
    type: proxy
    proxy_url: $FAKE_URL_spare
YAML
  gw_start
}

teardown_file() {
  gw_teardown
}

teardown() {
  gw_dump_if_failed
  wait_until 10 gw_holds_nothing
}

answered_by() {
  gw_chat falls >/dev/null
  [[ $(header X-RoleMesh-Model) == "$1" ]]
}

ejected_by_a_chat() {
  gw_chat falls >/dev/null
  candidates_are 1 ejected
}

tried_in_vain() {
  gw_chat falls >/dev/null
  candidates_are 1 unconnected
}

@test "trials: its model was ejected, and the trial is refused -> it is back within a pause after it listens" {
  fake_mode one '{"status": 503}'
  wait_until 10 ejected_by_a_chat
  fake_stop one
  wait_until 10 tried_in_vain
  # a trial without a verdict would last a minute
  fake_start one --max-requests 1
  wait_until 30 answered_by falls
  wait_until 10 candidates_are 0 ejected
}
