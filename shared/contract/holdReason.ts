/** Why a mailbox or a whole account is on hold; the page and the events show `detail` and `remedy`. */
export type HoldReason =
  /** A person said so; only a person ends it. */
  | 'paused'
  /** No mailbox of the settings names it any more. */
  | 'removed'
  /** The server can't be reached, or its greeting or TLS failed. */
  | 'unreachable'
  /** Several different messages in a row were refused alike. */
  | 'consecutiveRefusals'
  /** The server has too many connections of this account, and none of the bridge's own can be given up. */
  | 'connections'
  /** The day's recipients, by the server's count. */
  | 'quota'
  /** The sending mailbox is full. */
  | 'mailboxFull'
  /** Exchange slows this mailbox down after continuous errors. */
  | 'throttled'
  /** The token was refused, SMTP AUTH is off, a grant is missing. */
  | 'signIn'
  /** The account's consent is gone. */
  | 'consent'
  /** The authority or the vault can't give a token now. */
  | 'noToken'
  /** The account may not send as this address. */
  | 'sendAs'
  /** The account, tenant or domain is blocked as a sender. */
  | 'blocked'
  /** Licence, registration or another setting. */
  | 'configuration';
