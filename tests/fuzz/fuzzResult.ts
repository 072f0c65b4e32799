/** What a run of a fuzzer found. */
export interface FuzzResult {
  readonly count: number;
  /** How many ended in which way. */
  readonly ends: Readonly<Record<string, number>>;
  /** Exceptions that left the handling of their own message; each with the number of the input. */
  readonly exceptions: readonly string[];
  /** Inputs whose handling took more than two seconds of this thread's processor time. */
  readonly slow: readonly string[];
  /** Inputs without an answer, or without an event or a notice. */
  readonly unreported: readonly string[];
  readonly slowestMs: number;
}

/** Hears how many inputs are done, now and then. */
export type Progress = (doneCount: number) => void;

export const limitMs = 2_000;
/** So many are kept of each list; more say nothing new. */
export const keptMost = 20;

/** Notes `what`, unless there are enough already. */
export function note(list: string[], what: string): void {
  if (list.length < keptMost) list.push(what);
}

/** Processor time of this thread, so that a busy machine is not mistaken for a slow message; nothing else may run meanwhile. */
export async function timed<T>(
  work: () => Promise<T>,
): Promise<{ readonly value: T; readonly tookMs: number }> {
  const before = process.threadCpuUsage();
  const value = await work();
  const { user, system } = process.threadCpuUsage(before);
  return { value, tookMs: Math.round((user + system) / 1_000) };
}
