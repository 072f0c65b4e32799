// Wakes the drain loop from within its own process: a dialog ended, a connection opened, a lookup or a round of
// publishing is over. What makes an invocation look at an account is another thing: the wake-up, a queue message.
import type { Clock } from '../../clock.ts';

/** A notification that comes before the wait is not lost. One waiter at a time. */
export class Signal {
  readonly #clock: Clock;
  #notified = false;
  #waiting: AbortController | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  notify(): void {
    this.#notified = true;
    this.#waiting?.abort();
  }

  /** Resolves when notified, or after `ms`. */
  async wait(ms: number): Promise<void> {
    if (!this.#notified && ms > 0) {
      this.#waiting = new AbortController();
      await this.#clock.sleep(ms, this.#waiting.signal);
      this.#waiting = undefined;
    }
    this.#notified = false;
  }
}
