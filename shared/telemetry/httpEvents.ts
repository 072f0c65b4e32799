// The events of requests over HTTP. No key, no address of a recipient and no content appears; the id of a key is the
// beginning of its hash.
import { defineEvent } from './event.ts';

export const httpEvents = {
  refused: defineEvent(
    'http.refused',
    'warn',
    'A request was refused; `problem` is the end of its problem type.',
    { route: 'string', status: 'number', problem: 'string', caller: 'string?' },
  ),
  failed: defineEvent(
    'http.failed',
    'error',
    'A request ended in an error of the bridge, answered with 500.',
    {
      route: 'string',
      detail: 'string',
    },
  ),
  callerChanged: defineEvent(
    'http.callerChanged',
    'info',
    'An administrator created, rotated or revoked a key.',
    {
      action: 'string',
      caller: 'string',
      by: 'string',
    },
  ),
  cancelled: defineEvent('http.cancelled', 'info', 'A caller cancelled a submission.', {
    caller: 'string',
    id: 'string',
  }),
  taken: defineEvent('http.taken', 'info', 'A caller took messages of a feed, or acknowledged them.', {
    caller: 'string',
    feed: 'string',
    action: 'string',
    count: 'number',
  }),
};
