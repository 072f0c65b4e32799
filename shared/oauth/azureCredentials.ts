// The only importer of @azure/identity: the federated token, application tokens, and the vault's credential.
// The library hides status and Retry-After of an error response, so a pipeline policy records them, and the response is
// judged by the same rules as a delegated one. The library's own retries are off: the callers decide when to retry.
import { memberOf, parseJson } from '../mail/foreign.ts';
import {
  ClientAssertionCredential,
  ClientCertificateCredential,
  ClientSecretCredential,
  ManagedIdentityCredential,
  type ClientSecretCredentialOptions,
  type TokenCredential,
} from '@azure/identity';
import type { Clock } from '../clock.ts';
import type { ApplicationTokens, IssuedToken, TokenFailure } from './ports.ts';
import { judgeErrorResponse, unreachable } from './errorResponse.ts';
import type { SignInSettings } from '../config/settings.ts';

type PipelinePolicy = NonNullable<ClientSecretCredentialOptions['additionalPolicies']>[number]['policy'];

/** Assumed if the response does not say; Entra always says. */
const defaultLifetimeMs = 300_000;

/** The audience of a managed identity's token that Entra accepts in place of a secret. */
const exchangeAudience = 'api://AzureADTokenExchange/.default';

/** Hosts whose instances MSAL can discover; any other authority is used as configured. */
const microsoftHosts: ReadonlySet<string> = new Set([
  'login.microsoftonline.com',
  'login.microsoftonline.us',
  'login.partner.microsoftonline.cn',
  'login.chinacloudapi.cn',
]);

/** What the token endpoint answered last; of a token only its lifetime. */
interface LastResponse {
  error?: { readonly status: number; readonly retryAfter: string | undefined; readonly body: unknown };
  lifetimeMs?: number;
  assertionFailed?: boolean;
}

/** The managed identity gave no token: not assigned, or its endpoint is down. */
export class FederatedTokenError extends Error {
  override readonly name = 'AssertionTrouble';
}

/**
 * The managed identity's federated token, to be sent as `client_assertion`. The library caches it until minutes
 * before it expires. Throws AssertionTrouble.
 */
export function federatedAssertion(credential: { readonly clientId?: string }): () => Promise<string> {
  const identity = managedIdentity(credential);
  return async () => {
    try {
      return (await identity.getToken(exchangeAudience)).token;
    } catch {
      throw new FederatedTokenError('The managed identity gave no token');
    }
  };
}

/** For the administrator. */
export const noFederatedToken =
  'The managed identity gave no token: check that the Function App has the user-assigned identity (Function App → Identity) and that MANAGED_IDENTITY_CLIENT_ID is its client id. Its endpoint may also be down for a moment; the bridge tries again.';

/** Tokens of the app itself. Each call goes to the network: caching them is the caller's task. */
export function createApplicationTokens(settings: SignInSettings, clock: Clock): ApplicationTokens {
  const assertion =
    settings.credential.kind === 'managedIdentity' ? federatedAssertion(settings.credential) : undefined;
  return {
    async fetch(): Promise<IssuedToken | TokenFailure> {
      const last: LastResponse = {};
      const federated =
        assertion &&
        ((): Promise<string> =>
          assertion().catch((error: unknown) => {
            last.assertionFailed = true;
            throw error;
          }));
      try {
        // A new credential each time: the library's own cache would give the old token back until five
        // minutes before its end, and after a server has refused it.
        const credential = appCredential(settings, federated, last);
        const { token } = await credential.getToken(settings.applicationScope);
        return { kind: 'token', token, expiresInMs: last.lifetimeMs ?? defaultLifetimeMs };
      } catch {
        return failureOf(last, clock);
      }
    },
  };
}

/** The library's errors may hold what the server echoed: nothing of them is passed on. */
function failureOf(last: LastResponse, clock: Clock): TokenFailure {
  if (last.assertionFailed === true) return { kind: 'unavailable', detail: noFederatedToken };
  return last.error === undefined
    ? unreachable('The sign-in service')
    : judgeErrorResponse(last.error, clock.now(), 'application');
}

/** The program could not sign in to the vault; the vault itself was not called. */
export class VaultSignInError extends Error {
  override readonly name = 'VaultSignInTrouble';
  readonly failure: TokenFailure;
  constructor(failure: TokenFailure) {
    super(failure.detail);
    this.failure = failure;
  }
}

/** Who the program is to the vault: the managed identity, or outside Azure the app. Throws VaultSignInTrouble. */
export function vaultCredential(settings: SignInSettings, clock: Clock): TokenCredential {
  const last: LastResponse = {};
  const ofIdentity = settings.credential.kind === 'managedIdentity';
  const credential: TokenCredential =
    settings.credential.kind === 'managedIdentity'
      ? managedIdentity(settings.credential)
      : appCredential(settings, undefined, last);
  return {
    async getToken(scopes, options) {
      delete last.error;
      try {
        return await credential.getToken(scopes, options);
      } catch {
        throw new VaultSignInError(failureOf({ ...last, assertionFailed: ofIdentity }, clock));
      }
    },
  };
}

/** The credential for the storage account: the managed identity; a connection string needs none. */
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
  federated: (() => Promise<string>) | undefined,
  last: LastResponse,
): ClientAssertionCredential | ClientSecretCredential | ClientCertificateCredential {
  const options = {
    authorityHost: settings.authorityHost,
    disableInstanceDiscovery: !microsoftHosts.has(new URL(settings.authorityHost).host),
    retryOptions: { maxRetries: 0 },
    additionalPolicies: [{ policy: recordResponses(last), position: 'perRetry' as const }],
  };
  const { tenant, clientId, credential } = settings;
  switch (credential.kind) {
    case 'managedIdentity':
      return new ClientAssertionCredential(
        tenant,
        clientId,
        federated ?? federatedAssertion(credential),
        options,
      );
    case 'secret':
      return new ClientSecretCredential(tenant, clientId, credential.secret, options);
    case 'certificate':
      return new ClientCertificateCredential(tenant, clientId, { certificate: credential.pem }, options);
  }
}

/** Records the token endpoint's responses; requests, which hold the app's credential, are not read. */
function recordResponses(last: LastResponse): PipelinePolicy {
  return {
    name: 'recordResponses',
    async sendRequest(request, next) {
      const response = await next(request);
      if (request.method !== 'POST') {
        if (response.status >= 400) {
          last.error = { status: response.status, retryAfter: undefined, body: undefined };
        }
        return response;
      }
      const body = parseJson(response.bodyAsText ?? '');
      if (response.status === 200) {
        const lifetimeSeconds = Number(memberOf(body, 'expires_in'));
        if (lifetimeSeconds > 0) last.lifetimeMs = lifetimeSeconds * 1000;
      } else {
        last.error = { status: response.status, retryAfter: response.headers.get('retry-after'), body };
      }
      return response;
    },
  };
}
