// The ports that the outbound side needs, as few and as small as the need is. Adapters: storage/ and exchange/.
// The simulation replaces every one of them with a model under a seeded scheduler.
import type { TimeLeft } from '../deadline.ts';
import type { Account, Mailbox } from '../mail/mailbox.ts';
import type { Reply } from '../mail/reply.ts';
import type { Submission, SubmissionProblem } from '../contract/submission.ts';

// ---- rows: one partition per account, written in atomic transactions -------------------------------------

export type Field = string | number | boolean | Uint8Array;
export type Fields = Readonly<Record<string, Field>>;

export interface Row {
  readonly key: string;
  readonly etag: string;
  readonly fields: Fields;
}

/** One write within a transaction. A key appears at most once; at most 100 operations and 4 MiB in all. */
export type Operation =
  | { readonly kind: 'insert'; readonly key: string; readonly fields: Fields }
  /** Merge keeps fields not named. With `etag` it is refused unless the row still has it. */
  | { readonly kind: 'merge'; readonly key: string; readonly fields: Fields; readonly etag?: string }
  | { readonly kind: 'replace'; readonly key: string; readonly fields: Fields; readonly etag?: string }
  /** With `etag` it is refused unless the row still has it. */
  | { readonly kind: 'delete'; readonly key: string; readonly etag?: string };

/**
 * What became of a transaction. Only `ok` says that this call applied it. The SDK repeats a call whose answer
 * was lost, so an applied transaction may come back as `refused`: anything but `ok` means: read again.
 */
export type CommitAnswer =
  /** ETags of the rows written (not of those deleted), by key. */
  | { readonly kind: 'ok'; readonly etags: Readonly<Record<string, string>> }
  /** 412 changed · 409 exists · 404 missing. */
  | { readonly kind: 'refused'; readonly reason: 'changed' | 'exists' | 'missing'; readonly index?: number }
  /** Timeout, 5xx, cut connection: it may or may not have been applied. */
  | { readonly kind: 'unknown'; readonly detail: string };

/** The outbox's table. `read` and `query` throw StorageTrouble when the store does not answer. */
export interface Rows {
  read(partition: string, key: string): Promise<Row | undefined>;
  /** Rows with from <= key < to, in key order, at most `limit` (1..1000). `select` keeps only those fields. */
  query(
    partition: string,
    range: { readonly from: string; readonly to: string; readonly limit: number },
    select?: readonly string[],
  ): Promise<readonly Row[]>;
  commit(partition: string, operations: readonly Operation[]): Promise<CommitAnswer>;
}

// ---- blobs and queues ------------------------------------------------------------------------------------

/**
 * Content too large for a row, named by its hash: putting it twice is putting it once. A container of its own:
 * retention lists it and removes what no row of the outbox names. Throws StorageTrouble.
 */
export interface Contents {
  /** `container/name`, as events carry it. */
  reference(name: string): string;
  /** Idempotent: the name is the content's hash. Putting again renews the age that removeIfOlder judges. */
  put(name: string, bytes: Uint8Array): Promise<void>;
  get(name: string): Promise<Uint8Array | undefined>;
  /**
   * Copies a blob that ESM refers to (`container/name`) into our store under its SHA-256; again renews its age.
   * `absent` where it is not there, `forbidden` where the container is not the upload container, `tooLarge` past maxBytes.
   */
  adopt(
    reference: string,
    maxBytes: number,
  ): Promise<
    | { readonly kind: 'adopted'; readonly name: string; readonly sha256: string; readonly sizeBytes: number }
    | { readonly kind: 'absent' | 'forbidden' | 'tooLarge' }
  >;
  /** Deletes only if it is older than `olderThanMs` by the store's time; true when gone. */
  removeIfOlder(name: string, olderThanMs: number): Promise<boolean>;
  /** Names after `after` (from the first where absent), in order, at most `limit`; shorter only at the end. */
  list(options: { readonly after?: string; readonly limit: number }): Promise<readonly string[]>;
}

/**
 * Where the outbox is exported to: another account than its own, in which each blob is kept for some days from its last
 * `put` or `renew`. Throws StorageTrouble.
 */
export interface ExportStore {
  put(name: string, bytes: Uint8Array): Promise<void>;
  /** False if there is no such blob. */
  renew(name: string): Promise<boolean>;
  get(name: string): Promise<Uint8Array | undefined>;
  /** Names that begin with `prefix`, in order, at most `limit`. */
  list(prefix: string, limit: number): Promise<readonly string[]>;
}

/** Queues we write. Texts are printable ASCII; messages never expire (TTL -1). Throws StorageTrouble. */
export interface Queues {
  /** `mail-status`: one CloudEvent, as JSON. */
  publish(text: string): Promise<void>;
  /** `outbound-wake`: somebody look at this account. */
  wake(accountKey: string): Promise<void>;
}

// ---- IMAP ------------------------------------------------------------------------------------------------

/** Puts messages of the bridge's own into a folder of a mailbox. */
export interface Filing {
  /**
   * `mayBeThere`: an earlier try may have filed it, so its Message-ID is looked for first. `detail` is for the
   * administrator.
   */
  file(
    mailbox: Mailbox,
    message: {
      readonly folder: string;
      readonly bytes: Uint8Array;
      readonly messageId: string;
      readonly mayBeThere: boolean;
    },
    time: TimeLeft,
  ): Promise<
    | { readonly kind: 'filed' | 'there' }
    | { readonly kind: 'failed'; readonly detail: string; readonly retryAfterMs?: number }
  >;
}

// ---- SMTP ------------------------------------------------------------------------------------------------

