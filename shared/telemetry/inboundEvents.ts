// The events of incoming mail. A mailbox is named by a hash of its key, a message by its stable id; `detail` is a
// sentence of our own or the server's, never content.
import { defineEvent } from './event.ts';

export const inboundEvents = {
  runCompleted: defineEvent(
    'inbound.runCompleted',
    'info',
    'A mailbox was fetched; `hasMore` if the time budget ended before the folder did.',
    {
      mailbox: 'string',
      announcedCount: 'number',
      duplicateCount: 'number',
      unparsedCount: 'number',
      actedCount: 'number',
      retryCount: 'number',
      hasMore: 'boolean',
      durationMs: 'number',
    },
  ),
  runFailed: defineEvent(
    'inbound.runFailed',
    'warn',
    'A mailbox could not be fetched; it is retried after `retryDelayMs`.',
    {
      mailbox: 'string',
      reason: 'string',
      detail: 'string',
      failureCount: 'number',
      retryDelayMs: 'number',
    },
  ),
  runSkipped: defineEvent('inbound.runSkipped', 'info', 'Another run holds the lease of the mailbox.', {
    mailbox: 'string',
  }),
  leaseLost: defineEvent(
    'inbound.leaseLost',
    'warn',
    'Another run took over the lease of the mailbox. This run writes nothing more.',
    { mailbox: 'string' },
  ),
  announced: defineEvent('inbound.announced', 'info', 'A message was stored and its notice published.', {
    mailbox: 'string',
    id: 'string',
    kind: 'string',
    reason: 'string',
    sizeBytes: 'number',
    related: 'boolean',
  }),
  duplicateFound: defineEvent('inbound.duplicateFound', 'info', 'A message had been announced before.', {
    mailbox: 'string',
    id: 'string',
  }),
  identityCollision: defineEvent(
    'inbound.identityCollision',
    'warn',
    'Two different messages have the same identity; both are kept.',
    { mailbox: 'string', id: 'string' },
  ),
  unparsed: defineEvent(
    'inbound.unparsed',
    'warn',
    'A message could not be parsed; its raw content is stored.',
    {
      mailbox: 'string',
      id: 'string',
      detail: 'string',
    },
  ),
  retryScheduled: defineEvent(
    'inbound.retryScheduled',
    'warn',
    'A message could not be fetched or stored; its UID is on the retry list.',
    { mailbox: 'string', uid: 'number', tryCount: 'number', detail: 'string' },
  ),
  rescanStarted: defineEvent(
    'inbound.rescanStarted',
    'warn',
    'UIDVALIDITY changed or is 0: the whole folder is read again.',
    { mailbox: 'string', uidValidity: 'number', previousUidValidity: 'number' },
  ),
  actionFailed: defineEvent(
    'inbound.actionFailed',
    'warn',
    'The action after fetching (seen, move, delete) failed; it is retried.',
    { mailbox: 'string', action: 'string', detail: 'string' },
  ),
  uidsVanished: defineEvent(
    'inbound.uidsVanished',
    'info',
    'Messages were assigned and never shown by SEARCH: another reader took them, or a rule moved them.',
    { mailbox: 'string', count: 'number' },
  ),
  pruned: defineEvent(
    'inbound.pruned',
    'info',
    'Content and rows of a mailbox were removed after their time.',
    { mailbox: 'string', contentCount: 'number', rowCount: 'number' },
  ),
  concurrentReader: defineEvent(
    'inbound.concurrentReader',
    'warn',
    'Messages came and went between two runs: another program (ESM’s own MailTask?) or a rule empties the folder.',
    { mailbox: 'string', vanishedCount: 'number' },
  ),
  unverifiedBounce: defineEvent(
    'inbound.unverifiedBounce',
    'warn',
    'A bounce claims to be about a message of ours and cannot prove it.',
    { mailbox: 'string', id: 'string' },
  ),
};
