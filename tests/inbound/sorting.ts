// The sorter on a real server: mixed mail comes into the folder Incoming, processes that fetch are killed at random moments,
// and beside them another program takes from INBOX, as ESM's own MailTask does. At the end every person's mail has come to
// INBOX once, and no machine's.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ImapFlow } from 'imapflow';
import type { Clock, Random } from '../../shared/clock.ts';
import type { Mailbox } from '../../shared/mail/mailbox.ts';
import { seededRandom } from '../../local/seededRandom.ts';
import { imapClient } from '../local/exchange/imapScenario.ts';
import { mixedMail } from './mixedMail.ts';

export interface SortingServer {
  readonly port: number;
  /** PEM. */
  readonly ca: string;
  readonly token: (user: string) => string;
}

export interface SortingOptions {
  readonly user: string;
  readonly connectionString: string;
  readonly eventsTo: 'queue' | 'none';
  readonly mails: number;
  /** Processes that are killed. */
  readonly kills: number;
  readonly seed: number;
  readonly clock: Clock;
}

export interface Sorted {
  /** Subjects of what the other program took from INBOX, and of what is in INBOX still; sorted. */
  readonly inInbox: readonly string[];
  /** Subjects by folder, each sorted. */
  readonly folders: Readonly<Record<string, readonly string[]>>;
  /** Mails that the other program took while fetching went on. */
  readonly takenCount: number;
}

const folders = {
  autoReply: 'AutoReplies',
  bounce: 'Bounces',
  complaint: 'Complaints',
  receipt: 'Receipts',
} as const;

export const sortingMailbox = {
  folder: 'Incoming',
  afterFetch: { kind: 'move', folder: 'INBOX' },
  afterFetchByKind: {
    autoReply: { kind: 'move', folder: folders.autoReply },
    bounce: { kind: 'move', folder: folders.bounce },
    complaint: { kind: 'move', folder: folders.complaint },
    receipt: { kind: 'move', folder: folders.receipt },
  },
} as const satisfies Partial<Mailbox>;

/** What must be the end of it: the subjects by folder. */
export function expectedFolders(mails: number): Readonly<Record<string, readonly string[]>> {
  const all = Array.from({ length: mails }, (_, number) => mixedMail(number));
  const of = (kind: string): readonly string[] =>
    all
      .filter((one) => one.kind === kind)
      .map(({ subject }) => subject)
      .toSorted();
  const machines = Object.entries(folders).map(([kind, folder]) => [folder, of(kind)] as const);
  return { ...Object.fromEntries(machines), INBOX: of('message'), Incoming: [] };
}

const appendedAtOnce = 25;
/** The last process may make so many runs. */
const lastRuns = 400;

/** Throws if mail is still in Incoming after the last run. */
export async function sortMail(server: SortingServer, options: SortingOptions): Promise<Sorted> {
  const { user, clock, mails, kills } = options;
  const random = seededRandom(options.seed);
  const connect = async (): Promise<ImapFlow> => {
    const client = imapClient({ ...server, user, token: server.token(user) });
    await client.connect();
    return client;
  };
  const sender = await connect();
  for (const folder of ['Incoming', 'Taken']) await sender.mailboxCreate(folder);
  const reader = new OtherReader(await connect(), { clock, random });
  const reading = reader.run();
  let delivered = 0;
  const deliver = async (count: number): Promise<void> => {
    for (const end = Math.min(mails, delivered + count); delivered < end; delivered += 1)
      await sender.append('Incoming', Buffer.from(mixedMail(delivered).text, 'latin1'));
  };
  try {
    for (let kill = 0; kill < kills; kill += 1) {
      const process = fetching(server, options);
      // Not before it fetches; some seconds at most for what it does then.
      await process.next();
      const share = Math.ceil(mails / (kills + 1));
      for (let sent = 0; sent < share; sent += appendedAtOnce) await deliver(appendedAtOnce);
      await clock.sleep(Math.round(random.uniform() * 1_500));
      await process.kill();
    }
    await deliver(mails);
    await untilEmpty(fetching(server, options), sender);
    reader.stop();
    await reading;
    return await whereIs(sender, reader.takenCount);
  } finally {
    reader.stop();
    await reading.catch(() => undefined);
    sender.close();
  }
}

async function untilEmpty(process: Fetching, client: ImapFlow): Promise<void> {
  try {
    for (let run = 0; run < lastRuns; run += 1) {
      const report = await process.next();
      const status = await client.status('Incoming', { messages: true });
      const isEmpty = status !== false && status.messages === 0;
      if (isEmpty && report.includes('"announcedCount":0,"duplicateCount":0')) return;
    }
  } finally {
    await process.kill();
  }
  throw new Error(`Mail was left in Incoming after ${String(lastRuns)} runs.`);
}

async function whereIs(client: ImapFlow, takenCount: number): Promise<Sorted> {
  const found: Record<string, readonly string[]> = {};
  for (const folder of [...Object.values(folders), 'INBOX', 'Taken', 'Incoming'])
    found[folder] = (await subjectsIn(client, folder)).map(([, subject]) => subject).toSorted();
  const { Taken: taken = [], ...others } = found;
  return { inInbox: [...taken, ...(others['INBOX'] ?? [])].toSorted(), folders: others, takenCount };
}

async function subjectsIn(client: ImapFlow, folder: string): Promise<readonly (readonly [number, string])[]> {
  const { exists } = await client.mailboxOpen(folder);
  if (exists === 0) return [];
  const all = await client.fetchAll('1:*', { uid: true, envelope: true });
  return all.map(({ uid, envelope }) => [uid, envelope?.subject ?? '']);
}

/** Takes some of what is in INBOX, at random moments. */
class OtherReader {
  takenCount = 0;
  readonly #client: ImapFlow;
  readonly #clock: Clock;
  readonly #random: Random;
  #isStopped = false;

  constructor(client: ImapFlow, { clock, random }: { readonly clock: Clock; readonly random: Random }) {
    this.#client = client;
    this.#clock = clock;
    this.#random = random;
  }

  stop(): void {
    this.#isStopped = true;
  }

  async run(): Promise<void> {
    while (!this.#isStopped) {
      await this.#clock.sleep(Math.round(this.#random.uniform() * 300));
      const there = await subjectsIn(this.#client, 'INBOX');
      const wanted = there.filter(() => this.#random.uniform() < 0.7).map(([uid]) => uid);
      if (wanted.length === 0) continue;
      await this.#client.messageMove(wanted.join(','), 'Taken', { uid: true });
      this.takenCount += wanted.length;
    }
    await this.#client.logout();
  }
}

interface Fetching {
  /** The report of its next run. Throws if it ended. */
  next(): Promise<string>;
  /** SIGKILL; resolves when it has ended. */
  kill(): Promise<void>;
}

function fetching(server: SortingServer, { user, connectionString, eventsTo }: SortingOptions): Fetching {
  const order = {
    connectionString,
    eventsTo,
    port: server.port,
    ca: server.ca,
    token: server.token(user),
    user,
    point: 'never',
    when: 'before',
    nth: 1,
    mailbox: sortingMailbox,
    runs: 100_000,
    batchCount: 20,
  };
  const script = fileURLToPath(new URL('./fetchingProcess.ts', import.meta.url));
  const child = spawn(process.execPath, [script, JSON.stringify(order)], {
    env: { ...process.env, NODE_OPTIONS: '' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async next() {
      const { value, done } = await lines.next();
      if (done === true) throw new Error('The process that fetches ended.');
      return value;
    },
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
