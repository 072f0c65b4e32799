// What a reply means, as a decision. judgeReply.ts holds the table that reaches it; everything that acts on it
// (settle, holds) is told here which decisions there are.

/** The reply as events and rows carry it: `code` is 0 where no reply came. */
export interface Verdict {
  readonly detail: string;
  readonly code: number;
  readonly enhanced?: string;
}

/** Why a mailbox or a whole account stands still; the page and the events show `detail` and `remedy`. */
export type HoldReason =
  /** A person said so; only a person ends it. */
  | 'paused'
  /** No mailbox of the settings names it any more. */
  | 'removed'
  /** The server can't be reached, or its greeting or TLS failed. */
  | 'unreachable'
  /** Several messages in a row were refused for now. */
  | 'storm'
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

/** The account or the mailbox pauses; the message is not blamed and goes back to waiting, uncharged. */
export interface HoldJudgement extends Verdict {
  /** `configuration` tells the administrator as well. Both end by a try that succeeds, or by a person. */
  readonly do: 'hold' | 'configuration';
  readonly scope: 'account' | 'mailbox';
  readonly reason: HoldReason;
  /** What a person can do about it, one or two sentences. */
  readonly remedy: string;
  /** How long until the first try; later ones grow from there. Never below a minute. */
  readonly firstProbeMs: number;
}

/** The one decision about an attempt that did not end with an accepted message. */
export type Judgement =
  /** The message is deferred: growing, jittered delays, at least `minDelayMs`. */
  | (Verdict & { readonly do: 'retry'; readonly minDelayMs?: number })
  | HoldJudgement
  /** Not again unless a person says so. */
  | (Verdict & { readonly do: 'deadLetter' })
  /** Too many connections (432): fewer, and the message waits again, uncharged. */
  | (Verdict & { readonly do: 'reconnect' })
  /** The final dot was sent and no reply came: look in Sent Items, never resend blindly. */
  | (Verdict & { readonly do: 'inDoubt' });

/** What the reply to one RCPT means for that recipient. A hold here is about the sender, not the recipient. */
export type RecipientJudgement =
  | (Verdict & { readonly do: 'accepted' })
  | (Verdict & { readonly do: 'retry'; readonly minDelayMs?: number })
  | (Verdict & { readonly do: 'deadLetter' })
  | HoldJudgement;
