#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 410-bad-input.bats - what clients send by mistake or on purpose: each gets a
# clear answer, nothing valid is lost or changed, and the same processes go on.

load helpers/all

# One inference process: what would hold it up holds up everything.
setup_file() {
  gw_setup
  fake_start alpha
  gw_config <<YAML
models:
  planner: {type: proxy, proxy_url: "$FAKE_URL_alpha"}
YAML
  GW_WORKERS=1 gw_start
  gw_responders | sort >"$GW_DIR/before.pids"
}

teardown_file() {
  gw_teardown
}

# A test that called gw_setup has a gateway of its own.
teardown() {
  if [[ $GW_DIR == "$BATS_TEST_TMPDIR" ]]; then
    gw_teardown
  else
    gw_dump_if_failed
  fi
}

post() {
  gw_post /v1/chat/completions "$@"
}

# post_file FILE [CURL ARGS]
post_file() {
  local file=$1
  shift
  gw_request POST /v1/chat/completions -H 'Content-Type: application/json' \
    --data-binary "@$file" "$@"
}

# is_refused CODE PARAM BODY... - each body is a 400 of that kind
is_refused() {
  local code=$1 param=$2 text
  shift 2
  for text in "$@"; do
    post "$text"
    assert_error 400 "$code" ${param:+"$param"}
  done
}

# passes BODY - reaches the upstream byte for byte, whatever it says to it
passes() {
  local before
  before=$(fake_count alpha)
  printf '%s' "$1" >"$BATS_TEST_TMPDIR/sent"
  post_file "$BATS_TEST_TMPDIR/sent"
  assert_equal "$(fake_count alpha)" $((before + 1)) 'requests upstream'
  cmp "$BATS_TEST_TMPDIR/sent" "$(fake_body alpha)"
}

# serves - an ordinary chat, for after something extraordinary
serves() {
  gw_chat planner
  assert_status 200
}

# --- no JSON ---

@test "bad input: an empty body, or blanks alone -> 400 invalid_json" {
  is_refused invalid_json '' '' ' ' $'\n\t '
  gw_request POST /v1/chat/completions -H 'Content-Length: 0'
  assert_error 400 invalid_json
}

@test "bad input: truncated JSON, wherever it is cut -> 400 invalid_json" {
  is_refused invalid_json '' '{' '{"model"' '{"model":' '{"model":"pla' '{"model":"planner"' \
    '{"model":"planner",' '{"model":"planner","messages":[{"role":"user"' \
    '{"model":"planner","n":12' '{"model":"planner","x":tru' '{"model":"planner","x":"\u00'
}

@test "bad input: anything but an object -> 400 invalid_json" {
  is_refused invalid_json '' '[]' '[{"model":"planner"}]' '5' '"model"' null true planner
}

@test "bad input: text behind the object -> 400 invalid_json" {
  is_refused invalid_json '' '{"model":"planner"}x' '{"model":"planner"}{}' \
    '{"model":"planner"},' '{"model":"planner"}}' '{"model":"planner"}"' '{"model":"planner"} null'
}

@test "bad input: what other parsers tolerate -> 400 invalid_json" {
  is_refused invalid_json '' "{'model':'planner'}" '{model:"planner"}' \
    '{"model":"planner","x":NaN}' '{"model":"planner","x":Infinity}' \
    '{"model":"planner","x":-Infinity}' '{"model":"planner",}' \
    '{"model":"planner","x":[1,]}' '{"model":"planner"/**/}' \
    '{"model":"planner","x":01}' '{"model":"planner","x":1.}' '{"model":"planner","x":.5}' \
    '{"model":"planner","x":+1}' '{"model":"planner","x":0x1}' '{"model":"planner","x":True}' \
    '{"model":"planner","x":"\x41"}' $'{"model":"planner","x":"a\nb"}' \
    $'{"model":"planner","x":"a\tb"}' $'\xef\xbb\xbf{"model":"planner"}'
}

@test "bad input: the message -> says where, and does not repeat the text" {
  post '{"model":"planner","messages":["my secret" NaN]}'
  assert_error 400 invalid_json
  assert_match "$(jq -r .error.message <<<"$body")" 'byte [0-9]+' message
  [[ $body != *secret* ]]
}

