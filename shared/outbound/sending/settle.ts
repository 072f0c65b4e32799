// Settling records what attempts came to: out of the open list, the slot shortened, the message moved, its event
// written, the holds placed or ended; several at once in one transaction.
//
// An attempt that is no longer open was settled before: by this transaction, whose answer was lost, or by an
// owner who found it past its deadline and gave it up for doubtful. In that case our own word is better than the
// doubt: a 250 makes it sent, another reply what it would have been in time; silence leaves the doubt.
import { shorten } from '../../limits/window.ts';
import { drainEvents } from '../../telemetry/outboundEvents.ts';
import { judgeAttempt } from '../policy/attemptResult.ts';
import type { AttemptEnd } from '../policy/attemptResult.ts';
import type { Box, Hold } from '../records/accountState.ts';
import type { Flight } from './inFlightAttempts.ts';
import { dueForTry, endHolds, noteTry, placeHold } from '../policy/holds.ts';
import type { HoldJudgement } from '../policy/judgement.ts';
import type { Message } from '../records/message.ts';
import { reopen, settleAttempt } from '../policy/transitions.ts';
import type { Move } from '../policy/transitions.ts';
import type { OutboundNumbers } from '../numbers.ts';
import type { Operation } from '../ports.ts';
import type { Shift } from './leaseSession.ts';
import { weigh, writeMove } from '../store/writes.ts';

export interface SettledFlight {
  readonly flight: Flight;
  /** Absent: it had been settled before. */
  readonly end?: AttemptEnd;
}

/** Settles as many as fit one transaction. Throws StorageTrouble; then none is known to be settled. */
export async function settle(flights: readonly Flight[], shift: Shift): Promise<readonly SettledFlight[]> {
  const { numbers, log } = shift.doors;
  const holdsBefore = shift.desk.box.holds;
  const settled = await shift.transact<readonly SettledFlight[]>(async (current, { rowsMayHaveChanged }) => {
    let box = current;
    const done: SettledFlight[] = [];
    const operations: Operation[] = [];
    for (const flight of flights.slice(0, numbers.settleMostCount)) {
      const one = await settleOne(flight, box, rowsMayHaveChanged, shift);
      const more = one === undefined ? [] : await writeMove(one.move, shift.doors);
      if (done.length > 0 && weigh([...operations, ...more]) > numbers.transactionBytes) break;
      box = one?.box ?? box;
      operations.push(...more);
      done.push({ flight, ...(one === undefined ? {} : { end: one.end }) });
    }
    return operations.length === 0 ? { settled: done } : { box, operations, result: done };
  });
  if (settled.length > 0) shift.teller.expect();
  logHolds(holdsBefore, shift);
  for (const { flight, end } of settled) {
    if (end === undefined) continue;
    const { id, attempt } = flight.open;
    const ms = flight.landedAt - flight.claimedAt;
    log(
      drainEvents.settled({ account: shift.key, id, attempt, verdict: end.verdict, code: end.why.code, ms }),
    );
  }
  return settled;
}

function logHolds(before: readonly Hold[], { key: account, desk, doors: { log } }: Shift): void {
  const after = desk.box.holds;
  const isIn = (holds: readonly Hold[], hold: Hold): boolean =>
    holds.some(({ mailbox }) => mailbox === hold.mailbox);
  for (const hold of after.filter((one) => !isIn(before, one))) {
    const scope = hold.mailbox === undefined ? 'account' : 'mailbox';
    log(drainEvents.held({ account, scope, reason: hold.reason, detail: hold.detail }));
  }
  const ended = before.filter((one) => !isIn(after, one)).length;
  if (ended > 0) log(drainEvents.holdEnded({ account, holds: ended }));
}

interface One {
  readonly move: Move;
  readonly end: AttemptEnd;
  readonly box: Box;
}

async function settleOne(
  flight: Flight,
  box: Box,
  rowsMayHaveChanged: boolean,
  shift: Shift,
): Promise<One | undefined> {
  const { id, attempt } = flight.open;
  const open = box.open.find((other) => other.id === id && other.attempt === attempt);
  if (open === undefined) return correctDoubt(flight, box, shift);
  const isOld = rowsMayHaveChanged || flight.generation !== shift.desk.generation;
  const message = isOld ? await shift.desk.readMessage(id) : flight.message;
  if (message === undefined || flight.landing === undefined) return undefined;
  const end = judgeAttempt(message, attempt, flight.landing);
  const closed: Box = {
    ...box,
    open: box.open.filter((other) => other !== open),
    ...(end.certain ? shorten(box, shift.law, open.slot, flight.landedAt) : {}),
    ...(end.reply === undefined ? {} : meanOf(box, flight)),
  };
  const held = holdsAfter(closed, message, end, flight.tries, shift);
  return { move: settleAttempt(message, end, settlingOf(flight, held, shift)), end, box: held };
}

