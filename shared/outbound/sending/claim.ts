// A claim takes the message, acquires a slot and charges the recipients to the day in one conditional write of one row,
// before anything is given to the server. An owner whose lease has expired can neither send nor use up the limits. If
// the answer is lost, the claim is recognised by its tag. The charge of a refused attempt is moved in the same write.
// The due row stays: if this process dies, nothing needs to be restored.
import { plus } from '../../limits/storageTime.ts';
import { acquire, canAcquire } from '../../limits/limiter.ts';
import { StorageTrouble } from '../../storageErrors.ts';
import { usageForClaim } from '../policy/charge.ts';
import { dueForProbe, isHeld, recordProbe } from '../policy/holds.ts';
import type { AccountState, ActiveAttempt, Hold } from '../records/accountState.ts';
import { remaining } from '../records/message.ts';
import type { UnitOfWork } from '../store/accountTransaction.ts';
import type { LeaseSession } from './leaseSession.ts';
import type { ReadyMessage } from './prepare.ts';

/** More attempts than this can't be active after any number of crashes within their deadlines; the row stays small. */
const mostActive = 40;

export type ClaimResult =
  | { readonly kind: 'claimed'; readonly active: ActiveAttempt; readonly probed: readonly Hold[] }
  /** The account's state has changed since the message was prepared. */
  | { readonly kind: 'stale' }
  /** The lease is lost or about to expire, or too many attempts of dead processes are active. */
  | { readonly kind: 'notNow' }
  /** The store gave no answer: it may be claimed, and nothing of it is sent. It has to be settled as not started. */
  | { readonly kind: 'unconfirmed'; readonly active: ActiveAttempt; readonly trouble: StorageTrouble };

/** Throws StorageTrouble if nothing was given to the store. */
export async function claim(prepared: ReadyMessage, session: LeaseSession): Promise<ClaimResult> {
  const { time, numbers, random } = session.dependencies;
  const { message, entry } = prepared;
  const tag = random.id();
  const recipientCount = remaining(message).length;
  let probed: readonly Hold[] = [];
  let wanted: ActiveAttempt | undefined;
  const work: UnitOfWork<ClaimResult> = (state) => {
    const claimed = state.activeAttempts.find((active) => active.tag === tag);
    if (claimed !== undefined) return { result: { kind: 'claimed', active: claimed, probed } };
    const objection = objectionTo(prepared, state, session);
    if (objection !== undefined) return { result: { kind: objection } };
    const latest = time.latest();
    const deadline = plus(latest, numbers.attemptMs);
    const free = usageForClaim(state, message);
    const { usage, slot } = acquire(free, session.limits, plus(deadline, numbers.graceMs), recipientCount);
    const active: ActiveAttempt = {
      id: message.id,
      attempt: message.attempt + 1,
      key: entry.key,
      tag,
      owner: session.tag,
      deadline,
      slot,
    };
    wanted = active;
    probed = dueForProbe(state, time.earliest(), message.mailbox);
    return {
      state: {
        ...recordProbe(state, probed, latest, numbers),
        ...usage,
        activeAttempts: [...state.activeAttempts, active],
      },
      result: { kind: 'claimed', active, probed },
    };
  };
  try {
    return await session.transact('claim', work);
  } catch (trouble) {
    if (!(trouble instanceof StorageTrouble) || wanted === undefined) throw trouble;
    return { kind: 'unconfirmed', active: wanted, trouble };
  }
}

/** The checks made before are advisory; these, in the conditional write, alone guarantee safety. */
function objectionTo(
  { message, generation }: ReadyMessage,
  state: AccountState,
  session: LeaseSession,
): 'stale' | 'notNow' | undefined {
  const { time, numbers } = session.dependencies;
  const { lease, activeAttempts } = state;
  if (!session.owns(state) || lease === undefined) return 'notNow';
  if (time.latest() > lease.until - numbers.leaseMarginMs) return 'notNow';
  if (activeAttempts.length >= mostActive) return 'notNow';
  if (generation !== session.transactions.generation) return 'stale';
  if (activeAttempts.some(({ id }) => id === message.id)) return 'stale';
  const earliest = time.earliest();
  if (isHeld(state, message.mailbox, earliest)) return 'stale';
  const usage = usageForClaim(state, message);
  const availability = canAcquire(usage, session.limits, earliest, remaining(message).length);
  return availability.kind === 'available' ? undefined : 'stale';
}
