// Composing: a submission becomes the bytes of a message.
//
// The same submission and stamp give the same bytes, in every attempt and on every host: Message-ID, Date and the
// boundaries come from the stamp; only X-Mail-Bridge-Id and its tag differ between attempts. There is no Bcc field. The
// library may open no file and no URL, and is given neither; every body is encoded as ASCII in lines that are short
// enough, and the result is checked byte by byte before it is sent.
//
// Attachment names are written twice, by RFC 2231 and by RFC 2047: ESM itself and some older readers understand only the
// second, as Scandinavian letters show.
import { bufferOf } from '../mail/foreign.ts';
import { convert } from 'html-to-text';
import addressparser from 'nodemailer/lib/addressparser';
import MailComposer from 'nodemailer/lib/mail-composer';
import type { Composer, RawMessages, Stamp } from '../outbound/ports.ts';
import {
  recipientsOf,
  type Attachment,
  type Person,
  type Priority,
  type Submission,
} from '../contract/submission.ts';
import { isShown } from '../contract/contentIds.ts';
import { mailboxAt, sendersOf } from '../mail/accounts.ts';
import type { Mailbox } from '../mail/mailbox.ts';
import { present } from '../mail/omit.ts';
import { wireTrouble } from './mimeChecks.ts';
import {
  hasForeignSender,
  rawMessageId,
  rawSubject,
  rawProblems,
  rawRecipients,
  readRawMessage,
  privateFields,
  rebuildRawMessage,
  type ReadAddresses,
} from './rawMessage.ts';

type Composed = Submission & { readonly kind: 'composed' };
type Blobs = ReadonlyMap<string, Uint8Array>;
type MailAttachment = NonNullable<
  NonNullable<ConstructorParameters<typeof MailComposer>[0]>['attachments']
>[number];

export class MimeComposer implements Composer, RawMessages {
  readonly #recipientsMostCount: number;
  readonly #mailboxes: readonly Mailbox[];

  /** `mailboxes`: those of the settings, for their other addresses and the name of From. */
  constructor(maxima: { readonly recipientsCount: number }, mailboxes: readonly Mailbox[]) {
    this.#recipientsMostCount = maxima.recipientsCount;
    this.#mailboxes = mailboxes;
  }

  #sendersOf({ mailbox }: Submission): readonly string[] {
    const known = mailboxAt(this.#mailboxes, mailbox);
    return known === undefined ? [mailbox] : sendersOf(known);
  }

