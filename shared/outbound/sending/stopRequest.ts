// The end of the process, announced. The Functions host stops its listeners, waits for what runs, and only then lets the
// worker run its appTerminate hook, with seconds left; a drain learns of the stop there and not before. It then claims
// nothing more, settles what has its reply, closes its connections, releases the lease and sends a wake-up for the next
// host. A process that is killed without the hook leaves what any crash leaves.
import type { Clock } from '../../clock.ts';

/** Within this all of it is done, or given up: the host allows the hook five seconds. */
const stopMs = 4_000;
/** Dialogs that have no reply by then are cut, so that there is time to settle them. */
const repliesMs = 2_000;

export class StopRequest {
  readonly #clock: Clock;
  readonly #listeners = new Set<() => void>();
  readonly #running = new Set<Promise<unknown>>();
  #requestedAt: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isRequested(): boolean {
    return this.#requestedAt !== undefined;
  }

  /** Dialogs are not waited for any longer. */
  get isUrgent(): boolean {
    return this.#requestedAt !== undefined && this.#clock.monotonic() >= this.#requestedAt + repliesMs;
  }

  /** `notify` is called when the stop is requested, and when it becomes urgent, while the work runs. */
  async during<Result>(notify: () => void, work: () => Promise<Result>): Promise<Result> {
    this.#listeners.add(notify);
    const running = work();
    const settled = running.catch(() => undefined);
    this.#running.add(settled);
    try {
      return await running;
    } finally {
      this.#listeners.delete(notify);
      this.#running.delete(settled);
    }
  }

  /** Resolves when everything that runs has ended, after `stopMs` at the latest. Never throws. */
  async request(): Promise<void> {
    this.#requestedAt ??= this.#clock.monotonic();
    const over = new AbortController();
    const ended = this.#allEnded().then(() => {
      over.abort();
    });
    this.#notifyAll();
    await this.#clock.sleep(repliesMs, over.signal);
    this.#notifyAll();
    if (!over.signal.aborted) await this.#clock.sleep(stopMs - repliesMs, over.signal);
    if (over.signal.aborted) await ended;
  }

  async #allEnded(): Promise<void> {
    await Promise.all(this.#running);
  }

  #notifyAll(): void {
    for (const notify of this.#listeners) notify();
  }
}
