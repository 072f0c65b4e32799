// A new access token of a delegated grant. Policy:
//
// - One worker refreshes, under a lease on the grant's row; what it gets is shared with the others, sealed. Who
//   finds another at work waits for that one's token, or says "unavailable" where the old one still serves.
// - A new refresh token is used from memory at once. It is stored when the stored one is a week old, because
//   Entra keeps the old one valid and a vault never forgets a version; at once where a setting says that the
//   authority revokes the old one, and then before the lease is given back.
// - A refused grant is tried once more only if the vault holds another refresh token by now. Then its generation
//   is marked, one alert is raised, and nobody asks again until a person has connected the mailbox anew.
// - Rows that do not answer stop nobody while old refresh tokens stay valid: each worker refreshes for itself.
import type { Clock, Random } from '../clock.ts';
import type { TokenAnswer } from '../mail/accessToken.ts';
import type { Log, LogEvent } from '../telemetry/log.ts';
import * as events from '../telemetry/oauthEvents.ts';
import type { Grant, Grants, LoadedGrant } from './grants.ts';
import type { FreshToken, Refusal, TokenEndpoint } from './ports.ts';
import type { SharedToken, TokenSeal, TokenTimes } from './sharedToken.ts';

const STORE_AFTER_MS = 7 * 86_400_000;
/** Longer than a refresh and a store can take together, each at its time limit. */
const LEASE_MS = 120_000;
/** How often, and how long apart, a worker without any token looks whether another has got one. */
const LOOKS = 20;
const LOOK_PAUSE_MS = 1_000;
const BUSY_MS = 5_000;

export type Trouble = Exclude<TokenAnswer, { kind: 'token' }>;

