// Every change of a message's state, as pure functions: the message before, the message after, what ESM is told.
// writeMoves.ts turns a move into the operations of one transaction.
import type { AttemptEnd } from './attemptResult.ts';
import type { Hold } from '../records/accountState.ts';
import { addChapter } from '../records/message.ts';
import type { Message, Place, Progress, State } from '../records/message.ts';
import { omit } from '../../mail/omit.ts';
import type { OutboundNumbers } from '../numbers.ts';
import type { RecipientOutcome, Told, ToldType } from '../../contract/statusEvent.ts';

export interface Move {
  readonly before: Message;
  /** Absent: the row is deleted. */
  readonly after?: Message;
  readonly told?: Told;
}

/** Bounces of one message that are remembered by their notice, and recipients that one of them names. */
const bouncesMost = 50;
const bouncedMost = 100;

/** When it happens: storage's time, by the early bound. */
type At = number;

const nowhere: Place = { kind: 'none' };

interface Arrival {
  readonly state: State;
  readonly place: Place;
  readonly reason?: string;
  readonly detail?: string;
  readonly remedy?: string;
}

/** `change` may alter the rest of the progress; reason, words and cure are the new state's or gone. */
function arrive(before: Message, at: At, arrival: Arrival, change: Partial<Progress> = {}): Message {
  return { ...omit(before, 'reason', 'detail', 'remedy'), ...change, ...arrival, changedAt: at };
}

/** The next event of the message, counted in its row and noted in its story. */
function tell(before: Message, after: Message, type: ToldType, more: Partial<Told> = {}): Move {
  const sequence = before.sequence + 1;
  const { reason, detail, remedy, correlation, serverMessageId } = after;
  return {
    before,
    after: {
      ...after,
      sequence,
      story: addChapter(after.story, {
        at: after.changedAt,
        type,
        ...(detail === undefined ? {} : { detail }),
      }),
    },
    told: {
      type,
      id: after.id,
      sequence,
      mailbox: after.mailbox,
      at: after.changedAt,
      ...(after.attempt === 0 ? {} : { attempt: after.attempt }),
      recipients: after.recipients,
      messageId: after.messageId,
      ...(serverMessageId === undefined ? {} : { serverMessageId }),
      ...(correlation === undefined ? {} : { correlation }),
      ...(reason === undefined ? {} : { reason }),
      ...(detail === undefined ? {} : { detail }),
      ...(remedy === undefined ? {} : { remedy }),
      ...more,
    },
  };
}

const restate = (
  message: Message,
  from: readonly RecipientOutcome['state'][],
  state: RecipientOutcome['state'],
): readonly RecipientOutcome[] =>
  message.recipients.map((recipient) =>
    from.includes(recipient.state) ? { ...recipient, state } : recipient,
  );

// ---- the end of an attempt -------------------------------------------------------------------------------

export interface Settling {
  readonly at: At;
  readonly attempt: number;
  readonly deadline: number;
  readonly numbers: OutboundNumbers;
  /** In [0, 1): jitters the delay. */
  readonly chance: number;
  /** The attempt was a hold's try: a refusal is no fault of this message, it only lets others be the next try. */
  readonly tryOf?: { readonly nextTryAt: number };
}

/** What the end of an attempt makes of its message. */
export function settleAttempt(before: Message, end: AttemptEnd, settling: Settling): Move {
  const { at, attempt, deadline, numbers, tryOf } = settling;
  const tried: Partial<Progress> = {
    attempt,
    recipients: end.recipients,
    ...(end.serverMessageId === undefined ? {} : { serverMessageId: end.serverMessageId }),
    // An attempt that was given up for doubtful is charged already.
    charged: before.charged + (attempt > before.attempt ? triedIn(before, attempt) : 0),
    chargedAt: deadline + numbers.graceMs,
  };
  const reply = end.reply === undefined ? {} : { reply: end.reply };
  const ended = { ...before, ...tried };
  switch (end.verdict) {
    case 'inDoubt':
      return doubt(ended, before, { at, deadline, numbers, detail: end.why.detail });
    case 'back': {
      const later = tryOf === undefined ? asBefore(before, at) : due(tryOf.nextTryAt, before);
      return { before, after: arrive(before, before.changedAt, { state: 'waiting', place: later }, tried) };
    }
    case 'retry':
      if (tryOf !== undefined) {
        const uncharged = { ...tried, recipients: before.recipients };
        const place = due(tryOf.nextTryAt, before);
        return { before, after: arrive(before, before.changedAt, { state: 'waiting', place }, uncharged) };
      }
      return defer(before, ended, settling, end, reply);
    case 'deadLetter':
    case 'accepted':
      return end.recipients.some(isOpen)
        ? defer(before, ended, settling, end, reply)
        : finish(before, ended, at, end.why.detail, reply);
  }
}

