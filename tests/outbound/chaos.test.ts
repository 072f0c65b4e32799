// The whole outbound side among faults: nothing lost, nothing twice outside the in-doubt list, never over the limit,
// all events in order, nothing stuck.
import { describe, expect, test } from '@jest/globals';
import { runChaos, chaosRates } from '../models/chaos.ts';

describe('150 submissions over ten minutes, three hosts, faults at every port', () => {
  for (const seed of [11, 12, 13, 14, 15, 16]) {
    test(`seed ${seed}`, async () => {
      const { lost, twice, misordered, unreported, stuck, mostInAnyPeriod } = await runChaos(
        seed,
        150,
        chaosRates,
      );
      expect({ lost, twice, misordered, unreported, stuck }).toEqual({
        lost: [],
        twice: [],
        misordered: [],
        unreported: [],
        stuck: [],
      });
      expect(mostInAnyPeriod).toBeLessThanOrEqual(30);
    });
  }
});

test('if the copy always appears, policy resend sends nothing twice and leaves nothing held', async () => {
  for (const seed of [21, 22, 23]) {
    const rates = { ...chaosRates, copyNever: 0 };
    const { world, lost, unreported } = await runChaos(seed, 100, rates, { inDoubtPolicy: 'resend' });
    const ids = world.server.arrivals.map(({ bridgeId }) => bridgeId.slice(0, bridgeId.lastIndexOf('.')));
    expect(new Set(ids).size).toBe(ids.length);
    expect({ lost, unreported }).toEqual({ lost: [], unreported: [] });
    expect(world.events.some(({ type }) => type.endsWith('mail.held'))).toBe(false);
  }
});

test('the same seed gives the same run', async () => {
  const [one, other] = [await runChaos(31, 60, chaosRates), await runChaos(31, 60, chaosRates)];
  expect(other.world.queue.events).toEqual(one.world.queue.events);
  expect(other.world.server.arrivals).toEqual(one.world.server.arrivals);
});
