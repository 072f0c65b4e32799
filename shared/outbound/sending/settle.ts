// Settling records what attempts came to, several in one transaction: off the list of active attempts, the slot
// released early, the message in its next state, its event written, the holds placed or ended.
//
// An attempt that is not active any more was settled before: by this transaction, whose answer was lost, or by an
// owner who found it past its deadline and put it in doubt. In the latter case our own result is better than the
// doubt: a 250 makes it sent, another reply what it would have been in time; without a reply the doubt stays.
import { releaseEarly } from '../../limits/limiter.ts';
import { outboundEvents } from '../../telemetry/outboundEvents.ts';
import type { OutboundNumbers } from '../numbers.ts';
import { judgeAttempt } from '../policy/attemptResult.ts';
import type { AttemptOutcome } from '../policy/attemptResult.ts';
import { endHolds, placeHold } from '../policy/holds.ts';
import type { HoldJudgement } from '../policy/judgement.ts';
import { reopen, settleAttempt } from '../policy/transitions.ts';
import type { SettleContext, Transition } from '../policy/transitions.ts';
import type { Operation } from '../ports.ts';
import type { AccountState, Hold } from '../records/accountState.ts';
import type { Message } from '../records/message.ts';
import type { Retry } from '../store/accountTransaction.ts';
import { weigh, writeTransition } from '../store/writes.ts';
import { reportHolds } from './accountHolds.ts';
import type { InFlightAttempt } from './inFlightAttempts.ts';
import type { LeaseSession } from './leaseSession.ts';

export interface SettledAttempt {
  readonly attempt: InFlightAttempt;
  /** Absent if it had been settled before. */
  readonly outcome?: AttemptOutcome;
}

/** Settles as many as fit into one transaction. Throws StorageTrouble; none is known to be settled then. */
export async function settle(
  attempts: readonly InFlightAttempt[],
  session: LeaseSession,
): Promise<readonly SettledAttempt[]> {
  const { numbers } = session.dependencies;
  const holdsBefore = session.state.holds;
  const settled = await session.transact<readonly SettledAttempt[]>(async (current, retry) => {
    let state = current;
    const done: SettledAttempt[] = [];
    const operations: Operation[] = [];
    for (const attempt of attempts.slice(0, numbers.settleMostCount)) {
      const one = await settleOne(attempt, state, retry, session);
      const more = one === undefined ? [] : await writeTransition(one.transition, session.dependencies);
      if (done.length > 0 && weigh([...operations, ...more]) > numbers.transactionBytes) break;
      state = one?.state ?? state;
      operations.push(...more);
      done.push({ attempt, ...(one === undefined ? {} : { outcome: one.outcome }) });
    }
    return operations.length === 0 ? { result: done } : { state, operations, result: done };
  });
  if (settled.length > 0) session.publisher.expectMore();
  reportHolds(holdsBefore, session);
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
  readonly transition: Transition;
  readonly outcome: AttemptOutcome;
  readonly state: AccountState;
}

/** Undefined if there is nothing to write. */
async function settleOne(
  attempt: InFlightAttempt,
  state: AccountState,
  retry: Retry,
  session: LeaseSession,
): Promise<Settlement | undefined> {
  const { result, endedAt } = attempt;
  const { id, attempt: number } = attempt.active;
  const active = state.activeAttempts.find((other) => other.id === id && other.attempt === number);
  if (active === undefined) return correctDoubt(attempt, state, session);
  const message = await currentMessage(attempt, retry, session);
  if (message === undefined || result === undefined) return undefined;
  const outcome = judgeAttempt(message, number, result);
  const ended: AccountState = {
    ...state,
    activeAttempts: state.activeAttempts.filter((other) => other !== active),
    ...(outcome.certain ? releaseEarly(state, session.limits, active.slot, endedAt) : {}),
    ...(outcome.reply === undefined ? {} : meanDuration(state, attempt)),
  };
  const after = holdsAfter(ended, message, outcome, attempt.probed, session);
  const transition = settleAttempt(message, outcome, contextOf(attempt, after, session));
  return { transition, outcome, state: after };
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
  const message = await session.transactions.readMessage(active.id);
  if (message?.attempt !== active.attempt) return undefined;
  if (state.activeAttempts.some(({ id }) => id === active.id)) return undefined;
  if (!isInDoubt(message) && !(isResending(message) && result.kind === 'accepted')) return undefined;
  const reopened = reopen(message);
  const outcome = judgeAttempt(reopened, active.attempt, result);
  if (outcome.verdict === 'inDoubt') return undefined;
  const transition = settleAttempt(reopened, outcome, contextOf(attempt, state, session));
  return { transition: { ...transition, before: message }, outcome, state };
}

