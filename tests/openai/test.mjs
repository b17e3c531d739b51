// SPDX-License-Identifier: MIT
//
// test.mjs - the official client against a running gateway, as its users write
// it. Prints TAP; 850-openai-client.bats starts the gateway, runs this and
// reports each case. Needs GW_URL, FAKE_URL (its upstream) and Node 18 or later.

import assert from 'node:assert/strict';
import OpenAI from 'openai';

const { GW_URL, FAKE_URL } = process.env;
const connect = (options) => new OpenAI({
  baseURL: `${GW_URL}/v1`, apiKey: 'sesame', maxRetries: 0, ...options,
});
const client = connect();
const messages = [{ role: 'user', content: 'hello there' }];
const ECHO = '[scripted upstream alpha] You said: hello there';

const cases = [];
const test = (name, run) => cases.push({ name, run });

// What the upstream is told to do travels in the body, which the gateway passes.
const chat = (fake, more = {}, options = {}) => client.chat.completions
  .create({ model: 'planner', messages, ...(fake && { fake }), ...more }, options);

const thrown = async (promise, kind) => {
  const error = await promise.then(
    () => assert.fail('this should have failed'), (e) => e);
  assert.equal(error.constructor, kind, `${error.constructor.name}: ${error.message}`);
  return error;
};

const collect = async (stream) => {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return parts;
};

const textOf = (parts) => parts
  .map((part) => part.choices[0]?.delta?.content ?? '').join('');

const upstream = async () => (await fetch(`${FAKE_URL}/fake/stats`)).json();

// Polls for up to forty seconds: other processes are under way.
const eventually = async (what, check) => {
  for (let left = 800; left > 0; left--) {
    if (await check()) return;
    await new Promise((resolve) => { setTimeout(resolve, 50); });
  }
  assert.fail(`never came true: ${what}`);
};

const upstreamIsIdle = () => eventually('the upstream has nothing open',
  async () => (await upstream()).active === 0);

// Once an answer waits for it, have the upstream take one step (wait_head,
// wait_tokens).
const go = async () => {
  await eventually('an answer waits', async () => (await upstream()).waiting === 1);
  await fetch(`${FAKE_URL}/fake/go`, { method: 'PUT' });
};

// --- models ---

test('models.list -> the usable models, and no others', async () => {
  const found = await collect(client.models.list());
  assert.deepEqual(found.map((m) => m.id).sort(), ['planner', 'slow', 'team/writer']);
  assert.ok(found.every((m) => m.object === 'model' && Number.isInteger(m.created)));
});

test('models.retrieve of an id with a slash -> that model', async () => {
  assert.equal((await client.models.retrieve('team/writer')).id, 'team/writer');
});

test('models.retrieve of an unknown id -> NotFoundError', async () => {
  const error = await thrown(client.models.retrieve('stranger'), OpenAI.NotFoundError);
  assert.equal(error.code, 'model_not_found');
});

// --- answers ---

test('chat.completions.create -> the answer', async () => {
  const answer = await chat();
  assert.equal(answer.choices[0].message.content, ECHO);
  assert.equal(answer.choices[0].finish_reason, 'stop');
  assert.ok(answer.usage.total_tokens > 0);
});

test('any answer -> its request id as _request_id, the route as headers', async () => {
  const { data, response } = await chat(null, {}, {
    headers: { 'X-Request-Id': 'from-the-client-1' },
  }).withResponse();
  assert.equal(data._request_id, 'from-the-client-1');
  assert.equal(response.headers.get('x-rolemesh-model'), 'planner');
  assert.match((await client.models.retrieve('planner'))._request_id, /^req_[0-9a-f]{32}$/);
});

test('completions.create -> the text', async () => {
  const answer = await client.completions.create({ model: 'planner', prompt: 'hello there' });
  assert.equal(answer.choices[0].text, ECHO);
});

test('embeddings.create -> vectors of numbers', async () => {
  const answer = await client.embeddings.create({
    model: 'planner', input: ['one', 'two'], encoding_format: 'float',
  });
  assert.equal(answer.data.length, 2);
  assert.ok(answer.data.every((d) => d.embedding.length > 0
    && d.embedding.every((x) => Number.isFinite(x))));
});