export interface Envelope {
  /** Reverse-path: a validated plain addr-spec, or '' for the null one. */
  readonly from: string;
  /** Validated plain addr-specs; one RCPT each. */
  readonly to: readonly string[];
}

/** Where an SMTP dialog stood when it ended. The order is the order on the wire. */
export type Phase =
  'token' | 'connect' | 'tls' | 'greeting' | 'auth' | 'mail' | 'rcpt' | 'data' | 'body' | 'dot';

/** A dialog that ended before a message was accepted, or was cut. */
export interface RelayFailure {
  readonly phase: Phase;
  /** The server's reply, where one came. */
  readonly reply?: Reply;
  /** What happened, for a person; names no secret. */
  readonly detail: string;
  /** A token could not be had: what kind of trouble it was. */
  readonly token?: 'needsConsent' | 'configuration' | 'unavailable';
}

export type ConnectResult =
  | { readonly kind: 'connected'; readonly connection: RelayConnection }
  | { readonly kind: 'failed'; readonly failure: RelayFailure };

export type SendResult = {
  /** Our own note: everything up to and with the final dot was given to the socket. */
  readonly dotSent: boolean;
  /** The reply to each RCPT, in order, as far as the dialog came. */
  readonly recipients: readonly { readonly address: string; readonly reply: Reply }[];
} & (
  | {
      readonly kind: 'accepted';
      readonly reply: Reply;
      /** the id in the 250, where there was one */ readonly serverMessageId?: string;
    }
  | { readonly kind: 'failed'; readonly failure: RelayFailure }
);

/** What a connection asks of the sender of a message. */
export interface Sender extends TimeLeft {
  /**
   * Asked once, when the server has refused some of the recipients and taken others, before any of the content is
   * given: the copy in Sent Items does not show who was refused. False, never thrown: it could not be written down,
   * nothing of the content is given, and the connection is cut.
   */
  recordRefusals(recipients: SendResult['recipients']): Promise<boolean>;
}

export type ProbeResult =
  { readonly kind: 'ok' } | { readonly kind: 'failed'; readonly failure: RelayFailure };

export interface RelayConnection {
  /** False once the socket is gone or the server said it will close. */
  readonly usable: boolean;
  send(envelope: Envelope, content: Uint8Array, sender: Sender): Promise<SendResult>;
  /** MAIL FROM, RCPT TO, RSET: what a probe and the doctor do. Nothing is sent. */
  probe(envelope: Envelope, budget: TimeLeft): Promise<ProbeResult>;
  /** QUIT, then close; never throws. */
  close(): Promise<void>;
  /** Cuts the socket at once. */
  destroy(): void;
}

/** The next hop. Connecting includes STARTTLS, the token and AUTH: a connection that comes back is ready for MAIL. */
export interface Relay {
  connect(account: Account, budget: TimeLeft): Promise<ConnectResult>;
}

// ---- composing -------------------------------------------------------------------------------------------

/** What must be the same in every attempt, and what differs. */
export interface Stamp {
  /** `<...>` with the angle brackets. */
  readonly messageId: string;
  readonly dateMs: number;
  /** Seeds the MIME boundaries. */
  readonly boundarySeed: string;
  /** Value of X-Mail-Bridge-Id: `<id>.<attempt>`. */
  readonly bridgeId: string;
  /** Value of X-Mail-Bridge-Tag: keyed hash of bridgeId. */
  readonly bridgeTag: string;
}

/** Turns a submission into the bytes of a message; the same submission and stamp give the same bytes. */
export interface Composer {
  /** `blobs` holds every blob that the submission refers to, by the reference as the submission has it. */
  compose(submission: Submission, blobs: ReadonlyMap<string, Uint8Array>, stamp: Stamp): Promise<Uint8Array>;
}

/**
 * Reads a complete RFC 5322 message that ESM refers to (`raw.blob`), at acceptance: what the envelope is, taken
 * from the submission where it names recipients, else from To, Cc and Bcc; problems where it can't be sent.
 */
export interface RawMessages {
  inspect(
    submission: Submission & { readonly kind: 'raw' },
    bytes: Uint8Array,
  ): Promise<
    | {
        readonly kind: 'ok';
        readonly recipients: readonly string[];
        readonly messageId?: string;
        /** Decoded. */
        readonly subject?: string;
        /** What was corrected, in sentences for the caller. */
        readonly remarks?: readonly string[];
      }
    | { readonly kind: 'rejected'; readonly problems: readonly [SubmissionProblem, ...SubmissionProblem[]] }
  >;
}

/** The key of the private header's keyed hash, from the vault; asked anew each time, cached by the provider. */
export type TagKey = () => Promise<Uint8Array>;

// ---- Sent Items ------------------------------------------------------------------------------------------

export interface SoughtCopy {
  /** `<id>.<attempt>`, compared exactly with the fetched X-Mail-Bridge-Id. */
  readonly bridgeId: string;
  /** No copy can be older than this (UTC ms), less an hour for the server's clock. */
  readonly notBefore: number;
}

export type SentItemsAnswer =
  /** The headers of every candidate were read; `found` holds the bridgeIds that are there, with the copy's Message-ID. */
  | { readonly kind: 'searched'; readonly found: ReadonlyMap<string, { readonly messageId?: string }> }
  /** The look could not be made (IMAP down, throttled, no folder, mailbox not readable): it counts as none. */
  | { readonly kind: 'notMade'; readonly detail: string };

export interface SentItems {
  /** Looks in Sent Items of the account's own mailbox, and of `mailbox` where that is another (Send As). */
  search(
    account: Account,
    mailbox: Mailbox,
    wanted: readonly SoughtCopy[],
    budget: TimeLeft,
  ): Promise<SentItemsAnswer>;
}
