// SPDX-License-Identifier: MIT
//
// situations.mjs - nodes in random situations; in each a request is explained,
// then really sent, and both must say the same.
//
//   node situations.mjs GATEWAY-URL OPERATOR-KEY SEED COUNT UPSTREAM-URL...
//
// Prints one line for each disagreement and a line of what was seen; exits with 1
// when there was a disagreement.
import http from "node:http";

const [base, key, seed, count, ...upstreams] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true });
const NODES = 5;

let state = Number(seed) >>> 0 || 1;
function random(n) {
  state ^= state << 13;
  state >>>= 0;
  state ^= state >>> 17;
  state ^= state << 5;
  state >>>= 0;
  return state % n;
}

function ask(method, path, doc, headers = {}, own = agent) {
  const text = doc === undefined ? "" : JSON.stringify(doc);
  let request;
  const answer = new Promise((resolve, reject) => {
    request = http.request(base + path, {
      method,
      agent: own,
      headers: {
        "Content-Type": "application/json",
        "Content-Length": Buffer.byteLength(text),
        ...headers,
      },
    });
    request.on("response", (response) => {
      let body = "";
      response.on("data", (piece) => (body += piece));
      response.on("end", () => {
        let parsed = null;
        try {
          parsed = JSON.parse(body);
        } catch {
          // an event stream
        }
        resolve({ status: response.statusCode, body: parsed });
      });
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end(text);
  });
  answer.leave = () => request.destroy();
  return answer;
}

const operator = { Authorization: `Bearer ${key}` };

async function must(method, path, doc, headers) {
  const answer = await ask(method, path, doc, headers);
  if (answer.status !== 200) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

async function until(what, condition) {
  for (let i = 0; i < 400; i += 1) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`never came: ${what}`);
}

const inFlight = async (i) => (await must("GET", `/rolemesh/explain?model=only-${i}`, undefined, operator)).aliases[0].candidates[0]?.in_flight;

// ---- situations --------------------------------------------------------------

const held = [];

async function hold(i) {
  const request = ask("POST", "/v1/chat/completions", { model: `only-${i}`, messages: [], fake: { wait_head: true } }, {}, new http.Agent());
  request.catch(() => {});
  held.push([i, request]);
  await until(`a request at n${i}`, async () => (await inFlight(i)) === 1);
}

async function letGo() {
  for (const [i, request] of held.splice(0)) {
    request.leave();
    await until(`none at n${i}`, async () => !(await inFlight(i)));
  }
}

async function arrange() {
  const told = [];
  await letGo();
  for (let i = 0; i < NODES; i += 1) {
    const id = `n${i}`;
    const bound = random(3) === 0 ? {} : { max_concurrency: 1 };
    const what = ["ready", "ready", "ready", "loading", "failed", "gone", "drained", "full"][random(8)];
    await ask("POST", `/rolemesh/nodes/${id}/undrain`, undefined, operator);
    await must("POST", "/v1/nodes/register", {
      node_id: id,
      base_url: upstreams[i % upstreams.length],
      served_models: [{ model_id: `m${i}`, roles: ["r", `only-${i}`], weight: 1 + random(3), ...bound }],
    });
    if (what === "loading" || what === "failed")
      await must("POST", "/v1/nodes/heartbeat", { node_id: id, metrics: { models: { [`m${i}`]: { state: what } } } });
    if (what === "full" && bound.max_concurrency && !ejected.has(i)) await hold(i);
    if (what === "gone") await must("POST", "/v1/nodes/deregister", { node_id: id });
    if (what === "drained") await must("POST", `/rolemesh/nodes/${id}/drain`, undefined, operator);
    told.push(`${id}:${what}`);
  }
  return told.join(" ");
}

// One that lost a connection in the middle of an answer is ejected at once here.
const ejected = new Set();

async function eject(i) {
  await letGo();
  await ask("POST", `/rolemesh/nodes/n${i}/undrain`, undefined, operator);
  await must("POST", "/v1/nodes/register", {
    node_id: `n${i}`,
    base_url: upstreams[i % upstreams.length],
    served_models: [{ model_id: `m${i}`, roles: ["r", `only-${i}`] }],
  });
  await ask("POST", "/v1/chat/completions", { model: `only-${i}`, messages: [], fake: { close_before_answer: true } });
  await until(`n${i} is ejected`, async () => {
    const doc = await must("GET", `/rolemesh/explain?model=only-${i}`, undefined, operator);
    return doc.aliases[0].candidates[0].state === "ejected";
  });
  ejected.add(i);
}

// ---- both ways ---------------------------------------------------------------

const models = ["rr", "rnd", "lb", "aff", "proxy", "stands-in", "hasty", "never", "only-0", "only-3"];
const seen = {};

async function compare(n, situation) {
  const body = {
    model: models[random(models.length)],
    messages: [{ role: "user", content: `conversation ${random(6)} has to be long enough to be known by its beginning` }],
    ...(random(2) && { temperature: 0.5 }),
  };
  const explained = await must("POST", "/rolemesh/explain", body, operator);
  const again = await must("POST", "/rolemesh/explain", body, operator);
  const id = `situation-${seed}-${n}`;
  const answer = await ask("POST", "/v1/chat/completions", body, { "X-Request-Id": id });
  let record;
  await until("the record", async () => {
    const last = await must("GET", "/rolemesh/requests?limit=4", undefined, operator);
    record = last.requests.find((it) => it.id === id);
    return record;
  });
  const first = record.attempts[0]?.candidate;
  const may = explained.aliases
    .flatMap((alias) => alias.candidates.map((it) => ({ ...it, alias: alias.alias })))
    .filter((it) => it.chosen || it.chance)
    .map((it) => it.node ?? it.alias);
  let fits;
  if (explained.would === "send") fits = record.queue_ms === 0 && may.includes(first);
  else if (explained.would === "wait") fits = record.queue_ms > 0;
  else fits = record.queue_ms === 0 && !first && answer.status === explained.status && answer.body.error.code === explained.code;
  const same = JSON.stringify(explained) === JSON.stringify(again);
  const word = explained.would === "send" ? (may.length > 1 ? "send by chance" : "send") : explained.would;
  seen[word] = (seen[word] ?? 0) + 1;
  if (explained.alias !== body.model && explained.would === "send") seen["by a fallback"] = (seen["by a fallback"] ?? 0) + 1;
  if (fits && same) return 0;
  console.log(`${n}: ${situation}; ${body.model}: ${same ? "" : "explained twice, differently; "}explained ${explained.would} ${may.join("|")} ${explained.status ?? ""} ${explained.code ?? ""}; was ${answer.status} ${record.error ?? ""} at ${first ?? "nobody"}, queued ${record.queue_ms} ms`);
  return 1;
}

let wrong = 0;
for (let n = 0; n < Number(count); n += 1) {
  if (n === Math.floor(count * 0.7)) await eject(0);
  if (n === Math.floor(count * 0.85)) await eject(3);
  wrong += await compare(n, await arrange());
}
await letGo();
console.log(JSON.stringify(seen));
process.exit(wrong ? 1 : 0);
