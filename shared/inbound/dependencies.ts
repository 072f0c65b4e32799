// What the inbound module is handed when it is assembled: every port, every number, nothing ambient.
import type { Clock, Random } from '../clock.ts';
import type { Mailbox } from '../mail/mailbox.ts';
import type { Log } from '../telemetry/log.ts';
import type { InboundBlobs, Ledger, Mailboxes, Notices, Parser, SentMessages } from './ports.ts';

export interface InboundNumbers {
  /** All mailboxes of one invocation together; the host's limit for a function lies above it. */
  readonly invocationBudgetMs: number;
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
  /** A failing mailbox is retried after this; the delay doubles up to the longest. */
  readonly firstRetryDelayMs: number;
  readonly longestRetryDelayMs: number;
  /** Content is removed so long after the message was announced, by whole days. */
  readonly contentKeptMs: number;
  /** Rows that recognise a message, by whole days: longer than content. */
  readonly rowsKeptMs: number;
}

export const inboundNumbers: InboundNumbers = {
  invocationBudgetMs: 4 * 60_000,
  mailboxBudgetMs: 2 * 60_000,
  reserveMs: 15_000,
  leaseMs: 3 * 60_000,
  mailboxesAtOnce: 6,
  batchCount: 20,
  messagesAtOnce: 8,
  firstRetryDelayMs: 60_000,
  longestRetryDelayMs: 30 * 60_000,
  contentKeptMs: 30 * 86_400_000,
  rowsKeptMs: 400 * 86_400_000,
};

export interface InboundDependencies {
  readonly mailboxes: Mailboxes;
  readonly ledger: Ledger;
  readonly blobs: InboundBlobs;
  /** Undefined if nobody takes them (EVENTS_TO=none): then content is removed after the action. */
  readonly notices: Notices | undefined;
  readonly parser: Parser;
  readonly sent: SentMessages;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly numbers: InboundNumbers;
}

/** A mailbox, with the names under which its rows and blobs are kept. */
export interface MailboxContext {
  readonly mailbox: Mailbox;
  /** Partition of its rows. */
  readonly key: string;
  /** Folder of its blobs, and its name in the log: a hash of the key. */
  readonly hash: string;
}
