// The dispatcher takes due messages lane by lane, prepares them, withdraws those that can't be sent, and claims one
// over a connection that is already open. One call of `next` does one thing.
import type { Earliest } from '../../limits/storageTime.ts';
import { canAcquire } from '../../limits/limiter.ts';
import { outboundEvents } from '../../telemetry/outboundEvents.ts';
import { usageForClaim } from '../policy/charge.ts';
import { accountHold, dueForProbe, mailboxHold, removedHold } from '../policy/holds.ts';
import { expire, failUnsent, suspend } from '../policy/transitions.ts';
import { lanes, type Lane } from '../records/keys.ts';
import { remaining } from '../records/message.ts';
import { holdAccount } from './accountHolds.ts';
import { claim } from './claim.ts';
import type { ConnectionPool } from './connectionPool.ts';
import { DueQueue, type DueEntry } from './dueQueue.ts';
import type { InFlightAttempt, InFlightAttempts } from './inFlightAttempts.ts';
import type { LeaseSession, ReadMessage } from './leaseSession.ts';
import { prepare, type Prepared, type ReadyMessage, type Withdrawal } from './prepare.ts';
import type { Probes } from './probe.ts';
import { finish, poll, progress, type StepResult } from './stepResult.ts';

/** What became of one due entry. */
type EntryResult =
  | StepResult
  /** The rate limits allow it no sooner. Other lanes may have a message that needs less. */
  | { readonly kind: 'refused'; readonly retryAt: number };

/** A connection is opened this long before its first claim is allowed. */
const connectAheadMs = 10_000;

export class Dispatcher {
  readonly #attempts: InFlightAttempts;
  readonly #pool: ConnectionPool;
  readonly #probes: Probes;
  readonly #session: LeaseSession;
  readonly #queue: DueQueue;
  readonly #prepared = new Map<string, Prepared>();
  #reportedRetryAt = 0;

  constructor(attempts: InFlightAttempts, pool: ConnectionPool, probes: Probes, session: LeaseSession) {
    this.#attempts = attempts;
    this.#pool = pool;
    this.#probes = probes;
    this.#session = session;
    this.#queue = new DueQueue(session.key, session.dependencies);
  }

  /** Drops what was read: another has changed the account. */
  invalidate(): void {
    this.#queue.clear();
    this.#prepared.clear();
  }

  settled({ active }: InFlightAttempt): void {
    this.#queue.remove(active.id);
    this.#prepared.delete(active.key);
  }

