// What an attempt came to, in every part: who is told what, what is asked of the next one, and whether it counts against
// anybody; and the texts of judgements, which people read.
import { describe, expect, test } from '@jest/globals';
import type { RecipientOutcome } from '../../../shared/contract/statusEvent.ts';
import type { Reply } from '../../../shared/mail/reply.ts';
import {
  judgeAttempt,
  refusedAtRcpt,
  type AttemptResult,
} from '../../../shared/outbound/policy/attemptResult.ts';
import { judgeFailure, judgeRecipient, rowFor } from '../../../shared/outbound/policy/judgeReply.ts';
import { replyTable } from '../../../shared/outbound/policy/replyTable.ts';
import type { Phase, SendResult } from '../../../shared/outbound/ports.ts';
import type { Message } from '../../../shared/outbound/records/message.ts';
import { aMessage } from '../aMessage.ts';

const one = 'one@x.example';
const two = 'two@x.example';
const message = aMessage();
const ok: Reply = { code: 250, enhanced: '2.1.5', text: 'OK' };
const later: Reply = { code: 451, text: 'Later.' };
const unknown: Reply = { code: 550, enhanced: '5.1.1', text: 'No such user.' };
const session: Reply = { code: 550, enhanced: '5.7.99', text: 'Not here.' };
const quota: Reply = { code: 554, enhanced: '5.2.0', text: 'SubmissionQuotaExceededException' };
const crowded: Reply = { code: 432, enhanced: '4.3.2', text: 'Concurrent connections limit exceeded' };

const rcpt = (first: Reply, second: Reply): SendResult['recipients'] => [
  { address: one, reply: first },
  { address: two, reply: second },
];
const failed = (
  phase: Phase,
  reply: Reply | undefined,
  recipients: SendResult['recipients'] = [],
  dotSent = phase === 'dot',
): AttemptResult => ({
  kind: 'failed',
  dotSent,
  recipients,
  failure: { phase, detail: 'cut.', ...(reply === undefined ? {} : { reply }) },
});
const accepted = (recipients: SendResult['recipients'] = [], serverMessageId?: string): AttemptResult => ({
  kind: 'accepted',
  dotSent: true,
  recipients,
  reply: { code: 250, text: 'Queued.' },
  ...(serverMessageId === undefined ? {} : { serverMessageId }),
});
const judge = (result: AttemptResult, of: Message = message) => judgeAttempt(of, 7, result);

