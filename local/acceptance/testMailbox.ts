// The test mailbox as its owner sees it: over IMAP with its own sign-in, beside the bridge. One connection, one command
// at a time. Messages are found by reading the header fields of everything that came since the run began, since a
// header search is only a hint on some servers.
import { ImapFlow, type FetchMessageObject } from 'imapflow';

/** Where the mailbox's own server is, and how the test mailbox signs in to it. */
export interface MailServers {
  readonly smtp: { readonly host: string; readonly port: number };
  readonly imap: { readonly host: string; readonly port: number };
  /** An access token of the test mailbox itself. */
  readonly token: () => Promise<string>;
}

/** A message, by its header fields. */
export interface Seen {
  readonly folder: string;
  readonly uid: number;
  readonly subject: string;
  readonly messageId: string;
  /** X-Mail-Bridge-Id. */
  readonly bridgeId: string;
  /** Of its From. */
  readonly from: string;
  /** Of its Sender, empty if it has none. */
  readonly sender: string;
  readonly sizeBytes: number;
}

export interface Place {
  readonly folder: string;
  readonly uidValidity: number;
  readonly uid: number;
}

/** Names of Sent Items in the languages of the desk; SPECIAL-USE, which Exchange lacks, goes first. */
const sentNames = ['Sent Items', 'Lähetetyt', 'Skickat', 'Sent', 'Lähetetyt viestit', 'Skickade objekt'];
const junkNames = ['Junk Email', 'Roskaposti', 'Skräppost'];
/** Messages read in one look, at most: a test mailbox has no more since the run began. */
const looksMost = 500;

export class TestMailbox {
  readonly #servers: MailServers;
  readonly #user: string;
  readonly #startUid = new Map<string, number>();
  #client: ImapFlow | undefined;
  #last: Promise<unknown> = Promise.resolve();
  sentFolder = '';
  junkFolder: string | undefined;
  capabilities: readonly string[] = [];
  /** Whether the server keeps flags of a client's own (`\*` in PERMANENTFLAGS). */
  keepsKeywords = false;

  private constructor(servers: MailServers, user: string) {
    this.#servers = servers;
    this.#user = user;
  }

