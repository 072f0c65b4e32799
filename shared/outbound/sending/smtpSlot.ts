// The doctor's access to the server: it sends nothing, but uses the account's lease, one of its connections and a
// slot of its minute.
import type { TimeLeft } from '../../deadline.ts';
import type { Dependencies } from '../dependencies.ts';
import { acquireLease, releaseLease } from './lease.ts';
import { LeaseSession } from './leaseSession.ts';
import { acquireSlot, releaseSlot } from './slot.ts';

export type SmtpSlot =
  | {
      readonly kind: 'granted';
      /** Ends before the lease does. */
      readonly budget: TimeLeft;
      /** To be called once, when the connection is closed. Throws StorageTrouble; the lease then expires by itself. */
      release(): Promise<void>;
    }
  | { readonly kind: 'busy'; readonly detail: string };

const nothingRefused = new Map();

/** Throws StorageTrouble. */
export async function acquireSmtpSlot(
  account: string,
  owner: string,
  dependencies: Dependencies,
): Promise<SmtpSlot> {
  const { time, numbers, queues } = dependencies;
  const session = new LeaseSession(account, owner, dependencies);
  if (!(await acquireLease(session))) {
    return { kind: 'busy', detail: 'Mail is being sent for this account at the moment.' };
  }
  const slot = await acquireSlot(
    numbers.leaseMs - numbers.leaseMarginMs,
    (state) => (state.lease?.connections === 0 ? undefined : state),
    session,
  );
  if (slot === undefined) {
    await releaseLease(nothingRefused, session);
    const detail = 'The rate limit or the connections of this account are used up at the moment.';
    return { kind: 'busy', detail };
  }
  const release = async (): Promise<void> => {
    await releaseSlot(slot, time.latest(), (state) => state, session);
    await releaseLease(nothingRefused, session);
    // An acceptance that saw the lease sent no wake-up.
    await queues.wake(account);
  };
  return { kind: 'granted', budget: { remainingMs: () => slot.deadline - time.latest() }, release };
}
