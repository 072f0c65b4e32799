// A run: as many worlds as the submissions fill, each with its own fault profile and its own seed, all from one seed.
// Worlds know nothing of each other, so they may run in any process, in any order; what is added up here, and the
// hash of all traces, is the same whatever the order was.
import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { faultProfiles, randomProfile } from './faultProfile.ts';
import { Scheduler } from './scheduler.ts';
import { simulate, Simulation } from './simulate.ts';
import type { Outcome } from './simulate.ts';

/** Small enough that a failing one is read with patience, large enough for a backlog of a quarter of an hour. */
export const worldCount = 500;

export interface RunRequest {
  readonly messages: number;
  readonly seed: number;
  readonly hosts: number;
  readonly processes: number;
  /** Called after each world. */
  readonly progress?: (done: number, worlds: number) => void;
}

/** The last line of `npm run simulate`. */
export interface RunSummary {
  readonly seed: number;
  readonly submissions: number;
  readonly arrivals: number;
  readonly lost: number;
  readonly unexplainedDuplicates: number;
  readonly inDoubt: number;
  readonly held: number;
  readonly mostInAnyPeriod: number;
  readonly mostRecipientsInAnyDay: number;
  readonly mostConnections: number;
  readonly callsPerSubmission: number;
  readonly traceHash: string;
}

export interface Order {
  readonly seed: number;
  readonly count: number;
  readonly hosts: number;
}

export interface Failure extends Order {
  readonly violations: readonly string[];
}

export interface RunReport {
  readonly summary: RunSummary;
  readonly worlds: number;
  readonly deaths: number;
  readonly pauses: number;
  readonly leftInDoubt: number;
  readonly virtualDays: number;
  readonly failures: readonly Failure[];
}

/** A world with the fault profile drawn from its own seed. */
export const runWorld = ({ seed, count, hosts }: Order): Promise<Outcome> =>
  simulate(randomProfile(new Scheduler(seed, 0), count, hosts), seed);

/** Storage calls of each of 300 messages sent behind such a backlog, without faults. */
export const costUnderBacklog = (
  backlog: number,
): Promise<{ readonly drain: number; readonly sweep: number }> =>
  new Simulation(faultProfiles.backlog(1, backlog), 1).costUnderBacklog(300);

function ordersOf({ messages, seed, hosts }: RunRequest): readonly Order[] {
  return Array.from({ length: Math.ceil(messages / worldCount) }, (_, index) => ({
    seed: createHash('sha256').update(`${seed}/${index}`).digest().readUInt32BE(),
    count: Math.min(worldCount, messages - index * worldCount),
    hosts,
  }));
}

/** Runs all worlds and adds up; what any of them violated is in `failures`, with the seed of that world. */
export async function run(request: RunRequest): Promise<RunReport> {
  const orders = ordersOf(request);
  const outcomes = new Array<Outcome | undefined>(orders.length).fill(undefined);
  let next = 0;
  let done = 0;
  const take = (): number | undefined => (next < orders.length ? next++ : undefined);
  const give = (index: number, outcome: Outcome): void => {
    outcomes[index] = outcome;
    done += 1;
    request.progress?.(done, orders.length);
  };
  const processes = Math.min(request.processes, orders.length);
  await (processes < 2
    ? inThisProcess(orders, take, give)
    : Promise.all(Array.from({ length: processes }, () => inChildProcess(orders, take, give))));
  return report(request.seed, orders, outcomes);
}

async function inThisProcess(
  orders: readonly Order[],
  take: () => number | undefined,
  give: (index: number, outcome: Outcome) => void,
): Promise<void> {
  for (let index = take(); index !== undefined; index = take()) {
    const order = orders[index];
    if (order !== undefined) give(index, await runWorld(order));
  }
}

function inChildProcess(
  orders: readonly Order[],
  take: () => number | undefined,
  give: (index: number, outcome: Outcome) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = fork(new URL('child.ts', import.meta.url), [], {
      execArgv: ['--disable-warning=ExperimentalWarning'],
      // Jest's own options are not for it.
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    let index: number | undefined;
    const order = (): void => {
      index = take();
      if (index === undefined) child.disconnect();
      else child.send(orders[index] ?? {});
    };
    child.on('message', (outcome: Outcome) => {
      if (index !== undefined) give(index, outcome);
      order();
    });
    child.on('error', reject);
    child.on('exit', (code) => {
      if (code === 0 && index === undefined) resolve();
      else reject(new Error(`a process of the simulation ended with ${String(code)}`));
    });
    order();
  });
}

function report(
  seed: number,
  orders: readonly Order[],
  outcomes: readonly (Outcome | undefined)[],
): RunReport {
  const all = outcomes.filter((outcome) => outcome !== undefined);
  const sum = (of: (outcome: Outcome) => number): number => all.reduce((total, one) => total + of(one), 0);
  const most = (of: (outcome: Outcome) => number): number =>
    all.reduce((top, one) => Math.max(top, of(one)), 0);
  const submissions = sum((one) => one.submissions);
  const dayMs = 86_400_000;
  return {
    summary: {
      seed,
      submissions,
      arrivals: sum((one) => one.arrivals),
      lost: sum((one) => one.lost),
      unexplainedDuplicates: sum((one) => one.unexplainedDuplicates),
      inDoubt: sum((one) => one.inDoubt),
      held: sum((one) => one.held),
      mostInAnyPeriod: most((one) => one.mostInAnyPeriod),
      mostRecipientsInAnyDay: most((one) => one.mostRecipientsInAnyDay),
      mostConnections: most((one) => one.mostConnections),
      callsPerSubmission: Math.round((100 * sum((one) => one.calls)) / Math.max(1, submissions)) / 100,
      traceHash: createHash('sha256')
        .update(all.map(({ traceHash }) => traceHash).join(' '))
        .digest('hex'),
    },
    worlds: orders.length,
    deaths: sum((one) => one.deaths),
    pauses: sum((one) => one.pauses),
    leftInDoubt: sum((one) => one.leftInDoubt),
    virtualDays: Math.round(sum((one) => one.virtualMs) / dayMs),
    failures: orders.flatMap((order, index) => {
      const violations = outcomes[index]?.violations ?? [];
      return violations.length === 0 ? [] : [{ ...order, violations }];
    }),
  };
}
