// One order of everything: whatever can happen next, in virtual time, on any machine, in the server or in the
// store, is queued here with its time. What falls on the same instant is ordered by chance, from the seed. Every
// step is noted in the trace, so two runs of a seed can be shown to be the same run.
import { createHash } from 'node:crypto';
import type { Random } from '../../shared/clock.ts';
import { seededRandom } from '../models/seededRandom.ts';

interface Entry {
  readonly at: number;
  readonly tie: number;
  run: (() => void) | undefined;
}

/** Takes back what has not happened yet. */
export type Cancel = () => void;

const traceBytes = 16_384;

export class Scheduler {
  /** The truth: UTC milliseconds. Machines only ever see their own clock of it. */
  now: number;
  readonly #heap: Entry[] = [];
  readonly #random: Random;
  readonly #hash = createHash('sha256');
  #pendingTrace = '';

  constructor(seed: number, startsAt: number) {
    this.now = startsAt;
    this.#random = seededRandom(seed);
  }

  /** A number in [0, 1) from the seed. */
  uniform(): number {
    return this.#random.uniform();
  }

  chance(rate: number): boolean {
    return rate > 0 && this.#random.uniform() < rate;
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.#random.uniform();
  }

  pick<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.#random.uniform() * list.length)];
  }

  after(ms: number, run: () => void): Cancel {
    const entry: Entry = { at: this.now + Math.max(0, ms), tie: this.#random.uniform(), run };
    this.#push(entry);
    return () => {
      entry.run = undefined;
    };
  }

  /** For the world's own processes; not for machines. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(ms, resolve);
    });
  }

  trace(line: string): void {
    this.#pendingTrace += `${this.now.toFixed(3)} ${line}\n`;
    if (this.#pendingTrace.length < traceBytes) return;
    this.#hash.update(this.#pendingTrace);
    this.#pendingTrace = '';
  }

  get traceHash(): string {
    return this.#hash.copy().update(this.#pendingTrace).digest('hex');
  }

  /** Lets time pass until `until`; ends early if nothing is left to happen. */
  async runUntil(until: number): Promise<void> {
    for (;;) {
      await settled();
      let next = this.#heap[0];
      while (next !== undefined && next.run === undefined) {
        this.#pop();
        next = this.#heap[0];
      }
      if (next === undefined || next.at > until) break;
      this.#pop();
      this.now = next.at;
      next.run?.();
    }
    this.now = Math.max(this.now, until);
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let index = heap.length;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || !isBefore(entry, parent)) break;
      heap[index] = parent;
      index = above;
    }
    heap[index] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let below = 2 * index + 1;
      const left = heap[below];
      if (left === undefined) break;
      const right = heap[below + 1];
      let least = left;
      if (right !== undefined && isBefore(right, left)) {
        below += 1;
        least = right;
      }
      if (!isBefore(least, last)) break;
      heap[index] = least;
      index = below;
    }
    heap[index] = last;
  }
}

const isBefore = (one: Entry, other: Entry): boolean =>
  one.at < other.at || (one.at === other.at && one.tie < other.tie);

/** Resolves when no promise can go on by itself. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
