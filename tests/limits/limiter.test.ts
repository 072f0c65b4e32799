// The window law against an oracle that knows nothing of slots: it sees when messages arrive at the server, which
// may be at any moment between the claim and deadline + grace, whatever became of the client.
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { asEarliest, asLatest, StorageTime } from '../../shared/limits/storageTime.ts';
import * as limiter from '../../shared/limits/limiter.ts';
import { noUsage } from '../../shared/limits/limiter.ts';
import type { Counts, RateLimits, Usage } from '../../shared/limits/limiter.ts';

const start = Date.UTC(2026, 10, 25, 9);
const limits: RateLimits = {
  messagesPerMinute: 3,
  recipientsPerDay: 20,
  periodMs: 60_000,
  guardMs: 1_000,
  dayMs: 86_400_000,
  dayBucketMs: 300_000,
};
// The cases are plain numbers: which bound each is, the functions say.
const canAcquire = (usage: Usage, law: RateLimits, at: number, recipients: number): limiter.Availability =>
  limiter.canAcquire(usage, law, asEarliest(at), recipients);
const slotsInUse = (usage: Usage, at: number): number => limiter.slotsInUse(usage, asEarliest(at));
const recipientsInDay = (usage: Usage, law: RateLimits, at: number): number =>
  limiter.recipientsInDay(usage, law, asEarliest(at));
const dropExpired = (usage: Usage, law: RateLimits, at: number): Usage =>
  limiter.dropExpired(usage, law, asEarliest(at));
const acquire = (
  usage: Usage,
  law: RateLimits,
  at: number,
  recipients: number,
): ReturnType<typeof limiter.acquire> => limiter.acquire(usage, law, asLatest(at), recipients);
const releaseEarly = (usage: Usage, law: RateLimits, slot: number, at: number): Usage =>
  limiter.releaseEarly(usage, law, slot, asLatest(at));

const attemptMs = 240_000;
const graceMs = 600_000;

describe('canAcquire', () => {
  test.each<[string, Counts, Counts, number, ReturnType<typeof canAcquire>]>([
    ['nothing usage', [], [], 1, { kind: 'available' }],
    ['one slot left', [[start / 1_000 + 10, 2]], [], 1, { kind: 'available' }],
    [
      'all slots usage until one ends',
      [
        [start / 1_000 + 10, 1],
        [start / 1_000 + 20, 2],
      ],
      [],
      1,
      { kind: 'wait', because: 'minute', retryAt: start + 10_000 },
    ],
    ['slots that end now are free', [[start / 1_000, 3]], [], 1, { kind: 'available' }],
    [
      'more slots than the limit, which was lowered',
      [
        [start / 1_000 + 10, 1],
        [start / 1_000 + 20, 3],
      ],
      [],
      1,
      { kind: 'wait', because: 'minute', retryAt: start + 20_000 },
    ],
    ['the day has as many left', [], [[start / 1_000, 17]], 3, { kind: 'available' }],
    [
      'the day has one too few',
      [],
      [[start / 1_000, 17]],
      4,
      { kind: 'wait', because: 'day', retryAt: start + 86_400_000 },
    ],
    [
      'the day frees bucket by bucket',
      [],
      [
        [start / 1_000 - 600, 5],
        [start / 1_000, 15],
      ],
      4,
      { kind: 'wait', because: 'day', retryAt: start - 600_000 + 86_400_000 },
    ],
    ['as many as a whole day', [], [], 20, { kind: 'available' }],
    ['more than a whole day', [], [], 21, { kind: 'never' }],
    [
      'slots that end now neither count nor stand for others',
      [
        [start / 1_000, 2],
        [start / 1_000 + 10, 3],
      ],
      [],
      1,
      { kind: 'wait', because: 'minute', retryAt: start + 10_000 },
    ],
    [
      'both refuse until the same moment: the minute is told',
      [[start / 1_000 + 10, 3]],
      [[start / 1_000 + 10 - 86_400, 20]],
      1,
      { kind: 'wait', because: 'minute', retryAt: start + 10_000 },
    ],
    [
      'both refuse: the later one counts',
      [[start / 1_000 + 10, 3]],
      [[start / 1_000, 20]],
      1,
      { kind: 'wait', because: 'day', retryAt: start + 86_400_000 },
    ],
  ])('%s', (_what, slots, day, recipients, answer) => {
    expect(canAcquire({ slots, day }, limits, start, recipients)).toEqual(answer);
  });

  test('a limit of no messages never lets one through, a limit of one does', () => {
    const law = (messagesPerMinute: number): RateLimits => ({ ...limits, messagesPerMinute });
    expect(canAcquire(noUsage, law(0), start, 1)).toEqual({ kind: 'never' });
    expect(canAcquire(noUsage, law(1), start, 1)).toEqual({ kind: 'available' });
  });

  test('retryAt is the first moment at which asking again succeeds', () => {
    const counts = fc.array(fc.tuple(fc.integer({ min: -30, max: 200 }), fc.integer({ min: 1, max: 3 })), {
      maxLength: 8,
    });
    fc.assert(
      fc.property(counts, fc.integer({ min: 1, max: 20 }), (list, recipients) => {
        const slots = [...new Map(list)]
          .sort(([one], [other]) => one - other)
          .map(([second, count]): [number, number] => [start / 1_000 + second, count]);
        const usage: Usage = { slots, day: slots };
        const answer = canAcquire(usage, limits, start, recipients);
        if (answer.kind !== 'wait') return;
        expect(canAcquire(usage, limits, answer.retryAt, recipients).kind).toBe('available');
        expect(canAcquire(usage, limits, answer.retryAt - 1, recipients).kind).toBe('wait');
      }),
    );
  });
});

