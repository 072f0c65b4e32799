// An emulator of Microsoft Entra ID, complete enough that the product's own libraries sign in as they do in Azure:
// discovery, keys, the authorization code flow with PKCE behind a page, refresh tokens that rotate while the old
// one stays valid, client credentials, and refusals with Entra's numbers. It holds one tenant in memory.
//
// Lifetimes follow the clock passed in. faults.ts lists the faults that can be injected.
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import type { JWTPayload } from 'jose';
import type { Clock } from '../../../shared/clock.ts';
import { authenticateApp } from './clientAuthentication.ts';
import { readScopes } from './directory.ts';
import type { RequestedScopes, EntraAccount, EntraApp } from './directory.ts';
import { startHttpListener } from '../httpListener.ts';
import type { HttpResponse, HttpRequest } from '../httpListener.ts';
import { errorPage, loginPage } from './loginPage.ts';
import { Refused, errorWord, refusalAnswer } from './refusals.ts';
import { createTokenSigner } from './tokens.ts';
import type { TokenCheck } from './tokens.ts';
import { FaultQueue, faultResponse } from './faults.ts';
import type { EntraFault } from './faults.ts';

const minuteMs = 60_000;
const dayMs = 86_400_000;
/** The log of token requests keeps this many. */
const maxCalls = 20_000;

export interface EntraOptions {
  readonly cert: string;
  readonly key: string;
  readonly clock: Clock;
  readonly port?: number;
  /** The tenant's id, a GUID. */
  readonly tenant: string;
  readonly apps: readonly EntraApp[];
  readonly accounts: readonly EntraAccount[];
  /** Entra: access tokens 60 to 90 minutes, refresh tokens 90 days without use, codes 10 minutes. */
  readonly accessTokenMs?: number;
  readonly refreshTokenMs?: number;
  readonly codeMs?: number;
  /** Entra keeps a used refresh token valid; true makes the emulator stricter than that. */
  readonly revokeUsed?: boolean;
  /** The account whose session the browser has: taken without a question where no `prompt` is asked for. */
  readonly signedIn?: string;
}

/** One request to the token endpoint; nothing secret in it. */
export interface TokenCall {
  readonly at: number;
  readonly grantType: string;
  readonly clientId: string;
  readonly account?: string;
  readonly outcome: 'ok' | number;
  /** How the app proved itself. */
  readonly proof: 'secret' | 'assertion' | 'none';
}

export interface EntraEmulator {
  /** `https://localhost:PORT`: the authority host. */
  readonly origin: string;
  readonly tenant: string;
  readonly authorizeEndpoint: string;
  readonly tokenEndpoint: string;
  readonly issuer: string;
  readonly port: number;
  /** Validates a bearer token on behalf of a mail server. */
  checkToken(token: string): Promise<TokenCheck>;
  /** Signs any claims with the tenant's key: an identity's token, or a wrong one for a test. */
  sign(claims: JWTPayload, livesMs: number): Promise<string>;
  /** Checks signature, time and audience of a token signed here; rejects. */
  verify(token: string, audience: string): Promise<JWTPayload>;
  /** A refresh token as if the account had consented just now. */
  grant(account: string, clientId: string, scope: string): string;
  /** Queues a fault for the token endpoint. */
  injectFault(fault: EntraFault): void;
  /** Removes all injected faults. */
  clearFaults(): void;
  /** What an administrator's “revoke sessions” does: every refresh token issued so far is refused (50173). */
  revokeSessions(account: string): void;
  revokeUsed(on: boolean): void;
  /** Changes an account or an app from here on. */
  setAccount(account: EntraAccount): void;
  setApp(app: EntraApp): void;
  /** The browser's session, see EntraOptions.signedIn. */
  setSignedIn(account: string | undefined): void;
  /** Changes the next token answer that would have been right: for answers that a client must not believe. */
  alterNext(alter: (body: TokenBody) => TokenBody | Promise<TokenBody>): void;
  readonly calls: readonly TokenCall[];
  close(): Promise<void>;
}

