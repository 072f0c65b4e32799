// One message, from its bytes to its notice.
//
//  1  raw bytes to a blob, created only if it is absent: from here on the message is safe
//  2  parsed and classified
//  3  a row in the ledger, `stored`
//  4  text, HTML and attachments to blobs of their own, named by their hash
//  5  where it is a bounce of ours, the sending side is told
//  6  the notice on the queue
//
// Then the pass marks the row announced. A crash anywhere leaves the message in the mailbox and above the cursor:
// the next pass comes by again, finds blob and row under the same identity, and repeats what is missing. The notice
// may be repeated, with the same id.
//
// Identity: two mails may share an id (same Message-ID, Date, first hop). They are the same mail when their bytes
// agree, or their lasting fields and what they say (a server rebuilds MIME on each fetch); else the second gets a
// suffix.
import { hash } from 'node:crypto';
import { asciiJson } from '../mail/asciiJson.ts';
import * as events from '../telemetry/inboundEvents.ts';
import { mailText, readHeaders } from '../mail/headers.ts';
import {
  noticeLimitBytes,
  noticeOf,
  verdictFields,
  type NoticeBlob,
  type NoticePart,
  type WholeNotice,
} from '../contract/notice.ts';
import type { MailPart } from './parsedMail.ts';
import type { Entry, FetchedHead, MailboxSession, ParseAnswer } from './ports.ts';
import { fileOf, headOf, type Spool, type SpooledMail } from './rawMail.ts';
import { relate, senderLimit } from './relate.ts';
import type { Box, InboundDoors } from './dependencies.ts';
import { identify, type Identity } from './stableId.ts';
import { inParallel, type InOrder, type Turns } from './turns.ts';
import { outlineOf, type Outline } from './unparsedOutline.ts';

export type HandedOff =
  | { readonly kind: 'announced'; readonly id: string; readonly parsed: boolean }
  /** It was announced before: a redelivery, or a rescan. */
  | { readonly kind: 'duplicate'; readonly id: string };

/** So many mails with one identity are kept apart. */
const sharedIdLimit = 50;

/** Parts of one message that are stored at the same time. */
const partsAtOnce = 4;

export interface Place {
  readonly box: Box;
  readonly session: MailboxSession;
  readonly spool: Spool;
  /** Ids told in this pass: their rows say `stored` until the batch is written. */
  readonly told: Set<string>;
  /** Mails with one identity go one after another. */
  readonly turns: Turns;
  readonly order: InOrder;
}

/** The message being handed off, and what was found out about it so far. */
interface Arrival {
  readonly uid: number;
  readonly mail: SpooledMail;
  readonly identity: Identity;
  /** Temporary files of this message begin with it. */
  readonly prefix: string;
  /** Parses on the first call only. */
  readonly parse: () => Promise<ParseAnswer>;
  /** Resolves when everything that came earlier was told: ESM reads a ticket's mails in the order of their arrival. */
  readonly turn: Promise<void>;
}

