// Every change of a message's state: the message before, the message after, the event that is told.
import { describe, expect, test } from '@jest/globals';
import type { RecipientOutcome } from '../../../shared/contract/statusEvent.ts';
import { asEarliest, asLatest } from '../../../shared/limits/storageTime.ts';
import { omit } from '../../../shared/mail/omit.ts';
import { defaultNumbers } from '../../../shared/outbound/numbers.ts';
import type { AttemptOutcome } from '../../../shared/outbound/policy/attemptResult.ts';
import * as transitions from '../../../shared/outbound/policy/transitions.ts';
import type { Message } from '../../../shared/outbound/records/message.ts';
import { aMessage } from '../aMessage.ts';

const at = asEarliest(1_000_000);
const deadline = asLatest(1_240_000);
const numbers = { ...defaultNumbers, deferralJitter: 0.2 };
const one = 'one@x.example';
const two = 'two@x.example';
type State = RecipientOutcome['state'];
const to = (address: string, state: State, more: Partial<RecipientOutcome> = {}): RecipientOutcome => ({
  address,
  state,
  ...more,
});
const states = (message: Message | undefined): readonly State[] | undefined =>
  message?.recipients.map(({ state }) => state);
const standing = { accountAccepted: 0, mailboxAccepted: 0, releasedCount: 0, isHeld: false };
const reply = { code: 451, enhanced: '4.7.0', text: 'Later.' };
const outcome = (change: Partial<AttemptOutcome> = {}): AttemptOutcome => ({
  verdict: 'retry',
  why: { code: 451, detail: 'Refused for now.' },
  recipients: [to(one, 'deferred', { attempt: 2 }), to(two, 'deferred', { attempt: 2 })],
  reconnect: false,
  certain: true,
  ...change,
});
const settle = (
  message: Message,
  end: AttemptOutcome,
  change: Partial<transitions.SettleContext> = {},
): transitions.Transition =>
  transitions.settleAttempt(message, end, {
    at,
    attempt: 2,
    deadline,
    numbers,
    chance: 0.5,
    standing,
    ...change,
  });

describe('an event', () => {
  test('has the next sequence, the message’s own values and a line in its history', () => {
    const before = aMessage({
      correlation: { ticket: 7 },
      history: [{ at: 1, type: 'mail.accepted' }],
      serverMessageId: '<server@x>',
    });
    const { after, event } = settle(before, outcome({ reply }));
    expect(event).toEqual({
      type: 'mail.deferred',
      retryAt: at + 60_000,
      submissionId: 'a',
      sequence: 5,
      mailbox: 'Desk@example.com',
      at,
      attempt: 2,
      recipients: outcome().recipients,
      messageId: '<a@example.com>',
      serverMessageId: '<server@x>',
      correlation: { ticket: 7 },
      detail: 'Refused for now.',
      reply,
    });
    expect(after).toMatchObject({ sequence: 5, changedAt: at, attempt: 2, state: 'waiting' });
    expect(after?.history).toEqual([
      { at: 1, type: 'mail.accepted' },
      { at, type: 'mail.deferred', detail: 'Refused for now.' },
    ]);
  });

  test('names no attempt before the first', () => {
    expect(transitions.cancel(aMessage({ attempt: 0 }), at, 'anna').event).not.toHaveProperty('attempt');
  });

  test('a new state takes nothing over from the old one’s reason, detail and remedy', () => {
    const before = aMessage({ state: 'held', reason: 'quota', detail: 'Old.', remedy: 'Old.' });
    const { after } = transitions.resumeMessage(before, at);
    expect(after).not.toHaveProperty('reason');
    expect(after).not.toHaveProperty('detail');
    expect(after).not.toHaveProperty('remedy');
  });
});

