#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 519-crowded.bats - the web server has as many connections as it may: those that
# wait for nothing must not keep anybody out.

load helpers/all

setup() {
  gw_setup
  export GW_KEY=''
  fake_start alpha
  gw_config <<YAML
models:
  planner:
    type: proxy
    proxy_url: $FAKE_URL_alpha
YAML
  kept=0
  FDS=()
}

teardown() {
  local fd
  for fd in "${FDS[@]}"; do
    exec {fd}>&-
  done
  gw_teardown
}

# keep N TARGET [BODY] - N connections, one after the other, each with one request
# that was answered; counts in $kept those that the server keeps open.
keep() {
  local i fd line body=${3:-} head
  for ((i = 0; i < $1; i++)); do
    exec {fd}<>"/dev/tcp/127.0.0.1/$GW_PORT"
    FDS+=("$fd")
    if [[ -n $body ]]; then
      printf 'POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
        "$2" "${#body}" "$body" >&"$fd"
    else
      printf 'GET %s HTTP/1.1\r\nHost: x\r\n\r\n' "$2" >&"$fd"
    fi
    head=''
    while IFS= read -r line <&"$fd" && [[ $line != $'\r' ]]; do
      head+=$line
    done
    [[ $head == 'HTTP/1.1 200 '* ]]
    [[ ${head,,} == *'connection: close'* ]] || kept=$((kept + 1))
  done
}

start() {
  ulimit -n 256 # 64 connections
  GW_WORKERS=2 gw_start
}

@test "crowded: as many idle connections as there may be -> a new client is served, most of them go on" {
  start
  keep 100 /health
  ((kept >= 16 && kept < 64))
  gw_get /health
  assert_status 200
}

@test "crowded: the same of chats, one process after the other -> served" {
  start
  keep 100 /v1/chat/completions '{"model":"planner","messages":[]}'
  ((kept >= 10 && kept < 64))
  gw_get /health
  assert_status 200
  gw_post /v1/chat/completions '{"model":"planner","messages":[]}'
  assert_status 200
}

@test "crowded: a few connections -> all of them are kept" {
  start
  keep 10 /health
  assert_equal "$kept" 10
}

@test "crowded: connections that send nothing or half a head -> a new client is served when their time is over" {
  local i fd
  start
  for ((i = 0; i < 80; i++)); do
    exec {fd}<>"/dev/tcp/127.0.0.1/$GW_PORT"
    FDS+=("$fd")
    ((i % 2)) || printf 'GET /health HTTP/1.1\r\nHo' >&"$fd"
  done
  gw_get /health
  assert_status 200
}