test('slots and buckets are rounded up, never down', () => {
  const { usage, slot } = acquire(noUsage, limits, start + 1, 4);
  expect(slot).toBe(start / 1_000 + 62);
  expect(usage.day).toEqual([[start / 1_000 + 300, 4]]);
  expect(acquire(noUsage, limits, start, 4).usage.day).toEqual([[start / 1_000, 4]]);
});

test('shorten moves one slot, never later, and leaves the day alone', () => {
  const one = acquire(noUsage, limits, start + attemptMs + graceMs, 2);
  const two = acquire(one.usage, limits, start + attemptMs + graceMs, 2);
  const shorter = releaseEarly(two.usage, limits, two.slot, start + 1_500);
  expect(shorter.slots).toEqual([
    [start / 1_000 + 63, 1],
    [one.slot, 1],
  ]);
  expect(shorter.day).toEqual(two.usage.day);
  expect(releaseEarly(two.usage, limits, two.slot, start + attemptMs + graceMs + 1)).toEqual(two.usage);
  expect(releaseEarly(two.usage, limits, 17, start)).toEqual(two.usage);
});

test('one of several slots is released, and the others stay', () => {
  const one = acquire(noUsage, limits, start + attemptMs, 2);
  const two = acquire(one.usage, limits, start + attemptMs + 5_000, 2);
  expect(releaseEarly(two.usage, limits, two.slot, start).slots).toEqual([
    [start / 1_000 + 61, 1],
    [one.slot, 1],
  ]);
});

test('a slot that is not held is not released, whatever else is held', () => {
  const { usage, slot } = acquire(noUsage, limits, start + attemptMs, 2);
  expect(releaseEarly(usage, limits, slot - 1, start)).toEqual(usage);
  expect(releaseEarly(usage, limits, slot + 1, start)).toEqual(usage);
});

describe('withdrawCharge', () => {
  const day: Counts = [
    [start / 1_000, 4],
    [start / 1_000 + 300, 6],
  ];
  const slots: Counts = [[start / 1_000 + 61, 1]];

  test.each<[string, number, number, Counts]>([
    [
      'takes the recipients off their bucket alone',
      300,
      2,
      [
        [start / 1_000, 4],
        [start / 1_000 + 300, 4],
      ],
    ],
    ['leaves no empty bucket', 300, 6, [[start / 1_000, 4]]],
    ['leaves no bucket below nothing', 0, 5, [[start / 1_000 + 300, 6]]],
    ['changes nothing where the bucket has expired', -300, 2, day],
  ])('%s', (_what, after, count, left) => {
    const usage = limiter.withdrawCharge({ slots, day }, { bucket: start / 1_000 + after, count });
    expect(usage).toEqual({ slots, day: left });
  });

  test('undoes what an attempt was charged, and nothing of its slot', () => {
    const one = acquire(noUsage, limits, start, 3);
    const two = acquire(one.usage, limits, start + 400_000, 5);
    const bucket = limiter.bucketOf(asLatest(start + 400_000), limits);
    expect(limiter.withdrawCharge(two.usage, { bucket, count: 5 })).toEqual({
      slots: two.usage.slots,
      day: one.usage.day,
    });
  });
});

