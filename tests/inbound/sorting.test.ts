// Sorting by kind at the emulator, with nobody who takes notices: after the action nothing is left in the store.
// 2,000 mails on either server: node tests/inbound/sortMany.ts
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Exchange } from '../../local/emulators/exchange/exchange.ts';
import { classifyMail } from '../../shared/classify/classifyMail.ts';
import { systemClock } from '../../shared/clock.ts';
import { containerNames, queueNames } from '../../shared/storage/names.ts';
import { certificates, closeAll, exchangeWith, tokenFor } from '../local/exchange/harness.ts';
import { startEmulator, type Emulator } from '../storage/emulator.ts';
import { mixedMail } from './mixedMail.ts';
import { expectedFolders, sortMail } from './sorting.ts';

const user = 'desk@contoso.test';
let emulator: Emulator;
let exchange: Exchange;

beforeAll(async () => {
  emulator = await startEmulator();
  exchange = await exchangeWith({ accounts: [user] });
});

afterAll(async () => {
  await closeAll();
  await emulator.stop();
});

test('each of the mixed mails is of the kind that it is made for', () => {
  for (let number = 0; number < 10; number += 1) {
    const { text, kind } = mixedMail(number);
    expect(classifyMail(text).kind).toBe(kind);
  }
});

test('killed while it sorts, with another reader beside it: persons’ mail comes to INBOX once, and no machine’s', async () => {
  const { ca } = await certificates();
  const mails = 300;
  const sorted = await sortMail(
    { port: exchange.imapPort, ca, token: tokenFor },
    {
      user,
      connectionString: emulator.azurite.connectionString,
      eventsTo: 'none',
      mails,
      kills: 3,
      seed: 1,
      clock: systemClock,
    },
  );
  const { INBOX: persons, ...machines } = expectedFolders(mails);
  expect(sorted.inInbox).toEqual(persons);
  expect(sorted.folders).toMatchObject(machines);
  expect(sorted.takenCount).toBeGreaterThan(0);

  const queue = emulator.clients.queues.getQueueClient(queueNames.inboundMail);
  expect((await queue.getProperties()).approximateMessagesCount).toBe(0);
  const container = emulator.clients.blobs.getContainerClient(containerNames.inboundContent);
  const left: string[] = [];
  for await (const { name } of container.listBlobsFlat()) left.push(name);
  expect(left).toEqual([]);
}, 180_000);