describe('an attempt', () => {
  test('that was given up before anything was sent leaves everything as it was', () => {
    expect(judge({ kind: 'notStarted' })).toEqual({
      verdict: 'requeue',
      why: { code: 0, detail: 'The attempt was given up before anything was sent.' },
      recipients: message.recipients,
      reconnect: false,
      certain: true,
    });
  });

  test('that nobody saw end is in doubt, but for those whose refusal was noted', () => {
    const noted: RecipientOutcome = {
      address: two,
      state: 'deferred',
      attempt: 7,
      code: 450,
      detail: 'Noted.',
    };
    const earlier: RecipientOutcome = { address: 'three@x.example', state: 'deferred', attempt: 6 };
    const recipients: readonly RecipientOutcome[] = [{ address: one, state: 'pending' }, noted, earlier];
    expect(judge({ kind: 'noAnswer', detail: 'silence.' }, aMessage({ recipients }))).toEqual({
      verdict: 'inDoubt',
      why: { code: 0, detail: 'silence.' },
      recipients: [
        { address: one, state: 'inDoubt', attempt: 7, detail: 'silence.' },
        noted,
        { address: 'three@x.example', state: 'inDoubt', attempt: 7, detail: 'silence.' },
      ],
      reconnect: false,
      certain: false,
    });
  });

  test('that was accepted says the server’s words and id, to those without a reply of their own too', () => {
    expect(judge(accepted([{ address: one, reply: ok }], '<s@x>'))).toEqual({
      verdict: 'accepted',
      why: { code: 250, detail: 'Queued.' },
      recipients: [one, two].map((address) => ({
        address,
        state: 'sent',
        attempt: 7,
        code: 250,
        detail: 'Queued.',
      })),
      reply: { code: 250, text: 'Queued.' },
      serverMessageId: '<s@x>',
      reconnect: false,
      certain: true,
    });
    expect(judge(accepted())).not.toHaveProperty('serverMessageId');
  });

  test('whoever may have it already is remembered until it is sent', () => {
    const recipients: readonly RecipientOutcome[] = [
      { address: one, state: 'pending', maybeSent: true },
      { address: two, state: 'pending', maybeSent: true },
    ];
    const [first, second] = judge(accepted(rcpt(ok, unknown)), aMessage({ recipients })).recipients;
    expect(first).not.toHaveProperty('maybeSent');
    expect(second).toMatchObject({ state: 'failed', maybeSent: true });
    expect(judge(accepted(rcpt(ok, unknown))).recipients[1]).not.toHaveProperty('maybeSent');
  });

  test.each<[string, Reply, string, object]>([
    ['for good', unknown, 'failed', { code: 550, enhanced: '5.1.1' }],
    ['for now', later, 'deferred', { code: 451 }],
    ['by a policy that may be about us', session, 'failed', { code: 550, enhanced: '5.7.99' }],
    ['by a hold', quota, 'deferred', { code: 554, enhanced: '5.2.0' }],
  ])('accepted, with one recipient refused %s', (_what, reply, state, said) => {
    const { recipients, verdict, hold } = judge(accepted(rcpt(ok, reply)));
    expect(verdict).toBe('accepted');
    expect(recipients[1]).toMatchObject({ address: two, state, attempt: 7, ...said });
    expect(recipients[1]?.detail).toContain(reply.text);
    expect(hold?.reason).toBe(reply === quota ? 'quota' : undefined);
  });

  test('refused for now after the dot: deferred with the reply, and counted as trouble of the server', () => {
    const end = judge(failed('dot', later));
    expect(end).toMatchObject({
      verdict: 'retry',
      reply: later,
      reconnect: false,
      certain: true,
      counted: { alike: 'transient' },
    });
    expect(end.counted).not.toHaveProperty('recipient');
    expect(end.recipients).toMatchObject([
      { state: 'deferred', attempt: 7, code: 451 },
      { state: 'deferred', attempt: 7, code: 451 },
    ]);
    expect(end).not.toHaveProperty('minDelayMs');
    expect(end).not.toHaveProperty('hold');
  });

  test('cut without a reply has no reply and no code', () => {
    const end = judge(failed('data', undefined));
    expect(end).toMatchObject({ verdict: 'retry', why: { detail: 'cut.', code: 0 } });
    expect(end).not.toHaveProperty('reply');
    expect(end.recipients[0]).not.toHaveProperty('code');
    expect(end.recipients[0]).not.toHaveProperty('enhanced');
    const doubt = judge(failed('dot', undefined, rcpt(ok, unknown)));
    expect(doubt).toMatchObject({ verdict: 'inDoubt', certain: false, reconnect: false });
    expect(doubt.recipients.map(({ state }) => state)).toEqual(['inDoubt', 'failed']);
  });

  test('refused for good after the dot: not known by whose fault, counted by code and status', () => {
    expect(judge(failed('dot', { code: 550, text: 'No.' }))).toMatchObject({
      verdict: 'unexplained',
      counted: { alike: '550' },
    });
    expect(judge(failed('dot', { code: 550, enhanced: '5.9.9', text: 'No.' }))).toMatchObject({
      counted: { alike: '550 5.9.9' },
    });
    expect(judge(failed('dot', { code: 500, text: 'No.' })).counted).toEqual({ alike: '500' });
  });

  test('refused as too large: a dead letter for all whom the server had not refused', () => {
    const tooLarge = { code: 552, enhanced: '5.3.4', text: 'Message size exceeds fixed limit' };
    const end = judge(failed('dot', tooLarge, rcpt(ok, later)));
    expect(end).toMatchObject({ verdict: 'deadLetter', reply: tooLarge, certain: true });
    expect(end).not.toHaveProperty('counted');
    expect(end.recipients.map(({ state }) => state)).toEqual(['failed', 'deferred']);
  });

  test('refused with a setting that is wrong: nobody is blamed, the hold is given', () => {
    const notAllowed = {
      code: 550,
      enhanced: '5.7.60',
      text: 'Client does not have permissions to send as this sender',
    };
    for (const [reply, act] of [
      [quota, 'hold'],
      [notAllowed, 'configuration'],
    ] as const) {
      const end = judge(failed('mail', reply));
      expect(end).toMatchObject({ verdict: 'requeue', hold: { do: act }, recipients: message.recipients });
      expect(end).not.toHaveProperty('counted');
    }
  });

  test('too many connections: deferred, with one fewer', () => {
    expect(judge(failed('mail', crowded))).toMatchObject({ verdict: 'retry', reconnect: true });
    expect(judge(failed('mail', crowded))).not.toHaveProperty('counted');
    expect(judge(failed('mail', later)).reconnect).toBe(false);
  });

  test('a failure that a table row says is about one recipient stops nobody else', () => {
    const row = replyTable.find(({ decision }) => decision.do === 'retry' && decision.about === 'recipient');
    const [, code = '', enhanced = '', text = ''] =
      /^(\d{3}) (?:(\d\.\d+\.\d+) )?(.*)$/.exec(row?.sample ?? '') ?? [];
    const reply: Reply = { code: Number(code), ...(enhanced === '' ? {} : { enhanced }), text };
    expect(judge(failed('dot', reply))).toMatchObject({ verdict: 'retry' });
    expect(judge(failed('dot', reply))).not.toHaveProperty('counted');
    expect(judge(failed('rcpt', reply, rcpt(reply, reply)))).not.toHaveProperty('counted');
  });

  test('a failure at RCPT counts only if it is about the session, or no reply came', () => {
    expect(judge(failed('rcpt', later)).counted).toBeUndefined();
    expect(judge(failed('rcpt', { code: 421, text: 'Bye.' })).counted).toEqual({ alike: 'transient' });
    expect(judge(failed('rcpt', undefined)).counted).toEqual({ alike: 'transient' });
    expect(judge(failed('rcpt', session, [{ address: one, reply: ok }])).counted).toEqual({
      alike: '550 5.7.99',
    });
  });

  test('the longest delay that was asked for counts, of recipients and message', () => {
    const asks = replyTable.flatMap(({ sample, decision, phases, name }) => {
      if (decision.do !== 'retry' || decision.minDelayMs === undefined) return [];
      const [, code = '', enhanced = '', text = ''] = /^(\d{3}) (?:(\d\.\d+\.\d+) )?(.*)$/.exec(sample) ?? [];
      const reply: Reply = { code: Number(code), ...(enhanced === '' ? {} : { enhanced }), text };
      const isRcpt = phases === undefined || phases.includes('rcpt');
      return isRcpt && rowFor(reply, 'rcpt')?.name === name ? [{ reply, ms: decision.minDelayMs }] : [];
    });
    asks.sort((first, second) => first.ms - second.ms);
    const [least, most] = [asks[0], asks.at(-1)];
    if (least === undefined || most === undefined) throw new Error('no row of the table asks for a delay');
    expect(judge(accepted(rcpt(most.reply, ok))).minDelayMs).toBe(most.ms);
    expect(judge(accepted(rcpt(least.reply, most.reply))).minDelayMs).toBe(most.ms);
    expect(judge(accepted(rcpt(most.reply, least.reply))).minDelayMs).toBe(most.ms);
    expect(judge(accepted(rcpt(ok, later)))).not.toHaveProperty('minDelayMs');
    expect(judge(failed('rcpt', most.reply, [{ address: one, reply: ok }])).minDelayMs).toBe(most.ms);
  });
});

