// What the inbound side is handed when it is assembled: every door, every number, nothing ambient.
import type { Clock, Random } from '../clock.ts';
import type { Mailbox } from '../mail/mailbox.ts';
import type { Log } from '../telemetry/log.ts';
import type { InboundBlobs, Ledger, Mailboxes, Notices, Parser, SentMails } from './ports.ts';

export interface InboundNumbers {
  /** A pass over all mailboxes ends within this; the host's limit for a function lies above it. */
  readonly passBudgetMs: number;
  /** One mailbox gets at most this much of it, so that a long backlog does not starve the others. */
  readonly mailboxBudgetMs: number;
  /** No new batch is begun with less than this left. */
  readonly reserveMs: number;
  readonly leaseMs: number;
  readonly mailboxesAtOnce: number;
  /** Messages of one batch: one FETCH, one transaction. At most 40. */
  readonly batchCount: number;
  /** Messages of a batch that are stored and parsed at the same time. */
  readonly messagesAtOnce: number;
  /** First pause of a mailbox that fails; it doubles up to the longest. */
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
}

export const inboundNumbers: InboundNumbers = {
  passBudgetMs: 4 * 60_000,
  mailboxBudgetMs: 2 * 60_000,
  reserveMs: 15_000,
  leaseMs: 3 * 60_000,
  mailboxesAtOnce: 6,
  batchCount: 20,
  messagesAtOnce: 8,
  firstPauseMs: 60_000,
  longestPauseMs: 30 * 60_000,
};

export interface InboundDoors {
  readonly mailboxes: Mailboxes;
  readonly ledger: Ledger;
  readonly blobs: InboundBlobs;
  readonly notices: Notices;
  readonly parser: Parser;
  readonly sent: SentMails;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly numbers: InboundNumbers;
}

/** One mailbox as the room sees it. */
export interface Box {
  readonly mailbox: Mailbox;
  /** Partition of its rows. */
  readonly key: string;
  /** Folder of its blobs, and its name in the log: a hash of the key. */
  readonly hash: string;
}
