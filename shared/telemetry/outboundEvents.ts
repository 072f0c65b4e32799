// The outbound side's log lines. Ids are the caller's own; addresses and content never appear.
import type { Level, LogEvent } from './log.ts';

type EventFields = LogEvent['fields'];
type Line<Given extends EventFields> = (fields: Given) => LogEvent;
const line =
  <Given extends EventFields>(name: string, level: Level): Line<Given> =>
  (fields) => ({ name: `outbound.${name}`, level, fields });

export const acceptedEvents = {
  accepted: line<{ id: string; account: string; repeated: boolean }>('accepted', 'info'),
  rejected: line<{ id?: string; fields: string }>('rejected', 'warn'),
  /** Our own trouble kept a submission from being accepted; it goes back to its queue. */
  putBack: line<{ detail: string; delayMs: number }>('putBack', 'warn'),
};

export const drainEvents = {
  leaseTaken: line<{ account: string; owner: string; connections: number }>('leaseTaken', 'debug'),
  leaseLost: line<{ account: string; owner: string }>('leaseLost', 'warn'),
  left: line<{ account: string; owner: string; because: string; settled: number }>('left', 'info'),
  /** The limit lets nothing go before `retryAt` (UTC ms). */
  waits: line<{ account: string; retryAt: number }>('waits', 'debug'),
  claimed: line<{ account: string; id: string; attempt: number }>('claimed', 'debug'),
  settled: line<{ account: string; id: string; attempt: number; verdict: string; code: number; ms: number }>(
    'settled',
    'info',
  ),
  moved: line<{ account: string; id: string; from: string; to: string }>('moved', 'info'),
  abandoned: line<{ account: string; id: string; attempt: number }>('abandoned', 'warn'),
  /** `detail` are the table's own or the server's, bounded. */
  held: line<{ account: string; scope: string; reason: string; detail: string }>('held', 'error'),
  holdEnded: line<{ account: string; holds: number }>('holdEnded', 'info'),
  connectFailed: line<{ account: string; phase: string; code: number }>('connectFailed', 'warn'),
  fewerConnections: line<{ account: string; connections: number }>('fewerConnections', 'warn'),
  looked: line<{ account: string; wanted: number; found: number }>('looked', 'info'),
  lookNotMade: line<{ account: string; detail: string }>('lookNotMade', 'warn'),
  notComposed: line<{ account: string; id: string; detail: string }>('notComposed', 'error'),
  storageTrouble: line<{ account: string; doing: string; detail: string }>('storageTrouble', 'warn'),
};

export const upkeepEvents = {
  rung: line<{ account: string; because: string }>('rung', 'debug'),
  sweptNot: line<{ account: string; detail: string }>('sweptNot', 'warn'),
  /** Each minute for each account: what waits and how much of the limits is used. The alert on the day reads it. */
  backlog: line<{
    account: string;
    waiting: number;
    more: boolean;
    holds: number;
    slots: number;
    messagesPerMinute: number;
    recipientsToday: number;
    recipientsPerDay: number;
  }>('backlog', 'info'),
  pruned: line<{ account: string; rows: number }>('pruned', 'info'),
  blobsPruned: line<{ blobs: number; kept: number }>('blobsPruned', 'info'),
  bounced: line<{ account: string; id: string; verified: boolean }>('bounced', 'warn'),
  operated: line<{ account: string; act: string; id?: string }>('operated', 'info'),
};
