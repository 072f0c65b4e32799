// The inbound ledger's contract, kept by the real table (the emulator's) and by the one in memory.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { systemRandom } from '../../shared/clock.ts';
import type { Cursor, MessageEntry, Ledger } from '../../shared/inbound/ports.ts';
import { tableNames } from '../../shared/storage/names.ts';
import { TableLedger } from '../../shared/storage/tableLedger.ts';
import { MemoryLedger } from '../inbound/memoryStore.ts';
import { startEmulator, type Emulator } from './emulator.ts';

let emulator: Emulator;

beforeAll(async () => {
  emulator = await startEmulator();
});

afterAll(async () => {
  await emulator.stop();
});

const ledgers: readonly (readonly [string, () => Ledger])[] = [
  ['memory', () => new MemoryLedger()],
  ['table', () => new TableLedger(emulator.clients.table(tableNames.inbound), systemRandom)],
];

const cursor: Cursor = {
  folder: 'INBOX',
  uidValidity: 4_294_967_295,
  lastUid: 4_294_967_290,
  retryList: [{ uid: 7, tryCount: 2 }],
  failureCount: 3,
  retryAt: Date.UTC(2026, 10, 25),
  lastRunAt: Date.UTC(2026, 10, 24),
  lastSuccessAt: 0,
  hasMore: true,
  detail: "It's ä test",
  vanishedCount: 1,
  missing: [{ uid: 11, passCount: 1, isNew: true }],
  firstRunAt: 1_795_000_000_000,
};

function entry(id: string, rawSha256 = 'a'.repeat(64)): MessageEntry {
  return {
    id,
    state: 'stored',
    headerFingerprint: 'h',
    contentFingerprint: 'c',
    rawSha256,
    sizeBytes: 3_000_000_000,
    kind: 'message',
    folder: 'INBOX',
    uidValidity: 4_294_967_295,
    uid: 4_294_967_290,
  };
}

let keys = 0;
/** A partition of its own, with a quote in it as addresses may have. */
function freshKey(): string {
  keys += 1;
  return `o'hara${keys}@contoso.test`;
}

const claim = { owner: 'one', now: 1_000, leaseUntil: 61_000 };

describe.each(ledgers)('the ledger in %s', (_name, make) => {
  test('a lease is taken once, and again when it is over', async () => {
    const ledger = make();
    const key = freshKey();
    const first = await ledger.acquireLease(key, claim);
    expect(first).toMatchObject({ kind: 'acquired', cursor: undefined });
    expect(await ledger.acquireLease(key, { ...claim, owner: 'two' })).toEqual({
      kind: 'busy',
      until: 61_000,
    });
    expect(
      await ledger.acquireLease(key, { ...claim, owner: 'two', now: 61_000, leaseUntil: 120_000 }),
    ).toMatchObject({
      kind: 'acquired',
    });
  });

  test('of many at once, one gets the lease', async () => {
    const ledger = make();
    const key = freshKey();
    const all = await Promise.all(
      Array.from({ length: 8 }, (_one, n) => ledger.acquireLease(key, { ...claim, owner: `${n}` })),
    );
    expect(all.filter(({ kind }) => kind === 'acquired')).toHaveLength(1);
  });

  test('the cursor comes back as it was written, with the lease given back', async () => {
    const ledger = make();
    const key = freshKey();
    const begun = await ledger.acquireLease(key, claim);
    if (begun.kind !== 'acquired') throw new Error('busy');
    expect(await ledger.releaseLease(begun.lease, cursor)).toMatchObject({ kind: 'ok' });
    expect(await ledger.cursor(key)).toEqual(cursor);
    expect(await ledger.acquireLease(key, claim)).toMatchObject({ kind: 'acquired', cursor });
  });

  test('an entry is kept once; another mail under its id is refused', async () => {
    const ledger = make();
    const key = freshKey();
    expect(await ledger.find(key, 'x')).toBeUndefined();
    expect(await ledger.insert(key, entry('x'))).toBe(true);
    expect(await ledger.insert(key, entry('x'))).toBe(true);
    expect(await ledger.insert(key, entry('x', 'b'.repeat(64)))).toBe(false);
    expect(await ledger.find(key, 'x')).toEqual(entry('x'));
    expect(await ledger.find(freshKey(), 'x')).toBeUndefined();
  });

  test('announcing, pending actions and cursor change together', async () => {
    const ledger = make();
    const key = freshKey();
    const begun = await ledger.acquireLease(key, claim);
    if (begun.kind !== 'acquired') throw new Error('busy');
    await ledger.insert(key, entry('x'));
    await ledger.insert(key, entry('y'));
    const pending = [10, 9, 100].map((uid) => ({ uidValidity: 4_294_967_295, uid, id: 'x' }));
    const moved = await ledger.advance(begun.lease, {
      cursor,
      announced: ['x', 'y'],
      pending,
      leaseUntil: 99_000,
    });
    expect(moved.kind).toBe('ok');
    expect(await ledger.find(key, 'y')).toEqual({ ...entry('y'), state: 'announced' });
    expect(await ledger.cursor(key)).toEqual(cursor);
    expect((await ledger.pendingActions(key, 10)).map(({ uid }) => uid)).toEqual([9, 10, 100]);
    expect((await ledger.pendingActions(key, 2)).map(({ uid }) => uid)).toEqual([9, 10]);
    await ledger.clearActions(key, pending.slice(0, 1));
    // One of them is gone already.
    await ledger.clearActions(key, pending.slice(0, 2));
    expect((await ledger.pendingActions(key, 10)).map(({ uid }) => uid)).toEqual([100]);
  });

  test('who lost the lease changes nothing', async () => {
    const ledger = make();
    const key = freshKey();
    const old = await ledger.acquireLease(key, claim);
    const now = await ledger.acquireLease(key, { ...claim, owner: 'two', now: 61_000, leaseUntil: 120_000 });
    if (old.kind !== 'acquired' || now.kind !== 'acquired') throw new Error('busy');
    await ledger.insert(key, entry('x'));
    const pending = [{ uidValidity: 1, uid: 1, id: 'x' }];
    const change = { cursor, announced: ['x'], pending, leaseUntil: 1 };
    expect(await ledger.advance(old.lease, change)).toEqual({ kind: 'lost' });
    expect(await ledger.releaseLease(old.lease, cursor)).toEqual({ kind: 'lost' });
    expect((await ledger.find(key, 'x'))?.state).toBe('stored');
    expect(await ledger.pendingActions(key, 10)).toEqual([]);
    expect(await ledger.cursor(key)).toBeUndefined();
    expect(await ledger.releaseLease(now.lease, cursor)).toMatchObject({ kind: 'ok' });
  });

  test('a transaction with an entry that is not there is refused whole', async () => {
    const ledger = make();
    const key = freshKey();
    const begun = await ledger.acquireLease(key, claim);
    if (begun.kind !== 'acquired') throw new Error('busy');
    const change = { cursor, announced: ['missing'], pending: [], leaseUntil: 1 };
    expect(await ledger.advance(begun.lease, change)).toEqual({ kind: 'lost' });
    expect(await ledger.cursor(key)).toBeUndefined();
  });
});

test('a table that is not there is trouble, not a mailbox never fetched or a busy one', async () => {
  const ledger = new TableLedger(emulator.clients.table('nowhere'), systemRandom);
  const claim = { owner: 'a', now: 0, leaseUntil: 60_000 };
  for (const call of [() => ledger.cursor('a'), () => ledger.acquireLease('a', claim)]) {
    await expect(call()).rejects.toThrow(/^the ledger did not answer: HTTP 404 TableNotFound/);
  }
});
