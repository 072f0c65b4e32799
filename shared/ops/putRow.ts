// Writes a row whether it is there or not, for rows of which the last writer may win.
import type { CommitAnswer, Rows } from '../outbound/ports.ts';

/** `merge` leaves the other columns as they are. `refused` only if the row came and went meanwhile. */
export async function putRow(
  rows: Pick<Rows, 'commit'>,
  partition: string,
  row: {
    readonly kind: 'merge' | 'replace';
    readonly key: string;
    readonly fields: Readonly<Record<string, string | number>>;
  },
): Promise<CommitAnswer> {
  const answer = await rows.commit(partition, [row]);
  return answer.kind === 'refused' ? rows.commit(partition, [{ ...row, kind: 'insert' }]) : answer;
}
