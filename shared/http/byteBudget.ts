// How many bytes of bodies an instance works on at once. Each instance has its own; the store is the real limit.

export class ByteBudget {
  readonly #mostBytes: number;
  #usedBytes = 0;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  /** Undefined if there is no room; else what gives the bytes back, once. One that is alone always has room. */
  take(bytes: number): (() => void) | undefined {
    if (this.#usedBytes > 0 && this.#usedBytes + bytes > this.#mostBytes) return undefined;
    this.#usedBytes += bytes;
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      this.#usedBytes -= bytes;
    };
  }
}
