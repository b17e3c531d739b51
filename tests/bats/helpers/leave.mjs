// SPDX-License-Identifier: MIT
//
// leave.mjs - a client that leaves in a way that curl has no option for.
//
//   leave.mjs PORT JSON                  a chat; ends its sending side with the
//                                        first token, prints what comes
//   leave.mjs PORT JSON RID reset FAKE   a chat; resets its connection once the
//                                        scripted upstream has it

import net from 'node:net';

const [port, json, rid, how, fake] = process.argv.slice(2);
const socket = net.connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true });

socket.write(['POST /v1/chat/completions HTTP/1.1', 'Host: gateway',
  ...(rid ? [`X-Request-Id: ${rid}`] : []), 'Content-Type: application/json',
  `Content-Length: ${Buffer.byteLength(json)}`, '', json].join('\r\n'));

let seen = '';
socket.on('data', (bytes) => {
  process.stdout.write(bytes);
  seen += bytes;
  if (!how && seen.includes('"t1"')) socket.end();
});
socket.on('error', () => {});
socket.on('end', () => socket.destroy());

if (how === 'reset') {
  const stats = async () => (await fetch(`${fake}/fake/stats`)).json();
  while ((await stats()).active === 0)
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  socket.resetAndDestroy();
}
