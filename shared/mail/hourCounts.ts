// Counts by the hour, for a page that shows what happened since a full hour. They are written in transactions that are made
// anyway. Pure.
import { memberOf, parseJson } from './foreign.ts';

export const hourMs = 3_600_000;

/** What was counted in one hour of one thing, by name. */
export interface HourCount {
  /** Hours since 1970, UTC. */
  readonly hour: number;
  /** What is counted: a mailbox, and whatever else tells one from another. */
  readonly of: string;
  readonly counts: Readonly<Record<string, number>>;
}

export const hourOf = (at: number): number => Math.floor(at / hourMs);

/** With the added counts; hours before `firstHour` are left out, and the oldest entries beyond `mostCount`. */
export function addCounts(
  counts: readonly HourCount[],
  {
    at,
    of,
    added,
  }: { readonly at: number; readonly of: string; readonly added: Readonly<Record<string, number>> },
  { firstHour, mostCount }: { readonly firstHour: number; readonly mostCount: number },
): readonly HourCount[] {
  const hour = hourOf(at);
  const isSame = (one: HourCount): boolean => one.hour === hour && one.of === of;
  const before = counts.find(isSame)?.counts ?? {};
  const names = Object.keys({ ...before, ...added });
  const sums = names.map((name) => [name, (before[name] ?? 0) + (added[name] ?? 0)] as const);
  const sum = { hour, of, counts: Object.fromEntries(sums.filter(([, count]) => count !== 0)) };
  return [...counts.filter((one) => one.hour >= firstHour && !isSame(one)), sum].slice(-mostCount);
}

/**
 * Earlier counts with newer ones of the same source: an hour that the newer ones have is taken from them alone, so that
 * merging twice counts once. The newest entries are kept.
 */
export function mergeCounts(
  earlier: readonly HourCount[],
  newer: readonly HourCount[],
  { firstHour, mostCount }: { readonly firstHour: number; readonly mostCount: number },
): readonly HourCount[] {
  const named = ({ hour, of }: HourCount): string => `${String(hour)} ${of}`;
  const isNewer = new Set(newer.map(named));
  return [...earlier.filter((one) => !isNewer.has(named(one))), ...newer]
    .filter(({ hour }) => hour >= firstHour)
    .sort((one, other) => one.hour - other.hour || (one.of < other.of ? -1 : 1))
    .slice(-mostCount);
}

/** Sums from a full hour on, by what they are of. */
export function sumCounts(
  counts: readonly HourCount[],
  fromHour: number,
): ReadonlyMap<string, Readonly<Record<string, number>>> {
  const sums = new Map<string, Record<string, number>>();
  for (const { hour, of, counts: added } of counts) {
    if (hour < fromHour) continue;
    const sum = sums.get(of) ?? {};
    for (const [name, count] of Object.entries(added)) sum[name] = (sum[name] ?? 0) + count;
    sums.set(of, sum);
  }
  return sums;
}

/** As a row keeps them: `[[hour, of, {name: count}], …]`. */
export const writeCounts = (counts: readonly HourCount[]): string =>
  JSON.stringify(counts.map(({ hour, of, counts: named }) => [hour, of, named]));

/** What a row's text holds; nothing if it is absent or damaged, since counts are only looked at. */
export function readCounts(text: string | undefined): readonly HourCount[] {
  const entries = parseJson(text ?? '[]');
  if (!Array.isArray(entries)) return [];
  return (entries as readonly unknown[]).flatMap((entry) => {
    const [hour, of, named] = [memberOf(entry, '0'), memberOf(entry, '1'), memberOf(entry, '2')];
    if (typeof hour !== 'number' || typeof of !== 'string' || typeof named !== 'object' || named === null)
      return [];
    const counts = Object.entries(named).filter(
      (pair): pair is [string, number] => typeof pair[1] === 'number',
    );
    return [{ hour, of, counts: Object.fromEntries(counts) }];
  });
}
