// Reading a range of rows that may be longer than one answer of the table.
import type { Row, Rows } from '../ports.ts';
import { after, type Range } from '../records/keys.ts';

/** What the table answers at most at once. */
export const scanPageCount = 1_000;

export interface ScanOptions {
  /** Only these columns are fetched. */
  readonly select?: readonly string[];
  readonly pageCount?: number;
  /** Reading stops after the page that reaches this many rows. */
  readonly mostCount: number;
}

/** Hands the rows of a range to `visit`, page by page. False if there may be more than were read. Throws StorageTrouble. */
export async function scan(
  partition: string,
  range: Range,
  { select, pageCount = scanPageCount, mostCount }: ScanOptions,
  visit: (page: readonly Row[]) => void | Promise<void>,
  { rows }: { readonly rows: Rows },
): Promise<boolean> {
  let rest = range;
  for (let count = 0; count < mostCount;) {
    const page = await rows.query(partition, { ...rest, limit: pageCount }, select);
    await visit(page);
    count += page.length;
    const last = page.at(-1);
    if (page.length < pageCount || last === undefined) return true;
    rest = after(range, last.key);
  }
  return false;
}
