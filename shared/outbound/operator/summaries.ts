// What the sweep last stored of every account: one short range of rows, whatever the number of accounts and messages.
import { numberIn } from '../../mail/foreign.ts';
import type { Dependencies } from '../dependencies.ts';
import { accountsPartition, everyRow } from '../records/keys.ts';
import { decodeBacklog, type CountedBacklog } from '../store/backlog.ts';
import { readBoard, type AccountBoard } from '../store/accountBoard.ts';
import { scan } from '../store/scan.ts';

export interface AccountSummary {
  readonly account: string;
  /** When a drain or the sweep stored it (UTC ms); 0: never. */
  readonly at: number;
  /** Undefined for an account that was never counted. */
  readonly backlog: CountedBacklog | undefined;
  readonly slotsInUse: number;
  readonly recipientsToday: number;
  readonly recipientsPerDay: number;
  readonly messagesPerMinute: number;
  readonly activeCount: number;
  readonly board: AccountBoard;
}

const accountsMost = 10_000;

/** Of every account that ever had a message. Throws StorageTrouble. */
export async function readSummaries(dependencies: Dependencies): Promise<readonly AccountSummary[]> {
  const summaries: AccountSummary[] = [];
  await scan(
    accountsPartition,
    everyRow,
    { mostCount: accountsMost },
    (page) => {
      for (const { key, fields } of page)
        summaries.push({
          account: key,
          at: numberIn(fields, 'at'),
          backlog: decodeBacklog(fields),
          slotsInUse: numberIn(fields, 'slotsInUse'),
          recipientsToday: numberIn(fields, 'recipientsToday'),
          recipientsPerDay: numberIn(fields, 'recipientsPerDay'),
          messagesPerMinute: numberIn(fields, 'messagesPerMinute'),
          activeCount: numberIn(fields, 'activeCount'),
          board: readBoard(fields),
        });
    },
    dependencies,
  );
  return summaries;
}
