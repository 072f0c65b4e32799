// Attempts that were not settled by their deadline: the process died or was suspended for too long. How far their
// dialogs got is not known, so their messages are put in doubt. Their slots stay as they are: the server may accept
// until deadline + grace.
import { outboundEvents } from '../../telemetry/outboundEvents.ts';
import { abandonAttempt } from '../policy/transitions.ts';
import type { Operation } from '../ports.ts';
import type { AccountState, ActiveAttempt } from '../records/accountState.ts';
import { UnreadableRow } from '../records/unreadableRow.ts';
import { weigh, writeTransition } from '../store/writes.ts';
import type { LeaseSession } from './leaseSession.ts';
import { reportUnreadable, setAside } from './quarantine.ts';

/** Attempts put in doubt by one transaction. */
const mostAtOnce = 20;

/** `isOurs` says of an attempt's tag that it is in flight here. True if there was an abandoned one. Throws StorageTrouble. */
export async function markAbandonedInDoubt(
  isOurs: (tag: string) => boolean,
  session: LeaseSession,
): Promise<boolean> {
  const { time, numbers, log } = session.dependencies;
  const abandonedIn = ({ activeAttempts }: AccountState): readonly ActiveAttempt[] =>
    activeAttempts
      .filter(({ deadline, tag }) => deadline < time.earliest() && !isOurs(tag))
      .slice(0, mostAtOnce);
  if (abandonedIn(session.state).length === 0) return false;
  const abandoned = await session.ifOwner<readonly ActiveAttempt[]>('abandon', [], async (state) => {
    const overdue = abandonedIn(state);
    if (overdue.length === 0) return { result: [] };
    const done: ActiveAttempt[] = [];
    const operations: Operation[] = [];
    for (const active of overdue) {
      const more = await markOne(active, session);
      if (done.length > 0 && weigh([...operations, ...more]) > numbers.transactionBytes) break;
      done.push(active);
      operations.push(...more);
    }
    const activeAttempts = state.activeAttempts.filter((active) => !done.includes(active));
    return { state: { ...state, activeAttempts }, operations, result: done };
  });
  session.publisher.expectMore();
  for (const { id, attempt } of abandoned)
    log(outboundEvents.attemptAbandoned({ account: session.key, id, attempt }));
  return abandoned.length > 0;
}

async function markOne(active: ActiveAttempt, session: LeaseSession): Promise<readonly Operation[]> {
  const { time, numbers } = session.dependencies;
  try {
    const message = await session.transactions.readMessage(active.id);
    if (message?.state !== 'waiting') return [];
    const transition = abandonAttempt(message, active, time.earliest(), numbers);
    return await writeTransition(transition, session.dependencies);
  } catch (error) {
    if (!(error instanceof UnreadableRow)) throw error;
    const detail = `${error.message} Attempt ${active.attempt} was abandoned: it may have been sent.`;
    reportUnreadable(active.id, detail, session);
    return setAside(active.key, detail, session);
  }
}
