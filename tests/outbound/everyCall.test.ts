// One message and a second that is refused for one recipient, and at each single storage call in turn something goes wrong: it is
// refused, its answer is lost, the client repeats it, or the host dies before or after it.
import { describe, expect, test } from '@jest/globals';
import { StorageTrouble } from '../../shared/storageErrors.ts';
import { World } from '../models/world.ts';
import type { Host } from '../models/world.ts';

type Trouble = 'lost' | 'refused' | 'repeated' | 'dies before' | 'dies after';

const busy = { code: 451, enhanced: '4.7.0', text: 'Temporary server error' };

/** Calls from here on; the one numbered `at` meets its trouble. Returns how many there were. */
function injectAt(world: World, host: Host, at: number, trouble: Trouble): () => number {
  let count = 0;
  host.wire.faultPlan = () => {
    count += 1;
    const times = { thereMs: 2, backMs: 2 };
    if (count !== at) return times;
    if (trouble === 'dies before') {
      world.kill(host);
      return times;
    }
    if (trouble === 'dies after') {
      void world.clock.sleep(3).then(() => {
        world.kill(host);
      });
      return times;
    }
    return { ...times, trouble };
  };
  return () => count;
}

/** The whole run with one faulty call; the queue delivers again what was not finished. */
async function runWith(
  at: number,
  trouble: Trouble,
): Promise<{ readonly world: World; readonly calls: number }> {
  const world = new World();
  let refused = false;
  world.server.dialogPlan = ({ bridgeId }) => ({
    rcpt: (address) => {
      const isIt = bridgeId.startsWith('b') && address.startsWith('later') && !refused;
      refused ||= isIt;
      return isIt ? busy : undefined;
    },
  });
  let host = world.host();
  const calls = injectAt(world, host, at, trouble);
  const deliver = async (work: (host: Host) => Promise<unknown>): Promise<void> => {
    for (let delivery = 0; delivery < 5; delivery += 1) {
      const answered = work(host).then(
        () => true,
        (error: unknown) => {
          if (error instanceof StorageTrouble) return false;
          throw error;
        },
      );
      if (await world.run(Promise.race([answered, world.clock.sleep(400_000).then(() => false)]))) return;
      if (host.wire.isDead()) host = world.host();
    }
  };
  await deliver(({ outbound }) => outbound.accept(world.submission('a')));
  await deliver(({ outbound }) =>
    outbound.accept(world.submission('b', { to: ['now@x.example', 'later@x.example'] })),
  );
  for (let minute = 0; minute < 25; minute += 1) {
    for (
      let wakeUps = world.queue.wakeUps.shift();
      wakeUps !== undefined;
      wakeUps = world.queue.wakeUps.shift()
    ) {
      const account = wakeUps;
      await deliver(({ outbound }) => outbound.drain(account, 'invocation'));
    }
    await world.pass(60_000);
    await deliver(({ outbound }) => outbound.sweep());
  }
  return { world, calls: calls() };
}

const lasting = /^(account$|msg\||suspended\|indoubt\|)/;

function expectSound(world: World, at: number): void {
  const arrivals = world.server.arrivals.flatMap(({ recipients }) => recipients);
  for (const [id, addresses] of [
    ['a', ['a@example.org']],
    ['b', ['now@x.example', 'later@x.example']],
  ] as const) {
    const story = world.history(id);
    expect([at, id, world.sequences(id)]).toEqual([at, id, story.map((_, index) => index + 1)]);
    const wasInDoubt = story.includes('inDoubt');
    const reported = (world.about(id).at(-1)?.data['recipients'] ?? []) as readonly {
      readonly address: string;
      readonly outcome: string;
    }[];
    for (const address of addresses) {
      const count = arrivals.filter((other) => other === address).length;
      expect([at, address, count <= 1]).toEqual([at, address, true]);
      if (!wasInDoubt) expect([at, address, count]).toEqual([at, address, 1]);
      const isReportedSent = reported.some((one) => one.address === address && one.outcome === 'sent');
      if (isReportedSent) expect([at, address, count]).toEqual([at, address, 1]);
    }
    expect([at, id, ['sent', 'held'].includes(story.at(-1) ?? '')]).toEqual([at, id, true]);
  }
  const left = world.table.all(world.account).map(({ key }) => key);
  expect([at, left.filter((key) => !lasting.test(key))]).toEqual([at, []]);
}

describe.each<Trouble>(['lost', 'refused', 'repeated'])('%s', (trouble) => {
  test('at each call: sent once, reported in order, no doubt, nothing left behind', async () => {
    const { calls } = await runWith(0, trouble);
    expect(calls).toBeGreaterThan(40);
    for (let at = 1; at <= Math.min(calls, 60); at += 1) {
      const { world } = await runWith(at, trouble);
      expectSound(world, at);
      expect([at, world.history('a'), world.history('b')]).toEqual([
        at,
        ['accepted', 'sent'],
        ['accepted', 'deferred', 'sent'],
      ]);
    }
  });
});

describe.each<Trouble>(['dies before', 'dies after'])('the host %s', (trouble) => {
  test('at each call: at most once at the server, accounted for, nothing left behind', async () => {
    for (let at = 1; at <= 45; at += 1) {
      const { world } = await runWith(at, trouble);
      expectSound(world, at);
    }
  });
});
