// The rate limits, as a function of state, time and request. No I/O, no clock.
//
// A slot is acquired at the claim and stays taken until the server can no longer accept that attempt, plus the
// period. At most so many slots as messages are allowed in a period. While an attempt is open, the latest
// moment at which the server can accept it is deadline + grace; once a reply has come, or no final dot was
// sent, it is the moment of the reply. Why that is enough: of limit + 1 arrivals within a period take the last.
// Each of the others was claimed before it, and its slot ends a period after the latest moment at which it can
// have arrived, so all limit + 1 slots are held when the last is claimed: a contradiction.
//
// Recipients count against a rolling day in buckets named by their end, charged at the latest moment: it costs half a
// percent, and charging at the claim would let 10,063 through. A bucket's count is never moved to an earlier one. The
// charge of an attempt that the server certainly did not accept (it was refused by a reply, or no final dot was sent)
// stays until the next claim of the same message, which takes it off its bucket and charges the new attempt in the
// same write. So every recipient is charged for the one attempt that can still have been accepted: the sum over any
// day of what was accepted never exceeds what is charged. An attempt without a certain end keeps its charge.
//
// Both are kept as counts per second or bucket, rounded up: a list of single slots would outgrow its row.
import type { Earliest, Latest } from './storageTime.ts';

/** `[second or bucket end, in UTC seconds; how many]`, ascending, every count positive. */
export type Counts = readonly (readonly [second: number, count: number])[];

/** What an account has used up, as far as it still matters. */
export interface Usage {
  /** A slot with second s is free from s × 1,000 on. */
  readonly slots: Counts;
  /** A bucket that ends in second s counts until a day after. */
  readonly day: Counts;
}

export interface RateLimits {
  /** Messages in any period. */
  readonly messagesPerMinute: number;
  /** Recipients in any day. */
  readonly recipientsPerDay: number;
  readonly periodMs: number;
  readonly guardMs: number;
  readonly dayMs: number;
  readonly dayBucketMs: number;
}

export type Availability =
  | { readonly kind: 'available' }
  /** Not now. Asking again at `retryAt` (UTC ms) succeeds unless more has been acquired. */
  | { readonly kind: 'wait'; readonly because: 'minute' | 'day'; readonly retryAt: number }
  /** More recipients than a whole day allows. */
  | { readonly kind: 'never' };

export const noUsage: Usage = { slots: [], day: [] };

/** May one attempt with so many recipients start now? `earliest`: the time is this or later. */
export function canAcquire(
  usage: Usage,
  limits: RateLimits,
  earliest: Earliest,
  recipients: number,
): Availability {
  if (recipients > limits.recipientsPerDay || limits.messagesPerMinute < 1) return { kind: 'never' };
  const slotAt = freeAt(usage.slots, 0, earliest, limits.messagesPerMinute - 1);
  const dayAt = freeAt(usage.day, limits.dayMs, earliest, limits.recipientsPerDay - recipients);
  if (slotAt <= earliest && dayAt <= earliest) return { kind: 'available' };
  return { kind: 'wait', because: dayAt > slotAt ? 'day' : 'minute', retryAt: Math.max(slotAt, dayAt) };
}

/** The first instant, not before `earliest`, at which at most `most` of the counts are still active. */
function freeAt(counts: Counts, keptMs: number, earliest: Earliest, most: number): number {
  let active = countActive(counts, keptMs, earliest);
  let at: number = earliest;
  for (const [second, count] of counts) {
    if (active <= most) break;
    const ends = second * 1_000 + keptMs;
    if (ends <= earliest) continue;
    active -= count;
    at = ends;
  }
  return at;
}

function countActive(counts: Counts, keptMs: number, earliest: Earliest): number {
  return counts.reduce((sum, [second, count]) => (second * 1_000 + keptMs > earliest ? sum + count : sum), 0);
}

/**
 * Without `count` recipients of the bucket that ends in second `bucket`: the charge of an attempt that was certainly not
 * accepted. What has expired meanwhile is gone already.
 */
export function withdrawCharge(
  usage: Usage,
  { bucket, count }: { readonly bucket: number; readonly count: number },
): Usage {
  const { slots, day } = usage;
  return { slots, day: add(day, bucket, -count) };
}

/** The bucket (its end, UTC s) to which an attempt is charged that the server can accept until `latestAt`. */
export const bucketOf = (latestAt: Latest, { dayBucketMs }: Pick<RateLimits, 'dayBucketMs'>): number =>
  Math.ceil((Math.ceil(latestAt / dayBucketMs) * dayBucketMs) / 1_000);

/** Slots in use now. */
export function slotsInUse(usage: Usage, earliest: Earliest): number {
  return countActive(usage.slots, 0, earliest);
}

/** Recipients charged in the day that ends now. */
export function recipientsInDay(usage: Usage, limits: RateLimits, earliest: Earliest): number {
  return countActive(usage.day, limits.dayMs, earliest);
}

/** Acquires a slot and charges the recipients for an attempt that the server can accept until `latestAt` (UTC ms). */
export function acquire(
  usage: Usage,
  limits: RateLimits,
  latestAt: Latest,
  recipients: number,
): { readonly usage: Usage; readonly slot: number } {
  const slot = Math.ceil((latestAt + limits.periodMs + limits.guardMs) / 1_000);
  const day = add(usage.day, bucketOf(latestAt, limits), recipients);
  return { usage: { slots: add(usage.slots, slot, 1), day }, slot };
}

/**
 * The server can't accept that attempt any more, since `knownAt` (UTC ms, by the latest bound): its slot ends a
 * period later. Never lengthens one. The day's charge stays.
 */
export function releaseEarly(usage: Usage, limits: RateLimits, slot: number, knownAt: Latest): Usage {
  const ends = Math.ceil((knownAt + limits.periodMs + limits.guardMs) / 1_000);
  // Only the two parts: whatever else the caller's object holds is not ours to hand back.
  const { slots, day } = usage;
  if (!slots.some(([second]) => second === slot)) return { slots, day };
  return { slots: add(add(slots, slot, -1), Math.min(ends, slot), 1), day };
}

/** Without what is over. */
export function dropExpired(usage: Usage, limits: RateLimits, earliest: Earliest): Usage {
  return {
    slots: usage.slots.filter(([second]) => second * 1_000 > earliest),
    day: usage.day.filter(([second]) => second * 1_000 + limits.dayMs > earliest),
  };
}

/** `count` more in that second, or fewer; none is left below one. */
function add(counts: Counts, second: number, count: number): Counts {
  const known = counts.find(([one]) => one === second);
  const others = counts.filter((one) => one !== known);
  const sum = (known?.[1] ?? 0) + count;
  if (sum <= 0) return others;
  const later = others.findIndex(([one]) => one > second);
  return others.toSpliced(later === -1 ? others.length : later, 0, [second, sum]);
}
