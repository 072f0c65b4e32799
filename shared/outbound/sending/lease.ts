// Acquiring, extending and releasing the exclusive right to work on an account. A lease that was never released
// leaves orphaned connections: the server may still count them until it must have dropped them.
import { asLatest, plus } from '../../limits/storageTime.ts';
import { omit } from '../../mail/omit.ts';
import { outboundEvents } from '../../telemetry/outboundEvents.ts';
import type { OutboundNumbers } from '../numbers.ts';
import type { AccountState, Lease, OrphanedConnections } from '../records/accountState.ts';
import type { Lane } from '../records/keys.ts';
import type { LeaseSession } from './leaseSession.ts';

/** False if another holds it. Throws StorageTrouble. */
export async function acquireLease(session: LeaseSession): Promise<boolean> {
  const { time, numbers, log } = session.dependencies;
  await session.transactions.read();
  const acquired = await session.transact<boolean>((state) => {
    if (session.owns(state)) return { result: true };
    const earliest = time.earliest();
    if (state.lease !== undefined && earliest < state.lease.until) return { result: false };
    const orphanedConnections = [...state.orphanedConnections, ...orphansOf(state, numbers)].filter(
      ({ goneBy }) => goneBy > earliest,
    );
    const lease: Lease = {
      owner: session.owner,
      tag: session.tag,
      until: plus(time.latest(), numbers.leaseMs),
      connections: connectionCount(session, orphanedConnections),
    };
    return { state: { ...state, orphanedConnections, lease }, operations: [], result: true };
  });
  if (acquired) {
    const connectionCount = session.state.lease?.connections ?? 0;
    log(outboundEvents.leaseAcquired({ account: session.key, owner: session.owner, connectionCount }));
  }
  return acquired;
}

/** What a lease left behind: its connections may last until its last attempt's deadline, and at the server longer. */
function orphansOf(state: AccountState, numbers: OutboundNumbers): readonly OrphanedConnections[] {
  if (state.lease === undefined) return [];
  const { tag, until, connections } = state.lease;
  const deadlines = state.activeAttempts.filter(({ owner }) => owner === tag).map(({ deadline }) => deadline);
  const goneBy = asLatest(Math.max(until, ...deadlines) + numbers.serverIdleMs + numbers.serverSlowMs);
  return [{ connections, goneBy }];
}

/** What Exchange Online accepts of one account; at the fourth it refuses MAIL (432 4.3.2). */
const serverConnectionCount = 3;

/**
 * At least one, even beyond a lower setting: with none, an account would be blocked for minutes after every crash.
 * But none if the orphaned connections of several owners fill what the server accepts.
 */
function connectionCount(session: LeaseSession, orphans: readonly OrphanedConnections[]): number {
  const setting = session.account?.limits.connections ?? 0;
  const { workingConnectionCount } = session.dependencies.numbers;
  const orphanedCount = orphans.reduce((sum, { connections }) => sum + connections, 0);
  const wanted = Math.max(1, Math.min(workingConnectionCount, setting - orphanedCount));
  return Math.max(0, Math.min(wanted, Math.max(setting, serverConnectionCount) - orphanedCount));
}

/** Extends the lease by a transaction that does nothing else. Throws StorageTrouble. */
export async function extendLease(session: LeaseSession): Promise<void> {
  await session.ifOwner<undefined>(undefined, (state) => ({ state, operations: [], result: undefined }));
}

/** Releases the lease; `refusedUntil` says until when the rate limits refuse each lane that has due messages. */
export async function releaseLease(
  refusedUntil: ReadonlyMap<Lane, number>,
  session: LeaseSession,
): Promise<void> {
  const { time, numbers } = session.dependencies;
  await session.ifOwner<undefined>(undefined, (state) => {
    const latest = time.latest() + numbers.longestBackoffMs;
    const until = (lane: Lane): number => Math.min(refusedUntil.get(lane) ?? 0, latest);
    const backoffUntil = { 0: until(0), 1: until(1), 2: until(2) };
    return { state: { ...omit(state, 'lease'), backoffUntil }, operations: [], result: undefined };
  });
}
