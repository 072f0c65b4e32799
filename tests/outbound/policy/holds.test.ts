// Which holds stop a mailbox, when their probes are due and what ends them.
import { describe, expect, test } from '@jest/globals';
import { asEarliest, asLatest } from '../../../shared/limits/storageTime.ts';
import { omit } from '../../../shared/mail/omit.ts';
import { defaultNumbers } from '../../../shared/outbound/numbers.ts';
import * as holds from '../../../shared/outbound/policy/holds.ts';
import type { AccountState, Hold } from '../../../shared/outbound/records/accountState.ts';
import { aHold, aState } from '../aMessage.ts';

const ofAccount = aHold();
const ofDesk = aHold({ mailbox: 'desk@example.com', reason: 'sendAs' });
const ofSales = aHold({ mailbox: 'sales@example.com', reason: 'sendAs' });
const numbers = { ...defaultNumbers, probeAtLeastMs: 60_000, probeGrowth: 2, longestProbeMs: 900_000 };
const paused: Hold = { ...omit(ofDesk, 'probeAt'), reason: 'paused' };
const before = asEarliest(60_999);
const dueAt = asEarliest(61_000);

describe('whom a hold stops', () => {
  test.each<[string, readonly Hold[], string, boolean]>([
    ['the account’s hold stops every mailbox', [ofAccount], 'desk@example.com', true],
    ['a mailbox’s hold stops it, however it is written', [ofDesk], 'Desk@Example.com', true],
    ['and no other mailbox', [ofDesk], 'sales@example.com', false],
    ['one of several is enough', [ofDesk, ofSales], 'sales@example.com', true],
    ['no hold stops nobody', [], 'desk@example.com', false],
  ])('%s', (_what, list, mailbox, expected) => {
    expect(holds.isHeld(aState({ holds: list }), mailbox, before)).toBe(expected);
  });

  test('from the moment its probe is due a hold lets that one through', () => {
    const state = aState({ holds: [ofAccount, ofDesk] });
    expect(holds.isHeld(state, 'desk@example.com', before)).toBe(true);
    expect(holds.isHeld(state, 'desk@example.com', dueAt)).toBe(false);
    expect(holds.accountHold(state, before)).toEqual(ofAccount);
    expect(holds.accountHold(state, dueAt)).toBeUndefined();
    expect(holds.mailboxHold(state, 'DESK@example.com', before)).toEqual(ofDesk);
    expect(holds.mailboxHold(state, 'desk@example.com', dueAt)).toBeUndefined();
  });

  test('the account’s hold is not a mailbox’s, nor the other way round', () => {
    expect(holds.accountHold(aState({ holds: [ofDesk] }), before)).toBeUndefined();
    expect(holds.mailboxHold(aState({ holds: [ofAccount] }), 'desk@example.com', before)).toBeUndefined();
    expect(holds.mailboxHold(aState({ holds: [ofSales] }), 'desk@example.com', before)).toBeUndefined();
  });

  test('a person’s pause stays, whatever the time', () => {
    const state = aState({ holds: [paused] });
    expect(holds.isHeld(state, 'desk@example.com', asEarliest(Number.MAX_SAFE_INTEGER))).toBe(true);
    expect(holds.dueForProbe(state, asEarliest(Number.MAX_SAFE_INTEGER))).toEqual([]);
  });
});

describe('probes', () => {
  const later = aHold({ mailbox: 'late@example.com', probeAt: 99_000 });
  const state = aState({ holds: [ofAccount, ofDesk, ofSales, later] });

  test('those are due whose time has come; with a mailbox, those that concern it', () => {
    expect(holds.dueForProbe(state, before)).toEqual([]);
    expect(holds.dueForProbe(state, dueAt)).toEqual([ofAccount, ofDesk, ofSales]);
    expect(holds.dueForProbe(state, dueAt, 'Sales@example.com')).toEqual([ofAccount, ofSales]);
  });

  test('a claimed probe moves only the probed holds ahead, further each time up to the longest', () => {
    const at = asLatest(100_000);
    let probed: AccountState = aState({ holds: [ofAccount, ofDesk] });
    const times: number[] = [];
    for (let count = 0; count < 6; count += 1) {
      probed = holds.recordProbe(probed, [{ ...ofDesk }], at, numbers);
      times.push((probed.holds[1]?.probeAt ?? 0) - at);
    }
    expect(times).toEqual([120_000, 240_000, 480_000, 900_000, 900_000, 900_000]);
    expect(probed.holds[1]?.probeCount).toBe(6);
    expect(probed.holds[0]).toEqual(ofAccount);
  });

  test('never more than one probe in the shortest time, however soon its judgement asks for it', () => {
    const eager = aHold({ firstProbeMs: 10 });
    const { holds: list } = holds.recordProbe(aState({ holds: [eager] }), [eager], asLatest(0), numbers);
    expect(list[0]?.probeAt).toBe(60_000);
  });
});

