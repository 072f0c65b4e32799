// The end of a batch, in this order:
//
//  1  one transaction: the rows of its messages, with what the batch before left to write (progress.ts)
//  2  its notices, in the order of arrival
//  3  the cursor past the batch, and its actions, ready for the next transaction
//  4  the actions that the transaction of step 1 recorded as due, which are those of the batch before
//
// A batch is committed after the one before it or not at all.
import { inboundEvents } from '../telemetry/inboundEvents.ts';
import { actionFor } from '../mail/mailbox.ts';
import { SessionEnded } from './connection.ts';
import { pastGaps, withIncomplete } from './cursorChanges.ts';
import type { InboundDependencies, MailboxContext } from './dependencies.ts';
import type { Ingested } from './ingest.ts';
import type { FetchedHead, ImapTrouble, PendingAction, RetryUid } from './ports.ts';
import { blobName, type Prepared } from './prepare.ts';
import type { Progress } from './progress.ts';
import type { Batch, Listing } from './readAhead.ts';

export interface IngestResult {
  readonly uid: number;
  readonly result: Ingested | ImapTrouble;
}

export interface Counts {
  announcedCount: number;
  duplicateCount: number;
  unparsedCount: number;
  actedCount: number;
}

export interface Commit {
  readonly context: MailboxContext;
  readonly progress: Progress;
  readonly counts: Counts;
  readonly uidValidity: number;
  /** Does actions that are written as due, and removes them. */
  readonly act: (due: readonly PendingAction[]) => Promise<void>;
  /** Ingests a message again whose row is there already. */
  readonly again: (head: FetchedHead) => Promise<IngestResult>;
}

/** Throws LeaseLost, StorageTrouble, or SessionEnded if the connection can't go on. */
export async function commitBatch(
  batch: Batch,
  listing: Listing,
  ingested: readonly IngestResult[],
  run: Commit,
  dependencies: InboundDependencies,
): Promise<void> {
  const { progress } = run;
  const results = await insert(
    batch,
    new Map(ingested.map(({ uid, result }) => [uid, result])),
    run,
    dependencies,
  );
  const due = progress.takeWritten();
  for (const one of preparedIn(results)) await publish(one, run, dependencies);
  const { actions, unhandled, worst } = passed(batch, listing, results, run, dependencies);
  progress.addDue(actions);
  if (dependencies.notices === undefined) await dropContent(unhandled, run.context, dependencies);
  await run.act(due);
  // A cut connection fails every later command as well: report the first reason.
  if (worst !== undefined && worst.kind !== 'unavailable') throw new SessionEnded(worst);
}

type Results = ReadonlyMap<number, Ingested | ImapTrouble>;

function preparedIn(results: Results): readonly Prepared[] {
  return [...results.values()].filter((one): one is Prepared => one.kind === 'prepared');
}

/** The transaction. A message whose row is there already, unexpectedly, is ingested once more. */
async function insert(
  batch: Batch,
  ingested: Results,
  { context, progress, again }: Commit,
  { blobs }: InboundDependencies,
): Promise<Results> {
  let results = ingested;
  // Each round settles what the round before found; more rounds than messages would be a store that contradicts itself.
  for (let round = 0; round <= batch.uids.length; round += 1) {
    const stored = preparedIn(results).map((one) => one.stored);
    const { cursor } = progress;
    const unannounced = [...new Set([...cursor.unannounced, ...stored.map(({ entry }) => entry.id)])];
    const known = new Set(await progress.write(stored, { ...cursor, unannounced }));
    if (known.size === 0) return results;
    const next = new Map(results);
    for (const [uid, result] of results) {
      if (result.kind !== 'prepared' || !known.has(result.stored.entry.id)) continue;
      const head = batch.heads.find((one) => one.uid === uid);
      if (head === undefined) continue;
      // Its content had been removed after its time, and was stored again just now.
      const { id, blobs: names } = result.stored.content;
      await blobs.remove(names.map((name) => blobName(context, id, name)));
      next.set(uid, (await again(head)).result);
    }
    results = next;
  }
  throw new Error('The rows of a batch could not be inserted.');
}

