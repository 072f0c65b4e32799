// Who is in front of the administrator's pages. App Service authentication puts the signed-in person into a
// header and strips that header from outside, but only while it is on: where the platform does not say that it is
// on, the header is anybody's invention. So everything here fails closed.

export type Visitor =
  /** A signed-in person with the roles of the app registration that they were given. */
  | {
      readonly kind: 'person';
      readonly name: string;
      readonly objectId: string;
      readonly roles: readonly string[];
    }
  /** Nobody has signed in: send them to `/.auth/login/aad`. */
  | { readonly kind: 'nobody' }
  /** The platform's authentication is off: refuse, whatever the headers say. */
  | { readonly kind: 'unprotected' };

export type Admission =
  | { readonly kind: 'admitted'; readonly name: string; readonly objectId: string }
  | { readonly kind: 'signIn' }
  | { readonly kind: 'refused'; readonly status: 401 | 403; readonly detail: string };

const LONGEST_HEADER = 65_536;
const MOST_CLAIMS = 500;
const OBJECT_ID = 'http://schemas.microsoft.com/identity/claims/objectidentifier';

/**
 * Reads the principal that App Service authentication hands over (header x-ms-client-principal).
 * `authenticationOn` is the platform's WEBSITE_AUTH_ENABLED, which no template and no setting of ours ever sets.
 */
export function readVisitor(
  header: (name: string) => string | null | undefined,
  { authenticationOn }: { readonly authenticationOn: boolean },
): Visitor {
  if (!authenticationOn) return { kind: 'unprotected' };
  const encoded = header('x-ms-client-principal') ?? '';
  if (encoded === '' || encoded.length > LONGEST_HEADER) return { kind: 'nobody' };
  if (header('x-ms-client-principal-idp') !== 'aad') return { kind: 'nobody' };
  const principal = parse(encoded);
  if (principal === undefined) return { kind: 'nobody' };
  const valuesOf = (type: string): readonly string[] =>
    principal.claims.filter(({ typ }) => typ === type).map(({ val }) => val);
  const objectId = valuesOf(OBJECT_ID)[0] ?? valuesOf('oid')[0] ?? '';
  if (objectId === '') return { kind: 'nobody' };
  const name = valuesOf(principal.nameType)[0] ?? valuesOf('preferred_username')[0] ?? objectId;
  return { kind: 'person', name, objectId, roles: [...valuesOf(principal.roleType), ...valuesOf('roles')] };
}

/** Lets in whoever has the app role, and nobody else. */
export function admit(visitor: Visitor, role: string): Admission {
  switch (visitor.kind) {
    case 'unprotected':
      return {
        kind: 'refused',
        status: 401,
        detail:
          'This page is closed because App Service authentication is off (Function App → Authentication). It opens for nobody until that is on.',
      };
    case 'nobody':
      return { kind: 'signIn' };
    case 'person':
      return visitor.roles.includes(role)
        ? { kind: 'admitted', name: visitor.name, objectId: visitor.objectId }
        : {
            kind: 'refused',
            status: 403,
            detail: `You are signed in, but without the app role ${role}: Entra admin center → Enterprise applications → the bridge’s app → Users and groups.`,
          };
  }
}

interface Principal {
  readonly nameType: string;
  readonly roleType: string;
  readonly claims: readonly { readonly typ: string; readonly val: string }[];
}

function parse(encoded: string): Principal | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(encoded, 'base64').toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  const fields = parsed as Readonly<Record<string, unknown>>;
  const { claims } = fields;
  if (!Array.isArray(claims) || claims.length > MOST_CLAIMS) return undefined;
  const read: { typ: string; val: string }[] = [];
  for (const claim of claims as readonly unknown[]) {
    if (typeof claim !== 'object' || claim === null) return undefined;
    const { typ, val } = claim as Readonly<Record<string, unknown>>;
    if (typeof typ !== 'string' || typeof val !== 'string') return undefined;
    read.push({ typ, val });
  }
  const word = (value: unknown, otherwise: string): string => (typeof value === 'string' ? value : otherwise);
  return {
    claims: read,
    nameType: word(fields['name_typ'], 'preferred_username'),
    roleType: word(fields['role_typ'], 'roles'),
  };
}
