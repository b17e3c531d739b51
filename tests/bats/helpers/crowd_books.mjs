// SPDX-License-Identifier: MIT
//
// crowd_books.mjs - do the books of crowd.mjs, of the gateway and of the upstreams
// agree, and were the limits of crowd_plan.mjs kept?
//
//   node crowd_books.mjs BOOK GATEWAY_LOG FAKE_LOGS KILLED
//
// FAKE_LOGS is a folder with a fake-ALIAS.log for each alias. KILLED is 1 where
// responders were killed meanwhile: what they had in hand was lost, and has no
// record; everything else holds as well. Prints one JSON object:
//   wrong     what does not add up, in words; [] is what a test wants
//   requests, how, codes   what became of all requests
//   unrecorded  of them were answered by a process that was killed before it said so
//   refused   {code: times}, of requests that were not left, to compare with counters
//   records, gone          access records in all, and those of clients that left
//   at_once   {alias: the most at its upstream}
//   of_client {client: the most of it at its upstreams}, where it has a limit
//   rates     {client: [got, the least and the most that it may have got]}
//   shares    {alias: {client: answers}} of those that want the same
//   window_s  {alias: how long they were counted for}
//   hungry    {alias: how many of each wait on average, of whom fewest do}
//   others    {client: answers} of who else asked there meanwhile
//   queue_ms  {class: how long one of it waits at "shared", on average}
//   free_ms   {alias: how long a slot was free: median, 90 and 99 of 100, longest}
//   slot_s    {client: seconds at upstreams, in all}
import { readFileSync } from "node:fs";
import { clients, aliases, answers } from "./crowd_plan.mjs";

const [bookFile, logFile, fakes, killed] = process.argv.slice(2);
const strict = killed !== "1";
const wrong = [];
const TOLD = 40;
const HUNGRY = 3;

function expect(what, ...words) {
  if (!what && wrong.length < TOLD) wrong.push(words.join(" "));
  return what;
}

function lines(file) {
  return readFileSync(file, "utf8").split("\n").filter((l) => l !== "");
}

function tally(list, of) {
  const n = {};
  for (const it of list) n[of(it)] = (n[of(it)] ?? 0) + 1;
  return n;
}

const book = lines(bookFile).map((l) => JSON.parse(l));
const byId = new Map(book.map((b) => [b.id, b]));
const client = Object.fromEntries(clients.map((c) => [c.name, c]));
expect(byId.size === book.length, "two requests have one id");

// ---- answers ----------------------------------------------------------------

// What the answer was: "ok", a code, or "" where the client cannot tell.
function outcome(b) {
  if (b.how === "whole") return "ok";
  return b.how === "error" && b.gateway ? b.code : "";
}

for (const b of book) {
  const c = client[b.client];
  const what = outcome(b);
  expect(b.how !== "wrong", b.id, "is wrong:", b.why);
  expect(b.how !== "left" || c.leaves, b.id, "was left");
  if (strict) {
    // a kept connection may be closed just as the next request is sent
    expect(b.how !== "cut" || (b.reused && b.status === 0), b.id, "was cut, status", b.status);
    expect(b.how !== "error" || b.gateway, b.id, "was answered", b.status, "by the web server");
  }
  if (!what) continue;
  // what a killed process had under way counts until it is known to be dead
  const late = !strict && what === "client_busy" && c.entry?.max_concurrency;
  expect(late || c.codes[b.alias].includes(what), b.id, "to", b.alias, "was answered", what);
  const status = answers[what] ?? 200;
  expect(
    b.status === status || (b.stream && b.status === 200),
    b.id,
    "has status",
    b.status,
    "with",
    what,
  );
  const refusal = b.status === 429 || b.status === 503;
  expect(!refusal || /^([1-9]|[1-5][0-9]|60)$/.test(b.retry_after), b.id, "has Retry-After", b.retry_after);
  const limit = c.entry?.requests_per_minute;
  expect((b.rate?.[0] ?? 0) === (limit ?? 0), b.id, "was told a rate of", b.rate);
  // the request itself is taken from it, unless it is refused for being too many
  const left = what === "rate_limited" ? 0 : what === "client_busy" ? limit : limit - 1;
  expect(!b.rate || (b.rate[1] >= 0 && b.rate[1] <= left), b.id, "was told", b.rate, "with", what);
}
const begunUs = Math.min(...book.map((b) => b.sent_us));
const lastSent = Math.max(...book.map((b) => b.sent_us));
for (const c of clients) {
  const own = book.filter((b) => b.client === c.name);
  expect(own.length >= c.connections, c.name, "asked", own.length, "times");
  // who waits behind better classes has risen twice in a minute
  const by = strict && lastSent - begunUs > 50e6 ? lastSent : Infinity;
  expect(
    own.some((b) => b.how === "whole" && b.ended_us <= by),
    c.name,
    "never got an answer while others asked",
  );
}

