import { expect, test } from '@jest/globals';
import { StorageTime } from '../../shared/limits/storageTime.ts';

const date = Date.UTC(2026, 10, 25, 9);

function timeAt(now: { ms: number }): StorageTime {
  return new StorageTime({ monotonic: () => now.ms });
}

test('before any answer nothing is over and nothing is still open', () => {
  const time = timeAt({ ms: 5 });
  expect(time.known).toBe(false);
  expect(time.earliest()).toBe(0);
  expect(time.latest()).toBe(Number.MAX_SAFE_INTEGER);
});

test('the best of several answers counts for each bound', () => {
  const now = { ms: 1_000 };
  const time = timeAt(now);
  time.observe({ sentAt: 900, dateMs: date, receivedAt: 1_000 });
  expect([time.earliest(), time.latest()]).toEqual([date, date + 1_100]);
  now.ms = 1_950;
  time.observe({ sentAt: 1_890, dateMs: date + 1_000, receivedAt: 1_900 });
  // The Date changed between 1,000 and 1,890 of our clock, so both bounds are closer now.
  expect([time.earliest(), time.latest()]).toEqual([date + 1_050, date + 2_050]);
});

test('bounds move with the monotonic clock, and are forgotten after ten minutes', () => {
  const now = { ms: 0 };
  const time = timeAt(now);
  time.observe({ sentAt: 0, dateMs: date, receivedAt: 0 });
  now.ms = 599_000;
  expect(time.earliest()).toBe(date + 599_000);
  now.ms = 611_000;
  expect(time.known).toBe(false);
});

test('a service clock that was set back or forth starts anew', () => {
  const now = { ms: 1_000 };
  const time = timeAt(now);
  time.observe({ sentAt: 990, dateMs: date, receivedAt: 1_000 });
  now.ms = 2_000;
  time.observe({ sentAt: 1_990, dateMs: date - 60_000, receivedAt: 2_000 });
  expect([time.earliest(), time.latest()]).toEqual([date - 60_000, date - 59_000 + 10]);
});

test('instances whose clocks differ agree on the service’s time within their bounds', () => {
  for (const skewMs of [0, 2_000, -2_000, 300_000]) {
    const now = { ms: 50_000 + skewMs };
    const time = timeAt(now);
    time.observe({ sentAt: now.ms - 40, dateMs: date, receivedAt: now.ms });
    expect(Math.abs(time.earliest() - date)).toBeLessThanOrEqual(1_040);
    expect(Math.abs(time.latest() - date)).toBeLessThanOrEqual(1_040);
  }
});
