// The outbound side under faults, in sizes that fit into the tests: `npm run simulate` is the same at any size.
import { describe, expect, test } from '@jest/globals';
import { faultProfiles } from './faultProfile.ts';
import { costUnderBacklog, run, runWorld } from './run.ts';
import { simulate } from './simulate.ts';

const minuteMs = 60_000;

test(
  '20,000 submissions in 40 worlds at the usual fault rates: none lost, none twice outside the doubts, never over a limit',
  async () => {
    const { summary, failures } = await run({ messages: 20_000, seed: 20_261_125, hosts: 3, processes: 2 });
    expect(failures).toEqual([]);
    expect(summary).toMatchObject({ submissions: 20_000, lost: 0, unexplainedDuplicates: 0 });
    expect(summary.mostInAnyPeriod).toBeLessThanOrEqual(30);
    expect(summary.mostRecipientsInAnyDay).toBeLessThanOrEqual(10_000);
    expect(summary.mostConnections).toBeLessThanOrEqual(3);
    // The faults were there.
    expect(summary.inDoubt).toBeGreaterThan(100);
  },
  10 * minuteMs,
);

test('the same seed is the same run, and another is another', async () => {
  const hash = async (seed: number): Promise<string> =>
    (await runWorld({ seed, count: 200, hosts: 3 })).traceHash;
  const [first, again, other] = [await hash(7), await hash(7), await hash(8)];
  expect(again).toBe(first);
  expect(other).not.toBe(first);
}, 60_000);

test('a run gives the same hash whether its worlds share a process or not', async () => {
  const hash = async (processes: number): Promise<string> =>
    (await run({ messages: 600, seed: 9, hosts: 2, processes })).summary.traceHash;
  expect(await hash(2)).toBe(await hash(1));
}, 60_000);

describe('no reply to every fourth message, and the policy sends again what has no copy', () => {
  test('if every copy appears, nothing arrives twice, in doubt or not', async () => {
    const outcome = await simulate(faultProfiles.inDoubt(1, 400), 1);
    expect(outcome.violations).toEqual([]);
    expect(outcome.arrivals).toBe(400);
    expect(outcome.inDoubt).toBeGreaterThan(40);
    expect(outcome.held).toBe(0);
  });

  test('if some never appear, only messages reported as in doubt arrive twice', async () => {
    const outcome = await simulate(faultProfiles.copiesMissing(1, 200), 1);
    expect(outcome).toMatchObject({ violations: [], unexplainedDuplicates: 0, lost: 0 });
    expect(outcome.arrivals).toBeGreaterThan(200);
  });
});

test('a refused recipient is never reported as sent, even if processes die over the others', async () => {
  const outcome = await simulate(faultProfiles.refusing(1, 300), 1);
  expect(outcome).toMatchObject({ violations: [], lost: 0, unexplainedDuplicates: 0 });
  expect(outcome.deaths).toBeGreaterThan(10);
  expect(outcome.inDoubt).toBeGreaterThan(20);
});

test('one now and then on an idle account: 99 of 100 start within 8 s, the median within 3', async () => {
  const { delays, violations } = await simulate(faultProfiles.quiet(1, 300), 1);
  expect(violations).toEqual([]);
  const sorted = delays.toSorted((one, other) => one - other);
  expect(sorted[150]).toBeLessThan(3_000);
  expect(sorted[296]).toBeLessThan(8_000);
});

test(
  'a backlog of 20,000 costs each submission as many calls as one of 1,000, within five percent',
  async () => {
    const small = await costUnderBacklog(1_000);
    const large = await costUnderBacklog(20_000);
    expect(small.drain).toBeLessThanOrEqual(8);
    expect(Math.abs(large.drain - small.drain) / small.drain).toBeLessThan(0.05);
    const both = ({ drain, sweep }: typeof small): number => drain + sweep;
    expect(Math.abs(both(large) - both(small)) / both(small)).toBeLessThan(0.05);
  },
  3 * minuteMs,
);
