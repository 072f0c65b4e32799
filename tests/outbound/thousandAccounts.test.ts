// A thousand accounts on one host, in virtual time.
import { expect, test } from '@jest/globals';
import { World, mailbox } from '../models/world.ts';

const minuteMs = 60_000;
const callMs = 15;
const names = Array.from({ length: 1_000 }, (_, at) => `desk${at}@example.com`);

test('a message of each of a thousand accounts leaves within two minutes, and idle accounts are swept within one', async () => {
  const world = new World(names.map((name) => mailbox(name)));
  const host = world.host();
  host.wire.faultPlan = () => ({ thereMs: callMs / 2, backMs: callMs / 2 });
  await world.run(
    Promise.all(names.map((name, at) => host.outbound.accept(world.submission(`m${at}`, { mailbox: name })))),
  );
  const wakeUps = world.queue.wakeUps.splice(0);
  expect(new Set(wakeUps).size).toBe(1_000);
  const startedAt = world.clock.now;
  await world.run(Promise.all(wakeUps.map((account) => host.outbound.drain(account, 'invocation'))));
  expect(world.server.arrivals).toHaveLength(1_000);
  expect(world.clock.now - startedAt).toBeLessThan(2 * minuteMs);
  await world.pass(30 * minuteMs);
  await world.run(host.outbound.sweep());
  host.wire.calls = [];
  const sweepAt = world.clock.now;
  await world.run(host.outbound.sweep());
  expect(world.clock.now - sweepAt).toBeLessThan(minuteMs);
  expect(host.wire.calls.filter(({ partition }) => partition !== 'accounts')).toHaveLength(1_000);
}, 300_000);
