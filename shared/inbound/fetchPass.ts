// One pass over one mailbox, from the cursor to the end of the folder or of its time.
//
//  1  the lease: a conditional write of the mailbox's cursor row
//  2  login and SELECT; UIDVALIDITY changed or 0: everything is looked at again, known mail is recognised
//  3  actions still owed from before (a crash left their marks)
//  4  UIDs owed, then those above the cursor, in batches:
//       beginnings of all in one FETCH, each handed off (handOff.ts)
//       one transaction: rows announced, actions noted as pending, cursor moved, lease extended
//       the after-fetch action, then its marks removed
//     While one batch is handed off the next is fetched, and begun as soon as there is room; it is written after the one
//     before it or not at all. Commands on the connection go one at a time.
//  5  the cursor row gives the lease back and says how it went
//
// Nothing is moved, flagged or deleted before step 4's transaction. A UID that fails is passed by and owed. A pass that
// lost its lease can write nothing any more: every write of the cursor is conditional.
import * as events from '../telemetry/inboundEvents.ts';
import { handOff, type HandedOff, type Place } from './handOff.ts';
import { mailText, readHeaders } from '../mail/headers.ts';
import { pauseAfter, troubleWords } from './pauses.ts';
import {
  ImapStreamTrouble,
  type Cursor,
  type FetchedHead,
  type ImapTrouble,
  type Lease,
  type MailboxSession,
  type OwedUid,
  type PendingAction,
  type TimeLeft,
} from './ports.ts';
import { Spool } from './rawMail.ts';
import type { Box, InboundDoors } from './dependencies.ts';
import { identify } from './stableId.ts';
import { Flow, InOrder, Turns } from './turns.ts';

export interface PassReport {
  readonly mailbox: string;
  readonly outcome: 'fetched' | 'failed' | 'busy' | 'lost' | 'paused';
  readonly announcedCount: number;
  readonly duplicateCount: number;
  readonly unparsedCount: number;
  readonly actedCount: number;
  readonly owedCount: number;
  /** There is more than this pass could take. */
  readonly leftover: boolean;
  readonly detail: string;
}

const owedLimit = 200;
/** After so many tries in every pass, a UID is tried in one pass of sixteen. */
const eagerTries = 8;
const pendingLimit = 500;
/** Between two looks at the folder this many may come and go before another reader is suspected. */
const otherReaderCount = 3;

/** Works on the mailbox within `time`. Storage trouble is a failed pass, not an exception. */
export async function fetchPass(
  doors: InboundDoors,
  box: Box,
  run: { readonly owner: string; readonly time: TimeLeft },
): Promise<PassReport> {
  const startedAt = doors.clock.monotonic();
  const now = doors.clock.now();
  const begun = await doors.ledger.begin(box.key, {
    owner: run.owner,
    now,
    untilMs: now + doors.numbers.leaseMs,
  });
  if (begun.kind === 'busy') {
    doors.log(events.passYielded({ mailbox: box.hash }));
    return report(box, undefined, { outcome: 'busy', detail: 'Another pass is at work on this mailbox.' });
  }
  const pass = new Pass(doors, box, run.time, begun.lease, begun.cursor);
  const result = await pass.walk();
  if (result.outcome === 'fetched') {
    doors.log(
      events.passEnded({
        mailbox: box.hash,
        announcedCount: result.announcedCount,
        duplicateCount: result.duplicateCount,
        unparsedCount: result.unparsedCount,
        actedCount: result.actedCount,
        owedCount: result.owedCount,
        leftover: result.leftover,
        durationMs: Math.round(doors.clock.monotonic() - startedAt),
      }),
    );
  } else if (result.outcome === 'lost') {
    doors.log(events.passYielded({ mailbox: box.hash }));
  }
  return result;
}

/** Messages of one transaction, as far as they were read. */
interface Batch {
  readonly uids: readonly number[];
  /** Announced in an earlier generation of UIDs, by id. */
  readonly known: ReadonlyMap<number, string>;
  /** Ascending. */
  readonly heads: readonly FetchedHead[];
  readonly gone: readonly number[];
}

/** What became of the messages of a batch, each when it has ended. */
type Outcomes = readonly Promise<Outcome>[];

interface Outcome {
  readonly uid: number;
  readonly came: HandedOff | ImapTrouble;
}

/** The lease went to somebody else: unwinds to the pass, which stops. */
class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}

