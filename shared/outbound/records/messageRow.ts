// How a message is written into its rows and read back: every column name of a message is in this file. A row of
// another version is not read: decoding throws UnreadableRow, and the message is set aside (sending/quarantine.ts).
import { z } from 'zod';
import type { RecipientOutcome } from '../../contract/statusEvent.ts';
import { readDeliver, type Deliver } from '../../mail/deliver.ts';
import { parseJson } from '../../mail/foreign.ts';
import { omit, present } from '../../mail/omit.ts';
import type { Field, Fields, Row } from '../ports.ts';
import { chunkColumns, getText, putText } from './chunks.ts';
import { dueKey, idAtEnd, inDoubtKey, messageKey, parseDueKey, suspendedKey, type Lane } from './keys.ts';
import { remaining, type Message, type Progress } from './message.ts';
import { decodeRow } from './unreadableRow.ts';

const version = 1;

type KeyedFields = Pick<Row, 'key' | 'fields'>;

// ---- the row that lists the message ----------------------------------------------------------------------

/** The index row of a message; undefined if no row lists it. */
export function indexRow(message: Message): { readonly key: string; readonly fields: Fields } | undefined {
  const { indexEntry, id, mailbox, attempt } = message;
  switch (indexEntry.kind) {
    case 'due':
      return {
        key: dueKey(message.lane, indexEntry.at, id),
        fields: { mailbox, attempt, recipients: remaining(message).length },
      };
    case 'inDoubt':
      return { key: inDoubtKey(indexEntry.lookupAt, id), fields: { attempt, lookup: indexEntry.lookup } };
    case 'suspended':
      return { key: suspendedKey(indexEntry.group, indexEntry.at, id), fields: { mailbox } };
    case 'none':
      return undefined;
  }
}

/** What the row of a due message says without its message. */
export interface DueRow {
  readonly key: string;
  readonly lane: Lane;
  /** UTC ms. */
  readonly at: number;
  readonly id: string;
  readonly mailbox: string;
  readonly recipientCount: number;
}

const dueColumns = z.object({ mailbox: z.string(), recipients: z.number() });

/** Undefined for a row that lists no due message. */
export function decodeDueRow({ key, fields }: KeyedFields): DueRow | undefined {
  const named = parseDueKey(key);
  const columns = dueColumns.safeParse(fields);
  if (named === undefined || !columns.success) return undefined;
  return { key, ...named, mailbox: columns.data.mailbox, recipientCount: columns.data.recipients };
}

// ---- the message's own row -------------------------------------------------------------------------------

/** The whole row, for its insertion. `recipientsBlob` names the recipients' blob if they are too long for a row. */
export function encodeMessage(message: Message, recipientsBlob: string): Fields {
  const { hash, submissionHash, mailbox, lane, content, messageId, acceptedAt, datedAt } = message;
  return {
    version,
    hash,
    submissionHash,
    mailbox,
    lane,
    ...(typeof content === 'string' ? { contentBlob: content } : { content }),
    ...putText('blobs', JSON.stringify(message.blobs)),
    messageId,
    acceptedAt,
    datedAt,
    ...putText('correlation', JSON.stringify(message.correlation ?? null)),
    ...present({
      caller: message.caller,
      subject: message.subject,
      reportsFailures: message.reportsFailures,
    }),
    ...(message.deliver === undefined ? {} : { deliver: JSON.stringify(message.deliver) }),
    ...encodeProgress(message, recipientsBlob),
  };
}

/** What changes, complete: a merge can't remove a property, so absence is written as '' or 0. */
export function encodeProgress(progress: Progress, recipientsBlob: string): Fields {
  const { state, expiresAt = 0, attempt, deferrals, deferredMs, sequence } = progress;
  const { serverMessageId = '', reason = '', detail = '', remedy = '' } = progress;
  const { changedAt, charged, chargedAt, movableCharge = null, suspicion = null } = progress;
  return {
    state,
    indexEntry: JSON.stringify(progress.indexEntry),
    expiresAt,
    attempt,
    recipientsBlob,
    ...putText('recipients', recipientsBlob === '' ? encodeRecipients(progress.recipients) : ''),
    deferrals,
    deferredMs,
    sequence,
    serverMessageId,
    reason,
    detail,
    remedy,
    changedAt,
    charged,
    chargedAt,
    movableCharge: JSON.stringify(movableCharge),
    suspicion: JSON.stringify(suspicion),
    ...putText('history', JSON.stringify(progress.history)),
    ...putText('bounces', JSON.stringify(progress.bounces)),
  };
}

