import type { Mailbox } from './mailbox.ts';

export type Protocol = 'smtp' | 'imap';

/** What asking for an access token comes to. Expected trouble is an answer, never an exception. */
export type TokenAnswer =
  | { readonly kind: 'token'; readonly token: string; readonly expiresAt: number }
  /** Nobody but a person can mend it: consent missing, revoked, expired. `detail` is for the administrator. */
  | { readonly kind: 'needsConsent'; readonly detail: string; readonly code?: string }
  /** A setting or registration is wrong; `detail` say which and the cure. */
  | { readonly kind: 'configuration'; readonly detail: string; readonly code?: string }
  /** The authority or the vault can't answer now (429, 5xx, network): try again, blame nobody. */
  | { readonly kind: 'unavailable'; readonly detail: string; readonly retryAfterMs?: number };

/** The one door to access tokens for the mail protocols. */
export interface AccessTokens {
  /**
   * A token that lives for at least the margin. `renew` asks for a new one although the cached one looks good:
   * for the one retry after a server refused it.
   */
  get(mailbox: Mailbox, protocol: Protocol, options?: { readonly renew?: boolean }): Promise<TokenAnswer>;
}