const isOpen = ({ state }: RecipientOutcome): boolean => state === 'pending' || state === 'deferred';

/** Recipients that the attempt was made for; those that it refused may be noted already. */
const triedIn = ({ recipients }: Message, attempt: number): number =>
  recipients.filter((recipient) => isOpen(recipient) || recipient.attempt === attempt).length;

/** Its due row stays as it is; or it gets one now, where it had been given up for doubtful. */
const asBefore = (before: Message, at: At): Place =>
  before.place.kind === 'due' ? before.place : due(at, before);

/** Not later than its own expiresAt, so that its end is told in time. */
const due = (at: number, { expiresAt }: Message): Place => ({
  kind: 'due',
  at: expiresAt === undefined ? at : Math.min(at, expiresAt),
});

/** Again later, and later each time; or never, once its own deferrals add up to the give-up age. */
function defer(
  before: Message,
  ended: Message,
  { at, numbers, chance }: Settling,
  end: AttemptEnd,
  more: Partial<Told>,
): Move {
  if (!end.recipients.some(({ state }) => state === 'deferred')) {
    // Only a hold stands between these recipients and their attempt: no age, no delay.
    const after = arrive(ended, at, {
      state: 'waiting',
      place: asBefore(before, at),
      detail: end.why.detail,
    });
    return tell(before, after, 'mail.deferred', { ...more, reason: end.hold?.reason ?? 'hold', retryAt: at });
  }
  const grown = Math.min(
    numbers.longestDeferralMs,
    numbers.firstDeferralMs * numbers.deferralGrowth ** before.deferrals,
  );
  const jittered = grown * (1 + numbers.deferralJitter * (2 * chance - 1));
  const delayMs = Math.ceil(Math.max(end.minDelayMs ?? 0, jittered));
  const deferredMs = before.deferredMs + delayMs;
  if (deferredMs > numbers.giveUpAfterMs) {
    const given = { ...ended, recipients: restate(ended, ['pending', 'deferred'], 'failed') };
    return finish(before, given, at, `Given up after its deferrals: ${end.why.detail}`, {
      ...more,
      reason: 'tooOld',
    });
  }
  const place = due(at + delayMs, before);
  const after = arrive(
    ended,
    at,
    { state: 'waiting', place, detail: end.why.detail },
    { deferrals: before.deferrals + 1, deferredMs },
  );
  return tell(before, after, 'mail.deferred', { ...more, retryAt: at + delayMs });
}

/** No recipient is left to try: sent if any took it, else a dead letter. */
function finish(before: Message, ended: Message, at: At, detail: string, more: Partial<Told> = {}): Move {
  const sent = ended.recipients.filter(({ state }) => state === 'sent').length;
  if (sent === 0) return fail(before, ended, at, { detail, reason: more.reason ?? 'refused' }, more);
  const refused = ended.recipients.length - sent;
  const said =
    refused === 0 ? detail : `${refused} of ${ended.recipients.length} recipients refused. ${detail}`;
  return tell(before, arrive(ended, at, { state: 'sent', place: nowhere, detail: said }), 'mail.sent', more);
}

function fail(
  before: Message,
  ended: Message,
  at: At,
  why: { readonly detail: string; readonly reason: string; readonly remedy?: string },
  more: Partial<Told> = {},
): Move {
  const place: Place = { kind: 'aside', group: 'failed', at };
  return tell(before, arrive(ended, at, { state: 'failed', place, ...why }), 'mail.failed', more);
}

// ---- doubts ----------------------------------------------------------------------------------------------

