// The forecast of each account, for a person: a table of 80 columns, and a sentence for each thing that stops mail.
import type { AccountForecast } from '../../shared/outbound/outbound.ts';
import { fitted, timeShown } from './fitted.ts';

/** What `npm run quota` prints. */
export function forecastText(accounts: readonly AccountForecast[]): string {
  if (accounts.length === 0) return 'No mailbox sends: MAILBOXES has none with send.';
  const rows = accounts.map((one) => [
    one.account,
    `${String(one.slotsInUse)}/${String(one.messagesPerMinute)}`,
    `${String(one.recipientsToday)}/${String(one.recipientsPerDay)}`,
    `${one.more ? '>' : ''}${String(one.waitingCount)}`,
    String(one.heldCount),
    String(one.laterCount),
    clears(one),
  ]);
  const counted = fitted(
    ['account', 'minute', 'recipients', 'waiting', 'held', 'later', 'all sent'],
    rows,
    [17, 6, 11, 7, 5, 5, 17],
  );
  return [counted, ...accounts.flatMap(sentences)].join('\n');
}

function clears({ waitingCount, heldCount, clearsAt }: AccountForecast): string {
  if (waitingCount === 0) return heldCount > 0 ? 'not while held' : '';
  return clearsAt === undefined ? 'not in the limits' : timeShown(clearsAt);
}

function sentences(one: AccountForecast): readonly string[] {
  const { account, holds, nextFree, orphanedConnectionCount, blockedUntil, laterCount, nextLaterAt } = one;
  const found = holds.map(({ mailbox, detail, remedy, probeAt }) => {
    const ends =
      probeAt === undefined ? 'It ends when a person resumes it.' : `Tried again ${timeShown(probeAt)}.`;
    return `${mailbox ?? 'all mailboxes'}: on hold. ${detail} ${remedy} ${ends}`;
  });
  if (laterCount > 0 && nextLaterAt !== undefined)
    found.push(`${String(laterCount)} for later, the first ${timeShown(nextLaterAt)}.`);
  if (orphanedConnectionCount > 0)
    found.push(
      `${String(orphanedConnectionCount)} connections of hosts that died may be counted by Exchange still${blockedUntil === undefined ? ', so that fewer are open.' : `: none may be opened before ${timeShown(blockedUntil)}.`}`,
    );
  if (nextFree !== undefined)
    found.push(
      `${String(nextFree.recipientCount)} of today’s recipients are free again ${timeShown(nextFree.at)}.`,
    );
  return found.map((sentence) => `${account}: ${sentence}`);
}
