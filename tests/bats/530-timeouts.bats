#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 530-timeouts.bats - the four limits of a model, each by itself: a 504 that
# names it before the answer has begun, one error event in a stream after that.
#
# shellcheck disable=SC2154,SC2030,SC2031 # set by the helpers; a test is a subshell

load helpers/all

setup_file() {
  gw_setup
  fake_start alpha
  blackhole_start
  gw_config <<YAML
gateway:
  sse_keepalive_s: 0.3
models:
  connect:
    type: proxy
    proxy_url: $BLACKHOLE_URL
    timeouts: {connect_s: 0.6, total_s: 0}
    retry: {attempts: 0}
  connect-twice:
    type: proxy
    proxy_url: $BLACKHOLE_URL
    timeouts: {connect_s: 0.3, total_s: 0}
    retry: {attempts: 1, backoff_s: 0}
  slow-connect:
    type: proxy
    proxy_url: $BLACKHOLE_URL
    timeouts: {connect_s: 6, total_s: 0}
    retry: {attempts: 0}
  first:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    timeouts: {first_byte_s: 0.6}
  slow-first:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    timeouts: {first_byte_s: 6}
  idle:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    timeouts: {idle_s: 0.5}
  pausing:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    timeouts: {idle_s: 6}
  total:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    timeouts: {total_s: 1}
  endless:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    timeouts: {total_s: 6}
  unconnected:
    type: proxy
    proxy_url: $BLACKHOLE_URL
    timeouts: {connect_s: 0, total_s: 0.6}
  patient:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    timeouts: {connect_s: 0, first_byte_s: 0, idle_s: 0, total_s: 0}
  reviewer:
    type: discovered
    timeouts: {connect_s: 1}
YAML
  gw_start
  late_stream unaccepted slow-connect '{}'
  late_stream unanswered slow-first '{"never": true}'
  late_stream head-alone slow-first '{"head_delay_ms": 3600000, "tokens": 1}'
  late_stream late-rest slow-first '{"tokens": 1, "delay_ms": 6500}'
  late_stream pauses pausing '{"tokens": 7, "delay_ms": 950, "stamp": true}'
  late_stream endless endless '{"tokens": 1000000, "delay_ms": 50}'
}

teardown_file() {
  gw_teardown
}

setup() {
  S=$BATS_TEST_TMPDIR/stream
}

# A test that calls gw_setup has a gateway of its own.
teardown() {
  if [[ $GW_DIR == "$BATS_TEST_TMPDIR" ]]; then
    gw_teardown
  else
    gw_dump_if_failed
  fi
}

# assert_timeout LIMIT SECONDS - a 504 that names the limit, after that time.
assert_timeout() {
  assert_error 504 upstream_timeout || return 1
  assert_json ".error.message | contains(\"timeouts.$1 = $2 s\")" true || return 1
  assert_at_least "$time_total_ms" "$(awk "BEGIN { print int($2 * 1000) - 20 }")" ms
}

# assert_timeout_event LIMIT SECONDS [PATH] - the same behind a 200.
assert_timeout_event() {
  local path=${3:-/v1/chat/completions}
  local file=${3:+$(sse_file "$3")}
  file=${file:-$body_file}
  assert_one_sse_error "$path" upstream_timeout "$file" || return 1
  assert_sse "last.json | .error.message // .message | contains(\"timeouts.$1 = $2 s\")" \
    true "$file"
}

# gw_stream MODEL SCRIPT - a chat stream, whole.
gw_stream() {
  gw_post /v1/chat/completions \
    "$(sse_json /v1/chat/completions "$1" "$(jq -cn --argjson s "$2" '{fake: $s}')")" -N
}

# late_stream NAME MODEL SCRIPT - one that runs beside the tests: a limit that a
# busy machine seldom reaches by itself takes seconds.
late_stream() {
  local file=$GW_DIR/late-$1 json
  json=$(sse_json /v1/chat/completions "$2" "{\"fake\": $3}")
  rm -f "$file" "$file.ended"
  printf '%s\n' "${@:2}" >"$file.how"
  (
    exec 3>&- 4>&-
    curl -sSN --noproxy '*' --max-time 300 -o "$file" -w '%{http_code}' \
      -H 'Content-Type: application/json' -H "X-Request-Id: late-$1" \
      --data-binary "$json" "$GW_URL/v1/chat/completions" >"$file.status" || true
    mv "$file.status" "$file.ended"
  ) </dev/null >/dev/null 2>&1 &
  gw_track "stream-$1" "$!"
}

