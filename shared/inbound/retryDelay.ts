// When a failing mailbox is tried again, and the detail that the administrator reads.
import type { Cursor, ImapTrouble } from './ports.ts';
import type { InboundNumbers } from './dependencies.ts';

/** The delay doubles from the first to the longest; a longer one that the server asks for is honoured. */
export function retryDelayMs(
  trouble: ImapTrouble,
  failureCount: number,
  numbers: Pick<InboundNumbers, 'firstRetryDelayMs' | 'longestRetryDelayMs'>,
): number {
  const doubled = numbers.firstRetryDelayMs * 2 ** Math.min(failureCount - 1, 20);
  return Math.max(Math.min(doubled, numbers.longestRetryDelayMs), trouble.retryAfterMs ?? 0);
}

/** For the administrator. "Not connected" has five causes; whether the mailbox ever worked separates most of them. */
export function troubleDetail(trouble: ImapTrouble, cursor: Cursor | undefined): string {
  if (trouble.kind !== 'notConnected') return trouble.detail;
  const worked = cursor !== undefined && cursor.lastSuccessAt > 0;
  if (worked && cursor.failureCount < 6) {
    return `${trouble.detail} It worked before, so the likeliest cause is throttling after many connections; it is retried with growing delays.`;
  }
  return (
    `${trouble.detail} ` +
    (worked ? 'It worked before and has been failing for a while. ' : 'It has never worked. ') +
    'Check in this order: the mailbox exists and IMAP is enabled for it; the user who signed in is this mailbox, or has Full Access to it ' +
    '(often it is the administrator who consented); the login address equals the user principal name; for application sign-in, the service ' +
    'principal in Exchange was created with the object ID of the Enterprise application and has Full Access.'
  );
}