describe('refused for now', () => {
  const delayOf = (
    message: Partial<Message>,
    end: Partial<AttemptOutcome> = {},
    change: Partial<transitions.SettleContext> = {},
  ): number => {
    const { after } = settle(aMessage(message), outcome(end), change);
    return after?.indexEntry.kind === 'due' ? after.indexEntry.at - at : Number.NaN;
  };

  test('the delay grows with each deferral up to the longest', () => {
    const delays = [0, 1, 2, 3, 4, 5, 60].map((deferrals) => delayOf({ deferrals }) / 60_000);
    expect(delays).toEqual([1, 2, 4, 8, 16, 18, 18]);
  });

  test('it is jittered on both sides, and never longer than the longest', () => {
    expect(delayOf({}, {}, { chance: 0 })).toBe(48_000);
    expect(delayOf({}, {}, { chance: 0.999_999 })).toBe(72_000);
    expect(delayOf({ deferrals: 9 }, {}, { chance: 0.9 })).toBe(numbers.longestDeferralMs);
  });

  test('a delay that the server asked for is kept, even beyond the longest', () => {
    expect(delayOf({}, { minDelayMs: 3_600_000 })).toBe(3_600_000);
    expect(delayOf({}, { minDelayMs: 1 })).toBe(60_000);
  });

  test('its own deferrals are counted and added up', () => {
    const { after } = settle(aMessage({ deferrals: 1, deferredMs: 5_000 }), outcome());
    expect(after).toMatchObject({ deferrals: 2, deferredMs: 125_000 });
  });

  test('it is due by its expiresAt, so that this is told in time', () => {
    expect(delayOf({ expiresAt: at + 10_000 })).toBe(10_000);
    expect(delayOf({ expiresAt: at + 100_000 })).toBe(60_000);
  });

  test('given up once the deferrals are more than the age, with the last words and a dead letter', () => {
    const last = { deferredMs: numbers.giveUpAfterMs - 60_000 };
    expect(settle(aMessage(last), outcome()).after?.state).toBe('waiting');
    const { after, event } = settle(aMessage({ deferredMs: last.deferredMs + 1 }), outcome({ reply }));
    expect(after).toMatchObject({
      state: 'failed',
      reason: 'tooOld',
      detail: 'Given up after its deferrals: Refused for now.',
      indexEntry: { kind: 'suspended', group: 'failed', at },
    });
    expect(states(after)).toEqual(['failed', 'failed']);
    expect(event).toMatchObject({ type: 'mail.failed', reason: 'tooOld', reply });
  });

  test('given up though some took it: sent, and the others are failed', () => {
    const recipients = [to(one, 'sent'), to(two, 'deferred')];
    const { after } = settle(aMessage({ deferredMs: numbers.giveUpAfterMs }), outcome({ recipients }));
    expect(after).toMatchObject({ state: 'sent', indexEntry: { kind: 'none' } });
    expect(after?.detail).toBe('1 of 2 recipients refused. Given up after its deferrals: Refused for now.');
    expect(states(after)).toEqual(['sent', 'failed']);
  });

  test('as the try of a hold it is not blamed: due for the next try, as it was, and nothing told', () => {
    const before = aMessage({ deferrals: 1, movableCharge: { bucket: 300, count: 1 } });
    for (const verdict of ['retry', 'unexplained'] as const) {
      const { after, event } = settle(before, outcome({ verdict }), { probeOf: { nextTryAt: 1_500_000 } });
      expect(event).toBeUndefined();
      expect(after).toMatchObject({
        state: 'waiting',
        indexEntry: { kind: 'due', at: 1_500_000 },
        deferrals: 1,
        attempt: 2,
        recipients: before.recipients,
        changedAt: before.changedAt,
        sequence: before.sequence,
      });
    }
  });
});

describe('refused for good, and it is not known by whose fault', () => {
  const end = outcome({ verdict: 'unexplained', counted: { alike: 'x' }, why: { code: 550, detail: 'No.' } });
  const forGood = { mailboxAccepted: 0, releasedCount: 0, lastAt: at - 100_000, elapsedMs: 0 };
  const suspected = (change: object = {}): Message =>
    aMessage({
      deferrals: 8,
      suspicion: { accountAccepted: 0, mailboxAccepted: 0, forGood: { ...forGood, ...change } },
    });

  test('deferred, with what was accepted until then remembered', () => {
    const { after } = settle(aMessage(), end, { standing: { ...standing, accountAccepted: 3 } });
    expect(after).toMatchObject({
      state: 'waiting',
      suspicion: { accountAccepted: 3, mailboxAccepted: 0, forGood: { lastAt: at, elapsedMs: 0 } },
    });
  });

  test('final once another message of the mailbox was accepted', () => {
    const { after, event } = settle(suspected(), end, { standing: { ...standing, mailboxAccepted: 1 } });
    expect(after).toMatchObject({ state: 'failed', reason: 'refused', detail: 'No.' });
    expect(states(after)).toEqual(['failed', 'failed']);
    expect(event?.type).toBe('mail.failed');
  });

  test('attempted again when its time is over, not later; a refusal for now is not', () => {
    const { after } = settle(suspected(), end);
    expect(after?.indexEntry).toEqual({ kind: 'due', at: at + numbers.finalAfterMs - 100_000 });
    const soon = settle(suspected({ elapsedMs: numbers.finalAfterMs - 100_001 }), end).after;
    expect(soon?.indexEntry).toEqual({ kind: 'due', at: at + numbers.firstDeferralMs });
    const transient = settle(suspected(), outcome({ counted: { alike: 'transient' } })).after;
    expect(transient?.indexEntry).toEqual({ kind: 'due', at: at + numbers.longestDeferralMs });
    expect(transient?.suspicion?.forGood).toEqual(forGood);
  });

  test('a counted refusal for now is never final, whatever was accepted since', () => {
    const counted = outcome({ counted: { alike: 'transient' } });
    const { after } = settle(suspected(), counted, { standing: { ...standing, mailboxAccepted: 1 } });
    expect(after?.state).toBe('waiting');
  });

  test('a refusal for now that does not count leaves no suspicion', () => {
    expect(settle(aMessage(), outcome()).after).not.toHaveProperty('suspicion');
    expect(settle(aMessage(), outcome({ counted: { alike: 'transient' } })).after).toHaveProperty(
      'suspicion',
    );
  });

  test('refused without being counted it is judged all the same', () => {
    expect(settle(aMessage(), omit(end, 'counted')).after).toHaveProperty('suspicion.forGood');
  });
});

