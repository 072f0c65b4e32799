import { expect, test } from '@jest/globals';
import { PollingDelay } from '../../../local/functionsHost/pollingDelay.ts';

const random = { uniform: () => 0.5, id: () => '' };

test('looks at an empty queue are further and further apart, up to the longest wait', () => {
  const delay = new PollingDelay(1000, random);
  const waits = Array.from({ length: 7 }, () => delay.next());
  expect(waits).toEqual([100, 200, 300, 500, 900, 1000, 1000]);
  delay.reset();
  expect(delay.next()).toBe(100);
});

test('hosts that started together drift apart by chance', () => {
  const waits = [0, 0.999].map((uniform) => {
    const delay = new PollingDelay(60_000, { ...random, uniform: () => uniform });
    delay.next();
    return delay.next();
  });
  expect(waits[0]).toBe(180);
  expect(waits[1]).toBeCloseTo(220, 0);
});
