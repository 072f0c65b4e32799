// What a stored message becomes: which submission it belongs to, its texts and parts as blobs, its row, and its notice as it
// will be published. May be repeated without harm. Pure but for the lookup and the blobs.
import { hash } from 'node:crypto';
import {
  noticeLimitBytes,
  noticeOf,
  verdictFields,
  type NoticeBlob,
  type NoticeContent,
  type NoticePart,
  type Relation,
  type WholeNotice,
} from '../contract/notice.ts';
import type { Classification, LoopGuard } from '../contract/classification.ts';
import { isFromOwnAddress } from '../classify/loopGuard.ts';
import { isReportOfOwnExchange } from '../classify/ownExchange.ts';
import { mailText, readHeaders } from '../mail/headers.ts';
import type { Mailbox } from '../mail/mailbox.ts';
import { asciiJson } from '../mail/text.ts';
import { fingerprintOf } from '../mail/fingerprint.ts';
import type { BounceNote } from '../contract/sentMessage.ts';
import { inParallel } from './concurrency.ts';
import type { InboundDependencies, MailboxContext } from './dependencies.ts';
import { messageFields } from './noticeFields.ts';
import type { MailAddress, MailPart, ParsedMail } from './parsedMail.ts';
import type { FetchedHead, MessageEntry, ParseAnswer, StoredMessage } from './ports.ts';
import type { Identity } from './stableId.ts';
import { relate, senderLimit } from './relate.ts';

/** Parts of one message that are stored at the same time. */
const partsAtOnce = 4;

/** A message whose raw bytes are stored under its id. */
export interface IdentifiedMail {
  readonly id: string;
  /** As the server gave it. */
  readonly fetched: FetchedHead;
  readonly uidValidity: number;
  /** The first bytes: the header block at least. */
  readonly head: Uint8Array;
  readonly stored: { readonly sha256: string; readonly sizeBytes: number };
  readonly answer: ParseAnswer;
  readonly identity: Identity;
}

/** A message whose content is stored: what its batch's transaction and its notice need. */
export interface Prepared {
  readonly kind: 'prepared';
  readonly stored: StoredMessage;
  readonly parsed: boolean;
  /** Which sign decided about the kind, for the log. */
  readonly because: string;
  /** Why it could not be parsed; empty if it could. */
  readonly detail: string;
  readonly related: boolean;
  /** The text for the queue; undefined if nobody takes notices. */
  readonly notice: string | undefined;
  /** To be reported to the sending side before the notice is published. */
  readonly bounce: BounceNote | undefined;
}

