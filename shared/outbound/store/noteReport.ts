// A failure report is noted once for each message; from then on upkeep/sendReports.ts sees to it.
import { StorageTrouble } from '../../storageErrors.ts';
import type { Dependencies } from '../dependencies.ts';
import { reportKey, reportsPartition } from '../records/keys.ts';
import { encodeReport } from '../records/reportRow.ts';

export interface WantedReport {
  readonly account: string;
  readonly id: string;
  /** `recipients`: recipients that were never submitted, of a message whose others were. */
  readonly kind: 'message' | 'recipients';
  readonly mailbox: string;
  /** When it is due (UTC ms). */
  readonly at: number;
  /** As encodeSaid writes it. */
  readonly said: string;
}

/** Nothing happens if the message has one. Throws StorageTrouble. */
export async function noteReport(wanted: WantedReport, { rows }: Pick<Dependencies, 'rows'>): Promise<void> {
  if ((await rows.read(reportsPartition, reportKey('made', wanted))) !== undefined) return;
  const key = reportKey('due', wanted);
  const fields = encodeReport({ ...wanted, nextAt: wanted.at, tries: 0 });
  const answer = await rows.commit(reportsPartition, [{ kind: 'insert', key, fields }]);
  if (answer.kind === 'unknown') throw new StorageTrouble(`a failure report: ${answer.detail}`);
  // An earlier event asked for one in an hour; this one wants it now.
  if (answer.kind === 'refused') await hasten(key, wanted, fields, rows);
}

async function hasten(
  key: string,
  { at }: WantedReport,
  fields: ReturnType<typeof encodeReport>,
  rows: Dependencies['rows'],
): Promise<void> {
  const row = await rows.read(reportsPartition, key);
  const known = row?.fields['at'];
  if (row === undefined || typeof known !== 'number' || known <= at || row.fields['tries'] !== 0) return;
  const answer = await rows.commit(reportsPartition, [{ kind: 'replace', key, fields, etag: row.etag }]);
  if (answer.kind === 'unknown') throw new StorageTrouble(`a failure report: ${answer.detail}`);
}
