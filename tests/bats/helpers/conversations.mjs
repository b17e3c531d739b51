// SPDX-License-Identifier: MIT
//
// conversations.mjs - conversations of several turns, each of which says again
// all that was said before.
//
//   node conversations.mjs BASE_URL NAME FORM COUNT TURNS AT_ONCE [ONLY_TURN]
//
// NAME is part of all that is said. FORM is chat, messages, responses or
// completions; with "-session" behind it the prompts have nothing in common, and
// X-Session-Id names the conversation. All have one long system prompt, in which
// a line changes with every request. With ONLY_TURN nothing but that turn is
// asked. Prints {"status":{"200":N},"later":L,"at_home":H,"node":{"n1":N,...},
// "homes":{"0":"n1",...}}: turns after a conversation's first one, those of them
// that the same node answered as the one before, turns by node, and who answered
// each conversation last.
import http from "node:http";

const [base, name, form, count, turns, atOnce, only] = process.argv.slice(2);
const [api, by] = form.split("-");
const agent = new http.Agent({ keepAlive: true, maxSockets: Number(atOnce) });
const seen = { status: {}, later: 0, at_home: 0, node: {}, homes: {} };
const system = "You are a careful assistant. ".repeat(280);
let requests = 0;

function history(conversation, turn) {
  const said = [];
  for (let i = 0; i <= turn; i += 1) {
    const id = `${i} of conversation ${conversation} of ${name}`;
    said.push({ role: "user", content: `question ${id}` });
    if (i < turn) said.push({ role: "assistant", content: `answer ${id}` });
  }
  return said;
}

function prompt(conversation, turn) {
  let said = history(conversation, turn);
  if (by === "session")
    said = [{ role: "user", content: `${requests} is unlike all others` }];
  const line = `x-anthropic-billing-header: v=2; cch=${(requests += 1)};`;
  if (api === "chat")
    return {
      path: "/chat/completions",
      body: {
        messages: [
          { role: "system", content: `${line}\n${system}` },
          ...said,
        ],
      },
    };
  if (api === "messages")
    return {
      path: "/messages",
      body: {
        max_tokens: 9,
        messages: said,
        system: [
          { type: "text", text: line },
          { type: "text", text: system },
        ],
      },
    };
  if (api === "responses")
    return {
      path: "/responses",
      body: { instructions: `${system}\n${line}`, input: said },
    };
  return {
    path: "/completions",
    body: { prompt: said.map((m) => m.content.repeat(30)).join("\n") },
  };
}

function ask(conversation, turn) {
  const { path, body } = prompt(conversation, turn);
  const text = JSON.stringify({ model: "coder", ...body });
  const headers = {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(text),
  };
  if (by === "session") headers["X-Session-Id"] = `${name}, ${conversation}`;
  return new Promise((resolve) => {
    const request = http.request(base + path, {
      method: "POST",
      agent,
      headers,
    });
    request.on("response", (response) => {
      const node = response.headers["x-rolemesh-node"];
      const status = response.statusCode;
      seen.status[status] = (seen.status[status] ?? 0) + 1;
      seen.node[node] = (seen.node[node] ?? 0) + 1;
      if (conversation in seen.homes) {
        seen.later += 1;
        if (seen.homes[conversation] === node) seen.at_home += 1;
      }
      seen.homes[conversation] = node;
      response.on("end", resolve);
      response.on("error", resolve);
      response.resume();
    });
    request.on("error", (error) => {
      seen.status[error.code] = (seen.status[error.code] ?? 0) + 1;
      resolve();
    });
    request.end(text);
  });
}

/* A turn of all of them, then the next. */
for (let turn = 0; turn < Number(turns); turn += 1) {
  let next = 0;
  const worker = async () => {
    while (next < Number(count)) {
      next += 1;
      await ask(next - 1, turn);
    }
  };
  if (only === undefined || Number(only) === turn)
    await Promise.all(Array.from({ length: Number(atOnce) }, worker));
}
agent.destroy();
console.log(JSON.stringify(seen));