/** The session can't go on. */
class SessionOver extends Error {
  override readonly name = 'SessionOver';
  readonly trouble: ImapTrouble;
  constructor(trouble: ImapTrouble) {
    super(trouble.detail);
    this.trouble = trouble;
  }
}

class Pass {
  private readonly doors: InboundDoors;
  private readonly box: Box;
  private readonly time: TimeLeft;
  private readonly before: Cursor | undefined;
  private lease: Lease;
  private cursor: Cursor;
  private readonly spool: Spool;
  private readonly told = new Set<string>();
  private readonly turns = new Turns();
  private readonly order = new InOrder();
  /** Why the connection takes no more commands. */
  private over: SessionOver | undefined;
  private readonly counts = { announcedCount: 0, duplicateCount: 0, unparsedCount: 0, actedCount: 0 };
  /** Why actions are not done any more in this pass; they stay pending. */
  private actionWords = '';
  /** Known mail seen in this rescan, by its print: a second one with the same print is not taken on trust. */
  private readonly recognised = new Map<string, number>();

  constructor(doors: InboundDoors, box: Box, time: TimeLeft, lease: Lease, before: Cursor | undefined) {
    this.doors = doors;
    this.box = box;
    this.time = time;
    this.lease = lease;
    this.before = before;
    this.spool = new Spool(doors.random.id());
    this.cursor = before?.folder === box.mailbox.folder ? before : emptyCursor(box, before);
  }

  async walk(): Promise<PassReport> {
    let trouble: ImapTrouble | undefined;
    try {
      trouble = await this.withSession();
      // The token ran out in the middle: once more, with a new one.
      if (trouble?.kind === 'tokenExpired') trouble = await this.withSession();
    } catch (error) {
      if (error instanceof LeaseLost) return this.lost();
      trouble = { kind: 'unavailable', detail: storageWords(error) };
    } finally {
      await this.spool.clear();
    }
    const now = this.doors.clock.now();
    if (trouble !== undefined && this.ranOutOfTime()) {
      this.cursor = { ...this.cursor, leftover: true };
      trouble = undefined;
    }
    this.cursor =
      trouble === undefined
        ? {
            ...this.cursor,
            failureCount: 0,
            pausedUntil: 0,
            lastPassAt: now,
            lastSuccessAt: now,
            detail: this.actionWords,
          }
        : this.afterFailure(trouble, now);
    try {
      if ((await this.doors.ledger.end(this.lease, this.cursor)).kind === 'lost') return this.lost();
    } catch (error) {
      // The lease runs out by itself.
      return report(this.box, this.cursor, {
        ...this.counts,
        outcome: 'failed',
        detail: storageWords(error),
      });
    }
    const { detail } = this.cursor;
    return report(this.box, this.cursor, {
      ...this.counts,
      outcome: trouble === undefined ? 'fetched' : 'failed',
      detail,
    });
  }

  /** A long backlog met the end of the pass: no failure, unless nothing at all was done. */
  private ranOutOfTime(): boolean {
    const { announcedCount, duplicateCount, actedCount } = this.counts;
    return this.time.remainingMs() <= 0 && announcedCount + duplicateCount + actedCount > 0;
  }

  private afterFailure(trouble: ImapTrouble, now: number): Cursor {
    const failureCount = this.cursor.failureCount + 1;
    const pausedForMs = pauseAfter(trouble, failureCount, this.doors.numbers);
    const detail = troubleWords(trouble, this.before);
    this.doors.log(
      events.passFailed({ mailbox: this.box.hash, trouble: trouble.kind, detail, failureCount, pausedForMs }),
    );
    return { ...this.cursor, failureCount, pausedUntil: now + pausedForMs, lastPassAt: now, detail };
  }

  private lost(): PassReport {
    return report(this.box, this.cursor, {
      ...this.counts,
      outcome: 'lost',
      detail: 'Another pass took this mailbox over.',
    });
  }

  /** Answers the trouble that ended the session early. */
  private async withSession(): Promise<ImapTrouble | undefined> {
    const opened = await this.doors.mailboxes.open(this.box.mailbox, this.time);
    if (opened.kind === 'failed') return opened.trouble;
    const { session } = opened;
    this.over = undefined;
    try {
      const rescan = this.meetGeneration(session);
      await this.settleOldActions(session);
      await this.takeAll(session, rescan);
      return undefined;
    } catch (error) {
      if (error instanceof SessionOver) return error.trouble;
      throw error;
    } finally {
      await session.close();
    }
  }

