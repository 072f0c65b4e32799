// The one door to access tokens. Policy:
//
// - A token is refreshed ten minutes before its end (or at half of a shorter life), one refresh in flight per
//   process and grant; while a new one cannot be had, the old token serves until its end.
// - A new refresh token is used from memory at once. It is stored when the stored one is a week old, because
//   Entra keeps the old one valid and a vault never forgets a version; at once, and under a lease, where a
//   setting says that the authority revokes the old one.
// - A refused grant is tried once more only if the vault holds another refresh token by now. Then its generation
//   is marked, one alert is raised, and nobody asks again until a person has connected the mailbox anew.
// - Any answer but a token is remembered for a while, so that no caller can make a loop of it.
import type { Clock, Random } from '../clock.ts';
import type { AccessTokens, TokenAnswer } from '../mail/accessToken.ts';
import type { Mailbox } from '../mail/mailbox.ts';
import type { Log } from '../telemetry/log.ts';
import * as events from '../telemetry/oauthEvents.ts';
import { grantName } from './grants.ts';
import type { Grant, Grants } from './grants.ts';
import type { ApplicationTokens, FreshToken, Refusal, TokenEndpoint } from './ports.ts';

const MARGIN_MS = 600_000;
/** A token this close to its end is not handed out even when nothing better can be had. */
const LAST_USE_MS = 30_000;
const STORE_AFTER_MS = 7 * 86_400_000;
/** The row says when the grant last worked, to the day: it ends 90 days after that. */
const NOTE_AFTER_MS = 86_400_000 / 2;
/** A token this young is not renewed because a server refused it: twenty sessions may be refused at once. */
const RENEW_AFTER_MS = 60_000;
const PAUSE_MS = 30_000;
const LEASE_MS = 60_000;
/** Together longer than a lease, so that one left behind by a worker that died is waited out. */
const LEASE_LOOKS = 70;
const LEASE_PAUSE_MS = 1_000;
const APPLICATION = 'application';