export type TokenBody = Readonly<Record<string, unknown>>;

interface Code {
  readonly account: string;
  readonly clientId: string;
  readonly redirectUri: string;
  readonly challenge: string;
  readonly scope: string;
  readonly nonce: string | undefined;
  readonly expiresAt: number;
  used: boolean;
}

interface Granted {
  readonly account: string;
  readonly clientId: string;
  readonly permissions: readonly string[];
  usedAt: number;
  readonly issuedAt: number;
  revoked: boolean;
}

export async function startEntra(options: EntraOptions): Promise<EntraEmulator> {
  const { clock, tenant } = options;
  const accessTokenMs = options.accessTokenMs ?? 75 * minuteMs;
  const refreshTokenMs = options.refreshTokenMs ?? 90 * dayMs;
  const signer = await createTokenSigner(clock);
  const apps = new Map(options.apps.map((app) => [app.clientId, app]));
  const accounts = new Map(options.accounts.map((account) => [account.upn.toLowerCase(), withId(account)]));
  const codes = new Map<string, Code>();
  const grants = new Map<string, Granted>();
  const revokedAt = new Map<string, number>();
  const faults = new FaultQueue();
  const calls: TokenCall[] = [];
  let revokeUsed = options.revokeUsed === true;
  let signedIn = options.signedIn;
  let alter: ((body: TokenBody) => TokenBody | Promise<TokenBody>) | undefined;

  const listener = await startHttpListener(
    {
      tls: { cert: options.cert, key: options.key },
      ...(options.port === undefined ? {} : { port: options.port }),
    },
    route,
  );
  const origin = `https://localhost:${listener.port}`;
  const issuer = `${origin}/${tenant}/v2.0`;
  const authorizeEndpoint = `${origin}/${tenant}/oauth2/v2.0/authorize`;
  const tokenEndpoint = `${origin}/${tenant}/oauth2/v2.0/token`;

  async function route(asked: HttpRequest): Promise<HttpResponse> {
    const [, named = '', ...rest] = asked.url.pathname.split('/');
    const path = rest.join('/');
    if (named !== tenant) return refusalAnswer(90002, clock.now());
    switch (path) {
      case 'v2.0/.well-known/openid-configuration':
        return { status: 200, body: discovery() };
      case 'discovery/v2.0/keys':
        return { status: 200, body: signer.jwks };
      case 'oauth2/v2.0/authorize':
        return authorize(asked);
      case 'oauth2/v2.0/token':
        return asked.method === 'POST' ? token(new URLSearchParams(asked.body)) : { status: 405 };
      default:
        return { status: 404, body: {} };
    }
  }

  function discovery(): unknown {
    return {
      issuer,
      authorization_endpoint: authorizeEndpoint,
      token_endpoint: tokenEndpoint,
      jwks_uri: `${origin}/${tenant}/discovery/v2.0/keys`,
      end_session_endpoint: `${origin}/${tenant}/oauth2/v2.0/logout`,
      response_types_supported: ['code'],
      response_modes_supported: ['query'],
      subject_types_supported: ['pairwise'],
      id_token_signing_alg_values_supported: ['RS256'],
      token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt', 'client_secret_basic'],
      scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
      tenant_region_scope: 'EU',
    };
  }

  // ---- the person's side ----------------------------------------------------------------------------------

  function authorize({ url, method, body }: HttpRequest): HttpResponse {
    const query = url.searchParams;
    const app = apps.get(query.get('client_id') ?? '');
    // What makes the redirect URI untrustworthy is shown on a page; anything later goes back by redirect.
    if (app === undefined)
      return { status: 400, body: errorPage(700016, 'Application was not found in the directory.') };
    const redirectUri = query.get('redirect_uri') ?? '';
    if (!app.redirectUris.some((registered) => isSameRedirect(registered, redirectUri))) {
      return {
        status: 400,
        body: errorPage(50011, 'The redirect URI specified in the request does not match.'),
      };
    }
    const back = (parameters: Readonly<Record<string, string>>): HttpResponse => {
      const target = new URL(redirectUri);
      for (const [name, value] of Object.entries(parameters)) target.searchParams.set(name, value);
      const state = query.get('state');
      if (state !== null) target.searchParams.set('state', state);
      return { status: 302, headers: { location: target.href } };
    };
    const refuse = (code: number): HttpResponse =>
      back({ error: errorWord(code), error_description: `AADSTS${code}: refused by the emulator.` });
    if (app.disabled === true) return refuse(7000112);
    if (query.get('response_type') !== 'code') return refuse(900144);
    const asked = readScopes(query.get('scope') ?? '');
    if (typeof asked === 'number') return refuse(asked);
    const challenge = query.get('code_challenge') ?? '';
    if (challenge !== '' && query.get('code_challenge_method') !== 'S256') return refuse(501481);

    const form = new URLSearchParams(body);
    const automatic = query.get('prompt') === null ? signedIn : undefined;
    if (method !== 'POST' && automatic === undefined) return showLogin(url, asked);
    const named = (automatic ?? form.get('account') ?? '').trim().toLowerCase();
    if (automatic === undefined && form.get('decision') !== 'accept') return refuse(65004);
    const account = accounts.get(named);
    if (account === undefined) {
      return showLogin(url, asked, 'We couldn’t find an account with that username.');
    }
    if (account.refusedWith !== undefined) return refuse(account.refusedWith);
    const code = randomBytes(48).toString('base64url');
    codes.set(code, {
      account: account.upn,
      clientId: app.clientId,
      redirectUri,
      challenge,
      scope: query.get('scope') ?? '',
      nonce: query.get('nonce') ?? undefined,
      expiresAt: clock.now() + (options.codeMs ?? 10 * minuteMs),
      used: false,
    });
    return back({ code, session_state: randomUUID() });
  }

  function showLogin(url: URL, asked: RequestedScopes, problem?: string): HttpResponse {
    return {
      status: 200,
      body: loginPage({
        action: `${url.pathname}${url.search}`,
        accounts: [...accounts.values()].map(({ upn }) => upn),
        hint: url.searchParams.get('login_hint') ?? '',
        permissions: [...asked.permissions, ...asked.plain],
        ...(problem === undefined ? {} : { problem }),
      }),
    };
  }

  // ---- the app's side -------------------------------------------------------------------------------------

  async function token(form: URLSearchParams): Promise<HttpResponse> {
    const note = (outcome: TokenCall['outcome'], account?: string): void => {
      if (calls.length >= maxCalls) calls.shift();
      calls.push({
        at: clock.now(),
        grantType: form.get('grant_type') ?? '',
        clientId: form.get('client_id') ?? '',
        ...(account === undefined ? {} : { account }),
        outcome,
        proof: form.has('client_assertion') ? 'assertion' : form.has('client_secret') ? 'secret' : 'none',
      });
    };
    const fault = faults.next();
    if (fault?.kind === 'slow') await clock.sleep(fault.delayMs);
    const faulty = fault === undefined ? undefined : faultResponse(fault, clock.now());
    if (faulty !== undefined) {
      note(faulty.status);
      return faulty;
    }
    try {
      const app = apps.get(form.get('client_id') ?? '');
      if (app === undefined) throw new Refused(form.has('client_id') ? 700016 : 900144);
      if (app.disabled === true) throw new Refused(7000112);
      await authenticateApp(app, form, { issuer, tokenEndpoint, signer, now: clock.now() });
      const { body, account } = await give(app, form);
      note('ok', account);
      const altered = alter === undefined ? body : await alter(body);
      alter = undefined;
      return { status: 200, body: altered };
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      note(error.code);
      return refusalAnswer(error.code, clock.now(), error.detail);
    }
  }

  async function give(
    app: EntraApp,
    form: URLSearchParams,
  ): Promise<{ readonly body: TokenBody; readonly account?: string }> {
    switch (form.get('grant_type')) {
      case 'authorization_code': {
        const code = redeem(app, form);
        const asked = mustRead(form.get('scope') ?? code.scope);
        return { body: await delegatedAnswer(app, code.account, asked, code.nonce), account: code.account };
      }
      case 'refresh_token': {
        const scope = form.get('scope');
        if (scope === null || scope === '') throw new Refused(900144);
        const granted = useGrant(app, form.get('refresh_token') ?? '');
        const asked = mustRead(scope);
        if (asked.permissions.some((permission) => !granted.permissions.includes(permission))) {
          throw new Refused(65001);
        }
        return {
          body: await delegatedAnswer(app, granted.account, asked, undefined),
          account: granted.account,
        };
      }
      case 'client_credentials':
        return { body: await applicationAnswer(app, form.get('scope') ?? '') };
      case null:
        throw new Refused(900144, "The request body must contain the following parameter: 'grant_type'.");
      default:
        throw new Refused(70003);
    }
  }

  function redeem(app: EntraApp, form: URLSearchParams): Code {
    const code = codes.get(form.get('code') ?? '');
    if (code?.clientId !== app.clientId) throw new Refused(70000);
    if (code.used) throw new Refused(54005);
    code.used = true;
    if (code.expiresAt <= clock.now()) throw new Refused(70008);
    if (code.redirectUri !== form.get('redirect_uri')) throw new Refused(50011);
    const verifier = form.get('code_verifier') ?? '';
    const challenge = verifier === '' ? '' : createHash('sha256').update(verifier).digest('base64url');
    if (challenge !== code.challenge) throw new Refused(501481);
    return code;
  }

  function useGrant(app: EntraApp, refreshToken: string): Granted {
    const granted = grants.get(refreshToken);
    if (granted?.clientId !== app.clientId) throw new Refused(70000);
    const account = accounts.get(granted.account.toLowerCase());
    if (account === undefined) throw new Refused(50034);
    if (account.refusedWith !== undefined) throw new Refused(account.refusedWith);
    if (granted.issuedAt <= (revokedAt.get(account.upn.toLowerCase()) ?? Number.NEGATIVE_INFINITY)) {
      throw new Refused(50173);
    }
    if (granted.revoked) throw new Refused(70000);
    if (clock.now() - granted.usedAt >= refreshTokenMs) throw new Refused(700082);
    granted.usedAt = clock.now();
    if (revokeUsed) granted.revoked = true;
    return granted;
  }

  async function delegatedAnswer(
    app: EntraApp,
    upn: string,
    asked: RequestedScopes,
    nonce: string | undefined,
  ): Promise<TokenBody> {
    const account = accounts.get(upn.toLowerCase());
    if (account === undefined) throw new Refused(50034);
    const person = { tid: tenant, oid: account.oid, name: account.upn.split('@')[0] };
    const accessToken = await signer.sign(
      {
        ...person,
        iss: `https://sts.windows.net/${tenant}/`,
        aud: asked.audience ?? app.clientId,
        appid: app.clientId,
        appidacr: app.publicClient === true ? '0' : '2',
        scp: asked.permissions.join(' '),
        sub: account.oid,
        upn: account.upn,
        unique_name: account.upn,
        ver: '1.0',
      },
      accessTokenMs,
    );
    const idToken = await signer.sign(
      {
        ...person,
        iss: issuer,
        aud: app.clientId,
        sub: createHash('sha256')
          .update(account.oid + app.clientId)
          .digest('base64url'),
        preferred_username: account.upn,
        ver: '2.0',
        ...(nonce === undefined ? {} : { nonce }),
      },
      60 * minuteMs,
    );
    return {
      token_type: 'Bearer',
      scope: asked.permissions.map((permission) => `${asked.audience ?? ''}/${permission}`).join(' '),
      expires_in: Math.floor(accessTokenMs / 1000),
      ext_expires_in: Math.floor(accessTokenMs / 1000),
      access_token: accessToken,
      ...(asked.plain.includes('offline_access')
        ? { refresh_token: newGrant(account.upn, app.clientId, asked.permissions) }
        : {}),
      ...(asked.plain.includes('openid') ? { id_token: idToken } : {}),
    };
  }

  async function applicationAnswer(app: EntraApp, scope: string): Promise<TokenBody> {
    const match = /^(https:\/\/[^/]+)\/\.default$/.exec(scope);
    if (match === null) throw new Refused(scope === '' ? 900144 : 70011);
    const audience = match[1] ?? '';
    if (!/^https:\/\/outlook\.office(365)?\.com$/.test(audience) && audience !== 'https://vault.azure.net') {
      throw new Refused(500011);
    }
    return {
      token_type: 'Bearer',
      expires_in: Math.floor(accessTokenMs / 1000),
      ext_expires_in: Math.floor(accessTokenMs / 1000),
      access_token: await signer.sign(
        {
          iss: `https://sts.windows.net/${tenant}/`,
          aud: audience,
          tid: tenant,
          appid: app.clientId,
          appidacr: '2',
          idtyp: 'app',
          oid: servicePrincipalId(app.clientId),
          sub: servicePrincipalId(app.clientId),
          roles: [...(app.roles ?? [])],
          ver: '1.0',
        },
        accessTokenMs,
      ),
    };
  }

  function newGrant(account: string, clientId: string, permissions: readonly string[]): string {
    const refreshToken = `1.${randomBytes(96).toString('base64url')}`;
    const now = clock.now();
    grants.set(refreshToken, { account, clientId, permissions, usedAt: now, issuedAt: now, revoked: false });
    return refreshToken;
  }

  return {
    origin,
    tenant,
    authorizeEndpoint,
    tokenEndpoint,
    issuer,
    port: listener.port,
    checkToken: (bearer) => signer.check(bearer, tenant),
    sign: (claims, livesMs) => signer.sign(claims, livesMs),
    verify: (bearer, audience) => signer.verify(bearer, [audience]),
    grant: (account, clientId, scope) => newGrant(account, clientId, mustRead(scope).permissions),
    injectFault: (fault) => {
      faults.add(fault);
    },
    clearFaults: () => {
      faults.clear();
    },
    revokeSessions: (account) => {
      revokedAt.set(account.toLowerCase(), clock.now());
    },
    revokeUsed: (on) => {
      revokeUsed = on;
    },
    setAccount: (account) => {
      const before = accounts.get(account.upn.toLowerCase());
      accounts.set(account.upn.toLowerCase(), withId(account, before?.oid));
    },
    setApp: (app) => {
      apps.set(app.clientId, app);
    },
    setSignedIn: (account) => {
      signedIn = account;
    },
    alterNext: (change) => {
      alter = change;
    },
    calls,
    close: () => listener.close(),
  };
}

/** Equal, but a registered `http://localhost` address is for any port (RFC 8252 7.3). */
function isSameRedirect(registered: string, asked: string): boolean {
  return (
    registered === asked ||
    (registered.startsWith('http://localhost/') &&
      asked.replace(/^(http:\/\/localhost):\d+\//, '$1/') === registered)
  );
}

/** The object id of the app's enterprise application in this tenant: what Exchange's New-ServicePrincipal is given. */
export function servicePrincipalId(clientId: string): string {
  const hex = createHash('sha256').update(`service principal of ${clientId}`).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    '-',
  );
}

function withId(account: EntraAccount, known?: string): EntraAccount & { readonly oid: string } {
  return { ...account, oid: account.oid ?? known ?? randomUUID() };
}

function mustRead(scope: string): RequestedScopes {
  const asked = readScopes(scope);
  if (typeof asked === 'number') throw new Refused(asked);
  return asked;
}
