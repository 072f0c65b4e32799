// The ledger row of a notice: what is known to be on the card, written before each write to ESM and after it, since the
// API has neither transactions nor idempotency keys.
//
//   new → creating → placed        a card is made; `creating` from before the POST
//   new → commenting → placed      a comment on a card that exists
//   placed                         the text is there; files, status and remarks follow, each noted before it is begun
//   done · ignored                 final: a repeat of the notice makes no call
//
// Every write is conditional on the row as it was read. A worker whose claim was taken over therefore can't go on: it
// writes the row before each write to ESM.
import { z } from 'zod';
import type { EsmDependencies } from './dependencies.ts';
import type { EsmFields } from './ports.ts';

const fileCounts = z.record(z.string(), z.number());

const columns = z.object({
  state: z.enum(['new', 'creating', 'commenting', 'placed', 'done', 'ignored']),
  template: z.string().default(''),
  cardId: z.string().default(''),
  isNewCard: z.boolean().default(false),
  /** The attribute that a comment goes to; `raw` for an .eml. */
  attribute: z.string().default(''),
  /** When the write that is not known to have ended was begun (UTC ms); 0 if none. */
  writeAt: z.number().default(0),
  /** Files that are on the card, or were refused. */
  fileCount: z.number().default(0),
  /** JSON: how many files of a name the card had before ours. */
  fileCounts: z.string().default('{}'),
  /** JSON: what a person should know, a list of sentences. */
  remarks: z.string().default('[]'),
  /** `begun`: the comment with the remarks may be there. */
  remarked: z.enum(['no', 'begun', 'yes']).default('no'),
  statusSet: z.boolean().default(false),
  /** The card that the mail names does not take it. */
  avoidCard: z.boolean().default(false),
  tryCount: z.number().default(0),
  firstAt: z.number(),
  claimTag: z.string().default(''),
  claimUntil: z.number().default(0),
  /** Of the last failure. */
  detail: z.string().default(''),
});

export type NoticeColumns = z.output<typeof columns>;

/** Somebody else goes on with the notice. */
export class ClaimLost extends Error {
  override readonly name = 'ClaimLost';
}

/** A row that this worker has claimed. */
export class NoticeEntry {
  readonly id: string;
  readonly #partition: string;
  readonly #rows: EsmDependencies['rows'];
  #etag: string;
  #columns: NoticeColumns;

  constructor(
    at: { readonly partition: string; readonly id: string },
    row: { readonly etag: string; readonly columns: NoticeColumns },
    rows: EsmDependencies['rows'],
  ) {
    this.#partition = at.partition;
    this.id = at.id;
    this.#etag = row.etag;
    this.#columns = row.columns;
    this.#rows = rows;
  }

  get now(): NoticeColumns {
    return this.#columns;
  }

  get remarks(): readonly string[] {
    return z.array(z.string()).parse(JSON.parse(this.#columns.remarks));
  }

  get fileCounts(): Readonly<Record<string, number>> {
    return fileCounts.parse(JSON.parse(this.#columns.fileCounts));
  }

  /** Throws ClaimLost if the row was written by somebody else, StorageTrouble. */
  async save(change: Partial<NoticeColumns>): Promise<void> {
    const answer = await this.#rows.write(this.#partition, this.id, { etag: this.#etag, fields: change });
    if (answer.kind === 'conflict')
      throw new ClaimLost('the row of the notice was written by another worker');
    this.#etag = answer.etag;
    this.#columns = { ...this.#columns, ...change };
  }

  /** Adds remarks without a write; the next one takes them along. */
  withRemarks(...more: readonly string[]): Pick<NoticeColumns, 'remarks'> {
    const all = [...new Set([...this.remarks, ...more])].slice(0, 50).map((one) => one.slice(0, 500));
    return { remarks: JSON.stringify(all) };
  }
}

export type Claim =
  | { readonly kind: 'claimed'; readonly entry: NoticeEntry }
  | { readonly kind: 'final' }
  /** Another worker has it until then (UTC ms). */
  | { readonly kind: 'busy'; readonly until: number };

/** Takes the notice's row for this worker, making it if need be. Throws StorageTrouble. */
export async function claimNotice(
  at: { readonly partition: string; readonly id: string },
  { rows, clock, random, numbers }: Pick<EsmDependencies, 'rows' | 'clock' | 'random' | 'numbers'>,
): Promise<Claim> {
  const now = clock.now();
  const found = await rows.read(at.partition, at.id);
  const known = found === undefined ? undefined : columns.parse(found.fields);
  if (known?.state === 'done' || known?.state === 'ignored') return { kind: 'final' };
  if (known !== undefined && known.claimUntil > now) return { kind: 'busy', until: known.claimUntil };
  const fields: EsmFields = {
    ...(known === undefined ? { state: 'new', firstAt: now } : {}),
    claimTag: random.id(),
    claimUntil: now + numbers.claimMs,
  };
  const answer = await rows.write(at.partition, at.id, { etag: found?.etag, fields });
  if (answer.kind === 'conflict') return { kind: 'busy', until: now + numbers.firstDelayMs };
  const row = { etag: answer.etag, columns: columns.parse({ ...found?.fields, ...fields }) };
  return { kind: 'claimed', entry: new NoticeEntry(at, row, rows) };
}