describe('accepted, or refused recipient by recipient', () => {
  test('accepted for all', () => {
    const recipients = [to(one, 'sent'), to(two, 'sent')];
    const end = outcome({
      verdict: 'accepted',
      recipients,
      why: { code: 250, detail: 'OK' },
      reply: { code: 250, text: 'OK' },
      serverMessageId: '<server@x>',
    });
    const { after, event } = settle(aMessage(), end);
    expect(after).toMatchObject({
      state: 'sent',
      indexEntry: { kind: 'none' },
      detail: 'OK',
      serverMessageId: '<server@x>',
      recipients,
    });
    expect(after).not.toHaveProperty('reason');
    expect(event).toMatchObject({
      type: 'mail.sent',
      serverMessageId: '<server@x>',
      reply: { code: 250, text: 'OK' },
    });
  });

  test('accepted for one, the other to be tried again', () => {
    const recipients = [to(one, 'sent'), to(two, 'deferred')];
    const { after, event } = settle(aMessage(), outcome({ verdict: 'accepted', recipients }));
    expect(after?.state).toBe('waiting');
    expect(event?.type).toBe('mail.deferred');
  });

  test('refused for all: a dead letter with its reason', () => {
    const recipients = [to(one, 'failed'), to(two, 'failed')];
    const end = outcome({ verdict: 'deadLetter', recipients, reply });
    const { after, event } = settle(aMessage(), end);
    expect(after).toMatchObject({ state: 'failed', reason: 'refused', detail: 'Refused for now.' });
    expect(event).toMatchObject({ type: 'mail.failed', reason: 'refused', reply });
  });

  test('recipients kept back by a hold alone: no delay, no age, and the hold’s reason', () => {
    const recipients = [to(one, 'sent'), to(two, 'pending')];
    const end = outcome({ verdict: 'accepted', recipients });
    const { after, event } = settle(aMessage(), end);
    expect(after).toMatchObject({
      state: 'waiting',
      deferrals: 0,
      deferredMs: 0,
      indexEntry: { kind: 'due', at: 5_000 },
      detail: 'Refused for now.',
    });
    expect(event).toMatchObject({ type: 'mail.deferred', retryAt: at, reason: 'hold' });
    const hold = {
      do: 'hold',
      scope: 'account',
      reason: 'quota',
      code: 554,
      detail: 'd',
      remedy: 'r',
      firstProbeMs: 1,
    } as const;
    expect(settle(aMessage(), { ...end, hold, reply }).event).toMatchObject({ reason: 'quota', reply });
  });

  test('who may have it from an earlier attempt is in doubt at the end, not failed', () => {
    const recipients = [to(one, 'failed', { maybeSent: true }), to(two, 'failed')];
    const { after } = settle(aMessage(), outcome({ verdict: 'deadLetter', recipients }));
    expect(states(after)).toEqual(['inDoubt', 'failed']);
    expect(after?.detail).toBe(
      'Refused for now. An earlier attempt, whose reply never came, may have reached some of its recipients.',
    );
    const sent = [to(one, 'failed', { maybeSent: true }), to(two, 'sent', { maybeSent: true })];
    const partly = settle(aMessage(), outcome({ verdict: 'accepted', recipients: sent })).after;
    expect(states(partly)).toEqual(['inDoubt', 'sent']);
    expect(partly?.state).toBe('sent');
  });
});

describe('not attempted after all', () => {
  const end = outcome({ verdict: 'requeue', recipients: aMessage().recipients });

  test('waits again as before, unblamed, and nothing is told', () => {
    const { after, event } = settle(aMessage({ detail: 'Old.' }), end);
    expect(event).toBeUndefined();
    expect(after).toMatchObject({
      state: 'waiting',
      indexEntry: { kind: 'due', at: 5_000 },
      attempt: 2,
      deferrals: 0,
      changedAt: 3_000,
    });
  });

  test('after a doubt it gets a due row now; as the try of a hold, one for the next try', () => {
    const doubtful = aMessage({
      state: 'inDoubt',
      expiresAt: 1_100_000,
      indexEntry: { kind: 'inDoubt', lookupAt: 1, lookup: 1, claimedAt: 0 },
    });
    expect(settle(doubtful, end).after?.indexEntry).toEqual({ kind: 'due', at });
    const probe = settle(doubtful, end, { probeOf: { nextTryAt: 1_050_000 } });
    expect(probe.after?.indexEntry).toEqual({ kind: 'due', at: 1_050_000 });
    const late = settle(doubtful, end, { probeOf: { nextTryAt: 1_500_000 } });
    expect(late.after?.indexEntry).toEqual({ kind: 'due', at: 1_100_000 });
  });
});

