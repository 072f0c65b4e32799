// Whose fault a refusal is, if its reply does not say so. One refused message proves nothing. Several different ones that
// are refused alike, with nothing accepted between, are the account's fault, or their mailbox's: it is put on hold and no
// message is blamed. A message that is refused again after others were accepted is at fault itself: it does not count any
// more, and a permanent reply to it is final. If nothing else is sent, a permanent reply is final after some time;
// time on hold does not count.
import { present } from '../../mail/omit.ts';
import type { AccountState, CountedRefusal, Tally } from '../records/accountState.ts';
import type { Message, Suspicion } from '../records/message.ts';
import type { OutboundNumbers } from '../numbers.ts';
import type { AttemptOutcome } from './attemptResult.ts';
import type { HoldJudgement } from './judgement.ts';

/** What a refusal of a message is judged by, as it is in the account's state. */
export interface Standing {
  readonly accountAccepted: number;
  readonly mailboxAccepted: number;
  readonly releasedCount: number;
  /** A hold concerns the mailbox now. */
  readonly isHeld: boolean;
}

/** More refusals than this are not kept: three decide. */
const refusalsMost = 30;

const tallyOf = ({ tallies }: AccountState, mailbox?: string): Tally =>
  tallies.find((tally) => tally.mailbox === mailbox) ?? {
    ...present({ mailbox }),
    acceptedCount: 0,
    releasedCount: 0,
  };

/** Adds to the tally of a mailbox (lower case), or of the account as a whole. */
export function addToTally(
  state: AccountState,
  mailbox: string | undefined,
  added: { readonly accepted?: number; readonly released?: number },
): AccountState {
  const { accepted = 0, released = 0 } = added;
  const tally = tallyOf(state, mailbox);
  const next = {
    ...tally,
    acceptedCount: tally.acceptedCount + accepted,
    releasedCount: tally.releasedCount + released,
  };
  return { ...state, tallies: [...state.tallies.filter((one) => one.mailbox !== mailbox), next] };
}

/** A message of this mailbox was accepted: what was refused before is no fault of the mailbox, nor of the account. */
export function countAcceptance(state: AccountState, mailbox: string): AccountState {
  const own = mailbox.toLowerCase();
  const counted = addToTally(addToTally(state, undefined, { accepted: 1 }), own, { accepted: 1 });
  const refusals = state.refusals
    .filter((refusal) => refusal.mailbox !== own)
    .map((refusal) => (refusal.isOfMailbox ? refusal : { ...refusal, isOfMailbox: true }));
  return { ...counted, refusals };
}

export function standingOf(state: AccountState, mailbox: string): Standing {
  const own = mailbox.toLowerCase();
  const [account, mine] = [tallyOf(state), tallyOf(state, own)];
  return {
    accountAccepted: account.acceptedCount,
    mailboxAccepted: mine.acceptedCount,
    releasedCount: account.releasedCount + mine.releasedCount,
    isHeld: state.holds.some((hold) => hold.mailbox === undefined || hold.mailbox === own),
  };
}

/** Notes the refusal if it counts, and says what is to be put on hold for it and those before. */
export function countRefusal(
  state: AccountState,
  message: Pick<Message, 'id' | 'mailbox' | 'suspicion'>,
  outcome: Pick<AttemptOutcome, 'counted' | 'why'>,
  numbers: OutboundNumbers,
): { readonly state: AccountState; readonly judgement?: HoldJudgement } {
  const { counted } = outcome;
  if (counted === undefined) return { state };
  const mailbox = message.mailbox.toLowerCase();
  const standing = standingOf(state, mailbox);
  // Others were accepted since it was first refused: it is the message.
  if ((message.suspicion?.mailboxAccepted ?? standing.mailboxAccepted) < standing.mailboxAccepted)
    return { state };
  const isOfMailbox =
    (message.suspicion?.accountAccepted ?? standing.accountAccepted) < standing.accountAccepted;
  const refusal: CountedRefusal = { id: message.id, mailbox, ...counted, isOfMailbox };
  const others = state.refusals.filter(({ id }) => id !== refusal.id);
  const alike = others.filter((one) => one.alike === refusal.alike);
  const isSameRecipient = ({ recipient }: CountedRefusal): boolean =>
    recipient !== undefined && recipient === refusal.recipient;
  if (alike.some(isSameRecipient)) return { state };
  const refusals = [...others, refusal].slice(-refusalsMost);
  const after = { ...state, refusals };
  const all = [...alike, refusal];
  const ofAccount = all.filter((one) => !one.isOfMailbox).length;
  const ofMailbox = all.filter((one) => one.mailbox === mailbox).length;
  const most = numbers.refusalsBeforeHoldCount;
  if (!isOfMailbox && ofAccount >= most)
    return { state: after, judgement: refusedAlike('account', ofAccount, outcome, numbers) };
  if (ofMailbox >= most)
    return { state: after, judgement: refusedAlike('mailbox', ofMailbox, outcome, numbers) };
  return { state: after };
}

function refusedAlike(
  scope: HoldJudgement['scope'],
  count: number,
  { why }: Pick<AttemptOutcome, 'why'>,
  numbers: OutboundNumbers,
): HoldJudgement {
  const isPermanent = why.code >= 500;
  const between = scope === 'account' ? 'nothing' : 'nothing of this mailbox';
  return {
    do: 'hold',
    scope,
    reason: 'consecutiveRefusals',
    detail: `${count} different messages were refused alike with ${between} accepted between, the last with: ${why.detail}`,
    code: why.code,
    remedy: isPermanent
      ? "Run the doctor for the mailbox and compare the server's words: the account's licence, rights and restrictions, and SMTP_SERVER. One message at a time is attempted until the server accepts it."
      : 'None: one message at a time is attempted until the server accepts it. If it lasts, check the service health.',
    firstProbeMs: numbers.probeAtLeastMs,
  };
}

/** What is remembered of a message that was refused by such a reply at `at`. */
export function suspect(
  before: Suspicion | undefined,
  standing: Standing,
  isPermanent: boolean,
  at: number,
): Suspicion {
  const { accountAccepted, mailboxAccepted, releasedCount } = standing;
  const first = { accountAccepted, mailboxAccepted, ...before };
  if (!isPermanent) return first;
  const { forGood } = first;
  if (forGood === undefined)
    return { ...first, forGood: { mailboxAccepted, releasedCount, lastAt: at, elapsedMs: 0 } };
  const elapsedMs = forGood.elapsedMs + timeSince(forGood, standing, at);
  return { ...first, forGood: { ...forGood, releasedCount, lastAt: at, elapsedMs } };
}

/** Since the last permanent refusal; none if the mailbox was on hold at any time since. */
function timeSince(
  { releasedCount, lastAt }: NonNullable<Suspicion['forGood']>,
  standing: Standing,
  at: number,
): number {
  return standing.isHeld || standing.releasedCount !== releasedCount ? 0 : Math.max(0, at - lastAt);
}

/** A permanent reply to this message is final; `suspicion` is as `suspect` left it. */
export const isAtFault = (
  { forGood }: Suspicion,
  { mailboxAccepted, isHeld }: Standing,
  { finalAfterMs }: OutboundNumbers,
): boolean =>
  forGood !== undefined &&
  !isHeld &&
  (mailboxAccepted > forGood.mailboxAccepted || forGood.elapsedMs >= finalAfterMs);
