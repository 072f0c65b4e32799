// Found by the bench: while ten thousand submissions were accepted, there was always an event to tell. A drain whose
// time was over waited a minute for that to end, and sent nothing: the account fell from 29 messages a minute to 24.
import { expect, test } from '@jest/globals';
import { MemoryQueues } from '../../models/memoryQueues.ts';
import { World } from '../../models/world.ts';

/** A status queue that takes its time over each event: there is always one left to tell. */
class SlowQueues extends MemoryQueues {
  readonly #sleep: () => Promise<void>;

  constructor(world: World, host: ReturnType<World['host']>, tellMs: number) {
    super(world.queue, host.wire);
    this.#sleep = () => world.clock.sleep(tellMs);
  }

  override async publish(text: string): Promise<void> {
    await this.#sleep();
    await super.publish(text);
  }
}

test('a drain whose time is over leaves pending events to the next one, and sends a wake-up', async () => {
  const world = new World();
  const accepting = world.host();
  for (let count = 0; count < 1_000; count += 1) await world.submit(accepting, `m${count}`);
  const draining = world.host();
  const host = world.host({ queues: new SlowQueues(world, draining, 500) });
  world.queue.wakeUps.length = 0;
  const startedAt = world.clock.now;
  const report = await world.run(host.outbound.drain(world.account, 'invocation'));
  expect(report.ended).toBe('timeOver');
  const overMs = world.clock.now - startedAt - world.numbers.drainBudgetMs;
  // In-flight attempts are finished, and the current event is published.
  expect(overMs).toBeLessThan(10_000);
  expect(world.queue.wakeUps).toEqual([world.account]);
  // Told in order and none twice, by this one and its successors.
  await world.minutes(accepting, 40);
  const ids = world.events.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  for (let count = 0; count < 1_000; count += 1)
    expect(world.history(`m${count}`)).toEqual(['accepted', 'sent']);
});

test('events that are pending when nothing is left to send are not left to the sweep', async () => {
  const world = new World(undefined, { drainBudgetMs: 30_000 });
  const accepting = world.host();
  for (let count = 0; count < 15; count += 1) await world.submit(accepting, `m${count}`);
  const draining = world.host();
  const host = world.host({ queues: new SlowQueues(world, draining, 2_000) });
  world.queue.wakeUps.length = 0;
  await world.run(host.outbound.drain(world.account, 'invocation'));
  expect(world.server.arrivals).toHaveLength(15);
  expect(world.events.length).toBeLessThan(30);
  expect(world.queue.wakeUps).toEqual([world.account]);
});
