// One run over one mailbox, from the cursor to the end of the folder or of the time budget.
//
//  acquiring   the lease: a conditional write of the mailbox's cursor row
//  connecting  login and SELECT. If UIDVALIDITY changed or is 0, the whole folder is read again; known messages are recognised
//  finishing   after-fetch actions that an earlier run recorded and did not do
//  fetching    UIDs on the retry list, then those above the cursor, in batches:
//                read ahead    the beginnings of all messages of a batch in one FETCH                    readAhead.ts
//                ingest        each message: content stored, parsed, its notice made                      ingest.ts
//                commit        one transaction for the rows, then the notices, in order                   commit.ts
//                act           the after-fetch actions, once they are recorded as due                     act.ts
//              While one batch is ingested the next one is read, and ingested as soon as there is capacity. A batch is
//              committed after the one before it or not at all. Commands on the connection go one at a time.
//  releasing   the cursor row releases the lease and says how the run went
//
// Nothing is moved, flagged or deleted before its row, its notice and the action itself are durable. A UID that fails is
// skipped and put on the retry list; after its last try it is announced as `unparsed` without an action, so that no message
// stops a mailbox. A run that lost its lease can't write any more: every write of the cursor is conditional.
//
// A message may end the process, or be one that the store refuses. So after a run that ended badly the first UIDs go one by
// one, each noted in the cursor before it is begun: one in whose middle several runs ended is announced without being read.
import type { TimeLeft } from '../deadline.ts';
import { boundedText } from '../mail/text.ts';
import { StorageTrouble } from '../storageErrors.ts';
import { inboundEvents } from '../telemetry/inboundEvents.ts';
import { Actions } from './act.ts';
import { commitBatch, dropContent, type Commit, type IngestResult } from './commit.ts';
import { KeyedMutex, TaskPool } from './concurrency.ts';
import { Connection, SessionEnded } from './connection.ts';
import {
  abandonedLimit,
  abandonedTries,
  begun,
  hasRoom,
  pastGaps,
  restarted,
  unbegun,
} from './cursorChanges.ts';
import type { InboundDependencies, MailboxContext } from './dependencies.ts';
import { ingest, ingestGivenUp, type HowToIngest, type Ingested, type RunContext } from './ingest.ts';
import {
  ImapStreamTrouble,
  type Cursor,
  type FetchedHead,
  type ImapTrouble,
  type Lease,
  type MailboxSession,
  type MessageEntry,
  type PendingAction,
} from './ports.ts';
import { LeaseLost, Progress } from './progress.ts';
import { Spool } from './rawMail.ts';
import { list, Reader, type Batch, type Listing } from './readAhead.ts';
import { retryDelayMs, troubleDetail } from './retryDelay.ts';

export interface RunReport {
  readonly mailbox: string;
  /** `busy`: another run holds the lease; `lost`: another run took it over; `delayed`: not due yet, or no time left. */
  readonly outcome: 'fetched' | 'failed' | 'busy' | 'lost' | 'delayed';
  readonly announcedCount: number;
  readonly duplicateCount: number;
  readonly unparsedCount: number;
  readonly actedCount: number;
  /** Length of the retry list. */
  readonly retryCount: number;
  /** The folder holds more than this run could fetch. */
  readonly hasMore: boolean;
  readonly detail: string;
}

/** Pending actions of earlier runs that one run does. */
const pendingLimit = 500;

/** Fetches the mailbox within `time`. Trouble with storage or the server is a failed run, not an exception. */
export async function fetchMailbox(
  context: MailboxContext,
  run: { readonly owner: string; readonly time: TimeLeft },
  dependencies: InboundDependencies,
): Promise<RunReport> {
  const { ledger, clock, log, numbers } = dependencies;
  const mailbox = context.hash;
  const startedAt = clock.monotonic();
  const now = clock.now();
  const claim = { owner: run.owner, now, leaseUntil: now + numbers.leaseMs };
  const answer = await ledger.acquireLease(context.key, claim);
  if (answer.kind === 'busy') {
    log(inboundEvents.runSkipped({ mailbox }));
    return report(context, undefined, {
      outcome: 'busy',
      detail: 'Another run holds the lease of this mailbox.',
    });
  }
  const result = await new FetchRun(context, run.time, answer, dependencies).run();
  if (result.outcome === 'fetched') {
    const { announcedCount, duplicateCount, unparsedCount, actedCount, retryCount, hasMore } = result;
    const durationMs = Math.round(clock.monotonic() - startedAt);
    log(
      inboundEvents.runCompleted({
        mailbox,
        announcedCount,
        duplicateCount,
        unparsedCount,
        actedCount,
        retryCount,
        hasMore,
        durationMs,
      }),
    );
  } else if (result.outcome === 'lost') {
    log(inboundEvents.leaseLost({ mailbox }));
  }
  return result;
}

