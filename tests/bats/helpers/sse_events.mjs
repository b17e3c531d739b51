// SPDX-License-Identifier: MIT
//
// sse_events.mjs - an event stream on standard input as its client sees it, one
// JSON object a line. Parses as the HTML standard says (section 9.2.6) and
// shares no code with the gateway, which it is here to judge.
//
//   {"event":"message","data":"...","json":...}  a dispatched event; json is its
//                                                data parsed, absent otherwise
//   {"comment":" keep-alive"}                    a line that clients skip
//   {"unfinished":"data: ..."}                   what stood behind the last
//                                                blank line: a client drops it

import { readFileSync } from 'node:fs';

const out = [];
let data = [];
let event = '';
let pending = []; // lines since the last blank one, comments apart

function dispatch() {
  if (data.length) {
    const text = data.join('\n');
    const seen = { event: event || 'message', data: text };
    try {
      seen.json = JSON.parse(text);
    } catch {
      // Not every event holds JSON: [DONE] does not.
    }
    out.push(seen);
  }
  data = [];
  event = '';
  pending = [];
}

function field(line) {
  const colon = line.indexOf(':');
  const name = colon < 0 ? line : line.slice(0, colon);
  let value = colon < 0 ? '' : line.slice(colon + 1);
  if (value.startsWith(' ')) value = value.slice(1);
  if (name === 'data') data.push(value);
  else if (name === 'event') event = value;
  pending.push(line);
}

const bytes = readFileSync(0);
const text = new TextDecoder('utf-8').decode(bytes); // drops a byte order mark
const lines = text.split(/\r\n|\n|\r/);
const last = lines.pop(); // not ended: part of no event
for (const line of lines) {
  if (line === '') dispatch();
  else if (line.startsWith(':')) out.push({ comment: line.slice(1) });
  else field(line);
}
if (last !== '') pending.push(last);
if (pending.length) out.push({ unfinished: pending.join('\n') });
for (const seen of out) console.log(JSON.stringify(seen));
