// SPDX-License-Identifier: MIT
//
// limits.mjs - the official client at a gateway that refuses it for a while: its
// own retries have to wait as they are told. 972-rate-limits.bats starts the
// gateway, uses up what the client may ask, and runs this.
//
//   node limits.mjs KEY
//
// Asks once, with the client's usual two retries. Prints one JSON object:
// {"text": answer, "ms": how long it took, "statuses": of all its requests,
// "told_s": the seconds that it was told to wait}.

import OpenAI from 'openai';

const statuses = [];
let toldS = 0;
const client = new OpenAI({
  baseURL: `${process.env.GW_URL}/v1`,
  apiKey: process.argv[2],
  fetch: async (...args) => {
    const response = await fetch(...args);
    statuses.push(response.status);
    toldS += Number(response.headers.get('retry-after') ?? 0);
    return response;
  },
});
const begun = performance.now();
const answer = await client.chat.completions.create({
  model: 'planner', messages: [{ role: 'user', content: 'hello there' }],
});
console.log(JSON.stringify({
  text: answer.choices[0].message.content,
  ms: Math.round(performance.now() - begun),
  statuses,
  told_s: toldS,
}));
