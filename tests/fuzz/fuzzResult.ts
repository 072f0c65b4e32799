/** What a run of a fuzzer found. */
export interface FuzzResult {
  readonly count: number;
  /** How many ended in which way. */
  readonly ends: Readonly<Record<string, number>>;
  /** Exceptions that left the handling of their own message; each with the number of the input. */
  readonly exceptions: readonly string[];
  /** Inputs whose handling took more than two seconds, twice. */
  readonly slow: readonly string[];
  /** Inputs without an answer, or without an event or a notice. */
  readonly unreported: readonly string[];
  readonly slowestMs: number;
}

export const limitMs = 2_000;
/** So many are kept of each list; more say nothing new. */
export const keptMost = 20;

/** Notes `what`, unless there are enough already. */
export function note(list: string[], what: string): void {
  if (list.length < keptMost) list.push(what);
}
