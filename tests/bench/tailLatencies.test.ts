import { expect, test } from '@jest/globals';
import { tailLatencies } from '../../local/bench/tailLatencies.ts';
import { seededRandom } from '../models/seededRandom.ts';

const counted = (latencies: readonly number[]): readonly number[] => [
  latencies.filter((ms) => ms >= 500 && ms <= 2_500).length,
  latencies.filter((ms) => ms >= 5_000 && ms <= 25_000).length,
  latencies.filter((ms) => ms >= 30_000 && ms <= 90_000).length,
];

test('every hundred messages have exactly the tail that was meant', () => {
  const deal = tailLatencies(seededRandom(1));
  const first = Array.from({ length: 100 }, deal);
  const second = Array.from({ length: 100 }, deal);
  expect(counted(first)).toEqual([90, 9, 1]);
  expect(counted(second)).toEqual([90, 9, 1]);
  expect(second).not.toEqual(first);
  expect([...second].sort()).toEqual([...first].sort());
});

test('the order comes from the chance that it is handed', () => {
  const dealt = (seed: number): readonly number[] =>
    Array.from({ length: 100 }, tailLatencies(seededRandom(seed)));
  expect(dealt(7)).toEqual(dealt(7));
  expect(dealt(7)).not.toEqual(dealt(8));
});
