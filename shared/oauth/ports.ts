// The ports of this module. Secrets are in the vault, which has no compare-and-swap; therefore a small row beside each
// secret says which version counts, and that row is changed by conditional writes only.
import type { TokenAnswer } from '../mail/accessToken.ts';

export type SignInFields = Readonly<Record<string, string | number | boolean>>;

export interface SignInRow {
  readonly etag: string;
  readonly fields: SignInFields;
}

/**
 * Rows about signing in; no secret is ever among them. Keys match `^[0-9A-Za-z-]{1,127}$`. A method throws if the
 * store does not answer; it is then unknown whether a write was applied.
 */
export interface SignInRows {
  read(key: string): Promise<SignInRow | undefined>;
  /** False if the key exists. */
  insert(key: string, fields: SignInFields): Promise<boolean>;
  /** Replaces all fields; false if the row has another ETag by now, or is gone. */
  replace(key: string, fields: SignInFields, etag: string): Promise<boolean>;
  /** False if the row has another ETag by now, or is gone: of two callers one gets true. */
  remove(key: string, etag: string): Promise<boolean>;
}

export interface Secret {
  readonly value: string;
  readonly version: string;
}

/** An expected failure of the vault. `detail` is for the administrator and names no secret. */
export type VaultFailure =
  /** Throttled, down or unreachable: try again later. */
  | { readonly kind: 'unavailable'; readonly detail: string; readonly retryAfterMs?: number }
  /** Role, firewall, disabled version: a person must correct it. */
  | { readonly kind: 'configuration'; readonly detail: string };

/** Named, versioned secrets. Every write adds a version that is kept forever. */
export interface TokenVault {
  /** The version asked for, else the newest. `deleted`: the name is soft-deleted and can be recovered. */
  read(
    name: string,
    version?: string,
  ): Promise<
    | { readonly kind: 'secret'; readonly secret: Secret }
    | { readonly kind: 'absent' }
    | { readonly kind: 'deleted' }
    | VaultFailure
  >;
  /** Adds a version. A soft-deleted name is recovered first. */
  write(
    name: string,
    value: string,
    tags: Readonly<Record<string, string>>,
  ): Promise<{ readonly kind: 'written'; readonly version: string } | VaultFailure>;
}

/** Why there is no access token. */
export type TokenFailure = Exclude<TokenAnswer, { readonly kind: 'token' }>;

/** A token from the token endpoint. */
export interface IssuedToken {
  readonly kind: 'token';
  readonly token: string;
  readonly expiresInMs: number;
  /** Delegated only, if the authority sent one. */
  readonly refreshToken?: string;
}

/** The token endpoint, for delegated sign-in. */
export interface TokenEndpoint {
  refresh(refreshToken: string): Promise<IssuedToken | TokenFailure>;
}

/** Application sign-in: a new token from the network at every call. */
export interface ApplicationTokens {
  fetch(): Promise<IssuedToken | TokenFailure>;
}