const isInDoubt = ({ indexEntry }: Message): boolean =>
  indexEntry.kind === 'inDoubt' || (indexEntry.kind === 'suspended' && indexEntry.group === 'inDoubt');

/** No copy was found, and the policy resends. */
const isResending = ({ state, reason }: Message): boolean => state === 'waiting' && reason === 'notFound';

function contextOf(
  { active, probed }: InFlightAttempt,
  { holds }: AccountState,
  session: LeaseSession,
): SettleContext {
  const { time, numbers, random } = session.dependencies;
  const hold = holds.find((one) => probed.some(({ mailbox }) => mailbox === one.mailbox));
  return {
    at: time.earliest(),
    attempt: active.attempt,
    deadline: active.deadline,
    numbers,
    chance: random.uniform(),
    ...(hold?.probeAt === undefined ? {} : { probeOf: { nextTryAt: hold.probeAt } }),
  };
}

/** An acceptance ends the holds that concern it; a refusal of the sender, or several in a row, places one. */
function holdsAfter(
  state: AccountState,
  message: Message,
  outcome: AttemptOutcome,
  probed: readonly Hold[],
  session: LeaseSession,
): AccountState {
  const { time, numbers } = session.dependencies;
  const { mailbox } = message;
  const { consecutiveRefusals, holds } = state;
  const isChanged = outcome.verdict === 'accepted' && (consecutiveRefusals > 0 || holds.length > 0);
  let after = isChanged ? endHolds(state, mailbox) : state;
  if (outcome.verdict === 'retry') after = { ...after, consecutiveRefusals: consecutiveRefusals + 1 };
  const judgement = outcome.hold ?? afterConsecutiveRefusals(after, probed, outcome, numbers);
  return judgement === undefined ? after : placeHold(after, { judgement, mailbox }, time.latest(), numbers);
}

/** Several in a row were refused for now and none was accepted between: it is the server, not the messages. */
function afterConsecutiveRefusals(
  { consecutiveRefusals }: AccountState,
  probed: readonly Hold[],
  outcome: AttemptOutcome,
  numbers: OutboundNumbers,
): HoldJudgement | undefined {
  if (outcome.verdict !== 'retry' || probed.length > 0) return undefined;
  if (consecutiveRefusals < numbers.refusalsBeforeHoldCount) return undefined;
  return {
    do: 'hold',
    scope: 'account',
    reason: 'consecutiveRefusals',
    detail: `${consecutiveRefusals} attempts in a row were refused for now, the last with: ${outcome.why.detail}`,
    code: outcome.why.code,
    remedy:
      'None: one message a minute is attempted until the server accepts it. If it lasts, check the service health.',
    firstProbeMs: numbers.probeAtLeastMs,
  };
}

/** A running mean in which about the last ten count. */
function meanDuration(
  { claimToReplyMs: known }: AccountState,
  { claimedAt, endedAt }: InFlightAttempt,
): Pick<AccountState, 'claimToReplyMs'> {
  const ms = Math.max(0, endedAt - claimedAt);
  const weight = 0.1;
  return { claimToReplyMs: Math.round(known === undefined ? ms : known + weight * (ms - known)) };
}
