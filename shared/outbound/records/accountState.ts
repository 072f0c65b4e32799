// The one row of an account that is its lock: the lease, the active attempts, the limits, the holds.
// Every change of anything in the account is conditional on this row, so reading it again settles every
// ambiguity. It stays small; checkNumbers.ts refuses settings that it could not hold.
import type { Latest } from '../../limits/storageTime.ts';
import { z } from 'zod';
import type { Counts } from '../../limits/limiter.ts';
import { getText, putText } from './chunks.ts';
import type { HoldReason } from '../../contract/holdReason.ts';
import type { Lane } from './keys.ts';
import type { Fields } from '../ports.ts';
import { decodeRow } from './unreadableRow.ts';

/** Exclusive and time-limited right to work on the account. It avoids contention; safety does not rest on it. */
export interface Lease {
  /** The invocation, for people. */
  readonly owner: string;
  /** New each time it is taken. */
  readonly tag: string;
  readonly until: Latest;
  readonly connections: number;
}

/** Connections of a lease that was never given back, until the server must have dropped them. */
export interface OrphanedConnections {
  readonly connections: number;
  readonly goneBy: Latest;
}

/** An attempt that was claimed and not settled: the message is "sending". */
export interface ActiveAttempt {
  readonly id: string;
  readonly attempt: number;
  /** Its due row, which stays during the attempt. */
  readonly key: string;
  /** Of the claim; finds it again when the answer was lost. */
  readonly tag: string;
  /** The tag of the lease it was claimed under. */
  readonly owner: string;
  readonly deadline: Latest;
  /** Second of its slot. */
  readonly slot: number;
}

/** A mailbox, or the whole account, is stopped. */
export interface Hold {
  /** Absent: all mailboxes of the account. Lower case. */
  readonly mailbox?: string;
  readonly reason: HoldReason;
  readonly detail: string;
  readonly remedy: string;
  readonly since: number;
  /** When a probe may be made; absent if only a person ends the hold. */
  readonly probeAt?: number;
  /** Probes so far and the delay of the first: later delays grow from it. */
  readonly probeCount: number;
  readonly firstProbeMs: number;
}

/** A hold that was reported to callers for one mailbox. */
export interface ReportedHold {
  /** Lower case. */
  readonly mailbox: string;
  readonly scope: 'account' | 'mailbox';
  /** The hold's own. */
  readonly since: number;
  readonly reason: HoldReason;
}

/**
 * What a refusal is judged by: messages accepted and holds ended, of one mailbox (lower case) or, without it, of the
 * account as a whole. Only the differences count.
 */
export interface Tally {
  readonly mailbox?: string;
  readonly acceptedCount: number;
  readonly releasedCount: number;
}

/** A message that was refused by a reply about session, server or sender, or about nobody knows whom. */
export interface CountedRefusal {
  readonly id: string;
  /** Lower case. */
  readonly mailbox: string;
  /** Refusals with the same text are alike. */
  readonly alike: string;
  /** Of a refusal at RCPT: only different recipients count. Hashed. */
  readonly recipient?: string;
  /** Another mailbox of the account had a message accepted since: it counts for its own mailbox only. */
  readonly isOfMailbox: boolean;
}

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
  writtenBy: '',
};

const version = 1;
const latest = z.custom<Latest>((value) => typeof value === 'number');
const counts = z.array(z.tuple([z.number(), z.number()]));
const stored = z.object({
  lease: z.object({ owner: z.string(), tag: z.string(), until: latest, connections: z.number() }).nullable(),
  orphanedConnections: z.array(z.object({ connections: z.number(), goneBy: latest })),
  activeAttempts: z.array(
    z.object({
      id: z.string(),
      attempt: z.number(),
      key: z.string(),
      tag: z.string(),
      owner: z.string(),
      deadline: latest,
      slot: z.number(),
    }),
  ),
  slots: counts,
  day: counts,
  backoffUntil: z.tuple([z.number(), z.number(), z.number()]),
  holds: z.array(
    z.object({
      mailbox: z.string().exactOptional(),
      reason: z.custom<HoldReason>((value) => typeof value === 'string'),
      detail: z.string(),
      remedy: z.string(),
      since: z.number(),
      probeAt: z.number().exactOptional(),
      probeCount: z.number(),
      firstProbeMs: z.number(),
    }),
  ),
  suspendedMailboxes: z.array(z.string()),
  claimToReplyMs: z.number().nullable(),
  refusals: z
    .array(
      z.object({
        id: z.string(),
        mailbox: z.string(),
        alike: z.string(),
        recipient: z.string().exactOptional(),
        isOfMailbox: z.boolean(),
      }),
    )
    .nullable(),
  tallies: z
    .array(
      z.object({
        mailbox: z.string().exactOptional(),
        acceptedCount: z.number(),
        releasedCount: z.number(),
      }),
    )
    .nullable(),
  reportedHolds: z
    .array(
      z.object({
        mailbox: z.string(),
        scope: z.enum(['account', 'mailbox']),
        since: z.number(),
        reason: z.custom<HoldReason>((value) => typeof value === 'string'),
      }),
    )
    .nullable(),
});
type Stored = z.infer<typeof stored>;

/** One property a part, as JSON, so that a person can read the row. */
export function encodeState(state: AccountState): Fields {
  const parts: Stored = {
    lease: state.lease ?? null,
    orphanedConnections: [...state.orphanedConnections],
    activeAttempts: [...state.activeAttempts],
    slots: state.slots.map(([second, count]) => [second, count]),
    day: state.day.map(([second, count]) => [second, count]),
    backoffUntil: [state.backoffUntil[0], state.backoffUntil[1], state.backoffUntil[2]],
    holds: [...state.holds],
    suspendedMailboxes: [...state.suspendedMailboxes],
    claimToReplyMs: state.claimToReplyMs ?? null,
    refusals: [...state.refusals],
    tallies: [...state.tallies],
    reportedHolds: [...state.reportedHolds],
  };
  const fields = Object.entries(parts).map(([name, part]) => putText(name, JSON.stringify(part)));
  return Object.assign({ version, writtenBy: state.writtenBy }, ...fields) as Fields;
}

/** Throws UnreadableRow: leave it alone. */
export const decodeState = (fields: Fields): AccountState =>
  decodeRow(fields['version'], version, () => decode(fields));

function decode(fields: Fields): AccountState {
  const part = (name: keyof Stored): unknown => JSON.parse(getText(fields, name) ?? 'null');
  const names = Object.keys(stored.shape) as (keyof Stored)[];
  const { lease, backoffUntil, claimToReplyMs, refusals, tallies, reportedHolds, ...rest } = stored.parse(
    Object.fromEntries(names.map((name) => [name, part(name)])),
  );
  const writtenBy = fields['writtenBy'];
  return {
    ...rest,
    ...(lease === null ? {} : { lease }),
    backoffUntil: { 0: backoffUntil[0], 1: backoffUntil[1], 2: backoffUntil[2] },
    ...(claimToReplyMs === null ? {} : { claimToReplyMs }),
    // Rows written before these parts existed have none.
    refusals: refusals ?? [],
    tallies: tallies ?? [],
    reportedHolds: reportedHolds ?? [],
    writtenBy: typeof writtenBy === 'string' ? writtenBy : '',
  };
}
