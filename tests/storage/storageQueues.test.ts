import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { queueNames } from '../../shared/storage/names.ts';
import { StorageQueues, parseWakeUp } from '../../shared/storage/storageQueues.ts';
import { startEmulator, type Emulator } from './emulator.ts';

let emulator: Emulator;
let queues: StorageQueues;

beforeAll(async () => {
  emulator = await startEmulator();
  queues = new StorageQueues(emulator.clients.queues);
});
afterAll(() => emulator.stop());

async function receive(name: string) {
  const { receivedMessageItems } = await emulator.clients.queues
    .getQueueClient(name)
    .receiveMessages({ numberOfMessages: 32 });
  return receivedMessageItems;
}

test('an event is on mail-status, as it stands, and never expires', async () => {
  const text = JSON.stringify({ id: 'a', data: { detail: 'ä'.replace('ä', '\\u00e4') } });
  await queues.publish(text);
  const [message, ...others] = await receive(queueNames.mailStatus);
  expect(others).toEqual([]);
  expect(message?.messageText).toBe(text);
  expect(message?.expiresOn.getUTCFullYear()).toBe(9999);
});

test('a bell names its account in an object, and can be read back', async () => {
  const account = "o'brien=20x@example.com";
  await queues.wake(account);
  const [message] = await receive(queueNames.outboundWake);
  expect(parseWakeUp(JSON.parse(message?.messageText ?? ''))).toBe(account);
  expect(message?.expiresOn.getUTCFullYear()).toBe(9999);
});

test.each([null, 1, 'desk@example.com', [], {}, { account: 1 }, { account: '' }])(
  '%j is no bell',
  (payload) => {
    expect(parseWakeUp(payload)).toBeUndefined();
  },
);

test('64 KiB go, one more or a character outside printable ASCII does not', async () => {
  await queues.publish('x'.repeat(65_536));
  for (const text of ['x'.repeat(65_537), 'ä', 'a\u0001b', 'a\nb', '\u007f']) {
    await expect(queues.publish(text)).rejects.toThrow('printable ASCII');
  }
  expect(await receive(queueNames.mailStatus)).toHaveLength(1);
});