  /** True when the folder is to be looked at from its beginning although it was read before. */
  private meetGeneration(session: MailboxSession): boolean {
    const { uidValidity, lastUid } = this.cursor;
    if (uidValidity === session.uidValidity && uidValidity !== 0) return false;
    const rescan =
      this.before !== undefined && (uidValidity !== 0 || lastUid > 0 || session.uidValidity === 0);
    if (rescan) {
      this.doors.log(
        events.rescanBegun({
          mailbox: this.box.hash,
          uidValidity: session.uidValidity,
          formerUidValidity: uidValidity,
        }),
      );
    }
    this.cursor = { ...this.cursor, uidValidity: session.uidValidity, lastUid: 0, owed: [] };
    return rescan;
  }

  private async settleOldActions(session: MailboxSession): Promise<void> {
    const pending = await this.doors.ledger.pendingActions(this.box.key, pendingLimit);
    // UIDs of another generation mean nothing now; the rescan finds the messages again, and acts.
    const void_ = pending.filter(
      ({ uidValidity }) => uidValidity !== session.uidValidity || uidValidity === 0,
    );
    if (void_.length > 0) await this.doors.ledger.settle(this.box.key, void_);
    const due = pending.filter((action) => !void_.includes(action));
    for (let at = 0; at < due.length && this.timeFor(); at += this.doors.numbers.batchCount) {
      await this.act(session, due.slice(at, at + this.doors.numbers.batchCount));
    }
  }

  private async takeAll(session: MailboxSession, rescan: boolean): Promise<void> {
    const fresh = ok(await session.listAbove(this.cursor.lastUid));
    if (!rescan) this.noticeOthers(session, fresh.uids);
    const owed = this.cursor.owed.filter((one) => this.isDue(one)).map(({ uid }) => uid);
    const todo = [...owed, ...fresh.uids.filter((uid) => !owed.includes(uid))];
    const { batchCount, messagesAtOnce } = this.doors.numbers;
    const flow = new Flow(messagesAtOnce);
    let next: Promise<Batch> | undefined;
    let written = Promise.resolve();
    let at = 0;
    try {
      for (; at < todo.length && this.timeFor(); at += batchCount) {
        const batch = await (next ?? this.readBatch(session, todo.slice(0, batchCount), rescan));
        next = this.readBatch(session, todo.slice(at + batchCount, at + 2 * batchCount), rescan);
        const outcomes = await this.begin(session, flow, batch, { before: written, next });
        await written;
        written = flow.watch(this.write(session, batch, outcomes));
      }
      await written;
    } finally {
      await flow.idle();
      await written.catch(() => undefined);
    }
    this.cursor = { ...this.cursor, leftover: at < todo.length };
  }

  /** One at a time over the connection. A lost one fails every later command as well: all are told the first reason. */
  private command<T>(task: () => Promise<T>): Promise<T> {
    return this.turns.run('connection', async () => {
      if (this.over !== undefined) throw this.over;
      try {
        return await task();
      } catch (error) {
        if (error instanceof SessionOver) this.over = error;
        throw error;
      }
    });
  }

  /** What goes wrong is told when it is awaited, which may be never. */
  private readBatch(session: MailboxSession, uids: readonly number[], rescan: boolean): Promise<Batch> {
    const reading = this.command(() => this.read(session, uids, rescan));
    reading.catch(() => undefined);
    return reading;
  }

  private async read(session: MailboxSession, uids: readonly number[], rescan: boolean): Promise<Batch> {
    const known =
      rescan && uids.length > 0 && this.mayTrustHeaders(session)
        ? await this.recognise(session, uids)
        : new Map<number, string>();
    const wanted = uids.filter((uid) => !known.has(uid));
    const { heads, gone } =
      wanted.length === 0 ? { heads: [], gone: [] } : ok(await session.readHeads(wanted));
    return { uids, known, heads: heads.toSorted((one, other) => one.uid - other.uid), gone };
  }

