// A small row per account in the partition `accounts`: what the page shows without reading the outbox. The sweep
// counts, from key-only pages with a bound, a deep backlog not each time; a drain that leaves notes what it knows anyway.
import { recipientsInDay, slotsInUse } from '../../limits/window.ts';
import type { Box } from '../records/accountState.ts';
import type { Dependencies } from '../dependencies.ts';
import { accountsPartition, after, allDueRange, asideRange, doubtRange } from '../records/keys.ts';
import type { Range } from '../records/keys.ts';
import { lawOf } from '../rateLimits.ts';
import type { Fields } from '../ports.ts';
import type { Shift } from '../sending/leaseSession.ts';

/** How many rows a range has; `more` where counting stopped at the bound. */
export interface Count {
  readonly count: number;
  readonly more: boolean;
}

export interface Backlog {
  readonly waiting: Count;
  readonly inDoubt: Count;
  /** Held for a person after two looks. */
  readonly doubtful: Count;
  readonly failed: Count;
}

export interface CountedBacklog extends Backlog {
  /** UTC ms. */
  readonly at: number;
}

const pageCount = 1_000;

/** What the sweep needs of the row. */
export const backlogFields = [
  'countedAt',
  'waitingCount',
  'waitingMore',
  'inDoubtCount',
  'doubtfulCount',
  'failedCount',
] as const;

export function fieldsOfBacklog({ at, waiting, inDoubt, doubtful, failed }: CountedBacklog): Fields {
  return {
    countedAt: at,
    waitingCount: waiting.count,
    waitingMore: waiting.more,
    inDoubtCount: inDoubt.count,
    doubtfulCount: doubtful.count,
    failedCount: failed.count,
  };
}

/** Undefined for an account that was never counted. */
export function lastCount(fields: Fields): CountedBacklog | undefined {
  const { countedAt, waitingMore } = fields;
  if (typeof countedAt !== 'number') return undefined;
  const count = (name: string, more: boolean): Count => {
    const value = fields[name];
    return { count: typeof value === 'number' ? value : 0, more };
  };
  return {
    at: countedAt,
    waiting: count('waitingCount', waitingMore === true),
    inDoubt: count('inDoubtCount', false),
    doubtful: count('doubtfulCount', false),
    failed: count('failedCount', false),
  };
}

/** Counts what is listed, up to the bound. Throws StorageTrouble. */
export async function countBacklog(account: string, doors: Dependencies): Promise<Backlog> {
  return {
    waiting: await countRows(account, allDueRange, doors),
    inDoubt: await countRows(account, doubtRange(Number.MAX_SAFE_INTEGER / 10), doors),
    doubtful: await countRows(account, asideRange('doubt'), doors),
    failed: await countRows(account, asideRange('failed'), doors),
  };
}

async function countRows(account: string, range: Range, { rows, numbers }: Dependencies): Promise<Count> {
  let rest = range;
  for (let count = 0; count < numbers.backlogCountMost;) {
    const page = await rows.query(account, { ...rest, limit: pageCount }, ['attempt']);
    count += page.length;
    const last = page.at(-1);
    if (page.length < pageCount || last === undefined) return { count, more: false };
    rest = after(range, last.key);
  }
  return { count: numbers.backlogCountMost, more: true };
}

/** What the box alone says. */
export function fieldsOfBox(
  account: string,
  box: Box,
  doors: Pick<Dependencies, 'accounts' | 'numbers' | 'time'>,
): Fields {
  const law = lawOf(account, doors);
  const early = doors.time.early();
  return {
    at: early,
    slotsInUse: slotsInUse(box, early),
    messagesPerMinute: law.messagesPerMinute,
    recipientsToday: recipientsInDay(box, law, early),
    recipientsPerDay: law.recipientsPerDay,
    openCount: box.open.length,
    holds: JSON.stringify(box.holds.map(({ mailbox, reason, until }) => ({ mailbox, reason, until }))).slice(
      0,
      30_000,
    ),
    working: box.lease !== undefined && early < box.lease.until,
    claimToReplyMs: box.claimToReplyMs ?? 0,
  };
}

/** Written by a drain at its end. Nobody's safety rests on it: an answer that is not ok is left at that. */
export async function noteLeft(shift: Shift): Promise<void> {
  const fields = fieldsOfBox(shift.key, shift.desk.box, shift.doors);
  await shift.doors.rows.commit(accountsPartition, [{ kind: 'merge', key: shift.key, fields }]);
}
