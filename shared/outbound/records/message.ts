// A message in the outbox: its row, which is the idempotency record, and the one row that lists it.
//
// States: `waiting` → (an active attempt: sending) → `sent` | `waiting` again (deferred) | `failed` |
// `inDoubt`; and `held`, `expired`, `cancelled`. A message that is not finished is listed by exactly one other
// row: waiting by its due row (which stays during the attempt), inDoubt by the row of its next lookup, held and failed by
// a row of suspended messages. So a change of state is: this row merged, that row replaced, an event inserted; all in
// one transaction.
import type { SuspensionGroup, Lane } from './keys.ts';
import type { Json } from '../../contract/submission.ts';
import type { Deliver } from '../../mail/deliver.ts';
import type { RecipientOutcome } from '../../contract/statusEvent.ts';

export type State = 'waiting' | 'sent' | 'failed' | 'inDoubt' | 'held' | 'expired' | 'cancelled';

/** Nothing more happens to these unless a person acts. */
export const isFinished = (state: State): boolean =>
  state === 'sent' || state === 'failed' || state === 'expired' || state === 'cancelled';

/** The one row that lists the message. */
export type IndexEntry =
  | { readonly kind: 'due'; readonly at: number }
  | {
      readonly kind: 'inDoubt';
      readonly lookupAt: number;
      readonly lookup: 1 | 2;
      /** When the attempt was claimed: no copy in Sent Items can be older. */
      readonly claimedAt: number;
    }
  | {
      readonly kind: 'suspended';
      readonly group: Exclude<SuspensionGroup, 'unreadable'>;
      readonly at: number;
    }
  | { readonly kind: 'none' };

/** One line of its history, for people. */
export interface HistoryEntry {
  readonly at: number;
  readonly type: string;
  readonly detail?: string;
}

/** What never changes after acceptance. */
export interface Accepted {
  readonly id: string;
  /** SHA-256 of the content; and of the submission alone, for a repeat whose blobs are gone by now. */
  readonly hash: string;
  readonly submissionHash: string;
  readonly mailbox: string;
  readonly lane: Lane;
  /** In the row, or the name of its blob. */
  readonly content: Uint8Array | string;
  /** Names of the copied blobs it refers to. */
  readonly blobs: readonly string[];
  readonly messageId: string;
  readonly acceptedAt: number;
  /** The Date of the message. */
  readonly datedAt: number;
  readonly correlation?: Json;
  /** The first characters of its subject, to find it by; part of the content: not shown without a reason. */
  readonly subject?: string;
  /** The name of the HTTP caller that submitted it. */
  readonly caller?: string;
  /** The safe mode of that caller's key at the time; absent: live. */
  readonly deliver?: Deliver;
  /** Its failure is reported into the mailbox: it came by SMTP, and nobody reads its events. */
  readonly reportsFailures?: true;
}

/** The day's charge of an attempt that the server certainly did not accept: the next claim moves it. */
export interface MovableCharge {
  /** End of its bucket (UTC s). */
  readonly bucket: number;
  readonly count: number;
}

/** What is remembered of a message that was refused by replies that may be anybody's fault (refusals.ts). */
export interface Suspicion {
  /** Messages of the account and of the mailbox that had been accepted at the first such refusal. */
  readonly accountAccepted: number;
  readonly mailboxAccepted: number;
  /** The same of its permanent refusals alone, if there were any. */
  readonly forGood?: {
    readonly mailboxAccepted: number;
    /** Holds that had ended at the last one: the time after it counts if none has ended since. */
    readonly releasedCount: number;
    readonly lastAt: number;
    /** From the first one to the last, without time on hold. */
    readonly elapsedMs: number;
  };
}

/** What its life changes. */
export interface Progress {
  readonly state: State;
  readonly indexEntry: IndexEntry;
  /** Not sent from then on; a replay lifts it. */
  readonly expiresAt?: number;
  /** The last one claimed; 0 before the first. */
  readonly attempt: number;
  readonly recipients: readonly RecipientOutcome[];
  readonly deferrals: number;
  /** Sum of its own deferrals: its age for giving up. */
  readonly deferredMs: number;
  /** Of the last event. */
  readonly sequence: number;
  readonly serverMessageId?: string;
  /** Why it is where it is. */
  readonly reason?: string;
  readonly detail?: string;
  readonly remedy?: string;
  /** When it came to this state. */
  readonly changedAt: number;
  /** Recipients charged by all its attempts, and until when the last one could arrive: rebuild a lost state row. */
  readonly charged: number;
  readonly chargedAt: number;
  /** Absent if the next claim moves no charge. */
  readonly movableCharge?: MovableCharge;
  readonly suspicion?: Suspicion;
  readonly history: readonly HistoryEntry[];
  /** Notices of bounces that were published. */
  readonly bounces: readonly string[];
}

export type Message = Accepted & Progress;

const historyMost = 30;

/** Those that an attempt made now is for. */
export const remaining = (message: Progress): readonly string[] =>
  message.recipients
    .filter(({ state }) => state === 'pending' || state === 'deferred')
    .map(({ address }) => address);

export const addHistory = (history: readonly HistoryEntry[], entry: HistoryEntry): readonly HistoryEntry[] =>
  [...history, entry].slice(-historyMost);
