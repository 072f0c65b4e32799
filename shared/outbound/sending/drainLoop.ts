// The work under one lease, turn by turn. Everything that takes long (a dialog, a connection, a look, telling) goes
// on beside the loop and lands in it; the loop alone writes, one transaction after the other.
import { drainEvents } from '../../telemetry/outboundEvents.ts';
import { concludeLooks, doubtAbandonedAttempts, lookForDoubts } from './doubts.ts';
import type { Looked } from './doubts.ts';
import { Flights } from './inFlightAttempts.ts';
import type { Lane } from '../records/keys.ts';
import { keepLease } from './lease.ts';
import { returnParked } from './suspend.ts';
import { noteRefusals } from './recordRefusals.ts';
import { StorageTrouble } from '../ports.ts';
import { Sending } from './dispatcher.ts';
import type { LeaveReason, Turn } from './dispatcher.ts';
import { settle } from './settle.ts';
import type { Shift } from './leaseSession.ts';

export interface Leaving {
  readonly because: LeaveReason;
  /** Until when each lane with a head is refused. */
  readonly asleep: ReadonlyMap<Lane, number>;
}

export class Work {
  readonly #shift: Shift;
  readonly #endsAt: number;
  readonly #cutAt: number;
  readonly #flights: Flights;
  readonly #sending: Sending;
  #generation: number;
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
    this.#flights = new Flights(doors, bell);
    this.#sending = new Sending(shift, this.#flights);
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
          log(drainEvents.storageTrouble({ account: key, doing: 'drain', detail: error.message }));
          return this.#afterTrouble();
        });
        if (turn === 'again') continue;
        if ('leave' in turn) return { because: turn.leave, asleep: turn.asleep ?? new Map() };
        await bell.wait(Math.max(1, Math.min(turn.waitMs, numbers.turnMs)));
      }
    } finally {
      await this.#sending.closeAll();
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
    if (await noteRefusals(this.#flights.asking(), shift)) return 'again';
    if (await this.#settleLanded()) return 'again';
    this.#noticeOthers();
    if (!shift.holdsLease) return this.#withoutLease();
    if (await this.#minded()) return 'again';
    this.#startLooking();
    const timeOver = clock.monotonic() >= this.#endsAt;
    shift.teller.start(timeOver);
    if (shift.leaseLeftMs <= numbers.leaseMarginMs) {
      await this.#sending.closeIdle();
      return { waitMs: numbers.turnMs };
    }
    const turn = timeOver ? ({ leave: 'timeOver' } as const) : await this.#sending.next();
    return turn === 'again' || !('leave' in turn) ? turn : this.#whenFinished(turn);
  }

  /**
   * Leaving waits for what flies, connects or is looked for, and for what is still to be told; but where time is
   * over the next drain is rung at once, and tells it.
   */
  #whenFinished(turn: Extract<Turn, { readonly leave: LeaveReason }>): Turn {
    const { numbers, clock } = this.#shift.doors;
    const pending = this.#flights.count > 0 || this.#looking || this.#sending.connecting;
    if (pending) return { waitMs: numbers.turnMs };
    const { teller } = this.#shift;
    if (turn.leave === 'timeOver') teller.close();
    else teller.start(true);
    const patienceMs = clock.monotonic() - this.#endsAt;
    if (!teller.quiet && patienceMs < numbers.leaseMs) return { waitMs: numbers.tellPauseMs };
    return turn;
  }

  #withoutLease(): Turn {
    const waitMs = this.#shift.doors.numbers.turnMs;
    void this.#sending.closeIdle();
    return this.#flights.count > 0 || this.#sending.connecting ? { waitMs } : { leave: 'leaseLost' };
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
      this.#sending.settled(flight, end);
      this.settledCount += 1;
    }
    return true;
  }

  /** What was read before another changed the box is old. */
  #noticeOthers(): void {
    const { generation } = this.#shift.desk;
    if (generation === this.#generation) return;
    this.#generation = generation;
    this.#sending.afresh();
  }

  /** The small duties between two attempts; true where one took a transaction. */
  async #minded(): Promise<boolean> {
    const shift = this.#shift;
    const { numbers } = shift.doors;
    if (await this.#sending.mindFailures()) return true;
    const inTheAir = shift.desk.box.open.map(({ tag }) => tag).filter((tag) => this.#flights.has(tag));
    if (await doubtAbandonedAttempts(inTheAir, shift)) return true;
    if (this.#looked.length > 0) {
      const looked = this.#looked;
      await concludeLooks(looked, shift);
      this.#looked = looked.slice(numbers.settleMostCount);
      return true;
    }
    if ((await returnParked(shift)) || (await this.#sending.bringBackForTry())) {
      this.#sending.afresh();
      return true;
    }
    if (shift.leaseLeftMs >= numbers.leaseMs / 2 && shift.teller.toldCount < 3 * numbers.tellPageCount)
      return false;
    await keepLease(shift);
    return true;
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
}
