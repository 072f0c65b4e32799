// One run over one mailbox, from the cursor to the end of the folder or of the time budget.
//
//  1  the lease: a conditional write of the mailbox's cursor row
//  2  login and SELECT. If UIDVALIDITY changed or is 0, the whole folder is read again; known messages are recognised
//  3  after-fetch actions that an earlier run recorded and did not do
//  4  UIDs on the retry list, then those above the cursor, in batches:
//       the beginnings of all messages in one FETCH, each message ingested (ingest.ts)
//       one transaction: rows announced, actions recorded as pending, cursor moved, lease extended
//       the after-fetch action; then the pending rows are removed
//     While one batch is ingested the next one is fetched, and ingested as soon as there is capacity. A batch is committed
//     after the one before it or not at all. Commands on the connection go one at a time.
//  5  the cursor row releases the lease and says how the run went
//
// Nothing is moved, flagged or deleted before the transaction of step 4. A UID that fails is skipped and put on the retry
// list; after its last try it is announced as `unparsed` without an action, so that no message stops a mailbox. A run that
// lost its lease can't write any more: every write of the cursor is conditional.
//
// A message may end the process, or be one that the store refuses. So after a run that ended badly the first UIDs go one by
// one, each noted in the cursor before it is begun: one in whose middle several runs ended is announced without being read.
//
// SEARCH may lag: UIDs that were assigned and not named are looked for again in some runs, then they count as taken by
// another reader.
import type { TimeLeft } from '../deadline.ts';
import { field, mailText, messageIds, readHeaders } from '../mail/headers.ts';
import { inboundEvents } from '../telemetry/inboundEvents.ts';
import { KeyedMutex, OrderedGate, TaskPool } from './concurrency.ts';
import type { InboundDependencies, MailboxContext } from './dependencies.ts';
import { boundedText } from '../mail/text.ts';
import { StorageTrouble } from '../storageErrors.ts';
import { ingest, ingestGivenUp, type RunContext, type Ingested } from './ingest.ts';
import {
  ImapStreamTrouble,
  type Advance,
  type Cursor,
  type FetchedHead,
  type ImapTrouble,
  type Lease,
  type MailboxSession,
  type MissingUid,
  type PendingAction,
  type RetryUid,
} from './ports.ts';
import { Spool } from './rawMail.ts';
import { retryDelayMs, troubleDetail } from './retryDelay.ts';
import { identify } from './stableId.ts';

/** Of a report: it has no other fields than ours, and those that a server adds. */
const reportHeaderBytes = 16_384;

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

/** More than that many UIDs on the retry list: those that failed most often are given up at once. */
const retryListLimit = 1_000;
/** A UID is tried in every run until it has failed this often, then in one run of sixteen. */
const eagerTries = 8;
/** Then it is announced as `unparsed`, with what the server gave of it, and left where it is. After about an hour. */
const giveUpTries = 12;
/** What a run that ended in the middle of a message counts: a process that died, and a store that gave up. */
const deathCount = 2;
const storeFailureCount = 1;
/** With more than this a message is announced without being parsed; with more than that its bytes are left out, too. */
const abandonedTries = 7;
const abandonedLimit = 13;
const pendingLimit = 500;
/** UIDs that SEARCH left out: how many are remembered, and in how many runs they are looked for. */
const missingLimit = 200;
const gapLimit = 100;
const missingPasses = 3;
/** So many messages may come and go between two runs before another reader is suspected. */
const concurrentReaderCount = 3;

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

/** The messages of one transaction, as far as they were read. */
interface Batch {
  readonly uids: readonly number[];
  /** Ids of messages that were announced under an earlier UIDVALIDITY, by UID. */
  readonly known: ReadonlyMap<number, string>;
  /** Ascending. */
  readonly heads: readonly FetchedHead[];
  /** UIDs that have used up their tries. */
  readonly givenUp: ReadonlySet<number>;
  readonly gone: readonly number[];
  /** Older than what the mailbox is to fetch: neither announced nor touched. */
  readonly leftAlone: ReadonlySet<number>;
}