/** One for each message of a batch that was read; each resolves when its message has ended. */
type IngestResults = readonly Promise<IngestResult>[];

class FetchRun {
  readonly #context: MailboxContext;
  readonly #time: TimeLeft;
  readonly #dependencies: InboundDependencies;
  readonly #before: Cursor | undefined;
  /** The run before ended badly: a message may be the cause. */
  readonly #isCautious: boolean;
  readonly #startedAt: number;
  readonly #progress: Progress;
  readonly #spool: Spool;
  readonly #actions: Actions;
  readonly #claimed = new Map<string, MessageEntry>();
  readonly #mutex = new KeyedMutex();
  readonly #counts = { announcedCount: 0, duplicateCount: 0, unparsedCount: 0, actedCount: 0 };
  /** Ids of this run's earlier sessions. */
  readonly #seen = new Set<string>();
  /** Ids whose rows were there when the session began, and whose notices perhaps were never published. */
  #unannounced: ReadonlySet<string> = new Set();
  /** The message that was begun alone and is not committed. */
  #begun: number | undefined;

  constructor(
    context: MailboxContext,
    time: TimeLeft,
    acquired: { readonly lease: Lease; readonly cursor: Cursor | undefined; readonly abandoned: boolean },
    dependencies: InboundDependencies,
  ) {
    const { cursor, abandoned } = acquired;
    this.#context = context;
    this.#time = time;
    this.#dependencies = dependencies;
    this.#before = cursor;
    this.#startedAt = dependencies.clock.now();
    this.#progress = new Progress(context, acquired, dependencies);
    this.#spool = new Spool(dependencies.random.id());
    this.#actions = new Actions(context, dependencies);
    this.#isCautious = abandoned || (cursor !== undefined && cursor.failureCount > 0);
  }

  async run(): Promise<RunReport> {
    let trouble: ImapTrouble | undefined;
    try {
      // From this instant on mail counts as new, whatever becomes of this run.
      if (this.#before === undefined) await this.#progress.write();
      trouble = await this.#withSession();
      // The access token expired during the session: once more, with a new one.
      if (trouble?.kind === 'tokenExpired') trouble = await this.#withSession();
    } catch (error) {
      if (error instanceof LeaseLost) return this.#lost();
      trouble = { kind: 'unavailable', detail: storageDetail(error) };
    } finally {
      await this.#spool.clear();
    }
    if (trouble !== undefined && this.#ranOutOfTime()) {
      this.#progress.set({ ...this.#progress.cursor, hasMore: true });
      trouble = undefined;
    }
    const now = this.#dependencies.clock.now();
    const last = trouble === undefined ? this.#afterSuccess(now) : this.#afterFailure(trouble, now);
    try {
      if (!(await this.#progress.release(last, this.#begun))) return this.#lost();
    } catch (error) {
      // The lease expires by itself.
      return this.#report('failed', storageDetail(error));
    }
    return this.#report(trouble === undefined ? 'fetched' : 'failed', last.detail);
  }

  /** A long backlog that outlasts the run is no failure, unless nothing at all was done. */
  #ranOutOfTime(): boolean {
    const { announcedCount, duplicateCount, actedCount } = this.#counts;
    return this.#time.remainingMs() <= 0 && announcedCount + duplicateCount + actedCount > 0;
  }

  #afterSuccess(now: number): Cursor {
    return {
      ...this.#progress.cursor,
      failureCount: 0,
      retryAt: 0,
      lastRunAt: now,
      lastSuccessAt: now,
      detail: this.#actions.detail,
    };
  }

  #afterFailure(trouble: ImapTrouble, now: number): Cursor {
    const { log, numbers } = this.#dependencies;
    const { cursor } = this.#progress;
    const failureCount = cursor.failureCount + 1;
    const delayMs = retryDelayMs(trouble, failureCount, numbers);
    const detail = troubleDetail(trouble, this.#before);
    log(
      inboundEvents.runFailed({
        mailbox: this.#context.hash,
        reason: trouble.kind,
        detail,
        failureCount,
        retryDelayMs: delayMs,
      }),
    );
    return { ...cursor, failureCount, retryAt: now + delayMs, lastRunAt: now, detail };
  }

  #lost(): RunReport {
    return this.#report('lost', 'Another run took over the lease of this mailbox.');
  }

