// One message, from its bytes to what its row and its notice say.
//
//  1  raw bytes to a blob, created only if it is absent: from here on the message is safe
//  2  parsed and classified
//  3  related to what was sent; texts and parts to blobs (prepare.ts)
//
// The batch's transaction inserts the row, and then the notice is published (commit.ts). A crash anywhere leaves the message
// in the mailbox and above the cursor: the next run fetches it again, finds blob and row under the same identity, and
// repeats what is missing. The notice may be repeated, with the same id.
//
// The raw blob is the identity check while it exists: one that was not there is new, so no row is looked for. If the row is
// there all the same (the content was removed after its time) the transaction says so, and the message is ingested again
// with `lookFirst`.
//
// Identity: two messages may share an id (same Message-ID, Date, first hop). They are the same message if their bytes
// are equal, or their lasting fields and their content (a server rebuilds MIME on each fetch); else the second gets a
// suffix.
import { lacksMultipartEnd } from '../classify/multipartEnd.ts';
import { isPlaceholder } from '../classify/placeholder.ts';
import { fingerprintOf } from '../mail/fingerprint.ts';
import { mailText, readHeaders, type HeaderBlock } from '../mail/headers.ts';
import { inboundEvents } from '../telemetry/inboundEvents.ts';
import type { KeyedMutex } from './concurrency.ts';
import type { InboundDependencies, MailboxContext } from './dependencies.ts';
import {
  ImapStreamTrouble,
  type FetchedHead,
  type MailboxSession,
  type MessageEntry,
  type ParseAnswer,
} from './ports.ts';
import { prepare, rawBlobName, type IdentifiedMail, type Prepared } from './prepare.ts';
import { fileOf, headOf, type Spool, type SpooledMail } from './rawMail.ts';
import { identify, type Identity } from './stableId.ts';

export type Ingested =
  | Prepared
  /** It was announced before: a redelivery, or a rescan. */
  | { readonly kind: 'duplicate'; readonly id: string; readonly mailKind: string }
  /** Seen in a rescan, and older than what the ledger remembers: neither announced nor touched. */
  | { readonly kind: 'forgotten' };

/** By how much an estimate of a small message's size may be off. */
const sizeMarginBytes = 1_024;

/** At most this many messages with one identity are kept apart by number; the others by their bytes. */
const sharedIdLimit = 50;

/** What the messages of one run share. */
export interface RunContext {
  readonly context: MailboxContext;
  readonly session: MailboxSession;
  readonly spool: Spool;
  /** Messages of this run, by id: their rows may not be written yet. */
  readonly claimed: Map<string, MessageEntry>;
  /** Ids whose rows are there and whose notices perhaps were never published. */
  readonly unannounced: ReadonlySet<string>;
  /** Messages with one identity go one after another. */
  readonly mutex: KeyedMutex;
}

export interface HowToIngest {
  /** Look for a row before the blob is created: in a rescan, or because the row was found to be there. */
  readonly lookFirst?: boolean;
  /** Without a row it is not announced: rows from before this instant (UTC ms) were removed. */
  readonly onlyKnownBefore?: number;
}

/** The message being ingested, with what is known of it so far. */
interface Arrival {
  readonly fetched: FetchedHead;
  readonly mail: SpooledMail;
  readonly identity: Identity;
  /** Paths of this message's temporary files begin with it. */
  readonly prefix: string;
  /** Parses on the first call only. */
  readonly parse: () => Promise<ParseAnswer>;
}

/** Throws what a port throws; only storage trouble concerns more than this message. */
export async function ingest(
  head: FetchedHead,
  run: RunContext,
  dependencies: InboundDependencies,
  how: HowToIngest = {},
): Promise<Ingested> {
  const prefix = run.spool.prefix();
  try {
    const mail = await run.spool.take(head, (one) => run.session.stream(one), prefix);
    const block = readHeaders(mailText(mail.head));
    const missing = whatIsMissing(block, mail, head);
    if (missing !== undefined) throw new ImapStreamTrouble({ kind: 'unavailable', detail: missing });
    const identity = identify(run.context.key, block, mail.head);
    let answer: Promise<ParseAnswer> | undefined;
    const parse = (): Promise<ParseAnswer> =>
      (answer ??= dependencies.parser.parse(mail.raw, `${prefix}part-`));
    const arrival = { fetched: head, mail, identity, prefix, parse };
    return await run.mutex.run(identity.baseId, () => ingestUnderId(arrival, run, dependencies, how));
  } finally {
    await run.spool.drop(prefix);
  }
}

