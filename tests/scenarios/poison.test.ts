// A submission that can't be accepted for our own reasons uses up the host's tries and lands in the poison queue,
// which would drop it after seven days. It is emptied at once, and the submission goes out when we are well again.
// The host's numbers are shortened: two tries (real: 10), a second apart (real: 30 s).
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { queueNames } from '../../shared/storage/names.ts';
import { applicationMailbox, startRig, submission, until, type Rig } from './rig.ts';
import { startTableDoor, type TableDoor } from './tableDoor.ts';

const mailbox = 'poison@kunta.example';

let rig: Rig;
let door: TableDoor;

beforeAll(async () => {
  rig = await startRig({
    mailboxes: [applicationMailbox('poison')],
    queues: { maxDequeueCount: 2, visibilityTimeout: '00:00:01' },
  });
  door = await startTableDoor(rig.stack.azurite.connectionString);
  await rig.startHost({ settings: { MailStore: door.connectionString } });
}, 120_000);
afterAll(async () => {
  await rig.close();
  await door.close();
}, 60_000);

const length = async (queue: string): Promise<number> =>
  (await rig.stack.store.queues.getQueueClient(queue).getProperties()).approximateMessagesCount ?? 0;

test('storage down while a submission is accepted: through the poison queue and back, then sent once', async () => {
  door.shut();
  await rig.esm.submit(submission('poison-1', mailbox));
  await until('the host gave it up', () =>
    rig.lines.some(({ message }) =>
      String(message).includes(`Moving message to queue '${queueNames.outboundMailPoison}'`),
    ),
  );
  await until('it was put back', () => rig.events('outbound.putBack').length > 0);
  expect(door.refusedCount()).toBeGreaterThan(0);
  expect(rig.told('poison-1')).toEqual([]);
  door.open();
  await until(
    'it is sent',
    () => rig.told('poison-1').includes('sent'),
    () => rig.events('outbound.putBack'),
  );
  expect(rig.told('poison-1')).toEqual(['accepted', 'sent']);
  expect(rig.stack.exchange.log.messagesOf('poison-1')).toHaveLength(1);
  // Neither queue holds anything on to be found later.
  await until('the queues are empty', async () =>
    (await Promise.all([length(queueNames.outboundMail), length(queueNames.outboundMailPoison)])).every(
      (count) => count === 0,
    ),
  );
  expect(rig.esm.rejections).toEqual([]);
}, 240_000);

test('what is nobody’s submission in the poison queue is rejected there, and the queue goes on', async () => {
  const poison = rig.stack.store.queues.getQueueClient(queueNames.outboundMailPoison);
  await poison.sendMessage('this is no JSON', { messageTimeToLive: -1 });
  await poison.sendMessage(JSON.stringify(submission('poison-2', mailbox)), { messageTimeToLive: -1 });
  await until('one is sent', () => rig.told('poison-2').includes('sent'));
  await until('the other is rejected', () => rig.esm.rejections.length === 1);
  await until('the queue is empty', async () => (await length(queueNames.outboundMailPoison)) === 0);
}, 120_000);
