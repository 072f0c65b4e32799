// The forecast of one account, from its state and its due rows: read live, up to the bound of the backlog counts.
import { forecast, type Forecast } from '../../limits/forecast.ts';
import { accountOf, rateLimitsOf } from '../accounts.ts';
import { present } from '../../mail/omit.ts';
import type { Dependencies } from '../dependencies.ts';
import { blockedUntil, connectionCount, orphanedConnections } from '../policy/connections.ts';
import { allDueRange } from '../records/keys.ts';
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

/** `more`: more wait than were counted. Throws StorageTrouble. */
export async function forecastAccount(
  account: string,
  dependencies: Pick<Dependencies, 'rows' | 'time' | 'numbers' | 'accounts'>,
): Promise<Forecast & { readonly more: boolean }> {
  const { time, numbers } = dependencies;
  const state = await readState(account, dependencies);
  const earliest = time.earliest();
  const waiting: number[] = [];
  const complete = await scan(
    account,
    allDueRange,
    { select: ['mailbox', 'recipients'], mostCount: numbers.backlogCountMost },
    (page) => {
      for (const row of page) {
        const due = decodeDueRow(row);
        if (due !== undefined && due.at <= earliest) waiting.push(due.recipientCount);
      }
    },
    dependencies,
  );
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
  return { ...answer, more: !complete };
}
