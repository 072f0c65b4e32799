// The one row of an account that is its lock: the lease, the active attempts, the limits, the holds.
// Every change of anything in the account is conditional on this row, so reading it again settles every
// ambiguity. It stays small; checkNumbers.ts refuses settings that it could not hold.
import type { Latest } from '../../limits/storageTime.ts';
import { z } from 'zod';
import type { Counts } from '../../limits/limiter.ts';
import { textIn } from '../../mail/foreign.ts';
import type { HourCount } from '../../mail/hourCounts.ts';
import { getText, putText } from './chunks.ts';
import type { HoldReason } from '../../contract/holdReason.ts';
import type { Lane } from './keys.ts';
import type { Fields } from '../ports.ts';
import { decodeRow } from './unreadableRow.ts';

const latest = z.custom<Latest>((value) => typeof value === 'number');
const holdReason = z.custom<HoldReason>((value) => typeof value === 'string');
const counts = z.array(z.tuple([z.number(), z.number()]).readonly()).readonly();

const lease = z
  .object({
    /** The invocation, for people. */
    owner: z.string(),
    /** New each time it is taken. */
    tag: z.string(),
    until: latest,
    connections: z.number(),
  })
  .readonly();
/** Exclusive and time-limited right to work on the account. It avoids contention; safety does not rest on it. */
export type Lease = z.infer<typeof lease>;

const orphaned = z.object({ connections: z.number(), goneBy: latest }).readonly();
/** Connections of a lease that was never given back, until the server must have dropped them. */
export type OrphanedConnections = z.infer<typeof orphaned>;

const activeAttempt = z
  .object({
    id: z.string(),
    attempt: z.number(),
    /** Its due row, which stays during the attempt. */
    key: z.string(),
    /** Of the claim; finds it again when the answer was lost. */
    tag: z.string(),
    /** The tag of the lease it was claimed under. */
    owner: z.string(),
    deadline: latest,
    /** Second of its slot. */
    slot: z.number(),
  })
  .readonly();
/** An attempt that was claimed and not settled: the message is "sending". */
export type ActiveAttempt = z.infer<typeof activeAttempt>;

const hold = z
  .object({
    /** Absent: all mailboxes of the account. Lower case. */
    mailbox: z.string().exactOptional(),
    reason: holdReason,
    detail: z.string(),
    remedy: z.string(),
    since: z.number(),
    /** When a probe may be made; absent if only a person ends the hold. */
    probeAt: z.number().exactOptional(),
    /** Probes so far and the delay of the first: later delays grow from it. */
    probeCount: z.number(),
    firstProbeMs: z.number(),
  })
  .readonly();
/** A mailbox, or the whole account, is stopped. */
export type Hold = z.infer<typeof hold>;

const reportedHold = z
  .object({
    /** Lower case. */
    mailbox: z.string(),
    scope: z.enum(['account', 'mailbox']),
    /** The hold's own. */
    since: z.number(),
    reason: holdReason,
  })
  .readonly();
/** A hold that was reported to callers for one mailbox. */
export type ReportedHold = z.infer<typeof reportedHold>;

const tally = z
  .object({ mailbox: z.string().exactOptional(), acceptedCount: z.number(), releasedCount: z.number() })
  .readonly();
/**
 * What a refusal is judged by: messages accepted and holds ended, of one mailbox (lower case) or, without it, of the
 * account as a whole. Only the differences count.
 */
export type Tally = z.infer<typeof tally>;

const countedRefusal = z
  .object({
    id: z.string(),
    /** Lower case. */
    mailbox: z.string(),
    /** Refusals with the same text are alike. */
    alike: z.string(),
    /** Of a refusal at RCPT: only different recipients count. Hashed. */
    recipient: z.string().exactOptional(),
    /** Another mailbox of the account had a message accepted since: it counts for its own mailbox only. */
    isOfMailbox: z.boolean(),
  })
  .readonly();
/** A message that was refused by a reply about session, server or sender, or about an unknown one of them. */
export type CountedRefusal = z.infer<typeof countedRefusal>;

const hourCount = z
  .object({ hour: z.number(), of: z.string(), counts: z.record(z.string(), z.number()).readonly() })
  .readonly();
const lastSent = z.object({ mailbox: z.string(), at: z.number() }).readonly();
const bouncedMessage = z.object({ id: z.string(), at: z.number() }).readonly();

