// The events of outgoing mail. Ids are the caller's own; addresses and content never appear.
import { defineEvent } from './event.ts';

export const outboundEvents = {
  accepted: defineEvent(
    'outbound.accepted',
    'info',
    'A submission was accepted; `repeated` if it had been accepted before.',
    { id: 'string', account: 'string', repeated: 'boolean' },
  ),
  rejected: defineEvent(
    'outbound.rejected',
    'warn',
    'A submission was rejected; `fields` names the ones that are wrong.',
    { id: 'string?', fields: 'string' },
  ),
  requeued: defineEvent(
    'outbound.requeued',
    'warn',
    'A submission could not be accepted because of a fault of the bridge or the store; it went back to its queue.',
    { detail: 'string', delayMs: 'number' },
  ),
  leaseAcquired: defineEvent('outbound.leaseAcquired', 'debug', 'A drain acquired the lease of an account.', {
    account: 'string',
    owner: 'string',
    connectionCount: 'number',
  }),
  leaseLost: defineEvent(
    'outbound.leaseLost',
    'warn',
    'The lease expired or another drain acquired it; attempts in flight were settled and nothing else was written.',
    { account: 'string', owner: 'string' },
  ),
  drainEnded: defineEvent(
    'outbound.drainEnded',
    'info',
    'A drain ended, with the reason and the number of attempts that it settled.',
    { account: 'string', owner: 'string', reason: 'string', settledCount: 'number' },
  ),
  rateLimited: defineEvent(
    'outbound.rateLimited',
    'debug',
    'The rate limits allow no attempt before `retryAt` (UTC ms).',
    { account: 'string', retryAt: 'number' },
  ),
  claimed: defineEvent('outbound.claimed', 'debug', 'A message was claimed; an attempt begins.', {
    account: 'string',
    id: 'string',
    attempt: 'number',
  }),
  settled: defineEvent(
    'outbound.settled',
    'info',
    'An attempt ended; `code` is the SMTP reply code, 0 if there was no reply.',
    {
      account: 'string',
      id: 'string',
      attempt: 'number',
      outcome: 'string',
      code: 'number',
      durationMs: 'number',
    },
  ),
  stateChanged: defineEvent('outbound.stateChanged', 'info', 'A message went from one state to another.', {
    account: 'string',
    id: 'string',
    from: 'string',
    to: 'string',
  }),
  attemptAbandoned: defineEvent(
    'outbound.attemptAbandoned',
    'warn',
    'An attempt of an earlier drain was never settled: the message is in doubt.',
    { account: 'string', id: 'string', attempt: 'number' },
  ),
  holdPlaced: defineEvent(
    'outbound.holdPlaced',
    'error',
    'A mailbox or an account was put on hold; `detail` is the failure policy’s own or the server’s, bounded.',
    { account: 'string', scope: 'string', reason: 'string', detail: 'string' },
  ),
  holdsReleased: defineEvent(
    'outbound.holdsReleased',
    'info',
    'Holds of an account ended because a message was accepted.',
    { account: 'string', holdCount: 'number' },
  ),
  connectFailed: defineEvent('outbound.connectFailed', 'warn', 'No SMTP connection could be opened.', {
    account: 'string',
    phase: 'string',
    code: 'number',
  }),
  connectionsReduced: defineEvent(
    'outbound.connectionsReduced',
    'warn',
    'The server refused one more connection; the drain goes on with fewer.',
    { account: 'string', connectionCount: 'number' },
  ),
  sentItemsSearched: defineEvent(
    'outbound.sentItemsSearched',
    'info',
    'Messages in doubt were looked up in Sent Items.',
    { account: 'string', wantedCount: 'number', foundCount: 'number' },
  ),
  sentItemsSearchFailed: defineEvent(
    'outbound.sentItemsSearchFailed',
    'warn',
    'Sent Items could not be searched; the lookup is retried.',
    { account: 'string', detail: 'string' },
  ),
  composeFailed: defineEvent(
    'outbound.composeFailed',
    'error',
    'The content of a message could not be composed.',
    { account: 'string', id: 'string', detail: 'string' },
  ),
  storageFailed: defineEvent('outbound.storageFailed', 'warn', 'The storage account did not answer.', {
    account: 'string',
    operation: 'string',
    detail: 'string',
  }),
  wakeUpSent: defineEvent('outbound.wakeUpSent', 'debug', 'A wake-up for an account was put on the queue.', {
    account: 'string',
    reason: 'string',
  }),
  sweepFailed: defineEvent(
    'outbound.sweepFailed',
    'warn',
    'The sweep could not check an account; the next one tries again.',
    { account: 'string', detail: 'string' },
  ),
  backlog: defineEvent(
    'outbound.backlog',
    'info',
    'Each minute for each account: messages that wait and how much of the limits is used.',
    {
      account: 'string',
      waitingCount: 'number',
      hasMore: 'boolean',
      holdCount: 'number',
      slotCount: 'number',
      messagesPerMinute: 'number',
      recipientsToday: 'number',
      recipientsPerDay: 'number',
    },
  ),
  pruned: defineEvent('outbound.pruned', 'info', 'Rows older than the retention were deleted.', {
    account: 'string',
    rowCount: 'number',
  }),
  blobsPruned: defineEvent('outbound.blobsPruned', 'info', 'Blobs that no message names were deleted.', {
    blobCount: 'number',
    keptCount: 'number',
  }),
  bounced: defineEvent(
    'outbound.bounced',
    'warn',
    'A bounce of a sent message arrived; `verified` if it proves which message it is about.',
    { account: 'string', id: 'string', verified: 'boolean' },
  ),
  operatorAction: defineEvent('outbound.operatorAction', 'info', 'An operator changed a message or a hold.', {
    account: 'string',
    action: 'string',
    id: 'string?',
  }),
};
