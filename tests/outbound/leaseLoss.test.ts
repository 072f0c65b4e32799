// What a drain does when it loses its lease, and when something unexpected goes wrong.
import { expect, test } from '@jest/globals';
import { messageKey } from '../../shared/outbound/records/keys.ts';
import { World } from '../models/world.ts';

test('a drain that pauses for longer than its lease logs that it lost it', async () => {
  const world = new World();
  const first = world.host();
  for (const id of ['a', 'b', 'c']) await world.submit(first, id);
  world.server.dialogPlan = ({ bridgeId }) => (bridgeId.startsWith('a') ? { latencyMs: 120_000 } : {});
  // Its transactions are refused while another takes the account over.
  let isCut = false;
  first.wire.faultPlan = ({ kind }) => ({
    thereMs: 2,
    backMs: 2,
    ...(isCut && kind === 'commit' ? { trouble: 'refused' as const } : {}),
  });
  const drain = first.outbound.drain(world.account, 'first');
  await world.pass(1_000);
  isCut = true;
  await world.pass(70_000);
  await world.run(world.host().outbound.drain(world.account, 'second'));
  isCut = false;
  await world.run(drain);
  const lost = world.log.filter(({ name }) => name === 'outbound.leaseLost');
  expect(lost.map(({ fields }) => fields['owner'])).toEqual(['first']);
});

test('a row that can’t be read neither fails the drain nor cuts a dialog', async () => {
  const world = new World();
  const host = world.host();
  world.server.dialogPlan = ({ bridgeId }) => (bridgeId.startsWith('slow') ? { latencyMs: 60_000 } : {});
  for (const id of ['slow', 'b']) await world.submit(host, id);
  world.table.commit(world.account, [{ kind: 'merge', key: messageKey('b'), fields: { version: 99 } }]);
  await world.run(host.outbound.drain(world.account, 'one'));
  expect(world.server.arrivals.map(({ bridgeId }) => bridgeId.split('.')[0])).toEqual(['slow']);
  expect(world.history('slow')).not.toContain('inDoubt');
  expect(await world.state(host, 'slow')).toBe('sent');
});
