// How many connections an account may open. A lease that was never released leaves orphaned connections: the server may
// still count them until it must have dropped them.
import { asLatest, type Earliest } from '../../limits/storageTime.ts';
import type { OutboundNumbers } from '../numbers.ts';
import type { AccountState, OrphanedConnections } from '../records/accountState.ts';

/** What Exchange Online accepts of one account; at the fourth it refuses MAIL (432 4.3.2). */
const serverConnectionCount = 3;

/** Those that the server may still count, of former leases and of one that has expired. */
export function orphanedConnections(
  state: AccountState,
  earliest: Earliest,
  numbers: OutboundNumbers,
): readonly OrphanedConnections[] {
  const isExpired = state.lease !== undefined && state.lease.until <= earliest;
  const last = isExpired ? leftBehind(state, numbers) : [];
  return [...state.orphanedConnections, ...last].filter(({ goneBy }) => goneBy > earliest);
}

/** What a lease left behind: its connections may last until its last attempt's deadline, and at the server longer. */
function leftBehind(state: AccountState, numbers: OutboundNumbers): readonly OrphanedConnections[] {
  if (state.lease === undefined) return [];
  const { tag, until, connections } = state.lease;
  const deadlines = state.activeAttempts.filter(({ owner }) => owner === tag).map(({ deadline }) => deadline);
  const goneBy = asLatest(Math.max(until, ...deadlines) + numbers.serverIdleMs + numbers.serverSlowMs);
  return [{ connections, goneBy }];
}

/**
 * At least one, even beyond a lower setting: with none, an account would be blocked for minutes after every crash.
 * But none if the orphaned connections of several owners fill what the server accepts.
 */
export function connectionCount(
  setting: number,
  orphans: readonly OrphanedConnections[],
  { workingConnectionCount }: OutboundNumbers,
): number {
  const orphanedCount = orphans.reduce((sum, { connections }) => sum + connections, 0);
  const wanted = Math.max(1, Math.min(workingConnectionCount, setting - orphanedCount));
  return Math.max(0, Math.min(wanted, Math.max(setting, serverConnectionCount) - orphanedCount));
}

/** Until when none may be opened; undefined if one may be now. */
export function blockedUntil(
  state: AccountState,
  setting: number,
  earliest: Earliest,
  numbers: OutboundNumbers,
): number | undefined {
  if (state.lease !== undefined && state.lease.until > earliest)
    return state.lease.connections > 0 ? undefined : firstGone(state.orphanedConnections);
  const orphans = orphanedConnections(state, earliest, numbers);
  return connectionCount(setting, orphans, numbers) > 0 ? undefined : firstGone(orphans);
}

const firstGone = (orphans: readonly OrphanedConnections[]): number | undefined =>
  orphans.length === 0 ? undefined : Math.min(...orphans.map(({ goneBy }) => goneBy));
