// The doors that the inbound side needs. Adapters: exchange/ (IMAP, MIME) and storage/ (rows, blobs, queue).
// The simulation replaces every one of them with a model that refuses, applies and forgets the answer, or dies.
import type { AfterFetch, Mailbox } from '../mail/mailbox.ts';
import type { BounceRecipient, Classification } from '../contract/classification.ts';
import type { ParsedMail } from './parsedMail.ts';

/** How long the caller still has; asked anew before every step. */
export interface TimeLeft {
  remainingMs(): number;
}

// ---- IMAP ------------------------------------------------------------------------------------------------

/** Why a session could not be had or went on no longer. `detail` are for the administrator and name no secret. */
export interface ImapTrouble {
  readonly kind:
    /** The server asks for time; see retryAfterMs. Nothing is wrong with the mailbox. */
    | 'throttled'
    /** "User is authenticated but not connected": five causes, one of them transient (exchange-online notes in docs). */
    | 'notConnected'
    /** AUTHENTICATE failed with a fresh token. */
    | 'refused'
    /** The token ran out in the middle of the session: a new connection mends it. */
    | 'tokenExpired'
    | 'needsConsent'
    | 'configuration'
    | 'folderMissing'
    /** Network, TLS, BYE, a server that does not answer, our own deadline. */
    | 'unavailable';
  readonly detail: string;
  readonly retryAfterMs?: number;
  /** The server said no to this one command; the session goes on. */
  readonly refusal?: true;
}

export type Imap<T> =
  ({ readonly kind: 'ok' } & T) | { readonly kind: 'failed'; readonly trouble: ImapTrouble };

/** A message as far as it was read in one go. */
export interface FetchedHead {
  readonly uid: number;
  /** The raw bytes from the first on; all of them when `whole`. */
  readonly bytes: Uint8Array;
  readonly whole: boolean;
}

/** One selected folder on one connection. Calls are made one after another. */
export interface MailboxSession {
  /** 0 where the server keeps no UIDs (RFC 3501 2.3.1.1 forbids it; it was seen). */
  readonly uidValidity: number;
  readonly uidNext: number;
  /** Ascending UIDs above `uid`. A failed answer is never an empty list. */
  listAbove(uid: number): Promise<Imap<{ readonly uids: readonly number[] }>>;
  /** Those of `uids` that are still in the folder. */
  stillThere(uids: readonly number[]): Promise<Imap<{ readonly uids: readonly number[] }>>;
  /**
   * The beginnings of at most 50 messages. A UID asked for and missing from `heads` is either `gone` (the folder
   * says so when asked again) or was not answered: it stays owed.
   */
  readHeads(
    uids: readonly number[],
  ): Promise<Imap<{ readonly heads: readonly FetchedHead[]; readonly gone: readonly number[] }>>;
  /** Header blocks only, for a rescan. */
  readHeaders(uids: readonly number[]): Promise<Imap<{ readonly headers: ReadonlyMap<number, Uint8Array> }>>;
  /** The whole message as it comes; throws ImapStreamTrouble when it ends early. */
  stream(uid: number): AsyncIterable<Uint8Array>;
  /** Does the after-fetch action on all of them. A UID that has vanished counts as done. */
  act(uids: readonly number[], action: AfterFetch): Promise<Imap<object>>;
  /** LOGOUT, then close; never throws. */
  close(): Promise<void>;
}

/** A download that was cut short: what was received is worth nothing. */
export class ImapStreamTrouble extends Error {
  override readonly name = 'ImapStreamTrouble';
  readonly trouble: ImapTrouble;
  constructor(trouble: ImapTrouble) {
    super(trouble.detail);
    this.trouble = trouble;
  }
}

/** The IMAP side of Exchange Online: one connection per mailbox, cut when the time is over. */
export interface Mailboxes {
  /** Token, login and SELECT of `mailbox.folder`. */
  open(mailbox: Mailbox, time: TimeLeft): Promise<Imap<{ readonly session: MailboxSession }>>;
}

// ---- parsing ---------------------------------------------------------------------------------------------

