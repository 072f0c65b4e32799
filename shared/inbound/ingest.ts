// One message, from its bytes to its notice.
//
//  1  raw bytes to a blob, created only if it is absent: from here on the message is safe
//  2  parsed and classified
//  3  a row in the ledger, `stored`
//  4  announced (announce.ts): related to what was sent, texts and parts stored, a bounce reported, the notice published
//
// Then the run marks the row announced. A crash anywhere leaves the message in the mailbox and above the cursor: the next
// run fetches it again, finds blob and row under the same identity, and repeats what is missing. The notice may be
// repeated, with the same id.
//
// Identity: two messages may share an id (same Message-ID, Date, first hop). They are the same message if their bytes
// are equal, or their lasting fields and their content (a server rebuilds MIME on each fetch); else the second gets a
// suffix.
import { lacksMultipartEnd } from '../classify/multipartEnd.ts';
import { isPlaceholder } from '../classify/placeholder.ts';
import { fingerprintOf } from '../mail/fingerprint.ts';
import { mailText, readHeaders, type HeaderBlock } from '../mail/headers.ts';
import { inboundEvents } from '../telemetry/inboundEvents.ts';
import { announce, rawBlobName, type IdentifiedMail } from './announce.ts';
import type { KeyedMutex, OrderedGate } from './concurrency.ts';
import type { InboundDependencies, MailboxContext } from './dependencies.ts';
import {
  ImapStreamTrouble,
  type FetchedHead,
  type MailboxSession,
  type MessageEntry,
  type ParseAnswer,
} from './ports.ts';
import { fileOf, headOf, type Spool, type SpooledMail } from './rawMail.ts';
import { identify, type Identity } from './stableId.ts';

export type Ingested =
  | { readonly kind: 'announced'; readonly id: string; readonly parsed: boolean }
  /** It was announced before: a redelivery, or a rescan. */
  | { readonly kind: 'duplicate'; readonly id: string };

/** By how much an estimate of a small message's size may be off. */
const sizeMarginBytes = 1_024;

/** At most this many messages with one identity are kept apart by number; the others by their bytes. */
const sharedIdLimit = 50;

/** What the messages of one run share. */
export interface RunContext {
  readonly context: MailboxContext;
  readonly session: MailboxSession;
  readonly spool: Spool;
  /** Ids announced in this run: their rows say `stored` until the batch is committed. */
  readonly announcedIds: Set<string>;
  /** Messages with one identity go one after another. */
  readonly mutex: KeyedMutex;
  /** Notices are published in the order of arrival. */
  readonly gate: OrderedGate;
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
  /** Resolves when everything that arrived earlier was announced: ESM reads a ticket's mail in the order of arrival. */
  readonly turn: Promise<void>;
}

/** Throws what a port throws; only storage trouble concerns more than this message. */
export async function ingest(
  head: FetchedHead,
  run: RunContext,
  dependencies: InboundDependencies,
): Promise<Ingested> {
  const { turn, done } = run.gate.enter();
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
    const arrival = { fetched: head, mail, identity, prefix, parse, turn };
    return await run.mutex.run(identity.baseId, () => ingestUnderId(arrival, run, dependencies));
  } finally {
    done();
    await run.spool.drop(prefix);
  }
}