describe('placeHold', () => {
  const judgement = {
    scope: 'mailbox',
    reason: 'sendAs',
    detail: 'd'.repeat(700),
    remedy: 'r'.repeat(600),
    firstProbeMs: 300_000,
  } as const;
  const place = (state: AccountState, change: Partial<typeof judgement> | object = {}): readonly Hold[] =>
    holds.placeHold(
      state,
      { judgement: { ...judgement, ...change }, mailbox: 'Desk@example.com' },
      asLatest(50_000),
      numbers,
    ).holds;

  test('a new one is for the mailbox, bounded in its texts, with its first probe after the judgement’s time', () => {
    expect(place(aState({ holds: [ofSales] }))).toEqual([
      ofSales,
      {
        mailbox: 'desk@example.com',
        reason: 'sendAs',
        detail: 'd'.repeat(600),
        remedy: 'r'.repeat(500),
        since: 50_000,
        probeCount: 0,
        firstProbeMs: 300_000,
        probeAt: 350_000,
      },
    ]);
  });

  test('a judgement about the account holds all of it', () => {
    const [hold] = place(aState(), { scope: 'account' });
    expect(hold).not.toHaveProperty('mailbox');
  });

  test('one that is there takes the newest reason, the longer first delay, and keeps its time and its count', () => {
    const present = aHold({ mailbox: 'desk@example.com', probeCount: 3 });
    expect(place(aState({ holds: [ofAccount, present] }))).toEqual([
      ofAccount,
      {
        ...present,
        reason: 'sendAs',
        detail: 'd'.repeat(600),
        remedy: 'r'.repeat(500),
        firstProbeMs: 300_000,
      },
    ]);
    expect(place(aState({ holds: [present] }), { firstProbeMs: 1 })[0]?.firstProbeMs).toBe(60_000);
  });

  test('a person’s pause is not replaced by a server’s reason', () => {
    expect(place(aState({ holds: [paused] }))).toEqual([paused]);
  });
});

describe('what ends a hold', () => {
  const all = aState({ holds: [ofAccount, ofDesk, ofSales, { ...paused, mailbox: 'late@example.com' }] });
  const names = (state: AccountState): readonly (string | undefined)[] =>
    state.holds.map(({ mailbox }) => mailbox);

  test('an accepted message ends its mailbox’s and the account’s, and counts both', () => {
    const after = holds.endHolds(all, 'Desk@example.com');
    expect(names(after)).toEqual(['sales@example.com', 'late@example.com']);
    expect(after.tallies).toEqual(
      expect.arrayContaining([
        { acceptedCount: 1, releasedCount: 1 },
        { mailbox: 'desk@example.com', acceptedCount: 1, releasedCount: 1 },
      ]),
    );
    expect(after.tallies).toHaveLength(2);
  });

  test('where none is over the acceptance alone is counted', () => {
    const after = holds.endHolds(aState({ holds: [ofSales] }), 'desk@example.com');
    expect(names(after)).toEqual(['sales@example.com']);
    expect(after.tallies.map(({ releasedCount }) => releasedCount)).toEqual([0, 0]);
  });

  test('an accepted message ends no person’s pause', () => {
    const both = aState({ holds: [paused, { ...paused, mailbox: 'sales@example.com' }] });
    expect(holds.endHolds(both, 'desk@example.com').holds).toEqual(both.holds);
  });

  const refusals = [
    { id: 'a', mailbox: 'desk@example.com', alike: 'x', isOfMailbox: false },
    { id: 'b', mailbox: 'sales@example.com', alike: 'x', isOfMailbox: false },
  ];

  test.each<[string, string | undefined, readonly (string | undefined)[], readonly string[]]>([
    ['of a mailbox', 'desk@example.com', [undefined, 'sales@example.com', 'late@example.com'], ['b']],
    ['of the account', undefined, ['desk@example.com', 'sales@example.com', 'late@example.com'], []],
    [
      'of a paused mailbox',
      'late@example.com',
      [undefined, 'desk@example.com', 'sales@example.com', 'late@example.com'],
      ['a', 'b'],
    ],
  ])(
    'a successful probe ends that hold alone, and forgets its refusals: %s',
    (_what, mailbox, left, kept) => {
      const after = holds.endHold({ ...all, refusals }, mailbox === undefined ? {} : { mailbox });
      expect(names(after)).toEqual(left);
      expect(after.refusals.map(({ id }) => id)).toEqual(kept);
    },
  );

  test('a person ends any hold, a pause too, of the mailbox or of the account as a whole', () => {
    expect(names(holds.resume({ ...all, refusals }, 'LATE@example.com'))).toEqual([
      undefined,
      'desk@example.com',
      'sales@example.com',
    ]);
    const account = holds.resume({ ...all, refusals });
    expect(names(account)).toEqual(['desk@example.com', 'sales@example.com', 'late@example.com']);
    expect(account.refusals).toEqual([]);
    expect(holds.resume({ ...all, refusals }, 'Desk@example.com').refusals.map(({ id }) => id)).toEqual([
      'b',
    ]);
  });
});

describe('pause', () => {
  test('a person’s pause replaces the hold of the same scope and has no probe', () => {
    const state = aState({ holds: [ofAccount, ofDesk] });
    const after = holds.pause(state, { mailbox: 'Desk@example.com', detail: 'd'.repeat(700) }, asEarliest(9));
    expect(after.holds).toEqual([
      ofAccount,
      {
        mailbox: 'desk@example.com',
        reason: 'paused',
        detail: 'd'.repeat(600),
        remedy: 'Resume it when sending may go on.',
        since: 9,
        probeCount: 0,
        firstProbeMs: 0,
      },
    ]);
    const whole = holds.pause(state, { detail: 'Maintenance.' }, asEarliest(9)).holds;
    expect(whole[0]).toEqual(ofDesk);
    expect(whole[1]).toMatchObject({ reason: 'paused', detail: 'Maintenance.' });
    expect(whole[1]).not.toHaveProperty('mailbox');
  });
});

test('a mailbox that left the settings is told as that, with what to do', () => {
  expect(holds.removedHold).toEqual({
    reason: 'removed',
    detail: expect.stringContaining('not in the settings'),
    remedy: expect.stringContaining('MAILBOXES'),
  });
});

test('without a backoff every lane may be sent from at once', () => {
  const state = aState({ backoffUntil: { 0: 1, 1: 2, 2: 3 }, holds: [ofDesk] });
  expect(holds.withoutBackoff(state)).toEqual({ ...state, backoffUntil: { 0: 0, 1: 0, 2: 0 } });
});
