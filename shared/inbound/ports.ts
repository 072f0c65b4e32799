// The ports of the inbound module. Adapters: exchange/ (IMAP, MIME) and storage/ (rows, blobs, queue).
// The simulation replaces every one of them with a model that refuses, applies and loses the answer, or crashes.
import type { TimeLeft } from '../deadline.ts';
import type { AfterFetch, Mailbox } from '../mail/mailbox.ts';
import type { Classification } from '../contract/classification.ts';
import type { BounceNote, FoundSubmission, SentLookup } from '../contract/sentMessage.ts';
import type { ParsedMail } from './parsedMail.ts';

// ---- IMAP ------------------------------------------------------------------------------------------------

/** Why a session could not be opened or ended early. `detail` is for the administrator and names no secret. */
export interface ImapTrouble {
  readonly kind:
    /** The server asks for time; see retryAfterMs. Nothing is wrong with the mailbox. */
    | 'throttled'
    /** "User is authenticated but not connected": five causes, one of them transient (exchange-online notes in docs). */
    | 'notConnected'
    /** AUTHENTICATE failed with a fresh token. */
    | 'signInRefused'
    /** The access token expired during the session: a new connection with a new token helps. */
    | 'tokenExpired'
    | 'needsConsent'
    | 'configuration'
    | 'folderMissing'
    /** Network, TLS, BYE, a server that does not answer, our own deadline. */
    | 'unavailable';
  readonly detail: string;
  readonly retryAfterMs?: number;
  /** The server said no to this one command; the session goes on. */
  readonly commandRefused?: true;
}

export type ImapResult<T> =
  ({ readonly kind: 'ok' } & T) | { readonly kind: 'failed'; readonly trouble: ImapTrouble };

/** The beginning of a message. */
export interface FetchedHead {
  readonly uid: number;
  /** The raw bytes from the first on; all of them if `whole`. */
  readonly bytes: Uint8Array;
  /** The server said so: the bytes reach RFC822.SIZE. Else the rest, if any, is asked for. */
  readonly whole: boolean;
  /** RFC822.SIZE, which Exchange estimates; undefined if the server did not give it. */
  readonly sizeBytes?: number;
  /** INTERNALDATE (UTC ms); undefined if the server did not give it. */
  readonly receivedAt?: number;
  /** At most 20 of them. */
  readonly flags?: readonly string[];
}

/** One selected folder on one connection. Calls are made one after another. */
export interface MailboxSession {
  /** 0 if the server keeps no UIDs (RFC 3501 2.3.1.1 forbids it; it was seen). */
  readonly uidValidity: number;
  readonly uidNext: number;
  /**
   * Ascending UIDs above `uid`; with `sinceMs` those that arrived on that day or later, and perhaps some from the day
   * before. A failed answer is never an empty list.
   */
  listAbove(uid: number, sinceMs?: number): Promise<ImapResult<{ readonly uids: readonly number[] }>>;
  /** Those of `uids` that are still in the folder. */
  stillThere(uids: readonly number[]): Promise<ImapResult<{ readonly uids: readonly number[] }>>;
  /**
   * The beginnings of at most 50 messages. A UID asked for and missing from `heads` is either `gone` (the folder
   * says so when asked again) or was not answered, and is retried.
   */
  readHeads(
    uids: readonly number[],
  ): Promise<ImapResult<{ readonly heads: readonly FetchedHead[]; readonly gone: readonly number[] }>>;
  /** Header blocks only, for a rescan. */
  readHeaders(
    uids: readonly number[],
  ): Promise<ImapResult<{ readonly headers: ReadonlyMap<number, Uint8Array> }>>;
  /**
   * The whole message in chunks, beginning with what `head` has. It ends where the server twice gave nothing (RFC 3501
   * 6.4.5: an offset beyond the end gives the empty string). Throws ImapStreamTrouble if an answer fails or is missing.
   */
  stream(head: FetchedHead): AsyncIterable<Uint8Array>;
  /** Does the after-fetch action on all of them. A UID that has vanished counts as done. */
  act(uids: readonly number[], action: AfterFetch): Promise<ImapResult<object>>;
  /** LOGOUT, then close; never throws. */
  close(): Promise<void>;
}

