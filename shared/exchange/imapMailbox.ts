// The IMAP adapter.
//
// What the client library does by itself (as read in imapflow 2.10.2), and what is done about it here:
//
//  - On "Request is throttled" it waits inside the call, up to half the socket timeout, and FETCH tries four
//    times. We see the throttling in its log, close the connection at once and answer `throttled`.
//  - SEARCH, STORE, MOVE and EXPUNGE answer `false` when the server refuses: false is a failure here, never "none".
//  - A FETCH that answers for fewer messages than asked ends normally. The UIDs asked for and
//    received are compared, and the folder is asked which of the missing ones are gone.
//  - "User is authenticated but not connected" and [UNAVAILABLE] look like bad credentials: imapTrouble.ts tells them apart.
//  - An error without a listener would end the process.
//
// The caller's deadline ends every call: the connection is cut, and pending calls fail.
import { ImapFlow } from 'imapflow';
import type { Clock } from '../clock.ts';
import {
  ImapStreamTrouble,
  type FetchedHead,
  type ImapResult,
  type ImapTrouble,
  type Mailboxes,
  type MailboxSession,
} from '../inbound/ports.ts';
import type { TimeLeft } from '../deadline.ts';
import { lacksMultipartEnd } from '../classify/multipartEnd.ts';
import { mailText, readHeaders } from '../mail/headers.ts';
import type { AccessTokens } from '../mail/accessToken.ts';
import { hasActions, type AfterFetch, type Mailbox } from '../mail/mailbox.ts';
import { boundedText } from '../mail/text.ts';
import { imapTextCharacters, judgeImap } from './imapTrouble.ts';

export interface ImapOptions {
  readonly host: string;
  readonly port: number;
  readonly tokens: AccessTokens;
  readonly clock: Clock;
  /** PEM certificates to trust instead of the system's. */
  readonly trustedCertificates?: readonly string[];
}

/** A connection that is logged in; a folder is selected with `select`. */
export interface ImapConnection {
  folders(): Promise<ImapResult<{ readonly folders: readonly ImapFolder[] }>>;
  select(path: string, readOnly: boolean): Promise<ImapResult<{ readonly session: MailboxSession }>>;
  /** Ascending UIDs of the selected folder, received at or after the day of `since` (the server knows days only). */
  searchSince(sinceMs: number): Promise<ImapResult<{ readonly uids: readonly number[] }>>;
  /** Named header fields of the selected folder's messages, as raw blocks. */
  headerFields(
    uids: readonly number[],
    names: readonly string[],
  ): Promise<ImapResult<{ readonly blocks: ReadonlyMap<number, Uint8Array> }>>;
  /** Puts a message into a folder, unread. */
  append(path: string, bytes: Uint8Array): Promise<ImapResult<object>>;
  close(): Promise<void>;
}

export interface ImapFolder {
  readonly path: string;
  readonly name: string;
  /** `\Sent` and the like (RFC 6154); empty if it has none. */
  readonly specialUse: string;
  /** The server said so. Else imapflow guessed it from the name, for one folder of each use. */
  readonly specialUseFromServer: boolean;
}

/** Beginnings up to this size are fetched with their neighbours in one command; longer messages are streamed. */
const headBytes = 256 * 1024;
const streamChunkBytes = 256 * 1024;
/** 256 MB, more than Exchange Online takes (150 MB). */
const chunkCountLimit = 1_024;
/** Later offsets that are asked for. */
const probeCountLimit = 8;
const flagCountLimit = 20;
const flagCharacters = 60;
const dayMs = 86_400_000;
const connectMs = 20_000;
const greetingMs = 16_000;
/** The library waits at most half of this for a throttled command before it fails. */
const socketMs = 90_000;
const logoutMs = 3_000;

/** Logs in as `user` with the access token of `mailbox`; a refused token is renewed once. */
export type ImapLogin = (
  mailbox: Mailbox,
  user: string,
  time: TimeLeft,
) => Promise<ImapResult<{ readonly connection: ImapConnection }>>;

