// Retention, daily. Rows of finished messages are deleted once they are older than the retention period; dead letters
// are kept until a person acts. Then the blobs: those that no row of any account names any more and that were not put
// again for some days. Rows are deleted by their own ETag, so that a replay at the same moment either wins or finds
// the row gone. While any row can't be read, or an account not be pruned, nobody knows which blobs are needed: the rows
// of the other accounts are still pruned, the blobs are left.
//
// Idempotency lasts as long as the row: an id that comes again after the retention period is a new message.
import { messageOf } from '../../mail/foreign.ts';
import { present } from '../../mail/omit.ts';
import { outboundEvents } from '../../telemetry/outboundEvents.ts';
import type { Dependencies } from '../dependencies.ts';
import type { Operation, Row } from '../ports.ts';
import {
  allServerIdsRange,
  everyRow,
  messageRange,
  rejectedPartition,
  reportRange,
  reportsPartition,
  returnedPartition,
  unpublishableRange,
  type Range,
} from '../records/keys.ts';
import { decodeRetention, retentionColumns } from '../records/messageRow.ts';
import { scan } from '../store/scan.ts';
import { listAccounts } from './sweep.ts';

const pageCount = 500;
const mostPages = 20_000;
const mostOperations = 100;
/** Names kept in memory at most; with more, blobs are left for another time. */
const mostNames = 1_000_000;

/** What is known of the blobs that are still needed. */
interface NeededBlobs {
  readonly names: Set<string>;
  /** False if some rows could not be read. */
  complete: boolean;
}

export interface PruneReport {
  readonly rowCount: number;
  readonly blobCount: number;
  /** False if rows could not be read: no blob was deleted then. */
  readonly isComplete: boolean;
}

/**
 * What is to become of a row: since when nothing more happens to it, if so; and the blobs that it needs. Undefined if
 * it can't be read.
 */
type Retention = (
  row: Row,
) => { readonly finishedAt?: number; readonly blobs: readonly string[] } | undefined;

/** Prunes every account, whatever becomes of another. Throws StorageTrouble if the accounts can't be listed. */
export async function prune(dependencies: Dependencies): Promise<PruneReport> {
  const needed: NeededBlobs = { names: new Set(), complete: true };
  let rowCount = 0;
  for (const account of await listAccounts(dependencies)) {
    const count = await pruneRows(account, messageRange, ofMessage, needed, dependencies);
    await pruneRows(account, allServerIdsRange, ofNote, needed, dependencies);
    await pruneRows(account, unpublishableRange, ofUnpublished, needed, dependencies);
    dependencies.log(outboundEvents.pruned({ account, rowCount: count }));
    rowCount += count;
  }
  rowCount += await pruneRows(rejectedPartition, everyRow, ofRejection, needed, dependencies);
  rowCount += await pruneRows(returnedPartition, everyRow, ofNote, needed, dependencies);
  rowCount += await pruneRows(reportsPartition, reportRange('made'), ofNote, needed, dependencies);
  const { names, complete } = needed;
  const blobCount = complete && names.size <= mostNames ? await pruneBlobs(names, dependencies) : 0;
  dependencies.log(outboundEvents.blobsPruned({ blobCount, keptCount: names.size, complete }));
  return { rowCount, blobCount, isComplete: complete };
}

const ofMessage: Retention = ({ fields }) => {
  const read = decodeRetention(fields);
  if (read === undefined) return undefined;
  const { isFinished, changedAt, blobs } = read;
  return { blobs, ...(isFinished ? { finishedAt: changedAt } : {}) };
};
const ofNote: Retention = ({ fields: { at } }) => ({
  blobs: [],
  ...(typeof at === 'number' ? { finishedAt: at } : {}),
});
const ofUnpublished: Retention = (row) => {
  const { contentBlob } = row.fields;
  return { ...ofNote(row), blobs: typeof contentBlob === 'string' ? [contentBlob] : [] };
};
const ofRejection: Retention = (row) => ({ ...ofNote(row), blobs: [row.key] });

/** Deletes what is old, and notes which blobs the rest needs. Never throws for what the rows hold, nor StorageTrouble. */
async function pruneRows(
  partition: string,
  range: Range,
  retention: Retention,
  needed: NeededBlobs,
  dependencies: Dependencies,
): Promise<number> {
  const { time, numbers, log } = dependencies;
  let count = 0;
  let unreadableCount = 0;
  const visit = async (page: readonly Row[]): Promise<void> => {
    const rows = page.map((row) => ({ row, read: retention(row) }));
    unreadableCount += rows.filter(({ read }) => read === undefined).length;
    const isOld = ({ read }: (typeof rows)[number]): boolean =>
      read?.finishedAt !== undefined && read.finishedAt + numbers.retentionMs < time.earliest();
    const old = rows.filter(isOld).map(({ row }) => row);
    const gone = await deleteRows(partition, old, dependencies);
    count += gone.size;
    for (const { row, read } of rows)
      if (!gone.has(row.key)) for (const name of read?.blobs ?? []) needed.names.add(name);
  };
  const options = {
    select: [...retentionColumns, 'at'],
    pageCount,
    mostCount: pageCount * mostPages,
  };
  try {
    if (!(await scan(partition, range, options, visit, dependencies))) needed.complete = false;
  } catch (error) {
    needed.complete = false;
    const detail = messageOf(error);
    log(outboundEvents.pruneFailed({ account: partition, detail }));
  }
  if (unreadableCount > 0) {
    needed.complete = false;
    const detail = `${unreadableCount} rows are of another version or damaged; no blob is deleted until they are gone.`;
    log(outboundEvents.pruneFailed({ account: partition, detail }));
  }
  return count;
}

/**
 * Which of them are certainly gone. A row that changed since it was read is left out and the rest of its batch tried
 * again; if the store gives no answer, the batch is left for tomorrow.
 */
async function deleteRows(
  partition: string,
  old: readonly Row[],
  { rows }: Dependencies,
): Promise<ReadonlySet<string>> {
  const gone = new Set<string>();
  for (let start = 0; start < old.length; start += mostOperations) {
    let batch = old.slice(start, start + mostOperations);
    while (batch.length > 0) {
      const operations = batch.map(({ key, etag }): Operation => ({ kind: 'delete', key, etag }));
      const answer = await rows.commit(partition, operations);
      if (answer.kind === 'ok') for (const { key } of batch) gone.add(key);
      if (answer.kind !== 'refused' || answer.index === undefined) break;
      const refused = batch[answer.index];
      if (refused === undefined) break;
      if (answer.reason === 'missing') gone.add(refused.key);
      batch = batch.filter((row) => row !== refused);
    }
  }
  return gone;
}

/** An event published by reference is a blob that no row names: it lasts `blobAgeMs`, as docs/contract.md says. */
async function pruneBlobs(needed: ReadonlySet<string>, { contents, numbers }: Dependencies): Promise<number> {
  let count = 0;
  let last: string | undefined;
  for (let page = 0; page < mostPages; page += 1) {
    const names = await contents.list({ limit: pageCount, ...present({ after: last }) });
    for (const name of names) {
      if (!needed.has(name) && (await contents.removeIfOlder(name, numbers.blobAgeMs))) count += 1;
    }
    last = names.at(-1);
    if (names.length < pageCount) break;
  }
  return count;
}
