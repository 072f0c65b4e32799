// Virtual time: sleepers wake in the order of their instants, and time jumps to the next one once nothing else runs.
import type { Clock } from '../../shared/clock.ts';

interface Sleeper {
  readonly at: number;
  readonly order: number;
  readonly wake: () => void;
}

export class VirtualTime implements Clock {
  #now: number;
  #order = 0;
  /** A binary heap, the earliest first. */
  readonly #sleepers: Sleeper[] = [];

  constructor(start: number) {
    this.#now = start;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((wake) => {
      this.#push({ at: this.#now + Math.max(0, ms), order: this.#order++, wake });
    });
  }

  /** Runs until `task` has ended. Rejects if it can't: everything waits and nothing sleeps. */
  async run<Result>(task: Promise<Result>): Promise<Result> {
    let hasEnded = false;
    const ended = task.finally(() => {
      hasEnded = true;
    });
    ended.catch(() => undefined);
    // Read through a function: the flag changes while this loop waits.
    const goesOn = (): boolean => !hasEnded;
    while (goesOn()) {
      await new Promise((resolve) => setImmediate(resolve));
      if (!goesOn()) break;
      const next = this.#pop();
      if (next === undefined) throw new Error('everything waits, and nothing would wake it');
      this.#now = next.at;
      next.wake();
    }
    return ended;
  }

  #push(sleeper: Sleeper): void {
    const heap = this.#sleepers;
    let at = heap.push(sleeper) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (!isBefore(heap[at], heap[up])) break;
      swap(heap, at, up);
      at = up;
    }
  }

  #pop(): Sleeper | undefined {
    const heap = this.#sleepers;
    const [first] = heap;
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    heap[0] = last;
    for (let at = 0; ;) {
      const left = 2 * at + 1;
      const child = isBefore(heap[left + 1], heap[left]) ? left + 1 : left;
      if (!isBefore(heap[child], heap[at])) return first;
      swap(heap, at, child);
      at = child;
    }
  }
}

function isBefore(one: Sleeper | undefined, other: Sleeper | undefined): boolean {
  if (one === undefined || other === undefined) return false;
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}

function swap(heap: Sleeper[], one: number, other: number): void {
  const [a, b] = [heap[one], heap[other]];
  if (a === undefined || b === undefined) return;
  heap[one] = b;
  heap[other] = a;
}
