// Reading: which UIDs a run fetches, and the beginnings of a batch of them.
import { field, mailText, messageIds, readHeaders } from '../mail/headers.ts';
import { unwrap, type Connection } from './connection.ts';
import { isDue, lookedFor, usedUpTries } from './cursorChanges.ts';
import type { InboundDependencies, MailboxContext } from './dependencies.ts';
import type { Cursor, FetchedHead, MailboxSession } from './ports.ts';
import { identify } from './stableId.ts';

/** Of a report: it has no other fields than ours, and those that a server adds. */
const reportHeaderBytes = 16_384;

/** What SEARCH said. */
export interface Listing {
  /** In the order in which they are fetched: the retry list, what SEARCH left out before, what is new. */
  readonly uids: readonly number[];
  /** UIDs above the cursor that SEARCH named. */
  readonly named: ReadonlySet<number>;
  /** The highest UID that was assigned. */
  readonly top: number;
  /** What lies above the cursor came since a run that reached the end of the folder. */
  readonly isUpToDate: boolean;
}

/** The messages of one transaction, as far as they were read. */
export interface Batch {
  readonly uids: readonly number[];
  /** Messages that were announced under an earlier UIDVALIDITY, by UID. */
  readonly known: ReadonlyMap<number, KnownMessage>;
  /** Ascending. */
  readonly heads: readonly FetchedHead[];
  /** UIDs that have used up their tries. */
  readonly givenUp: ReadonlySet<number>;
  readonly gone: readonly number[];
  /** Older than what the mailbox is to fetch, or our own failure reports: neither announced nor touched. */
  readonly leftAlone: ReadonlySet<number>;
}

export interface KnownMessage {
  readonly id: string;
  /** Its kind, by which its after-fetch action is chosen. */
  readonly mailKind: string;
}

/** Asks the folder. Messages that another reader took are counted in the cursor that is returned. */
export async function list(
  connection: Connection,
  cursor: Cursor,
  since: number | undefined,
  now: number,
): Promise<{ readonly listing: Listing; readonly cursor: Cursor; readonly vanishedCount: number }> {
  const { lastUid } = cursor;
  return connection.command(async (session) => {
    const fresh = unwrap(await session.listAbove(lastUid, lastUid === 0 ? since : undefined));
    const asked = [...cursor.missing.map(({ uid }) => uid), ...cursor.incomplete];
    const there = asked.length === 0 ? [] : unwrap(await session.stillThere(asked)).uids;
    const looked = lookedFor(cursor, new Set(there));
    const late = looked.cursor.missing.map(({ uid }) => uid).filter((uid) => there.includes(uid));
    const retries = cursor.retryList.filter((one) => isDue(one, now)).map(({ uid }) => uid);
    const listing = {
      // One above the cursor has its turn with the new ones: to fetch it first would move the cursor past what is between.
      uids: [...new Set([...retries.filter((uid) => uid <= lastUid), ...late, ...fresh.uids])],
      named: new Set(fresh.uids),
      top: Math.max(session.uidNext - 1, lastUid, ...fresh.uids.slice(-1)),
      isUpToDate: lastUid > 0 && !cursor.hasMore,
    };
    // A person has dealt with what is gone.
    const incomplete = cursor.incomplete.filter((uid) => there.includes(uid));
    return { listing, cursor: { ...looked.cursor, incomplete }, vanishedCount: looked.vanishedCount };
  });
}

export class Reader {
  readonly #context: MailboxContext;
  readonly #dependencies: Pick<InboundDependencies, 'ledger' | 'sent'>;
  readonly #isAnnounced: (id: string) => boolean;
  /** How often a header fingerprint was recognised in this rescan: each entry of the ledger vouches for one message. */
  readonly #recognised = new Map<string, number>();

  /** `isAnnounced`: in this run. */
  constructor(
    context: MailboxContext,
    isAnnounced: (id: string) => boolean,
    dependencies: Pick<InboundDependencies, 'ledger' | 'sent'>,
  ) {
    this.#context = context;
    this.#isAnnounced = isAnnounced;
    this.#dependencies = dependencies;
  }

