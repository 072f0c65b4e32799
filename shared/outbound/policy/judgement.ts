// What a reply means, as a decision: replyTable.ts and judgeReply.ts make it, settle.ts and holds.ts act on it.

import type { HoldReason } from '../../contract/holdReason.ts';

/** The reply as events and rows carry it: `code` is 0 where no reply came. */
export interface Verdict {
  readonly detail: string;
  readonly code: number;
  readonly enhanced?: string;
}

/** The account or the mailbox is put on hold; the message is requeued without counting as deferred. */
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

/** A remedy of the table of replies with the names of this mailbox and of its SMTP login, where they are known. */
export const withNames = (
  remedy: string,
  { address = '', smtpUser = '' }: { readonly address?: string; readonly smtpUser?: string },
): string =>
  remedy
    .replaceAll(/\bADDRESS\b/g, () => (address === '' ? 'ADDRESS' : address))
    .replaceAll(/\bSMTP_USER\b/g, () => (smtpUser === '' ? 'SMTP_USER' : smtpUser));

/** The one decision about an attempt that did not end with an accepted message. */
export type Judgement =
  /** The message is deferred: growing, jittered delays, at least `minDelayMs`. */
  | (Verdict & {
      readonly do: 'retry';
      readonly minDelayMs?: number;
      /** The reply is about one recipient, in whatever phase it comes: it stops nobody else. */
      readonly about?: 'recipient';
    })
  | HoldJudgement
  /** Permanent, and it may be the fault of the sender, the server or the message (refusals.ts): deferred until that is known. */
  | (Verdict & { readonly do: 'unexplained' })
  /** Not again unless a person says so. */
  | (Verdict & { readonly do: 'deadLetter' })
  /** Too many connections (432): the message is deferred; one connection fewer, or with the last one a hold. */
  | (Verdict & { readonly do: 'reconnect' })
  /** The final dot was sent and no reply came: look in Sent Items, never resend blindly. */
  | (Verdict & { readonly do: 'inDoubt' });

/** What the reply to one RCPT means for that recipient. A hold here is about the sender, not the recipient. */
export type RecipientJudgement =
  | (Verdict & { readonly do: 'accepted' })
  | (Verdict & { readonly do: 'retry'; readonly minDelayMs?: number; readonly about?: 'recipient' })
  | (Verdict & { readonly do: 'unexplained' })
  | (Verdict & { readonly do: 'deadLetter' })
  | HoldJudgement;
