// Publishing: every event row goes on the queue `mail-status`, in order per submission, and is deleted after that,
// never before. The deletions are piggybacked on whatever transaction comes next, so publishing costs no transaction
// of its own. A crash in between publishes an event again, under the same id.
import { outboundEvents } from '../../telemetry/outboundEvents.ts';
import type { Dependencies } from '../dependencies.ts';
import type { Operation, Row } from '../ports.ts';
import { getText } from '../records/chunks.ts';
import { after, eventRange } from '../records/keys.ts';
import type { Piggyback } from '../store/accountTransaction.ts';
import type { Signal } from './signal.ts';

/** Pages read in one round; a round that leaves some is followed by another. */
const pagesPerRound = 10;

export class Publisher implements Piggyback {
  readonly #account: string;
  readonly #mayPublish: () => boolean;
  readonly #signal: Signal;
  readonly #dependencies: Dependencies;
  /** Keys of the rows that were published and are not deleted yet. */
  readonly #published = new Set<string>();
  #expected = true;
  #busy = false;
  #closing = false;
  #finishedAt = Number.NEGATIVE_INFINITY;

  /** `mayPublish`: the lease is still held; a later owner publishes the same events again. */
  constructor(account: string, mayPublish: () => boolean, signal: Signal, dependencies: Dependencies) {
    this.#account = account;
    this.#mayPublish = mayPublish;
    this.#signal = signal;
    this.#dependencies = dependencies;
  }

  /** New event rows were written, or may have been. */
  expectMore(): void {
    this.#expected = true;
  }

  /** Nothing is being published, and nothing is known to be left, or what is left is the next owner's. */
  get idle(): boolean {
    return !this.#busy && (this.#closing || !this.#expected);
  }

  /** Events are known to be left. */
  get hasPending(): boolean {
    return this.#expected;
  }

  /** Published rows that a transaction still has to delete. */
  get publishedCount(): number {
    return this.#published.size;
  }

  /** Stops after the current event. While submissions keep coming there would always be one more to publish. */
  close(): void {
    this.#closing = true;
  }

  /** Starts a round if one is due, and notifies at its end. `hurry` skips the pause that batches rounds. */
  start(hurry: boolean): void {
    const { clock, numbers } = this.#dependencies;
    const restedMs = clock.monotonic() - this.#finishedAt;
    if (this.#busy || this.#closing || !this.#mayPublish()) return;
    const isDue = this.#expected
      ? hurry || restedMs >= numbers.publishPauseMs
      : restedMs >= numbers.publishEveryMs;
    if (!isDue) return;
    this.#busy = true;
    this.#expected = false;
    void this.#round().then((complete) => {
      this.#busy = false;
      this.#finishedAt = clock.monotonic();
      this.#expected ||= !complete;
      this.#signal.notify();
    });
  }

  /** True if every event row that was there has been published. Never throws. */
  async #round(): Promise<boolean> {
    try {
      return await this.#publishPages();
    } catch (error) {
      const detail = error instanceof Error ? error.message : 'unknown trouble';
      this.#dependencies.log(
        outboundEvents.storageFailed({ account: this.#account, operation: 'publish', detail }),
      );
      return false;
    }
  }

  async #publishPages(): Promise<boolean> {
    const { rows: table, numbers } = this.#dependencies;
    const limit = numbers.publishPageCount;
    let range = eventRange;
    for (let page = 0; page < pagesPerRound; page += 1) {
      const rows = await table.query(this.#account, { ...range, limit });
      if (!(await this.#publishAll(rows))) return false;
      const last = rows.at(-1);
      if (rows.length < limit || last === undefined) return true;
      range = after(eventRange, last.key);
    }
    return false;
  }

  /** False if it stopped before the end. */
  async #publishAll(rows: readonly Row[]): Promise<boolean> {
    for (const row of rows) {
      if (this.#published.has(row.key)) continue;
      if (this.#closing || !this.#mayPublish()) return false;
      await this.#dependencies.queues.publish(getText(row.fields, 'text') ?? '');
      this.#published.add(row.key);
    }
    return true;
  }

  take(most: number): readonly Operation[] {
    if (!this.#mayPublish()) return [];
    return [...this.#published].slice(0, Math.max(0, most)).map((key) => ({ kind: 'delete', key }));
  }

  written(operations: readonly Operation[]): void {
    for (const { key } of operations) this.#published.delete(key);
  }

  /** One of them was missing: another deleted it. Those that are still there are published once more. */
  dropped(operations: readonly Operation[]): void {
    this.written(operations);
    this.#expected = true;
  }
}
