// The work under one lease of an account: who holds it, and how its owner writes. Every transaction of the owner
// extends the lease, drops what has expired, and deletes the rows of events that were published.
import { present } from '../../mail/omit.ts';
import { plus } from '../../limits/storageTime.ts';
import { dropExpired, type RateLimits } from '../../limits/limiter.ts';
import type { Account, Mailbox } from '../../mail/mailbox.ts';
import { outboundEvents } from '../../telemetry/outboundEvents.ts';
import { accountOf, mailboxIn, rateLimitsOf } from '../accounts.ts';
import type { Dependencies } from '../dependencies.ts';
import { countTransition } from '../policy/hourlyCounts.ts';
import type { Transition } from '../policy/transitions.ts';
import type { Operation } from '../ports.ts';
import type { AccountState } from '../records/accountState.ts';
import { idAtEnd } from '../records/keys.ts';
import type { Message } from '../records/message.ts';
import { indexRow } from '../records/messageRow.ts';
import { UnreadableRow } from '../records/unreadableRow.ts';
import {
  AccountTransactions,
  type Retry,
  type TransactionKind,
  type UnitOfWork,
} from '../store/accountTransaction.ts';
import { weigh, writeTransition } from '../store/writes.ts';
import { Publisher } from './publisher.ts';
import { Signal } from './signal.ts';

/** A message as it was read. The generation is that of the account's state then: after another, read it again. */
export interface ReadMessage {
  readonly message: Message;
  readonly generation: number;
}

export class LeaseSession {
  readonly key: string;
  /** Absent if no mailbox of the settings names this account any more; it then sends nothing. */
  readonly account: Account | undefined;
  readonly limits: RateLimits;
  readonly owner: string;
  /** Names this lease; new each time one is acquired. */
  readonly tag: string;
  readonly transactions: AccountTransactions;
  readonly signal: Signal;
  readonly publisher: Publisher;
  /** Messages whose row can't be read, by the row that lists them, with what is wrong: quarantine.ts sets them aside. */
  readonly unreadable = new Map<string, string>();
  /** A lease was not given back lately: its process may have ended because of a message. */
  isCautious = false;
  readonly dependencies: Dependencies;

  constructor(key: string, owner: string, dependencies: Dependencies) {
    this.key = key;
    this.account = accountOf(key, dependencies);
    this.limits = rateLimitsOf(key, dependencies);
    this.owner = owner;
    this.tag = dependencies.random.id();
    this.transactions = new AccountTransactions(key, dependencies);
    this.signal = new Signal(dependencies.clock);
    this.publisher = new Publisher(key, () => this.leaseLeftMs > 0, this.signal, dependencies);
    this.dependencies = dependencies;
  }

  /** The account's state as last read or written. */
  get state(): AccountState {
    return this.transactions.state;
  }

  get holdsLease(): boolean {
    return this.owns(this.state);
  }

  /** How long the lease is certainly still held; 0 or less if it may be another's. */
  get leaseLeftMs(): number {
    const { lease } = this.state;
    return lease?.tag === this.tag ? lease.until - this.dependencies.time.latest() : Number.NEGATIVE_INFINITY;
  }

  owns(state: AccountState): boolean {
    return state.lease?.tag === this.tag;
  }

  /** The mailbox of that address, if this account still sends for it. */
  mailboxOf(address: string): Mailbox | undefined {
    return mailboxIn(this.account, address);
  }

