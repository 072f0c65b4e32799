// A person has signed a mailbox in: holds for want of a sign-in are probed now, not in a quarter of an hour. The hold
// itself stays until the probe succeeds, so a sign-in that does not help ends nothing.
import type { HoldReason } from '../../contract/holdReason.ts';
import type { Dependencies } from '../dependencies.ts';
import { withoutBackoff } from '../policy/holds.ts';
import { AccountTransactions } from '../store/accountTransaction.ts';

const endedBySignIn: ReadonlySet<HoldReason> = new Set(['consent', 'signIn', 'noToken']);

/** Makes the account's holds for want of a sign-in due for a probe, and wakes it. Throws StorageTrouble. */
export async function probeAfterSignIn(account: string, dependencies: Dependencies): Promise<void> {
  const transactions = new AccountTransactions(account, dependencies);
  const held = await transactions.transact<boolean>('signIn', (state) => {
    const earliest = dependencies.time.earliest();
    const concerned = state.holds.filter(({ reason }) => endedBySignIn.has(reason));
    const waiting = concerned.filter(({ probeAt }) => probeAt === undefined || probeAt > earliest);
    if (waiting.length === 0) return { result: concerned.length > 0 };
    const holds = state.holds.map((hold) =>
      waiting.includes(hold) ? { ...hold, probeAt: earliest, probeCount: 0 } : hold,
    );
    return { state: withoutBackoff({ ...state, holds }), result: true };
  });
  if (held) await dependencies.queues.wake(account);
}
