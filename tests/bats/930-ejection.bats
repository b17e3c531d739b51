#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 930-ejection.bats - a candidate that failed too often is passed over for a
# pause: one record for all processes, one trial, and how it comes back.
#
# Pauses are short here, and the tests wait for what they lead to; what must not
# happen meanwhile is shown with a pause of an hour.
#
# shellcheck disable=SC2154 # set by the helpers

load helpers/all
load helpers/failover

setup_file() {
  gw_setup
  fake_start one --max-requests 1
  fake_start two --max-requests 1
  fake_start spare --max-requests 1
}

teardown_file() {
  gw_teardown
}

# eject RULES [WORKERS] - a gateway with these; each test has one of its own.
eject() {
  fake_mode one '{}'
  fake_mode two '{}'
  fake_mode spare '{}'
  : >"$GW_DIR/gateway.log"
  gw_config <<YAML
gateway:
  eject: $1
models:
  team:
    type: discovered
    retry: {attempts: 1, backoff_s: 0.05}
  only:
    type: discovered
    retry: {attempts: 0}
  falls:
    type: discovered
    retry: {attempts: 0}
    fallback: [ok]
  ok:
    type: proxy
    proxy_url: $FAKE_URL_spare
YAML
  GW_WORKERS=${2:-3} gw_start
}

teardown() {
  gw_dump_if_failed
  wait_until 10 gw_holds_nothing
  gw_stop
}

# fail_until_ejected [ROLE] - what is asked of `one` fails until that ejects it.
fail_until_ejected() {
  fake_mode one '{"status": 503}'
  wait_until 10 ejected_by_a_chat "${1:-team}"
}

ejected_by_a_chat() {
  gw_chat "$1" >/dev/null
  candidates_are 1 ejected
}

# at_once N MODEL - so many chats side by side, over all processes.
at_once() {
  node "$TOP_SRCDIR/tests/bats/helpers/load.mjs" "$GW_URL/v1/chat/completions" \
    "$1" "$1" "$(chat_json "$2")"
}

@test "ejection: three failures in a row -> every process passes it over, at once" {
  eject '{failures: 3, pause_s: 3600, pause_max_s: 3600}'
  serve team one two
  fail_until_ejected
  assert_equal "$(asked one)" 3
  fake_mode one '{}'
  assert_equal "$(at_once 60 team | jq -cS .node)" '{"two":60}'
  assert_equal "$(asked one)" 3
  gw_log_has 'ejected.*(one|503)'
  # said once, not by each process
  assert_equal "$(grep -c 'ejected' "$GW_DIR/gateway.log")" 1 'lines about it'
}

@test "ejection: failures is obeyed, and 1 is one" {
  eject '{failures: 1, pause_s: 3600, pause_max_s: 3600}'
  serve team one two
  fail_until_ejected
  assert_equal "$(asked one)" 1
}

@test "ejection: a refused connection counts double" {
  eject '{failures: 4, pause_s: 3600, pause_max_s: 3600}'
  serve only "dead=http://127.0.0.1:$(free_ports 1)"
  gw_chat only
  assert_error 502 upstream_unreachable
  candidates_are 0 ejected
  gw_chat only
  candidates_are 1 ejected
}

@test "ejection: the pause is over -> one request of all is the trial, the others go elsewhere; its success brings it back" {
  eject '{failures: 3, pause_s: 0.5, pause_max_s: 0.5}'
  serve team one two
  fail_until_ejected
  local before
  fake_mode one '{"wait_head": true}'
  before=$(asked one)
  wait_until 10 trial_runs "$before"
  # while it runs: everybody else is elsewhere, all processes
  assert_equal "$(at_once 40 team | jq -cS .node)" '{"two":40}'
  assert_equal "$(asked one)" $((before + 1)) 'asked once: the trial'
  fake_mode one '{}'
  fake_go one
  wait_until 10 candidates_are 0 ejected
  wait_until 10 chat_by one
  assert_equal "$(at_once 40 team | jq -cS .node)" '{"one":20,"two":20}'
}

# trial_runs N - asks (without waiting for the answer) until `one` was asked again.
trial_runs() {
  (($(asked one) > $1)) || {
    curl -s --noproxy '*' --max-time 300 -o /dev/null -H 'Content-Type: application/json' \
      --data-binary "$(chat_json team)" "$GW_URL/v1/chat/completions" 3>&- 4>&- &
    gw_track "stream-$!" "$!"
    return 1
  }
}