export function createImapLogin(options: ImapOptions): ImapLogin {
  /** Users whose last session ended because the access token expired: the next login asks for a new one. */
  const stale = new Set<string>();
  return async (mailbox, user, time) => {
    for (const renew of stale.has(user) ? [true] : [false, true]) {
      const answer = await options.tokens.get(mailbox, 'imap', { renew });
      if (answer.kind !== 'token') {
        return failed({
          kind: answer.kind,
          detail: answer.detail,
          ...(answer.kind === 'unavailable' && answer.retryAfterMs !== undefined
            ? { retryAfterMs: answer.retryAfterMs }
            : {}),
        });
      }
      stale.delete(user);
      const wire = new Wire(options, user, answer.token, time, () => stale.add(user));
      const trouble = await wire.connect();
      if (trouble === undefined) return { kind: 'ok', connection: new Connection(wire) };
      if (trouble.kind !== 'signInRefused' || renew) return failed(trouble);
    }
    return failed({ kind: 'signInRefused', detail: 'The server refuses the sign-in.' });
  };
}

/** The fetching side's mailboxes: login, then SELECT of the configured folder. */
export function createImapMailboxes(login: ImapLogin): Mailboxes {
  return {
    async open(mailbox, time) {
      const answer = await login(mailbox, mailbox.imapUser, time);
      if (answer.kind === 'failed') return answer;
      const selected = await answer.connection.select(mailbox.folder, !hasActions(mailbox));
      if (selected.kind === 'failed') await answer.connection.close();
      return selected;
    },
  };
}

/** A library client with the caller's deadline around every call. */
class Wire {
  readonly client: ImapFlow;
  readonly #time: TimeLeft;
  readonly #clock: Clock;
  readonly #onExpired: () => void;
  /** Throttling seen in the library's log; every later call fails with it. */
  #throttled: ImapTrouble | undefined;
  /** The server's reply behind a `false`. */
  #refusal: ImapTrouble | undefined;

  constructor(
    options: ImapOptions,
    user: string,
    accessToken: string,
    time: TimeLeft,
    onExpired: () => void,
  ) {
    this.#time = time;
    this.#clock = options.clock;
    this.#onExpired = onExpired;
    this.client = new ImapFlow({
      host: options.host,
      port: options.port,
      secure: true,
      ...(options.trustedCertificates === undefined ? {} : { tls: { ca: [...options.trustedCertificates] } }),
      auth: { user, accessToken },
      disableAutoIdle: true,
      disableAutoEnable: true,
      disableCompression: true,
      connectionTimeout: connectMs,
      greetingTimeout: greetingMs,
      socketTimeout: socketMs,
      // A FETCH of 20 beginnings is read one message at a time; nothing larger than a literal of these is expected.
      maxLiteralSize: 8 * 1024 * 1024,
      logger: {
        debug: () => undefined,
        info: () => undefined,
        warn: (entry: unknown) => {
          this.#noticed(entry);
        },
        error: () => undefined,
      },
    });
    this.client.on('error', () => undefined);
  }

  async connect(): Promise<ImapTrouble | undefined> {
    const answer = await this.call(() => this.client.connect());
    if (answer.kind === 'failed') {
      this.client.close();
      return answer.trouble;
    }
    return undefined;
  }

