// The audit trail of what operators did: one row for each act, written before the act and completed after it, so that an
// act whose end is not known is in it too. The newest come first by the names of the rows.
import { z } from 'zod';
import type { Clock, Random } from '../clock.ts';
import type { Rows } from '../outbound/ports.ts';
import { StorageTrouble } from '../storageErrors.ts';

export interface AuditEntry {
  /** UTC ms. */
  readonly at: number;
  readonly by: string;
  readonly objectId: string;
  readonly via: 'session' | 'bearer';
  readonly action: string;
  /** What it was done to: ids, a mailbox, or the filter as JSON. */
  readonly on: string;
  readonly reason: string;
  /** `started`: how it ended is not known. */
  readonly result: 'started' | 'done' | 'refused' | 'failed';
  readonly doneCount: number;
  readonly refusedCount: number;
  readonly detail: string;
}

export type AuditBegin = Pick<AuditEntry, 'by' | 'objectId' | 'via' | 'action' | 'on' | 'reason'>;
export type AuditEnd = Pick<AuditEntry, 'result' | 'doneCount' | 'refusedCount' | 'detail'>;

const partition = 'audit';
const textCharacters = 2_000;
const latestTime = 10 ** 15 - 1;

const columns = z.object({
  at: z.number(),
  by: z.string(),
  objectId: z.string(),
  via: z.enum(['session', 'bearer']),
  action: z.string(),
  on: z.string(),
  reason: z.string(),
  result: z.enum(['started', 'done', 'refused', 'failed']),
  doneCount: z.number(),
  refusedCount: z.number(),
  detail: z.string(),
});

/** Every method throws StorageTrouble. */
export class AuditLog {
  readonly #rows: Rows;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #random: Pick<Random, 'id'>;

  constructor(rows: Rows, clock: Pick<Clock, 'now'>, random: Pick<Random, 'id'>) {
    this.#rows = rows;
    this.#clock = clock;
    this.#random = random;
  }

  /** Writes the row of an act that begins; the answer completes it. */
  async begin(entry: AuditBegin): Promise<(end: AuditEnd) => Promise<void>> {
    const at = this.#clock.now();
    const key = `${String(latestTime - at).padStart(15, '0')}|${this.#random.id()}`;
    const begun = { ...bounded(entry), at, result: 'started', doneCount: 0, refusedCount: 0, detail: '' };
    await this.#commit({ kind: 'insert', key, fields: begun });
    return (end) => this.#commit({ kind: 'merge', key, fields: bounded(end) });
  }

  /** The newest, at most `limit` (1 to 1,000). */
  async newest(limit: number): Promise<readonly AuditEntry[]> {
    const rows = await this.#rows.query(partition, { from: '0', to: '~', limit });
    return rows.flatMap(({ fields }) => {
      const read = columns.safeParse(fields);
      return read.success ? [read.data] : [];
    });
  }

  async #commit(operation: Parameters<Rows['commit']>[1][number]): Promise<void> {
    const answer = await this.#rows.commit(partition, [operation]);
    // A repeated insert that was applied comes back as refused.
    if (answer.kind === 'unknown')
      throw new StorageTrouble(`the audit trail could not be written: ${answer.detail}`);
  }
}

function bounded<Fields extends Readonly<Record<string, string | number>>>(fields: Fields): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === 'string' ? value.toWellFormed().slice(0, textCharacters) : value,
    ]),
  ) as Fields;
}
