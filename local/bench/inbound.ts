// Fetching a full mailbox from real Dovecot, with the production code and with the shortest alternative.
//
// "Plain imapflow" is a program without any of our promises: one login, one FETCH of every whole message, each dropped
// as it comes; and, for a job that includes understanding, the same with mailparser's simpleParser on each. The bridge
// is the inbound module as assembled in production, with real clients of the storage emulator.
//
// "Outside storage" is the time of the passes in which no storage call is under way: what fetching and understanding add
// to the time that the store takes anyway. That is the figure, against plain imapflow without mailparser.
//
// A fetch that does several things at once hides work behind the calls that it waits for, so the same passes also run with
// a store that answers at once. That figure has no goal: nothing overlaps there, but a mail is parsed twice
// (mailparser for its parts, our own reading of damaged bounces for its kind) on another thread, and plain imapflow
// understands nothing.
//
// All run in one process against the same folder, in turns, after one fetch by each that counts for nothing: Dovecot then
// has its index, and threads and code are warm, as they are in a host. The quick ones run `rounds` times and the quickest
// counts, for both sides: a busy moment of the machine must not distort a figure.
import { ImapFlow } from 'imapflow';
import { simpleParser } from 'mailparser';
import { systemClock, systemRandom } from '../../shared/clock.ts';
import { createImapLogin, createImapMailboxes } from '../../shared/exchange/imapMailbox.ts';
import { createMimeParser } from '../../shared/exchange/mimeParser.ts';
import { createInbound } from '../../shared/inbound/fetchMail.ts';
import type { Parser } from '../../shared/inbound/ports.ts';
import { inboundNumbers } from '../../shared/inbound/dependencies.ts';
import type { Mailbox } from '../../shared/mail/mailbox.ts';
import { ensureStore, makeStoreClients } from '../../shared/storage/clients.ts';
import { ContainerInboundBlobs } from '../../shared/storage/inboundBlobs.ts';
import { containerNames, queueNames, tableNames } from '../../shared/storage/names.ts';
import { NoticeQueue } from '../../shared/storage/noticeQueue.ts';
import { TableLedger } from '../../shared/storage/tableLedger.ts';
import { startAzurite } from '../stack/azurite.ts';
import { makeCertificates } from '../stack/certificates.ts';
import { startDovecot, type Dovecot } from '../realServers/dovecot.ts';
import { startStorageProxy } from '../storageProxy/storageProxy.ts';
import { attachmentMail, benchMail, mailBytes } from './inboundMail.ts';
import type { InboundFigures } from './inboundReport.ts';
import { InstantStores, StorageWatch, watched, type Stores } from './inboundStores.ts';

const user = 'desk@bench.example';
/** A full mailbox takes several passes; this many would be hours. */
const passLimit = 50;

/** What is not in the settings is as in the settings' defaults. */
const mailbox: Mailbox = {
  address: user,
  signIn: 'application',
  imapUser: user,
  smtpUser: user,
  send: true,
  receive: true,
  folder: 'INBOX',
  afterFetch: { kind: 'none' },
  fetchFrom: { kind: 'all' },
  limits: { messagesPerMinute: 30, recipientsPerDay: 10_000, connections: 3 },
};

interface Rig {
  readonly dovecot: Dovecot;
  readonly ca: string;
  /** One for all passes, as in a host, which keeps its threads from pass to pass. */
  readonly parser: Parser;
  readonly user: string;
}

/** A full batch of mails with three attachments each, ten times. */
const attachedCount = 200;

/** Throws if a run did not fetch every message. */
export async function benchInbound(
  log: (detail: string) => void,
  { messages, rounds }: { readonly messages: number; readonly rounds: number },
): Promise<InboundFigures> {
  const { ca, cert, key } = await makeCertificates();
  const dovecot = await startDovecot({ cert, key, clock: systemClock });
  // An exit by a signal must stop the server.
  const end = (): void => void dovecot.close();
  process.once('exit', end);
  const parser = createMimeParser({
    worker: new URL('../../shared/exchange/mimeParserWorker.ts', import.meta.url),
    clock: systemClock,
  });
  try {
    const rig: Rig = { dovecot, ca, parser, user };
    dovecot.fill(
      user,
      Array.from({ length: messages }, (_, number) => benchMail(number)),
    );
    log(`${String(messages)} messages are in Dovecot's folder`);
    await plain(rig, messages, false);
    await fetched(rig, new InstantStores(), messages);
    const times = { plain: [] as number[], parsed: [] as number[], instant: [] as number[] };
    for (let round = 1; round <= rounds; round += 1) {
      times.plain.push(await plain(rig, messages, false));
      times.parsed.push(await plain(rig, messages, true));
      times.instant.push((await fetched(rig, new InstantStores(), messages)).ms);
      log(`round ${String(round)}: ${lastOf(times)}`);
    }
    const real = await toTheEmulator(rig, messages);
    log(`${String(real.storageCalls)} storage calls for the folder`);
    const alone = await callsFor(rig, [benchMail(messages)]);
    const attached = await callsFor(
      rig,
      Array.from({ length: attachedCount }, (_, n) => attachmentMail(n)),
    );
    return {
      callsOfALoneMail: alone,
      callsPerMailWithThreeAttachments: attached / attachedCount,
      messages,
      sizeBytes: mailBytes,
      plainMs: Math.min(...times.plain),
      plainParsedMs: Math.min(...times.parsed),
      instantMs: Math.min(...times.instant),
      ...real,
    };
  } finally {
    process.removeListener('exit', end);
    await parser.close();
    await dovecot.close();
  }
}

