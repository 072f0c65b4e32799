// Announcing a stored message: which submission it belongs to, its texts and parts as blobs, a bounce reported to the
// sending side, and at last the notice. Everything before the notice may be repeated without harm.
import { hash } from 'node:crypto';
import {
  noticeLimitBytes,
  noticeOf,
  verdictFields,
  type NoticeBlob,
  type NoticePart,
  type WholeNotice,
} from '../contract/notice.ts';
import { isReportOfOwnExchange } from '../classify/ownExchange.ts';
import { mailText, readHeaders } from '../mail/headers.ts';
import { asciiJson } from '../mail/text.ts';
import { inboundEvents } from '../telemetry/inboundEvents.ts';
import { inParallel } from './concurrency.ts';
import type { InboundDependencies, MailboxContext } from './dependencies.ts';
import { messageFields } from './noticeFields.ts';
import type { MailPart } from './parsedMail.ts';
import type { ParseAnswer } from './ports.ts';
import { relate, senderLimit } from './relate.ts';

/** Parts of one message that are stored at the same time. */
const partsAtOnce = 4;

/** A message whose raw bytes are stored under its id. */
export interface IdentifiedMail {
  readonly id: string;
  readonly uid: number;
  readonly uidValidity: number;
  /** The first bytes: the header block at least. */
  readonly head: Uint8Array;
  readonly stored: { readonly sha256: string; readonly sizeBytes: number };
  readonly answer: ParseAnswer;
}

/** The notice is published after `turn`. Throws StorageTrouble. */
export async function announce(
  { id, uid, uidValidity, head, stored, answer }: IdentifiedMail,
  turn: Promise<void>,
  context: MailboxContext,
  dependencies: InboundDependencies,
): Promise<void> {
  const { blobs, sent, log } = dependencies;
  const { mailbox } = context;
  const { sha256, sizeBytes } = stored;
  const { fields, remarks } = messageFields(answer, head);
  const verdict = answer.kind === 'parsed' ? answer.classification : undefined;
  const related =
    verdict === undefined ? { relation: undefined, remarks: [] } : await relate(verdict, fields, sent);
  const data: WholeNotice = {
    version: 1,
    id,
    mailbox: mailbox.address,
    kind: verdict?.kind ?? 'unparsed',
    folder: mailbox.folder,
    uid,
    uidValidity,
    ...fields,
    ...(verdict === undefined
      ? { list: false, loopGuard: { mayAnswer: false, reasons: ['it could not be parsed'] } }
      : verdictFields(verdict)),
    ...(related.relation === undefined ? {} : { relatesTo: related.relation }),
    raw: { blob: blobs.reference(rawBlobName(context, id)), sha256, sizeBytes },
    ...(answer.kind === 'parsed' ? await storeParts(answer, id, context, dependencies) : { parts: [] }),
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
  await turn;
  await publish(data, context, dependencies);
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

async function storeParts(
  { mail }: Extract<ParseAnswer, { kind: 'parsed' }>,
  id: string,
  context: MailboxContext,
  dependencies: InboundDependencies,
): Promise<Pick<WholeNotice, 'text' | 'html' | 'parts'>> {
  const { blobs } = dependencies;
  const body = async (name: 'text' | 'html', text: string | undefined): Promise<object> => {
    if (text === undefined || text === '') return {};
    const contentType = `text/${name === 'text' ? 'plain' : 'html'}; charset=utf-8`;
    const content = { bytes: new TextEncoder().encode(text), name, contentType };
    return { [name]: await storeBytes(content, id, context, dependencies) };
  };
  const part = async ({ content, ...about }: MailPart): Promise<NoticePart> => {
    const name = blobName(context, id, `part-${about.sha256.slice(0, 24)}`);
    // The type is the sender's claim: a browser must never act on it.
    await blobs.create(name, { ...content, sha256: about.sha256 }, 'application/octet-stream');
    return { blob: blobs.reference(name), ...about };
  };
  const storing = [
    body('text', mail.text),
    body('html', mail.html),
    inParallel(mail.parts, partsAtOnce, part),
  ] as const;
  // If one fails, the others still read files that are removed afterwards.
  await Promise.allSettled(storing);
  const [text, html, parts] = await Promise.all(storing);
  return { ...text, ...html, parts: [...parts] };
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
