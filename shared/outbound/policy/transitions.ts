// Every change of a message's state, as pure functions: the message before, the message after, the event that is
// published. writes.ts turns a transition into the operations of one transaction.
import type {
  BouncedRecipient,
  EventKind,
  MessageEvent,
  RecipientOutcome,
} from '../../contract/statusEvent.ts';
import type { Reply } from '../../mail/reply.ts';
import { omit, present } from '../../mail/omit.ts';
import { boundedText } from '../../mail/text.ts';
import type { OutboundNumbers } from '../numbers.ts';
import type { Hold } from '../records/accountState.ts';
import { addHistory, type IndexEntry, type Message, type Progress, type State } from '../records/message.ts';
import { bucketOf } from '../../limits/limiter.ts';
import { plus, type Earliest, type Latest } from '../../limits/storageTime.ts';
import type { AttemptOutcome } from './attemptResult.ts';
import { movedCount } from './charge.ts';
import { isAtFault, suspect, type Standing } from './refusals.ts';

export interface Transition {
  readonly before: Message;
  /** Absent: the row is deleted. */
  readonly after?: Message;
  readonly event?: MessageEvent;
  /** The row loses its content and the names of its blobs; what is left is the idempotency record. */
  readonly dropsContent?: true;
}

/** Bounces of one message that are remembered by their notice, and recipients that one of them names. */
const bouncesMost = 50;
const bouncedMost = 100;
/** Of them in the history. */
const bouncedShown = 5;
/** RFC 5321 4.5.3.1.3, less the angle brackets; and a word that a program can switch on. */
const addressCharacters = 254;
const wordCharacters = 40;

/** When it happens: storage's time, by the earliest bound. */
type At = Earliest;

const notListed: IndexEntry = { kind: 'none' };
const suspended = (group: Extract<IndexEntry, { kind: 'suspended' }>['group'], at: number): IndexEntry => ({
  kind: 'suspended',
  group,
  at,
});

interface NewState {
  readonly state: State;
  readonly indexEntry: IndexEntry;
  readonly reason?: string;
  readonly detail?: string;
  readonly remedy?: string;
}

/** `change` may alter the rest of the progress; reason, detail and remedy are the new state's or gone. */
function setState(before: Message, at: number, state: NewState, change: Partial<Progress> = {}): Message {
  return { ...omit(before, 'reason', 'detail', 'remedy'), ...change, ...state, changedAt: at };
}

interface Said {
  readonly reply?: Reply;
  readonly reason?: string;
}

