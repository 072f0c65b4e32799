// What happens daily whether or not mail flows: every delegated grant is refreshed, because Entra ends one that was
// not used for 90 days, and what will end soon is said two weeks before it does.
import { X509Certificate } from 'node:crypto';
import type { Clock } from '../clock.ts';
import type { AccessTokens } from '../mail/accessToken.ts';
import type { Mailbox } from '../mail/mailbox.ts';
import type { Log } from '../telemetry/log.ts';
import * as events from '../telemetry/oauthEvents.ts';
import { grantName } from './grants.ts';
import type { Grants } from './grants.ts';
import type { AppCredential } from './settings.ts';

const DAY_MS = 86_400_000;
/** Entra ends a grant after 90 days without use; not configurable. */
const IDLE_MS = 90 * DAY_MS;
const WARN_MS = 14 * DAY_MS;

/** Something that stops mail at a known moment unless a person acts. */
export interface Ending {
  readonly what: 'grant' | 'certificate' | 'secret';
  /** The mailbox, for a grant. */
  readonly mailbox?: string;
  readonly endsAt: number;
  readonly detail: string;
}

export interface KeepAliveParts {
  readonly tokens: AccessTokens;
  readonly grants: Grants;
  readonly credential: AppCredential;
  readonly clock: Clock;
  readonly log: Log;
}

/** Refreshes every delegated grant, one after another; one that fails stops no other. Returns what ends soon. */
export async function keepGrantsAlive(
  mailboxes: readonly Mailbox[],
  parts: KeepAliveParts,
): Promise<readonly Ending[]> {
  const counts = { refreshedCount: 0, failedCount: 0 };
  for (const mailbox of mailboxes.filter(({ signIn }) => signIn === 'delegated')) {
    const answer = await parts.tokens.get(mailbox, 'smtp', { renew: true });
    if (answer.kind === 'token') counts.refreshedCount += 1;
    else counts.failedCount += 1;
  }
  parts.log(events.grantsKeptAlive(counts));
  const endings = await endingSoon(mailboxes, parts);
  for (const { what, mailbox, endsAt, detail } of endings) {
    parts.log(
      events.endsSoon({
        what,
        grant: mailbox === undefined ? undefined : grantName(mailbox),
        endsInDays: Math.floor((endsAt - parts.clock.now()) / DAY_MS),
        detail,
      }),
    );
  }
  return endings;
}

/** Grants, certificate and secret that end within 14 days, or have ended; the soonest first. */
export async function endingSoon(
  mailboxes: readonly Mailbox[],
  { grants, credential, clock }: Pick<KeepAliveParts, 'grants' | 'credential' | 'clock'>,
): Promise<readonly Ending[]> {
  const endings: Ending[] = [];
  for (const { address, signIn } of mailboxes) {
    const state = signIn === 'delegated' ? await grants.state(grantName(address)) : undefined;
    // A refused grant has had its own alert.
    if (state === undefined || state.refused !== undefined) continue;
    endings.push({
      what: 'grant',
      mailbox: address,
      endsAt: state.refreshedAt + IDLE_MS,
      detail:
        'The sign-in of this mailbox has not been refreshed for weeks and ends 90 days after its last use. See why the daily refresh fails (refreshTokens), or connect the mailbox again.',
    });
  }
  endings.push(...credentialEnding(credential));
  return endings
    .filter(({ endsAt }) => endsAt - clock.now() < WARN_MS)
    .sort((one, other) => one.endsAt - other.endsAt);
}

function credentialEnding(credential: AppCredential): readonly Ending[] {
  const renew =
    'Make a new one (Entra admin center → App registrations → the bridge’s app → Certificates & secrets) and put it into the settings; the managed identity as federated credential needs none.';
  if (credential.kind === 'secret' && credential.expiresAt !== undefined) {
    return [{ what: 'secret', endsAt: credential.expiresAt, detail: `The client secret ends. ${renew}` }];
  }
  const endsAt = credential.kind === 'certificate' ? certificateEnd(credential.pem) : undefined;
  return endsAt === undefined
    ? []
    : [{ what: 'certificate', endsAt, detail: `The client certificate ends. ${renew}` }];
}

function certificateEnd(pem: string): number | undefined {
  try {
    return new X509Certificate(pem).validToDate.getTime();
  } catch {
    return undefined;
  }
}
