// Announcing a stored message: which submission it belongs to, its texts and parts as blobs, a bounce reported to the
// sending side, and at last the notice. Everything before the notice may be repeated without harm.
import { hash } from 'node:crypto';
import {
  noticeLimitBytes,
  noticeOf,
  verdictFields,
  type NoticeBlob,
  type NoticeContent,
  type NoticePart,
  type WholeNotice,
} from '../contract/notice.ts';
import type { Classification, LoopGuard } from '../contract/classification.ts';
import { isFromOwnAddress } from '../classify/loopGuard.ts';
import { isReportOfOwnExchange } from '../classify/ownExchange.ts';
import { mailText, readHeaders } from '../mail/headers.ts';
import type { Mailbox } from '../mail/mailbox.ts';
import { asciiJson } from '../mail/text.ts';
import { inboundEvents } from '../telemetry/inboundEvents.ts';
import { inParallel } from './concurrency.ts';
import type { InboundDependencies, MailboxContext } from './dependencies.ts';
import { messageFields } from './noticeFields.ts';
import type { MailAddress, MailPart, ParsedMail } from './parsedMail.ts';
import type { FetchedHead, ParseAnswer } from './ports.ts';
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
}

/** The notice is published after `turn`. Throws StorageTrouble. */
export async function announce(
  { id, fetched, uidValidity, head, stored, answer }: IdentifiedMail,
  turn: Promise<void>,
  context: MailboxContext,
  dependencies: InboundDependencies,
): Promise<void> {
  const { blobs, sent, clock, log } = dependencies;
  const { mailbox } = context;
  const { sha256, sizeBytes } = stored;
  const { fields, remarks } = messageFields(answer, head);
  const verdict = answer.kind === 'parsed' ? answer.classification : undefined;
  const related =
    verdict === undefined
      ? { relation: undefined, remarks: [] }
      : await relate(verdict, fields, sent, mailbox.address);
  const { receivedAt, flags = [] } = fetched;
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
  if (verdict?.bounce !== undefined && related.relation !== undefined) {
    const { submissionId, mailbox: sender, verified } = related.relation;
    // Anyone who was sent a mail of ours can report it with its tag: only our own Exchange may put a mailbox on hold.
    const isOwn = isReportOfOwnExchange(readHeaders(mailText(head)), [
      mailbox.address.slice(mailbox.address.lastIndexOf('@') + 1),
    ]);
    const limit = isOwn ? senderLimit(verdict) : undefined;
    await sent.noteBounce({
      noticeId: id,
      submissionId,
      mailbox: sender,
      recipients: verdict.bounce.recipients,
      verified,
      ...(limit === undefined ? {} : { pauses: limit }),
    });
    if (!verified) log(inboundEvents.unverifiedBounce({ mailbox: context.hash, id }));
  }
  const whole = answer.kind === 'parsed' ? await withBodies(data, answer.mail, context, dependencies) : data;
  await turn;
  await publish(whole, context, dependencies);
  log(
    inboundEvents.announced({
      mailbox: context.hash,
      id,
      kind: data.kind,
      reason: verdict?.because ?? 'unparsed',
      sizeBytes,
      related: related.relation !== undefined,
    }),
  );
  if (answer.kind === 'unparsed') {
    log(inboundEvents.unparsed({ mailbox: context.hash, id, detail: answer.detail }));
  }
}

/** Made of hashes and our own words only; nothing that a message contains is ever in it. */
export function rawBlobName(context: MailboxContext, id: string): string {
  return blobName(context, id, 'raw.eml');
}

/** The notice itself; if it is too long for the queue, a notice that refers to it. */
async function publish(
  data: WholeNotice,
  context: MailboxContext,
  dependencies: InboundDependencies,
): Promise<void> {
  const { notices, clock } = dependencies;
  const at = clock.now();
  const text = asciiJson(noticeOf(data, at));
  if (text.length <= noticeLimitBytes) {
    await notices.publish(text);
    return;
  }
  const { version, id, mailbox, kind } = data;
  const bytes = new TextEncoder().encode(asciiJson(data));
  const content = { bytes, name: 'notice', contentType: 'application/json' };
  const reference = await storeBytes(content, id, context, dependencies);
  await notices.publish(asciiJson(noticeOf({ version, id, mailbox, kind, reference }, at)));
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

function blobName(context: MailboxContext, id: string, name: string): string {
  return `${context.hash}/${id}/${name}`;
}
