// All points, on lanes beside each other, so many times; then each submission's account is drawn up, when nothing
// moves any more.
import { accountOf, type Account } from './account.ts';
import { Lane, type Run } from './lane.ts';
import { points, type Point } from './points.ts';
import type { Planned } from './scenes.ts';
import { accountOfFault, faults, spoil, type Fault } from './spoilt.ts';

export interface CrashOptions {
  readonly appFolder: string;
  readonly repeats: number;
  /** Stacks beside each other. */
  readonly laneCount: number;
  /** Only points and faults in whose row of the table this stands: `stop before`, `claimed`. */
  readonly only?: string;
  readonly say?: (detail: string) => void;
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
  /** What else is wrong, in words. */
  readonly wrong: readonly string[];
}

export interface CrashReport {
  readonly crashPoints: number;
  readonly lines: readonly Line[];
  readonly lost: number;
  readonly unexplainedDuplicates: number;
  readonly ok: boolean;
}

/** Accounts that runs take in turn; a point about an account's first message needs one that nobody had. */
const sharedAccounts = ['a', 'b', 'c'];
const newAccount = (at: number): string => `new${String(at)}`;
const newAccountCount = 6;

interface Played {
  readonly name: string;
  readonly how: string;
  readonly seconds: number;
  readonly accounts: readonly Account[];
  readonly wrong: readonly string[];
}

export async function crashRuns(options: CrashOptions): Promise<CrashReport> {
  const { repeats, laneCount, only = '' } = options;
  const wanted = points.filter(({ name, does, when }) => `${does} ${when} ${name}`.includes(only));
  const wantedFaults = faults.filter((fault) => `${fault.kind} ${nameOfFault(fault)}`.includes(only));
  const played: Played[] = [];
  for (let repeat = 1; repeat <= repeats; repeat += 1) {
    const queue = [...wanted];
    const faultQueue = chunks(wantedFaults, laneCount);
    const lanes = Array.from({ length: laneCount }, (_, at) =>
      playLane({ ...options, repeat, queue, faults: faultQueue[at] ?? [] }),
    );
    played.push(...(await Promise.all(lanes)).flat());
  }
  const lines = linesOf(played);
  const sum = (of: (line: Line) => number): number => lines.reduce((total, line) => total + of(line), 0);
  return {
    crashPoints: wanted.length,
    lines,
    lost: sum(({ lost }) => lost),
    unexplainedDuplicates: sum(({ duplicates }) => duplicates),
    ok: lines.length > 0 && lines.every((line) => line.lost + line.duplicates + line.wrong.length === 0),
  };
}

async function playLane(
  options: CrashOptions & {
    readonly repeat: number;
    readonly queue: Point[];
    readonly faults: readonly Fault[];
  },
): Promise<readonly Played[]> {
  const { appFolder, repeat, queue, say = () => undefined } = options;
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
      const isFirst = point.name === 'account noted';
      const mailbox = isFirst
        ? newAccount(news++)
        : (sharedAccounts[runs.length % sharedAccounts.length] ?? 'a');
      const run = await lane.run(point, mailbox, repeat);
      say(
        `${point.does} ${point.when} "${point.name}": ${run.seconds.toFixed(1)} s${run.reached ? '' : ', never reached'}${run.rested ? '' : ', no rest'}`,
      );
      runs.push(run);
    }
    const startedAt = performance.now();
    const { spoilt, rested } = await spoil(lane, options.faults, repeat);
    const seconds = (performance.now() - startedAt) / 1_000;
    if (options.faults.length > 0)
      say(`${String(options.faults.length)} faults at once: ${seconds.toFixed(1)} s`);
    const draw = (planned: readonly Planned[]): readonly Account[] =>
      planned.map((one) => accountOf(one, lane.esm, lane.stack.exchange.log));
    return [
      ...runs.map(({ point, planned, reached, rested: still, seconds: took }) => ({
        name: point.name,
        how: `${point.does} ${point.when}`,
        seconds: took,
        accounts: draw(planned),
        wrong: [...(reached ? [] : ['the step never came']), ...(still ? [] : ['it never came to rest'])],
      })),
      ...spoilt.map(({ fault, planned, hits }) => ({
        name: nameOfFault(fault),
        how: fault.kind,
        seconds,
        accounts: draw(planned),
        wrong: [...(hits > 0 ? [] : ['the fault never came']), ...(rested ? [] : ['it never came to rest'])],
      })),
    ];
  } finally {
    await lane.close();
  }
}

function linesOf(played: readonly Played[]): readonly Line[] {
  const order = [
    ...points.map(({ name, does, when }) => `${does} ${when}|${name}`),
    ...faults.map((fault) => `${fault.kind}|${nameOfFault(fault)}`),
  ];
  const keys = order.filter((key) => played.some(({ name, how }) => `${how}|${name}` === key));
  return keys.map((key) => {
    const own = played.filter(({ name, how }) => `${how}|${name}` === key);
    const accounts = own.flatMap((one) => one.accounts);
    const count = (kind: string): number => accounts.filter(({ fault }) => fault?.kind === kind).length;
    const detail = accounts.flatMap(({ id, told, fault }) =>
      fault === undefined ? [] : [`${id}: ${fault.detail} (${told === '' ? 'nothing told' : told})`],
    );
    return {
      name: own[0]?.name ?? '',
      how: own[0]?.how ?? '',
      runs: own.length,
      longestSeconds: Math.max(...own.map(({ seconds }) => seconds)),
      submissions: accounts.length,
      doubts: accounts.filter(({ told }) => told.includes('inDoubt')).length,
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