describe('what an attempt leaves charged', () => {
  const charge = (message: Partial<Message>, end: Partial<AttemptOutcome> = {}, attempt = 2) => {
    const { before, after } = settle(aMessage({ charged: 10, ...message }), outcome(end), { attempt });
    expect(before).not.toHaveProperty('movableCharge');
    return [after?.charged, after?.movableCharge?.count];
  };
  const sent = [to(one, 'sent'), to(two, 'sent')];

  test.each<[string, Partial<Message>, Partial<AttemptOutcome>, number, number | undefined]>([
    ['a certain refusal can be moved whole', {}, {}, 12, 2],
    ['what was accepted is not moved', {}, { recipients: [to(one, 'sent'), to(two, 'deferred')] }, 12, 1],
    ['accepted for all: nothing to move', {}, { verdict: 'accepted', recipients: sent }, 12, undefined],
    ['in doubt: nothing to move', {}, { verdict: 'inDoubt', certain: false }, 12, undefined],
    ['a former charge that was moved is not added', { movableCharge: { bucket: 1, count: 2 } }, {}, 10, 2],
    ['a part of it', { movableCharge: { bucket: 1, count: 1 } }, {}, 11, 2],
    [
      'those who have it already are not charged',
      { recipients: [to(one, 'sent'), to(two, 'pending')] },
      { recipients: [to(one, 'sent'), to(two, 'deferred')] },
      11,
      1,
    ],
    [
      'those whom the attempt refused are',
      { recipients: [to(one, 'failed', { attempt: 2 }), to(two, 'pending')] },
      { recipients: [to(one, 'failed'), to(two, 'deferred')] },
      12,
      2,
    ],
    [
      'those whom an earlier one refused are not',
      { recipients: [to(one, 'failed', { attempt: 1 }), to(two, 'pending')] },
      { recipients: [to(one, 'failed'), to(two, 'deferred')] },
      11,
      1,
    ],
    ['an attempt that was put in doubt is charged already', { attempt: 2 }, {}, 10, 2],
  ])('%s', (_what, message, end, charged, movable) => {
    expect(charge(message, end)).toEqual([charged, movable]);
  });

  test('it counts until the server can’t accept it any more, in the bucket of that moment', () => {
    const { after } = settle(aMessage(), outcome());
    const latestAt = deadline + numbers.graceMs;
    expect(after?.chargedAt).toBe(latestAt);
    expect(after?.movableCharge?.bucket).toBe(Math.ceil(latestAt / 300_000) * 300);
  });
});