  #fromOf({ mailbox, from }: Composed): Person {
    return { ...present({ name: mailboxAt(this.#mailboxes, mailbox)?.fromName }), ...from };
  }

  /** Throws if a blob is missing or the message can't be sent as it is: both were checked at acceptance. */
  async compose(submission: Submission, blobs: Blobs, stamp: Stamp): Promise<Uint8Array> {
    const bytes =
      submission.kind === 'raw'
        ? rebuild(blobOf(blobs, submission.blob), this.#sendersOf(submission), stamp)
        : Buffer.concat([
            privateFields(stamp),
            await composeParts({ ...submission, from: this.#fromOf(submission) }, blobs, stamp),
          ]);
    const trouble = wireTrouble(bytes);
    if (trouble !== undefined) {
      throw new Error(`a message was composed that can't be sent: ${trouble.what} in line ${trouble.line}`);
    }
    return bytes;
  }

  inspect(
    submission: Submission & { readonly kind: 'raw' },
    bytes: Uint8Array,
  ): ReturnType<RawMessages['inspect']> {
    return Promise.resolve(this.#inspect(submission, bytes));
  }

  #inspect(submission: Submission & { readonly kind: 'raw' }, bytes: Uint8Array): Inspected {
    const read = readRawMessage(bytes);
    if (read.kind === 'refused') return rejected(read.detail);
    const senders = this.#sendersOf(submission);
    const [first, ...others] = rawProblems(read.value, senders, readAddresses);
    if (first !== undefined) return rejected([first, ...others]);
    const named = recipientsOf(submission);
    const own = named.length > 0 ? named : undefined;
    const found =
      own === undefined ? rawRecipients(read.value, readAddresses) : { kind: 'ok' as const, value: own };
    if (found.kind === 'refused') return rejected(found.detail);
    const recipients = found.value;
    if (recipients.length === 0) {
      return rejected(['has no recipients in To, Cc and Bcc; name them there, or in to, cc and bcc']);
    }
    if (recipients.length > this.#recipientsMostCount) {
      return rejected([
        `names ${recipients.length} recipients; at most ${this.#recipientsMostCount} are allowed: split the message`,
      ]);
    }
    const messageId = rawMessageId(read.value);
    const remarks = hasForeignSender(read.value, senders, readAddresses)
      ? ['The Sender field of the raw message was dropped: it is not an address of the mailbox.']
      : [];
    return {
      kind: 'ok',
      recipients,
      ...(remarks.length === 0 ? {} : { remarks }),
      ...present({ messageId, subject: rawSubject(read.value) }),
    };
  }
}

type Inspected = Awaited<ReturnType<RawMessages['inspect']>>;

function rejected(detail: readonly [string, ...string[]]): Inspected {
  const [first, ...others] = detail;
  const problem = (end: string) => ({ field: 'raw.blob', detail: `raw.blob ${end}.` });
  return { kind: 'rejected', problems: [problem(first), ...others.map(problem)] };
}

const readAddresses: ReadAddresses = (value) => {
  const entries = addressparser(value);
  const hasGroup = entries.some((entry) => entry.group !== undefined);
  const addresses = addressparser(value, { flatten: true }).map(({ address }) => address);
  return { addresses, hasGroup };
};

function rebuild(bytes: Uint8Array, senders: readonly string[], stamp: Stamp): Uint8Array {
  const read = readRawMessage(bytes);
  if (read.kind === 'refused') throw new Error(`a raw message ${read.detail[0]}`);
  return rebuildRawMessage(read.value, senders, stamp, readAddresses);
}

async function composeParts(submission: Composed, blobs: Blobs, stamp: Stamp): Promise<Buffer> {
  const { html, inReplyTo, references } = submission;
  const text = submission.text ?? (html === undefined ? '' : textOf(html));
  const invitation = invitationOf(submission.attachments, blobs);
  const attachments = submission.attachments.filter((attachment) => attachment !== invitation?.attachment);
  const composer = new MailComposer({
    disableFileAccess: true,
    disableUrlAccess: true,
    newline: 'windows',
    boundaryPrefix: '--=_mail',
    baseBoundary: stamp.boundarySeed.slice(0, 32),
    messageId: stamp.messageId,
    date: new Date(stamp.dateMs),
    from: mailboxOf(submission.from),
    to: submission.to.map(mailboxOf),
    cc: submission.cc.map(mailboxOf),
    replyTo: submission.replyTo.map(mailboxOf),
    subject: shortened(oneLine(submission.subject), subjectMostCharacters),
    headers: fieldsOf(submission).map(({ name, value }) => ({
      key: name,
      value: fieldValue(name, oneLine(value)),
    })),
    ...present({ inReplyTo }),
    ...(references.length === 0 ? {} : { references: [...references] }),
    // Absent and empty text differ: an empty one was asked for and becomes a part.
    ...(text === undefined ? {} : { text: withLf(text) }),
    ...(html === undefined ? {} : { html: withLf(html) }),
    ...(invitation === undefined ? {} : { icalEvent: invitation.event }),
    attachments: attachments.map((attachment) => attachmentOf(attachment, html ?? '', blobs)),
  });
  return composer.compile().build();
}

/** One kind of line end: the library would leave a bare CR as it is in a text that needs no encoding. */
const withLf = (text: string): string => text.replace(/\r\n?/g, '\n');

const mailboxOf = ({ address, name }: Person): { readonly address: string; readonly name: string } => ({
  address,
  name: shortened(oneLine(name ?? ''), nameMostCharacters),
});

/** Exchange Online's (learn.microsoft.com, Exchange Online limits). */
const subjectMostCharacters = 255;
const nameMostCharacters = 256;

/** A run of blanks where the library folds would make a line of white space only. */
const oneLine = (text: string): string => text.replace(/[ \t]+/g, ' ').trim();

const shortened = (text: string, most: number): string =>
  text.length <= most
    ? text
    : `${text
        .slice(0, most - 3)
        .toWellFormed()
        .replace(/\ufffd$/, '')}...`;

/** What the priority says to readers and to automatic answers, unless the submission says it itself. */
const priorityFields: Readonly<Record<Priority, readonly Field[]>> = {
  high: [{ name: 'Importance', value: 'high' }],
  normal: [],
  bulk: [{ name: 'Precedence', value: 'bulk' }],
};

type Field = Composed['headers'][number];

/** Fields with a syntax of their own go as they are: an encoded word would be no value of theirs (RFC 2047 5). */
const structuredFields = /^(?:auto-submitted|precedence|importance|priority|sensitivity|list-.*)$/i;

const fieldValue = (
  name: string,
  value: string,
): string | { readonly prepared: true; readonly value: string } =>
  structuredFields.test(name) && /^[\x20-\x7e]*$/.test(value) ? { prepared: true, value } : value;

function fieldsOf({ headers, priority }: Composed): readonly Field[] {
  const isSet = ({ name }: Field): boolean =>
    headers.some((header) => header.name.toLowerCase() === name.toLowerCase());
  return [...headers, ...priorityFields[priority].filter((field) => !isSet(field))];
}

const htmlMostCharacters = 1_000_000;

/** For readers without HTML, and for filters that distrust HTML alone. Undefined if the HTML has no text. */
function textOf(html: string): string | undefined {
  const text = convert(html, {
    wordwrap: 78,
    limits: { maxInputLength: htmlMostCharacters, maxDepth: 100 },
    selectors: [
      { selector: 'img', format: 'skip' },
      { selector: 'a', options: { ignoreHref: false, hideLinkHrefIfSameAsText: true } },
    ],
  });
  return text.trim() === '' ? undefined : text;
}

interface Invitation {
  readonly attachment: Attachment;
  readonly event: { readonly method: string; readonly content: string; readonly filename: string };
}

/**
 * The one calendar with a METHOD that asks for something: readers offer to answer it only as the last part of the
 * alternatives ([MS-OXCMAIL] 2.1.3.3.8, RFC 6047 2.4). The file is attached beside it, for readers that don't.
 */
function invitationOf(attachments: readonly Attachment[], blobs: Blobs): Invitation | undefined {
  const calendars = attachments.filter(({ contentType }) => /^text\/calendar\b/i.test(contentType));
  const [attachment] = calendars;
  if (attachment === undefined || calendars.length > 1 || attachment.contentId !== undefined)
    return undefined;
  const charset = /;\s*charset="?([^";\s]+)/i.exec(attachment.contentType)?.[1] ?? 'utf-8';
  if (!/^(?:utf-?8|us-ascii)$/i.test(charset)) return undefined;
  const bytes = bytesOf(attachment, blobs);
  const method = methodOf(bytes);
  if (method === undefined || !invitationMethods.has(method)) return undefined;
  const content = withLf(bytes.toString('utf8'));
  return { attachment, event: { method, content, filename: oneLine(attachment.filename) } };
}

/** PUBLISH offers nothing to answer (RFC 5546 1.4). */
const invitationMethods: ReadonlySet<string> = new Set([
  'REQUEST',
  'CANCEL',
  'REPLY',
  'COUNTER',
  'DECLINECOUNTER',
  'ADD',
  'REFRESH',
]);

const methodOf = (content: Buffer): string | undefined =>
  /^METHOD:([A-Za-z-]{1,20})[ \t]*\r?$/im
    .exec(content.subarray(0, 65_536).toString('latin1'))?.[1]
    ?.toUpperCase();

const bytesOf = ({ content }: Attachment, blobs: Blobs): Buffer =>
  content.kind === 'inline'
    ? Buffer.from(content.base64, 'base64')
    : bufferOf(blobOf(blobs, content.reference));

function attachmentOf(attachment: Attachment, html: string, blobs: Blobs): MailAttachment {
  const { contentId } = attachment;
  const filename = oneLine(attachment.filename);
  const content = bytesOf(attachment, blobs);
  // A message part can't be base64 (RFC 2046 5.2.1), so its bytes would go out as they are; under another type
  // they arrive unchanged, and the file name still shows what it is.
  const contentType = /^message\//i.test(attachment.contentType)
    ? 'application/octet-stream'
    : withCalendarMethod(attachment.contentType, content);
  const common = { filename, contentType, content, contentTransferEncoding: 'base64' } as const;
  if (contentId === undefined) return { ...common, contentDisposition: 'attachment' };
  // Only what the HTML refers to is inline: some readers list no other part of a multipart/related.
  return isShown(contentId, html)
    ? { ...common, cid: contentId, contentDisposition: 'inline' }
    : {
        ...common,
        headers: [{ key: 'Content-Id', value: `<${contentId}>` }],
        contentDisposition: 'attachment',
      };
}

/** Calendars offer to answer an invitation only if the type repeats its METHOD (RFC 5546 4, RFC 6047 2.4). */
function withCalendarMethod(contentType: string, content: Buffer): string {
  if (!/^text\/calendar\b/i.test(contentType) || /;\s*method=/i.test(contentType)) return contentType;
  const method = methodOf(content);
  return method === undefined ? contentType : `${contentType}; method=${method}`;
}

function blobOf(blobs: Blobs, reference: string): Uint8Array {
  const bytes = blobs.get(reference);
  if (bytes === undefined) throw new Error('a blob that the submission refers to was not fetched');
  return bytes;
}
