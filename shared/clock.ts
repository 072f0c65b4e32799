// Time and chance: the only file that asks the machine for either. Everything else is handed a Clock and a
// Random, which is what lets the simulation run the production code in virtual time from a seed.
import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';

/** Where time comes from. Instants are UTC milliseconds; limits never use `now` but the storage service's time. */
export interface Clock {
  /** The machine's wall clock, UTC milliseconds. For stamps that people read, never for a limit. */
  now(): number;
  /** Milliseconds since some fixed moment; never runs backwards. */
  monotonic(): number;
  /** Resolves after `ms`, or at once when the signal is aborted (it does not reject). */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Where chance comes from. */
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
