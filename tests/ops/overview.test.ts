// The first screen as data: the state of a mailbox in one word with its remedy, counts since a full hour, what ends soon.
import { describe, expect, test } from '@jest/globals';
import { hourMs, hourOf } from '../../shared/mail/hourCounts.ts';
import type { AccountSummary } from '../../shared/outbound/operator/summaries.ts';
import type { MailboxBoard } from '../../shared/ops/mailboxBoards.ts';
import { lastWorkingDayEnd, makeOverview, type OverviewInput } from '../../shared/ops/overview.ts';
import { mailbox } from '../models/world.ts';

const now = Date.UTC(2026, 10, 28, 11, 30);
const desk = 'Desk@example.com';
const count = (value: number) => ({ count: value, more: false });

const summary = (board: Partial<AccountSummary['board']> = {}): AccountSummary => ({
  account: 'desk@example.com',
  at: now - 60_000,
  backlog: {
    at: now,
    etag: '',
    waiting: count(2),
    inDoubt: count(0),
    unresolved: count(0),
    failed: count(1),
    unreadable: count(0),
  },
  slotsInUse: 3,
  messagesPerMinute: 30,
  recipientsToday: 40,
  recipientsPerDay: 10_000,
  activeCount: 0,
  board: { hours: [], attention: [], lastSent: [], holds: [], ...board },
});

const receiving = (change: Partial<NonNullable<MailboxBoard['receiving']>> = {}) => ({
  lastSuccessAt: now - 60_000,
  firstRunAt: 1,
  failureCount: 0,
  detail: '',
  hasMore: false,
  hours: [],
  sortedOut: [],
  ...change,
});

const input = (change: Partial<OverviewInput> = {}, board: Partial<MailboxBoard> = {}): OverviewInput => ({
  mailboxes: [mailbox(desk, { receive: true })],
  summaries: [summary()],
  boards: { at: now - 60_000, mailboxes: [{ address: desk, receiving: receiving(), ...board }], queues: [] },
  expirations: [],
  sinceAt: now - 3 * hourMs,
  now,
  ...change,
});

const hold = { reason: 'sendAs', detail: 'Not allowed.', remedy: 'Allow it.', since: now };

describe('the state in one word', () => {
  const failing = { failureCount: 3, detail: 'The server refuses the sign-in.' };
  test.each([
    { named: 'all is well', given: input(), word: 'works' },
    {
      named: 'the sweep has stopped',
      given: input({ boards: { ...input().boards, at: now - hourMs } }),
      word: 'unknown',
      act: 'sweep',
    },
    {
      named: 'never looked at',
      given: input({ boards: { at: now, mailboxes: [], queues: [] } }),
      word: 'unknown',
      act: 'sweep',
    },
    {
      named: 'no sign-in',
      given: input({}, { needsConsent: 'Nobody has connected it.' }),
      word: 'stopped',
      act: 'connect',
    },
    {
      named: 'a hold of the account',
      given: input({ summaries: [summary({ holds: [hold] })] }),
      word: 'stopped',
      act: 'doctor',
    },
    {
      named: 'a hold of another mailbox',
      given: input({ summaries: [summary({ holds: [{ ...hold, mailbox: 'hr@example.com' }] })] }),
      word: 'works',
    },
    {
      named: 'paused, in another case',
      given: input({
        summaries: [summary({ holds: [{ ...hold, mailbox: 'desk@example.com', reason: 'paused' }] })],
      }),
      word: 'paused',
      act: 'resume',
    },
    {
      named: 'fetching failed just now',
      given: input({}, { receiving: receiving(failing) }),
      word: 'late',
      act: 'doctor',
    },
    {
      named: 'not read for an hour',
      given: input({}, { receiving: receiving({ ...failing, lastSuccessAt: now - hourMs }) }),
      word: 'stopped',
      act: 'doctor',
    },
    {
      named: 'due mail waits',
      given: input({ summaries: [summary({ oldestDueAt: now - 20 * 60_000 })] }),
      word: 'late',
    },
    {
      named: 'orphaned connections',
      given: input({ summaries: [summary({ blockedUntil: now + 1 })] }),
      word: 'late',
    },
  ])('$named: $word', ({ given, word, act }) => {
    const [row] = makeOverview(given).mailboxes;
    expect([row?.state.word, row?.state.act]).toEqual([word, act]);
    if (word !== 'works') expect(row?.state.remedy).toMatch(/\.$/);
    if (word !== 'works') expect(row?.state.detail).toMatch(/\.$/);
  });
});

test('counts since a full hour: of this mailbox alone, all its callers, by kind', () => {
  const hour = hourOf(now);
  const hours = [
    { hour, of: 'desk@example.com ', counts: { sent: 2, recipients: 3 } },
    { hour: hour - 2, of: 'desk@example.com reports', counts: { sent: 1, bounced: 1, recipients: 9 } },
    { hour: hour - 20, of: 'desk@example.com ', counts: { sent: 100, recipients: 100 } },
    { hour, of: 'hr@example.com ', counts: { sent: 50, recipients: 1 } },
  ];
  const received = [{ hour, of: '', counts: { received: 5, delivered: 3, 'kind:autoReply': 2 } }];
  const overview = makeOverview(
    input(
      { summaries: [summary({ hours, lastSent: [{ mailbox: 'desk@example.com', at: 7 }] })] },
      { receiving: receiving({ hours: received }) },
    ),
  );
  expect(overview.mailboxes[0]).toMatchObject({
    sending: { sent: 3, bounced: 1, failed: 0, waiting: 2, lastSentAt: 7, day: { used: 40, most: 10_000 } },
    receiving: { isCounted: true, received: 5, delivered: 3, sortedOut: { autoReply: 2 } },
  });
  expect(overview.users).toEqual([
    { mailbox: 'desk@example.com', caller: '', recipients: 103 },
    { mailbox: 'desk@example.com', caller: 'reports', recipients: 9 },
    { mailbox: 'hr@example.com', caller: '', recipients: 1 },
  ]);
});

test('what ends within 30 days, the first first', () => {
  const dayMs = 24 * hourMs;
  const { ending } = makeOverview(
    input(
      {
        expirations: [
          { kind: 'secret', expiresAt: now + 3 * dayMs, detail: 'Make another.' },
          { kind: 'certificate', expiresAt: now + 40 * dayMs, detail: 'x' },
        ],
      },
      { consentEndsAt: now + dayMs },
    ),
  );
  expect(ending.map(({ what }) => what)).toEqual([
    `Sign-in of ${desk}`,
    'Client secret of the app registration',
  ]);
});

test.each([
  ['2026-11-28T11:00Z', '2026-11-27T16:00'],
  ['2026-11-29T20:00Z', '2026-11-27T16:00'],
  ['2026-11-30T09:00Z', '2026-11-27T16:00'],
  ['2026-11-30T17:00Z', '2026-11-30T16:00'],
  ['2026-12-01T09:00Z', '2026-11-30T16:00'],
])('the end of the last working day, seen at %s: %s', (at, end) => {
  expect(new Date(lastWorkingDayEnd(Date.parse(at))).toISOString().slice(0, 16)).toBe(end);
});
