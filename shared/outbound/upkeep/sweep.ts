// The sweep looks at every account once a minute and wakes those that have work and no worker. It never sends.
// What it finds: a host that died (its lease expired, its attempts are past their deadline), an event not published,
// a lookup that is due, a due message in a lane that may be sent from, a hold whose probe is due, suspended messages
// whose hold has ended, and accounts that the settings no longer name, whose messages are then held with that reason.
import { messageOf } from '../../mail/foreign.ts';
import { recipientsInDay, slotsInUse } from '../../limits/limiter.ts';
import { outboundEvents } from '../../telemetry/outboundEvents.ts';
import { accountOf, mailboxIn, rateLimitsOf } from '../accounts.ts';
import type { Dependencies } from '../dependencies.ts';
import { blockedUntil, orphanedConnections } from '../policy/connections.ts';
import { accountHold, dueForProbe } from '../policy/holds.ts';
import { unreportedHolds } from '../policy/holdReports.ts';
import type { Fields, Row } from '../ports.ts';
import type { AccountState } from '../records/accountState.ts';
import {
  accountsPartition,
  dueRange,
  eventRange,
  everyRow,
  inDoubtRange,
  lanes,
  parseDueKey,
} from '../records/keys.ts';
import { UnreadableRow } from '../records/unreadableRow.ts';
import { mailboxToResume } from '../sending/suspended.ts';
import { readHead, type AccountHead } from '../store/accountHead.ts';
import {
  countBacklog,
  decodeBacklog,
  encodeBacklog,
  encodeSummary,
  type CountedBacklog,
} from '../store/backlog.ts';
import { scan, scanPageCount } from '../store/scan.ts';
import { renewBoard } from '../store/accountBoard.ts';
import { accountCondition, type AccountCondition } from './accountCondition.ts';

const mostAccounts = 10_000;
/** Counting a deep backlog each minute would cost as many calls as sending from it. */
const recountMs = 5 * 60_000;

/** Wakes accounts as needed; one that can't be read does not keep the others waiting, whatever is wrong with it. */
export async function sweep(dependencies: Dependencies): Promise<void> {
  for (const summary of await summaries(dependencies)) {
    try {
      await sweepAccount(summary, dependencies);
    } catch (error) {
      const detail = messageOf(error);
      const about = { account: summary.key, detail };
      dependencies.log(
        error instanceof UnreadableRow
          ? outboundEvents.accountUnreadable(about)
          : outboundEvents.sweepFailed(about),
      );
    }
  }
}

/** Every account that ever had a message, by its row. Throws StorageTrouble. */
export async function listAccounts(dependencies: Pick<Dependencies, 'rows'>): Promise<readonly string[]> {
  return (await summaries(dependencies)).map(({ key }) => key);
}

/** The same, with what the last sweep stored of each. Throws StorageTrouble. */
export async function summaries(dependencies: Pick<Dependencies, 'rows'>): Promise<readonly Row[]> {
  const found: Row[] = [];
  const options = { mostCount: mostAccounts };
  await scan(accountsPartition, everyRow, options, (page) => void found.push(...page), dependencies);
  return found;
}

async function sweepAccount({ key: account, fields }: Row, dependencies: Dependencies): Promise<void> {
  const head = await readHead(account, dependencies);
  const reason = await whyWake(account, head, dependencies);
  if (reason !== undefined) {
    await dependencies.queues.wake(account);
    dependencies.log(outboundEvents.wakeUpSent({ account, reason }));
  }
  const counted = decodeBacklog(fields);
  const backlog = await countAgain(account, { head, counted }, dependencies);
  const condition = await accountCondition(account, head, dependencies);
  const isSame = counted !== undefined && head.etag !== '' && counted.etag === head.etag;
  const board = await renewBoard(
    account,
    { stored: fields, head, backlog, oldestDueMs: condition.oldestDueMs, isSame },
    dependencies,
  );
  await recordBacklog(
    account,
    { stored: fields, state: head.state, backlog, condition, board },
    dependencies,
  );
}

async function countAgain(
  account: string,
  { head, counted }: { readonly head: AccountHead; readonly counted: CountedBacklog | undefined },
  dependencies: Dependencies,
): Promise<CountedBacklog> {
  const at = dependencies.time.earliest();
  const isDeep =
    counted !== undefined && counted.waiting.count > scanPageCount && at - counted.at < recountMs;
  return isDeep ? counted : { ...(await countBacklog(account, dependencies, { head, counted })), at };
}

