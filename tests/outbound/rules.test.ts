// Rules that no test guarded when they were broken on purpose.
import { expect, test } from '@jest/globals';
import type { Reply } from '../../shared/mail/reply.ts';
import type { Hold } from '../../shared/outbound/records/accountState.ts';
import type { Message } from '../../shared/outbound/records/message.ts';
import { World } from '../models/world.ts';
import type { Host } from '../models/world.ts';

const busy: Reply = { code: 451, enhanced: '4.7.0', text: 'Temporary server error. Please try again later.' };
const mayNot: Reply = {
  code: 550,
  enhanced: '5.7.60',
  text: 'SMTP; Client does not have permissions to send as this sender',
};

const holdsOf = async (world: World, host: Host): Promise<readonly Hold[]> =>
  (await world.run(host.outbound.watch(world.account))).state.holds;

async function messageOf(world: World, host: Host, id: string): Promise<Message> {
  const found = await world.run(host.outbound.message(world.account, id));
  if (found === undefined) throw new Error(`no message ${id}`);
  return found.message;
}

test.each([undefined, 'desk@example.com'])(
  'a person’s pause is not overwritten by an attempt that was in flight and failed (mailbox %s)',
  async (mailbox) => {
    const world = new World();
    const host = world.host();
    world.server.dialogPlan = () => ({ refuse: { phase: 'mail', reply: mayNot } });
    const pausing = world.host();
    await world.submit(host, 'a');
    const drain = host.outbound.drain(world.account, 'invocation');
    const isActive = async (): Promise<boolean> =>
      (await world.run(pausing.outbound.watch(world.account))).state.activeAttempts.length > 0;
    while (!(await isActive())) await world.pass(5);
    const which = mailbox === undefined ? {} : { mailbox };
    await world.run(pausing.outbound.pause({ account: world.account, ...which, by: 'anna' }));
    await world.run(drain);
    expect(world.server.refusals.length).toBe(1);
    expect(await holdsOf(world, host)).toContainEqual(
      expect.objectContaining({ ...which, reason: 'paused' }),
    );
    world.server.dialogPlan = () => ({});
    await world.minutes(host, 180);
    expect(world.server.arrivals).toEqual([]);
  },
);

test('an acceptance resets the count of refusals: three in a day are not three in a row', async () => {
  const world = new World(undefined, { workingConnectionCount: 1 });
  const host = world.host();
  let count = 0;
  world.server.dialogPlan = () => {
    count += 1;
    return count % 2 === 1 ? { refuse: { phase: 'dot', reply: busy } } : {};
  };
  for (let index = 0; index < 8; index += 1) {
    await world.submit(host, `m${index}`);
    await world.answerWakeUps(host);
    expect(await holdsOf(world, host)).toEqual([]);
  }
  expect(world.server.refusals.length).toBeGreaterThanOrEqual(3);
});

test('a deferral is never beyond expiresAt, so that the expiry is reported in time', async () => {
  const world = new World();
  const host = world.host();
  world.server.dialogPlan = () => ({ refuse: { phase: 'dot', reply: busy } });
  const expiresAt = world.clock.now + 45_000;
  await world.submit(host, 'a', { expiresAt: new Date(expiresAt).toISOString() });
  await world.answerWakeUps(host);
  expect((await messageOf(world, host, 'a')).indexEntry).toEqual({ kind: 'due', at: expiresAt });
  await world.minutes(host, 2);
  expect(world.history('a')).toEqual(['accepted', 'deferred', 'expired']);
});

test('the list of recent messages has the one that changed last first', async () => {
  const world = new World();
  const host = world.host();
  for (const id of ['b', 'c', 'a']) {
    await world.submit(host, id);
    await world.pass(60_000);
  }
  const recent = async (limit: number): Promise<readonly string[]> =>
    (await world.run(host.outbound.recent(world.account, limit))).map(({ id }) => id);
  expect(await recent(10)).toEqual(['a', 'c', 'b']);
  await world.run(host.outbound.cancel({ account: world.account, id: 'c', by: 'anna' }));
  expect(await recent(10)).toEqual(['c', 'a', 'b']);
  expect(await recent(2)).toEqual(['c', 'a']);
});

test('the mean time from claim to reply follows the server', async () => {
  const world = new World();
  const host = world.host();
  const meanMs = async (): Promise<number> =>
    (await world.run(host.outbound.watch(world.account))).state.claimToReplyMs ?? 0;
  const send = async (count: number, latencyMs: number, name: string): Promise<void> => {
    world.server.dialogPlan = () => ({ latencyMs });
    for (let index = 0; index < count; index += 1) await world.submit(host, `${name}${index}`);
    await world.answerWakeUps(host);
  };
  await send(5, 1_000, 'quick');
  const quickMs = await meanMs();
  // Measured by the storage service's clock, which is known to a second.
  expect(Math.abs(quickMs - 1_000)).toBeLessThan(1_000);
  await send(10, 20_000, 'slow');
  const slowMs = await meanMs();
  expect(slowMs).toBeGreaterThan(quickMs + 5_000);
  expect(slowMs).toBeLessThan(20_000);
});
