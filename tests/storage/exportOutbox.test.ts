// Export and restore on the real table and blob containers: rows are lost, and come back held for a person; killed at
// any step, the next run ends as if there had been no kill.
import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { systemClock } from '../../shared/clock.ts';
import { StorageTime } from '../../shared/limits/storageTime.ts';
import type { Dependencies } from '../../shared/outbound/dependencies.ts';
import { createOutbound, type Outbound } from '../../shared/outbound/outbound.ts';
import type { Operation } from '../../shared/outbound/ports.ts';
import { accountsPartition, everyRow, messageKey } from '../../shared/outbound/records/keys.ts';
import { encodeMessage, indexRow } from '../../shared/outbound/records/messageRow.ts';
import type { Message, State } from '../../shared/outbound/records/message.ts';
import { BlobContents } from '../../shared/storage/blobContents.ts';
import { BlobExports, exportContainer } from '../../shared/storage/blobExports.ts';
import { makeStoreClients } from '../../shared/storage/clients.ts';
import { containerNames, tableNames } from '../../shared/storage/names.ts';
import { StorageQueues } from '../../shared/storage/storageQueues.ts';
import { TableRows } from '../../shared/storage/tableRows.ts';
import type { LogEvent } from '../../shared/telemetry/log.ts';
import { World } from '../models/world.ts';
import { startEmulator, type Emulator } from './emulator.ts';

let emulator: Emulator;
let dependencies: Dependencies & { readonly exports: BlobExports };
let outbound: Outbound;
const log: LogEvent[] = [];
let accounts = 0;

beforeAll(async () => {
  emulator = await startEmulator();
  const time = new StorageTime(systemClock);
  const { connectionString } = emulator.azurite;
  const address = { kind: 'connectionString', connectionString } as const;
  const clients = makeStoreClients(address, { clock: systemClock, clockSampler: time });
  const container = exportContainer(address);
  await container.create();
  dependencies = {
    ...new World().host().dependencies,
    rows: new TableRows(clients.table(tableNames.outbox)),
    contents: new BlobContents(
      clients.blobs.getContainerClient(containerNames.outboundContent),
      clients.blobs.getContainerClient(containerNames.outboundUploads),
    ),
    exports: new BlobExports(container),
    queues: new StorageQueues(clients.queues),
    time,
    // A killed process must not wait for its tries.
    clock: { ...systemClock, sleep: () => Promise.resolve() },
    log: (event) => log.push(event),
  };
  outbound = createOutbound(dependencies);
});
afterAll(() => emulator.stop());
// An export is of every account: those of another test would be in it.
afterEach(async () => {
  for (const account of await outbound.accounts()) await lose(account, []);
});

const recipient = { address: 'a@example.org', state: 'pending' } as const;

function message(id: string, state: State, change: Partial<Message> = {}): Message {
  const at = Date.now();
  return {
    id,
    hash: 'h',
    submissionHash: 'h',
    mailbox: 'desk@example.com',
    lane: 1,
    content: Buffer.from(`{"id":"${id}"}`),
    blobs: [],
    messageId: `<${id}@example.com>`,
    acceptedAt: at,
    datedAt: at,
    state,
    indexEntry: { kind: 'due', at },
    attempt: 1,
    recipients: [recipient],
    deferrals: 0,
    deferredMs: 0,
    sequence: 2,
    changedAt: at,
    charged: 1,
    chargedAt: at,
    history: [{ at, type: 'mail.accepted' }],
    bounces: [],
    ...change,
  };
}

async function put(account: string, messages: readonly Message[]): Promise<void> {
  const { rows } = dependencies;
  await rows.commit(accountsPartition, [{ kind: 'insert', key: account, fields: {} }]);
  for (const one of messages) {
    const index = indexRow(one);
    const answer = await rows.commit(account, [
      { kind: 'insert', key: messageKey(one.id), fields: encodeMessage(one, '') },
      ...(index === undefined ? [] : [{ kind: 'insert', ...index } as const]),
    ]);
    if (answer.kind !== 'ok') throw new Error(JSON.stringify(answer));
  }
}

