// Settling records what attempts came to, several in one transaction: off the list of active attempts, the slot
// released early, the message in its next state, its event written, the holds placed or ended.
//
// An attempt that is not active any more was settled before: by this transaction, whose answer was lost, or by an
// owner who found it past its deadline and put it in doubt. In the latter case our own result is better than the
// doubt: a 250 makes it sent, another reply what it would have been in time; without a reply the doubt stays.
import { releaseEarly } from '../../limits/limiter.ts';
import { present } from '../../mail/omit.ts';
import { outboundEvents } from '../../telemetry/outboundEvents.ts';
import type { OutboundNumbers } from '../numbers.ts';
import { judgeAttempt, type AttemptOutcome } from '../policy/attemptResult.ts';
import { endHolds, placeHold } from '../policy/holds.ts';
import { countTransition } from '../policy/hourlyCounts.ts';
import type { HoldJudgement } from '../policy/judgement.ts';
import { countRefusal, standingOf } from '../policy/refusals.ts';
import { reopen, settleAttempt, type SettleContext } from '../policy/transitions.ts';
import type { Operation } from '../ports.ts';
import type { AccountState, Hold } from '../records/accountState.ts';
import type { Message } from '../records/message.ts';
import { UnreadableRow } from '../records/unreadableRow.ts';
import { readIfReadable, type Retry } from '../store/accountTransaction.ts';
import { sha256 } from '../../mail/fingerprint.ts';
import { weigh, writeTransition } from '../store/writes.ts';
import { logHoldChanges } from './accountHolds.ts';
import type { InFlightAttempt } from './inFlightAttempts.ts';
import type { LeaseSession } from './leaseSession.ts';
import { reportUnreadable, setAside } from './quarantine.ts';

export interface SettledAttempt {
  readonly attempt: InFlightAttempt;
  /** Absent if it had been settled before. */
  readonly outcome?: AttemptOutcome;
}

/**
 * Settles as many as fit into one transaction. `connectionCount`: connections that are open, those of the attempts too.
 * Throws StorageTrouble; none is known to be settled then.
 */
export async function settle(
  attempts: readonly InFlightAttempt[],
  connectionCount: number,
  session: LeaseSession,
): Promise<readonly SettledAttempt[]> {
  const { numbers } = session.dependencies;
  const holdsBefore = session.state.holds;
  const settled = await session.transact<readonly SettledAttempt[]>('settle', async (current, retry) => {
    let state = current;
    let connectionsLeft = connectionCount;
    const done: SettledAttempt[] = [];
    const operations: Operation[] = [];
    for (const attempt of attempts.slice(0, numbers.settleMostCount)) {
      const one = await settleOne(attempt, { state, connectionsLeft, retry }, session);
      const more = one?.operations ?? [];
      if (done.length > 0 && weigh([...operations, ...more]) > numbers.transactionBytes) break;
      state = one?.state ?? state;
      if (one?.outcome?.reconnect === true) connectionsLeft -= 1;
      operations.push(...more);
      done.push({ attempt, ...present({ outcome: one?.outcome }) });
    }
    return state === current ? { result: done } : { state, operations, result: done };
  });
  if (settled.length > 0) session.publisher.expectMore();
  logHoldChanges(holdsBefore, session);
  for (const one of settled) reportSettled(one, session);
  return settled;
}

function reportSettled({ attempt, outcome }: SettledAttempt, session: LeaseSession): void {
  if (outcome === undefined) return;
  const { active, claimedAt, endedAt } = attempt;
  session.dependencies.log(
    outboundEvents.settled({
      account: session.key,
      id: active.id,
      attempt: active.attempt,
      outcome: outcome.verdict,
      code: outcome.why.code,
      durationMs: endedAt - claimedAt,
    }),
  );
}

interface Settlement {
  readonly operations: readonly Operation[];
  /** Absent if the message was set aside. */
  readonly outcome?: AttemptOutcome;
  readonly state: AccountState;
}

interface Settling {
  /** With the attempts of the same transaction that were settled before. */
  readonly state: AccountState;
  readonly connectionsLeft: number;
  readonly retry: Retry;
}

/** Undefined if there is nothing to write. */
async function settleOne(
  attempt: InFlightAttempt,
  { state, connectionsLeft, retry }: Settling,
  session: LeaseSession,
): Promise<Settlement | undefined> {
  const { result, endedAt } = attempt;
  const { attempt: number } = attempt.active;
  const active = state.activeAttempts.find(({ tag }) => tag === attempt.active.tag);
  if (active === undefined) return correctDoubt(attempt, state, session);
  let message: Message | undefined;
  try {
    message = await currentMessage(attempt, retry, session);
  } catch (error) {
    if (error instanceof UnreadableRow) return settleUnreadable(attempt, error, state, session);
    throw error;
  }
  if (message === undefined || result === undefined) return undefined;
  const outcome = judgeAttempt(message, number, result);
  const ended: AccountState = {
    ...state,
    activeAttempts: state.activeAttempts.filter((other) => other !== active),
    ...(outcome.certain ? releaseEarly(state, session.limits, active.slot, endedAt) : {}),
    ...(outcome.reply === undefined ? {} : meanDuration(state, attempt)),
  };
  const after = holdsAfter(ended, { message, outcome, probed: attempt.probed, connectionsLeft }, session);
  const transition = settleAttempt(message, outcome, contextOf(attempt, message, after, session));
  return {
    operations: await writeTransition(transition, session.dependencies),
    outcome,
    state: countTransition(after, transition, session.dependencies.time.earliest()),
  };
}

