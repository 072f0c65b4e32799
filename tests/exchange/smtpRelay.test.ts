import { afterEach, describe, expect, test } from '@jest/globals';
import { systemClock } from '../../shared/clock.ts';
import type { Phase, Sender } from '../../shared/outbound/ports.ts';
import {
  ScriptedTokens,
  account,
  budget,
  certificates,
  connected,
  content,
  envelope,
  relayTo,
  secret,
} from './relayTools.ts';
import { startScriptedServer, type Answer, type Script, type ScriptedServer } from './scriptedSmtpServer.ts';

const servers: ScriptedServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

async function start(script: Script = {}): Promise<ScriptedServer> {
  const server = await startScriptedServer(await certificates(), script);
  servers.push(server);
  return server;
}

const secureEhlo =
  (...lines: readonly string[]) =>
  (secure: boolean): Answer =>
    secure
      ? ['250-test', ...lines.map((line) => `250-${line}`), '250 AUTH LOGIN XOAUTH2'].join('\r\n')
      : '250-test\r\n250 STARTTLS';
const cut: Answer = { do: 'cut' };
const hang: Answer = { do: 'hang' };

describe('a message', () => {
  test('goes out as it is, on a connection that stays open', async () => {
    const server = await start();
    const connection = await connected(server.port);
    for (let count = 1; count <= 3; count += 1) {
      const result = await connection.send(envelope, content, budget());
      expect(result).toEqual({
        kind: 'accepted',
        dotSent: true,
        recipients: [
          { address: 'user@example.net', reply: { code: 250, enhanced: '2.1.5', text: 'Recipient OK' } },
        ],
        reply: {
          code: 250,
          enhanced: '2.0.0',
          text: 'OK <server-id@test.prod.outlook.com> [Hostname=test]',
        },
        serverMessageId: '<server-id@test.prod.outlook.com>',
      });
    }
    expect(server.messages.map(String)).toEqual(Array(3).fill(`${content.toString()}.\r\n`));
    expect(server.connections().opened).toBe(1);
    await connection.close();
    expect(connection.usable).toBe(false);
    expect(server.commands.map((line) => line.split(' ')[0])).toEqual([
      ...['EHLO', 'STARTTLS', 'EHLO', 'AUTH'],
      ...['MAIL', 'RCPT', 'DATA', 'MAIL', 'RCPT', 'DATA', 'MAIL', 'RCPT', 'DATA'],
      'QUIT',
    ]);
    expect(server.commands).toContain(`MAIL FROM:<desk@example.com> SIZE=${content.length}`);
  });

  test('of 12 MB arrives byte for byte', async () => {
    const server = await start({ ehlo: secureEhlo('PIPELINING', '8BITMIME', 'SIZE 100000000') });
    const line = `${'x'.repeat(70)}.ö\r\n`;
    const large = Buffer.from(`Subject: large\r\n\r\n${line.repeat(170_000)}`);
    const connection = await connected(server.port);
    const result = await connection.send(envelope, large, budget());
    expect(result.kind).toBe('accepted');
    expect(server.messages[0]?.length).toBe(large.length + 3);
    expect(Buffer.compare(server.messages[0]?.subarray(0, -3) ?? Buffer.alloc(0), large)).toBe(0);
    expect(server.commands.find((command) => command.startsWith('MAIL'))).toContain('BODY=8BITMIME');
    await connection.close();
  });

  test('has the null reverse-path where the envelope says so', async () => {
    const server = await start();
    const connection = await connected(server.port);
    expect((await connection.send({ ...envelope, from: '' }, content, budget())).kind).toBe('accepted');
    expect(server.commands).toContain(`MAIL FROM:<> SIZE=${content.length}`);
    connection.destroy();
  });

  test.each([
    ['an injected command', { from: 'desk@example.com', to: ['a@example.net>\r\nRCPT TO:<e@evil.test'] }],
    ['a list', { from: 'desk@example.com', to: ['a@example.net, b@example.net'] }],
    ['a parameter', { from: 'desk@example.com', to: ['a@example.net NOTIFY=NEVER'] }],
    ['brackets', { from: '<desk@example.com>', to: ['a@example.net'] }],
    ['nobody', { from: 'desk@example.com', to: [] }],
  ])('with %s in its envelope is a mistake, and nothing is said', async (_name, wrong) => {
    const server = await start();
    const connection = await connected(server.port);
    const before = server.commands.length;
    await expect(connection.send(wrong, content, budget())).rejects.toThrow('envelope');
    await expect(connection.probe(wrong, budget())).rejects.toThrow('envelope');
    expect(server.commands).toHaveLength(before);
    connection.destroy();
  });
});

