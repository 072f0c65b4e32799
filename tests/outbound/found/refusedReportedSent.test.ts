// Found by the simulation (33 recipients in 100,000 submissions): the server refused some recipients at RCPT and took
// the message for the others, and the process died before it could settle. The copy in Sent Items proved the message,
// and those who had been refused were reported as sent with the rest.
import { describe, expect, test } from '@jest/globals';
import { plain } from '../../models/memoryRows.ts';
import type { Call } from '../../models/memoryRows.ts';
import { World } from '../../models/world.ts';
import type { Host } from '../../models/world.ts';

const to = ['kim@example.org', 'gone@example.org', 'full@example.org'];
const gone = { code: 550, enhanced: '5.1.1', text: 'User unknown' };
const full = { code: 452, enhanced: '4.2.2', text: 'Mailbox full' };

/** Its first attempt is refused for one recipient for good and for another for now. */
function refusing(): World {
  const world = new World();
  world.server.dialogPlan = ({ bridgeId }) => ({
    latencyMs: 6_000,
    rcpt: (address) =>
      address === 'gone@example.org'
        ? gone
        : address === 'full@example.org' && bridgeId === 'a.1'
          ? full
          : undefined,
  });
  return world;
}

/** The drain goes on until `until` holds. */
async function drainUntil(world: World, host: Host, until: () => boolean): Promise<void> {
  void host.outbound.drain(world.account, 'invocation');
  for (let step = 0; step < 300 && !until(); step += 1) await world.pass(100);
  expect(until()).toBe(true);
}

const outcomes = (world: World, at: number): unknown =>
  (
    world.about('a').at(at)?.data['recipients'] as { readonly address: string; readonly outcome: string }[]
  ).map(({ address, outcome }) => `${address.split('@')[0]} ${outcome}`);