  #report(outcome: RunReport['outcome'], detail: string): RunReport {
    return report(this.#context, this.#progress.cursor, { ...this.#counts, outcome, detail });
  }

  /** Returns the trouble that ended the session early. */
  async #withSession(): Promise<ImapTrouble | undefined> {
    const opened = await this.#dependencies.mailboxes.open(this.#context.mailbox, this.#time);
    if (opened.kind === 'failed') return opened.trouble;
    const connection = new Connection(opened.session);
    // What an earlier session claimed and did not commit is fetched again.
    for (const id of this.#claimed.keys()) this.#seen.add(id);
    this.#claimed.clear();
    this.#unannounced = new Set(this.#progress.cursor.unannounced);
    try {
      this.#checkUidValidity(opened.session);
      await this.#finishPendingActions(connection);
      await this.#fetchBatches(connection);
      return undefined;
    } catch (error) {
      if (!(error instanceof SessionEnded)) throw error;
      // The connection or the server is at fault, not the message.
      this.#progress.set(unbegun(this.#progress.cursor, this.#begun));
      this.#begun = undefined;
      return error.trouble;
    } finally {
      await opened.session.close();
    }
  }

  /** A folder whose UIDs mean something else now is read from its beginning again. */
  #checkUidValidity(session: MailboxSession): void {
    const { cursor } = this.#progress;
    const { uidValidity, lastUid } = cursor;
    if (uidValidity === session.uidValidity && uidValidity !== 0) return;
    const isRescan =
      this.#before !== undefined && (uidValidity !== 0 || lastUid > 0 || session.uidValidity === 0);
    if (isRescan) {
      this.#dependencies.log(
        inboundEvents.rescanStarted({
          mailbox: this.#context.hash,
          uidValidity: session.uidValidity,
          previousUidValidity: uidValidity,
        }),
      );
    }
    const rescanTop = isRescan ? Math.max(0, session.uidNext - 1) : 0;
    this.#progress.set({ ...restarted(cursor, session.uidValidity), rescanTop });
  }

  async #finishPendingActions(connection: Connection): Promise<void> {
    const { ledger, numbers } = this.#dependencies;
    if (!this.#progress.cursor.hasPending) return;
    const { uidValidity } = connection.session;
    const pending = await ledger.pendingActions(this.#context.key, pendingLimit);
    // UIDs of another UIDVALIDITY mean nothing now; the rescan finds these messages again, and acts.
    const obsolete = pending.filter((one) => one.uidValidity !== uidValidity || uidValidity === 0);
    if (obsolete.length > 0) await ledger.clearActions(this.#context.key, obsolete);
    const due = pending.filter((action) => !obsolete.includes(action));
    let doneCount = 0;
    for (let at = 0; at < due.length && this.#hasTime(); at += numbers.batchCount) {
      const done = await this.#act(connection, due.slice(at, at + numbers.batchCount));
      await ledger.clearActions(this.#context.key, done);
      doneCount += done.length;
    }
    if (pending.length < pendingLimit && doneCount === due.length)
      this.#progress.set({ ...this.#progress.cursor, hasPending: false });
  }

  async #act(connection: Connection, due: readonly PendingAction[]): Promise<readonly PendingAction[]> {
    if (due.length === 0) return [];
    const done = await this.#actions.run(connection, due);
    this.#counts.actedCount += done.length;
    if (this.#dependencies.notices === undefined)
      await dropContent(
        done.map(({ id }) => id),
        this.#context,
        this.#dependencies,
      );
    return done;
  }

  async #fetchBatches(connection: Connection): Promise<void> {
    const { clock, numbers } = this.#dependencies;
    const progress = this.#progress;
    const listed = await list(connection, progress.cursor, this.#since(), clock.now());
    progress.setCounted(listed);
    const { listing } = listed;
    const { uids } = listing;
    const { batchCount, messagesAtOnce } = numbers;
    const reader = new Reader(
      this.#context,
      (id) => this.#claimed.has(id) || this.#seen.has(id),
      this.#dependencies,
    );
    const pool = new TaskPool(messagesAtOnce);
    const stage = { connection, reader, pool, listing };
    let next: Promise<Batch> | undefined;
    let committed = Promise.resolve();
    const cautiousCount = this.#isCautious ? Math.min(uids.length, 2 * batchCount) : 0;
    let at = 0;
    const { lastUid } = progress.cursor;
    const mayFetch = (uid: number): boolean => uid <= lastUid || hasRoom(progress.cursor.retryList);
    try {
      for (; at < cautiousCount && this.#hasTime(); at += 1) {
        await this.#fetchAlone(stage, uids.slice(at, at + 1));
      }
      const first = at;
      for (; at < uids.length && this.#hasTime() && mayFetch(uids[at] ?? 0); at += batchCount) {
        const batch = await (next ?? this.#read(stage, uids.slice(first, first + batchCount)));
        next = this.#read(stage, uids.slice(at + batchCount, at + 2 * batchCount));
        const results = await this.#startBatch(stage, batch, { previous: committed, next });
        await committed;
        committed = pool.track(this.#commit(stage, batch, results));
      }
      await committed;
      await this.#flush(connection);
    } finally {
      await pool.idle();
      await committed.catch(() => undefined);
    }
    const hasMore = at < uids.length;
    if (!hasMore) {
      const { top, named, isUpToDate } = listing;
      progress.setCounted(pastGaps(progress.cursor, { top, named, isNew: isUpToDate }));
    }
    const { retryList, missing, caughtUpAt } = progress.cursor;
    const isCaughtUp = !hasMore && retryList.length === 0 && missing.length === 0;
    progress.set({ ...progress.cursor, hasMore, caughtUpAt: isCaughtUp ? this.#startedAt : caughtUpAt });
  }

  /** The actions of the last batch: written as due, then done. */
  async #flush(connection: Connection): Promise<void> {
    if (this.#progress.hasDue) await this.#progress.write();
    await this.#actOnWritten(connection, this.#progress.takeWritten());
  }

  async #actOnWritten(connection: Connection, due: readonly PendingAction[]): Promise<void> {
    const done = await this.#act(connection, due);
    this.#progress.addDone(done);
    const isLast = done.length === due.length && this.#actions.detail === '' && !this.#progress.hasDue;
    if (isLast) this.#progress.set({ ...this.#progress.cursor, hasPending: false });
  }

  /** One message that the process may not survive: it is counted before it is begun. */
  async #fetchAlone(stage: Stage, uids: readonly number[]): Promise<void> {
    for (const uid of uids) {
      this.#begun = uid;
      await this.#progress.write([], begun(this.#progress.cursor, uid));
    }
    const batch = await this.#read(stage, uids);
    const alone = { previous: Promise.resolve(), next: Promise.resolve(batch) };
    await this.#commit(stage, batch, await this.#startBatch(stage, batch, alone));
    await this.#flush(stage.connection);
    this.#begun = undefined;
  }

  /** No older mail is fetched; undefined for no bound. INTERNALDATE counts seconds. */
  #since(): number | undefined {
    const { fetchFrom } = this.#context.mailbox;
    if (fetchFrom.kind === 'all') return undefined;
    const at = fetchFrom.kind === 'date' ? fetchFrom.at : this.#progress.cursor.firstRunAt;
    return Math.floor(at / 1_000) * 1_000;
  }

  #read({ connection, reader }: Stage, uids: readonly number[]): Promise<Batch> {
    return reader.start(connection, uids, { cursor: this.#progress.cursor, since: this.#since() });
  }

  /** Resolves when every message of the batch has started; each result resolves when its message has ended. */
  async #startBatch(
    { connection, pool }: Stage,
    batch: Batch,
    neighbours: { readonly previous: Promise<void>; readonly next: Promise<Batch> },
  ): Promise<IngestResults> {
    const run = this.#runContext(connection.session);
    const started: IngestResults[number][] = [];
    const isLong = ({ uid, whole }: FetchedHead): boolean => !whole && !batch.givenUp.has(uid);
    const long = batch.heads.filter(isLong);
    for (const head of batch.heads.filter((one) => !isLong(one))) {
      await pool.capacity();
      started.push(pool.start(() => this.#tryIngest(run, head, batch.givenUp.has(head.uid))));
    }
    if (long.length === 0) return started;
    // Long messages are streamed over the one connection: one after another, while nothing else uses it.
    await neighbours.previous;
    await neighbours.next.catch(() => undefined);
    await Promise.all(started);
    for (const head of long) {
      const result = connection.command(() => this.#tryIngest(run, head, false));
      started.push(result);
      await result;
    }
    return started;
  }

  #runContext(session: MailboxSession): RunContext {
    return {
      context: this.#context,
      session,
      spool: this.#spool,
      claimed: this.#claimed,
      unannounced: this.#unannounced,
      mutex: this.#mutex,
    };
  }

  /**
   * Only a store that does not answer ends the run: every other exception concerns this message, is counted for its UID,
   * and leaves the others alone.
   */
  async #tryIngest(
    run: RunContext,
    head: FetchedHead,
    giveUp: boolean,
    lookFirst = false,
  ): Promise<IngestResult> {
    const { uid } = head;
    const { rescanTop, rowsPrunedUntil } = this.#progress.cursor;
    const isRescan = uid <= rescanTop;
    const how: HowToIngest = {
      lookFirst: lookFirst || isRescan || giveUp,
      ...(isRescan ? { onlyKnownBefore: rowsPrunedUntil } : {}),
    };
    try {
      if (giveUp) return { uid, result: await this.#ingestLast(run, head, how) };
      return { uid, result: await ingest(head, run, this.#dependencies, how) };
    } catch (error) {
      if (error instanceof ImapStreamTrouble) return { uid, result: error.trouble };
      if (error instanceof StorageTrouble) throw error;
      const detail = boundedText(error instanceof Error ? error.message : 'unknown', 300);
      return { uid, result: { kind: 'unavailable', detail: `The message cannot be processed: ${detail}` } };
    }
  }

  /** The last try: once more as a message, unless runs ended in its middle; else as what the server gave of it. */
  async #ingestLast(run: RunContext, head: FetchedHead, how: HowToIngest): Promise<Ingested> {
    const { retryList } = this.#progress.cursor;
    const { abandonedCount = 0 } = retryList.find(({ uid }) => uid === head.uid) ?? {};
    if (abandonedCount <= abandonedTries && head.bytes.byteLength > 0) {
      try {
        return await ingest(head, run, this.#dependencies, how);
      } catch (error) {
        if (error instanceof StorageTrouble) throw error;
      }
    }
    const bytes = abandonedCount > abandonedLimit ? new Uint8Array() : head.bytes;
    return ingestGivenUp({ ...head, bytes }, run, this.#dependencies);
  }

  /** Once all its messages are ingested. */
  async #commit({ connection, listing }: Stage, batch: Batch, started: IngestResults): Promise<void> {
    const { session } = connection;
    const run: Commit = {
      context: this.#context,
      progress: this.#progress,
      counts: this.#counts,
      uidValidity: session.uidValidity,
      act: (due) => this.#actOnWritten(connection, due),
      again: (head) => {
        const ingested = (): Promise<IngestResult> => {
          for (const [id, entry] of this.#claimed)
            if (entry.uid === head.uid && entry.uidValidity === session.uidValidity) this.#claimed.delete(id);
          return this.#tryIngest(this.#runContext(session), head, batch.givenUp.has(head.uid), true);
        };
        return head.whole ? ingested() : connection.command(ingested);
      },
    };
    await commitBatch(batch, listing, await Promise.all(started), run, this.#dependencies);
  }

  #hasTime(): boolean {
    return this.#time.remainingMs() > this.#dependencies.numbers.reserveMs;
  }
}

/** What the stages of one session share. */
interface Stage {
  readonly connection: Connection;
  readonly reader: Reader;
  readonly pool: TaskPool;
  readonly listing: Listing;
}

function storageDetail(error: unknown): string {
  const detail = error instanceof Error ? error.message.slice(0, 300) : 'unknown';
  return `The run stopped; the next one continues from the cursor: ${detail}`;
}

export function report(
  context: MailboxContext,
  cursor: Cursor | undefined,
  of: Pick<RunReport, 'outcome' | 'detail'> & Partial<RunReport>,
): RunReport {
  return {
    announcedCount: 0,
    duplicateCount: 0,
    unparsedCount: 0,
    actedCount: 0,
    retryCount: cursor?.retryList.length ?? 0,
    hasMore: cursor?.hasMore ?? false,
    mailbox: context.mailbox.address,
    ...of,
  };
}
