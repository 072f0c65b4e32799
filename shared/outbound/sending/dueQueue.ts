// The heads of the lanes: due messages in the order in which they leave, read by the page and kept in memory.
// One query usually reads all lanes; only a lane that fills the page alone makes others necessary. The pages are
// thrown away whenever another has changed the box.
import type { Dependencies } from '../dependencies.ts';
import { allDueRange, dueRange, lanes, parseDueKey } from '../records/keys.ts';
import type { Lane } from '../records/keys.ts';
import type { Row } from '../ports.ts';

export interface Head {
  readonly lane: Lane;
  readonly id: string;
  readonly key: string;
  readonly mailbox: string;
}

interface Page {
  readonly heads: readonly Head[];
  /** There were no more when it was read. */
  readonly complete: boolean;
  readonly readAt: number;
}

export class Heads {
  readonly #account: string;
  readonly #doors: Dependencies;
  readonly #pages = new Map<Lane, Page>();

  constructor(account: string, doors: Dependencies) {
    this.#account = account;
    this.#doors = doors;
  }

  forgetAll(): void {
    this.#pages.clear();
  }

  forget(id: string): void {
    for (const [lane, page] of this.#pages) {
      this.#pages.set(lane, { ...page, heads: page.heads.filter((head) => head.id !== id) });
    }
  }

  /** The first due message of a lane that is not among `busy`. Throws StorageTrouble. */
  async first(lane: Lane, busy: ReadonlySet<string>): Promise<Head | undefined> {
    if (this.#pages.size === 0) await this.#readAll();
    const known = this.#find(lane, busy);
    if (!this.#isOld(lane, known !== undefined)) return known;
    await this.#readLane(lane);
    return this.#find(lane, busy);
  }

  /** True where some message is due in a lane that `lies` does not rule out, as of a new reading. */
  async any(busy: ReadonlySet<string>, lies: (lane: Lane) => boolean): Promise<boolean> {
    await this.#readAll();
    return lanes.some((lane) => !lies(lane) && this.#find(lane, busy) !== undefined);
  }

  #find(lane: Lane, busy: ReadonlySet<string>): Head | undefined {
    return this.#pages.get(lane)?.heads.find(({ id }) => !busy.has(id));
  }

  #isOld(lane: Lane, hasHead: boolean): boolean {
    const page = this.#pages.get(lane);
    if (page === undefined) return true;
    const aged = this.#doors.clock.monotonic() - page.readAt >= this.#doors.numbers.headsRefreshMs;
    // Urgent messages that came since are looked for even while others are known.
    return hasHead ? aged && lane === 0 : aged || !page.complete;
  }

  async #readAll(): Promise<void> {
    const early = this.#doors.time.early();
    const readAt = this.#doors.clock.monotonic();
    const limit = this.#doors.numbers.headsPageCount;
    const rows = await this.#doors.rows.query(this.#account, { ...allDueRange, limit });
    const last = parseDueKey(rows.at(-1)?.key ?? '');
    for (const lane of lanes) {
      const full = rows.length >= limit && last !== undefined;
      if (full && lane > last.lane) await this.#readLane(lane);
      else {
        // The page may end among this lane's due ones; past those of the future it is complete.
        const complete = !(full && lane === last.lane && last.at <= early);
        this.#pages.set(lane, { heads: headsOf(rows, lane, early), complete, readAt });
      }
    }
  }

  async #readLane(lane: Lane): Promise<void> {
    const early = this.#doors.time.early();
    const readAt = this.#doors.clock.monotonic();
    const limit = this.#doors.numbers.headsPageCount;
    const rows = await this.#doors.rows.query(this.#account, { ...dueRange(lane, early), limit });
    this.#pages.set(lane, { heads: headsOf(rows, lane, early), complete: rows.length < limit, readAt });
  }
}

function headsOf(rows: readonly Row[], lane: Lane, early: number): readonly Head[] {
  return rows.flatMap(({ key, fields }) => {
    const parsed = parseDueKey(key);
    const mailbox = fields['mailbox'];
    if (parsed?.lane !== lane || parsed.at > early || typeof mailbox !== 'string') return [];
    return [{ lane, id: parsed.id, key, mailbox }];
  });
}
