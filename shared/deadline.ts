// One deadline for a whole attempt: every step is given what is left of it.
import type { Clock } from './clock.ts';

/** How long the caller still has; asked anew before every step. */
export interface TimeLeft {
  remainingMs(): number;
}

/** Ends `ms` from now by the monotonic clock. */
export function deadline(clock: Pick<Clock, 'monotonic'>, ms: number): TimeLeft {
  const until = clock.monotonic() + ms;
  return { remainingMs: () => until - clock.monotonic() };
}
