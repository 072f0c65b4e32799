// The events of the connector to ESM's data cards. A mailbox is named by a hash of its address, a card by its id; `detail` is a
// sentence of our own or ESM's, never content.
import { defineEvent } from './event.ts';

export const esmEvents = {
  delivered: defineEvent(
    'esm.delivered',
    'info',
    'An incoming mail is on its card. `result`: `newCard`, `comment`, or `ignored` (a machine’s mail without a card).',
    {
      mailbox: 'string',
      id: 'string',
      kind: 'string',
      result: 'string',
      fileCount: 'number',
      remarkCount: 'number',
    },
  ),
  deliveryDeferred: defineEvent(
    'esm.deliveryDeferred',
    'warn',
    'An incoming mail could not be brought onto its card; it is tried again after `delayMs`.',
    {
      mailbox: 'string',
      id: 'string',
      reason: 'string',
      detail: 'string',
      tryCount: 'number',
      delayMs: 'number',
    },
  ),
  unmapped: defineEvent(
    'esm.unmapped',
    'warn',
    'No rule of ESM_CONNECTOR names the mailbox of an incoming mail; the mail stays in the mailbox.',
    { mailbox: 'string', id: 'string' },
  ),
  unreadable: defineEvent(
    'esm.unreadable',
    'error',
    'A queue message is no notice or event of the bridge; it was left out.',
    { queue: 'string', detail: 'string' },
  ),
  attributeRefused: defineEvent(
    'esm.attributeRefused',
    'warn',
    'ESM saved a card without one of its attributes: the mapping and the template do not fit.',
    { template: 'string', attribute: 'string', detail: 'string' },
  ),
  reported: defineEvent('esm.reported', 'info', 'The fate of a mail was written onto its card.', {
    submissionId: 'string',
    type: 'string',
    sequence: 'number',
  }),
  reportDeferred: defineEvent(
    'esm.reportDeferred',
    'warn',
    'The fate of a mail could not be written onto its card; it is tried again after `delayMs`.',
    {
      submissionId: 'string',
      type: 'string',
      reason: 'string',
      detail: 'string',
      tryCount: 'number',
      delayMs: 'number',
    },
  ),
};