/** `known`: the row, if it is there. Throws StorageTrouble. */
export async function prepare(
  identified: IdentifiedMail,
  known: MessageEntry | undefined,
  context: MailboxContext,
  dependencies: InboundDependencies,
): Promise<Prepared> {
  const { id, fetched, uidValidity, head, stored, answer } = identified;
  const { blobs, sent, clock, notices } = dependencies;
  const { mailbox } = context;
  const { sha256, sizeBytes } = stored;
  const { fields, remarks } = messageFields(answer, head);
  const verdict = answer.kind === 'parsed' ? answer.classification : undefined;
  const related =
    verdict === undefined
      ? { relation: undefined, remarks: [] }
      : await relate(verdict, fields, sent, mailbox.address);
  const names = ['raw.eml'];
  const { receivedAt, flags = [] } = fetched;
  const notice = async (): Promise<string> => {
    const { loopGuard, ...about } = verdictFields(verdict ?? unreadable);
    const data: WholeNotice = {
      version: 1,
      id,
      mailbox: mailbox.address,
      kind: verdict?.kind ?? 'unparsed',
      folder: mailbox.folder,
      uid: fetched.uid,
      uidValidity,
      ...fields,
      receivedAt: receivedAt === undefined ? null : new Date(receivedAt).toISOString(),
      flags: [...flags],
      ...about,
      loopGuard: guardHere(loopGuard, { from: fields.from, receivedAt, now: clock.now() }, mailbox),
      ...(related.relation === undefined ? {} : { relatesTo: related.relation }),
      raw: { blob: blobs.reference(rawBlobName(context, id)), sha256, sizeBytes },
      parts: answer.kind === 'parsed' ? await storeParts(answer, id, context, dependencies) : [],
      remarks: [...remarks, ...related.remarks],
    };
    const whole =
      answer.kind === 'parsed' ? await withBodies(data, answer.mail, context, dependencies) : data;
    const bodies = [whole.text, whole.html].flatMap((one) =>
      one !== undefined && 'blob' in one ? [one] : [],
    );
    names.push(...[...whole.parts, ...bodies].map(({ blob }) => blob.slice(blob.lastIndexOf('/') + 1)));
    const { text, more } = await noticeText(whole, context, dependencies);
    names.push(...more);
    return text;
  };
  const text = notices === undefined ? undefined : await notice();
  const people = [...fields.from, ...fields.sender, ...fields.replyTo];
  const entry: MessageEntry = {
    id,
    state: 'announced',
    headerFingerprint: identified.identity.headerFingerprint,
    contentFingerprint: answer.kind === 'parsed' ? answer.mail.contentFingerprint : '',
    rawSha256: sha256,
    sizeBytes,
    kind: verdict?.kind ?? 'unparsed',
    folder: mailbox.folder,
    uidValidity,
    uid: fetched.uid,
    receivedAt: receivedAt ?? 0,
    contentDay: dayOf(clock.now()),
  };
  return {
    kind: 'prepared',
    stored: {
      entry,
      content: {
        id,
        day: entry.contentDay,
        blobs: [...new Set(names)],
        people: [...new Set(people.map(({ address }) => personPrint(context.key, address)))].slice(
          0,
          peopleLimit,
        ),
      },
      ...(known === undefined ? {} : { knownDay: known.contentDay }),
    },
    parsed: answer.kind === 'parsed',
    because: verdict?.because ?? 'unparsed',
    detail: answer.kind === 'parsed' ? '' : answer.detail,
    related: related.relation !== undefined,
    notice: text,
    bounce: bounceNote(id, head, verdict, related.relation, mailbox),
  };
}

/** Of From, Sender and Reply-To: by whom a message was sent, for what is done to all mail of one person. */
const peopleLimit = 40;

/** A day (UTC) as rows name it. */
export function dayOf(instant: number): string {
  return new Date(instant).toISOString().slice(0, 10);
}

/** Names a correspondent in the rows of one mailbox without naming the address. */
export function personPrint(mailboxKey: string, address: string): string {
  return fingerprintOf([mailboxKey, 'person', address.trim().toLowerCase()]).slice(0, 24);
}

function bounceNote(
  id: string,
  head: Uint8Array,
  verdict: Classification | undefined,
  relation: Relation | undefined,
  mailbox: Mailbox,
): BounceNote | undefined {
  if (verdict?.bounce === undefined || relation === undefined) return undefined;
  const { submissionId, mailbox: sender, verified } = relation;
  // Anyone who was sent a mail of ours can report it with its tag: only our own Exchange may put a mailbox on hold.
  const isOwn = isReportOfOwnExchange(readHeaders(mailText(head)), [
    mailbox.address.slice(mailbox.address.lastIndexOf('@') + 1),
  ]);
  const limit = isOwn ? senderLimit(verdict) : undefined;
  return {
    noticeId: id,
    submissionId,
    mailbox: sender,
    recipients: verdict.bounce.recipients,
    verified,
    ...(limit === undefined ? {} : { pauses: limit }),
  };
}

/** Made of hashes and our own words only; nothing that a message contains is ever in it. */
export function rawBlobName(context: MailboxContext, id: string): string {
  return blobName(context, id, 'raw.eml');
}

/** The notice itself; if it is too long for the queue, a notice that refers to it. */
async function noticeText(
  data: WholeNotice,
  context: MailboxContext,
  dependencies: InboundDependencies,
): Promise<{ readonly text: string; readonly more: readonly string[] }> {
  const at = dependencies.clock.now();
  const text = asciiJson(noticeOf(data, at));
  if (text.length <= noticeLimitBytes) return { text, more: [] };
  const { version, id, mailbox, kind } = data;
  const bytes = new TextEncoder().encode(asciiJson(data));
  const content = { bytes, name: 'notice', contentType: 'application/json' };
  const reference = await storeBytes(content, id, context, dependencies);
  return {
    text: asciiJson(noticeOf({ version, id, mailbox, kind, reference }, at)),
    more: [reference.blob.slice(reference.blob.lastIndexOf('/') + 1)],
  };
}