/** The raw message, in memory when small, else in a temporary file that the pass removes. */
export type RawMail =
  | {
      readonly kind: 'bytes';
      readonly bytes: Uint8Array;
      /** Where it is known already: nobody then goes over the bytes again for it. */
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
  /** Too deep, too many, too slow, too big, or the parser fell over. The raw message is safe already. */
  | { readonly kind: 'unparsed'; readonly detail: string };

export interface Parser {
  /** Ends within its own limits of time and memory, whatever the input. Large parts are left in files whose paths begin
   * with `filePrefix`; the caller removes them. */
  parse(raw: RawMail, filePrefix: string): Promise<ParseAnswer>;
  close(): Promise<void>;
}

// ---- rows ------------------------------------------------------------------------------------------------

/** A UID that failed and was passed by: it is tried again before anything new. */
export interface OwedUid {
  readonly uid: number;
  readonly tries: number;
}

/** Where a mailbox stands; one row, changed only by conditional write. */
export interface Cursor {
  readonly folder: string;
  readonly uidValidity: number;
  /** The highest UID handed off or owed. */
  readonly lastUid: number;
  readonly owed: readonly OwedUid[];
  /** Passes that failed in a row; 0 after one that worked. */
  readonly failureCount: number;
  /** No pass before this instant (UTC ms). */
  readonly pausedUntil: number;
  readonly lastPassAt: number;
  readonly lastSuccessAt: number;
  /** There was more than the last pass could take. */
  readonly leftover: boolean;
  /** The last trouble in words, '' when there is none. */
  readonly detail: string;
  /** Messages that came and went unseen between two passes, since it was last zero: another reader? */
  readonly vanishedCount: number;
}

/** Proof of the right to write the cursor. A lost lease shows as `lost` at the next write. */
export interface Lease {
  readonly mailboxKey: string;
  readonly tag: string;
  readonly version: string;
}

/** What is remembered of a message for good. */
export interface Entry {
  /** The stable id, with its suffix where two mails share one. */
  readonly id: string;
  readonly state: 'stored' | 'announced';
  /** Hash of the header fields that travel: tells two mails with one id apart without their bytes. */
  readonly headerPrint: string;
  /** Hash of what the message says (addresses, subject, text, attachments), '' when unparsed. */
  readonly contentPrint: string;
  readonly rawSha256: string;
  readonly sizeBytes: number;
  readonly kind: string;
  readonly folder: string;
  readonly uidValidity: number;
  readonly uid: number;
}

/** An after-fetch action that is due for a UID; it goes away once the action is done. */
export interface PendingAction {
  readonly uidValidity: number;
  readonly uid: number;
  readonly id: string;
}

export type LedgerAnswer<T> =
  | ({ readonly kind: 'ok' } & T)
  /** Somebody else holds the lease now; stop, the next pass goes on. */
  | { readonly kind: 'lost' };

/** The inbound ledger. Every method throws when the store does not answer; nothing is then known to have changed. */
export interface Ledger {
  /** Takes the lease unless a live one is held; the cursor is undefined for a mailbox never fetched. */
  begin(
    mailboxKey: string,
    claim: { readonly owner: string; readonly now: number; readonly untilMs: number },
  ): Promise<
    | { readonly kind: 'begun'; readonly lease: Lease; readonly cursor: Cursor | undefined }
    | { readonly kind: 'busy'; readonly until: number }
  >;
  cursor(mailboxKey: string): Promise<Cursor | undefined>;
  find(mailboxKey: string, id: string): Promise<Entry | undefined>;
  /** Inserts the entry as `stored`; true when it is new or is there already with the same hash of raw bytes. */
  keep(mailboxKey: string, entry: Entry): Promise<boolean>;
  /** One transaction: entries announced, actions noted as pending, cursor and lease moved. At most 40 of each. */
  advance(
    lease: Lease,
    change: {
      readonly cursor: Cursor;
      readonly announced: readonly string[];
      readonly pending: readonly PendingAction[];
      readonly leaseUntil: number;
    },
  ): Promise<LedgerAnswer<{ readonly lease: Lease }>>;
  /** Oldest first, at most `limit`. */
  pendingActions(mailboxKey: string, limit: number): Promise<readonly PendingAction[]>;
  /** Removes the marks; those already gone are no error. */
  settle(mailboxKey: string, done: readonly PendingAction[]): Promise<void>;
  /** Writes the cursor and gives the lease back. */
  end(lease: Lease, cursor: Cursor): Promise<LedgerAnswer<object>>;
}

// ---- blobs and queue -------------------------------------------------------------------------------------

export interface InboundBlobs {
  /** `container/name` as notices carry it. */
  reference(name: string): string;
  /** Creates the blob only if it is absent; `exists` leaves the old one untouched. Nothing half-written is ever seen. */
  create(name: string, content: RawMail, contentType: string): Promise<'created' | 'exists'>;
  /** SHA-256 (hex) of the blob's bytes as noted at creation; undefined where there is none. */
  sha256Of(name: string): Promise<string | undefined>;
  /** Copies the blob into a file; false where there is none. */
  save(name: string, path: string): Promise<boolean>;
}

export interface Notices {
  /** Puts one message on `inbound-mail`: printable ASCII, at most 48 KiB, never expires. */
  tell(text: string): Promise<void>;
}

// ---- what the outbound side knows ------------------------------------------------------------------------

export interface SentMail {
  readonly submissionId: string;
  readonly mailbox: string;
  /** ESM's own data, as it came with the submission. */
  readonly correlation: unknown;
}

export interface SentMails {
  /** The submission that an id belongs to; Message-IDs with their angle brackets, the likeliest first. */
  lookUpSent(by: {
    readonly bridgeId?: string;
    readonly messageIds: readonly string[];
  }): Promise<SentMail | undefined>;
  /** Is `tag` the keyed hash of `bridgeId`, in constant time? */
  checkTag(bridgeId: string, tag: string): Promise<boolean>;
  /**
   * A bounce of ours came back. Idempotent by `noticeId`. Unverified (no valid tag) may only annotate.
   * `pauses`: the server says that the sending side is at a limit or blocked; honoured only when verified.
   */
  noteBounce(bounce: BounceNote): Promise<void>;
}

/** Limits of the sending side that arrive as a bounce. */
export type SenderLimit = 'recipientsPerDay' | 'tenantLimit' | 'senderBlocked';

export interface BounceNote {
  readonly noticeId: string;
  readonly submissionId: string;
  readonly mailbox: string;
  readonly recipients: readonly BounceRecipient[];
  readonly verified: boolean;
  readonly pauses?: SenderLimit;
}
