// Every row of the reply table, over real SMTP connections: the relay talks to a server that sends exactly the row's
// sample at one step, and what the relay reports is judged. The judgement expected is read off the row and off the
// sample by this file's own, plainer reading; so a reply that the relay loses, shortens or takes for another
// step's fails here, and so does a row that another one hides.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Judgement, RecipientJudgement } from '../../shared/outbound/policy/judgement.ts';
import { judgeFailure, judgeRecipient } from '../../shared/outbound/policy/judgeReply.ts';
import type { Phase, RelayConnection } from '../../shared/outbound/ports.ts';
import { replyTable, type ReplyRow } from '../../shared/outbound/policy/replyTable.ts';
import {
  account,
  budget,
  certificates,
  content,
  envelope,
  relayTo,
  ScriptedTokens,
  secret,
} from '../exchange/relayTools.ts';
import { startScriptedServer, type Answer, type ScriptedServer } from '../exchange/scriptedSmtpServer.ts';

/** The steps at which this server can refuse: before there is a message, and during one. */
const before = ['greeting', 'auth'] as const satisfies readonly Phase[];
const during = ['mail', 'rcpt', 'data', 'dot'] as const satisfies readonly Phase[];
type Step = (typeof before)[number] | (typeof during)[number];

let server: ScriptedServer;
/** What the server does at that step; everything else goes well. */
let trouble: { readonly at: Step; readonly answer: Answer } | undefined;

const at = (step: Step, usual: Answer): Answer => (trouble?.at === step ? trouble.answer : usual);

beforeAll(async () => {
  server = await startScriptedServer(await certificates(), {
    get greeting() {
      return at('greeting', '220 test ESMTP');
    },
    auth: () => at('auth', '235 2.7.0 Authentication successful'),
    mail: () => at('mail', '250 2.1.0 Sender OK'),
    rcpt: () => at('rcpt', '250 2.1.5 Recipient OK'),
    data: () => at('data', '354 Start mail input'),
    dot: () => at('dot', '250 2.0.0 OK <id@test.prod.outlook.com> [Hostname=test]'),
  });
});
afterAll(() => server.stop());

interface Outcome {
  readonly judged: Judgement;
  readonly phase: Phase;
  /** What the reply to RCPT meant, where the dialog came so far. */
  readonly recipient?: RecipientJudgement;
  readonly dotSent: boolean;
  /** The connection can be used again. */
  readonly usable: boolean;
  /** How often the server was logged in to. */
  readonly logins: number;
}

/** One message to one recipient, with that answer at that step. */
async function outcomeOf(step: Step, answer: Answer): Promise<Outcome> {
  trouble = { at: step, answer };
  const from = server.commands.length;
  const logins = (): number =>
    server.commands.slice(from).filter((line) => line.startsWith('AUTH XOAUTH2')).length;
  const relay = await relayTo(server.port, { tokens: new ScriptedTokens(secret) });
  const connected = await relay.connect(account, budget());
  if (connected.kind === 'failed') {
    const { failure } = connected;
    return {
      judged: judgeFailure(failure, false),
      phase: failure.phase,
      dotSent: false,
      usable: false,
      logins: logins(),
    };
  }
  const { connection } = connected;
  try {
    const result = await connection.send(envelope, content, budget());
    if (result.kind === 'accepted') throw new Error('the server took it');
    const [recipient] = result.recipients;
    return {
      judged: judgeFailure(result.failure, result.dotSent),
      phase: result.failure.phase,
      ...(recipient === undefined ? {} : { recipient: judgeRecipient(recipient.reply) }),
      dotSent: result.dotSent,
      usable: connection.usable,
      logins: logins(),
    };
  } finally {
    await endOf(connection);
  }
}

/** Without a QUIT where the session is in the middle of something. */
async function endOf(connection: RelayConnection): Promise<void> {
  if (connection.usable) await connection.close();
  else connection.destroy();
}

/** Code and enhanced status of a sample, read by splitting. */
function codesOf(sample: string): { readonly code: number; readonly enhanced?: string } {
  const [code = '', second = ''] = sample.split(' ');
  return { code: Number(code), ...(/^\d\.\d+\.\d+$/.test(second) ? { enhanced: second } : {}) };
}

/** The table's decision for a row at a step where the row applies. */
function expectedOf(row: ReplyRow, step: Step): object {
  const codes = codesOf(row.sample);
  // Before MAIL there is no message that could fail: the account is held instead.
  if (row.decision.do === 'deadLetter' && step === 'auth')
    return { do: 'configuration', scope: 'account', reason: 'signIn', ...codes };
  if (row.decision.do === 'deadLetter' && step === 'greeting')
    return { do: 'hold', scope: 'account', reason: 'unreachable', ...codes };
  return { ...row.decision, detail: row.detail, ...codes };
}

const cases = replyTable.flatMap((row) =>
  [...before, ...during].map((step) => [row.name, step, row] as const),
);
const applies = ({ phases }: ReplyRow, step: Step): boolean => phases?.includes(step) ?? true;