/** A download was cut short: what was received is worthless. */
export class ImapStreamTrouble extends Error {
  override readonly name = 'ImapStreamTrouble';
  readonly trouble: ImapTrouble;
  constructor(trouble: ImapTrouble) {
    super(trouble.detail);
    this.trouble = trouble;
  }
}

/** The IMAP side of Exchange Online: one connection per mailbox, cut when the time is up. */
export interface Mailboxes {
  /** Token, login and SELECT of `mailbox.folder`. */
  open(mailbox: Mailbox, time: TimeLeft): Promise<ImapResult<{ readonly session: MailboxSession }>>;
}

// ---- parsing ---------------------------------------------------------------------------------------------

/** The raw message: in memory if small, else in a temporary file that the run removes. */
export type RawMail =
  | {
      readonly kind: 'bytes';
      readonly bytes: Uint8Array;
      /** If known already: the bytes are not hashed again then. */
      readonly sha256?: string;
    }
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly sizeBytes: number;
      readonly sha256?: string;
    };

export type ParseAnswer =
  | { readonly kind: 'parsed'; readonly mail: ParsedMail; readonly classification: Classification }
  /** Too deep, too many parts, too slow, too big, or the parser crashed. The raw message is stored already. */
  | { readonly kind: 'unparsed'; readonly detail: string };

export interface Parser {
  /** Ends within its own limits of time and memory, whatever the input. Large parts are left in files whose paths begin
   * with `filePrefix`; the caller removes them. */
  parse(raw: RawMail, filePrefix: string): Promise<ParseAnswer>;
  close(): Promise<void>;
}

// ---- rows ------------------------------------------------------------------------------------------------

/** A UID that failed and was skipped: it is tried again before anything new. */
export interface RetryUid {
  readonly uid: number;
  /** How often it has failed. */
  readonly tryCount: number;
  /** Counts runs that ended in its middle: a process that died counts more than a store that gave up, a lost connection nothing. Absent for none. */
  readonly abandonedCount?: number;
}

/** A UID that a SEARCH left out although it was assigned: it is looked for again. */
export interface MissingUid {
  readonly uid: number;
  /** Runs that looked for it in vain. */
  readonly passCount: number;
  /** It was assigned since an earlier run: if it never shows, another program took it. */
  readonly isNew: boolean;
}

/** The position and state of a mailbox; one row, changed only by conditional write. */
export interface Cursor {
  readonly folder: string;
  readonly uidValidity: number;
  /** The highest UID that was ingested or put on the retry list. */
  readonly lastUid: number;
  readonly retryList: readonly RetryUid[];
  /** At most 200. */
  readonly missing: readonly MissingUid[];
  /** Ids whose rows are inserted and whose notices perhaps are not published. */
  readonly unannounced: readonly string[];
  /** UIDs that the server never gave whole: a person has to look at them. At most 100. */
  readonly incomplete: readonly number[];
  /** There may be rows of actions that are due. */
  readonly hasPending: boolean;
  /** Messages up to this UID were there when the folder began to be read again; 0 if it was not. */
  readonly rescanTop: number;
  /** The begin of the last run after which nothing was left to fetch (UTC ms). */
  readonly caughtUpAt: number;
  /** Rows of messages from before this instant (UTC ms) were removed; each of them had been fetched. */
  readonly rowsPrunedUntil: number;
  /** Runs that failed in a row; 0 after one that succeeded. */
  readonly failureCount: number;
  /** No run before this instant (UTC ms); 0 if there is no delay. */
  readonly retryAt: number;
  /** The first run that knew the mailbox (UTC ms); 0 if that was before it was noted. */
  readonly firstRunAt: number;
  readonly lastRunAt: number;
  readonly lastSuccessAt: number;
  /** The folder held more than the last run could fetch. */
  readonly hasMore: boolean;
  /** The last trouble in a sentence, empty if there is none. */
  readonly detail: string;
  /** Messages that came and went unseen between two runs, in total: a sign of another reader. */
  readonly vanishedCount: number;
}