interface IngestResult {
  readonly uid: number;
  readonly result: Ingested | ImapTrouble;
}

/** One for each message of a batch that was read; each resolves when its message has ended. */
type IngestResults = readonly Promise<IngestResult>[];

/** Another run took the lease: unwinds to `run`, which stops. */
class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}

/** The session can't go on. */
class SessionEnded extends Error {
  override readonly name = 'SessionEnded';
  readonly trouble: ImapTrouble;
  constructor(trouble: ImapTrouble) {
    super(trouble.detail);
    this.trouble = trouble;
  }
}

class FetchRun {
  readonly #context: MailboxContext;
  readonly #time: TimeLeft;
  readonly #dependencies: InboundDependencies;
  readonly #before: Cursor | undefined;
  /** The run before ended badly: a message may be the cause. */
  readonly #isCautious: boolean;
  #lease: Lease;
  #cursor: Cursor;
  readonly #spool: Spool;
  readonly #announcedIds = new Set<string>();
  readonly #mutex = new KeyedMutex();
  readonly #gate = new OrderedGate();
  /** Why the connection takes no more commands. */
  #ended: SessionEnded | undefined;
  readonly #counts = { announcedCount: 0, duplicateCount: 0, unparsedCount: 0, actedCount: 0 };
  /** Why no more actions are done in this run; they stay pending. Empty while they are done. */
  #actionDetail = '';
  /** The message that was begun alone and is not committed. */
  #begun: number | undefined;
  /** An earlier run reached the end of the folder: what lies above the cursor came since. */
  #isUpToDate = false;
  /** The UIDs above the cursor that SEARCH named. */
  #named: ReadonlySet<number> = new Set();
  /** How often a header fingerprint was recognised in this rescan: each entry of the ledger vouches for one message. */
  readonly #recognised = new Map<string, number>();

  constructor(
    context: MailboxContext,
    time: TimeLeft,
    acquired: { readonly lease: Lease; readonly cursor: Cursor | undefined; readonly abandoned: boolean },
    dependencies: InboundDependencies,
  ) {
    const { lease, cursor, abandoned } = acquired;
    this.#context = context;
    this.#time = time;
    this.#dependencies = dependencies;
    this.#lease = lease;
    this.#before = cursor;
    this.#spool = new Spool(dependencies.random.id());
    this.#isCautious = abandoned || (cursor !== undefined && cursor.failureCount > 0);
    const now = dependencies.clock.now();
    this.#cursor = cursor?.folder === context.mailbox.folder ? cursor : emptyCursor(context, cursor, now);
  }

  async run(): Promise<RunReport> {
    let trouble: ImapTrouble | undefined;
    try {
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
      this.#cursor = { ...this.#cursor, hasMore: true };
      trouble = undefined;
    }
    const now = this.#dependencies.clock.now();
    this.#cursor = trouble === undefined ? this.#afterSuccess(now) : this.#afterFailure(trouble, now);
    try {
      const answer = await this.#dependencies.ledger.releaseLease(this.#lease, this.#cursor);
      if (answer.kind === 'lost') return this.#lost();
    } catch (error) {
      // The lease expires by itself.
      return this.#report('failed', storageDetail(error));
    }
    return this.#report(trouble === undefined ? 'fetched' : 'failed', this.#cursor.detail);
  }