/** Its row can't be read any more: it is set aside, with what the attempt came to. */
async function settleUnreadable(
  { active, message, result, endedAt }: InFlightAttempt,
  { message: fault }: UnreadableRow,
  state: AccountState,
  session: LeaseSession,
): Promise<Settlement> {
  const outcome =
    message === undefined || result === undefined ? undefined : judgeAttempt(message, active.attempt, result);
  const end = outcome === undefined ? '' : ` Attempt ${active.attempt} ended: ${outcome.verdict}.`;
  const detail = `${fault}${end}`;
  reportUnreadable(active.id, detail, session);
  return {
    operations: await setAside(active.key, detail, session),
    state: {
      ...state,
      activeAttempts: state.activeAttempts.filter(({ tag }) => tag !== active.tag),
      ...(outcome?.certain === true ? releaseEarly(state, session.limits, active.slot, endedAt) : {}),
    },
  };
}

/** Of an adopted attempt only the claim is known. */
const currentMessage = (
  { message, generation, active }: InFlightAttempt,
  retry: Retry,
  session: LeaseSession,
): Promise<Message | undefined> =>
  message === undefined
    ? session.transactions.readMessage(active.id)
    : session.current({ message, generation }, retry);

/** Put in doubt by another owner, perhaps resolved since. */
async function correctDoubt(
  attempt: InFlightAttempt,
  state: AccountState,
  session: LeaseSession,
): Promise<Settlement | undefined> {
  const { result, active } = attempt;
  if (result?.kind !== 'accepted' && result?.kind !== 'failed') return undefined;
  const message = await readIfReadable(session.key, active.id, session.dependencies);
  if (message?.attempt !== active.attempt) return undefined;
  if (state.activeAttempts.some(({ id }) => id === active.id)) return undefined;
  if (!isInDoubt(message) && !(isResending(message) && result.kind === 'accepted')) return undefined;
  const reopened = reopen(message);
  const outcome = judgeAttempt(reopened, active.attempt, result);
  if (outcome.verdict === 'inDoubt') return undefined;
  const transition = settleAttempt(reopened, outcome, contextOf(attempt, message, state, session));
  const operations = await writeTransition({ ...transition, before: message }, session.dependencies);
  const counted = countTransition(state, transition, session.dependencies.time.earliest());
  return { operations, outcome, state: { ...counted } };
}

const isInDoubt = ({ indexEntry }: Message): boolean =>
  indexEntry.kind === 'inDoubt' || (indexEntry.kind === 'suspended' && indexEntry.group === 'inDoubt');

/** No copy was found, and the policy resends. */
const isResending = ({ state, reason }: Message): boolean => state === 'waiting' && reason === 'notFound';

function contextOf(
  { active, probed }: InFlightAttempt,
  { mailbox }: Message,
  state: AccountState,
  session: LeaseSession,
): SettleContext {
  const { time, numbers, random } = session.dependencies;
  const hold = state.holds.find((one) => probed.some(({ mailbox }) => mailbox === one.mailbox));
  return {
    at: time.earliest(),
    attempt: active.attempt,
    deadline: active.deadline,
    numbers,
    chance: random.uniform(),
    standing: standingOf(state, mailbox),
    ...(hold?.probeAt === undefined ? {} : { probeOf: { nextTryAt: hold.probeAt } }),
  };
}

interface HoldEvidence {
  readonly message: Message;
  readonly outcome: AttemptOutcome;
  readonly probed: readonly Hold[];
  readonly connectionsLeft: number;
}

/** An acceptance ends the holds that concern it; a refusal of the sender, or several messages refused alike, place one. */
function holdsAfter(
  state: AccountState,
  { message, outcome, probed, connectionsLeft }: HoldEvidence,
  session: LeaseSession,
): AccountState {
  const { time, numbers } = session.dependencies;
  const { mailbox } = message;
  const accepted = outcome.verdict === 'accepted' ? endHolds(state, mailbox) : state;
  // A probe says nothing new of a hold that is there.
  const counted =
    probed.length > 0 ? { state: accepted } : countRefusal(accepted, message, hashed(outcome), numbers);
  const crowded =
    outcome.reconnect && connectionsLeft <= 1 ? tooManyConnections(outcome, numbers) : undefined;
  const judgement = outcome.hold ?? crowded ?? counted.judgement;
  if (judgement === undefined) return counted.state;
  const smtpUser = session.account?.user;
  return placeHold(counted.state, { judgement, mailbox, ...present({ smtpUser }) }, time.latest(), numbers);
}

/** The account's row holds no addresses of recipients. */
function hashed(outcome: AttemptOutcome): AttemptOutcome {
  const recipient = outcome.counted?.recipient;
  if (outcome.counted === undefined || recipient === undefined) return outcome;
  return {
    ...outcome,
    counted: { ...outcome.counted, recipient: sha256(recipient.toLowerCase()).slice(0, 16) },
  };
}

/** Refused on the last connection: another program uses the account. */
const tooManyConnections = ({ why }: AttemptOutcome, numbers: OutboundNumbers): HoldJudgement => ({
  do: 'hold',
  scope: 'account',
  reason: 'connections',
  detail: `The server counts too many connections of the account, and the bridge has only one open. ${why.detail}`,
  code: why.code,
  remedy:
    'Nothing to do if it clears by itself. If it persists, look for another program or device that sends with this account, and lower "connections" of the mailbox in MAILBOXES by what it needs.',
  firstProbeMs: numbers.probeAtLeastMs,
});

/** A running mean in which about the last ten count. */
function meanDuration(
  { claimToReplyMs: known }: AccountState,
  { claimedAt, endedAt }: InFlightAttempt,
): Pick<AccountState, 'claimToReplyMs'> {
  const ms = Math.max(0, endedAt - claimedAt);
  const weight = 0.1;
  return { claimToReplyMs: Math.round(known === undefined ? ms : known + weight * (ms - known)) };
}
