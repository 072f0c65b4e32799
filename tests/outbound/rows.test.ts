// What is written into rows comes back as it was, whatever it is, within the bounds of a row.
import { asLatest } from '../../shared/limits/storageTime.ts';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeState, emptyState, encodeState } from '../../shared/outbound/records/accountState.ts';
import type { AccountState } from '../../shared/outbound/records/accountState.ts';
import { checkNumbers } from '../../shared/outbound/checkNumbers.ts';
import { getText, putText } from '../../shared/outbound/records/chunks.ts';
import {
  after,
  allDueRange,
  suspendedKey,
  suspendedRange,
  inDoubtKey,
  inDoubtRange,
  dueKey,
  dueRange,
  eventKey,
  eventRange,
  idAtEnd,
  messageKey,
  messageRange,
  parseDueKey,
} from '../../shared/outbound/records/keys.ts';
import type { Range } from '../../shared/outbound/records/keys.ts';
import { defaultNumbers } from '../../shared/outbound/numbers.ts';
import { groupAccounts } from '../../shared/mail/accounts.ts';
import { mailbox } from '../models/world.ts';

const at = asLatest(Date.UTC(2026, 10, 25, 9));

const oneActive: AccountState['activeAttempts'][number] = {
  id: 'a',
  attempt: 2,
  key: dueKey(1, at, 'a'),
  tag: 't',
  owner: 'tag',
  deadline: at,
  slot: at / 1_000,
};

const fullState: AccountState = {
  lease: { owner: 'invocation', tag: 'tag', until: at, connections: 2 },
  orphanedConnections: [{ connections: 1, goneBy: at }],
  activeAttempts: [oneActive],
  slots: Array.from({ length: 920 }, (_, index): [number, number] => [at / 1_000 + index, 10_000]),
  day: Array.from({ length: 292 }, (_, index): [number, number] => [at / 1_000 + 300 * index, 10_000]),
  backoffUntil: { 0: 0, 1: at, 2: at + 1 },
  holds: [
    {
      reason: 'quota',
      detail: 'The day is full.',
      remedy: 'Wait.',
      since: at,
      probeAt: at + 1,
      probeCount: 3,
      firstProbeMs: 60_000,
    },
    {
      mailbox: 'sales@example.com',
      reason: 'paused',
      detail: 'Paused.',
      remedy: 'Resume.',
      since: at,
      probeCount: 0,
      firstProbeMs: 0,
    },
  ],
  suspendedMailboxes: ['sales@example.com'],
  claimToReplyMs: 1_500,
  refusals: [
    { id: 'b', mailbox: 'desk@example.com', alike: '550 5.7.1', recipient: 'ab12', isOfMailbox: false },
    { id: 'c', mailbox: 'desk@example.com', alike: 'transient', isOfMailbox: true },
  ],
  tallies: [
    { acceptedCount: 5, releasedCount: 1 },
    { mailbox: 'desk@example.com', acceptedCount: 4, releasedCount: 0 },
  ],
  hourly: [{ hour: 490_000, of: 'desk@example.com esm', counts: { sent: 3, recipients: 4 } }],
  lastSent: [{ mailbox: 'desk@example.com', at: 1_764_061_200_000 }],
  bounced: [{ id: 'INC-3', at: 1_764_061_200_000 }],
  reportedHolds: [{ mailbox: 'desk@example.com', scope: 'account', since: 7, reason: 'quota' }],
  writtenBy: 'somebody',
};

describe('account', () => {
  test('a full one and an empty one come back as they were', () => {
    expect(decodeState(encodeState(fullState))).toEqual(fullState);
    expect(decodeState(encodeState(emptyState))).toEqual(emptyState);
  });

  test('at its fullest, every property holds at most 64 KiB and the row 1 MiB', () => {
    const hold = {
      detail: 'w'.repeat(600),
      remedy: 'c'.repeat(300),
      reason: 'sendAs',
      since: at,
      probeAt: at,
      probeCount: 99,
      firstProbeMs: 3_600_000,
    } as const;
    const addresses = Array.from(
      { length: 100 },
      (_, index) => `${'m'.repeat(60)}${index}@${'d'.repeat(180)}.example`,
    );
    const most = encodeState({
      ...fullState,
      holds: addresses.map((address) => ({ ...hold, mailbox: address })),
      suspendedMailboxes: addresses,
      activeAttempts: Array.from({ length: 40 }, (_, index) => ({
        ...oneActive,
        id: `${'i'.repeat(120)}${index}`,
        key: dueKey(1, at, 'i'.repeat(128)),
      })),
    });
    const sizes = Object.values(most).map((field) => (typeof field === 'string' ? 2 * field.length : 8));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(65_536);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(1_000_000);
  });

  test('a row of another version is left alone', () => {
    expect(() => decodeState({ ...encodeState(fullState), version: 2 })).toThrow('version 2');
  });
});

