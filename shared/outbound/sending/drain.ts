// Draining: the only place that sends. One drain per account at a time, by a lease.
//
//   1 lease     acquire it, or end: another is at work
//   2 abandoned attempts past their deadline that nobody settled are put in doubt
//   3 publish   events go on the status queue, in order per submission, beside the work
//   4 look up   messages in doubt are looked up in Sent Items, beside the work
//   5 send      due messages by lane and time; connect first, then claim, send, settle
//   6 end       close, release the lease, and check once more: an acceptance that saw the lease sent no wake-up
//
// The rate limit of a minute is waited for in place. A drain ends when nothing is due, when the limits refuse every
// lane with due messages for long (the lanes then back off, and the sweep sends the wake-up), when the account is on
// hold, or when its time is over; in-flight attempts always finish first. None of this is needed for safety: the
// conditional claim alone guarantees it.
import { outboundEvents } from '../../telemetry/outboundEvents.ts';
import type { Dependencies } from '../dependencies.ts';
import type { Lane } from '../records/keys.ts';
import { recordSummary } from '../store/backlog.ts';
import { DrainLoop } from './drainLoop.ts';
import { DueQueue } from './dueQueue.ts';
import { acquireLease, extendLease, releaseLease } from './lease.ts';
import { LeaseSession } from './leaseSession.ts';
import { LeaseTasks } from './leaseTasks.ts';
import type { Signal } from './signal.ts';
import type { EndReason, Finish } from './stepResult.ts';
import type { StopRequest } from './stopRequest.ts';

export interface DrainReport {
  /** `busy`: another is at work. */
  readonly ended: EndReason | 'busy';
  readonly settledCount: number;
}

/** How often one invocation acquires the lease anew because its last check found more. */
const mostLeases = 50;

/** Works on an account until there is nothing to do now. Throws StorageTrouble if the store fails for long. */
export function drain(
  account: string,
  owner: string,
  dependencies: Dependencies,
  stop: StopRequest,
): Promise<DrainReport> {
  let signal: Signal | undefined;
  const notify = (): void => {
    signal?.notify();
  };
  const useSignal = (next: Signal): void => {
    signal = next;
  };
  return stop.during(notify, () => drainUntilDone(account, owner, dependencies, { stop, useSignal }));
}

async function drainUntilDone(
  account: string,
  owner: string,
  dependencies: Dependencies,
  { stop, useSignal }: { readonly stop: StopRequest; readonly useSignal: (signal: Signal) => void },
): Promise<DrainReport> {
  const { clock, numbers, queues, log } = dependencies;
  const endsAt = clock.monotonic() + numbers.drainBudgetMs;
  let settledCount = 0;
  for (let count = 0; count < mostLeases; count += 1) {
    if (stop.isRequested) break;
    const session = new LeaseSession(account, owner, dependencies);
    if (!(await acquireLease(session))) return { ended: 'busy', settledCount };
    const tasks = new LeaseTasks(session);
    const { signal } = session;
    useSignal(signal);
    const loop = new DrainLoop(tasks, { account, owner, endsAt, signal, stop }, dependencies);
    const { reason, refusedUntil } = await runOrRelease(loop, session);
    settledCount += tasks.settledCount;
    if (reason !== 'leaseLost') await release(refusedUntil, session);
    log(outboundEvents.drainEnded({ account, owner, reason, settledCount }));
    if (reason === 'leaseLost' || reason === 'hold') return { ended: reason, settledCount };
    if (reason === 'stopped') break;
    const isUnpublished = reason === 'timeOver' && session.publisher.hasPending;
    if (!isUnpublished && !(await isMoreDue(session))) return { ended: reason, settledCount };
    if (clock.monotonic() >= endsAt) break;
  }
  await queues.wake(account);
  const ended = stop.isRequested ? 'stopped' : 'timeOver';
  log(outboundEvents.wakeUpSent({ account, reason: ended === 'stopped' ? 'the process ends' : 'time over' }));
  return { ended, settledCount };
}

/** After an unexpected error the next drain need not wait for the lease to expire. */
async function runOrRelease(loop: DrainLoop, session: LeaseSession): Promise<Finish> {
  try {
    return await loop.run();
  } catch (error) {
    // What could not be settled stays listed as active; if the lease can't be released, it expires.
    await releaseLease(new Map(), session).catch(() => undefined);
    throw error;
  }
}

async function release(refusedUntil: ReadonlyMap<Lane, number>, session: LeaseSession): Promise<void> {
  // Rows of published events are deleted with the release; those that don't fit are deleted before it.
  for (let flush = 0; flush < 20 && session.publisher.publishedCount > 90; flush += 1)
    await extendLease(session);
  await releaseLease(refusedUntil, session);
  await recordSummary(session.key, session.state, session.dependencies);
}

/** A message came while the lease was seen to be held, or was left for lack of time. */
function isMoreDue({ key, state, dependencies }: LeaseSession): Promise<boolean> {
  const earliest = dependencies.time.earliest();
  const busy = new Set(state.activeAttempts.map(({ id }) => id));
  return new DueQueue(key, dependencies).hasDue(busy, (lane) => earliest < state.backoffUntil[lane]);
}
