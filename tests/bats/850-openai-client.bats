#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# 850-openai-client.bats - the official client of the OpenAI API works with the
# gateway as it does with the original. tests/openai/test.mjs has the cases; it
# runs once, and each of its cases is a test here.

load helpers/all

setup_file() {
  gw_setup
  gw_requires node
  if [[ ! -d $TOP_SRCDIR/tests/openai/node_modules/openai ]]; then
    echo "the client is not installed: ./bootstrap check, or npm ci in tests/openai" >&2
    return 1
  fi
  fake_start alpha
  gw_config <<YAML
gateway: { max_body_bytes: 1048576, sse_keepalive_s: 1, shutdown_grace_s: 2,
  probe_timeout_s: 60 }
auth: { client_api_keys: [sesame] }
models:
  planner: { type: proxy, proxy_url: "$FAKE_URL_alpha" }
  team/writer: { type: proxy, proxy_url: "$FAKE_URL_alpha", retry: { attempts: 0 } }
  slow: { type: proxy, proxy_url: "$FAKE_URL_alpha", timeouts: { first_byte_s: 0.5 } }
  nobody-there: { type: proxy, proxy_url: "http://127.0.0.1:$(free_ports 1)" }
  reviewer: { type: discovered }
YAML
  gw_start
  FAKE_URL=$FAKE_URL_alpha node "$TOP_SRCDIR/tests/openai/test.mjs" \
    >"$GW_DIR/client.tap" 2>"$GW_DIR/client.log" || true
}

teardown_file() {
  gw_teardown
}

teardown() {
  gw_dump_if_failed
}

# passed - the case of test.mjs that this test is named after did.
passed() {
  local name=${BATS_TEST_DESCRIPTION#openai client: }
  awk -v name="$name" '
    /^(not )?ok / { here = substr($0, index($0, " - ") + 3) == name }
    here { print }
    here && /^ok / { good = 1 }
    END { exit !good }' "$GW_DIR/client.tap"
}

@test "openai client: models.list -> the usable models, and no others" { passed; }
@test "openai client: models.retrieve of an id with a slash -> that model" { passed; }
@test "openai client: models.retrieve of an unknown id -> NotFoundError" { passed; }
@test "openai client: chat.completions.create -> the answer" { passed; }
@test "openai client: any answer -> its request id as _request_id, the route as headers" { passed; }
@test "openai client: completions.create -> the text" { passed; }
@test "openai client: embeddings.create -> vectors of numbers" { passed; }
@test "openai client: tools -> the recorded tool call" { passed; }
@test "openai client: tools, streamed -> the recorded tool call, put together" { passed; }
@test "openai client: responses.create -> output_text" { passed; }
@test "openai client: a streamed chat -> the pieces of the answer, one by one" { passed; }
@test "openai client: a streamed chat with include_usage -> usage in the last piece" { passed; }
@test "openai client: a silent upstream -> comments do no harm to the stream" { passed; }
@test "openai client: a streamed response -> its events, the end included" { passed; }
@test "openai client: the upstream dies mid-stream -> the pieces, then an APIError" { passed; }
@test "openai client: an upstream error after the first comment -> an APIError" { passed; }
@test "openai client: a response whose upstream dies -> an error of that dialect" { passed; }
@test "openai client: controller.abort in mid-stream -> the upstream is cancelled" { passed; }
@test "openai client: break out of a stream -> the upstream is cancelled" { passed; }
@test "openai client: a signal before the answer -> APIUserAbortError, the upstream is cancelled" { passed; }
@test "openai client: the client's own timeout -> APIConnectionTimeoutError, the upstream is cancelled" { passed; }
@test "openai client: a wrong key -> AuthenticationError" { passed; }
@test "openai client: an unknown model -> NotFoundError" { passed; }
@test "openai client: an endpoint that does not exist -> NotFoundError" { passed; }
@test "openai client: a model that is no string -> BadRequestError" { passed; }
@test "openai client: a body just over the limit -> APIError 413" { passed; }
@test "openai client: a body far over the limit -> the web server says 413" { passed; }
@test "openai client: no node -> InternalServerError 503" { passed; }
@test "openai client: an upstream that is not there -> InternalServerError 502" { passed; }
@test "openai client: an upstream over its time limit -> InternalServerError 504" { passed; }
@test "openai client: an upstream's 429 -> RateLimitError with its own words" { passed; }
@test "openai client: the client's retries -> as often as it was told, at the upstream's pace" { passed; }

@test "openai client: every case of test.mjs -> is one of these tests" {
  assert_equal "$(sed -nE 's/^(not )?ok [0-9]+ - //p' "$GW_DIR/client.tap" | sort)" \
    "$(sed -nE 's/^@test "openai client: (.*)" \{ passed; \}$/\1/p' "$BATS_TEST_FILENAME" | sort)" \
    'list of cases'
  assert_equal "$(grep -cE '^(not )?ok ' "$GW_DIR/client.tap")" \
    "$(sed -n 's/^1\.\.//p' "$GW_DIR/client.tap")" 'number of cases'
}
