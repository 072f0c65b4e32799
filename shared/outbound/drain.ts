// Draining: the one place that sends. One drainer per account at a time, by a lease.
//
//   1 lease   take it, or end: another is at work
//   2 open    attempts past their deadline that nobody settled become doubts
//   3 tell    events go on the status queue, in order per submission, beside the work
//   4 doubts  due ones are looked up in Sent Items, beside the work
//   5 send    heads by lane and time; connect first, then claim, send, settle, on the lease's connections
//   6 leave   close, give the lease back, and look once more: an acceptance that saw the lease rang nobody
//
// The minute's limit is waited out in place. It leaves when nothing is due, when every lane with a head is
// refused for long (the lanes then sleep, and the sweep rings), when the account is on hold, or when its time is
// over; what flies is always finished first. Safety rests on none of this, only on the claim's condition.
import { permit } from '../limits/window.ts';
import { drainEvents, upkeepEvents } from '../telemetry/outboundEvents.ts';
import type { Hold } from './box.ts';
import { claim } from './claim.ts';
import type { Doors } from './doors.ts';
import { concludeLooks, doubtAbandonedAttempts, lookForDoubts, mailboxOf } from './doubts.ts';
import type { Looked } from './doubts.ts';
import { Flights } from './flights.ts';
import { Heads } from './heads.ts';
import type { Head } from './heads.ts';
import { accountHold, dueForTry, mailboxHold, removedHold } from './holds.ts';
import { judgeFailure } from './judgeReply.ts';
import { lanes } from './keys.ts';
import type { Lane } from './keys.ts';
import { giveBack, keepLease, takeLease } from './lease.ts';
import { Lines } from './lines.ts';
import { remaining } from './message.ts';
import type { Message } from './message.ts';
import { expire, failUnsent, park } from './moves.ts';
import type { Move } from './moves.ts';
import { parkedToReturn, returnParked } from './parking.ts';
import { StorageTrouble } from './ports.ts';
import { prepare } from './prepare.ts';
import type { Prepared } from './prepare.ts';
import { probe } from './probe.ts';
import { holdAccount, settle } from './settle.ts';
import { Shift } from './shift.ts';
import { noteLeft } from './summary.ts';

export type LeaveReason =
  /** Nothing is due. */
  | 'empty'
  /** Every lane with a head is refused for longer than is waited in place. */
  | 'refused'
  /** A hold of the whole account. */
  | 'hold'
  | 'timeOver'
  /** Another owns the account by now. */
  | 'leaseLost';

export interface DrainReport {
  /** `busy`: another was at work. */
  readonly ended: LeaveReason | 'busy';
  readonly settledCount: number;
}

/** Times that one invocation takes the lease anew, because its last look found more. */
const mostShifts = 50;
/** A connection is opened this long before its first claim is allowed. */
const connectAheadMs = 10_000;

/** Works on an account until there is nothing to do now. Throws StorageTrouble where the store fails for long. */
export async function drain(account: string, owner: string, doors: Doors): Promise<DrainReport> {
  const endsAt = doors.clock.monotonic() + doors.numbers.drainBudgetMs;
  let settledCount = 0;
  for (let count = 0; count < mostShifts; count += 1) {
    const shift = new Shift(account, owner, doors);
    if (!(await takeLease(shift))) return { ended: 'busy', settledCount };
    const work = new Work(shift, endsAt);
    const { because, asleep } = await work.untilLeaving();
    settledCount += work.settledCount;
    if (because !== 'leaseLost') await leave(shift, asleep);
    doors.log(drainEvents.left({ account, owner, because, settled: settledCount }));
    if (because === 'leaseLost' || because === 'hold') return { ended: because, settledCount };
    if (!(await isMoreDue(shift))) return { ended: because, settledCount };
    if (doors.clock.monotonic() >= endsAt) break;
  }
  await doors.queues.ring(account);
  doors.log(upkeepEvents.rung({ account, because: 'time over' }));
  return { ended: 'timeOver', settledCount };
}

