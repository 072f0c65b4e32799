// Hosts that know the storage service's time differently well, because their questions or its answers travel
// slowly, follow one another on one account. What one writes, another judges: that is what two bounds are for.
import { expect, test } from '@jest/globals';
import { mailbox, World } from '../models/world.ts';

const near = { thereMs: 5, backMs: 5 };
const slowThere = { thereMs: 6_000, backMs: 5 };
const slowBack = { thereMs: 5, backMs: 6_000 };

const pairs = [
  ['near, slow there', near, slowThere],
  ['near, slow back', near, slowBack],
  ['slow there, slow back', slowThere, slowBack],
] as const;

test.each(pairs)('%s: never more than three in a minute', async (_what, first, second) => {
  const limits = { messagesPerMinute: 3, recipientsPerDay: 10_000, connections: 3 };
  const world = new World([mailbox('desk@example.com', { limits })], {
    drainBudgetMs: 100_000,
    attemptMs: 200_000,
  });
  world.server.dialogPlan = () => ({ latencyMs: 300 });
  const one = world.host();
  const other = world.host();
  for (let count = 0; count < 80; count += 1) await world.submit(world.host(), `m${count}`);
  one.wire.faultPlan = () => first;
  other.wire.faultPlan = () => second;
  for (let round = 0; round < 24; round += 1) {
    await world.run((round % 2 === 0 ? one : other).outbound.drain(world.account, 'invocation'));
  }
  expect(world.server.arrivals.length).toBeGreaterThan(20);
  expect(world.mostInAnyPeriod()).toBeLessThanOrEqual(3);
});
