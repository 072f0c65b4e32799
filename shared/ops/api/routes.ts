// The routes of the operator API as data: the handler checks requests by it, and docs/openapi.json is written from it.
import { z } from 'zod';
import { addressBytes } from '../../mail/address.ts';
import { openApiDocument, type ApiRoute } from '../../web/openApi.ts';
import { problemSchema } from '../../web/problemSchema.ts';
import { actMost, jobs, messageActions } from '../operator.ts';

const instant = z.iso.datetime().describe('UTC');
const address = z.string().min(1).max(addressBytes);
const id = z.string().min(1).max(200);
const reason = z.string().max(500).default('').describe('why; kept in the audit trail');
const words = z.string().min(1).max(300);
const states = ['waiting', 'sending', 'sent', 'failed', 'inDoubt', 'held', 'expired', 'cancelled'] as const;

const filterFields = {
  id: id.optional().describe('exactly this id'),
  mailbox: address.optional().describe('the mailbox that sends'),
  state: z.enum(states).optional(),
  recipient: words.optional().describe('part of a recipient’s address'),
  correlation: words.optional().describe('part of the caller’s reference, such as a ticket'),
  subject: words.optional().describe('part of the first 200 characters of the subject; no answer shows it'),
  text: words.optional().describe('part of the reason'),
  acceptedAfter: z.iso.datetime({ offset: true }).optional(),
  acceptedBefore: z.iso.datetime({ offset: true }).optional(),
};
const after = z.string().max(2_000).optional().describe('the `next` of an earlier answer');

const recipientAnswer = z.strictObject({
  address: z.string(),
  outcome: z.enum(['pending', 'sent', 'deferred', 'failed', 'inDoubt']),
  attempt: z.int().optional(),
  code: z.int().optional(),
  enhancedStatus: z.string().optional(),
  detail: z.string().optional(),
});
const messageFields = {
  id: z.string(),
  mailbox: z.string(),
  account: z.string(),
  state: z.enum(states),
  acceptedAt: instant,
  since: instant.describe('when it came to this state, UTC'),
  attempts: z.int(),
  reason: z.string().optional(),
  detail: z.string().optional(),
  remedy: z.string().optional(),
  correlation: z.json().optional(),
};

/** A message as a list shows it. */
export const listedAnswer = z
  .strictObject({ ...messageFields, recipients: z.array(z.string()) })
  .meta({ id: 'ListedMessage' });
/** A message with its history. */
export const messageAnswer = z
  .strictObject({
    ...messageFields,
    messageId: z.string(),
    serverMessageId: z.string().optional(),
    recipients: z.array(recipientAnswer),
    history: z.array(z.strictObject({ at: instant, type: z.string(), detail: z.string().optional() })),
    bounceCount: z.int(),
  })
  .meta({ id: 'Message' });
export const actAnswer = z
  .strictObject({
    action: z.enum(messageActions),
    dryRun: z.boolean(),
    matchedCount: z.int(),
    doneCount: z.int(),
    results: z.array(
      z.strictObject({
        id: z.string(),
        mailbox: z.string(),
        result: z.enum(['done', 'unknown', 'refused']),
        detail: z.string(),
      }),
    ),
    next: z.string().optional().describe('more match: send the same again with it as `after`'),
  })
  .meta({ id: 'ActReport' });

const direction = z.looseObject({
  state: z.enum(['ready', 'notReady', 'unused']),
  detail: z.string(),
  remedy: z.string().optional(),
  lastSuccessAt: z.string().optional(),
});
export const statusAnswer = z
  .strictObject({
    mailboxes: z.array(
      z.looseObject({
        address: z.string(),
        send: direction,
        receive: direction,
        safeMode: z
          .string()
          .optional()
          .describe('what safe mode does, in words; absent: mail goes to everybody'),
      }),
    ),
    accounts: z.array(
      z.strictObject({
        account: z.string(),
        countedAt: instant.optional().describe('when the sweep counted, UTC'),
        waiting: z.int().optional(),
        inDoubt: z.int().optional(),
        toDecide: z.int().optional().describe('in doubt, for a person to decide'),
        deadLetters: z.int().optional(),
        unreadable: z.int().optional(),
        hasMore: z.boolean().optional().describe('at least so many wait'),
      }),
    ),
    intakes: z.array(
      z.strictObject({
        name: z.string(),
        caller: z.string().describe('whose key it uses'),
        reportedAt: instant.describe('when it last reported, UTC'),
        version: z.string(),
        waiting: z.int(),
        oldestSeconds: z.int().describe('age of the message that waits longest, when it reported'),
        refused: z.int().describe('messages that the bridge refused'),
        accepting: z.boolean(),
        certificateDaysLeft: z.int().optional(),
        waitingFor: z.string().optional(),
      }),
    ),
  })
  .meta({ id: 'Status' });