describe('refused recipient by recipient', () => {
  test.each<[string, Reply, Reply, string, string, object | undefined]>([
    ['one for now: tried again, and its words are told', unknown, later, 'retry', 'Later.', undefined],
    ['all for good', unknown, unknown, 'deadLetter', 'No such user.', undefined],
    [
      'one by a policy that may be about us',
      unknown,
      session,
      'unexplained',
      'Not here.',
      { alike: '550 5.7.99', recipient: two },
    ],
    [
      'for now by the session',
      { code: 451, enhanced: '4.7.99', text: 'Session.' },
      later,
      'retry',
      'Session.',
      { alike: 'transient', recipient: one },
    ],
    ['by the quota: nobody is blamed', quota, quota, 'requeue', 'SubmissionQuota', undefined],
    ['by the quota and for good', unknown, quota, 'requeue', 'No such user.', undefined],
    ['for now and by the quota', later, quota, 'retry', 'Later.', undefined],
  ])('%s', (_what, first, second, verdict, words, counted) => {
    const end = judge(failed('rcpt', second, rcpt(first, second)));
    expect(end.verdict).toBe(verdict);
    expect(end.why.detail).toContain(words);
    expect(end.counted).toEqual(counted);
    expect(Object.hasOwn(end, 'counted')).toBe(counted !== undefined);
    expect(end.recipients.map(({ code }) => code)).toEqual([first.code, second.code]);
  });

  test('recipients that have it already don’t count among those refused', () => {
    const recipients: readonly RecipientOutcome[] = [
      { address: one, state: 'sent', attempt: 1 },
      { address: two, state: 'pending' },
    ];
    const end = judge(failed('rcpt', unknown, [{ address: two, reply: unknown }]), aMessage({ recipients }));
    expect(end.verdict).toBe('deadLetter');
    expect(end.recipients[0]).toEqual(recipients[0]);
    const done = aMessage({ recipients: [{ address: one, state: 'sent', attempt: 1 }] });
    expect(judge(failed('data', later), done).verdict).toBe('retry');
  });

  test('the refusals of a dialog that goes on are noted, and nothing of the others', () => {
    expect(refusedAtRcpt(message, 7, rcpt(ok, unknown))).toEqual([
      { address: one, state: 'pending' },
      expect.objectContaining({ address: two, state: 'failed', attempt: 7, code: 550 }),
    ]);
    expect(refusedAtRcpt(message, 7, [])).toEqual(message.recipients);
  });
});

