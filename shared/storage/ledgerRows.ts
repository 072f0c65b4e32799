// The rows of the table `inbound`, one partition per mailbox: their keys and columns, and how they are read and written.
// No other file names a column.
//
//   cursor                          lease (`leaseTag`, `leaseUntil`), `writeId` of the last write, and the cursor as JSON;
//                                   lists that are too long for it in `retryList` and `missing`, else empty
//   message|<id>                    what the ledger keeps of a message
//   content|<day>|<id>              its content, which is removed some days later; then in its place
//   known|<day>|<id>                the message is only recognised; removed with the message's row
//   pending|<uidValidity>|<uid>     an after-fetch action that is due
import { z } from 'zod';
import type { Cursor, MessageEntry, PendingAction, StoredContent } from '../inbound/ports.ts';

/** A row without its partition, as the table SDK takes it. */
export interface LedgerRow {
  readonly rowKey: string;
  readonly [column: string]: unknown;
}

const cursorSchema = z.object({
  folder: z.string(),
  uidValidity: z.number(),
  lastUid: z.number(),
  retryList: z.array(
    z.object({ uid: z.number(), tryCount: z.number(), abandonedCount: z.number().exactOptional() }),
  ),
  // Rows of an earlier version lack it, and firstRunAt.
  missing: z.array(z.object({ uid: z.number(), passCount: z.number(), isNew: z.boolean() })).default([]),
  unannounced: z.array(z.string()).default([]),
  incomplete: z.array(z.number()).default([]),
  hasPending: z.boolean().default(true),
  rescanTop: z.number().default(0),
  caughtUpAt: z.number().default(0),
  rowsPrunedUntil: z.number().default(0),
  failureCount: z.number(),
  retryAt: z.number(),
  firstRunAt: z.number().default(0),
  lastRunAt: z.number(),
  lastSuccessAt: z.number(),
  hasMore: z.boolean(),
  detail: z.string(),
  vanishedCount: z.number(),
});

const cursorColumns = z.object({
  etag: z.string(),
  leaseTag: z.string(),
  leaseUntil: z.number(),
  writeId: z.string(),
  cursor: z.string().optional(),
  // Rows of an earlier version lack both.
  retryList: z.string().default(''),
  missing: z.string().default(''),
});

/** A text column of a table holds 64 KiB in UTF-16. */
const columnCharacters = 32_768;
/** An entry of a list that has a column of its own, without names: 1,200 retries take at most 30,000 characters. */
const retryTuple = z.tuple([z.number(), z.number(), z.number().nullable()]);
const missingTuple = z.tuple([z.number(), z.number(), z.boolean()]);

const messageColumns = z.object({
  id: z.string(),
  state: z.enum(['stored', 'announced']),
  headerFingerprint: z.string(),
  contentFingerprint: z.string(),
  rawSha256: z.string(),
  sizeBytes: z.number(),
  kind: z.string(),
  folder: z.string(),
  uidValidity: z.number(),
  uid: z.number(),
  receivedAt: z.number().default(0),
  contentDay: z.string().default(''),
});

const contentColumns = z.object({ id: z.string(), day: z.string(), blobs: z.string(), people: z.string() });
const knownColumns = z.object({ id: z.string(), day: z.string() });

const pendingColumns = z.object({
  uidValidity: z.number(),
  uid: z.number(),
  id: z.string(),
  mailKind: z.string().default('message'),
});

export const cursorKey = 'cursor';
export const messageKey = (id: string): string => `message|${id}`;
export const pendingKey = ({ uidValidity, uid }: PendingAction): string =>
  `pending|${String(uidValidity).padStart(10, '0')}|${String(uid).padStart(10, '0')}`;
export const contentKey = ({ day, id }: Pick<StoredContent, 'day' | 'id'>): string => `content|${day}|${id}`;
export const knownKey = ({ day, id }: Pick<StoredContent, 'day' | 'id'>): string => `known|${day}|${id}`;
/** The rows of days before `day`: from <= key < to. */
export const contentRange = (day: string): { readonly from: string; readonly to: string } => ({
  from: 'content|',
  to: `content|${day}`,
});
export const knownRange = (day: string): { readonly from: string; readonly to: string } => ({
  from: 'known|',
  to: `known|${day}`,
});
/** The rows of pending actions: from <= key < to. */
export const pendingRange = { from: 'pending|', to: 'pending}' } as const;

