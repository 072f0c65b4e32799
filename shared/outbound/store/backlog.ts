// One small row per account in the partition `accounts`: what a list of accounts shows without reading the outbox.
// The sweep counts, from key-only pages with a bound, a deep backlog not each time. The row is advisory only: an
// answer to its writing that is not ok is ignored.
import { recipientsInDay, slotsInUse } from '../../limits/limiter.ts';
import { rateLimitsOf } from '../accounts.ts';
import type { Dependencies } from '../dependencies.ts';
import type { Fields } from '../ports.ts';
import type { AccountState } from '../records/accountState.ts';
import { accountsPartition, allDueRange, inDoubtRange, suspendedRange, type Range } from '../records/keys.ts';
import type { AccountHead } from './accountHead.ts';
import { scan } from './scan.ts';

/** How many rows a range has; `more` if counting stopped at the bound. */
export interface Count {
  readonly count: number;
  readonly more: boolean;
}

export interface Backlog {
  readonly waiting: Count;
  readonly inDoubt: Count;
  /** In doubt after two lookups: they wait for a person. */
  readonly unresolved: Count;
  readonly failed: Count;
  /** Set aside: their rows can't be read. */
  readonly unreadable: Count;
}

export interface CountedBacklog extends Backlog {
  /** UTC ms. */
  readonly at: number;
  /** Of the state row when it was counted; '' if there was none. */
  readonly etag: string;
}

export function encodeBacklog({
  at,
  etag,
  waiting,
  inDoubt,
  unresolved,
  failed,
  unreadable,
}: CountedBacklog): Fields {
  return {
    countedAt: at,
    countedEtag: etag,
    waitingCount: waiting.count,
    waitingMore: waiting.more,
    inDoubtCount: inDoubt.count,
    unresolvedCount: unresolved.count,
    failedCount: failed.count,
    unreadableCount: unreadable.count,
  };
}

/** Undefined for an account that was never counted. */
export function decodeBacklog(fields: Fields): CountedBacklog | undefined {
  const { countedAt, countedEtag, waitingMore } = fields;
  if (typeof countedAt !== 'number') return undefined;
  const count = (name: string, more: boolean): Count => {
    const value = fields[name];
    return { count: typeof value === 'number' ? value : 0, more };
  };
  return {
    at: countedAt,
    etag: typeof countedEtag === 'string' ? countedEtag : '',
    waiting: count('waitingCount', waitingMore === true),
    inDoubt: count('inDoubtCount', false),
    unresolved: count('unresolvedCount', false),
    failed: count('failedCount', false),
    unreadable: count('unreadableCount', false),
  };
}

/**
 * Counts what is listed, up to the bound. What stands beside the state is counted there if it is little;
 * what is suspended changes only together with the state, so that an older count may still hold. Throws StorageTrouble.
 */
export async function countBacklog(
  account: string,
  dependencies: Dependencies,
  { head, counted }: { readonly head: AccountHead; readonly counted?: CountedBacklog | undefined },
): Promise<Omit<CountedBacklog, 'at'>> {
  const countIn = (range: Range): Promise<Count> => countRows(account, range, dependencies);
  const besides = async (range: Range): Promise<Count> => {
    const count = head.countIn(range);
    return count === undefined ? countIn(range) : { count, more: false };
  };
  const same = counted !== undefined && head.etag !== '' && counted.etag === head.etag ? counted : undefined;
  return {
    etag: head.etag,
    waiting: await besides(allDueRange),
    inDoubt: await besides(inDoubtRange()),
    unresolved: same?.unresolved ?? (await countIn(suspendedRange('inDoubt'))),
    failed: same?.failed ?? (await countIn(suspendedRange('failed'))),
    unreadable: same?.unreadable ?? (await countIn(suspendedRange('unreadable'))),
  };
}

async function countRows(account: string, range: Range, dependencies: Dependencies): Promise<Count> {
  const mostCount = dependencies.numbers.backlogCountMost;
  let count = 0;
  const complete = await scan(
    account,
    range,
    { select: ['attempt'], mostCount },
    (page) => {
      count += page.length;
    },
    dependencies,
  );
  return complete ? { count, more: false } : { count: mostCount, more: true };
}

/** What the account's state alone says. */
export function encodeSummary(
  account: string,
  state: AccountState,
  dependencies: Pick<Dependencies, 'accounts' | 'numbers' | 'time'>,
): Fields {
  const limits = rateLimitsOf(account, dependencies);
  const earliest = dependencies.time.earliest();
  const holds = state.holds.map(({ mailbox, reason, probeAt }) => ({ mailbox, reason, probeAt }));
  return {
    at: earliest,
    slotsInUse: slotsInUse(state, earliest),
    messagesPerMinute: limits.messagesPerMinute,
    recipientsToday: recipientsInDay(state, limits, earliest),
    recipientsPerDay: limits.recipientsPerDay,
    activeCount: state.activeAttempts.length,
    holds: JSON.stringify(holds).slice(0, 30_000),
    working: state.lease !== undefined && earliest < state.lease.until,
    claimToReplyMs: state.claimToReplyMs ?? 0,
  };
}

/** Notes what a drain knows when it ends. */
export async function recordSummary(
  account: string,
  state: AccountState,
  dependencies: Dependencies,
): Promise<void> {
  const fields = encodeSummary(account, state, dependencies);
  await dependencies.rows.commit(accountsPartition, [{ kind: 'merge', key: account, fields }]);
}
