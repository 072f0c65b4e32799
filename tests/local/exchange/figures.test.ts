// The oracle's arithmetic, against a count that looks at every span there is.
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { mostAtOnce, mostInAnySpan } from '../../../local/emulators/exchange/figures.ts';
import type { Interval, Weighed } from '../../../local/emulators/exchange/figures.ts';
import { ServerLog } from '../../../local/emulators/exchange/serverLog.ts';
import { systemClock } from '../../../shared/clock.ts';

/** Every whole instant at which a span could begin. */
function slowMost(events: readonly Weighed[], length: number): number {
  const ats = events.map(({ at }) => at);
  let most = 0;
  for (let begin = Math.min(0, ...ats) - length; begin <= Math.max(0, ...ats); begin += 1) {
    const within = events.filter(({ at }) => at >= begin && at < begin + length);
    most = Math.max(
      most,
      within.reduce((sum, { weight }) => sum + weight, 0),
    );
  }
  return most;
}

function slowAtOnce(intervals: readonly Interval[]): number {
  let most = 0;
  for (let at = -1; at <= 60; at += 1) {
    most = Math.max(most, intervals.filter(({ from, to = Infinity }) => from <= at && at < to).length);
  }
  return most;
}

describe('most in any half-open span', () => {
  test('is what a count over every span finds', () => {
    const event = fc.record({ at: fc.integer({ min: 0, max: 60 }), weight: fc.integer({ min: 0, max: 5 }) });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), fc.integer({ min: 1, max: 30 }), (events, length) => {
        expect(mostInAnySpan(events, length)).toBe(slowMost(events, length));
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([
    ['nothing', [], 10, 0],
    ['both ends of a span', [0, 10], 10, 1],
    ['just within', [0, 9], 10, 2],
    ['the same instant', [5, 5, 5], 1, 3],
    ['unsorted', [25, 0, 24, 1, 26], 10, 3],
  ])('%s', (_name, ats: number[], length, expected) => {
    expect(
      mostInAnySpan(
        ats.map((at) => ({ at, weight: 1 })),
        length,
      ),
    ).toBe(expected);
  });
});

describe('most at one time', () => {
  test('is what a count at every instant finds', () => {
    const interval = fc
      .tuple(fc.integer({ min: 0, max: 50 }), fc.option(fc.integer({ min: 0, max: 50 }), { nil: undefined }))
      .map(([from, to]): Interval => (to === undefined ? { from } : { from, to }));
    fc.assert(
      fc.property(fc.array(interval, { maxLength: 30 }), (intervals) => {
        expect(mostAtOnce(intervals)).toBe(slowAtOnce(intervals));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('the log', () => {
  test('counts each account by itself, and each way to date a message', () => {
    let now = 0;
    const log = new ServerLog({ ...systemClock, monotonic: () => now });
    const take = (
      account: string,
      dotMs: number,
      acceptedMs: number,
      repliedMs: number | undefined,
      recipients: number,
    ): void => {
      now = acceptedMs;
      const message = log.accepted({
        connection: 1,
        account,
        from: account,
        to: Array<string>(recipients).fill('a@b.test'),
        refused: [],
        mailNs: dotMs * 1e6,
        dotNs: dotMs * 1e6,
        clientThere: true,
        sizeBytes: 1,
        sha256: '',
        serverId: 'x',
      });
      if (repliedMs !== undefined) message.repliedNs = repliedMs * 1e6;
    };
    // Accepted a period apart, yet replied to together; the third never heard.
    take('a@x.test', 0, 0, 150, 2);
    take('A@X.test', 100, 100, 160, 3);
    take('a@x.test', 210, 250, undefined, 4);
    take('b@x.test', 250, 250, 251, 1);
    const figures = log.figures(100, 200);
    expect(figures.accounts['a@x.test']).toEqual({
      messages: 3,
      recipients: 9,
      mostMessages: 2,
      mostMessagesBy: { dot: 1, accepted: 1, replied: 2 },
      mostRecipients: 7,
      mostConnections: 0,
    });
    expect(figures).toMatchObject({ messages: 4, recipients: 10, mostMessages: 2, mostRecipients: 7 });
  });

  test('finds the messages of a submission, whatever the attempt, and of no other', () => {
    const log = new ServerLog(systemClock);
    for (const bridgeId of ['a.b.1', 'a.b.2', 'axb.1', 'a.b', 'a.b.c.1']) {
      log.accepted({
        connection: 1,
        account: 'a@x.test',
        from: '',
        to: [],
        refused: [],
        mailNs: 0,
        dotNs: 0,
        clientThere: true,
        sizeBytes: 0,
        sha256: '',
        serverId: 'x',
        bridgeId,
      });
    }
    expect(log.messagesOf('a.b').map((message) => message.bridgeId)).toEqual(['a.b.1', 'a.b.2', 'a.b']);
    expect(log.messagesOf('a.b.2').map((message) => message.bridgeId)).toEqual(['a.b.2']);
  });
});
