// The forecast of one account, from its box and its due rows: read live, up to the bound of the backlog counts.
import { forecast } from '../../limits/forecast.ts';
import type { Forecast } from '../../limits/forecast.ts';
import { decodeBox, emptyBox } from '../records/accountState.ts';
import type { Dependencies } from '../dependencies.ts';
import { after, allDueRange, boxKey, parseDueKey } from '../records/keys.ts';
import { accountOf, lawOf } from '../rateLimits.ts';

const pageCount = 1_000;
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
  doors: Pick<Dependencies, 'rows' | 'time' | 'numbers' | 'accounts'>,
): Promise<Forecast & { readonly more: boolean }> {
  const { rows, time, numbers } = doors;
  const row = await rows.read(account, boxKey);
  const box = row === undefined ? emptyBox : decodeBox(row.fields);
  const early = time.early();
  const waiting: number[] = [];
  let more = false;
  let range = allDueRange;
  for (;;) {
    const page = await rows.query(account, { ...range, limit: pageCount }, ['recipients']);
    for (const { key, fields } of page) {
      const recipients = fields['recipients'];
      if ((parseDueKey(key)?.at ?? Infinity) <= early && typeof recipients === 'number')
        waiting.push(recipients);
    }
    const last = page.at(-1);
    more = waiting.length >= numbers.backlogCountMost;
    if (page.length < pageCount || last === undefined || more) break;
    range = after(allDueRange, last.key);
  }
  const connectionCount =
    box.lease?.connections ??
    Math.min(numbers.workingConnectionCount, accountOf(account, doors)?.limits.connections ?? 1);
  const answer = forecast(box, lawOf(account, doors), early, waiting, {
    claimToReplyMs: box.claimToReplyMs ?? usualClaimToReplyMs,
    betweenMs: usualBetweenMs,
    boundsApartMs: Math.max(0, time.late() - early),
    connectionCount,
  });
  return { ...answer, more };
}
