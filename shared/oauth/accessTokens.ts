// The access tokens of this process: a cache in front of the token endpoint. Policy:
//
// - A token is refreshed ten minutes before it expires (or at half of a shorter life), with one refresh in flight per
//   process and grant; while no new one can be had, the old token is used until it expires.
// - A failure of the network or of a setting is remembered for a while, so that no caller can turn it into a loop.
//
// How a delegated grant gives a token: delegatedTokens.ts.
import type { Clock } from '../clock.ts';
import type { AccessTokens, Protocol, TokenAnswer } from '../mail/accessToken.ts';
import type { Mailbox } from '../mail/mailbox.ts';
import type { Log } from '../telemetry/log.ts';
import { oauthEvents } from '../telemetry/oauthEvents.ts';
import { failureEvent, type DelegatedTokens } from './delegatedTokens.ts';
import { grantName } from './grants.ts';
import type { ApplicationTokens, IssuedToken, TokenFailure } from './ports.ts';

const refreshMarginMs = 600_000;
/** A token this close to its expiry is not handed out even if nothing better can be had. */
const lastUseMs = 30_000;
/** A token this young is not renewed because a server refused it: twenty sessions may be refused at once. */
const renewAfterMs = 60_000;
const pauseMs = 30_000;
const application = 'application';

export interface AccessTokensDependencies {
  readonly delegated: Pick<DelegatedTokens, 'obtain'>;
  readonly application: ApplicationTokens;
  readonly clock: Clock;
  readonly log: Log;
}

/** Times are UTC ms. */
interface HeldToken {
  readonly token: string;
  readonly obtainedAt: number;
  readonly expiresAt: number;
}

/** What this process knows of one grant. There are as many as mailboxes in the settings. */
interface Entry {
  held?: HeldToken;
  pending?: Promise<TokenAnswer>;
  /** The last failure, answered again until then without calling the authority. */
  pause?: { readonly until: number; readonly failure: TokenFailure };
}

export class CachedAccessTokens implements AccessTokens {
  readonly #dependencies: AccessTokensDependencies;
  readonly #entries = new Map<string, Entry>();

  constructor(dependencies: AccessTokensDependencies) {
    this.#dependencies = dependencies;
  }

  async get(
    mailbox: Mailbox,
    _protocol: Protocol,
    { renew = false }: { readonly renew?: boolean } = {},
  ): Promise<TokenAnswer> {
    const name = mailbox.signIn === 'application' ? application : grantName(mailbox.address);
    const entry = this.#entries.get(name) ?? {};
    this.#entries.set(name, entry);
    const now = this.#dependencies.clock.now();
    const { held, pause } = entry;
    if (
      held !== undefined &&
      now < endOf(held, refreshMarginMs, 2) &&
      !(renew && now - held.obtainedAt >= renewAfterMs)
    ) {
      return answerOf(held);
    }
    if (pause !== undefined && now < pause.until) return this.#orHeld(entry, pause.failure, renew);
    entry.pending ??= this.#refresh(name, entry).finally(() => {
      delete entry.pending;
    });
    const answer = await entry.pending;
    return answer.kind === 'token' ? answer : this.#orHeld(entry, answer, renew);
  }

  /** The old token until it expires; not after a server refused it, nor if the grant itself is no longer valid. */
  #orHeld({ held }: Entry, failure: TokenFailure, renew: boolean): TokenAnswer {
    const alive = held !== undefined && this.#dependencies.clock.now() < endOf(held, lastUseMs, 10);
    return alive && !renew && failure.kind !== 'needsConsent' ? answerOf(held) : failure;
  }

  async #refresh(name: string, entry: Entry): Promise<TokenAnswer> {
    const { clock, delegated } = this.#dependencies;
    const answer = await (name === application ? this.#applicationToken() : delegated.obtain(name));
    const now = clock.now();
    if (answer.kind === 'token') {
      entry.held = { token: answer.token, obtainedAt: now, expiresAt: now + answer.expiresInMs };
      delete entry.pause;
      return answerOf(entry.held);
    }
    if (answer.kind === 'needsConsent') {
      // No pause: the row answers without calling the authority, and a new consent is to count at once.
      delete entry.held;
      return answer;
    }
    const waitMs = answer.kind === 'unavailable' ? (answer.retryAfterMs ?? pauseMs) : pauseMs;
    entry.pause = { until: now + waitMs, failure: answer };
    return answer;
  }

  async #applicationToken(): Promise<IssuedToken | TokenFailure> {
    const { log } = this.#dependencies;
    const answer = await this.#dependencies.application.fetch();
    if (answer.kind === 'token') {
      log(oauthEvents.tokenRefreshed({ grant: application, lifetimeMs: answer.expiresInMs, rotated: false }));
      return answer;
    }
    // Nobody can consent in a browser here: what would need a person is a matter of the app registration.
    const failure: TokenFailure =
      answer.kind === 'needsConsent' ? { ...answer, kind: 'configuration' } : answer;
    log(failureEvent(application, failure));
    return failure;
  }
}

function answerOf({ token, expiresAt }: HeldToken): TokenAnswer {
  return { kind: 'token', token, expiresAt };
}

/** When the token is not used any more: `marginMs` before its expiry, of a short-lived one that share of its life. */
const endOf = ({ obtainedAt, expiresAt }: HeldToken, marginMs: number, share: number): number =>
  expiresAt - Math.min(marginMs, (expiresAt - obtainedAt) / share);
