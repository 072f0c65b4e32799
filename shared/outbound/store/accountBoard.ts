// What the first screen shows of an account beside its counts, as the sweep stores it with them: counts by the hour, what a
// person should look at, when mail last left, how long the oldest waits, and the forecast.
import { z } from 'zod';
import { parseJson } from '../../mail/foreign.ts';
import { hourOf, mergeCounts, readCounts, writeCounts, type HourCount } from '../../mail/hourCounts.ts';
import { omit, present } from '../../mail/omit.ts';
import type { Dependencies } from '../dependencies.ts';
import { forecastAccount } from './forecastAccount.ts';
import type { Fields } from '../ports.ts';
import { getText, putText } from '../records/chunks.ts';
import type { AccountHead } from './accountHead.ts';
import type { CountedBacklog } from './backlog.ts';
import { readAttention, readStoredAttention, writeAttention, type AttentionEntry } from './attention.ts';

/** A week and a day: "since the end of the last working day" is at most a long holiday ago. */
const keptHours = 200;
/** About 60 characters each: an account with many busy mailboxes keeps fewer hours. */
const hoursMost = 3_000;

const figures = z.object({
  /** When each mailbox (lower case) last had a recipient accepted (UTC ms). */
  lastSent: z.array(z.object({ mailbox: z.string(), at: z.number() }).readonly()).readonly(),
  /** Since when the oldest message is due that waits for no expected hold (UTC ms); absent if there is none. */
  oldestDueAt: z.number().exactOptional(),
  /** When all that waits will have been sent (UTC ms); absent if nothing waits or it can't be said. */
  clearsAt: z.number().exactOptional(),
  /** Until when connections of hosts that died keep the account from sending (UTC ms). */
  blockedUntil: z.number().exactOptional(),
  holds: z
    .array(
      z
        .object({
          mailbox: z.string().exactOptional(),
          reason: z.string(),
          detail: z.string(),
          remedy: z.string(),
          since: z.number(),
        })
        .readonly(),
    )
    .readonly(),
});

export interface AccountBoard extends z.infer<typeof figures> {
  readonly hours: readonly HourCount[];
  readonly attention: readonly AttentionEntry[];
}

const holdsMost = 60;
const emptyFigures: z.infer<typeof figures> = { lastSent: [], holds: [] };

export function readBoard(fields: Fields): AccountBoard {
  const read = figures.safeParse(parseJson(getText(fields, 'board') ?? '{}'));
  return {
    ...(read.success ? read.data : emptyFigures),
    hours: readCounts(getText(fields, 'hours')),
    attention: readStoredAttention(getText(fields, 'attention')),
  };
}

/** The columns of the board as they are to be now. Throws StorageTrouble. */
export async function renewBoard(
  account: string,
  known: {
    readonly stored: Fields;
    readonly head: AccountHead;
    readonly backlog: CountedBacklog;
    readonly oldestDueMs: number;
    /** The account's rows are as they were when the board was stored. */
    readonly isSame: boolean;
  },
  dependencies: Dependencies,
): Promise<Fields> {
  const { stored, head, backlog, oldestDueMs, isSame } = known;
  const { state } = head;
  const now = dependencies.time.earliest();
  const before = readBoard(stored);
  const attention = isSame
    ? before.attention
    : await readAttention(account, { head, backlog, stored: before.attention }, dependencies);
  const hours = mergeCounts(before.hours, state.hourly, {
    firstHour: hourOf(now) - keptHours,
    mostCount: hoursMost,
  });
  const isCounted = backlog.at === now || before.clearsAt === undefined;
  const { clearsAt, blockedUntil } =
    backlog.waiting.count === 0 ? {} : isCounted ? await forecastAccount(account, dependencies) : before;
  const board: z.infer<typeof figures> = {
    lastSent: state.lastSent,
    holds: state.holds.slice(0, holdsMost).map((hold) => omit(hold, 'probeAt', 'probeCount', 'firstProbeMs')),
    ...(oldestDueMs === 0 ? {} : { oldestDueAt: now - oldestDueMs }),
    ...present({ clearsAt, blockedUntil }),
  };
  return {
    ...putText('board', JSON.stringify(board)),
    ...putText('hours', writeCounts(hours)),
    ...putText('attention', writeAttention(attention)),
  };
}