describe('in doubt', () => {
  const end = outcome({
    verdict: 'inDoubt',
    certain: false,
    why: { code: 0, detail: 'no reply.' },
    recipients: [to(one, 'inDoubt'), to(two, 'inDoubt')],
  });

  test('looked for in Sent Items once the server can’t accept it any more', () => {
    const { after, event } = settle(aMessage(), end);
    const lookupAt = deadline + numbers.graceMs;
    expect(after).toMatchObject({
      state: 'inDoubt',
      reason: 'inDoubt',
      detail: 'It may have been sent: no reply.',
      indexEntry: { kind: 'inDoubt', lookupAt, lookup: 1, claimedAt: deadline - numbers.attemptMs },
    });
    expect(event).toMatchObject({ type: 'mail.inDoubt', retryAt: lookupAt });
  });

  test('and not before a copy can be there', () => {
    const { after } = settle(aMessage(), end, { deadline: asLatest(0) });
    expect(after?.indexEntry).toMatchObject({ lookupAt: at + numbers.firstLookupMs });
  });

  test('an attempt that nobody settled: all whom it did not refuse are in doubt, and it stays charged', () => {
    const before = aMessage({
      charged: 10,
      movableCharge: { bucket: 1, count: 1 },
      recipients: [
        to(one, 'pending'),
        to(two, 'deferred', { attempt: 1 }),
        to('three@x.example', 'deferred', { attempt: 2 }),
        to('four@x.example', 'failed', { attempt: 2 }),
        to('five@x.example', 'sent', { attempt: 1 }),
      ],
    });
    const { after, event } = transitions.abandonAttempt(before, { attempt: 2, deadline }, at, numbers);
    expect(after).toMatchObject({
      state: 'inDoubt',
      attempt: 2,
      charged: 13,
      chargedAt: deadline + numbers.graceMs,
      indexEntry: { kind: 'inDoubt', lookup: 1 },
      detail: expect.stringContaining('not settled by its deadline'),
    });
    expect(after).not.toHaveProperty('movableCharge');
    expect(after?.recipients).toEqual([
      to(one, 'inDoubt', { attempt: 2 }),
      to(two, 'inDoubt', { attempt: 2 }),
      to('three@x.example', 'deferred', { attempt: 2 }),
      to('four@x.example', 'failed', { attempt: 2 }),
      to('five@x.example', 'sent', { attempt: 1 }),
    ]);
    expect(event?.type).toBe('mail.inDoubt');
  });

  const doubtful = aMessage({
    state: 'inDoubt',
    indexEntry: { kind: 'inDoubt', lookupAt: 9, lookup: 1, claimedAt: 5 },
    recipients: [to(one, 'inDoubt'), to(two, 'failed')],
  });

  test('found: who was in doubt has it; the copy’s id is kept', () => {
    const { after, event } = transitions.foundInSentItems(doubtful, at, numbers, '<copy@x>');
    expect(states(after)).toEqual(['sent', 'failed']);
    expect(after).toMatchObject({
      state: 'sent',
      serverMessageId: '<copy@x>',
      detail: '1 of 2 recipients refused. Its copy was found in Sent Items.',
    });
    expect(event?.type).toBe('mail.sent');
    expect(transitions.foundInSentItems(doubtful, at, numbers).after).not.toHaveProperty('serverMessageId');
  });

  test('found, though its recipients are not known any more: sent', () => {
    const { after, event } = transitions.foundInSentItems({ ...doubtful, recipients: [] }, at, numbers);
    expect(after).toMatchObject({
      state: 'sent',
      indexEntry: { kind: 'none' },
      detail: 'Its copy was found in Sent Items.',
    });
    expect(event?.type).toBe('mail.sent');
  });

  test('found, with some refused for now: these are tried after the first delay', () => {
    const recipients = [to(one, 'inDoubt'), to(two, 'deferred')];
    const { after, event } = transitions.foundInSentItems({ ...doubtful, recipients }, at, numbers);
    const retryAt = at + numbers.firstDeferralMs;
    expect(after).toMatchObject({ state: 'waiting', indexEntry: { kind: 'due', at: retryAt } });
    expect(after?.detail).toContain('found in Sent Items');
    expect(event).toMatchObject({ type: 'mail.deferred', retryAt });
  });

  const second = { ...doubtful, indexEntry: { ...doubtful.indexEntry, lookup: 2 } as Message['indexEntry'] };

  test('not found the first time: looked for again, nothing told', () => {
    expect(transitions.notInSentItems(doubtful, at, numbers)).toEqual({
      before: doubtful,
      after: {
        ...doubtful,
        indexEntry: { kind: 'inDoubt', lookupAt: at + numbers.secondLookupMs, lookup: 2, claimedAt: 5 },
      },
    });
  });

  test('not found the second time: held for a person', () => {
    const { after, event } = transitions.notInSentItems(second, at, { ...numbers, inDoubtPolicy: 'hold' });
    expect(after).toMatchObject({
      state: 'held',
      reason: 'notFound',
      indexEntry: { kind: 'suspended', group: 'inDoubt', at },
      detail: expect.stringContaining('does not prove'),
      remedy: expect.stringContaining('mark it as sent'),
    });
    expect(states(after)).toEqual(['inDoubt', 'failed']);
    expect(event).toMatchObject({ type: 'mail.held', reason: 'notFound' });
  });

  test('or sent again, if that is the policy, with the doubt remembered', () => {
    const resend = { ...numbers, inDoubtPolicy: 'resend' } as const;
    const { after, event } = transitions.notInSentItems({ ...second, expiresAt: at - 5 }, at, resend);
    expect(after).toMatchObject({
      state: 'waiting',
      reason: 'notFound',
      detail: expect.stringContaining('No copy was found'),
      indexEntry: { kind: 'due', at: at - 5 },
      recipients: [to(one, 'pending', { maybeSent: true }), to(two, 'failed')],
    });
    expect(event).toMatchObject({ type: 'mail.deferred', retryAt: at });
  });

  test('a look that could not be made counts as none', () => {
    expect(transitions.postponeLookup(second, 77)).toEqual({
      before: second,
      after: { ...second, indexEntry: { kind: 'inDoubt', lookupAt: 77, lookup: 2, claimedAt: 5 } },
    });
  });

  test('a look at a message that is not in doubt any more changes nothing', () => {
    const waiting = aMessage();
    expect(transitions.notInSentItems(waiting, at, numbers)).toEqual({ before: waiting, after: waiting });
    expect(transitions.postponeLookup(waiting, 77)).toEqual({ before: waiting, after: waiting });
  });

  test('a reply that comes after all is judged against the message as it was', () => {
    const reopened = transitions.reopen(doubtful);
    expect(states(reopened)).toEqual(['pending', 'failed']);
    expect(reopened.indexEntry).toEqual(doubtful.indexEntry);
  });

  test.each<[RecipientOutcome, boolean]>([
    [to(one, 'inDoubt'), true],
    [to(one, 'pending', { maybeSent: true }), true],
    [to(one, 'sent', { maybeSent: true }), false],
    [to(one, 'failed'), false],
  ])('whether a message may have been sent: %j', (recipient, expected) => {
    expect(transitions.mayBeSent(aMessage({ recipients: [to(two, 'failed'), recipient] }))).toBe(expected);
  });
});