@test "bad input: a byte of zero, in a string or beside it -> 400 invalid_json" {
  printf '{"model":"planner","x":"a\0b"}' >"$BATS_TEST_TMPDIR/b"
  post_file "$BATS_TEST_TMPDIR/b"
  assert_error 400 invalid_json
  printf '{"model":"planner"}\0' >"$BATS_TEST_TMPDIR/b"
  post_file "$BATS_TEST_TMPDIR/b"
  assert_error 400 invalid_json
}

@test "bad input: bytes that are no UTF-8, in values, keys and model -> 400" {
  is_refused invalid_json '' $'{"model":"planner","x":"\xff"}' \
    $'{"model":"planner","x":"\xc3"}' $'{"model":"planner","\xe2\x82":1}' \
    $'{"model":"planner","x":"\x80abc"}'
  post $'{"model":"\xff"}'
  assert_status 400
}

@test "bad input: a compressed body that nobody announced -> 400 invalid_json" {
  printf '{"model":"planner"}' | gzip >"$BATS_TEST_TMPDIR/z"
  post_file "$BATS_TEST_TMPDIR/z"
  assert_error 400 invalid_json
}

# --- JSON that cannot be routed ---

@test "bad input: model is no string -> 400 invalid_request, param model" {
  is_refused invalid_request model '{"model":5}' '{"model":["planner"]}' \
    '{"model":{"id":"planner"}}' '{"model":true}' '{"model":-1.5e3,"messages":[]}'
}

@test "bad input: model or stream twice, however spelled -> 400 invalid_request" {
  is_refused invalid_request model '{"model":"planner","model":"planner"}' \
    '{"model":"planner","messages":[],"mod\u0065l":"other"}'
  is_refused invalid_request stream '{"model":"planner","stream":true,"stream":false}' \
    '{"stream":true,"model":"planner","\u0073tream":true}'
}

@test "bad input: model or stream in other letters at the top -> 400, nothing goes upstream" {
  local before
  before=$(fake_count alpha)
  is_refused invalid_request model '{"model":"planner","Model":"other"}' '{"MODEL":"planner"}' \
    '{"Model":null,"model":"planner"}' '{"model":"planner","messages":[],"\u004dodel":"x"}' \
    '{"mod\u0045L":"planner","model":"planner"}'
  is_refused invalid_request stream '{"model":"planner","Stream":true}' \
    '{"model":"planner","stream":false,"STREAM":true}' '{"model":"planner","\u017ftream":true}'
  assert_equal "$(fake_count alpha)" "$before" 'requests upstream'
  passes '{"model":"planner","messages":[{"Model":"x"}],"tools":{"STREAM":1},"Models":1}'
}

@test "bad input: model of 100,000 bytes -> 400, and the name is not repeated whole" {
  printf '{"model":"%s"}' "$(printf 'x%.0s' {1..100000})" >"$BATS_TEST_TMPDIR/b"
  post_file "$BATS_TEST_TMPDIR/b"
  assert_error 400 invalid_request model
  (($(wc -c <"$body_file") < 1000))
}

@test "bad input: no model and no default_model -> 400 invalid_request, param model" {
  is_refused invalid_request model '{"messages":[]}' '{}' '{"model":null}' '{"model":""}'
}

@test "bad input: an unknown role with markup and line ends in it -> 404, quoted" {
  post '{"model":"<b>\r\nSet-Cookie: a=b","messages":[]}'
  assert_error 404 model_not_found model
  refute_header Set-Cookie
  assert_equal "$(grep -c 'Set-Cookie' <(grep -v 'event=access' "$GW_DIR/gateway.log"))" 0 'log lines'
}

# --- odd, but valid: passes ---

@test "bad input: a 30-digit integer, -0, 1E400 -> pass as they are" {
  passes '{"model":"planner","messages":[],"a":123456789012345678901234567890,"b":-0,"c":1E400,"d":0.10}'
}

@test "bad input: \\u0000 in a key and a value -> passes as it is" {
  passes '{"model":"planner","messages":[],"x\u0000y":"a\u0000b"}'
}

