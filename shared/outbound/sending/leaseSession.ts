// One lease's worth of work on an account: who holds it, and how it writes. Every transaction of the owner
// extends the lease, forgets what is over, and takes the deletions of told events along.
import { forget } from '../../limits/window.ts';
import type { Law } from '../../limits/window.ts';
import type { Account } from '../../mail/mailbox.ts';
import { drainEvents } from '../../telemetry/outboundEvents.ts';
import { WakeUp } from './wakeUp.ts';
import type { Box } from '../records/accountState.ts';
import { Desk } from '../store/accountTransaction.ts';
import type { Wish } from '../store/accountTransaction.ts';
import type { Dependencies } from '../dependencies.ts';
import { accountOf, lawOf } from '../rateLimits.ts';
import type { Message } from '../records/message.ts';
import type { Move } from '../policy/transitions.ts';
import type { Operation } from '../ports.ts';
import { Teller } from './publisher.ts';
import { weigh, writeMove } from '../store/writes.ts';

export class Shift {
  readonly key: string;
  /** Absent: no mailbox of the settings names this account any more; it sends nothing. */
  readonly account: Account | undefined;
  readonly law: Law;
  readonly owner: string;
  /** Names this lease; new each time one is taken. */
  readonly tag: string;
  readonly desk: Desk;
  readonly bell: WakeUp;
  readonly teller: Teller;
  readonly doors: Dependencies;

  constructor(key: string, owner: string, doors: Dependencies) {
    this.key = key;
    this.account = accountOf(key, doors);
    this.law = lawOf(key, doors);
    this.owner = owner;
    this.tag = doors.random.id();
    this.desk = new Desk(key, doors);
    this.bell = new WakeUp(doors.clock);
    this.teller = new Teller(key, doors, this.bell, () => this.leaseLeftMs > 0);
    this.doors = doors;
  }

  /** How long the lease is certainly still ours; 0 or less: it may be another's. */
  get leaseLeftMs(): number {
    const { lease } = this.desk.box;
    return lease?.tag === this.tag ? lease.until - this.doors.time.late() : Number.NEGATIVE_INFINITY;
  }

  get holdsLease(): boolean {
    return this.desk.box.lease?.tag === this.tag;
  }

  transact<Result>(wish: Wish<Result>): Promise<Result> {
    return this.desk.transact(
      async (box, again) => {
        const wished = await wish(box, again);
        return 'settled' in wished ? wished : { ...wished, box: this.#upkeep(wished.box) };
      },
      this.holdsLease ? this.teller : undefined,
    );
  }

  /**
   * Moves messages, as many as fit one transaction; the rest are for the next call. Each is decided on the row as
   * it certainly is: read again wherever another may have changed it.
   */
  async move(
    messages: readonly { readonly message: Message; readonly generation: number }[],
    decide: (message: Message, box: Box) => Move | undefined,
  ): Promise<readonly Move[]> {
    const moves = await this.transact<readonly Move[]>(async (box, again) => {
      if (box.lease?.tag !== this.tag) return { settled: [] };
      const decided: Move[] = [];
      const operations: Operation[] = [];
      for (const { message, generation } of messages.slice(0, this.doors.numbers.settleMostCount)) {
        const fresh =
          again.rowsMayHaveChanged || generation !== this.desk.generation
            ? await this.desk.readMessage(message.id)
            : message;
        const move = fresh === undefined ? undefined : decide(fresh, box);
        if (move === undefined) continue;
        const more = await writeMove(move, this.doors);
        if (weigh([...operations, ...more]) > this.doors.numbers.transactionBytes) break;
        decided.push(move);
        operations.push(...more);
      }
      return decided.length === 0
        ? { settled: [] }
        : { box: noteParked(box, decided), operations, result: decided };
    });
    for (const { before, after, told } of moves) {
      if (told !== undefined) this.teller.expect();
      const to = after?.state ?? 'removed';
      if (to !== before.state)
        this.doors.log(drainEvents.moved({ account: this.key, id: before.id, from: before.state, to }));
    }
    return moves;
  }

  #upkeep(box: Box): Box {
    const { time, numbers } = this.doors;
    const early = time.early();
    const lease =
      box.lease?.tag === this.tag ? { ...box.lease, until: time.late() + numbers.leaseMs } : box.lease;
    return {
      ...box,
      ...(lease === undefined ? {} : { lease }),
      ...forget(box, this.law, early),
      ghosts: box.ghosts.filter(({ goneBy }) => goneBy > early),
    };
  }
}

/** The box lists which mailboxes have messages set aside for the end of their hold. */
function noteParked(box: Box, moves: readonly Move[]): Box {
  const mailboxes = moves.flatMap(({ after }) =>
    after?.place.kind === 'aside' && typeof after.place.group !== 'string' ? [after.place.group.mailbox] : [],
  );
  return { ...box, parked: [...new Set([...box.parked, ...mailboxes])] };
}
