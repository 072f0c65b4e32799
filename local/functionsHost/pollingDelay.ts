// How long the queue trigger waits before it looks at an empty queue again: 100 ms first, then about doubling,
// with a fifth of chance either way, up to `maxPollingInterval` (the extension's
// RandomizedExponentialBackoffStrategy). A message found starts it anew.
import type { Random } from '../../shared/clock.ts';

const firstMs = 100;

export class PollingDelay {
  readonly #longestMs: number;
  readonly #random: Random;
  #emptyLooks = 0;

  constructor(longestMs: number, random: Random) {
    this.#longestMs = longestMs;
    this.#random = random;
  }

  /** The wait after one more look that found nothing. */
  next(): number {
    const looks = this.#emptyLooks++;
    if (looks === 0) return Math.min(firstMs, this.#longestMs);
    const chance = 0.8 + 0.4 * this.#random.uniform();
    return Math.min(firstMs + firstMs * chance * 2 ** (looks - 1), this.#longestMs);
  }

  reset(): void {
    this.#emptyLooks = 0;
  }
}
