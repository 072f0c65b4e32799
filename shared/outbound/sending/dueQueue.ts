// The due messages of an account in the order in which they are sent, by lane and time, read by the page and kept in
// memory. One query usually reads all lanes; more are needed only if one lane fills the page alone. The pages are
// dropped whenever another has changed the account's state.
import type { Dependencies } from '../dependencies.ts';
import type { Row } from '../ports.ts';
import { allDueRange, dueRange, lanes, parseDueKey, type Lane } from '../records/keys.ts';

export interface DueEntry {
  readonly lane: Lane;
  readonly id: string;
  readonly key: string;
  readonly mailbox: string;
}

interface Page {
  readonly entries: readonly DueEntry[];
  /** There were no more when it was read. */
  readonly complete: boolean;
  readonly readAt: number;
}

export class DueQueue {
  readonly #account: string;
  readonly #dependencies: Dependencies;
  readonly #pages = new Map<Lane, Page>();

  constructor(account: string, dependencies: Dependencies) {
    this.#account = account;
    this.#dependencies = dependencies;
  }

  clear(): void {
    this.#pages.clear();
  }

  remove(id: string): void {
    for (const [lane, page] of this.#pages) {
      this.#pages.set(lane, { ...page, entries: page.entries.filter((entry) => entry.id !== id) });
    }
  }

  /** The first due message of a lane that is not among `busy`. Throws StorageTrouble. */
  async first(lane: Lane, busy: ReadonlySet<string>): Promise<DueEntry | undefined> {
    if (this.#pages.size === 0) await this.#readAll();
    const known = this.#find(lane, busy);
    if (!this.#isOld(lane, known !== undefined)) return known;
    await this.#readLane(lane);
    return this.#find(lane, busy);
  }

  /** True if a new reading finds a due message, not among `busy`, in a lane that is not `excluded`. */
  async hasDue(busy: ReadonlySet<string>, excluded: (lane: Lane) => boolean): Promise<boolean> {
    await this.#readAll();
    return lanes.some((lane) => !excluded(lane) && this.#find(lane, busy) !== undefined);
  }

  #find(lane: Lane, busy: ReadonlySet<string>): DueEntry | undefined {
    return this.#pages.get(lane)?.entries.find(({ id }) => !busy.has(id));
  }

  /** While an entry is known nothing that was accepted since can be before it. */
  #isOld(lane: Lane, hasEntry: boolean): boolean {
    const page = this.#pages.get(lane);
    if (page === undefined) return true;
    if (hasEntry) return false;
    const { clock, numbers } = this.#dependencies;
    return !page.complete || clock.monotonic() - page.readAt >= numbers.dueQueueRefreshMs;
  }

  async #readAll(): Promise<void> {
    const { time, clock, numbers, rows: table } = this.#dependencies;
    const earliest = time.earliest();
    const readAt = clock.monotonic();
    const limit = numbers.dueQueuePageCount;
    const rows = await table.query(this.#account, { ...allDueRange, limit });
    const last = parseDueKey(rows.at(-1)?.key ?? '');
    for (const lane of lanes) {
      const full = rows.length >= limit && last !== undefined;
      if (full && lane > last.lane) await this.#readLane(lane);
      else {
        // The page may end among this lane's due entries; if it reaches those of the future it is complete.
        const complete = !(full && lane === last.lane && last.at <= earliest);
        this.#pages.set(lane, { entries: dueEntries(rows, lane, earliest), complete, readAt });
      }
    }
  }

  async #readLane(lane: Lane): Promise<void> {
    const { time, clock, numbers, rows: table } = this.#dependencies;
    const earliest = time.earliest();
    const readAt = clock.monotonic();
    const limit = numbers.dueQueuePageCount;
    const rows = await table.query(this.#account, { ...dueRange(lane, earliest), limit });
    const entries = dueEntries(rows, lane, earliest);
    this.#pages.set(lane, { entries, complete: rows.length < limit, readAt });
  }
}

function dueEntries(rows: readonly Row[], lane: Lane, earliest: number): readonly DueEntry[] {
  return rows.flatMap(({ key, fields }) => {
    const parsed = parseDueKey(key);
    const mailbox = fields['mailbox'];
    if (parsed?.lane !== lane || parsed.at > earliest || typeof mailbox !== 'string') return [];
    return [{ lane, id: parsed.id, key, mailbox }];
  });
}