/** Who holds the lease of a mailbox and until when (UTC ms); the tag is empty if nobody does. */
export interface LeaseColumns {
  readonly leaseTag: string;
  readonly leaseUntil: number;
}

export interface CursorRow extends LeaseColumns {
  readonly etag: string;
  /** Differs for each write: tells whether a write whose answer was lost was applied. */
  readonly writeId: string;
  /** Undefined for a mailbox whose first run has not committed anything. */
  readonly cursor: Cursor | undefined;
}

export function readCursorRow(entity: object): CursorRow {
  const { cursor, retryList, missing, ...row } = cursorColumns.parse(entity);
  if (cursor === undefined) return { ...row, cursor: undefined };
  const read = cursorSchema.parse(JSON.parse(cursor));
  if (retryList === '') return { ...row, cursor: read };
  const retries = z.array(retryTuple).parse(JSON.parse(retryList));
  const unseen = z.array(missingTuple).parse(JSON.parse(missing));
  return {
    ...row,
    cursor: {
      ...read,
      retryList: retries.map(([uid, tryCount, abandonedCount]) => ({
        uid,
        tryCount,
        ...(abandonedCount === null ? {} : { abandonedCount }),
      })),
      missing: unseen.map(([uid, passCount, isNew]) => ({ uid, passCount, isNew })),
    },
  };
}

/** Without a cursor, a merge leaves the old one as it is. */
export function cursorRow(lease: LeaseColumns, writeId: string, cursor?: Cursor): LedgerRow {
  return {
    rowKey: cursorKey,
    leaseTag: lease.leaseTag,
    leaseUntil: double(lease.leaseUntil),
    writeId,
    ...(cursor === undefined ? {} : listColumns(cursor)),
  };
}

function listColumns(cursor: Cursor): Readonly<Record<'cursor' | 'retryList' | 'missing', string>> {
  const whole = JSON.stringify(cursor);
  if (whole.length <= columnCharacters) return { cursor: whole, retryList: '', missing: '' };
  const retries = cursor.retryList.map(
    ({ uid, tryCount, abandonedCount = null }): z.infer<typeof retryTuple> => [uid, tryCount, abandonedCount],
  );
  const unseen = cursor.missing.map(({ uid, passCount, isNew }): z.infer<typeof missingTuple> => [
    uid,
    passCount,
    isNew,
  ]);
  return {
    cursor: JSON.stringify({ ...cursor, retryList: [], missing: [] }),
    retryList: JSON.stringify(retries),
    missing: JSON.stringify(unseen),
  };
}

export function readMessageRow(entity: object): MessageEntry {
  return messageColumns.parse(entity);
}

export function messageRow(entry: MessageEntry): LedgerRow {
  return {
    rowKey: messageKey(entry.id),
    ...entry,
    sizeBytes: double(entry.sizeBytes),
    uid: double(entry.uid),
    uidValidity: double(entry.uidValidity),
    receivedAt: double(entry.receivedAt),
  };
}

export function readContentRow(entity: object): StoredContent {
  const { blobs, people, ...row } = contentColumns.parse(entity);
  return { ...row, blobs: split(blobs), people: split(people) };
}

export function contentRow(content: StoredContent): LedgerRow {
  const { id, day, blobs, people } = content;
  return { rowKey: contentKey(content), id, day, blobs: blobs.join(','), people: people.join(',') };
}

export function readKnownRow(entity: object): Pick<StoredContent, 'id' | 'day'> {
  return knownColumns.parse(entity);
}

export function knownRow({ id, day }: Pick<StoredContent, 'id' | 'day'>): LedgerRow {
  return { rowKey: knownKey({ id, day }), id, day };
}

function split(list: string): readonly string[] {
  return list === '' ? [] : list.split(',');
}

export function readPendingRow(entity: object): PendingAction {
  return pendingColumns.parse(entity);
}

export function pendingRow(action: PendingAction): LedgerRow {
  return {
    rowKey: pendingKey(action),
    uidValidity: double(action.uidValidity),
    uid: double(action.uid),
    id: action.id,
    mailKind: action.mailKind,
  };
}

/** The SDK writes a number as Int32 or Double by its value; one column should keep one type. */
function double(value: number): { readonly type: 'Double'; readonly value: string } {
  return { type: 'Double', value: String(value) };
}
