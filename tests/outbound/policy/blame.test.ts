// Whose fault a refusal is: the counts that put an account or a mailbox on hold, and when a message is blamed itself.
import { describe, expect, test } from '@jest/globals';
import { defaultNumbers } from '../../../shared/outbound/numbers.ts';
import * as blame from '../../../shared/outbound/policy/refusals.ts';
import type { AccountState, CountedRefusal } from '../../../shared/outbound/records/accountState.ts';
import type { Suspicion } from '../../../shared/outbound/records/message.ts';
import { aHold, aState } from '../aMessage.ts';

const numbers = { ...defaultNumbers, refusalsBeforeHoldCount: 3, finalAfterMs: 900_000 };
const desk = 'desk@example.com';
const sales = 'sales@example.com';
const refusal = (id: string, change: Partial<CountedRefusal> = {}): CountedRefusal => ({
  id,
  mailbox: desk,
  alike: 'x',
  isOfMailbox: false,
  ...change,
});
const standing = (change: Partial<blame.Standing> = {}): blame.Standing => ({
  accountAccepted: 5,
  mailboxAccepted: 2,
  releasedCount: 1,
  isHeld: false,
  ...change,
});

describe('tallies', () => {
  test('begin at nothing and add up, for the account and for each mailbox by itself', () => {
    let state = blame.addToTally(aState(), desk, { accepted: 2 });
    state = blame.addToTally(state, desk, { released: 1 });
    state = blame.addToTally(state, undefined, { accepted: 1, released: 3 });
    state = blame.addToTally(state, desk, {});
    expect(state.tallies).toEqual([
      { acceptedCount: 1, releasedCount: 3 },
      { mailbox: desk, acceptedCount: 2, releasedCount: 1 },
    ]);
  });

  test('a standing is of the mailbox and the account together; holds of either stop it', () => {
    const tallies = [
      { acceptedCount: 7, releasedCount: 2 },
      { mailbox: desk, acceptedCount: 3, releasedCount: 1 },
      { mailbox: sales, acceptedCount: 4, releasedCount: 9 },
    ];
    expect(blame.standingOf(aState({ tallies }), 'Desk@example.com')).toEqual({
      accountAccepted: 7,
      mailboxAccepted: 3,
      releasedCount: 3,
      isHeld: false,
    });
    const isHeld = (mailbox?: string): boolean =>
      blame.standingOf(
        aState({ holds: [aHold(mailbox === undefined ? {} : { mailbox })] }),
        'Desk@example.com',
      ).isHeld;
    expect([isHeld(), isHeld(desk), isHeld(sales)]).toEqual([true, true, false]);
  });
});

test('an acceptance clears the mailbox’s refusals and makes those of others count for their mailbox only', () => {
  const others = [refusal('b', { mailbox: sales }), refusal('c', { mailbox: sales, isOfMailbox: true })];
  const after = blame.countAcceptance(aState({ refusals: [refusal('a'), ...others] }), 'Desk@example.com');
  expect(after.refusals).toEqual([
    refusal('b', { mailbox: sales, isOfMailbox: true }),
    refusal('c', { mailbox: sales, isOfMailbox: true }),
  ]);
  expect(after.tallies).toEqual([
    { acceptedCount: 1, releasedCount: 0 },
    { mailbox: desk, acceptedCount: 1, releasedCount: 0 },
  ]);
});