function doubt(
  ended: Message,
  before: Message,
  {
    at,
    deadline,
    numbers,
    detail,
  }: {
    readonly at: At;
    readonly deadline: number;
    readonly numbers: OutboundNumbers;
    readonly detail: string;
  },
): Move {
  const place: Place = {
    kind: 'doubt',
    lookAt: Math.max(deadline + numbers.graceMs, at + numbers.firstLookMs),
    look: 1,
    claimedAt: deadline - numbers.attemptMs,
  };
  const why = { reason: 'inDoubt', detail: `It may have been sent: ${detail}` };
  return tell(before, arrive(ended, at, { state: 'inDoubt', place, ...why }), 'mail.inDoubt', {
    retryAt: place.lookAt,
  });
}

/** Nobody settled the attempt by its deadline: its host died or stood still. Whom RCPT refused was noted. */
export function doubtAbandoned(
  before: Message,
  open: { readonly attempt: number; readonly deadline: number },
  at: At,
  numbers: OutboundNumbers,
): Move {
  const ended: Message = {
    ...before,
    attempt: open.attempt,
    recipients: before.recipients.map((recipient) =>
      isOpen(recipient) && recipient.attempt !== open.attempt
        ? { ...recipient, state: 'inDoubt', attempt: open.attempt }
        : recipient,
    ),
    charged: before.charged + triedIn(before, open.attempt),
    chargedAt: open.deadline + numbers.graceMs,
  };
  const detail = 'the attempt was not settled by its deadline, so nobody knows how far it came.';
  return doubt(ended, before, { at, deadline: open.deadline, numbers, detail });
}

/** Its copy is in Sent Items: the server took it. Recipients that had been refused at RCPT are still to do. */
export function foundInSentItems(
  before: Message,
  at: At,
  numbers: OutboundNumbers,
  copyMessageId?: string,
): Move {
  const detail = 'Its copy was found in Sent Items.';
  const known: Message = {
    ...before,
    recipients: restate(before, ['inDoubt'], 'sent'),
    ...(copyMessageId === undefined ? {} : { serverMessageId: copyMessageId }),
  };
  if (!known.recipients.some(isOpen)) return finish(before, known, at, detail);
  const place = due(at + numbers.firstDeferralMs, before);
  return tell(before, arrive(known, at, { state: 'waiting', place, detail }), 'mail.deferred', {
    retryAt: at + numbers.firstDeferralMs,
  });
}

/** Not in Sent Items. The first time it may only be late; the second time the policy decides. */
export function notInSentItems(before: Message, at: At, numbers: OutboundNumbers): Move {
  if (before.place.kind !== 'doubt') return { before, after: before };
  if (before.place.look === 1) {
    const place: Place = { ...before.place, lookAt: at + numbers.doubtSettleMs, look: 2 };
    return { before, after: { ...before, place } };
  }
  const detail = 'No copy was found in Sent Items in two looks; that does not prove that it was not sent.';
  if (numbers.doubtPolicy === 'resend') {
    const again = { ...before, recipients: restate(before, ['inDoubt'], 'pending') };
    const after = arrive(again, at, { state: 'waiting', place: due(at, before), reason: 'notFound', detail });
    return tell(before, after, 'mail.deferred', { retryAt: at });
  }
  const remedy = 'Ask a recipient whether it came; then mark it as sent, or send it again.';
  const place: Place = { kind: 'aside', group: 'doubt', at };
  return tell(
    before,
    arrive(before, at, { state: 'held', place, reason: 'notFound', detail, remedy }),
    'mail.held',
  );
}

/** The look could not be made: it counts as none. */
export function putOffLook(before: Message, lookAt: number): Move {
  if (before.place.kind !== 'doubt') return { before, after: before };
  return { before, after: { ...before, place: { ...before.place, lookAt } } };
}

// ---- at the head of its lane -----------------------------------------------------------------------------

export const expire = (before: Message, at: At): Move =>
  tell(
    before,
    arrive(before, at, { state: 'expired', place: nowhere, detail: 'It was not sent by its expiresAt.' }),
    'mail.expired',
  );

export const failUnsent = (
  before: Message,
  at: At,
  why: { readonly reason: string; readonly detail: string; readonly remedy: string },
): Move =>
  fail(before, { ...before, recipients: restate(before, ['pending', 'deferred'], 'failed') }, at, why);

/** It can't be made into a message now: deferred, without an attempt. */
export function deferUnsent(
  before: Message,
  settling: Omit<Settling, 'attempt' | 'deadline'>,
  detail: string,
): Move {
  const why = { code: 0, detail };
  const recipients = restate(before, ['pending'], 'deferred');
  const end: AttemptEnd = { verdict: 'retry', why, recipients, reconnect: false, certain: true };
  const nothingTried = { ...settling, attempt: before.attempt, deadline: 0 };
  return defer(before, { ...before, recipients }, nothingTried, end, { reason: 'notComposed' });
}

