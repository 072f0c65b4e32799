/** Runs tasks as they come, some at once; the others wait for their turn, in order. */
export class ConcurrencyLimit {
  readonly #mostCount: number;
  readonly #waiting: (() => void)[] = [];
  #runningCount = 0;

  constructor(mostCount: number) {
    this.#mostCount = mostCount;
  }

  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#runningCount >= this.#mostCount) await new Promise<void>((go) => this.#waiting.push(go));
    else this.#runningCount += 1;
    try {
      return await task();
    } finally {
      // A task that waits takes over the place, so that none that comes just now can pass it.
      const next = this.#waiting.shift();
      if (next === undefined) this.#runningCount -= 1;
      else next();
    }
  }
}