/** Proof of the right to write the cursor. A lost lease shows as `lost` at the next write. */
export interface Lease {
  readonly mailboxKey: string;
  readonly tag: string;
  readonly version: string;
}

/** What the ledger keeps of a message for good. */
export interface MessageEntry {
  /** The stable id, with a suffix if two messages share it. */
  readonly id: string;
  /** `stored`: in rows of an earlier version, whose notices perhaps are not published. */
  readonly state: 'stored' | 'announced';
  /** Hash of the header fields that last: tells two messages with one id apart without their bytes. */
  readonly headerFingerprint: string;
  /** Hash of addresses, subject, text and attachments; empty if unparsed. */
  readonly contentFingerprint: string;
  readonly rawSha256: string;
  readonly sizeBytes: number;
  readonly kind: string;
  readonly folder: string;
  readonly uidValidity: number;
  readonly uid: number;
  /** INTERNALDATE (UTC ms); 0 if it is not known. */
  readonly receivedAt: number;
  /** The day (UTC, `2026-11-27`) of its content row; empty in rows of an earlier version, which have none. */
  readonly contentDay: string;
}

/** What is stored of a message's content, under the day on which that began: rows of one day are removed together. */
export interface StoredContent {
  readonly id: string;
  readonly day: string;
  /** Names of its blobs, below its own folder. */
  readonly blobs: readonly string[];
  /** Fingerprints of From, Sender and Reply-To. */
  readonly people: readonly string[];
}

/** The rows of a message that is to be announced. */
export interface StoredMessage {
  readonly entry: MessageEntry;
  readonly content: StoredContent;
  /** The row is there already, with this day; its content row moves to today. Absent: it must not be there. */
  readonly knownDay?: string;
}

/** An after-fetch action that is due for a UID; its row is removed once the action is done. */
export interface PendingAction {
  readonly uidValidity: number;
  readonly uid: number;
  readonly id: string;
  /** The kind of the message, which decides about the action. */
  readonly mailKind: string;
}

export type LedgerAnswer<T> =
  | ({ readonly kind: 'ok' } & T)
  /** Another run holds the lease now: stop. */
  | { readonly kind: 'lost' };

/** What one transaction of a run changes. At most 20 of each. */
export interface Advance {
  readonly cursor: Cursor;
  readonly stored: readonly StoredMessage[];
  /** Actions recorded as due. */
  readonly pending: readonly PendingAction[];
  /** Actions that are done: their rows are removed. */
  readonly cleared: readonly PendingAction[];
  /** UTC ms. */
  readonly leaseUntil: number;
}

/** Who asks for the lease of a mailbox, when, and until when (UTC ms). */
export interface LeaseClaim {
  readonly owner: string;
  readonly now: number;
  readonly leaseUntil: number;
}

