// Retention, daily. Rows of finished messages go once they are older than the retention; dead letters stay until
// a person acts. Then the blobs: those that no row of any account names any more and that nobody has put again
// for some days. Rows are deleted by their own ETag: whoever replays one at the same moment wins or finds it gone.
//
// Idempotency lasts as long as the row: an id that comes again after the retention is a new message.
import { upkeepEvents } from '../../telemetry/outboundEvents.ts';
import { getText } from '../records/chunks.ts';
import type { Dependencies } from '../dependencies.ts';
import { after, messageRange, rejectedPartition, servedRange } from '../records/keys.ts';
import type { Range } from '../records/keys.ts';
import type { Fields, Operation, Row } from '../ports.ts';
import { listAccounts } from './sweep.ts';

const pageCount = 500;
const mostPages = 20_000;
const mostOperations = 100;
/** Names kept in memory at most; with more, blobs are left for another time. */
const mostNames = 1_000_000;

export interface PruneReport {
  readonly rowCount: number;
  readonly blobCount: number;
}

/** Throws StorageTrouble; the next day goes on. */
export async function prune(doors: Dependencies): Promise<PruneReport> {
  const named = new Set<string>();
  let rowCount = 0;
  for (const account of await listAccounts(doors)) {
    const count = await pruneRows(account, messageRange, isOld(doors), named, doors);
    await pruneRows(account, servedRange, isOldNote(doors), named, doors);
    doors.log(upkeepEvents.pruned({ account, rows: count }));
    rowCount += count;
  }
  const all = { from: '!', to: '~' };
  rowCount += await pruneRows(rejectedPartition, all, isOldNote(doors), named, doors);
  const blobCount = named.size > mostNames ? 0 : await pruneBlobs(named, doors);
  doors.log(upkeepEvents.blobsPruned({ blobs: blobCount, kept: named.size }));
  return { rowCount, blobCount };
}

const isOld =
  ({ time, numbers }: Dependencies) =>
  ({ state, changedAt }: Fields): boolean =>
    (state === 'sent' || state === 'expired' || state === 'cancelled') &&
    typeof changedAt === 'number' &&
    changedAt + numbers.retentionMs < time.early();

const isOldNote =
  ({ time, numbers }: Dependencies) =>
  ({ at }: Fields): boolean =>
    typeof at === 'number' && at + numbers.retentionMs < time.early();

const columns = ['state', 'changedAt', 'at', 'contentBlob', 'recipientsBlob', 'blobs', 'blobsChunks'];

/** Deletes what is old, and notes which blobs the rest names. */
async function pruneRows(
  partition: string,
  range: Range,
  old: (fields: Fields) => boolean,
  named: Set<string>,
  { rows }: Dependencies,
): Promise<number> {
  let rest = range;
  let count = 0;
  for (let page = 0; page < mostPages; page += 1) {
    const found = await rows.query(partition, { ...rest, limit: pageCount }, columns);
    const leaving = found.filter(({ fields }) => old(fields));
    const gone = await deleteRows(partition, leaving, rows);
    count += gone.size;
    for (const row of found)
      if (!gone.has(row.key)) for (const name of namesIn(row, partition)) named.add(name);
    const last = found.at(-1);
    if (found.length < pageCount || last === undefined) return count;
    rest = after(range, last.key);
  }
  throw new RangeError('more rows than can be walked: nothing is known about what the rest names');
}

/** Which of them are certainly gone. One that changed meanwhile keeps its whole batch for tomorrow. */
async function deleteRows(
  partition: string,
  leaving: readonly Row[],
  rows: Dependencies['rows'],
): Promise<ReadonlySet<string>> {
  const gone = new Set<string>();
  for (let start = 0; start < leaving.length; start += mostOperations) {
    const batch = leaving.slice(start, start + mostOperations);
    const operations = batch.map(({ key, etag }): Operation => ({ kind: 'delete', key, etag }));
    const answer = await rows.commit(partition, operations);
    if (answer.kind === 'ok') for (const { key } of batch) gone.add(key);
  }
  return gone;
}

function namesIn({ key, fields }: Row, partition: string): readonly string[] {
  if (partition === rejectedPartition) return [key];
  const { contentBlob, recipientsBlob } = fields;
  const blobs: unknown = JSON.parse(getText(fields, 'blobs') ?? '[]');
  const names: readonly unknown[] = Array.isArray(blobs) ? blobs : [];
  return [contentBlob, recipientsBlob, ...names].filter(
    (name): name is string => typeof name === 'string' && name !== '',
  );
}

/** An event told by reference is a blob that no row names: it lasts `blobAgeMs`, as docs/contract.md says. */
async function pruneBlobs(named: ReadonlySet<string>, { contents, numbers }: Dependencies): Promise<number> {
  let count = 0;
  let last: string | undefined;
  for (let page = 0; page < mostPages; page += 1) {
    const names = await contents.list({ limit: pageCount, ...(last === undefined ? {} : { after: last }) });
    for (const name of names) {
      if (!named.has(name) && (await contents.removeIfOlder(name, numbers.blobAgeMs))) count += 1;
    }
    last = names.at(-1);
    if (names.length < pageCount) break;
  }
  return count;
}