  /** Its failure surfaces where it is awaited, which may be never. */
  start(
    connection: Connection,
    uids: readonly number[],
    how: { readonly cursor: Cursor; readonly since: number | undefined },
  ): Promise<Batch> {
    const reading = connection.command((session) => this.#read(session, uids, how));
    reading.catch(() => undefined);
    return reading;
  }

  async #read(
    session: MailboxSession,
    uids: readonly number[],
    { cursor, since = 0 }: { readonly cursor: Cursor; readonly since: number | undefined },
  ): Promise<Batch> {
    const isRescan = uids.some((uid) => uid <= cursor.rescanTop);
    const known =
      isRescan && this.#mayTrustHeaders(session)
        ? await this.#recognise(session, uids, cursor)
        : new Map<number, KnownMessage>();
    const wanted = uids.filter((uid) => !known.has(uid));
    const { heads, gone } =
      wanted.length === 0 ? { heads: [], gone: [] } : unwrap(await session.readHeads(wanted));
    const givenUp = new Set(usedUpTries(cursor.retryList));
    const answered = new Set([...heads.map(({ uid }) => uid), ...gone]);
    const neverGiven = wanted
      .filter((uid) => givenUp.has(uid) && !answered.has(uid))
      .map((uid): FetchedHead => ({ uid, bytes: new Uint8Array(), whole: true }));
    const leftAlone = new Set(
      heads.filter(({ receivedAt = since }) => receivedAt < since).map(({ uid }) => uid),
    );
    for (const { uid, bytes } of heads) if (await this.#isReport(bytes)) leftAlone.add(uid);
    const all = [...heads.filter(({ uid }) => !leftAlone.has(uid)), ...neverGiven];
    return {
      uids,
      known,
      heads: all.toSorted((one, other) => one.uid - other.uid),
      givenUp,
      gone,
      leftAlone,
    };
  }

  /** Our own failure reports are for whoever reads the mailbox. */
  async #isReport(bytes: Uint8Array): Promise<boolean> {
    const text = mailText(bytes.subarray(0, reportHeaderBytes));
    if (!text.includes('<report.')) return false;
    const [messageId = ''] = messageIds(field(readHeaders(text), 'message-id'));
    return this.#dependencies.sent.isReport(messageId);
  }

  /**
   * If the server keeps no UIDs at all and mail stays in the folder, every run is a rescan, and fetching everything each
   * time is out of the question. A change of UIDVALIDITY happens once in years: then every message is fetched and compared.
   */
  #mayTrustHeaders(session: MailboxSession): boolean {
    const { kind } = this.#context.mailbox.afterFetch;
    return session.uidValidity === 0 && (kind === 'none' || kind === 'seen');
  }

  /**
   * In such a rescan, a message that was announced before is recognised by its header block alone, as often as the ledger
   * knows it; every other message is fetched and compared.
   */
  async #recognise(
    session: MailboxSession,
    uids: readonly number[],
    { unannounced }: Cursor,
  ): Promise<ReadonlyMap<number, KnownMessage>> {
    const { key } = this.#context;
    const { headers } = unwrap(await session.readHeaders(uids));
    const known = new Map<number, KnownMessage>();
    for (const [uid, bytes] of headers) {
      const { baseId, headerFingerprint } = identify(key, readHeaders(mailText(bytes)), bytes);
      const seenCount = this.#recognised.get(headerFingerprint) ?? 0;
      const id = seenCount === 0 ? baseId : `${baseId}-${seenCount + 1}`;
      // Two messages of one run may agree in their headers: only one announced in an earlier run is taken on trust.
      if (this.#isAnnounced(id) || unannounced.includes(id)) continue;
      const entry = await this.#dependencies.ledger.find(key, id);
      if (entry?.state !== 'announced' || entry.headerFingerprint !== headerFingerprint) continue;
      this.#recognised.set(headerFingerprint, seenCount + 1);
      known.set(uid, { id, mailKind: entry.kind });
    }
    return known;
  }
}
