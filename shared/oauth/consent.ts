// Connecting a mailbox: the authorization code flow with PKCE, in two halves that may run in two workers.
//
// What the browser brings back must fit three things that are kept apart: a `state` that only Entra's redirect
// knows, a cookie that only the same browser has, and a row with the hashes of both. The row is used once, within
// ten minutes, and there is one per mailbox: a new start ends the one before. Verifier and nonce are derived from
// the cookie's value and the state, so neither is stored anywhere.
//
// What Entra then says is believed only if issuer and tenant are ours and the person who signed in is the user
// that logs in to SMTP. Until all of that is true nothing is stored, and an older grant stays as it is.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import * as oidc from 'openid-client';
import type { Clock, Random } from '../clock.ts';
import type { Mailbox } from '../mail/mailbox.ts';
import type { Log } from '../telemetry/log.ts';
import * as events from '../telemetry/oauthEvents.ts';
import { grantName } from './grants.ts';
import type { Grants } from './grants.ts';
import type { Refusal, SignInRows } from './ports.ts';
import { judgeRefusal, notReached } from './refusal.ts';
import type { SignInSettings } from './settings.ts';
import { configuration, judgeError } from './tokenEndpoint.ts';
import type { Proof } from './tokenEndpoint.ts';

const LIFE_MS = 600_000;
/** `__Host-`: this host alone, over TLS alone. Lax, because the way back is a navigation from Entra's host. */
const COOKIE = '__Host-connect';
const STATE = /^[0-9a-f]{64}\.[0-9a-f]{16}$/;
const BINDER = /^[0-9a-f]{64}$/;
const LONGEST_CALLBACK = 16_384;
const GUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

export type ConsentStart =
  | { readonly kind: 'redirect'; readonly location: string; readonly cookie: string }
  | { readonly kind: 'refused'; readonly detail: string };

export type ConsentEnd =
  | { readonly kind: 'connected'; readonly mailbox: string; readonly detail: string }
  | {
      readonly kind: 'refused';
      readonly detail: string;
      readonly code?: string;
      /** The answer is not of the sign-in that this browser has under way (in another tab): its cookie stays. */
      readonly cookieStays?: true;
    };

export interface Consent {
  /** Begins: where the browser goes, and the cookie (a whole Set-Cookie value) that it is to bring back. */
  start(address: string): Promise<ConsentStart>;
  /** Ends: `url` as the browser asked for it, `cookies` its Cookie header. Never throws for what a browser sends. */
  finish(callback: {
    readonly url: string;
    readonly cookies: string | null | undefined;
  }): Promise<ConsentEnd>;
  /** Ends the cookie's life; sent with the answer to the callback unless its cookie stays. */
  readonly endCookie: string;
}