async function leave(shift: Shift, asleep: ReadonlyMap<Lane, number>): Promise<void> {
  // What was told has its rows deleted with the lease's end; more than fit go before it.
  for (let flush = 0; flush < 20 && shift.teller.toldCount > 90; flush += 1) await keepLease(shift);
  await giveBack(shift, asleep);
  await noteLeft(shift);
}

/** Something came while the lease was seen to be live, or was left for want of time. */
function isMoreDue(shift: Shift): Promise<boolean> {
  const { box } = shift.desk;
  const early = shift.doors.time.early();
  const busy = new Set(box.open.map(({ id }) => id));
  return new Heads(shift.key, shift.doors).any(busy, (lane) => early < box.sleep[lane]);
}

interface Leaving {
  readonly because: LeaveReason;
  readonly asleep: ReadonlyMap<Lane, number>;
}

/** What one turn of the work came to. */
type Turn =
  /** Something was done; look again at once. */
  | 'again'
  | { readonly waitMs: number }
  | { readonly leave: LeaveReason; readonly asleep?: ReadonlyMap<Lane, number> };

/** A message as it was read, and under which state of the box. */
interface Read {
  readonly message: Message;
  readonly generation: number;
}

class Work {
  readonly #shift: Shift;
  readonly #endsAt: number;
  readonly #cutAt: number;
  readonly #lines: Lines | undefined;
  readonly #flights: Flights;
  readonly #heads: Heads;
  readonly #prepared = new Map<string, Prepared>();
  #generation: number;
  #connectFailures = 0;
  /** For which try of a mailbox's hold a message was brought back already. */
  readonly #broughtBack = new Map<string, number>();
  #saidRetryAt = 0;
  #looking = false;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #looked: readonly Looked[] = [];
  settledCount = 0;

  constructor(shift: Shift, endsAt: number) {
    const { doors, bell, desk } = shift;
    this.#shift = shift;
    this.#endsAt = endsAt;
    this.#cutAt =
      endsAt - doors.numbers.drainBudgetMs + doors.numbers.functionMs - doors.numbers.leaseMarginMs;
    const most = desk.box.lease?.connections ?? 1;
    this.#lines = shift.account === undefined ? undefined : new Lines(shift.account, most, doors, bell);
    this.#flights = new Flights(doors, bell);
    this.#heads = new Heads(shift.key, doors);
    this.#generation = desk.generation;
  }