  /** Resolves when every message of the batch has begun; the outcomes are there when each has ended. */
  private async begin(
    session: MailboxSession,
    flow: Flow,
    batch: Batch,
    around: { readonly before: Promise<void>; readonly next: Promise<Batch> },
  ): Promise<Outcomes> {
    const place: Place = {
      box: this.box,
      session,
      spool: this.spool,
      told: this.told,
      turns: this.turns,
      order: this.order,
    };
    const begun: Outcomes[number][] = [];
    const long = batch.heads.filter(({ whole }) => !whole);
    for (const head of batch.heads.filter(({ whole }) => whole)) {
      await flow.room();
      begun.push(flow.begin(() => this.tryHandOff(place, head)));
    }
    if (long.length === 0) return begun;
    // Long messages are streamed over the one connection: one after another, when nothing else uses it.
    await around.before;
    await around.next.catch(() => undefined);
    await Promise.all(begun);
    for (const head of long) {
      const outcome = this.tryHandOff(place, head);
      begun.push(outcome);
      await outcome;
    }
    return begun;
  }

  /** A stream that ends early is this message's trouble alone; everything else ends the pass. */
  private async tryHandOff(place: Place, head: FetchedHead): Promise<Outcome> {
    try {
      return { uid: head.uid, came: await handOff(this.doors, place, head) };
    } catch (error) {
      if (error instanceof ImapStreamTrouble) return { uid: head.uid, came: error.trouble };
      throw error;
    }
  }

  /** The transaction of the batch once all of it is handed off, then its actions. */
  private async write(session: MailboxSession, batch: Batch, begun: Outcomes): Promise<void> {
    const outcomes = new Map((await Promise.all(begun)).map(({ uid, came }) => [uid, came]));
    const announced = new Set<string>();
    const handled: PendingAction[] = [];
    const owed = new Map(this.cursor.owed.map((one) => [one.uid, one]));
    let worst: ImapTrouble | undefined;
    for (const uid of batch.uids) {
      const outcome = outcomes.get(uid);
      const id = batch.known.get(uid) ?? (outcome !== undefined && 'id' in outcome ? outcome.id : undefined);
      if (id !== undefined) {
        owed.delete(uid);
        handled.push({ uidValidity: session.uidValidity, uid, id });
        // Also where another copy was told: that one's batch, or its session, may have ended before it was written.
        if (this.told.has(id)) announced.add(id);
        if (outcome?.kind === 'announced') {
          this.counts.announcedCount += 1;
          if (!outcome.parsed) this.counts.unparsedCount += 1;
        } else {
          this.counts.duplicateCount += 1;
        }
      } else if (batch.gone.includes(uid)) {
        owed.delete(uid);
      } else {
        const trouble: ImapTrouble =
          outcome !== undefined && 'detail' in outcome
            ? outcome
            : { kind: 'unavailable', detail: 'The server did not answer for this message.' };
        const tries = (owed.get(uid)?.tries ?? 0) + 1;
        owed.set(uid, { uid, tries });
        this.doors.log(events.uidOwed({ mailbox: this.box.hash, uid, tries, detail: trouble.detail }));
        if (outcome !== undefined) worst = trouble;
      }
    }
    if (owed.size > owedLimit) {
      throw new SessionOver({
        kind: 'unavailable',
        detail: `More than ${owedLimit} messages cannot be fetched; none is passed by until that changes.`,
      });
    }
    const act = this.box.mailbox.afterFetch.kind !== 'none';
    const cursor = {
      ...this.cursor,
      lastUid: Math.max(this.cursor.lastUid, ...batch.uids),
      owed: [...owed.values()],
    };
    const answer = await this.doors.ledger.advance(this.lease, {
      cursor,
      announced: [...announced],
      pending: act ? handled : [],
      leaseUntil: this.doors.clock.now() + this.doors.numbers.leaseMs,
    });
    if (answer.kind === 'lost') throw new LeaseLost();
    this.lease = answer.lease;
    this.cursor = cursor;
    if (act) await this.command(() => this.act(session, handled));
    // A cut connection fails every later command as well: say the first reason.
    if (worst !== undefined && worst.kind !== 'unavailable') throw new SessionOver(worst);
  }

  /** Does the actions and removes their marks; where they can't be done, they stay pending and fetching goes on. */
  private async act(session: MailboxSession, due: readonly PendingAction[]): Promise<void> {
    if (due.length === 0 || this.actionWords !== '') return;
    const { afterFetch } = this.box.mailbox;
    const answer = await session.act(
      due.map(({ uid }) => uid),
      afterFetch,
    );
    if (answer.kind === 'ok') {
      this.counts.actedCount += due.length;
      await this.doors.ledger.settle(this.box.key, due);
      return;
    }
    const { detail } = answer.trouble;
    this.doors.log(events.actionFailed({ mailbox: this.box.hash, action: afterFetch.kind, detail }));
    const goesOn = answer.trouble.kind === 'folderMissing' || answer.trouble.refusal === true;
    if (!goesOn) throw new SessionOver(answer.trouble);
    this.actionWords = detail;
  }

