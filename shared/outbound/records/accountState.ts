// The one row of an account that is its lock: the lease, the attempts that are open, the limits, the holds.
// Every change of anything in the account is conditional on this row, so reading it again settles every
// ambiguity. It stays small; checkNumbers (numbers.ts) refuses settings that it could not hold.
import { z } from 'zod';
import type { Counts } from '../../limits/window.ts';
import { getText, putText } from './chunks.ts';
import type { HoldReason } from '../policy/judgement.ts';
import type { Lane } from './keys.ts';
import type { Fields } from '../ports.ts';

/** Exclusive and time-limited right to work on the account. It avoids contention; safety does not rest on it. */
export interface Lease {
  /** The invocation, for people. */
  readonly owner: string;
  /** New each time it is taken. */
  readonly tag: string;
  readonly until: number;
  readonly connections: number;
}

/** Connections of a lease that was never given back, until the server must have dropped them. */
export interface Ghost {
  readonly connections: number;
  readonly goneBy: number;
}

/** An attempt that was claimed and not settled: the message is "sending". */
export interface Open {
  readonly id: string;
  readonly attempt: number;
  /** Its due row, which stays during the attempt. */
  readonly key: string;
  /** Of the claim; finds it again when the answer was lost. */
  readonly tag: string;
  /** The tag of the lease it was claimed under. */
  readonly owner: string;
  readonly deadline: number;
  /** Second of its slot. */
  readonly slot: number;
}

/** A mailbox, or the whole account, stands still. */
export interface Hold {
  /** Absent: all mailboxes of the account. Lower case. */
  readonly mailbox?: string;
  readonly reason: HoldReason;
  readonly detail: string;
  readonly remedy: string;
  readonly since: number;
  /** When one try may be made; absent where only a person ends it. */
  readonly until?: number;
  /** Tries so far and the first one's delay: later ones grow from it. */
  readonly tries: number;
  readonly firstMs: number;
}

export interface Box {
  readonly lease?: Lease;
  readonly ghosts: readonly Ghost[];
  readonly open: readonly Open[];
  readonly slots: Counts;
  readonly day: Counts;
  /** Until when each lane sleeps; 0 awake. */
  readonly sleep: Readonly<Record<Lane, number>>;
  readonly holds: readonly Hold[];
  /** Mailboxes that have messages set aside for the end of a hold. Lower case. */
  readonly parked: readonly string[];
  /** Mean time from claim to reply of recent attempts. */
  readonly claimToReplyMs?: number;
  /** Attempts refused for now since one was accepted. */
  readonly refusals: number;
  /** Who wrote this version: recognises a transaction whose answer was lost. */
  readonly writtenBy: string;
}

export const emptyBox: Box = {
  ghosts: [],
  open: [],
  slots: [],
  day: [],
  sleep: { 0: 0, 1: 0, 2: 0 },
  holds: [],
  parked: [],
  refusals: 0,
  writtenBy: '',
};

const version = 1;
const counts = z.array(z.tuple([z.number(), z.number()]));
const stored = z.object({
  lease: z
    .object({ owner: z.string(), tag: z.string(), until: z.number(), connections: z.number() })
    .nullable(),
  ghosts: z.array(z.object({ connections: z.number(), goneBy: z.number() })),
  open: z.array(
    z.object({
      id: z.string(),
      attempt: z.number(),
      key: z.string(),
      tag: z.string(),
      owner: z.string(),
      deadline: z.number(),
      slot: z.number(),
    }),
  ),
  slots: counts,
  day: counts,
  sleep: z.tuple([z.number(), z.number(), z.number()]),
  holds: z.array(
    z.object({
      mailbox: z.string().exactOptional(),
      reason: z.custom<HoldReason>((value) => typeof value === 'string'),
      detail: z.string(),
      remedy: z.string(),
      since: z.number(),
      until: z.number().exactOptional(),
      tries: z.number(),
      firstMs: z.number(),
    }),
  ),
  parked: z.array(z.string()),
  claimToReplyMs: z.number().nullable(),
  refusals: z.number(),
});
type Stored = z.infer<typeof stored>;

/** One property a part, as JSON, so that a person can read the row. */
export function encodeBox(box: Box): Fields {
  const parts: Stored = {
    lease: box.lease ?? null,
    ghosts: [...box.ghosts],
    open: [...box.open],
    slots: box.slots.map(([second, count]) => [second, count]),
    day: box.day.map(([second, count]) => [second, count]),
    sleep: [box.sleep[0], box.sleep[1], box.sleep[2]],
    holds: [...box.holds],
    parked: [...box.parked],
    claimToReplyMs: box.claimToReplyMs ?? null,
    refusals: box.refusals,
  };
  const fields = Object.entries(parts).map(([name, part]) => putText(name, JSON.stringify(part)));
  return Object.assign({ version, writtenBy: box.writtenBy }, ...fields) as Fields;
}

/** Throws for a row of another version: leave it alone. */
export function decodeBox(fields: Fields): Box {
  if (fields['version'] !== version) throw new Error(`box row of version ${String(fields['version'])}`);
  const part = (name: keyof Stored): unknown => JSON.parse(getText(fields, name) ?? 'null');
  const names = Object.keys(stored.shape) as (keyof Stored)[];
  const { lease, sleep, claimToReplyMs, ...rest } = stored.parse(
    Object.fromEntries(names.map((name) => [name, part(name)])),
  );
  const writtenBy = fields['writtenBy'];
  return {
    ...rest,
    ...(lease === null ? {} : { lease }),
    sleep: { 0: sleep[0], 1: sleep[1], 2: sleep[2] },
    ...(claimToReplyMs === null ? {} : { claimToReplyMs }),
    writtenBy: typeof writtenBy === 'string' ? writtenBy : '',
  };
}