export interface ConsentParts {
  readonly settings: SignInSettings;
  /** The exact redirect URI that is registered; https, or http on localhost. */
  readonly redirectUri: string;
  readonly mailboxes: readonly Mailbox[];
  readonly proof: Proof;
  readonly grants: Grants;
  readonly rows: SignInRows;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

const AGAIN = 'Start connecting the mailbox once more, in one browser and one tab.';

export function createConsent(parts: ConsentParts): Consent {
  const { settings, redirectUri, grants, rows, clock, random, log } = parts;
  const byMark = new Map(
    parts.mailboxes.filter(({ signIn }) => signIn === 'delegated').map((mailbox) => [mark(mailbox), mailbox]),
  );

  return {
    endCookie: `${COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0`,

    async start(address) {
      const mailbox = [...byMark.values()].find((one) => one.address.toLowerCase() === address.toLowerCase());
      if (mailbox === undefined) {
        return {
          kind: 'refused',
          detail:
            'No mailbox with this address signs in by a person: see MAILBOXES. A mailbox with application sign-in is not connected here.',
        };
      }
      const state = `${random.id()}${random.id()}.${mark(mailbox)}`;
      const binder = random.id() + random.id();
      const fields = {
        stateHash: hash(state),
        binderHash: hash(binder),
        mailbox: mailbox.address,
        until: clock.now() + LIFE_MS,
      };
      if (!(await begin(rowKey(mailbox), fields))) {
        return {
          kind: 'refused',
          detail: `Somebody else is connecting this mailbox at this moment. ${AGAIN}`,
        };
      }
      const location = oidc.buildAuthorizationUrl(configuration(settings, oidc.None()), {
        redirect_uri: redirectUri,
        scope: askedScopes(settings).join(' '),
        response_mode: 'query',
        state,
        nonce: derive(binder, 'nonce', state),
        code_challenge: createHash('sha256')
          .update(derive(binder, 'verifier', state))
          .digest('base64url'),
        code_challenge_method: 'S256',
        // Without these two single sign-on picks whoever the browser is signed in as: the administrator.
        login_hint: mailbox.smtpUser,
        prompt: 'select_account',
      });
      return {
        kind: 'redirect',
        location: location.href,
        cookie: `${COOKIE}=${binder}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=${LIFE_MS / 1000}`,
      };
    },

    async finish({ url, cookies }) {
      const query = readQuery(url);
      const state = query?.get('state') ?? '';
      const mailbox = STATE.test(state) ? byMark.get(state.slice(-16)) : undefined;
      if (query === undefined || mailbox === undefined) {
        return strange(`This answer belongs to no sign-in of ours. ${AGAIN}`);
      }
      const binder = readCookie(cookies);
      const wrong = await useUp(mailbox, state, binder);
      if (wrong !== undefined) return wrong;
      if (binder === undefined) return strange(`This browser did not start the sign-in. ${AGAIN}`);
      const error = query.get('error');
      if (error !== null) {
        const refusal = judgeRefusal(
          { status: 400, body: { error, error_description: query.get('error_description') } },
          clock.now(),
        );
        return refused(refusal);
      }
      return exchange(mailbox, query, { state, binder });
    },
  };

  async function begin(key: string, fields: Readonly<Record<string, string | number>>): Promise<boolean> {
    for (let turn = 0; turn < 3; turn++) {
      const row = await rows.read(key);
      const done =
        row === undefined ? await rows.insert(key, fields) : await rows.replace(key, fields, row.etag);
      if (done) return true;
    }
    return false;
  }

  /** Takes the row away; a refusal where the answer does not fit it. A state that was right is used up either way. */
  async function useUp(
    mailbox: Mailbox,
    state: string,
    binder: string | undefined,
  ): Promise<ConsentEnd | undefined> {
    const key = rowKey(mailbox);
    const row = await rows.read(key);
    if (row === undefined || !same(row.fields['stateHash'], hash(state))) {
      return strange(`This sign-in was finished already, or another one was started after it. ${AGAIN}`);
    }
    if (!(await rows.remove(key, row.etag))) return strange(`This sign-in was finished already. ${AGAIN}`);
    if (binder === undefined || !same(row.fields['binderHash'], hash(binder))) {
      return strange(`This browser did not start the sign-in, or its cookie is gone. ${AGAIN}`);
    }
    const until = row.fields['until'];
    if (typeof until !== 'number' || clock.now() >= until) {
      return { kind: 'refused', detail: `The sign-in took longer than ten minutes. ${AGAIN}` };
    }
    return undefined;
  }

  async function exchange(
    mailbox: Mailbox,
    query: URLSearchParams,
    { state, binder }: { readonly state: string; readonly binder: string },
  ): Promise<ConsentEnd> {
    const proved = await parts.proof();
    if (proved.kind !== 'proof') return refused(proved);
    const issuer = await issuerOf(settings);
    if (typeof issuer !== 'string') return refused(issuer);
    const config = configuration(settings, proved.auth, issuer);
    // The token comes straight from the token endpoint, but the check of its signature costs one request only.
    oidc.enableNonRepudiationChecks(config);
    // The address that the browser asked for may differ behind a proxy: the registered one is what counts.
    const current = new URL(redirectUri);
    current.search = query.toString();
    let answer: Awaited<ReturnType<typeof oidc.authorizationCodeGrant>>;
    try {
      answer = await oidc.authorizationCodeGrant(config, current, {
        pkceCodeVerifier: derive(binder, 'verifier', state),
        expectedNonce: derive(binder, 'nonce', state),
        expectedState: state,
        idTokenExpected: true,
      });
    } catch (error) {
      return refused(judgeExchange(error, clock.now()));
    }
    const wrong = whatIsWrong(mailbox, answer, { settings, issuer });
    if (wrong !== undefined) return { kind: 'refused', detail: wrong };
    const name = grantName(mailbox.address);
    const stored = await grants.connect(name, {
      refreshToken: answer.refresh_token ?? '',
      account: mailbox.smtpUser,
    });
    if (stored.kind !== 'connected') {
      return { kind: 'refused', detail: `The sign-in worked, but it could not be stored. ${stored.detail}` };
    }
    log(events.grantStored({ grant: name, cause: 'consent' }));
    return {
      kind: 'connected',
      mailbox: mailbox.address,
      detail: `${mailbox.address} is connected. If permissions in Exchange were given only now, they may need up to 90 minutes.`,
    };
  }
}

/** What is asked for in the browser: the mail scopes, a refresh token, and who signed in. */
function askedScopes({ scopes }: SignInSettings): readonly string[] {
  return [...new Set(['openid', 'profile', ...scopes, 'offline_access'])];
}

function whatIsWrong(
  mailbox: Mailbox,
  answer: Awaited<ReturnType<typeof oidc.authorizationCodeGrant>>,
  { settings, issuer }: { readonly settings: SignInSettings; readonly issuer: string },
): string | undefined {
  const claims = answer.claims();
  const tenant = GUID.test(settings.tenant) ? settings.tenant : (issuer.split('/').at(-2) ?? '');
  if (claims?.['tid'] !== tenant) {
    return 'The account that signed in belongs to another tenant. Sign in with an account of the tenant in OAUTH_AUTHORIZE_ENDPOINT. Nothing was stored.';
  }
  const account = claims['preferred_username'];
  if (typeof account !== 'string' || account.toLowerCase() !== mailbox.smtpUser.toLowerCase()) {
    return `Another account signed in than ${mailbox.smtpUser}, as which mail would then not be sent. Connect the mailbox once more and pick ${mailbox.smtpUser} (a private window helps), or set another smtpUser in MAILBOXES. Nothing was stored; an older sign-in stays as it was.`;
  }
  // By the permission's name: Entra may answer with another of the resource's hosts than was asked for.
  const permission = (scope: string): string => scope.slice(scope.lastIndexOf('/') + 1).toLowerCase();
  const granted = new Set((answer.scope ?? '').split(' ').map(permission));
  const missing = settings.scopes.filter(
    (scope) => scope !== 'offline_access' && !granted.has(permission(scope)),
  );
  if (missing.length > 0) {
    return `Entra did not grant ${missing.join(' and ')}. Add it to the app registration (API permissions), grant consent and connect the mailbox once more. Nothing was stored.`;
  }
  if (answer.refresh_token === undefined || answer.refresh_token === '') {
    return 'Entra gave no refresh token: the app lacks offline_access (App registrations → API permissions). Nothing was stored.';
  }
  return undefined;
}

/** The one issuer that is believed. A tenant that is named by its domain has its id in Entra's own metadata. */
async function issuerOf({ authorityHost, tenant }: SignInSettings): Promise<string | Refusal> {
  if (GUID.test(tenant)) return `${authorityHost}/${tenant}/v2.0`;
  try {
    const response = await fetch(`${authorityHost}/${tenant}/v2.0/.well-known/openid-configuration`, {
      signal: AbortSignal.timeout(30_000),
    });
    const { issuer } = (await response.json()) as { readonly issuer?: unknown };
    const end = typeof issuer === 'string' ? issuer.slice(authorityHost.length) : '';
    if (
      typeof issuer === 'string' &&
      issuer.startsWith(`${authorityHost}/`) &&
      /^\/[0-9a-f-]{36}\/v2\.0$/.test(end)
    ) {
      return issuer;
    }
  } catch {
    // Said below, in the same words.
  }
  return notReached('The sign-in service');
}

/** A refusal of the authority as such; anything that the checks of the answer found is no matter of waiting. */
function judgeExchange(error: unknown, now: number): Refusal {
  if (error instanceof oidc.ResponseBodyError) return judgeError(error, now);
  const code = error instanceof oidc.ClientError ? error.code : undefined;
  const network = error instanceof TypeError || code === 'OAUTH_TIMEOUT';
  if (network) return notReached('The sign-in service');
  return {
    kind: 'configuration',
    detail: `Entra’s answer did not fit the sign-in that was started (issuer, nonce, audience or signature). ${AGAIN} If it happens again, look for a proxy in between. Nothing was stored.`,
  };
}

/** Not the sign-in that this browser's cookie is for. */
function strange(detail: string): ConsentEnd {
  return { kind: 'refused', detail, cookieStays: true };
}

function refused({ detail, code }: Refusal): ConsentEnd {
  return { kind: 'refused', detail, ...(code === undefined ? {} : { code }) };
}

/** Names the mailbox within the state. */
function mark({ address }: Mailbox): string {
  return grantName(address).slice(-16);
}

function rowKey({ address }: Mailbox): string {
  return `consent-${grantName(address)}`;
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function derive(binder: string, purpose: string, state: string): string {
  return createHmac('sha256', binder).update(`${purpose}|${state}`).digest('base64url');
}

function same(stored: unknown, computed: string): boolean {
  if (typeof stored !== 'string' || stored.length !== computed.length) return false;
  return timingSafeEqual(Buffer.from(stored), Buffer.from(computed));
}

/** The callback's parameters; none where one comes twice (RFC 6749 3.1 forbids it) or the address is no address. */
function readQuery(url: string): URLSearchParams | undefined {
  if (url.length > LONGEST_CALLBACK) return undefined;
  const parsed = URL.parse(url);
  if (parsed === null) return undefined;
  const names = [...parsed.searchParams.keys()];
  return new Set(names).size === names.length ? parsed.searchParams : undefined;
}

function readCookie(header: string | null | undefined): string | undefined {
  if (header === null || header === undefined || header.length > LONGEST_CALLBACK) return undefined;
  const values = header
    .split(';')
    .map((part) => part.trim().split('='))
    .filter(([name]) => name === COOKIE)
    .map(([, value]) => value ?? '');
  const [value, ...others] = values;
  return value !== undefined && others.length === 0 && BINDER.test(value) ? value : undefined;
}