describe('countRefusal', () => {
  const outcome = (change: object = {}, code = 550) => ({
    counted: { alike: 'x', ...change },
    why: { code, detail: '550 no.' },
  });
  const message = (id: string, mailbox = 'Desk@example.com', suspicion?: Suspicion) => ({
    id,
    mailbox,
    ...(suspicion === undefined ? {} : { suspicion }),
  });
  const ids = (state: AccountState): readonly string[] => state.refusals.map(({ id }) => id);

  test('what does not count leaves everything as it is', () => {
    const state = aState({ refusals: [refusal('a')] });
    expect(blame.countRefusal(state, message('b'), { why: outcome().why }, numbers)).toEqual({ state });
  });

  test.each<[string, readonly CountedRefusal[], string, object, string | undefined]>([
    ['two of three', [refusal('a')], desk, {}, undefined],
    ['three different messages alike: the account', [refusal('a'), refusal('b')], desk, {}, 'account'],
    [
      'of several mailboxes: the account too',
      [refusal('a', { mailbox: sales }), refusal('b')],
      desk,
      {},
      'account',
    ],
    ['the same message again counts once', [refusal('a'), refusal('me')], desk, {}, undefined],
    [
      'others that are not alike do not count',
      [refusal('a', { alike: 'y' }), refusal('b')],
      desk,
      {},
      undefined,
    ],
    [
      'three of one mailbox while others are accepted: the mailbox',
      [refusal('a', { isOfMailbox: true }), refusal('b', { isOfMailbox: true })],
      desk,
      {},
      'mailbox',
    ],
    [
      'another mailbox’s do not count for it',
      [refusal('a', { isOfMailbox: true, mailbox: sales }), refusal('b', { isOfMailbox: true })],
      desk,
      {},
      undefined,
    ],
    [
      'two recipients and a third: the account',
      [refusal('a', { recipient: '1' }), refusal('b', { recipient: '2' })],
      desk,
      { recipient: '3' },
      'account',
    ],
    [
      'a recipient that was counted already does not count',
      [refusal('a', { recipient: '1' }), refusal('b', { recipient: '2' })],
      desk,
      { recipient: '2' },
      undefined,
    ],
  ])('%s', (_what, refusals, mailbox, counted, scope) => {
    const { judgement } = blame.countRefusal(
      aState({ refusals }),
      message('me', mailbox),
      outcome(counted),
      numbers,
    );
    expect(judgement?.scope).toBe(scope);
  });

  test('a refusal is kept under its mailbox in lower case, the newest last, at most thirty', () => {
    const many = Array.from({ length: 30 }, (_, n) => refusal(`old${n}`, { alike: `${n}` }));
    const { state } = blame.countRefusal(aState({ refusals: many }), message('me'), outcome(), numbers);
    expect(state.refusals).toHaveLength(30);
    expect(state.refusals[0]?.id).toBe('old1');
    expect(state.refusals[29]).toEqual(refusal('me'));
    const again = blame.countRefusal(
      aState({ refusals: [refusal('me'), refusal('b')] }),
      message('me'),
      outcome(),
      numbers,
    );
    expect(ids(again.state)).toEqual(['b', 'me']);
  });

  test('once others of its mailbox were accepted since its first refusal, it is the message’s own fault', () => {
    const tallies = [
      { acceptedCount: 9, releasedCount: 0 },
      { mailbox: desk, acceptedCount: 3, releasedCount: 0 },
    ];
    const counts = (accountAccepted: number, mailboxAccepted: number): readonly CountedRefusal[] =>
      blame.countRefusal(
        aState({ tallies }),
        message('me', desk, { accountAccepted, mailboxAccepted }),
        outcome(),
        numbers,
      ).state.refusals;
    expect(counts(9, 2)).toEqual([]);
    expect(counts(9, 3)).toEqual([refusal('me')]);
    expect(counts(8, 3)).toEqual([refusal('me', { isOfMailbox: true })]);
  });

  test('a refusal that counts for its mailbox only never stops the account, however many others wait there', () => {
    const tallies = [{ acceptedCount: 9, releasedCount: 0 }];
    const refusals = [1, 2, 3].map((n) => refusal(`s${n}`, { mailbox: sales }));
    const suspicion = { accountAccepted: 8, mailboxAccepted: 0 };
    const { judgement } = blame.countRefusal(
      aState({ tallies, refusals }),
      message('me', desk, suspicion),
      outcome(),
      numbers,
    );
    expect(judgement).toBeUndefined();
  });

  test.each([
    [550, 'Run the doctor'],
    [500, 'Run the doctor'],
    [451, 'None: one message'],
  ])('the hold after %i says how many, what the server said and what to do', (code, remedy) => {
    const refusals = [refusal('a'), refusal('b')];
    const { judgement } = blame.countRefusal(aState({ refusals }), message('me'), outcome({}, code), numbers);
    expect(judgement).toEqual({
      do: 'hold',
      scope: 'account',
      reason: 'consecutiveRefusals',
      detail: '3 different messages were refused alike with nothing accepted between, the last with: 550 no.',
      code,
      remedy: expect.stringContaining(remedy),
      firstProbeMs: numbers.probeAtLeastMs,
    });
  });

  test('a mailbox’s hold says that it is about this mailbox', () => {
    const refusals = [refusal('a', { isOfMailbox: true }), refusal('b', { isOfMailbox: true })];
    const { judgement } = blame.countRefusal(aState({ refusals }), message('me'), outcome(), numbers);
    expect(judgement?.detail).toContain(
      '3 different messages were refused alike with nothing of this mailbox',
    );
  });
});