const maintenancePeriod = z.strictObject({
  name: z.string().describe('`installation`, or the address of a mailbox'),
  until: instant,
  by: z.string(),
  reason: z.string(),
});

export const routes = {
  readStatus: {
    method: 'GET',
    path: '/api/ops/v1/status',
    summary: 'Whether each mailbox is ready, and what waits, as the sweep last counted it.',
    role: 'viewer',
    answers: { 200: statusAnswer },
    problems: [],
  },
  readQuota: {
    method: 'GET',
    path: '/api/ops/v1/quota',
    summary: 'The use of each account’s limits, and when all that waits will have been sent.',
    role: 'viewer',
    answers: {
      200: z.strictObject({
        accounts: z.array(
          z.looseObject({
            account: z.string(),
            waitingCount: z.int().describe('due, and no hold stops it'),
            heldCount: z.int().describe('stopped by a hold or a pause'),
            laterCount: z.int().describe('scheduled or deferred for later'),
          }),
        ),
      }),
    },
    problems: [],
  },
  findMessages: {
    method: 'GET',
    path: '/api/ops/v1/messages',
    summary: 'Messages that were submitted, by what is known of them.',
    role: 'administrator',
    query: z.strictObject({
      ...filterFields,
      limit: z.coerce.number().int().min(1).max(200).default(50),
      after,
    }),
    answers: { 200: z.strictObject({ messages: z.array(listedAnswer), next: z.string().optional() }) },
    problems: [400, 404],
  },
  readUnreadable: {
    method: 'GET',
    path: '/api/ops/v1/unreadable',
    summary: 'Messages that were set aside because their rows can’t be read; replay and remove act on them.',
    role: 'administrator',
    query: z.strictObject({ mailbox: address.optional().describe('of the account that it sends with') }),
    answers: {
      200: z.strictObject({
        messages: z.array(
          z.strictObject({ id: z.string(), mailbox: z.string(), since: instant, detail: z.string() }),
        ),
      }),
    },
    problems: [400, 404],
  },
  readMessage: {
    method: 'GET',
    path: '/api/ops/v1/messages/{id}',
    summary: 'One message: its history, the server’s replies, and the outcome of each recipient.',
    role: 'administrator',
    query: z.strictObject({ mailbox: address.optional().describe('which one, if several have this id') }),
    answers: { 200: messageAnswer },
    problems: [400, 404],
  },
  revealMessage: {
    method: 'POST',
    path: '/api/ops/v1/messages/{id}/reveal',
    summary: 'Subject and content of a message; recorded with the reason.',
    role: 'administrator',
    body: z.strictObject({ mailbox: address.optional(), reason: z.string().min(3).max(500) }),
    answers: {
      200: z.strictObject({ subject: z.string(), text: z.string(), attachments: z.array(z.string()) }),
    },
    problems: [400, 404, 413, 422],
  },
  actOnMessages: {
    method: 'POST',
    path: '/api/ops/v1/messages',
    summary: `Replay, cancel, mark as sent or not sent, or remove messages, by ids or by the filter of the search; at most ${String(actMost)} a call.`,
    role: 'administrator',
    body: z.strictObject({
      action: z.enum(messageActions),
      ids: z.array(id).min(1).max(actMost).optional(),
      mailbox: address.optional().describe('with ids: which one, if several have this id'),
      filter: z.strictObject(filterFields).optional(),
      reason,
      dryRun: z.boolean().default(false).describe('only say which'),
      after,
    }),
    answers: { 200: actAnswer },
    problems: [400, 404, 413, 422],
  },
  changeSending: {
    method: 'POST',
    path: '/api/ops/v1/sending',
    summary: 'Pause or resume the sending of a mailbox, or of a whole account.',
    role: 'administrator',
    body: z.strictObject({
      action: z.enum(['pause', 'resume']),
      mailbox: address.optional(),
      account: z.string().max(400).optional().describe('its login name or key'),
      reason,
    }),
    answers: { 200: z.strictObject({ account: z.string(), mailboxes: z.array(z.string()) }) },
    problems: [400, 404, 413, 422],
  },
  readMaintenance: {
    method: 'GET',
    path: '/api/ops/v1/maintenance',
    summary: 'What is in maintenance, or was within the last hour.',
    role: 'viewer',
    answers: { 200: z.strictObject({ periods: z.array(maintenancePeriod) }) },
    problems: [],
  },
  changeMaintenance: {
    method: 'POST',
    path: '/api/ops/v1/maintenance',
    summary:
      'Put a mailbox, or the whole installation, in maintenance: the alerts leave it out. 0 minutes end it.',
    role: 'administrator',
    body: z.strictObject({
      mailbox: address.optional().describe('the whole installation without it'),
      minutes: z.int().min(0).max(1_440),
      reason,
    }),
    answers: { 200: maintenancePeriod },
    problems: [400, 404, 413, 422],
  },
  examineMailbox: {
    method: 'POST',
    path: '/api/ops/v1/doctor',
    summary: 'Check every step that a mailbox’s mail takes; nothing is sent.',
    role: 'administrator',
    body: z.strictObject({ mailbox: address }),
    answers: { 200: z.looseObject({ mailbox: z.string(), ok: z.boolean() }) },
    problems: [400, 404, 413, 422],
  },
  sendTest: {
    method: 'POST',
    path: '/api/ops/v1/test-messages',
    summary: 'Send one test message from a mailbox, to the mailbox itself if nobody is named.',
    role: 'administrator',
    body: z.strictObject({ mailbox: address, to: address.optional() }),
    answers: { 202: z.strictObject({ id: z.string(), mailbox: z.string(), to: z.string() }) },
    problems: [400, 404, 413, 422],
  },
  runJob: {
    method: 'POST',
    path: '/api/ops/v1/jobs',
    summary: 'Run what a timer runs, now.',
    role: 'administrator',
    body: z.strictObject({ job: z.enum(jobs), reason }),
    answers: { 200: z.strictObject({ job: z.enum(jobs), elapsedMs: z.number() }) },
    problems: [400, 413, 422],
  },
  readAudit: {
    method: 'GET',
    path: '/api/ops/v1/audit',
    summary: 'What operators did, the newest first.',
    role: 'administrator',
    query: z.strictObject({ limit: z.coerce.number().int().min(1).max(500).default(50) }),
    answers: {
      200: z.strictObject({
        entries: z.array(
          z.strictObject({
            at: instant,
            by: z.string(),
            objectId: z.string(),
            via: z.enum(['session', 'bearer']),
            action: z.string(),
            on: z.string(),
            reason: z.string(),
            result: z.enum(['started', 'done', 'refused', 'failed']),
            doneCount: z.int(),
            refusedCount: z.int(),
            detail: z.string(),
          }),
        ),
      }),
    },
    problems: [400],
  },
  readDescription: {
    method: 'GET',
    path: '/api/ops/v1/openapi.json',
    summary: 'This description.',
    role: 'viewer',
    answers: { 200: z.looseObject({ openapi: z.string() }) },
    problems: [],
  },
} as const satisfies Readonly<Record<string, ApiRoute & { readonly role: 'viewer' | 'administrator' }>>;

export type OperatorRoute = keyof typeof routes;

/** The published description of the operator API. */
export const operatorDescription = (version: string): Readonly<Record<string, unknown>> =>
  openApiDocument({
    title: 'Mail bridge: operator API',
    version,
    description:
      'What the operator’s page and commands do. A bearer token for the app with the app role MailBridge.Administrator, or MailBridge.Viewer for what a viewer may see; from the page, its session.',
    routes: Object.fromEntries(
      Object.entries(routes).map(([name, route]) => [
        name,
        { ...route, tag: 'operator', security: ['bearer'] },
      ]),
    ),
    securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
    problem: problemSchema,
    commonProblems: [401, 403, 500, 503],
  });