describe.each([
  ['one command at a time', []],
  ['with PIPELINING', ['PIPELINING']],
])('the seven places where a connection can be cut, %s', (_name, extensions) => {
  const big = Buffer.from(`Subject: big\r\n\r\n${'x'.repeat(76)}\r\n`.repeat(60_000));
  const places: readonly (readonly [string, Script, Phase, boolean])[] = [
    ['connect', { greeting: cut }, 'greeting', false],
    ['EHLO', { ehlo: () => cut }, 'greeting', false],
    ['MAIL', { mail: () => cut }, 'mail', false],
    ['RCPT', { rcpt: () => cut }, 'rcpt', false],
    ['DATA', { data: () => cut }, 'data', false],
    ['the body', { cutBodyAt: 100_000 }, 'body', false],
    ['after the dot', { dot: () => cut }, 'dot', true],
  ];
  test.each(places)('%s', async (_place, script, phase, dotSent) => {
    const server = await start({ ehlo: secureEhlo(...extensions), ...script });
    const relay = await relayTo(server.port);
    const answer = await relay.connect(account, budget());
    if (answer.kind === 'failed') {
      expect([answer.failure.phase, dotSent]).toEqual([phase, false]);
      return;
    }
    const result = await answer.connection.send(envelope, big, budget());
    expect(result).toMatchObject({ kind: 'failed', dotSent, failure: { phase } });
    expect(answer.connection.usable).toBe(false);
    expect(server.messages).toHaveLength(dotSent ? 1 : 0);
  });

  // Hanging instead of cutting must give the same note, when the budget ends.
  test.each(places.slice(2))(
    '%s, hanging until the budget is over',
    async (place, script, phase, dotSent) => {
      if (place === 'the body') return;
      const hanging = Object.fromEntries(Object.keys(script).map((step) => [step, () => hang]));
      const server = await start({ ehlo: secureEhlo(...extensions), ...hanging });
      const connection = await connected(server.port);
      const limit = budget(300);
      const result = await connection.send(envelope, content, limit);
      expect(limit.remainingMs()).toBeLessThanOrEqual(0);
      expect(result).toMatchObject({
        kind: 'failed',
        dotSent,
        failure: { phase, detail: expect.stringContaining('the time for this attempt is over') },
      });
      expect(connection.usable).toBe(false);
    },
  );
});

describe('time', () => {
  test('a budget that is over before MAIL costs nothing, and the connection stays', async () => {
    const server = await start();
    const connection = await connected(server.port);
    const before = server.commands.length;
    expect(await connection.send(envelope, content, budget(0))).toMatchObject({
      kind: 'failed',
      dotSent: false,
      failure: { phase: 'mail' },
    });
    expect(server.commands).toHaveLength(before);
    expect(connection.usable).toBe(true);
    expect((await connection.send(envelope, content, budget())).kind).toBe('accepted');
    connection.destroy();
  });

  test('it is asked at every chunk: over in the middle, no dot and no socket', async () => {
    const server = await start({ ehlo: secureEhlo('SIZE 100000000') });
    const connection = await connected(server.port);
    let asked = 0;
    const large = Buffer.from(`Subject: x\r\n\r\n${'y'.repeat(998)}\r\n`.repeat(4_000));
    // Positive for a while, then over: storage's time has jumped.
    const jumping = { ...budget(), remainingMs: () => ((asked += 1) > 20 ? -1 : 60_000) };
    expect(await connection.send(envelope, large, jumping)).toMatchObject({
      kind: 'failed',
      dotSent: false,
      failure: { phase: 'body' },
    });
    expect(connection.usable).toBe(false);
    expect(server.messages).toHaveLength(0);
  });

  test('a reply that comes late, within the budget, counts', async () => {
    const server = await start({ dot: () => hang });
    const connection = await connected(server.port);
    const sending = connection.send(envelope, content, budget());
    while (server.messages.length === 0) await systemClock.sleep(10);
    server.say('250 2.0.0 OK <late@test.prod.outlook.com>');
    expect(await sending).toMatchObject({
      kind: 'accepted',
      serverMessageId: '<late@test.prod.outlook.com>',
    });
    connection.destroy();
  });

  test('no time to connect, and a server that never greets', async () => {
    const server = await start({ greeting: hang });
    const relay = await relayTo(server.port);
    expect(await relay.connect(account, budget(0))).toMatchObject({
      kind: 'failed',
      failure: { phase: 'connect' },
    });
    expect(server.connections().opened).toBe(0);
    expect(await relay.connect(account, budget(200))).toMatchObject({
      kind: 'failed',
      failure: { phase: 'greeting' },
    });
  });
});

