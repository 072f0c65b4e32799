// With the limits lifted: how many messages a second leave over ten accounts, against a bare nodemailer pool with as many
// connections to the same server in the same run. Once with a store that answers at once, so that nothing but the
// bridge's own work is measured, and once with the storage emulator.
import { setTimeout as pause } from 'node:timers/promises';
import { createTransport } from 'nodemailer';
import { systemClock, systemRandom } from '../../shared/clock.ts';
import { MimeComposer } from '../../shared/exchange/mimeComposer.ts';
import { SmtpRelay } from '../../shared/exchange/smtpRelay.ts';
import { StorageTime } from '../../shared/limits/storageTime.ts';
import { groupAccounts } from '../../shared/mail/accounts.ts';
import type { Mailbox } from '../../shared/mail/mailbox.ts';
import { defaultNumbers } from '../../shared/outbound/numbers.ts';
import { createOutbound, type Outbound } from '../../shared/outbound/outbound.ts';
import type { Contents, Queues, Rows } from '../../shared/outbound/ports.ts';
import { BlobContents } from '../../shared/storage/blobContents.ts';
import { ensureStore, makeStoreClients } from '../../shared/storage/clients.ts';
import { containerNames, tableNames } from '../../shared/storage/names.ts';
import { StorageQueues } from '../../shared/storage/storageQueues.ts';
import { TableRows } from '../../shared/storage/tableRows.ts';
import { startExchange, type Exchange } from '../emulators/exchange/exchange.ts';
import { startAzurite } from '../stack/azurite.ts';
import { makeCertificates } from '../stack/certificates.ts';
import { InstantContents, InstantQueues, InstantRows } from './instantStore.ts';
import { liftedNumbers } from './calls.ts';
import { domain, submission, type Part } from './rig.ts';

export interface LiftedFigures {
  readonly accountCount: number;
  readonly messages: number;
  readonly barePerSecond: number;
  readonly instantPerSecond: number;
  readonly emulatorPerSecond: number;
}

interface Server {
  readonly exchange: Exchange;
  readonly ca: string;
}

interface Store {
  readonly rows: Rows;
  readonly contents: Contents;
  readonly queues: Queues;
  readonly time: StorageTime;
}

const token = 'a-token';
const connectionCount = defaultNumbers.workingConnectionCount;

export async function lifted(
  part: Part,
  size: { readonly accountCount: number; readonly messages: number; readonly rounds: number },
): Promise<LiftedFigures> {
  const { ca, cert, key } = await makeCertificates();
  const names = Array.from({ length: size.accountCount }, (_, at) => `desk${String(at)}`);
  const exchange = await startExchange({
    cert,
    key,
    clock: systemClock,
    accounts: names.map((name) => `${name}@${domain}`),
    checkToken: () => ({
      kind: 'ok',
      audienceOk: true,
      app: 'bench',
      scopes: [],
      roles: ['SMTP.SendAsApp'],
      expiresAt: Date.now() + 86_400_000,
    }),
    periodMs: liftedNumbers.periodMs,
    limits: { messagesPerPeriod: 1_000_000, recipientsPerDay: 1_000_000_000 },
  });
  try {
    const server = { exchange, ca };
    const bare: number[] = [];
    const instant: number[] = [];
    for (let round = 1; round <= size.rounds; round += 1) {
      bare.push(await barePool(server, names, size.messages));
      instant.push(await bridge(server, names, size.messages, instantStore()));
      part.log(
        `round ${String(round)}: pool ${(bare.at(-1) ?? 0).toFixed(0)}/s, bridge ${(instant.at(-1) ?? 0).toFixed(0)}/s`,
      );
    }
    return {
      accountCount: size.accountCount,
      messages: size.messages,
      barePerSecond: Math.max(...bare),
      instantPerSecond: Math.max(...instant),
      emulatorPerSecond: await withEmulator(server, names, size.messages),
    };
  } finally {
    await exchange.close();
  }
}

async function barePool(
  { exchange, ca }: Server,
  names: readonly string[],
  messages: number,
): Promise<number> {
  const pools = names.map((name) =>
    createTransport({
      pool: true,
      maxConnections: connectionCount,
      maxMessages: Number.POSITIVE_INFINITY,
      host: 'localhost',
      port: exchange.smtpPort,
      requireTLS: true,
      tls: { ca },
      auth: { type: 'OAUTH2', user: `${name}@${domain}`, accessToken: token },
    }),
  );
  const startedAt = performance.now();
  await Promise.all(
    pools.flatMap((pool, at) =>
      Array.from({ length: messages }, (_, number) =>
        pool.sendMail({
          from: `${names[at] ?? ''}@${domain}`,
          to: `desk@${domain}`,
          subject: `Message ${String(number)}`,
          text: 'A few words.',
        }),
      ),
    ),
  );
  const seconds = (performance.now() - startedAt) / 1_000;
  for (const pool of pools) pool.close();
  await pause(500);
  return (names.length * messages) / seconds;
}