  /** A long backlog that outlasts the run is no failure, unless nothing at all was done. */
  #ranOutOfTime(): boolean {
    const { announcedCount, duplicateCount, actedCount } = this.#counts;
    return this.#time.remainingMs() <= 0 && announcedCount + duplicateCount + actedCount > 0;
  }

  #afterSuccess(now: number): Cursor {
    return {
      ...this.#cursor,
      failureCount: 0,
      retryAt: 0,
      lastRunAt: now,
      lastSuccessAt: now,
      detail: this.#actionDetail,
    };
  }

  #afterFailure(trouble: ImapTrouble, now: number): Cursor {
    const { log, numbers } = this.#dependencies;
    const failureCount = this.#cursor.failureCount + 1;
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
    // This process is alive: it was counted as if it had died.
    const retryList = this.#cursor.retryList.map((one) =>
      one.uid === this.#begun && one.abandonedCount !== undefined
        ? { ...one, abandonedCount: one.abandonedCount - deathCount + storeFailureCount }
        : one,
    );
    return { ...this.#cursor, retryList, failureCount, retryAt: now + delayMs, lastRunAt: now, detail };
  }

  #lost(): RunReport {
    return this.#report('lost', 'Another run took over the lease of this mailbox.');
  }

  #report(outcome: RunReport['outcome'], detail: string): RunReport {
    return report(this.#context, this.#cursor, { ...this.#counts, outcome, detail });
  }

  /** Returns the trouble that ended the session early. */
  async #withSession(): Promise<ImapTrouble | undefined> {
    const opened = await this.#dependencies.mailboxes.open(this.#context.mailbox, this.#time);
    if (opened.kind === 'failed') return opened.trouble;
    const { session } = opened;
    this.#ended = undefined;
    try {
      const isRescan = this.#checkUidValidity(session);
      await this.#finishPendingActions(session);
      await this.#fetchBatches(session, isRescan);
      return undefined;
    } catch (error) {
      if (error instanceof SessionEnded) return error.trouble;
      throw error;
    } finally {
      await session.close();
    }
  }

  /** True if a folder that was read before must be read from its beginning again. */
  #checkUidValidity(session: MailboxSession): boolean {
    const { uidValidity, lastUid } = this.#cursor;
    if (uidValidity === session.uidValidity && uidValidity !== 0) return false;
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
    this.#cursor = {
      ...this.#cursor,
      uidValidity: session.uidValidity,
      lastUid: 0,
      retryList: [],
      missing: [],
      hasMore: true,
    };
    return isRescan;
  }

  async #finishPendingActions(session: MailboxSession): Promise<void> {
    const { ledger, numbers } = this.#dependencies;
    const pending = await ledger.pendingActions(this.#context.key, pendingLimit);
    // UIDs of another UIDVALIDITY mean nothing now; the rescan finds these messages again, and acts.
    const obsolete = pending.filter(
      ({ uidValidity }) => uidValidity !== session.uidValidity || uidValidity === 0,
    );
    if (obsolete.length > 0) await ledger.clearActions(this.#context.key, obsolete);
    const due = pending.filter((action) => !obsolete.includes(action));
    for (let at = 0; at < due.length && this.#hasTime(); at += numbers.batchCount) {
      await this.#act(session, due.slice(at, at + numbers.batchCount));
    }
  }

  async #fetchBatches(session: MailboxSession, isRescan: boolean): Promise<void> {
    const { lastUid } = this.#cursor;
    const fresh = unwrap(await session.listAbove(lastUid, lastUid === 0 ? this.#since() : undefined));
    const late = await this.#lookForMissing(session);
    const top = Math.max(session.uidNext - 1, lastUid, ...fresh.uids.slice(-1));
    this.#named = new Set(fresh.uids);
    this.#isUpToDate = lastUid > 0 && !this.#cursor.hasMore;
    const retries = this.#cursor.retryList.filter((one) => this.#isDue(one)).map(({ uid }) => uid);
    const uids = [...new Set([...retries, ...late, ...fresh.uids])];
    const { batchCount, messagesAtOnce } = this.#dependencies.numbers;
    const pool = new TaskPool(messagesAtOnce);
    let next: Promise<Batch> | undefined;
    let committed = Promise.resolve();
    const cautiousCount = this.#isCautious ? Math.min(uids.length, 2 * batchCount) : 0;
    let at = 0;
    try {
      for (; at < cautiousCount && this.#hasTime(); at += 1) {
        await this.#fetchAlone(session, pool, uids.slice(at, at + 1), isRescan);
      }
      const first = at;
      for (; at < uids.length && this.#hasTime(); at += batchCount) {
        const batch = await (next ??
          this.#readBatch(session, uids.slice(first, first + batchCount), isRescan));
        next = this.#readBatch(session, uids.slice(at + batchCount, at + 2 * batchCount), isRescan);
        const results = await this.#startBatch(session, pool, batch, { previous: committed, next });
        await committed;
        committed = pool.track(this.#commit(session, batch, results));
      }
      await committed;
    } finally {
      await pool.idle();
      await committed.catch(() => undefined);
    }
    const hasMore = at < uids.length;
    this.#cursor = { ...(hasMore ? this.#cursor : this.#pastGaps(top)), hasMore };
  }

  /** One message that the process may not survive: it is counted before it is begun. */
  async #fetchAlone(
    session: MailboxSession,
    pool: TaskPool,
    uids: readonly number[],
    isRescan: boolean,
  ): Promise<void> {
    const retryList = new Map(this.#cursor.retryList.map((one) => [one.uid, one]));
    for (const uid of uids) {
      const { tryCount = 0, abandonedCount = 0 } = retryList.get(uid) ?? {};
      retryList.set(uid, { uid, tryCount, abandonedCount: abandonedCount + deathCount });
      this.#begun = uid;
    }
    await this.#advance({
      cursor: { ...this.#cursor, retryList: [...retryList.values()] },
      announced: [],
      pending: [],
    });
    const batch = await this.#readBatch(session, uids, isRescan);
    const alone = { previous: Promise.resolve(), next: Promise.resolve(batch) };
    await this.#commit(session, batch, await this.#startBatch(session, pool, batch, alone));
    this.#begun = undefined;
  }

  /** No older mail is fetched; undefined for no bound. INTERNALDATE counts seconds. */
  #since(): number | undefined {
    const { fetchFrom } = this.#context.mailbox;
    if (fetchFrom.kind === 'all') return undefined;
    const at = fetchFrom.kind === 'date' ? fetchFrom.at : this.#cursor.firstRunAt;
    return Math.floor(at / 1_000) * 1_000;
  }

  /** Those that an earlier SEARCH left out and that are there now. */
  async #lookForMissing(session: MailboxSession): Promise<readonly number[]> {
    const { missing } = this.#cursor;
    if (missing.length === 0) return [];
    const { uids } = unwrap(await session.stillThere(missing.map(({ uid }) => uid)));
    const later = missing
      .filter(({ uid }) => !uids.includes(uid))
      .map((one) => ({ ...one, passCount: one.passCount + 1 }));
    this.#countVanished(later.filter(({ passCount, isNew }) => isNew && passCount >= missingPasses).length);
    // Those that are there leave the list with the batch that fetches them.
    const found = missing.filter(({ uid }) => uids.includes(uid));
    this.#cursor = {
      ...this.#cursor,
      missing: [...found, ...later.filter(({ passCount }) => passCount < missingPasses)],
    };
    return uids;
  }

  /**
   * The cursor moved to `top`: UIDs on the way that SEARCH did not name are remembered, the nearest ones. Below the first
   * run's they may have been gone long ago.
   */
  #pastGaps(top: number): Cursor {
    const { lastUid, missing } = this.#cursor;
    const known = new Set([...missing, ...this.#cursor.retryList].map(({ uid }) => uid));
    const gaps: MissingUid[] = [];
    const isNew = this.#isUpToDate;
    for (let uid = top; uid > lastUid && gaps.length < gapLimit; uid -= 1) {
      if (!this.#named.has(uid) && !known.has(uid)) gaps.push({ uid, passCount: 0, isNew });
    }
    const all = [...missing, ...gaps];
    // The oldest have been looked for most often.
    const dropped = all.slice(0, Math.max(0, all.length - missingLimit));
    this.#countVanished(dropped.filter((one) => one.isNew).length);
    return { ...this.#cursor, lastUid: top, missing: all.slice(dropped.length) };
  }

  /** Another program takes mail away between two runs. */
  #countVanished(count: number): void {
    if (count === 0) return;
    const { log } = this.#dependencies;
    const mailbox = this.#context.hash;
    const vanishedCount = this.#cursor.vanishedCount + count;
    this.#cursor = { ...this.#cursor, vanishedCount };
    log(inboundEvents.uidsVanished({ mailbox, count }));
    if (vanishedCount >= concurrentReaderCount)
      log(inboundEvents.concurrentReader({ mailbox, vanishedCount }));
  }

  /** One command at a time. A lost connection fails every later command too: all are given the first reason. */
  #command<T>(task: () => Promise<T>): Promise<T> {
    return this.#mutex.run('connection', async () => {
      if (this.#ended !== undefined) throw this.#ended;
      try {
        return await task();
      } catch (error) {
        if (error instanceof SessionEnded) this.#ended = error;
        throw error;
      }
    });
  }

  /** Its failure surfaces where it is awaited, which may be never. */
  #readBatch(session: MailboxSession, uids: readonly number[], isRescan: boolean): Promise<Batch> {
    const reading = this.#command(() => this.#read(session, uids, isRescan));
    reading.catch(() => undefined);
    return reading;
  }

  async #read(session: MailboxSession, uids: readonly number[], isRescan: boolean): Promise<Batch> {
    const known =
      isRescan && uids.length > 0 && this.#mayTrustHeaders(session)
        ? await this.#recognise(session, uids)
        : new Map<number, string>();
    const wanted = uids.filter((uid) => !known.has(uid));
    const { heads, gone } =
      wanted.length === 0 ? { heads: [], gone: [] } : unwrap(await session.readHeads(wanted));
    const givenUp = new Set(this.#usedUpTries());
    const answered = new Set([...heads.map(({ uid }) => uid), ...gone]);
    const neverGiven = wanted
      .filter((uid) => givenUp.has(uid) && !answered.has(uid))
      .map((uid): FetchedHead => ({ uid, bytes: new Uint8Array(), whole: true }));
    const since = this.#since() ?? 0;
    const leftAlone = new Set(
      heads.filter(({ receivedAt = since }) => receivedAt < since).map(({ uid }) => uid),
    );
    for (const { uid, bytes } of heads) if (await this.#isReport(bytes)) leftAlone.add(uid);
    const all = [...heads.filter(({ uid }) => !leftAlone.has(uid)), ...neverGiven];
    return {
      uids,
      known,
      heads: all.toSorted((one, other) => one.uid - other.uid),
      givenUp,
      gone,
      leftAlone,
    };
  }

  /** Our own failure reports are for whoever reads the mailbox: neither announced nor touched. */
  async #isReport(bytes: Uint8Array): Promise<boolean> {
    const text = mailText(bytes.subarray(0, reportHeaderBytes));
    if (!text.includes('<report.')) return false;
    const [messageId = ''] = messageIds(field(readHeaders(text), 'message-id'));
    return this.#dependencies.sent.isReport(messageId);
  }

  /** Resolves when every message of the batch has started; each result resolves when its message has ended. */
  async #startBatch(
    session: MailboxSession,
    pool: TaskPool,
    batch: Batch,
    neighbours: { readonly previous: Promise<void>; readonly next: Promise<Batch> },
  ): Promise<IngestResults> {
    const run: RunContext = {
      context: this.#context,
      session,
      spool: this.#spool,
      announcedIds: this.#announcedIds,
      mutex: this.#mutex,
      gate: this.#gate,
    };
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
      const result = this.#tryIngest(run, head, false);
      started.push(result);
      await result;
    }
    return started;
  }

  /**
   * Only a store that does not answer ends the run: every other exception concerns this message, is counted for its UID,
   * and leaves the others alone.
   */
  async #tryIngest(run: RunContext, head: FetchedHead, giveUp: boolean): Promise<IngestResult> {
    const { uid } = head;
    try {
      if (giveUp) return { uid, result: await this.#ingestLast(run, head) };
      return { uid, result: await ingest(head, run, this.#dependencies) };
    } catch (error) {
      if (error instanceof ImapStreamTrouble) return { uid, result: error.trouble };
      if (error instanceof StorageTrouble) throw error;
      const detail = boundedText(error instanceof Error ? error.message : 'unknown', 300);
      return { uid, result: { kind: 'unavailable', detail: `The message cannot be processed: ${detail}` } };
    }
  }

  /** The last try: once more as a message, unless runs ended in its middle; else as what the server gave of it. */
  async #ingestLast(run: RunContext, head: FetchedHead): Promise<Ingested> {
    const { abandonedCount = 0 } = this.#cursor.retryList.find(({ uid }) => uid === head.uid) ?? {};
    if (abandonedCount <= abandonedTries && head.bytes.byteLength > 0) {
      try {
        return await ingest(head, run, this.#dependencies);
      } catch (error) {
        if (error instanceof StorageTrouble) throw error;
      }
    }
    const bytes = abandonedCount > abandonedLimit ? new Uint8Array() : head.bytes;
    return ingestGivenUp({ ...head, bytes }, run, this.#dependencies);
  }

  /** UIDs of the retry list that failed too often, or that the list has no room for. */
  #usedUpTries(): readonly number[] {
    const { retryList } = this.#cursor;
    const excess = retryList.length - retryListLimit;
    const crowded = excess <= 0 ? [] : retryList.toSorted((one, other) => other.tryCount - one.tryCount);
    return [
      ...retryList.filter(
        ({ tryCount, abandonedCount = 0 }) => tryCount >= giveUpTries || abandonedCount > abandonedTries,
      ),
      ...crowded.slice(0, Math.max(0, excess)),
    ].map(({ uid }) => uid);
  }

  /** The transaction of the batch once all its messages are ingested, then the after-fetch actions. */
  async #commit(session: MailboxSession, batch: Batch, started: IngestResults): Promise<void> {
    const { log } = this.#dependencies;
    const results = new Map((await Promise.all(started)).map(({ uid, result }) => [uid, result]));
    const announced = new Set<string>();
    const handled: PendingAction[] = [];
    const retryList = new Map(this.#cursor.retryList.map((one) => [one.uid, one]));
    let worst: ImapTrouble | undefined;
    for (const uid of batch.uids) {
      const result = results.get(uid);
      const id = batch.known.get(uid) ?? (result !== undefined && 'id' in result ? result.id : undefined);
      if (id !== undefined) {
        retryList.delete(uid);
        // What was given up stays in its folder: nobody has seen it whole.
        if (!batch.givenUp.has(uid)) handled.push({ uidValidity: session.uidValidity, uid, id });
        // Also if another copy was announced: its batch, or its session, may have ended before it was committed.
        if (this.#announcedIds.has(id)) announced.add(id);
        if (result?.kind === 'announced') {
          this.#counts.announcedCount += 1;
          if (!result.parsed) this.#counts.unparsedCount += 1;
        } else {
          this.#counts.duplicateCount += 1;
        }
      } else if (batch.gone.includes(uid) || batch.leftAlone.has(uid)) {
        retryList.delete(uid);
      } else {
        const trouble: ImapTrouble =
          result !== undefined && 'detail' in result
            ? result
            : { kind: 'unavailable', detail: 'The server did not answer for this message.' };
        const tryCount = (retryList.get(uid)?.tryCount ?? 0) + 1;
        retryList.set(uid, { uid, tryCount });
        const { detail } = trouble;
        log(inboundEvents.retryScheduled({ mailbox: this.#context.hash, uid, tryCount, detail }));
        if (result !== undefined) worst = trouble;
      }
    }
    const hasAction = this.#context.mailbox.afterFetch.kind !== 'none';
    const passed = this.#pastGaps(Math.max(this.#cursor.lastUid, ...batch.uids));
    const cursor = {
      ...passed,
      retryList: [...retryList.values()],
      missing: passed.missing.filter(({ uid }) => !batch.uids.includes(uid)),
    };
    await this.#advance({ cursor, announced: [...announced], pending: hasAction ? handled : [] });
    if (hasAction) await this.#command(() => this.#act(session, handled));
    // A cut connection fails every later command as well: report the first reason.
    if (worst !== undefined && worst.kind !== 'unavailable') throw new SessionEnded(worst);
  }

  async #advance(change: Omit<Advance, 'leaseUntil'>): Promise<void> {
    const { ledger, clock, numbers } = this.#dependencies;
    const leaseUntil = clock.now() + numbers.leaseMs;
    const answer = await ledger.advance(this.#lease, { ...change, leaseUntil });
    if (answer.kind === 'lost') throw new LeaseLost();
    this.#lease = answer.lease;
    this.#cursor = change.cursor;
  }

  /** Does the actions and removes their rows. If the server refuses them, they stay pending and fetching goes on. */
  async #act(session: MailboxSession, due: readonly PendingAction[]): Promise<void> {
    if (due.length === 0 || this.#actionDetail !== '') return;
    const { ledger, log } = this.#dependencies;
    const { afterFetch } = this.#context.mailbox;
    const answer = await session.act(
      due.map(({ uid }) => uid),
      afterFetch,
    );
    if (answer.kind === 'ok') {
      this.#counts.actedCount += due.length;
      await ledger.clearActions(this.#context.key, due);
      return;
    }
    const { detail } = answer.trouble;
    log(inboundEvents.actionFailed({ mailbox: this.#context.hash, action: afterFetch.kind, detail }));
    const goesOn = answer.trouble.kind === 'folderMissing' || answer.trouble.commandRefused === true;
    if (!goesOn) throw new SessionEnded(answer.trouble);
    this.#actionDetail = detail;
  }

  /**
   * If the server keeps no UIDs at all and mail stays in the folder, every run is a rescan, and fetching everything each
   * time is out of the question. A change of UIDVALIDITY happens once in years: then every message is fetched and compared.
   */
  #mayTrustHeaders(session: MailboxSession): boolean {
    const { kind } = this.#context.mailbox.afterFetch;
    return session.uidValidity === 0 && (kind === 'none' || kind === 'seen');
  }

  /**
   * In such a rescan, a message that was announced before is recognised by its header block alone, as often as the ledger
   * knows it; every other message is fetched and compared.
   */
  async #recognise(session: MailboxSession, uids: readonly number[]): Promise<ReadonlyMap<number, string>> {
    const { key } = this.#context;
    const { headers } = unwrap(await session.readHeaders(uids));
    const known = new Map<number, string>();
    for (const [uid, bytes] of headers) {
      const { baseId, headerFingerprint } = identify(key, readHeaders(mailText(bytes)), bytes);
      const seenCount = this.#recognised.get(headerFingerprint) ?? 0;
      const id = seenCount === 0 ? baseId : `${baseId}-${seenCount + 1}`;
      // Two messages of one run may agree in their headers: only one announced in an earlier run is taken on trust.
      if (this.#announcedIds.has(id)) continue;
      const entry = await this.#dependencies.ledger.find(key, id);
      if (entry?.state !== 'announced' || entry.headerFingerprint !== headerFingerprint) continue;
      this.#recognised.set(headerFingerprint, seenCount + 1);
      known.set(uid, id);
    }
    return known;
  }

  #isDue({ uid, tryCount, abandonedCount = 0 }: RetryUid): boolean {
    if (abandonedCount > 0) return true;
    // Spread by UID, so that a run never tries all hopeless ones at once.
    return (
      tryCount < eagerTries ||
      tryCount >= giveUpTries ||
      (Math.floor(this.#dependencies.clock.now() / 60_000) + uid) % 16 === 0
    );
  }

  #hasTime(): boolean {
    return this.#time.remainingMs() > this.#dependencies.numbers.reserveMs;
  }
}

/** The answer itself; a failed one ends the session. */
function unwrap<T extends object>(
  answer: ({ readonly kind: 'ok' } & T) | { readonly kind: 'failed'; readonly trouble: ImapTrouble },
): T {
  if (answer.kind === 'failed') throw new SessionEnded(answer.trouble);
  return answer;
}

function emptyCursor(context: MailboxContext, before: Cursor | undefined, now: number): Cursor {
  return {
    folder: context.mailbox.folder,
    uidValidity: 0,
    lastUid: 0,
    retryList: [],
    missing: [],
    failureCount: before?.failureCount ?? 0,
    retryAt: 0,
    firstRunAt: before?.firstRunAt ?? now,
    lastRunAt: before?.lastRunAt ?? 0,
    lastSuccessAt: before?.lastSuccessAt ?? 0,
    hasMore: false,
    detail: '',
    vanishedCount: 0,
  };
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
