// What the sign-in room says in the log. A grant is named by its secret's name, which holds a hash, not by its
// mailbox's address; words are sentences of our own, which hold no token.
import type { LogEvent } from './log.ts';

export function tokenRefreshed(of: {
  readonly grant: string;
  readonly livesMs: number;
  readonly rotated: boolean;
}): LogEvent {
  return { name: 'oauth.tokenRefreshed', level: 'info', fields: of };
}

/** The one alert: written by whoever changes the grant's state, once per generation of the grant. */
export function consentNeeded(of: {
  readonly grant: string;
  readonly code: string | undefined;
  readonly detail: string;
}): LogEvent {
  return { name: 'oauth.consentNeeded', level: 'error', fields: of };
}

export function tokenRefused(of: {
  readonly grant: string;
  readonly kind: string;
  readonly code: string | undefined;
  readonly detail: string;
}): LogEvent {
  return { name: 'oauth.tokenRefused', level: 'warn', fields: of };
}

export function authorityUnavailable(of: {
  readonly grant: string;
  readonly detail: string;
  readonly retryAfterMs: number | undefined;
}): LogEvent {
  return { name: 'oauth.authorityUnavailable', level: 'warn', fields: of };
}

export function grantStored(of: {
  readonly grant: string;
  readonly cause: 'consent' | 'rotation';
}): LogEvent {
  return { name: 'oauth.grantStored', level: 'info', fields: of };
}

/** The new refresh token lives in memory only for now; the stored one still works. */
export function grantNotStored(of: { readonly grant: string; readonly detail: string }): LogEvent {
  return { name: 'oauth.grantNotStored', level: 'warn', fields: of };
}

/** Somebody connected the mailbox again while an older grant was at work; the newer one stands. */
export function grantSuperseded(of: { readonly grant: string }): LogEvent {
  return { name: 'oauth.grantSuperseded', level: 'info', fields: of };
}

export function grantsKeptAlive(of: {
  readonly refreshedCount: number;
  readonly failedCount: number;
}): LogEvent {
  return { name: 'oauth.grantsKeptAlive', level: of.failedCount > 0 ? 'warn' : 'info', fields: of };
}

/** Two weeks' warning, daily; a negative number has ended already. */
export function endsSoon(of: {
  readonly what: string;
  readonly grant: string | undefined;
  readonly endsInDays: number;
  readonly detail: string;
}): LogEvent {
  return { name: 'oauth.endsSoon', level: 'warn', fields: of };
}
