// A message in the outbox: its row, which is the idempotency record, and the one row that lists it.
//
// States: `waiting` → (listed in box.open: sending) → `sent` | `waiting` again (deferred) | `failed` |
// `inDoubt`; and `held`, `expired`, `cancelled`. A message that is not finished is listed by exactly one other
// row: waiting by its due row (which stays during the attempt), inDoubt by its doubt row, held and failed by an
// aside row. So a change of state is: this row merged, that row moved, an event inserted; all in one transaction.
import { z } from 'zod';
import { getText, putText } from './chunks.ts';
import { asideKey, doubtKey, dueKey, messageKey } from './keys.ts';
import type { AsideGroup, Lane } from './keys.ts';
import type { Field, Fields } from '../ports.ts';
import type { Json } from '../../contract/submission.ts';
import type { RecipientOutcome } from '../../contract/statusEvent.ts';

export type State = 'waiting' | 'sent' | 'failed' | 'inDoubt' | 'held' | 'expired' | 'cancelled';

/** Nothing more happens to these unless a person acts. */
export const isFinished = (state: State): boolean =>
  state === 'sent' || state === 'failed' || state === 'expired' || state === 'cancelled';

/** The one row that lists the message. */
export type Place =
  | { readonly kind: 'due'; readonly at: number }
  | {
      readonly kind: 'doubt';
      readonly lookAt: number;
      readonly look: 1 | 2;
      /** When the attempt was claimed: no copy in Sent Items can be older. */
      readonly claimedAt: number;
    }
  | { readonly kind: 'aside'; readonly group: AsideGroup; readonly at: number }
  | { readonly kind: 'none' };

/** One line of its story, for people. */
export interface Chapter {
  readonly at: number;
  readonly type: string;
  readonly detail?: string;
}

/** What never changes after acceptance. */
export interface Accepted {
  readonly id: string;
  /** SHA-256 of the content; and of the submission alone, for a repeat whose blobs are gone by now. */
  readonly hash: string;
  readonly submissionHash: string;
  readonly mailbox: string;
  readonly lane: Lane;
  /** In the row, or the name of its blob. */
  readonly content: Uint8Array | string;
  /** Names of the copied blobs it refers to. */
  readonly blobs: readonly string[];
  readonly messageId: string;
  readonly acceptedAt: number;
  /** The Date of the message. */
  readonly datedAt: number;
  readonly correlation?: Json;
}

/** What its life changes. */
export interface Progress {
  readonly state: State;
  readonly place: Place;
  /** Not sent from then on; a replay lifts it. */
  readonly expiresAt?: number;
  /** The last one claimed; 0 before the first. */
  readonly attempt: number;
  readonly recipients: readonly RecipientOutcome[];
  readonly deferrals: number;
  /** Sum of its own deferrals: its age for giving up. */
  readonly deferredMs: number;
  /** Of the last event. */
  readonly sequence: number;
  readonly serverMessageId?: string;
  /** Why it is where it is. */
  readonly reason?: string;
  readonly detail?: string;
  readonly remedy?: string;
  /** When it came to this state. */
  readonly changedAt: number;
  /** Recipients charged by all its attempts, and until when the last one could arrive: rebuild a lost box. */
  readonly charged: number;
  readonly chargedAt: number;
  readonly story: readonly Chapter[];
  /** Notices of bounces that were told. */
  readonly bounces: readonly string[];
}

export type Message = Accepted & Progress;

const version = 1;
const storyMost = 30;

/** Those that an attempt made now is for. */
export const remaining = (message: Progress): readonly string[] =>
  message.recipients
    .filter(({ state }) => state === 'pending' || state === 'deferred')
    .map(({ address }) => address);

/** The row that lists it, where one does. */
export function placeRow(message: Message): { readonly key: string; readonly fields: Fields } | undefined {
  const { place, id } = message;
  switch (place.kind) {
    case 'due':
      return {
        key: dueKey(message.lane, place.at, id),
        fields: { mailbox: message.mailbox, attempt: message.attempt, recipients: remaining(message).length },
      };
    case 'doubt':
      return { key: doubtKey(place.lookAt, id), fields: { attempt: message.attempt, look: place.look } };
    case 'aside':
      return { key: asideKey(place.group, place.at, id), fields: { mailbox: message.mailbox } };
    case 'none':
      return undefined;
  }
}

export const addChapter = (story: readonly Chapter[], chapter: Chapter): readonly Chapter[] =>
  [...story, chapter].slice(-storyMost);

/** The whole row, for its insertion. `recipientsBlob` holds the recipients where they are too long for a row. */
export function encodeMessage(message: Message, recipientsBlob: string): Fields {
  return {
    version,
    hash: message.hash,
    submissionHash: message.submissionHash,
    mailbox: message.mailbox,
    lane: message.lane,
    ...(typeof message.content === 'string'
      ? { contentBlob: message.content }
      : { content: message.content }),
    ...putText('blobs', JSON.stringify(message.blobs)),
    messageId: message.messageId,
    acceptedAt: message.acceptedAt,
    datedAt: message.datedAt,
    ...putText('correlation', JSON.stringify(message.correlation ?? null)),
    ...encodeProgress(message, recipientsBlob),
  };
}

