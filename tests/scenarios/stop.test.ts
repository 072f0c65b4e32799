// A stop of the host with messages waiting, in the real order: the listeners stop, what runs is awaited, then the app's
// appTerminate hook; and once without the hook, which is a kill. Short intervals, and a grace of 0.3 s (real: 10 s).
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { applicationMailbox, startRig, submission, until, type Rig } from './rig.ts';

const mailbox = 'stop@kunta.example';
const stopCount = 2;
const waitingCount = 40;

let rig: Rig;
beforeAll(async () => {
  rig = await startRig({
    mailboxes: [applicationMailbox('stop')],
    exchange: { latency: () => 150 },
  });
}, 120_000);
afterAll(() => rig.close(), 60_000);

const arrivedCount = (): number => rig.stack.exchange.log.messages.length;

test('SIGTERM with 40 waiting, again and again: no orphaned connection, no doubt, and the next host sends at once', async () => {
  let expected = 0;
  for (let stop = 0; stop < stopCount; stop += 1) {
    const host = await rig.startHost({ graceMs: 300 });
    for (let index = 0; index < waitingCount; index += 1)
      await rig.esm.submit(submission(`s${String(stop)}-${String(index)}`, mailbox));
    await until('some are sent', () => arrivedCount() >= expected + 12);
    await host.stop();
    const { state } = await rig.outbound.watch(mailbox);
    expect(state).toMatchObject({ activeAttempts: [], orphanedConnections: [] });
    expect(state.lease).toBeUndefined();
    const arrived = arrivedCount();
    const next = await rig.startHost();
    expected += waitingCount;
    if (arrived < expected) await until('the next leaves', () => arrivedCount() > arrived);
    await until('all are sent', () => arrivedCount() === expected);
    await next.stop();
  }
  expect(
    rig.events('outbound.drainEnded').filter(({ reason }) => reason === 'stopped').length,
  ).toBeGreaterThan(0);
  expect(rig.events('outbound.attemptAbandoned')).toEqual([]);
  for (let stop = 0; stop < stopCount; stop += 1)
    for (let index = 0; index < waitingCount; index += 1)
      expect(rig.eventTypes(`s${String(stop)}-${String(index)}`)).not.toContain('inDoubt');
}, 300_000);
