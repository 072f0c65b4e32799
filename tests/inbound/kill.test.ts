// Processes that fetch are killed (SIGKILL) at every point; a new one goes on. The stand-in for Exchange Online and
// the storage emulator are real processes and connections. At the end every message has one identity, one raw blob
// and at least one notice, and every action is done.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Exchange } from '../../local/emulators/exchange/exchange.ts';
import { contextOf } from '../../shared/inbound/fetchMail.ts';
import { noticeSchema } from '../../shared/contract/notice.ts';
import { containerNames, queueNames, tableNames } from '../../shared/storage/names.ts';
import { certificates, closeAll, exchangeWith, tokenFor } from '../local/exchange/harness.ts';
import { startEmulator, type Emulator } from '../storage/emulator.ts';
import { mail, mailboxOf } from './rig.ts';

let emulator: Emulator;
let exchange: Exchange;
let ca: string;
let users = 0;

beforeAll(async () => {
  emulator = await startEmulator();
  exchange = await exchangeWith({ accounts: [] });
  ({ ca } = await certificates());
});

afterAll(async () => {
  await closeAll();
  await emulator.stop();
});

interface End {
  readonly signal: string | null;
  readonly output: string;
}

function fetchIn(user: string, point: string, when: 'before' | 'after', nth: number): Promise<End> {
  const order = {
    connectionString: emulator.azurite.connectionString,
    port: exchange.imapPort,
    ca,
    token: tokenFor(user),
    user,
    point,
    when,
    nth,
  };
  const script = fileURLToPath(new URL('./fetchingProcess.ts', import.meta.url));
  return new Promise((resolve) => {
    const env = { ...process.env, NODE_OPTIONS: '' };
    execFile(
      process.execPath,
      [script, JSON.stringify(order)],
      { env, timeout: 60_000 },
      (error, stdout, stderr) => {
        resolve({ signal: error?.signal ?? null, output: stdout + stderr });
      },
    );
  });
}

/** Message-ID by notice id, over everything on the queue. */
async function notices(): Promise<ReadonlyMap<string, string>> {
  const client = emulator.clients.queues.getQueueClient(queueNames.inboundMail);
  const found = new Map<string, string>();
  for (let page = 0; page < 100; page += 1) {
    const { receivedMessageItems } = await client.receiveMessages({
      numberOfMessages: 32,
      visibilityTimeout: 600,
    });
    if (receivedMessageItems.length === 0) break;
    for (const { messageText } of receivedMessageItems) {
      const { id, data } = noticeSchema.parse(JSON.parse(messageText));
      found.set(id, 'raw' in data ? data.messageId : '');
    }
  }
  return found;
}

type Case = readonly [point: string, when: 'before' | 'after', nth: number];

/** Five messages in two batches: every durable step, in the first batch, in the second, and after the last. */
const steps: readonly (readonly [point: string, ...nths: readonly number[]])[] = [
  ['acquireLease', 1],
  ['read', 1, 2],
  ['blob', 1, 3, 5],
  // The first run writes when it began; then each batch; then the actions of the last one.
  ['advance', 1, 2, 3, 4],
  ['publish', 1, 3, 5],
  ['act', 1, 2],
  ['releaseLease', 1],
];
const cases: readonly Case[] = steps.flatMap(([point, ...nths]) =>
  nths.flatMap((nth): readonly Case[] => [
    [point, 'before', nth],
    [point, 'after', nth],
  ]),
);

test.each(cases)('killed at %s, %s it (occurrence %s)', async (point, when, nth) => {
  users += 1;
  const user = `desk${users}@contoso.test`;
  exchange.account({ address: user });
  const wanted = [1, 2, 3, 4, 5].map((n) => `<${n}.${users}@x>`);
  for (const id of wanted) exchange.store.mailbox(user).deliver(mail({ 'Message-ID': id }));
  expect((await fetchIn(user, point, when, nth)).signal).toBe('SIGKILL');

  const next = await fetchIn(user, 'never', 'before', 1);
  expect(next.output).toContain('"outcome":"fetched"');

  const announced = [...(await notices())].filter(([, messageId]) => messageId.endsWith(`.${users}@x>`));
  expect(announced.map(([, messageId]) => messageId).sort()).toEqual(wanted);
  const box = contextOf(mailboxOf(user));
  const raws: string[] = [];
  const container = emulator.clients.blobs.getContainerClient(containerNames.inboundContent);
  for await (const { name } of container.listBlobsFlat({ prefix: `${box.hash}/` })) {
    if (name.endsWith('/raw.eml')) raws.push(name.split('/')[1] ?? '');
  }
  expect(raws.sort()).toEqual(announced.map(([id]) => id).sort());
  const states: unknown[] = [];
  const pending: unknown[] = [];
  const filter = `PartitionKey eq '${user}'`;
  for await (const row of emulator.clients
    .table(tableNames.inbound)
    .listEntities({ queryOptions: { filter } })) {
    if (row.rowKey?.startsWith('message|') === true) states.push(row['state']);
    if (row.rowKey?.startsWith('pending|') === true) pending.push(row.rowKey);
  }
  expect(states).toEqual(wanted.map(() => 'announced'));
  expect(pending).toEqual([]);
  const store = exchange.store.mailbox(user);
  expect(store.folder('INBOX')?.size).toBe(0);
  expect(store.folder('Fetched')?.size).toBe(5);
});
