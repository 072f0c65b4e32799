// Connecting a mailbox: the authorization code flow with PKCE, in two halves that may run in two workers.
//
// The callback must match three things that are kept apart: a `state` that only Entra's redirect carries, a cookie that
// only the same browser has, and a row with the hashes of both. The row is used once, within ten minutes, and there is
// one per mailbox: a new start replaces the one before. Verifier and nonce are derived from the cookie's value and the
// state, so neither is stored.
//
// Entra's answer is accepted only if issuer and tenant are ours and the user who signed in is the one that logs in to
// SMTP. Until all of that is verified nothing is stored, and an older grant stays as it is.
import { sha256 } from '../mail/fingerprint.ts';
import { exchangeWait } from '../mail/exchangeWait.ts';
import { present } from '../mail/omit.ts';
import { hash } from 'node:crypto';
import * as oidc from 'openid-client';
import type { Clock, Random } from '../clock.ts';
import type { SignInSettings } from '../config/settings.ts';
import { sameAddress } from '../mail/address.ts';
import type { Mailbox } from '../mail/mailbox.ts';
import type { Log } from '../telemetry/log.ts';
import { oauthEvents } from '../telemetry/oauthEvents.ts';
import {
  derive,
  endCookie,
  isState,
  readCookie,
  readQuery,
  sameHash,
  startCookie,
} from './consentBinding.ts';
import { grantProblem, issuerOf, requestedScopes, type CodeGrant } from './consentChecks.ts';
import { judgeErrorResponse, unreachable } from './errorResponse.ts';
import { grantName, type Grants } from './grants.ts';
import type { SignInFields, SignInRows, TokenFailure } from './ports.ts';
import { configuration, judgeTokenError, type ClientAuthenticator } from './tokenEndpoint.ts';

const lifetimeMs = 600_000;
const conflictLimit = 3;
const again = 'Start connecting the mailbox again, in one browser and one tab.';

export type ConsentStart =
  | { readonly kind: 'redirect'; readonly location: string; readonly cookie: string }
  | { readonly kind: 'refused'; readonly detail: string };

export type ConsentEnd =
  | { readonly kind: 'connected'; readonly mailbox: string; readonly detail: string }
  | {
      readonly kind: 'refused';
      readonly detail: string;
      readonly code?: string;
      /** The callback does not belong to the sign-in that this browser has under way (in another tab): keep its cookie. */
      readonly keepCookie?: true;
    };

export interface ConsentDependencies {
  readonly settings: SignInSettings;
  /** The exact redirect URI that is registered; https, or http on localhost. */
  readonly redirectUri: string;
  readonly mailboxes: readonly Mailbox[];
  readonly authenticator: ClientAuthenticator;
  readonly grants: Grants;
  readonly rows: SignInRows;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export class Consent {
  /** Deletes the cookie; sent with the answer to the callback unless its cookie is kept. */
  readonly endCookie = endCookie;
  readonly #dependencies: ConsentDependencies;
  readonly #mailboxes: ReadonlyMap<string, Mailbox>;

  constructor(dependencies: ConsentDependencies) {
    this.#dependencies = dependencies;
    this.#mailboxes = new Map(
      dependencies.mailboxes
        .filter(({ signIn }) => signIn === 'delegated')
        .map((mailbox) => [mailboxTag(mailbox), mailbox]),
    );
  }

