// SPDX-License-Identifier: MIT
//
// crowd_plan.mjs - who the 500 connections with 50 keys of 979-many-clients.bats
// are, and what may become of what they ask. The configuration, the load
// (crowd.mjs) and the books (crowd_books.mjs) are all made from this table.
//
//   node crowd_plan.mjs      prints the configuration, as JSON (which is YAML);
//                            FAKE_URL_<alias> says where each alias is served
//
// Each alias has an upstream of its own, so that what that one counts is what is in
// flight at the alias.

const longQueue = { max: 1000, timeout_s: 3600 };

// `ms` is how long the upstream takes for an answer, about.
export const aliases = {
  shared: { max_concurrency: 8, queue: longQueue, ms: 60 },
  desk: { max_concurrency: 4, queue: longQueue, ms: 80 },
  night: { max_concurrency: 3, queue: longQueue, ms: 80 },
  narrow: { max_concurrency: 2, queue: { max: 8, timeout_s: 3600 }, ms: 40 },
  rush: { max_concurrency: 3, queue: { max: 0 }, ms: 20 },
  brief: { max_concurrency: 1, queue: { max: 100, timeout_s: 1 }, ms: 300 },
  open: { ms: 80 },
};

function names(prefix, n) {
  return Array.from({ length: n }, (_, i) => `${prefix}${i + 1}`);
}

// ask      aliases, one after the other
// entry    what the entry of auth.clients says beside name and key; null: one of
//          the plain keys
// codes    what an answer may be, by alias; "ok" is a whole one
// equal    its clients want the same, always: they get the same
// leaves   goes before the end of most answers
// pause_ms between a refusal and the next request
const groups = [
  { names: names("normal", 10), connections: 15, ask: ["shared"], equal: true },
  { names: ["greedy"], connections: 45, ask: ["shared"] },
  { names: names("person", 3), connections: 1, ask: ["shared"], entry: { priority: "interactive" } },
  { names: names("aged", 2), connections: 2, ask: ["shared"], entry: { priority: "batch" } },
  { names: names("leaver", 3), connections: 12, ask: ["shared", "open"], leaves: true },
  // a slot for each: who asks for more at a time gets no more
  ...[10, 20].map((connections) => ({
    names: names(`desk${connections}x`, 2),
    connections,
    ask: ["desk"],
    equal: true,
    entry: { priority: "interactive", models: ["desk"] },
  })),
  {
    names: names("job", 5),
    connections: 10,
    ask: ["night"],
    equal: true,
    entry: { priority: "batch" },
  },
  { names: names("narrow", 3), connections: 8, ask: ["narrow"], codes: ["ok", "queue_full"] },
  // nobody waits, so that many of several processes go for the same slot at once
  {
    names: names("rush", 2),
    connections: 10,
    ask: ["rush"],
    codes: ["ok", "queue_full"],
    pause_ms: 100,
  },
  { names: names("brief", 2), connections: 7, ask: ["brief"], codes: ["ok", "queue_timeout"] },
  ...[6, 30, 60, 120].map((requests_per_minute) => ({
    names: [`rate${requests_per_minute}`],
    connections: 5,
    ask: ["open"],
    entry: { requests_per_minute },
    codes: ["ok", "rate_limited"],
  })),
  {
    names: names("limited", 4),
    connections: 10,
    ask: ["open"],
    entry: { max_concurrency: 3 },
    codes: ["ok", "client_busy"],
  },
  // as many connections as it may have requests under way: never one too many
  { names: ["exact"], connections: 5, ask: ["open"], entry: { max_concurrency: 5 } },
  {
    names: ["both"],
    connections: 5,
    ask: ["open"],
    entry: { max_concurrency: 2, requests_per_minute: 600 },
    codes: ["ok", "client_busy", "rate_limited"],
  },
  {
    names: names("few", 3),
    connections: 4,
    ask: ["open", "shared", "nobody"],
    entry: { models: ["op*"] },
    codes: { open: ["ok"], shared: ["model_not_allowed"], nobody: ["model_not_found"] },
  },
  { names: names("plain", 2), connections: 6, ask: ["open"], entry: null },
];

export const clients = groups.flatMap((g, group) =>
  g.names.map((name) => ({
    name,
    group,
    key: `key-of-${name}`,
    connections: g.connections,
    ask: g.ask,
    entry: g.entry === undefined ? {} : g.entry,
    codes: Object.fromEntries(
      g.ask.map((a) => [a, Array.isArray(g.codes) ? g.codes : (g.codes?.[a] ?? ["ok"])]),
    ),
    equal: g.equal ?? false,
    leaves: g.leaves ?? false,
    pause_ms: g.pause_ms ?? 250,
  })),
);

export const answers = {
  queue_full: 429,
  rate_limited: 429,
  client_busy: 429,
  model_not_allowed: 403,
  model_not_found: 404,
  queue_timeout: 503,
};

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const config = {
    auth: {
      client_api_keys: clients.filter((c) => !c.entry).map((c) => c.key),
      clients: clients
        .filter((c) => c.entry)
        .map((c) => ({ name: c.name, key: c.key, ...c.entry })),
    },
    models: Object.fromEntries(
      Object.entries(aliases).map(([name, { max_concurrency, queue }]) => [
        name,
        {
          type: "proxy",
          proxy_url: process.env[`FAKE_URL_${name}`],
          ...(max_concurrency && { max_concurrency, queue }),
        },
      ]),
    ),
  };
  console.log(JSON.stringify(config, null, 1));
}
