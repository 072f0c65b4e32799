// What the drain loop calls, over the real parts of one lease.
import type { AttemptOutcome } from '../policy/attemptResult.ts';
import { markAbandonedInDoubt } from './abandonedAttempts.ts';
import { ConnectFailures } from './connectFailures.ts';
import { ConnectionPool } from './connectionPool.ts';
import { Dispatcher } from './dispatcher.ts';
import type { DrainTasks } from './drainLoop.ts';
import { InFlightAttempts, type InFlightAttempt } from './inFlightAttempts.ts';
import { extendLease } from './lease.ts';
import type { LeaseSession } from './leaseSession.ts';
import { Probes } from './probe.ts';
import type { Publisher } from './publisher.ts';
import { quarantineUnreadable } from './quarantine.ts';
import { recordRefusals } from './recordRefusals.ts';
import { applyLookups, lookUpInDoubt, type LookupResult } from './sentItemsLookup.ts';
import { writeHoldEvents } from './holdEvents.ts';
import { settle } from './settle.ts';
import type { StepResult } from './stepResult.ts';
import { resumeSuspended } from './suspended.ts';

export class LeaseTasks implements DrainTasks {
  readonly publisher: Publisher;
  readonly #session: LeaseSession;
  readonly #attempts: InFlightAttempts;
  readonly #pool: ConnectionPool;
  readonly #connectFailures: ConnectFailures;
  readonly #probes: Probes;
  readonly #dispatcher: Dispatcher;
  /** Of the account's state when it was last compared. */
  #generation: number;
  #lookingUp = false;
  #lookedUpAt = Number.NEGATIVE_INFINITY;
  #lookups: readonly LookupResult[] = [];
  settledCount = 0;

  constructor(session: LeaseSession) {
    const { account, state, signal, dependencies, transactions } = session;
    this.publisher = session.publisher;
    this.#session = session;
    this.#attempts = new InFlightAttempts(signal, dependencies);
    this.#pool = new ConnectionPool(account, state.lease?.connections ?? 1, signal, dependencies);
    this.#connectFailures = new ConnectFailures(this.#pool, session);
    this.#probes = new Probes(this.#pool, session);
    this.#dispatcher = new Dispatcher(this.#attempts, this.#pool, this.#probes, session);
    this.#generation = transactions.generation;
  }

  get holdsLease(): boolean {
    return this.#session.holdsLease;
  }

  get leaseLeftMs(): number {
    return this.#session.leaseLeftMs;
  }

  get inFlightCount(): number {
    return this.#attempts.count;
  }

  get dialogCount(): number {
    return this.#attempts.dialogCount;
  }

  get connecting(): boolean {
    return this.#pool.connecting;
  }

  get lookingUp(): boolean {
    return this.#lookingUp;
  }

  async record(): Promise<boolean> {
    if (await recordRefusals(this.#attempts.withPendingRefusals(), this.#session)) return true;
    this.#attempts.cutOverdue();
    this.#adoptLostClaims();
    const ended = this.#attempts.withResult();
    if (ended.length === 0) return false;
    for (const { attempt, outcome } of await settle(ended, this.#pool.count, this.#session))
      this.#settled(attempt, outcome);
    return true;
  }

  /** Claims of ours whose answer never came, and that were given up since. */
  #adoptLostClaims(): void {
    const { state, tag } = this.#session;
    for (const active of state.activeAttempts) {
      if (active.owner === tag && !this.#attempts.has(active.tag)) this.#attempts.adopt(active);
    }
  }

  #settled(attempt: InFlightAttempt, outcome: AttemptOutcome | undefined): void {
    this.#attempts.settled(attempt);
    this.#dispatcher.settled(attempt);
    this.settledCount += 1;
    if (outcome?.verdict === 'accepted') this.#connectFailures.reset();
    if (outcome?.reconnect === true) this.#pool.reduce();
  }

  noticeChanges(): void {
    const { generation } = this.#session.transactions;
    if (generation === this.#generation) return;
    this.#generation = generation;
    this.#dispatcher.invalidate();
  }

  async housekeeping(): Promise<boolean> {
    if (await this.#connectFailures.handle()) return true;
    if (await writeHoldEvents(this.#session)) return true;
    if (await quarantineUnreadable(this.#session)) {
      this.#dispatcher.invalidate();
      return true;
    }
    if (await markAbandonedInDoubt((tag) => this.#attempts.has(tag), this.#session)) return true;
    if (await this.#applyLookups()) return true;
    if ((await resumeSuspended(this.#session)) || (await this.#probes.resumeMessage())) {
      this.#dispatcher.invalidate();
      return true;
    }
    return this.#extendLease();
  }

  async #applyLookups(): Promise<boolean> {
    const lookups = this.#lookups;
    if (lookups.length === 0) return false;
    await applyLookups(lookups, this.#session);
    this.#lookups = lookups.slice(this.#session.dependencies.numbers.settleMostCount);
    return true;
  }

  /** In the second half of the lease, or if published rows pile up: every other transaction does both anyway. */
  async #extendLease(): Promise<boolean> {
    const { numbers } = this.#session.dependencies;
    const isFresh = this.leaseLeftMs >= numbers.leaseMs / 2;
    if (isFresh && this.publisher.publishedCount < 3 * numbers.publishPageCount) return false;
    await extendLease(this.#session);
    return true;
  }

  startLookup(): void {
    const { clock, numbers } = this.#session.dependencies;
    if (this.#lookingUp || clock.monotonic() - this.#lookedUpAt < numbers.leaseMs) return;
    this.#lookingUp = true;
    void lookUpInDoubt(this.#session).then((results) => {
      this.#lookups = results;
      this.#lookingUp = false;
      this.#lookedUpAt = clock.monotonic();
      this.#session.signal.notify();
    });
  }

  dispatch(): Promise<StepResult> {
    return this.#dispatcher.next();
  }

  closeIdle(): Promise<void> {
    return this.#pool.closeIdle();
  }

  cutDialogs(): void {
    this.#attempts.cutDialogs();
  }

  closeAll(): Promise<void> {
    return this.#pool.closeAll();
  }
}
