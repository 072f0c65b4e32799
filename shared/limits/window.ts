// The law of the limits, as a function of state, time and request. No I/O, no clock.
//
// A slot is taken at the claim and stays taken until the server can no longer accept that attempt, plus the
// period. At most so many slots as messages are allowed in a period. While an attempt is open, the latest
// moment at which the server can accept it is deadline + grace; once a reply has come, or no final dot was
// sent, it is the moment of the reply. Why that is enough: of limit + 1 arrivals within a period take the last.
// Each of the others was claimed before it, and its slot ends a period after the latest moment at which it can
// have arrived, so all limit + 1 slots are held when the last is claimed: a contradiction.
//
// Recipients count against a rolling day in buckets named by their end, charged at the latest moment and never
// moved: it costs half a percent, and moving them earlier would let 10,063 through.
//
// Both are kept as counts per second or bucket, rounded up: a list of single slots would outgrow its row.

/** `[second or bucket end, in UTC seconds; how many]`, ascending, every count positive. */
export type Counts = readonly (readonly [second: number, count: number])[];

/** What an account has used up, as far as it still matters. */
export interface Taken {
  /** A slot with second s is free from s × 1,000 on. */
  readonly slots: Counts;
  /** A bucket that ends in second s counts until a day after. */
  readonly day: Counts;
}

export interface Law {
  /** Messages in any period. */
  readonly messagesPerMinute: number;
  /** Recipients in any day. */
  readonly recipientsPerDay: number;
  readonly periodMs: number;
  readonly guardMs: number;
  readonly dayMs: number;
  readonly dayBucketMs: number;
}

export type Permit =
  | { readonly kind: 'permit' }
  /** Not now. Asking again at `retryAt` (UTC ms) succeeds unless more has been taken. */
  | { readonly kind: 'wait'; readonly because: 'minute' | 'day'; readonly retryAt: number }
  /** More recipients than a whole day allows. */
  | { readonly kind: 'never' };

export const nothingTaken: Taken = { slots: [], day: [] };

/** May one attempt with so many recipients start now? `early`: the time is this or later. */
export function permit(taken: Taken, law: Law, early: number, recipients: number): Permit {
  if (recipients > law.recipientsPerDay || law.messagesPerMinute < 1) return { kind: 'never' };
  const slotAt = freeAt(taken.slots, 0, early, law.messagesPerMinute - 1);
  const dayAt = freeAt(taken.day, law.dayMs, early, law.recipientsPerDay - recipients);
  if (slotAt <= early && dayAt <= early) return { kind: 'permit' };
  return { kind: 'wait', because: dayAt > slotAt ? 'day' : 'minute', retryAt: Math.max(slotAt, dayAt) };
}

/** The first instant, not before `early`, at which at most `most` of the counts still stand. */
function freeAt(counts: Counts, keptMs: number, early: number, most: number): number {
  let standing = standingCount(counts, keptMs, early);
  let at = early;
  for (const [second, count] of counts) {
    if (standing <= most) break;
    const ends = second * 1_000 + keptMs;
    if (ends <= early) continue;
    standing -= count;
    at = ends;
  }
  return at;
}

function standingCount(counts: Counts, keptMs: number, early: number): number {
  return counts.reduce((sum, [second, count]) => (second * 1_000 + keptMs > early ? sum + count : sum), 0);
}

/** Slots in use now. */
export function slotsInUse(taken: Taken, early: number): number {
  return standingCount(taken.slots, 0, early);
}

/** Recipients charged in the day that ends now. */
export function recipientsInDay(taken: Taken, law: Law, early: number): number {
  return standingCount(taken.day, law.dayMs, early);
}

/** Takes a slot and charges the recipients for an attempt that the server can accept until `latestAt` (UTC ms). */
export function take(
  taken: Taken,
  law: Law,
  latestAt: number,
  recipients: number,
): { readonly taken: Taken; readonly slot: number } {
  const slot = Math.ceil((latestAt + law.periodMs + law.guardMs) / 1_000);
  const bucketEnd = Math.ceil((Math.ceil(latestAt / law.dayBucketMs) * law.dayBucketMs) / 1_000);
  return { taken: { slots: add(taken.slots, slot, 1), day: add(taken.day, bucketEnd, recipients) }, slot };
}

/**
 * The server can't accept that attempt any more, since `knownAt` (UTC ms, by the late bound): its slot ends a
 * period later. Never lengthens one. The day's charge stays.
 */
export function shorten(taken: Taken, law: Law, slot: number, knownAt: number): Taken {
  const sooner = Math.ceil((knownAt + law.periodMs + law.guardMs) / 1_000);
  // Only the two parts: whatever else the caller's object holds is not ours to hand back.
  const { slots, day } = taken;
  if (sooner >= slot || !slots.some(([second]) => second === slot)) return { slots, day };
  return { slots: add(add(slots, slot, -1), sooner, 1), day };
}

/** Without what is over. */
export function forget(taken: Taken, law: Law, early: number): Taken {
  return {
    slots: taken.slots.filter(([second]) => second * 1_000 > early),
    day: taken.day.filter(([second]) => second * 1_000 + law.dayMs > early),
  };
}

function add(counts: Counts, second: number, count: number): Counts {
  if (count === 0) return counts;
  const known = counts.find(([one]) => one === second);
  const others = counts.filter((one) => one !== known);
  const sum = (known?.[1] ?? 0) + count;
  if (sum <= 0) return others;
  const later = others.findIndex(([one]) => one > second);
  return others.toSpliced(later === -1 ? others.length : later, 0, [second, sum]);
}
