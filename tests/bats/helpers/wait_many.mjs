// SPDX-License-Identifier: MIT
//
// wait_many.mjs - many streams that wait, from one process; prints "told" once
// each has had a comment.
//
//   node wait_many.mjs URL COUNT BODY
import http from "node:http";

const [url, count, body] = process.argv.slice(2);
let told = 0;

for (let i = 0; i < Number(count); i += 1) {
  const request = http.request(url, {
    method: "POST",
    agent: false,
    headers: {
      "Content-Type": "application/json",
      "Content-Length": Buffer.byteLength(body),
    },
  });
  request.on("response", (response) => {
    response.once("data", (bytes) => {
      if (!bytes.toString().startsWith(": queued")) return;
      told += 1;
      if (told === Number(count)) console.log("told");
    });
    response.on("error", () => {});
  });
  request.on("error", () => {});
  request.end(body);
}