/** Undefined: nothing to do, or a worker does it. The cheap reasons first: they need no more reading. */
async function whyWake(
  account: string,
  { state, first }: AccountHead,
  dependencies: Dependencies,
): Promise<string | undefined> {
  const earliest = dependencies.time.earliest();
  if (state.lease !== undefined) return earliest < state.lease.until ? undefined : 'lease not given back';
  if (state.activeAttempts.some(({ deadline }) => deadline < earliest)) return 'attempt past its deadline';
  const served = accountOf(account, dependencies);
  const isServed = (address: string): boolean => mailboxIn(served, address) !== undefined;
  if (mailboxToResume(state, isServed) !== undefined) return 'hold ended';
  const addresses = served?.mailboxes.map(({ address }) => address) ?? [];
  if (unreportedHolds(state, addresses).length > 0) return 'hold to report';
  if ((await first(eventRange, 1)).length > 0) return 'event to publish';
  if ((await first(inDoubtRange(earliest), 1)).length > 0) return 'lookup due';
  if (accountHold(state, earliest) !== undefined) return undefined;
  if (served !== undefined && dueForProbe(state, earliest).length > 0) return 'probe due';
  const active = new Set(state.activeAttempts.map(({ id }) => id));
  for (const lane of lanes) {
    if (earliest < state.backoffUntil[lane]) continue;
    const due = await first(dueRange(lane, earliest), active.size + 1);
    if (due.some(({ key }) => !active.has(parseDueKey(key)?.id ?? ''))) return 'message due';
  }
  return undefined;
}

async function recordBacklog(
  account: string,
  {
    stored,
    state,
    backlog,
    condition,
    board,
  }: {
    readonly stored: Fields;
    readonly state: AccountState;
    readonly backlog: CountedBacklog;
    readonly condition: AccountCondition;
    readonly board: Fields;
  },
  dependencies: Dependencies,
): Promise<void> {
  const fields = {
    ...encodeSummary(account, state, dependencies),
    ...encodeBacklog(backlog),
    ...board,
  };
  if (saysMore(fields, stored))
    await dependencies.rows.commit(accountsPartition, [{ kind: 'merge', key: account, fields }]);
  const { waiting } = backlog;
  const limits = rateLimitsOf(account, dependencies);
  const earliest = dependencies.time.earliest();
  const orphanedUntil = reportOrphans(account, state, dependencies);
  dependencies.log(
    outboundEvents.backlog({
      account,
      ...condition,
      failedCount: backlog.failed.count,
      unresolvedCount: backlog.unresolved.count,
      unreadableCount: backlog.unreadable.count,
      isBlocked: orphanedUntil !== undefined,
      waitingCount: waiting.count,
      hasMore: waiting.more,
      holdCount: state.holds.length,
      orphanedCount: orphanedConnections(state, earliest, dependencies.numbers).reduce(
        (sum, { connections }) => sum + connections,
        0,
      ),
      slotCount: slotsInUse(state, earliest),
      messagesPerMinute: limits.messagesPerMinute,
      recipientsToday: recipientsInDay(state, limits, earliest),
      recipientsPerDay: limits.recipientsPerDay,
    }),
  );
}

/** Whether the row is to be written: an idle account's says the same every minute, and its time is renewed seldom. */
function saysMore(fields: Fields, stored: Fields): boolean {
  const timeOf = ({ at }: Fields): number => (typeof at === 'number' ? at : 0);
  if (timeOf(fields) - timeOf(stored) >= recountMs) return true;
  return Object.entries(fields).some(
    ([name, value]) => name !== 'at' && name !== 'countedAt' && stored[name] !== value,
  );
}

/** Hosts that died in a row, within minutes: each sweep says so while nothing can be sent for it. */
function reportOrphans(account: string, state: AccountState, dependencies: Dependencies): number | undefined {
  const { time, numbers, log } = dependencies;
  const setting = accountOf(account, dependencies)?.limits.connections;
  if (setting === undefined) return undefined;
  const until = blockedUntil(state, setting, time.earliest(), numbers);
  if (until !== undefined) log(outboundEvents.connectionsOrphaned({ account, until }));
  return until;
}
