// The inbound ledger's contract, kept by the real table (the emulator's) and by the one in memory.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { systemRandom } from '../../shared/clock.ts';
import type {
  Cursor,
  Lease,
  Ledger,
  MessageEntry,
  PendingAction,
  StoredContent,
  StoredMessage,
} from '../../shared/inbound/ports.ts';
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
  unannounced: ['z'],
  incomplete: [12],
  hasPending: true,
  rescanTop: 9,
  rowsPrunedUntil: 1,
  caughtUpAt: 0,
};

function entry(id: string, rawSha256 = 'a'.repeat(64)): MessageEntry {
  return {
    id,
    state: 'announced',
    headerFingerprint: 'h',
    contentFingerprint: 'c',
    rawSha256,
    sizeBytes: 3_000_000_000,
    kind: 'message',
    folder: 'INBOX',
    uidValidity: 4_294_967_295,
    uid: 4_294_967_290,
    receivedAt: 1_795_000_000_000,
    contentDay: '2026-11-27',
  };
}

const content = (id: string): StoredContent => ({
  id,
  day: '2026-11-27',
  blobs: ['raw.eml', 'part-1'],
  people: ['p'],
});
const message = (id: string): StoredMessage => ({ entry: entry(id), content: content(id) });
const actions = (...uids: readonly number[]): readonly PendingAction[] =>
  uids.map((uid) => ({ uidValidity: 4_294_967_295, uid, id: 'x', mailKind: 'bounce' }));
const last = { cursor, pending: [], cleared: [] };
const nothing = { ...last, stored: [], leaseUntil: 99_000 };

