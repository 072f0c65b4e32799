// A consumer of the events over HTTP, as a process of its own that a test kills: takes, stores, acknowledges, and says
// each step. BRIDGE_URL, BRIDGE_KEY, and the file that stands for its own system.
import { appendFileSync } from 'node:fs';

const [file = ''] = process.argv.slice(2);
const url = `${process.env['BRIDGE_URL'] ?? ''}/api/events`;
const headers = { 'x-bridge-key': process.env['BRIDGE_KEY'] ?? '', 'content-type': 'application/json' };

interface Feed {
  readonly messages: readonly {
    readonly receipt: string;
    readonly event: { readonly id: string; readonly type: string; readonly data: object };
  }[];
}

for (let empty = 0; empty < 3;) {
  const { messages } = (await (await fetch(`${url}?max=5&hide=2`, { headers })).json()) as Feed;
  console.log('taken');
  if (messages.length === 0) {
    empty += 1;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    continue;
  }
  empty = 0;
  for (const { event } of messages) {
    appendFileSync(file, `${JSON.stringify(event)}\n`);
    console.log('stored');
  }
  const receipts = messages.map(({ receipt }) => receipt);
  await fetch(url, { method: 'POST', headers, body: JSON.stringify({ receipts }) });
  console.log('acknowledged');
}
console.log('empty');
