// The names of rows. Everything that is listed in order is named so that the order of names is that order:
// times as 15 digits of UTC milliseconds, sequences as 6 digits.
import { sha256 } from '../../mail/fingerprint.ts';
import type { Priority } from '../../contract/submission.ts';

/** One lane per priority: 0 high, 1 normal, 2 bulk. */
export type Lane = 0 | 1 | 2;
export const lanes = [0, 1, 2] as const satisfies readonly Lane[];

export const laneOf: Readonly<Record<Priority, Lane>> = { high: 0, normal: 1, bulk: 2 };

export interface Range {
  readonly from: string;
  readonly to: string;
}

/** The account's state: its lock, lease, limits and holds. */
export const stateKey = 'account';
/** The partition with one row per account, and the one with what was rejected. */
export const accountsPartition = 'accounts';
export const rejectedPartition = 'rejected';
/** Failure reports for the mailboxes: due, and made. */
export const reportsPartition = 'reports';
/** Submissions that came back from the poison queue, by the hash of their text: how often. */
export const returnedPartition = 'returned';

const digits = (value: number, count: number): string =>
  String(Math.max(0, Math.ceil(value))).padStart(count, '0');
const time = (at: number): string => digits(at, 15);
/** Everything that begins with `prefix|`: the bar's successor in ASCII ends the range. */
const under = (prefix: string): Range => ({ from: `${prefix}|`, to: `${prefix}}` });

export const messageKey = (id: string): string => `msg|${id}`;
export const dueKey = (lane: Lane, at: number, id: string): string => `due|${lane}|${time(at)}|${id}`;
export const inDoubtKey = (lookupAt: number, id: string): string => `indoubt|${time(lookupAt)}|${id}`;
export const eventKey = (id: string, sequence: number): string => `event|${id}|${digits(sequence, 6)}`;

/** A failure report of a message: `due` until it is in its mailbox, then `made`. */
export const reportKey = (
  stage: 'due' | 'made',
  { account, id, kind }: { readonly account: string; readonly id: string; readonly kind: string },
): string => `${stage}|${sha256(account).slice(0, 32)}|${kind}|${id}`;
export const reportRange = (stage: 'due' | 'made'): Range => under(stage);

/** An event that can't be put on the queue, in a blob of the content store. */
export const unpublishableKey = (ofEvent: string): string => `unpublished|${ofEvent.slice('event|'.length)}`;

/** Leads from the id that the server gave in its 250 back to the submission: it may be the only one a reply names. */
export const serverIdKey = (serverMessageId: string, id: string): string =>
  `${serverIdPrefix(serverMessageId)}|${id}`;
export const serverIdRange = (serverMessageId: string): Range => under(serverIdPrefix(serverMessageId));
export const allServerIdsRange = under('serverid');
const serverIdPrefix = (serverMessageId: string): string =>
  `serverid|${sha256(serverMessageId).slice(0, 32)}`;

/**
 * Messages suspended until a person decides (`failed`, `inDoubt`; `safeMode`: may not be sent to its recipients;
 * `unreadable`: their row can't be read) or until their mailbox's hold ends.
 */
export type SuspensionGroup = 'failed' | 'inDoubt' | 'safeMode' | 'unreadable' | { readonly mailbox: string };
const groupName = (group: SuspensionGroup): string =>
  typeof group === 'string'
    ? group.toLowerCase()
    : `mailbox=${encodeURIComponent(group.mailbox.toLowerCase()).replaceAll('%', '=')}`;
export const suspendedKey = (group: SuspensionGroup, at: number, id: string): string =>
  `suspended|${groupName(group)}|${time(at)}|${id}`;

/** Everything in a partition. */
export const everyRow: Range = { from: '!', to: '~' };
export const messageRange = under('msg');
export const eventRange = under('event');
export const unpublishableRange = under('unpublished');
export const allDueRange = under('due');
/** Messages that wait for a person or for the end of a hold, in every group. */
export const allSuspendedRange = under('suspended');
/** Messages that wait for the end of their mailbox's hold, of every mailbox. */
export const heldMailboxesRange: Range = { from: 'suspended|mailbox=', to: 'suspended|mailbox>' };
export const suspendedRange = (group: SuspensionGroup): Range => under(`suspended|${groupName(group)}`);
/** Due at `at` or before. */
export const dueRange = (lane: Lane, at: number): Range => ({
  from: `due|${lane}|`,
  to: `due|${lane}|${time(at + 1)}`,
});
/** Lookups due at `at` or before; all of them without it. */
export const inDoubtRange = (at?: number): Range =>
  at === undefined ? under('indoubt') : { from: 'indoubt|', to: `indoubt|${time(at + 1)}` };
/** The state row, and everything that is due, to be published or to be looked up. */
export const headRange: Range = { from: stateKey, to: inDoubtRange().to };
/** The rest of a range after a key; no name has a space or anything below it. */
export const after = (range: Range, key: string): Range => ({ from: `${key} `, to: range.to });

/** What a due row's name says; undefined for another name. */
export function parseDueKey(
  key: string,
): { readonly lane: Lane; readonly at: number; readonly id: string } | undefined {
  const parts = /^due\|([012])\|([0-9]{15})\|(.+)$/.exec(key);
  const [, lane, at, id] = parts ?? [];
  if (lane === undefined || at === undefined || id === undefined) return undefined;
  return { lane: lane === '0' ? 0 : lane === '1' ? 1 : 2, at: Number(at), id };
}

/** The submission of an event row's key: what comes before its sequence. */
export const submissionOfEvent = (key: string): string => key.slice(0, key.lastIndexOf('|'));

/** The id at the end of the key of a message or of a row that lists one. */
export const idAtEnd = (key: string): string => key.slice(key.lastIndexOf('|') + 1);
