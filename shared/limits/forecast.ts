// When will the waiting messages have been sent? Plays the drain forward: the same limits, the same slots, as many
// connections as it works with, and the account's recent mean time from claim to reply.
import { present } from '../mail/omit.ts';
import { asEarliest, asLatest, type Earliest } from './storageTime.ts';
import {
  dropExpired,
  canAcquire,
  recipientsInDay,
  releaseEarly,
  slotsInUse,
  acquire,
  type RateLimits,
  type Usage,
} from './limiter.ts';

export interface Pace {
  /** The account's recent mean from claim to reply. */
  readonly claimToReplyMs: number;
  /** Between a line's reply and its next claim: our own transactions. */
  readonly betweenMs: number;
  /** How far apart the two bounds of time are: slots are written with the latest and judged with the earliest. */
  readonly boundsApartMs: number;
  readonly connectionCount: number;
  /** No connection may be opened before (UTC ms): orphaned ones fill what the server accepts. */
  readonly blockedUntil?: number;
}

export interface Forecast {
  readonly waitingCount: number;
  /** When the last of them will have its reply (UTC ms); absent if some can never be sent. */
  readonly clearsAt?: number;
  /** When the next one may start (UTC ms); now where it may already. */
  readonly nextAt?: number;
  readonly slotsInUse: number;
  readonly messagesPerMinute: number;
  readonly recipientsToday: number;
  readonly recipientsPerDay: number;
  /** Until when orphaned connections of hosts that died keep the account from connecting (UTC ms). */
  readonly blockedUntil?: number;
  /** The next return of recipients to the day's allowance. */
  readonly nextFree?: { readonly recipientCount: number; readonly at: number };
}

/** `waiting` has each message's recipients, in the order in which they will leave. */
export function forecast(
  usage: Usage,
  limits: RateLimits,
  earliest: Earliest,
  waiting: readonly number[],
  pace: Pace,
): Forecast {
  const today = recipientsInDay(usage, limits, earliest);
  const oldest = usage.day.find(([second]) => second * 1_000 + limits.dayMs > earliest);
  const played = play(usage, limits, earliest, waiting, pace);
  return {
    waitingCount: waiting.length,
    ...played,
    ...present({ blockedUntil: pace.blockedUntil }),
    slotsInUse: slotsInUse(usage, earliest),
    messagesPerMinute: limits.messagesPerMinute,
    recipientsToday: today,
    recipientsPerDay: limits.recipientsPerDay,
    ...(oldest === undefined
      ? {}
      : { nextFree: { recipientCount: oldest[1], at: oldest[0] * 1_000 + limits.dayMs } }),
  };
}

function play(
  start: Usage,
  limits: RateLimits,
  earliest: Earliest,
  waiting: readonly number[],
  pace: Pace,
): { readonly clearsAt?: number; readonly nextAt?: number } {
  let usage = start;
  let now: Earliest = earliest;
  let nextAt: number | undefined;
  let clearsAt: number = earliest;
  const connections = new Array<number>(Math.max(1, pace.connectionCount)).fill(
    Math.max(earliest, pace.blockedUntil ?? earliest),
  );
  for (const recipients of waiting) {
    const connection = connections.indexOf(Math.min(...connections));
    now = asEarliest(Math.max(now, connections[connection] ?? now));
    let answer = canAcquire(usage, limits, now, recipients);
    if (answer.kind === 'wait') {
      now = asEarliest(answer.retryAt);
      answer = canAcquire(usage, limits, now, recipients);
    }
    if (answer.kind !== 'available') return nextAt === undefined ? {} : { nextAt };
    nextAt ??= now;
    const repliedAt = now + pace.claimToReplyMs;
    const claimed = acquire(
      dropExpired(usage, limits, now),
      limits,
      asLatest(repliedAt + limits.periodMs),
      recipients,
    );
    usage = releaseEarly(claimed.usage, limits, claimed.slot, asLatest(repliedAt + pace.boundsApartMs));
    connections[connection] = repliedAt + pace.betweenMs;
    clearsAt = Math.max(clearsAt, repliedAt);
  }
  return { clearsAt, ...present({ nextAt }) };
}