function lastOf(times: Readonly<Record<string, readonly number[]>>): string {
  return Object.entries(times)
    .map(([name, all]) => `${name} ${((all.at(-1) ?? 0) / 1_000).toFixed(2)} s`)
    .join(', ');
}

/** The least that does the job, from login to logout. Answers its milliseconds. */
async function plain({ dovecot, ca }: Rig, messages: number, parse: boolean): Promise<number> {
  const startedAt = performance.now();
  const client = new ImapFlow({
    host: 'localhost',
    port: dovecot.imapPort,
    secure: true,
    tls: { ca: [ca] },
    auth: { user, accessToken: dovecot.token(user) },
    logger: false,
  });
  await client.connect();
  await client.mailboxOpen('INBOX', { readOnly: true });
  let count = 0;
  for await (const { source } of client.fetch('1:*', { source: true })) {
    if (source === undefined) continue;
    if (parse) await simpleParser(source);
    count += 1;
  }
  await client.logout();
  if (count !== messages) throw new Error(`plain imapflow got ${String(count)} of ${String(messages)}`);
  return performance.now() - startedAt;
}

/** Passes of the production code until the folder is at its end. */
async function fetched(
  { dovecot, ca, parser, user: address }: Rig,
  stores: Stores,
  messages: number,
): Promise<{ readonly ms: number; readonly passes: number }> {
  const tokens = {
    get: () =>
      Promise.resolve({
        kind: 'token' as const,
        token: dovecot.token(address),
        expiresAt: Date.now() + 3_600_000,
      }),
  };
  const login = { host: 'localhost', port: dovecot.imapPort, tokens, clock: systemClock };
  const inbound = createInbound([{ ...mailbox, address, imapUser: address }], {
    mailboxes: createImapMailboxes(createImapLogin({ ...login, trustedCertificates: [ca] })),
    ...stores,
    parser,
    // None of these mails answers another, so the sending side is never asked.
    sent: {
      lookUpSent: () => Promise.reject(new Error('asked for a submission')),
      checkTag: () => Promise.resolve(false),
      isReport: () => Promise.resolve(false),
      noteBounce: () => Promise.resolve(),
    },
    clock: systemClock,
    random: systemRandom,
    log: () => undefined,
    numbers: inboundNumbers,
  });
  const startedAt = performance.now();
  let count = 0;
  for (let passes = 1; passes <= passLimit; passes += 1) {
    const report = await inbound.fetchOne(address, { invocationId: `bench-${String(passes)}` });
    if (report?.outcome !== 'fetched') throw new Error(`a pass failed: ${report?.detail ?? ''}`);
    if (report.unparsedCount > 0) throw new Error(`${String(report.unparsedCount)} could not be parsed`);
    count += report.announcedCount;
    if (report.hasMore) continue;
    if (count !== messages) throw new Error(`${String(count)} of ${String(messages)} were announced`);
    return { ms: performance.now() - startedAt, passes };
  }
  throw new Error(`${String(passLimit)} passes were not enough`);
}

/** Calls between the process and the store in the run that finds these mails in a mailbox that was fetched before. */
async function callsFor(rig: Rig, mails: readonly Uint8Array[]): Promise<number> {
  const mailbox = `${String(mails.length)}.desk@bench.example`;
  rig.dovecot.fill(mailbox, []);
  const deliver = (): void => {
    rig.dovecot.fill(mailbox, mails);
  };
  return (await toTheEmulator({ ...rig, user: mailbox }, mails.length, deliver)).storageCalls;
}

async function toTheEmulator(
  rig: Rig,
  messages: number,
  deliver?: () => void,
): Promise<Pick<InboundFigures, 'wholeMs' | 'passes' | 'storageMs' | 'storageCalls'>> {
  const azurite = await startAzurite();
  let callCount = 0;
  const proxy = await startStorageProxy({
    ports: azurite.ports,
    before: () => 'forward',
    after: () => {
      callCount += 1;
      return 'pass';
    },
  });
  try {
    const clients = makeStoreClients(
      { kind: 'connectionString', connectionString: proxy.connectionString },
      { clock: systemClock, clockSampler: { observe: () => undefined } },
    );
    await ensureStore(clients);
    const watch = new StorageWatch(() => performance.now());
    const queue = clients.queues.getQueueClient(queueNames.inboundMail);
    const stores = {
      ledger: new TableLedger(clients.table(tableNames.inbound), systemRandom),
      blobs: new ContainerInboundBlobs(clients.blobs.getContainerClient(containerNames.inboundContent)),
      notices: new NoticeQueue(queue),
    };
    if (deliver !== undefined) {
      await fetched(rig, stores, 0);
      deliver();
    }
    callCount = 0;
    const { ms, passes } = await fetched(rig, watched(stores, watch), messages);
    const storageCalls = callCount;
    const { approximateMessagesCount } = await queue.getProperties();
    if (approximateMessagesCount !== messages) {
      throw new Error(`${String(approximateMessagesCount)} notices for ${String(messages)} messages`);
    }
    return { wholeMs: ms, passes, storageMs: watch.busyMs, storageCalls };
  } finally {
    await proxy.close();
    await azurite.stop();
  }
}
