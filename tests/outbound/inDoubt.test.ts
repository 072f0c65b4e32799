// In doubt: what a crash, a cut and a late answer leave behind, and how it is settled.
import { describe, expect, test } from '@jest/globals';
import type { DialogPlan } from '../models/modelRelay.ts';
import { World } from '../models/world.ts';
import type { Host } from '../models/world.ts';
import type { OutboundNumbers } from '../../shared/outbound/numbers.ts';

/** One message whose first attempt goes as planned, later ones plainly; time passes until the first has ended. */
async function inDoubt(
  first: DialogPlan,
  numbers: Partial<OutboundNumbers> = {},
): Promise<{ world: World; host: Host }> {
  const world = new World(undefined, numbers);
  const host = world.host();
  world.server.dialogPlan = ({ bridgeId }) => (bridgeId === 'a.1' ? first : {});
  await world.submit(host, 'a');
  await world.answerWakeUps(host);
  expect(world.history('a')).toEqual(['accepted', 'inDoubt']);
  return { world, host };
}

describe('the lookup in Sent Items', () => {
  test('found: sent, with the copy’s Message-ID; not before deadline + grace', async () => {
    const { world, host } = await inDoubt({ cut: 'afterDotAccepted' });
    const doubtedAt = world.clock.now;
    await world.minutes(host, 20);
    expect(world.history('a')).toEqual(['accepted', 'inDoubt', 'sent']);
    expect(world.about('a').at(-1)?.data['serverMessageId']).toBe('<copy-a.1@server>');
    expect(world.server.arrivals.length).toBe(1);
    expect(world.sentItems.looks[0]?.at).toBeGreaterThan(doubtedAt + 13 * 60_000);
  });

  test('a copy that comes late is found by the second lookup', async () => {
    const { world, host } = await inDoubt({ cut: 'afterDotAccepted', copyAfterMs: 17 * 60_000 });
    await world.minutes(host, 30);
    expect(world.history('a')).toEqual(['accepted', 'inDoubt', 'sent']);
    expect(world.sentItems.looks.length).toBe(2);
  });

  test('never: held for a person, who sends it again or marks it as sent', async () => {
    for (const act of ['replay', 'markSent'] as const) {
      const { world, host } = await inDoubt({ cut: 'afterDotLost' });
      await world.minutes(host, 30);
      expect(world.history('a')).toEqual(['accepted', 'inDoubt', 'held']);
      const [held] = await world.run(host.outbound.forPerson(world.account, 'unresolved', 10));
      expect(held).toMatchObject({ id: 'a', state: 'held', reason: 'notFound' });
      await world.run(host.outbound[act]({ account: world.account, id: 'a', by: 'anna' }));
      await world.answerWakeUps(host);
      expect(world.history('a').at(-1)).toBe('sent');
      expect(world.server.arrivals.map(({ bridgeId }) => bridgeId)).toEqual(act === 'replay' ? ['a.2'] : []);
    }
  });

  test('never: marked as not sent by a person, it is a dead letter that can be sent again', async () => {
    const { world, host } = await inDoubt({ cut: 'afterDotLost' });
    await world.minutes(host, 30);
    const which = { account: world.account, id: 'a', by: 'anna' };
    expect(await world.run(host.outbound.markNotSent(which))).toEqual({ kind: 'done' });
    const [dead] = await world.run(host.outbound.forPerson(world.account, 'failed', 10));
    expect(dead).toMatchObject({ id: 'a', reason: 'markedNotSent', detail: 'Marked as not sent by anna.' });
    expect(await world.run(host.outbound.markNotSent(which))).toMatchObject({ kind: 'refused' });
    await world.run(host.outbound.replay(which));
    await world.answerWakeUps(host);
    expect(world.history('a')).toEqual(['accepted', 'inDoubt', 'held', 'failed', 'deferred', 'sent']);
    expect(world.server.arrivals.map(({ bridgeId }) => bridgeId)).toEqual(['a.2']);
  });

  test('what waits for a hold is not in doubt, and can’t be marked as not sent', async () => {
    const world = new World();
    const host = world.host();
    await world.run(host.outbound.pause({ account: world.account, by: 'anna' }));
    await world.submit(host, 'a');
    await world.minutes(host, 2);
    const answer = await world.run(
      host.outbound.markNotSent({ account: world.account, id: 'a', by: 'anna' }),
    );
    expect(answer.kind).toBe('refused');
  });

  test('never, policy resend: sent again, and flagged', async () => {
    const { world, host } = await inDoubt({ cut: 'afterDotLost' }, { inDoubtPolicy: 'resend' });
    await world.minutes(host, 30);
    expect(world.history('a')).toEqual(['accepted', 'inDoubt', 'deferred', 'sent']);
    expect(world.about('a')[2]?.data['reason']).toBe('notFound');
  });

  test('the copy of attempt 1 proves nothing about attempt 2', async () => {
    const { world, host } = await inDoubt(
      { cut: 'afterDotAccepted', copyAfterMs: 40 * 60_000 },
      { inDoubtPolicy: 'resend' },
    );
    world.server.dialogPlan = () => ({ cut: 'afterDotLost' });
    await world.minutes(host, 90);
    // Attempt 1's copy is there by now; attempt 2 was lost, looked up by its own id and not found.
    const wanted = world.sentItems.looks.flatMap((look) => look.wanted.map(({ bridgeId }) => bridgeId));
    expect(wanted.some((bridgeId) => bridgeId.startsWith('a.2'))).toBe(true);
    expect(world.server.arrivals.map(({ bridgeId }) => bridgeId)).toEqual(['a.1']);
    expect(world.history('a').filter((type) => type === 'sent')).toEqual([]);
  });

  test('a lookup that failed counts as none', async () => {
    const { world, host } = await inDoubt({ cut: 'afterDotLost' });
    world.sentItems.trouble = 'IMAP is down';
    await world.minutes(host, 60);
    expect(world.history('a')).toEqual(['accepted', 'inDoubt']);
    expect(await world.state(host, 'a')).toBe('inDoubt');
    world.sentItems.trouble = undefined;
    await world.minutes(host, 20);
    expect(world.sentItems.looks.length).toBe(2);
    expect(world.history('a')).toEqual(['accepted', 'inDoubt', 'held']);
  });
});

