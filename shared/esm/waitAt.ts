// When work that has to wait is tried again: a delay that doubles with each failed try, and not before the instant that the
// failure named.
import type { EsmDependencies, Wait } from './dependencies.ts';

export function waitAt(
  wait: Wait,
  tryCount: number,
  { clock, numbers }: Pick<EsmDependencies, 'clock' | 'numbers'>,
): { readonly at: number; readonly tryCount: number } {
  const now = clock.now();
  const earliest = wait.notBefore ?? 0;
  if (wait.isPlanned === true) return { at: Math.max(now + 1_000, earliest), tryCount };
  const delayMs = Math.min(numbers.longestDelayMs, numbers.firstDelayMs * 2 ** Math.min(tryCount, 20));
  return { at: Math.max(now + delayMs, earliest), tryCount: tryCount + 1 };
}
