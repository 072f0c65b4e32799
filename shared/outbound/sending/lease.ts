// Acquiring, extending and releasing the exclusive right to work on an account. A lease that was never released
// leaves orphaned connections (policy/connections.ts).
import { plus } from '../../limits/storageTime.ts';
import { omit } from '../../mail/omit.ts';
import { outboundEvents } from '../../telemetry/outboundEvents.ts';
import { connectionCount, orphanedConnections } from '../policy/connections.ts';
import type { Lease } from '../records/accountState.ts';
import type { Lane } from '../records/keys.ts';
import type { LeaseSession } from './leaseSession.ts';

/** False if another holds it. Throws StorageTrouble. */
export async function acquireLease(session: LeaseSession): Promise<boolean> {
  const { time, numbers, log } = session.dependencies;
  await session.transactions.read();
  const acquired = await session.transact<boolean>('acquireLease', (state) => {
    if (session.owns(state)) return { result: true };
    const earliest = time.earliest();
    if (state.lease !== undefined && earliest < state.lease.until) return { result: false };
    const orphans = orphanedConnections(state, earliest, numbers);
    session.isCautious = orphans.length > 0;
    const lease: Lease = {
      owner: session.owner,
      tag: session.tag,
      until: plus(time.latest(), numbers.leaseMs),
      connections: connectionCount(session.account?.limits.connections ?? 0, orphans, numbers),
    };
    return { state: { ...state, orphanedConnections: orphans, lease }, result: true };
  });
  if (acquired) {
    const { key: account, owner } = session;
    const count = session.state.lease?.connections ?? 0;
    log(outboundEvents.leaseAcquired({ account, owner, connectionCount: count }));
  }
  return acquired;
}

/** Extends the lease by a transaction that does nothing else. Throws StorageTrouble. */
export async function extendLease(session: LeaseSession): Promise<void> {
  await session.update('extendLease', (state) => state);
}

/** Releases the lease; `refusedUntil` says until when the rate limits refuse each lane that has due messages. */
export async function releaseLease(
  refusedUntil: ReadonlyMap<Lane, number>,
  session: LeaseSession,
): Promise<void> {
  const { time, numbers } = session.dependencies;
  await session.update('releaseLease', (state) => {
    const latest = time.latest() + numbers.longestBackoffMs;
    const until = (lane: Lane): number => Math.min(refusedUntil.get(lane) ?? 0, latest);
    const backoffUntil = { 0: until(0), 1: until(1), 2: until(2) };
    return { ...omit(state, 'lease'), backoffUntil };
  });
}