test('the server’s words stand beside ours once, both bounded', () => {
  const long = { code: 550, enhanced: '5.1.1', text: 'w'.repeat(1_000) };
  const detail = judge(accepted(rcpt(ok, long))).recipients[1]?.detail ?? '';
  expect(detail).toMatch(/The server said: w{300}$/);
  expect(detail.length).toBeLessThanOrEqual(600);
  const cut: AttemptResult = { kind: 'noAnswer', detail: 'd'.repeat(1_000) };
  expect(judge(cut).recipients[0]?.detail).toBe('d'.repeat(600));
  const token: AttemptResult = {
    kind: 'failed',
    dotSent: false,
    recipients: [],
    failure: { phase: 'dot', detail: 'x', reply: { code: 250, text: 'x' } },
  };
  expect(judge(token).why.detail).toBe('x');
  const wordy: AttemptResult = {
    kind: 'failed',
    dotSent: false,
    recipients: [],
    failure: { phase: 'data', detail: 'd'.repeat(400), reply: { code: 250, text: 'x' } },
  };
  expect(judge(wordy).why.detail).toBe(`${'d'.repeat(300)} The server said: x`);
});

describe('what a reply to RCPT means', () => {
  test.each([
    [200, 'accepted'],
    [250, 'accepted'],
    [299, 'accepted'],
    [199, 'retry'],
    [300, 'retry'],
    [354, 'retry'],
    [600, 'retry'],
  ])('%i: %s', (code, act) => {
    expect(judgeRecipient({ code, text: 'x' }).do).toBe(act);
  });

  test('in words', () => {
    expect(judgeRecipient(ok)).toEqual({ do: 'accepted', detail: 'Accepted.', code: 250, enhanced: '2.1.5' });
    expect(judgeRecipient({ code: 300, text: 'x' })).toMatchObject({
      do: 'retry',
      detail: 'The server gave no usable reply to RCPT.',
    });
    expect(judgeRecipient(crowded).do).toBe('retry');
  });

  test.each([
    [{ code: 550, enhanced: '5.5.0' }, 'unexplained'],
    [{ code: 550, enhanced: '5.7.0' }, 'unexplained'],
    [{ code: 550, enhanced: '5.1.5' }, 'deadLetter'],
    [{ code: 550, enhanced: '15.7.0' }, 'deadLetter'],
    [{ code: 550, enhanced: '2.5.0' }, 'deadLetter'],
    [{ code: 550, enhanced: '5.57.0' }, 'deadLetter'],
    [{ code: 550 }, 'deadLetter'],
    [{ code: 500 }, 'unexplained'],
    [{ code: 501 }, 'unexplained'],
    [{ code: 502 }, 'unexplained'],
    [{ code: 503 }, 'unexplained'],
    [{ code: 504 }, 'unexplained'],
    [{ code: 521 }, 'unexplained'],
    [{ code: 555 }, 'unexplained'],
  ])('%j is the recipient’s fault or not: %s', (reply, act) => {
    expect(judgeRecipient({ ...reply, text: 'Odd words.' }).do).toBe(act);
  });
});

