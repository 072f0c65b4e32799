// The doors of the sign-in room. Secrets lie in the vault, which has no compare-and-set; so a small row beside
// it says which version counts, and that row is changed only by conditional write.

export type SignInFields = Readonly<Record<string, string | number | boolean>>;

export interface SignInRow {
  readonly etag: string;
  readonly fields: SignInFields;
}

/**
 * Rows about signing in; never a secret among them. Keys match `^[0-9A-Za-z-]{1,127}$`. A method throws when
 * the store does not answer; it is then unknown whether a write was applied.
 */
export interface SignInRows {
  read(key: string): Promise<SignInRow | undefined>;
  /** False when the key is there already. */
  insert(key: string, fields: SignInFields): Promise<boolean>;
  /** Replaces all fields; false when the row has another ETag by now, or is gone. */
  replace(key: string, fields: SignInFields, etag: string): Promise<boolean>;
  /** False when the row has another ETag by now, or is gone: of two callers one gets true. */
  remove(key: string, etag: string): Promise<boolean>;
}

export interface Secret {
  readonly value: string;
  readonly version: string;
}

/** Expected trouble with the vault. `detail` are for the administrator and name no secret. */
export type VaultTrouble =
  /** Throttled, down, not reachable: try again, blame nobody. */
  | { readonly kind: 'unavailable'; readonly detail: string; readonly retryAfterMs?: number }
  /** Role, firewall, disabled version: a person must mend it. */
  | { readonly kind: 'configuration'; readonly detail: string };

/** Named, versioned secrets. Every write is one more version for ever. */
export interface TokenVault {
  /** The version asked for, else the newest. `deleted`: the name is soft-deleted and can be recovered. */
  read(
    name: string,
    version?: string,
  ): Promise<
    | { readonly kind: 'secret'; readonly secret: Secret }
    | { readonly kind: 'absent' }
    | { readonly kind: 'deleted' }
    | VaultTrouble
  >;
  /** Adds a version. A soft-deleted name is recovered first. */
  write(
    name: string,
    value: string,
    tags: Readonly<Record<string, string>>,
  ): Promise<{ readonly kind: 'written'; readonly version: string } | VaultTrouble>;
}

/** Why the authority gave no token. */
export interface Refusal {
  readonly kind: 'needsConsent' | 'configuration' | 'unavailable';
  /** A sentence for the administrator with code and correlation id beside it; never the server's own text. */
  readonly detail: string;
  /** `AADSTS700082`, or the OAuth error where there was no number. */
  readonly code?: string;
  readonly retryAfterMs?: number;
}

export interface FreshToken {
  readonly kind: 'token';
  readonly token: string;
  readonly expiresInMs: number;
  /** Delegated only, where the authority sent one. */
  readonly refreshToken?: string;
}

/** The token endpoint, for delegated sign-in. */
export interface TokenEndpoint {
  refresh(refreshToken: string): Promise<FreshToken | Refusal>;
}

/** Application sign-in: a new token from the network at every call. */
export interface ApplicationTokens {
  fetch(): Promise<FreshToken | Refusal>;
}
