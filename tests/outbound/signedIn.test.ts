import { expect, test } from '@jest/globals';
import type { ConnectResult } from '../../shared/outbound/ports.ts';
import { World } from '../models/world.ts';

const unsigned = {
  connect: (): Promise<ConnectResult> =>
    Promise.resolve({
      kind: 'failed',
      failure: { phase: 'token', token: 'needsConsent', detail: 'The sessions were revoked.' },
    }),
};

async function held(): Promise<World> {
  const world = new World();
  const without = world.host({ relay: unsigned });
  await world.submit(without, 'a');
  await world.answerWakeUps(without);
  expect((await world.run(without.outbound.watch(world.account))).state.holds).toMatchObject([
    { reason: 'consent' },
  ]);
  return world;
}

test('after a sign-in the hold is tried at once, and ends', async () => {
  const world = await held();
  const host = world.host();
  // Without it the first try comes a quarter of an hour later.
  await world.minutes(host, 2);
  expect(world.history('a')).not.toContain('sent');
  await world.run(host.outbound.signedIn(world.account));
  await world.answerWakeUps(host);
  expect(world.history('a').at(-1)).toBe('sent');
  expect((await world.run(host.outbound.watch(world.account))).state.holds).toEqual([]);
});

test('a sign-in that helps nothing ends nothing', async () => {
  const world = await held();
  const without = world.host({ relay: unsigned });
  await world.run(without.outbound.signedIn(world.account));
  await world.answerWakeUps(without);
  expect(world.history('a')).not.toContain('sent');
  expect((await world.run(without.outbound.watch(world.account))).state.holds).toMatchObject([
    { reason: 'consent' },
  ]);
});

test('what a person paused stays paused, and no wake-up is sent if nothing is on hold', async () => {
  const world = new World();
  const host = world.host();
  await world.run(host.outbound.pause({ account: world.account, by: 'a person' }));
  await world.answerWakeUps(host);
  world.queue.wakeUps.length = 0;
  await world.run(host.outbound.signedIn(world.account));
  expect(world.queue.wakeUps).toEqual([]);
  expect((await world.run(host.outbound.watch(world.account))).state.holds).toMatchObject([
    { reason: 'paused' },
  ]);
});
