// A part of what `node tests/inbound/simulation.ts` runs: the oracle, and that the same seed is the same weather.
import { expect, test } from '@jest/globals';
import { simulateReceiving } from './simulation.ts';

test.each([11, 12, 13, 14])(
  '5,000 mails in the storm of seed %i: nothing lost, one identity each, actions done',
  async (seed) => {
    const result = await simulateReceiving({ messages: 5_000, seed });
    expect(result.violations).toEqual([]);
    // It did storm.
    expect(result.deaths).toBeGreaterThan(5);
    expect(result.refused).toBeGreaterThan(50);
    expect(result.answersLost).toBeGreaterThan(50);
    expect(result.notices).toBeGreaterThan(5_000);
  },
  180_000,
);
