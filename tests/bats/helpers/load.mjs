// SPDX-License-Identifier: MIT
//
// load.mjs - many small requests at once from one process: where a test needs
// a thousand answers, a thousand curls would be most of its time.
//
//   node load.mjs URL COUNT AT_ONCE BODY [KEY]
//
// POSTs BODY, each @I@ in it replaced by the number of the request (0 ..), over
// AT_ONCE kept connections. Prints what came back as one JSON object:
// {"status":{"200":998,...},"node":{"n1":499,...},"repeats":0,"failed":0}: node
// counts the X-RoleMesh-Node headers, repeats the answers that came from the
// same node as the one before. Exits with 1 when a request got no answer.
import http from "node:http";

const [url, count, atOnce, body, key] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true, maxSockets: Number(atOnce) });
const seen = { status: {}, node: {}, repeats: 0, failed: 0 };
let lastNode;

function add(where, key) {
  where[key] = (where[key] ?? 0) + 1;
}

function post(text) {
  return new Promise((resolve) => {
    const request = http.request(url, {
      method: "POST",
      agent,
      headers: {
        "Content-Type": "application/json",
        "Content-Length": Buffer.byteLength(text),
        ...(key && { Authorization: `Bearer ${key}` }),
      },
    });
    request.on("response", (response) => {
      add(seen.status, response.statusCode);
      const node = response.headers["x-rolemesh-node"];
      if (node !== undefined) {
        add(seen.node, node);
        if (node === lastNode) seen.repeats += 1;
        lastNode = node;
      }
      response.on("end", resolve);
      response.on("error", resolve);
      response.resume();
    });
    request.on("error", () => {
      seen.failed += 1;
      resolve();
    });
    request.end(text);
  });
}

let next = 0;

async function worker() {
  while (next < Number(count)) {
    const i = next;
    next += 1;
    await post(body.replaceAll("@I@", String(i)));
  }
}

await Promise.all(Array.from({ length: Number(atOnce) }, worker));
agent.destroy();
console.log(JSON.stringify(seen));
process.exitCode = seen.failed > 0 ? 1 : 0;
