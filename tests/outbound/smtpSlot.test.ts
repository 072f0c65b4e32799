import { expect, test } from '@jest/globals';
import { World } from '../models/world.ts';

test('the doctor’s access uses lease and slot, and releases both', async () => {
  const world = new World();
  const host = world.host();
  const slot = await world.run(host.outbound.acquireSmtpSlot(world.account, 'doctor'));
  if (slot.kind !== 'granted') throw new Error(slot.detail);
  expect(slot.budget.remainingMs()).toBeGreaterThan(50_000);
  const during = (await world.run(host.outbound.watch(world.account))).state;
  expect(during.lease?.owner).toBe('doctor');
  expect(during.slots.length).toBe(1);
  expect(await world.run(host.outbound.acquireSmtpSlot(world.account, 'another'))).toMatchObject({
    kind: 'busy',
  });
  await world.submit(host, 'a');
  expect(world.queue.wakeUps).toEqual([]);
  await world.run(slot.release());
  const after = (await world.run(host.outbound.watch(world.account))).state;
  expect(after.lease).toBeUndefined();
  expect(after.slots[0]?.[0]).toBeLessThan((world.clock.now + 65_000) / 1_000);
  await world.answerWakeUps(host);
  expect(world.history('a')).toEqual(['accepted', 'sent']);
});

test('no access while the rate limit is used up', async () => {
  const world = new World();
  const host = world.host();
  for (let count = 0; count < 30; count += 1) await world.submit(host, `m${count}`);
  await world.answerWakeUps(host);
  expect(await world.run(host.outbound.acquireSmtpSlot(world.account, 'doctor'))).toMatchObject({
    kind: 'busy',
  });
  expect((await world.run(host.outbound.watch(world.account))).state.lease).toBeUndefined();
});
