// One process of the host. Everything it waits for resumes through `wake`: a paused process gets nothing until it
// resumes, and then everything at once, in any order; a dead process gets nothing any more, so its promises never
// resolve.
import type { Clock } from '../../shared/clock.ts';
import type { Scheduler } from './scheduler.ts';

/** Two machines' monotonic clocks differ in their origin and, a little, in their speed. */
export interface ClockError {
  readonly skewMs: number;
  readonly originMs: number;
  /** Parts of one: 0.00005 gains 3 ms a minute. */
  readonly drift: number;
}

export class Machine {
  readonly name: string;
  readonly clock: Clock;
  readonly #scheduler: Scheduler;
  readonly #deathWatch = new Set<() => void>();
  #pausedUntil = 0;
  #dead = false;

  constructor(name: string, scheduler: Scheduler, { skewMs, originMs, drift }: ClockError) {
    this.name = name;
    this.#scheduler = scheduler;
    const startedAt = scheduler.now;
    this.clock = {
      now: () => scheduler.now + skewMs,
      monotonic: () => originMs + (scheduler.now - startedAt) * (1 + drift),
      sleep: (ms, signal) => this.#sleep(ms, signal),
    };
  }

  get dead(): boolean {
    return this.#dead;
  }

  get paused(): boolean {
    return this.#scheduler.now < this.#pausedUntil;
  }

  /** Runs `run` as soon as this process can; never if it is dead. */
  wake(run: () => void): void {
    if (this.#dead) return;
    if (this.paused)
      this.#scheduler.after(this.#pausedUntil - this.#scheduler.now, () => {
        this.wake(run);
      });
    else run();
  }

  /** Pauses the process, as when its machine is moved or overcommitted. */
  pause(ms: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, this.#scheduler.now + ms);
    this.#scheduler.trace(`${this.name} is paused`);
  }

  die(): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#scheduler.trace(`${this.name} dies`);
    for (const listener of [...this.#deathWatch]) listener();
    this.#deathWatch.clear();
  }

  /** Called once when it dies; the answer unsubscribes. */
  onDeath(listener: () => void): () => void {
    this.#deathWatch.add(listener);
    return () => this.#deathWatch.delete(listener);
  }

  /** After `ms` of the world, or as soon as this process can after that. */
  after(ms: number, run: () => void): () => void {
    return this.#scheduler.after(ms, () => {
      this.wake(run);
    });
  }

  #sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (this.#dead) return;
      if (signal?.aborted === true) {
        resolve();
        return;
      }
      const cancel = this.after(ms, () => {
        signal?.removeEventListener('abort', abort);
        resolve();
      });
      const abort = (): void => {
        cancel();
        resolve();
      };
      signal?.addEventListener('abort', abort, { once: true });
    });
  }
}
