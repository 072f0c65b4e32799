import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { asEarliest, plus, StorageTime } from '../../shared/limits/storageTime.ts';

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

test.each([
  ['soon after', 2_000],
  ['in another step of the memory', 25_000],
])('a service clock that was set back or forth starts anew: %s', (_what, laterMs) => {
  const now = { ms: 1_000 };
  const time = timeAt(now);
  time.observe({ sentAt: 990, dateMs: date, receivedAt: 1_000 });
  now.ms = laterMs;
  time.observe({ sentAt: laterMs - 10, dateMs: date - 60_000, receivedAt: laterMs });
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

test('some time after a bound is as sure as the bound', () => {
  expect(plus(asEarliest(date), 5_000)).toBe(date + 5_000);
});

test('the service is known from its first answer on', () => {
  const time = timeAt({ ms: 0 });
  time.observe({ sentAt: 0, dateMs: date, receivedAt: 0 });
  expect(time.known).toBe(true);
});

test('bounds that meet are kept: only an earliest after the latest says that the clock was set', () => {
  const now = { ms: 0 };
  const time = timeAt(now);
  time.observe({ sentAt: 0, dateMs: date, receivedAt: 0 });
  now.ms = 1_000;
  time.observe({ sentAt: 1_000, dateMs: date, receivedAt: 1_000 });
  expect([time.earliest(), time.latest()]).toEqual([date + 1_000, date + 1_000]);
});

test('an answer that is handed in after ten minutes is not believed', () => {
  const time = timeAt({ ms: 700_000 });
  time.observe({ sentAt: 0, dateMs: date, receivedAt: 80_000 });
  expect(time.known).toBe(false);
});

test('the bounds are the best of the answers of the last ten minutes, counted in steps of ten seconds', () => {
  const answer = fc.record({
    thereMs: fc.integer({ min: 0, max: 3_000 }),
    backMs: fc.integer({ min: 0, max: 3_000 }),
    restMs: fc.oneof(
      { weight: 3, arbitrary: fc.integer({ min: 0, max: 4_000 }) },
      { weight: 2, arbitrary: fc.integer({ min: 60_000, max: 700_000 }) },
      // Exactly where a step, and with it an answer, ends.
      { weight: 2, arbitrary: fc.constant('step' as const) },
    ),
  });
  const stepOf = (ms: number): number => Math.floor(ms / 10_000);
  fc.assert(
    fc.property(fc.array(answer, { minLength: 1, maxLength: 30 }), (answers) => {
      const now = { ms: 0 };
      const time = timeAt(now);
      const given: { readonly receivedAt: number; readonly atLeast: number; readonly atMost: number }[] = [];
      for (const { thereMs, backMs, restMs } of answers) {
        const sentAt = now.ms;
        const dateMs = Math.floor((date + sentAt + thereMs) / 1_000) * 1_000;
        now.ms += thereMs + backMs;
        time.observe({ sentAt, dateMs, receivedAt: now.ms });
        given.push({ receivedAt: now.ms, atLeast: dateMs - now.ms, atMost: dateMs + 1_000 - sentAt });
        now.ms = restMs === 'step' ? (stepOf(now.ms) + 61) * 10_000 : now.ms + restMs;
        const counted = given.filter(({ receivedAt }) => stepOf(receivedAt) >= stepOf(now.ms) - 60);
        expect(time.known).toBe(counted.length > 0);
        if (counted.length === 0) continue;
        expect(time.earliest()).toBe(now.ms + Math.max(...counted.map(({ atLeast }) => atLeast)));
        expect(time.latest()).toBe(now.ms + Math.min(...counted.map(({ atMost }) => atMost)));
      }
    }),
    { numRuns: 300 },
  );
});
