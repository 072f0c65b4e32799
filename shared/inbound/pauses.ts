// How long a mailbox that fails is left alone, and what is said about it.
import type { Cursor, ImapTrouble } from './ports.ts';
import type { InboundNumbers } from './dependencies.ts';

/** Pauses double from the first to the longest; a server that names a time is believed. */
export function pauseAfter(
  trouble: ImapTrouble,
  failureCount: number,
  numbers: Pick<InboundNumbers, 'firstPauseMs' | 'longestPauseMs'>,
): number {
  const doubled = numbers.firstPauseMs * 2 ** Math.min(failureCount - 1, 20);
  return Math.max(Math.min(doubled, numbers.longestPauseMs), trouble.retryAfterMs ?? 0);
}

/** The words for the administrator. "Not connected" has five causes; whether it ever worked tells most of them apart. */
export function troubleWords(trouble: ImapTrouble, cursor: Cursor | undefined): string {
  if (trouble.kind !== 'notConnected') return trouble.detail;
  const worked = cursor !== undefined && cursor.lastSuccessAt > 0;
  if (worked && cursor.failureCount < 6) {
    return `${trouble.detail} It worked before, so this is most likely throttling after many connections: it is tried again with growing pauses.`;
  }
  return (
    `${trouble.detail} ` +
    (worked ? 'It worked before and has failed for a while. ' : 'It has never worked. ') +
    'Check in this order: the mailbox exists and IMAP is enabled for it; the user who signed in is this mailbox, or has Full Access to it ' +
    '(often it is the administrator who consented); the login address equals the user principal name; for application sign-in, the service ' +
    'principal in Exchange was made with the object ID of the Enterprise application and has Full Access.'
  );
}