/** Finds the first id that is free or is this message's already, and does what is missing under it. */
async function ingestUnderId(
  arrival: Arrival,
  run: RunContext,
  dependencies: InboundDependencies,
): Promise<Ingested> {
  const { context, session } = run;
  const { ledger, log } = dependencies;
  for (let n = 1; n <= sharedIdLimit; n += 1) {
    const id = n === 1 ? arrival.identity.baseId : `${arrival.identity.baseId}-${n}`;
    const known = await ledger.find(context.key, id);
    if (known !== undefined && !(await isSame(known, arrival))) continue;
    if (known?.state === 'announced' || run.announcedIds.has(id)) {
      log(inboundEvents.duplicateFound({ mailbox: context.hash, id }));
      return { kind: 'duplicate', id };
    }
    const stored = await storeRaw(arrival, id, run, dependencies);
    if (stored === 'another') continue;
    const answer = await arrival.parse();
    const { fetched, mail, turn } = arrival;
    const { uidValidity } = session;
    const identified = { id, fetched, uidValidity, head: mail.head, stored, answer };
    // Another worker may have inserted another message under this id meanwhile: then this one takes the next id.
    if (
      known === undefined &&
      !(await ledger.insert(context.key, entryOf(identified, arrival.identity, context)))
    ) {
      const winner = await ledger.find(context.key, id);
      if (winner === undefined || !(await isSame(winner, arrival))) continue;
    }
    if (n > 1) log(inboundEvents.identityCollision({ mailbox: context.hash, id }));
    await announce(identified, turn, context, dependencies);
    run.announcedIds.add(id);
    return { kind: 'announced', id, parsed: answer.kind === 'parsed' };
  }
  // Anyone can send any number of messages with one Message-ID, Date and first hop: from here on their bytes tell.
  const id = `${arrival.identity.baseId}-${arrival.mail.sha256.slice(0, 16)}`;
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
  const { context, session } = run;
  const { ledger, blobs, log } = dependencies;
  const { fetched, mail, identity, turn } = arrival;
  const known = await ledger.find(context.key, id);
  if (known?.state === 'announced' || run.announcedIds.has(id)) {
    log(inboundEvents.duplicateFound({ mailbox: context.hash, id }));
    return { kind: 'duplicate', id };
  }
  await blobs.create(rawBlobName(context, id), mail.raw, 'message/rfc822');
  const answer = await arrival.parse();
  const { uidValidity } = session;
  const identified = { id, fetched, uidValidity, head: mail.head, stored: mail, answer };
  if (known === undefined) await ledger.insert(context.key, entryOf(identified, identity, context));
  await announce(identified, turn, context, dependencies);
  run.announcedIds.add(id);
  return { kind: 'announced', id, parsed: answer.kind === 'parsed' };
}

/**
 * A message that used up its tries: announced as `unparsed` with what the server gave of it, without relation and
 * parts. It is known by its UID, since nothing else of it is certain.
 */
export async function ingestGivenUp(
  head: FetchedHead,
  run: RunContext,
  dependencies: InboundDependencies,
): Promise<Ingested> {
  const { turn, done } = run.gate.enter();
  const prefix = run.spool.prefix();
  try {
    const mail = await run.spool.take({ ...head, whole: true }, (one) => run.session.stream(one), prefix);
    const { uid } = head;
    const { key } = run.context;
    const baseId = fingerprintOf([key, 'uid', String(run.session.uidValidity), String(uid)]).slice(0, 32);
    const identity = { baseId, headerFingerprint: '' };
    const parse = (): Promise<ParseAnswer> => Promise.resolve({ kind: 'unparsed', detail: givenUpDetail });
    const arrival = { fetched: head, mail, identity, prefix, parse, turn };
    return await run.mutex.run(baseId, () => ingestAs(baseId, arrival, run, dependencies));
  } finally {
    done();
    await run.spool.drop(prefix);
  }
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
async function storeRaw(
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

function entryOf(
  { id, fetched, uidValidity, stored, answer }: IdentifiedMail,
  { headerFingerprint }: Identity,
  { mailbox }: MailboxContext,
): MessageEntry {
  return {
    id,
    state: 'stored',
    headerFingerprint,
    contentFingerprint: contentFingerprintOf(answer),
    rawSha256: stored.sha256,
    sizeBytes: stored.sizeBytes,
    kind: answer.kind === 'parsed' ? answer.classification.kind : 'unparsed',
    folder: mailbox.folder,
    uidValidity,
    uid: fetched.uid,
  };
}

function contentFingerprintOf(answer: ParseAnswer): string {
  return answer.kind === 'parsed' ? answer.mail.contentFingerprint : '';
}
