// The sign-in room, assembled: what the bridge makes once per worker.
import type { Clock, Random } from '../clock.ts';
import type { AccessTokens } from '../mail/accessToken.ts';
import type { Mailbox } from '../mail/mailbox.ts';
import type { Log } from '../telemetry/log.ts';
import { createAccessTokens } from './accessTokens.ts';
import { createApplicationTokens, vaultCredential } from './azureCredentials.ts';
import { clientProof } from './clientProof.ts';
import { createConnectPages } from './connectPages.ts';
import type { ConnectPages, ConnectPagesParts } from './connectPages.ts';
import { createConsent } from './consent.ts';
import type { Consent } from './consent.ts';
import { createDelegatedTokens } from './delegatedTokens.ts';
import { createGrants } from './grants.ts';
import type { Grants } from './grants.ts';
import { keepGrantsAlive } from './keepAlive.ts';
import type { Ending } from './keepAlive.ts';
import { createKeyVaultTokenVault } from './keyVaultTokenVault.ts';
import type { SignInRows } from './ports.ts';
import type { SignInSettings, VaultSettings } from './settings.ts';
import { createTokenSeal } from './sharedToken.ts';
import { createTagKey } from './tagKey.ts';
import { createTokenEndpoint } from './tokenEndpoint.ts';

export interface SignIn {
  readonly tokens: AccessTokens;
  readonly grants: Grants;
  /** The HMAC key of the private header, 32 bytes; rejects while the vault does not answer. */
  readonly tagKey: () => Promise<Uint8Array>;
  /** Reads a secret from the vault at every call; rejects with the words for the administrator. */
  readonly askVault: () => Promise<unknown>;
  /** The two halves of connecting a mailbox in the browser, without the pages around them. */
  consent(of: { readonly mailboxes: readonly Mailbox[]; readonly redirectUri: string }): Consent;
  /** The pages around them, for the functions connectMailbox and connectCallback. */
  connectPages(
    of: Pick<ConnectPagesParts, 'mailboxes' | 'redirectUri' | 'role' | 'authenticationOn' | 'onConnected'>,
  ): ConnectPages;
  /** What `refreshTokens` does daily; returns what ends within two weeks. */
  keepAlive(mailboxes: readonly Mailbox[]): Promise<readonly Ending[]>;
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
  const vault = createKeyVaultTokenVault(settings.vault, vaultCredential(settings.signIn, clock), clock);
  const grants = createGrants(vault, rows, clock, random);
  const proof = clientProof(settings.signIn);
  const tagKey = createTagKey(vault, rows, random);
  const tokens = createAccessTokens({
    delegated: createDelegatedTokens({
      grants,
      endpoint: createTokenEndpoint(settings.signIn, proof, clock),
      seal: createTokenSeal(tagKey),
      storeGrantsAtOnce: settings.vault.storeGrantsAtOnce,
      clock,
      random,
      log,
    }),
    application: createApplicationTokens(settings.signIn, clock),
    clock,
    log,
  });
  const consent: SignIn['consent'] = ({ mailboxes, redirectUri }) =>
    createConsent({
      settings: settings.signIn,
      redirectUri,
      mailboxes,
      proof,
      grants,
      rows,
      clock,
      random,
      log,
    });
  return {
    tokens,
    grants,
    tagKey,
    askVault: () => createTagKey(vault, rows, random)(),
    consent,
    connectPages: (of) =>
      createConnectPages({
        ...of,
        consent: consent(of),
        grants,
        authorityHost: settings.signIn.authorityHost,
      }),
    keepAlive: (mailboxes) =>
      keepGrantsAlive(mailboxes, { tokens, grants, credential: settings.signIn.credential, clock, log }),
  };
}
