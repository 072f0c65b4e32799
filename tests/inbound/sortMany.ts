// The test of sorting at its full size, on the emulator and on Dovecot:
//   node tests/inbound/sortMany.ts [MAILS] [KILLS] [SEED]        2,000 mails and 20 kills unless said otherwise
// One line of JSON for each server; exits with 1 if a mail is not where it belongs.
import { isDeepStrictEqual } from 'node:util';
import { startDovecot } from '../../local/realServers/dovecot.ts';
import { systemClock } from '../../shared/clock.ts';
import { certificates, closeAll, exchangeWith, tokenFor } from '../local/exchange/harness.ts';
import { startEmulator } from '../storage/emulator.ts';
import { expectedFolders, sortMail, type SortingServer } from './sorting.ts';

const [mails = 2_000, kills = 20, seed = 1] = process.argv.slice(2).map(Number);
const user = 'desk@contoso.test';
const { ca, cert, key } = await certificates();
const exchange = await exchangeWith({ accounts: [user] });
const dovecot = await startDovecot({ cert, key, clock: systemClock });
const servers: Readonly<Record<string, SortingServer>> = {
  emulator: { ca, port: exchange.imapPort, token: tokenFor },
  dovecot: { ca, port: dovecot.imapPort, token: (name) => dovecot.token(name) },
};
const { INBOX: persons = [], ...machines } = expectedFolders(mails);
for (const [name, server] of Object.entries(servers)) {
  const store = await startEmulator();
  const startedAt = performance.now();
  const { connectionString } = store.azurite;
  const options = {
    user,
    connectionString,
    eventsTo: 'queue' as const,
    mails,
    kills,
    seed,
    clock: systemClock,
  };
  const { inInbox, folders, takenCount } = await sortMail(server, options);
  const sorted = Object.fromEntries(Object.entries(folders).filter(([folder]) => folder !== 'INBOX'));
  const ok = isDeepStrictEqual(inInbox, persons) && isDeepStrictEqual(sorted, machines);
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  const counts = Object.fromEntries(Object.entries(sorted).map(([folder, all]) => [folder, all.length]));
  console.log(
    JSON.stringify({
      server: name,
      mails,
      kills,
      persons: inInbox.length,
      takenCount,
      ...counts,
      seconds,
      ok,
    }),
  );
  if (!ok) process.exitCode = 1;
  await store.stop();
}
await closeAll();
await dovecot.close();