@test "bad input: lone surrogates, escaped slashes, DEL -> pass as they are" {
  passes $'{"model":"planner","messages":[],"a":"\\ud800 \\/ \x7f \\u2028"}'
}

@test "bad input: other keys twice, empty keys -> pass as they are" {
  passes '{"model":"planner","messages":[],"a":1,"a":2,"":{"":[]}}'
}

@test "bad input: model deeper in the body, of any type -> is none of routing's business" {
  passes '{"x":{"model":5,"model":6,"stream":1,"stream":2},"model":"planner","messages":[]}'
}

@test "bad input: stream of another type -> the upstream's to judge" {
  passes '{"model":"planner","messages":[],"stream":"yes"}'
}

# --- depth and size ---

# nested N - a body with N levels, the object itself included
nested() {
  printf '{"model":"planner","messages":[],"x":'
  printf '[%.0s' $(seq $(($1 - 1)))
  printf ']%.0s' $(seq $(($1 - 1)))
  printf '}'
}

@test "bad input: 128 levels -> pass; 129 and 10,000 -> 400 invalid_json" {
  passes "$(nested 128)"
  nested 129 >"$BATS_TEST_TMPDIR/b"
  post_file "$BATS_TEST_TMPDIR/b"
  assert_error 400 invalid_json
  nested 10000 >"$BATS_TEST_TMPDIR/b"
  post_file "$BATS_TEST_TMPDIR/b"
  assert_error 400 invalid_json
  serves
}

@test "bad input: 33 MiB, announced or chunked -> 413 request_too_large" {
  { printf '{"model":"planner","x":"'
    head -c 34603008 /dev/zero | tr '\0' x
    printf '"}'; } >"$BATS_TEST_TMPDIR/b"
  post_file "$BATS_TEST_TMPDIR/b"
  assert_error 413 request_too_large
  post_file "$BATS_TEST_TMPDIR/b" -H 'Transfer-Encoding: chunked'
  assert_error 413 request_too_large
  serves
}

@test "bad input: one byte over gateway.max_body_bytes -> 413 that names the limit; at it -> passes" {
  gw_setup
  fake_start beta
  gw_config <<<"{gateway: {max_body_bytes: 5000}, models: {planner: {type: proxy, proxy_url: \"$FAKE_URL_beta\"}}}"
  gw_start
  local pad
  pad=$(printf 'x%.0s' {1..4961})
  post "{\"model\":\"planner\",\"messages\":[],\"x\":\"${pad::4960}\"}"
  assert_equal "$(fake_last beta .body_bytes)" 5000 'bytes that passed'
  assert_status 200
  post "{\"model\":\"planner\",\"messages\":[],\"x\":\"${pad::4961}\"}"
  assert_error 413 request_too_large
  assert_match "$(jq -r .error.message <<<"$body")" '5000.*gateway\.max_body_bytes' message
}

# cpu_us PID - microseconds of processor time, whoever else had the processor.
cpu_us() {
  awk '{ print int($1 / 1000) }' "/proc/$1/schedstat"
}

# beside_a_stream FILE - post it while a stream runs in the same process. What
# would hold up the stream shows whatever the machine's speed: the body collected
# as a tree needs gigabytes, and work that grows with the square of its length
# needs, for all of it, 256 times what a sixteenth needs.
beside_a_stream() {
  local tokens=$BATS_TEST_TMPDIR/s pid n before part whole
  pid=$(gw_responders inference)
  { head -c $(($(wc -c <"$1") / 16)) "$1"; } >"$BATS_TEST_TMPDIR/part"
  before=$(cpu_us "$pid")
  post_file "$BATS_TEST_TMPDIR/part" >/dev/null # it breaks off, which is told at its end
  assert_error 400 invalid_json
  part=$(($(cpu_us "$pid") - before))
  stream_to "$tokens" /v1/chat/completions "$(chat_json planner \
    '{"stream": true, "fake": {"tokens": 1000000, "wait_tokens": true}}')"
  fake_go alpha
  wait_until 10 stream_has "$tokens" 1
  rm -f "$BATS_TEST_TMPDIR/done"
  keep_going 3>&- 4>&- &
  local going=$! stream=$STREAM_PID
  before=$(cpu_us "$pid")
  post_file "$1"
  whole=$(($(cpu_us "$pid") - before))
  : >"$BATS_TEST_TMPDIR/done"
  wait "$going"
  n=$(stream_tokens "$tokens" | wc -l)
  fake_go alpha
  wait_until 10 stream_has "$tokens" $((n + 1))
  kill "$stream"
  stream_wait
  echo "$part us for a sixteenth, $whole us for all, beside $n tokens"
  assert_between "$whole" 0 $((part * 80)) 'microseconds of processor time'
  assert_between "$(awk '/^VmHWM:/ { print $2 }' "/proc/$pid/status")" 0 1048576 'KiB at most'
}

