// What ESM reads on `mail-status`: CloudEvents 1.0 in their JSON form, one per queue message.
//
// A repeat is recognisable: `id` is the submission's id and the event's sequence number, `source` the mailbox,
// and the pair names one event for good. Sequence numbers of a submission have no gaps, so a reader also knows
// what it has missed. Everything outside printable ASCII is escaped: a control character in a queue message
// can make it vanish. An event that would be too long leaves its recipients out and names a blob (`whole`).
import { parseJson } from '../mail/foreign.ts';
import { omit, present } from '../mail/omit.ts';
import { z } from 'zod';
import { asciiJson } from '../mail/text.ts';
import type {
  MessageEvent,
  RecipientOutcome,
  StatusEvent,
  StatusEventType,
  WholeEvent,
} from './statusEvent.ts';

/** Changes when a field is removed or gets another meaning; a new field is no new version. */
export const eventVersion = 1;

const instant = z.iso.datetime().describe('UTC');
const optionalText = (what: string): z.ZodOptional<z.ZodString> => z.string().optional().describe(what);

const reply = z
  .strictObject({
    code: z.int().describe("the server's code; 0 where no reply came"),
    enhancedStatus: optionalText('x.y.z of RFC 3463'),
    text: z.string().describe("the server's words, at most 1,000 characters"),
  })
  .describe("the server's reply");

const recipient = z.strictObject({
  address: z.string(),
  outcome: z
    .enum(['pending', 'sent', 'deferred', 'failed', 'inDoubt'])
    .describe('pending: not tried yet, or again without blame; deferred: refused for now'),
  attempt: z.int().optional().describe('the attempt that said so'),
  code: z.int().optional(),
  enhancedStatus: z.string().optional(),
  detail: optionalText("the server's words, or ours"),
});

const whole = z
  .strictObject({
    blob: z.string().describe('container/name in the storage account of the bridge'),
    sizeBytes: z.int(),
  })
  .describe(
    'where the whole event is if it is too long for a queue message; recipients, and all problems but the first ones, are only there',
  );

const explained = {
  reason: optionalText('a word that a program can switch on'),
  detail: optionalText('what happened'),
  remedy: optionalText('what a person can do about it'),
};

const common = {
  submissionId: z.string().describe("the submission's id"),
  sequence: z.int().min(1).describe('1 for mail.accepted, then without gaps'),
  mailbox: z.string(),
  attempt: z.int().optional().describe('attempts so far'),
  recipients: z.array(recipient).optional(),
  reply: reply.optional(),
  messageId: optionalText('the Message-ID that the bridge gave, with angle brackets'),
  serverMessageId: optionalText("the id in the server's 250"),
  correlation: z.json().optional().describe('as the submission had it'),
  caller: optionalText('the name of the caller that submitted it over HTTP'),
  ...explained,
  whole: whole.optional(),
};

const retryAt = instant.describe('when it is tried again');

const hold = {
  mailbox: z.string(),
  scope: z.enum(['account', 'mailbox']).describe('account: every mailbox of the SMTP account is stopped'),
  since: instant.describe('when the hold began, UTC; the same in both events'),
  waitingCount: z.int().describe('messages of the mailbox that wait'),
  hasMore: z.boolean().optional().describe('true: at least so many'),
  ...explained,
  whole: whole.optional(),
};