describe('a host dies', () => {
  test.each([
    ['before its claim is written: sent by the next drain', 0, ['accepted', 'sent'], 1],
    ['after its claim, before anything was sent: in doubt, then held', 3, ['accepted', 'inDoubt', 'held'], 0],
  ] as const)('%s', async (_name, diesAfterMs, history, arrivals) => {
    const world = new World();
    const host = world.host();
    await world.submit(host, 'a');
    host.wire.faultPlan = (call) => {
      const isClaim = call.operations.some(
        (operation) =>
          operation.key === 'account' &&
          operation.kind !== 'delete' &&
          String(operation.fields['activeAttempts']).includes('"id":"a"'),
      );
      if (isClaim && diesAfterMs === 0) world.kill(host);
      if (isClaim && diesAfterMs > 0)
        void world.clock.sleep(diesAfterMs).then(() => {
          world.kill(host);
        });
      return { thereMs: 2, backMs: 2 };
    };
    void host.outbound.drain(world.account, 'doomed');
    await world.pass(30_000);
    expect(host.wire.isDead()).toBe(true);
    await world.minutes(world.host(), 40);
    expect(world.history('a')).toEqual(history);
    expect(world.server.arrivals.length).toBe(arrivals);
  });

  test('between the server’s acceptance and the settling: found in Sent Items, once at the server', async () => {
    const world = new World();
    const host = world.host();
    await world.submit(host, 'a');
    void host.outbound.drain(world.account, 'doomed');
    while (world.server.arrivals.length === 0) await world.pass(10);
    world.kill(host);
    const next = world.host();
    await world.minutes(next, 2);
    expect(world.history('a')).toEqual(['accepted']);
    expect(await world.state(next, 'a')).toBe('waiting');
    await world.minutes(next, 30);
    expect(world.history('a')).toEqual(['accepted', 'inDoubt', 'sent']);
    expect(world.server.arrivals.length).toBe(1);
  });

  test('recovery: what was not claimed leaves within lease and sweep', async () => {
    const world = new World();
    const host = world.host();
    for (let count = 0; count < 5; count += 1) await world.submit(host, `m${count}`);
    void host.outbound.drain(world.account, 'doomed');
    await world.pass(1_000);
    world.kill(host);
    const diedAt = world.clock.now;
    const next = world.host();
    await world.minutes(next, 4);
    const others = world.server.arrivals.filter(({ at }) => at > diedAt + 5_000);
    expect(others.length).toBe(3);
    expect(Math.max(...others.map(({ at }) => at)) - diedAt).toBeLessThan(135_000);
  });

  test('its connections count until the server must have dropped them', async () => {
    const world = new World();
    const host = world.host();
    for (let count = 0; count < 40; count += 1) await world.submit(host, `m${count}`);
    void host.outbound.drain(world.account, 'doomed');
    await world.pass(5_000);
    expect(world.server.openCount).toBe(2);
    world.kill(host, 5 * 60_000);
    const next = world.host();
    await world.minutes(next, 8);
    expect(world.server.mostOpenCount).toBe(3);
    expect(world.server.arrivals.length).toBeGreaterThanOrEqual(38);
  });
});

describe('an owner that stood still', () => {
  /** The owner's answers stop for so long right after the server accepted; another takes over meanwhile. */
  async function standStill(ms: number): Promise<World> {
    const world = new World();
    const host = world.host();
    await world.submit(host, 'a');
    const stopped = { until: 0 };
    host.wire.faultPlan = () => ({ thereMs: Math.max(2, stopped.until - world.clock.now), backMs: 2 });
    const draining = host.outbound.drain(world.account, 'slow');
    while (world.server.arrivals.length === 0) await world.pass(10);
    stopped.until = world.clock.now + ms;
    const next = world.host();
    await world.minutes(next, Math.ceil(ms / 60_000) + 1);
    await world.run(draining);
    await world.minutes(next, 40);
    return world;
  }

  test('for two minutes: it settles what it sent; it was never in doubt', async () => {
    const world = await standStill(120_000);
    expect(world.history('a')).toEqual(['accepted', 'sent']);
    expect(world.server.arrivals.length).toBe(1);
  });

  test('for seven minutes: put in doubt by another owner, and corrected by its own 250', async () => {
    const world = await standStill(7 * 60_000);
    expect(world.history('a')).toEqual(['accepted', 'inDoubt', 'sent']);
    expect(world.sentItems.looks).toEqual([]);
    expect(world.server.arrivals.length).toBe(1);
  });
});

test('a server that never answers is cut at the deadline, and the slot stays taken for what it may still do', async () => {
  const world = new World();
  const host = world.host();
  world.server.dialogPlan = () => ({ acceptsAfterMs: 9 * 60_000 });
  await world.submit(host, 'a');
  await world.answerWakeUps(host);
  const { state } = await world.run(host.outbound.watch(world.account));
  const [slot] = state.slots;
  expect((slot?.[0] ?? 0) * 1_000).toBeGreaterThan(world.clock.now + 10 * 60_000);
  await world.minutes(host, 20);
  expect(world.history('a')).toEqual(['accepted', 'inDoubt', 'sent']);
});
