// The contract with ESM for what came in: one CloudEvent (1.0, JSON) per message on `inbound-mail`.
//
// A notice may arrive more than once, always with the same `id`: the consumer drops repeats by it. Contents are
// references to blobs (`container/name`); a notice that would be longer than a queue message may be refers to
// itself as a blob, too.
import { z } from 'zod';
import { bounceReasons, type Classification } from './classification.ts';

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.int().min(0);

const blob = z.strictObject({
  blob: z.string().describe('container/name in the storage account of the bridge'),
  sizeBytes: count,
  sha256: hash,
});

const content = z
  .union([
    z.strictObject({ content: z.string(), sizeBytes: count, sha256: hash }).describe('the text itself'),
    blob.describe('too long for the notice: the blob holds the text'),
  ])
  .describe('in UTF-8; sizeBytes and sha256 are of that, wherever the text is');

const address = z.strictObject({ name: z.string(), address: z.string() });

const recipient = z.strictObject({
  address: z.string().describe('the address that was not reached; empty where the bounce names none'),
  original: z.string().optional().describe('the address as it was written, where it differs'),
  status: z.string().describe('enhanced status (RFC 3463), or empty'),
  replyCode: z.string().describe('SMTP reply code, or empty'),
  hard: z.boolean().describe('the address is dead: do not send there again'),
  reason: z.enum(bounceReasons).describe('in the words of the published bounce tables'),
  action: z.enum(['failed', 'delayed', 'delivered', 'relayed', 'expanded']),
  diagnostic: z.string(),
});

const kind = z.enum(['message', 'receipt', 'bounce', 'autoReply', 'complaint', 'unparsed']);

const part = blob.extend({
  filename: z.string(),
  contentType: z.string(),
  disposition: z.enum(['attachment', 'inline']),
  contentId: z.string().describe('without angle brackets; inline images are referred to by it'),
  role: z.enum(['file', 'calendar', 'message', 'tnef']),
});

const relation = z.strictObject({
  submissionId: z.string(),
  mailbox: z.string(),
  correlation: z.unknown().optional().describe('what the submission carried for ESM, unchanged'),
  by: z.enum(['privateHeader', 'returnedMessageId', 'inReplyTo', 'references']),
  verified: z
    .boolean()
    .describe('the private header carries a tag that only the bridge can make; anybody can forge the rest'),
});

const common = {
  version: z.literal(1),
  id: z.string().describe('stable id of the message in its mailbox; the same in every repeat'),
  mailbox: z.string(),
  kind,
};

const whole = z.strictObject({
  ...common,
  folder: z.string(),
  uid: count,
  uidValidity: count,
  messageId: z.string(),
  inReplyTo: z.array(z.string()),
  references: z.array(z.string()),
  from: z.array(address),
  sender: z.array(address),
  replyTo: z.array(address),
  to: z.array(address),
  cc: z.array(address),
  subject: z.string(),
  date: z.iso.datetime().nullable().describe('the Date field, null where it cannot be read'),
  receivedAt: z.iso
    .datetime()
    .nullable()
    .describe('when it arrived in the mailbox (INTERNALDATE), null where the server did not say'),
  flags: z
    .array(z.string())
    .describe('IMAP flags when it was fetched: \\Seen and \\Answered tell that somebody has dealt with it'),
  list: z.boolean().describe('a mailing list distributed it'),
  bounce: z
    .strictObject({ severity: z.enum(['hard', 'soft', 'delayed']), recipients: z.array(recipient) })
    .optional(),
  receipt: z.strictObject({ recipients: z.array(recipient) }).optional(),
  complaint: z.strictObject({ feedbackType: z.string(), recipients: z.array(recipient) }).optional(),
  relatesTo: relation.optional(),
  loopGuard: z
    .strictObject({ mayAnswer: z.boolean(), reasons: z.array(z.string()) })
    .describe('may a machine answer this message (RFC 3834), and why not'),
  raw: blob,
  text: content.optional(),
  html: content.optional(),
  parts: z.array(part),
  remarks: z.array(z.string()).describe('what was ambiguous, guessed, cut, lost or left out'),
});

const byReference = z
  .strictObject({ ...common, reference: blob })
  .describe('too long for a queue message: the blob holds the whole data as JSON');

/** `data` of the event. */
export const noticeDataSchema = z.union([whole, byReference]);

/** `$id` of the published schema and `dataschema` of every notice. */
export const noticeSchemaName = 'urn:esm-mail-bridge:schema:mail.received:1';

export const noticeSchema = z.strictObject({
  specversion: z.literal('1.0'),
  id: z.string().describe('of the message; the same again is a repeat'),
  source: z.string().describe('/esm-mail-bridge/mailboxes/<mailbox>'),
  type: z.literal('mail.received'),
  subject: z.string(),
  time: z.iso.datetime(),
  datacontenttype: z.literal('application/json'),
  dataschema: z.literal(noticeSchemaName),
  data: noticeDataSchema,
});

export type Notice = z.infer<typeof noticeSchema>;
export type WholeNotice = z.infer<typeof whole>;
export type NoticeBlob = z.infer<typeof blob>;
export type NoticeContent = z.infer<typeof content>;
export type NoticePart = z.infer<typeof part>;
export type Relation = z.infer<typeof relation>;

/** The longest text of a notice. The queue takes 64 KiB; a quarter is kept in hand. */
export const noticeLimitBytes = 48 * 1024;

/** The event around the data. Its id is the message's stable id, so that a repeat is recognisable. */
export function noticeOf(data: WholeNotice | z.infer<typeof byReference>, at: number): Notice {
  return {
    specversion: '1.0',
    id: data.id,
    source: `/esm-mail-bridge/mailboxes/${encodeURIComponent(data.mailbox)}`,
    type: 'mail.received',
    subject: data.id,
    time: new Date(at).toISOString(),
    datacontenttype: 'application/json',
    dataschema: noticeSchemaName,
    data,
  };
}

/** The parts of the classification that the notice carries, by kind. */
export function verdictFields(
  found: Classification,
): Pick<WholeNotice, 'list' | 'bounce' | 'receipt' | 'complaint' | 'loopGuard'> {
  const recipients = [...(found.recipients ?? [])];
  return {
    list: found.list,
    ...(found.bounce === undefined
      ? {}
      : { bounce: { severity: found.bounce.severity, recipients: [...found.bounce.recipients] } }),
    ...(found.kind === 'receipt' ? { receipt: { recipients } } : {}),
    ...(found.kind === 'complaint'
      ? { complaint: { feedbackType: found.feedbackType ?? '', recipients } }
      : {}),
    loopGuard: { mayAnswer: found.loopGuard.mayAnswer, reasons: [...found.loopGuard.reasons] },
  };
}
