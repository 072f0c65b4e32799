// One process of the host. Everything it waits for comes back through `wake`: a process that stands still gets
// nothing until it goes on, and then everything at once, in any order; a process that died gets nothing any more,
// so its promises simply never resume.
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
  #stillUntil = 0;
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

  get still(): boolean {
    return this.#scheduler.now < this.#stillUntil;
  }

  /** Goes on with `run` as soon as this process can; never, where it is dead. */
  wake(run: () => void): void {
    if (this.#dead) return;
    if (this.still)
      this.#scheduler.after(this.#stillUntil - this.#scheduler.now, () => {
        this.wake(run);
      });
    else run();
  }

  /** The process stands still, as one does whose machine is moved or overcommitted. */
  standStill(ms: number): void {
    this.#stillUntil = Math.max(this.#stillUntil, this.#scheduler.now + ms);
    this.#scheduler.trace(`${this.name} stands still`);
  }

  die(): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#scheduler.trace(`${this.name} dies`);
    for (const told of [...this.#deathWatch]) told();
    this.#deathWatch.clear();
  }

  /** Called once when it dies; the answer takes the call back. */
  onDeath(told: () => void): () => void {
    this.#deathWatch.add(told);
    return () => this.#deathWatch.delete(told);
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