# keep_going - one token after the other until $BATS_TEST_TMPDIR/done is there.
keep_going() {
  until [[ -e $BATS_TEST_TMPDIR/done ]]; do
    curl -sS --noproxy '*' --max-time 300 -X PUT "$FAKE_URL_alpha/fake/go" >/dev/null || true
    sleep 0.02
  done
}

@test "bad input: 31 MiB of {}, in a list -> passes, and a stream beside it goes on" {
  { printf '{"model":"planner","messages":[{}'
    yes ',{}' | tr -d '\n' | head -c 32505855
    printf ']}'; } >"$BATS_TEST_TMPDIR/b"
  beside_a_stream "$BATS_TEST_TMPDIR/b"
  assert_status 200
  assert_equal "$(fake_log alpha 'select(.path == "/v1/chat/completions") | .body_bytes' |
    tail -n 1)" "$(wc -c <"$BATS_TEST_TMPDIR/b")" 'bytes that reached the upstream'
}

@test "bad input: 31 MiB of digits, as a string -> passes beside a stream; as a number -> 400" {
  { printf '{"model":"planner","messages":[],"x":"'
    yes 1234567 | tr -d '\n' | head -c 32505855
    printf '"}'; } >"$BATS_TEST_TMPDIR/b"
  beside_a_stream "$BATS_TEST_TMPDIR/b"
  assert_status 200
  tr -d '"' <"$BATS_TEST_TMPDIR/b" | sed 's/{model:planner,messages:\[\],x:/{"model":"planner","messages":[],"x":/' \
    >"$BATS_TEST_TMPDIR/n"
  beside_a_stream "$BATS_TEST_TMPDIR/n"
  assert_error 400 invalid_json
}

@test "bad input: 31 MiB of [ -> 400 beside a stream" {
  { printf '{"model":"planner","messages":'
    head -c 32505855 /dev/zero | tr '\0' '['; } >"$BATS_TEST_TMPDIR/b"
  beside_a_stream "$BATS_TEST_TMPDIR/b"
  assert_error 400 invalid_json
}

# --- HTTP ---

@test "bad input: a POST without a length -> 411 as JSON" {
  gw_request POST /v1/chat/completions
  assert_error 411 length_required
}

@test "bad input: a chunked request body -> arrives whole" {
  post "$(chat_json planner '{"x": [1.50]}')" -H 'Transfer-Encoding: chunked'
  assert_status 200
  assert_equal "$(<"$(fake_body alpha)")" "$(chat_json planner '{"x": [1.50]}')"
  assert_equal "$(fake_header alpha Transfer-Encoding)" ''
}

@test "bad input: Expect: 100-continue -> 100, then the answer" {
  post "$(chat_json planner)" -H 'Expect: 100-continue'
  assert_status 200
  grep -q '^HTTP/1.1 100' "$body_file.head"
}

@test "bad input: an HTTP/1.0 client -> answered" {
  post "$(chat_json planner)" --http1.0
  assert_status 200
}

@test "bad input: no Content-Type, or a wrong one -> the body counts" {
  post "$(chat_json planner)" -H 'Content-Type:'
  assert_status 200
  gw_request POST /v1/chat/completions -H 'Content-Type: text/plain' \
    --data-binary "$(chat_json planner)"
  assert_status 200
  assert_equal "$(fake_header alpha Content-Type)" text/plain
}

