// Step 5 of a drain: the heads of the lanes, made ready, moved out of the way where they can't be sent, and claimed
// over a connection that is there already. One call of `next` does one thing and says what it came to.
import { permit } from '../../limits/window.ts';
import { drainEvents } from '../../telemetry/outboundEvents.ts';
import type { AttemptEnd } from '../policy/attemptResult.ts';
import type { Hold } from '../records/accountState.ts';
import { claim } from './claim.ts';
import { mailboxOf } from './doubts.ts';
import type { Flight, Flights } from './inFlightAttempts.ts';
import { Heads } from './dueQueue.ts';
import type { Head } from './dueQueue.ts';
import { accountHold, dueForTry, mailboxHold, removedHold } from '../policy/holds.ts';
import { judgeFailure } from '../policy/judgeReply.ts';
import { lanes } from '../records/keys.ts';
import type { Lane } from '../records/keys.ts';
import { Lines } from './connectionPool.ts';
import { remaining } from '../records/message.ts';
import type { Message } from '../records/message.ts';
import { expire, failUnsent, park } from '../policy/transitions.ts';
import type { Move } from '../policy/transitions.ts';
import { parkedToReturn } from './suspend.ts';
import { prepare } from './prepare.ts';
import type { Prepared } from './prepare.ts';
import { probe } from './probe.ts';
import { holdAccount } from './settle.ts';
import type { Shift } from './leaseSession.ts';

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

/** What one turn of a drain came to. */
export type Turn =
  /** Something was done; look again at once. */
  | 'again'
  | { readonly waitMs: number }
  | { readonly leave: LeaveReason; readonly asleep?: ReadonlyMap<Lane, number> };

/** A message as it was read, and under which state of the box. */
interface Read {
  readonly message: Message;
  readonly generation: number;
}

/** A connection is opened this long before its first claim is allowed. */
const connectAheadMs = 10_000;

export class Sending {
  readonly #shift: Shift;
  readonly #flights: Flights;
  readonly #heads: Heads;
  /** Absent where the settings no longer name the account: nothing is sent for it. */
  readonly #lines: Lines | undefined;
  readonly #prepared = new Map<string, Prepared>();
  #connectFailures = 0;
  /** For which try of a mailbox's hold a message was brought back already. */
  readonly #broughtBack = new Map<string, number>();
  #saidRetryAt = 0;

  constructor(shift: Shift, flights: Flights) {
    const { account, doors, bell, desk, key } = shift;
    this.#shift = shift;
    this.#flights = flights;
    this.#heads = new Heads(key, doors);
    const most = desk.box.lease?.connections ?? 1;
    this.#lines = account === undefined ? undefined : new Lines(account, most, doors, bell);
  }

  get connecting(): boolean {
    return this.#lines?.connecting ?? false;
  }

  async closeIdle(): Promise<void> {
    await this.#lines?.closeIdle();
  }

  async closeAll(): Promise<void> {
    await this.#lines?.closeAll();
  }

  /** What was read is not so any more. */
  afresh(): 'again' {
    this.#heads.forgetAll();
    this.#prepared.clear();
    return 'again';
  }

  /** An attempt was settled. */
  settled({ open }: Flight, end: AttemptEnd | undefined): void {
    this.#heads.forget(open.id);
    this.#prepared.delete(open.key);
    if (end?.verdict === 'accepted') this.#connectFailures = 0;
    if (end?.reconnect === true) this.#useFewer();
  }

  /** Step 5: the first head that may go, goes; or says for how long it may not. */
  async next(): Promise<Turn> {
    const shift = this.#shift;
    const { time, numbers } = shift.doors;
    const early = time.early();
    const waitForFlights: Turn = { waitMs: numbers.turnMs };
    if (accountHold(shift.desk.box, early) !== undefined) return { leave: 'hold' };
    if (shift.desk.box.lease?.connections === 0) return this.#haunted(early);
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

  /** Connections of former owners are all that the server takes: until the first of them are gone. */
  #haunted(early: number): Turn {
    const goneBy = Math.min(...this.#shift.desk.box.ghosts.map((ghost) => ghost.goneBy));
    const until = Number.isFinite(goneBy) ? goneBy : early;
    return { leave: 'refused', asleep: new Map(lanes.map((lane) => [lane, until])) };
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
    if (claimed.kind === 'stale') return this.afresh();
    if (claimed.kind === 'notNow') return { waitMs: doors.numbers.turnMs };
    doors.log(drainEvents.claimed({ account: shift.key, id: message.id, attempt: claimed.open.attempt }));
    this.#prepared.delete(head.key);
    const { generation } = prepared;
    this.#flights.start({ ...claimed, message, generation }, line, prepared.envelope, prepared.bytes);
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

  async #park(head: Head, hold: Pick<Hold, 'reason' | 'detail' | 'remedy' | 'until'>): Promise<Turn> {
    const { desk } = this.#shift;
    const { generation } = desk;
    const message = await desk.readMessage(head.id);
    if (message === undefined) return this.#passBy(head);
    return this.#moveAway(head, { message, generation }, (fresh, at) => park(fresh, at, hold));
  }

  /** A mailbox's hold is due for its try, and its messages are set aside: the longest waiting one comes back for it. */
  async bringBackForTry(): Promise<boolean> {
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
    const hold = dueForTry(shift.desk.box, shift.doors.time.early()).find(
      ({ mailbox }) => mailbox === undefined || mailboxOf(mailbox, shift) !== undefined,
    );
    if (hold === undefined || this.#lines === undefined) return undefined;
    const line = this.#lines.idle();
    if (line === undefined) {
      this.#lines.open();
      return { waitMs: shift.doors.numbers.turnMs };
    }
    return (await probe(hold, line, shift)) ? 'again' : undefined;
  }

  /** Connections that could not be opened: no message is touched; the account is, where it has no other. */
  async mindFailures(): Promise<boolean> {
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
      const { detail, code } = judgement;
      if (this.#lines !== undefined && this.#lines.count > 0) this.#useFewer();
      else if (judgement.do === 'hold' || judgement.do === 'configuration') {
        await holdAccount(judgement, shift);
        held = true;
      } else if (
        this.#connectFailures >= numbers.connectFailuresBeforeHoldCount ||
        dueForTry(shift.desk.box, time.early()).some(({ mailbox }) => mailbox === undefined)
      ) {
        const remedy =
          'Nothing to do if it passes; else see whether the server and port can be reached from here.';
        const firstProbeMs = numbers.probeAtLeastMs;
        await holdAccount(
          { scope: 'account', reason: 'unreachable', detail, code, remedy, firstProbeMs },
          shift,
        );
        this.#connectFailures = 0;
        held = true;
      }
    }
    return held;
  }

  #useFewer(): void {
    const connections = this.#lines?.reduce() ?? 0;
    this.#shift.doors.log(drainEvents.fewerConnections({ account: this.#shift.key, connections }));
  }
}

const tooMany =
  (most: number) =>
  (message: Message, at: number): Move =>
    failUnsent(message, at, {
      reason: 'tooManyRecipients',
      detail: `It has more recipients than the account may have in a whole day (${most}).`,
      remedy: 'Submit it in parts.',
    });

const noTagKey = (firstProbeMs: number): Parameters<typeof holdAccount>[0] => ({
  scope: 'account',
  reason: 'noToken',
  detail: 'The key of the private header could not be read from the vault.',
  code: 0,
  remedy: 'See whether the vault can be reached and the app may read its secrets.',
  firstProbeMs,
});
