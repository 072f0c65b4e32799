// Every route of this module as data: the functions, the checks, docs/openapi.json and the fuzzer read the same table.
import { z } from 'zod';
import { intakeFailure } from '../intake/failure.ts';
import { heartbeat } from '../intake/heartbeat.ts';
import { addressBytes } from '../mail/address.ts';
import { submissionId, submissionSchema } from '../contract/submissionSchema.ts';
import type { ApiRoute } from '../web/openApi.ts';
import type { Right } from './callers.ts';
import { contentInAnswerBytes, feed } from './numbers.ts';

/** Headers of POST /api/mail. */
export const mailHeaders = {
  idempotencyKey: 'idempotency-key',
  mailbox: 'x-mail-mailbox',
  recipients: 'x-mail-recipients',
  remarks: 'x-mail-remarks',
  reportFailures: 'x-mail-report-failures',
} as const;

/** The part of a multipart body that has the submission. */
export const submissionPart = 'submission';

const instant = z.iso.datetime().describe('UTC');
const address = z.string().max(addressBytes);

/** The answer to POST /api/mail. */
export const acceptedAnswer = z
  .strictObject({
    id: z.string(),
    mailbox: z.string(),
    messageId: z.string().describe('the Message-ID that the bridge gives the message'),
    href: z.string().describe('where its state is, as in Location'),
  })
  .describe('The submission is stored and will be sent, or its end reported.');

const recipient = z.strictObject({
  address: z.string(),
  outcome: z.enum(['pending', 'sent', 'deferred', 'failed', 'inDoubt']),
  attempt: z.int().optional(),
  code: z.int().optional().describe('the server’s reply code'),
  enhancedStatus: z.string().optional(),
  detail: z.string().optional(),
});

/** A submission's state. */
export const stateAnswer = z
  .strictObject({
    id: z.string(),
    mailbox: z.string(),
    state: z
      .enum(['waiting', 'sending', 'sent', 'failed', 'inDoubt', 'held', 'expired', 'cancelled'])
      .describe('as in the status events; waiting: to be sent, sending: an attempt is active'),
    since: instant.describe('when it came to this state, UTC'),
    acceptedAt: instant,
    sequence: z.int().describe('of its last status event'),
    attempts: z.int(),
    messageId: z.string(),
    serverMessageId: z.string().optional().describe('the id in the server’s 250'),
    reason: z.string().optional().describe('a word that a program can switch on'),
    detail: z.string().optional(),
    remedy: z.string().optional(),
    recipients: z.array(recipient),
    caller: z.string().optional(),
    correlation: z.json().optional(),
    forecast: z
      .strictObject({
        notBefore: instant.optional().describe('when it is due, UTC'),
        clearsAt: instant
          .optional()
          .describe('when all that wait for this account will have been sent, UTC; absent: not foreseeable'),
        waitingCount: z.int().describe('messages that wait for the account'),
        hasMore: z.boolean().describe('true: at least so many'),
      })
      .optional()
      .describe('while it waits'),
  })
  .describe('The state of a submission, and the outcome of each recipient.');

const mailboxAnswer = z.strictObject({
  address: z.string(),
  aliases: z.array(z.string()).describe('other addresses that From may have'),
  send: z.boolean(),
  receive: z.boolean(),
  safeMode: z
    .string()
    .optional()
    .describe('what the mailbox’s or the caller’s safe mode does, in words; absent: mail goes to everybody'),
  quota: z
    .strictObject({
      messagesPerMinute: z.int(),
      recipientsPerDay: z.int(),
      recipientsToday: z.int().describe('used in the last 24 hours'),
    })
    .optional()
    .describe('of the account that the mailbox sends with'),
  waitingCount: z.int().optional(),
  hasMore: z.boolean().optional().describe('true: at least so many wait'),
  clearsAt: instant.optional().describe('when all that wait will have been sent, UTC'),
});

