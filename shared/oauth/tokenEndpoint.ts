// The refresh of a delegated grant. Every refresh sends `scope` (Entra answers AADSTS900144 without it) and the app's
// client authentication: an app with a web redirect URI is a confidential client (AADSTS7000218 without).
import { memberOf, parseJson } from '../mail/foreign.ts';
import { present } from '../mail/omit.ts';
import * as oidc from 'openid-client';
import type { Clock } from '../clock.ts';
import type { IssuedToken, TokenFailure, TokenEndpoint } from './ports.ts';
import { judgeErrorResponse, unreachable } from './errorResponse.ts';
import type { SignInWay } from './tokenErrors.ts';
import type { SignInSettings } from '../config/settings.ts';

const callSeconds = 30;
/** RFC 6749 makes expires_in optional; Entra always sends it. */
const defaultLifetimeMs = 300_000;

/** The app's client authentication (RFC 6749 2.3) for one request; made anew for each, because a federated token expires. */
export type ClientAuthenticator = () => Promise<
  { readonly kind: 'auth'; readonly auth: oidc.ClientAuth } | TokenFailure
>;

/** The authority as the settings name it: nothing is discovered, so nothing can be replaced. */
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
  config.timeout = callSeconds;
  return config;
}

export function createTokenEndpoint(
  settings: SignInSettings,
  authenticator: ClientAuthenticator,
  clock: Clock,
): TokenEndpoint {
  return {
    async refresh(refreshToken): Promise<IssuedToken | TokenFailure> {
      const client = await authenticator();
      if (client.kind !== 'auth') return client;
      try {
        const answer = await oidc.refreshTokenGrant(configuration(settings, client.auth), refreshToken, {
          scope: settings.scopes.join(' '),
        });
        return {
          kind: 'token',
          token: answer.access_token,
          expiresInMs: answer.expires_in === undefined ? defaultLifetimeMs : answer.expires_in * 1000,
          ...present({ refreshToken: answer.refresh_token }),
        };
      } catch (error) {
        return await judgeTokenError(error, clock.now());
      }
    },
  };
}

/**
 * What an error of openid-client means, by the answer that is behind it: the status and the body decide, not the class of
 * the error. Its messages and causes may hold what the server sent: not passed on.
 */
export async function judgeTokenError(error: unknown, now: number, way?: SignInWay): Promise<TokenFailure> {
  if (error instanceof oidc.ResponseBodyError) {
    return judgeErrorResponse({ ...statusOf(error.response), body: error.cause }, now, way);
  }
  const response = responseIn(error);
  if (response !== undefined) {
    return judgeErrorResponse({ ...statusOf(response), body: await bodyOf(response) }, now, way);
  }
  const body = bodyIn(error);
  return body === undefined
    ? unreachable('The sign-in service')
    : judgeErrorResponse({ status: 200, body }, now, way);
}

const statusOf = (
  response: Response,
): { readonly status: number; readonly retryAfter: string | undefined } => ({
  status: response.status,
  retryAfter: response.headers.get('retry-after') ?? undefined,
});

const bodyMostCharacters = 65_536;

/** Of a 401 with a challenge (RFC 9110 15.5.2) the library reads no body. Undefined if it is not JSON. */
async function bodyOf(response: Response): Promise<unknown> {
  if (response.bodyUsed) return undefined;
  try {
    const text = await response.clone().text();
    return text.length > bodyMostCharacters ? undefined : parseJson(text);
  } catch {
    return undefined;
  }
}

/** The library wraps an answer that is not OAuth's (an HTML page of a proxy, an empty 503) a level or two deep. */
function responseIn(error: unknown): Response | undefined {
  return find(error, (at) => (at instanceof Response ? at : undefined));
}

/** A 200 whose body lacks a token is handed over parsed, as a cause's `body`. */
function bodyIn(error: unknown): unknown {
  return find(error, (at) => memberOf(at, 'body'));
}

function find<Found>(error: unknown, pick: (at: unknown) => Found | undefined): Found | undefined {
  let at = error;
  for (let depth = 0; depth < 4; depth++) {
    const found = pick(at);
    if (found !== undefined) return found;
    const response = memberOf(at, 'response');
    at = response instanceof Response ? response : memberOf(at, 'cause');
  }
  return undefined;
}
