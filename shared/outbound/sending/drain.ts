// Draining: the one place that sends. One drainer per account at a time, by a lease.
//
//   1 lease   take it, or end: another is at work
//   2 open    attempts past their deadline that nobody settled become doubts
//   3 tell    events go on the status queue, in order per submission, beside the work
//   4 doubts  due ones are looked up in Sent Items, beside the work
//   5 send    heads by lane and time; connect first, then claim, send, settle, on the lease's connections
//   6 leave   close, give the lease back, and look once more: an acceptance that saw the lease rang nobody
//
// The minute's limit is waited out in place. It leaves when nothing is due, when every lane with a head is
// refused for long (the lanes then sleep, and the sweep rings), when the account is on hold, or when its time is
// over; what flies is always finished first. Safety rests on none of this, only on the claim's condition.
import { drainEvents, upkeepEvents } from '../../telemetry/outboundEvents.ts';
import type { Dependencies } from '../dependencies.ts';
import { Heads } from './dueQueue.ts';
import type { Lane } from '../records/keys.ts';
import { giveBack, keepLease, takeLease } from './lease.ts';
import type { LeaveReason } from './dispatcher.ts';
import { Shift } from './leaseSession.ts';
import { noteLeft } from '../store/backlog.ts';
import { Work } from './drainLoop.ts';

export interface DrainReport {
  /** `busy`: another was at work. */
  readonly ended: LeaveReason | 'busy';
  readonly settledCount: number;
}

/** Times that one invocation takes the lease anew, because its last look found more. */
const mostShifts = 50;

/** Works on an account until there is nothing to do now. Throws StorageTrouble where the store fails for long. */
export async function drain(account: string, owner: string, doors: Dependencies): Promise<DrainReport> {
  const endsAt = doors.clock.monotonic() + doors.numbers.drainBudgetMs;
  let settledCount = 0;
  for (let count = 0; count < mostShifts; count += 1) {
    const shift = new Shift(account, owner, doors);
    if (!(await takeLease(shift))) return { ended: 'busy', settledCount };
    const work = new Work(shift, endsAt);
    const { because, asleep } = await work.untilLeaving();
    settledCount += work.settledCount;
    if (because !== 'leaseLost') await leave(shift, asleep);
    doors.log(drainEvents.left({ account, owner, because, settled: settledCount }));
    if (because === 'leaseLost' || because === 'hold') return { ended: because, settledCount };
    const isUntold = because === 'timeOver' && shift.teller.owes;
    if (!isUntold && !(await isMoreDue(shift))) return { ended: because, settledCount };
    if (doors.clock.monotonic() >= endsAt) break;
  }
  await doors.queues.ring(account);
  doors.log(upkeepEvents.rung({ account, because: 'time over' }));
  return { ended: 'timeOver', settledCount };
}

async function leave(shift: Shift, asleep: ReadonlyMap<Lane, number>): Promise<void> {
  // What was told has its rows deleted with the lease's end; more than fit go before it.
  for (let flush = 0; flush < 20 && shift.teller.toldCount > 90; flush += 1) await keepLease(shift);
  await giveBack(shift, asleep);
  await noteLeft(shift);
}

/** Something came while the lease was seen to be live, or was left for want of time. */
function isMoreDue(shift: Shift): Promise<boolean> {
  const { box } = shift.desk;
  const early = shift.doors.time.early();
  const busy = new Set(box.open.map(({ id }) => id));
  return new Heads(shift.key, shift.doors).any(busy, (lane) => early < box.sleep[lane]);
}
