// What is published about a submission: one type per event, checked by the compiler against the published schemas.
import type { HoldReason } from './holdReason.ts';
import type { Reply } from '../mail/reply.ts';
import type { Json } from './submission.ts';
import type { SubmissionProblem } from './submissionProblem.ts';

/** What the last attempt that concerned a recipient came to. */
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
  /** An earlier attempt ended in doubt and may have reached it; not published while it is tried again, but kept. */
  readonly maybeSent?: true;
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

/** The event as a blob of the content store, if it is too long for a queue message; recipients are only there. */
export interface WholeEvent {
  readonly blob: string;
  readonly sizeBytes: number;
}

interface EventCommon {
  readonly submissionId: string;
  /** 1 for `mail.accepted`, then without gaps. With the id it names the event. */
  readonly sequence: number;
  readonly mailbox: string;
  /** UTC milliseconds. */
  readonly at: number;
  readonly attempt?: number;
  readonly recipients?: readonly RecipientOutcome[];
  readonly reply?: Reply;
  /** Ours, with its angle brackets, and the id of the 250. */
  readonly messageId?: string;
  readonly serverMessageId?: string;
  /** As the submission had it. */
  readonly correlation?: Json;
  /** The name of the HTTP caller that submitted it. */
  readonly caller?: string;
  /** A word a program can switch on (a HoldReason, `inDoubt`, `notFound`, `replayed`, `tooOld`, …). */
  readonly reason?: string;
  /** For a person: what happened, and what can be done. */
  readonly detail?: string;
  readonly remedy?: string;
}

/** What differs by the type of an event that is about a message. */
export type EventKind =
  | { readonly type: 'mail.accepted' | 'mail.sent' | 'mail.failed' | 'mail.expired' | 'mail.cancelled' }
  /** `retryAt` (UTC ms): when it is tried again. */
  | { readonly type: 'mail.deferred'; readonly retryAt: number }
  /** `retryAt`: when its hold is probed, or Sent Items are looked at; absent if only a person ends it. */
  | { readonly type: 'mail.held' | 'mail.inDoubt'; readonly retryAt?: number }
  | {
      readonly type: 'mail.bounced';
      readonly bounce: {
        /** The notice about the bounce. */
        readonly noticeId: string;
        /** Else anybody could have written it. */
        readonly verified: boolean;
        readonly recipients: readonly BouncedRecipient[];
      };
    };

/** What happened to a message. */
export type MessageEvent = EventCommon & EventKind;

/** Why a submission could not be accepted; nothing of it will be sent. */
interface RejectedEvent {
  readonly type: 'mail.rejected';
  /** If the submission had a usable one. */
  readonly submissionId?: string;
  readonly mailbox?: string;
  readonly correlation?: Json;
  readonly at: number;
  /** The refused bytes: what repeats of a rejection have in common. */
  readonly rejection: { readonly sha256: string; readonly sizeBytes: number };
  readonly problems: readonly SubmissionProblem[];
}

/** A hold stopped a mailbox, or no longer does: once for each hold and mailbox. It belongs to no submission. */
export interface HoldEvent {
  readonly type: 'mailbox.held' | 'mailbox.released';
  readonly mailbox: string;
  /** UTC milliseconds. */
  readonly at: number;
  /** `account`: the hold stops every mailbox of the SMTP account. */
  readonly scope: 'account' | 'mailbox';
  /** When the hold began (UTC ms): the same in both events. */
  readonly since: number;
  readonly reason: HoldReason;
  readonly detail?: string;
  readonly remedy?: string;
  /** Messages of the mailbox that wait; at least so many if `hasMore`. */
  readonly waitingCount: number;
  readonly hasMore?: boolean;
}

/** What is published about submissions and mailboxes. statusCloudEvent.ts writes it as a CloudEvent; rows hold only that text. */
export type StatusEvent = MessageEvent | RejectedEvent | HoldEvent;
export type StatusEventType = StatusEvent['type'];
