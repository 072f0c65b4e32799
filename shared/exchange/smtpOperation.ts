// One thing at a time on a connection: each operation of the SMTP library ends with its callback, with the
// connection, or with its budget, whichever comes first, and exactly once.
import type { Clock } from '../clock.ts';
import type { Budget, Phase } from '../outbound/ports.ts';

/** How an operation of the library ended. */
export type Ended<Value> = { readonly kind: 'done'; readonly value: Value } | Unfinished;

export type Unfinished =
  /** The library's error; the connection may go on. */
  | { readonly kind: 'error'; readonly error: unknown }
  | { readonly kind: 'nonsense'; readonly phase: Phase }
  /** Some recipients were refused, and whoever sends could not write down which. */
  | { readonly kind: 'unnoted' }
  | { readonly kind: 'over' | 'closed' };

/** Begins an operation; `done` ends it, `over` ends it and cuts the connection. */
export type Start<Value> = (done: (ended: Ended<Value>) => void, over: () => void) => void;

/** How late the end of a budget may be noticed: storage's time, which it is counted in, moves under us. */
const budgetLookMs = 1_000;

export class OneAtATime {
  readonly #clock: Clock;
  readonly #cut: () => void;
  #end: ((ended: Unfinished) => void) | undefined;

  /** `cut` destroys the socket: what happens when a budget is over. */
  constructor(clock: Clock, cut: () => void) {
    this.#clock = clock;
    this.#cut = cut;
  }

  get isBusy(): boolean {
    return this.#end !== undefined;
  }

  /** Ends what is under way now, and nothing that begins later. */
  get interrupt(): (ended: Unfinished) => void {
    return this.#end ?? (() => undefined);
  }

  run<Value>(budget: Budget, start: Start<Value>): Promise<Ended<Value>> {
    if (this.#end !== undefined) throw new Error('an SMTP connection does one thing at a time');
    const finished = new AbortController();
    return new Promise<Ended<Value>>((resolve) => {
      const end = (ended: Ended<Value>): void => {
        if (finished.signal.aborted) return;
        finished.abort();
        this.#end = undefined;
        resolve(ended);
      };
      const over = (): void => {
        end({ kind: 'over' });
        this.#cut();
      };
      this.#end = end;
      void this.#watch(budget, finished.signal, over);
      start(end, over);
    });
  }

  async #watch(budget: Budget, finished: AbortSignal, over: () => void): Promise<void> {
    while (!finished.aborted) {
      const remainingMs = budget.remainingMs();
      if (remainingMs <= 0) {
        over();
        return;
      }
      await this.#clock.sleep(Math.min(remainingMs, budgetLookMs), finished);
    }
  }
}