/** Everything of the account is gone, and so are the contents that its rows name. */
async function lose(account: string, contents: readonly string[]): Promise<void> {
  const { rows } = dependencies;
  const all = await rows.query(account, { ...everyRow, limit: 1_000 }, ['mailbox']);
  for (const { key } of all) {
    const gone: Operation = { kind: 'delete', key };
    await rows.commit(account, [gone]);
  }
  await rows.commit(accountsPartition, [{ kind: 'delete', key: account }]);
  for (const name of contents) await dependencies.contents.removeIfOlder(name, -1);
}

interface Told {
  readonly id: string;
  readonly state: string;
  readonly reason: string | undefined;
  readonly recipients: readonly string[];
  readonly sequence: number;
}

/** Messages and the number of their events, as they are in the table. */
async function stored(
  account: string,
): Promise<{ readonly messages: readonly Told[]; readonly events: number }> {
  const all = await dependencies.rows.query(account, { ...everyRow, limit: 1_000 }, ['mailbox']);
  const messages = [];
  for (const { key } of all.filter(({ key }) => key.startsWith('msg|'))) {
    const id = key.slice('msg|'.length);
    const read = (await outbound.message(account, id))?.message;
    if (read !== undefined)
      messages.push({
        id,
        state: read.state,
        reason: read.reason,
        recipients: read.recipients.map(({ state }) => state),
        sequence: read.sequence,
      });
  }
  return { messages, events: all.filter(({ key }) => key.startsWith('event|')).length };
}

const large = Buffer.alloc(200_000, 'large content ');
const nameOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const newAccount = (): string => `desk${String((accounts += 1))}@example.com`;

/** One of each state, one of them with its content and an attachment in blobs. */
async function seed(account: string): Promise<readonly string[]> {
  const attachment = Buffer.from(`attachment of ${account}`);
  const blobs = [nameOf(large), nameOf(attachment)];
  await dependencies.contents.put(nameOf(large), large);
  await dependencies.contents.put(nameOf(attachment), attachment);
  const at = Date.now();
  const suspended = (group: 'failed' | 'inDoubt') => ({ kind: 'suspended', group, at }) as const;
  await put(account, [
    message('waiting', 'waiting'),
    message('with-blobs', 'waiting', { content: nameOf(large), blobs: [nameOf(attachment)] }),
    message('partly', 'waiting', { recipients: [recipient, { address: 'b@example.org', state: 'sent' }] }),
    message('in-doubt', 'inDoubt', {
      indexEntry: { kind: 'inDoubt', lookupAt: at + 9e6, lookup: 1, claimedAt: at },
      recipients: [{ address: 'a@example.org', state: 'inDoubt' }],
    }),
    message('failed', 'failed', {
      indexEntry: suspended('failed'),
      recipients: [{ address: 'a@example.org', state: 'failed' }],
    }),
    message('sent', 'sent', { indexEntry: { kind: 'none' }, recipients: [{ ...recipient, state: 'sent' }] }),
  ]);
  return blobs;
}

const held = (id: string, ...recipients: readonly string[]) => ({
  id,
  state: 'held',
  reason: 'restored',
  recipients,
  sequence: 3,
});
const restoredAll = {
  messages: [
    held('failed', 'inDoubt'),
    held('in-doubt', 'inDoubt'),
    held('partly', 'inDoubt', 'sent'),
    held('waiting', 'inDoubt'),
    held('with-blobs', 'inDoubt'),
  ],
  // mail.held of each.
  events: 5,
};

async function exported(): Promise<string> {
  const report = await outbound.exportOutbox();
  if (report === undefined) throw new Error('nothing was exported');
  return report.export;
}