  /** Turns until one says leave; then nothing flies and no connection is open. */
  async untilLeaving(): Promise<Leaving> {
    const { bell, doors, key } = this.#shift;
    const { clock, numbers, log } = doors;
    try {
      for (;;) {
        if (clock.monotonic() >= this.#cutAt)
          throw new StorageTrouble('what was sent could not be settled in time');
        const turn = await this.#turn().catch((error: unknown) => {
          if (!(error instanceof StorageTrouble)) throw error;
          log(drainEvents.storageTrouble({ account: key, doing: 'drain', words: error.message }));
          return this.#afterTrouble();
        });
        if (turn === 'again') continue;
        if ('leave' in turn) return { because: turn.leave, asleep: turn.asleep ?? new Map() };
        await bell.wait(Math.max(1, Math.min(turn.waitMs, numbers.turnMs)));
      }
    } finally {
      await this.#lines?.closeAll();
    }
  }

  /** The store does not answer: go on as long as something flies or the lease may be ours, then end. */
  #afterTrouble(): Turn {
    const { doors, leaseLeftMs } = this.#shift;
    const patient = this.#flights.count > 0 || (leaseLeftMs > 0 && doors.clock.monotonic() < this.#endsAt);
    return patient ? { waitMs: doors.numbers.turnMs } : { leave: 'leaseLost' };
  }

  async #turn(): Promise<Turn> {
    const shift = this.#shift;
    const { numbers, clock } = shift.doors;
    if (await this.#settleLanded()) return 'again';
    this.#noticeOthers();
    if (!shift.holdsLease) return this.#withoutLease();
    if (await this.#minded()) return 'again';
    this.#startLooking();
    const timeOver = clock.monotonic() >= this.#endsAt;
    shift.teller.start(timeOver);
    if (shift.leaseLeftMs <= numbers.leaseMarginMs) {
      await this.#lines?.closeIdle();
      return { waitMs: numbers.turnMs };
    }
    const turn = timeOver ? ({ leave: 'timeOver' } as const) : await this.#send();
    return turn === 'again' || !('leave' in turn) ? turn : this.#whenFinished(turn);
  }

  /** Leaving waits for what flies, connects, is looked for or is still to be told. */
  #whenFinished(turn: Turn): Turn {
    const { numbers, clock } = this.#shift.doors;
    const pending = this.#flights.count > 0 || this.#looking || (this.#lines?.connecting ?? false);
    if (pending) return { waitMs: numbers.turnMs };
    const { teller } = this.#shift;
    teller.start(true);
    const patienceMs = clock.monotonic() - this.#endsAt;
    if (!teller.quiet && patienceMs < numbers.leaseMs) return { waitMs: numbers.tellPauseMs };
    return turn;
  }

  #withoutLease(): Turn {
    const waitMs = this.#shift.doors.numbers.turnMs;
    void this.#lines?.closeIdle();
    return this.#flights.count > 0 || (this.#lines?.connecting ?? false)
      ? { waitMs }
      : { leave: 'leaseLost' };
  }

  /** Records what has landed; true where something had. */
  async #settleLanded(): Promise<boolean> {
    const shift = this.#shift;
    this.#flights.cutOverdue();
    for (const open of shift.desk.box.open) {
      // A claim of ours whose answer never came, and that was given up since.
      if (open.owner === shift.tag && !this.#flights.has(open.tag)) this.#flights.adopt(open);
    }
    const landed = this.#flights.landed();
    if (landed.length === 0) return false;
    for (const { flight, end } of await settle(landed, shift)) {
      this.#flights.settled(flight);
      this.#heads.forget(flight.open.id);
      this.#prepared.delete(flight.open.key);
      this.settledCount += 1;
      if (end?.verdict === 'accepted') this.#connectFailures = 0;
      if (end?.reconnect === true) this.#useFewer();
    }
    return true;
  }

  #useFewer(): void {
    const connections = this.#lines?.reduce() ?? 0;
    this.#shift.doors.log(drainEvents.fewerConnections({ account: this.#shift.key, connections }));
  }

  /** What was read before another changed the box is old. */
  #noticeOthers(): void {
    const { generation } = this.#shift.desk;
    if (generation === this.#generation) return;
    this.#generation = generation;
    this.#heads.forgetAll();
    this.#prepared.clear();
  }

  /** The small duties between two attempts; true where one took a transaction. */
  async #minded(): Promise<boolean> {
    const shift = this.#shift;
    const { numbers } = shift.doors;
    if (await this.#mindFailures()) return true;
    const inTheAir = shift.desk.box.open.map(({ tag }) => tag).filter((tag) => this.#flights.has(tag));
    if (await doubtAbandonedAttempts(inTheAir, shift)) return true;
    if (this.#looked.length > 0) {
      const looked = this.#looked;
      await concludeLooks(looked, shift);
      this.#looked = looked.slice(numbers.settleMostCount);
      return true;
    }
    if ((await returnParked(shift)) || (await this.#bringBackForTry())) {
      this.#heads.forgetAll();
      return true;
    }
    if (shift.leaseLeftMs >= numbers.leaseMs / 2 && shift.teller.toldCount < 3 * numbers.tellPageCount)
      return false;
    await keepLease(shift);
    return true;
  }

  /** Connections that could not be opened: no message is touched; the account is, where it has no other. */
  async #mindFailures(): Promise<boolean> {
    const shift = this.#shift;
    const { numbers, log, time } = shift.doors;
    const failures = this.#lines?.takeFailures() ?? [];
    let held = false;
    for (const failure of failures) {
      const judgement = judgeFailure(failure, false);
      log(
        drainEvents.connectFailed({
          account: shift.key,
          phase: failure.phase,
          code: failure.reply?.code ?? 0,
        }),
      );
      this.#connectFailures += 1;
      const { words, code } = judgement;
      if (this.#lines !== undefined && this.#lines.count > 0) this.#useFewer();
      else if (judgement.do === 'hold' || judgement.do === 'configuration') {
        await holdAccount(judgement, shift);
        held = true;
      } else if (
        this.#connectFailures >= numbers.connectFailuresBeforeHoldCount ||
        dueForTry(shift.desk.box, time.early()).some(({ mailbox }) => mailbox === undefined)
      ) {
        const cure =
          'Nothing to do if it passes; else see whether the server and port can be reached from here.';
        const firstProbeMs = numbers.probeAtLeastMs;
        await holdAccount(
          { scope: 'account', reason: 'unreachable', words, code, cure, firstProbeMs },
          shift,
        );
        this.#connectFailures = 0;
        held = true;
      }
    }
    return held;
  }

  #startLooking(): void {
    const { clock, numbers } = this.#shift.doors;
    if (this.#looking || clock.monotonic() - this.#lookedAt < numbers.leaseMs) return;
    this.#looking = true;
    void lookForDoubts(this.#shift).then((looked) => {
      this.#looked = looked;
      this.#looking = false;
      this.#lookedAt = clock.monotonic();
      this.#shift.bell.ring();
    });
  }

  /** Step 5: the first head that may go, goes; or says for how long it may not. */
  async #send(): Promise<Turn> {
    const shift = this.#shift;
    const { time, numbers } = shift.doors;
    const early = time.early();
    const waitForFlights: Turn = { waitMs: numbers.turnMs };
    if (accountHold(shift.desk.box, early) !== undefined) return { leave: 'hold' };
    const busy = new Set([...shift.desk.box.open.map(({ id }) => id), ...this.#flights.ids]);
    const refused = new Map<Lane, number>();
    for (const lane of lanes) {
      const head = await this.#heads.first(lane, busy);
      if (head === undefined) continue;
      const outcome = await this.#tryHead(head, early);
      if (outcome === 'waitsForTry') return waitForFlights;
      if (outcome === 'again' || !('retryAt' in outcome)) return outcome;
      refused.set(lane, outcome.retryAt);
    }
    if (refused.size === 0) {
      if (this.#flights.count > 0) return waitForFlights;
      return (await this.#tryWithoutMessage()) ?? { leave: 'empty' };
    }
    const waitMs = Math.min(...refused.values()) - early;
    if (waitMs > numbers.waitInPlaceMs && this.#flights.count === 0)
      return { leave: 'refused', asleep: refused };
    this.#noteWait(Math.min(...refused.values()));
    if (waitMs <= connectAheadMs && this.#lines?.idle() === undefined) this.#lines?.open();
    return { waitMs };
  }

  /** Says once until when the limit lets nothing go. */
  #noteWait(retryAt: number): void {
    if (retryAt === this.#saidRetryAt) return;
    this.#saidRetryAt = retryAt;
    this.#shift.doors.log(drainEvents.waits({ account: this.#shift.key, retryAt }));
  }

  /** One head: moved out of the way, claimed and started, or refused until `retryAt`. */
  async #tryHead(head: Head, early: number): Promise<Turn | 'waitsForTry' | { readonly retryAt: number }> {
    const shift = this.#shift;
    const { doors, desk, law } = shift;
    const standing =
      mailboxOf(head.mailbox, shift) === undefined ? removedHold : mailboxHold(desk.box, head.mailbox, early);
    if (standing !== undefined) return this.#park(head, standing);
    const prepared = this.#prepared.get(head.key) ?? (await this.#prepare(head));
    if (prepared === 'noTag') return 'again';
    if (prepared.kind === 'gone') return this.#passBy(head);
    const { message } = prepared;
    if (message.expiresAt !== undefined && message.expiresAt <= early)
      return this.#moveAway(head, prepared, expire);
    if (prepared.kind === 'unsendable') return this.#moveAway(head, prepared, prepared.why);
    const tries = dueForTry(desk.box, early, message.mailbox);
    // An account's try flies alone; a mailbox's claim holds the others of its mailbox back by itself.
    if (tries.some(({ mailbox }) => mailbox === undefined) && this.#flights.count > 0) return 'waitsForTry';
    const answer = permit(desk.box, law, early, remaining(message).length);
    if (answer.kind === 'never') return this.#moveAway(head, prepared, tooMany(law.recipientsPerDay));
    if (answer.kind === 'wait') return { retryAt: answer.retryAt };
    const line = this.#lines?.idle();
    if (line === undefined) {
      this.#lines?.open();
      return { waitMs: doors.numbers.turnMs };
    }
    const claimed = await claim(prepared, shift);
    if (claimed.kind === 'stale') return this.#afresh();
    if (claimed.kind === 'notNow') return { waitMs: doors.numbers.turnMs };
    doors.log(drainEvents.claimed({ account: shift.key, id: message.id, attempt: claimed.open.attempt }));
    this.#prepared.delete(head.key);
    const { generation } = prepared;
    this.#flights.start({ ...claimed, message, generation }, line, prepared.envelope, prepared.bytes);
    return 'again';
  }

  /** What was known is not so any more. */
  #afresh(): Turn {
    this.#heads.forgetAll();
    this.#prepared.clear();
    return 'again';
  }

  async #prepare(head: Head): Promise<Prepared | 'noTag'> {
    const shift = this.#shift;
    try {
      await shift.doors.tagKey();
    } catch {
      await holdAccount(noTagKey(shift.doors.numbers.probeAtLeastMs), shift);
      return 'noTag';
    }
    const prepared = await prepare(head, shift);
    this.#prepared.set(head.key, prepared);
    return prepared;
  }

  /** Not at the head of its lane any more. */
  #passBy(head: Head): Turn {
    this.#heads.forget(head.id);
    this.#prepared.delete(head.key);
    return 'again';
  }

  async #moveAway(head: Head, read: Read, why: (message: Message, at: number) => Move): Promise<Turn> {
    await this.#shift.move([read], (fresh, box) =>
      fresh.state === 'waiting' && !box.open.some(({ id }) => id === fresh.id)
        ? why(fresh, this.#shift.doors.time.early())
        : undefined,
    );
    return this.#passBy(head);
  }

  async #park(head: Head, hold: Pick<Hold, 'reason' | 'words' | 'cure' | 'until'>): Promise<Turn> {
    const { desk } = this.#shift;
    const { generation } = desk;
    const message = await desk.readMessage(head.id);
    if (message === undefined) return this.#passBy(head);
    return this.#moveAway(head, { message, generation }, (fresh, at) => park(fresh, at, hold));
  }

  /** A mailbox's hold is due for its try, and its messages are set aside: the longest waiting one comes back for it. */
  async #bringBackForTry(): Promise<boolean> {
    const shift = this.#shift;
    for (const hold of dueForTry(shift.desk.box, shift.doors.time.early())) {
      const { mailbox, tries } = hold;
      if (mailbox === undefined || this.#broughtBack.get(mailbox) === tries) continue;
      this.#broughtBack.set(mailbox, tries);
      if (await parkedToReturn(mailbox, shift)) return true;
    }
    return false;
  }

  /** A hold's time has come and no message waits that could make the try. */
  async #tryWithoutMessage(): Promise<Turn | undefined> {
    const shift = this.#shift;
    const [hold] = dueForTry(shift.desk.box, shift.doors.time.early());
    if (hold === undefined || this.#lines === undefined) return undefined;
    const line = this.#lines.idle();
    if (line === undefined) {
      this.#lines.open();
      return { waitMs: shift.doors.numbers.turnMs };
    }
    return (await probe(hold, line, shift)) ? 'again' : undefined;
  }
}

const tooMany =
  (most: number) =>
  (message: Message, at: number): Move =>
    failUnsent(message, at, {
      reason: 'tooManyRecipients',
      words: `It has more recipients than the account may have in a whole day (${most}).`,
      cure: 'Submit it in parts.',
    });

const noTagKey = (firstProbeMs: number): Parameters<typeof holdAccount>[0] => ({
  scope: 'account',
  reason: 'noToken',
  words: 'The key of the private header could not be read from the vault.',
  code: 0,
  cure: 'See whether the vault can be reached and the app may read its secrets.',
  firstProbeMs,
});
