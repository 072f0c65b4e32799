// Several hosts on one storage, and hosts that come back with other settings: what is safe rests on the rows, not
// on who works.
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import type { HostProcess } from '../../local/functionsHost/hostProcess.ts';
import { applicationMailbox, scenarioNumbers, startRig, submission, until, type Rig } from './rig.ts';

const addressOf = (name: string): string => `${name}@kunta.example`;
const limit = 10;
const mailboxes = ['crowd', 'other', 'leaves', 'again'].map((name) =>
  applicationMailbox(name, { limits: { messagesPerMinute: limit } }),
);
const without = (name: string): Readonly<Record<string, string>> => ({
  MAILBOXES: JSON.stringify(mailboxes.filter(({ address }) => address !== addressOf(name))),
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

const put = (id: string, mailbox: string): Promise<void> =>
  rig.esm.submit(submission(id, addressOf(mailbox)));
const eventTypes = (id: string, type: string): Promise<void> =>
  until(
    `${id} is reported as ${type}`,
    () => rig.eventTypes(id).includes(type),
    () => rig.eventTypes(id),
  );

test('three hosts at once: within the limit of every account, three connections at most, nothing twice', async () => {
  const hosts = await Promise.all([start(), start(), start()]);
  const ids = ['crowd', 'other'].flatMap((name) =>
    Array.from({ length: 25 }, (_, index) => `${name}-${String(index)}`),
  );
  for (const id of ids) await put(id, id.split('-')[0] ?? '');
  // Both hosts are started on each account at once, without waiting for a wake-up.
  const workings = hosts.flatMap((host) =>
    ['crowd', 'other'].map((name) => host.run('sendMail', JSON.stringify({ account: addressOf(name) }))),
  );
  expect(await Promise.all(workings)).toEqual(workings.map(() => true));
  for (const id of ids) await eventTypes(id, 'sent');
  const { exchange } = rig.stack;
  expect(ids.filter((id) => exchange.log.messagesOf(id).length !== 1)).toEqual([]);
  expect(ids.map((id) => rig.eventTypes(id)).filter(([, ...after]) => after.join() !== 'sent')).toEqual([]);
  const { violations, accounts } = exchange.figures();
  expect(violations).toEqual([]);
  for (const name of ['crowd', 'other']) {
    expect(accounts[addressOf(name)]?.mostMessages).toBeLessThanOrEqual(limit);
    // It bit, or this would show nothing.
    expect(rig.events('outbound.rateLimited').some(({ account }) => account === addressOf(name))).toBe(true);
    expect(accounts[addressOf(name)]?.mostConnections).toBeLessThanOrEqual(3);
  }
}, 150_000);

test('a mailbox removed from the settings with a message waiting: held with the reason; back again, sent', async () => {
  // Submitted before a drain runs, and accepted by a host that still has the mailbox.
  await start();
  await rig.esm.submit(
    submission('leaves-1', addressOf('leaves'), { sendAt: new Date(Date.now() + 6_000).toISOString() }),
  );
  await eventTypes('leaves-1', 'accepted');
  await Promise.all(running.splice(0).map((host) => host.stop()));

  await start(without('leaves'));
  await eventTypes('leaves-1', 'held');
  expect(rig.last('leaves-1')?.data).toMatchObject({ reason: 'removed' });
  expect(String(rig.last('leaves-1')?.data['remedy'])).toContain('MAILBOXES');
  expect(rig.stack.exchange.log.messagesOf('leaves-1')).toEqual([]);
  // Further submissions for it are rejected with the reason.
  await put('leaves-2', 'leaves');
  await until('the next is rejected', () =>
    rig.esm.rejections.some(({ data }) => data['submissionId'] === 'leaves-2'),
  );
  await Promise.all(running.splice(0).map((host) => host.stop()));

  await start();
  await eventTypes('leaves-1', 'sent');
  expect(rig.eventTypes('leaves-1')).toEqual(['accepted', 'held', 'sent']);
  expect(rig.stack.exchange.log.messagesOf('leaves-1')).toHaveLength(1);
}, 150_000);

test('in doubt with the policy `resend`: not found twice, sent again as another attempt', async () => {
  rig.stack.exchange.injectFault({
    protocol: 'smtp',
    at: 'dot',
    account: addressOf('again'),
    times: 1,
    does: { kind: 'cut' },
  });
  await start({ IN_DOUBT: 'resend' });
  const from = performance.now();
  await put('again-1', 'again');
  await eventTypes('again-1', 'sent');
  expect(rig.eventTypes('again-1')).toEqual(['accepted', 'inDoubt', 'deferred', 'sent']);
  expect(rig.stack.exchange.log.messagesOf('again-1').map(({ bridgeId }) => bridgeId)).toEqual([
    expect.stringMatching(/^again-1\.2\./),
  ]);
  // Not before the server must have given up what it had, and a settle time between the looks.
  const { attemptMs, graceMs, secondLookupMs } = scenarioNumbers;
  expect(performance.now() - from).toBeGreaterThan(attemptMs + graceMs + secondLookupMs);
}, 150_000);
