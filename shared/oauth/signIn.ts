// The sign-in room, assembled: what the bridge makes once per worker.
import type { Clock, Random } from '../clock.ts';
import type { AccessTokens } from '../mail/accessToken.ts';
import type { Log } from '../telemetry/log.ts';
import { createAccessTokens } from './accessTokens.ts';
import { createApplicationTokens, vaultCredential } from './azureCredentials.ts';
import { clientProof } from './clientProof.ts';
import { createGrants } from './grants.ts';
import type { Grants } from './grants.ts';
import { createKeyVaultTokenVault } from './keyVaultTokenVault.ts';
import type { SignInRows } from './ports.ts';
import type { SignInSettings, VaultSettings } from './settings.ts';
import { createTagKey } from './tagKey.ts';
import { createTokenEndpoint } from './tokenEndpoint.ts';

export interface SignIn {
  readonly tokens: AccessTokens;
  readonly grants: Grants;
  /** The HMAC key of the private header, 32 bytes; rejects while the vault does not answer. */
  readonly tagKey: () => Promise<Uint8Array>;
}

export interface SignInParts {
  readonly rows: SignInRows;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Wires the room. Nothing is asked of anybody before the first call. */
export function createSignIn(
  settings: { readonly signIn: SignInSettings; readonly vault: VaultSettings },
  { rows, clock, random, log }: SignInParts,
): SignIn {
  const vault = createKeyVaultTokenVault(settings.vault, vaultCredential(settings.signIn), clock);
  const grants = createGrants(vault, rows, clock, random);
  const tokens = createAccessTokens({
    grants,
    endpoint: createTokenEndpoint(settings.signIn, clientProof(settings.signIn), clock),
    application: createApplicationTokens(settings.signIn, clock),
    storeGrantsAtOnce: settings.vault.storeGrantsAtOnce,
    clock,
    random,
    log,
  });
  return { tokens, grants, tagKey: createTagKey(vault, rows, random) };
}