export interface AccessTokenParts {
  readonly grants: Grants;
  readonly endpoint: TokenEndpoint;
  readonly application: ApplicationTokens;
  readonly storeGrantsAtOnce: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

interface Held {
  readonly token: string;
  readonly obtainedAt: number;
  readonly refreshAt: number;
  readonly lastUseAt: number;
  readonly expiresAt: number;
}

type Trouble = Exclude<TokenAnswer, { kind: 'token' }>;

/** What this process knows of one grant. As many as mailboxes in the settings. */
interface Slot {
  grant?: Grant;
  /** When the row was last told that the grant is alive. */
  notedAt?: number;
  held?: Held;
  pending?: Promise<TokenAnswer>;
  /** The last trouble, given again until then without asking anybody. */
  pause?: { readonly until: number; readonly answer: Trouble };
  refused?: { readonly generation: string; readonly answer: Trouble; readonly noted: boolean };
}

export function createAccessTokens(parts: AccessTokenParts): AccessTokens {
  const { grants, endpoint, application, clock, log } = parts;
  const owner = parts.random.id();
  const slots = new Map<string, Slot>();

  return {
    async get(mailbox: Mailbox, _protocol, options): Promise<TokenAnswer> {
      const name = mailbox.signIn === 'application' ? APPLICATION : grantName(mailbox.address);
      const slot = slots.get(name) ?? {};
      slots.set(name, slot);
      const renew = options?.renew === true;
      const asked = clock.now();
      const good = slot.held !== undefined && asked < slot.held.refreshAt ? slot.held : undefined;
      if (good !== undefined && (!renew || asked - good.obtainedAt < RENEW_AFTER_MS)) return given(good);
      if (slot.pause !== undefined && asked < slot.pause.until) return orOld(slot, slot.pause.answer, renew);
      slot.pending ??= refresh(name, slot).finally(() => {
        delete slot.pending;
      });
      const answer = await slot.pending;
      return answer.kind === 'token' ? answer : orOld(slot, answer, renew);
    },
  };

  function given(held: Held): TokenAnswer {
    return { kind: 'token', token: held.token, expiresAt: held.expiresAt };
  }

  /** The old token while it lives; not after a server has refused it, nor when the sign-in itself is over. */
  function orOld({ held }: Slot, answer: Trouble, renew: boolean): TokenAnswer {
    const alive = held !== undefined && clock.now() < held.lastUseAt;
    return alive && !renew && answer.kind !== 'needsConsent' ? given(held) : answer;
  }

  async function refresh(name: string, slot: Slot): Promise<TokenAnswer> {
    const answer = name === APPLICATION ? await applicationToken() : await delegatedToken(name, slot);
    if ('expiresInMs' in answer) {
      const held = hold(answer);
      slot.held = held;
      delete slot.pause;
      return given(held);
    }
    const pauseMs = answer.kind === 'unavailable' ? (answer.retryAfterMs ?? PAUSE_MS) : PAUSE_MS;
    slot.pause = { until: clock.now() + pauseMs, answer };
    return answer;
  }

  function hold({ token, expiresInMs }: FreshToken): Held {
    const now = clock.now();
    const expiresAt = now + expiresInMs;
    return {
      token,
      obtainedAt: now,
      expiresAt,
      refreshAt: expiresAt - Math.min(MARGIN_MS, expiresInMs / 2),
      lastUseAt: expiresAt - Math.min(LAST_USE_MS, expiresInMs / 10),
    };
  }

  async function applicationToken(): Promise<FreshToken | Trouble> {
    const answer = await application.fetch();
    if (answer.kind === 'token') {
      log(events.tokenRefreshed({ grant: APPLICATION, livesMs: answer.expiresInMs, rotated: false }));
      return answer;
    }
    // Nobody can consent in a browser here: what would ask for a person is a matter of the registration.
    const trouble: Refusal = answer.kind === 'needsConsent' ? { ...answer, kind: 'configuration' } : answer;
    tell(APPLICATION, trouble);
    return trouble;
  }

  async function delegatedToken(name: string, slot: Slot): Promise<FreshToken | Trouble> {
    if (!parts.storeGrantsAtOnce) return refreshGrant(name, slot);
    // Who still has a token that lives does not wait for another worker: the next look is soon.
    const waits = slot.held === undefined || clock.now() >= slot.held.lastUseAt;
    if (!(await takeLease(name, waits ? LEASE_LOOKS : 1))) {
      return { kind: 'unavailable', words: 'Another worker is refreshing this sign-in.' };
    }
    try {
      // Under the lease the vault is right and memory may be old: the token in memory may be revoked by now.
      delete slot.grant;
      return await refreshGrant(name, slot);
    } finally {
      await grants.release(name, owner);
    }
  }

  async function takeLease(name: string, looksCount: number): Promise<boolean> {
    for (let look = 0; look < looksCount; look++) {
      if (await grants.lease(name, owner, clock.now() + LEASE_MS)) return true;
      // A grant without a row has none to lease: loading it gives it one, or says that there is no grant.
      if (look === 0 && (await grants.load(name)).kind !== 'grant') return true;
      if (look + 1 < looksCount) await clock.sleep(LEASE_PAUSE_MS);
    }
    return false;
  }

  async function refreshGrant(name: string, slot: Slot): Promise<FreshToken | Trouble> {
    const known = await currentGrant(name, slot);
    if (known.kind !== 'grant') return known;
    let grant = known.grant;
    for (let turn = 0; ; turn++) {
      const answer = await endpoint.refresh(grant.refreshToken);
      if (answer.kind === 'token') {
        await keep(name, slot, grant, answer);
        return answer;
      }
      if (answer.kind !== 'needsConsent') {
        tell(name, answer);
        return answer;
      }
      const stored = turn === 0 ? await grants.load(name) : undefined;
      if (stored?.kind !== 'grant' || stored.grant.refreshToken === grant.refreshToken) {
        return refused(name, slot, { generation: grant.generation, refusal: answer });
      }
      grant = stored.grant;
    }
  }

  /** The grant in memory, else the stored one; trouble where there is none that is worth asking with. */
  async function currentGrant(
    name: string,
    slot: Slot,
  ): Promise<{ readonly kind: 'grant'; readonly grant: Grant } | Trouble> {
    if (slot.grant !== undefined) return { kind: 'grant', grant: slot.grant };
    const loaded = await grants.load(name);
    switch (loaded.kind) {
      case 'grant': {
        const before = slot.refused;
        if (before?.generation === loaded.grant.generation) {
          return before.noted
            ? before.answer
            : refused(name, slot, { generation: before.generation, refusal: before.answer });
        }
        delete slot.refused;
        return loaded;
      }
      case 'refused':
        return {
          kind: 'needsConsent',
          words: loaded.words,
          ...(loaded.code === undefined ? {} : { code: loaded.code }),
        };
      case 'none':
        return {
          kind: 'needsConsent',
          words: loaded.deleted
            ? `The stored sign-in was deleted from the key vault. Recover the secret ${name} (Key vault → Secrets → Manage deleted secrets), or connect the mailbox again on the bridge’s page.`
            : 'Nobody has connected this mailbox yet. Open the bridge’s page and connect it, signed in as the mailbox itself.',
        };
      case 'unavailable':
      case 'configuration':
        tell(name, loaded);
        return loaded;
    }
  }

  async function keep(name: string, slot: Slot, used: Grant, answer: FreshToken): Promise<void> {
    const { refreshToken } = answer;
    const rotated = refreshToken !== undefined && refreshToken !== used.refreshToken;
    log(events.tokenRefreshed({ grant: name, livesMs: answer.expiresInMs, rotated }));
    slot.grant = rotated ? { ...used, refreshToken } : used;
    const due = parts.storeGrantsAtOnce || clock.now() - used.storedAt >= STORE_AFTER_MS;
    if (!rotated || !due) {
      if (clock.now() - (slot.notedAt ?? Number.NEGATIVE_INFINITY) < NOTE_AFTER_MS) return;
      slot.notedAt = clock.now();
      await grants.noteRefresh(name, used.generation);
      return;
    }
    const kept = await grants.keep(name, slot.grant);
    switch (kept.kind) {
      case 'kept':
        slot.grant = { ...slot.grant, storedAt: kept.storedAt };
        log(events.grantStored({ grant: name, cause: 'rotation' }));
        return;
      case 'superseded':
        // A newer consent counts now; this access token is good for its hour, the next refresh takes the new one.
        delete slot.grant;
        log(events.grantSuperseded({ grant: name }));
        return;
      case 'unavailable':
      case 'configuration':
        // The age of the stored one is unchanged, so the next refresh tries again.
        log(events.grantNotStored({ grant: name, words: kept.words }));
        return;
    }
  }

  async function refused(
    name: string,
    slot: Slot,
    { generation, refusal }: { readonly generation: string; readonly refusal: Refusal },
  ): Promise<Trouble> {
    const answer: Trouble = { ...refusal, kind: 'needsConsent' };
    const before = await grants.load(name);
    const first = await grants.refuse(name, generation, refusal);
    const noted = first || before.kind === 'refused';
    slot.refused = { generation, answer, noted };
    delete slot.grant;
    delete slot.held;
    if (first) log(events.consentNeeded({ grant: name, code: refusal.code, words: refusal.words }));
    return answer;
  }

  function tell(name: string, trouble: Trouble): void {
    if (trouble.kind === 'unavailable') {
      log(
        events.authorityUnavailable({
          grant: name,
          words: trouble.words,
          retryAfterMs: trouble.retryAfterMs,
        }),
      );
      return;
    }
    log(events.tokenRefused({ grant: name, kind: trouble.kind, code: trouble.code, words: trouble.words }));
  }
}