/** The answer to GET /api/mailboxes. */
export const mailboxesAnswer = z
  .strictObject({
    mailboxes: z.array(mailboxAnswer),
    maxima: z.strictObject({
      requestBytes: z.int().describe('the body of one POST /api/mail'),
      messageBytes: z.int().describe('one message as sent'),
      recipientsCount: z.int().describe('recipients of one message'),
    }),
  })
  .describe('The mailboxes that the caller may send for, with quota and forecast.');

/** The body of POST /api/uploads. */
export const uploadRequest = z
  .strictObject({
    id: z.string().regex(submissionId).describe('of the submission that will name the upload'),
    sizeBytes: z.int().min(1).max(1_000_000_000),
  })
  .describe('What is going to be uploaded.');

/** Its answer. */
export const uploadAnswer = z
  .strictObject({
    url: z
      .string()
      .describe('where to PUT the bytes, once, with x-ms-blob-type: BlockBlob and without the key'),
    blob: z.string().describe('what the submission calls it: raw.blob, or blob of an attachment'),
    expiresAt: instant.describe('when the address ends, UTC'),
  })
  .describe('An address that takes one blob.');

const feedContent = z.strictObject({
  blob: z.string().describe('as the event or notice names it'),
  href: z.string().describe('where this caller can read it'),
});

/** The answer to GET /api/events and /api/notices. */
export const feedAnswer = z
  .strictObject({
    messages: z.array(
      z.strictObject({
        receipt: z.string().describe('acknowledges it, with POST to the same path'),
        deliveryCount: z.int().describe('how often it was given out, this time included'),
        hiddenUntil: instant.describe('UTC; after that it is given out again'),
        event: z.json().describe('a CloudEvent 1.0 as docs/schemas describes it'),
        content: z.array(feedContent).describe('the blobs that it names'),
      }),
    ),
  })
  .describe('Messages, hidden from others until acknowledged or until their time is over.');

/** The body of the acknowledgement. */
export const acknowledgement = z
  .strictObject({ receipts: z.array(z.string().max(1_000)).min(1).max(feed.mostCount) })
  .describe('Receipts of messages that were dealt with.');

/** Its answer. */
export const acknowledgedAnswer = z
  .strictObject({
    results: z.array(
      z.strictObject({
        receipt: z.string(),
        result: z
          .enum(['done', 'gone', 'late'])
          .describe('done: removed; gone: was removed before; late: its time was over, it comes again'),
      }),
    ),
  })
  .describe('What became of each receipt, in the same order.');

const mailboxQuery = z.strictObject({
  mailbox: address.describe('the mailbox of the submission'),
});
const feedQuery = z.strictObject({
  max: z.coerce.number().int().min(1).max(feed.mostCount).default(feed.count).describe('messages at most'),
  hide: z.coerce
    .number()
    .int()
    .min(1)
    .max(feed.mostHideSeconds)
    .default(feed.hideSeconds)
    .describe('seconds for which they are hidden from others'),
});
const contentQuery = z.strictObject({
  ticket: z.string().max(200).describe('as the feed gave it'),
  as: z.enum(['content', 'address']).default('content').describe('address: a short-lived read address'),
});

/** A read address. */
export const addressAnswer = z
  .strictObject({ url: z.string(), expiresAt: instant })
  .describe('An address that reads one blob; send it no key.');

export interface Route extends ApiRoute {
  readonly right: Right | 'any';
}