/** The next event of the message, counted in its row and noted in its history. */
function withEvent(before: Message, after: Message, kind: EventKind, said: Said = {}): Transition {
  const sequence = before.sequence + 1;
  const { reason, detail, remedy, correlation, caller, serverMessageId } = after;
  return {
    before,
    after: {
      ...after,
      sequence,
      history: addHistory(after.history, {
        at: after.changedAt,
        type: kind.type,
        ...present({ detail }),
      }),
    },
    event: {
      ...kind,
      submissionId: after.id,
      sequence,
      mailbox: after.mailbox,
      at: after.changedAt,
      ...(after.attempt === 0 ? {} : { attempt: after.attempt }),
      recipients: after.recipients,
      messageId: after.messageId,
      ...present({ serverMessageId, correlation, caller, reason, detail, remedy }),
      ...said,
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

/** Those in doubt are tried again: what became of the attempt in doubt is still not known. */
const retryInDoubt = (message: Message): readonly RecipientOutcome[] =>
  message.recipients.map((recipient) =>
    recipient.state === 'inDoubt' ? { ...recipient, state: 'pending', maybeSent: true } : recipient,
  );

/** At the end: whoever an earlier attempt may have reached is in doubt, not failed. */
const withDoubts = (recipients: readonly RecipientOutcome[]): readonly RecipientOutcome[] =>
  recipients.map((recipient) =>
    recipient.state === 'failed' && recipient.maybeSent === true
      ? { ...recipient, state: 'inDoubt' }
      : recipient,
  );

/** The server has it for some of the recipients; or may have it. */
const isPartlySent = ({ recipients }: Progress): boolean => recipients.some(({ state }) => state === 'sent');
export const mayBeSent = ({ recipients }: Progress): boolean =>
  recipients.some(({ state, maybeSent }) => state === 'inDoubt' || (maybeSent === true && state !== 'sent'));

// ---- the end of an attempt -------------------------------------------------------------------------------

export interface SettleContext {
  readonly at: At;
  readonly attempt: number;
  readonly deadline: Latest;
  readonly numbers: OutboundNumbers;
  /** In [0, 1): jitters the delay. */
  readonly chance: number;
  /** The attempt was a hold's try: a refusal is no fault of this message, it only lets others be the next try. */
  readonly probeOf?: { readonly nextTryAt: number };
  /** By the account's state after this attempt. */
  readonly standing: Standing;
}

type DeferContext = Pick<SettleContext, 'at' | 'numbers' | 'chance'>;

/** What the outcome of an attempt makes of its message. */
export function settleAttempt(claimed: Message, end: AttemptOutcome, settling: SettleContext): Transition {
  const { at, attempt, probeOf } = settling;
  const tried: Partial<Progress> = {
    attempt,
    recipients: end.recipients,
    ...present({ serverMessageId: end.serverMessageId }),
    ...chargeOf(claimed, end, settling),
  };
  const before = omit(claimed, 'movableCharge');
  const reply = present({ reply: end.reply });
  const ended = { ...before, ...tried };
  switch (end.verdict) {
    case 'inDoubt':
      return putInDoubt(ended, before, settling, end.why.detail);
    case 'requeue': {
      const later = probeOf === undefined ? asBefore(before, at) : due(probeOf.nextTryAt, before);
      return {
        before,
        after: setState(before, before.changedAt, { state: 'waiting', indexEntry: later }, tried),
      };
    }
    case 'retry':
    case 'unexplained': {
      if (probeOf !== undefined) {
        const unblamed = { ...tried, recipients: before.recipients };
        const indexEntry = due(probeOf.nextTryAt, before);
        return {
          before,
          after: setState(before, before.changedAt, { state: 'waiting', indexEntry }, unblamed),
        };
      }
      const { standing, numbers } = settling;
      if (end.counted === undefined && end.verdict === 'retry')
        return defer(before, ended, settling, end, reply);
      const isPermanent = end.verdict === 'unexplained';
      const suspicion = suspect(before.suspicion, standing, isPermanent, at);
      if (isPermanent && isAtFault(suspicion, standing, numbers)) {
        const given = { ...ended, recipients: restate(ended, ['pending', 'deferred'], 'failed') };
        return finish(before, given, at, end.why.detail, reply);
      }
      return defer(before, { ...ended, suspicion }, settling, end, reply);
    }
    case 'deadLetter':
    case 'accepted':
      return end.recipients.some(isOpen)
        ? defer(before, ended, settling, end, reply)
        : finish(before, ended, at, end.why.detail, reply);
  }
}

/** What the attempt leaves charged, and how much of it the next claim moves. */
function chargeOf(
  before: Message,
  end: AttemptOutcome,
  { attempt, deadline, numbers }: Pick<SettleContext, 'attempt' | 'deadline' | 'numbers'>,
): Pick<Message, 'charged' | 'chargedAt' | 'movableCharge'> {
  const count = triedIn(before, attempt);
  const latestAt = plus(deadline, numbers.graceMs);
  // An attempt that was put in doubt is charged already.
  const added = attempt > before.attempt ? count - movedCount(before, count) : 0;
  const accepted = end.recipients.filter(
    (recipient, index) => recipient.state === 'sent' && before.recipients[index]?.state !== 'sent',
  ).length;
  const movable = end.certain ? count - accepted : 0;
  return {
    charged: before.charged + added,
    chargedAt: latestAt,
    ...(movable > 0 ? { movableCharge: { bucket: bucketOf(latestAt, numbers), count: movable } } : {}),
  };
}

const isOpen = ({ state }: RecipientOutcome): boolean => state === 'pending' || state === 'deferred';

/** Recipients that the attempt was made for; those that it refused may be noted already. */
const triedIn = ({ recipients }: Message, attempt: number): number =>
  recipients.filter((recipient) => isOpen(recipient) || recipient.attempt === attempt).length;

/** Its due row stays as it is; or it gets one now, if it had been put in doubt. */
const asBefore = (before: Message, at: At): IndexEntry =>
  before.indexEntry.kind === 'due' ? before.indexEntry : due(at, before);

/** Not later than its own expiresAt, so that it is reported in time. */
const due = (at: number, { expiresAt }: Message): IndexEntry => ({
  kind: 'due',
  at: expiresAt === undefined ? at : Math.min(at, expiresAt),
});

/** Again later, and later each time; or never, once its own deferrals add up to the give-up age. */
function defer(
  before: Message,
  ended: Message,
  { at, numbers, chance }: DeferContext,
  end: AttemptOutcome,
  more: Said,
): Transition {
  if (!end.recipients.some(({ state }) => state === 'deferred')) {
    // Only a hold keeps these recipients from their attempt: no age, no delay.
    const after = setState(ended, at, {
      state: 'waiting',
      indexEntry: asBefore(before, at),
      detail: end.why.detail,
    });
    return withEvent(
      before,
      after,
      { type: 'mail.deferred', retryAt: at },
      { ...more, reason: end.hold?.reason ?? 'hold' },
    );
  }
  const grown = Math.min(
    numbers.longestDeferralMs,
    numbers.firstDeferralMs * numbers.deferralGrowth ** before.deferrals,
  );
  const jittered = grown * (1 + numbers.deferralJitter * (2 * chance - 1));
  const delayMs = Math.ceil(
    Math.max(end.minDelayMs ?? 0, Math.min(jittered, numbers.longestDeferralMs, leftMs(ended, end, numbers))),
  );
  const deferredMs = before.deferredMs + delayMs;
  if (deferredMs > numbers.giveUpAfterMs) {
    const given = { ...ended, recipients: restate(ended, ['pending', 'deferred'], 'failed') };
    return finish(before, given, at, `Given up after its deferrals: ${end.why.detail}`, {
      ...more,
      reason: 'tooOld',
    });
  }
  const indexEntry = due(at + delayMs, before);
  const after = setState(
    ended,
    at,
    { state: 'waiting', indexEntry, detail: end.why.detail },
    { deferrals: before.deferrals + 1, deferredMs },
  );
  return withEvent(before, after, { type: 'mail.deferred', retryAt: at + delayMs }, more);
}

/** Until an unexplained refusal is final: not later is it attempted again. */
function leftMs({ suspicion }: Message, { verdict }: AttemptOutcome, numbers: OutboundNumbers): number {
  if (verdict !== 'unexplained' || suspicion?.forGood === undefined) return Number.POSITIVE_INFINITY;
  return Math.max(numbers.firstDeferralMs, numbers.finalAfterMs - suspicion.forGood.elapsedMs);
}

/** No recipient is left to try: sent if any took it, else a dead letter. */
function finish(before: Message, ended: Message, at: At, detail: string, more: Said = {}): Transition {
  const sent = ended.recipients.filter(({ state }) => state === 'sent').length;
  if (sent === 0) return fail(before, ended, at, { detail, reason: more.reason ?? 'refused' }, more);
  const refused = ended.recipients.length - sent;
  const said =
    refused === 0 ? detail : `${refused} of ${ended.recipients.length} recipients refused. ${detail}`;
  const recipients = withDoubts(ended.recipients);
  return withEvent(
    before,
    setState(ended, at, { state: 'sent', indexEntry: notListed, detail: said }, { recipients }),
    { type: 'mail.sent' },
    more,
  );
}

function fail(
  before: Message,
  ended: Message,
  at: At,
  why: { readonly detail: string; readonly reason: string; readonly remedy?: string },
  more: Said = {},
): Transition {
  const indexEntry = suspended('failed', at);
  const recipients = withDoubts(ended.recipients);
  const detail = mayBeSent({ ...ended, recipients }) ? `${why.detail} ${earlierAttempt}` : why.detail;
  return withEvent(
    before,
    setState(ended, at, { state: 'failed', indexEntry, ...why, detail }, { recipients }),
    { type: 'mail.failed' },
    more,
  );
}

const earlierAttempt = 'An earlier attempt, whose reply never came, may have reached some of its recipients.';
const doubtRemedy = 'Ask a recipient whether it came; then mark it as sent, or send it again.';

/**
 * The end of a message for which nothing more is tried, though some recipients are left. It says what is known: sent to
 * some is sent, and what may have been sent waits for a person.
 */
function endUnsent(before: Message, at: At, state: 'expired' | 'cancelled', detail: string): Transition {
  const left = { ...before, recipients: restate(before, ['pending', 'deferred'], 'failed') };
  const recipients = withDoubts(left.recipients);
  if (isPartlySent(before)) {
    const unsent = recipients.filter((one) => one.state !== 'sent').length;
    const said = `${unsent} of ${recipients.length} recipients were not sent to. ${detail}`;
    const sent = { state: 'sent', indexEntry: notListed, reason: state, detail: said } as const;
    return withEvent(before, setState(left, at, sent, { recipients }), { type: 'mail.sent' });
  }
  if (mayBeSent({ ...left, recipients })) {
    const indexEntry = suspended('inDoubt', at);
    const said = `${detail} ${earlierAttempt}`;
    const held = {
      state: 'held',
      indexEntry,
      reason: 'notFound',
      detail: said,
      remedy: doubtRemedy,
    } as const;
    return withEvent(before, setState(left, at, held, { recipients }), { type: 'mail.held' });
  }
  return withEvent(before, setState(before, at, { state, indexEntry: notListed, detail }), {
    type: `mail.${state}`,
  });
}

// ---- doubts ----------------------------------------------------------------------------------------------

function putInDoubt(
  ended: Message,
  before: Message,
  { at, deadline, numbers }: Pick<SettleContext, 'at' | 'deadline' | 'numbers'>,
  detail: string,
): Transition {
  const indexEntry: IndexEntry = {
    kind: 'inDoubt',
    lookupAt: Math.max(deadline + numbers.graceMs, at + numbers.firstLookupMs),
    lookup: 1,
    claimedAt: deadline - numbers.attemptMs,
  };
  const why = { reason: 'inDoubt', detail: `It may have been sent: ${detail}` };
  return withEvent(before, setState(ended, at, { state: 'inDoubt', indexEntry, ...why }), {
    type: 'mail.inDoubt',
    retryAt: indexEntry.lookupAt,
  });
}

/** The attempt was not settled by its deadline: its host died or was suspended. Refusals at RCPT were recorded. */
export function abandonAttempt(
  before: Message,
  open: { readonly attempt: number; readonly deadline: Latest },
  at: At,
  numbers: OutboundNumbers,
): Transition {
  const count = triedIn(before, open.attempt);
  const ended: Message = {
    ...omit(before, 'movableCharge'),
    attempt: open.attempt,
    recipients: before.recipients.map((recipient) =>
      isOpen(recipient) && recipient.attempt !== open.attempt
        ? { ...recipient, state: 'inDoubt', attempt: open.attempt }
        : recipient,
    ),
    charged: before.charged + count - movedCount(before, count),
    chargedAt: open.deadline + numbers.graceMs,
  };
  const detail = 'the attempt was not settled by its deadline, so nobody knows how far it came.';
  return putInDoubt(ended, before, { at, deadline: open.deadline, numbers }, detail);
}

/** Its copy is in Sent Items: the server took it. Recipients that had been refused at RCPT are still to do. */
export function foundInSentItems(
  before: Message,
  at: At,
  numbers: OutboundNumbers,
  copyMessageId?: string,
): Transition {
  const detail = 'Its copy was found in Sent Items.';
  const known: Message = {
    ...before,
    recipients: restate(before, ['inDoubt'], 'sent'),
    ...present({ serverMessageId: copyMessageId }),
  };
  // Its recipients' blob may be gone: then nothing more is known of them than that it was sent.
  if (known.recipients.length === 0)
    return withEvent(before, setState(known, at, { state: 'sent', indexEntry: notListed, detail }), {
      type: 'mail.sent',
    });
  if (!known.recipients.some(isOpen)) return finish(before, known, at, detail);
  const indexEntry = due(at + numbers.firstDeferralMs, before);
  return withEvent(before, setState(known, at, { state: 'waiting', indexEntry, detail }), {
    type: 'mail.deferred',
    retryAt: at + numbers.firstDeferralMs,
  });
}

/** With the policy `resend`. Its attempts may be what ends the process; each may have reached the recipients, too. */
const mostResends = 3;

const doubtCount = ({ history }: Message): number =>
  history.filter(({ type }) => type === 'mail.inDoubt').length;

/** Not in Sent Items. The first time it may only be delayed; the second time the policy decides. */
export function notInSentItems(before: Message, at: At, numbers: OutboundNumbers): Transition {
  if (before.indexEntry.kind !== 'inDoubt') return { before, after: before };
  if (before.indexEntry.lookup === 1) {
    const indexEntry: IndexEntry = { ...before.indexEntry, lookupAt: at + numbers.secondLookupMs, lookup: 2 };
    return { before, after: { ...before, indexEntry } };
  }
  const detail = 'No copy was found in Sent Items in two looks; that does not prove that it was not sent.';
  if (numbers.inDoubtPolicy === 'resend' && doubtCount(before) <= mostResends) {
    const again = { ...before, recipients: retryInDoubt(before) };
    const after = setState(again, at, {
      state: 'waiting',
      indexEntry: due(at, before),
      reason: 'notFound',
      detail,
    });
    return withEvent(before, after, { type: 'mail.deferred', retryAt: at });
  }
  const indexEntry = suspended('inDoubt', at);
  return withEvent(
    before,
    setState(before, at, { state: 'held', indexEntry, reason: 'notFound', detail, remedy: doubtRemedy }),
    { type: 'mail.held' },
  );
}

/** The look could not be made: it counts as none. */
export function postponeLookup(before: Message, lookupAt: number): Transition {
  if (before.indexEntry.kind !== 'inDoubt') return { before, after: before };
  return { before, after: { ...before, indexEntry: { ...before.indexEntry, lookupAt } } };
}

// ---- at the head of its lane -----------------------------------------------------------------------------

export const expire = (before: Message, at: At): Transition =>
  endUnsent(before, at, 'expired', 'It was not sent by its expiresAt.');

export const failUnsent = (
  before: Message,
  at: At,
  why: { readonly reason: string; readonly detail: string; readonly remedy: string },
): Transition =>
  fail(before, { ...before, recipients: restate(before, ['pending', 'deferred'], 'failed') }, at, why);

/** It can't be made into a message now: deferred, without an attempt. */
export function deferUnsent(before: Message, settling: DeferContext, detail: string): Transition {
  const why = { code: 0, detail };
  const recipients = restate(before, ['pending'], 'deferred');
  const end: AttemptOutcome = { verdict: 'retry', why, recipients, reconnect: false, certain: true };
  return defer(before, { ...before, recipients }, settling, end, { reason: 'notComposed' });
}

/**
 * Its mailbox is on hold, or gone from the settings: out of the way of the others until that ends. A hold is reported for
 * its mailbox (heldEvents.ts), not for each message that waits.
 */
export function suspend(
  before: Message,
  at: At,
  hold: Pick<Hold, 'reason' | 'detail' | 'remedy' | 'probeAt'>,
): Transition {
  const group = { mailbox: before.mailbox.toLowerCase() };
  const waitedSince = before.indexEntry.kind === 'due' ? before.indexEntry.at : at;
  const indexEntry = suspended(group, waitedSince);
  const { reason, detail, remedy } = hold;
  const after = setState(before, at, { state: 'held', indexEntry, reason, detail, remedy });
  if (reason !== 'removed' || before.history.at(-1)?.type === 'mail.held') return { before, after };
  return withEvent(before, after, {
    type: 'mail.held',
    ...present({ retryAt: hold.probeAt }),
  });
}

/** Safe mode does not let it out: kept until a person replays it under another mode, or cancels it. */
export function holdBySafeMode(before: Message, at: At): Transition {
  const held = {
    state: 'held',
    indexEntry: suspended('safeMode', at),
    reason: 'safeMode',
    detail: 'Safe mode: its mailbox or its caller may not send to these recipients.',
    remedy:
      'Cancel it. If it is meant to be sent: set the mailbox’s deliver to live and send it again; if a caller’s key is in safe mode, submit it with another key.',
  } as const;
  return withEvent(before, setState(before, at, held), { type: 'mail.held' });
}

/** The hold has ended, or makes its try with this one. */
export function resumeMessage(before: Message, at: At): Transition {
  const waitedSince = before.indexEntry.kind === 'suspended' ? before.indexEntry.at : at;
  return { before, after: setState(before, at, { state: 'waiting', indexEntry: due(waitedSince, before) }) };
}

// ---- by a person -----------------------------------------------------------------------------------------

export const cancel = (before: Message, at: At, by: string): Transition =>
  endUnsent(before, at, 'cancelled', `Cancelled by ${by}.`);

/**
 * Brought back from an export. What became of it after the export is not known, nor whether a person sent a failed one
 * again: whoever had no final outcome is in doubt, and a person decides.
 */
export function restore(before: Message, at: At, exportedAt: number, by: string): Transition {
  const open = ['pending', 'deferred', ...(before.state === 'failed' ? (['failed'] as const) : [])] as const;
  const recipients = restate(before, open, 'inDoubt');
  const detail = `Restored by ${by} from the export of ${new Date(exportedAt).toISOString()}. Whether it was sent after that is not known.`;
  const indexEntry = suspended('inDoubt', at);
  const held = { state: 'held', indexEntry, reason: 'restored', detail, remedy: doubtRemedy } as const;
  return withEvent(before, setState(omit(before, 'movableCharge', 'suspicion'), at, held, { recipients }), {
    type: 'mail.held',
  });
}

/** Once more from the start, for those who do not have it; through the same limits and the same doubts. */
export function replay(before: Message, at: At, by: string): Transition {
  const retried = { ...before, recipients: retryInDoubt(before) };
  const again = { ...retried, recipients: restate(retried, ['failed', 'deferred'], 'pending') };
  const after = setState(
    omit(again, 'expiresAt', 'suspicion'),
    at,
    { state: 'waiting', indexEntry: { kind: 'due', at }, reason: 'replayed', detail: `Sent again by ${by}.` },
    { deferrals: 0, deferredMs: 0 },
  );
  return withEvent(before, after, { type: 'mail.deferred', retryAt: at });
}

/**
 * Of a message in doubt, the recipients in doubt have it, as if its copy had been found. Of any other, those that are
 * left.
 */
export function markSent(before: Message, at: At, by: string): Transition {
  const isInDoubt = before.recipients.some(({ state }) => state === 'inDoubt');
  const known = {
    ...before,
    recipients: restate(before, isInDoubt ? ['inDoubt'] : ['failed', 'pending', 'deferred'], 'sent'),
  };
  const detail = `Marked as sent by ${by}.`;
  if (known.recipients.some(isOpen)) {
    const waiting = { state: 'waiting', indexEntry: due(at, before), reason: 'markedSent', detail } as const;
    return withEvent(before, setState(known, at, waiting), { type: 'mail.deferred', retryAt: at });
  }
  const after = setState(known, at, { state: 'sent', indexEntry: notListed, reason: 'markedSent', detail });
  return withEvent(before, after, { type: 'mail.sent' });
}

/**
 * Whoever is in doubt does not have it: a dead letter that can be sent again, or sent to some. Of a message that waits for
 * a hold it is the end, as if it had been refused.
 */
export function markNotSent(before: Message, at: At, by: string): Transition {
  const recipients = before.recipients.map((recipient) =>
    recipient.state === 'inDoubt' || isOpen(recipient)
      ? { ...omit(recipient, 'maybeSent'), state: 'failed' as const }
      : recipient,
  );
  const detail = `Marked as not sent by ${by}.`;
  return finish(before, { ...before, recipients }, at, detail, { reason: 'markedNotSent' });
}

/** It came back: published, and its state left as it is. */
export function recordBounce(
  before: Message,
  at: At,
  { noticeId, verified, recipients }: Extract<EventKind, { readonly type: 'mail.bounced' }>['bounce'],
): Transition {
  const after = { ...before, changedAt: at, bounces: [...before.bounces, noticeId].slice(-bouncesMost) };
  const returned = new Map(
    recipients
      .filter(({ action }) => action === 'failed')
      .map((recipient) => [recipient.address.toLowerCase(), recipient] as const),
  );
  // In the event only: a bounce that is not verified must not change the message.
  const outcomes = before.recipients.map((recipient) => {
    const bounced = returned.get(recipient.address.toLowerCase());
    return bounced === undefined ? recipient : bouncedOutcome(recipient, bounced);
  });
  const transition = withEvent(before, after, {
    type: 'mail.bounced',
    bounce: {
      noticeId,
      verified,
      recipients: recipients
        .slice(0, bouncedMost)
        .map(({ address, status, replyCode, hard, reason, action }) => ({
          address: boundedText(address, addressCharacters),
          status: /^[245]\.\d{1,3}\.\d{1,3}$/.test(status) ? status : '',
          replyCode: /^[2-5]\d{2}$/.test(replyCode) ? replyCode : '',
          hard,
          reason: boundedText(reason, wordCharacters),
          action: boundedText(action, wordCharacters),
        })),
    },
  });
  if (transition.event === undefined || transition.after === undefined) return transition;
  const history = transition.after.history.map((entry, index, all) =>
    index === all.length - 1 ? { ...entry, detail: bouncedDetail(recipients, verified) } : entry,
  );
  return {
    ...transition,
    after: { ...transition.after, history },
    event: { ...transition.event, recipients: outcomes },
  };
}

/** For the history: the first addresses that came back, and why. */
function bouncedDetail(recipients: readonly BouncedRecipient[], verified: boolean): string {
  const said = recipients.slice(0, bouncedShown).map(({ address, status, hard, reason }) => {
    const why = [boundedText(reason, wordCharacters), status, hard ? 'permanent' : 'transient'];
    return `${boundedText(address, addressCharacters)} (${why.filter((one) => one !== '').join(', ')})`;
  });
  const others = recipients.length - said.length;
  const more = others > 0 ? ` and ${String(others)} more` : '';
  return `Returned: ${said.join('; ')}${more}.${verified ? '' : ' Not verified: anybody could have written it.'}`;
}

/** As the returning server reported it; the 250 of the attempt is over. */
function bouncedOutcome({ address, attempt }: RecipientOutcome, bounced: BouncedRecipient): RecipientOutcome {
  const code = Number(bounced.replyCode);
  return {
    address,
    state: 'failed',
    ...present({ attempt }),
    ...(Number.isInteger(code) && code >= 400 ? { code } : {}),
    ...(bounced.status === '' ? {} : { enhanced: bounced.status }),
    detail: `It was returned: ${bounced.reason}.`,
  };
}

/**
 * The row is deleted. What was never finished is published as what it is: cancelled, sent to some, or not known. Of a message that was sent the idempotency record
 * stays for its retention: the same submission again must not be sent again.
 */
export function remove(before: Message, at: At, by: string): Transition {
  if (before.state === 'sent') {
    const detail = `Deleted by ${by}.`;
    const deleted = { state: 'sent', indexEntry: notListed, reason: 'deleted', detail } as const;
    return { before, after: setState(before, at, deleted, { recipients: [] }), dropsContent: true };
  }
  if (before.state !== 'held' && before.state !== 'inDoubt') return { before };
  const { event } =
    mayBeSent(before) && !isPartlySent(before)
      ? fail(before, before, at, { detail: `Deleted by ${by}.`, reason: 'removed' })
      : cancel(before, at, by);
  return event === undefined ? { before } : { before, event };
}

/**
 * As it was before its attempt was put in doubt: a reply that arrives after all is judged against this. Its index entry
 * is the present one, so that the transition removes it.
 */
export const reopen = (message: Message): Message => ({
  ...message,
  recipients: restate(message, ['inDoubt'], 'pending'),
});