test('tools -> the recorded tool call', async () => {
  const answer = await chat({ raw_file: 'chat-tools.http' }, { tools: [weather] });
  assert.equal(answer.choices[0].finish_reason, 'tool_calls');
  checkToolCall(answer.choices[0].message.tool_calls[0]);
});

test('tools, streamed -> the recorded tool call, put together', async () => {
  const stream = client.chat.completions.stream({
    model: 'planner', messages, tools: [weather],
    fake: { raw_file: 'chat-tools-stream.http', raw_split: 50 },
  });
  const answer = await stream.finalChatCompletion();
  checkToolCall(answer.choices[0].message.tool_calls[0]);
});

const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } } },
  },
};

function checkToolCall(call) {
  assert.equal(call.type, 'function');
  assert.equal(call.function.name, 'get_weather');
  assert.equal(typeof JSON.parse(call.function.arguments), 'object');
}

test('responses.create -> output_text', async () => {
  const answer = await client.responses.create({ model: 'planner', input: 'hello there' });
  assert.equal(answer.output_text, ECHO);
});

// --- streams ---

test('a streamed chat -> the pieces of the answer, one by one', async () => {
  const parts = await collect(await chat(null, { stream: true }));
  assert.equal(textOf(parts), ECHO);
  assert.ok(parts.length > 4);
  assert.equal(parts.at(-1).choices[0].finish_reason, 'stop');
});

test('a streamed chat with include_usage -> usage in the last piece', async () => {
  const parts = await collect(await chat({ tokens: 3 }, {
    stream: true, stream_options: { include_usage: true },
  }));
  assert.equal(parts.at(-1).usage.completion_tokens, 3);
});

test('a silent upstream -> comments do no harm to the stream', async () => {
  // it begins with a comment, as nothing else is there
  const stream = await chat({ wait_head: true, tokens: 3 }, { stream: true });
  await go();
  const parts = await collect(stream);
  assert.equal(textOf(parts).replaceAll(' ', ''), 't1t2t3');
});

test('a streamed response -> its events, the end included', async () => {
  const parts = await collect(await client.responses.create({
    model: 'planner', input: 'hello there', stream: true,
  }));
  assert.equal(parts[0].type, 'response.created');
  assert.equal(parts.at(-1).type, 'response.completed');
  assert.equal(parts.filter((p) => p.type === 'response.output_text.delta')
    .map((p) => p.delta).join(''), ECHO);
});

test('the upstream dies mid-stream -> the pieces, then an APIError', async () => {
  const parts = [];
  const [stream] = await Promise.all([chat(
    { tokens: 9, wait_tokens: true, die_after_tokens: 2 }, { stream: true }), go()]);
  const error = await thrown((async () => {
    for await (const part of stream) {
      parts.push(part);
      if (textOf([part])) await go();
    }
  })(), OpenAI.APIError);
  assert.equal(error.code, 'upstream_protocol_error');
  assert.equal(textOf(parts).replaceAll(' ', ''), 't1t2');
});

test('an upstream error after the first comment -> an APIError', async () => {
  const stream = await chat({
    wait_head: true, status: 400,
    body: '{"error":{"message":"too long","type":"invalid_request_error","code":400}}',
  }, { stream: true });
  await go();
  const error = await thrown(collect(stream), OpenAI.APIError);
  assert.match(error.message, /too long/);
});

test('a response whose upstream dies -> an error of that dialect', async () => {
  const [stream] = await Promise.all([client.responses.create({
    model: 'planner', input: 'x', stream: true,
    fake: { tokens: 9, wait_tokens: true, die_after_tokens: 2 },
  }), go()]);
  const seen = [];
  const outcome = await (async () => {
    for await (const part of stream) {
      seen.push(part);
      if (part.type === 'response.output_text.delta') await go();
    }
  })().then(() => seen.at(-1), (e) => e);
  assert.equal(outcome.code, 'upstream_protocol_error');
});

// --- leaving ---

test('controller.abort in mid-stream -> the upstream is cancelled', async () => {
  const stream = await chat({ tokens: 1000000, delay_ms: 50 }, { stream: true });
  let n = 0;
  for await (const part of stream) {
    if (textOf([part])) n += 1;
    if (n === 2) stream.controller.abort();
  }
  assert.ok(n >= 2 && n < 1000000, `${n} tokens`); // one chunk may hold several
  await upstreamIsIdle();
});

