// Time that passes only when everybody waits. Each host has its own Clock on it, with its own monotonic origin
// and its own error; the truth is what servers stamp.
import type { Clock } from '../../shared/clock.ts';

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly fire: () => void;
}

export class VirtualClock {
  #now: number;
  #order = 0;
  #timers: Timer[] = [];

  /** `now`: the truth at the beginning, UTC milliseconds. */
  constructor(now = Date.UTC(2026, 10, 25, 9)) {
    this.#now = now;
  }

  /** The truth. */
  get now(): number {
    return this.#now;
  }

  /** A host's clock: its wall clock is off by `skewMs`, its monotonic one starts anywhere. */
  host({ skewMs = 0, originMs = 0 }: { readonly skewMs?: number; readonly originMs?: number } = {}): Clock {
    const startedAt = this.#now;
    return {
      now: () => this.#now + skewMs,
      monotonic: () => this.#now - startedAt + originMs,
      sleep: (ms, signal) => this.sleep(ms, signal),
    };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted === true) {
        resolve();
        return;
      }
      const timer: Timer = {
        at: this.#now + Math.max(0, ms),
        order: (this.#order += 1),
        fire: () => {
          signal?.removeEventListener('abort', cancel);
          resolve();
        },
      };
      const cancel = (): void => {
        this.#timers = this.#timers.filter((other) => other !== timer);
        resolve();
      };
      signal?.addEventListener('abort', cancel, { once: true });
      this.#timers.push(timer);
    });
  }

  /** Lets time pass until `until` (UTC ms): each timer fires when nothing else can happen before it. */
  async runUntil(until: number): Promise<void> {
    for (;;) {
      await settled();
      const next = this.#next();
      if (next === undefined || next.at > until) break;
      this.#fire(next);
    }
    this.#now = Math.max(this.#now, until);
  }

  /** Lets time pass until the promise is settled; fails when nothing is left that could settle it. */
  async run<T>(work: Promise<T>, mostMs = 30 * 86_400_000): Promise<T> {
    const state = { over: false };
    const end = this.#now + mostMs;
    const watched = work.finally(() => {
      state.over = true;
    });
    watched.catch(() => undefined);
    for (;;) {
      await settled();
      if (state.over) return watched;
      const next = this.#next();
      if (next === undefined) throw new Error('nothing can happen any more, and the work is not done');
      if (next.at > end) throw new Error('the work takes longer than it may');
      this.#fire(next);
    }
  }

  #next(): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (next === undefined || timer.at < next.at || (timer.at === next.at && timer.order < next.order))
        next = timer;
    }
    return next;
  }

  #fire(timer: Timer): void {
    this.#timers = this.#timers.filter((other) => other !== timer);
    this.#now = Math.max(this.#now, timer.at);
    timer.fire();
  }
}

/** Resolves when no promise can go on by itself. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