/** By the name of the function. */
export const routes = {
  submitMail: {
    method: 'POST',
    path: '/api/mail',
    summary: 'Submit one message.',
    right: 'send',
    body: submissionSchema,
    otherBodies: {
      'multipart/form-data': `A part "${submissionPart}" with the JSON, whose attachments may have "part" (and "sizeBytes") in place of "content", and one part for each of these names.`,
      'message/rfc822': 'A complete message (RFC 5322).',
    },
    headers: [
      {
        name: mailHeaders.idempotencyKey,
        description: 'The submission’s id as a quoted string, if the body has none.',
      },
      { name: mailHeaders.mailbox, description: 'Of message/rfc822: the mailbox.' },
      {
        name: mailHeaders.recipients,
        description: 'Of message/rfc822: the envelope, plain addresses separated by commas.',
      },
      { name: mailHeaders.remarks, description: 'A JSON array of sentences for the event, in ASCII.' },
      {
        name: mailHeaders.reportFailures,
        description: '"yes": if it fails, a report is put into the mailbox, for callers that read no events.',
      },
    ],
    answers: { 200: acceptedAnswer, 202: acceptedAnswer },
    problems: [400, 409, 411, 413, 415, 422],
  },
  readSubmission: {
    method: 'GET',
    path: '/api/mail/{id}',
    summary: 'The state of a submission.',
    right: 'send',
    query: mailboxQuery,
    answers: { 200: stateAnswer },
    problems: [400, 404],
  },
  cancelSubmission: {
    method: 'DELETE',
    path: '/api/mail/{id}',
    summary: 'Cancel a submission that is not being sent and was not sent.',
    right: 'send',
    query: mailboxQuery,
    answers: { 200: stateAnswer },
    problems: [400, 404, 409],
  },
  listMailboxes: {
    method: 'GET',
    path: '/api/mailboxes',
    summary: 'The mailboxes, with quota and forecast.',
    right: 'any',
    answers: { 200: mailboxesAnswer },
    problems: [],
  },
  createUpload: {
    method: 'POST',
    path: '/api/uploads',
    summary: 'An address for a message or attachment that is too large for a request.',
    right: 'send',
    body: uploadRequest,
    answers: { 201: uploadAnswer },
    problems: [400, 411, 413, 415, 422],
  },
  reportIntake: {
    method: 'PUT',
    path: '/api/intake/{name}',
    summary: 'An SMTP intake says how it is, each minute.',
    right: 'send',
    body: heartbeat,
    answers: { 200: z.strictObject({ name: z.string() }) },
    problems: [400, 411, 413, 415, 422],
  },
  reportIntakeFailure: {
    method: 'POST',
    path: '/api/intake/{name}/failures',
    summary: 'Mail that an SMTP intake took and that will not be sent, for the failure report.',
    right: 'send',
    body: intakeFailure,
    answers: { 202: z.strictObject({ id: z.string() }) },
    problems: [400, 411, 413, 415, 422],
  },
  readEvents: {
    method: 'GET',
    path: '/api/events',
    summary: 'Take status events.',
    right: 'receive',
    query: feedQuery,
    answers: { 200: feedAnswer },
    problems: [400, 404],
  },
  acknowledgeEvents: {
    method: 'POST',
    path: '/api/events',
    summary: 'Acknowledge status events.',
    right: 'receive',
    body: acknowledgement,
    answers: { 200: acknowledgedAnswer },
    problems: [400, 404, 411, 413, 415, 422],
  },
  readNotices: {
    method: 'GET',
    path: '/api/notices',
    summary: 'Take notices of incoming mail.',
    right: 'receive',
    query: feedQuery,
    answers: { 200: feedAnswer },
    problems: [400, 404],
  },
  acknowledgeNotices: {
    method: 'POST',
    path: '/api/notices',
    summary: 'Acknowledge notices.',
    right: 'receive',
    body: acknowledgement,
    answers: { 200: acknowledgedAnswer },
    problems: [400, 404, 411, 413, 415, 422],
  },
  readContent: {
    method: 'GET',
    path: '/api/content/{container}/{name}',
    summary: 'Read a blob that an event or notice names.',
    right: 'receive',
    query: contentQuery,
    answers: { 200: addressAnswer },
    otherAnswers: {
      'application/octet-stream': `The bytes, at most ${contentInAnswerBytes}; their type is in X-Content-Type.`,
    },
    problems: [400, 404, 413],
  },
} as const satisfies Readonly<Record<string, Route>>;

export type RouteName = keyof typeof routes;
