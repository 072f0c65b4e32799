// What an incoming message is taken for. Pure data: the rules are in classify.ts and bounce*.ts.

/** `message` is everything else, list mail included. */
export type Kind = 'message' | 'receipt' | 'bounce' | 'autoReply' | 'complaint' | 'unparsed';

/** Why a recipient was not reached; the words are those of the published bounce tables (sisimai's). */
export const bounceReasons = [
  // The address is dead.
  'userunknown',
  'hostunknown',
  'hasmoved',
  'notaccept',
  // About the mailbox.
  'mailboxfull',
  'suspend',
  'filtered',
  // About our message.
  'mesgtoobig',
  'exceedlimit',
  'contenterror',
  'spamdetected',
  'virusdetected',
  'notcompliantrfc',
  'policyviolation',
  'securityerror',
  // About us.
  'blocked',
  'badreputation',
  'rejected',
  'authfailure',
  'requireptr',
  'norelaying',
  'failedstarttls',
  'toomanyconn',
  // About their server, or the way there.
  'expired',
  'networkerror',
  'systemerror',
  'systemfull',
  'mailererror',
  'syntaxerror',
  'onhold',
  'undefined',
] as const;

export type BounceReason = (typeof bounceReasons)[number];

export interface BounceRecipient {
  /** The address that was not reached, '' where the bounce names none. */
  readonly address: string;
  /** The address the sender wrote, where it differs (Original-Recipient, forwarding). */
  readonly original?: string;
  /** Enhanced status (RFC 3463), '' where the bounce gives none. */
  readonly status: string;
  /** SMTP reply code, '' where the bounce gives none. */
  readonly replyCode: string;
  /** The address is dead: do not send there again. A 5xx can well be soft. */
  readonly hard: boolean;
  readonly reason: BounceReason;
  readonly action: 'failed' | 'delayed' | 'delivered' | 'relayed' | 'expanded';
  /** The remote server's words, at most 500 characters. */
  readonly diagnostic: string;
}

export interface Bounce {
  /** hard if any recipient is; delayed if nothing has failed yet. */
  readonly severity: 'hard' | 'soft' | 'delayed';
  readonly recipients: readonly BounceRecipient[];
}

/** What the returned copy of a message of ours says about itself. */
export interface Returned {
  readonly messageId?: string;
  readonly bridgeId?: string;
  readonly bridgeTag?: string;
}

/** May a machine answer this message? (RFC 3834 section 2) */
export interface LoopGuard {
  readonly mayAnswer: boolean;
  /** Why not; empty when it may. */
  readonly reasons: readonly string[];
}

export interface Classification {
  readonly kind: Kind;
  /** A mailing list distributed it; the kind stays `message`. */
  readonly list: boolean;
  readonly bounce?: Bounce;
  /** The part of a receipt or a complaint that concerns a message of ours. */
  readonly recipients?: readonly BounceRecipient[];
  readonly feedbackType?: string;
  readonly returned: Returned;
  readonly loopGuard: LoopGuard;
  /** Which sign decided, for the log and for `inspect`. */
  readonly because: string;
  /** What of the report is not in `bounce` or `recipients`, as sentences. Absent for nothing. */
  readonly remarks?: readonly string[];
}
