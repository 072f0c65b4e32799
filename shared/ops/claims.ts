// The claims of an access token. They are read, not verified: only the mail servers check the signature. The token
// never leaves this file; what is reported of it holds no secret.
import { memberOf, numberIn, parseJson, textIn } from '../mail/foreign.ts';
import type { Mailbox } from '../mail/mailbox.ts';
import type { Cause } from './cause.ts';

export interface TokenClaims {
  readonly audience: string;
  readonly tenant: string;
  /** Delegated permissions. */
  readonly scopes: readonly string[];
  /** Application permissions. */
  readonly roles: readonly string[];
  /** Who signed in; '' for the app itself. */
  readonly user: string;
  readonly appId: string;
  /** UTC ms. */
  readonly expiresAt: number;
}

const exchangeAppId = '00000002-0000-0ff1-ce00-000000000000';
const outlookHost =
  /^(?:https:\/\/)?(?:outlook|outlook-dod|partner)\.(?:office365|office|outlook)\.(?:com|us|cn)\/?$/;

/** The claims; undefined if the token is not a JWT, which only the server can read. */
export function readClaims(token: string): TokenClaims | undefined {
  const claims = parseJson(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
  if (typeof claims !== 'object' || claims === null) return undefined;
  const text = (name: string): string => textIn(claims, name).slice(0, 300);
  const roles = memberOf(claims, 'roles');
  return {
    audience: text('aud'),
    tenant: text('tid'),
    scopes: text('scp')
      .split(' ')
      .filter((scope) => scope !== ''),
    roles: Array.isArray(roles) ? roles.filter((role) => typeof role === 'string').slice(0, 100) : [],
    user: text('upn') || text('unique_name') || text('preferred_username'),
    appId: text('appid'),
    expiresAt: numberIn(claims, 'exp') * 1000,
  };
}

export interface Expected {
  /** A GUID; compared only if the settings name the tenant by one. */
  readonly tenant: string;
  readonly mailbox: Mailbox;
}

/** What is wrong with the token, as far as its claims show; the worst first. */
export function judgeClaims(claims: TokenClaims, { tenant, mailbox }: Expected): readonly Cause[] {
  const causes: Cause[] = [];
  const delegated = mailbox.signIn === 'delegated';
  const evidence = (what: string): string => `The token’s ${what}.`;
  if (claims.audience !== exchangeAppId && !outlookHost.test(claims.audience)) {
    causes.push({
      cause: 'The token is for another resource than Exchange Online.',
      remedy: delegated
        ? 'Set OAUTH_SCOPES to https://outlook.office365.com/IMAP.AccessAsUser.All and https://outlook.office365.com/SMTP.Send (not Microsoft Graph), then connect the mailbox again.'
        : 'Set OAUTH_APPLICATION_SCOPE to https://outlook.office365.com/.default.',
      evidence: evidence(`audience (aud) is ${claims.audience}`),
    });
  }
  if (/^[0-9a-f-]{36}$/i.test(tenant) && claims.tenant.toLowerCase() !== tenant.toLowerCase()) {
    causes.push({
      cause: 'The token comes from another tenant than the settings name.',
      remedy:
        'Correct the tenant in OAUTH_AUTHORIZE_ENDPOINT (Entra admin center → Overview → Tenant ID), then connect the mailbox again.',
      evidence: evidence(`tenant (tid) is ${claims.tenant}, the settings say ${tenant}`),
    });
  }
  if (delegated && claims.user.toLowerCase() !== mailbox.smtpUser.toLowerCase()) {
    causes.push({
      cause: 'The sign-in was given by another account than the one that logs in to SMTP.',
      remedy: `Connect the mailbox again and pick ${mailbox.smtpUser} (a private window helps), or set smtpUser in MAILBOXES to the account that signed in.`,
      evidence: evidence(
        `user (upn) is ${claims.user === '' ? 'missing' : claims.user}, smtpUser is ${mailbox.smtpUser}`,
      ),
    });
  }
  const lacking = missingPermissions(claims, mailbox);
  if (lacking.length > 0) {
    causes.push({
      cause: `The token lacks the permission ${lacking.join(' and ')}.`,
      remedy: delegated
        ? `Add ${lacking.join(' and ')} to OAUTH_SCOPES and to the app registration (Entra admin center → App registrations → API permissions), grant consent, then connect the mailbox again.`
        : `Add the application permission ${lacking.join(' and ')} of Office 365 Exchange Online (Entra admin center → App registrations → API permissions → APIs my organization uses) and grant admin consent.`,
      evidence: evidence(
        delegated
          ? `scopes (scp) are ${claims.scopes.join(' ') || 'none'}`
          : `roles are ${claims.roles.join(' ') || 'none'}`,
      ),
    });
  }
  return causes;
}

/** Sending by an App RBAC role needs no permission in the token, so SMTP.SendAsApp is not asked for here. */
function missingPermissions({ scopes, roles }: TokenClaims, mailbox: Mailbox): readonly string[] {
  if (mailbox.signIn === 'application') {
    return mailbox.receive && !roles.includes('IMAP.AccessAsApp') ? ['IMAP.AccessAsApp'] : [];
  }
  return [
    ...(mailbox.receive && !scopes.includes('IMAP.AccessAsUser.All') ? ['IMAP.AccessAsUser.All'] : []),
    ...(mailbox.send && !scopes.includes('SMTP.Send') ? ['SMTP.Send'] : []),
  ];
}