export interface AccountState {
  readonly lease?: Lease;
  readonly orphanedConnections: readonly OrphanedConnections[];
  readonly activeAttempts: readonly ActiveAttempt[];
  readonly slots: Counts;
  readonly day: Counts;
  /** Until when each lane is left alone (UTC ms); 0: it is not. */
  readonly backoffUntil: Readonly<Record<Lane, number>>;
  readonly holds: readonly Hold[];
  /** Mailboxes with messages suspended until their hold ends. Lower case. */
  readonly suspendedMailboxes: readonly string[];
  /** Mean time from claim to reply of recent attempts. */
  readonly claimToReplyMs?: number;
  /** Refusals since a message of the same mailbox was accepted: several alike are the account's or the mailbox's. */
  readonly refusals: readonly CountedRefusal[];
  readonly tallies: readonly Tally[];
  /** Holds of which `mailbox.held` was written and `mailbox.released` was not. */
  readonly reportedHolds: readonly ReportedHold[];
  /** What became of messages in the last hours (policy/hourlyCounts.ts). */
  readonly hourly: readonly HourCount[];
  /** When each mailbox (lower case) last had a recipient accepted (UTC ms). */
  readonly lastSent: readonly z.infer<typeof lastSent>[];
  /** The newest messages that came back. */
  readonly bounced: readonly z.infer<typeof bouncedMessage>[];
  /** Who wrote this version: recognises a transaction whose answer was lost. */
  readonly writtenBy: string;
}

export const emptyState: AccountState = {
  orphanedConnections: [],
  activeAttempts: [],
  slots: [],
  day: [],
  backoffUntil: { 0: 0, 1: 0, 2: 0 },
  holds: [],
  suspendedMailboxes: [],
  refusals: [],
  tallies: [],
  reportedHolds: [],
  hourly: [],
  lastSent: [],
  bounced: [],
  writtenBy: '',
};

const version = 1;
const stored = z.object({
  lease: lease.nullable(),
  orphanedConnections: z.array(orphaned).readonly(),
  activeAttempts: z.array(activeAttempt).readonly(),
  slots: counts,
  day: counts,
  backoffUntil: z.tuple([z.number(), z.number(), z.number()]),
  holds: z.array(hold).readonly(),
  suspendedMailboxes: z.array(z.string()).readonly(),
  claimToReplyMs: z.number().nullable(),
  refusals: z.array(countedRefusal).readonly().nullable(),
  tallies: z.array(tally).readonly().nullable(),
  reportedHolds: z.array(reportedHold).readonly().nullable(),
  hourly: z.array(hourCount).readonly().nullable(),
  lastSent: z.array(lastSent).readonly().nullable(),
  bounced: z.array(bouncedMessage).readonly().nullable(),
});
type Stored = z.infer<typeof stored>;

const parts = Object.keys(stored.shape) as (keyof Stored)[];

/** One property a part, as JSON, so that a person can read the row. */
export function encodeState(state: AccountState): Fields {
  const { lease = null, claimToReplyMs = null, backoffUntil, writtenBy, ...same } = state;
  const backoffs: Stored['backoffUntil'] = [backoffUntil[0], backoffUntil[1], backoffUntil[2]];
  const row: Stored = { ...same, lease, backoffUntil: backoffs, claimToReplyMs };
  const fields = parts.map((name) => putText(name, JSON.stringify(row[name])));
  return Object.assign({ version, writtenBy }, ...fields) as Fields;
}

/** Throws UnreadableRow: leave it alone. */
export const decodeState = (fields: Fields): AccountState =>
  decodeRow(fields['version'], version, () => decode(fields));

function decode(fields: Fields): AccountState {
  const row = parts.map((name) => [name, JSON.parse(getText(fields, name) ?? 'null') as unknown]);
  const {
    lease,
    backoffUntil,
    claimToReplyMs,
    refusals,
    tallies,
    reportedHolds,
    hourly,
    lastSent,
    bounced,
    ...same
  } = stored.parse(Object.fromEntries(row));
  return {
    ...same,
    ...(lease === null ? {} : { lease }),
    backoffUntil: { 0: backoffUntil[0], 1: backoffUntil[1], 2: backoffUntil[2] },
    ...(claimToReplyMs === null ? {} : { claimToReplyMs }),
    // Rows written before these parts existed have none.
    refusals: refusals ?? [],
    tallies: tallies ?? [],
    reportedHolds: reportedHolds ?? [],
    hourly: hourly ?? [],
    lastSent: lastSent ?? [],
    bounced: bounced ?? [],
    writtenBy: textIn(fields, 'writtenBy'),
  };
}