/** Submits everything, then drains all accounts at once; the rate of the drains. */
async function bridge(
  { exchange, ca }: Server,
  names: readonly string[],
  messages: number,
  { time, ...store }: Store,
): Promise<number> {
  const mailboxes = names.map(mailboxNamed);
  const composer = new MimeComposer({ recipientsCount: 500 }, mailboxes);
  const tokens = {
    get: () => Promise.resolve({ kind: 'token' as const, token, expiresAt: Date.now() + 3_600_000 }),
  };
  const outbound = createOutbound({
    ...store,
    time,
    relay: new SmtpRelay({
      server: { host: 'localhost', port: exchange.smtpPort },
      tokens,
      clock: systemClock,
      ca,
    }),
    sentItems: { search: () => Promise.reject(new Error('nothing is in doubt here')) },
    composer,
    rawMessages: composer,
    clock: systemClock,
    random: systemRandom,
    numbers: { ...defaultNumbers, ...liftedNumbers },
    accounts: groupAccounts(mailboxes),
    submissions: {
      mailboxes,
      maxima: { recipientsCount: 500, contentBytes: 25_000_000 },
      uploadContainer: containerNames.outboundUploads,
    },
    tagKey: () => Promise.resolve(Buffer.alloc(32, 1)),
    log: () => undefined,
  });
  await submitAll(outbound, names, messages);
  const before = exchange.log.messages.length;
  const startedAt = performance.now();
  await Promise.all(mailboxes.map(({ address }) => drainAll(outbound, address)));
  const seconds = (performance.now() - startedAt) / 1_000;
  const sent = exchange.log.messages.length - before;
  if (sent !== names.length * messages)
    throw new Error(`${String(sent)} messages were sent instead of ${String(names.length * messages)}`);
  return sent / seconds;
}

async function submitAll(outbound: Outbound, names: readonly string[], messages: number): Promise<void> {
  for (let number = 0; number < messages; number += 1) {
    const answers = await Promise.all(
      names.map((name) => outbound.accept(submission(name, `${name}-${String(number)}`))),
    );
    const refused = answers.find(({ kind }) => kind !== 'accepted');
    if (refused !== undefined) throw new Error(`not accepted: ${JSON.stringify(refused)}`);
  }
}

/** A drain ends when its time is over; the wake-up it sends is answered here. */
async function drainAll(outbound: Outbound, account: string): Promise<void> {
  for (let count = 0; count < 100; count += 1) {
    await outbound.drain(account, `bench-${String(count)}`);
    const { waitingCount } = await outbound.forecast(account);
    if (waitingCount === 0) return;
    await pause(50);
  }
  throw new Error(`${account} was not drained`);
}

function instantStore(): Store {
  const time = new StorageTime(systemClock);
  return {
    time,
    rows: new InstantRows(time, systemClock),
    contents: new InstantContents(),
    queues: new InstantQueues(),
  };
}

async function withEmulator(server: Server, names: readonly string[], messages: number): Promise<number> {
  const azurite = await startAzurite();
  try {
    const time = new StorageTime(systemClock);
    const clients = makeStoreClients(
      { kind: 'connectionString', connectionString: azurite.connectionString },
      { clock: systemClock, clockSampler: time },
    );
    await ensureStore(clients);
    return await bridge(server, names, messages, {
      time,
      rows: new TableRows(clients.table(tableNames.outbox)),
      contents: new BlobContents(
        clients.blobs.getContainerClient(containerNames.outboundContent),
        clients.blobs.getContainerClient(containerNames.outboundUploads),
      ),
      queues: new StorageQueues(clients.queues),
    });
  } finally {
    await azurite.stop();
  }
}

function mailboxNamed(name: string): Mailbox {
  const address = `${name}@${domain}`;
  return {
    address,
    signIn: 'application',
    imapUser: address,
    smtpUser: address,
    send: true,
    receive: false,
    folder: 'INBOX',
    afterFetch: { kind: 'none' },
    fetchFrom: { kind: 'all' },
    limits: { messagesPerMinute: 30, recipientsPerDay: 10_000, connections: 3 },
  };
}
