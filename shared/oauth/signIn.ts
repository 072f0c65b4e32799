// This module, assembled: what the bridge makes once per worker.
import type { Clock, Random } from '../clock.ts';
import type { SignInSettings, VaultSettings } from '../config/settings.ts';
import type { AccessTokens } from '../mail/accessToken.ts';
import type { Mailbox } from '../mail/mailbox.ts';
import type { Log } from '../telemetry/log.ts';
import { CachedAccessTokens } from './accessTokens.ts';
import { createApplicationTokens, vaultCredential } from './azureCredentials.ts';
import { createClientAuthenticator } from './clientAuthenticator.ts';
import { ConnectPages, type ConnectPagesDependencies } from './connectPages.ts';
import { Consent } from './consent.ts';
import { DelegatedTokens } from './delegatedTokens.ts';
import { Grants } from './grants.ts';
import { VaultCallerSecret } from './callerSecret.ts';
import { createKeyVaultTokenVault } from './keyVaultTokenVault.ts';
import type { SignInRows, TokenVault } from './ports.ts';
import { refreshTokens, type Expiration } from './refreshTokens.ts';
import { createTagKey } from './tagKey.ts';
import { createTokenEndpoint } from './tokenEndpoint.ts';

export interface SignIn {
  readonly tokens: AccessTokens;
  readonly grants: Grants;
  /** The HMAC key of the private header, 32 bytes; rejects while the vault does not answer. */
  readonly tagKey: () => Promise<Uint8Array>;
  /** The secret with the keys of HTTP callers. */
  readonly callerSecret: VaultCallerSecret;
  /** Any secret of the vault by its name: one that an administrator put there. */
  readonly readSecret: TokenVault['read'];
  /** Reads a secret from the vault at every call; rejects with the detail for the administrator. */
  readonly askVault: () => Promise<unknown>;
  /** The two halves of connecting a mailbox in the browser, without the pages around them. */
  consent(options: { readonly mailboxes: readonly Mailbox[]; readonly redirectUri: string }): Consent;
  /** The pages around them, for the functions connectMailbox and connectCallback. */
  connectPages(
    options: Pick<
      ConnectPagesDependencies,
      'mailboxes' | 'redirectUri' | 'role' | 'authenticationOn' | 'onConnected'
    >,
  ): ConnectPages;
  /** The daily refresh of every grant; returns what expires within two weeks. */
  refreshTokens(mailboxes: readonly Mailbox[]): Promise<readonly Expiration[]>;
}

export interface SignInDependencies {
  readonly rows: SignInRows;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Assembles the module. No I/O before the first call of a method. */
export function createSignIn(
  settings: { readonly signIn: SignInSettings; readonly vault: VaultSettings },
  { rows, clock, random, log }: SignInDependencies,
): SignIn {
  const { signIn } = settings;
  const vault = createKeyVaultTokenVault(settings.vault, vaultCredential(signIn, clock), clock);
  const grants = new Grants(vault, rows, { clock, random });
  const authenticator = createClientAuthenticator(signIn);
  const tokens = new CachedAccessTokens({
    delegated: new DelegatedTokens({
      grants,
      endpoint: createTokenEndpoint(signIn, authenticator, clock),
      storeGrantsAtOnce: settings.vault.storeGrantsAtOnce,
      clock,
      log,
    }),
    application: createApplicationTokens(signIn, clock),
    clock,
    log,
  });
  const consent: SignIn['consent'] = ({ mailboxes, redirectUri }) =>
    new Consent({
      settings: signIn,
      redirectUri,
      mailboxes,
      authenticator,
      grants,
      rows,
      clock,
      random,
      log,
    });
  return {
    tokens,
    grants,
    tagKey: createTagKey(vault, rows, random),
    callerSecret: new VaultCallerSecret(vault, rows, { clock, random }),
    readSecret: (name) => vault.read(name),
    askVault: () => createTagKey(vault, rows, random)(),
    consent,
    connectPages: (options) =>
      new ConnectPages({
        ...options,
        consent: consent(options),
        grants,
        authorityHost: signIn.authorityHost,
      }),
    refreshTokens: (mailboxes) =>
      refreshTokens(mailboxes, { tokens, grants, credential: signIn.credential, clock, log }),
  };
}
