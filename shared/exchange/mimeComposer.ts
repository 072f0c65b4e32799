// Composing: a submission becomes the bytes of a message.
//
// The same submission and stamp give the same bytes, in every attempt and on every host: Message-ID, Date and the
// boundaries come from the stamp; only X-Mail-Bridge-Id and its tag differ between attempts. There is no Bcc field. The
// library may open no file and no URL, and is given neither; every body is encoded as ASCII in lines that are short
// enough, and the result is checked byte by byte before it is sent.
//
// Attachment names are written twice, by RFC 2231 and by RFC 2047: ESM itself and some older readers understand only the
// second, as Scandinavian letters show.
import addressparser from 'nodemailer/lib/addressparser';
import MailComposer from 'nodemailer/lib/mail-composer';
import type { Composer, RawMessages, Stamp } from '../outbound/ports.ts';
import { recipientsOf, type Attachment, type Person, type Submission } from '../contract/submission.ts';
import { wireTrouble } from './mimeChecks.ts';
import {
  rawMessageId,
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

  constructor(maxima: { readonly recipientsCount: number }) {
    this.#recipientsMostCount = maxima.recipientsCount;
  }

  /** Throws if a blob is missing or the message can't be sent as it is: both were checked at acceptance. */
  async compose(submission: Submission, blobs: Blobs, stamp: Stamp): Promise<Uint8Array> {
    const bytes =
      submission.kind === 'raw'
        ? rebuild(blobOf(blobs, submission.blob), stamp)
        : Buffer.concat([privateFields(stamp), await composeParts(submission, blobs, stamp)]);
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
    const [first, ...others] = rawProblems(read.value, submission.mailbox, readAddresses);
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
    return { kind: 'ok', recipients, ...(messageId === undefined ? {} : { messageId }) };
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

function rebuild(bytes: Uint8Array, stamp: Stamp): Uint8Array {
  const read = readRawMessage(bytes);
  if (read.kind === 'refused') throw new Error(`a raw message ${read.detail[0]}`);
  return rebuildRawMessage(read.value, stamp);
}

async function composeParts(submission: Composed, blobs: Blobs, stamp: Stamp): Promise<Buffer> {
  const { text, html, inReplyTo, references } = submission;
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
    subject: submission.subject,
    headers: submission.headers.map(({ name, value }) => ({ key: name, value })),
    ...(inReplyTo === undefined ? {} : { inReplyTo }),
    ...(references.length === 0 ? {} : { references: [...references] }),
    // Absent and empty text differ: an empty one was asked for and becomes a part.
    ...(text === undefined && html !== undefined ? {} : { text: withLf(text ?? '') }),
    ...(html === undefined ? {} : { html: withLf(html) }),
    attachments: submission.attachments.map((attachment) => attachmentOf(attachment, html ?? '', blobs)),
  });
  return composer.compile().build();
}

/** One kind of line end: the library would leave a bare CR as it is in a text that needs no encoding. */
const withLf = (text: string): string => text.replace(/\r\n?/g, '\n');

const mailboxOf = ({ address, name }: Person): { readonly address: string; readonly name: string } => ({
  address,
  name: name ?? '',
});

function attachmentOf(attachment: Attachment, html: string, blobs: Blobs): MailAttachment {
  const { filename, contentId, content: source } = attachment;
  const content =
    source.kind === 'inline'
      ? Buffer.from(source.base64, 'base64')
      : bufferOf(blobOf(blobs, source.reference));
  // A message part can't be base64 (RFC 2046 5.2.1), so its bytes would go out as they are; under another type
  // they arrive unchanged, and the file name still shows what it is.
  const contentType = /^message\//i.test(attachment.contentType)
    ? 'application/octet-stream'
    : withCalendarMethod(attachment.contentType, content);
  const common = { filename, contentType, content, contentTransferEncoding: 'base64' } as const;
  if (contentId === undefined) return { ...common, contentDisposition: 'attachment' };
  // Only what the HTML refers to is inline: some readers list no other part of a multipart/related.
  return isShown(html, contentId)
    ? { ...common, cid: contentId, contentDisposition: 'inline' }
    : {
        ...common,
        headers: [{ key: 'Content-Id', value: `<${contentId}>` }],
        contentDisposition: 'attachment',
      };
}

function isShown(html: string, contentId: string): boolean {
  return html.includes(`cid:${contentId}`) || html.includes(`cid:${encodeURIComponent(contentId)}`);
}

/** Calendars offer to answer an invitation only if the type repeats its METHOD (RFC 5546 4, RFC 6047 2.4). */
function withCalendarMethod(contentType: string, content: Buffer): string {
  if (!/^text\/calendar\b/i.test(contentType)) return contentType;
  const method = /^METHOD:([A-Za-z-]{1,20})\r?$/im.exec(content.subarray(0, 65_536).toString('latin1'))?.[1];
  return method === undefined ? contentType : `${contentType}; method=${method.toUpperCase()}`;
}

function blobOf(blobs: Blobs, reference: string): Uint8Array {
  const bytes = blobs.get(reference);
  if (bytes === undefined) throw new Error('a blob that the submission refers to was not fetched');
  return bytes;
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
