// The process is about to end: what a drain does in the seconds that the host allows.
import { expect, test } from '@jest/globals';
import { World } from '../models/world.ts';
import type { Host } from '../models/world.ts';

const stopMs = 4_000;

async function drainThenStop(world: World, host: Host, afterMs: number): Promise<number> {
  for (let index = 0; index < 40; index += 1) await world.submit(host, `m${String(index)}`);
  world.queue.wakeUps.length = 0;
  const draining = host.outbound.drain(world.account, 'invocation');
  await world.pass(afterMs);
  const from = world.clock.now;
  await world.run(host.outbound.stop());
  const tookMs = world.clock.now - from;
  expect(await world.run(draining)).toMatchObject({ ended: 'stopped' });
  expect(world.clock.now - from).toBe(tookMs);
  return tookMs;
}

test('with 40 waiting: attempts with a reply are settled, nothing is left behind, and the next host is woken', async () => {
  const world = new World();
  const host = world.host();
  world.server.dialogPlan = () => ({ latencyMs: 700 });
  expect(await drainThenStop(world, host, 5_000)).toBeLessThan(stopMs);
  const { state } = await world.run(host.outbound.watch(world.account));
  expect(state).toMatchObject({ activeAttempts: [], orphanedConnections: [] });
  expect(state.lease).toBeUndefined();
  expect(world.server.openCount).toBe(0);
  expect(world.queue.wakeUps).toEqual([world.account]);
  const sentCount = world.server.arrivals.length;
  expect(sentCount).toBeGreaterThan(5);
  expect(sentCount).toBeLessThan(30);
  const next = world.host();
  const startedAt = world.clock.now;
  await world.answerWakeUps(next);
  await world.minutes(next, 2);
  expect(world.server.arrivals).toHaveLength(40);
  expect((world.server.arrivals[sentCount]?.at ?? 0) - startedAt).toBeLessThan(5_000);
  for (let index = 0; index < 40; index += 1)
    expect(world.history(`m${String(index)}`)).toEqual(['accepted', 'sent']);
  expect(world.mostInAnyPeriod()).toBeLessThanOrEqual(30);
});

test('dialogs without a reply are cut in time, and end with what is known of them', async () => {
  const world = new World();
  const host = world.host();
  world.server.dialogPlan = () => ({ latencyMs: 60_000 });
  expect(await drainThenStop(world, host, 5_000)).toBeLessThan(stopMs);
  const { state } = await world.run(host.outbound.watch(world.account));
  expect(state.lease).toBeUndefined();
  expect(state).toMatchObject({ activeAttempts: [], orphanedConnections: [] });
  expect(world.server.openCount).toBe(0);
});

test('while it waits for the minute’s limit', async () => {
  const world = new World();
  const host = world.host();
  expect(await drainThenStop(world, host, 45_000)).toBeLessThan(1_000);
  expect(world.server.arrivals).toHaveLength(30);
});

test('a drain that begins after the stop does nothing, and sends the wake-up on', async () => {
  const world = new World();
  const host = world.host();
  await world.submit(host, 'a');
  world.queue.wakeUps.length = 0;
  await world.run(host.outbound.stop());
  expect(await world.run(host.outbound.drain(world.account, 'invocation'))).toEqual({
    ended: 'stopped',
    settledCount: 0,
  });
  expect(world.queue.wakeUps).toEqual([world.account]);
  expect(world.server.arrivals).toEqual([]);
});

test('a store that does not answer does not keep the process', async () => {
  const world = new World();
  const host = world.host();
  for (let index = 0; index < 5; index += 1) await world.submit(host, `m${String(index)}`);
  world.server.dialogPlan = () => ({ latencyMs: 1_500 });
  void host.outbound.drain(world.account, 'invocation').catch(() => undefined);
  await world.pass(1_500);
  host.wire.faultPlan = () => ({ thereMs: 5_000, backMs: 5_000, trouble: 'refused' });
  const from = world.clock.now;
  await world.run(host.outbound.stop());
  expect(world.clock.now - from).toBeLessThanOrEqual(stopMs);
});

test('two hosts killed within minutes: quota, state and an error line say until when nothing is sent', async () => {
  const world = new World();
  world.server.dialogPlan = () => ({ latencyMs: 3_000 });
  for (let death = 0; death < 2; death += 1) {
    const host = world.host();
    for (let index = 0; index < 5; index += 1) await world.submit(host, `m${String(death)}-${String(index)}`);
    void host.outbound.drain(world.account, 'invocation').catch(() => undefined);
    await world.pass(4_000);
    world.kill(host);
    await world.pass(62_000);
  }
  const host = world.host();
  const { blockedUntil = 0, nextAt, clearsAt } = await world.run(host.outbound.forecast(world.account));
  expect(blockedUntil).toBeGreaterThan(world.clock.now + 60_000);
  expect(nextAt).toBeGreaterThanOrEqual(blockedUntil);
  expect(clearsAt).toBeGreaterThan(blockedUntil);
  const sentCount = world.server.arrivals.length;
  await world.minutes(host, 2);
  expect(world.server.arrivals).toHaveLength(sentCount);
  const lines = world.log.filter(({ name }) => name === 'outbound.connectionsOrphaned');
  expect(lines.length).toBeGreaterThan(0);
  expect(lines[0]).toMatchObject({ level: 'error', fields: { account: world.account, until: blockedUntil } });
  const states = world.log.filter(({ name }) => name === 'outbound.backlog');
  expect(states.at(-1)?.fields['orphanedCount']).toBe(3);
  await world.minutes(host, 15);
  expect(world.server.arrivals.length).toBeGreaterThan(sentCount);
  expect(world.server.mostOpenCount).toBeLessThanOrEqual(3);
  expect((await world.run(host.outbound.forecast(world.account))).blockedUntil).toBeUndefined();
});