test('counts of what is over are forgotten, and change no answer', () => {
  const usage: Usage = {
    slots: [
      [start / 1_000 - 1, 3],
      [start / 1_000, 2],
      [start / 1_000 + 1, 1],
    ],
    day: [
      [start / 1_000 - 86_400, 7],
      [start / 1_000 - 86_399, 5],
    ],
  };
  const left = dropExpired(usage, limits, start);
  expect(left).toEqual({ slots: [[start / 1_000 + 1, 1]], day: [[start / 1_000 - 86_399, 5]] });
  expect(slotsInUse(usage, start)).toBe(slotsInUse(left, start));
  expect(recipientsInDay(usage, limits, start)).toBe(5);
});

// ---- the property ---------------------------------------------------------------------------------------

/** One attempt, as chance deals it: when it is asked for, when the server has it, and whether we hear of that. */
interface Dealt {
  readonly afterMs: number;
  readonly arrivesMs: number;
  readonly ending: 'reply' | 'silence' | 'crash';
  readonly replyAfterMs: number;
  readonly recipients: number;
}

const dealt: fc.Arbitrary<Dealt> = fc.record({
  afterMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 30_000 })),
  arrivesMs: fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 100, max: 5_000 }) },
    { weight: 2, arbitrary: fc.integer({ min: 5_000, max: attemptMs - 1_000 }) },
    { weight: 1, arbitrary: fc.integer({ min: attemptMs, max: attemptMs + graceMs }) },
  ),
  ending: fc.constantFrom(
    'reply' as const,
    'reply' as const,
    'reply' as const,
    'silence' as const,
    'crash' as const,
  ),
  replyAfterMs: fc.integer({ min: 0, max: 3_000 }),
  recipients: fc.integer({ min: 1, max: 4 }),
});

/** How a limiter may do it: the law, or one of the ways that look right. */
interface Limiter {
  readonly take: (
    usage: Usage,
    now: number,
    late: number,
    recipients: number,
  ) => { usage: Usage; slot: number };
  readonly end: (usage: Usage, slot: number, late: number, ending: Dealt['ending']) => Usage;
  /** How far the clock that judges may be ahead of the truth. */
  readonly clockErrorMs: number;
}

const held: Limiter = {
  take: (usage, _now, late, recipients) => acquire(usage, limits, late + attemptMs + graceMs, recipients),
  end: (usage, slot, late, ending) => (ending === 'reply' ? releaseEarly(usage, limits, slot, late) : usage),
  clockErrorMs: 0,
};
/** Counts grants: the slot ends a period after the claim, whenever the server has it. */
const slidingLog: Limiter = {
  ...held,
  take: (usage, now, _late, recipients) => acquire(usage, limits, now, recipients),
  end: (usage) => usage,
};
/** Gives the slot of a crashed attempt back at the crash. */
const freedAtCrash: Limiter = {
  ...held,
  end: (usage, slot, late) => releaseEarly(usage, limits, slot, late),
};
/** Shortens to the deadline instead of deadline + grace where no reply came. */
const noGrace: Limiter = {
  ...held,
  take: (usage, _now, late, recipients) => acquire(usage, limits, late + attemptMs, recipients),
};
/** One clock, a few seconds wrong, instead of two bounds. */
const oneWrongClock: Limiter = { ...held, clockErrorMs: 5_000 };

