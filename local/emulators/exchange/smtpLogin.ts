// AUTH XOAUTH2: who it is, whether that may send, and whether there is a connection left for it.
import type { AccountOptions } from './accounts.ts';
import type { ConnectionRecord } from './serverLog.ts';
import { noteViolation } from './smtpAcceptance.ts';
import { replies } from './smtpReplies.ts';
import type { SmtpContext } from './smtpContext.ts';
import { parseXoauth2 } from './xoauth2.ts';

export type LoginResult =
  | { readonly kind: 'in'; readonly account: AccountOptions; readonly holder: string }
  | { readonly kind: 'refused'; readonly reply: string };

/** `trailer` ends the texts of refusals. Exchange answers at once, without the 334 challenge of other servers. */
export async function logIn(
  context: SmtpContext,
  connection: ConnectionRecord,
  response: string,
  trailer: string,
): Promise<LoginResult> {
  const { accounts, checkToken, clock, limits, quirks, connections } = context;
  const refused = (reply: string): LoginResult => ({ kind: 'refused', reply });
  const parsed = parseXoauth2(response);
  const account = parsed && accounts.byLogin(parsed.user);
  if (parsed === undefined || account === undefined) return refused(replies.authFailed(trailer));
  const verdict = await checkToken(parsed.token);
  const login = accounts.smtpLogin(account, verdict, clock.now());
  if (login === 'offMailbox') return refused(replies.authOffMailbox(trailer));
  if (login === 'offTenant') return refused(replies.authOffTenant(trailer));
  if (login === 'refused' || verdict.kind === 'bad') return refused(replies.authFailed(trailer));
  const count = connections.logIn(connection, account.address);
  if (count > limits.connections) {
    noteViolation(context, connection, account, { kind: 'connections', count, limit: limits.connections });
    if (quirks.overConnections === 'auth') {
      connections.logOut(connection);
      return refused(replies.tooManyConnectionsAtAuth);
    }
  }
  return { kind: 'in', account, holder: verdict.app ?? verdict.user ?? '' };
}
