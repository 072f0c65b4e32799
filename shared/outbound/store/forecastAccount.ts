// The forecast of one account, from its state and its due rows: read live, up to the bound of the backlog counts. Only what may
// leave counts as waiting: what a hold or a pause stops, and what is scheduled for later, is counted apart.
import { forecast, type Forecast } from '../../limits/forecast.ts';
import { accountOf, rateLimitsOf } from '../accounts.ts';
import { present } from '../../mail/omit.ts';
import type { Dependencies } from '../dependencies.ts';
import { blockedUntil, connectionCount, orphanedConnections } from '../policy/connections.ts';
import type { Hold } from '../records/accountState.ts';
import { allDueRange, heldMailboxesRange } from '../records/keys.ts';
import { decodeDueRow } from '../records/messageRow.ts';
import { readState } from './accountTransaction.ts';
import { scan } from './scan.ts';

/** Before an account has sent anything: about what Exchange Online takes. */
const usualClaimToReplyMs = 1_500;
/**
 * The settling transaction, the next claim's, and what they wait for each other: about 20 ms on the emulator, twice that
 * over a network. It is not measured for each account, as the time to the reply is.
 */
const usualBetweenMs = 40;

export interface ForecastWithHolds extends Forecast {
  /** More wait than were counted. */
  readonly more: boolean;
  /** Due, and stopped by a hold or a pause: no part of `waitingCount`, and `clearsAt` is not theirs. */
  readonly heldCount: number;
  /** Scheduled, or deferred, for later: no part of `waitingCount`. */
  readonly laterCount: number;
  /** When the first of these is due (UTC ms). */
  readonly nextLaterAt?: number;
  /** `mailbox` is absent for a hold of the whole account; `probeAt` (UTC ms) if only a person ends it. */
  readonly holds: readonly Pick<Hold, 'mailbox' | 'reason' | 'detail' | 'remedy' | 'probeAt'>[];
  /** Of hosts that died: Exchange may still count them. */
  readonly orphanedConnectionCount: number;
}

/** Throws StorageTrouble. */
export async function forecastAccount(
  account: string,
  dependencies: Pick<Dependencies, 'rows' | 'time' | 'numbers' | 'accounts'>,
): Promise<ForecastWithHolds> {
  const { time, numbers } = dependencies;
  const state = await readState(account, dependencies);
  const earliest = time.earliest();
  const waiting: number[] = [];
  let heldCount = 0;
  let laterCount = 0;
  let nextLaterAt: number | undefined;
  const isHeld = (mailbox: string): boolean =>
    state.holds.some((hold) => hold.mailbox === undefined || hold.mailbox === mailbox.toLowerCase());
  const complete = await scan(
    account,
    allDueRange,
    { select: ['mailbox', 'recipients'], mostCount: numbers.backlogCountMost },
    (page) => {
      for (const row of page) {
        const due = decodeDueRow(row);
        if (due === undefined) continue;
        if (due.at > earliest) {
          laterCount += 1;
          nextLaterAt = Math.min(due.at, nextLaterAt ?? due.at);
        } else if (isHeld(due.mailbox)) heldCount += 1;
        else waiting.push(due.recipientCount);
      }
    },
    dependencies,
  );
  const allSetAside =
    state.holds.length === 0 ||
    (await scan(
      account,
      heldMailboxesRange,
      { select: ['mailbox'], mostCount: numbers.backlogCountMost },
      (page) => void (heldCount += page.length),
      dependencies,
    ));
  const setting = accountOf(account, dependencies)?.limits.connections ?? 1;
  const orphans = orphanedConnections(state, earliest, numbers);
  const { lease } = state;
  const connections = lease !== undefined && lease.until > earliest ? lease.connections : undefined;
  const answer = forecast(state, rateLimitsOf(account, dependencies), earliest, waiting, {
    claimToReplyMs: state.claimToReplyMs ?? usualClaimToReplyMs,
    betweenMs: usualBetweenMs,
    boundsApartMs: Math.max(0, time.latest() - earliest),
    connectionCount: connections ?? connectionCount(setting, orphans, numbers),
    ...present({ blockedUntil: blockedUntil(state, setting, earliest, numbers) }),
  });
  return {
    ...answer,
    more: !complete || !allSetAside,
    heldCount,
    laterCount,
    ...present({ nextLaterAt }),
    holds: state.holds.map(({ mailbox, reason, detail, remedy, probeAt }) => ({
      reason,
      detail,
      remedy,
      ...present({ mailbox, probeAt }),
    })),
    orphanedConnectionCount: orphans.reduce((sum, { connections: count }) => sum + count, 0),
  };
}
