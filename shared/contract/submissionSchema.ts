// The shape of a submission, version 1: what a caller may write, field by field. The published JSON Schema
// (docs/schemas/submission.json) is generated from this, so it holds no transformations; what depends on the
// settings or on two fields together is in submission.ts.
import { z } from 'zod';
import { addressBytes, parseAddress } from '../mail/address.ts';
import { isMessageId, messageIdBytes, parseMessageIds } from '../mail/messageId.ts';
import { headerTextTrouble } from '../mail/headerText.ts';

/** Also a row key and half of an event's id: nothing that a table key refuses. */
export const submissionId = /^[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}$/;

/** Ours. A longer subject or name than Exchange Online allows is shortened when the message is composed. */
export const fieldMaxima = {
  subjectCharacters: 2_500,
  bodyCharacters: 4_000_000,
  nameCharacters: 600,
  listCount: 1_000,
  referencesCount: 1_000,
  referencesCharacters: 1_000 * (messageIdBytes + 1),
  headersCount: 50,
  headerCharacters: 900,
  attachmentsCount: 250,
  correlationCharacters: 4_096,
} as const;

/** What each field is, for people: the schema's description and the remedy in a rejection. */
export const fieldDescriptions = {
  version: 'the number 1, or leave it out',
  id: 'a letter or digit, then up to 127 letters, digits or . _ : @ + -, the same whenever you send the same message again',
  mailbox: 'the address of one of the mailboxes that the bridge serves',
  from: 'the address of the mailbox, or {"address": "...", "name": "..."} to give a display name',
  replyTo: 'one address or a list of them, such as ["desk@example.com"]',
  to: 'a list of addresses, such as ["user@example.com"]',
  cc: 'a list of addresses, such as ["user@example.com"]',
  bcc: 'a list of addresses, such as ["user@example.com"]',
  person: 'a plain address such as "user@example.com", or {"address": "user@example.com", "name": "A User"}',
  address: 'a plain address such as "user@example.com"',
  name: 'a display name of at most 600 characters',
  subject: 'text of at most 2,500 characters, in one line; sent with at most 255',
  text: 'the plain text of the message',
  html: 'the HTML of the message',
  inReplyTo: 'the Message-ID that is answered, with its angle brackets, such as "<abc@example.com>"',
  references:
    'a list of at most 1,000 Message-IDs, each with its angle brackets; of a long list the first and the last ones are sent',
  headers: 'an object of at most 50 header fields, such as {"X-Ticket": "1234"}',
  headerName:
    'a name that begins with X- or List-, or one of: Auto-Submitted, Precedence, Importance, Priority, Sensitivity, Thread-Index, Thread-Topic, Feedback-ID, Keywords, Comments, Organization, Content-Language, Accept-Language, Archived-At',
  headerValue: 'text of at most 900 characters, in one line',
  attachments: 'a list of at most 250 attachments',
  filename: 'a file name of at most 255 characters, without a path',
  contentType:
    'a media type such as "application/pdf", with parameters if it has any: "text/calendar; method=REQUEST"',
  contentId: 'the identifier that the HTML refers to with cid:, without angle brackets',
  content: 'the bytes in base64 without line breaks',
  blob: 'a blob in the upload container, as "container/name"',
  raw: '{"blob": "container/name"}, a complete message (RFC 5322)',
  priority: '"high", "normal" or "bulk"',
  sendAt: 'a date and time with its offset, such as "2026-11-25T09:00:00Z"',
  expiresAt: 'a date and time with its offset, such as "2026-11-26T09:00:00Z"',
  correlation:
    'any JSON of at most 4,096 characters and 15 levels of objects and lists; it comes back in every event',
} as const;

/** A string that `trouble` finds nothing against; its words become the problem's. */
const checked = (base: z.ZodString, trouble: (text: string) => string | undefined): z.ZodString =>
  base.check((context) => {
    const detail = trouble(context.value);
    if (detail !== undefined) {
      context.issues.push({ code: 'custom', message: detail, input: context.value });
    }
  });

/** A field of the submission that may be left out, with its description. */
const optional = <Type extends z.ZodType>(
  name: keyof typeof fieldDescriptions,
  type: Type,
): z.ZodOptional<Type> => type.describe(fieldDescriptions[name]).optional();

const headerText = (characters: number): z.ZodString =>
  checked(z.string().max(characters), headerTextTrouble);

const address = checked(z.string(), (text) => {
  const answer = parseAddress(text);
  return answer.kind === 'ok' ? undefined : answer.detail;
}).meta({
  description: fieldDescriptions.address,
  // For readers of the published schema; parseAddress is stricter.
  maxLength: addressBytes,
  pattern: "^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[^\\u0000-,/:-@[-`{-\\u00a0]{3,253}$",
});

const person = z
  .union([
    address,
    z.strictObject({
      address,
      name: headerText(fieldMaxima.nameCharacters).describe(fieldDescriptions.name).optional(),
    }),
  ])
  .describe(fieldDescriptions.person);

