// What this room needs to know, as arguments: the configuration room parses it, this one never looks at the
// environment. Endpoints are settings, so that another cloud, or a stand-in, is no branch in the code.

/** How the app proves to Entra that it is the app, in both ways of signing in. */
export type AppCredential =
  /** The managed identity's token is the app registration's federated credential: no secret anywhere. */
  | { readonly kind: 'managedIdentity'; readonly clientId?: string }
  /** `expiresAt` (UTC ms) where an administrator has noted it; Entra does not tell the app. */
  | { readonly kind: 'secret'; readonly secret: string; readonly expiresAt?: number }
  /** PEM text: the certificate and its private key (PKCS #8). */
  | { readonly kind: 'certificate'; readonly pem: string };

export interface SignInSettings {
  /** `https://login.microsoftonline.com`, without a slash at the end. */
  readonly authorityHost: string;
  /** Tenant id or a domain of the tenant; never `common` and the like. */
  readonly tenant: string;
  readonly authorizeEndpoint: string;
  readonly tokenEndpoint: string;
  readonly clientId: string;
  /** Delegated: the mail scopes of one resource, and `offline_access`. */
  readonly scopes: readonly string[];
  /** Application: the resource's `/.default`. */
  readonly applicationScope: string;
  readonly credential: AppCredential;
}

export interface VaultSettings {
  readonly url: string;
  /** Off only for a vault that is not under the resource's own domain (a stand-in, a private name). */
  readonly checkChallenge: boolean;
  /**
   * Entra keeps a refresh token valid after it was used, and a vault never forgets a version: so a new one is
   * stored when the stored one is a week old. True for an authority that revokes the old one: stored at once.
   */
  readonly storeGrantsAtOnce: boolean;
}
