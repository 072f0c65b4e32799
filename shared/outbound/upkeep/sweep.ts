// The sweep looks at every account once a minute and rings where work waits and nobody works. It never sends.
// What it finds: a host that died (its lease expired, its attempts are past their deadline), an event not told, a
// doubt that is due, a due message in a lane that is awake, a hold whose time has come, messages set aside whose
// hold has ended, and accounts that the settings no longer name, whose messages are then held with that reason.
import { recipientsInDay, slotsInUse } from '../../limits/window.ts';
import { upkeepEvents } from '../../telemetry/outboundEvents.ts';
import { decodeBox, emptyBox } from '../records/accountState.ts';
import type { Box } from '../records/accountState.ts';
import type { Dependencies } from '../dependencies.ts';
import { accountHold, dueForTry } from '../policy/holds.ts';
import {
  accountsPartition,
  after,
  boxKey,
  doubtRange,
  dueRange,
  eventRange,
  lanes,
  parseDueKey,
} from '../records/keys.ts';
import type { Range } from '../records/keys.ts';
import { accountOf, lawOf } from '../rateLimits.ts';
import { freedMailbox } from '../sending/suspend.ts';
import { StorageTrouble, type Row } from '../ports.ts';
import {
  backlogFields,
  countBacklog,
  fieldsOfBacklog,
  fieldsOfBox,
  lastCount,
  type CountedBacklog,
} from '../store/backlog.ts';

const pageCount = 1_000;
const mostAccounts = 10_000;
/** Counting a deep backlog each minute would cost as many calls as sending from it. */
const recountMs = 5 * 60_000;

type Summary = Pick<Row, 'key' | 'fields'>;

/** Rings where needed; an account that can't be read does not keep the others waiting. */
export async function sweep(doors: Dependencies): Promise<void> {
  for (const summary of await summaries(doors)) {
    try {
      await sweepAccount(summary, doors);
    } catch (error) {
      if (!(error instanceof StorageTrouble)) throw error;
      doors.log(upkeepEvents.sweptNot({ account: summary.key, detail: error.message }));
    }
  }
}

/** Every account that ever had a message, by its row. Throws StorageTrouble. */
export async function listAccounts(doors: Pick<Dependencies, 'rows'>): Promise<readonly string[]> {
  return (await summaries(doors)).map(({ key }) => key);
}

async function summaries({ rows }: Pick<Dependencies, 'rows'>): Promise<readonly Summary[]> {
  const accounts: Summary[] = [];
  let range: Range = { from: '!', to: '~' };
  while (accounts.length < mostAccounts) {
    const page = await rows.query(accountsPartition, { ...range, limit: pageCount }, backlogFields);
    accounts.push(...page);
    const last = page.at(-1);
    if (page.length < pageCount || last === undefined) break;
    range = after(range, last.key);
  }
  return accounts;
}

async function sweepAccount({ key: account, fields }: Summary, doors: Dependencies): Promise<void> {
  const row = await doors.rows.read(account, boxKey);
  const box = row === undefined ? emptyBox : decodeBox(row.fields);
  const because = await whyRing(account, box, doors);
  if (because !== undefined) {
    await doors.queues.ring(account);
    doors.log(upkeepEvents.rung({ account, because }));
  }
  const early = doors.time.early();
  const counted = lastCount(fields);
  const stillHolds =
    counted !== undefined && counted.waiting.count > pageCount && early - counted.at < recountMs;
  const backlog = stillHolds ? counted : { ...(await countBacklog(account, doors)), at: early };
  await noteBacklog(account, { box, backlog }, doors);
}

/** Undefined: nothing to do, or somebody does it. The cheap reasons first: they need no more reading. */
async function whyRing(account: string, box: Box, doors: Dependencies): Promise<string | undefined> {
  const early = doors.time.early();
  if (box.lease !== undefined) return early < box.lease.until ? undefined : 'lease not given back';
  if (box.open.some(({ deadline }) => deadline < early)) return 'attempt past its deadline';
  const served = accountOf(account, doors);
  const isServed = (address: string): boolean =>
    served?.mailboxes.some((mailbox) => mailbox.address.toLowerCase() === address) ?? false;
  if (freedMailbox(box, isServed) !== undefined) return 'hold ended';
  if (await hasAny(account, eventRange, doors)) return 'event to tell';
  if (await hasAny(account, doubtRange(early), doors)) return 'doubt due';
  if (accountHold(box, early) !== undefined) return undefined;
  if (served !== undefined && dueForTry(box, early).length > 0) return 'hold due for a try';
  const open = new Set(box.open.map(({ id }) => id));
  for (const lane of lanes) {
    if (early < box.sleep[lane]) continue;
    const limit = open.size + 1;
    const due = await doors.rows.query(account, { ...dueRange(lane, early), limit }, ['attempt']);
    if (due.some(({ key }) => !open.has(parseDueKey(key)?.id ?? ''))) return 'message due';
  }
  return undefined;
}

async function hasAny(account: string, range: Range, { rows }: Dependencies): Promise<boolean> {
  return (await rows.query(account, { ...range, limit: 1 }, ['attempt'])).length > 0;
}

/** The summary row; nobody's safety rests on it. */
async function noteBacklog(
  account: string,
  { box, backlog }: { readonly box: Box; readonly backlog: CountedBacklog },
  doors: Dependencies,
): Promise<void> {
  const fields = { ...fieldsOfBox(account, box, doors), ...fieldsOfBacklog(backlog) };
  await doors.rows.commit(accountsPartition, [{ kind: 'merge', key: account, fields }]);
  const { waiting } = backlog;
  const law = lawOf(account, doors);
  const early = doors.time.early();
  doors.log(
    upkeepEvents.backlog({
      account,
      waiting: waiting.count,
      more: waiting.more,
      holds: box.holds.length,
      slots: slotsInUse(box, early),
      messagesPerMinute: law.messagesPerMinute,
      recipientsToday: recipientsInDay(box, law, early),
      recipientsPerDay: law.recipientsPerDay,
    }),
  );
}