  /** One transaction on the account. Throws StorageTrouble. */
  transact<Result>(kind: TransactionKind, work: UnitOfWork<Result>): Promise<Result> {
    return this.transactions.transact(
      kind,
      async (state, retry) => {
        const change = await work(state, retry);
        return 'state' in change ? { ...change, state: this.#housekeeping(change.state) } : change;
      },
      this.holdsLease ? this.publisher : undefined,
    );
  }

  /** A transaction that only the owner of the lease may make. Anyone else writes nothing and gets `otherwise`. */
  ifOwner<Result>(kind: TransactionKind, otherwise: Result, work: UnitOfWork<Result>): Promise<Result> {
    return this.transact<Result>(kind, (state, retry) =>
      this.owns(state) ? work(state, retry) : { result: otherwise },
    );
  }

  /** Changes the account's state, and no other row, if the lease is still this one's. Undefined: nothing to write. */
  async update(
    kind: TransactionKind,
    change: (state: AccountState) => AccountState | undefined,
  ): Promise<void> {
    await this.ifOwner<undefined>(kind, undefined, (state) => {
      const changed = change(state);
      return { result: undefined, ...present({ state: changed }) };
    });
  }

  /** The message that a row lists; undefined if there is none, or its row can't be read. Throws StorageTrouble. */
  async readListed(key: string): Promise<Message | undefined> {
    try {
      return await this.transactions.readMessage(idAtEnd(key));
    } catch (error) {
      if (!(error instanceof UnreadableRow)) throw error;
      this.unreadable.set(key, error.message);
      return undefined;
    }
  }

  /** The message as its row is now: read again if another may have changed it since. Throws UnreadableRow. */
  async current(read: ReadMessage, retry: Retry): Promise<Message | undefined> {
    const isOld = retry.rowsMayHaveChanged || read.generation !== this.transactions.generation;
    return isOld ? this.transactions.readMessage(read.message.id) : read.message;
  }

  /** Decides a transition for each message on its current row, and writes as many as fit into one transaction. */
  async applyTransitions(
    kind: TransactionKind,
    messages: readonly ReadMessage[],
    decide: (message: Message, state: AccountState) => Transition | undefined,
  ): Promise<readonly Transition[]> {
    const { numbers } = this.dependencies;
    const applied = await this.ifOwner<readonly Transition[]>(kind, [], async (state, retry) => {
      const decided: Transition[] = [];
      const operations: Operation[] = [];
      for (const read of messages.slice(0, numbers.settleMostCount)) {
        const message = await this.#currentOrSetAside(read, retry);
        const transition = message === undefined ? undefined : decide(message, state);
        if (transition === undefined) continue;
        const more = await writeTransition(transition, this.dependencies);
        if (weigh([...operations, ...more]) > numbers.transactionBytes) break;
        decided.push(transition);
        operations.push(...more);
      }
      if (decided.length === 0) return { result: [] };
      const at = this.dependencies.time.earliest();
      const counted = decided.reduce((sum, one) => countTransition(sum, one, at), state);
      return { state: listSuspended(counted, decided), operations, result: decided };
    });
    for (const transition of applied) this.#report(transition);
    return applied;
  }

  async #currentOrSetAside(read: ReadMessage, retry: Retry): Promise<Message | undefined> {
    try {
      return await this.current(read, retry);
    } catch (error) {
      if (!(error instanceof UnreadableRow)) throw error;
      const key = indexRow(read.message)?.key;
      if (key !== undefined) this.unreadable.set(key, error.message);
      return undefined;
    }
  }

  #report({ before, after, event }: Transition): void {
    if (event !== undefined) this.publisher.expectMore();
    const to = after?.state ?? 'removed';
    if (to === before.state) return;
    this.dependencies.log(
      outboundEvents.stateChanged({ account: this.key, id: before.id, from: before.state, to }),
    );
  }

  #housekeeping(state: AccountState): AccountState {
    const { time, numbers } = this.dependencies;
    const earliest = time.earliest();
    const { lease } = state;
    return {
      ...state,
      ...(lease?.tag === this.tag
        ? { lease: { ...lease, until: plus(time.latest(), numbers.leaseMs) } }
        : {}),
      ...dropExpired(state, this.limits, earliest),
      orphanedConnections: state.orphanedConnections.filter(({ goneBy }) => goneBy > earliest),
    };
  }
}

/** The account's state lists the mailboxes that have suspended messages. */
function listSuspended(state: AccountState, transitions: readonly Transition[]): AccountState {
  const mailboxes = transitions.flatMap(({ after }) =>
    after?.indexEntry.kind === 'suspended' && typeof after.indexEntry.group !== 'string'
      ? [after.indexEntry.group.mailbox]
      : [],
  );
  return { ...state, suspendedMailboxes: [...new Set([...state.suspendedMailboxes, ...mailboxes])] };
}