/** Its mailbox is on hold: out of the way of the others until the hold ends. Told once, not after every try. */
export function park(
  before: Message,
  at: At,
  hold: Pick<Hold, 'reason' | 'detail' | 'remedy' | 'until'>,
): Move {
  const group = { mailbox: before.mailbox.toLowerCase() };
  const waitedSince = before.place.kind === 'due' ? before.place.at : at;
  const place: Place = { kind: 'aside', group, at: waitedSince };
  const { reason, detail, remedy } = hold;
  const after = arrive(before, at, { state: 'held', place, reason, detail, remedy });
  if (before.story.at(-1)?.type === 'mail.held') return { before, after };
  return tell(before, after, 'mail.held', hold.until === undefined ? {} : { retryAt: hold.until });
}

/** The hold has ended, or makes its try with this one. */
export function unpark(before: Message, at: At): Move {
  const waitedSince = before.place.kind === 'aside' ? before.place.at : at;
  return { before, after: arrive(before, at, { state: 'waiting', place: due(waitedSince, before) }) };
}

// ---- by a person -----------------------------------------------------------------------------------------

export const cancel = (before: Message, at: At, by: string): Move =>
  tell(
    before,
    arrive(before, at, { state: 'cancelled', place: nowhere, detail: `Cancelled by ${by}.` }),
    'mail.cancelled',
  );

/** Once more from the start, for those who do not have it; through the same limits and the same doubts. */
export function replay(before: Message, at: At, by: string): Move {
  const again = { ...before, recipients: restate(before, ['failed', 'inDoubt', 'deferred'], 'pending') };
  const after = arrive(
    omit(again, 'expiresAt'),
    at,
    { state: 'waiting', place: { kind: 'due', at }, reason: 'replayed', detail: `Sent again by ${by}.` },
    { deferrals: 0, deferredMs: 0 },
  );
  return tell(before, after, 'mail.deferred', { retryAt: at });
}

/**
 * Of a doubtful one, those in doubt have it: whom the server refused is as if its copy had been found. Of any other,
 * whoever is left.
 */
export function markSent(before: Message, at: At, by: string): Move {
  const isDoubtful = before.recipients.some(({ state }) => state === 'inDoubt');
  const known = {
    ...before,
    recipients: restate(before, isDoubtful ? ['inDoubt'] : ['failed', 'pending', 'deferred'], 'sent'),
  };
  const detail = `Marked as sent by ${by}.`;
  if (known.recipients.some(isOpen)) {
    const waiting = { state: 'waiting', place: due(at, before), reason: 'markedSent', detail } as const;
    return tell(before, arrive(known, at, waiting), 'mail.deferred', { retryAt: at });
  }
  const after = arrive(known, at, { state: 'sent', place: nowhere, reason: 'markedSent', detail });
  return tell(before, after, 'mail.sent');
}

/** It came back: told, and its state left as it is. */
export function noteBounce(
  before: Message,
  at: At,
  { noticeId, verified, recipients }: NonNullable<Told['bounce']>,
): Move {
  const after = { ...before, changedAt: at, bounces: [...before.bounces, noticeId].slice(-bouncesMost) };
  return tell(before, after, 'mail.bounced', {
    bounce: {
      noticeId,
      verified,
      recipients: recipients
        .slice(0, bouncedMost)
        .map(({ address, status, replyCode, hard, reason, action }) => ({
          address,
          status,
          replyCode,
          hard,
          reason,
          action,
        })),
    },
  });
}

/** The row goes; what was never finished is told as cancelled. */
export function remove(before: Message, at: At, by: string): Move {
  if (before.state !== 'held' && before.state !== 'inDoubt') return { before };
  const told = cancel(before, at, by).told;
  return told === undefined ? { before } : { before, told };
}

/**
 * Before its attempt was given up for doubtful: a reply that arrives after all is judged against this. Its place
 * is where it is listed now, so that the move away from there is complete.
 */
export const reopen = (doubtful: Message): Message => ({
  ...doubtful,
  recipients: restate(doubtful, ['inDoubt'], 'pending'),
});