describe('refused at RCPT, the message taken for the others', () => {
  test('the process dies after the final dot: each has its own outcome, and only the deferred one is tried again', async () => {
    const world = refusing();
    const dying = world.host();
    await world.submit(dying, 'a', { to });
    await drainUntil(world, dying, () => world.server.arrivals.length === 1);
    world.kill(dying);
    await world.minutes(world.host(), 30);
    expect(world.history('a')).toEqual(['accepted', 'inDoubt', 'deferred', 'sent']);
    expect(outcomes(world, 1)).toEqual(['kim inDoubt', 'gone failed', 'full deferred']);
    expect(outcomes(world, 2)).toEqual(['kim sent', 'gone failed', 'full deferred']);
    expect(outcomes(world, 3)).toEqual(['kim sent', 'gone failed', 'full sent']);
    expect(world.server.arrivals.map(({ recipients }) => recipients)).toEqual([
      ['kim@example.org'],
      ['full@example.org'],
    ]);
  });

  test('a reply to RCPT that is about the sender: that recipient waits, unblamed, and is not reported as sent', async () => {
    const world = refusing();
    const quota = {
      code: 554,
      enhanced: '5.2.0',
      text: 'STOREDRV.Submission.Exception:SubmissionQuotaExceededException; the submission quota was exceeded.',
    };
    world.server.dialogPlan = ({ bridgeId }) => ({
      latencyMs: 6_000,
      rcpt: (address) => (address === 'full@example.org' && bridgeId === 'a.1' ? quota : undefined),
    });
    const dying = world.host();
    await world.submit(dying, 'a', { to });
    await drainUntil(world, dying, () => world.server.arrivals.length === 1);
    world.kill(dying);
    await world.minutes(world.host(), 30);
    expect(world.history('a')).toEqual(['accepted', 'inDoubt', 'deferred', 'sent']);
    expect(outcomes(world, 2)).toEqual(['kim sent', 'gone sent', 'full pending']);
    expect(world.server.arrivals.map(({ recipients }) => recipients)).toEqual([
      ['kim@example.org', 'gone@example.org'],
      ['full@example.org'],
    ]);
  });

  test('the store does not take it: nothing of the content is given, and the message is deferred', async () => {
    const world = refusing();
    const host = world.host();
    await world.submit(host, 'a', { to });
    host.wire.faultPlan = (call) => ({ ...plain(call), ...(isNote(call) ? { trouble: 'refused' } : {}) });
    await world.answerWakeUps(host);
    expect(world.history('a')).toEqual(['accepted', 'deferred']);
    expect(outcomes(world, 1)).toEqual(['kim deferred', 'gone failed', 'full deferred']);
    expect(world.server.arrivals).toEqual([]);
    host.wire.faultPlan = plain;
    await world.minutes(host, 5);
    expect(world.history('a')).toEqual(['accepted', 'deferred', 'sent']);
    expect(world.server.arrivals.map(({ bridgeId, recipients }) => [bridgeId, recipients])).toEqual([
      ['a.2', ['kim@example.org', 'full@example.org']],
    ]);
  });

  test('another has put the attempt in doubt: recording is refused, and nothing of the content is given', async () => {
    const world = refusing();
    const late = world.host();
    await world.submit(late, 'a', { to });
    late.wire.faultPlan = (call) => ({ ...plain(call), ...(isNote(call) ? { thereMs: 6 * 60_000 } : {}) });
    void late.outbound.drain(world.account, 'invocation');
    await world.pass(10_000);
    await world.minutes(world.host(), 5);
    expect(world.history('a')).toEqual(['accepted', 'inDoubt']);
    await world.minutes(world.host(), 15);
    expect(world.history('a')).toEqual(['accepted', 'inDoubt', 'deferred', 'sent']);
    expect(world.server.arrivals.map(({ bridgeId, recipients }) => [bridgeId, recipients])).toEqual([
      ['a.2', ['kim@example.org', 'full@example.org']],
    ]);
    expect(outcomes(world, 3)).toEqual(['kim sent', 'gone failed', 'full sent']);
  });

  test('its copy never appears, and a person marks it as sent: that concerns those in doubt only', async () => {
    const world = refusing();
    const { dialogPlan } = world.server;
    world.server.dialogPlan = (occasion) => ({ ...dialogPlan(occasion), copyAfterMs: 'never' });
    const dying = world.host();
    await world.submit(dying, 'a', { to });
    await drainUntil(world, dying, () => world.server.arrivals.length === 1);
    world.kill(dying);
    const host = world.host();
    await world.minutes(host, 40);
    expect(outcomes(world, -1)).toEqual(['kim inDoubt', 'gone failed', 'full deferred']);
    await world.run(host.outbound.markSent({ account: world.account, id: 'a', by: 'anna' }));
    await world.minutes(host, 2);
    expect(world.history('a')).toEqual(['accepted', 'inDoubt', 'held', 'deferred', 'sent']);
    expect(outcomes(world, -1)).toEqual(['kim sent', 'gone failed', 'full sent']);
    expect(world.server.arrivals.map(({ recipients }) => recipients)).toEqual([
      ['kim@example.org'],
      ['full@example.org'],
    ]);
  });

  test('it costs one transaction, and none where nobody is refused', async () => {
    const notes = async (world: World): Promise<number> => {
      const host = world.host();
      let count = 0;
      host.wire.faultPlan = (call) => {
        count += Number(isNote(call));
        return plain(call);
      };
      await world.submit(host, 'a', { to });
      await world.answerWakeUps(host);
      expect(world.server.arrivals).toHaveLength(1);
      return count;
    };
    expect(await notes(refusing())).toBe(1);
    expect(await notes(new World())).toBe(0);
  });
});

/** Box and message, and no event: nothing else is written like that while a message is sent. */
function isNote({ kind, operations }: Call): boolean {
  const keys = operations.map(({ key }) => key);
  return kind === 'commit' && keys.includes('msg|a') && !keys.some((key) => key.startsWith('event|a|'));
}