@test "ejection: the trial fails -> ejected again, for twice as long, up to pause_max_s" {
  eject '{failures: 3, pause_s: 0.4, pause_max_s: 1.6}'
  serve team one two
  fail_until_ejected
  local n
  for n in 4 5 6 7; do
    wait_until 20 asked_one_at_least "$n"
  done
  assert_at_least "$(gap one 3)" 400 'ms: the first pause'
  assert_at_least "$(gap one 4)" 800 'ms: the second'
  assert_at_least "$(gap one 5)" 1600 'ms: the third'
  # and no longer than that, or this waits in vain
  assert_at_least "$(gap one 6)" 1600 'ms: the fourth'
  fake_mode one '{}'
  wait_until 20 chat_by one
}

asked_one_at_least() {
  gw_chat team >/dev/null
  assert_status 200
  (($(asked one) >= $1))
}

@test "ejection: the process that runs the trial is killed -> another one gets it" {
  eject '{failures: 3, pause_s: 0.5, pause_max_s: 0.5}' 3
  serve team one two
  fail_until_ejected
  local before victim
  fake_mode one '{"wait_head": true}'
  before=$(asked one)
  wait_until 10 trial_runs "$before"
  victim=$(trial_process)
  kill -KILL "$victim"
  fake_mode one '{}'
  wait_until 15 chat_by one
  wait_until 10 candidates_are 0 ejected
  fake_mode one '{}'
}

# The process whose row holds the trial.
trial_process() {
  local row
  row=$(candidates 'trial: row=' | sed -E 's/.*trial: row=([0-9]+).*/\1/')
  "$TOP_BUILDDIR/regdump" "$ROLE_MESH_SHM" |
    awk -v row="$row" '$1 == "row" && $2 == row { sub("pid=", "", $4); print $4 }'
}

@test "ejection: the client of the trial leaves -> another request is the trial" {
  eject '{failures: 3, pause_s: 0.5, pause_max_s: 0.5}'
  serve team one two
  fail_until_ejected
  local before
  fake_mode one '{"wait_head": true}'
  before=$(asked one)
  wait_until 10 trial_runs "$before"
  local pid
  for pid in "$GW_DIR"/pids/stream-*; do
    kill "$(<"$pid")" || true
    rm -f "$pid"
  done
  wait_until 10 gw_gauge_is open_requests 0
  fake_mode one '{}'
  wait_until 15 chat_by one
}

@test "ejection: everybody is ejected, no fallback -> the one whose pause ends first is tried" {
  eject '{failures: 3, pause_s: 3600, pause_max_s: 3600}'
  serve only one
  fail_until_ejected only
  local before
  before=$(asked one)
  gw_chat only
  assert_status 503
  assert_equal "$(asked one)" $((before + 1))
  fake_mode one '{}'
  gw_chat only
  assert_status 200
  # that was a success: no longer ejected
  candidates_are 0 ejected
}

@test "ejection: two of two -> the one that was ejected first" {
  eject '{failures: 1, pause_s: 3600, pause_max_s: 3600}'
  serve team one two
  fail_until_ejected
  fake_mode two '{"status": 503}'
  gw_chat team
  assert_status 503
  candidates_are 2 ejected
  fake_mode one '{}'
  fake_mode two '{}'
  gw_chat team
  assert_header X-RoleMesh-Node one
}

@test "ejection: the last one of all is ejected during a request -> the one whose pause ends first answers it" {
  eject '{failures: 1, pause_s: 3600, pause_max_s: 3600}'
  serve team one two
  fail_until_ejected
  fake_mode one '{}'
  fake_mode two '{"status": 503}'
  gw_chat team
  assert_status 200
  assert_header X-RoleMesh-Node one
  assert_header X-RoleMesh-Attempts 2
}

@test "ejection: with a fallback -> it answers at once, and the first is back within a pause" {
  eject '{failures: 3, pause_s: 0.5, pause_max_s: 1}'
  serve falls one
  fail_until_ejected falls
  gw_chat falls
  assert_status 200
  assert_header X-RoleMesh-Model ok
  fake_mode one '{}'
  wait_until 10 answered_by_model falls
  # every request since was answered, too
  candidates_are 0 ejected
}