  /**
   * Where the server keeps no UIDs at all and mail stays in the folder, every pass is a rescan: fetching everything each
   * time is out of the question. A new generation happens once in years: then every message is fetched and compared.
   */
  private mayTrustHeaders(session: MailboxSession): boolean {
    const { kind } = this.box.mailbox.afterFetch;
    return session.uidValidity === 0 && (kind === 'none' || kind === 'seen');
  }

  /**
   * In such a rescan, mail that was announced before is recognised by its header block alone, as often as the ledger
   * knows it; anything else is fetched and compared.
   */
  private async recognise(
    session: MailboxSession,
    uids: readonly number[],
  ): Promise<ReadonlyMap<number, string>> {
    const { headers } = ok(await session.readHeaders(uids));
    const known = new Map<number, string>();
    for (const [uid, bytes] of headers) {
      const { baseId, headerPrint } = identify(this.box.key, readHeaders(mailText(bytes)), bytes);
      const seen = this.recognised.get(headerPrint) ?? 0;
      const id = seen === 0 ? baseId : `${baseId}-${seen + 1}`;
      // Two mails of one pass may agree in their headers: only what was told in an earlier one is taken on trust.
      if (this.told.has(id)) continue;
      const entry = await this.doors.ledger.find(this.box.key, id);
      if (entry?.state !== 'announced' || entry.headerPrint !== headerPrint) continue;
      this.recognised.set(headerPrint, seen + 1);
      known.set(uid, id);
    }
    return known;
  }

  /** UIDs handed out since the last pass and not in the folder any more: somebody else takes mail away. */
  private noticeOthers(session: MailboxSession, fresh: readonly number[]): void {
    if (this.cursor.lastUid === 0 || session.uidNext <= this.cursor.lastUid) return;
    const arrived = Math.max(session.uidNext - 1, ...fresh) - this.cursor.lastUid;
    const vanished = arrived - fresh.length;
    if (vanished <= 0) return;
    const vanishedCount = this.cursor.vanishedCount + vanished;
    this.cursor = { ...this.cursor, vanishedCount };
    if (vanishedCount >= otherReaderCount) {
      this.doors.log(events.otherReader({ mailbox: this.box.hash, vanishedCount }));
    }
  }

  private isDue({ uid, tries }: OwedUid): boolean {
    // Spread by UID, so that a pass never tries all hopeless ones at once.
    return tries < eagerTries || (Math.floor(this.doors.clock.now() / 60_000) + uid) % 16 === 0;
  }

  private timeFor(): boolean {
    return this.time.remainingMs() > this.doors.numbers.reserveMs;
  }
}

function ok<T extends object>(
  answer: ({ readonly kind: 'ok' } & T) | { readonly kind: 'failed'; readonly trouble: ImapTrouble },
): T {
  if (answer.kind === 'failed') throw new SessionOver(answer.trouble);
  return answer;
}

function emptyCursor(box: Box, before?: Cursor): Cursor {
  return {
    folder: box.mailbox.folder,
    uidValidity: 0,
    lastUid: 0,
    owed: [],
    failureCount: before?.failureCount ?? 0,
    pausedUntil: 0,
    lastPassAt: before?.lastPassAt ?? 0,
    lastSuccessAt: before?.lastSuccessAt ?? 0,
    leftover: false,
    detail: '',
    vanishedCount: 0,
  };
}

function storageWords(error: unknown): string {
  const detail = error instanceof Error ? error.message.slice(0, 300) : 'unknown';
  return `The pass stopped and is repeated from where it stands: ${detail}`;
}

export function report(
  box: Box,
  cursor: Cursor | undefined,
  of: Pick<PassReport, 'outcome' | 'detail'> & Partial<PassReport>,
): PassReport {
  return {
    announcedCount: 0,
    duplicateCount: 0,
    unparsedCount: 0,
    actedCount: 0,
    owedCount: cursor?.owed.length ?? 0,
    leftover: cursor?.leftover ?? false,
    mailbox: box.mailbox.address,
    ...of,
  };
}
