// Probes of holds beside attempts in flight.
import { expect, test } from '@jest/globals';
import type { Reply } from '../../shared/mail/reply.ts';
import { World } from '../models/world.ts';

const busy: Reply = { code: 451, enhanced: '4.7.0', text: 'Temporary server error. Please try again later.' };
const slowMs = 200_000;

test('a probe of the account runs with no other attempt in flight', async () => {
  const world = new World();
  const host = world.host();
  // One attempt takes longer than the time to the first probe; three others are refused in a row meanwhile.
  let [slowEndedAt, refusals] = [0, 0];
  const startedAt: number[] = [];
  world.server.dialogPlan = ({ bridgeId }) => {
    startedAt.push(world.clock.now);
    if (bridgeId.startsWith('slow')) {
      slowEndedAt = world.clock.now + slowMs;
      return { latencyMs: slowMs };
    }
    refusals += 1;
    return refusals <= 3 ? { refuse: { phase: 'dot', reply: busy } } : {};
  };
  for (const id of ['slow', 'b', 'c', 'd', 'e']) await world.submit(host, id);
  await world.minutes(host, 20);
  const [, , , third, probe] = startedAt;
  expect(slowEndedAt - (third ?? 0)).toBeGreaterThan(world.numbers.probeAtLeastMs);
  expect(probe).toBeGreaterThanOrEqual(slowEndedAt);
  expect(world.server.arrivals.length).toBe(5);
});