/** What changes, complete: a merge can't remove a property, so absence is written as '' or 0. */
export function encodeProgress(progress: Progress, recipientsBlob: string): Fields {
  return {
    state: progress.state,
    place: JSON.stringify(progress.place),
    expiresAt: progress.expiresAt ?? 0,
    attempt: progress.attempt,
    recipientsBlob,
    ...putText('recipients', recipientsBlob === '' ? encodeRecipients(progress.recipients) : ''),
    deferrals: progress.deferrals,
    deferredMs: progress.deferredMs,
    sequence: progress.sequence,
    serverMessageId: progress.serverMessageId ?? '',
    reason: progress.reason ?? '',
    detail: progress.detail ?? '',
    remedy: progress.remedy ?? '',
    changedAt: progress.changedAt,
    charged: progress.charged,
    chargedAt: progress.chargedAt,
    ...putText('story', JSON.stringify(progress.story)),
    ...putText('bounces', JSON.stringify(progress.bounces)),
  };
}

export const encodeRecipients = (recipients: readonly RecipientOutcome[]): string =>
  JSON.stringify(recipients);

const recipients = z.array(
  z.object({
    address: z.string(),
    state: z.enum(['pending', 'sent', 'deferred', 'failed', 'inDoubt']),
    attempt: z.number().exactOptional(),
    code: z.number().exactOptional(),
    enhanced: z.string().exactOptional(),
    detail: z.string().exactOptional(),
  }),
);
export const decodeRecipients = (text: string): readonly RecipientOutcome[] =>
  recipients.parse(JSON.parse(text));

const place = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('due'), at: z.number() }),
  z.object({
    kind: z.literal('doubt'),
    lookAt: z.number(),
    look: z.union([z.literal(1), z.literal(2)]),
    claimedAt: z.number(),
  }),
  z.object({
    kind: z.literal('aside'),
    group: z.union([z.literal('failed'), z.literal('doubt'), z.object({ mailbox: z.string() })]),
    at: z.number(),
  }),
  z.object({ kind: z.literal('none') }),
]);
const story = z.array(z.object({ at: z.number(), type: z.string(), detail: z.string().exactOptional() }));
const columns = z.object({
  version: z.literal(version),
  hash: z.string(),
  submissionHash: z.string(),
  mailbox: z.string(),
  lane: z.union([z.literal(0), z.literal(1), z.literal(2)]),
  content: z.instanceof(Uint8Array).optional(),
  contentBlob: z.string().optional(),
  messageId: z.string(),
  acceptedAt: z.number(),
  datedAt: z.number(),
  expiresAt: z.number(),
  state: z.enum(['waiting', 'sent', 'failed', 'inDoubt', 'held', 'expired', 'cancelled']),
  place: z.string(),
  attempt: z.number(),
  recipientsBlob: z.string(),
  deferrals: z.number(),
  deferredMs: z.number(),
  sequence: z.number(),
  serverMessageId: z.string(),
  reason: z.string(),
  detail: z.string(),
  remedy: z.string(),
  changedAt: z.number(),
  charged: z.number(),
  chargedAt: z.number(),
});

/** The message of a row, its recipients as given where they are in a blob. Throws for another version. */
export function decodeMessage(key: string, fields: Fields, recipientsText?: string): Message {
  const row = columns.parse(fields);
  const json = (name: string): unknown => JSON.parse(getText(fields, name) ?? 'null');
  const correlation = z.json().parse(json('correlation'));
  const optional = (name: 'serverMessageId' | 'reason' | 'detail' | 'remedy'): object =>
    row[name] === '' ? {} : { [name]: row[name] };
  return {
    id: key.slice(messageKey('').length),
    hash: row.hash,
    submissionHash: row.submissionHash,
    mailbox: row.mailbox,
    lane: row.lane,
    content: row.content ?? row.contentBlob ?? '',
    blobs: z.array(z.string()).parse(json('blobs')),
    messageId: row.messageId,
    acceptedAt: row.acceptedAt,
    datedAt: row.datedAt,
    ...(row.expiresAt === 0 ? {} : { expiresAt: row.expiresAt }),
    ...(correlation === null ? {} : { correlation }),
    state: row.state,
    place: place.parse(JSON.parse(row.place)),
    attempt: row.attempt,
    recipients: decodeRecipients(recipientsText ?? getText(fields, 'recipients') ?? '[]'),
    deferrals: row.deferrals,
    deferredMs: row.deferredMs,
    sequence: row.sequence,
    ...optional('serverMessageId'),
    ...optional('reason'),
    ...optional('detail'),
    ...optional('remedy'),
    changedAt: row.changedAt,
    charged: row.charged,
    chargedAt: row.chargedAt,
    story: story.parse(json('story')),
    bounces: z.array(z.string()).parse(json('bounces')),
  };
}

/** About how much a field weighs in a transaction. */
export const fieldBytes = (field: Field): number =>
  typeof field === 'string' ? 2 * field.length : field instanceof Uint8Array ? field.length : 8;