/** The data of each type, checked strictly; the published schemas are generated from these. */
export const eventData = {
  'mail.accepted': z
    .strictObject(common)
    .describe('The submission is stored and will be sent, or its end reported.'),
  'mail.sent': z
    .strictObject(common)
    .describe(
      'The server took responsibility for the message, for at least one recipient; recipients says for whom not.',
    ),
  'mail.deferred': z
    .strictObject({ ...common, retryAt })
    .describe('Refused for now, for all recipients or some; it is tried again.'),
  'mail.held': z.strictObject({ ...common, retryAt: retryAt.optional() }).describe('Waits for a person.'),
  'mail.inDoubt': z
    .strictObject({ ...common, retryAt: instant.optional().describe('when Sent Items are looked at') })
    .describe('The message was handed over and no reply came; it may have been sent.'),
  'mail.failed': z.strictObject(common).describe('Will not be tried again unless a person says so.'),
  'mail.expired': z
    .strictObject(common)
    .describe(
      'Not sent to any recipient by its expiresAt; never published for a message that may have been sent.',
    ),
  'mail.cancelled': z.strictObject(common).describe('Taken back before it was sent to any recipient.'),
  'mail.bounced': z
    .strictObject({
      ...common,
      bounce: z.strictObject({
        noticeId: z.string().describe('id of the notice on inbound-mail'),
        verified: z
          .boolean()
          .describe('carries a tag that only the bridge can make; else anybody may have written it'),
        recipients: z.array(
          z.strictObject({
            address: z.string(),
            status: z.string().describe('x.y.z of RFC 3463, or empty'),
            replyCode: z.string(),
            hard: z.boolean().describe('the address is dead: do not send there again'),
            reason: z.string(),
            action: z.string().describe('failed, delayed, … (RFC 3464)'),
          }),
        ),
      }),
    })
    .describe('A server that took it from Exchange Online, or Exchange itself, returned it later.'),
  'mail.rejected': z
    .strictObject({
      submissionId: optionalText('where the submission had a usable id'),
      mailbox: z.string().optional(),
      correlation: z.json().optional().describe('as the submission had it, if it could be read'),
      content: z
        .strictObject({ sha256: z.string(), sizeBytes: z.int() })
        .optional()
        .describe('the refused bytes, which are kept'),
      problems: z
        .array(z.strictObject({ field: z.string(), detail: z.string() }))
        .describe('every fault, by field, each with its remedy'),
      whole: whole.optional(),
    })
    .describe('Could not be accepted; nothing of it will be sent.'),
  'mailbox.held': z
    .strictObject(hold)
    .describe('Sending for the mailbox is on hold; its messages wait and no event is published for each.'),
  'mailbox.released': z
    .strictObject(hold)
    .describe('The hold of the mailbox has ended; what waited is sent.'),
} as const satisfies Readonly<Record<StatusEventType, z.ZodType>>;

/** The whole event of one type, as it is on the queue. */
export function eventSchema(type: StatusEventType): z.ZodType {
  return z
    .strictObject({
      specversion: z.literal('1.0'),
      id: z
        .string()
        .describe(
          '<submissionId>/<sequence>, of a mailbox <scope>/<since>/<held or released>; the same again is a repeat',
        ),
      source: z.string().describe('/esm-mail-bridge/mailboxes/<mailbox>'),
      type: z.literal(type),
      subject: optionalText("the submission's id"),
      time: instant,
      datacontenttype: z.literal('application/json'),
      dataschema: z.literal(schemaName(type)),
      data: eventData[type],
    })
    .describe(`CloudEvent ${type}, version ${eventVersion}: ${eventData[type].description ?? ''}`);
}

/** The name of a type's schema: `$id` of the published file and `dataschema` of the events. */
export function schemaName(type: string): string {
  return `urn:esm-mail-bridge:schema:${type}:${eventVersion}`;
}

/** One event as the text of a queue message: one line of printable ASCII. With `whole`, its recipients are left out. */
export function toCloudEvent(event: StatusEvent, whole?: WholeEvent): string {
  const { type, mailbox } = event;
  const submissionId = 'submissionId' in event ? event.submissionId : undefined;
  return asciiJson({
    specversion: '1.0',
    id: eventId(event),
    source: `/esm-mail-bridge${mailbox === undefined ? '' : `/mailboxes/${encodeURIComponent(mailbox)}`}`,
    type,
    ...present({ subject: submissionId }),
    time: isoOf(event.at),
    datacontenttype: 'application/json',
    dataschema: schemaName(type),
    data: dataOf(event, whole),
  });
}

const referable = z.object({
  specversion: z.literal('1.0'),
  id: z.string().max(300),
  source: z.string().max(1_500),
  type: z.string().max(100),
  subject: z.string().max(200).optional(),
  time: z.string().max(40),
  datacontenttype: z.literal('application/json'),
  dataschema: z.string().max(200),
  data: z.object({
    submissionId: z.string().max(200).optional(),
    sequence: z.int().optional(),
    mailbox: z.string().max(320).optional(),
    retryAt: z.string().max(40).optional(),
    reason: z.string().max(100).optional(),
    bounce: z
      .object({ noticeId: z.string().max(300), verified: z.boolean() })
      .transform((bounce) => ({ ...bounce, recipients: [] }))
      .optional(),
    problems: z
      .array(z.unknown())
      .transform(() => [])
      .optional(),
  }),
});

