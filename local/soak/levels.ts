// What a soak run watches, and whether it levels off. Pure but for reading /proc.
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';

export interface Sample {
  readonly atMs: number;
  /** Of the worker, by name: `memoryMegabytes`, `handles`, `sockets`, `outboxRows`, … */
  readonly values: Readonly<Record<string, number>>;
}

export interface Level {
  readonly name: string;
  /** The median over the second quarter of the run, and over its last quarter. */
  readonly early: number;
  readonly late: number;
  readonly most: number;
  readonly level: boolean;
}

/** A value may be so much higher at the end: garbage that is not collected yet, a burst of the load. */
const slack: Readonly<Record<string, { readonly ratio: number; readonly more: number }>> = {
  memoryMegabytes: { ratio: 1.25, more: 40 },
  handles: { ratio: 1.2, more: 10 },
  sockets: { ratio: 1.2, more: 10 },
};
const otherSlack = { ratio: 1.3, more: 150 };

/** The first quarter is left out: the program warms up, and nothing is old enough to be removed. */
export function levelsOf(samples: readonly Sample[]): readonly Level[] {
  const quarter = Math.floor(samples.length / 4);
  const early = samples.slice(quarter, 2 * quarter);
  const late = samples.slice(-quarter);
  return Object.keys(samples[0]?.values ?? {}).map((name) => {
    const of = (some: readonly Sample[]): number[] => some.map(({ values }) => values[name] ?? 0);
    const { ratio, more } = slack[name] ?? otherSlack;
    const [before, after] = [median(of(early)), median(of(late))];
    return {
      name,
      early: before,
      late: after,
      most: Math.max(...of(samples)),
      level: quarter > 0 && after <= before * ratio + more,
    };
  });
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/** Of a process on Linux; undefined elsewhere, or if it is gone. */
export function processLevels(pid: number): Readonly<Record<string, number>> | undefined {
  try {
    const status = readFileSync(`/proc/${String(pid)}/status`, 'utf8');
    const handles = readdirSync(`/proc/${String(pid)}/fd`);
    return {
      memoryMegabytes: Number(/^VmRSS:\s*([0-9]+)/m.exec(status)?.[1] ?? 0) / 1_024,
      handles: handles.length,
      sockets: handles.filter((handle) => isSocket(pid, handle)).length,
    };
  } catch {
    return undefined;
  }
}

function isSocket(pid: number, handle: string): boolean {
  try {
    return readlinkSync(`/proc/${String(pid)}/fd/${handle}`).startsWith('socket:');
  } catch {
    return false; // closed meanwhile
  }
}