describe('refusals', () => {
  test('some recipients: the message goes to the others, each reply is told', async () => {
    for (const extensions of [[], ['PIPELINING']]) {
      const server = await start({
        ehlo: secureEhlo(...extensions),
        rcpt: (line) =>
          line.includes('gone')
            ? '550-5.1.10 No such\r\n550 5.1.10 recipient'
            : line.includes('full')
              ? '452 4.2.2 Full'
              : '250 2.1.5 OK',
      });
      const connection = await connected(server.port);
      const to = ['gone@example.net', 'a@example.net', 'full@example.net', 'b@example.net'];
      const result = await connection.send({ ...envelope, to }, content, budget());
      expect(result).toMatchObject({ kind: 'accepted', dotSent: true });
      expect(result.recipients.map(({ address, reply }) => [address, reply.code, reply.enhanced])).toEqual([
        ['gone@example.net', 550, '5.1.10'],
        ['a@example.net', 250, '2.1.5'],
        ['full@example.net', 452, '4.2.2'],
        ['b@example.net', 250, '2.1.5'],
      ]);
      connection.destroy();
    }
  });

  test('who was refused is written down before any of the content goes; if it is not, none of it does', async () => {
    for (const extensions of [[], ['PIPELINING']]) {
      for (const noted of [true, false]) {
        const server = await start({
          ehlo: secureEhlo(...extensions),
          rcpt: (line) => (line.includes('gone') ? '550 5.1.1 Gone' : '250 2.1.5 OK'),
        });
        const connection = await connected(server.port);
        const asked: unknown[] = [];
        const recordRefusals: Sender['recordRefusals'] = async (recipients) => {
          asked.push(recipients.map(({ address, reply }) => `${address} ${String(reply.code)}`));
          // Long enough for the content to arrive, were it on its way.
          await systemClock.sleep(50);
          asked.push(server.messages.length);
          return noted;
        };
        const sender = { ...budget(), recordRefusals };
        const to = ['gone@example.net', 'a@example.net'];
        const result = await connection.send({ ...envelope, to }, content, sender);
        expect(asked).toEqual([['gone@example.net 550', 'a@example.net 250'], 0]);
        expect(server.messages).toHaveLength(noted ? 1 : 0);
        expect(connection.usable).toBe(noted);
        expect(result).toMatchObject(
          noted ? { kind: 'accepted' } : { kind: 'failed', dotSent: false, failure: { phase: 'data' } },
        );
        expect(result.recipients.map(({ reply }) => reply.code)).toEqual([550, 250]);
        // Nobody is asked where nobody was refused, or everybody.
        const again = noted ? connection : await connected(server.port);
        for (const one of to) await again.send({ ...envelope, to: [one] }, content, sender);
        expect(asked).toHaveLength(2);
        again.destroy();
      }
    }
  });

  test('all recipients: no message, and the connection goes on after RSET', async () => {
    for (const extensions of [[], ['PIPELINING']]) {
      const server = await start({
        ehlo: secureEhlo(...extensions),
        rcpt: (line) =>
          line.includes('ok@') ? '250 OK' : line.includes('full') ? '452 4.2.2 Full' : '550 5.1.1 Gone',
      });
      const connection = await connected(server.port);
      const to = ['full@example.net', 'gone@example.net'];
      const result = await connection.send({ ...envelope, to }, content, budget());
      expect(result).toMatchObject({
        kind: 'failed',
        dotSent: false,
        failure: { phase: 'rcpt', reply: { code: 452, enhanced: '4.2.2' } },
      });
      expect(result.recipients.map(({ reply }) => reply.code)).toEqual([452, 550]);
      expect(server.commands.at(-1)).toBe('RSET');
      expect(connection.usable).toBe(true);
      expect((await connection.send({ ...envelope, to: ['ok@example.net'] }, content, budget())).kind).toBe(
        'accepted',
      );
      connection.destroy();
    }
  });

  const steps: readonly (readonly [string, Script, Phase, boolean])[] = [
    ['MAIL', { mail: (_, n) => (n === 1 ? '451 4.7.0 Temporary server error' : '250 OK') }, 'mail', false],
    [
      'DATA',
      { data: (n) => (n === 1 ? '432 4.3.2 Concurrent connections limit exceeded' : '354 Go') },
      'data',
      false,
    ],
    [
      'the dot',
      { dot: (n) => (n === 1 ? '554 5.2.0 STOREDRV.Submission.Exception' : '250 OK') },
      'dot',
      true,
    ],
  ];
  test.each(steps)(
    'of %s: its reply is told and the connection goes on',
    async (_name, script, phase, dotSent) => {
      for (const extensions of [[], ['PIPELINING']]) {
        const server = await start({ ehlo: secureEhlo(...extensions), ...script });
        const connection = await connected(server.port);
        const result = await connection.send(envelope, content, budget());
        expect(result).toMatchObject({ kind: 'failed', dotSent, failure: { phase, reply: {} } });
        if (phase !== 'mail' || extensions.length === 0) {
          expect(connection.usable).toBe(true);
          expect((await connection.send(envelope, content, budget())).kind).toBe('accepted');
        }
        connection.destroy();
      }
    },
  );

  test.each(steps.map(([name, , phase, dotSent]) => [name, phase, dotSent] as const))(
    '421 to %s: the connection is gone',
    async (_name, phase, dotSent) => {
      const step = phase === 'mail' ? 'mail' : phase === 'data' ? 'data' : 'dot';
      const server = await start({ [step]: () => '421 4.3.2 Service not active' });
      const connection = await connected(server.port);
      expect(await connection.send(envelope, content, budget())).toMatchObject({
        kind: 'failed',
        dotSent,
        failure: { phase, reply: { code: 421, enhanced: '4.3.2' } },
      });
      expect(connection.usable).toBe(false);
    },
  );

  test('a server that refuses the sender and takes DATA all the same gets no message', async () => {
    const server = await start({
      ehlo: secureEhlo('PIPELINING'),
      mail: () => '550 5.7.60 Denied',
      data: () => '354 Go',
    });
    const connection = await connected(server.port);
    expect(await connection.send(envelope, content, budget())).toEqual({
      kind: 'failed',
      dotSent: false,
      recipients: [],
      failure: {
        phase: 'mail',
        detail: 'While waiting for the reply to MAIL: it was refused.',
        reply: { code: 550, enhanced: '5.7.60', text: 'Denied' },
      },
    });
    expect(connection.usable).toBe(false);
    expect(server.messages).toHaveLength(0);
  });

  test('MAIL refused because the session is not authenticated any more: a new connection is needed', async () => {
    for (const reply of ['530 5.7.57 Client not authenticated to send mail', '535 5.7.3 Token expired']) {
      const server = await start({ mail: () => reply });
      const connection = await connected(server.port);
      const result = await connection.send(envelope, content, budget());
      expect(result).toMatchObject({ kind: 'failed', dotSent: false, failure: { phase: 'mail' } });
      expect(connection.usable).toBe(false);
    }
  });

  test("more than the server's SIZE is refused before MAIL, to the byte", async () => {
    const server = await start({ ehlo: secureEhlo(`SIZE ${content.length}`) });
    const connection = await connected(server.port);
    const before = server.commands.length;
    const larger = Buffer.concat([content, Buffer.from('\n')]);
    expect(await connection.send(envelope, larger, budget())).toMatchObject({
      kind: 'failed',
      dotSent: false,
      failure: {
        phase: 'mail',
        reply: { code: 552, enhanced: '5.3.4' },
        detail: expect.stringContaining('too large for this mailbox'),
      },
    });
    expect(server.commands).toHaveLength(before);
    expect((await connection.send(envelope, content, budget())).kind).toBe('accepted');
    connection.destroy();
  });

  test('8-bit content for a server that takes none is refused before MAIL', async () => {
    const server = await start();
    const connection = await connected(server.port);
    const before = server.commands.length;
    expect(
      await connection.send(envelope, Buffer.from('Subject: x\r\n\r\n\u00e4\r\n'), budget()),
    ).toMatchObject({
      kind: 'failed',
      dotSent: false,
      failure: { phase: 'mail', reply: { code: 554, enhanced: '5.6.3' } },
    });
    expect(server.commands).toHaveLength(before);
    expect(connection.usable).toBe(true);
    connection.destroy();
  });

  test.each(['421 4.3.2 Closing', '250 Nobody asked', 'gibberish'])(
    '%s on an idle connection: it is gone, nothing else happens',
    async (line) => {
      const server = await start();
      const connection = await connected(server.port);
      server.say(line);
      for (let waited = 0; connection.usable && waited < 10_000; waited += 10) await systemClock.sleep(10);
      expect(connection.usable).toBe(false);
      expect(await connection.send(envelope, content, budget())).toMatchObject({
        kind: 'failed',
        dotSent: false,
        failure: { phase: 'mail' },
      });
    },
  );

  test('a greeting that refuses', async () => {
    const server = await start({ greeting: { say: '421 4.3.2 Too busy', then: 'cut' } });
    const relay = await relayTo(server.port);
    expect(await relay.connect(account, budget())).toMatchObject({
      kind: 'failed',
      failure: { phase: 'greeting', reply: { code: 421, enhanced: '4.3.2' } },
    });
  });

  test('nobody listens', async () => {
    const server = await start();
    const { port } = server;
    await server.stop();
    const relay = await relayTo(port);
    expect(await relay.connect(account, budget())).toEqual({
      kind: 'failed',
      failure: { phase: 'connect', detail: 'While connecting: the server refused the connection.' },
    });
  });
});

