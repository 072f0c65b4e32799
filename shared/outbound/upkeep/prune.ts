// Retention, daily. Rows of finished messages are deleted once they are older than the retention period; dead letters
// are kept until a person acts. Then the blobs: those that no row of any account names any more and that were not put
// again for some days. Rows are deleted by their own ETag, so that a replay at the same moment either wins or finds
// the row gone.
//
// Idempotency lasts as long as the row: an id that comes again after the retention period is a new message.
import { present } from '../../mail/omit.ts';
import { outboundEvents } from '../../telemetry/outboundEvents.ts';
import type { Dependencies } from '../dependencies.ts';
import type { Operation, Row } from '../ports.ts';
import { allServerIdsRange, everyRow, messageRange, rejectedPartition } from '../records/keys.ts';
import type { Range } from '../records/keys.ts';
import { decodeRetention, retentionColumns } from '../records/messageRow.ts';
import { scan } from '../store/scan.ts';
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

/** What is to become of a row: since when nothing more happens to it, if so; and the blobs that it needs. */
type Retention = (row: Row) => { readonly finishedAt?: number; readonly blobs: readonly string[] };

/** Throws StorageTrouble; the next day goes on. */
export async function prune(dependencies: Dependencies): Promise<PruneReport> {
  const needed = new Set<string>();
  let rowCount = 0;
  for (const account of await listAccounts(dependencies)) {
    const count = await pruneRows(account, messageRange, ofMessage, needed, dependencies);
    await pruneRows(account, allServerIdsRange, ofNote, needed, dependencies);
    dependencies.log(outboundEvents.pruned({ account, rowCount: count }));
    rowCount += count;
  }
  rowCount += await pruneRows(rejectedPartition, everyRow, ofRejection, needed, dependencies);
  const blobCount = needed.size > mostNames ? 0 : await pruneBlobs(needed, dependencies);
  dependencies.log(outboundEvents.blobsPruned({ blobCount, keptCount: needed.size }));
  return { rowCount, blobCount };
}

const ofMessage: Retention = ({ fields }) => {
  const { isFinished, changedAt, blobs } = decodeRetention(fields);
  return { blobs, ...(isFinished ? { finishedAt: changedAt } : {}) };
};
const ofNote: Retention = ({ fields: { at } }) => ({
  blobs: [],
  ...(typeof at === 'number' ? { finishedAt: at } : {}),
});
const ofRejection: Retention = (row) => ({ ...ofNote(row), blobs: [row.key] });

/** Deletes what is old, and notes which blobs the rest needs. */
async function pruneRows(
  partition: string,
  range: Range,
  retention: Retention,
  needed: Set<string>,
  dependencies: Dependencies,
): Promise<number> {
  const { time, numbers } = dependencies;
  let count = 0;
  const complete = await scan(
    partition,
    range,
    { select: [...retentionColumns, 'at'], pageCount, mostCount: pageCount * mostPages },
    async (page) => {
      const rows = page.map((row) => ({ row, ...retention(row) }));
      const isOld = ({ finishedAt }: (typeof rows)[number]): boolean =>
        finishedAt !== undefined && finishedAt + numbers.retentionMs < time.earliest();
      const old = rows.filter(isOld).map(({ row }) => row);
      const gone = await deleteRows(partition, old, dependencies);
      count += gone.size;
      for (const { row, blobs } of rows) if (!gone.has(row.key)) for (const name of blobs) needed.add(name);
    },
    dependencies,
  );
  if (!complete)
    throw new RangeError('more rows than can be read: nothing is known about what the rest needs');
  return count;
}

/** Which of them are certainly gone. One that changed meanwhile keeps its whole batch for tomorrow. */
async function deleteRows(
  partition: string,
  old: readonly Row[],
  { rows }: Dependencies,
): Promise<ReadonlySet<string>> {
  const gone = new Set<string>();
  for (let start = 0; start < old.length; start += mostOperations) {
    const batch = old.slice(start, start + mostOperations);
    const operations = batch.map(({ key, etag }): Operation => ({ kind: 'delete', key, etag }));
    const answer = await rows.commit(partition, operations);
    if (answer.kind === 'ok') for (const { key } of batch) gone.add(key);
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
