// The events of signing in. A grant is named by its secret's name, which holds a hash and not the address of its
// mailbox; `detail` is a sentence of our own, which holds no token.
import { defineEvent } from './event.ts';

export const oauthEvents = {
  tokenRefreshed: defineEvent('oauth.tokenRefreshed', 'info', 'A new access token was obtained.', {
    grant: 'string',
    lifetimeMs: 'number',
    rotated: 'boolean',
  }),
  consentNeeded: defineEvent(
    'oauth.consentNeeded',
    'error',
    'A grant is no longer valid and a person must sign in. Logged once per generation of the grant, by the worker that noted the refusal.',
    { grant: 'string', code: 'string?', detail: 'string' },
  ),
  tokenRefused: defineEvent(
    'oauth.tokenRefused',
    'warn',
    'Entra gave no access token because a setting or the app registration is wrong.',
    { grant: 'string', kind: 'string', code: 'string?', detail: 'string' },
  ),
  authorityUnavailable: defineEvent(
    'oauth.authorityUnavailable',
    'warn',
    'Entra or the key vault did not answer, or asked to be called later.',
    { grant: 'string', detail: 'string', retryAfterMs: 'number?' },
  ),
  grantStored: defineEvent(
    'oauth.grantStored',
    'info',
    'A refresh token was stored; `reason` is `consent` or `rotation`.',
    { grant: 'string', reason: 'string' },
  ),
  grantNotStored: defineEvent(
    'oauth.grantNotStored',
    'warn',
    'The new refresh token is only in memory for now; the stored one still works.',
    { grant: 'string', detail: 'string' },
  ),
  grantSuperseded: defineEvent(
    'oauth.grantSuperseded',
    'info',
    'The mailbox was connected again while an older grant was in use; the newer grant counts.',
    { grant: 'string' },
  ),
  grantsRefreshed: defineEvent(
    'oauth.grantsRefreshed',
    'info',
    'The daily refresh of all delegated grants ended; each failure has an event of its own.',
    { refreshedCount: 'number', failedCount: 'number' },
  ),
  expiresSoon: defineEvent(
    'oauth.expiresSoon',
    'warn',
    'A grant, certificate or secret expires within two weeks; logged daily. A negative number has expired already.',
    { kind: 'string', grant: 'string?', expiresInDays: 'number', detail: 'string' },
  ),
};
