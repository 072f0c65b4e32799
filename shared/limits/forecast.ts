// When will what waits have left? Plays the drain forward in thought: the same permit, the same slots, as many
// connections as it works with, and the account's recent mean time from claim to reply.
import { forget, permit, recipientsInDay, shorten, slotsInUse, take } from './window.ts';
import type { Law, Taken } from './window.ts';

export interface Pace {
  /** The account's recent mean from claim to reply. */
  readonly claimToReplyMs: number;
  /** Between a line's reply and its next claim: our own transactions. */
  readonly betweenMs: number;
  /** How far apart the two bounds of time are: slots are written with the late one and judged with the early. */
  readonly boundsApartMs: number;
  readonly connectionCount: number;
}

export interface Forecast {
  readonly waitingCount: number;
  /** When the last of them will have its reply (UTC ms); absent where some never get a permit. */
  readonly clearsAt?: number;
  /** When the next one may start (UTC ms); now where it may already. */
  readonly nextAt?: number;
  readonly slotsInUse: number;
  readonly messagesPerMinute: number;
  readonly recipientsToday: number;
  readonly recipientsPerDay: number;
  /** The next return of recipients to the day's allowance. */
  readonly nextFree?: { readonly recipientCount: number; readonly at: number };
}

/** `waiting` has each message's recipients, in the order in which they will leave. */
export function forecast(
  taken: Taken,
  law: Law,
  early: number,
  waiting: readonly number[],
  pace: Pace,
): Forecast {
  const today = recipientsInDay(taken, law, early);
  const oldest = taken.day.find(([second]) => second * 1_000 + law.dayMs > early);
  const played = play(taken, law, early, waiting, pace);
  return {
    waitingCount: waiting.length,
    ...played,
    slotsInUse: slotsInUse(taken, early),
    messagesPerMinute: law.messagesPerMinute,
    recipientsToday: today,
    recipientsPerDay: law.recipientsPerDay,
    ...(oldest === undefined
      ? {}
      : { nextFree: { recipientCount: oldest[1], at: oldest[0] * 1_000 + law.dayMs } }),
  };
}

function play(
  start: Taken,
  law: Law,
  early: number,
  waiting: readonly number[],
  pace: Pace,
): { readonly clearsAt?: number; readonly nextAt?: number } {
  let taken = start;
  let now = early;
  let nextAt: number | undefined;
  let clearsAt = early;
  const lines = new Array<number>(Math.max(1, pace.connectionCount)).fill(early);
  for (const recipients of waiting) {
    const line = lines.indexOf(Math.min(...lines));
    now = Math.max(now, lines[line] ?? now);
    let answer = permit(taken, law, now, recipients);
    if (answer.kind === 'wait') {
      now = answer.retryAt;
      answer = permit(taken, law, now, recipients);
    }
    if (answer.kind !== 'permit') return nextAt === undefined ? {} : { nextAt };
    nextAt ??= now;
    const repliedAt = now + pace.claimToReplyMs;
    const claimed = take(forget(taken, law, now), law, repliedAt + law.periodMs, recipients);
    taken = shorten(claimed.taken, law, claimed.slot, repliedAt + pace.boundsApartMs);
    lines[line] = repliedAt + pace.betweenMs;
    clearsAt = Math.max(clearsAt, repliedAt);
  }
  return { clearsAt, ...(nextAt === undefined ? {} : { nextAt }) };
}
