// Who makes a request: a key of the bridge's own in the header `x-bridge-key`, or a bearer token with an app role. A
// signed-in browser is nobody here: what a page's session could do, a foreign page could make it do. Fails closed.
import { present } from '../mail/omit.ts';
import { readPrincipal } from '../web/principal.ts';
import { receiverRole, senderRole } from '../web/roles.ts';
import type { Caller, Right } from './callers.ts';
import type { CallerRegistry } from './callerRegistry.ts';
import type { HttpRequest, Problem } from './httpMessage.ts';
import { unavailableRetrySeconds } from './numbers.ts';

export const keyHeader = 'x-bridge-key';
const keyMostCharacters = 200;

export type Authentication =
  | { readonly kind: 'caller'; readonly caller: Caller }
  | { readonly kind: 'refused'; readonly problem: Problem };

const refused = (problem: Problem): Authentication => ({ kind: 'refused', problem });

/** `authenticationOn`: the platform's WEBSITE_AUTH_ENABLED; while it is off, only keys count. */
export async function authenticate(
  request: HttpRequest,
  registry: CallerRegistry,
  { authenticationOn }: { readonly authenticationOn: boolean },
): Promise<Authentication> {
  if (hasKeyInAddress(request.url))
    return refused({
      name: 'key-in-address',
      status: 400,
      detail: 'There is a key in the address, where logs and proxies keep it.',
      remedy: `Send the key in the header ${keyHeader}, and have this one revoked.`,
    });
  const key = request.header(keyHeader)?.trim() ?? '';
  if (key !== '') return byKey(key, registry);
  const caller = byRole(request, authenticationOn);
  if (caller !== undefined) return { kind: 'caller', caller };
  return refused({
    name: 'key-missing',
    status: 401,
    detail: 'The request has neither a key nor a valid token of an application with a role of this app.',
    remedy: `Send a key in the header ${keyHeader}, or a bearer token of an application that has the app role ${senderRole} or ${receiverRole}.`,
  });
}

function hasKeyInAddress(url: string): boolean {
  const names = [...(URL.parse(url)?.searchParams.keys() ?? [])].map((name) => name.toLowerCase());
  return names.some((name) => name === keyHeader || name === 'key' || name === 'code' || name === 'api-key');
}

async function byKey(key: string, registry: CallerRegistry): Promise<Authentication> {
  const found = key.length > keyMostCharacters ? ({ kind: 'unknown' } as const) : await registry.find(key);
  switch (found.kind) {
    case 'found': {
      const { name, rights, mailboxes, deliver } = found.caller;
      const limited = mailboxes?.map((address) => address.toLowerCase());
      return {
        kind: 'caller',
        caller: { name, by: 'key', rights, ...present({ mailboxes: limited, deliver }) },
      };
    }
    case 'unknown':
      return refused({
        name: 'key-unknown',
        status: 401,
        detail: 'The key is not one of the bridge’s keys.',
        remedy: 'Check that it was copied whole; if it was revoked, ask the administrator for another.',
      });
    case 'unavailable':
      return refused({
        name: 'unavailable',
        status: 503,
        detail: `The key can’t be checked now: ${found.detail}`,
        remedy: 'Send the request again later, with the same id.',
        retryAfterSeconds: unavailableRetrySeconds,
      });
  }
}

/** Every mark of a browser makes it a session, whatever the token says. */
const browserMarks = ['cookie', 'origin', 'sec-fetch-site'] as const;

function byRole(request: HttpRequest, authenticationOn: boolean): Caller | undefined {
  if (browserMarks.some((name) => (request.header(name) ?? '') !== '')) return undefined;
  const principal = readPrincipal((name) => request.header(name), { authenticationOn });
  if (principal.kind !== 'user') return undefined;
  const rights: Right[] = [];
  if (principal.roles.includes(senderRole)) rights.push('send');
  if (principal.roles.includes(receiverRole)) rights.push('receive');
  return rights.length === 0 ? undefined : { name: principal.name.slice(0, 100), by: 'role', rights };
}
