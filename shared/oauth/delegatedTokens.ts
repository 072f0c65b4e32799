// A new access token of a delegated grant. Policy:
//
// - Each worker refreshes for itself (docs/decisions.md). Entra keeps a refresh token valid after it was used, so
//   workers that refresh at the same moment all succeed; whichever of their new refresh tokens is stored last is valid.
// - A new refresh token is used from memory at once. It is stored when the stored one is a week old, because a vault
//   keeps every version forever; or at once, if a setting says that the authority revokes the used one.
// - A refused refresh token is no reason yet to ask a person: another worker may have stored a newer one. The vault is
//   read again first, several times if the authority revokes used tokens, since the other worker may be storing now.
//   Only then is the generation marked as refused, one alert raised, and the authority not asked again until a person
//   has connected the mailbox anew.
// - Rows that do not answer stop nobody: the grant in memory, or the vault's newest version, is used.
import type { Clock } from '../clock.ts';
import type { Log, LogEvent } from '../telemetry/log.ts';
import { oauthEvents } from '../telemetry/oauthEvents.ts';
import type { Grant, Grants, LoadedGrant } from './grants.ts';
import type { IssuedToken, TokenEndpoint, TokenFailure } from './ports.ts';

const storeAfterMs = 7 * 86_400_000;
/** How often the vault is read for a newer refresh token, and the pause before each further time. */
const rereadCount = 5;
const rereadPauseMs = 2_000;

export interface DelegatedTokensDependencies {
  readonly grants: Grants;
  readonly endpoint: TokenEndpoint;
  /** True for an authority that revokes a refresh token when it was used; Entra does not. */
  readonly storeGrantsAtOnce: boolean;
  readonly clock: Clock;
  readonly log: Log;
}

/** What this process knows of one grant. There are as many as mailboxes in the settings. */
interface Memory {
  grant?: Grant;
  /** A refusal that could not be noted in the row: the authority is not asked again for this generation. */
  refused?: { readonly generation: string; readonly failure: TokenFailure };
}

export class DelegatedTokens {
  readonly #dependencies: DelegatedTokensDependencies;
  readonly #memories = new Map<string, Memory>();

  constructor(dependencies: DelegatedTokensDependencies) {
    this.#dependencies = dependencies;
  }

  /** A new access token of the grant with this name. The caller sees to it that one call at a time is in flight. */
  async obtain(name: string): Promise<IssuedToken | TokenFailure> {
    const { grants, endpoint, storeGrantsAtOnce } = this.#dependencies;
    const memory = this.#memories.get(name) ?? {};
    this.#memories.set(name, memory);
    let loaded = await grants.load(name, storeGrantsAtOnce ? undefined : memory.grant);
    for (let turn = 0; ; turn++) {
      if (loaded.kind !== 'grant') return this.#failureOf(name, loaded);
      const { grant } = loaded;
      if (memory.refused?.generation === grant.generation) return this.#refused(name, memory, memory.refused);
      const answer = await endpoint.refresh(grant.refreshToken);
      if (answer.kind === 'token') {
        await this.#keep(name, memory, grant, answer);
        return answer;
      }
      if (answer.kind !== 'needsConsent') return this.#logged(name, answer);
      const newer = turn < rereadCount ? await this.#newerThan(name, grant) : undefined;
      if (newer === undefined) {
        return this.#refused(name, memory, { generation: grant.generation, failure: answer });
      }
      loaded = newer;
    }
  }

  /** What is stored by now, unless it is still the refresh token that was refused. */
  async #newerThan(name: string, { refreshToken }: Grant): Promise<LoadedGrant | undefined> {
    const { grants, clock, storeGrantsAtOnce } = this.#dependencies;
    for (let look = 0; look < (storeGrantsAtOnce ? rereadCount : 1); look++) {
      if (look > 0) await clock.sleep(rereadPauseMs);
      const loaded = await grants.load(name);
      if (loaded.kind === 'refused') return loaded;
      if (loaded.kind === 'grant' && loaded.grant.refreshToken !== refreshToken) return loaded;
    }
    return undefined;
  }

  #failureOf(name: string, loaded: Exclude<LoadedGrant, { kind: 'grant' }>): TokenFailure {
    switch (loaded.kind) {
      case 'refused':
        return { ...loaded, kind: 'needsConsent' };
      case 'none':
        return {
          kind: 'needsConsent',
          detail: loaded.deleted
            ? `The stored sign-in was deleted from the key vault. Recover the secret ${name} (Key vault → Secrets → Manage deleted secrets), or connect the mailbox again on the bridge’s page.`
            : 'Nobody has connected this mailbox yet. Open the bridge’s page and connect it, signed in as the mailbox itself.',
        };
      case 'unavailable':
      case 'configuration':
        return this.#logged(name, loaded);
    }
  }

  async #keep(name: string, memory: Memory, used: Grant, answer: IssuedToken): Promise<void> {
    const { grants, clock, log, storeGrantsAtOnce } = this.#dependencies;
    const { refreshToken } = answer;
    const rotated = refreshToken !== undefined && refreshToken !== used.refreshToken;
    log(oauthEvents.tokenRefreshed({ grant: name, lifetimeMs: answer.expiresInMs, rotated }));
    memory.grant = rotated ? { ...used, refreshToken } : used;
    delete memory.refused;
    const due = storeGrantsAtOnce || clock.now() - used.storedAt >= storeAfterMs;
    if (!rotated || !due) {
      await grants.noteRefreshed(name, used.generation);
      return;
    }
    const kept = await grants.keep(name, memory.grant);
    switch (kept.kind) {
      case 'kept':
        memory.grant = { ...memory.grant, storedAt: kept.storedAt };
        log(oauthEvents.grantStored({ grant: name, reason: 'rotation' }));
        return;
      case 'superseded':
        // A newer consent counts now; this access token is good for its hour, the next refresh uses the new one.
        delete memory.grant;
        log(oauthEvents.grantSuperseded({ grant: name }));
        return;
      case 'unavailable':
      case 'configuration':
        // The stored one keeps its age, so the next refresh tries again.
        log(oauthEvents.grantNotStored({ grant: name, detail: kept.detail }));
        return;
    }
  }

  async #refused(
    name: string,
    memory: Memory,
    refused: NonNullable<Memory['refused']>,
  ): Promise<TokenFailure> {
    const { generation } = refused;
    const failure: TokenFailure = { ...refused.failure, kind: 'needsConsent' };
    const noted = await this.#dependencies.grants.refuse(name, generation, failure);
    memory.refused = { generation, failure };
    delete memory.grant;
    if (noted) {
      const { detail, code } = failure;
      this.#dependencies.log(oauthEvents.consentNeeded({ grant: name, code, detail }));
    }
    return failure;
  }

  #logged<Failure extends TokenFailure>(name: string, failure: Failure): Failure {
    this.#dependencies.log(failureEvent(name, failure));
    return failure;
  }
}

/** The event of a failure of the authority or the vault. */
export function failureEvent(grant: string, failure: TokenFailure): LogEvent {
  const { kind, detail } = failure;
  return kind === 'unavailable'
    ? oauthEvents.authorityUnavailable({ grant, detail, retryAfterMs: failure.retryAfterMs })
    : oauthEvents.tokenRefused({ grant, kind, code: failure.code, detail });
}
