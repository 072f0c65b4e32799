// The poison queues on the real queue service.
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { QueueClient } from '@azure/storage-queue';
import { queueNames } from '../../shared/storage/names.ts';
import { emptyPoisonQueues } from '../../shared/storage/poisonQueues.ts';
import { startEmulator, type Emulator } from './emulator.ts';

let emulator: Emulator;
beforeAll(async () => {
  emulator = await startEmulator();
});
afterAll(() => emulator.stop());

const queue = (name: string): QueueClient => emulator.clients.queues.getQueueClient(name);
const received = async (
  name: string,
): Promise<readonly { readonly text: string; readonly year: number }[]> => {
  const { receivedMessageItems } = await queue(name).receiveMessages({
    numberOfMessages: 32,
    visibilityTimeout: 1,
  });
  return receivedMessageItems.map(({ messageText, expiresOn }) => ({
    text: messageText,
    year: expiresOn.getUTCFullYear(),
  }));
};

beforeEach(async () => {
  for (const name of Object.values(queueNames)) await queue(name).clearMessages();
});

test('48 to 64 KiB of text outside ASCII goes back as it came, without expiry', async () => {
  const texts = ['ä'.repeat(28_000), '{"a":"漢字 & <>"}', 'eyJhIjoxfQ==', `{"t":"${'é'.repeat(25_000)}"}`];
  for (const text of texts)
    await queue(queueNames.outboundMailPoison).sendMessage(text, { messageTimeToLive: 600 });
  await queue(queueNames.outboundWakePoison).sendMessage('{"account":"a"}');
  const decided: string[] = [];
  const reports = await emptyPoisonQueues(emulator.clients.queues, (name) => {
    decided.push(name);
    return Promise.resolve('moveBack');
  });
  expect(reports).toEqual([
    { queue: 'outbound-mail', movedCount: 4, settledCount: 0, leftCount: 0 },
    { queue: 'outbound-wake', movedCount: 1, settledCount: 0, leftCount: 0 },
    { queue: 'heartbeat', movedCount: 0, settledCount: 0, leftCount: 0 },
  ]);
  const back = await received(queueNames.outboundMail);
  expect(back.map(({ text, year }, index) => [text === texts[index], year])).toEqual(
    texts.map(() => [true, 9999]),
  );
  expect(await received(queueNames.outboundWake)).toEqual([{ text: '{"account":"a"}', year: 9999 }]);
  expect(decided).toHaveLength(5);
});

test('the poison queues of events and notices are emptied only if the connector reads those', async () => {
  await queue(queueNames.inboundMailPoison).sendMessage('notice');
  await queue(queueNames.mailStatusPoison).sendMessage('event');
  const moveBack = (): Promise<'moveBack'> => Promise.resolve('moveBack');
  await emptyPoisonQueues(emulator.clients.queues, moveBack);
  expect(await received(queueNames.inboundMail)).toEqual([]);
  await emptyPoisonQueues(emulator.clients.queues, moveBack, { isConnectorOn: true });
  expect(await received(queueNames.inboundMail)).toMatchObject([{ text: 'notice' }]);
  expect(await received(queueNames.mailStatus)).toMatchObject([{ text: 'event' }]);
});

test('what is settled is only deleted; what fails stays, and the error is told', async () => {
  for (const text of ['one', 'two', 'three']) await queue(queueNames.outboundMailPoison).sendMessage(text);
  await expect(
    emptyPoisonQueues(emulator.clients.queues, (_, text) =>
      text === 'one' ? Promise.resolve('settled') : Promise.reject(new Error('no')),
    ),
  ).rejects.toThrow('outbound-mail-poison could not be emptied');
  const { approximateMessagesCount } = await queue(queueNames.outboundMailPoison).getProperties();
  expect(approximateMessagesCount).toBe(2);
  expect(await received(queueNames.outboundMail)).toEqual([]);
});

test('a poison queue that the host has not made yet is empty', async () => {
  await queue(queueNames.outboundMailPoison).delete();
  const [report] = await emptyPoisonQueues(emulator.clients.queues, () => Promise.resolve('moveBack'));
  expect(report).toEqual({ queue: 'outbound-mail', movedCount: 0, settledCount: 0, leftCount: 0 });
});