/** Takes the content and the names of its blobs out of a row; retention then deletes the blobs. */
export const withoutContent: Fields = {
  content: new Uint8Array(0),
  contentBlob: '',
  subject: '',
  ...putText('blobs', '[]'),
};

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
    maybeSent: z.literal(true).exactOptional(),
  }),
);

const indexEntry = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('due'), at: z.number() }),
  z.object({
    kind: z.literal('inDoubt'),
    lookupAt: z.number(),
    lookup: z.union([z.literal(1), z.literal(2)]),
    claimedAt: z.number(),
  }),
  z.object({
    kind: z.literal('suspended'),
    group: z.union([z.enum(['failed', 'inDoubt', 'safeMode']), z.object({ mailbox: z.string() })]),
    at: z.number(),
  }),
  z.object({ kind: z.literal('none') }),
]);
const history = z.array(z.object({ at: z.number(), type: z.string(), detail: z.string().exactOptional() }));
const movableCharge = z.object({ bucket: z.number(), count: z.number() }).nullable();
const suspicion = z
  .object({
    accountAccepted: z.number(),
    mailboxAccepted: z.number(),
    forGood: z
      .object({
        mailboxAccepted: z.number(),
        releasedCount: z.number(),
        lastAt: z.number(),
        elapsedMs: z.number(),
      })
      .exactOptional(),
  })
  .nullable();
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
  indexEntry: z.string(),
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
  // Rows written before these columns existed have none.
  movableCharge: z.string().default('null'),
  suspicion: z.string().default('null'),
  // Of what has one; '' once the content is dropped.
  subject: z.string().exactOptional(),
  // Of what came over HTTP.
  caller: z.string().exactOptional(),
  deliver: z.string().exactOptional(),
  reportsFailures: z.literal(true).exactOptional(),
});

/** Where a row's recipients are: in it, or in a blob of the content store. Throws UnreadableRow. */
export function recipientsIn(fields: Fields): { readonly text: string } | { readonly blob: string } {
  const blob = fields['recipientsBlob'];
  if (typeof blob === 'string' && blob !== '') return { blob };
  const text = decodeRow(version, version, () => getText(fields, 'recipients'));
  return { text: text ?? '' };
}

/** The message of a row; `recipientsText` is what `recipientsIn` led to. Throws UnreadableRow. */
export const decodeMessage = (row: KeyedFields, recipientsText: string): Message =>
  decodeRow(row.fields['version'], version, () => decode(row, recipientsText));

/** A mode that can't be read holds the message: nothing goes out by a damaged row. */
function storedDeliver(text: string): Deliver {
  const read = readDeliver(parseJson(text));
  return read.kind === 'ok' ? read.deliver : 'hold';
}

function decode({ key, fields }: KeyedFields, recipientsText: string): Message {
  const { content, contentBlob, expiresAt, ...row } = omit(
    columns.parse(fields),
    'version',
    'recipientsBlob',
  );
  const json = (name: string): unknown => JSON.parse(getText(fields, name) ?? 'null');
  const correlation = z.json().parse(json('correlation'));
  const { serverMessageId, reason, detail, remedy, subject = '', deliver, ...others } = row;
  return {
    ...omit(others, 'movableCharge', 'suspicion'),
    ...present({
      movableCharge: movableCharge.parse(JSON.parse(row.movableCharge)) ?? undefined,
      suspicion: suspicion.parse(JSON.parse(row.suspicion)) ?? undefined,
      correlation: correlation ?? undefined,
      deliver: deliver === undefined ? undefined : storedDeliver(deliver),
    }),
    id: key.slice(messageKey('').length),
    content: content ?? contentBlob ?? '',
    blobs: z.array(z.string()).parse(json('blobs')),
    ...(expiresAt === 0 ? {} : { expiresAt }),
    indexEntry: indexEntry.parse(JSON.parse(row.indexEntry)),
    recipients: recipients.parse(JSON.parse(recipientsText)),
    ...withoutEmpty({ serverMessageId, reason, detail, remedy, subject }),
    history: history.parse(json('history')),
    bounces: z.array(z.string()).parse(json('bounces')),
  };
}

// ---- what is read of many rows at once -------------------------------------------------------------------