export interface DelegatedTokenParts {
  readonly grants: Grants;
  readonly endpoint: TokenEndpoint;
  readonly seal: TokenSeal;
  readonly storeGrantsAtOnce: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface DelegatedTokens {
  /** `fits` says which token of another worker will do; `waits` whether it is worth waiting for one. */
  obtain(
    name: string,
    want: { readonly fits: (times: TokenTimes) => boolean; readonly waits: boolean },
  ): Promise<{ readonly kind: 'obtained'; readonly token: SharedToken } | Trouble>;
}

/** What this process knows of one grant. As many as mailboxes in the settings. */
interface Memory {
  grant?: Grant;
  refused?: { readonly generation: string; readonly answer: Trouble; readonly noted: boolean };
}

export function createDelegatedTokens(parts: DelegatedTokenParts): DelegatedTokens {
  const { grants, endpoint, seal, clock, log } = parts;
  const owner = parts.random.id();
  const memories = new Map<string, Memory>();

  return {
    async obtain(name, { fits, waits }) {
      const memory = memories.get(name) ?? {};
      memories.set(name, memory);
      let wanted = fits;
      for (let look = 0; look < (waits ? LOOKS : 1); look++) {
        if (look > 0) await clock.sleep(LOOK_PAUSE_MS);
        let lease = await askForLease(name, wanted);
        if (lease.kind === 'none') {
          // A grant that was put into the vault by hand gets its row by being loaded.
          const loaded = await grants.load(name);
          if (loaded.kind !== 'grant') return troubleOf(name, loaded);
          lease = await askForLease(name, wanted);
        }
        if (lease.kind === 'shared') {
          const token = await seal.open({ name, generation: lease.generation }, lease.token);
          if (token !== undefined) return { kind: 'obtained', token };
          wanted = (): boolean => false;
          lease = await askForLease(name, wanted);
        }
        if (lease.kind === 'taken') return refreshUnderLease(name, memory, lease.generation);
        if (lease.kind === 'silent') {
          if (!parts.storeGrantsAtOnce) return refreshAlone(name, memory);
          return { kind: 'unavailable', detail: 'The rows beside the key vault do not answer.' };
        }
      }
      return {
        kind: 'unavailable',
        detail: 'Another worker is refreshing this sign-in.',
        retryAfterMs: BUSY_MS,
      };
    },
  };

  function askForLease(name: string, fits: (times: TokenTimes) => boolean): ReturnType<Grants['lease']> {
    return grants.lease(name, { owner, untilAt: clock.now() + LEASE_MS, fits });
  }

  async function refreshUnderLease(
    name: string,
    memory: Memory,
    generation: string,
  ): ReturnType<DelegatedTokens['obtain']> {
    // Where used refresh tokens are revoked the vault is right and memory may be old. A newer consent counts at once.
    if (parts.storeGrantsAtOnce || memory.grant?.generation !== generation) delete memory.grant;
    let published = false;
    try {
      const answer = await refreshGrant(name, memory);
      if (answer.kind !== 'token') return answer;
      const token = timed(answer);
      const sealed = await seal.seal({ name, generation: answer.generation }, token);
      await grants.publish(name, owner, {
        generation: answer.generation,
        ...(sealed === undefined ? {} : { token: sealed }),
      });
      published = true;
      return { kind: 'obtained', token };
    } finally {
      if (!published) await grants.release(name, owner);
    }
  }

  async function refreshAlone(name: string, memory: Memory): ReturnType<DelegatedTokens['obtain']> {
    const answer = await refreshGrant(name, memory);
    return answer.kind === 'token' ? { kind: 'obtained', token: timed(answer) } : answer;
  }

  function timed({ token, expiresInMs }: FreshToken): SharedToken {
    const obtainedAt = clock.now();
    return { token, obtainedAt, expiresAt: obtainedAt + expiresInMs };
  }

  async function refreshGrant(
    name: string,
    memory: Memory,
  ): Promise<(FreshToken & { readonly generation: string }) | Trouble> {
    const known = await currentGrant(name, memory);
    if (known.kind !== 'grant') return known;
    let grant = known.grant;
    for (let turn = 0; ; turn++) {
      const answer = await endpoint.refresh(grant.refreshToken);
      if (answer.kind === 'token') {
        await keep(name, memory, grant, answer);
        return { ...answer, generation: grant.generation };
      }
      if (answer.kind !== 'needsConsent') return told(name, answer);
      const stored = turn === 0 ? await grants.load(name) : undefined;
      if (stored?.kind !== 'grant' || stored.grant.refreshToken === grant.refreshToken) {
        return refused(name, memory, { generation: grant.generation, refusal: answer });
      }
      grant = stored.grant;
    }
  }

  /** The grant in memory, else the stored one; trouble where there is none that is worth asking with. */
  async function currentGrant(
    name: string,
    memory: Memory,
  ): Promise<{ readonly kind: 'grant'; readonly grant: Grant } | Trouble> {
    if (memory.grant !== undefined) return { kind: 'grant', grant: memory.grant };
    const loaded = await grants.load(name);
    if (loaded.kind !== 'grant') return troubleOf(name, loaded);
    const before = memory.refused;
    if (before?.generation === loaded.grant.generation) {
      return before.noted
        ? before.answer
        : refused(name, memory, { generation: before.generation, refusal: before.answer });
    }
    delete memory.refused;
    return loaded;
  }

  function troubleOf(name: string, loaded: Exclude<LoadedGrant, { kind: 'grant' }>): Trouble {
    switch (loaded.kind) {
      case 'refused':
        return {
          kind: 'needsConsent',
          detail: loaded.detail,
          ...(loaded.code === undefined ? {} : { code: loaded.code }),
        };
      case 'none':
        return {
          kind: 'needsConsent',
          detail: loaded.deleted
            ? `The stored sign-in was deleted from the key vault. Recover the secret ${name} (Key vault → Secrets → Manage deleted secrets), or connect the mailbox again on the bridge’s page.`
            : 'Nobody has connected this mailbox yet. Open the bridge’s page and connect it, signed in as the mailbox itself.',
        };
      case 'unavailable':
      case 'configuration':
        return told(name, loaded);
    }
  }

  async function keep(name: string, memory: Memory, used: Grant, answer: FreshToken): Promise<void> {
    const { refreshToken } = answer;
    const rotated = refreshToken !== undefined && refreshToken !== used.refreshToken;
    log(events.tokenRefreshed({ grant: name, livesMs: answer.expiresInMs, rotated }));
    memory.grant = rotated ? { ...used, refreshToken } : used;
    const due = parts.storeGrantsAtOnce || clock.now() - used.storedAt >= STORE_AFTER_MS;
    if (!rotated || !due) return;
    const kept = await grants.keep(name, memory.grant);
    switch (kept.kind) {
      case 'kept':
        memory.grant = { ...memory.grant, storedAt: kept.storedAt };
        log(events.grantStored({ grant: name, cause: 'rotation' }));
        return;
      case 'superseded':
        // A newer consent counts now; this access token is good for its hour, the next refresh takes the new one.
        delete memory.grant;
        log(events.grantSuperseded({ grant: name }));
        return;
      case 'unavailable':
      case 'configuration':
        // The age of the stored one is unchanged, so the next refresh tries again.
        log(events.grantNotStored({ grant: name, detail: kept.detail }));
        return;
    }
  }

  async function refused(
    name: string,
    memory: Memory,
    { generation, refusal }: { readonly generation: string; readonly refusal: Refusal },
  ): Promise<Trouble> {
    const answer: Trouble = { ...refusal, kind: 'needsConsent' };
    const before = await grants.load(name);
    const first = await grants.refuse(name, generation, refusal);
    memory.refused = { generation, answer, noted: first || before.kind === 'refused' };
    delete memory.grant;
    if (first) log(events.consentNeeded({ grant: name, code: refusal.code, detail: refusal.detail }));
    return answer;
  }

  function told<Kind extends Trouble>(name: string, trouble: Kind): Kind {
    log(troubleEvent(name, trouble));
    return trouble;
  }
}

/** How trouble with the authority or the vault is told in the log. */
export function troubleEvent(grant: string, trouble: Trouble): LogEvent {
  return trouble.kind === 'unavailable'
    ? events.authorityUnavailable({ grant, detail: trouble.detail, retryAfterMs: trouble.retryAfterMs })
    : events.tokenRefused({ grant, kind: trouble.kind, code: trouble.code, detail: trouble.detail });
}
