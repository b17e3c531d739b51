// SPDX-License-Identifier: MIT
//
// fcgi.mjs - a web server that says what it likes: one FastCGI request without a
// body, over TCP.
//
//   node fcgi.mjs HOST PORT NAME=VALUE...
//
// Sends these parameters and no others. Prints the answer, head included.
import net from "node:net";

const [host, port, ...params] = process.argv.slice(2);
const BEGIN = 1, PARAMS = 4, STDIN = 5, STDOUT = 6, RESPONDER = 1;

function record(type, content) {
  const head = Buffer.from([1, type, 0, 1, content.length >> 8,
    content.length & 255, 0, 0]);
  return Buffer.concat([head, content]);
}

function length(n) {
  return n < 128
    ? [n]
    : [(n >> 24) | 128, (n >> 16) & 255, (n >> 8) & 255, n & 255];
}

function pair(text) {
  const at = text.indexOf("=");
  const name = Buffer.from(text.slice(0, at));
  const value = Buffer.from(text.slice(at + 1));
  return Buffer.concat([
    Buffer.from([...length(name.length), ...length(value.length)]), name, value,
  ]);
}

let input = Buffer.alloc(0);
const socket = net.connect(Number(port), host);
socket.write(Buffer.concat([
  record(BEGIN, Buffer.from([0, RESPONDER, 0, 0, 0, 0, 0, 0])),
  record(PARAMS, Buffer.concat(params.map(pair))),
  record(PARAMS, Buffer.alloc(0)),
  record(STDIN, Buffer.alloc(0)),
]));
socket.on("data", (bytes) => {
  input = Buffer.concat([input, bytes]);
});
socket.on("end", () => {
  while (input.length >= 8) {
    const content = input.readUInt16BE(4);
    if (input[1] === STDOUT) process.stdout.write(input.subarray(8, 8 + content));
    input = input.subarray(8 + content + input[6]);
  }
  socket.end();
});
