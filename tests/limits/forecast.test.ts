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
