// The attempts in flight: claimed and not settled yet. Each has a dialog on a connection of its own and ends with a
// result, at the latest at its deadline: a connection that does not answer by then is cut.
import type { Latest } from '../../limits/storageTime.ts';
import type { Dependencies } from '../dependencies.ts';
import type { AttemptResult } from '../policy/attemptResult.ts';
import type { Envelope, SendResult } from '../ports.ts';
import type { ActiveAttempt, Hold } from '../records/accountState.ts';
import type { Message } from '../records/message.ts';
import type { PooledConnection } from './connectionPool.ts';
import type { Signal } from './signal.ts';

export interface InFlightAttempt {
  readonly active: ActiveAttempt;
  /** As claimed, with the refusals recorded since. Absent if only the claim is known. */
  message?: Message;
  /** Of the account's state when the message was read; after another, its row may have changed (a bounce). */
  generation: number;
  /** The holds that this attempt probes. */
  readonly probed: readonly Hold[];
  /** By the latest bound, as is `endedAt`. */
  readonly claimedAt: Latest;
  /** Its server refused some of the recipients, and gets no content until that is recorded. */
  pendingRefusals?: PendingRefusals;
  /** Present once the dialog has ended. */
  result?: AttemptResult;
  endedAt: Latest;
}

export interface PendingRefusals {
  readonly recipients: SendResult['recipients'];
  /** Lets the dialog go on, or ends it before the content. */
  readonly answer: (recorded: boolean) => void;
}

export class InFlightAttempts {
  readonly #signal: Signal;
  readonly #dependencies: Dependencies;
  readonly #attempts = new Map<string, InFlightAttempt>();
  readonly #connections = new Map<InFlightAttempt, PooledConnection>();

  constructor(signal: Signal, dependencies: Dependencies) {
    this.#signal = signal;
    this.#dependencies = dependencies;
  }

  get count(): number {
    return this.#attempts.size;
  }

  /** Those whose dialog has not ended. */
  get dialogCount(): number {
    return this.#connections.size;
  }

  /** Ids of the messages. */
  get ids(): readonly string[] {
    return [...this.#attempts.values()].map(({ active }) => active.id);
  }

  has(tag: string): boolean {
    return this.#attempts.has(tag);
  }

  withPendingRefusals(): readonly InFlightAttempt[] {
    return [...this.#attempts.values()].filter(({ pendingRefusals }) => pendingRefusals !== undefined);
  }

  withResult(): readonly InFlightAttempt[] {
    return [...this.#attempts.values()].filter(({ result }) => result !== undefined);
  }

  settled({ active }: InFlightAttempt): void {
    this.#attempts.delete(active.tag);
  }

  /** Starts the dialog of a claimed message. */
  start(
    claimed: Pick<InFlightAttempt, 'active' | 'probed' | 'generation'> & { readonly message: Message },
    pooled: PooledConnection,
    envelope: Envelope,
    bytes: Uint8Array,
  ): void {
    const claimedAt = this.#dependencies.time.latest();
    const attempt: InFlightAttempt = { ...claimed, claimedAt, endedAt: claimedAt };
    this.#attempts.set(claimed.active.tag, attempt);
    this.#connections.set(attempt, pooled);
    pooled.busy = true;
    void this.#send(attempt, pooled, envelope, bytes);
  }

  async #send(
    attempt: InFlightAttempt,
    { connection }: PooledConnection,
    envelope: Envelope,
    bytes: Uint8Array,
  ): Promise<void> {
    const remainingMs = (): number => attempt.active.deadline - this.#dependencies.time.latest();
    const recordRefusals = (recipients: SendResult['recipients']): Promise<boolean> =>
      this.#requestRecording(attempt, recipients);
    try {
      this.#end(attempt, await connection.send(envelope, bytes, { remainingMs, recordRefusals }));
    } catch (error) {
      // An internal fault; how far the dialog came is not known.
      connection.destroy();
      const detail = error instanceof Error ? error.name : 'unknown trouble';
      this.#end(attempt, { kind: 'noAnswer', detail });
    }
  }

  /** Only the drain loop writes. It answers, at the latest when the dialog ends. */
  #requestRecording(attempt: InFlightAttempt, recipients: SendResult['recipients']): Promise<boolean> {
    if (attempt.result !== undefined) return Promise.resolve(false);
    return new Promise((resolve) => {
      const answer = (recorded: boolean): void => {
        delete attempt.pendingRefusals;
        resolve(recorded);
      };
      attempt.pendingRefusals = { recipients, answer };
      this.#signal.notify();
    });
  }

  /** Takes over a claim of ours whose answer was lost and that was given up since: nothing was sent. */
  adopt(active: ActiveAttempt): void {
    const now = this.#dependencies.time.latest();
    this.#attempts.set(active.tag, {
      active,
      generation: -1,
      probed: [],
      claimedAt: now,
      result: { kind: 'notStarted' },
      endedAt: now,
    });
  }

  /** Cuts the connections of attempts that are past their deadline. */
  cutOverdue(): void {
    const cutMarginMs = 1_000; // the connection keeps the deadline too, and knows better how it ended
    for (const [attempt, { connection }] of this.#connections) {
      if (this.#dependencies.time.earliest() < attempt.active.deadline + cutMarginMs) continue;
      connection.destroy();
      this.#end(attempt, { kind: 'noAnswer', detail: 'the connection did not answer by the deadline.' });
    }
  }

  /** Cuts every dialog. The connection knows best how it ended, and says so. */
  cutDialogs(): void {
    for (const { connection } of this.#connections.values()) connection.destroy();
  }

  #end(attempt: InFlightAttempt, result: AttemptResult): void {
    if (attempt.result !== undefined) return;
    attempt.result = result;
    attempt.endedAt = this.#dependencies.time.latest();
    attempt.pendingRefusals?.answer(false);
    const pooled = this.#connections.get(attempt);
    this.#connections.delete(attempt);
    if (pooled !== undefined) pooled.busy = false;
    this.#signal.notify();
  }
}