describe('signing in', () => {
  test('XOAUTH2 with the account and its token', async () => {
    const server = await start();
    const tokens = new ScriptedTokens(secret);
    (await connected(server.port, tokens)).destroy();
    const [, initial = ''] = /^AUTH XOAUTH2 (.*)$/.exec(server.commands.at(-1) ?? '') ?? [];
    expect(Buffer.from(initial, 'base64').toString()).toBe(
      `user=desk@example.com\u0001auth=Bearer ${secret}\u0001\u0001`,
    );
    expect(tokens.asked).toEqual([{ protocol: 'smtp', renew: false }]);
  });

  test('535: once more with a renewed token, which is accepted', async () => {
    const server = await start({
      auth: (_, times) => (times === 1 ? '535 5.7.3 Authentication unsuccessful' : '235 2.7.0 OK'),
    });
    const tokens = new ScriptedTokens('old', 'new');
    (await connected(server.port, tokens)).destroy();
    expect(tokens.asked.map(({ renew }) => renew)).toEqual([false, true]);
  });

  test('535 twice: the reply is told; two logins, no third', async () => {
    const server = await start({
      auth: () => '535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled',
    });
    const tokens = new ScriptedTokens('old', 'new');
    const relay = await relayTo(server.port, { tokens });
    expect(await relay.connect(account, budget())).toMatchObject({
      kind: 'failed',
      failure: { phase: 'auth', reply: { code: 535, enhanced: '5.7.139' } },
    });
    expect(tokens.asked).toHaveLength(2);
    expect(server.commands.filter((line) => line.startsWith('AUTH'))).toHaveLength(2);
  });

  test('a 334 with JSON is answered, and its status told', async () => {
    const challenge = Buffer.from('{"status":"401","schemes":"bearer","scope":"mail"}').toString('base64');
    const server = await start({ auth: () => `334 ${challenge}` });
    const relay = await relayTo(server.port);
    const answer = await relay.connect(account, budget());
    expect(answer).toMatchObject({
      kind: 'failed',
      failure: { phase: 'auth', reply: { code: 535 }, detail: expect.stringContaining('status 401') },
    });
    expect(server.commands.filter((line) => line === '')).toHaveLength(2);
  });

  test('454: the server has trouble, no renewal', async () => {
    const server = await start({ auth: () => '454 4.7.0 Temporary authentication failure' });
    const tokens = new ScriptedTokens(secret);
    const relay = await relayTo(server.port, { tokens });
    expect(await relay.connect(account, budget())).toMatchObject({
      kind: 'failed',
      failure: { phase: 'auth', reply: { code: 454 } },
    });
    expect(tokens.asked).toHaveLength(1);
  });

  test('cut and hanging while authenticating', async () => {
    for (const what of [cut, hang]) {
      const server = await start({ auth: () => what });
      const relay = await relayTo(server.port);
      expect(await relay.connect(account, budget(what === hang ? 1_500 : 60_000))).toMatchObject({
        kind: 'failed',
        failure: { phase: 'auth' },
      });
    }
  });

  test.each([
    [{ kind: 'needsConsent', detail: 'Connect the mailbox again.' }],
    [{ kind: 'configuration', detail: 'The app is not registered.' }],
    [{ kind: 'unavailable', detail: 'The authority is busy.' }],
  ] as const)('no token (%j): no connection is opened', async (answer) => {
    const server = await start();
    const relay = await relayTo(server.port, { tokens: new ScriptedTokens(answer) });
    expect(await relay.connect(account, budget())).toEqual({
      kind: 'failed',
      failure: { phase: 'token', detail: answer.detail, token: answer.kind },
    });
    expect(server.connections().opened).toBe(0);
  });

  test('a server that offers no XOAUTH2 gets no token', async () => {
    const server = await start({
      ehlo: (secure) => (secure ? '250-test\r\n250 AUTH PLAIN LOGIN' : '250-test\r\n250 STARTTLS'),
    });
    const relay = await relayTo(server.port);
    expect(await relay.connect(account, budget())).toMatchObject({
      kind: 'failed',
      failure: { phase: 'auth' },
    });
    expect(server.commands.join('\n')).not.toContain('AUTH');
  });

  test('a server that says the token back: it is in no result', async () => {
    const server = await start({ auth: (line) => `535 5.7.3 You said ${line} with ${secret}` });
    const relay = await relayTo(server.port);
    const answer = await relay.connect(account, budget());
    const initial = (server.commands.find((line) => line.startsWith('AUTH')) ?? '').split(' ')[2] ?? '-';
    expect(answer.kind).toBe('failed');
    expect(JSON.stringify(answer)).not.toContain(secret);
    expect(JSON.stringify(answer)).not.toContain(initial);
  });
});

