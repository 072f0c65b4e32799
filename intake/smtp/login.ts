// Who may send. ESM's OAuth switch is one for reading and sending, so it offers the intake a token that is meant for
// Exchange. The intake can't check it and must not keep it: from a trusted network (or loopback) it is accepted
// unread, because there the network is the credential; from elsewhere it is refused.
//
// JavaMail that is not told to use XOAUTH2 sends the token as the password of LOGIN. From a trusted network any
// log-in succeeds unless `anyLogin` is off, and what looks like a token counts as one even then.
import type { BlockList } from 'node:net';
import { isIn } from '../settings/networks.ts';
import type { Passwords } from './passwords.ts';

export interface Credentials {
  readonly method: 'PLAIN' | 'LOGIN' | 'XOAUTH2';
  readonly user: string;
  /** Absent for a token, which nobody looks at. */
  readonly password?: string;
}

export type LoginAnswer =
  | { readonly kind: 'in' }
  /** An SMTP reply and, for the log, why. */
  | { readonly kind: 'refused'; readonly code: number; readonly text: string; readonly reason: string };

export interface LoginRules {
  readonly trusted: BlockList;
  readonly anyLogin: boolean;
  readonly passwords: Passwords;
}

export async function judgeLogin(
  { method, user, password }: Credentials,
  client: { readonly address: string; readonly isLoopback: boolean },
  { trusted, anyLogin, passwords }: LoginRules,
): Promise<LoginAnswer> {
  const isTrusted = client.isLoopback || isIn(trusted, client.address);
  const isToken = method === 'XOAUTH2' || password === undefined || looksLikeToken(password);
  if (isTrusted && (isToken || anyLogin)) return { kind: 'in' };
  if (isToken) {
    return {
      kind: 'refused',
      code: 535,
      text: '5.7.8 OAuth tokens are accepted from trusted networks only; add the client to login.trustedNetworks',
      reason: 'token from a network that is not trusted',
    };
  }
  const answer = await passwords.check(user, password);
  if (answer === 'right') return { kind: 'in' };
  return answer === 'busy'
    ? { kind: 'refused', code: 454, text: '4.7.0 Too many log-ins at once; try again', reason: 'busy' }
    : {
        kind: 'refused',
        code: 535,
        text: '5.7.8 Name or password is wrong',
        reason: 'wrong name or password',
      };
}

/** A JSON Web Token, or one of the opaque tokens of a personal account: longer than any password that is typed. */
function looksLikeToken(password: string): boolean {
  return /^ey[\w-]{10,}\.[\w-]{10,}\.[\w-]*$/.test(password) || /^Ew[\w+/=.-]{200,}$/.test(password);
}
