// What the emulator's tenant holds: app registrations with their credentials and grants, and accounts.

export interface EntraApp {
  readonly clientId: string;
  /** Redirect URIs of platform “Web”. A public app has none and sends no proof. */
  readonly redirectUris: readonly string[];
  readonly publicClient?: boolean;
  readonly secrets?: readonly { readonly value: string; readonly expiresAt?: number }[];
  /** PEM certificates whose keys may sign client assertions. */
  readonly certificates?: readonly string[];
  /** Identities whose tokens count as the app's credential. The issuer is this tenant if none is named. */
  readonly federated?: readonly { readonly issuer?: string; readonly subject: string }[];
  /** Application permissions that were granted: `IMAP.AccessAsApp`, `SMTP.SendAsApp`. */
  readonly roles?: readonly string[];
  readonly disabled?: boolean;
}

export interface EntraAccount {
  readonly upn: string;
  /** Object id; made if none is given. */
  readonly oid?: string;
  /** Answers every sign-in and refresh with this number, for instance 53003. */
  readonly refusedWith?: number;
}

/** Exchange Online's resource, by the host that scopes name. */
export const outlookAudiences: ReadonlyMap<string, string> = new Map([
  ['outlook.office365.com', 'https://outlook.office365.com'],
  ['outlook.office.com', 'https://outlook.office.com'],
]);

/** OpenID Connect's own scopes, which belong to no resource. */
const openIdScopes = new Set(['openid', 'profile', 'email', 'offline_access']);

export interface RequestedScopes {
  readonly plain: readonly string[];
  /** `https://outlook.office365.com`, absent if only plain scopes are asked for. */
  readonly audience?: string;
  /** Permission names without the resource. */
  readonly permissions: readonly string[];
}

/** Splits a scope parameter; a number of Entra's if it is wrong. */
export function readScopes(scope: string): RequestedScopes | number {
  const plain: string[] = [];
  const permissions: string[] = [];
  const audiences = new Set<string>();
  for (const part of scope.split(' ').filter((word) => word !== '')) {
    if (openIdScopes.has(part)) {
      plain.push(part);
      continue;
    }
    const match = /^https:\/\/([^/]+)\/\/?([A-Za-z.]+)$/.exec(part);
    if (match === null) return 70011;
    const [, host = '', permission = ''] = match;
    const audience =
      outlookAudiences.get(host) ?? (host === 'graph.microsoft.com' ? `https://${host}` : undefined);
    if (audience === undefined) return 500011;
    audiences.add(audience);
    permissions.push(permission);
  }
  const [audience, ...others] = audiences;
  if (others.length > 0) return 700022;
  return { plain, permissions, ...(audience === undefined ? {} : { audience }) };
}