describe('a reply of the table', () => {
  test.each(cases.filter(([, step, row]) => applies(row, step)))('%s at %s', async (_name, step, row) => {
    const outcome = await outcomeOf(step, row.sample);
    expect(outcome.judged).toEqual(expect.objectContaining(expectedOf(row, step)));
    expect(outcome.phase).toBe(step);
    // A refusal is an answer: RFC 5321 4.2.5, the server must not deliver what it refused.
    expect(outcome.judged.do).not.toBe('inDoubt');
    expect(outcome.dotSent).toBe(step === 'dot');
    // 535 is tried once more with a renewed token, and then no more.
    expect(outcome.logins).toBeLessThanOrEqual(2);
  });

  test.each(cases.filter(([, step, row]) => step === 'rcpt' && applies(row, step)))(
    '%s to RCPT gives this outcome for the recipient',
    async (_name, _step, row) => {
      const { recipient } = await outcomeOf('rcpt', row.sample);
      // Too many connections end the session; for the recipient that is: again.
      const act = row.decision.do === 'reconnect' ? 'retry' : row.decision.do;
      expect(recipient).toEqual(
        expect.objectContaining({ do: act, detail: row.detail, ...codesOf(row.sample) }),
      );
    },
  );

  test.each(cases.filter(([, step, row]) => !applies(row, step)))(
    '%s is no such thing at %s, and is judged by another row or by its class',
    async (_name, step, row) => {
      const { judged } = await outcomeOf(step, row.sample);
      const allowed = {
        greeting: ['hold', 'configuration'],
        auth: ['configuration'],
        mail: ['configuration', 'deadLetter'],
        rcpt: ['deadLetter'],
        data: ['configuration', 'deadLetter', 'unexplained'],
        dot: ['configuration', 'deadLetter', 'unexplained'],
      } as const;
      expect(allowed[step]).toContain(judged.do);
      expect(judged.detail).not.toBe(row.detail);
    },
  );
});

describe('a reply that no row knows', () => {
  const unknown = (class_: 4 | 5): string => `${class_}57 ${class_}.9.99 An unknown reply`;
  test.each([...before, ...during])('4xx at %s is transient', async (step) => {
    const { judged } = await outcomeOf(step, unknown(4));
    expect(judged).toMatchObject({ do: 'retry', code: 457, enhanced: '4.9.99' });
  });

  test.each([
    ['greeting', { do: 'hold', scope: 'account', reason: 'unreachable' }],
    ['auth', { do: 'configuration', scope: 'account', reason: 'signIn' }],
    ['mail', { do: 'configuration', scope: 'mailbox', reason: 'configuration' }],
    ['rcpt', { do: 'deadLetter' }],
    ['data', { do: 'unexplained' }],
    ['dot', { do: 'unexplained' }],
  ] as const)('5xx at %s', async (step, expected) => {
    const { judged } = await outcomeOf(step, unknown(5));
    expect(judged).toMatchObject({ ...expected, code: 557, enhanced: '5.9.99' });
  });

  test.each(during)('of many lines, with its status on each, at %s', async (step) => {
    const lines = ['450-4.9.98 first', '450-4.9.98 second', '450 4.9.98 third'].join('\r\n');
    const outcome = await outcomeOf(step, lines);
    expect(outcome.judged).toMatchObject({ do: 'retry', code: 450, enhanced: '4.9.98' });
    expect(outcome.usable).toBe(true);
  });
});

describe('no reply', () => {
  test.each(['mail', 'rcpt', 'data'] as const)('at %s is transient: no dot was sent', async (step) => {
    const outcome = await outcomeOf(step, { do: 'cut' });
    expect(outcome).toMatchObject({
      judged: { do: 'retry', code: 0 },
      phase: step,
      dotSent: false,
      usable: false,
    });
  });

  test('after the final dot is a doubt', async () => {
    const outcome = await outcomeOf('dot', { do: 'cut' });
    expect(outcome).toMatchObject({ judged: { do: 'inDoubt', code: 0 }, phase: 'dot', dotSent: true });
  });

  test.each([
    ['no SMTP at all', 'Server Unavailable. 15'],
    ['a code that there is not', '999 9.9.9 what'],
    ['a code of success that is not the one due', '354 go on'],
  ])('after the final dot, but %s, is a doubt as well', async (_what, line) => {
    const outcome = await outcomeOf('dot', { say: line, then: 'cut' });
    expect(outcome).toMatchObject({ judged: { do: 'inDoubt' }, dotSent: true });
  });
});

describe('what goes on after a refusal', () => {
  test('421 at any step ends the connection, another refusal leaves it', async () => {
    for (const step of during) {
      expect((await outcomeOf(step, '421 4.3.2 Service not available')).usable).toBe(false);
      expect((await outcomeOf(step, '451 4.7.0 Temporary server error')).usable).toBe(true);
    }
  });

  test('a sign-in refused once more with a renewed token was tried twice, not more', async () => {
    const { logins, judged } = await outcomeOf('auth', '535 5.7.3 Authentication unsuccessful');
    expect(judged).toMatchObject({ do: 'configuration', reason: 'signIn' });
    expect(logins).toBe(2);
  });
});
