// One operation at a time on a connection. Each operation of the SMTP library ends with its callback, with the
// connection, or with its time, whichever comes first, and exactly once.
import type { Clock } from '../clock.ts';
import type { TimeLeft } from '../deadline.ts';
import type { Phase } from '../outbound/ports.ts';

/** How an operation of the library ended. */
export type Ended<Value> = { readonly kind: 'done'; readonly value: Value } | Unfinished;

export type Unfinished =
  /** The library's error; the connection may go on. */
  | { readonly kind: 'error'; readonly error: unknown }
  | { readonly kind: 'malformedReply'; readonly phase: Phase }
  /** Some recipients were refused, and the sender could not record which. */
  | { readonly kind: 'notRecorded' }
  | { readonly kind: 'timedOut' | 'closed' };

/** Begins an operation; `done` ends it, `timedOut` ends it and cuts the connection. */
export type Start<Value> = (done: (ended: Ended<Value>) => void, timedOut: () => void) => void;

/** How often the time left is checked: it is counted in the storage service's time, whose bounds change. */
const checkIntervalMs = 1_000;

export class SmtpOperation {
  readonly #clock: Clock;
  readonly #cut: () => void;
  #end: ((ended: Unfinished) => void) | undefined;

  /** `cut` destroys the socket once the time is up. */
  constructor(clock: Clock, cut: () => void) {
    this.#clock = clock;
    this.#cut = cut;
  }

  get isBusy(): boolean {
    return this.#end !== undefined;
  }

  /** Ends the current operation, and none that begins later. */
  get interrupt(): (ended: Unfinished) => void {
    return this.#end ?? (() => undefined);
  }

  run<Value>(time: TimeLeft, start: Start<Value>): Promise<Ended<Value>> {
    if (this.#end !== undefined) throw new Error('an SMTP connection runs one operation at a time');
    const finished = new AbortController();
    return new Promise<Ended<Value>>((resolve) => {
      const end = (ended: Ended<Value>): void => {
        if (finished.signal.aborted) return;
        finished.abort();
        this.#end = undefined;
        resolve(ended);
      };
      const timedOut = (): void => {
        end({ kind: 'timedOut' });
        this.#cut();
      };
      this.#end = end;
      void this.#watch(time, finished.signal, timedOut);
      start(end, timedOut);
    });
  }

  async #watch(time: TimeLeft, finished: AbortSignal, timedOut: () => void): Promise<void> {
    while (!finished.aborted) {
      const remainingMs = time.remainingMs();
      if (remainingMs <= 0) {
        timedOut();
        return;
      }
      await this.#clock.sleep(Math.min(remainingMs, checkIntervalMs), finished);
    }
  }
}