/** The most arrivals in any half-open period, and recipients in any day, at the server. */
function arrive(
  attempts: readonly Dealt[],
  limiter: Limiter,
): { readonly messages: number; readonly recipients: number } {
  let usage = noUsage;
  let now = start;
  const endings: { readonly at: number; readonly slot: number; readonly ending: Dealt['ending'] }[] = [];
  const arrivals: { readonly at: number; readonly recipients: number }[] = [];
  const boundsMs = 700;
  for (const attempt of attempts) {
    now += attempt.afterMs;
    for (;;) {
      for (const ended of endings.filter(({ at }) => at <= now).sort((one, other) => one.at - other.at)) {
        usage = limiter.end(usage, ended.slot, ended.at + boundsMs - limiter.clockErrorMs, ended.ending);
        endings.splice(endings.indexOf(ended), 1);
      }
      const early = now - boundsMs + 2 * limiter.clockErrorMs;
      const answer = canAcquire(usage, limits, early, attempt.recipients);
      if (answer.kind === 'available') break;
      if (answer.kind === 'never') throw new Error('never');
      const next = Math.min(...endings.map(({ at }) => at), now + Math.max(1, answer.retryAt - early));
      now = Math.max(now + 1, next);
    }
    const claim = limiter.take(
      dropExpired(usage, limits, now - boundsMs),
      now,
      now + boundsMs - limiter.clockErrorMs,
      attempt.recipients,
    );
    usage = claim.usage;
    const arrivesAt = now + attempt.arrivesMs;
    arrivals.push({ at: arrivesAt, recipients: attempt.recipients });
    // A reply comes after the arrival and by the deadline; what is later is silence.
    const repliedAt = arrivesAt + attempt.replyAfterMs;
    const ending = attempt.ending === 'reply' && repliedAt > now + attemptMs ? 'silence' : attempt.ending;
    endings.push({
      at: ending === 'reply' ? repliedAt : now + Math.min(attempt.arrivesMs, 50),
      slot: claim.slot,
      ending,
    });
  }
  const within = (spanMs: number): readonly (readonly { readonly recipients: number }[])[] =>
    arrivals.map(({ at }) => arrivals.filter((other) => other.at >= at && other.at < at + spanMs));
  return {
    messages: Math.max(...within(limits.periodMs).map((span) => span.length)),
    recipients: Math.max(
      ...within(limits.dayMs).map((span) => span.reduce((sum, { recipients }) => sum + recipients, 0)),
    ),
  };
}

const attempts = fc.array(dealt, { minLength: 1, maxLength: 40 });
const respects = (limiter: Limiter): fc.IProperty<[Dealt[]]> =>
  fc.property(attempts, (list) => {
    const most = arrive(list, limiter);
    expect(most.messages).toBeLessThanOrEqual(limits.messagesPerMinute);
    expect(most.recipients).toBeLessThanOrEqual(limits.recipientsPerDay);
  });

test('never more than the limit at the server, whatever the latency, silence and crashes', () => {
  fc.assert(respects(held), { numRuns: 1_000 });
});

test.each([
  ['counting grants', slidingLog],
  ['freeing a slot at the crash', freedAtCrash],
  ['no grace for a server that accepts late', noGrace],
  ['one clock that is five seconds wrong', oneWrongClock],
])('the same property finds the fault in: %s', (_what, limiter) => {
  expect(fc.check(respects(limiter), { numRuns: 2_000, seed: 7 }).failed).toBe(true);
});

test('the clocks’ bounds give what the property stands on: early ≤ truth ≤ late', () => {
  const answer = fc.record({
    thereMs: fc.integer({ min: 0, max: 30_000 }),
    backMs: fc.integer({ min: 0, max: 30_000 }),
    restMs: fc.integer({ min: 0, max: 120_000 }),
  });
  fc.assert(
    fc.property(
      fc.array(answer, { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 0, max: 1_000_000 }),
      (answers, origin) => {
        let truth = start;
        const time = new StorageTime({ monotonic: () => truth - start + origin });
        for (const { thereMs, backMs, restMs } of answers) {
          const sentAt = truth - start + origin;
          truth += thereMs;
          const dateMs = Math.floor(truth / 1_000) * 1_000;
          truth += backMs;
          time.observe({ sentAt, dateMs, receivedAt: truth - start + origin });
          truth += restMs;
          expect(time.earliest()).toBeLessThanOrEqual(truth);
          expect(time.latest()).toBeGreaterThanOrEqual(truth);
        }
      },
    ),
  );
});