  /** Begins: the address for the browser, and the cookie (a whole Set-Cookie value) that it is to send back. */
  async start(address: string): Promise<ConsentStart> {
    const { settings, redirectUri, clock, random } = this.#dependencies;
    const mailbox = [...this.#mailboxes.values()].find((one) => sameAddress(one.address, address));
    if (mailbox === undefined) {
      return {
        kind: 'refused',
        detail:
          'No mailbox with this address uses delegated sign-in: see MAILBOXES. A mailbox with application sign-in is not connected here.',
      };
    }
    const state = `${random.id()}${random.id()}.${mailboxTag(mailbox)}`;
    const binder = random.id() + random.id();
    const begun = await this.#writeRow(rowKey(mailbox), {
      stateHash: sha256(state),
      binderHash: sha256(binder),
      mailbox: mailbox.address,
      until: clock.now() + lifetimeMs,
    });
    if (!begun) {
      return { kind: 'refused', detail: `Somebody else is connecting this mailbox at the moment. ${again}` };
    }
    const location = oidc.buildAuthorizationUrl(configuration(settings, oidc.None()), {
      redirect_uri: redirectUri,
      scope: requestedScopes(settings).join(' '),
      response_mode: 'query',
      state,
      nonce: derive(binder, 'nonce', state),
      code_challenge: hash('sha256', derive(binder, 'verifier', state), 'base64url'),
      code_challenge_method: 'S256',
      // Without these two, single sign-on picks the account that the browser is signed in as: the administrator's.
      login_hint: mailbox.smtpUser,
      prompt: 'select_account',
    });
    return { kind: 'redirect', location: location.href, cookie: startCookie(binder, lifetimeMs) };
  }

  /** Ends: `url` as the browser requested it, `cookies` its Cookie header. Never throws for what a browser sends. */
  async finish({
    url,
    cookies,
  }: {
    readonly url: string;
    readonly cookies: string | null | undefined;
  }): Promise<ConsentEnd> {
    const query = readQuery(url);
    const state = query?.get('state') ?? '';
    const mailbox = isState(state) ? this.#mailboxes.get(state.slice(-16)) : undefined;
    if (query === undefined || mailbox === undefined) {
      return unrelated(`This callback belongs to no sign-in of the bridge. ${again}`);
    }
    const binder = readCookie(cookies);
    const problem = await this.#useRow(mailbox, state, binder);
    if (problem !== undefined) return problem;
    if (binder === undefined) return unrelated(`This browser did not start the sign-in. ${again}`);
    const error = query.get('error');
    if (error !== null) {
      const body = { error, error_description: query.get('error_description') };
      return refused(judgeErrorResponse({ status: 400, body }, this.#dependencies.clock.now(), 'consent'));
    }
    return this.#exchange(mailbox, query, { state, binder });
  }

  async #writeRow(key: string, fields: SignInFields): Promise<boolean> {
    const { rows } = this.#dependencies;
    for (let turn = 0; turn < conflictLimit; turn++) {
      const row = await rows.read(key);
      const done = await (row === undefined ? rows.insert(key, fields) : rows.replace(key, fields, row.etag));
      if (done) return true;
    }
    return false;
  }

  /** Deletes the row; a refusal if the callback does not match it. A state that was right is used up either way. */
  async #useRow(
    mailbox: Mailbox,
    state: string,
    binder: string | undefined,
  ): Promise<ConsentEnd | undefined> {
    const { rows, clock } = this.#dependencies;
    const key = rowKey(mailbox);
    const row = await rows.read(key);
    if (row === undefined || !sameHash(row.fields['stateHash'], state)) {
      return unrelated(`This sign-in was finished already, or another one was started after it. ${again}`);
    }
    if (!(await rows.remove(key, row.etag))) return unrelated(`This sign-in was finished already. ${again}`);
    if (binder === undefined || !sameHash(row.fields['binderHash'], binder)) {
      return unrelated(`This browser did not start the sign-in, or its cookie is gone. ${again}`);
    }
    const until = row.fields['until'];
    return typeof until === 'number' && clock.now() < until
      ? undefined
      : { kind: 'refused', detail: `The sign-in took longer than ten minutes. ${again}` };
  }

  async #exchange(
    mailbox: Mailbox,
    query: URLSearchParams,
    { state, binder }: { readonly state: string; readonly binder: string },
  ): Promise<ConsentEnd> {
    const { settings, redirectUri, authenticator, grants, clock, log } = this.#dependencies;
    const client = await authenticator();
    if (client.kind !== 'auth') return refused(client);
    const issuer = await issuerOf(settings);
    if (typeof issuer !== 'string') return refused(issuer);
    const config = configuration(settings, client.auth, issuer);
    // The token comes straight from the token endpoint, but the check of its signature costs one request only.
    oidc.enableNonRepudiationChecks(config);
    // The address that the browser requested may differ behind a proxy: the registered one counts.
    const current = new URL(redirectUri);
    current.search = query.toString();
    let answer: CodeGrant;
    try {
      answer = await oidc.authorizationCodeGrant(config, current, {
        pkceCodeVerifier: derive(binder, 'verifier', state),
        expectedNonce: derive(binder, 'nonce', state),
        expectedState: state,
        idTokenExpected: true,
      });
    } catch (error) {
      return refused(await judgeExchange(error, clock.now()));
    }
    const problem = grantProblem(mailbox, answer, { settings, issuer });
    if (problem !== undefined) return { kind: 'refused', detail: problem };
    const name = grantName(mailbox.address);
    const stored = await grants.connect(name, {
      refreshToken: answer.refresh_token ?? '',
      account: mailbox.smtpUser,
    });
    if (stored.kind !== 'connected') {
      return { kind: 'refused', detail: `The sign-in worked, but it could not be stored. ${stored.detail}` };
    }
    log(oauthEvents.grantStored({ grant: name, reason: 'consent' }));
    return {
      kind: 'connected',
      mailbox: mailbox.address,
      detail: `${mailbox.address} is connected. If its permissions in Exchange are new: ${exchangeWait}`,
    };
  }
}

/** A refusal of the authority is judged as such; for any other failed check waiting does not help. */
async function judgeExchange(error: unknown, now: number): Promise<TokenFailure> {
  if (error instanceof oidc.ResponseBodyError || error instanceof oidc.WWWAuthenticateChallengeError)
    return judgeTokenError(error, now, 'consent');
  const code = error instanceof oidc.ClientError ? error.code : undefined;
  const network = error instanceof TypeError || code === 'OAUTH_TIMEOUT';
  if (network) return unreachable('The sign-in service');
  return {
    kind: 'configuration',
    detail: `Entra’s answer did not match the sign-in that was started (issuer, nonce, audience or signature). ${again} If it happens again, look for a proxy in between. Nothing was stored.`,
  };
}

/** Not the sign-in that this browser's cookie is for. */
function unrelated(detail: string): ConsentEnd {
  return { kind: 'refused', detail, keepCookie: true };
}

function refused({ detail, code }: TokenFailure): ConsentEnd {
  return { kind: 'refused', detail, ...present({ code }) };
}

/** Names the mailbox within the state. */
function mailboxTag({ address }: Mailbox): string {
  return grantName(address).slice(-16);
}

function rowKey({ address }: Mailbox): string {
  return `consent-${grantName(address)}`;
}
