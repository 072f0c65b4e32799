// The whole outbound side among faults: nothing lost, nothing twice outside the in-doubt list, never over the limit,
// everything told in order, nothing stuck.
import { describe, expect, test } from '@jest/globals';
import { live, unrest } from '../models/unrest.ts';

describe('150 submissions over ten minutes, three hosts, faults at every door', () => {
  for (const seed of [11, 12, 13, 14, 15, 16]) {
    test(`seed ${seed}`, async () => {
      const { lost, twice, misordered, untold, stuck, mostInAnyPeriod } = await live(seed, 150, unrest);
      expect({ lost, twice, misordered, untold, stuck }).toEqual({
        lost: [],
        twice: [],
        misordered: [],
        untold: [],
        stuck: [],
      });
      expect(mostInAnyPeriod).toBeLessThanOrEqual(30);
    });
  }
});

test('where the copy always appears, policy resend sends nothing twice and leaves nobody waiting', async () => {
  for (const seed of [21, 22, 23]) {
    const rates = { ...unrest, copyNever: 0 };
    const { world, lost, untold } = await live(seed, 100, rates, { doubtPolicy: 'resend' });
    const ids = world.server.arrivals.map(({ bridgeId }) => bridgeId.slice(0, bridgeId.lastIndexOf('.')));
    expect(new Set(ids).size).toBe(ids.length);
    expect({ lost, untold }).toEqual({ lost: [], untold: [] });
    expect(world.events.some(({ type }) => type.endsWith('mail.held'))).toBe(false);
  }
});

test('the same seed gives the same story', async () => {
  const [one, other] = [await live(31, 60, unrest), await live(31, 60, unrest)];
  expect(other.world.queue.told).toEqual(one.world.queue.told);
  expect(other.world.server.arrivals).toEqual(one.world.server.arrivals);
});
