import type { Mailbox } from './mailbox.ts';

export type Protocol = 'smtp' | 'imap';

/** The answer to a request for an access token. Expected failures are answers, never exceptions. */
export type TokenAnswer =
  | { readonly kind: 'token'; readonly token: string; readonly expiresAt: number }
  /** Only a person can correct it: consent missing, revoked, expired. `detail` is for the administrator. */
  | { readonly kind: 'needsConsent'; readonly detail: string; readonly code?: string }
  /** A setting or the app registration is wrong; `detail` says which, and the remedy. */
  | { readonly kind: 'configuration'; readonly detail: string; readonly code?: string }
  /** The authority or the vault does not answer now (429, 5xx, network): try again later. */
  | {
      readonly kind: 'unavailable';
      readonly detail: string;
      readonly code?: string;
      readonly retryAfterMs?: number;
    };

/** Access tokens for the mail protocols. */
export interface AccessTokens {
  /**
   * A token that is valid for at least the margin. `renew` requests a new one although the cached one looks valid:
   * for the one retry after a server refused it.
   */
  get(mailbox: Mailbox, protocol: Protocol, options?: { readonly renew?: boolean }): Promise<TokenAnswer>;
}