async function leaseOf(ledger: Ledger, key: string): Promise<Lease> {
  const begun = await ledger.acquireLease(key, claim);
  if (begun.kind !== 'acquired') throw new Error('busy');
  return begun.lease;
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
    expect(await ledger.releaseLease(begun.lease, last)).toMatchObject({ kind: 'ok' });
    expect(await ledger.cursor(key)).toEqual(cursor);
    expect(await ledger.acquireLease(key, claim)).toMatchObject({ kind: 'acquired', cursor });
  });

  test('a retry list of more than a column holds comes back, and a short one again', async () => {
    const ledger = make();
    const key = freshKey();
    const highest = 4_294_967_295;
    const long: Cursor = {
      ...cursor,
      retryList: Array.from({ length: 1_200 }, (_, n) => ({
        uid: highest - n,
        tryCount: 12,
        ...(n % 2 === 0 ? {} : { abandonedCount: 14 }),
      })),
      missing: Array.from({ length: 200 }, (_, n) => ({
        uid: highest - 2_000 - n,
        passCount: 2,
        isNew: n > 9,
      })),
    };
    const kept = await ledger.advance(await leaseOf(ledger, key), { ...nothing, cursor: long });
    if (kept.kind !== 'ok') throw new Error('refused');
    expect(await ledger.cursor(key)).toEqual(long);
    expect(await ledger.releaseLease(kept.lease, last)).toMatchObject({ kind: 'ok' });
    expect(await ledger.cursor(key)).toEqual(cursor);
  });

  test('rows, pending actions and cursor change together', async () => {
    const ledger = make();
    const key = freshKey();
    const lease = await leaseOf(ledger, key);
    const pending = actions(10, 9, 100);
    const moved = await ledger.advance(lease, {
      cursor,
      stored: [message('x'), message('y')],
      pending,
      cleared: [],
      leaseUntil: 99_000,
    });
    if (moved.kind !== 'ok') throw new Error('refused');
    expect(await ledger.find(key, 'y')).toEqual(entry('y'));
    expect(await ledger.find(freshKey(), 'y')).toBeUndefined();
    expect(await ledger.cursor(key)).toEqual(cursor);
    expect((await ledger.pendingActions(key, 10)).map(({ uid }) => uid)).toEqual([9, 10, 100]);
    expect(await ledger.pendingActions(key, 2)).toEqual([pending[1], pending[0]]);
    const cleared = pending.slice(0, 1);
    const next = await ledger.advance(moved.lease, { ...nothing, cleared, pending: actions(200) });
    if (next.kind !== 'ok') throw new Error('refused');
    expect((await ledger.pendingActions(key, 10)).map(({ uid }) => uid)).toEqual([9, 100, 200]);
    // One of them is gone already.
    const again = await ledger.releaseLease(next.lease, { ...last, cleared: pending.slice(0, 2) });
    expect(again).toMatchObject({ kind: 'ok' });
    expect((await ledger.pendingActions(key, 10)).map(({ uid }) => uid)).toEqual([100, 200]);
    await ledger.clearActions(key, pending);
    expect((await ledger.pendingActions(key, 10)).map(({ uid }) => uid)).toEqual([200]);
  });

  test('a row that must not be there refuses the whole transaction and is named', async () => {
    const ledger = make();
    const key = freshKey();
    const first = await ledger.advance(await leaseOf(ledger, key), { ...nothing, stored: [message('x')] });
    if (first.kind !== 'ok') throw new Error('refused');
    const other = { ...message('x'), entry: entry('x', 'b'.repeat(64)) };
    const both = { ...nothing, stored: [message('y'), other], pending: actions(1) };
    expect(await ledger.advance(first.lease, both)).toEqual({ kind: 'known', ids: ['x'] });
    expect(await ledger.find(key, 'x')).toEqual(entry('x'));
    expect(await ledger.find(key, 'y')).toBeUndefined();
    expect(await ledger.pendingActions(key, 10)).toEqual([]);
    // The lease is still good.
    expect(await ledger.advance(first.lease, { ...nothing, stored: [message('y')] })).toMatchObject({
      kind: 'ok',
    });
  });

  test('a message that is announced again moves its content row to the new day', async () => {
    const ledger = make();
    const key = freshKey();
    const first = await ledger.advance(await leaseOf(ledger, key), { ...nothing, stored: [message('x')] });
    if (first.kind !== 'ok') throw new Error('refused');
    const later = {
      entry: { ...entry('x'), contentDay: '2026-12-01' },
      content: { ...content('x'), day: '2026-12-01' },
    };
    const moved = await ledger.advance(first.lease, {
      ...nothing,
      stored: [{ ...later, knownDay: '2026-11-27' }],
    });
    expect(moved).toMatchObject({ kind: 'ok' });
    expect(await ledger.contentBefore(key, '2026-12-01', 10)).toEqual([]);
    expect(await ledger.contentBefore(key, '2026-12-02', 10)).toEqual([later.content]);
    expect((await ledger.find(key, 'x'))?.contentDay).toBe('2026-12-01');
  });

  test('content is listed by its day, then the message is only known, then forgotten', async () => {
    const ledger = make();
    const key = freshKey();
    const stored = ['2026-11-29', '2026-11-27', '2026-11-28'].map((day, n) => ({
      entry: { ...entry(`m${n}`), contentDay: day },
      content: { ...content(`m${n}`), day },
    }));
    await ledger.advance(await leaseOf(ledger, key), { ...nothing, stored });
    const due = await ledger.contentBefore(key, '2026-11-29', 10);
    expect(due.map(({ id }) => id)).toEqual(['m1', 'm2']);
    expect(await ledger.contentBefore(key, '2026-11-29', 1)).toHaveLength(1);
    expect(due[0]).toEqual(stored[1]?.content);
    expect(await ledger.contentOf(key, { id: 'm1', day: '2026-11-27' })).toEqual(due[0]);
    await ledger.contentRemoved(key, due);
    // Once more, as after a lost answer.
    await ledger.contentRemoved(key, due);
    expect(await ledger.contentOf(key, { id: 'm1', day: '2026-11-27' })).toBeUndefined();
    expect(await ledger.contentBefore(key, '2027-01-01', 10)).toHaveLength(1);
    expect((await ledger.find(key, 'm1'))?.id).toBe('m1');
    const known = await ledger.knownBefore(key, '2026-11-28', 10);
    expect(known).toEqual([{ id: 'm1', day: '2026-11-27' }]);
    await ledger.forget(key, known);
    await ledger.forget(key, known);
    expect(await ledger.find(key, 'm1')).toBeUndefined();
    expect(await ledger.knownBefore(key, '2027-01-01', 10)).toHaveLength(1);
  });

  test('who lost the lease changes nothing', async () => {
    const ledger = make();
    const key = freshKey();
    const old = await ledger.acquireLease(key, claim);
    const now = await ledger.acquireLease(key, { ...claim, owner: 'two', now: 61_000, leaseUntil: 120_000 });
    if (old.kind !== 'acquired' || now.kind !== 'acquired') throw new Error('busy');
    const change = { ...nothing, stored: [message('x')], pending: actions(1) };
    expect(await ledger.advance(old.lease, change)).toEqual({ kind: 'lost' });
    expect(await ledger.releaseLease(old.lease, { ...last, pending: actions(1) })).toEqual({ kind: 'lost' });
    expect(await ledger.find(key, 'x')).toBeUndefined();
    expect(await ledger.pendingActions(key, 10)).toEqual([]);
    expect(await ledger.cursor(key)).toBeUndefined();
    expect(await ledger.releaseLease(now.lease, last)).toMatchObject({ kind: 'ok' });
  });
});

test('a table that is not there is trouble, not a mailbox never fetched or a busy one', async () => {
  const ledger = new TableLedger(emulator.clients.table('nowhere'), systemRandom);
  const claim = { owner: 'a', now: 0, leaseUntil: 60_000 };
  for (const call of [() => ledger.cursor('a'), () => ledger.acquireLease('a', claim)]) {
    await expect(call()).rejects.toThrow(/^the ledger did not answer: HTTP 404 TableNotFound/);
  }
});
