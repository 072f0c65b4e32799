// Figures from the server's log: pure functions on instants. They are the project's oracle for its limits, so a
// test compares each with a count that looks at every window there is.

export interface Weighed {
  /** Nanoseconds. */
  readonly at: number;
  readonly weight: number;
}

/**
 * The largest sum of weights in any half-open span [t, t + length). It is enough to look at spans that begin at
 * an event: moving a span's beginning forward to its first event loses nothing.
 */
export function mostInAnySpan(events: readonly Weighed[], length: number): number {
  const sorted = [...events].sort((a, b) => a.at - b.at);
  let most = 0;
  let sum = 0;
  let first = 0;
  for (const event of sorted) {
    sum += event.weight;
    for (
      let oldest = sorted[first];
      oldest !== undefined && oldest.at + length <= event.at;
      oldest = sorted[first]
    ) {
      sum -= oldest.weight;
      first += 1;
    }
    most = Math.max(most, sum);
  }
  return most;
}

export interface Interval {
  readonly from: number;
  /** Absent while it lasts. */
  readonly to?: number;
}

/** The most half-open intervals [from, to) that hold at one time. */
export function mostAtOnce(intervals: readonly Interval[]): number {
  const changes = intervals
    .filter(({ from, to }) => to === undefined || to > from)
    .flatMap(({ from, to }) => [
      { at: from, change: 1 },
      { at: to ?? Infinity, change: -1 },
    ])
    // An end at the very instant of a beginning comes first: the two never held together.
    .sort((a, b) => a.at - b.at || a.change - b.change);
  let most = 0;
  let open = 0;
  for (const { change } of changes) {
    open += change;
    most = Math.max(most, open);
  }
  return most;
}
