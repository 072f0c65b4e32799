import { asEarliest, asLatest } from '../../shared/limits/storageTime.ts';
import { expect, test } from '@jest/globals';
import { forecast } from '../../shared/limits/forecast.ts';
import { noUsage, acquire } from '../../shared/limits/limiter.ts';
import type { RateLimits } from '../../shared/limits/limiter.ts';

const start = asEarliest(Date.UTC(2026, 10, 25, 9));
const limits: RateLimits = {
  messagesPerMinute: 30,
  recipientsPerDay: 100,
  periodMs: 60_000,
  guardMs: 1_000,
  dayMs: 86_400_000,
  dayBucketMs: 300_000,
};
const pace = { claimToReplyMs: 1_500, betweenMs: 0, boundsApartMs: 0, connectionCount: 2 };
const waiting = (count: number, recipients = 1): readonly number[] =>
  new Array<number>(count).fill(recipients);

test('nothing waits: it is clear now', () => {
  expect(forecast(noUsage, limits, start, [], pace)).toMatchObject({ waitingCount: 0, clearsAt: start });
});

test('within one period it is the connections that decide', () => {
  const { clearsAt, nextAt } = forecast(noUsage, limits, start, waiting(30), pace);
  expect(nextAt).toBe(start);
  expect(clearsAt).toBe(start + 15 * 1_500);
});

test('beyond it, the slots: the 31st waits for the first reply, the period and the guard', () => {
  const { clearsAt } = forecast(noUsage, limits, start, waiting(31), pace);
  expect(clearsAt).toBe(start + 63_000 + 1_500);
});

test('beyond the day, the first bucket’s return', () => {
  const { usage } = acquire(noUsage, limits, asLatest(start), 95);
  const answer = forecast(usage, limits, start, waiting(1, 10), pace);
  expect(answer).toMatchObject({
    recipientsToday: 95,
    nextAt: start + 86_400_000,
    nextFree: { recipientCount: 95, at: start + 86_400_000 },
  });
});

test('one that no day allows leaves the end open', () => {
  expect(forecast(noUsage, limits, start, waiting(1, 101), pace)).not.toHaveProperty('clearsAt');
});

test('what can never be sent leaves the end open, and the next start known', () => {
  const answer = forecast(noUsage, limits, start, [1, 101], pace);
  expect(answer).not.toHaveProperty('clearsAt');
  expect(answer).toMatchObject({ nextAt: start });
  expect(forecast(noUsage, limits, start, [101], pace)).not.toHaveProperty('nextAt');
});

test.each([
  ['until they end', 45_000, 45_000],
  ['not when they have ended', -45_000, 0],
])('orphaned connections keep the account from starting: %s', (_what, blockedMs, nextMs) => {
  const answer = forecast(noUsage, limits, start, waiting(1), { ...pace, blockedUntil: start + blockedMs });
  expect(answer).toMatchObject({
    blockedUntil: start + blockedMs,
    nextAt: start + nextMs,
    clearsAt: start + nextMs + 1_500,
  });
  expect(forecast(noUsage, limits, start, waiting(1), pace)).not.toHaveProperty('blockedUntil');
});

test('a connection pauses between a reply and its next claim', () => {
  const { clearsAt } = forecast(noUsage, limits, start, waiting(4), { ...pace, betweenMs: 500 });
  expect(clearsAt).toBe(start + 1_500 + 500 + 1_500);
});

test('a slot is written with the later bound, so it ends later by as much as the bounds are apart', () => {
  const { clearsAt } = forecast(noUsage, limits, start, waiting(31), { ...pace, boundsApartMs: 2_500 });
  expect(clearsAt).toBe(start + 65_000 + 1_500);
});

test('recipients that have returned, in this instant too, are not announced as the next to return', () => {
  const second = start / 1_000 - 86_400;
  const day = [
    [second - 300, 7],
    [second, 5],
    [second + 300, 3],
  ] as const;
  expect(forecast({ slots: [], day }, limits, start, [], pace)).toMatchObject({
    recipientsToday: 3,
    nextFree: { recipientCount: 3, at: start + 300_000 },
  });
  expect(forecast(noUsage, limits, start, [], pace)).not.toHaveProperty('nextFree');
});
