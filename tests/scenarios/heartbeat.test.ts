// A host whose timers never tick, as was seen on Flex after deployments: mail is fetched and the outbox swept all the same.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { queueNames, tableNames } from '../../shared/storage/names.ts';
import { applicationMailbox, never, startRig, submission, until, type Rig } from './rig.ts';

const address = 'desk@kunta.example';
let rig: Rig;

beforeAll(async () => {
  rig = await startRig({
    mailboxes: [applicationMailbox('desk', { receive: true, fetchFrom: 'all' })],
    settings: {
      SWEEP_SCHEDULE: '* * * * * *',
      FETCH_SCHEDULE: '* * * * * *',
      REFRESH_SCHEDULE: never,
      HEARTBEAT_NUMBERS: JSON.stringify({
        lateMs: 3_000,
        intervalMs: 2_000,
        lateIntervalMs: 1_000,
        lostMs: 60_000,
      }),
    },
  });
}, 120_000);
afterAll(() => rig.close(), 60_000);

test('the heartbeat begins with the first mail, and runs fetch and sweep instead of the timers', async () => {
  const host = await rig.startHost({ timersOff: true });
  rig.stack.exchange.store
    .mailbox(address)
    .deliver(
      `From: aino@muualla.example\r\nTo: ${address}\r\nSubject: Hei\r\nMessage-ID: <one@muualla.example>\r\n\r\nHei.\r\n`,
    );
  await rig.esm.submit(submission('first', address));
  await until('the mailbox was fetched', () => rig.esm.notices.length === 1);
  await until('the outbox was swept', () => rig.events('ops.mailboxState').length > 1);
  const late = rig.events('ops.timerLate').map(({ timer }) => timer);
  expect(late).toEqual(expect.arrayContaining(['sweep', 'fetch']));
  expect(late).not.toContain('refresh');
  await host.kill();

  // Two hosts after a kill: still one chain.
  await Promise.all([rig.startHost({ timersOff: true }), rig.startHost({ timersOff: true })]);
  const before = rig.events('ops.timerLate').length;
  await until('it goes on', () => rig.events('ops.timerLate').length >= before + 4);
  const queue = rig.stack.store.queues.getQueueClient(queueNames.heartbeat);
  const chain = async (): Promise<unknown> =>
    (await rig.stack.store.table(tableNames.ops).getEntity('heartbeat', 'chain'))['token'];
  const token = await chain();
  await until('it is renewed', async () => (await chain()) !== token);
  await until(
    'one message is alive',
    async () => ((await queue.getProperties()).approximateMessagesCount ?? 0) <= 1,
  );
}, 180_000);