describe('what people read of a judgement', () => {
  const odd = (code: number): Reply => ({ code, text: 'Odd words.' });
  const said = (phase: Phase, code: number): object =>
    judgeFailure({ phase, reply: odd(code), detail: 'd' }, false);

  test('of replies that no row knows', () => {
    expect(said('data', 450)).toEqual({ do: 'retry', detail: 'The server refused for now.', code: 450 });
    expect(said('mail', 550)).toEqual({
      do: 'configuration',
      scope: 'mailbox',
      reason: 'configuration',
      firstProbeMs: 900_000,
      detail: 'The server refuses this mailbox as a sender.',
      remedy: "Run the doctor for the mailbox; it names the step that fails and shows the server's words.",
      code: 550,
    });
    expect(said('data', 550)).toEqual({
      do: 'unexplained',
      detail: 'The server refuses the message.',
      code: 550,
    });
    expect(said('rcpt', 550)).toEqual({
      do: 'deadLetter',
      detail: 'The server refuses the recipient.',
      code: 550,
    });
    expect(said('auth', 550)).toEqual({
      do: 'configuration',
      scope: 'account',
      reason: 'signIn',
      firstProbeMs: 300_000,
      detail: 'The server refuses the sign-in.',
      remedy: 'Run the doctor for the mailbox; it names the step that fails and the likeliest causes.',
      code: 550,
    });
    expect(said('greeting', 554)).toEqual({
      do: 'hold',
      scope: 'account',
      reason: 'unreachable',
      firstProbeMs: 60_000,
      detail: 'The server does not serve this connection.',
      remedy: 'Check SMTP_SERVER (smtp.office365.com:587) and the Microsoft 365 service health.',
      code: 554,
    });
  });

  test.each([
    ['unavailable', 'hold', 'noToken', 60_000, 'Nothing need be done: it is tried again by itself.'],
    ['needsConsent', 'configuration', 'consent', 900_000, 'Connect the mailbox again on the administrator'],
    ['configuration', 'configuration', 'signIn', 900_000, 'Correct the setting or the app registration'],
  ] as const)('of a token that is %s', (token, act, reason, firstProbeMs, remedy) => {
    expect(judgeFailure({ phase: 'token', detail: 'why', token }, false)).toEqual({
      do: act,
      scope: 'account',
      reason,
      firstProbeMs,
      detail: 'why',
      code: 0,
      remedy: expect.stringContaining(remedy),
    });
  });

  test.each(replyTable.map((row) => [row.name, row] as const))(
    'row %s says what happened and what can be done',
    (_name, row) => {
      expect(row.name).toMatch(/^[a-z][A-Za-z0-9]+$/);
      expect(row.sample).toMatch(/^[45]\d\d /);
      expect(row.detail).toMatch(/^[A-Z].{10,}[^.]\.$/);
      if ('scope' in row.decision) {
        expect(row.decision.remedy).toMatch(/^[A-Z].{15,}\.$/);
        expect(row.decision.firstProbeMs).toBeGreaterThanOrEqual(60_000);
        expect(row.decision.firstProbeMs).toBeLessThanOrEqual(900_000);
      }
      if (row.decision.do === 'retry' && row.decision.minDelayMs !== undefined) {
        expect(row.decision.minDelayMs).toBeGreaterThanOrEqual(60_000);
        expect(row.decision.minDelayMs).toBeLessThanOrEqual(900_000);
      }
    },
  );
});