/** The same event as `text`, with all that is long left to the blob `whole`; undefined if `text` is no such event. */
export function cloudEventByReference(text: string, whole: WholeEvent): string | undefined {
  const event = referable.safeParse(parseJson(text)).data;
  return event === undefined ? undefined : asciiJson({ ...event, data: { ...event.data, whole } });
}

/** No submission's id holds a slash, and those of holds have two, so the three forms can't meet. */
function eventId(event: StatusEvent): string {
  if (event.type === 'mail.rejected') {
    return `${event.submissionId ?? ''}/rejected/${event.rejection.sha256}`;
  }
  if ('scope' in event) {
    // Unique together with the source, which names the mailbox.
    return `${event.scope}/${event.since}/${event.type.slice('mailbox.'.length)}`;
  }
  return `${event.submissionId}/${event.sequence}`;
}

/** Of a rejection that is too long for a queue message. */
const problemsBesideWhole = 5;

type DataOf<Type extends StatusEventType> = z.infer<(typeof eventData)[Type]>;

/** Members that are undefined leave no trace in JSON. */
function dataOf(event: StatusEvent, whole?: WholeEvent): DataOf<StatusEventType> {
  switch (event.type) {
    case 'mail.rejected': {
      const { submissionId, mailbox, correlation, rejection, problems } = event;
      const about = { submissionId, mailbox, correlation, content: rejection };
      const first = whole === undefined ? [...problems] : problems.slice(0, problemsBesideWhole);
      return { ...about, problems: first, whole } satisfies DataOf<typeof event.type>;
    }
    case 'mailbox.held':
    case 'mailbox.released': {
      const { mailbox, scope, since, waitingCount, hasMore, reason, detail, remedy } = event;
      const about = { mailbox, scope, since: isoOf(since), waitingCount, hasMore };
      return { ...about, reason, detail, remedy, whole } satisfies DataOf<typeof event.type>;
    }
    case 'mail.deferred':
      return { ...commonOf(event, whole), retryAt: isoOf(event.retryAt) } satisfies DataOf<typeof event.type>;
    case 'mail.held':
    case 'mail.inDoubt': {
      const retryAt = event.retryAt === undefined ? undefined : isoOf(event.retryAt);
      return { ...commonOf(event, whole), retryAt } satisfies DataOf<typeof event.type>;
    }
    case 'mail.bounced': {
      const bounce = { ...event.bounce, recipients: whole === undefined ? [...event.bounce.recipients] : [] };
      return { ...commonOf(event, whole), bounce } satisfies DataOf<typeof event.type>;
    }
    case 'mail.accepted':
    case 'mail.sent':
    case 'mail.failed':
    case 'mail.expired':
    case 'mail.cancelled':
      return commonOf(event, whole) satisfies DataOf<typeof event.type>;
  }
}

function commonOf(event: MessageEvent, whole: WholeEvent | undefined): DataOf<'mail.accepted'> {
  const { submissionId, sequence, mailbox, attempt, recipients, reply: said } = event;
  const { messageId, serverMessageId, correlation, caller, reason, detail, remedy } = event;
  return {
    submissionId,
    sequence,
    mailbox,
    attempt,
    recipients: whole === undefined ? recipients?.map(recipientOf) : undefined,
    reply:
      said === undefined ? undefined : { code: said.code, enhancedStatus: said.enhanced, text: said.text },
    messageId,
    serverMessageId,
    correlation,
    caller,
    reason,
    detail,
    remedy,
    whole,
  };
}

const recipientOf = ({ state, enhanced, ...same }: RecipientOutcome): z.infer<typeof recipient> => ({
  ...omit(same, 'maybeSent'),
  outcome: state,
  enhancedStatus: enhanced,
});

const isoOf = (at: number): string => new Date(at).toISOString();
