// Storage calls and dequeues for each submission, counted on the wire outside the product: one message on an idle
// account, and backlogs of growing depth. The limit is lifted, since a deep backlog would take hours.
//
// A backlog is submitted once its first message has been claimed, and the server withholds the reply to that one until
// all are accepted: the backlog then has its nominal depth, and no acceptance needs a wake-up.
import { setTimeout as pause } from 'node:timers/promises';
import type { CallTally } from './callCount.ts';
import {
  arrivalsOf,
  domain,
  idOf,
  put,
  sender,
  startRig,
  submission,
  submitMany,
  eventCount,
  until,
  type Part,
  type Rig,
} from './rig.ts';

export interface CallsFigures {
  /** The most expensive of several single messages, without the first one, for which the worker was cold. */
  readonly idle: CallTally;
  readonly backlogs: readonly Backlog[];
}

export interface Backlog {
  readonly count: number;
  readonly tally: CallTally;
  readonly callsPerSubmission: number;
  readonly dequeuesPerSubmission: number;
  readonly seconds: number;
}

/** Thirty in a second or so: slots are counted in whole seconds. */
const limitless = {
  periodMs: 100,
  guardMs: 0,
  attemptMs: 900_000,
  graceMs: 1_000,
  dayMs: 1_000,
  dayBucketMs: 10_000,
};
export const liftedNumbers = { ...limitless, functionMs: 1_300_000 };
const idleCount = 5;
/** The longest that the first reply is held back. */
const holdMostMs = 280_000;

export async function countCalls(part: Part, counts: readonly number[]): Promise<CallsFigures> {
  const held = new Map<string, { reached: boolean }>();
  const nameOf = (count: number): string => `deep${String(count)}`;
  const rig = await startRig(part, {
    mailboxes: [sender('idle'), ...counts.map((count) => sender(nameOf(count)))],
    numbers: liftedNumbers,
    exchange: {
      periodMs: liftedNumbers.periodMs,
      limits: { messagesPerPeriod: 1_000_000, recipientsPerDay: 1_000_000_000 },
      beforeStep: async (step, { account = '' }) => {
        for (let hold = held.get(account); step === 'dot' && hold !== undefined; hold = held.get(account)) {
          hold.reached = true;
          await pause(50);
        }
        return undefined;
      },
    },
  });
  try {
    const idle = await countIdle(rig);
    part.log(`idle account: ${String(idle.own)} calls`);
    const backlogs: Backlog[] = [];
    for (const count of counts) {
      const backlog = await countBacklog(rig, nameOf(count), count, held);
      part.log(
        `backlog of ${String(count)}: ${backlog.callsPerSubmission.toFixed(2)} calls and ${backlog.dequeuesPerSubmission.toFixed(3)} dequeues each, in ${backlog.seconds.toFixed(0)} s`,
      );
      backlogs.push(backlog);
    }
    return { idle, backlogs };
  } finally {
    await rig.close();
  }
}

async function countIdle({ esm, calls }: Rig): Promise<CallTally> {
  const tallies: CallTally[] = [];
  for (let number = 0; number <= idleCount; number += 1) {
    await pause(2_000);
    calls.reset();
    await put(esm, submission('idle', idOf('idle', number)));
    await until('a message on an idle account', 60_000, () => isReported({ esm }, 'idle', number));
    await pause(2_000);
    tallies.push(calls.tally());
  }
  // The sweep reads every account each minute, whatever is sent, so runs with a sweep are left out. Only the sweep reads
  // these rows.
  const ofTheSweep = new Set(['read accounts', 'read suspended']);
  const single = tallies.slice(1).filter(({ byName }) => byName.every(([name]) => !ofTheSweep.has(name)));
  return single.reduce((most, one) => (one.own > most.own ? one : most));
}

const isReported = ({ esm }: Pick<Rig, 'esm'>, name: string, number: number): boolean =>
  esm.eventsOf(idOf(name, number)).some(({ type }) => type === 'mail.sent');

async function countBacklog(
  rig: Rig,
  name: string,
  count: number,
  held: Map<string, { reached: boolean }>,
): Promise<Backlog> {
  const { stack, esm, calls } = rig;
  const account = `${name}@${domain}`;
  const hold = { reached: false };
  held.set(account, hold);
  await put(esm, submission(name, idOf(name, 1)));
  await until('a first message at the server', 60_000, () => hold.reached);
  calls.reset();
  const startedAt = performance.now();
  await submitMany(esm, name, { from: 2, to: count });
  const range = { from: 1, to: count };
  const deadline = performance.now() + holdMostMs;
  while (performance.now() < deadline && eventCount(esm, name, { ...range, type: 'mail.accepted' }) < count)
    await pause(1_000);
  held.delete(account);
  await until(
    `a backlog of ${String(count)}`,
    2_400_000,
    () =>
      arrivalsOf(stack, name).length >= count &&
      eventCount(esm, name, { ...range, type: 'mail.sent' }) === count,
    1_000,
  );
  await pause(2_000);
  const tally = calls.tally();
  return {
    count,
    tally,
    callsPerSubmission: tally.own / (count - 1),
    dequeuesPerSubmission: (tally.dequeued['outbound-mail'] ?? 0) / (count - 1),
    seconds: (performance.now() - startedAt) / 1_000,
  };
}