test('text of any length comes back from its chunks; merging a shorter one over it leaves nothing of the old', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 100_000 }),
      fc.integer({ min: 0, max: 100_000 }),
      (first, second) => {
        const old = putText('text', 'a'.repeat(first));
        const merged = { ...old, ...putText('text', 'b'.repeat(second)) };
        expect(getText(merged, 'text')).toBe('b'.repeat(second));
      },
    ),
    { numRuns: 30 },
  );
  expect(getText({}, 'text')).toBeUndefined();
  expect(() => putText('text', 'x'.repeat(600_000))).toThrow(RangeError);
});

describe('keys', () => {
  const id = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}$/);
  const time = fc.integer({ min: 0, max: 9_999_999_999_999 });
  const isIn = (range: Range, key: string): boolean => key >= range.from && key < range.to;

  test('due rows sort by lane, then time; a range to an instant holds it and nothing later', () => {
    fc.assert(
      fc.property(id, id, time, time, (one, other, first, second) => {
        if (first < second) expect(dueKey(1, first, one) < dueKey(1, second, other)).toBe(true);
        expect(dueKey(0, first, one) < dueKey(1, second, other)).toBe(true);
        expect(isIn(dueRange(1, second), dueKey(1, first, one))).toBe(first <= second);
        expect(isIn(dueRange(1, second), dueKey(0, first, one))).toBe(false);
        expect(isIn(inDoubtRange(second), inDoubtKey(first, one))).toBe(first <= second);
        expect(parseDueKey(dueKey(2, first, one))).toEqual({ lane: 2, at: first, id: one });
      }),
    );
  });

  test('each kind of row is in its own range alone', () => {
    fc.assert(
      fc.property(id, time, (one, when) => {
        const keys = [
          messageKey(one),
          dueKey(0, when, one),
          inDoubtKey(when, one),
          eventKey(one, 7),
          suspendedKey('failed', when, one),
          suspendedKey({ mailbox: 'A@b.example' }, when, one),
          'account',
        ];
        const ranges = [
          messageRange,
          allDueRange,
          inDoubtRange(1e14),
          eventRange,
          suspendedRange('failed'),
          suspendedRange({ mailbox: 'a@B.example' }),
        ];
        for (const [place, range] of ranges.entries()) {
          expect(keys.filter((key) => isIn(range, key))).toEqual([keys[place]]);
        }
        for (const key of keys.slice(0, 3)) expect(idAtEnd(key)).toBe(one);
        expect(keys.every((key) => !/[/\\#?\u0000-\u001f]/.test(key))).toBe(true);
      }),
    );
  });

  test('the rest of a range begins right after a key', () => {
    fc.assert(
      fc.property(id, id, (one, other) => {
        const [first, second] = [messageKey(one), messageKey(other)];
        expect(isIn(after(messageRange, first), second)).toBe(second > first);
      }),
    );
  });
});

describe('numbers that a row could not hold are refused at start', () => {
  const accounts = groupAccounts([mailbox('desk@example.com')]);
  test('the defaults fit', () => {
    expect(checkNumbers(defaultNumbers, accounts)).toEqual([]);
  });
  test.each([
    ['day buckets of a second', { dayBucketMs: 1_000 }, 'longer day bucket'],
    ['a lease within its margin', { leaseMs: 8_000 }, 'lease is too short'],
    ['an attempt that outlives the function', { attemptMs: 400_000 }, 'outlive the function'],
  ])('%s', (_what, change, detail) => {
    expect(checkNumbers({ ...defaultNumbers, ...change }, accounts)).toEqual([
      { setting: 'OUTBOUND_NUMBERS', detail: expect.stringContaining(detail) },
    ]);
  });
  test('a limit of nothing', () => {
    const limits = { messagesPerMinute: 0, recipientsPerDay: 1, connections: 1 };
    const none = groupAccounts([mailbox('desk@example.com', { limits })]);
    expect(checkNumbers(defaultNumbers, none)).toEqual([
      { setting: 'MAILBOXES', detail: expect.stringContaining('below 1') },
    ]);
  });
  test('four hundred mailboxes on one account', () => {
    const many = Array.from({ length: 400 }, (_, index) =>
      mailbox(`m${index}@example.com`, { smtpUser: 'one@example.com' }),
    );
    expect(checkNumbers(defaultNumbers, groupAccounts(many))).toEqual([
      { setting: 'MAILBOXES', detail: expect.stringContaining('too many mailboxes') },
    ]);
  });
});
