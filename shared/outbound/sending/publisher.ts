// Telling: every event row goes on the queue `mail-status`, in order per submission, and is deleted after that,
// never before. The deletions ride along in whatever transaction comes next, so telling costs no transaction of
// its own. A crash in between tells an event again, under the same name.
import { drainEvents } from '../../telemetry/outboundEvents.ts';
import type { WakeUp } from './wakeUp.ts';
import { getText } from '../records/chunks.ts';
import type { Rider } from '../store/accountTransaction.ts';
import type { Dependencies } from '../dependencies.ts';
import { after, eventRange } from '../records/keys.ts';
import type { Operation } from '../ports.ts';

/** Pages read in one round; a round that leaves some is followed by another. */
const pagesPerRound = 10;

export class Teller implements Rider {
  readonly #account: string;
  readonly #doors: Dependencies;
  readonly #bell: WakeUp;
  readonly #mayTell: () => boolean;
  /** Told, but their rows are still there. */
  readonly #told = new Set<string>();
  #expected = true;
  #busy = false;
  #closing = false;
  #finishedAt = Number.NEGATIVE_INFINITY;

  /** `mayTell`: still the owner; a later owner tells the same events again. */
  constructor(account: string, doors: Dependencies, bell: WakeUp, mayTell: () => boolean) {
    this.#account = account;
    this.#doors = doors;
    this.#bell = bell;
    this.#mayTell = mayTell;
  }

  /** New event rows were written, or may have been. */
  expect(): void {
    this.#expected = true;
  }

  /** Nothing is being told, and nothing is known to be left (or what is left is left to the next owner). */
  get quiet(): boolean {
    return !this.#busy && (this.#closing || !this.#expected);
  }

  /** Events are known to be left. */
  get owes(): boolean {
    return this.#expected;
  }

  /** Ends after the event in hand. While submissions keep coming there is always one more to tell. */
  close(): void {
    this.#closing = true;
  }

  /** So many told rows wait for a transaction to take them along. */
  get toldCount(): number {
    return this.#told.size;
  }

  /** Starts a round where one is due; the bell rings at its end. `hurry`: without the pause that batches rounds. */
  start(hurry: boolean): void {
    const { clock, numbers } = this.#doors;
    const restedMs = clock.monotonic() - this.#finishedAt;
    if (this.#busy || this.#closing || !this.#mayTell()) return;
    const due = this.#expected ? hurry || restedMs >= numbers.tellPauseMs : restedMs >= numbers.tellEveryMs;
    if (!due) return;
    this.#busy = true;
    this.#expected = false;
    void this.#round().then((complete) => {
      this.#busy = false;
      this.#finishedAt = clock.monotonic();
      this.#expected ||= !complete;
      this.#bell.ring();
    });
  }

  /** True when every event row that was there has been told. */
  async #round(): Promise<boolean> {
    try {
      let range = eventRange;
      for (let page = 0; page < pagesPerRound; page += 1) {
        const limit = this.#doors.numbers.tellPageCount;
        const rows = await this.#doors.rows.query(this.#account, { ...range, limit });
        for (const row of rows) {
          if (this.#told.has(row.key)) continue;
          if (this.#closing || !this.#mayTell()) return false;
          await this.#doors.queues.tell(getText(row.fields, 'text') ?? '');
          this.#told.add(row.key);
        }
        const last = rows.at(-1);
        if (rows.length < limit || last === undefined) return true;
        range = after(eventRange, last.key);
      }
      return false;
    } catch (error) {
      const detail = error instanceof Error ? error.message : 'unknown trouble';
      this.#doors.log(drainEvents.storageTrouble({ account: this.#account, doing: 'tell', detail }));
      return false;
    }
  }

  take(most: number): readonly Operation[] {
    if (!this.#mayTell()) return [];
    return [...this.#told].slice(0, Math.max(0, most)).map((key) => ({ kind: 'delete', key }));
  }

  written(operations: readonly Operation[]): void {
    for (const { key } of operations) this.#told.delete(key);
  }

  /** One of them was missing: another deleted it. Whichever are still there are told once more. */
  dropped(operations: readonly Operation[]): void {
    this.written(operations);
    this.#expected = true;
  }
}