  /** Runs one command before the deadline. An exception becomes trouble. */
  async call<T>(command: () => Promise<T>): Promise<ImapResult<{ readonly value: T }>> {
    this.#refusal = undefined;
    const remainingMs = this.#time.remainingMs();
    if (remainingMs <= 0) return failed(outOfTime);
    const settled = new AbortController();
    const late = new AbortController();
    void this.#clock.sleep(remainingMs, settled.signal).then(() => {
      if (settled.signal.aborted) return;
      late.abort();
      this.client.close();
    });
    try {
      return { kind: 'ok', value: await command() };
    } catch (error) {
      if (this.#throttled !== undefined) return failed(this.#throttled);
      if (late.signal.aborted) return failed(outOfTime);
      return failed(this.#judged(error));
    } finally {
      settled.abort();
    }
  }

  /** The trouble behind a `false`. */
  refused(what: string): ImapTrouble {
    return (
      this.#throttled ??
      this.#refusal ?? {
        kind: 'unavailable',
        detail: `The server did not carry out the command (${what}).`,
        commandRefused: true,
      }
    );
  }

  async close(): Promise<void> {
    if (this.client.usable) {
      const done = new AbortController();
      const logout = this.client.logout().catch(() => undefined);
      await Promise.race([logout, this.#clock.sleep(logoutMs, done.signal)]);
      done.abort();
    }
    this.client.close();
  }

  #judged(error: unknown): ImapTrouble {
    const trouble = judgeImap({ ...imapFields(error), reason: this.client.byeReason });
    if (trouble.kind === 'tokenExpired') this.#onExpired();
    return trouble;
  }

  #noticed(entry: unknown): void {
    if (typeof entry !== 'object' || entry === null) return;
    if ('throttleDelay' in entry && typeof entry.throttleDelay === 'number') {
      this.#throttled = judgeImap({
        code: 'ETHROTTLE',
        throttleReset: entry.throttleDelay,
        message: 'Request is throttled.',
      });
      // The library logs first and begins to wait in the same tick: closing before that would not end the wait.
      queueMicrotask(() => {
        this.client.close();
      });
    } else if ('err' in entry && entry.err instanceof Error) {
      this.#refusal = judgeImap(imapFields(entry.err));
    }
  }
}

const outOfTime: ImapTrouble = { kind: 'unavailable', detail: 'The time budget was used up.' };

class Connection implements ImapConnection {
  readonly #wire: Wire;

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  async folders(): Promise<ImapResult<{ readonly folders: readonly ImapFolder[] }>> {
    const answer = await this.#wire.call(() => this.#wire.client.list());
    if (answer.kind === 'failed') return answer;
    const folders = answer.value.slice(0, 5_000).map(({ path, name, specialUse, specialUseSource }) => ({
      path,
      name,
      specialUse: specialUse ?? '',
      specialUseFromServer: specialUseSource === 'extension',
    }));
    return { kind: 'ok', folders };
  }

