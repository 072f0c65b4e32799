// Retention on the real table and blob container, with more rows than a page and a transaction hold.
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { systemClock } from '../../shared/clock.ts';
import { StorageTime } from '../../shared/limits/storageTime.ts';
import type { Dependencies } from '../../shared/outbound/dependencies.ts';
import type { Operation } from '../../shared/outbound/ports.ts';
import {
  accountsPartition,
  messageKey,
  rejectedPartition,
  serverIdKey,
} from '../../shared/outbound/records/keys.ts';
import { encodeMessage } from '../../shared/outbound/records/messageRow.ts';
import type { Message } from '../../shared/outbound/records/message.ts';
import { prune } from '../../shared/outbound/upkeep/prune.ts';
import { BlobContents } from '../../shared/storage/blobContents.ts';
import { makeStoreClients } from '../../shared/storage/clients.ts';
import { containerNames, tableNames } from '../../shared/storage/names.ts';
import { TableRows } from '../../shared/storage/tableRows.ts';
import type { LogEvent } from '../../shared/telemetry/log.ts';
import { World } from '../models/world.ts';
import { startEmulator, type Emulator } from './emulator.ts';

const dayMs = 86_400_000;
let emulator: Emulator;
let dependencies: Dependencies;
const log: LogEvent[] = [];

beforeAll(async () => {
  emulator = await startEmulator();
  const time = new StorageTime(systemClock);
  const { connectionString } = emulator.azurite;
  const clients = makeStoreClients(
    { kind: 'connectionString', connectionString },
    { clock: systemClock, clockSampler: time },
  );
  const world = new World(undefined, { blobAgeMs: -1 });
  dependencies = {
    ...world.host().dependencies,
    rows: new TableRows(clients.table(tableNames.outbox)),
    contents: new BlobContents(
      clients.blobs.getContainerClient(containerNames.outboundContent),
      clients.blobs.getContainerClient(containerNames.outboundUploads),
    ),
    time,
    clock: systemClock,
    log: (event) => log.push(event),
  };
});
afterAll(() => emulator.stop());

function message(
  id: string,
  state: Message['state'],
  ageDays: number,
  change: Partial<Message> = {},
): Message {
  const at = Date.now() - ageDays * dayMs;
  return {
    id,
    hash: 'h',
    submissionHash: 'h',
    mailbox: 'desk@example.com',
    lane: 1,
    content: Buffer.from('{}'),
    blobs: [],
    messageId: `<${id}@example.com>`,
    acceptedAt: at,
    datedAt: at,
    state,
    indexEntry: { kind: 'none' },
    attempt: 1,
    recipients: [{ address: 'a@example.org', state: 'sent' }],
    deferrals: 0,
    deferredMs: 0,
    sequence: 2,
    changedAt: at,
    charged: 1,
    chargedAt: at,
    history: [],
    bounces: [],
    ...change,
  };
}

async function write(partition: string, operations: readonly Operation[]): Promise<void> {
  for (let at = 0; at < operations.length; at += 100) {
    const answer = await dependencies.rows.commit(partition, operations.slice(at, at + 100));
    if (answer.kind !== 'ok') throw new Error(JSON.stringify(answer));
  }
}

const insertMessage = (one: Message, recipientsBlob = ''): Operation => ({
  kind: 'insert',
  key: messageKey(one.id),
  fields: encodeMessage(one, recipientsBlob),
});

async function keysOf(partition: string): Promise<readonly string[]> {
  const rows = await dependencies.rows.query(partition, { from: '!', to: '~', limit: 1_000 }, ['state']);
  return rows.map(({ key }) => key);
}

async function put(text: string): Promise<string> {
  const name = createHash('sha256').update(text).digest('hex');
  await dependencies.contents.put(name, Buffer.from(text));
  return name;
}

const accounts = async (...keys: string[]): Promise<void> =>
  write(
    accountsPartition,
    keys.map((key): Operation => ({ kind: 'insert', key, fields: {} })),
  );