/** Finds the first id that is free or is this message's already, and stores it under it. */
async function ingestUnderId(
  arrival: Arrival,
  run: RunContext,
  dependencies: InboundDependencies,
  { lookFirst = false, onlyKnownBefore = 0 }: HowToIngest,
): Promise<Ingested> {
  const { context } = run;
  const { ledger, blobs, log } = dependencies;
  const { fetched, mail, identity } = arrival;
  for (let n = 1; n <= sharedIdLimit; n += 1) {
    const id = n === 1 ? identity.baseId : `${identity.baseId}-${n}`;
    const claimed = run.claimed.get(id);
    let created = false;
    if (claimed === undefined && !lookFirst) {
      created = (await blobs.create(rawBlobName(context, id), mail.raw, 'message/rfc822')) === 'created';
    }
    const known = claimed ?? (created ? undefined : await ledger.find(context.key, id));
    if (known !== undefined && !(await isSame(known, arrival))) continue;
    if (known !== undefined && isAnnounced(known, run)) {
      log(inboundEvents.duplicateFound({ mailbox: context.hash, id }));
      return { kind: 'duplicate', id, mailKind: known.kind };
    }
    if (known === undefined && lookFirst && (fetched.receivedAt ?? onlyKnownBefore) < onlyKnownBefore) {
      return { kind: 'forgotten' };
    }
    const stored = created ? mail : await storedRaw(arrival, id, run, dependencies);
    if (stored === 'another') continue;
    if (n > 1) log(inboundEvents.identityCollision({ mailbox: context.hash, id }));
    return finish(arrival, { id, stored, known }, run, dependencies);
  }
  // Anyone can send any number of messages with one Message-ID, Date and first hop: from here on their bytes tell.
  const id = `${identity.baseId}-${mail.sha256.slice(0, 16)}`;
  log(inboundEvents.identityCollision({ mailbox: context.hash, id }));
  return ingestAs(id, arrival, run, dependencies);
}

/** Under an id that only these bytes can have. */
async function ingestAs(
  id: string,
  arrival: Arrival,
  run: RunContext,
  dependencies: InboundDependencies,
): Promise<Ingested> {
  const { context } = run;
  const { ledger, blobs, log } = dependencies;
  const known = run.claimed.get(id) ?? (await ledger.find(context.key, id));
  if (known !== undefined && isAnnounced(known, run)) {
    log(inboundEvents.duplicateFound({ mailbox: context.hash, id }));
    return { kind: 'duplicate', id, mailKind: known.kind };
  }
  await blobs.create(rawBlobName(context, id), arrival.mail.raw, 'message/rfc822');
  return finish(arrival, { id, stored: arrival.mail, known }, run, dependencies);
}

/** The raw bytes are stored under `id`. */
async function finish(
  { fetched, mail, identity, parse }: Arrival,
  {
    id,
    stored,
    known,
  }: {
    readonly id: string;
    readonly stored: IdentifiedMail['stored'];
    readonly known: MessageEntry | undefined;
  },
  run: RunContext,
  dependencies: InboundDependencies,
): Promise<Prepared> {
  const answer = await parse();
  const { uidValidity } = run.session;
  const identified = { id, fetched, uidValidity, head: mail.head, stored, answer, identity };
  const prepared = await prepare(identified, known, run.context, dependencies);
  run.claimed.set(id, prepared.stored.entry);
  return prepared;
}

/** A row of this run counts as announced: it will be, before anything is done with a second copy. */
function isAnnounced(known: MessageEntry, { claimed, unannounced }: RunContext): boolean {
  return claimed.has(known.id) || (known.state === 'announced' && !unannounced.has(known.id));
}

/**
 * A message that used up its tries: announced as `unparsed` with what the server gave of it, without relation and
 * parts. It is known by its UID, since nothing else of it is certain; if an earlier run wrote a row for this UID, and died
 * before its notice was surely published, under the id of that row.
 */
