// What a new grant must prove before it is stored: tenant, user, permissions.
import type * as oidc from 'openid-client';
import type { SignInSettings } from '../config/settings.ts';
import type { Mailbox } from '../mail/mailbox.ts';
import { unreachable } from './errorResponse.ts';
import type { TokenFailure } from './ports.ts';

const guid = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

export type CodeGrant = Awaited<ReturnType<typeof oidc.authorizationCodeGrant>>;

/** What is requested in the browser: the mail scopes, a refresh token, and the user's name. */
export function requestedScopes({ scopes }: SignInSettings): readonly string[] {
  return [...new Set(['openid', 'profile', ...scopes, 'offline_access'])];
}

/** Why this grant cannot be used, for the administrator; undefined if it can. */
export function grantProblem(
  mailbox: Mailbox,
  answer: CodeGrant,
  { settings, issuer }: { readonly settings: SignInSettings; readonly issuer: string },
): string | undefined {
  const claims = answer.claims();
  const tenant = guid.test(settings.tenant) ? settings.tenant : (issuer.split('/').at(-2) ?? '');
  if (claims?.['tid'] !== tenant) {
    return 'The account that signed in belongs to another tenant. Sign in with an account of the tenant in OAUTH_AUTHORIZE_ENDPOINT. Nothing was stored.';
  }
  const account = claims['preferred_username'];
  if (typeof account !== 'string' || account.toLowerCase() !== mailbox.smtpUser.toLowerCase()) {
    return `Another account signed in than ${mailbox.smtpUser}, which is the one that logs in to SMTP. Connect the mailbox again and choose ${mailbox.smtpUser} (a private window helps), or set another smtpUser in MAILBOXES. Nothing was stored; an older sign-in stays as it was.`;
  }
  // By the permission's name: Entra may answer with another of the resource's hosts than was asked for.
  const permission = (scope: string): string => scope.slice(scope.lastIndexOf('/') + 1).toLowerCase();
  const granted = new Set((answer.scope ?? '').split(' ').map(permission));
  const missing = settings.scopes.filter(
    (scope) => scope !== 'offline_access' && !granted.has(permission(scope)),
  );
  if (missing.length > 0) {
    return `Entra did not grant ${missing.join(' and ')}. Add it to the app registration (API permissions), grant consent and connect the mailbox again. Nothing was stored.`;
  }
  if (answer.refresh_token === undefined || answer.refresh_token === '') {
    return 'Entra gave no refresh token: the app lacks offline_access (App registrations → API permissions). Nothing was stored.';
  }
  return undefined;
}

/** The one issuer that is accepted. The id of a tenant that is named by its domain is in Entra's own metadata. */
export async function issuerOf({ authorityHost, tenant }: SignInSettings): Promise<string | TokenFailure> {
  if (guid.test(tenant)) return `${authorityHost}/${tenant}/v2.0`;
  try {
    const response = await fetch(`${authorityHost}/${tenant}/v2.0/.well-known/openid-configuration`, {
      signal: AbortSignal.timeout(30_000),
    });
    const { issuer } = (await response.json()) as { readonly issuer?: unknown };
    const path =
      typeof issuer === 'string' && issuer.startsWith(authorityHost)
        ? issuer.slice(authorityHost.length)
        : '';
    if (/^\/[0-9a-f-]{36}\/v2\.0$/.test(path)) return `${authorityHost}${path}`;
  } catch {
    // Reported below.
  }
  return unreachable('The sign-in service');
}
