// A submission that cannot be accepted for our own reasons uses up the host's tries and lands in the poison queue,
// which would drop it after seven days. It is emptied at once, and the submission goes out when we are well again.
// The host's numbers are shortened: two tries (real: 10), a second apart (real: 30 s).
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { HostProcess } from '../../local/functionsHost/hostProcess.ts';
import { queueNames } from '../../shared/storage/names.ts';
import { applicationMailbox, startRig, submission, until, type Rig } from './rig.ts';
import { startTableProxy, type TableProxy } from './tableProxy.ts';

const mailbox = 'poison@kunta.example';

let rig: Rig;
let tableProxy: TableProxy;
let host: HostProcess;

beforeAll(async () => {
  rig = await startRig({
    mailboxes: [applicationMailbox('poison')],
    queues: { maxDequeueCount: 2, visibilityTimeout: '00:00:01' },
  });
  tableProxy = await startTableProxy(rig.stack.azurite.connectionString);
  host = await rig.startHost({ settings: { MailStore: tableProxy.connectionString } });
}, 120_000);
afterAll(async () => {
  await rig.close();
  await tableProxy.close();
}, 60_000);

const movedCount = (): number =>
  rig
    .events('outbound.poisonQueue')
    .filter(({ queue }) => queue === queueNames.outboundMail)
    .reduce((sum, { movedCount: count }) => sum + Number(count), 0);
const length = async (queue: string): Promise<number> =>
  (await rig.stack.store.queues.getQueueClient(queue).getProperties()).approximateMessagesCount ?? 0;

test('storage down while a submission is accepted: through the poison queue and back, then sent once', async () => {
  tableProxy.refuse();
  await rig.esm.submit(submission('poison-1', mailbox));
  await until('the host gave it up', () =>
    rig.lines.some(({ message }) =>
      String(message).includes(`Moving message to queue '${queueNames.outboundMailPoison}'`),
    ),
  );
  expect(await host.run('settlePoison')).toBe(true);
  expect(movedCount()).toBeGreaterThan(0);
  expect(tableProxy.refusedCount()).toBeGreaterThan(0);
  expect(rig.eventTypes('poison-1')).toEqual([]);
  tableProxy.open();
  await until(
    'it is sent',
    () => rig.eventTypes('poison-1').includes('sent'),
    () => rig.events('outbound.poisonQueue'),
  );
  expect(rig.eventTypes('poison-1')).toEqual(['accepted', 'sent']);
  expect(rig.stack.exchange.log.messagesOf('poison-1')).toHaveLength(1);
  // Neither queue holds anything on to be found later.
  await until('the queues are empty', async () =>
    (await Promise.all([length(queueNames.outboundMail), length(queueNames.outboundMailPoison)])).every(
      (count) => count === 0,
    ),
  );
  expect(rig.esm.rejections).toEqual([]);
}, 240_000);

test('a poison message that is no submission is moved back and rejected, and the queue continues', async () => {
  const poison = rig.stack.store.queues.getQueueClient(queueNames.outboundMailPoison);
  await poison.sendMessage('this is no JSON', { messageTimeToLive: 600 });
  await poison.sendMessage(JSON.stringify(submission('poison-2', mailbox)), { messageTimeToLive: 600 });
  expect(await host.run('settlePoison')).toBe(true);
  await until('one is sent', () => rig.eventTypes('poison-2').includes('sent'));
  await until('the other is rejected', () => rig.esm.rejections.length === 1);
  await until('the queue is empty', async () => (await length(queueNames.outboundMailPoison)) === 0);
}, 120_000);

test('settings broken past every try: moved back each time, and sent soon after they are mended', async () => {
  await host.stop();
  const broken = await rig.startHost({
    settings: {
      MailStore: tableProxy.connectionString,
      MAILBOXES: '[{',
      KEY_VAULT_URL: 'nowhere',
      IN_DOUBT: '?',
    },
  });
  await rig.esm.submit(submission('poison-3', mailbox));
  const before = movedCount();
  for (let round = 1; round <= 4; round += 1) {
    await until('the host gave it up', async () => (await length(queueNames.outboundMailPoison)) > 0);
    expect(await broken.run('settlePoison')).toBe(true);
    expect(movedCount()).toBe(before + round);
  }
  await broken.stop();
  host = await rig.startHost({ settings: { MailStore: tableProxy.connectionString } });
  await until('it is sent', async () => {
    await host.run('settlePoison'); // each minute by itself
    return rig.eventTypes('poison-3').includes('sent');
  });
  expect(rig.eventTypes('poison-3')).toEqual(['accepted', 'sent']);
}, 240_000);
