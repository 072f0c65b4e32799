// The daily refresh, whether or not there is mail: every delegated grant is refreshed, because Entra ends one that was
// not used for 90 days, and what will expire soon is logged from two weeks before.
import { X509Certificate } from 'node:crypto';
import type { Clock } from '../clock.ts';
import type { AccessTokens } from '../mail/accessToken.ts';
import type { Mailbox } from '../mail/mailbox.ts';
import type { Log } from '../telemetry/log.ts';
import { oauthEvents } from '../telemetry/oauthEvents.ts';
import { grantName, type Grants } from './grants.ts';
import type { ClientCredential } from '../config/settings.ts';

const dayMs = 86_400_000;
/** Entra ends a grant after 90 days without use; not configurable. */
export const idleMs = 90 * dayMs;
const warningMs = 14 * dayMs;

/** Something that stops mail at a known time unless a person acts. */
export interface Expiration {
  readonly kind: 'grant' | 'certificate' | 'secret';
  /** The mailbox, for a grant. */
  readonly mailbox?: string;
  readonly expiresAt: number;
  readonly detail: string;
}

export interface RefreshTokensDependencies {
  readonly tokens: AccessTokens;
  readonly grants: Grants;
  readonly credential: ClientCredential;
  readonly clock: Clock;
  readonly log: Log;
}

/** Refreshes every delegated grant, one after another; a failure of one does not stop the others. Returns what expires soon. */
export async function refreshTokens(
  mailboxes: readonly Mailbox[],
  dependencies: RefreshTokensDependencies,
): Promise<readonly Expiration[]> {
  const counts = { refreshedCount: 0, failedCount: 0 };
  for (const mailbox of mailboxes.filter(({ signIn }) => signIn === 'delegated')) {
    const answer = await dependencies.tokens.get(mailbox, 'smtp', { renew: true });
    if (answer.kind === 'token') counts.refreshedCount += 1;
    else counts.failedCount += 1;
  }
  dependencies.log(oauthEvents.grantsRefreshed(counts));
  const expirations = await expiringSoon(mailboxes, dependencies);
  for (const { kind, mailbox, expiresAt, detail } of expirations) {
    dependencies.log(
      oauthEvents.expiresSoon({
        kind,
        grant: mailbox === undefined ? undefined : grantName(mailbox),
        expiresInDays: Math.floor((expiresAt - dependencies.clock.now()) / dayMs),
        detail,
      }),
    );
  }
  return expirations;
}

/** Grants, certificate and secret that expire within 14 days, or have expired; the soonest first. */
export async function expiringSoon(
  mailboxes: readonly Mailbox[],
  { grants, credential, clock }: Pick<RefreshTokensDependencies, 'grants' | 'credential' | 'clock'>,
): Promise<readonly Expiration[]> {
  const expirations: Expiration[] = [];
  for (const { address, signIn } of mailboxes) {
    const state = signIn === 'delegated' ? await grants.state(grantName(address)) : undefined;
    // A refused grant has had its own alert.
    if (state === undefined || state.refused !== undefined) continue;
    expirations.push({
      kind: 'grant',
      mailbox: address,
      expiresAt: state.refreshedAt + idleMs,
      detail:
        'The sign-in of this mailbox has not been refreshed for weeks and ends 90 days after its last use. Check why the daily refresh fails (refreshTokens), or connect the mailbox again.',
    });
  }
  expirations.push(...credentialExpirations(credential));
  return expirations
    .filter(({ expiresAt }) => expiresAt - clock.now() < warningMs)
    .sort((one, other) => one.expiresAt - other.expiresAt);
}

/** When the app's own credential ends; empty for one that does not, or that names no date. */
export function credentialExpirations(credential: ClientCredential): readonly Expiration[] {
  const renew =
    'Create a new one (Entra admin center → App registrations → the bridge’s app → Certificates & secrets) and put it into the settings; the managed identity as federated credential needs none.';
  if (credential.kind === 'secret' && credential.expiresAt !== undefined) {
    return [
      { kind: 'secret', expiresAt: credential.expiresAt, detail: `The client secret expires. ${renew}` },
    ];
  }
  const expiresAt = credential.kind === 'certificate' ? certificateExpiry(credential.pem) : undefined;
  return expiresAt === undefined
    ? []
    : [{ kind: 'certificate', expiresAt, detail: `The client certificate expires. ${renew}` }];
}

function certificateExpiry(pem: string): number | undefined {
  try {
    return new X509Certificate(pem).validToDate.getTime();
  } catch {
    return undefined;
  }
}