// ---- the gateway's records --------------------------------------------------

const records = lines(logFile)
  .filter((l) => l.includes(" event=access "))
  .map((l) => Object.fromEntries([...l.matchAll(/ ([a-z_]+)=("[^"]*"|\S*)/g)].map((m) => [m[1], m[2]])));
const ours = records.filter((r) => byId.has(r.rid));
const recordOf = new Map(ours.map((r) => [r.rid, r]));
expect(recordOf.size === ours.length, "a request has two records");

for (const r of ours) {
  const b = byId.get(r.rid);
  const what = outcome(b);
  const name = client[b.client].entry ? b.client : r.key;
  expect(r.key === name && /^[a-z0-9]+$/.test(r.key), b.id, "is recorded for key", r.key);
  if (!what) continue;
  expect(
    Number(r.status) === b.status && r.error === (what === "ok" ? "-" : what),
    b.id,
    "was answered",
    b.status,
    what,
    "and recorded as",
    r.status,
    r.error,
  );
}
const cut = book.filter((b) => b.how === "cut" || (b.how === "error" && !b.gateway));
const unrecorded = book.filter((b) => outcome(b) && !recordOf.has(b.id));
// a process that is killed may just have answered, and not yet recorded that
for (const b of unrecorded)
  expect(unrecorded.length <= cut.length, b.id, outcome(b), "has no record");
if (strict) for (const b of cut) expect(!recordOf.has(b.id), b.id, "was cut and is recorded");

// The same, by key, as anybody would add it up.
for (const c of clients) {
  const seen = book.filter((b) => b.client === c.name);
  const told = ours.filter((r) => byId.get(r.rid).client === c.name);
  const left = seen.filter((b) => b.how === "left").length;
  const unsure = left + seen.filter((b) => cut.includes(b)).length;
  for (const status of [200, 403, 404, 429, 503]) {
    const theirs = seen.filter((b) => b.how !== "left" && b.gateway && b.status === status).length;
    const its = told.filter((r) => Number(r.status) === status).length;
    expect(
      its <= theirs + unsure && (its >= theirs || !strict),
      c.name,
      "got",
      status,
      theirs,
      "times, recorded are",
      its,
    );
  }
  const gone = told.filter((r) => r.status === "499").length;
  expect(gone <= unsure, c.name, "left", left, "times, recorded are", gone);
}

// ---- at the upstreams -------------------------------------------------------

const atOnce = {};
const ofClient = {};
const running = {};
const reached = new Map();
const slotUs = {};
const freeMs = {};
for (const alias of Object.keys(aliases)) {
  const open = new Map();
  const freed = [];
  const free = [];
  let n = 0;
  atOnce[alias] = 0;
  for (const line of lines(`${fakes}/fake-${alias}.log`)) {
    const e = JSON.parse(line);
    if (e.event === "request") {
      const id = e.headers.find(([name]) => name === "X-Request-Id")?.[1];
      const b = byId.get(id);
      if (!b) continue; // a probe
      expect(b.alias === alias, id, "came to the upstream of", alias);
      expect(!reached.has(id), id, "came upstream twice");
      reached.set(id, e);
      open.set(e.id, { client: b.client, t_us: e.t_us });
      n += 1;
      if (freed.length > 0) free.push((e.t_us - freed.shift()) / 1000);
      atOnce[alias] = Math.max(atOnce[alias], n);
      if (client[b.client].entry?.max_concurrency) {
        running[b.client] = (running[b.client] ?? 0) + 1;
        ofClient[b.client] = Math.max(ofClient[b.client] ?? 0, running[b.client]);
      }
    } else if (open.has(e.id)) {
      const it = open.get(e.id);
      open.delete(e.id);
      n -= 1;
      if (e.t_us < lastSent) freed.push(e.t_us);
      slotUs[it.client] = (slotUs[it.client] ?? 0) + e.t_us - it.t_us;
      if (running[it.client] !== undefined) running[it.client] -= 1;
    }
  }
  expect(n === 0, n, "requests are open at the upstream of", alias);
  const max = aliases[alias].max_concurrency;
  free.sort((a, b) => a - b);
  if (max) freeMs[alias] = [0.5, 0.9, 0.99, 1].map((q) => free[Math.ceil(q * free.length) - 1]);
  expect(!max || atOnce[alias] <= max, atOnce[alias], "at a time at", alias, "which may have", max);
  expect(!max || atOnce[alias] === max, "only", atOnce[alias], "at a time at", alias, "of", max);
}
for (const [name, n] of Object.entries(ofClient))
  expect(n <= client[name].entry.max_concurrency, name, "had", n, "under way");
for (const b of book) {
  const what = outcome(b);
  if (what === "ok") expect(reached.has(b.id), b.id, "was answered, and nobody was asked");
  else if (what) expect(!reached.has(b.id), b.id, what, "came upstream");
}

// ---- rates ------------------------------------------------------------------

// A bucket of N, refilled evenly. From the first that was sent to the last that was
// answered no more than N and the refill can have been taken; and between two
// refusals, at which it was empty, all of the refill but less than one.
const rates = {};
for (const c of clients) {
  const n = c.entry?.requests_per_minute;
  if (!n) continue;
  const own = book.filter((b) => b.client === c.name);
  const refill = (us) => (us * n) / 60e6;
  const took = own.filter((b) => b.how === "whole");
  const maybe = own.filter((b) => b.how === "whole" || !outcome(b));
  const begin = Math.min(...own.map((b) => b.sent_us));
  const end = Math.max(...own.map((b) => b.ended_us));
  const most = Math.floor(n + refill(end - begin));
  const no = own.filter((b) => outcome(b) === "rate_limited");
  let least = Math.min(n, took.length);
  if (no.length > 0) {
    const first = no.reduce((a, b) => (b.ended_us < a.ended_us ? b : a));
    const last = no.reduce((a, b) => (b.sent_us > a.sent_us ? b : a));
    const between = maybe.filter((b) => b.ended_us > first.sent_us && b.sent_us < last.ended_us);
    const must = Math.ceil(refill(last.sent_us - first.ended_us) - 1);
    expect(between.length >= must, c.name, "got", between.length, "between refusals, refilled were", must);
    expect(maybe.length >= n, c.name, "was refused with", maybe.length, "of", n);
    least = Math.max(n, must);
  }
  expect(took.length <= most, c.name, "got", took.length, "of", most);
  rates[c.name] = [took.length, least, most];
}

// ---- shares -----------------------------------------------------------------

const shares = {};
const window_s = {};
const others = {};
const hungry = {};
for (const alias of Object.keys(aliases)) {
  const same = clients.filter((c) => c.equal && c.ask.includes(alias)).map((c) => c.name);
  if (same.length === 0) continue;
  const whole = book.filter((b) => b.alias === alias && b.how === "whole");
  // since each is known to be there, until the first one that asks no more
  const from = Math.max(
    ...same.map((name) => Math.min(...whole.filter((b) => b.client === name).map((b) => b.ended_us))),
  );
  const to = lastSent;
  const counted = whole.filter((b) => b.ended_us > from && b.ended_us <= to);
  const n = tally(counted, (b) => b.client);
  const fair = same.reduce((sum, name) => sum + (n[name] ?? 0), 0) / same.length;
  shares[alias] = Object.fromEntries(same.map((name) => [name, n[name] ?? 0]));
  window_s[alias] = Math.round((to - from) / 1e5) / 10;
  const waited = {};
  for (const b of counted)
    waited[b.client] = (waited[b.client] ?? 0) + Number(recordOf.get(b.id)?.queue_ms ?? 0);
  hungry[alias] = Math.min(...same.map((name) => Math.round((10000 * (waited[name] ?? 0)) / (to - from)) / 10));
  // Where a machine is so slow that somebody has nothing waiting at times, it is not
  // the queue that he waits for; and a process that is killed or stopped takes what
  // waits there with it, of whomever.
  for (const name of strict && hungry[alias] >= HUNGRY ? same : [])
    expect(
      Math.abs((n[name] ?? 0) - fair) <= 0.15 * fair + 2,
      name,
      "got",
      n[name] ?? 0,
      "at",
      alias,
      "where each should have",
      fair.toFixed(1),
    );
  for (const name of Object.keys(n)) if (!same.includes(name)) others[name] = n[name];
}

// Who is of a better class is next, whoever else waits.
const waits = {};
for (const r of ours.filter((r) => r.model === "shared" && r.status === "200"))
  (waits[client[r.key].entry?.priority ?? "normal"] ??= []).push(Number(r.queue_ms));
const queue_ms = Object.fromEntries(
  Object.entries(waits).map(([k, v]) => [k, Math.round(v.reduce((a, b) => a + b) / v.length)]),
);
expect(
  queue_ms.interactive * 2 < queue_ms.normal && (!strict || queue_ms.normal < queue_ms.batch),
  "waits by class:",
  JSON.stringify(queue_ms),
);

console.log(
  JSON.stringify({
    wrong,
    requests: book.length,
    unrecorded: unrecorded.length,
    how: tally(book, (b) => b.how),
    codes: tally(book, (b) => outcome(b) || b.how),
    refused: tally(
      ours.filter((r) => r.error !== "-" && r.status !== "499"),
      (r) => r.error,
    ),
    records: records.length,
    gone: records.filter((r) => r.status === "499").length,
    at_once: atOnce,
    of_client: ofClient,
    rates,
    shares,
    window_s,
    hungry,
    others,
    queue_ms,
    free_ms: freeMs,
    slot_s: Object.fromEntries(Object.entries(slotUs).map(([k, v]) => [k, Math.round(v / 1e4) / 100])),
  }),
);
