// Who makes a request of the operator's page or API, and how they signed in. The platform's principal does not say which
// it was, so it is judged by the claims and by the marks that every browser leaves: a request with any of these marks is a
// session's, whatever its token says. Fails closed.
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { WebRequest } from './http.ts';
import { readPrincipal } from './principal.ts';
import type { Problem } from './problem.ts';
import { administratorRole, viewerRole } from './roles.ts';

export interface Person {
  readonly name: string;
  readonly objectId: string;
  /** `session`: a signed-in browser. `bearer`: a program or a command with an access token. */
  readonly by: 'session' | 'bearer';
  readonly isAdministrator: boolean;
}

export type Access =
  | { readonly kind: 'granted'; readonly person: Person }
  | { readonly kind: 'refused'; readonly problem: Problem };

/** Not Sec-Fetch-Mode: programs on Node send it as well. Browsers send none of these without Sec-Fetch-Site or Origin. */
const browserMarks = ['cookie', 'origin', 'sec-fetch-site'] as const;
const nameCharacters = 200;

const refused = (name: string, status: number, title: string, detail: string, remedy: string): Access => ({
  kind: 'refused',
  problem: { name, status, title, detail, remedy },
});

/** `authenticationOn`: the platform's WEBSITE_AUTH_ENABLED. `needs`: an administrator may do what a viewer may. */
export function readAccess(
  request: Pick<WebRequest, 'header'>,
  {
    authenticationOn,
    needs,
  }: { readonly authenticationOn: boolean; readonly needs: 'administrator' | 'viewer' },
): Access {
  const principal = readPrincipal((name) => request.header(name), { authenticationOn });
  const isBrowser = browserMarks.some((name) => (request.header(name) ?? '') !== '');
  switch (principal.kind) {
    case 'authenticationOff':
      return refused(
        'authentication-off',
        401,
        'The platform’s sign-in is off.',
        'App Service authentication is off, so nobody can be told from anybody else. Nothing is shown or done until it is on.',
        'Switch it on: Function App → Authentication.',
      );
    case 'anonymous':
      return signInRequired;
    case 'user':
      break;
  }
  if (!isBrowser && principal.client === undefined) return signInRequired;
  const isAdministrator = principal.roles.includes(administratorRole);
  if (!isAdministrator && (needs === 'administrator' || !principal.roles.includes(viewerRole)))
    return refused(
      'role-missing',
      403,
      'The role is missing.',
      `${principal.name.slice(0, nameCharacters)} is signed in without the app role ${needs === 'administrator' ? administratorRole : `${viewerRole} or ${administratorRole}`}.`,
      'Assign it: Entra admin center → Enterprise applications → the bridge’s app → Users and groups; then sign in again.',
    );
  return {
    kind: 'granted',
    person: {
      name: principal.name.slice(0, nameCharacters),
      objectId: principal.objectId,
      by: isBrowser ? 'session' : 'bearer',
      isAdministrator,
    },
  };
}

const signInRequired = refused(
  'sign-in-required',
  401,
  'Nobody is signed in.',
  'The request has no session and no valid access token for this app.',
  'Open /api/ops in a browser, or log in with `az login` and send a bearer token for this app.',
);

// ---- forms -----------------------------------------------------------------------------------------------

/** `__Host-`: this host alone, over TLS alone. */
const cookieName = '__Host-ops';
const cookieCharacters = 16_384;

/** The value of the page's cookie; undefined if it is missing, malformed or sent twice. */
export function readFormCookie(header: string | null | undefined): string | undefined {
  if (header === null || header === undefined || header.length > cookieCharacters) return undefined;
  const [value, ...others] = header
    .split(';')
    .map((part) => part.trim().split('='))
    .filter(([name]) => name === cookieName)
    .map(([, found]) => found ?? '');
  return value !== undefined && others.length === 0 && /^[0-9a-f]{32}$/.test(value) ? value : undefined;
}

/** Set-Cookie for a browser that has none yet. `value`: 32 hexadecimal digits at random. */
export const formCookie = (value: string): string =>
  `${cookieName}=${value}; Path=/; Secure; HttpOnly; SameSite=Lax`;

/** What a form of the page carries: nobody without the cookie can compute it, nor use it as another person. */
export const formToken = (cookie: string, { objectId }: Pick<Person, 'objectId'>): string =>
  createHmac('sha256', cookie).update(`form|${objectId}`).digest('base64url');

/** Why a session's request that changes something is refused; undefined for one that came from the page itself. */
export function whyNotFromPage(
  request: Pick<WebRequest, 'header'>,
  person: Person,
  { origin, token }: { readonly origin: string; readonly token: string },
): Problem | undefined {
  if (person.by === 'bearer') return undefined;
  const cookie = readFormCookie(request.header('cookie'));
  const isOwn = request.header('origin') === origin;
  if (isOwn && cookie !== undefined && sameText(formToken(cookie, person), token)) return undefined;
  return {
    name: 'not-from-page',
    status: 403,
    title: 'The request did not come from the page.',
    detail:
      'A signed-in browser sent it without the page’s own origin and token, as a form on another site would.',
    remedy: 'Open /api/ops again and repeat it there.',
  };
}

function sameText(one: string, other: string): boolean {
  const [first, second] = [Buffer.from(one), Buffer.from(other)];
  return first.length === second.length && timingSafeEqual(first, second);
}
