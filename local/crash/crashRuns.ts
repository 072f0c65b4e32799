// Runs all points on parallel lanes, the given number of times; then, when everything is settled, checks the outcome of
// every submission.
import { verdictOf, type SubmissionVerdict } from './verdict.ts';
import { Lane, type Run } from './lane.ts';
import { points, type Point } from './points.ts';
import type { Planned } from './scenarios.ts';
import { accountOfFault, faults, runFaults, type Fault } from './storageFaults.ts';

export interface CrashOptions {
  readonly appFolder: string;
  readonly repeats: number;
  /** Stacks in parallel. */
  readonly laneCount: number;
  /** Only points and faults whose row in the table contains this: `stop before`, `claimed`. */
  readonly only?: string;
  readonly log?: (detail: string) => void;
}

/** One row of the table: a point or a fault, with all its repeats. */
export interface Line {
  readonly name: string;
  readonly how: string;
  readonly runs: number;
  readonly longestSeconds: number;
  readonly submissions: number;
  readonly doubts: number;
  readonly lost: number;
  readonly duplicates: number;
  /** Other problems. */
  readonly wrong: readonly string[];
}

export interface CrashReport {
  readonly crashPoints: number;
  readonly lines: readonly Line[];
  readonly lost: number;
  readonly unexplainedDuplicates: number;
  readonly ok: boolean;
}

/** Accounts that runs use in turn; a point about an account's first message needs a new one. */
const sharedAccounts = ['a', 'b', 'c'];
const newAccount = (at: number): string => `new${String(at)}`;
const newAccountCount = 6;

interface RunResult {
  readonly name: string;
  readonly how: string;
  readonly seconds: number;
  readonly verdicts: readonly SubmissionVerdict[];
  readonly wrong: readonly string[];
}

export async function crashRuns(options: CrashOptions): Promise<CrashReport> {
  const { repeats, laneCount, only = '' } = options;
  const wanted = points.filter(({ name, does, when }) => `${does} ${when} ${name}`.includes(only));
  const wantedFaults = faults.filter((fault) => `${fault.kind} ${nameOfFault(fault)}`.includes(only));
  const results: RunResult[] = [];
  for (let repeat = 1; repeat <= repeats; repeat += 1) {
    const queue = [...wanted];
    const faultQueue = chunks(wantedFaults, laneCount);
    const lanes = Array.from({ length: laneCount }, (_, at) =>
      runLane({ ...options, repeat, queue, faults: faultQueue[at] ?? [] }),
    );
    results.push(...(await Promise.all(lanes)).flat());
  }
  const lines = linesOf(results);
  const sum = (of: (line: Line) => number): number => lines.reduce((total, line) => total + of(line), 0);
  return {
    crashPoints: wanted.length,
    lines,
    lost: sum(({ lost }) => lost),
    unexplainedDuplicates: sum(({ duplicates }) => duplicates),
    ok: lines.length > 0 && lines.every((line) => line.lost + line.duplicates + line.wrong.length === 0),
  };
}

async function runLane(
  options: CrashOptions & {
    readonly repeat: number;
    readonly queue: Point[];
    readonly faults: readonly Fault[];
  },
): Promise<readonly RunResult[]> {
  const { appFolder, repeat, queue, log = () => undefined } = options;
  const mailboxes = [
    ...sharedAccounts,
    ...Array.from({ length: newAccountCount }, (_, at) => newAccount(at)),
    ...options.faults.map((_, at) => accountOfFault(at)),
  ];
  const lane = await Lane.start(appFolder, mailboxes);
  const runs: Run[] = [];
  let news = 0;
  try {
    for (let point = queue.shift(); point !== undefined; point = queue.shift()) {
      const isFirst = point.name === 'account registered';
      const mailbox = isFirst
        ? newAccount(news++)
        : (sharedAccounts[runs.length % sharedAccounts.length] ?? 'a');
      const run = await lane.run(point, mailbox, repeat);
      log(
        `${point.does} ${point.when} "${point.name}": ${run.seconds.toFixed(1)} s${run.reached ? '' : ', not reached'}${run.settled ? '' : ', not settled'}`,
      );
      runs.push(run);
    }
    const startedAt = performance.now();
    const { outcomes, settled } = await runFaults(lane, options.faults, repeat);
    const seconds = (performance.now() - startedAt) / 1_000;
    if (options.faults.length > 0)
      log(`${String(options.faults.length)} faults at once: ${seconds.toFixed(1)} s`);
    const verdictsOf = (planned: readonly Planned[]): readonly SubmissionVerdict[] =>
      planned.map((one) => verdictOf(one, lane.esm, lane.stack.exchange.log));
    return [
      ...runs.map(({ point, planned, reached, settled: still, seconds: took }) => ({
        name: point.name,
        how: `${point.does} ${point.when}`,
        seconds: took,
        verdicts: verdictsOf(planned),
        wrong: [...(reached ? [] : ['the step did not occur']), ...(still ? [] : ['it did not settle'])],
      })),
      ...outcomes.map(({ fault, planned, hits }) => ({
        name: nameOfFault(fault),
        how: fault.kind,
        seconds,
        verdicts: verdictsOf(planned),
        wrong: [...(hits > 0 ? [] : ['the fault did not occur']), ...(settled ? [] : ['it did not settle'])],
      })),
    ];
  } finally {
    await lane.close();
  }
}

function linesOf(results: readonly RunResult[]): readonly Line[] {
  const order = [
    ...points.map(({ name, does, when }) => `${does} ${when}|${name}`),
    ...faults.map((fault) => `${fault.kind}|${nameOfFault(fault)}`),
  ];
  const keys = order.filter((key) => results.some(({ name, how }) => `${how}|${name}` === key));
  return keys.map((key) => {
    const own = results.filter(({ name, how }) => `${how}|${name}` === key);
    const verdicts = own.flatMap((one) => one.verdicts);
    const count = (kind: string): number =>
      verdicts.filter(({ violation }) => violation?.kind === kind).length;
    const detail = verdicts.flatMap(({ id, history, violation }) =>
      violation === undefined
        ? []
        : [`${id}: ${violation.detail} (${history === '' ? 'no events' : history})`],
    );
    return {
      name: own[0]?.name ?? '',
      how: own[0]?.how ?? '',
      runs: own.length,
      longestSeconds: Math.max(...own.map(({ seconds }) => seconds)),
      submissions: verdicts.length,
      doubts: verdicts.filter(({ history }) => history.includes('inDoubt')).length,
      lost: count('lost'),
      duplicates: count('duplicate'),
      wrong: [...new Set(own.flatMap(({ wrong }) => wrong)), ...detail],
    };
  });
}

const nameOfFault = (fault: Fault): string =>
  fault.kind === 'cut' ? `SMTP ${fault.step}` : `store ${fault.call}`;

function chunks<Item>(items: readonly Item[], count: number): readonly (readonly Item[])[] {
  return Array.from({ length: count }, (_, at) => items.filter((_item, place) => place % count === at));
}