@test "bad input: 64 KiB of headers, in one or in many -> 431 as JSON" {
  local i
  printf 'X-Long: %s\n' "$(printf 'x%.0s' {1..65536})" >"$BATS_TEST_TMPDIR/h"
  gw_get /health -H "@$BATS_TEST_TMPDIR/h"
  assert_error 431 request_headers_too_large
  for i in {1..700}; do
    printf 'X-H%d: %s\n' "$i" "$(printf 'x%.0s' {1..90})"
  done >"$BATS_TEST_TMPDIR/h"
  gw_get /health -H "@$BATS_TEST_TMPDIR/h"
  assert_error 431 request_headers_too_large
  serves
}

# raw TEXT - sends it (printf %b) and shows the answer
raw() {
  run -0 timeout 300 bash -c "exec 5<>/dev/tcp/127.0.0.1/$GW_PORT
    printf '%b' '$1' >&5; cat <&5"
}

@test "bad input: what is no HTTP -> 400 as JSON" {
  raw 'nonsense\r\n\r\n'
  assert_match "$output" '^HTTP/1.[01] 400'
  assert_match "$output" '"type":"invalid_request_error"'
  raw 'GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n'
  assert_match "$output" '^HTTP/1.1 400'
  assert_match "$output" '"type":"invalid_request_error"'
  raw 'GET /health HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n'
  assert_match "$output" '^HTTP/1.1 400'
  serves
}

@test "bad input: Content-Length and chunks in one request -> not taken for two requests" {
  raw 'POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
  [[ $output != *'"status":"ok"'* ]]
  assert_match "$output" '^HTTP/1.1 400'
}

@test "bad input: an upload that breaks off -> nothing reaches the upstream, all goes on" {
  local before
  before=$(fake_count alpha)
  run -0 timeout 300 bash -c "exec 5<>/dev/tcp/127.0.0.1/$GW_PORT
    printf 'POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"model\":\"planner\",' >&5"
  serves
  assert_equal "$(fake_count alpha)" $((before + 1)) 'requests upstream'
}

@test "bad input: after all of the above -> the very same processes serve" {
  gw_responders | sort | diff "$GW_DIR/before.pids" -
  serves
}

# --- configuration files ---

# thrifty COMMAND... - with processor time enough for any machine, and none for
# work without end.
thrifty() (
  ulimit -t 300
  "$@"
)

# check_fails YAML - --check refuses it with 2; sets $output
check_fails() {
  printf '%s\n' "$1" >"$BATS_TEST_TMPDIR/bad.yaml"
  run -2 thrifty gw_run --check --config "$BATS_TEST_TMPDIR/bad.yaml"
}

@test "bad yaml: a tab -> exit 2, file:line:column" {
  check_fails $'models:\n\tplanner:\n\t\ttype: proxy'
  assert_match "$output" '/bad\.yaml:2:[0-9]+: .*tab'
}

@test "bad yaml: a typo'd key -> exit 2, file:line:column and the nearest known key" {
  check_fails $'models:\n  planner:\n    type: proxy\n    proxy_ulr: http://h'
  assert_match "$output" '/bad\.yaml:4:5: .*proxy_ulr.*proxy_url'
}

@test "bad yaml: a duplicate key -> exit 2, file:line:column of the second" {
  check_fails $'models:\n  planner:\n    type: discovered\n    role: a\n    role: b'
  assert_match "$output" '/bad\.yaml:5:5: .*role'
}

@test "bad yaml: an alias bomb -> exit 2, and it does not go off" {
  local text='a0: &a0 [x,x,x,x,x,x,x,x,x,x]' i
  for i in 1 2 3 4 5 6 7 8 9; do
    text+=$'\n'"a$i: &a$i [*a$((i - 1))$(printf ",*a$((i - 1))%.0s" {1..9})]"
  done
  check_fails "$text"$'\nmodels: {r: {type: discovered, defaults: {x: *a9}}}'
  assert_match "$output" '/bad\.yaml:[0-9]+:[0-9]+: '
}

