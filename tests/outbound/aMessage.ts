import type { Message } from '../../shared/outbound/records/message.ts';
import { emptyState, type AccountState, type Hold } from '../../shared/outbound/records/accountState.ts';

/** A message that waits, as the outbox holds it after its acceptance. */
export const aMessage = (change: Partial<Message> = {}): Message => ({
  id: 'a',
  hash: 'h',
  submissionHash: 's',
  mailbox: 'Desk@example.com',
  lane: 1,
  content: 'content/a',
  blobs: ['blob/a'],
  messageId: '<a@example.com>',
  acceptedAt: 1_000,
  datedAt: 2_000,
  state: 'waiting',
  indexEntry: { kind: 'due', at: 5_000 },
  attempt: 1,
  recipients: [
    { address: 'one@x.example', state: 'pending' },
    { address: 'two@x.example', state: 'deferred' },
  ],
  deferrals: 0,
  deferredMs: 0,
  sequence: 4,
  changedAt: 3_000,
  charged: 0,
  chargedAt: 0,
  history: [],
  bounces: [],
  ...change,
});

export const aHold = (change: Partial<Hold> = {}): Hold => ({
  reason: 'unreachable',
  detail: 'No answer.',
  remedy: 'Wait.',
  since: 1_000,
  probeAt: 61_000,
  probeCount: 0,
  firstProbeMs: 60_000,
  ...change,
});

export const aState = (change: Partial<AccountState> = {}): AccountState => ({ ...emptyState, ...change });
