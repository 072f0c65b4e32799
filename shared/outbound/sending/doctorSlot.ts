// A turn at the server for somebody who sends nothing: the doctor. It takes the account's lease, one of its
// connections and a slot of its minute, like a message, so that nothing that talks SMTP escapes the limits.
import { permit, shorten, take } from '../../limits/window.ts';
import type { Dependencies } from '../dependencies.ts';
import { giveBack, takeLease } from './lease.ts';
import type { Budget } from '../ports.ts';
import { Shift } from './leaseSession.ts';

export type SmtpTurn =
  | {
      readonly kind: 'granted';
      /** Ends before the lease does. */
      readonly budget: Budget;
      /** To be called once, when the connection is closed. Throws StorageTrouble; then the lease runs out by itself. */
      release(): Promise<void>;
    }
  /** Another is at work, or the minute is full. */
  | { readonly kind: 'busy'; readonly detail: string };

/** Throws StorageTrouble. */
export async function takeSmtpTurn(account: string, owner: string, doors: Dependencies): Promise<SmtpTurn> {
  const { time, numbers } = doors;
  const shift = new Shift(account, owner, doors);
  if (!(await takeLease(shift))) {
    return { kind: 'busy', detail: 'Mail is being sent for this account at the moment.' };
  }
  const turn = await shift.transact<{ readonly slot: number; readonly deadline: number } | undefined>(
    (box) => {
      if (box.lease?.tag !== shift.tag || box.lease.connections === 0) return { settled: undefined };
      if (permit(box, shift.law, time.early(), 0).kind !== 'permit') return { settled: undefined };
      const deadline = time.late() + numbers.leaseMs - numbers.leaseMarginMs;
      const { taken, slot } = take(box, shift.law, deadline + numbers.graceMs, 0);
      return { box: { ...box, ...taken }, operations: [], result: { slot, deadline } };
    },
  );
  if (turn === undefined) {
    await giveBack(shift, new Map());
    return {
      kind: 'busy',
      detail: 'The minute of this account, or its connections, are full at the moment.',
    };
  }
  const release = async (): Promise<void> => {
    const knownAt = time.late();
    await shift.transact<undefined>((box) => ({
      box: { ...box, ...shorten(box, shift.law, turn.slot, knownAt) },
      operations: [],
      result: undefined,
    }));
    await giveBack(shift, new Map());
    // An acceptance that saw the lease rang nobody.
    await doors.queues.ring(account);
  };
  return { kind: 'granted', budget: { remainingMs: () => turn.deadline - time.late() }, release };
}
