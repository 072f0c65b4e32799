// What one small submission costs the store, counted between the host and the emulator.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { CallCount } from '../../local/bench/callCount.ts';
import { startStorageProxy, type StorageProxy } from '../../local/storageProxy/storageProxy.ts';
import { keys, mailbox, startHttpRig, type AskOptions, type HttpRig } from './rig.ts';

const counted = new CallCount();
let rig: HttpRig;
let proxy: StorageProxy | undefined;
beforeAll(async () => {
  rig = await startHttpRig({
    storeOf: async ({ azurite }) => {
      proxy = await startStorageProxy({
        ports: azurite.ports,
        after: (call, answer) => {
          counted.note(call, answer);
          return 'pass';
        },
      });
      return proxy.connectionString;
    },
  });
}, 120_000);
afterAll(async () => {
  await rig.close();
  await proxy?.close();
}, 60_000);

const json = (id: string, attachments: readonly object[] = []): object => ({
  id,
  mailbox,
  to: ['citizen@example.org'],
  subject: 'Small',
  text: 'Some text.',
  attachments,
});

test.each<[string, (id: string) => AskOptions]>([
  ['JSON', (id) => ({ body: json(id) })],
  [
    'JSON with a small attachment',
    (id) => ({ body: json(id, [{ filename: 'a.txt', content: Buffer.from('x').toString('base64') }]) }),
  ],
  [
    'multipart',
    (id) => {
      const body = new FormData();
      body.append('submission', JSON.stringify(json(id, [{ filename: 'a.txt', part: 'file' }])));
      body.append('file', new Blob(['x'.repeat(20_000)]), 'a.txt');
      return { body };
    },
  ],
  [
    'message/rfc822',
    (id) => ({
      headers: {
        'content-type': 'message/rfc822',
        'idempotency-key': `"${id}"`,
        'x-mail-mailbox': mailbox,
        'x-mail-recipients': 'citizen@example.org',
      },
      body: `From: ${mailbox}\r\nTo: citizen@example.org\r\nSubject: x\r\n\r\n${'Line.\r\n'.repeat(3_000)}`,
    }),
  ],
])('a small submission as %s takes at most three storage calls', async (_, made) => {
  // The first of a host reads the store's clock and writes the account's row.
  expect((await rig.ask('POST', '/api/mail', { key: keys.sender, ...made(randomUUID()) })).status).toBe(202);
  counted.reset();
  expect((await rig.ask('POST', '/api/mail', { key: keys.sender, ...made(randomUUID()) })).status).toBe(202);
  const { own, byName } = counted.tally();
  expect([own <= 3, byName]).toEqual([true, byName]);
});
