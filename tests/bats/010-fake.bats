#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 010-fake.bats - the scripted upstream by itself, no gateway: each word of its
# vocabulary does what tests/fake/README.md says. When this file fails, the
# others prove nothing.

load helpers/all

setup_file() {
  gw_setup
  fake_start a
}

teardown_file() {
  gw_teardown
}

setup() {
  fake_mode a '{}'
}

teardown() {
  gw_dump_if_failed
}

# ask SCRIPT [CURL ARGS] - a chat with this "fake" member, straight to the fake.
ask() {
  local script=$1
  shift
  gw_post "$FAKE_URL_a/v1/chat/completions" \
    "$(chat_json m1 "{\"fake\": $script}")" "$@"
}

# ask_stream SCRIPT - the same, streamed, to the end; lines in $lines_file.
ask_stream() {
  lines_file=$BATS_TEST_TMPDIR/lines
  stream_to "$lines_file" "$FAKE_URL_a/v1/chat/completions" \
    "$(chat_json m1 "{\"stream\": true, \"fake\": $1}")"
  stream_wait
}

# --- ordinary answers ---

@test "fake: GET /health and /v1/models -> llama-server's answers" {
  gw_get "$FAKE_URL_a/health"
  assert_status 200
  assert_json . '{"status":"ok"}'
  assert_header Keep-Alive 'timeout=5, max=100'
  gw_get "$FAKE_URL_a/v1/models"
  assert_json '.data[0] | .id + " " + .owned_by' 'a llamacpp'
}

@test "fake: a chat -> echo of the last user message, model as requested" {
  gw_post "$FAKE_URL_a/v1/chat/completions" '{"model":"m1","messages":[
    {"role":"user","content":"first"},{"role":"assistant","content":"no"},
    {"role":"user","content":[{"type":"text","text":"say \"so\""}]}]}'
  assert_status 200
  assert_json '.choices[0].message.content' '[scripted upstream a] You said: say "so"'
  assert_json '.model + " " + .object' 'm1 chat.completion'
  assert_json '.usage | .prompt_tokens + .completion_tokens == .total_tokens' true
}

@test "fake: a streamed chat -> role, words, finish, [DONE]; the words join to the echo" {
  ask_stream '{}'
  assert_equal "$stream_status" 0
  run -0 bash -c "sed -nE 's/^[0-9]+ data: (\{.*)/\1/p' '$lines_file' |
    jq -rs 'map(.choices[0].delta.content // \"\") | join(\"\")'"
  assert_equal "$output" '[scripted upstream a] You said: hello there'
  run -0 bash -c "grep -v '^[0-9]* \$' '$lines_file' | tail -n 1"
  assert_match "$output" 'data: \[DONE\]$'
  run -0 grep -c '"finish_reason":"stop"' "$lines_file"
  assert_equal "$output" 1
}

@test "fake: include_usage -> a last event without choices" {
  stream_to "$BATS_TEST_TMPDIR/s" "$FAKE_URL_a/v1/chat/completions" "$(chat_json m \
    '{"stream": true, "stream_options": {"include_usage": true}, "fake": {"tokens": 4}}')"
  stream_wait
  run -0 bash -c "sed -nE 's/^[0-9]+ data: (\{.*)/\1/p' '$BATS_TEST_TMPDIR/s' |
    jq -rsc 'last | [.choices, .usage.completion_tokens]'"
  assert_equal "$output" '[[],4]'
}