describe('the end of a message that was not sent to all', () => {
  test.each([
    ['expired', (before: Message) => transitions.expire(before, at), 'It was not sent by its expiresAt.'],
    ['cancelled', (before: Message) => transitions.cancel(before, at, 'anna'), 'Cancelled by anna.'],
  ] as const)('%s says what is known of each recipient', (state, end, detail) => {
    const none = end(aMessage());
    expect(none.after).toMatchObject({ state, indexEntry: { kind: 'none' }, detail });
    expect(states(none.after)).toEqual(['pending', 'deferred']);
    expect(none.event).toMatchObject({ type: `mail.${state}`, detail });

    const recipients = [to(one, 'sent'), to(two, 'deferred'), to('three@x.example', 'pending')];
    const partly = end(aMessage({ recipients }));
    expect(partly.after).toMatchObject({
      state: 'sent',
      reason: state,
      indexEntry: { kind: 'none' },
      detail: `2 of 3 recipients were not sent to. ${detail}`,
    });
    expect(states(partly.after)).toEqual(['sent', 'failed', 'failed']);
    expect(partly.event?.type).toBe('mail.sent');

    const doubtful = end(
      aMessage({ recipients: [to(one, 'pending', { maybeSent: true }), to(two, 'pending')] }),
    );
    expect(doubtful.after).toMatchObject({
      state: 'held',
      reason: 'notFound',
      indexEntry: { kind: 'suspended', group: 'inDoubt', at },
      detail: expect.stringMatching(/^(It was|Cancelled).*\. An earlier attempt/),
      remedy: expect.stringContaining('Ask a recipient'),
    });
    expect(states(doubtful.after)).toEqual(['inDoubt', 'failed']);
    expect(doubtful.event?.type).toBe('mail.held');
  });

  test('failed before any attempt, with the reason and the remedy', () => {
    const why = { reason: 'composed', detail: 'It can’t be composed.', remedy: 'Send it anew.' };
    const { after, event } = transitions.failUnsent(aMessage(), at, why);
    expect(after).toMatchObject({ state: 'failed', ...why });
    expect(states(after)).toEqual(['failed', 'failed']);
    expect(event).toMatchObject({ type: 'mail.failed', ...why });
  });

  test('deferred without an attempt: every recipient, with the delay of a deferral', () => {
    const { after, event } = transitions.deferUnsent(aMessage(), { at, numbers, chance: 0.5 }, 'No content.');
    expect(states(after)).toEqual(['deferred', 'deferred']);
    expect(after).toMatchObject({ detail: 'No content.', deferrals: 1, indexEntry: { at: at + 60_000 } });
    expect(event).toMatchObject({ type: 'mail.deferred', reason: 'notComposed', detail: 'No content.' });
  });
});

describe('suspended for its mailbox’s hold', () => {
  const hold = { reason: 'quota', detail: 'Full.', remedy: 'Wait.', probeAt: 77 } as const;

  test('under its mailbox in lower case, since it was due, without an event', () => {
    const { after, event } = transitions.suspend(aMessage(), at, hold);
    expect(after).toMatchObject({
      state: 'held',
      indexEntry: { kind: 'suspended', group: { mailbox: 'desk@example.com' }, at: 5_000 },
      reason: 'quota',
      detail: 'Full.',
      remedy: 'Wait.',
    });
    expect(event).toBeUndefined();
    const other = transitions.suspend(aMessage({ indexEntry: { kind: 'none' } }), at, hold);
    expect(other.after?.indexEntry).toMatchObject({ at });
  });

  test('a mailbox that left the settings is told once for each of its messages', () => {
    const removed = { ...hold, reason: 'removed' } as const;
    const first = transitions.suspend(aMessage(), at, removed);
    expect(first.event).toMatchObject({ type: 'mail.held', reason: 'removed', retryAt: 77 });
    const history = [{ at: 1, type: 'mail.held' }];
    expect(transitions.suspend(aMessage({ history }), at, removed).event).toBeUndefined();
    const later = [...history, { at: 2, type: 'mail.deferred' }];
    expect(transitions.suspend(aMessage({ history: later }), at, removed).event).toBeDefined();
    const forGood = omit(removed, 'probeAt');
    expect(transitions.suspend(aMessage(), at, forGood).event).not.toHaveProperty('retryAt');
  });

  test('resumed in its old place, or now', () => {
    const group = { mailbox: 'desk@example.com' };
    const suspended = aMessage({ state: 'held', indexEntry: { kind: 'suspended', group, at: 4_000 } });
    const { after, event } = transitions.resumeMessage(suspended, at);
    expect(after).toMatchObject({ state: 'waiting', indexEntry: { kind: 'due', at: 4_000 } });
    expect(event).toBeUndefined();
    expect(transitions.resumeMessage(aMessage(), at).after?.indexEntry).toEqual({ kind: 'due', at });
  });
});

