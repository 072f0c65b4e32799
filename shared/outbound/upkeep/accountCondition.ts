// What the sweep's line says of an account beside its counts: how long the oldest due message has waited, and why nothing
// is sent. The alerts read the newest line only, so what lasts is said again every minute.
import { recipientsInDay } from '../../limits/limiter.ts';
import { present } from '../../mail/omit.ts';
import { rateLimitsOf } from '../accounts.ts';
import type { HoldReason } from '../../contract/holdReason.ts';
import type { Dependencies } from '../dependencies.ts';
import type { Hold } from '../records/accountState.ts';
import { dueRange, lanes, parseDueKey, suspendedRange } from '../records/keys.ts';
import type { AccountHead } from '../store/accountHead.ts';

/** Suspended mailboxes whose oldest message is looked up in one sweep; each costs a query. */
const mostSuspended = 20;

/** Exchange's own limits, which end by themselves, and a person's decision: mail that waits for them is not late. */
const expectedReasons: readonly HoldReason[] = ['quota', 'throttled', 'paused'];

export interface AccountCondition {
  /** Age of the oldest message that is due and waits for no expected hold (ms); 0 if there is none. */
  readonly oldestDueMs: number;
  /** Of the account's hold, or of the first of a mailbox that is not expected, or of the first; absent without one. */
  readonly holdReason?: string;
  readonly holdDetail?: string;
  /** The mailbox on hold; absent if it is the account. */
  readonly holdMailbox?: string;
  /** How long that hold has lasted (ms). */
  readonly holdMs?: number;
}

/** Throws StorageTrouble. */
export async function accountCondition(
  account: string,
  head: AccountHead,
  dependencies: Dependencies,
): Promise<AccountCondition> {
  const now = dependencies.time.earliest();
  const { holds } = head.state;
  const hold = worstOf(holds);
  const oldest = await oldestDueAt(account, head, dependencies);
  return {
    oldestDueMs: oldest === undefined ? 0 : Math.max(0, now - oldest),
    ...(hold === undefined
      ? {}
      : {
          holdReason: hold.reason,
          holdDetail: hold.detail,
          holdMs: Math.max(0, now - hold.since),
          ...present({ holdMailbox: hold.mailbox }),
        }),
  };
}

const isExpected = ({ reason }: Hold): boolean => expectedReasons.includes(reason);

const worstOf = (holds: readonly Hold[]): Hold | undefined =>
  holds.find(({ mailbox }) => mailbox === undefined) ?? holds.find((one) => !isExpected(one)) ?? holds[0];

async function oldestDueAt(
  account: string,
  { state, first }: AccountHead,
  dependencies: Dependencies,
): Promise<number | undefined> {
  const now = dependencies.time.earliest();
  const limits = rateLimitsOf(account, dependencies);
  const accountWide = state.holds.find(({ mailbox }) => mailbox === undefined);
  if (accountWide !== undefined && isExpected(accountWide)) return undefined;
  if (recipientsInDay(state, limits, now) >= limits.recipientsPerDay) return undefined;
  const times: number[] = [];
  for (const lane of lanes) {
    const [row] = await first(dueRange(lane, now), 1);
    const at = parseDueKey(row?.key ?? '')?.at;
    if (at !== undefined) times.push(at);
  }
  const expected = state.holds.filter(isExpected).map(({ mailbox }) => mailbox);
  for (const mailbox of state.suspendedMailboxes
    .filter((one) => !expected.includes(one))
    .slice(0, mostSuspended)) {
    const range = { ...suspendedRange({ mailbox }), limit: 1 };
    const [row] = await dependencies.rows.query(account, range, ['attempt']);
    const at = Number(row?.key.split('|').at(2));
    if (Number.isFinite(at)) times.push(at);
  }
  return times.length === 0 ? undefined : Math.min(...times);
}
