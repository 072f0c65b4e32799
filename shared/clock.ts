// Time and randomness: the only file that asks the machine for either. Everything else is given a Clock and a Random, so
// that the simulation can run the production code in virtual time from a seed.
import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';

/** The source of time. Instants are UTC milliseconds; limits use the storage service's time, never `now`. */
export interface Clock {
  /** The machine's wall clock, UTC milliseconds. For timestamps that people read, never for a limit. */
  now(): number;
  /** Milliseconds since an arbitrary moment; never runs backwards. */
  monotonic(): number;
  /** Resolves after `ms`, or at once when the signal is aborted (it does not reject). */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The source of randomness. */
export interface Random {
  /** Uniform in [0, 1). */
  uniform(): number;
  /** A fresh unguessable identifier: 32 characters of lower-case hex. */
  id(): string;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted === true) {
        resolve();
        return;
      }
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, Math.max(0, ms));
      signal?.addEventListener('abort', done, { once: true });
    }),
};

export const systemRandom: Random = {
  uniform: () => Math.random(),
  id: () => randomBytes(16).toString('hex'),
};