describe('by a person', () => {
  test('sent again from the start: no expiry, no age, no suspicion; doubts are remembered', () => {
    const before = aMessage({
      state: 'failed',
      expiresAt: 5,
      deferrals: 7,
      deferredMs: 9_000,
      suspicion: { accountAccepted: 0, mailboxAccepted: 0 },
      recipients: [
        to(one, 'failed'),
        to(two, 'inDoubt'),
        to('three@x.example', 'sent'),
        to('four@x.example', 'deferred'),
      ],
    });
    const { after, event } = transitions.replay(before, at, 'anna');
    expect(after).toMatchObject({
      state: 'waiting',
      indexEntry: { kind: 'due', at },
      deferrals: 0,
      deferredMs: 0,
      reason: 'replayed',
      detail: 'Sent again by anna.',
      recipients: [
        to(one, 'pending'),
        to(two, 'pending', { maybeSent: true }),
        to('three@x.example', 'sent'),
        to('four@x.example', 'pending'),
      ],
    });
    expect(after).not.toHaveProperty('expiresAt');
    expect(after).not.toHaveProperty('suspicion');
    expect(event).toMatchObject({ type: 'mail.deferred', retryAt: at, reason: 'replayed' });
  });

  test.each<[string, readonly State[], readonly State[], Message['state']]>([
    ['of a doubt, those in doubt have it', ['inDoubt', 'failed'], ['sent', 'failed'], 'sent'],
    [
      'of a doubt, those refused for now are still to do',
      ['inDoubt', 'deferred'],
      ['sent', 'deferred'],
      'waiting',
    ],
    ['of a dead letter, all that failed have it', ['failed', 'failed'], ['sent', 'sent'], 'sent'],
    ['of one that waits, all that are left have it', ['pending', 'deferred'], ['sent', 'sent'], 'sent'],
  ])('marked as sent: %s', (_what, given, left, state) => {
    const recipients = given.map((one, n) => to(`${n}@x.example`, one));
    const { after, event } = transitions.markSent(aMessage({ recipients }), at, 'anna');
    expect(states(after)).toEqual(left);
    const detail = 'Marked as sent by anna.';
    expect(after).toMatchObject({ state, reason: 'markedSent', detail });
    expect(after?.indexEntry).toEqual(state === 'sent' ? { kind: 'none' } : { kind: 'due', at });
    expect(event).toMatchObject(
      state === 'sent' ? { type: 'mail.sent', detail } : { type: 'mail.deferred', retryAt: at, detail },
    );
  });

  test('deleted: a sent message keeps its record without recipients and content', () => {
    const sent = aMessage({ state: 'sent', recipients: [to(one, 'sent')] });
    const { after, event, dropsContent } = transitions.remove(sent, at, 'anna');
    expect(after).toMatchObject({
      state: 'sent',
      reason: 'deleted',
      detail: 'Deleted by anna.',
      recipients: [],
      indexEntry: { kind: 'none' },
      hash: 'h',
    });
    expect(event).toBeUndefined();
    expect(dropsContent).toBe(true);
  });

  test.each<[Message['state'], readonly State[], string | undefined, string]>([
    ['failed', ['failed'], undefined, ''],
    ['cancelled', ['pending'], undefined, ''],
    ['held', ['pending', 'pending'], 'mail.cancelled', 'Cancelled by anna.'],
    ['held', ['sent', 'pending'], 'mail.sent', 'Cancelled by anna.'],
    ['inDoubt', ['inDoubt', 'failed'], 'mail.failed', 'Deleted by anna.'],
    ['inDoubt', ['inDoubt', 'sent'], 'mail.sent', 'Cancelled by anna.'],
  ])('deleted while %s with %j: told as what it is', (state, given, type, detail) => {
    const recipients = given.map((one, n) => to(`${n}@x.example`, one));
    const before = aMessage({ state, recipients });
    const { after, event, dropsContent } = transitions.remove(before, at, 'anna');
    expect(after).toBeUndefined();
    expect(dropsContent).toBeUndefined();
    expect(event?.type).toBe(type);
    expect(event?.detail ?? '').toContain(detail);
    if (type === 'mail.failed') expect(event?.reason).toBe('removed');
  });
});