test('what was unfinished comes back held for a person, with its contents; what was sent does not', async () => {
  const account = newAccount();
  const blobs = await seed(account);
  const name = await exported();
  expect((await outbound.exports()).at(-1)).toBe(name);
  expect(log.findLast(({ name }) => name === 'outbound.exported')?.fields).toMatchObject({
    messageCount: 5,
    contentCount: 2,
    missingCount: 0,
    unreadableCount: 0,
  });
  await lose(account, blobs);
  expect(await stored(account)).toEqual({ messages: [], events: 0 });

  const dry = await outbound.restore({ export: name, by: 'eva', dryRun: true });
  expect(dry).toMatchObject({ kind: 'done', restoredCount: 5, presentCount: 0, failedCount: 0 });
  expect(await stored(account)).toEqual({ messages: [], events: 0 });
  expect(await dependencies.contents.get(blobs[0] ?? '')).toBeUndefined();

  const report = await outbound.restore({ export: name, by: 'eva' });
  expect(report).toMatchObject({
    kind: 'done',
    restoredCount: 5,
    presentCount: 0,
    failedCount: 0,
    failed: [],
  });
  expect(await stored(account)).toEqual(restoredAll);
  expect(Buffer.from((await dependencies.contents.get(blobs[0] ?? '')) ?? []).equals(large)).toBe(true);
  const waiting = (await outbound.message(account, 'waiting'))?.message;
  expect(waiting?.detail).toMatch(
    /^Restored by eva from the export of 20.*Whether it was sent after that is not known/,
  );
  expect(waiting?.history.at(-1)?.type).toBe('mail.held');
  expect(Buffer.from(waiting?.content ?? []).toString()).toBe('{"id":"waiting"}');
  // A person sees and decides: nothing is due by itself, and what may have been sent can't be cancelled.
  expect(await outbound.accounts()).toContain(account);
  expect((await outbound.forPerson(account, 'unresolved', 100)).map(({ id }) => id).sort()).toEqual(
    restoredAll.messages.map(({ id }) => id),
  );
  expect((await outbound.watch(account)).backlog).toMatchObject({
    waiting: { count: 0 },
    unresolved: { count: 5 },
  });
  expect(await outbound.cancel({ account, id: 'waiting', by: 'eva' })).toMatchObject({ kind: 'refused' });
  expect(await outbound.markSent({ account, id: 'waiting', by: 'eva' })).toEqual({ kind: 'done' });
  expect(await outbound.replay({ account, id: 'with-blobs', by: 'eva' })).toEqual({ kind: 'done' });

  // Once more: all are there, and what a person did to them stays.
  expect(await outbound.restore({ export: name, by: 'eva' })).toMatchObject({
    restoredCount: 0,
    presentCount: 5,
  });
  expect((await outbound.message(account, 'waiting'))?.message.state).toBe('sent');
  expect((await outbound.message(account, 'with-blobs'))?.message.state).toBe('waiting');
});

test('a message that is still there is left as it is, and one that came again is not overwritten', async () => {
  const account = newAccount();
  await put(account, [message('kept', 'waiting'), message('again', 'waiting'), message('lost', 'waiting')]);
  const name = await exported();
  await dependencies.rows.commit(account, [
    { kind: 'delete', key: messageKey('lost') },
    { kind: 'delete', key: messageKey('again') },
  ]);
  const again = message('again', 'sent', { indexEntry: { kind: 'none' }, sequence: 7 });
  await dependencies.rows.commit(account, [
    { kind: 'insert', key: messageKey('again'), fields: encodeMessage(again, '') },
  ]);
  expect(await outbound.restore({ export: name, by: 'eva', account })).toMatchObject({
    restored: [{ account, id: 'lost' }],
    presentCount: 2,
  });
  expect((await outbound.message(account, 'again'))?.message).toMatchObject({ state: 'sent', sequence: 7 });
  expect((await outbound.message(account, 'kept'))?.message.state).toBe('waiting');
});

test('a content that had disappeared before the export is reported, and its message is not brought back without it', async () => {
  const account = newAccount();
  await put(account, [
    message('without', 'waiting', { content: 'f'.repeat(64) }),
    message('with', 'waiting'),
  ]);
  const name = await exported();
  expect(log.findLast(({ name }) => name === 'outbound.exported')?.fields).toMatchObject({ missingCount: 1 });
  await lose(account, []);
  expect(await outbound.restore({ export: name, by: 'eva', account })).toMatchObject({
    restored: [{ account, id: 'with' }],
    failed: [{ account, id: 'without', detail: 'A content that it needs is not in the export.' }],
  });
});

