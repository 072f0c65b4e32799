// What an attempt came to, from what the dialog said: a table.
import { expect, test } from '@jest/globals';
import type { Reply } from '../../shared/mail/reply.ts';
import { judgeAttempt } from '../../shared/outbound/policy/attemptResult.ts';
import type { AttemptOutcome, AttemptResult } from '../../shared/outbound/policy/attemptResult.ts';
import type { Message } from '../../shared/outbound/records/message.ts';
import type { Phase, SendResult } from '../../shared/outbound/ports.ts';
import type { RecipientOutcome } from '../../shared/contract/statusEvent.ts';

const message: Message = {
  id: 'a',
  hash: '',
  submissionHash: '',
  mailbox: 'desk@example.com',
  lane: 1,
  content: '',
  blobs: [],
  messageId: '<a@example.com>',
  acceptedAt: 0,
  datedAt: 0,
  state: 'waiting',
  indexEntry: { kind: 'due', at: 0 },
  attempt: 1,
  recipients: [
    { address: 'done@x.example', state: 'sent' },
    { address: 'one@x.example', state: 'pending' },
    { address: 'two@x.example', state: 'deferred' },
  ],
  deferrals: 0,
  deferredMs: 0,
  sequence: 1,
  changedAt: 0,
  charged: 0,
  chargedAt: 0,
  history: [],
  bounces: [],
};

const good: Reply = { code: 250, enhanced: '2.1.5', text: 'OK' };
const later: Reply = { code: 451, enhanced: '4.7.0', text: 'Temporary server error' };
const unknown: Reply = { code: 550, enhanced: '5.1.1', text: 'User unknown' };
const quota: Reply = { code: 554, enhanced: '5.2.0', text: 'SubmissionQuotaExceededException' };
const refused: Reply = { code: 554, enhanced: '5.6.0', text: 'Corrupt message content' };
const policy: Reply = { code: 550, enhanced: '5.7.1', text: 'Not allowed' };
const crowded: Reply = { code: 432, enhanced: '4.3.2', text: 'Concurrent connections limit exceeded' };

const rcpt = (one: Reply, two: Reply): SendResult['recipients'] => [
  { address: 'one@x.example', reply: one },
  { address: 'two@x.example', reply: two },
];
const accepted = (recipients: SendResult['recipients']): AttemptResult => ({
  kind: 'accepted',
  dotSent: true,
  recipients,
  reply: good,
});
const failed = (
  phase: Phase,
  dotSent: boolean,
  reply?: Reply,
  recipients = rcpt(good, good),
): AttemptResult => ({
  kind: 'failed',
  dotSent,
  recipients,
  failure: { phase, detail: 'cut', ...(reply === undefined ? {} : { reply }) },
});

type Row = [
  string,
  AttemptResult,
  AttemptOutcome['verdict'],
  RecipientOutcome['state'],
  RecipientOutcome['state'],
  Partial<AttemptOutcome>,
];

test.each<Row>([
  ['accepted for both', accepted(rcpt(good, good)), 'accepted', 'sent', 'sent', { certain: true }],
  ['accepted, one refused for good', accepted(rcpt(good, unknown)), 'accepted', 'sent', 'failed', {}],
  ['accepted, one refused for now', accepted(rcpt(later, good)), 'accepted', 'deferred', 'sent', {}],
  ['accepted without a word on RCPT', accepted([]), 'accepted', 'sent', 'sent', {}],
  [
    'all refused for good',
    failed('rcpt', false, unknown, rcpt(unknown, unknown)),
    'deadLetter',
    'failed',
    'failed',
    {},
  ],
  [
    'all refused, one for now',
    failed('rcpt', false, unknown, rcpt(unknown, later)),
    'retry',
    'failed',
    'deferred',
    {},
  ],
  [
    'all refused for the sender’s quota',
    failed('rcpt', false, quota, rcpt(quota, quota)),
    'requeue',
    'pending',
    'deferred',
    {},
  ],
  [
    'refused for now after the dot',
    failed('dot', true, later),
    'retry',
    'deferred',
    'deferred',
    { certain: true },
  ],
  [
    'refused for good after the dot',
    failed('dot', true, refused),
    'unexplained',
    'deferred',
    'deferred',
    { certain: true, counted: { alike: '554 5.6.0' } },
  ],
  [
    'the quota after the dot: nobody is blamed',
    failed('dot', true, quota),
    'requeue',
    'pending',
    'deferred',
    { certain: true },
  ],
  [
    'too many connections',
    failed('dot', true, crowded),
    'retry',
    'deferred',
    'deferred',
    { reconnect: true },
  ],
  ['cut before the dot', failed('body', false), 'retry', 'deferred', 'deferred', { certain: true }],
  ['cut after the dot', failed('dot', true), 'inDoubt', 'inDoubt', 'inDoubt', { certain: false }],
  [
    'cut after the dot, one refused before',
    failed('dot', true, undefined, rcpt(good, unknown)),
    'inDoubt',
    'inDoubt',
    'failed',
    { certain: false },
  ],
  [
    'no answer from the connection',
    { kind: 'noAnswer', detail: 'silence' },
    'inDoubt',
    'inDoubt',
    'inDoubt',
    { certain: false },
  ],
  [
    'all refused by policy: nobody knows yet whose fault it is',
    failed('rcpt', false, policy, rcpt(policy, policy)),
    'unexplained',
    'deferred',
    'deferred',
    { counted: { alike: '550 5.7.1', recipient: 'one@x.example' } },
  ],
  [
    'accepted, one refused by policy: the recipient’s fault',
    accepted(rcpt(good, policy)),
    'accepted',
    'sent',
    'failed',
    {},
  ],
  [
    'never given to a connection',
    { kind: 'notStarted' },
    'requeue',
    'pending',
    'deferred',
    { certain: true },
  ],
])('%s', (_what, landing, verdict, one, two, more) => {
  const end = judgeAttempt(message, 2, landing);
  expect(end).toMatchObject({ verdict, ...more });
  expect(end.recipients.map(({ state }) => state)).toEqual(['sent', one, two]);
});

test('the server’s own words stand beside ours', () => {
  const { recipients } = judgeAttempt(message, 2, failed('rcpt', false, unknown, rcpt(unknown, unknown)));
  expect(recipients[1]).toMatchObject({ code: 550, attempt: 2 });
  expect(recipients[1]?.detail).toContain('User unknown');
});
