// An absent state row is an empty one, for an account that never sent; or it was lost, and then the limits must not
// be. The messages say how many recipients were charged and until when. How many arrived in the last minutes, and
// which attempts were active, cannot be known, so the minute counts as full for as long as an unknown attempt could
// still arrive. If there are too many messages to read, the day counts as full too.
import { asLatest, plus } from '../../limits/storageTime.ts';
import { acquire, type Usage } from '../../limits/limiter.ts';
import { rateLimitsOf } from '../accounts.ts';
import type { Dependencies } from '../dependencies.ts';
import { emptyState, type AccountState } from '../records/accountState.ts';
import { messageRange } from '../records/keys.ts';
import { chargeColumns, decodeCharge } from '../records/messageRow.ts';
import { scan } from './scan.ts';

const mostCount = 200_000;

/** The state of an account without a state row. Throws StorageTrouble. */
export async function rebuildAccountState(
  account: string,
  dependencies: Dependencies,
): Promise<AccountState> {
  const limits = rateLimitsOf(account, dependencies);
  const { graceMs, attemptMs } = dependencies.numbers;
  const earliest = dependencies.time.earliest();
  const latestAt = plus(dependencies.time.latest(), attemptMs + graceMs);
  let usage: Usage = { slots: [], day: [] };
  let attempts = 0;
  const complete = await scan(
    account,
    messageRange,
    { select: chargeColumns, mostCount },
    (page) => {
      for (const { fields } of page) {
        const { attempt, charged, chargedAt } = decodeCharge(fields);
        attempts += attempt;
        if (charged > 0 && chargedAt + limits.dayMs > earliest)
          usage = { ...usage, day: acquire(usage, limits, asLatest(chargedAt), charged).usage.day };
      }
    },
    dependencies,
  );
  if (complete && attempts === 0) return emptyState;
  if (!complete)
    usage = { ...usage, day: acquire(usage, limits, latestAt, limits.recipientsPerDay).usage.day };
  for (let slot = 0; slot < limits.messagesPerMinute; slot += 1)
    usage = acquire(usage, limits, latestAt, 0).usage;
  return { ...emptyState, ...usage };
}
