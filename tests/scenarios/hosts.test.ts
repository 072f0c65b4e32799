// Several hosts on one storage, and hosts that come back with other settings: what is safe rests on the rows, not
// on who works.
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import type { HostProcess } from '../../local/functionsHost/hostProcess.ts';
import { applicationMailbox, scenarioNumbers, startRig, submission, until, type Rig } from './rig.ts';

const box = (name: string): string => `${name}@kunta.example`;
const limit = 10;
const mailboxes = ['crowd', 'other', 'leaves', 'again'].map((name) =>
  applicationMailbox(name, { limits: { messagesPerMinute: limit } }),
);
const without = (name: string): Readonly<Record<string, string>> => ({
  MAILBOXES: JSON.stringify(mailboxes.filter(({ address }) => address !== box(name))),
});

let rig: Rig;
let running: HostProcess[] = [];

beforeAll(async () => {
  rig = await startRig({
    mailboxes,
    exchange: { limits: { messagesPerPeriod: limit }, latency: (step) => (step === 'dot' ? 100 : 0) },
  });
}, 120_000);
afterEach(async () => {
  await Promise.all(running.splice(0).map((host) => host.stop()));
});
afterAll(() => rig.close(), 60_000);

async function start(settings: Readonly<Record<string, string>> = {}): Promise<HostProcess> {
  const host = await rig.startHost({ settings });
  running = [...running, host];
  return host;
}

const put = (id: string, mailbox: string): Promise<void> => rig.esm.submit(submission(id, box(mailbox)));
const told = (id: string, type: string): Promise<void> =>
  until(
    `${id} is told as ${type}`,
    () => rig.told(id).includes(type),
    () => rig.told(id),
  );

test('three hosts at once: within the limit of every account, three connections at most, nothing twice', async () => {
  const hosts = await Promise.all([start(), start(), start()]);
  const ids = ['crowd', 'other'].flatMap((name) =>
    Array.from({ length: 25 }, (_, index) => `${name}-${String(index)}`),
  );
  for (const id of ids) await put(id, id.split('-')[0] ?? '');
  // Each host is told at once to work on each account, whoever has the bell.
  const workings = hosts.flatMap((host) =>
    ['crowd', 'other'].map((name) => host.run('sendMail', JSON.stringify({ account: box(name) }))),
  );
  expect(await Promise.all(workings)).toEqual(workings.map(() => true));
  for (const id of ids) await told(id, 'sent');
  const { exchange } = rig.stack;
  expect(ids.filter((id) => exchange.log.messagesOf(id).length !== 1)).toEqual([]);
  expect(ids.map((id) => rig.told(id)).filter(([, ...after]) => after.join() !== 'sent')).toEqual([]);
  const { violations, accounts } = exchange.figures();
  expect(violations).toEqual([]);
  for (const name of ['crowd', 'other']) {
    expect(accounts[box(name)]?.mostMessages).toBeLessThanOrEqual(limit);
    // It bit, or this would show nothing.
    expect(rig.events('outbound.waits').some(({ account }) => account === box(name))).toBe(true);
    expect(accounts[box(name)]?.mostConnections).toBeLessThanOrEqual(3);
  }
}, 150_000);

test('a mailbox removed from the settings with a message waiting: held with the reason; back again, sent', async () => {
  // Put where nobody is at work yet, and accepted by a host that still knows the mailbox.
  await start();
  await rig.esm.submit(
    submission('leaves-1', box('leaves'), { sendAt: new Date(Date.now() + 6_000).toISOString() }),
  );
  await told('leaves-1', 'accepted');
  await Promise.all(running.splice(0).map((host) => host.stop()));

  await start(without('leaves'));
  await told('leaves-1', 'held');
  expect(rig.last('leaves-1')?.data).toMatchObject({ reason: 'removed' });
  expect(String(rig.last('leaves-1')?.data['remedy'])).toContain('MAILBOXES');
  expect(rig.stack.exchange.log.messagesOf('leaves-1')).toEqual([]);
  // What comes for it now is refused in words.
  await put('leaves-2', 'leaves');
  await until('the next is rejected', () =>
    rig.esm.rejections.some(({ data }) => data['submission'] === 'leaves-2'),
  );
  await Promise.all(running.splice(0).map((host) => host.stop()));

  await start();
  await told('leaves-1', 'sent');
  expect(rig.told('leaves-1')).toEqual(['accepted', 'held', 'sent']);
  expect(rig.stack.exchange.log.messagesOf('leaves-1')).toHaveLength(1);
}, 150_000);

test('in doubt with the policy `resend`: not found twice, sent again as another attempt', async () => {
  rig.stack.exchange.misbehave({
    protocol: 'smtp',
    at: 'dot',
    account: box('again'),
    times: 1,
    does: { kind: 'cut' },
  });
  await start({ IN_DOUBT: 'resend' });
  const from = performance.now();
  await put('again-1', 'again');
  await told('again-1', 'sent');
  expect(rig.told('again-1')).toEqual(['accepted', 'inDoubt', 'deferred', 'sent']);
  expect(rig.stack.exchange.log.messagesOf('again-1').map(({ bridgeId }) => bridgeId)).toEqual(['again-1.2']);
  // Not before the server must have given up what it had, and a settle time between the looks.
  const { attemptMs, graceMs, doubtSettleMs } = scenarioNumbers;
  expect(performance.now() - from).toBeGreaterThan(attemptMs + graceMs + doubtSettleMs);
}, 150_000);
