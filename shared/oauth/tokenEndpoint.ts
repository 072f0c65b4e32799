// The refresh of a delegated grant. `scope` goes along on every refresh (Entra answers AADSTS900144 without it),
// and so does the app's proof: an app with a web redirect URI is a confidential client (AADSTS7000218 without).
import * as oidc from 'openid-client';
import type { Clock } from '../clock.ts';
import type { FreshToken, Refusal, TokenEndpoint } from './ports.ts';
import { judgeRefusal, notReached } from './refusal.ts';
import type { SignInSettings } from './settings.ts';

const CALL_SECONDS = 30;
/** RFC 6749 makes expires_in optional; Entra always sends it. */
const LIFE_WHEN_UNSAID_MS = 300_000;

/** How the app proves itself in one request; made anew for each, because a federated token ends. */
export type Proof = () => Promise<{ readonly kind: 'proof'; readonly auth: oidc.ClientAuth } | Refusal>;

/** The authority as the settings name it: nothing is discovered, so nothing can be swapped underneath. */
export function configuration(
  settings: SignInSettings,
  auth: oidc.ClientAuth,
  issuer = `${settings.authorityHost}/${settings.tenant}/v2.0`,
): oidc.Configuration {
  const config = new oidc.Configuration(
    {
      issuer,
      authorization_endpoint: settings.authorizeEndpoint,
      token_endpoint: settings.tokenEndpoint,
      jwks_uri: `${settings.authorityHost}/${settings.tenant}/discovery/v2.0/keys`,
    },
    settings.clientId,
    undefined,
    auth,
  );
  config.timeout = CALL_SECONDS;
  return config;
}

export function createTokenEndpoint(settings: SignInSettings, proof: Proof, clock: Clock): TokenEndpoint {
  return {
    async refresh(refreshToken): Promise<FreshToken | Refusal> {
      const proved = await proof();
      if (proved.kind !== 'proof') return proved;
      try {
        const answer = await oidc.refreshTokenGrant(configuration(settings, proved.auth), refreshToken, {
          scope: settings.scopes.join(' '),
        });
        return {
          kind: 'token',
          token: answer.access_token,
          expiresInMs: answer.expires_in === undefined ? LIFE_WHEN_UNSAID_MS : answer.expires_in * 1000,
          ...(answer.refresh_token === undefined ? {} : { refreshToken: answer.refresh_token }),
        };
      } catch (error) {
        return judgeError(error, clock.now());
      }
    },
  };
}

/** What an error of openid-client means. Its messages and causes may hold what the server sent: not passed on. */
export function judgeError(error: unknown, now: number): Refusal {
  if (error instanceof oidc.ResponseBodyError) {
    return judgeRefusal(
      {
        status: error.status,
        retryAfter: error.response.headers.get('retry-after') ?? undefined,
        body: error.cause,
      },
      now,
    );
  }
  const response = responseIn(error);
  if (response === undefined) return notReached('The sign-in service');
  return judgeRefusal(
    {
      status: response.status,
      retryAfter: response.headers.get('retry-after') ?? undefined,
      body: undefined,
    },
    now,
  );
}

/** The library wraps an answer that is not OAuth's (an HTML page of a proxy, an empty 503) a level or two deep. */
function responseIn(error: unknown): Response | undefined {
  let at: unknown = error;
  for (let depth = 0; depth < 4; depth++) {
    if (at instanceof Response) return at;
    if (typeof at !== 'object' || at === null) return undefined;
    at = (at as { readonly cause?: unknown }).cause;
  }
  return undefined;
}