describe('a bounce', () => {
  const bounced = {
    address: 'ONE@x.example',
    status: '5.1.1',
    replyCode: '550',
    hard: true,
    reason: 'userUnknown',
    action: 'failed',
  };
  const bounce = { noticeId: 'n1', verified: true, recipients: [bounced] };
  const sent = aMessage({
    state: 'sent',
    recipients: [to(one, 'sent', { attempt: 3, code: 250 }), to(two, 'sent')],
  });

  test('is noted, and told of the recipient that it names; the message stays as it is', () => {
    const { after, event } = transitions.recordBounce(sent, at, bounce);
    expect(after).toMatchObject({
      state: 'sent',
      changedAt: at,
      bounces: ['n1'],
      recipients: sent.recipients,
    });
    expect(event).toMatchObject({ type: 'mail.bounced', bounce, sequence: 5 });
    expect(event?.recipients).toEqual([
      {
        address: one,
        state: 'failed',
        attempt: 3,
        code: 550,
        enhanced: '5.1.1',
        detail: 'It was returned: userUnknown.',
      },
      to(two, 'sent'),
    ]);
  });

  test.each<[string, object, object | undefined]>([
    ['a delay is no return', { action: 'delayed' }, undefined],
    ['another address is no recipient of it', { address: 'who@x.example' }, undefined],
    ['without status and code', { status: '', replyCode: '' }, { attempt: 3 }],
    ['a code that is no refusal', { replyCode: '250' }, { attempt: 3, enhanced: '5.1.1' }],
    ['the lowest refusal', { replyCode: '400' }, { attempt: 3, enhanced: '5.1.1', code: 400 }],
    ['a code that is no number', { replyCode: 'abc' }, { attempt: 3, enhanced: '5.1.1' }],
  ])('what is told of the recipient: %s', (_what, change, expected) => {
    const { event } = transitions.recordBounce(sent, at, {
      ...bounce,
      recipients: [{ ...bounced, ...change }],
    });
    expect(event?.recipients?.[0]).toEqual(
      expected === undefined
        ? sent.recipients[0]
        : { address: one, state: 'failed', detail: 'It was returned: userUnknown.', ...expected },
    );
  });

  test.each<[string, object, object]>([
    ['an address as long as one may be', { address: 'a'.repeat(300) }, { address: 'a'.repeat(254) }],
    ['a reason', { reason: 'r'.repeat(60) }, { reason: 'r'.repeat(40) }],
    ['an action', { action: 'x'.repeat(60) }, { action: 'x'.repeat(40) }],
    ['a status of another form', { status: '3.1.1' }, { status: '' }],
    ['a status with something before it', { status: 'x5.1.1' }, { status: '' }],
    ['a status with something after it', { status: '5.1.1x' }, { status: '' }],
    ['a status with too many digits', { status: '5.1.1234' }, { status: '' }],
    ['a status with too many digits in the middle', { status: '5.1234.1' }, { status: '' }],
    ['a status with three digits', { status: '4.123.456' }, { status: '4.123.456' }],
    ['a reply code of another form', { replyCode: '650' }, { replyCode: '' }],
    ['a reply code with something before it', { replyCode: '1550' }, { replyCode: '' }],
    ['a reply code that is too long', { replyCode: '5501' }, { replyCode: '' }],
    ['a reply code of words', { replyCode: '5xx' }, { replyCode: '' }],
  ])('a stranger’s text is bounded: %s', (_what, change, expected) => {
    const { event } = transitions.recordBounce(sent, at, {
      ...bounce,
      recipients: [{ ...bounced, ...change }],
    });
    expect(event).toMatchObject({ bounce: { recipients: [{ ...bounced, ...change, ...expected }] } });
  });

  test('at most a hundred recipients are told, and fifty notices remembered', () => {
    const recipients = Array.from({ length: 150 }, (_, n) => ({ ...bounced, address: `${n}@x.example` }));
    const { event } = transitions.recordBounce(sent, at, { ...bounce, recipients });
    expect(event?.type === 'mail.bounced' ? event.bounce.recipients.length : 0).toBe(100);
    const bounces = Array.from({ length: 50 }, (_, n) => `old${n}`);
    const { after } = transitions.recordBounce({ ...sent, bounces }, at, bounce);
    expect(after?.bounces).toEqual([...bounces.slice(1), 'n1']);
  });
});