export async function ingestGivenUp(
  head: FetchedHead,
  run: RunContext,
  dependencies: InboundDependencies,
): Promise<Ingested> {
  const prefix = run.spool.prefix();
  try {
    const mail = await run.spool.take({ ...head, whole: true }, (one) => run.session.stream(one), prefix);
    const { uid } = head;
    const { key } = run.context;
    const baseId = fingerprintOf([key, 'uid', String(run.session.uidValidity), String(uid)]).slice(0, 32);
    const earlier = await rowOf(head, mail, run, dependencies);
    const identity = earlier === undefined ? { baseId, headerFingerprint: '' } : earlier.identity;
    const parse = (): Promise<ParseAnswer> => Promise.resolve({ kind: 'unparsed', detail: givenUpDetail });
    const arrival = { fetched: head, mail, identity, prefix, parse };
    const id = earlier?.id ?? baseId;
    return await run.mutex.run(identity.baseId, () => ingestAs(id, arrival, run, dependencies));
  } finally {
    await run.spool.drop(prefix);
  }
}

async function rowOf(
  { uid }: FetchedHead,
  mail: SpooledMail,
  { context, session, unannounced }: RunContext,
  { ledger }: InboundDependencies,
): Promise<{ readonly id: string; readonly identity: Identity } | undefined> {
  const identity = identify(context.key, readHeaders(mailText(mail.head)), mail.head);
  for (const id of unannounced) {
    if (!id.startsWith(identity.baseId)) continue;
    const row = await ledger.find(context.key, id);
    if (row?.uid === uid && row.uidValidity === session.uidValidity) return { id, identity };
  }
  return undefined;
}

const givenUpDetail =
  'The server never gave this message whole, or it could not be processed. It stays in its folder: open it with a mail client.';

/**
 * Why these bytes cannot be a delivered message; undefined if they can. Exchange gives a text of its own for an item that
 * it cannot convert or that is still scanned, and servers were seen to end an answer early without an error.
 */
function whatIsMissing(block: HeaderBlock, mail: SpooledMail, head: FetchedHead): string | undefined {
  if (block.fields.length === 0) return 'The server gave no header block for this message.';
  if (isPlaceholder(block))
    return 'Exchange gave a text in place of the message, which it cannot convert yet.';
  const { sizeBytes = 0 } = head;
  // RFC822.SIZE is an estimate on Exchange, wrong by any factor: what is cut as well lacks the end of its multipart.
  if (mail.sizeBytes * 2 + sizeMarginBytes < sizeBytes && lacksMultipartEnd(block, mail.tail)) {
    return `The server gave ${mail.sizeBytes} of about ${sizeBytes} bytes of this message, without its end.`;
  }
  return undefined;
}

/** Equal bytes; or equal in every lasting field and in content. */
async function isSame(known: MessageEntry, arrival: Arrival): Promise<boolean> {
  if (known.rawSha256 === arrival.mail.sha256) return true;
  if (known.headerFingerprint !== arrival.identity.headerFingerprint) return false;
  return known.contentFingerprint === contentFingerprintOf(await arrival.parse());
}

/**
 * Afterwards the raw blob of this id holds this message, or it holds `another`. A blob without a row was left by a
 * crash, and may be this message as the server built it then.
 */
async function storedRaw(
  arrival: Arrival,
  id: string,
  { context, spool }: RunContext,
  { blobs, parser }: InboundDependencies,
): Promise<IdentifiedMail['stored'] | 'another'> {
  const { mail, identity, prefix } = arrival;
  const name = rawBlobName(context, id);
  if ((await blobs.create(name, mail.raw, 'message/rfc822')) === 'created') return mail;
  const sha256 = await blobs.sha256Of(name);
  if (sha256 === mail.sha256) return mail;
  const path = `${prefix}stored`;
  await spool.ready();
  if (sha256 === undefined || !(await blobs.save(name, path))) {
    throw new Error('A raw blob vanished while it was compared.');
  }
  const head = await headOf(path);
  const old = identify(context.key, readHeaders(mailText(head)), head);
  if (old.headerFingerprint !== identity.headerFingerprint) return 'another';
  const raw = await fileOf(path);
  const answer = await parser.parse(raw, `${prefix}stored-part-`);
  if (contentFingerprintOf(answer) !== contentFingerprintOf(await arrival.parse())) return 'another';
  return { sha256, sizeBytes: raw.kind === 'file' ? raw.sizeBytes : raw.bytes.byteLength };
}

function contentFingerprintOf(answer: ParseAnswer): string {
  return answer.kind === 'parsed' ? answer.mail.contentFingerprint : '';
}