const summary = columns.pick({
  mailbox: true,
  state: true,
  attempt: true,
  acceptedAt: true,
  changedAt: true,
  reason: true,
  detail: true,
  remedy: true,
});
export const summaryColumns: readonly string[] = Object.keys(summary.shape);

/** A message as a list shows it. */
export type MessageSummary = Pick<
  Message,
  'id' | 'mailbox' | 'state' | 'attempt' | 'acceptedAt' | 'changedAt' | 'reason' | 'detail' | 'remedy'
>;

/** Undefined for a row of another version. */
export function decodeSummary({ key, fields }: KeyedFields): MessageSummary | undefined {
  const read = summary.safeParse(fields);
  if (!read.success) return undefined;
  const { reason, detail, remedy, ...always } = read.data;
  return { ...always, id: idAtEnd(key), ...withoutEmpty({ reason, detail, remedy }) };
}

const found = summary.extend({ recipientsBlob: z.string(), subject: z.string().default('') });
/** What a search reads of a message: everything but its content and its history. */
export const foundColumns: readonly string[] = [
  ...Object.keys(found.shape),
  ...chunkColumns('recipients'),
  ...chunkColumns('correlation'),
];

/** A message as a search finds it. */
export type FoundRow = MessageSummary &
  Pick<Message, 'correlation'> & {
    /** '' if there is none, or it was submitted to an earlier version. */
    readonly subject: string;
    readonly recipients: { readonly text: string } | { readonly blob: string };
  };

/** Undefined for a row of another version or a damaged one. */
export function decodeFound({ key, fields }: Pick<Row, 'key' | 'fields'>): FoundRow | undefined {
  const read = decodeSummary({ key, fields });
  if (read === undefined) return undefined;
  try {
    const correlation = z.json().parse(JSON.parse(getText(fields, 'correlation') ?? 'null'));
    const { subject } = found.parse(fields);
    return {
      ...read,
      subject,
      ...(correlation === null ? {} : { correlation }),
      recipients: recipientsIn(fields),
    };
  } catch {
    return undefined;
  }
}

/** The recipients of a row or of its blob; none if the text is damaged. */
export function recipientsOf(text: string): readonly RecipientOutcome[] {
  try {
    return recipients.parse(JSON.parse(text));
  } catch {
    return [];
  }
}

const charge = columns.pick({ attempt: true, charged: true, chargedAt: true });
export const chargeColumns: readonly string[] = Object.keys(charge.shape);

/** What a message has used of the limits; nothing for a row of another version. */
export const decodeCharge = (fields: Fields): z.infer<typeof charge> =>
  charge.safeParse(fields).data ?? { attempt: 0, charged: 0, chargedAt: 0 };

const retained = columns.pick({ version: true, state: true, changedAt: true, recipientsBlob: true }).extend({
  contentBlob: z.string().default(''),
});
export const retentionColumns: readonly string[] = [...Object.keys(retained.shape), ...chunkColumns('blobs')];

/**
 * Whether the message is finished and since when; and the names of the blobs that it needs. Undefined for a row of
 * another version or a damaged one: what it needs is not known.
 */
export function decodeRetention(
  fields: Fields,
):
  | { readonly isFinished: boolean; readonly changedAt: number; readonly blobs: readonly string[] }
  | undefined {
  const row = retained.safeParse(fields);
  if (!row.success) return undefined;
  const { state, changedAt, contentBlob, recipientsBlob } = row.data;
  try {
    const blobs = z.array(z.string()).parse(JSON.parse(getText(fields, 'blobs') ?? 'null'));
    return {
      isFinished: state === 'sent' || state === 'expired' || state === 'cancelled',
      changedAt,
      blobs: [contentBlob, recipientsBlob, ...blobs].filter((name) => name !== ''),
    };
  } catch {
    return undefined;
  }
}

/** A merge writes absent text as ''. */
function withoutEmpty<Name extends string>(
  texts: Readonly<Record<Name, string>>,
): Partial<Record<Name, string>> {
  const present = Object.entries<string>(texts).filter(([, text]) => text !== '');
  return Object.fromEntries(present) as Partial<Record<Name, string>>;
}

/** About how much a field weighs in a transaction: as stored or as sent (JSON, base64), whichever is more. */
export const fieldBytes = (field: Field): number =>
  typeof field === 'string'
    ? Math.max(2 * field.length, Buffer.byteLength(JSON.stringify(field)))
    : field instanceof Uint8Array
      ? Math.ceil(field.length / 3) * 4
      : 24;