  /** Signs in and notes where each of these folders ends now. Throws an error that names the cause. */
  static async open(servers: MailServers, user: string, folders: readonly string[]): Promise<TestMailbox> {
    const box = new TestMailbox(servers, user);
    await box.#with(undefined, async (client) => {
      box.capabilities = [...client.capabilities.keys()].map(String).sort();
      const listed = await client.list();
      const named = (names: readonly string[]): string | undefined =>
        names
          .flatMap((name) => listed.find((folder) => folder.name.toLowerCase() === name.toLowerCase()) ?? [])
          .map(({ path }) => path)[0];
      box.sentFolder =
        named(sentNames) ?? listed.find(({ specialUse }) => specialUse === '\\Sent')?.path ?? '';
      box.junkFolder = named(junkNames);
    });
    if (box.sentFolder === '') throw new Error('No folder of the mailbox is called Sent Items.');
    for (const folder of new Set([...folders, ...box.#ownFolders()])) {
      await box.#with(undefined, async (client) => {
        const status = await client.status(folder, { uidNext: true }).catch(() => undefined);
        // A folder that is not there yet: all of it is new when it comes.
        box.#startUid.set(
          folder,
          (status === undefined || status === false ? undefined : status.uidNext) ?? 1,
        );
      });
    }
    await box.#with('INBOX', (client) => {
      box.keepsKeywords = client.mailbox !== false && client.mailbox.permanentFlags?.has('\\*') === true;
      return Promise.resolve();
    });
    return box;
  }

  /** What came into the folder since the run began and whose subject contains `mark`. */
  async look(folder: string, mark: string): Promise<readonly Seen[]> {
    const seen: Seen[] = [];
    await this.#with(folder, async (client) => {
      const from = this.#startUid.get(folder) ?? 1;
      for await (const message of client.fetch(
        `${String(from)}:*`,
        { uid: true, size: true, envelope: true, headers: ['x-mail-bridge-id'] },
        { uid: true },
      )) {
        if (message.uid < from) continue; // `N:*` always gives the last one
        const one = seenOf(folder, message);
        if (one.subject.includes(mark)) seen.push(one);
        if (seen.length === looksMost) break;
      }
    });
    return seen;
  }

  /** The whole message. */
  async source(seen: Pick<Seen, 'folder' | 'uid'>): Promise<Buffer> {
    return this.#with(seen.folder, async (client) => {
      const message = await client.fetchOne(String(seen.uid), { source: true }, { uid: true });
      if (message === false || message.source === undefined) throw new Error('The server gave no message.');
      return message.source;
    });
  }

  /** Puts a message into a folder, unseen. Throws if the server does not say where (UIDPLUS). */
  async append(folder: string, content: Buffer): Promise<Place> {
    return this.#with(undefined, async (client) => {
      const answer = await client.append(folder, content, []);
      if (answer === false || answer.uid === undefined || answer.uidValidity === undefined)
        throw new Error('The server did not say which UID the message has.');
      return { folder, uid: answer.uid, uidValidity: Number(answer.uidValidity) };
    });
  }

  async flags({ folder, uid }: Pick<Place, 'folder' | 'uid'>): Promise<ReadonlySet<string> | undefined> {
    return this.#with(folder, async (client) => {
      const message = await client.fetchOne(String(uid), { flags: true }, { uid: true });
      return message === false ? undefined : (message.flags ?? new Set<string>());
    });
  }

  async createFolder(folder: string): Promise<void> {
    await this.#with(undefined, (client) => client.mailboxCreate(folder));
    this.#startUid.set(folder, 1);
  }

  async deleteFolder(folder: string): Promise<void> {
    await this.#with(undefined, async (client) => {
      await client.mailboxClose().catch(() => undefined);
      await client.mailboxDelete(folder);
    });
  }

  /** The new UID, or undefined if the server did not say it. Throws if it refuses. */
  async move({ folder, uid }: Pick<Place, 'folder' | 'uid'>, target: string): Promise<number | undefined> {
    return this.#with(folder, async (client) => {
      const answer = await client.messageMove(String(uid), target, { uid: true });
      if (answer === false) throw new Error('The server refused the move.');
      return answer.uidMap?.get(uid);
    });
  }

  /** UIDs of the folder whose subject contains `text`, as the server's own search finds them. */
  async search(folder: string, text: string): Promise<readonly number[]> {
    return this.#with(folder, async (client) => {
      const found = await client.search({ subject: text }, { uid: true });
      if (found === false || found === undefined) throw new Error('The server refused the search.');
      return found;
    });
  }

  /** How many messages the folder has, by the server's count. */
  async count(folder: string): Promise<number> {
    return this.#with(folder, (client) =>
      Promise.resolve(client.mailbox === false ? 0 : client.mailbox.exists),
    );
  }

  /** Deletes what the run left in these folders; how many. */
  async removeMarked(mark: string, folders: readonly string[]): Promise<number> {
    let count = 0;
    for (const folder of new Set([...folders, ...this.#ownFolders()])) {
      const uids = (await this.look(folder, mark).catch(() => [])).map(({ uid }) => uid);
      if (uids.length === 0) continue;
      await this.#with(folder, (client) => client.messageDelete(uids.join(','), { uid: true }));
      count += uids.length;
    }
    return count;
  }

  #ownFolders(): readonly string[] {
    return this.junkFolder === undefined ? [this.sentFolder] : [this.sentFolder, this.junkFolder];
  }

  async close(): Promise<void> {
    await this.#last.catch(() => undefined);
    await this.#client?.logout().catch(() => undefined);
    this.#client?.close();
    this.#client = undefined;
  }

  /** One after another; a connection that broke is opened anew for the next command. */
  #with<T>(folder: string | undefined, act: (client: ImapFlow) => Promise<T>): Promise<T> {
    const turn = this.#last.then(async () => {
      const client = await this.#connected();
      if (folder === undefined) return act(client);
      const lock = await client.getMailboxLock(folder);
      try {
        // A folder that is selected already shows what is new only when asked.
        await client.noop();
        return await act(client);
      } finally {
        lock.release();
      }
    });
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #connected(): Promise<ImapFlow> {
    if (this.#client?.usable === true) return this.#client;
    this.#client?.close();
    const { host, port } = this.#servers.imap;
    const client = new ImapFlow({
      host,
      port,
      secure: true,
      logger: false,
      auth: { user: this.#user, accessToken: await this.#servers.token() },
      socketTimeout: 120_000,
    });
    // The command under way fails with it; without a listener the process would end.
    client.on('error', () => undefined);
    this.#client = client;
    await client.connect();
    return client;
  }
}

function seenOf(folder: string, { uid, size, envelope, headers }: FetchMessageObject): Seen {
  const bridgeId = /^x-mail-bridge-id:\s*(\S+)/im.exec(headers?.toString('latin1') ?? '')?.[1] ?? '';
  return {
    folder,
    uid,
    subject: envelope?.subject ?? '',
    messageId: envelope?.messageId ?? '',
    bridgeId,
    from: envelope?.from?.[0]?.address ?? '',
    sender: envelope?.sender?.[0]?.address ?? '',
    sizeBytes: size ?? 0,
  };
}
