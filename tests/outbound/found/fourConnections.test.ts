// Found by the simulation (world 3101376431): two owners in a row stood still longer than their leases, within the
// time in which the server still counts their connections, and the third opened a fourth one.
import { expect, test } from '@jest/globals';
import { World } from '../../models/world.ts';

test('two owners die within minutes and their connections stay: the next one opens no fourth', async () => {
  const world = new World();
  const living = world.host();
  for (let count = 0; count < 60; count += 1) await world.submit(living, `m${count}`);
  const start = async (): Promise<ReturnType<World['host']>> => {
    const host = world.host();
    void host.outbound.drain(world.account, 'invocation');
    await world.pass(5_000);
    return host;
  };
  const first = await start();
  expect(world.server.openCount).toBe(2);
  world.kill(first, 6 * 60_000);
  await world.pass(70_000);
  const second = await start();
  expect(world.server.openCount).toBe(3);
  world.kill(second, 6 * 60_000);
  await world.pass(70_000);
  await start();
  expect(world.server.openCount).toBe(3);
  await world.minutes(living, 20);
  expect(world.server.mostOpenCount).toBe(3);
  const ids = new Set(world.server.arrivals.map(({ bridgeId }) => bridgeId.split('.')[0]));
  // Those in flight at the two deaths are looked up, and not sent again.
  expect(ids.size).toBeGreaterThanOrEqual(57);
});
