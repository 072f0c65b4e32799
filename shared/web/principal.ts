// The principal of a request to the administrator's pages. App Service authentication puts the signed-in user into a
// header and removes that header from outside requests, but only while it is on: unless the platform says that it is on,
// anybody can send the header. Therefore everything here fails closed.
import { present } from '../mail/omit.ts';
import { memberOf, parseJson, textIn } from '../mail/foreign.ts';

export type Principal =
  /** A signed-in user with the app roles assigned to them. */
  | {
      readonly kind: 'user';
      readonly name: string;
      readonly objectId: string;
      readonly roles: readonly string[];
      /** The program that presents an access token; absent: a browser's session, whose ID token names none. */
      readonly client?: string;
    }
  /** Nobody has signed in: send them to `/.auth/login/aad`. */
  | { readonly kind: 'anonymous' }
  /** The platform's authentication is off: refuse, whatever the headers say. */
  | { readonly kind: 'authenticationOff' };

export type Authorization =
  | { readonly kind: 'authorized'; readonly name: string; readonly objectId: string }
  | { readonly kind: 'signInRequired' }
  | { readonly kind: 'forbidden'; readonly status: 401 | 403; readonly detail: string };

const headerCharacters = 65_536;
const claimCount = 500;
// The platform hands claims over under their short or their long names; both are read.
const objectIdClaim = 'http://schemas.microsoft.com/identity/claims/objectidentifier';
const scopeClaim = 'http://schemas.microsoft.com/identity/claims/scope';
const roleClaim = 'http://schemas.microsoft.com/ws/2008/06/identity/claims/role';

/**
 * Reads the principal that App Service authentication hands over (header x-ms-client-principal).
 * `authenticationOn` is the platform's WEBSITE_AUTH_ENABLED, which no template and no setting of ours ever sets.
 */
export function readPrincipal(
  header: (name: string) => string | null | undefined,
  { authenticationOn }: { readonly authenticationOn: boolean },
): Principal {
  if (!authenticationOn) return { kind: 'authenticationOff' };
  const encoded = header('x-ms-client-principal') ?? '';
  if (encoded === '' || encoded.length > headerCharacters) return { kind: 'anonymous' };
  if (header('x-ms-client-principal-idp') !== 'aad') return { kind: 'anonymous' };
  const principal = parse(encoded);
  if (principal === undefined) return { kind: 'anonymous' };
  const valuesOf = (type: string): readonly string[] =>
    principal.claims.filter(({ typ }) => typ === type).map(({ val }) => val);
  const objectId = valuesOf(objectIdClaim)[0] ?? valuesOf('oid')[0] ?? '';
  if (objectId === '') return { kind: 'anonymous' };
  // An application has no name: the program that asks stands for it.
  const program = valuesOf('azp')[0] ?? valuesOf('appid')[0];
  const name =
    valuesOf(principal.nameType)[0] ??
    valuesOf('preferred_username')[0] ??
    valuesOf('name')[0] ??
    program ??
    objectId;
  const isToken = [scopeClaim, 'scp', 'idtyp'].some((type) => valuesOf(type).length > 0);
  const client = program ?? (isToken ? 'unknown' : undefined);
  const roles = new Set([principal.roleType, roleClaim, 'roles'].flatMap(valuesOf));
  return { kind: 'user', name, objectId, roles: [...roles], ...present({ client }) };
}

/** Authorizes users who have the app role, and nobody else. */
export function authorize(principal: Principal, role: string): Authorization {
  switch (principal.kind) {
    case 'authenticationOff':
      return {
        kind: 'forbidden',
        status: 401,
        detail:
          'This page is closed because App Service authentication is off (Function App → Authentication). It stays closed until that is on.',
      };
    case 'anonymous':
      return { kind: 'signInRequired' };
    case 'user':
      return principal.roles.includes(role)
        ? { kind: 'authorized', name: principal.name, objectId: principal.objectId }
        : {
            kind: 'forbidden',
            status: 403,
            detail: `You are signed in, but without the app role ${role}: Entra admin center → Enterprise applications → the bridge’s app → Users and groups.`,
          };
  }
}

interface ClientPrincipal {
  readonly nameType: string;
  readonly roleType: string;
  readonly claims: readonly { readonly typ: string; readonly val: string }[];
}

function parse(encoded: string): ClientPrincipal | undefined {
  const parsed = parseJson(Buffer.from(encoded, 'base64').toString('utf8'));
  const claims = memberOf(parsed, 'claims');
  if (!Array.isArray(claims) || claims.length > claimCount) return undefined;
  const read: { typ: string; val: string }[] = [];
  for (const claim of claims as readonly unknown[]) {
    const typ = memberOf(claim, 'typ');
    const val = memberOf(claim, 'val');
    if (typeof typ !== 'string' || typeof val !== 'string') return undefined;
    read.push({ typ, val });
  }
  return {
    claims: read,
    nameType: textIn(parsed, 'name_typ') || 'preferred_username',
    roleType: textIn(parsed, 'role_typ') || 'roles',
  };
}
