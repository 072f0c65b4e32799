// How commands print: tables of at most 80 columns, and one form of time.
import { table } from './table.ts';

/** A table whose cells are cut to these widths, with two spaces between them: 80 columns if the widths have room for them. */
export function fitted(
  heads: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  widths: readonly number[],
): string {
  const cut = (cell: string | number, at: number): string | number => {
    const most = widths[at] ?? 0;
    return typeof cell === 'number' || cell.length <= most ? cell : `${cell.slice(0, most - 1)}…`;
  };
  return table(
    heads,
    rows.map((row) => row.map(cut)),
  );
}

/** `2026-11-28 10:33Z`: UTC to the minute, with its zone. Of an ISO 8601 text or UTC milliseconds; empty for an empty text. */
export function timeShown(at: string | number): string {
  if (at === '') return '';
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? String(at) : `${date.toISOString().slice(0, 16).replace('T', ' ')}Z`;
}
