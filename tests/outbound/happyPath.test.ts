import { expect, test } from '@jest/globals';
import { mailbox, World } from '../models/world.ts';

test('one message: accepted, woken, sent, published, and nothing left behind', async () => {
  const world = new World();
  const host = world.host();
  await world.submit(host, 'one');
  expect(world.queue.wakeUps).toEqual(['desk@example.com']);
  const wokenAt = world.clock.now;
  await world.answerWakeUps(host);
  expect(world.server.arrivals.map(({ bridgeId }) => bridgeId)).toEqual(['one.1']);
  expect(world.server.arrivals.every(({ at }) => at - wokenAt < 5_000)).toBe(true);
  expect(world.history('one')).toEqual(['accepted', 'sent']);
  expect(world.table.all(world.account).map(({ key }) => key)).toEqual(['account', 'msg|one']);
  expect(world.server.openCount).toBe(0);
});

test('one message on an idle account costs at most 20 calls, its first ever included', async () => {
  const world = new World();
  const host = world.host();
  await world.submit(host, 'one');
  await world.answerWakeUps(host);
  expect(host.wire.calls.length).toBeLessThanOrEqual(20);
  host.wire.calls = [];
  await world.submit(host, 'two');
  await world.answerWakeUps(host);
  expect(host.wire.calls.length).toBeLessThanOrEqual(18);
});

test('a burst of 65: at most 30 in any minute, and no slower than the law makes it', async () => {
  const world = new World();
  const host = world.host();
  for (let count = 0; count < 65; count += 1) await world.submit(host, `m${count}`);
  await world.answerWakeUps(host);
  expect(world.server.arrivals.length).toBe(65);
  expect(world.mostInAnyPeriod()).toBe(30);
  const first = world.server.arrivals[0]?.at ?? 0;
  expect((world.server.arrivals.at(-1)?.at ?? 0) - first).toBeLessThan(132_000);
  expect(world.server.mostOpenCount).toBe(2);
});

/** Submits messages while another is in flight, and counts every call of ours until all events are published. */
async function callsPerSubmission(backlog: number): Promise<number> {
  const limits = { messagesPerMinute: 1_000_000, recipientsPerDay: 1_000_000, connections: 3 };
  const world = new World([mailbox('desk@example.com', { limits })]);
  const host = world.host();
  await world.submit(host, 'first');
  const draining = host.outbound.drain(world.account, 'invocation');
  await world.pass(1_000);
  host.wire.calls = [];
  for (let count = 0; count < backlog; count += 1) await world.submit(host, `m${count}`);
  await world.run(draining);
  await world.answerWakeUps(host);
  expect(world.server.arrivals.length).toBe(backlog + 1);
  expect(world.queue.events.length).toBe(2 * backlog + 2);
  return host.wire.calls.length / backlog;
}

test('under a backlog each submission costs at most 8 calls, the same for 100 as for 1,000', async () => {
  const [few, many] = [await callsPerSubmission(100), await callsPerSubmission(1_000)];
  expect(few).toBeLessThanOrEqual(8);
  expect(many).toBeLessThanOrEqual(8);
  expect(Math.abs(many - few) / few).toBeLessThan(0.1);
});