/** Of a message that could not be parsed. */
const unreadable: Classification = {
  kind: 'unparsed',
  list: false,
  returned: {},
  loopGuard: { mayAnswer: false, reasons: ['it could not be parsed'] },
  because: 'unparsed',
};

/** An older message was there before the mailbox was connected, or waited long: an acknowledgement would only confuse. */
const answerableForMs = 24 * 3_600_000;

/** What only the mailbox knows: its own addresses, and when it got the message. */
function guardHere(
  { reasons }: LoopGuard,
  mail: {
    readonly from: readonly MailAddress[];
    readonly receivedAt: number | undefined;
    readonly now: number;
  },
  { address, aliases = [] }: Mailbox,
): { mayAnswer: boolean; reasons: string[] } {
  const isOwn = isFromOwnAddress(
    mail.from.map((one) => one.address),
    [address, ...aliases],
  );
  const isOld = mail.receivedAt !== undefined && mail.now - mail.receivedAt > answerableForMs;
  const all = [
    ...reasons,
    ...(isOwn ? ['its From is an address of the mailbox itself'] : []),
    ...(isOld ? ['it is older than a day'] : []),
  ];
  return { mayAnswer: all.length === 0, reasons: all };
}

/** Each text inside the notice where it fits, the plain one first; else as a blob. */
async function withBodies(
  data: WholeNotice,
  mail: ParsedMail,
  context: MailboxContext,
  dependencies: InboundDependencies,
): Promise<WholeNotice> {
  let whole = data;
  for (const name of ['text', 'html'] as const) {
    const text = mail[name];
    if (text === undefined || text === '') continue;
    const bytes = new TextEncoder().encode(text);
    const inside: NoticeContent = {
      content: text,
      sizeBytes: bytes.byteLength,
      sha256: hash('sha256', bytes),
    };
    const fits = text.length <= noticeLimitBytes && isShort({ ...whole, [name]: inside }, dependencies);
    const contentType = `text/${name === 'text' ? 'plain' : 'html'}; charset=utf-8`;
    const body = fits
      ? inside
      : await storeBytes({ bytes, name, contentType }, data.id, context, dependencies);
    whole = { ...whole, [name]: body };
  }
  return whole;
}

/** Room for the other text as a blob. */
const blobCharacters = 512;

/** As written, with everything outside ASCII escaped. */
function isShort(data: WholeNotice, { clock }: InboundDependencies): boolean {
  return asciiJson(noticeOf(data, clock.now())).length <= noticeLimitBytes - blobCharacters;
}

async function storeParts(
  { mail }: Extract<ParseAnswer, { kind: 'parsed' }>,
  id: string,
  context: MailboxContext,
  { blobs }: InboundDependencies,
): Promise<NoticePart[]> {
  const part = async ({ content, ...about }: MailPart): Promise<NoticePart> => {
    const name = blobName(context, id, `part-${about.sha256.slice(0, 24)}`);
    // The type is the sender's claim: a browser must never act on it.
    await blobs.create(name, { ...content, sha256: about.sha256 }, 'application/octet-stream');
    return { blob: blobs.reference(name), ...about };
  };
  return [...(await inParallel(mail.parts, partsAtOnce, part))];
}

async function storeBytes(
  content: { readonly bytes: Uint8Array; readonly name: string; readonly contentType: string },
  id: string,
  context: MailboxContext,
  { blobs }: InboundDependencies,
): Promise<NoticeBlob> {
  const { bytes, contentType } = content;
  const sha256 = hash('sha256', bytes);
  const name = blobName(context, id, `${content.name}-${sha256.slice(0, 24)}`);
  await blobs.create(name, { kind: 'bytes', bytes, sha256 }, contentType);
  return { blob: blobs.reference(name), sizeBytes: bytes.byteLength, sha256 };
}

/** Below the mailbox's folder; names are ours. */
export function blobName(context: MailboxContext, id: string, name: string): string {
  return `${context.hash}/${id}/${name}`;
}
