// What ESM is told about a submission. statusEvents.ts turns a Told into the CloudEvent that goes on
// `mail-status`; the rows only ever hold that text.
import type { Reply } from '../mail/reply.ts';

export type ToldType =
  | 'mail.accepted'
  | 'mail.rejected'
  | 'mail.sent'
  | 'mail.deferred'
  | 'mail.held'
  | 'mail.inDoubt'
  | 'mail.failed'
  | 'mail.expired'
  | 'mail.cancelled'
  | 'mail.bounced';

/** Where one recipient stands: what the last attempt that concerned it came to. */
export interface RecipientOutcome {
  /** A plain addr-spec. */
  readonly address: string;
  /** `pending` not yet tried, or to be tried again without blame · `deferred` refused for now. */
  readonly state: 'pending' | 'sent' | 'deferred' | 'failed' | 'inDoubt';
  /** The attempt that said so. */
  readonly attempt?: number;
  /** The server's code, and its words at most 300 characters. */
  readonly code?: number;
  readonly enhanced?: string;
  readonly detail?: string;
}

/** What a bounce says of one recipient. */
export interface BouncedRecipient {
  readonly address: string;
  /** Enhanced status (RFC 3463), or empty. */
  readonly status: string;
  readonly replyCode: string;
  /** The address is dead: do not send there again. */
  readonly hard: boolean;
  readonly reason: string;
  readonly action: string;
}

export interface Told {
  readonly type: ToldType;
  /** The submission's id; absent only where a rejected one had none. */
  readonly id?: string;
  /** 1 for `mail.accepted`, then without gaps; absent for `mail.rejected`. With the id it names the event. */
  readonly sequence?: number;
  /** What repeats of a rejection have in common: the SHA-256 of the refused bytes. */
  readonly rejection?: { readonly sha256: string; readonly sizeBytes: number };
  readonly mailbox?: string;
  /** UTC milliseconds. */
  readonly at: number;
  readonly attempt?: number;
  readonly recipients?: readonly RecipientOutcome[];
  readonly reply?: Reply;
  /** Ours, with its angle brackets, and the id of the 250. */
  readonly messageId?: string;
  readonly serverMessageId?: string;
  /** Opaque, as the submission had it. */
  readonly correlation?: unknown;
  /** mail.deferred: when it is tried again (UTC ms). mail.held: when the next try is made, where one is. */
  readonly retryAt?: number;
  /** A word a program can switch on (a HoldReason, `inDoubt`, `notFound`, `replayed`, `tooOld`, …). */
  readonly reason?: string;
  /** For a person: what happened, and what can be done. */
  readonly detail?: string;
  readonly remedy?: string;
  /** mail.bounced: the notice that told of it, and for whom. Unverified: anybody could have written it. */
  readonly bounce?: {
    readonly noticeId: string;
    readonly verified: boolean;
    readonly recipients: readonly BouncedRecipient[];
  };
  /** mail.rejected: every problem, by field. */
  readonly problems?: readonly { readonly field: string; readonly detail: string }[];
  /** Too long for a queue message: the whole event as a blob of the content store; recipients are left out here. */
  readonly whole?: { readonly blob: string; readonly sizeBytes: number };
}