@test "bad yaml: 10 MB, 100,000 levels, 40,000 unknown keys -> exit 2" {
  { echo 'models: {r: {type: discovered, defaults: {x: ['
    yes 'a, ' | tr -d '\n' | head -c 10000000
    echo ']}}}'; } >"$BATS_TEST_TMPDIR/bad.yaml"
  run -2 thrifty gw_run --check --config "$BATS_TEST_TMPDIR/bad.yaml"
  assert_match "$output" 'bad\.yaml: .*larger than'
  { printf 'models: {r: {type: discovered, defaults: {x: '
    head -c 100000 /dev/zero | tr '\0' '['
    head -c 100000 /dev/zero | tr '\0' ']'
    echo '}}}'; } >"$BATS_TEST_TMPDIR/bad.yaml"
  run -2 thrifty gw_run --check --config "$BATS_TEST_TMPDIR/bad.yaml"
  assert_match "$output" 'bad\.yaml:1:[0-9]+: .*nested'
  { echo 'models: {r: {type: discovered}}'
    seq -f "k%.0f: 1" 40000; } >"$BATS_TEST_TMPDIR/bad.yaml"
  run -2 thrifty gw_run --check --config "$BATS_TEST_TMPDIR/bad.yaml"
  assert_match "$output" 'bad\.yaml:2:1: .*k1'
}

@test "bad yaml: an alias inside its own anchor -> exit 2" {
  check_fails $'models: &m\n  r: {type: discovered, defaults: {x: *m}}'
  assert_match "$output" '/bad\.yaml:2:[0-9]+: '
}

@test "bad yaml: an override turns a mapping into a list -> exit 2, place in the override" {
  printf 'models: {r: {type: discovered, defaults: {a: 1}}}\n' >"$BATS_TEST_TMPDIR/base.yaml"
  printf 'models:\n  r: [1, 2]\n' >"$BATS_TEST_TMPDIR/over.yaml"
  run -2 thrifty gw_run --check --config "$BATS_TEST_TMPDIR/base.yaml" \
    --config-override "$BATS_TEST_TMPDIR/over.yaml"
  assert_match "$output" '/over\.yaml:2:6: .*mapping'
}

@test "bad yaml: many mistakes -> all of them in one run, none of the good keys" {
  check_fails $'version: 2\ngateway:\n  port: 70000\n  hots: x\nmodels:\n  p: {type: proxy}\n  d: {type: dicovered}\n  q: {type: proxy, proxy_url: "ftp://h", defaults: {temperature: 1}}'
  local place
  for place in 1:10 3:9 4:3 6:3 7:13 8:31; do
    assert_match "$output" "/bad\.yaml:$place: "
  done
  assert_equal "$(grep -c '/bad\.yaml:[0-9]*:[0-9]*: ' <<<"$output")" 6 findings
}

@test "bad yaml: an unset variable, an unreadable file -> names key, variable and path" {
  check_fails $'auth: {client_api_keys: ["${env:NO_SUCH_VARIABLE}", "${file:/no/such/file}"]}\nmodels: {r: {type: discovered}}'
  assert_match "$output" 'auth\.client_api_keys.*NO_SUCH_VARIABLE'
  assert_match "$output" 'auth\.client_api_keys.*/no/such/file'
}

@test "bad yaml: two ways to the same model name -> exit 2" {
  check_fails $'models:\n  a: {type: discovered, openai_model_name: b}\n  b: {type: discovered}'
  assert_match "$output" '/bad\.yaml:[23]:[0-9]+: '
}

@test "bad yaml: default_model that does not exist -> exit 2" {
  check_fails $'default_model: wirter\nmodels: {writer: {type: discovered}}'
  assert_match "$output" '/bad\.yaml:1:16: .*wirter.*writer'
}

@test "bad yaml: no file, an empty file, a list, binary -> exit 2 each" {
  run -2 thrifty gw_run --check --config "$BATS_TEST_TMPDIR/none.yaml"
  assert_match "$output" 'none\.yaml'
  check_fails ''
  check_fails '- a'
  head -c 5000 /dev/urandom >"$BATS_TEST_TMPDIR/bad.yaml"
  run -2 thrifty gw_run --check --config "$BATS_TEST_TMPDIR/bad.yaml"
}
