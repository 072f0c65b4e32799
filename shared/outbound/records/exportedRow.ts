// The form in which a message's row lies in an export: one JSON object a line, every column as it is in the table. The
// row's own version column says who can read it.
import { z } from 'zod';
import type { Fields, Row } from '../ports.ts';

const field = z.union([
  z.string(),
  z.number(),
  z.boolean(),
  // Bytes, which JSON has no form for.
  z.strictObject({ base64: z.string() }),
]);
const line = z.strictObject({ key: z.string(), fields: z.record(z.string(), field) });

export function encodeExportedRow({ key, fields }: Pick<Row, 'key' | 'fields'>): string {
  const plain = Object.entries(fields).map(([name, value]) => [
    name,
    value instanceof Uint8Array ? { base64: Buffer.from(value).toString('base64') } : value,
  ]);
  const columns: unknown = Object.fromEntries(plain);
  return JSON.stringify({ key, fields: columns });
}

/** Undefined for a line that is no row. */
export function decodeExportedRow(text: string): Pick<Row, 'key' | 'fields'> | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  const read = line.safeParse(parsed);
  if (!read.success) return undefined;
  const fields: Fields = Object.fromEntries(
    Object.entries(read.data.fields).map(([name, value]) => [
      name,
      typeof value === 'object' ? Buffer.from(value.base64, 'base64') : value,
    ]),
  );
  return { key: read.data.key, fields };
}

/** What an export is made of. `complete/NAME.json` is written last: without it the rest is of an export that ended early. */
export const exportNames = {
  rows: (exportName: string, account: string, part: number): string =>
    `rows/${exportName}/${account}/${String(part).padStart(6, '0')}.ndjson`,
  rowsOf: (exportName: string): string => `rows/${exportName}/`,
  content: (name: string): string => `content/${name}`,
  complete: (exportName: string): string => `complete/${exportName}.json`,
  allComplete: 'complete/',
} as const;

/** The account in the name of a blob of rows. */
export const accountOfRows = (name: string): string => name.split('/')[2] ?? '';

const summary = z.object({ format: z.literal(1), at: z.number(), messageCount: z.number() });
export type ExportSummary = z.infer<typeof summary>;

export const encodeSummary = (made: ExportSummary & Readonly<Record<string, unknown>>): Uint8Array =>
  Buffer.from(JSON.stringify(made));

/** Undefined for an export of another format. */
export function decodeSummary(bytes: Uint8Array): ExportSummary | undefined {
  try {
    return summary.safeParse(JSON.parse(Buffer.from(bytes).toString())).data;
  } catch {
    return undefined;
  }
}
