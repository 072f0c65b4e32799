// Sorting by kind at real Dovecot, with notices.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startDovecot, type Dovecot } from '../../../local/realServers/dovecot.ts';
import { systemClock } from '../../../shared/clock.ts';
import { queueNames } from '../../../shared/storage/names.ts';
import { expectedFolders, sortMail } from '../../inbound/sorting.ts';
import { certificates } from '../../local/exchange/harness.ts';
import { startEmulator, type Emulator } from '../../storage/emulator.ts';

let emulator: Emulator;
let dovecot: Dovecot;
let ca: string;

beforeAll(async () => {
  const made = await certificates();
  ({ ca } = made);
  emulator = await startEmulator();
  dovecot = await startDovecot({ cert: made.cert, key: made.key, clock: systemClock });
});

afterAll(async () => {
  await dovecot.close();
  await emulator.stop();
});

test('killed while it sorts, with another reader beside it: persons’ mail comes to INBOX once, and no machine’s', async () => {
  const mails = 300;
  const sorted = await sortMail(
    { port: dovecot.imapPort, ca, token: (user) => dovecot.token(user) },
    {
      user: 'sorting@contoso.test',
      connectionString: emulator.azurite.connectionString,
      eventsTo: 'queue',
      mails,
      kills: 3,
      seed: 2,
      clock: systemClock,
    },
  );
  const { INBOX: persons, ...machines } = expectedFolders(mails);
  expect(sorted.inInbox).toEqual(persons);
  expect(sorted.folders).toMatchObject(machines);
  expect(sorted.takenCount).toBeGreaterThan(0);
  const queue = emulator.clients.queues.getQueueClient(queueNames.inboundMail);
  expect((await queue.getProperties()).approximateMessagesCount).toBeGreaterThanOrEqual(mails);
}, 180_000);