@test "fake: tool_choice required -> a call of the first tool, whole and streamed" {
  local tools='{"tools": [{"type": "function", "function": {"name": "look"}}], "tool_choice": "required"}'
  gw_post "$FAKE_URL_a/v1/chat/completions" "$(chat_json m "$tools")"
  assert_json '.choices[0] | .finish_reason + " " + .message.tool_calls[0].function.name' \
    'tool_calls look'
  assert_json '.choices[0].message.tool_calls[0].function.arguments | fromjson' '{"n":7}'
  stream_to "$BATS_TEST_TMPDIR/s" "$FAKE_URL_a/v1/chat/completions" \
    "$(chat_json m "$(jq -c '. + {stream: true}' <<<"$tools")")"
  stream_wait
  run -0 bash -c "sed -nE 's/^[0-9]+ data: (\{.*)/\1/p' '$BATS_TEST_TMPDIR/s' | jq -rsc '
    map(.choices[0].delta.tool_calls[0].function.arguments // \"\") | join(\"\")'"
  assert_equal "$output" '{"n": 7}'
}

@test "fake: the other endpoints -> each its own shape" {
  gw_post "$FAKE_URL_a/v1/completions" '{"prompt":"p"}'
  assert_json '.choices[0].text' '[scripted upstream a] You said: p'
  gw_post "$FAKE_URL_a/v1/responses" '{"input":"p"}'
  assert_json '.output[0].content[0].text' '[scripted upstream a] You said: p'
  gw_post "$FAKE_URL_a/v1/messages" '{"messages":[{"role":"user","content":"p"}]}'
  assert_json '.type + " " + .content[0].text' 'message [scripted upstream a] You said: p'
  gw_post "$FAKE_URL_a/v1/messages/count_tokens" '{"messages":[{"role":"user","content":"p q"}]}'
  assert_json . '{"input_tokens":2}'
  gw_post "$FAKE_URL_a/v1/embeddings" '{"input":["x","y"]}'
  assert_json '[.data[].index] + [.data[0].embedding[1]]' '[0,1,0.25]'
  gw_post "$FAKE_URL_a/v1/embeddings" '{"input":"x","encoding_format":"base64"}'
  assert_json '.data[0].embedding | length' 44
  gw_post "$FAKE_URL_a/v1/rerank" '{"query":"q","documents":["x","y"]}'
  assert_json '.results | length' 2
}

@test "fake: /v1/messages and /v1/responses stream in their dialect, without [DONE]" {
  stream_to "$BATS_TEST_TMPDIR/m" "$FAKE_URL_a/v1/messages" '{"stream":true,"fake":{"tokens":2}}'
  stream_wait
  run -0 bash -c "sed -nE 's/^[0-9]+ event: //p' '$BATS_TEST_TMPDIR/m' | tr '\n' ' '"
  assert_equal "$output" 'message_start content_block_start content_block_delta content_block_delta content_block_stop message_delta message_stop '
  stream_to "$BATS_TEST_TMPDIR/r" "$FAKE_URL_a/v1/responses" '{"stream":true,"fake":{"tokens":1}}'
  stream_wait
  run -0 bash -c "sed -nE 's/^[0-9]+ event: //p' '$BATS_TEST_TMPDIR/r' | tail -n 1"
  assert_equal "$output" response.completed
  run ! grep -F '[DONE]' "$BATS_TEST_TMPDIR/m" "$BATS_TEST_TMPDIR/r"
}

@test "fake: bad JSON, no messages, unknown path -> llama-server's errors, connection closed" {
  gw_post "$FAKE_URL_a/v1/chat/completions" '{"messages":['
  assert_status 500
  assert_json .error.type server_error
  gw_post "$FAKE_URL_a/v1/chat/completions" '{}'
  assert_status 400
  assert_json .error.message "'messages' is required"
  gw_get "$FAKE_URL_a/v1/nope"
  assert_status 404
  assert_json .error '{"message":"File Not Found","type":"not_found_error","code":404}'
  assert_header Connection close
}

@test "fake: bytes that are no HTTP -> 400, and it goes on" {
  run -0 bash -c "exec 5<>/dev/tcp/127.0.0.1/$FAKE_PORT_a; printf 'nonsense\r\n\r\n' >&5; head -n 1 <&5"
  assert_match "$output" '^HTTP/1.1 400'
  gw_get "$FAKE_URL_a/health"
  assert_status 200
}

@test "fake: 3 MiB body with Expect, 20 MiB of structure -> answered at once" {
  head -c 3145728 /dev/zero | tr '\0' x >"$BATS_TEST_TMPDIR/x"
  { printf '{"messages":[],"x":"'; cat "$BATS_TEST_TMPDIR/x"; printf '"}'; } >"$BATS_TEST_TMPDIR/big"
  gw_request POST "$FAKE_URL_a/v1/chat/completions" --data-binary "@$BATS_TEST_TMPDIR/big"
  assert_status 200
  cmp "$BATS_TEST_TMPDIR/big" "$(fake_body a)"
  yes '{},' | tr -d '\n' | head -c 20000000 >"$BATS_TEST_TMPDIR/nasty"
  gw_request POST "$FAKE_URL_a/v1/chat/completions" --data-binary "@$BATS_TEST_TMPDIR/nasty"
  assert_status 200
}

# --- scripts: whole answers ---

@test "fake: status, body, content_type, headers -> exactly that answer" {
  ask '{"status": 503, "headers": {"Retry-After": "7"}}'
  assert_status 503
  assert_header Retry-After 7
  assert_json .error '{"message":"scripted status 503","type":"server_error","code":503}'
  ask '{"status": 418, "body": "raw {text", "content_type": "text/x-raw"}'
  assert_status 418
  assert_header Content-Type text/x-raw
  assert_equal "$body" 'raw {text'
}

@test "fake: redirect -> 302 with that Location" {
  ask '{"redirect": "http://127.0.0.1:9/x"}'
  assert_status 302
  assert_header Location http://127.0.0.1:9/x
}

@test "fake: first_delay_ms -> silence before the headers; head_delay_ms -> after them" {
  ask '{"first_delay_ms": 300}'
  assert_status 200
  assert_at_least "$time_total_ms" 290 ms
  stream_to "$BATS_TEST_TMPDIR/h" "$FAKE_URL_a/v1/chat/completions" \
    "$(chat_json m '{"stream": true, "fake": {"head_delay_ms": 3600000, "tokens": 1}}')"
  wait_until 1 grep -q '^HTTP/1.1 200' "$BATS_TEST_TMPDIR/h.head"
  assert_equal "$(wc -c <"$BATS_TEST_TMPDIR/h")" 0 'bytes before the delay is over'
  kill "$STREAM_PID"
  stream_wait
  ask_stream '{"head_delay_ms": 200, "tokens": 1}'
  stream_has "$lines_file" 1
}

@test "fake: wait_head -> nothing before PUT /fake/go, then the answer" {
  stream_to "$BATS_TEST_TMPDIR/w" "$FAKE_URL_a/v1/chat/completions" \
    "$(chat_json m '{"fake": {"wait_head": true}}')"
  wait_until 5 fake_stat_is a .waiting 1
  [[ ! -s $BATS_TEST_TMPDIR/w.head ]]
  gw_request PUT "$FAKE_URL_a/fake/go"
  assert_json . '{"went":1}'
  stream_wait
  grep -qF chat.completion "$BATS_TEST_TMPDIR/w"
  gw_request PUT "$FAKE_URL_a/fake/go"
  assert_json . '{"went":0}'
}

@test "fake: wait_tokens -> one more with each PUT /fake/go, then the end" {
  local n
  stream_to "$BATS_TEST_TMPDIR/w" "$FAKE_URL_a/v1/chat/completions" \
    "$(chat_json m '{"stream": true, "fake": {"wait_tokens": true, "tokens": 3}}')"
  for n in 1 2 3; do
    fake_go a
    wait_until 5 fake_stat_is a .waiting 1
    wait_until 5 stream_has "$BATS_TEST_TMPDIR/w" "$n"
    assert_equal "$(stream_tokens "$BATS_TEST_TMPDIR/w" | wc -l)" "$n"
  done
  fake_go a
  stream_wait
  assert_equal "$stream_status" 0
  grep -qF '[DONE]' "$BATS_TEST_TMPDIR/w"
}

@test "fake: wait_tokens with raw_file -> the first piece, one more with each PUT /fake/go, and the end behind the last" {
  local recorded=$TOP_SRCDIR/tests/fixtures/upstream/chat-stream.http size
  size=$(stat -c %s "$recorded")
  stream_to "$BATS_TEST_TMPDIR/w" "$FAKE_URL_a/v1/chat/completions" \
    "$(chat_json m "{\"fake\": {\"raw_file\": \"chat-stream.http\", \"raw_split\": $((size / 3 + 1)),
      \"wait_tokens\": true}}")" --raw -i -D /dev/null -o "$BATS_TEST_TMPDIR/w.bytes"
  wait_until 5 has_bytes "$((size / 3 + 1))"
  fake_go a
  wait_until 5 has_bytes "$((size / 3 * 2 + 2))"
  fake_go a
  stream_wait
  assert_equal "$stream_status" 0
  cmp "$recorded" "$BATS_TEST_TMPDIR/w.bytes"
}

# has_bytes N - exactly so many have arrived; for wait_until.
has_bytes() {
  [[ $(stat -c %s "$BATS_TEST_TMPDIR/w.bytes" 2>/dev/null) == "$1" ]]
}

@test "fake: a client leaves while it waits for PUT /fake/go -> nobody waits" {
  stream_to "$BATS_TEST_TMPDIR/w" "$FAKE_URL_a/v1/chat/completions" \
    "$(chat_json m '{"fake": {"wait_head": true}}')"
  wait_until 5 fake_stat_is a .waiting 1
  kill "$STREAM_PID"
  stream_wait
  wait_until 5 fake_stat_is a .waiting 0
}

@test "fake: head_delay_ms, not streamed -> the whole body after the silence" {
  ask '{"head_delay_ms": 200}'
  assert_status 200
  assert_at_least "$time_total_ms" 190 ms
  assert_json .object chat.completion
}

@test "fake: never -> no byte; the client's leaving is logged" {
  stream_to "$BATS_TEST_TMPDIR/n" "$FAKE_URL_a/v1/chat/completions" \
    "$(chat_json m '{"fake": {"never": true}}')"
  wait_until 5 fake_stat_is a .active 1
  kill "$STREAM_PID"
  stream_wait
  assert_equal "$(cat "$BATS_TEST_TMPDIR/n" "$BATS_TEST_TMPDIR/n.head")" '' 'what came'
  wait_until 2 fake_logged a 'select(.event == "client_closed" and .bytes == 0)'
}

@test "fake: close_before_answer and garbage -> curl sees an empty reply, and no HTTP" {
  ask '{"close_before_answer": true}'
  assert_equal "$curl_status" 52
  ask '{"garbage": true}'
  assert_equal "$curl_status" 1
}

@test "fake: close_reused -> only a connection's first request is answered" {
  run curl -sS -o /dev/null -o /dev/null -w '%{http_code} %{num_connects} ' \
    --data-binary "$(chat_json m '{"fake": {"close_reused": true}}')" \
    "$FAKE_URL_a/v1/chat/completions" "$FAKE_URL_a/v1/chat/completions"
  # curl itself retries a reused connection that died, on a fresh one
  assert_equal "$output" '200 1 200 1 '
}

@test "fake: content_length_lie -> the body ends short of its length" {
  ask '{"content_length_lie": 5}'
  assert_equal "$curl_status" 18
  assert_json .object chat.completion
}

@test "fake: echo_headers -> the request as received" {
  ask '{"echo_headers": true}' -H 'X-Odd:   spaced' -H 'X-Empty;'
  assert_json '.headers[] | select(.[0] == "X-Odd") | .[1]' 'spaced'
  assert_json '.headers[] | select(.[0] == "X-Empty") | .[1]' ''
  assert_json '.body | fromjson | .model' m1
  assert_json .path /v1/chat/completions
}

@test "fake: raw_file -> a recorded answer byte for byte, in pieces or whole" {
  local recorded=$TOP_SRCDIR/tests/fixtures/upstream/chat-stream.http
  ask '{"raw_file": "chat-stream.http"}' --raw -i -D /dev/null
  cmp "$recorded" "$body_file"
  ask '{"raw_file": "chat-stream.http", "raw_split": 777, "raw_delay_ms": 1}' --raw -i -D /dev/null
  cmp "$recorded" "$body_file"
  ask '{"raw_file": "sigkill-midstream.http"}'
  assert_equal "$curl_status" 18
}

@test "fake: an unknown key, a wrong type, a path as raw_file -> 400 that says so" {
  ask '{"tokns": 3}'
  assert_status 400
  assert_json .error.message 'fake: unknown key tokns'
  ask '{"tokens": "3"}'
  assert_json .error.message 'fake: wrong type of tokens'
  ask '{"raw_file": "../secret"}'
  assert_status 400
}

# --- scripts: streams ---

@test "fake: tokens, delay_ms -> t1 .. tN, each of them in its time" {
  local before
  before=$(mono_ms)
  ask_stream '{"tokens": 5, "delay_ms": 60, "stamp": true}'
  assert_equal "$(stream_tokens "$lines_file" | sed -E 's/.* (t.)@.*/\1/' | tr '\n' ' ')" 't1 t2 t3 t4 t5 '
  local n sent
  # none is early; a late one does not make the next one late
  for n in 2 3 4 5; do
    sent=$(stream_tokens "$lines_file" | sed -n "${n}s/.*@//p")
    assert_at_least "$((sent - before))" $(((n - 1) * 60 - 2)) "ms until t$n"
  done
}

@test "fake: stamp -> each token carries the time at which it was sent" {
  ask_stream '{"tokens": 3, "delay_ms": 20, "stamp": true}'
  local came text
  while read -r came text; do
    assert_at_least "$((came - ${text#*@}))" 0 'ms on the way'
  done < <(stream_tokens "$lines_file")
  assert_equal "$(stream_tokens "$lines_file" | wc -l)" 3
}

@test "fake: stamp_us -> the same in microseconds" {
  local before text
  before=$(mono_ms)
  ask_stream '{"tokens": 3, "delay_ms": 20, "stamp_us": true}'
  while read -r _ text; do
    assert_at_least "$((${text#*@} / 1000 - before))" 0 'ms since it was asked'
    assert_at_least "$(($(mono_ms) - ${text#*@} / 1000))" 0 'ms on the way'
  done < <(stream_tokens "$lines_file")
  assert_equal "$(stream_tokens "$lines_file" | wc -l)" 3
}

@test "fake: big_tokens -> each text padded to that size" {
  ask_stream '{"tokens": 2, "big_tokens": 10000}'
  run -0 bash -c "sed -nE 's/^[0-9]+ data: (\{.*)/\1/p' '$lines_file' |
    jq -c '.choices[0].delta.content // \"\" | length'"
  assert_equal "$(tr '\n' ' ' <<<"$output")" '0 10000 10000 0 '
}

@test "fake: die_after_tokens -> N tokens, then a reset" {
  ask_stream '{"tokens": 5, "delay_ms": 20, "die_after_tokens": 2}'
  assert_equal "$stream_status" 56
  assert_equal "$(stream_tokens "$lines_file" | wc -l)" 2 tokens
}

@test "fake: end_after_tokens -> N tokens, then the end without a last chunk" {
  ask_stream '{"tokens": 5, "delay_ms": 20, "end_after_tokens": 2}'
  assert_equal "$stream_status" 18
  assert_equal "$(stream_tokens "$lines_file" | wc -l)" 2 tokens
  run ! grep -F '[DONE]' "$lines_file"
}

@test "fake: half_event -> whole in the end; with die_after_tokens the last stays half" {
  ask_stream '{"tokens": 2, "delay_ms": 20, "half_event": true}'
  assert_equal "$stream_status" 0
  assert_equal "$(stream_tokens "$lines_file" | wc -l)" 2 tokens
  ask_stream '{"tokens": 2, "delay_ms": 20, "half_event": true, "end_after_tokens": 1}'
  assert_equal "$stream_status" 18
  run -0 tail -c 1 "$lines_file"
  assert_match "$(tail -n 1 "$lines_file")" ' data: \{'
  run ! bash -c "tail -n 1 '$lines_file' | sed 's/^[0-9]* data: //' | jq ."
}

@test "fake: no_done -> a clean end that lacks [DONE]" {
  ask_stream '{"tokens": 1, "no_done": true}'
  assert_equal "$stream_status" 0
  run -0 grep -c finish_reason\":\"stop "$lines_file"
  run ! grep -F '[DONE]' "$lines_file"
}

@test "fake: pieces -> exactly these bytes" {
  ask_stream '{"pieces": ["data: a\n", "\nda", "ta: b\r\n\r\n", ": c\n\n"], "delay_ms": 5}'
  assert_equal "$stream_status" 0
  printf 'data: a\n\ndata: b\r\n\r\n: c\n\n' >"$BATS_TEST_TMPDIR/want"
  cmp "$BATS_TEST_TMPDIR/want" <(stream_text "$lines_file")
}

@test "fake: HTTP/1.0 client -> no chunks, the end is the end" {
  run -0 curl -sS --http1.0 -i --data-binary \
    "$(chat_json m '{"stream": true, "fake": {"tokens": 1}}')" "$FAKE_URL_a/v1/chat/completions"
  assert_match "$output" 'Connection: close'
  [[ $output != *chunked* && $output == *'[DONE]'* ]]
}

@test "fake: a client that leaves mid-stream -> client_closed with the tokens sent" {
  stream_to "$BATS_TEST_TMPDIR/s" "$FAKE_URL_a/v1/chat/completions" \
    "$(chat_json m '{"stream": true, "fake": {"tokens": 1000000, "delay_ms": 20}}')"
  wait_until 5 stream_has "$BATS_TEST_TMPDIR/s" 3
  kill "$STREAM_PID"
  stream_wait
  assert_equal "$stream_status" 143
  wait_until 1 fake_logged a 'select(.event == "client_closed" and .tokens >= 3 and .tokens < 1000000)'
  wait_until 1 fake_stat_is a .active 0
}

@test "fake: a client that does not read -> tokens wait, memory stays flat" {
  fake_start slow
  exec 5<>"/dev/tcp/127.0.0.1/$FAKE_PORT_slow"
  local request
  request=$(chat_json m '{"stream": true, "fake": {"tokens": 100000, "big_tokens": 60000}}')
  printf 'POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s' \
    "${#request}" "$request" >&5
  wait_until 5 stalled
  exec 5>&-
  wait_until 2 fake_logged slow 'select(.event == "client_closed")'
  run -0 fake_log slow 'select(.event == "client_closed") | .tokens < 2000'
  assert_equal "$output" true
  fake_stop slow TERM
}

# Two looks apart at the number of tokens sent that agree, and not on zero.
stalled() {
  local before after
  before=$(fake_stats slow .tokens)
  sleep 0.2
  after=$(fake_stats slow .tokens)
  [[ $before == "$after" && $before != 0 ]]
}

# --- the process as a whole ---

@test "fake: PUT /fake/mode -> defaults until the next; a request's own keys win" {
  fake_mode a '{"status": 500}'
  ask '{}'
  assert_status 500
  ask '{"status": 429}'
  assert_status 429
  fake_mode a '{}'
  ask '{}'
  assert_status 200
}

@test "fake: as a gateway -> agrees, obeys scripts; heartbeat_status is for heartbeats only" {
  local path
  for path in register heartbeat deregister; do
    gw_post "$FAKE_URL_a/v1/nodes/$path" '{"node_id": "n"}'
    assert_status 200
    assert_json . '{"status":"ok"}'
  done
  fake_mode a '{"heartbeat_status": 404}'
  gw_post "$FAKE_URL_a/v1/nodes/heartbeat" '{"node_id": "n"}'
  assert_status 404
  gw_post "$FAKE_URL_a/v1/nodes/register" '{"node_id": "n"}'
  assert_status 200
  fake_mode a '{"status": 500}'
  gw_post "$FAKE_URL_a/v1/nodes/register" '{"node_id": "n"}'
  assert_status 500
}

@test "fake: models_status, models_delay_ms, models_wait, models_close -> probes obey, chats do not" {
  fake_mode a '{"models_status": 500, "models_delay_ms": 200}'
  gw_get "$FAKE_URL_a/v1/models"
  assert_status 500
  assert_at_least "$time_total_ms" 190 ms
  ask '{}'
  assert_status 200
  fake_mode a '{"models_wait": true}'
  stream_to "$BATS_TEST_TMPDIR/m" "$FAKE_URL_a/v1/models" '' -X GET
  wait_until 5 fake_stat_is a .waiting 1
  assert_equal "$(cat "$BATS_TEST_TMPDIR/m" "$BATS_TEST_TMPDIR/m.head")" '' 'what came'
  fake_go a
  stream_wait
  grep -q '"owned_by"' "$BATS_TEST_TMPDIR/m"
  fake_mode a '{"models_close": true}'
  gw_get "$FAKE_URL_a/v1/models"
  assert_equal "$curl_status" 52
}

@test "fake: props, props_wait -> what GET /props answers, and when" {
  gw_get "$FAKE_URL_a/props"
  assert_status 404
  fake_mode a '{"props": {"total_slots": 3}, "props_wait": true}'
  stream_to "$BATS_TEST_TMPDIR/p" "$FAKE_URL_a/props" '' -X GET
  wait_until 5 fake_stat_is a .waiting 1
  assert_equal "$(cat "$BATS_TEST_TMPDIR/p" "$BATS_TEST_TMPDIR/p.head")" '' 'what came'
  fake_go a
  stream_wait
  grep -q '"total_slots":3' "$BATS_TEST_TMPDIR/p"
}

@test "fake: loading -> 503 for all but /; --loading-s ends by itself" {
  fake_mode a '{"loading": true}'
  for path in /health /v1/models /nope; do
    gw_get "$FAKE_URL_a$path"
    assert_status 503
    assert_json .error.message 'Loading model'
  done
  gw_get "$FAKE_URL_a/"
  assert_status 200
  local before
  fake_start cold --loading-s 3600
  gw_get "$FAKE_URL_cold/health"
  assert_status 503
  fake_stop cold
  before=$(mono_ms)
  fake_start cool --loading-s 1
  wait_until 10 curl -sf -o /dev/null "$FAKE_URL_cool/health"
  assert_at_least "$(($(mono_ms) - before))" 999 'ms until it was loaded'
  fake_stop cool
}

@test "fake: --api-key -> 401 without it, /health open" {
  fake_start guarded --api-key sesame
  gw_get "$FAKE_URL_guarded/v1/models"
  assert_status 401
  assert_json .error.type authentication_error
  gw_get "$FAKE_URL_guarded/v1/models" -H 'Authorization: Bearer sesame'
  assert_status 200
  gw_get "$FAKE_URL_guarded/health"
  assert_status 200
  fake_stop guarded
}

@test "fake: --replay -> every POST gets the recording; GETs do not" {
  fake_start tape --replay "$TOP_SRCDIR/tests/fixtures/upstream/err-ctx-exceed.http"
  gw_post "$FAKE_URL_tape/v1/chat/completions" '{}'
  assert_status 400
  assert_json .error.type exceed_context_size_error
  gw_get "$FAKE_URL_tape/v1/models"
  assert_status 200
  fake_stop tape
}

@test "fake: --models, --instant -> ids as given; chats whole and streamed without parsing" {
  fake_start quick --instant --models x,y --tokens 3 --stamp
  gw_get "$FAKE_URL_quick/v1/models"
  assert_json '[.data[].id] | join(",")' x,y
  gw_post "$FAKE_URL_quick/v1/chat/completions" '{"messages":[]}'
  assert_json .object chat.completion
  stream_to "$BATS_TEST_TMPDIR/s" "$FAKE_URL_quick/v1/chat/completions" '{"stream": true}'
  stream_wait
  assert_equal "$(stream_tokens "$BATS_TEST_TMPDIR/s" | wc -l)" 3
  fake_stop quick
}

@test "fake: keep-alive -> one connection serves --max-requests, idles --idle-ms" {
  fake_start brief --max-requests 2 --idle-ms 3600000
  run -0 curl -sS -o /dev/null -o /dev/null -o /dev/null -w '%{num_connects}' \
    "$FAKE_URL_brief/health" "$FAKE_URL_brief/health" "$FAKE_URL_brief/health"
  assert_equal "$output" 101
  fake_stop brief
  fake_start brief --idle-ms 300
  exec 5<>"/dev/tcp/127.0.0.1/$FAKE_PORT_brief"
  printf 'GET /health HTTP/1.1\r\nHost: x\r\n\r\n' >&5
  run -0 timeout 300 cat <&5
  assert_match "$output" 'status'
  exec 5>&-
  fake_stop brief
}

@test "fake: two pipelined requests -> two answers in order" {
  exec 5<>"/dev/tcp/127.0.0.1/$FAKE_PORT_a"
  printf 'GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /nope HTTP/1.1\r\nHost: x\r\n\r\n' >&5
  run -0 timeout 300 cat <&5
  exec 5>&-
  assert_match "$output" '200 OK.*404 Not Found'
}

# send FD SCRIPT - a chat over that connection, kept.
send() {
  local text
  text=$(chat_json m1 "{\"fake\": $2}")
  printf 'POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s' \
    "${#text}" "$text" >&"$1"
}

# stands_still PID - for wait_until.
stands_still() {
  grep -q '^State:[[:space:]]*T' "/proc/$1/status"
}

@test "fake: a client leaves, then others ask, all while it stands still -> not counted beside the one that left" {
  local fd held pid
  local -a fds=()
  fake_start exact --idle-ms 600000
  pid=$(gw_pid fake-exact)
  # kept connections: what comes over them is heard in the same turn as the end
  for _ in 1 2 3; do
    exec {fd}<>"/dev/tcp/127.0.0.1/$FAKE_PORT_exact"
    send "$fd" '{"text": "a"}'
    wait_until 10 fake_stat_is exact .requests_total $((${#fds[@]} + 1))
    fds+=("$fd")
  done
  exec {held}<>"/dev/tcp/127.0.0.1/$FAKE_PORT_exact"
  send "$held" '{"wait_head": true}'
  wait_until 10 fake_stat_is exact .waiting 1
  kill -STOP "$pid"
  wait_until 10 stands_still "$pid"
  exec {held}>&-
  for fd in "${fds[@]}"; do
    send "$fd" '{}'
  done
  kill -CONT "$pid"
  wait_until 10 fake_stat_is exact .requests_total 7
  assert_equal "$(fake_stats exact .aborted)" 1 left
  assert_equal "$(fake_stats exact .max_concurrent)" 1 'most at a time'
  for fd in "${fds[@]}"; do
    exec {fd}>&-
  done
  fake_stop exact
}

@test "fake: 400 connections at once -> all answered, counted in /fake/stats" {
  local before
  before=$(fake_stats a '.requests["/v1/chat/completions"] // 0')
  seq 400 | xargs -P 40 -n 10 bash -c 'for i in "$@"; do
    echo "url = $0"; echo "output = /dev/null"; done |
    curl -sS -Z --parallel-immediate --data-binary "{\"messages\":[]}" -K -' \
    "$FAKE_URL_a/v1/chat/completions"
  assert_equal "$(fake_stats a '.requests["/v1/chat/completions"]')" "$((before + 400))"
  wait_until 2 fake_stat_is a .open_connections 0
}

@test "fake: SIGTERM -> exits at once; --ignore-sigterm -> does not" {
  fake_start mortal
  fake_stop mortal TERM
  fake_start stubborn --ignore-sigterm
  kill -TERM "$(gw_pid fake-stubborn)"
  gw_get "$FAKE_URL_stubborn/health"
  assert_status 200
  fake_stop stubborn KILL
}

# fake_end NAME [OPTIONS] - run one that is to end by itself; sets $ended, its
# exit status, $log_file, what it said.
fake_end() {
  local name=$1
  shift
  log_file=$BATS_TEST_TMPDIR/$name.err
  ended=0
  timeout 300 "$TOP_BUILDDIR/tests/fake/fake_llama" --port 0 --name "$name" "$@" \
    2>"$log_file" || ended=$?
}

@test "fake: --exit-after-s -> ends by --exit-signal, or with --exit-status" {
  fake_end a --exit-after-s 0.05 --exit-signal 11
  assert_equal "$ended" 139
  run ! grep -i sanitizer "$log_file"
  fake_end b --exit-after-s 0.05 --exit-status 3
  assert_equal "$ended" 3
  fake_end c --exit-after-s 0
  assert_equal "$ended" 0
}

@test "fake: PUT /fake/exit mid-stream -> answered, then the stream is cut" {
  fake_start doomed
  stream_to "$BATS_TEST_TMPDIR/s" "$FAKE_URL_doomed/v1/chat/completions" \
    "$(chat_json m '{"stream": true, "fake": {"tokens": 1000000, "delay_ms": 20}}')"
  wait_until 5 stream_has "$BATS_TEST_TMPDIR/s" 2
  gw_request PUT "$FAKE_URL_doomed/fake/exit" --data-binary '{"signal": 9}'
  assert_status 200
  stream_wait
  ((stream_status == 18 || stream_status == 56))
  wait_until 5 gone "$(gw_pid fake-doomed)"
}

@test "fake: PUT /fake/exit while loading -> ends with that status" {
  "$TOP_BUILDDIR/tests/fake/fake_llama" --port 0 --port-file "$BATS_TEST_TMPDIR/port" \
    --loading-s 100 2>/dev/null 3>&- &
  local pid=$! status=0
  wait_until 5 test -s "$BATS_TEST_TMPDIR/port"
  gw_request PUT "http://127.0.0.1:$(<"$BATS_TEST_TMPDIR/port")/fake/exit" \
    --data-binary '{"status": 7}'
  assert_status 200
  wait "$pid" || status=$?
  assert_equal "$status" 7
}

@test "fake: PUT /fake/exit with anything else -> 400, and it goes on" {
  for body in '' '{}' '{"signal": 0}' '{"signal": 65}' '{"status": 256}' \
    '{"signal": 9, "status": 1}' '{"signal": "9"}'; do
    gw_request PUT "$FAKE_URL_a/fake/exit" --data-binary "$body"
    assert_status 400
  done
  gw_get "$FAKE_URL_a/health"
  assert_status 200
}

@test "fake: --start-s -> does not listen before, and SIGTERM ends it meanwhile" {
  local before
  before=$(mono_ms)
  fake_start late --start-s 0.5
  (($(mono_ms) - before >= 500))
  gw_get "$FAKE_URL_late/health"
  assert_status 200
  fake_stop late TERM
  "$TOP_BUILDDIR/tests/fake/fake_llama" --port 0 --start-s 1000 3>&- &
  wait_until 5 grep -qsa start-s "/proc/$!/cmdline" # not the shell any more
  kill -TERM $!
  wait_until 5 gone $!
}

@test "fake: --stop-s -> a stream goes on after SIGTERM, a second one ends it with 1" {
  "$TOP_BUILDDIR/tests/fake/fake_llama" --port 0 --port-file "$BATS_TEST_TMPDIR/port" \
    --stop-s 100 2>/dev/null 3>&- &
  local pid=$! status=0
  wait_until 5 test -s "$BATS_TEST_TMPDIR/port"
  stream_to "$BATS_TEST_TMPDIR/s" \
    "http://127.0.0.1:$(<"$BATS_TEST_TMPDIR/port")/v1/chat/completions" \
    "$(chat_json m '{"stream": true, "fake": {"tokens": 1000000, "delay_ms": 10}}')"
  wait_until 5 stream_has "$BATS_TEST_TMPDIR/s" 1
  kill -TERM "$pid"
  local seen
  seen=$(stream_tokens "$BATS_TEST_TMPDIR/s" | wc -l)
  wait_until 5 stream_has "$BATS_TEST_TMPDIR/s" $((seen + 20))
  kill -TERM "$pid"
  wait "$pid" || status=$?
  assert_equal "$status" 1
  stream_wait
}

@test "fake: --stop-s is over -> ends with 0" {
  "$TOP_BUILDDIR/tests/fake/fake_llama" --port 0 --port-file "$BATS_TEST_TMPDIR/port" \
    --stop-s 0.1 3>&- &
  wait_until 5 test -s "$BATS_TEST_TMPDIR/port"
  kill -TERM $!
  wait $!
}

@test "fake: --script -> defaults of every script, a bad one is refused" {
  fake_start written --script '{"status": 429}'
  gw_post "$FAKE_URL_written/v1/chat/completions" "$(chat_json m)"
  assert_status 429
  fake_mode written '{"status": 500}'
  fake_mode written '{}'
  gw_post "$FAKE_URL_written/v1/chat/completions" "$(chat_json m)"
  assert_status 429
  fake_stop written
  fake_end typo --script '{"tokns": 1}'
  assert_equal "$ended" 2
  run -0 grep 'unknown key tokns' "$log_file"
}

@test "fake: --llama-log -> llama-server's words, for a taken port as well" {
  fake_end worded --exit-after-s 0.1 --llama-log /m.gguf
  run -0 grep -cE "^0\.00\.[0-9]{3}\.[0-9]{3} I srv    load_model: loading model '/m.gguf'|I srv  llama_server: (model loaded|listening on http://127.0.0.1:[1-9])" "$log_file"
  assert_equal "$output" 3
  fake_end late --port "$FAKE_PORT_a" --llama-log /m.gguf
  assert_equal "$ended" 1
  run -0 grep "E srv         start: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: $FAKE_PORT_a" "$log_file"
}
