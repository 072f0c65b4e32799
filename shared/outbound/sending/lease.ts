// Taking and giving back the right to work on an account. A lease that was never given back leaves ghosts:
// connections that the server may still count, until it must have dropped them.
import { drainEvents } from '../../telemetry/outboundEvents.ts';
import type { Box, Ghost, Lease } from '../records/accountState.ts';
import { lanes } from '../records/keys.ts';
import type { Lane } from '../records/keys.ts';
import { omit } from '../../mail/omit.ts';
import type { OutboundNumbers } from '../numbers.ts';
import type { Shift } from './leaseSession.ts';

/** False: another works there. Throws StorageTrouble. */
export async function takeLease(shift: Shift): Promise<boolean> {
  const { time, numbers, log } = shift.doors;
  await shift.desk.read();
  const taken = await shift.transact<boolean>((box) => {
    if (box.lease?.tag === shift.tag) return { settled: true };
    const early = time.early();
    if (box.lease !== undefined && early < box.lease.until) return { settled: false };
    const ghosts = [...box.ghosts, ...ghostsOf(box, numbers)].filter(({ goneBy }) => goneBy > early);
    const lease: Lease = {
      owner: shift.owner,
      tag: shift.tag,
      until: time.late() + numbers.leaseMs,
      connections: connectionCount(shift, ghosts),
    };
    return { box: { ...box, ghosts, lease }, operations: [], result: true };
  });
  if (taken) {
    const connections = shift.desk.box.lease?.connections ?? 0;
    log(drainEvents.leaseTaken({ account: shift.key, owner: shift.owner, connections }));
  }
  return taken;
}

/** What the last owner left behind: it may hold its connections until its last attempt's deadline, and the server longer. */
function ghostsOf(box: Box, numbers: OutboundNumbers): readonly Ghost[] {
  if (box.lease === undefined) return [];
  const { tag, until, connections } = box.lease;
  const deadlines = box.open.filter(({ owner }) => owner === tag).map(({ deadline }) => deadline);
  const goneBy = Math.max(until, ...deadlines) + numbers.serverIdleMs + numbers.serverSlowMs;
  return [{ connections, goneBy }];
}

/** What Exchange Online takes of one account; at the fourth it refuses MAIL (432 4.3.2). */
const serverConnectionCount = 3;

/**
 * At least one, even past a lower setting: with none, an account would stand still for minutes after every crash.
 * But none where ghosts of several owners fill what the server takes.
 */
function connectionCount(shift: Shift, ghosts: readonly Ghost[]): number {
  const setting = shift.account?.limits.connections ?? 0;
  const haunted = ghosts.reduce((sum, { connections }) => sum + connections, 0);
  const wanted = Math.max(1, Math.min(shift.doors.numbers.workingConnectionCount, setting - haunted));
  return Math.max(0, Math.min(wanted, Math.max(setting, serverConnectionCount) - haunted));
}

/** The lease in its second half is extended, by a transaction that does nothing else. */
export async function keepLease(shift: Shift): Promise<void> {
  await shift.transact<undefined>((box) =>
    box.lease?.tag === shift.tag ? { box, operations: [], result: undefined } : { settled: undefined },
  );
}

/** Given back; `asleep` says until when each lane with a head is refused. */
export async function giveBack(shift: Shift, asleep: ReadonlyMap<Lane, number>): Promise<void> {
  const { time, numbers } = shift.doors;
  await shift.transact<undefined>((box) => {
    if (box.lease?.tag !== shift.tag) return { settled: undefined };
    const latest = time.late() + numbers.longestSleepMs;
    const until = (lane: Lane): number => Math.min(asleep.get(lane) ?? 0, latest);
    const sleep = { 0: until(0), 1: until(1), 2: until(2) } satisfies Record<(typeof lanes)[number], number>;
    return { box: { ...omit(box, 'lease'), sleep }, operations: [], result: undefined };
  });
}
