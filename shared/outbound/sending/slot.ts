// A slot for a dialog that sends no message: a hold's probe, the doctor's check. It is acquired under the lease
// before anything is given to the server and released when the dialog has ended, like that of an attempt, so that
// nothing that speaks SMTP escapes the rate limits.
import { plus, type Latest } from '../../limits/storageTime.ts';
import { acquire, canAcquire, releaseEarly } from '../../limits/limiter.ts';
import type { AccountState } from '../records/accountState.ts';
import type { LeaseSession } from './leaseSession.ts';

export interface Slot {
  /** UTC seconds, as the limiter counts it. */
  readonly endsAtSecond: number;
  /** After it, by the latest bound, nothing more is given to the server. */
  readonly deadline: Latest;
}

/**
 * Undefined if the lease is another's, the limits allow nothing now, or `admit` objects by returning nothing. What
 * `admit` makes of the account's state is written with the slot. Throws StorageTrouble.
 */
export function acquireSlot(
  dialogMs: number,
  admit: (state: AccountState) => AccountState | undefined,
  session: LeaseSession,
): Promise<Slot | undefined> {
  const { time, numbers } = session.dependencies;
  return session.ifOwner<Slot | undefined>('acquireSlot', undefined, (state) => {
    const admitted = admit(state);
    if (admitted === undefined) return { result: undefined };
    if (canAcquire(state, session.limits, time.earliest(), 0).kind !== 'available')
      return { result: undefined };
    const deadline = plus(time.latest(), dialogMs);
    const { usage, slot: endsAtSecond } = acquire(state, session.limits, plus(deadline, numbers.graceMs), 0);
    return { state: { ...admitted, ...usage }, result: { endsAtSecond, deadline } };
  });
}

/** The dialog ended at `endedAt` (latest bound). `conclude` adds what it says about the account. Throws StorageTrouble. */
export async function releaseSlot(
  { endsAtSecond }: Slot,
  endedAt: Latest,
  conclude: (state: AccountState) => AccountState,
  session: LeaseSession,
): Promise<void> {
  await session.update('releaseSlot', (state) =>
    conclude({ ...state, ...releaseEarly(state, session.limits, endsAtSecond, endedAt) }),
  );
}
