// The one door to access tokens: what this process holds, and when it asks for more. Policy:
//
// - A token is refreshed ten minutes before its end (or at half of a shorter life), one refresh in flight per
//   process and grant; while a new one cannot be had, the old token serves until its end.
// - Trouble with the network or a setting is remembered for a while, so that no caller can make a loop of it.
//
// How a delegated grant gives a token, and how workers share it: delegatedTokens.ts. Application tokens are each
// process's own: nothing rotates there, and nothing can be lost.
import type { Clock } from '../clock.ts';
import type { AccessTokens, TokenAnswer } from '../mail/accessToken.ts';
import type { Mailbox } from '../mail/mailbox.ts';
import type { Log } from '../telemetry/log.ts';
import * as events from '../telemetry/oauthEvents.ts';
import { troubleEvent } from './delegatedTokens.ts';
import type { DelegatedTokens, Trouble } from './delegatedTokens.ts';
import { grantName } from './grants.ts';
import type { ApplicationTokens, Refusal } from './ports.ts';
import type { SharedToken, TokenTimes } from './sharedToken.ts';

const MARGIN_MS = 600_000;
/** A token this close to its end is not handed out even when nothing better can be had. */
const LAST_USE_MS = 30_000;
/** A token this young is not renewed because a server refused it: twenty sessions may be refused at once. */
const RENEW_AFTER_MS = 60_000;
const PAUSE_MS = 30_000;
const APPLICATION = 'application';

export interface AccessTokenParts {
  readonly delegated: DelegatedTokens;
  readonly application: ApplicationTokens;
  readonly clock: Clock;
  readonly log: Log;
}

/** What this process knows of one grant. As many as mailboxes in the settings. */
interface Slot {
  held?: SharedToken;
  pending?: Promise<TokenAnswer>;
  /** The last trouble, given again until then without asking anybody. */
  pause?: { readonly until: number; readonly answer: Exclude<Trouble, { kind: 'needsConsent' }> };
}

export function createAccessTokens({ delegated, application, clock, log }: AccessTokenParts): AccessTokens {
  const slots = new Map<string, Slot>();

  return {
    async get(mailbox: Mailbox, _protocol, options): Promise<TokenAnswer> {
      const name = mailbox.signIn === 'application' ? APPLICATION : grantName(mailbox.address);
      const slot = slots.get(name) ?? {};
      slots.set(name, slot);
      const renew = options?.renew === true;
      const asked = clock.now();
      const good = slot.held !== undefined && asked < refreshAt(slot.held) ? slot.held : undefined;
      if (good !== undefined && (!renew || asked - good.obtainedAt < RENEW_AFTER_MS)) return given(good);
      if (slot.pause !== undefined && asked < slot.pause.until) return orOld(slot, slot.pause.answer, renew);
      slot.pending ??= refresh(name, slot, renew).finally(() => {
        delete slot.pending;
      });
      const answer = await slot.pending;
      return answer.kind === 'token' ? answer : orOld(slot, answer, renew);
    },
  };

  function given({ token, expiresAt }: SharedToken): TokenAnswer {
    return { kind: 'token', token, expiresAt };
  }

  /** The old token while it lives; not after a server has refused it, nor when the sign-in itself is over. */
  function orOld({ held }: Slot, answer: Trouble, renew: boolean): TokenAnswer {
    const alive = held !== undefined && clock.now() < lastUseAt(held);
    return alive && !renew && answer.kind !== 'needsConsent' ? given(held) : answer;
  }

  async function refresh(name: string, slot: Slot, renew: boolean): Promise<TokenAnswer> {
    const { held } = slot;
    const answer =
      name === APPLICATION
        ? await applicationToken()
        : await delegated.obtain(name, {
            fits: fitting(held, renew),
            waits: renew || held === undefined || clock.now() >= lastUseAt(held),
          });
    if (answer.kind === 'obtained') {
      slot.held = answer.token;
      delete slot.pause;
      return given(answer.token);
    }
    if (answer.kind === 'needsConsent') {
      // No pause: the row answers without asking anybody, and a new consent is to count at once.
      delete slot.held;
      return answer;
    }
    const pauseMs = answer.kind === 'unavailable' ? (answer.retryAfterMs ?? PAUSE_MS) : PAUSE_MS;
    slot.pause = { until: clock.now() + pauseMs, answer };
    return answer;
  }

  /** Another worker's token will do if it is not near its end, and newer than the one that is to be replaced. */
  function fitting(held: SharedToken | undefined, renew: boolean): (times: TokenTimes) => boolean {
    const now = clock.now();
    const newerThan = held?.obtainedAt ?? (renew ? now - RENEW_AFTER_MS : Number.NEGATIVE_INFINITY);
    return (times) => times.obtainedAt > newerThan && now < refreshAt(times);
  }

  async function applicationToken(): Promise<
    { readonly kind: 'obtained'; readonly token: SharedToken } | Trouble
  > {
    const answer = await application.fetch();
    if (answer.kind === 'token') {
      const { token, expiresInMs } = answer;
      log(events.tokenRefreshed({ grant: APPLICATION, livesMs: expiresInMs, rotated: false }));
      const obtainedAt = clock.now();
      return { kind: 'obtained', token: { token, obtainedAt, expiresAt: obtainedAt + expiresInMs } };
    }
    // Nobody can consent in a browser here: what would ask for a person is a matter of the registration.
    const trouble: Refusal = answer.kind === 'needsConsent' ? { ...answer, kind: 'configuration' } : answer;
    log(troubleEvent(APPLICATION, trouble));
    return trouble;
  }
}

function refreshAt({ obtainedAt, expiresAt }: TokenTimes): number {
  return expiresAt - Math.min(MARGIN_MS, (expiresAt - obtainedAt) / 2);
}

function lastUseAt({ obtainedAt, expiresAt }: TokenTimes): number {
  return expiresAt - Math.min(LAST_USE_MS, (expiresAt - obtainedAt) / 10);
}
