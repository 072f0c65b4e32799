// What is so now, said again every minute: the alerts read the newest line, and never look back for something that was
// written once. A mailbox is named by its own address; correspondents never appear.
import { defineEvent } from './event.ts';

export const opsEvents = {
  mailboxState: defineEvent(
    'ops.mailboxState',
    'info',
    'Each minute for each mailbox: when it was last fetched (`unreadMs` is -1 if it never was, and absent if it does not receive), whether a person must sign it in, and when its grant ends. If not `isKnown` the store gave no answer, and only the address is right.',
    {
      mailbox: 'string',
      isKnown: 'boolean',
      unreadMs: 'number?',
      failureCount: 'number?',
      retryCount: 'number?',
      needsConsent: 'boolean',
      endsInDays: 'number?',
      detail: 'string?',
    },
  ),
  credentialState: defineEvent(
    'ops.credentialState',
    'info',
    'Each minute for a certificate or secret that the app signs in with and whose end is known.',
    { kind: 'string', endsInDays: 'number', detail: 'string' },
  ),
  queueState: defineEvent(
    'ops.queueState',
    'info',
    'Each minute for each queue that a consumer takes from: messages on it, about, and the age of the first.',
    { queue: 'string', messageCount: 'number', oldestMs: 'number' },
  ),
  maintenance: defineEvent(
    'ops.maintenance',
    'info',
    'Each minute for each mailbox, account or `installation` that an administrator has put in maintenance: the alerts leave it out. `endsInMs` is below 0 for an hour after its end.',
    { kind: 'string', name: 'string', endsInMs: 'number' },
  ),
  jobState: defineEvent(
    'ops.jobState',
    'info',
    'Each minute for each daily job (`prune`, `refresh`, `export`): how long ago it last ended well.',
    { job: 'string', sinceMs: 'number' },
  ),
  timerLate: defineEvent(
    'ops.timerLate',
    'warn',
    'A timer does not tick, and its work was run by the heartbeat instead. `lateMs` since the first tick that did not come.',
    { timer: 'string', lateMs: 'number' },
  ),
  heartbeatLost: defineEvent(
    'ops.heartbeatLost',
    'warn',
    'The heartbeat’s message had not renewed itself for `silentMs`, as after a stop of the app; a new one was put on the queue.',
    { silentMs: 'number' },
  ),
  heartbeatFailed: defineEvent(
    'ops.heartbeatFailed',
    'warn',
    'The heartbeat, or what it ran for a late timer, failed; the next message tries again.',
    { what: 'string', detail: 'string' },
  ),
  intakeState: defineEvent(
    'ops.intakeState',
    'info',
    'Each minute for each SMTP intake that reported in the last 30 days: how long ago that was, and what it said: messages that wait, the age of the first, those that the bridge refused, and why it waits. `isDrained`: it ended with nothing left. `isTwin`: two processes have the same name.',
    {
      intake: 'string',
      silentMs: 'number',
      isDrained: 'boolean',
      waitingCount: 'number',
      oldestMs: 'number',
      rejectedCount: 'number',
      damagedCount: 'number',
      isTwin: 'boolean',
      certificateDaysLeft: 'number?',
      waitingFor: 'string?',
    },
  ),
  stateFailed: defineEvent(
    'ops.stateFailed',
    'warn',
    'A state could not be read; the next sweep tries again.',
    {
      what: 'string',
      detail: 'string',
    },
  ),
};