/** Not open any more: given up for doubtful by another, perhaps resolved since. */
async function correctDoubt(flight: Flight, box: Box, shift: Shift): Promise<One | undefined> {
  const { landing, open } = flight;
  if (landing?.kind !== 'accepted' && landing?.kind !== 'failed') return undefined;
  const message = await shift.desk.readMessage(open.id);
  if (message?.attempt !== open.attempt || box.open.some(({ id }) => id === open.id)) return undefined;
  const doubtful =
    message.place.kind === 'doubt' || (message.place.kind === 'aside' && message.place.group === 'doubt');
  const resending = message.state === 'waiting' && message.reason === 'notFound';
  if (!doubtful && !(resending && landing.kind === 'accepted')) return undefined;
  const reopened = reopen(message);
  const end = judgeAttempt(reopened, open.attempt, landing);
  if (end.verdict === 'inDoubt') return undefined;
  const move = settleAttempt(reopened, end, settlingOf(flight, box, shift));
  return { move: { ...move, before: message }, end, box };
}

function settlingOf(flight: Flight, box: Box, shift: Shift): Parameters<typeof settleAttempt>[2] {
  const { time, numbers, random } = shift.doors;
  const tried = box.holds.find((hold) => flight.tries.some(({ mailbox }) => mailbox === hold.mailbox));
  return {
    at: time.early(),
    attempt: flight.open.attempt,
    deadline: flight.open.deadline,
    numbers,
    chance: random.uniform(),
    ...(tried?.until === undefined ? {} : { tryOf: { nextTryAt: tried.until } }),
  };
}

/** What this end means for the account: holds end with an acceptance, begin with a refusal of the sender or a storm. */
function holdsAfter(box: Box, message: Message, end: AttemptEnd, tries: readonly Hold[], shift: Shift): Box {
  const { time, numbers } = shift.doors;
  const { mailbox } = message;
  let after =
    end.verdict === 'accepted' && (box.refusals > 0 || box.holds.length > 0) ? endHolds(box, mailbox) : box;
  if (end.verdict === 'retry') after = { ...after, refusals: box.refusals + 1 };
  const judgement = end.hold ?? stormIn(after, tries, end, numbers);
  if (judgement !== undefined) {
    after = placeHold(after, { judgement, mailbox }, time.late(), numbers);
  }
  return after;
}

/** Several in a row were refused for now, and none accepted: it is the server, not they. */
function stormIn(
  box: Box,
  tries: readonly Hold[],
  end: AttemptEnd,
  numbers: OutboundNumbers,
): HoldJudgement | undefined {
  if (end.verdict !== 'retry' || tries.length > 0 || box.refusals < numbers.refusalsBeforeStormCount)
    return undefined;
  return {
    do: 'hold',
    scope: 'account',
    reason: 'storm',
    detail: `${box.refusals} attempts in a row were refused for now, the last with: ${end.why.detail}`,
    code: end.why.code,
    remedy:
      'Nothing to do: one message a minute is tried until the server takes it. If it lasts, see the service health.',
    firstProbeMs: numbers.probeAtLeastMs,
  };
}

/** A running mean in which the last ten or so count. */
function meanOf(box: Box, { claimedAt, landedAt }: Flight): Pick<Box, 'claimToReplyMs'> {
  const ms = Math.max(0, landedAt - claimedAt);
  const weight = 0.1;
  const known = box.claimToReplyMs;
  return { claimToReplyMs: Math.round(known === undefined ? ms : known + weight * (ms - known)) };
}

/** A failed connect: of the account, whatever the judgement's scope; no message is touched. */
export async function holdAccount(judgement: Omit<HoldJudgement, 'do'>, shift: Shift): Promise<void> {
  const { time, numbers } = shift.doors;
  const holdsBefore = shift.desk.box.holds;
  await shift.transact<undefined>((box) => {
    if (box.lease?.tag !== shift.tag) return { settled: undefined };
    const late = time.late();
    const standing = dueForTry(box, time.early()).filter(({ mailbox }) => mailbox === undefined);
    const tried = standing.length === 0 ? box : noteTry(box, standing, late, numbers);
    const placed = { judgement: { ...judgement, scope: 'account' as const }, mailbox: '' };
    return { box: placeHold(tried, placed, late, numbers), operations: [], result: undefined };
  });
  logHolds(holdsBefore, shift);
}
