// The one door to @azure/identity: the app's proof for Entra, application tokens, and the vault's credential.
// The library hides status and Retry-After of a refusal, so a pipeline policy notes them, and the refusal is
// judged by the same rules as the delegated one. Its own retries are off: the callers decide when to ask again.
import {
  ClientAssertionCredential,
  ClientCertificateCredential,
  ClientSecretCredential,
  ManagedIdentityCredential,
} from '@azure/identity';
import type { ClientSecretCredentialOptions, TokenCredential } from '@azure/identity';
import type { Clock } from '../clock.ts';
import type { ApplicationTokens, FreshToken, Refusal } from './ports.ts';
import { judgeRefusal, notReached } from './refusal.ts';
import type { SignInSettings } from './settings.ts';

type PipelinePolicy = NonNullable<ClientSecretCredentialOptions['additionalPolicies']>[number]['policy'];

/** Assumed where the answer did not say; Entra always says. */
const SHORTEST_LIFE_MS = 300_000;

/** What a managed identity's token must be for, so that Entra takes it in place of a secret. */
const EXCHANGE_AUDIENCE = 'api://AzureADTokenExchange/.default';

/** Hosts whose instances MSAL can discover; any other authority must be taken at its word. */
const MICROSOFT_HOSTS: ReadonlySet<string> = new Set([
  'login.microsoftonline.com',
  'login.microsoftonline.us',
  'login.partner.microsoftonline.cn',
  'login.chinacloudapi.cn',
]);

/** What the token endpoint answered last: of a token only how long it lives. */
interface Noted {
  refused?: { readonly status: number; readonly retryAfter: string | undefined; readonly body: unknown };
  livesMs?: number;
  assertionFailed?: boolean;
}

/** The managed identity has no token for us: not assigned, or its endpoint is down. */
export class AssertionTrouble extends Error {
  override readonly name = 'AssertionTrouble';
}

/**
 * The managed identity's federated token, to be sent as `client_assertion`. The library keeps it until minutes
 * before its end. Throws AssertionTrouble.
 */
export function federatedAssertion(credential: { readonly clientId?: string }): () => Promise<string> {
  const identity = managedIdentity(credential);
  return async () => {
    try {
      return (await identity.getToken(EXCHANGE_AUDIENCE)).token;
    } catch {
      throw new AssertionTrouble('The managed identity gave no token');
    }
  };
}

/** What an administrator is told when the managed identity gives nothing. */
export const assertionWords =
  'The managed identity gave no token: check that the Function App has the user-assigned identity (Function App → Identity) and that MANAGED_IDENTITY_CLIENT_ID is its client id. Its endpoint may also be down for a moment; the bridge tries again.';

/** Tokens of the app itself. Each call asks the network: keeping them is the caller's affair. */
export function createApplicationTokens(settings: SignInSettings, clock: Clock): ApplicationTokens {
  const assertion =
    settings.credential.kind === 'managedIdentity' ? federatedAssertion(settings.credential) : undefined;
  return {
    async fetch(): Promise<FreshToken | Refusal> {
      const noted: Noted = {};
      const proof =
        assertion &&
        ((): Promise<string> =>
          assertion().catch((error: unknown) => {
            noted.assertionFailed = true;
            throw error;
          }));
      try {
        // A new credential each time: the library's own cache would give the old token back until five
        // minutes before its end, and after a server has refused it.
        const credential = appCredential(settings, proof, noted);
        const { token } = await credential.getToken(settings.applicationScope);
        return { kind: 'token', token, expiresInMs: noted.livesMs ?? SHORTEST_LIFE_MS };
      } catch {
        return refusalOf(noted, clock);
      }
    },
  };
}

/** The library's errors may hold what the server echoed: nothing of them is passed on. */
function refusalOf(noted: Noted, clock: Clock): Refusal {
  if (noted.assertionFailed === true) return { kind: 'unavailable', detail: assertionWords };
  return noted.refused === undefined
    ? notReached('The sign-in service')
    : judgeRefusal(noted.refused, clock.now());
}

/** The program could not prove itself to the vault; the vault itself was not asked. */
export class VaultSignInTrouble extends Error {
  override readonly name = 'VaultSignInTrouble';
  readonly refusal: Refusal;
  constructor(refusal: Refusal) {
    super(refusal.detail);
    this.refusal = refusal;
  }
}

/** Who the program is to the vault: the managed identity, or outside Azure the app. Throws VaultSignInTrouble. */
export function vaultCredential(settings: SignInSettings, clock: Clock): TokenCredential {
  const noted: Noted = {};
  const ofIdentity = settings.credential.kind === 'managedIdentity';
  const credential: TokenCredential =
    settings.credential.kind === 'managedIdentity'
      ? managedIdentity(settings.credential)
      : appCredential(settings, undefined, noted);
  return {
    async getToken(scopes, options) {
      delete noted.refused;
      try {
        return await credential.getToken(scopes, options);
      } catch {
        throw new VaultSignInTrouble(refusalOf({ ...noted, assertionFailed: ofIdentity }, clock));
      }
    },
  };
}

/** What the storage account is shown: the managed identity; a connection string needs nothing. */
export function storeCredential(
  store: { readonly kind: 'identity'; readonly clientId?: string } | { readonly kind: 'connectionString' },
): { readonly credential?: TokenCredential } {
  return store.kind === 'identity' ? { credential: managedIdentity(store) } : {};
}

function managedIdentity(credential: { readonly clientId?: string }): ManagedIdentityCredential {
  return credential.clientId === undefined
    ? new ManagedIdentityCredential()
    : new ManagedIdentityCredential({ clientId: credential.clientId });
}

function appCredential(
  settings: SignInSettings,
  proof: (() => Promise<string>) | undefined,
  noted: Noted,
): ClientAssertionCredential | ClientSecretCredential | ClientCertificateCredential {
  const options = {
    authorityHost: settings.authorityHost,
    disableInstanceDiscovery: !MICROSOFT_HOSTS.has(new URL(settings.authorityHost).host),
    retryOptions: { maxRetries: 0 },
    additionalPolicies: [{ policy: noteAnswers(noted), position: 'perRetry' as const }],
  };
  const { tenant, clientId, credential } = settings;
  switch (credential.kind) {
    case 'managedIdentity':
      return new ClientAssertionCredential(
        tenant,
        clientId,
        proof ?? federatedAssertion(credential),
        options,
      );
    case 'secret':
      return new ClientSecretCredential(tenant, clientId, credential.secret, options);
    case 'certificate':
      return new ClientCertificateCredential(tenant, clientId, { certificate: credential.pem }, options);
  }
}

/** Watches the token endpoint's answers; requests, which hold the proof, are not looked at. */
function noteAnswers(noted: Noted): PipelinePolicy {
  return {
    name: 'noteAnswers',
    async sendRequest(request, next) {
      const response = await next(request);
      if (request.method !== 'POST') {
        if (response.status >= 400) {
          noted.refused = { status: response.status, retryAfter: undefined, body: undefined };
        }
        return response;
      }
      const body = parsed(response.bodyAsText);
      if (response.status === 200) {
        const livesSeconds = Number((body as { expires_in?: unknown } | null | undefined)?.expires_in);
        if (livesSeconds > 0) noted.livesMs = livesSeconds * 1000;
      } else {
        noted.refused = { status: response.status, retryAfter: response.headers.get('retry-after'), body };
      }
      return response;
    },
  };
}

function parsed(text: string | null | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}