const people = z.union([person, z.array(person).max(fieldMaxima.listCount)]);

const bodyText = checked(z.string().max(fieldMaxima.bodyCharacters), (text) => {
  if (text.includes('\u0000')) return 'has a NUL character; remove it';
  return text.isWellFormed() ? undefined : 'has half of a character (a lone surrogate); correct the encoding';
});

const messageId = checked(z.string(), (text) =>
  isMessageId(text) ? undefined : `is not a Message-ID; write ${fieldDescriptions.inReplyTo}`,
);

const references = z
  .union([
    checked(z.string().max(fieldMaxima.referencesCharacters), (text) =>
      parseMessageIds(text) === undefined
        ? `has a part that is no Message-ID; write ${fieldDescriptions.references}`
        : undefined,
    ),
    z.array(messageId).max(fieldMaxima.referencesCount),
  ])
  .describe(fieldDescriptions.references);

/**
 * Registered fields that say something of the message and nothing of its way, its sender or its structure (IANA's list of
 * message header fields; RFC 3834 for Auto-Submitted). Everything else is the bridge's own, or could reach further.
 */
const allowedHeaders = [
  'Auto-Submitted',
  'Precedence',
  'Importance',
  'Priority',
  'Sensitivity',
  'Thread-Index',
  'Thread-Topic',
  'Feedback-ID',
  'Keywords',
  'Comments',
  'Organization',
  'Content-Language',
  'Accept-Language',
  'Archived-At',
] as const;

/** In any case; written out, because the published schema has no flags. */
const inAnyCase = (name: string): string =>
  name.replace(/[A-Za-z]/g, (letter) => `[${letter.toUpperCase()}${letter.toLowerCase()}]`);

const headers = z
  .record(
    z
      .string()
      .regex(
        new RegExp(
          `^(?:(?:[Xx]|[Ll][Ii][Ss][Tt])-[A-Za-z0-9-]{1,70}|${allowedHeaders.map(inAnyCase).join('|')})$`,
        ),
      ),
    headerText(fieldMaxima.headerCharacters),
  )
  .describe(fieldDescriptions.headers);

const blob = z.string().min(3).max(1_088).describe(fieldDescriptions.blob);

const attachment = z.strictObject({
  filename: checked(z.string().min(1).max(255), (text) =>
    /[/\\]/.test(text)
      ? 'has a slash or backslash; write the file name without a path'
      : headerTextTrouble(text),
  ).describe(fieldDescriptions.filename),
  contentType: checked(
    z
      .string()
      .max(200)
      .regex(
        /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,63}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,79}(?:[ \t]*;[ \t]*[A-Za-z0-9!#$&^_.+-]{1,40}=(?:[A-Za-z0-9!#$%&'*+^_`{|}~.-]{1,100}|"[A-Za-z0-9!#$%&'*+^_`{|}~.,:;/?=@()<> -]{0,100}"))*[ \t]*;?$/,
      ),
    (text) =>
      /^multipart\//i.test(text)
        ? 'is a multipart type, which no attachment can have; write its own type'
        : undefined,
  )
    .describe(fieldDescriptions.contentType)
    .optional(),
  contentId: z
    .string()
    .regex(/^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.@]{1,250}$/)
    .describe(fieldDescriptions.contentId)
    .optional(),
  content: checked(z.string(), (text) =>
    text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text)
      ? undefined
      : `is not base64; write ${fieldDescriptions.content}`,
  )
    .describe(fieldDescriptions.content)
    .optional(),
  blob: blob.optional(),
});

const instant = z.iso.datetime({ offset: true }).max(40);

/** What a caller may write. Strict everywhere: a field that is not named here is refused by name. */
export const submissionSchema = z
  .strictObject({
    version: optional('version', z.literal(1)),
    id: z.string().regex(submissionId).describe(fieldDescriptions.id),
    mailbox: address.describe(fieldDescriptions.mailbox),
    from: optional('from', person),
    replyTo: optional('replyTo', people),
    to: optional('to', people),
    cc: optional('cc', people),
    bcc: optional('bcc', people),
    subject: optional('subject', headerText(fieldMaxima.subjectCharacters)),
    text: optional('text', bodyText),
    html: optional('html', bodyText),
    inReplyTo: optional('inReplyTo', messageId),
    references: references.optional(),
    headers: headers.optional(),
    attachments: optional('attachments', z.array(attachment).max(fieldMaxima.attachmentsCount)),
    raw: optional('raw', z.strictObject({ blob })),
    priority: optional('priority', z.enum(['high', 'normal', 'bulk'])),
    sendAt: optional('sendAt', instant),
    expiresAt: optional('expiresAt', instant),
    correlation: optional('correlation', z.json()),
  })
  .describe(
    'A request to send one message, put on the queue outbound-mail or posted to /api/mail. Version 1.',
  );

/** A submission as its caller wrote it, its shape checked. */
export type WrittenSubmission = z.infer<typeof submissionSchema>;
export type WrittenPerson = z.infer<typeof person>;