test('break out of a stream -> the upstream is cancelled', async () => {
  for await (const part of await chat({ tokens: 1000000, delay_ms: 50 }, { stream: true })) {
    if (textOf([part])) break;
  }
  await upstreamIsIdle();
});

test('a signal before the answer -> APIUserAbortError, the upstream is cancelled', async () => {
  const controller = new AbortController();
  const request = chat({ never: true }, {}, { signal: controller.signal });
  await eventually('the upstream has the request',
    async () => (await upstream()).active === 1);
  controller.abort();
  await thrown(request, OpenAI.APIUserAbortError);
  await upstreamIsIdle();
});

test("the client's own timeout -> APIConnectionTimeoutError, the upstream is cancelled", async () => {
  await thrown(chat({ never: true }, {}, { timeout: 700 }),
    OpenAI.APIConnectionTimeoutError);
  await upstreamIsIdle();
});

// --- errors ---

const refusals = [
  ['a wrong key -> AuthenticationError', OpenAI.AuthenticationError, 401, 'invalid_api_key',
    () => connect({ apiKey: 'wrong' }).models.list()],
  ['an unknown model -> NotFoundError', OpenAI.NotFoundError, 404, 'model_not_found',
    () => chat(null, { model: 'stranger' })],
  ['an endpoint that does not exist -> NotFoundError', OpenAI.NotFoundError, 404, 'not_found',
    () => client.images.generate({ prompt: 'a mesh' })],
  ['a model that is no string -> BadRequestError', OpenAI.BadRequestError, 400, 'invalid_request',
    () => chat(null, { model: 5 })],
  ['a body just over the limit -> APIError 413', OpenAI.APIError, 413, 'request_too_large',
    () => chat(null, { user: 'u'.repeat(1 << 20) })],
  ['no node -> InternalServerError 503', OpenAI.InternalServerError, 503, 'no_available_node',
    () => chat(null, { model: 'reviewer' })],
  ['an upstream that is not there -> InternalServerError 502', OpenAI.InternalServerError, 502,
    'upstream_unreachable', () => chat(null, { model: 'nobody-there' })],
  ['an upstream over its time limit -> InternalServerError 504', OpenAI.InternalServerError, 504,
    'upstream_timeout', () => chat({ never: true }, { model: 'slow' })],
];

for (const [name, kind, status, code, ask] of refusals) {
  test(name, async () => {
    const error = await thrown(ask(), kind);
    assert.equal(error.status, status);
    assert.equal(error.code, code);
    assert.ok(error.message.length > status.toString().length + 10, error.message);
    assert.match(error.requestID, /^req_/);
  });
}

test('a body far over the limit -> the web server says 413', async () => {
  const error = await thrown(chat(null, { user: 'u'.repeat(3 << 20) }), OpenAI.APIError);
  assert.equal(error.status, 413);
  assert.equal(error.code, 'request_too_large');
});

test("an upstream's 429 -> RateLimitError with its own words", async () => {
  const error = await thrown(chat({
    status: 429, body: '{"error":{"message":"all slots are busy","type":"x","code":"busy"}}',
  }), OpenAI.RateLimitError);
  assert.match(error.message, /all slots are busy/);
  assert.equal(error.code, 'busy');
});

test("the client's retries -> as often as it was told, at the upstream's pace", async () => {
  const path = '/v1/chat/completions';
  const before = (await upstream()).requests[path];
  // an alias without further attempts of the gateway's own
  await thrown(chat({ status: 503, headers: { 'Retry-After': '0' } }, { model: 'team/writer' },
    { maxRetries: 2 }), OpenAI.InternalServerError);
  assert.equal((await upstream()).requests[path] - before, 3);
});

// --- the run ---

const indent = (text) => String(text).replace(/^/gm, '# ');

console.log(`1..${cases.length}`);
let failed = 0;
for (const [i, { name, run }] of cases.entries()) {
  try {
    await run();
    console.log(`ok ${i + 1} - ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`not ok ${i + 1} - ${name}\n${indent(error.stack ?? error)}`);
  }
}
process.exit(failed ? 1 : 0);
