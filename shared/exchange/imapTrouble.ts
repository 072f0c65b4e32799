// What an IMAP failure means, judged by the server's text: the client library reports every failed login as bad
// credentials. The texts are Exchange Online's; Dovecot's response codes are those of RFC 5530.
import type { ImapTrouble } from '../inbound/ports.ts';
import { boundedText } from '../mail/text.ts';

/** What the client library noted of a failure; every field may be missing. */
export interface ImapFailure {
  readonly code?: string | undefined;
  readonly responseText?: string | undefined;
  /** NO or BAD of the command's tagged answer. */
  readonly responseStatus?: string | undefined;
  readonly serverResponseCode?: string | undefined;
  readonly authenticationFailed?: boolean | undefined;
  readonly throttleReset?: number | undefined;
  /** The server's BYE. */
  readonly reason?: string | undefined;
  readonly message: string;
}

/** More than this of a server's text is not looked at: it is untrusted. */
export const imapTextCharacters = 300;

/** Used if the server throttles and gives no time. */
const unknownBackOffMs = 60_000;
const longestBackOffMs = 60 * 60_000;

/** Never throws; an unknown failure is `unavailable`, which is retried. */
export function judgeImap(failure: ImapFailure): ImapTrouble {
  const said = boundedText(failure.responseText ?? failure.reason ?? failure.message, imapTextCharacters);
  const all = `${said} ${failure.reason ?? ''}`;
  if (failure.code === 'ETHROTTLE' || /request is throttled|backoff time/i.test(all)) {
    const hint = failure.throttleReset ?? Number(/backoff time[:=\s]+(\d{1,9})/i.exec(all)?.[1] ?? 0);
    return {
      kind: 'throttled',
      detail: `Exchange asks for a pause: ${said}`,
      retryAfterMs: Math.min(hint > 0 ? hint : unknownBackOffMs, longestBackOffMs),
    };
  }
  if (/accesstokenexpired|session invalidated/i.test(all)) {
    return { kind: 'tokenExpired', detail: 'The access token expired during the session.' };
  }
  if (/authenticated but not connected/i.test(all)) {
    return {
      kind: 'notConnected',
      detail:
        'The server accepts the sign-in but does not open the mailbox ("User is authenticated but not connected").',
    };
  }
  if (/server unavailable/i.test(all) || failure.serverResponseCode === 'UNAVAILABLE') {
    return { kind: 'unavailable', detail: `The mail server is unavailable: ${said}` };
  }
  if (failure.authenticationFailed === true) {
    return { kind: 'signInRefused', detail: `The server refused the login: ${said}` };
  }
  const refused = failure.responseStatus === 'NO' || failure.responseStatus === 'BAD';
  if (refused)
    return { kind: 'unavailable', detail: `The server refused the command: ${said}`, commandRefused: true };
  return { kind: 'unavailable', detail: `${said} (${failure.code ?? 'no code'})` };
}
