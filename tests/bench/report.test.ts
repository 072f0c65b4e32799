import { describe, expect, test } from '@jest/globals';
import { CallCount } from '../../local/bench/callCount.ts';
import { percentile, reportOf, type Parts } from '../../local/bench/report.ts';
import type { SeenCall } from '../../local/storageProxy/storageProxy.ts';

const call = (name: string): SeenCall => ({
  service: 'queue',
  method: 'GET',
  path: '',
  body: Buffer.alloc(0),
  writes: [],
  name,
});
const answer = (body: string): { status: number; body: Buffer } => ({ status: 200, body: Buffer.from(body) });

const rate = { perMinute: 29, messages: 450, minutes: 15.5 };
const sustained: Parts['sustained'] = {
  mostInAnyPeriod: 30,
  mostConnections: 2,
  violations: 0,
  perMinute: rate,
  perMinuteTail: { ...rate, perMinute: 24 },
  urgentStartMs: [4_000, 21_500],
  backlogAtUrgentCount: 10_000,
  pickUpMs: [900, 1_200, 2_000],
};

test.each([
  [[3, 1, 2], 99, 3],
  [Array.from({ length: 200 }, (_, at) => at + 1), 99, 198],
  [[5], 50, 5],
])('%j: the %i-th percentile is %i', (values, percent, expected) => {
  expect(percentile(values, percent)).toBe(expected);
});

describe('the report', () => {
  test('is good where every figure is', () => {
    expect(reportOf({ sustained }).ok).toBe(true);
  });

  test.each<[string, Partial<Parts['sustained']>]>([
    ['31 in a period', { mostInAnyPeriod: 31 }],
    ['a fourth connection', { mostConnections: 4 }],
    ['too slow', { perMinute: { ...rate, perMinute: 27.99 } }],
    ['too slow with a tail', { perMinuteTail: { ...rate, perMinute: 22.99 } }],
    ['an urgent one that waits for more than a period', { urgentStartMs: [4_000, 60_500] }],
    ['a pick-up that takes long', { pickUpMs: [900, 5_100] }],
    ['a violation', { violations: 1 }],
  ])('is not good with %s', (_what, change) => {
    expect(reportOf({ sustained: { ...sustained, ...change } }).ok).toBe(false);
  });

  test('has the JSON of the whole, with null for parts that did not run', () => {
    expect(reportOf({ sustained }).json).toEqual({
      mostInAnyPeriod: 30,
      sustainedPerMinute: 29,
      sustainedPerMinuteTail: 24,
      dequeuesPerSubmission: {},
      callsPerSubmission: { idle: null },
      urgentStartSeconds: 21.5,
      pickUpSecondsP99: 2,
      forecastErrorPercent: null,
    });
  });
});

test('calls of the host’s triggers are counted apart, and so are the messages that came off each queue', () => {
  const count = new CallCount();
  count.note(
    call('take outbound-mail'),
    answer('<QueueMessage></QueueMessage><QueueMessage></QueueMessage>'),
  );
  count.note(call('delete outbound-mail'), answer(''));
  count.note(call('claim'), answer(''));
  count.note(call('put mail-status'), answer(''));
  count.note(call('put mail-status'), answer(''));
  expect(count.tally()).toEqual({
    own: 3,
    host: 2,
    byName: [
      ['put mail-status', 2],
      ['claim', 1],
    ],
    dequeued: { 'outbound-mail': 2 },
  });
});