/** The inbound ledger. Every method throws StorageTrouble if the store does not answer; nothing is then known to have changed. */
export interface Ledger {
  /** Takes the lease unless it is held and has not expired; the cursor is undefined for a mailbox never fetched. */
  acquireLease(
    mailboxKey: string,
    claim: LeaseClaim,
  ): Promise<
    | {
        readonly kind: 'acquired';
        readonly lease: Lease;
        readonly cursor: Cursor | undefined;
        /** The run before never released it: its process died, or lost the store. */
        readonly abandoned: boolean;
      }
    | { readonly kind: 'busy'; readonly until: number }
  >;
  cursor(mailboxKey: string): Promise<Cursor | undefined>;
  find(mailboxKey: string, id: string): Promise<MessageEntry | undefined>;
  /**
   * One transaction; the lease it returns replaces the old one. `known`: nothing was written, since rows that must not be
   * there are there.
   */
  advance(
    lease: Lease,
    change: Advance,
  ): Promise<
    LedgerAnswer<{ readonly lease: Lease }> | { readonly kind: 'known'; readonly ids: readonly string[] }
  >;
  /** In the order of their UIDs, at most `limit`. */
  pendingActions(mailboxKey: string, limit: number): Promise<readonly PendingAction[]>;
  /** Removes the rows of actions that are done or obsolete; rows already gone are no error. */
  clearActions(mailboxKey: string, done: readonly PendingAction[]): Promise<void>;
  /** Writes the cursor, and what is left to write with it, and releases the lease. */
  releaseLease(
    lease: Lease,
    last: Pick<Advance, 'cursor' | 'pending' | 'cleared'>,
  ): Promise<LedgerAnswer<object>>;
  /** Content of days before `day`, the oldest first, at most `limit`. */
  contentBefore(mailboxKey: string, day: string, limit: number): Promise<readonly StoredContent[]>;
  /** Content rows after that of `after`, or from the first on, in the order of their days; at most `limit`. */
  contentAfter(
    mailboxKey: string,
    after: Pick<StoredContent, 'id' | 'day'> | undefined,
    limit: number,
  ): Promise<readonly StoredContent[]>;
  /** The content row of one message; undefined if its content was removed. */
  contentOf(mailboxKey: string, at: Pick<StoredContent, 'id' | 'day'>): Promise<StoredContent | undefined>;
  /** The content is gone: only what recognises the messages stays. */
  contentRemoved(mailboxKey: string, contents: readonly StoredContent[]): Promise<void>;
  /** Messages whose content was removed, announced before `day`, the oldest first, at most `limit`. */
  knownBefore(
    mailboxKey: string,
    day: string,
    limit: number,
  ): Promise<readonly Pick<StoredContent, 'id' | 'day'>[]>;
  /** Removes the rows of these messages: they are recognised no more. */
  forget(mailboxKey: string, known: readonly Pick<StoredContent, 'id' | 'day'>[]): Promise<void>;
}

// ---- blobs and queue -------------------------------------------------------------------------------------

export interface InboundBlobs {
  /** `container/name` as notices carry it. */
  reference(name: string): string;
  /** Creates the blob only if it is absent; `exists` leaves the old one untouched. A half-written blob is never visible. */
  create(name: string, content: RawMail, contentType: string): Promise<'created' | 'exists'>;
  /** SHA-256 (hex) of the blob's bytes as noted at creation; undefined if there is no such blob. */
  sha256Of(name: string): Promise<string | undefined>;
  /** Copies the blob into a file; false if there is no such blob. */
  save(name: string, path: string): Promise<boolean>;
  /** Removes the blobs, many with one call; those that are gone already are no error. */
  remove(names: readonly string[]): Promise<void>;
}

export interface Notices {
  /** Puts one message on `inbound-mail`: printable ASCII, at most 48 KiB, never expires. */
  publish(text: string): Promise<void>;
}

// ---- what the outbound side knows ------------------------------------------------------------------------

export interface SentMessages {
  /** The submission that an id belongs to. At most 20 reads, whatever the ids and however many accounts there are. */
  lookUpSent(by: SentLookup): Promise<FoundSubmission | undefined>;
  /** True if `tag` is the keyed hash of `bridgeId`; compared in constant time. */
  checkTag(bridgeId: string, tag: string): Promise<boolean>;
  /** Whether a message with this Message-ID is a failure report that the bridge put there itself. */
  isReport(messageId: string): Promise<boolean>;
  /** A bounce of a message of ours came back. Idempotent by `noticeId`. */
  noteBounce(bounce: BounceNote): Promise<void>;
}