# late_stream_ended NAME [TOO_SLOW] - wait for it; its body is $body_file then.
# Where the limit came before the first comment (504), or TOO_SLOW says that it
# had reason to come, the machine had stood still: once more.
late_stream_ended() {
  local tries
  local -a how
  body_file=$GW_DIR/late-$1
  mapfile -t how <"$body_file.how"
  for ((tries = 0; tries < 10; tries++)); do
    wait_until 15 test -e "$body_file.ended"
    if [[ $(<"$body_file.ended") != 504 ]]; then
      "${2:-false}" "$1" || break
    fi
    late_stream "$1" "${how[@]}"
  done
  assert_equal "$(<"$body_file.ended")" 200 'HTTP status'
}

# few_tokens - less than two came before the end.
few_tokens() {
  (($(sse_texts | wc -w) < 2))
}

no_token() {
  [[ -z $(sse_texts) ]]
}

# paused_long NAME - it has no proper end, and the upstream was let go 6 s or
# more after it had sent the last token that arrived.
paused_long() {
  local sent closed
  ! grep -qF 'data: [DONE]' "$body_file" || return 1
  sent=$(sse_texts | grep -o '[0-9]*$' || echo 0)
  closed=$(jq -s --arg id "late-$1" '
    ([.[] | select(.event == "request" and any(.headers[]; .[1] == $id)) | .id] | last) as $id
    | .[] | select(.event == "client_closed" and .id == $id) | .t_ms' <"$GW_DIR/fake-alpha.log")
  ((${closed:-0} - sent >= 6000))
}

# late_stream_let_go NAME - the upstream saw its client leave; for wait_until.
late_stream_let_go() {
  jq -es --arg id "late-$1" '
    (.[] | select(.event == "request" and any(.headers[]; .[1] == $id)) | .id) as $id
    | any(.[]; .event == "client_closed" and .id == $id)' <"$GW_DIR/fake-alpha.log" >/dev/null
}

# aborted_since N - the upstream saw more clients leave than N; for wait_until.
aborted_since() {
  (($(fake_stats alpha .aborted) > $1))
}

# --- connect_s ---

@test "timeouts: nobody accepts -> 504 connect_s" {
  gw_chat connect
  assert_timeout connect_s 0.6
}

@test "timeouts: nobody accepts, however often it is asked -> 504 connect_s, once more as long" {
  gw_chat connect-twice
  assert_timeout connect_s 0.3
  assert_at_least "$time_total_ms" 560 ms
  assert_json '.error.message | contains("none of 2 attempts")' true
}

@test "timeouts: nobody accepts, after comments -> an error event, connect_s" {
  late_stream_ended unaccepted
  assert_timeout_event connect_s 6
}

@test "timeouts: a node cannot be connected in time -> another one answers" {
  local node tries
  for node in "dead $BLACKHOLE_URL" "live $FAKE_URL_alpha"; do
    gw_post /v1/nodes/register "$(jq -cn --arg id "${node% *}" --arg url "${node#* }" \
      '{node_id: $id, base_url: $url, roles: ["reviewer"]}')"
    assert_status 200
  done
  # the live one may be too slow as well; else nothing but 200 is right
  for ((tries = 0; tries < 20; tries++)); do
    gw_chat reviewer '{}' -H "X-Request-Id: moved-$tries"
    gw_log_has "event=upstream_retry rid=moved-$tries .*node=live" || assert_status 200
    [[ $status_code == 200 ]] || continue
    assert_header X-RoleMesh-Node live
    ! gw_log_has "event=upstream_retry rid=moved-$tries .*node=dead" || return 0
  done
  _fail 'no request came from the dead node to the live one'
}

# --- first_byte_s ---

@test "timeouts: no answer -> 504 first_byte_s, and the upstream is let go" {
  local before
  before=$(fake_stats alpha .aborted)
  gw_chat first '{"fake": {"never": true}}'
  assert_timeout first_byte_s 0.6
  wait_until 5 aborted_since "$before"
}

@test "timeouts: no answer, after comments -> an error event, first_byte_s, and the upstream is let go" {
  late_stream_ended unanswered
  assert_timeout_event first_byte_s 6
  wait_until 5 late_stream_let_go unanswered
}

@test "timeouts: a stream is late before the first comment -> 504 first_byte_s" {
  gw_setup
  gw_config <<YAML
gateway:
  sse_keepalive_s: 3600
models:
  hasty:
    type: proxy
    proxy_url: $FAKE_URL_alpha
    timeouts: {first_byte_s: 0.1}
YAML
  gw_start
  gw_stream hasty '{"never": true}'
  assert_timeout first_byte_s 0.1
}

@test "timeouts: a head and no first byte of a stream -> an error event, first_byte_s" {
  late_stream_ended head-alone
  assert_timeout_event first_byte_s 6
}

@test "timeouts: a head and no first byte of a whole answer -> 504 first_byte_s" {
  gw_chat first '{"fake": {"head_delay_ms": 3600000}}'
  assert_timeout first_byte_s 0.6
}

@test "timeouts: the first byte in time, the rest much later -> no first_byte_s" {
  late_stream_ended late-rest no_token
  assert_equal "$(sse_texts)" t1
  assert_sse last.data '[DONE]'
}

# --- idle_s ---

@test "timeouts: a stream falls silent -> its tokens and an error event, idle_s, at every endpoint" {
  local path file before
  before=$(fake_stats alpha .aborted)
  # comments come between, and do not count as the upstream's bytes
  fake_mode alpha '{"pieces": ["data: {\"delta\":\"t1\"}\n\n", "x"], "delay_ms": 3600000}'
  sse_everywhere idle
  fake_mode alpha '{}'
  for path in "${SSE_PATHS[@]}"; do
    assert_timeout_event idle_s 0.5 "$path"
    assert_equal "$(sse_texts "$(sse_file "$path")")" t1
  done
  wait_until 5 aborted_since "$((before + 3))"
}

@test "timeouts: silence in half an event -> the half is closed off, then the error event" {
  gw_stream idle '{"pieces": ["data: 1\n\ndata: 2", "x"], "delay_ms": 3600000}'
  assert_timeout_event idle_s 0.5
  assert_sse '[.[] | .data | strings] | .[:2]' '["1","2"]'
}

@test "timeouts: a short whole answer stops half-way -> 504 idle_s" {
  gw_chat idle '{"fake": {"raw_file": "chat.http", "raw_split": 500, "raw_delay_ms": 3600000}}'
  assert_timeout idle_s 0.5
}

@test "timeouts: JSON of unknown length stops half-way -> 504 idle_s, as it is held until its end" {
  gw_chat idle '{"fake": {"pieces": ["[1,", "2]"], "delay_ms": 3600000, "content_type": "application/json"}}'
  assert_timeout idle_s 0.5
}

@test "timeouts: another whole answer stops half-way -> broken off, no error inside" {
  gw_chat idle '{"fake": {"pieces": ["[1,", "2]"], "delay_ms": 3600000, "content_type": "text/plain"}}'
  assert_status 200
  assert_equal "$curl_status" 18 'exit status of curl'
  assert_equal "$body" '[1,'
}

@test "timeouts: pauses shorter than idle_s, more than that in all -> the whole stream" {
  late_stream_ended pauses paused_long
  assert_equal "$(sse_texts | sed 's/@[0-9]*//g')" 't1 t2 t3 t4 t5 t6 t7'
  assert_sse last.data '[DONE]'
}

@test "timeouts: silence before the first byte -> idle_s does not count there" {
  stream_to "$S" /v1/chat/completions "$(chat_json idle '{"fake": {"wait_head": true}}')"
  wait_until 10 fake_stat_is alpha .waiting 1
  # one that began later is over its limit
  gw_stream idle '{"pieces": ["data: 1\n\n", "x"], "delay_ms": 3600000}'
  assert_timeout_event idle_s 0.5
  fake_go alpha
  stream_wait
  assert_match "$(_last_head "$S.head")" '^HTTP/1.1 200 '
  grep -qF 'You said: hello there' "$S"
}

@test "timeouts: a client that does not read for longer than idle_s -> all bytes in the end" {
  local before
  before=$(fake_stats alpha .tokens)
  stream_to "$S" /v1/chat/completions "$(sse_json /v1/chat/completions pausing \
    '{"fake": {"wait_head": true, "tokens": 400, "big_tokens": 65536}}')" -o "$S.bytes" \
    -H 'X-Request-Id: not-reading'
  wait_until 10 fake_stat_is alpha .waiting 1
  kill -STOP "$STREAM_PID"
  fake_go alpha
  wait_until 10 fake_tokens_exceed "$before"
  # one that began later is over its limit
  gw_stream pausing '{"pieces": ["data: 1\n\n", "x"], "delay_ms": 3600000}'
  assert_timeout_event idle_s 6
  run ! gw_log_has "event=access rid=not-reading "
  assert_between "$(fake_stats alpha .tokens)" "$((before + 1))" "$((before + 399))" 'tokens sent to nobody'
  kill -CONT "$STREAM_PID"
  stream_wait
  assert_equal "$stream_status" 0
  assert_equal "$(grep -c '^data: {.*"t[0-9]*[.]' "$S.bytes")" 400 tokens
  assert_equal "$(tail -c 14 "$S.bytes")" 'data: [DONE]'
}

# fake_tokens_exceed N - for wait_until.
fake_tokens_exceed() {
  (($(fake_stats alpha .tokens) > $1))
}

# --- total_s ---

@test "timeouts: tokens without end -> cut with an error event, total_s, and the upstream is let go" {
  late_stream_ended endless few_tokens
  assert_timeout_event total_s 6
  assert_at_least "$(sse_texts | wc -w)" 2 tokens
  wait_until 5 late_stream_let_go endless
}

@test "timeouts: no answer within total_s -> 504 total_s" {
  gw_chat total '{"fake": {"never": true}}'
  assert_timeout total_s 1
}

@test "timeouts: total_s counts the connecting as well -> 504 total_s" {
  gw_chat unconnected
  assert_timeout total_s 0.6
}

# --- none ---

@test "timeouts: all limits 0 -> a late and halting answer is waited for" {
  local halting
  stream_to "$S" /v1/chat/completions "$(sse_json /v1/chat/completions patient \
    '{"fake": {"pieces": ["data: 1\n\n", "data: 2\n\n"], "wait_tokens": true}}')"
  halting=("$STREAM_PID" "$_STREAM_READER_PID")
  fake_go alpha
  wait_until 10 grep -q 'data: 1' "$S"
  stream_to "$S.late" /v1/chat/completions "$(chat_json patient '{"fake": {"wait_head": true}}')"
  wait_until 10 fake_stat_is alpha .waiting 2
  # others that began later are over their limits
  gw_chat first '{"fake": {"never": true}}'
  assert_timeout first_byte_s 0.6
  gw_chat total '{"fake": {"never": true}}'
  assert_timeout total_s 1
  fake_go alpha 2
  fake_go alpha # the end
  stream_wait
  wait "${halting[@]}"
  grep -qF 'You said: hello there' "$S.late"
  stream_text "$S" >"$S.text"
  assert_sse '[.[].data | strings]' '["1","2"]' "$S.text"
}

# --- afterwards ---

@test "timeouts: the access record -> status, phase and error; nothing stays open" {
  gw_chat first '{"fake": {"never": true}}' -H 'X-Request-Id: late-1'
  gw_stream connect '{}' >/dev/null
  wait_until 5 gw_log_has 'rid=late-1 .* status=504 phase=first_byte .* broken=0 error=upstream_timeout'
  assert_equal "$(grep -c 'event=access rid=late-1 ' "$GW_DIR/gateway.log")" 1 records
  wait_until 5 fake_stat_is alpha .active 0
  wait_until 5 gw_gauge_is open_requests 0
}