test('10,000 old rows of three accounts are deleted; new, unfinished and dead ones stay with their blobs', async () => {
  const names = {
    old: await put('content of an old message'),
    content: await put('content of a waiting message'),
    recipients: await put('recipients of a waiting message'),
    attachment: await put('attachment of a held message'),
  };
  await accounts('a1', 'a2', 'a3');
  const old = (account: string, count: number): Promise<void> =>
    write(
      account,
      Array.from({ length: count }, (_, index) =>
        insertMessage(
          message(`old${String(index)}`, index % 2 === 0 ? 'sent' : 'expired', 40, {
            ...(index === 0 ? { content: names.old } : {}),
          }),
        ),
      ),
    );
  await old('a1', 9_700);
  await old('a2', 2);
  await old('a3', 199);
  await write('a2', [
    insertMessage(message('new', 'sent', 20)),
    insertMessage(message('waiting', 'waiting', 40, { content: names.content }), names.recipients),
    insertMessage(message('held', 'held', 40, { blobs: [names.attachment] })),
    insertMessage(message('failed', 'failed', 400)),
    {
      kind: 'insert',
      key: serverIdKey('<x@prod.outlook.com>', 'old0'),
      fields: { at: Date.now() - 40 * dayMs },
    },
  ]);
  await write(
    rejectedPartition,
    Array.from({ length: 99 }, (_, index): Operation => ({
      kind: 'insert',
      key: `rejected${String(index)}`,
      fields: { at: Date.now() - 40 * dayMs },
    })),
  );
  const report = await prune(dependencies);
  expect(report).toEqual({ rowCount: 9_700 + 2 + 199 + 99, blobCount: 1, isComplete: true });
  expect(await keysOf('a1')).toEqual([]);
  expect(await keysOf('a2')).toEqual(['failed', 'held', 'new', 'waiting'].map(messageKey));
  expect(await keysOf('a3')).toEqual([]);
  expect(await keysOf(rejectedPartition)).toEqual([]);
  expect(await dependencies.contents.get(names.old)).toBeUndefined();
  for (const name of [names.content, names.recipients, names.attachment])
    expect(await dependencies.contents.get(name)).toBeDefined();
}, 300_000);

test('a row that changes while it is pruned is kept, and the rest of its batch goes', async () => {
  await accounts('b1');
  await write(
    'b1',
    Array.from({ length: 50 }, (_, index) => insertMessage(message(`m${String(index)}`, 'sent', 40))),
  );
  const { rows } = dependencies;
  let raced = false;
  const report = await prune({
    ...dependencies,
    rows: {
      read: (...of) => rows.read(...of),
      query: (...of) => rows.query(...of),
      async commit(partition, operations) {
        if (partition === 'b1' && !raced) {
          raced = true;
          const fields = { changedAt: Date.now() };
          await rows.commit('b1', [
            { kind: 'merge', key: messageKey('m7'), fields },
            { kind: 'merge', key: messageKey('m30'), fields },
            { kind: 'delete', key: messageKey('m12') },
          ]);
        }
        return rows.commit(partition, operations);
      },
    },
  });
  expect(report.rowCount).toBe(48);
  expect(await keysOf('b1')).toEqual(['m30', 'm7'].map(messageKey));
}, 60_000);

test('a row of another version is kept, and so is every blob; the other accounts are pruned', async () => {
  const unnamed = await put('named by a column that this version does not know');
  await accounts('c1', 'c2');
  await write('c1', [
    insertMessage(message('old', 'sent', 40)),
    { kind: 'insert', key: messageKey('other'), fields: { version: 2, state: 'sent', changedAt: 1 } },
  ]);
  await write('c2', [insertMessage(message('old', 'sent', 40))]);
  expect(await prune(dependencies)).toMatchObject({ rowCount: 2, blobCount: 0 });
  expect(await keysOf('c1')).toEqual([messageKey('other')]);
  expect(await keysOf('c2')).toEqual([]);
  expect(await dependencies.contents.get(unnamed)).toBeDefined();
  expect(log.filter(({ name }) => name === 'outbound.pruneFailed')).toMatchObject([
    { level: 'error', fields: { account: 'c1', detail: expect.stringContaining('another version') } },
  ]);
}, 60_000);
