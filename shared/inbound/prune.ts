// Retention: content is removed some days after the message was announced; later the rows by which it is recognised.
//
// Both happen under the mailbox's lease, so that no run compares messages with rows that are just being removed. A message
// whose notice perhaps was never published keeps its content; if nobody takes notices, so does one whose action is not
// done. Before rows are removed the cursor says up to which instant:
// if UIDVALIDITY changes after that, older messages without a row are taken for known ones. So that this is true, no row is
// removed that is younger than the last run that left nothing to fetch.
//
// Rows are listed by the day on which the message was announced, and blobs are removed many with one call, so that the cost
// does not grow with what is kept.
import { deadline, type TimeLeft } from '../deadline.ts';
import { inboundEvents } from '../telemetry/inboundEvents.ts';
import type { InboundDependencies, MailboxContext } from './dependencies.ts';
import type { Cursor, Lease, StoredContent } from './ports.ts';
import { blobName, dayOf } from './prepare.ts';

export interface PruneReport {
  readonly mailbox: string;
  /** `busy`: a run has the lease; `lost`: another one took it over. The next invocation goes on. */
  readonly outcome: 'pruned' | 'busy' | 'lost';
  readonly contentCount: number;
  readonly rowCount: number;
}

const dayMs = 86_400_000;
/** Messages of one page: their blobs go 100 with a call, their rows 50 with a transaction. */
const pageCount = 500;
/** Pages of one mailbox in one invocation. */
const pageLimit = 400;
/** Actions that are looked at; with more of them nothing is removed. */
const pendingLimit = 5_000;

/** Removes what is due of one mailbox. Throws StorageTrouble. */
export async function pruneMailbox(
  context: MailboxContext,
  { owner, time }: { readonly owner: string; readonly time: TimeLeft },
  dependencies: InboundDependencies,
): Promise<PruneReport> {
  const { ledger, clock, numbers, log } = dependencies;
  const now = clock.now();
  const none = { mailbox: context.mailbox.address, contentCount: 0, rowCount: 0 };
  // Of a mailbox never fetched there is nothing, and no cursor to give back.
  if ((await ledger.cursor(context.key)) === undefined) return { ...none, outcome: 'pruned' };
  const answer = await ledger.acquireLease(context.key, { owner, now, leaseUntil: now + numbers.leaseMs });
  if (answer.kind === 'busy' || answer.cursor === undefined) return { ...none, outcome: 'busy' };
  const mine = deadline(clock, Math.min(numbers.leaseMs / 2, time.remainingMs()));
  let { lease } = answer;
  let { cursor } = answer;
  const counts = { contentCount: 0, rowCount: 0 };
  let outcome: PruneReport['outcome'] = 'pruned';
  try {
    counts.contentCount = await pruneContent(context, cursor, { now, time: mine }, dependencies);
    const before = await announcePruning(lease, cursor, now, dependencies);
    if (before === undefined) outcome = 'lost';
    else {
      ({ lease, cursor } = before);
      counts.rowCount = await pruneRows(context, cursor, mine, dependencies);
    }
  } finally {
    if (outcome === 'pruned') await ledger.releaseLease(lease, { cursor, pending: [], cleared: [] });
  }
  log(inboundEvents.pruned({ mailbox: context.hash, ...counts }));
  return { ...none, ...counts, outcome };
}

/** Blobs first: a content row without blobs is found again, a blob without its row is not. */
async function pruneContent(
  context: MailboxContext,
  { unannounced, hasPending }: Cursor,
  { now, time }: { readonly now: number; readonly time: TimeLeft },
  { ledger, numbers, blobs, notices }: InboundDependencies,
): Promise<number> {
  const day = dayOf(now - numbers.contentKeptMs);
  const unsorted =
    notices === undefined && hasPending ? await ledger.pendingActions(context.key, pendingLimit) : [];
  if (unsorted.length === pendingLimit) return 0;
  const kept = new Set([...unannounced, ...unsorted.map(({ id }) => id)]);
  let count = 0;
  for (let page = 0; page < pageLimit && time.remainingMs() > 0; page += 1) {
    const found = await ledger.contentBefore(context.key, day, pageCount);
    const due = found.filter(({ id }) => !kept.has(id));
    if (due.length === 0) break;
    await removeContent(context, due, { ledger, blobs });
    count += due.length;
    if (found.length < pageCount) break;
  }
  return count;
}

/** Removes the blobs of these messages, then notes that they are gone. */
export async function removeContent(
  context: MailboxContext,
  contents: readonly StoredContent[],
  { ledger, blobs }: Pick<InboundDependencies, 'ledger' | 'blobs'>,
): Promise<void> {
  await blobs.remove(
    contents.flatMap(({ id, blobs: names }) => names.map((name) => blobName(context, id, name))),
  );
  await ledger.contentRemoved(context.key, contents);
}

/** The cursor says from when on rows are there; undefined if the lease was lost. */
async function announcePruning(
  lease: Lease,
  cursor: Cursor,
  now: number,
  { ledger, numbers }: InboundDependencies,
): Promise<{ readonly lease: Lease; readonly cursor: Cursor } | undefined> {
  // A day's margin: INTERNALDATE is the server's.
  const oldest = Math.min(now - numbers.rowsKeptMs, cursor.caughtUpAt - dayMs);
  const until = Date.parse(`${dayOf(Math.max(0, oldest))}T00:00:00Z`);
  if (until <= cursor.rowsPrunedUntil) return { lease, cursor };
  const next = { ...cursor, rowsPrunedUntil: until };
  const leaseUntil = now + numbers.leaseMs;
  const answer = await ledger.advance(lease, {
    cursor: next,
    stored: [],
    pending: [],
    cleared: [],
    leaseUntil,
  });
  return answer.kind === 'ok' ? { lease: answer.lease, cursor: next } : undefined;
}

async function pruneRows(
  context: MailboxContext,
  { rowsPrunedUntil }: Cursor,
  time: TimeLeft,
  { ledger }: InboundDependencies,
): Promise<number> {
  const day = dayOf(rowsPrunedUntil);
  let count = 0;
  for (let page = 0; page < pageLimit && time.remainingMs() > 0; page += 1) {
    const known = await ledger.knownBefore(context.key, day, pageCount);
    if (known.length === 0) break;
    await ledger.forget(context.key, known);
    count += known.length;
    if (known.length < pageCount) break;
  }
  return count;
}
