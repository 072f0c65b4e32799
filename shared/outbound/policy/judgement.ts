// What a reply means, as a decision. judgeReply.ts holds the table that reaches it; what acts on it
// (settle, holds) finds here which decisions there are.

/** The reply as events and rows carry it: `code` is 0 where no reply came. */
import type { HoldReason } from '../../contract/holdReason.ts';
export interface Verdict {
  readonly detail: string;
  readonly code: number;
  readonly enhanced?: string;
}

/** The account or the mailbox pauses; the message is not blamed and goes back to waiting, uncharged. */
export interface HoldJudgement extends Verdict {
  /** `configuration` tells the administrator as well. Both end by a probe that succeeds, or by a person. */
  readonly do: 'hold' | 'configuration';
  readonly scope: 'account' | 'mailbox';
  readonly reason: HoldReason;
  /** What a person can do about it, one or two sentences. */
  readonly remedy: string;
  /** How long until the first probe; later ones grow from there. Never below a minute. */
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