answered_by_model() {
  gw_chat falls >/dev/null
  assert_status 200
  [[ $(header X-RoleMesh-Model) == "$1" ]]
}

@test "ejection: not connected -> probed once a second, an answer ends the pause of an hour" {
  eject '{failures: 2, pause_s: 3600, pause_max_s: 3600}'
  fake_start late
  fake_stop late
  serve team "late=$FAKE_URL_late" two
  gw_chat team
  gw_chat team
  candidates_are 1 ejected
  fake_start late
  wait_until 10 candidates_are 0 ejected
  wait_until 10 chat_by late
  fake_stop late TERM
}

# chat_by NODE - for wait_until; whoever it is, it is answered.
chat_by() {
  gw_chat team >/dev/null
  assert_status 200
  [[ $(header X-RoleMesh-Node) == "$1" ]]
}

@test "ejection: gone first, broken then, and well -> gets requests again" {
  eject '{failures: 2, pause_s: 0.3, pause_max_s: 0.3}'
  fake_start weak --max-requests 1
  fake_stop weak
  serve team weak two
  wait_until 10 ejected_by_a_chat team
  fake_start weak --max-requests 1 --script '{"turns": [{"status": 503}, {"status": 503}]}'
  wait_until 10 chat_by weak
  candidates_are 0 ejected
  fake_stop weak TERM
}

@test "ejection: connected but failing -> a probe that answers does not end the pause" {
  eject '{failures: 3, pause_s: 3600, pause_max_s: 3600}'
  serve team one two
  fail_until_ejected
  fake_mode one '{}'
  gw_get /v1/models
  wait_ms 1500
  gw_get /v1/models
  candidates_are 1 ejected
  assert_equal "$(at_once 20 team | jq -cS .node)" '{"two":20}'
}

@test "ejection: registered anew -> back at once" {
  eject '{failures: 3, pause_s: 3600, pause_max_s: 3600}'
  serve team one two
  fail_until_ejected
  fake_mode one '{}'
  add_node one "$FAKE_URL_one" "$SERVED" team
  candidates_are 0 ejected
  assert_equal "$(at_once 20 team | jq -cS .node)" '{"one":10,"two":10}'
  # a heartbeat is no registration
  fail_until_ejected
  gw_post /v1/nodes/heartbeat '{"node_id": "one"}'
  candidates_are 1 ejected
}

@test "ejection: it is seen -> /v1/models tells the state, /ready does not mind while another serves" {
  eject '{failures: 3, pause_s: 3600, pause_max_s: 3600}'
  serve team one two
  fail_until_ejected
  gw_get /v1/models
  assert_json '[.. | strings | select(. == "ejected")] | length > 0' true
  assert_json '[.data[].id | select(. == "team")]' '["team"]'
  fake_mode two '{"status": 503}'
  for _ in 1 2 3 4; do gw_chat team; done
  gw_get /v1/models
  # whoever is ejected comes last, and is not refused
  assert_json '[.data[].id | select(. == "team")]' '["team"]'
  gw_get /ready
  assert_status 200
}

@test "ejection: a fast failure attracts no traffic" {
  eject '{failures: 3, pause_s: 3600, pause_max_s: 3600}'
  serve team one two
  fake_mode one '{"status": 503}'
  assert_equal "$(at_once 60 team | jq -cS '[.status, .node]')" '[{"200":60},{"two":60}]'
  # those that were under way at once when it was ejected, and no more
  before=$(asked one)
  assert_equal "$(at_once 60 team | jq -cS .node)" '{"two":60}'
  assert_equal "$(asked one)" "$before"
}

@test "ejection: a responder is killed -> what is ejected stays so for the others and the next" {
  eject '{failures: 3, pause_s: 3600, pause_max_s: 3600}' 2
  serve team one two
  fail_until_ejected
  fake_mode one '{}'
  kill -KILL "$(gw_responders inference | head -n 1)"
  wait_until 10 two_responders
  assert_equal "$(at_once 20 team | jq -cS '[.node]')" '[{"two":20}]'
}

two_responders() {
  [[ $(gw_responders inference | wc -w) == 2 ]]
}
