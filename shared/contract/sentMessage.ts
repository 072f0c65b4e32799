// What the outbound side knows of a message that incoming mail refers to, and what it receives about a bounce. Declared
// here because the inbound and the outbound module must agree and never import each other.
import type { BouncedRecipient } from './statusEvent.ts';

/** Of the longest X-Mail-Bridge-Id, SUBMISSION.ATTEMPT.ACCOUNT: an id, nine digits and a digest (outbound/records/messageIds.ts). */
export const bridgeIdMostCharacters = 128 + 1 + 9 + 1 + 12;

/** The submission that an incoming message belongs to. */
export interface SentMessage {
  readonly submissionId: string;
  readonly mailbox: string;
  /** ESM's own data, as it came with the submission. */
  readonly correlation: unknown;
  /** Addresses of its envelope: a bounce is verified only if it is about one of them. */
  readonly recipients: readonly string[];
}

/** By what a submission is looked up. */
export interface SentLookup {
  readonly bridgeId?: string;
  /** With their angle brackets, the likeliest first. */
  readonly messageIds: readonly string[];
  /** The mailbox that received the message: an id that Exchange gave is looked for in its account first. */
  readonly receivedBy: string;
}

export interface FoundSubmission extends SentMessage {
  /** Which of the Message-IDs named it; absent if the private header did. */
  readonly byMessageId?: string;
}

/** Limits of the sending side that Exchange reports by a bounce. */
export type SenderLimit = 'recipientsPerDay' | 'tenantLimit' | 'senderBlocked';

export interface BounceNote {
  /** The stable id of the incoming message that reported it: the same bounce again changes nothing. */
  readonly noticeId: string;
  readonly submissionId: string;
  readonly mailbox: string;
  readonly recipients: readonly BouncedRecipient[];
  /** The keyed tag is ours and a reported recipient is the submission's. An unverified bounce is only recorded. */
  readonly verified: boolean;
  /** The sending side is at a limit or blocked; honoured only if verified. Given only for a report of our own Exchange. */
  readonly pauses?: SenderLimit;
}