describe('TLS', () => {
  const initialOf = (server: ScriptedServer): boolean =>
    server.commands.some((line) => line.startsWith('AUTH')) || server.inClear().includes('AUTH');

  test.each([
    [
      'STARTTLS stripped',
      { ehlo: () => '250-test\r\n250 AUTH XOAUTH2', starttls: '500 5.3.3 Unrecognized' } satisfies Script,
    ],
    ['STARTTLS refused', { starttls: '454 4.7.0 TLS not available' } satisfies Script],
    ['cut at STARTTLS', { starttls: cut } satisfies Script],
    [
      'replies injected in clear before the handshake',
      { starttls: { raw: '220 ready\r\n250-evil\r\n250 AUTH PLAIN\r\n' } } satisfies Script,
    ],
    ['half a line injected', { starttls: { raw: '220 ready\r\n250-AUTH PLA' } } satisfies Script],
  ])('%s: no credential is sent', async (_name, script) => {
    const server = await start(script);
    const relay = await relayTo(server.port);
    const answer = await relay.connect(account, budget());
    expect(answer).toMatchObject({ kind: 'failed', failure: { phase: 'tls' } });
    expect(initialOf(server)).toBe(false);
    expect(server.inClear()).not.toContain(Buffer.from('auth=Bearer').toString('base64').slice(0, 10));
  });

  test('a certificate of an authority that is not trusted', async () => {
    const server = await start();
    const relay = await relayTo(server.port, { trust: false });
    const answer = await relay.connect(account, budget());
    expect(answer).toMatchObject({
      kind: 'failed',
      failure: { phase: 'tls', detail: expect.stringContaining('certificate') },
    });
    expect(initialOf(server)).toBe(false);
  });

  test('a self-signed certificate', async () => {
    const { ca } = await certificates();
    const { cert, key } = await selfSigned();
    const server = await startScriptedServer({ cert, key });
    servers.push(server);
    const relay = await relayTo(server.port);
    expect(ca).not.toBe(cert);
    expect(await relay.connect(account, budget())).toMatchObject({
      kind: 'failed',
      failure: { phase: 'tls', detail: expect.stringContaining('certificate') },
    });
    expect(initialOf(server)).toBe(false);
  });

  test('a certificate for another name', async () => {
    const server = await start();
    // The whole of 127/8 is this machine, and the certificate is for 127.0.0.1 alone.
    const elsewhere = await startScriptedServer(await certificates(), {}, '127.0.0.2');
    servers.push(elsewhere);
    const relay = await relayTo(elsewhere.port, { host: '127.0.0.2' });
    expect(await relay.connect(account, budget())).toMatchObject({
      kind: 'failed',
      failure: { phase: 'tls', detail: expect.stringContaining('another host name') },
    });
    expect(initialOf(elsewhere)).toBe(false);
    const right = await relayTo(server.port, { host: '127.0.0.1' });
    expect(await right.connect(account, budget())).toMatchObject({ kind: 'connected' });
  });

  test('TLS 1.1 at most', async () => {
    const server = await startScriptedServer({
      ...(await certificates()),
      maxVersion: 'TLSv1.1',
      minVersion: 'TLSv1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
    servers.push(server);
    const relay = await relayTo(server.port);
    expect(await relay.connect(account, budget())).toMatchObject({
      kind: 'failed',
      failure: { phase: 'tls' },
    });
    expect(initialOf(server)).toBe(false);
  });
});

describe('a hostile server', () => {
  const line = `250-${'x'.repeat(990)}\r\n`;
  test.each<readonly [string, Answer]>([
    ['a reply of 10 MB', { raw: `${line.repeat(10_000)}250 OK\r\n` }],
    ['an endless continuation', { endless: line }],
    ['an endless line', { endless: 'x'.repeat(1_000) }],
    ['a negative code', '-50 no'],
    ['no code', 'hello'],
    ['a code of one digit', '2 OK'],
    ['invalid UTF-8 and no code', { raw: Buffer.from([0xff, 0xfe, 0x0d, 0x0a]) }],
  ])('%s: bounded, no reply taken from it, the connection gone', async (_name, answer) => {
    for (const step of ['mail', 'rcpt', 'dot'] as const) {
      const server = await start({ [step]: () => answer });
      const connection = await connected(server.port);
      const result = await connection.send(envelope, content, budget(20_000));
      expect(result).toMatchObject({ kind: 'failed', dotSent: step === 'dot', failure: { phase: step } });
      expect(JSON.stringify(result).length).toBeLessThan(2_000);
      expect(connection.usable).toBe(false);
      await server.stop();
    }
  });

  test('invalid UTF-8 and control characters in a reply: readable text', async () => {
    const server = await start({
      dot: () => ({
        raw: Buffer.concat([
          Buffer.from('554 5.6.0 a\u001b[2Jb '),
          Buffer.from([0xff, 0xe4]),
          Buffer.from('\r\n'),
        ]),
      }),
    });
    const connection = await connected(server.port);
    const result = await connection.send(envelope, content, budget());
    const text = result.kind === 'failed' ? (result.failure.reply?.text ?? '') : '';
    expect(text).toMatch(/^a \[2Jb /);
    expect(text).not.toMatch(/[\u0000-\u001f]/);
    expect(text.isWellFormed()).toBe(true);
    connection.destroy();
  });

  test('a 250 before the end of the message is no acceptance', async () => {
    const server = await start({
      ehlo: secureEhlo('SIZE 100000000'),
      sayInBody: { at: 1_000, answer: '250 2.0.0 OK <early@x.prod.outlook.com>' },
    });
    const connection = await connected(server.port);
    const large = Buffer.from(`Subject: x\r\n\r\n${'y'.repeat(998)}\r\n`.repeat(30_000));
    expect(await connection.send(envelope, large, budget())).toMatchObject({
      kind: 'failed',
      failure: { phase: 'body' },
      dotSent: false,
    });
    expect(connection.usable).toBe(false);
  });

  test('a reset between messages, and in the middle of one, never ends the process', async () => {
    const server = await start({ dot: () => hang });
    const idle = await connected(server.port);
    const busy = await connected(server.port);
    const sending = busy.send(envelope, content, budget());
    while (server.messages.length === 0) await systemClock.sleep(10);
    server.reset();
    expect(await sending).toMatchObject({ kind: 'failed', dotSent: true, failure: { phase: 'dot' } });
    for (let waited = 0; idle.usable && waited < 5_000; waited += 10) await systemClock.sleep(10);
    expect([idle.usable, busy.usable]).toEqual([false, false]);
    expect(await idle.send(envelope, content, budget())).toMatchObject({
      kind: 'failed',
      dotSent: false,
      failure: { phase: 'mail' },
    });
    await idle.close();
  });
});

describe('a probe', () => {
  test('says MAIL, RCPT and RSET, sends nothing, and leaves the connection as it was', async () => {
    const server = await start();
    const connection = await connected(server.port);
    expect(await connection.probe(envelope, budget())).toEqual({ kind: 'ok' });
    expect(server.commands.slice(-3)).toEqual([
      'MAIL FROM:<desk@example.com>',
      'RCPT TO:<user@example.net>',
      'RSET',
    ]);
    expect(server.messages).toHaveLength(0);
    expect((await connection.send(envelope, content, budget())).kind).toBe('accepted');
    connection.destroy();
  });

  test('names the step that is refused, and resets', async () => {
    const server = await start({ rcpt: (_, times) => (times === 1 ? '550 5.7.60 Denied' : '250 OK') });
    const connection = await connected(server.port);
    expect(await connection.probe(envelope, budget())).toMatchObject({
      kind: 'failed',
      failure: { phase: 'rcpt', reply: { code: 550, enhanced: '5.7.60' } },
    });
    expect(server.commands.at(-1)).toBe('RSET');
    expect(connection.usable).toBe(true);
    expect(await connection.probe(envelope, budget())).toEqual({ kind: 'ok' });
    connection.destroy();
  });

  test.each([
    ['mail', cut],
    ['mail', hang],
    ['rcpt', cut],
    ['rcpt', hang],
  ] as const)('%s cut or hanging (%j): the phase, and no connection', async (step, what) => {
    const server = await start({ [step]: () => what });
    const connection = await connected(server.port);
    expect(await connection.probe(envelope, budget(what === hang ? 300 : 30_000))).toMatchObject({
      kind: 'failed',
      failure: { phase: step },
    });
    expect(connection.usable).toBe(false);
  });
});

test('closing gives up on a server that does not answer QUIT', async () => {
  const server = await start({ quit: cut });
  const connection = await connected(server.port);
  await connection.close();
  await connection.close();
  expect(connection.usable).toBe(false);
});

async function selfSigned(): Promise<{ readonly cert: string; readonly key: string }> {
  // The authority of another set is a certificate that nobody signed; its key is not at hand, so a leaf of a
  // second authority stands for "signed by somebody unknown".
  const { makeCertificates } = await import('../../local/stack/certificates.ts');
  const { cert, key } = await makeCertificates();
  return { cert, key };
}