async function publish(
  prepared: Prepared,
  { context }: Commit,
  { notices, sent, log }: InboundDependencies,
): Promise<void> {
  const { stored, notice, bounce, because, detail, parsed, related } = prepared;
  const { id, kind, sizeBytes } = stored.entry;
  const mailbox = context.hash;
  if (bounce !== undefined) {
    await sent.noteBounce(bounce);
    if (!bounce.verified) log(inboundEvents.unverifiedBounce({ mailbox, id }));
  }
  if (notices !== undefined && notice !== undefined) await notices.publish(notice);
  log(inboundEvents.announced({ mailbox, id, kind, reason: because, sizeBytes, related }));
  if (!parsed) log(inboundEvents.unparsed({ mailbox, id, detail }));
}

/** Sets the cursor past the batch. */
function passed(
  batch: Batch,
  { named, isUpToDate }: Listing,
  results: Results,
  { context, progress, counts, uidValidity }: Commit,
  { log }: InboundDependencies,
): {
  readonly actions: readonly PendingAction[];
  /** Messages for which no action is due. */
  readonly unhandled: readonly string[];
  readonly worst: ImapTrouble | undefined;
} {
  const { cursor } = progress;
  const retryList = new Map(cursor.retryList.map((one) => [one.uid, one]));
  const actions: PendingAction[] = [];
  const unhandled: string[] = [];
  const incomplete: number[] = [];
  let worst: ImapTrouble | undefined;
  for (const uid of batch.uids) {
    const result = results.get(uid);
    const message = batch.known.get(uid) ?? messageOf(result);
    if (message !== undefined) {
      retryList.delete(uid);
      count(result, counts);
      const { id, mailKind } = message;
      // What was given up stays in its folder: nobody has seen it whole.
      if (batch.givenUp.has(uid) && mailKind === 'unparsed') incomplete.push(uid);
      else if (actionFor(context.mailbox, mailKind).kind !== 'none')
        actions.push({ uidValidity, uid, id, mailKind });
      else if (result?.kind === 'prepared') unhandled.push(id);
    } else if (batch.gone.includes(uid) || batch.leftAlone.has(uid) || result?.kind === 'forgotten') {
      retryList.delete(uid);
    } else {
      const trouble = troubleOf(result);
      const tryCount = (retryList.get(uid)?.tryCount ?? 0) + 1;
      retryList.set(uid, { uid, tryCount } satisfies RetryUid);
      log(inboundEvents.retryScheduled({ mailbox: context.hash, uid, tryCount, detail: trouble.detail }));
      if (result !== undefined) worst = trouble;
    }
  }
  const announced = new Set(preparedIn(results).map(({ stored }) => stored.entry.id));
  const top = Math.max(cursor.lastUid, ...batch.uids);
  const moved = pastGaps(cursor, { top, named, isNew: isUpToDate });
  progress.setCounted({
    ...moved,
    cursor: {
      ...withIncomplete(moved.cursor, incomplete),
      retryList: [...retryList.values()],
      missing: moved.cursor.missing.filter(({ uid }) => !batch.uids.includes(uid)),
      unannounced: cursor.unannounced.filter((id) => !announced.has(id)),
    },
  });
  return { actions, unhandled, worst };
}

function messageOf(
  result: Ingested | ImapTrouble | undefined,
): { readonly id: string; readonly mailKind: string } | undefined {
  if (result?.kind === 'duplicate') return result;
  if (result?.kind !== 'prepared') return undefined;
  const { id, kind } = result.stored.entry;
  return { id, mailKind: kind };
}

function count(result: Ingested | ImapTrouble | undefined, counts: Counts): void {
  if (result?.kind !== 'prepared') {
    counts.duplicateCount += 1;
    return;
  }
  counts.announcedCount += 1;
  if (!result.parsed) counts.unparsedCount += 1;
}

function troubleOf(result: Ingested | ImapTrouble | undefined): ImapTrouble {
  return result !== undefined && 'detail' in result && result.kind !== 'prepared'
    ? result
    : { kind: 'unavailable', detail: 'The server did not answer for this message.' };
}

/** Nobody takes notices: what was stored only made the action safe. */
export async function dropContent(
  ids: readonly string[],
  context: MailboxContext,
  { blobs }: Pick<InboundDependencies, 'blobs'>,
): Promise<void> {
  if (ids.length > 0) await blobs.remove(ids.map((id) => blobName(context, id, 'raw.eml')));
}
