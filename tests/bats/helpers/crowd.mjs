// SPDX-License-Identifier: MIT
//
// crowd.mjs - the connections of crowd_plan.mjs, which ask and ask for some time,
// and write down what became of each request, as its client can tell.
//
//   node crowd.mjs URL SECONDS SEED >BOOK
//
// Each connection sends its next request when it has the answer to the last one,
// every other time for a stream. After SECONDS none sends any more, but for those whose
// last one was lost with its process, and all wait for what they have asked, however
// long that takes. One line of JSON a request:
//   id        sent as X-Request-Id
//   client, alias, stream
//   sent_us, ended_us   CLOCK_MONOTONIC
//   how       whole: all of the answer, word by word what was asked for
//             error: one clear error and nothing behind it; `code` is its code
//             left:  the client went before the answer ended
//             cut:   the connection ended before the answer did
//             wrong: anything else; `why`
//   status    of the answer, 0 where none came
//   gateway   the answer is the gateway's, not the web server's
//   reused    the connection had an answer before
//   retry_after, rate   headers, where they were there
import http from "node:http";
import { clients, aliases } from "./crowd_plan.mjs";

const [url, seconds, seed] = process.argv.slice(2);
const nowUs = () => Number(process.hrtime.bigint() / 1000n);
const untilUs = nowUs() + Number(seconds) * 1e6;

function random(text) {
  let a = Number(seed) | 0;
  for (const c of text) a = Math.imul(a ^ c.charCodeAt(0), 0x01000193);
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function json(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function judgeStream(bytes, complete, text) {
  const events = bytes
    .split("\n")
    .filter((line) => line.startsWith("data: "))
    .map((line) => line.slice(6));
  const said = events.map((e) => json(e)?.choices?.[0]?.delta?.content ?? "").join("");
  const done = events.filter((e) => e === "[DONE]").length;
  const errors = events.map((e) => json(e)?.error?.code).filter((c) => c);
  if (errors.length === 1 && done === 0 && json(events.at(-1))?.error && complete)
    return { how: "error", code: errors[0], said };
  if (!complete && done === 0 && text.startsWith(said)) return { how: "cut" };
  if (complete && done === 1 && events.at(-1) === "[DONE]" && said === text)
    return { how: "whole" };
  return { how: "wrong", why: `complete ${complete}, ${bytes.slice(-300)}` };
}

function judge(answer, stream, text) {
  const { status, bytes, complete } = answer;
  if (status === 200 && stream) return judgeStream(bytes, complete, text);
  if (!complete) return { how: "cut" };
  if (status !== 200) {
    const code = json(bytes)?.error?.code;
    return code ? { how: "error", code } : { how: answer.gateway ? "wrong" : "error", why: bytes };
  }
  const said = json(bytes)?.choices?.[0]?.message?.content;
  return said === text ? { how: "whole" } : { how: "wrong", why: bytes.slice(-300) };
}

// Until the answer ended, or broke, or `leave` (ms, or 0) is over.
function post(agent, key, id, body, leave) {
  return new Promise((resolve) => {
    const text = JSON.stringify(body);
    const answer = { status: 0, bytes: "", complete: false, left: false };
    let timer;
    const end = () => {
      clearTimeout(timer);
      resolve(answer);
    };
    const request = http.request(
      url,
      {
        method: "POST",
        agent,
        headers: {
          "Content-Type": "application/json",
          "Content-Length": Buffer.byteLength(text),
          "X-Request-Id": id,
          Authorization: `Bearer ${key}`,
        },
      },
      (response) => {
        const h = response.headers;
        answer.status = response.statusCode;
        answer.gateway = h["x-request-id"] === id;
        answer.retry_after = h["retry-after"];
        if (h["x-ratelimit-limit-requests"] !== undefined)
          answer.rate = [
            Number(h["x-ratelimit-limit-requests"]),
            Number(h["x-ratelimit-remaining-requests"]),
          ];
        response.setEncoding("utf8");
        response.on("data", (chunk) => (answer.bytes += chunk));
        response.on("end", () => {
          answer.complete = response.complete;
          end();
        });
        response.on("error", end);
      },
    );
    request.on("error", () => {
      answer.reused = request.reusedSocket;
      end();
    });
    request.on("close", end);
    if (leave)
      timer = setTimeout(() => {
        answer.left = true;
        request.destroy();
      }, leave);
    request.end(text);
  });
}

// About as long in both forms: the upstream takes its time before a whole answer,
// and between the words of a stream.
function bodyFor(alias, stream, text, roll) {
  const ms = Math.round((aliases[alias]?.ms ?? 0) * (0.5 + roll()));
  const fake = stream
    ? { text, delay_ms: Math.round(ms / (text.split(" ").length - 1)) }
    : { text, first_delay_ms: ms };
  return { model: alias, stream, messages: [{ role: "user", content: "hello" }], fake };
}

async function connection(client, number) {
  const roll = random(`${client.name}/${number}`);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  let lost = false;
  for (let n = number; nowUs() < untilUs || lost; n += 1) {
    const id = `${client.name}-${number}-${n}`;
    const alias = client.ask[n % client.ask.length];
    const stream = Math.floor(n / client.ask.length) % 2 === 0;
    const text = `${id} b c d e`;
    const body = bodyFor(alias, stream, text, roll);
    const leave = client.leaves && roll() < 0.7 ? Math.ceil(roll() * 200) : 0;
    const sent_us = nowUs();
    const answer = await post(agent, client.key, id, body, leave);
    const verdict = answer.left ? { how: "left" } : judge(answer, stream, text);
    const { status, gateway, reused, retry_after, rate } = answer;
    console.log(
      JSON.stringify({
        id,
        client: client.name,
        alias,
        stream,
        sent_us,
        ended_us: nowUs(),
        ...verdict,
        status,
        gateway,
        reused,
        retry_after,
        rate,
      }),
    );
    lost = verdict.how === "cut" || (verdict.how === "error" && !gateway);
    if (verdict.how !== "whole" && verdict.how !== "left")
      await new Promise((r) => setTimeout(r, client.pause_ms));
  }
  agent.destroy();
}

await Promise.all(
  clients.flatMap((c) => Array.from({ length: c.connections }, (_, i) => connection(c, i))),
);
