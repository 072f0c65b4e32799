// What binds a callback to the browser that started the sign-in: a cookie with a random value, the `state`, and the
// secrets that are derived from both.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { sha256 } from '../mail/fingerprint.ts';

/** `__Host-`: this host alone, over TLS alone. Lax, because the way back is a navigation from Entra's host. */
const cookieName = '__Host-connect';
const cookieAttributes = 'Path=/; Secure; HttpOnly; SameSite=Lax';
const callbackCharacters = 16_384;

/** Set-Cookie for a sign-in that begins. */
export function startCookie(binder: string, lifetimeMs: number): string {
  return `${cookieName}=${binder}; ${cookieAttributes}; Max-Age=${lifetimeMs / 1000}`;
}

/** Set-Cookie for one that has ended. */
export const endCookie = `${cookieName}=; ${cookieAttributes}; Max-Age=0`;

export function isState(text: string): boolean {
  return /^[0-9a-f]{64}\.[0-9a-f]{16}$/.test(text);
}

/** The value of our cookie; undefined if it is missing, malformed or sent twice. */
export function readCookie(header: string | null | undefined): string | undefined {
  if (header === null || header === undefined || header.length > callbackCharacters) return undefined;
  const values = header
    .split(';')
    .map((part) => part.trim().split('='))
    .filter(([name]) => name === cookieName)
    .map(([, value]) => value ?? '');
  const [value, ...others] = values;
  return value !== undefined && others.length === 0 && /^[0-9a-f]{64}$/.test(value) ? value : undefined;
}

/** The callback's parameters; none if one comes twice (RFC 6749 3.1 forbids it) or the address is no address. */
export function readQuery(url: string): URLSearchParams | undefined {
  if (url.length > callbackCharacters) return undefined;
  const parsed = URL.parse(url);
  if (parsed === null) return undefined;
  const names = [...parsed.searchParams.keys()];
  return new Set(names).size === names.length ? parsed.searchParams : undefined;
}

/** Whether `stored` is the hash of `text`, in constant time. */
export function sameHash(stored: unknown, text: string): boolean {
  const computed = sha256(text);
  if (typeof stored !== 'string' || stored.length !== computed.length) return false;
  return timingSafeEqual(Buffer.from(stored), Buffer.from(computed));
}

/** A secret of one sign-in: only who has cookie and state can compute it. */
export function derive(binder: string, purpose: 'nonce' | 'verifier', state: string): string {
  return createHmac('sha256', binder).update(`${purpose}|${state}`).digest('base64url');
}