interface Stored {
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** Throws what a door throws: storage trouble ends the pass, an ImapStreamTrouble is this message's alone. */
export async function handOff(doors: InboundDoors, place: Place, head: FetchedHead): Promise<HandedOff> {
  const { turn, done } = place.order.begin();
  const prefix = place.spool.prefix();
  try {
    const mail = await place.spool.take(head, (uid) => place.session.stream(uid), prefix);
    const identity = identify(place.box.key, readHeaders(mailText(mail.head)), mail.head);
    let answer: Promise<ParseAnswer> | undefined;
    const parse = (): Promise<ParseAnswer> => (answer ??= doors.parser.parse(mail.raw, `${prefix}part-`));
    return await place.turns.run(identity.baseId, () =>
      underOneId(doors, place, { uid: head.uid, mail, identity, prefix, parse, turn }),
    );
  } finally {
    done();
    await place.spool.drop(prefix);
  }
}

async function underOneId(doors: InboundDoors, place: Place, arrival: Arrival): Promise<HandedOff> {
  const { box } = place;
  for (let n = 1; n <= sharedIdLimit; n += 1) {
    const id = n === 1 ? arrival.identity.baseId : `${arrival.identity.baseId}-${n}`;
    const known = await doors.ledger.find(box.key, id);
    if (known !== undefined && !(await isSame(known, arrival))) continue;
    if (known?.state === 'announced' || place.told.has(id)) {
      doors.log(events.duplicateFound({ mailbox: box.hash, id }));
      return { kind: 'duplicate', id };
    }
    const stored = await storeRaw(doors, place, arrival, id);
    if (stored === 'another') continue;
    const answer = await arrival.parse();
    // Somebody else may have kept another mail under this id since we looked: then this one moves on.
    if (
      known === undefined &&
      !(await doors.ledger.keep(box.key, entryOf(place, arrival, { id, stored, answer })))
    ) {
      const winner = await doors.ledger.find(box.key, id);
      if (winner === undefined || !(await isSame(winner, arrival))) continue;
    }
    if (n > 1) doors.log(events.identityShared({ mailbox: box.hash, id }));
    await announce(doors, place, arrival, { id, stored, answer });
    place.told.add(id);
    return { kind: 'announced', id, parsed: answer.kind === 'parsed' };
  }
  throw new Error('More mails share one identity than can be told apart.');
}

/** Equal bytes; or equal in every lasting field and in what the mail says. */
async function isSame(known: Entry, arrival: Arrival): Promise<boolean> {
  if (known.rawSha256 === arrival.mail.sha256) return true;
  if (known.headerPrint !== arrival.identity.headerPrint) return false;
  return known.contentPrint === contentPrintOf(await arrival.parse());
}

/**
 * The raw blob of this id holds this mail afterwards, or it holds `another`. A blob without a row was left by a
 * crash, and may be this mail as the server put it together then.
 */
async function storeRaw(
  doors: InboundDoors,
  place: Place,
  arrival: Arrival,
  id: string,
): Promise<Stored | 'another'> {
  const { box } = place;
  const { mail, identity, prefix } = arrival;
  const name = blobName(box, id, 'raw.eml');
  if ((await doors.blobs.create(name, mail.raw, 'message/rfc822')) === 'created') return mail;
  const sha256 = await doors.blobs.sha256Of(name);
  if (sha256 === mail.sha256) return mail;
  const path = `${prefix}stored`;
  await place.spool.ready();
  if (sha256 === undefined || !(await doors.blobs.save(name, path))) {
    throw new Error('A raw blob was there and is gone.');
  }
  const head = await headOf(path);
  const old = identify(box.key, readHeaders(mailText(head)), head);
  if (old.headerPrint !== identity.headerPrint) return 'another';
  const raw = await fileOf(path);
  const answer = await doors.parser.parse(raw, `${prefix}stored-part-`);
  if (contentPrintOf(answer) !== contentPrintOf(await arrival.parse())) return 'another';
  return { sha256, sizeBytes: raw.kind === 'file' ? raw.sizeBytes : raw.bytes.byteLength };
}

interface Identified {
  readonly id: string;
  readonly stored: Stored;
  readonly answer: ParseAnswer;
}

function entryOf({ box, session }: Place, arrival: Arrival, { id, stored, answer }: Identified): Entry {
  return {
    id,
    state: 'stored',
    headerPrint: arrival.identity.headerPrint,
    contentPrint: contentPrintOf(answer),
    rawSha256: stored.sha256,
    sizeBytes: stored.sizeBytes,
    kind: answer.kind === 'parsed' ? answer.classification.kind : 'unparsed',
    folder: box.mailbox.folder,
    uidValidity: session.uidValidity,
    uid: arrival.uid,
  };
}

async function announce(
  doors: InboundDoors,
  place: Place,
  arrival: Arrival,
  { id, stored, answer }: Identified,
): Promise<void> {
  const { box, session } = place;
  const raw = { blob: doors.blobs.reference(blobName(box, id, 'raw.eml')), ...pick(stored) };
  const outline: Outline = answer.kind === 'parsed' ? answer.mail : outlineOf(arrival.mail.head);
  const verdict = answer.kind === 'parsed' ? answer.classification : undefined;
  const related =
    verdict === undefined ? { relation: undefined, remarks: [] } : await relate(doors.sent, verdict, outline);
  const data: WholeNotice = {
    version: 1,
    id,
    mailbox: box.mailbox.address,
    kind: verdict?.kind ?? 'unparsed',
    folder: box.mailbox.folder,
    uid: arrival.uid,
    uidValidity: session.uidValidity,
    messageId: outline.messageId,
    inReplyTo: [...outline.inReplyTo],
    references: [...outline.references],
    from: [...outline.from],
    sender: [...outline.sender],
    replyTo: [...outline.replyTo],
    to: [...outline.to],
    cc: [...outline.cc],
    subject: outline.subject,
    date: outline.dateMs === undefined ? null : new Date(outline.dateMs).toISOString(),
    ...(verdict === undefined
      ? { list: false, loopGuard: { mayAnswer: false, reasons: ['it could not be parsed'] } }
      : verdictFields(verdict)),
    ...(related.relation === undefined ? {} : { relatesTo: related.relation }),
    raw,
    ...(answer.kind === 'parsed' ? await storeParts(doors, box, id, answer) : { parts: [] }),
    remarks: [...outline.remarks, ...related.remarks, ...(answer.kind === 'parsed' ? [] : [answer.detail])],
  };
  if (verdict?.bounce !== undefined && related.relation !== undefined) {
    const { submissionId, mailbox, verified } = related.relation;
    const pauses = senderLimit(verdict);
    await doors.sent.noteBounce({
      noticeId: id,
      submissionId,
      mailbox,
      recipients: verdict.bounce.recipients,
      verified,
      ...(pauses === undefined ? {} : { pauses }),
    });
    if (!verified) doors.log(events.forgedBounce({ mailbox: box.hash, id }));
  }
  await arrival.turn;
  await tell(doors, box, data);
  doors.log(
    events.announced({
      mailbox: box.hash,
      id,
      kind: data.kind,
      because: verdict?.because ?? 'unparsed',
      sizeBytes: stored.sizeBytes,
      related: related.relation !== undefined,
    }),
  );
  if (answer.kind === 'unparsed')
    doors.log(events.unparsed({ mailbox: box.hash, id, detail: answer.detail }));
}

/** The notice itself, or where it is too long a reference to it. */
async function tell(doors: InboundDoors, box: Box, data: WholeNotice): Promise<void> {
  const at = doors.clock.now();
  const text = asciiJson(noticeOf(data, at));
  if (text.length <= noticeLimitBytes) {
    await doors.notices.tell(text);
    return;
  }
  const { version, id, mailbox, kind } = data;
  const bytes = new TextEncoder().encode(asciiJson(data));
  const reference = await storeBytes(doors, box, id, {
    bytes,
    name: 'notice',
    contentType: 'application/json',
  });
  await doors.notices.tell(asciiJson(noticeOf({ version, id, mailbox, kind, reference }, at)));
}

async function storeParts(
  doors: InboundDoors,
  box: Box,
  id: string,
  { mail }: Extract<ParseAnswer, { kind: 'parsed' }>,
): Promise<Pick<WholeNotice, 'text' | 'html' | 'parts'>> {
  const body = async (name: 'text' | 'html', said: string | undefined): Promise<object> =>
    said === undefined || said === ''
      ? {}
      : {
          [name]: await storeBytes(doors, box, id, {
            bytes: new TextEncoder().encode(said),
            name,
            contentType: `text/${name === 'text' ? 'plain' : 'html'}; charset=utf-8`,
          }),
        };
  const part = async ({ content, ...about }: MailPart): Promise<NoticePart> => {
    const name = blobName(box, id, `part-${about.sha256.slice(0, 24)}`);
    // The type is the sender's word: a browser is never to act on it.
    await doors.blobs.create(name, { ...content, sha256: about.sha256 }, 'application/octet-stream');
    return { blob: doors.blobs.reference(name), ...about };
  };
  const storing = [
    body('text', mail.text),
    body('html', mail.html),
    inParallel(mail.parts, partsAtOnce, part),
  ] as const;
  // Where one fails the others still read files that are removed afterwards.
  await Promise.allSettled(storing);
  const [text, html, parts] = await Promise.all(storing);
  return { ...text, ...html, parts: [...parts] };
}

async function storeBytes(
  doors: InboundDoors,
  box: Box,
  id: string,
  content: { readonly bytes: Uint8Array; readonly name: string; readonly contentType: string },
): Promise<NoticeBlob> {
  const sha256 = hash('sha256', content.bytes);
  const name = blobName(box, id, `${content.name}-${sha256.slice(0, 24)}`);
  await doors.blobs.create(name, { kind: 'bytes', bytes: content.bytes, sha256 }, content.contentType);
  return { blob: doors.blobs.reference(name), sizeBytes: content.bytes.byteLength, sha256 };
}

/** Made of hashes and our own words only; nothing that a mail says is ever in it. */
function blobName(box: Box, id: string, what: string): string {
  return `${box.hash}/${id}/${what}`;
}

function pick({ sha256, sizeBytes }: Stored): Stored {
  return { sha256, sizeBytes };
}

function contentPrintOf(answer: ParseAnswer): string {
  return answer.kind === 'parsed' ? answer.mail.contentPrint : '';
}
