import type { GuardedRoute } from './outside.ts';

/**
 * Every route that needs a key or a role; the doctor requests them from outside with neither. Not among them: the
 * callback from Entra, where the browser's cookie and the state decide, and health, which tells anybody its version and
 * no more. A test compares this with functions/.
 */
export const guardedRoutes: readonly GuardedRoute[] = [
  { method: 'GET', path: '/api/oauth/connect' },
  { method: 'POST', path: '/api/oauth/connect' },
  { method: 'POST', path: '/api/ops/doctor' },
  // Of the page and the API one path stands for all: their handlers judge before they look at the path.
  { method: 'GET', path: '/api/ops/x' },
  { method: 'POST', path: '/api/ops/x' },
  { method: 'GET', path: '/api/ops/v1/x' },
  { method: 'POST', path: '/api/ops/v1/x' },
  { method: 'POST', path: '/api/mail' },
  { method: 'GET', path: '/api/mail/x' },
  { method: 'DELETE', path: '/api/mail/x' },
  { method: 'GET', path: '/api/mailboxes' },
  { method: 'POST', path: '/api/uploads' },
  { method: 'PUT', path: '/api/intake/x' },
  { method: 'POST', path: '/api/intake/x/failures' },
  { method: 'GET', path: '/api/events' },
  { method: 'POST', path: '/api/events' },
  { method: 'GET', path: '/api/notices' },
  { method: 'POST', path: '/api/notices' },
  { method: 'GET', path: '/api/content/x/x' },
  // The platform's own: needs the master key.
  { method: 'GET', path: '/admin/host/status' },
];
