// Values of every kind that outlives a version in the store: one sample of each, with every optional field somewhere.
import { asLatest } from '../../shared/limits/storageTime.ts';
import type { StatusEvent } from '../../shared/contract/statusEvent.ts';
import type { Cursor, MessageEntry, PendingAction } from '../../shared/inbound/ports.ts';
import type { AccountState } from '../../shared/outbound/records/accountState.ts';
import type { Message } from '../../shared/outbound/records/message.ts';

const at = Date.UTC(2026, 10, 25, 9);
const hash = 'ab'.repeat(32);

export const state: AccountState = {
  lease: { owner: 'invocation', tag: 'lease-1', until: asLatest(at + 60_000), connections: 2 },
  orphanedConnections: [{ connections: 1, goneBy: asLatest(at + 300_000) }],
  activeAttempts: [
    {
      id: 'INC-1',
      attempt: 2,
      key: `due|1|${String(at).padStart(15, '0')}|INC-1`,
      tag: 'claim-1',
      owner: 'lease-1',
      deadline: asLatest(at + 240_000),
      slot: at / 1_000 + 900,
    },
  ],
  slots: [[at / 1_000 + 900, 3]],
  day: [[at / 1_000 + 86_400, 12]],
  backoffUntil: { 0: 0, 1: at + 30_000, 2: 0 },
  holds: [
    {
      mailbox: 'desk@example.com',
      reason: 'quota',
      detail: 'The day’s recipients are used up.',
      remedy: 'Wait.',
      since: at,
      probeAt: at + 900_000,
      probeCount: 1,
      firstProbeMs: 900_000,
    },
    {
      reason: 'paused',
      detail: 'Paused by aino.',
      remedy: 'Resume it.',
      since: at,
      probeCount: 0,
      firstProbeMs: 60_000,
    },
  ],
  suspendedMailboxes: ['desk@example.com'],
  claimToReplyMs: 1_500,
  refusals: [{ id: 'INC-2', mailbox: 'desk@example.com', alike: hash, recipient: hash, isOfMailbox: true }],
  tallies: [
    { acceptedCount: 3, releasedCount: 1 },
    { mailbox: 'desk@example.com', acceptedCount: 2, releasedCount: 0 },
  ],
  hourly: [{ hour: 490_000, of: 'desk@example.com esm', counts: { sent: 3, recipients: 4 } }],
  lastSent: [{ mailbox: 'desk@example.com', at: 1_764_061_200_000 }],
  bounced: [{ id: 'INC-3', at: 1_764_061_200_000 }],
  reportedHolds: [{ mailbox: 'desk@example.com', scope: 'mailbox', since: at, reason: 'quota' }],
  writtenBy: 'write-1',
};

const waiting: Message = {
  id: 'INC-1',
  hash,
  submissionHash: hash,
  mailbox: 'desk@example.com',
  lane: 1,
  content: Buffer.from('{"id":"INC-1","mailbox":"desk@example.com"}'),
  blobs: [hash],
  messageId: '<1@example.com>',
  acceptedAt: at,
  datedAt: at,
  correlation: { card: 'INC-1', å: ['ä', 1, null] },
  state: 'waiting',
  indexEntry: { kind: 'due', at: at + 30_000 },
  expiresAt: at + 86_400_000,
  attempt: 1,
  recipients: [
    { address: 'aino@example.org', state: 'sent', attempt: 1, code: 250 },
    { address: 'eino@example.org', state: 'deferred', attempt: 1, code: 451 },
  ],
  deferrals: 1,
  deferredMs: 30_000,
  sequence: 2,
  changedAt: at + 1_000,
  charged: 2,
  chargedAt: at + 840_000,
  history: [
    { at, type: 'accepted' },
    { at: at + 1_000, type: 'deferred', detail: '451 4.7.0' },
  ],
  bounces: [],
};

export const messages: readonly Message[] = [
  waiting,
  {
    ...waiting,
    content: hash,
    state: 'inDoubt',
    indexEntry: { kind: 'inDoubt', lookupAt: at, lookup: 2, claimedAt: at },
    reason: 'inDoubt',
    detail: 'No reply came after the content.',
    remedy: 'It is looked up in Sent Items.',
  },
  {
    ...waiting,
    state: 'failed',
    indexEntry: { kind: 'suspended', group: 'failed', at },
    reason: 'refused',
    bounces: ['notice-1'],
  },
  {
    ...waiting,
    state: 'held',
    indexEntry: { kind: 'suspended', group: { mailbox: 'desk@example.com' }, at },
  },
  { ...waiting, state: 'sent', indexEntry: { kind: 'none' }, serverMessageId: 'DB9P1' },
];

export const cursor: Cursor = {
  folder: 'INBOX',
  uidValidity: 7,
  lastUid: 4_000_000_000,
  retryList: [
    { uid: 12, tryCount: 2 },
    { uid: 13, tryCount: 0, abandonedCount: 1 },
  ],
  failureCount: 1,
  retryAt: at,
  lastRunAt: at,
  lastSuccessAt: at,
  hasMore: true,
  detail: 'The server did not answer.',
  vanishedCount: 1,
  missing: [{ uid: 11, passCount: 1, isNew: true }],
  firstRunAt: at,
  unannounced: ['m2'],
  incomplete: [14],
  hasPending: true,
  rescanTop: 0,
  rowsPrunedUntil: at,
  caughtUpAt: 0,
};
export const entry: MessageEntry = {
  id: 'm1',
  state: 'announced',
  headerFingerprint: hash,
  contentFingerprint: '',
  rawSha256: hash,
  sizeBytes: 3_000_000_000,
  kind: 'mail',
  folder: 'INBOX',
  uidValidity: 7,
  uid: 4_000_000_000,
  receivedAt: at,
  contentDay: '2026-11-27',
};
export const action: PendingAction = { uidValidity: 7, uid: 4_000_000_000, id: 'm1', mailKind: 'bounce' };

export const event: StatusEvent = {
  type: 'mail.accepted',
  submissionId: 'INC-1',
  sequence: 1,
  at,
  mailbox: 'desk@example.com',
  messageId: '<1@example.com>',
};
