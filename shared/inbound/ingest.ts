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
import { mailText, readHeaders } from '../mail/headers.ts';
import { inboundEvents } from '../telemetry/inboundEvents.ts';
import { announce, rawBlobName, type IdentifiedMail } from './announce.ts';
import type { KeyedMutex, OrderedGate } from './concurrency.ts';
import type { InboundDependencies, MailboxContext } from './dependencies.ts';
import type { FetchedHead, MailboxSession, MessageEntry, ParseAnswer } from './ports.ts';
import { fileOf, headOf, type Spool, type SpooledMail } from './rawMail.ts';
import { identify, type Identity } from './stableId.ts';

export type Ingested =
  | { readonly kind: 'announced'; readonly id: string; readonly parsed: boolean }
  /** It was announced before: a redelivery, or a rescan. */
  | { readonly kind: 'duplicate'; readonly id: string };

/** At most this many messages with one identity are kept apart. */
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
  readonly uid: number;
  readonly mail: SpooledMail;
  readonly identity: Identity;
  /** Paths of this message's temporary files begin with it. */
  readonly prefix: string;
  /** Parses on the first call only. */
  readonly parse: () => Promise<ParseAnswer>;
  /** Resolves when everything that arrived earlier was announced: ESM reads a ticket's mail in the order of arrival. */
  readonly turn: Promise<void>;
}

/** Throws what a port throws: storage trouble ends the run, an ImapStreamTrouble concerns this message only. */
export async function ingest(
  head: FetchedHead,
  run: RunContext,
  dependencies: InboundDependencies,
): Promise<Ingested> {
  const { turn, done } = run.gate.enter();
  const prefix = run.spool.prefix();
  try {
    const mail = await run.spool.take(head, (uid) => run.session.stream(uid), prefix);
    const identity = identify(run.context.key, readHeaders(mailText(mail.head)), mail.head);
    let answer: Promise<ParseAnswer> | undefined;
    const parse = (): Promise<ParseAnswer> =>
      (answer ??= dependencies.parser.parse(mail.raw, `${prefix}part-`));
    const arrival = { uid: head.uid, mail, identity, prefix, parse, turn };
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
    const { uid, mail, turn } = arrival;
    const identified = { id, uid, uidValidity: session.uidValidity, head: mail.head, stored, answer };
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
  throw new Error(`More than ${sharedIdLimit} different messages share one identity.`);
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
  { id, uid, uidValidity, stored, answer }: IdentifiedMail,
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
    uid,
  };
}

function contentFingerprintOf(answer: ParseAnswer): string {
  return answer.kind === 'parsed' ? answer.mail.contentFingerprint : '';
}