  /** Starts the first attempt that is allowed, or says for how long none is. Throws StorageTrouble. */
  async next(): Promise<StepResult> {
    const { state, dependencies } = this.#session;
    const earliest = dependencies.time.earliest();
    if (accountHold(state, earliest) !== undefined) return finish('hold');
    if (state.lease?.connections === 0) return this.#waitForOrphans(earliest);
    if (this.#mustProbeAlone(earliest)) return poll(dependencies.numbers);
    const busy = new Set([...state.activeAttempts.map(({ id }) => id), ...this.#attempts.ids]);
    const refusedUntil = new Map<Lane, number>();
    for (const lane of lanes) {
      const entry = await this.#queue.first(lane, busy);
      if (entry === undefined) continue;
      const result = await this.#dispatch(entry, earliest);
      if (result.kind !== 'refused') return result;
      refusedUntil.set(lane, result.retryAt);
    }
    return refusedUntil.size === 0 ? this.#whenEmpty() : this.#whenRefused(refusedUntil, earliest);
  }

  /** The server accepts no more connections until those of former owners are gone. */
  #waitForOrphans(earliest: Earliest): StepResult {
    const goneBy = this.#session.state.orphanedConnections.map((orphans) => orphans.goneBy);
    const until = goneBy.length === 0 ? earliest : Math.min(...goneBy);
    return finish('refused', new Map(lanes.map((lane) => [lane, until])));
  }

  /**
   * A probe of the account runs with no other attempt in flight: an earlier one may still end the hold, and a probe
   * may take longer than the time to the next.
   */
  #mustProbeAlone(earliest: Earliest): boolean {
    if (this.#attempts.count === 0) return false;
    return dueForProbe(this.#session.state, earliest).some(({ mailbox }) => mailbox === undefined);
  }

  async #whenEmpty(): Promise<StepResult> {
    if (this.#attempts.count > 0) return poll(this.#session.dependencies.numbers);
    return (await this.#probes.withoutMessage()) ?? finish('empty');
  }

  #whenRefused(refusedUntil: ReadonlyMap<Lane, number>, earliest: Earliest): StepResult {
    const { key: account, dependencies } = this.#session;
    const retryAt = Math.min(...refusedUntil.values());
    const ms = retryAt - earliest;
    if (ms > dependencies.numbers.waitInPlaceMs && this.#attempts.count === 0)
      return finish('refused', refusedUntil);
    if (retryAt !== this.#reportedRetryAt) {
      this.#reportedRetryAt = retryAt;
      dependencies.log(outboundEvents.rateLimited({ account, retryAt }));
    }
    if (ms <= connectAheadMs && this.#pool.idle() === undefined) this.#pool.open();
    return { kind: 'wait', ms };
  }

  async #dispatch(entry: DueEntry, earliest: Earliest): Promise<EntryResult> {
    const { state, dependencies } = this.#session;
    const isServed = this.#session.mailboxOf(entry.mailbox) !== undefined;
    const hold = isServed ? mailboxHold(state, entry.mailbox, earliest) : removedHold;
    if (hold !== undefined) return this.#suspend(entry, hold);
    const prepared = await this.#prepare(entry);
    switch (prepared.kind) {
      case 'noTagKey':
        await holdAccount(noTagKey(dependencies.numbers.probeAtLeastMs), this.#session);
        return progress;
      case 'gone':
        return this.#remove(entry);
      case 'unsendable':
      case 'ready': {
        const { expiresAt } = prepared.message;
        if (expiresAt !== undefined && expiresAt <= earliest) return this.#withdraw(entry, prepared, expire);
        return prepared.kind === 'ready'
          ? this.#send(entry, prepared, earliest)
          : this.#withdraw(entry, prepared, prepared.withdrawal);
      }
    }
  }

  async #prepare(entry: DueEntry): Promise<Prepared> {
    const known = this.#prepared.get(entry.key);
    if (known !== undefined) return known;
    const prepared = await prepare(entry, this.#session);
    if (prepared.kind !== 'noTagKey') this.#prepared.set(entry.key, prepared);
    return prepared;
  }

  /** These checks are advisory; the conditional claim makes them again. */
  async #send(entry: DueEntry, ready: ReadyMessage, earliest: Earliest): Promise<EntryResult> {
    const { key: account, state, limits, dependencies } = this.#session;
    const { message, generation, envelope, bytes } = ready;
    const availability = canAcquire(
      usageForClaim(state, message),
      limits,
      earliest,
      remaining(message).length,
    );
    if (availability.kind === 'never')
      return this.#withdraw(entry, ready, tooManyRecipients(limits.recipientsPerDay));
    if (availability.kind === 'wait') return { kind: 'refused', retryAt: availability.retryAt };
    const pooled = this.#pool.idle();
    if (pooled === undefined) {
      this.#pool.open();
      return poll(dependencies.numbers);
    }
    const claimed = await claim(ready, this.#session);
    switch (claimed.kind) {
      case 'stale':
        this.invalidate();
        return progress;
      case 'notNow':
        return poll(dependencies.numbers);
      case 'unconfirmed':
        this.#attempts.adopt(claimed.active);
        throw claimed.trouble;
      case 'claimed': {
        const { active, probed } = claimed;
        dependencies.log(outboundEvents.claimed({ account, id: message.id, attempt: active.attempt }));
        this.#prepared.delete(entry.key);
        this.#attempts.start({ active, probed, message, generation }, pooled, envelope, bytes);
        return progress;
      }
    }
  }

  /** Its mailbox is on hold: the account's other mailboxes go on. */
  async #suspend(entry: DueEntry, hold: Parameters<typeof suspend>[2]): Promise<StepResult> {
    const { transactions } = this.#session;
    const { generation } = transactions;
    const message = await this.#session.readListed(entry.key);
    if (message === undefined) return this.#remove(entry);
    return this.#withdraw(entry, { message, generation }, (fresh, at) => suspend(fresh, at, hold));
  }

  /** Makes another transition than an attempt of a due message. */
  async #withdraw(entry: DueEntry, read: ReadMessage, withdrawal: Withdrawal): Promise<StepResult> {
    const { time } = this.#session.dependencies;
    await this.#session.applyTransitions('withdraw', [read], (message, { activeAttempts }) =>
      message.state === 'waiting' && !activeAttempts.some(({ id }) => id === message.id)
        ? withdrawal(message, time.earliest())
        : undefined,
    );
    return this.#remove(entry);
  }

  #remove(entry: DueEntry): StepResult {
    this.#queue.remove(entry.id);
    this.#prepared.delete(entry.key);
    return progress;
  }
}

const tooManyRecipients =
  (most: number): Withdrawal =>
  (message, at) =>
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
  remedy: 'Check whether the vault can be reached and the app may read its secrets.',
  firstProbeMs,
});
