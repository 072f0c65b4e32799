import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { startAzurite, type Azurite } from '../../local/stack/azurite.ts';
import { systemClock } from '../../shared/clock.ts';
import { ensureStore, makeStoreClients, type StoreClients } from '../../shared/storage/clients.ts';
import { queueNames } from '../../shared/storage/names.ts';

const clientsOf = ({ connectionString }: Azurite): StoreClients =>
  makeStoreClients(
    { kind: 'connectionString', connectionString },
    { clock: systemClock, clockSampler: { observe: () => undefined } },
  );

const listens = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (answer: boolean) => () => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', end(true)).once('error', end(false));
  });

test('queues in a process of their own: one connection string, and nothing left after the end', async () => {
  const azurite = await startAzurite({ separate: true });
  const { blob, queue, table } = azurite.ports;
  expect(new Set([blob, queue, table]).size).toBe(3);
  await ensureStore(clientsOf(azurite));
  await azurite.stop();
  await azurite.stop();
  expect(await Promise.all([blob, queue, table].map(listens))).toEqual([false, false, false]);
});

test('a folder keeps what was written, in one process or two', async () => {
  for (const separate of [false, true]) {
    const location = await mkdtemp(join(tmpdir(), 'azurite-'));
    try {
      const first = await startAzurite({ location, separate });
      const before = clientsOf(first);
      await ensureStore(before);
      await before.queues.getQueueClient(queueNames.mailStatus).sendMessage('kept');
      await before.table('outbox').createEntity({ partitionKey: 'p', rowKey: 'kept' });
      await first.stop();
      const second = await startAzurite({ location, separate });
      const after = clientsOf(second);
      const { receivedMessageItems } = await after.queues
        .getQueueClient(queueNames.mailStatus)
        .receiveMessages();
      expect(receivedMessageItems.map(({ messageText }) => messageText)).toEqual(['kept']);
      expect((await after.table('outbox').getEntity('p', 'kept')).rowKey).toBe('kept');
      await second.stop();
    } finally {
      await rm(location, { recursive: true });
    }
  }
});

test('an emulator that cannot start reports it', async () => {
  await expect(startAzurite({ location: '/dev/null/nowhere' })).rejects.toThrow('did not start');
});
