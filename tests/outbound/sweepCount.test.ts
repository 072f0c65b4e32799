// What the sweep says of a backlog, and how often it counts a deep one.
import { expect, test } from '@jest/globals';
import { accountsPartition } from '../../shared/outbound/records/keys.ts';
import { World, type Host } from '../models/world.ts';

const minuteMs = 60_000;

/** Messages that wait and that nobody sends: only the sweep is at work. */
async function waiting(count: number): Promise<{ readonly world: World; readonly host: Host }> {
  const world = new World();
  const host = world.host();
  for (let number = 0; number < count; number += 1) await world.submit(host, `m${number}`);
  return { world, host };
}

async function counted({ world, host }: { readonly world: World; readonly host: Host }): Promise<unknown> {
  await world.run(host.outbound.sweep());
  const row = world.table
    .query(accountsPartition, { from: '!', to: '~', limit: 1 })
    .find(({ key }) => key === world.account);
  const said = world.log.findLast(({ name }) => name === 'outbound.backlog');
  expect(said?.fields['waitingCount']).toBe(row?.fields['waitingCount']);
  return row?.fields['waitingCount'];
}

test('a shallow backlog is counted at every sweep', async () => {
  const some = await waiting(3);
  expect(await counted(some)).toBe(3);
  await some.world.submit(some.host, 'one-more');
  await some.world.pass(minuteMs);
  expect(await counted(some)).toBe(4);
});

test('a deep one is counted anew after five minutes; till then the last count stands', async () => {
  const many = await waiting(1_200);
  expect(await counted(many)).toBe(1_200);
  await many.world.submit(many.host, 'one-more');
  await many.world.pass(minuteMs);
  expect(await counted(many)).toBe(1_200);
  await many.world.pass(5 * minuteMs);
  expect(await counted(many)).toBe(1_201);
});

test('an idle account is read once a minute and written every five minutes', async () => {
  const world = new World();
  const host = world.host();
  await world.submit(host, 'm1');
  await world.minutes(host, 40); // until nothing of it is left to look up or to decay
  host.wire.calls = [];
  await world.minutes(host, 10);
  const calls = host.wire.calls.map(({ kind, partition }) => `${kind} ${partition}`);
  const count = (name: string): number => calls.filter((call) => call === name).length;
  expect(count(`query ${world.account}`)).toBe(10);
  expect(count(`commit ${accountsPartition}`)).toBe(2);
  expect(calls).toHaveLength(10 + 2 + 10); // and the list of accounts each time
});

test('what is suspended is counted again when the state changed, and only then', async () => {
  const world = new World();
  const host = world.host();
  world.server.dialogPlan = () => ({
    rcpt: () => ({ code: 550, enhanced: '5.1.1', text: 'User unknown' }),
  });
  await world.submit(host, 'm1');
  await world.minutes(host, 3);
  const failed = (): unknown =>
    world.table.query(accountsPartition, { from: '!', to: '~', limit: 1 })[0]?.fields['failedCount'];
  expect(failed()).toBe(1);
  await world.submit(host, 'm2');
  await world.minutes(host, 3);
  expect(failed()).toBe(2);
});
