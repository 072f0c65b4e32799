// Server latencies with a long tail: drawn without replacement from a shuffled set of 100, so that every hundred messages
// have exactly the intended distribution.
import type { Random } from '../../shared/clock.ts';

/** 90 of 100 take 0.5–2.5 s, nine 5–25 s, one 30–90 s. */
const distribution = [
  { count: 90, leastMs: 500, mostMs: 2_500 },
  { count: 9, leastMs: 5_000, mostMs: 25_000 },
  { count: 1, leastMs: 30_000, mostMs: 90_000 },
] as const;

/** Returns a source of latencies with that tail; a new set of a hundred is shuffled when one is used up. */
export function tailLatencies(random: Random): () => number {
  let latencies: number[] = [];
  return () => {
    if (latencies.length === 0) {
      latencies = shuffle(
        distribution.flatMap(({ count, leastMs, mostMs }) =>
          // Spread evenly over the span, not drawn: two sets differ in their order alone.
          Array.from({ length: count }, (_, at) => leastMs + ((mostMs - leastMs) * (at + 0.5)) / count),
        ),
        random,
      );
    }
    return latencies.pop() ?? 0;
  };
}

/** Fisher and Yates. */
function shuffle(count: number[], random: Random): number[] {
  for (let at = count.length - 1; at > 0; at -= 1) {
    const other = Math.floor(random.uniform() * (at + 1));
    [count[at], count[other]] = [count[other] ?? 0, count[at] ?? 0];
  }
  return count;
}
