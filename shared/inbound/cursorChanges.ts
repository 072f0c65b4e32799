// What a run changes in the cursor of a mailbox. Pure.
import type { Cursor, MissingUid, RetryUid } from './ports.ts';

/**
 * More than that many UIDs on the retry list: those that failed most often are given up at once. A run fetches nothing new
 * once the list is longer by the excess, so that with the batches in hand it fits into its column (ledgerRows.ts).
 */
export const retryListLimit = 1_000;
const retryExcess = 100;
/** A UID is tried in every run until it has failed this often, then in one run of sixteen. */
const eagerTries = 8;
/** Then it is announced as `unparsed`, with what the server gave of it, and left where it is. After about an hour. */
const giveUpTries = 12;
/** What a run that ended in the middle of a message counts: a process that died, and a store that gave up. */
export const deathCount = 2;
export const storeFailureCount = 1;
/** With more than this a message is announced without being parsed; with more than that its bytes are left out, too. */
export const abandonedTries = 7;
export const abandonedLimit = 13;
/** UIDs that SEARCH left out: how many are remembered, how many of one step, and in how many runs they are looked for. */
const missingLimit = 200;
const gapLimit = 100;
const missingPasses = 3;
/** UIDs that were never given whole: the newest are remembered. */
const incompleteLimit = 100;

/** Of a folder of which nothing was fetched yet. */
export function emptyCursor(folder: string, before: Cursor | undefined, now: number): Cursor {
  return {
    folder,
    uidValidity: 0,
    lastUid: 0,
    retryList: [],
    missing: [],
    unannounced: before?.unannounced ?? [],
    incomplete: [],
    hasPending: before?.hasPending ?? false,
    failureCount: before?.failureCount ?? 0,
    retryAt: 0,
    firstRunAt: before?.firstRunAt ?? now,
    rescanTop: 0,
    caughtUpAt: before?.caughtUpAt ?? 0,
    rowsPrunedUntil: before?.rowsPrunedUntil ?? 0,
    lastRunAt: before?.lastRunAt ?? 0,
    lastSuccessAt: before?.lastSuccessAt ?? 0,
    hasMore: false,
    detail: '',
    vanishedCount: 0,
  };
}

/** Of a folder whose UIDs mean something else now. */
export function restarted(cursor: Cursor, uidValidity: number): Cursor {
  return { ...cursor, uidValidity, lastUid: 0, retryList: [], missing: [], incomplete: [], hasMore: true };
}

/** Whether a UID of the retry list is tried in the run that begins now. */
export function isDue({ uid, tryCount, abandonedCount = 0 }: RetryUid, now: number): boolean {
  if (abandonedCount > 0) return true;
  // Spread by UID, so that a run never tries all hopeless ones at once.
  return tryCount < eagerTries || tryCount >= giveUpTries || (Math.floor(now / 60_000) + uid) % 16 === 0;
}

/** Whether new messages may be fetched: each of them may fail. */
export const hasRoom = (retryList: readonly RetryUid[]): boolean =>
  retryList.length < retryListLimit + retryExcess;

/** UIDs of the retry list that failed too often, or that the list has no room for. */
export function usedUpTries(retryList: readonly RetryUid[]): readonly number[] {
  const excess = retryList.length - retryListLimit;
  const crowded = excess <= 0 ? [] : retryList.toSorted((one, other) => other.tryCount - one.tryCount);
  return [
    ...retryList.filter(
      ({ tryCount, abandonedCount = 0 }) => tryCount >= giveUpTries || abandonedCount > abandonedTries,
    ),
    ...crowded.slice(0, Math.max(0, excess)),
  ].map(({ uid }) => uid);
}

/** The message of this UID is begun alone: counted as if the process died in it, until the run says otherwise. */
export function begun(cursor: Cursor, uid: number): Cursor {
  const known = cursor.retryList.find((one) => one.uid === uid);
  const { tryCount = 0, abandonedCount = 0 } = known ?? {};
  const others = cursor.retryList.filter((one) => one.uid !== uid);
  return {
    ...cursor,
    retryList: [...others, { uid, tryCount, abandonedCount: abandonedCount + deathCount }],
  };
}

/** The run failed in the middle of this message, and the process is alive. */
export function survived(cursor: Cursor, uid: number | undefined): Cursor {
  const retryList = cursor.retryList.map((one) =>
    one.uid === uid && one.abandonedCount !== undefined
      ? { ...one, abandonedCount: one.abandonedCount - deathCount + storeFailureCount }
      : one,
  );
  return { ...cursor, retryList };
}

/** The run ended in the middle of this message for a reason of its own: it does not count. */
export function unbegun(cursor: Cursor, uid: number | undefined): Cursor {
  const retryList = cursor.retryList.map((one) =>
    one.uid === uid && one.abandonedCount !== undefined
      ? { ...one, abandonedCount: Math.max(0, one.abandonedCount - deathCount) }
      : one,
  );
  return { ...cursor, retryList };
}

/** A changed cursor, and how many messages another reader is now known to have taken. */
export interface Counted {
  readonly cursor: Cursor;
  readonly vanishedCount: number;
}

/**
 * The cursor moves to `top`: UIDs on the way that SEARCH did not name are remembered, the nearest ones. `isNew`: they were
 * assigned since an earlier run reached the end of the folder; others may have been gone long ago.
 */
export function pastGaps(
  cursor: Cursor,
  {
    top,
    named,
    isNew,
  }: { readonly top: number; readonly named: ReadonlySet<number>; readonly isNew: boolean },
): Counted {
  const { lastUid, missing } = cursor;
  const known = new Set([...missing, ...cursor.retryList].map(({ uid }) => uid));
  const gaps: MissingUid[] = [];
  for (let uid = top; uid > lastUid && gaps.length < gapLimit; uid -= 1) {
    if (!named.has(uid) && !known.has(uid)) gaps.push({ uid, passCount: 0, isNew });
  }
  const all = [...missing, ...gaps];
  // The oldest have been looked for most often.
  const dropped = all.slice(0, Math.max(0, all.length - missingLimit));
  return counted(
    { ...cursor, lastUid: Math.max(lastUid, top), missing: all.slice(dropped.length) },
    dropped.filter((one) => one.isNew).length,
  );
}

/** Missing UIDs were looked for, and `there` are in the folder. They leave the list with the batch that fetches them. */
export function lookedFor(cursor: Cursor, there: ReadonlySet<number>): Counted {
  const missing = cursor.missing.map((one) =>
    there.has(one.uid) ? one : { ...one, passCount: one.passCount + 1 },
  );
  const gone = missing.filter(({ passCount }) => passCount >= missingPasses);
  return counted(
    { ...cursor, missing: missing.filter(({ passCount }) => passCount < missingPasses) },
    gone.filter(({ isNew }) => isNew).length,
  );
}

function counted(cursor: Cursor, vanishedCount: number): Counted {
  return { cursor: { ...cursor, vanishedCount: cursor.vanishedCount + vanishedCount }, vanishedCount };
}

/** UIDs that a person has to look at, with the new ones. */
export function withIncomplete(cursor: Cursor, uids: readonly number[]): Cursor {
  if (uids.length === 0) return cursor;
  return { ...cursor, incomplete: [...new Set([...cursor.incomplete, ...uids])].slice(-incompleteLimit) };
}