  async select(path: string, readOnly: boolean): Promise<ImapResult<{ readonly session: MailboxSession }>> {
    const answer = await this.#wire.call(() => this.#wire.client.mailboxOpen(path, { readOnly }));
    if (answer.kind === 'ok') {
      return {
        kind: 'ok',
        session: new Session(this.#wire, Number(answer.value.uidValidity), answer.value.uidNext),
      };
    }
    if (answer.trouble.commandRefused !== true) return answer;
    return failed({ kind: 'folderMissing', detail: `The folder cannot be opened: ${answer.trouble.detail}` });
  }

  async searchSince(sinceMs: number): Promise<ImapResult<{ readonly uids: readonly number[] }>> {
    return search(this.#wire, { since: new Date(sinceMs) });
  }

  async headerFields(
    uids: readonly number[],
    names: readonly string[],
  ): Promise<ImapResult<{ readonly blocks: ReadonlyMap<number, Uint8Array> }>> {
    return headerBlocks(this.#wire, uids, [...names]);
  }

  async append(path: string, bytes: Uint8Array): Promise<ImapResult<object>> {
    const answer = await this.#wire.call(() => this.#wire.client.append(path, Buffer.from(bytes)));
    if (answer.kind === 'failed') return answer;
    // The library answers nothing, or false, for a command that it did not send.
    return answer.value ? { kind: 'ok' } : failed(this.#wire.refused('append'));
  }

  async close(): Promise<void> {
    await this.#wire.close();
  }
}

class Session implements MailboxSession {
  readonly uidValidity: number;
  readonly uidNext: number;
  readonly #wire: Wire;

  constructor(wire: Wire, uidValidity: number, uidNext: number) {
    this.#wire = wire;
    this.uidValidity = Number.isSafeInteger(uidValidity) ? uidValidity : 0;
    this.uidNext = Number.isSafeInteger(uidNext) ? uidNext : 0;
  }

  async listAbove(uid: number, sinceMs?: number): Promise<ImapResult<{ readonly uids: readonly number[] }>> {
    const answer = await search(this.#wire, {
      uid: `${uid + 1}:*`,
      // SINCE takes a day of the server's calendar, which may be a day ahead or behind.
      ...(sinceMs === undefined ? {} : { since: new Date(sinceMs - dayMs) }),
    });
    if (answer.kind === 'failed') return answer;
    // `n:*` names the last message even when n is above it (RFC 3501 6.4.8).
    return { kind: 'ok', uids: answer.uids.filter((one) => one > uid) };
  }

  async stillThere(uids: readonly number[]): Promise<ImapResult<{ readonly uids: readonly number[] }>> {
    const there: number[] = [];
    // Exchange refuses lines of some 40,000 characters with "Command Error. 10"; 500 UIDs stay below a tenth.
    for (let at = 0; at < uids.length; at += 500) {
      const answer = await search(this.#wire, { uid: uids.slice(at, at + 500).join(',') });
      if (answer.kind === 'failed') return answer;
      there.push(...answer.uids);
    }
    const asked = new Set(uids);
    return { kind: 'ok', uids: there.filter((uid) => asked.has(uid)) };
  }

  async readHeads(
    uids: readonly number[],
  ): Promise<ImapResult<{ readonly heads: readonly FetchedHead[]; readonly gone: readonly number[] }>> {
    const answer = await fetchRows(this.#wire, uids, {
      source: { start: 0, maxLength: headBytes },
      size: true,
      internalDate: true,
      flags: true,
    });
    if (answer.kind === 'failed') return answer;
    const heads = new Map<number, FetchedHead>();
    for (const { uid, source: given, size, internalDate, flags = [] } of answer.rows) {
      // Rows with only a flag change come in between; the first one with bytes counts.
      const source = octetsOf(given);
      if (source === undefined || heads.has(uid)) continue;
      const receivedAt = instantOf(internalDate);
      heads.set(uid, {
        uid,
        bytes: source,
        whole: source.length < headBytes && looksWhole(source, size),
        ...(size === undefined ? {} : { sizeBytes: size }),
        ...(receivedAt === undefined ? {} : { receivedAt }),
        // \Recent is about the session, not the message (RFC 3501 2.3.2).
        flags: [...flags]
          .filter((flag) => flag !== '\\Recent')
          .slice(0, flagCountLimit)
          .map((flag) => boundedText(flag, flagCharacters)),
      });
    }
    const missing = uids.filter((uid) => !heads.has(uid));
    if (missing.length === 0) return { kind: 'ok', heads: [...heads.values()], gone: [] };
    const there = await this.stillThere(missing);
    if (there.kind === 'failed') return there;
    const present = new Set(there.uids);
    return { kind: 'ok', heads: [...heads.values()], gone: missing.filter((uid) => !present.has(uid)) };
  }

  async readHeaders(
    uids: readonly number[],
  ): Promise<ImapResult<{ readonly headers: ReadonlyMap<number, Uint8Array> }>> {
    const answer = await headerBlocks(this.#wire, uids, true);
    return answer.kind === 'failed' ? answer : { kind: 'ok', headers: answer.blocks };
  }

  async *stream({ uid, bytes, sizeBytes }: FetchedHead): AsyncIterable<Uint8Array> {
    if (bytes.byteLength > 0) yield bytes;
    // A server that knows no offsets gave everything at once.
    if (bytes.byteLength > headBytes) return;
    let at = bytes.byteLength;
    // What the head lacked was a sign of the end already; another short answer may be the server's fault.
    let emptyAnswers = bytes.byteLength < headBytes ? 1 : 0;
    for (let n = 0; n < chunkCountLimit; n += 1) {
      const query = { source: { start: at, maxLength: streamChunkBytes } };
      const answer = await fetchRows(this.#wire, [uid], query);
      if (answer.kind === 'failed') throw new ImapStreamTrouble(answer.trouble);
      const chunk = answer.rows.map(({ source }) => octetsOf(source)).find((one) => one !== undefined);
      if (chunk === undefined) {
        throw new ImapStreamTrouble({
          kind: 'unavailable',
          detail: `The server gave no answer for the message from byte ${at} on.`,
        });
      }
      if (chunk.byteLength === 0) {
        emptyAnswers += 1;
        if (emptyAnswers < 2) continue;
        await this.#confirmEnd(uid, at, sizeBytes);
        return;
      }
      // A server that ignores the offset would repeat the beginning for ever.
      emptyAnswers = chunk.byteLength < streamChunkBytes ? 1 : 0;
      at += chunk.byteLength;
      yield chunk;
    }
    throw new ImapStreamTrouble({ kind: 'unavailable', detail: 'The message does not end.' });
  }

  /**
   * An empty answer in the middle looks like the end. Later offsets are asked, up to RFC822.SIZE: octets there mean that
   * the server left some out.
   */
  async #confirmEnd(uid: number, end: number, sizeBytes = 0): Promise<void> {
    for (let n = 1; n <= probeCountLimit; n += 1) {
      const start = end + n * streamChunkBytes;
      if (n > 1 && start > sizeBytes) return;
      const answer = await fetchRows(this.#wire, [uid], { source: { start, maxLength: 1 } });
      if (answer.kind === 'failed') throw new ImapStreamTrouble(answer.trouble);
      if (answer.rows.some(({ source }) => (octetsOf(source)?.byteLength ?? 0) > 0)) {
        throw new ImapStreamTrouble({
          kind: 'unavailable',
          detail: `The server left out bytes of the message from ${end} on.`,
        });
      }
    }
  }

  async act(uids: readonly number[], action: AfterFetch): Promise<ImapResult<object>> {
    if (action.kind === 'none' || uids.length === 0) return { kind: 'ok' };
    const there = await this.stillThere(uids);
    if (there.kind === 'failed') return there;
    if (there.uids.length === 0) return { kind: 'ok' };
    const range = there.uids.join(',');
    switch (action.kind) {
      case 'seen':
        return this.#done('mark as seen', () =>
          this.#wire.client.messageFlagsAdd(range, ['\\Seen'], { uid: true }),
        );
      case 'delete':
        return this.#done('delete', () => this.#wire.client.messageDelete(range, { uid: true }));
      case 'move':
        return this.#move(range, action.folder);
    }
  }

  async close(): Promise<void> {
    await this.#wire.close();
  }

  /** If the folder is missing, it is created and the move is tried once more. */
  async #move(range: string, folder: string): Promise<ImapResult<object>> {
    const { client } = this.#wire;
    const first = await this.#done('move', () => client.messageMove(range, folder, { uid: true }));
    if (first.kind === 'ok' || first.trouble.commandRefused !== true) return first;
    const created = await this.#wire.call(() => client.mailboxCreate(folder));
    if (created.kind === 'failed') {
      return failed({
        kind: 'folderMissing',
        detail: `Messages cannot be moved to the target folder, and it cannot be created: ${created.trouble.detail}`,
      });
    }
    return this.#done('move', () => client.messageMove(range, folder, { uid: true }));
  }

  /** The library's `false` (or nothing) is a refusal. */
  async #done(what: string, command: () => Promise<unknown>): Promise<ImapResult<object>> {
    const answer = await this.#wire.call(command);
    if (answer.kind === 'failed') return answer;
    if (answer.value === false || answer.value === undefined) return failed(this.#wire.refused(what));
    return { kind: 'ok' };
  }
}

/**
 * Whether a short answer can be the whole message without asking for what follows it: answers were seen that end too
 * early. Exchange's RFC822.SIZE is an estimate, some percent too large; a multipart ends with its closing boundary.
 */
function looksWhole(bytes: Uint8Array, size: number | undefined): boolean {
  if (size === undefined || size <= 0 || bytes.length < size * 0.9 - estimateMarginBytes) return false;
  return !lacksMultipartEnd(readHeaders(mailText(bytes)), bytes);
}

/** What a small message's estimate may be off by. */
const estimateMarginBytes = 512;

/** The library's types leave out that NIL is null. */
function octetsOf(source: unknown): Uint8Array | undefined {
  return source instanceof Uint8Array ? source : undefined;
}

function instantOf(internalDate: Date | string | undefined): number | undefined {
  const instant = internalDate === undefined ? Number.NaN : new Date(internalDate).getTime();
  return Number.isFinite(instant) && instant >= 0 ? instant : undefined;
}

async function search(
  wire: Wire,
  query: { readonly uid?: string; readonly since?: Date },
): Promise<ImapResult<{ readonly uids: readonly number[] }>> {
  const answer = await wire.call(() => wire.client.search(query, { uid: true }));
  if (answer.kind === 'failed') return answer;
  // false: the server refused. An empty list would mean an empty folder.
  if (!Array.isArray(answer.value)) return failed(wire.refused('search'));
  return { kind: 'ok', uids: answer.value };
}

type FetchQuery = Parameters<ImapFlow['fetchAll']>[1];
type FetchRow = Awaited<ReturnType<ImapFlow['fetchAll']>>[number];

/**
 * One FETCH for all; if the server refuses it because of one message, one by one, so that a message which Exchange
 * can't convert does not hide the others. A UID refused alone is missing from the rows.
 */
async function fetchRows(
  wire: Wire,
  uids: readonly number[],
  query: FetchQuery,
): Promise<ImapResult<{ readonly rows: readonly FetchRow[] }>> {
  const asked = new Set(uids);
  const rows: FetchRow[] = [];
  const read = (range: readonly number[]): Promise<ImapResult<object>> =>
    wire.call(async () => {
      for await (const row of wire.client.fetch(range.join(','), { uid: true, ...query }, { uid: true })) {
        // Unsolicited rows are about other messages.
        if (asked.has(row.uid)) rows.push(row);
      }
    });
  const together = await read(uids);
  if (together.kind === 'ok') return { kind: 'ok', rows };
  if (together.trouble.commandRefused !== true) return together;
  const got = new Set(rows.map(({ uid }) => uid));
  for (const uid of uids) {
    if (got.has(uid)) continue;
    const alone = await read([uid]);
    if (alone.kind === 'failed' && alone.trouble.commandRefused !== true) return alone;
  }
  return { kind: 'ok', rows };
}

async function headerBlocks(
  wire: Wire,
  uids: readonly number[],
  which: true | string[],
): Promise<ImapResult<{ readonly blocks: ReadonlyMap<number, Uint8Array> }>> {
  const answer = await fetchRows(wire, uids, { headers: which });
  if (answer.kind === 'failed') return answer;
  const blocks = new Map<number, Uint8Array>();
  for (const { uid, headers } of answer.rows) if (headers !== undefined) blocks.set(uid, headers);
  return { kind: 'ok', blocks };
}

function failed(trouble: ImapTrouble): { readonly kind: 'failed'; readonly trouble: ImapTrouble } {
  return { kind: 'failed', trouble };
}

/** The properties that the library adds to its errors, if they have the expected type. */
function imapFields(error: unknown): Parameters<typeof judgeImap>[0] {
  if (!(error instanceof Error)) return { message: 'unknown' };
  const fields: Readonly<Record<string, unknown>> = Object.fromEntries(Object.entries(error));
  const text = (name: string): string | undefined => {
    const value = fields[name];
    return typeof value === 'string' ? boundedText(value, imapTextCharacters) : undefined;
  };
  const reset = fields['throttleReset'];
  return {
    code: text('code'),
    // A login that fails carries the server's line as `response`.
    responseText: text('responseText') ?? text('response'),
    serverResponseCode: text('serverResponseCode'),
    responseStatus: text('responseStatus'),
    authenticationFailed: fields['authenticationFailed'] === true,
    ...(typeof reset === 'number' ? { throttleReset: reset } : {}),
    message: boundedText(error.message, imapTextCharacters),
  };
}
