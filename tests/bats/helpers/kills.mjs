// SPDX-License-Identifier: MIT
//
// kills.mjs - clients that go on asking while processes are killed, and judge
// every answer as a client can.
//
//   node kills.mjs URL MODEL AT_ONCE TOKENS STOP_FILE
//
// AT_ONCE clients ask, every other time for a stream of the scripted tokens t1 ..
// tTOKENS, until STOP_FILE exists. An answer is
//   whole   all of it, and its end ([DONE]; the JSON document),
//   error   one clear error and nothing else behind it: a status with the JSON
//           envelope, or one error event without [DONE],
//   cut     a connection that ended before its answer did, so that any client
//           knows; that is what is left when the very process is killed,
//   wrong   anything else: text that is lost, doubled or mixed, a stream that ends
//           as if it were whole, an error that is none.
// Prints {"whole":N,"error":N,"cut":N,"wrong":[...],"errors":{"503 code":N}}.
import http from "node:http";
import { existsSync } from "node:fs";

const [url, model, atOnce, tokens, stopFile] = process.argv.slice(2);
const n = Number(tokens);
const seen = { whole: 0, error: 0, cut: 0, wrong: [], errors: {} };
const text = Array.from({ length: n }, (_, i) => `t${i + 1}`).join("");

function post(body) {
  return new Promise((resolve) => {
    const answer = { status: 0, bytes: "", complete: false };
    const request = http.request(
      url,
      { method: "POST", agent: false, headers: { "Content-Type": "application/json" } },
      (response) => {
        answer.status = response.statusCode;
        response.setEncoding("utf8");
        response.on("data", (chunk) => (answer.bytes += chunk));
        response.on("end", () => {
          answer.complete = response.complete;
          resolve(answer);
        });
        response.on("error", () => resolve(answer));
      },
    );
    request.on("error", () => resolve(answer));
    request.end(JSON.stringify(body));
  });
}

function json(bytes) {
  try {
    return JSON.parse(bytes);
  } catch {
    return undefined;
  }
}

function isEnvelope(o) {
  return typeof o?.error?.message === "string" && o.error.message !== "";
}

function judgeStream(answer) {
  const events = answer.bytes
    .split("\n\n")
    .flatMap((e) => e.split("\n"))
    .filter((line) => line.startsWith("data: "))
    .map((line) => line.slice(6));
  const errors = events.filter((e) => isEnvelope(json(e)));
  const done = events.filter((e) => e === "[DONE]").length;
  const said = events.map((e) => json(e)?.choices?.[0]?.delta?.content ?? "").join("");
  if (!text.startsWith(said)) return `text is ${said}`;
  if (errors.length === 1 && done === 0 && isEnvelope(json(events.at(-1))))
    return ["error", `event ${json(errors[0]).error.code}`];
  if (errors.length > 0) return "an error, and more";
  if (!answer.complete && done === 0) return ["cut"];
  if (done === 1 && events.at(-1) === "[DONE]" && said === text && answer.complete)
    return ["whole"];
  return `${done} [DONE], complete ${answer.complete}, text is ${said}`;
}

function judge(answer, streams) {
  if (answer.status === 0) return ["cut"];
  if (answer.status !== 200) {
    const o = json(answer.bytes);
    if (isEnvelope(o)) return ["error", `${answer.status} ${o.error.code}`];
    return answer.complete ? `${answer.status} without an error object` : ["cut"];
  }
  if (streams) return judgeStream(answer);
  if (!answer.complete) return ["cut"];
  return json(answer.bytes)?.choices?.[0]?.message?.content !== undefined
    ? ["whole"]
    : "200 that is no answer";
}

async function client(first) {
  for (let i = first; !existsSync(stopFile); i += 1) {
    const stream = i % 2 === 0;
    const body = { model, stream, messages: [{ role: "user", content: "hello there" }] };
    const answer = await post(body);
    const verdict = judge(answer, stream);
    if (typeof verdict === "string") {
      seen.wrong.push(`${verdict} | ${answer.bytes.slice(-300)}`);
    } else {
      seen[verdict[0]] += 1;
      if (verdict[1]) seen.errors[verdict[1]] = (seen.errors[verdict[1]] ?? 0) + 1;
    }
    if (verdict[0] !== "whole") await new Promise((r) => setTimeout(r, 50));
  }
}

await Promise.all(Array.from({ length: Number(atOnce) }, (_, i) => client(i)));
seen.wrong = seen.wrong.slice(0, 10);
console.log(JSON.stringify(seen));