describe('suspicion', () => {
  test('begins with what was accepted at the first refusal and keeps that', () => {
    const first = blame.suspect(undefined, standing(), false, 1_000);
    expect(first).toEqual({ accountAccepted: 5, mailboxAccepted: 2 });
    expect(blame.suspect(first, standing({ accountAccepted: 9 }), false, 2_000)).toEqual(first);
  });

  test('of permanent refusals it adds up the time between them, without time on hold', () => {
    let now = blame.suspect(undefined, standing(), true, 1_000);
    expect(now.forGood).toEqual({ mailboxAccepted: 2, releasedCount: 1, lastAt: 1_000, elapsedMs: 0 });
    now = blame.suspect(now, standing({ mailboxAccepted: 3 }), true, 5_000);
    expect(now.forGood).toEqual({ mailboxAccepted: 2, releasedCount: 1, lastAt: 5_000, elapsedMs: 4_000 });
    now = blame.suspect(now, standing({ isHeld: true }), true, 9_000);
    expect(now.forGood).toMatchObject({ lastAt: 9_000, elapsedMs: 4_000 });
    now = blame.suspect(now, standing({ releasedCount: 2 }), true, 20_000);
    expect(now.forGood).toMatchObject({ releasedCount: 2, lastAt: 20_000, elapsedMs: 4_000 });
    now = blame.suspect(now, standing({ releasedCount: 2 }), true, 19_000);
    expect(now.forGood).toMatchObject({ elapsedMs: 4_000 });
    now = blame.suspect(now, standing({ releasedCount: 2 }), true, 21_000);
    expect(now.forGood).toMatchObject({ elapsedMs: 6_000 });
  });

  const forGood = (elapsedMs: number): Suspicion => ({
    accountAccepted: 5,
    mailboxAccepted: 2,
    forGood: { mailboxAccepted: 2, releasedCount: 1, lastAt: 0, elapsedMs },
  });

  test.each<[string, Suspicion, blame.Standing, boolean]>([
    ['never refused for good', { accountAccepted: 0, mailboxAccepted: 0 }, standing(), false],
    ['refused for good just now', forGood(0), standing(), false],
    ['another message of the mailbox was accepted since', forGood(0), standing({ mailboxAccepted: 3 }), true],
    [
      'the same, but the mailbox is on hold',
      forGood(0),
      standing({ mailboxAccepted: 3, isHeld: true }),
      false,
    ],
    ['one moment short of the time', forGood(899_999), standing(), false],
    ['the time is over', forGood(900_000), standing(), true],
    ['the time is over, but it is on hold', forGood(900_000), standing({ isHeld: true }), false],
  ])('a permanent reply is final or not: %s', (_what, suspicion, now, expected) => {
    expect(blame.isAtFault(suspicion, now, numbers)).toBe(expected);
  });
});