test('a second export renews the contents that are there instead of copying them', async () => {
  const account = newAccount();
  const blobs = await seed(account);
  await exported();
  const container = exportContainer({
    kind: 'connectionString',
    connectionString: emulator.azurite.connectionString,
  });
  const blob = container.getBlobClient(`content/${blobs[0] ?? ''}`);
  const before = await blob.getProperties();
  let puts = 0;
  const counting: Dependencies['exports'] = {
    put: (name, bytes) => {
      if (name.startsWith('content/')) puts += 1;
      return dependencies.exports.put(name, bytes);
    },
    renew: (name) => dependencies.exports.renew(name),
    get: (name) => dependencies.exports.get(name),
    list: (prefix, limit) => dependencies.exports.list(prefix, limit),
  };
  await systemClock.sleep(1_100); // Last-Modified has whole seconds
  await createOutbound({ ...dependencies, exports: counting }).exportOutbox();
  expect(puts).toBe(0);
  const after = await blob.getProperties();
  expect(after.lastModified?.getTime()).toBeGreaterThan(before.lastModified?.getTime() ?? Infinity);
});

class Killed extends Error {}

/** The same, but every call from the n-th on throws, before or after it took effect. */
function killedAt(step: number, when: 'before' | 'after'): Dependencies {
  let count = 0;
  const wrapped = <T extends object>(target: T): T =>
    new Proxy(target, {
      get: (object, property) => {
        const value: unknown = Reflect.get(object, property);
        // `reference` only names a blob.
        if (typeof value !== 'function') return value;
        if (property === 'reference') return (name: string): string => dependencies.contents.reference(name);
        return async (...args: unknown[]): Promise<unknown> => {
          count += 1;
          if (count > step || (count === step && when === 'before')) throw new Killed();
          const answer: unknown = await (value.apply(object, args) as Promise<unknown>);
          if (count >= step) throw new Killed();
          return answer;
        };
      },
    });
  return {
    ...dependencies,
    rows: wrapped(dependencies.rows),
    contents: wrapped(dependencies.contents),
    exports: wrapped(dependencies.exports),
  };
}

/** Kills at each step in turn until a run comes through; how many steps it has. */
async function killEverywhere(
  when: 'before' | 'after',
  run: (outbound: Outbound) => Promise<unknown>,
  look: () => Promise<void>,
): Promise<number> {
  for (let step = 1; step < 200; step += 1) {
    const killed = await run(createOutbound(killedAt(step, when))).then(
      () => false,
      () => true,
    );
    await look();
    if (!killed) return step;
  }
  throw new Error('it never ends');
}

test.each(['before', 'after'] as const)(
  'an export killed %s any step is no export, and the last one stays',
  async (when) => {
    const account = newAccount();
    await seed(account);
    const good = await exported();
    const steps = await killEverywhere(
      when,
      (killed) => killed.exportOutbox(),
      async () => {
        const report = await outbound.restore({ export: good, by: 'eva', account, dryRun: true });
        expect(report).toMatchObject({ kind: 'done', presentCount: 5, failedCount: 0 });
      },
    );
    expect(steps).toBeGreaterThan(10);
    expect(await outbound.restore({ export: 'no such', by: 'eva' })).toEqual({ kind: 'unknown' });
  },
);

test.each(['before', 'after'] as const)(
  'a restore killed %s any step, run again, ends the same',
  async (when) => {
    const account = newAccount();
    const blobs = await seed(account);
    const name = await exported();
    await lose(account, blobs);
    const steps = await killEverywhere(
      when,
      (killed) => killed.restore({ export: name, by: 'eva', account }),
      async () => {
        // Whatever is there is complete: held, listed once, told once.
        const { messages, events } = await stored(account);
        expect(messages.every(({ state, sequence }) => state === 'held' && sequence === 3)).toBe(true);
        expect(events).toBe(messages.length);
        const listed = await outbound.forPerson(account, 'unresolved', 100);
        expect(listed).toHaveLength(messages.length);
      },
    );
    expect(steps).toBeGreaterThan(5);
    await outbound.restore({ export: name, by: 'eva', account });
    expect(await stored(account)).toEqual(restoredAll);
  },
);

test('without an account to export to, nothing is exported, and the log says so', async () => {
  const { exports: none, ...without } = dependencies;
  expect(none).toBeDefined();
  const alone = createOutbound(without);
  expect(await alone.exportOutbox()).toBeUndefined();
  expect(log.at(-1)?.name).toBe('outbound.notExported');
  expect(await alone.exports()).toEqual([]);
  expect(await alone.restore({ export: 'x', by: 'eva' })).toEqual({ kind: 'unknown' });
});
