// The relay against a server that somebody else wrote (the npm package smtp-server), end to end: a submission is
// composed, relayed over STARTTLS with XOAUTH2, and read back by a foreign parser.
import { afterEach, expect, test } from '@jest/globals';
import { simpleParser } from 'mailparser';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import type { AddressInfo } from 'node:net';
import { composer, none, stamp, submission } from './composing.ts';
import {
  ScriptedTokens,
  account,
  budget,
  certificates,
  connected,
  envelope,
  relayTo,
  secret,
} from './relayTools.ts';

interface Arrival {
  readonly from: string;
  readonly to: readonly string[];
  readonly content: Buffer;
  readonly size: number;
}

const servers: SMTPServer[] = [];
afterEach(async () => {
  await Promise.all(
    servers.splice(0).map(
      (server) =>
        new Promise<void>((resolve) => {
          server.close(() => {
            resolve();
          });
        }),
    ),
  );
});

async function start(
  options: Partial<SMTPServerOptions> = {},
): Promise<{ readonly port: number; readonly arrivals: Arrival[] }> {
  const { cert, key } = await certificates();
  const arrivals: Arrival[] = [];
  const server = new SMTPServer({
    cert,
    key,
    authMethods: ['XOAUTH2'],
    disableReverseLookup: true,
    closeTimeout: 100,
    onAuth: (auth, _session, done) => {
      const right = auth.username === account.user && auth.accessToken === secret;
      if (right) done(null, { user: account.user });
      else
        done(null, {
          data: { status: '401', schemes: 'bearer', scope: 'https://outlook.office.com/SMTP.Send' },
        });
    },
    onData: (stream, session, done) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope;
        arrivals.push({
          from: mailFrom === false ? '' : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          content: Buffer.concat(chunks),
          size: chunks.length,
        });
        done(null, '2.0.0 OK <0102@HE1PR01.eurprd01.prod.outlook.com> [Hostname=HE1PR01]');
      });
    },
    ...options,
  });
  servers.push(server);
  server.on('error', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.server.address() as AddressInfo).port, arrivals };
}

test('what was submitted is what arrives', async () => {
  const { port, arrivals } = await start();
  const bytes = await composer.compose(
    submission({
      subject: 'Päivitys \u{1F680}',
      text: '.\n..\nHei\n',
      html: '<p>Hei</p>',
      bcc: [{ address: 'hidden@example.net' }],
      attachments: [
        {
          filename: 'ääkköset.bin',
          contentType: 'application/octet-stream',
          content: { kind: 'inline', base64: 'AAECAw==' },
        },
      ],
    }),
    none,
    stamp,
  );
  const connection = await connected(port);
  const to = ['user@example.net', 'hidden@example.net'];
  const result = await connection.send({ from: 'desk@example.com', to }, bytes, budget());
  expect(result).toMatchObject({
    kind: 'accepted',
    serverMessageId: '<0102@HE1PR01.eurprd01.prod.outlook.com>',
  });
  await connection.close();
  expect(arrivals.map((arrival) => [arrival.from, arrival.to])).toEqual([['desk@example.com', to]]);
  expect(Buffer.compare(arrivals[0]?.content ?? Buffer.alloc(0), Buffer.from(bytes))).toBe(0);
  const parsed = await simpleParser(arrivals[0]?.content ?? '');
  expect([parsed.subject, parsed.text, parsed.messageId]).toEqual([
    'Päivitys \u{1F680}',
    '.\n..\nHei\n',
    stamp.messageId,
  ]);
  expect(parsed.attachments.map((part) => [part.filename, part.content.toString('hex')])).toEqual([
    ['ääkköset.bin', '00010203'],
  ]);
});

test('a refused token: JSON challenge, one renewal, then the mailbox sends', async () => {
  const { port, arrivals } = await start();
  const tokens = new ScriptedTokens('expired', secret);
  const connection = await connected(port, tokens);
  expect(tokens.asked.map(({ renew }) => renew)).toEqual([false, true]);
  expect((await connection.send(envelope, Buffer.from('Subject: x\r\n\r\nx\r\n'), budget())).kind).toBe(
    'accepted',
  );
  expect(arrivals).toHaveLength(1);
  connection.destroy();
});

test('a token that is refused twice names what the server has against it', async () => {
  const { port } = await start();
  const relay = await relayTo(port, { tokens: new ScriptedTokens('wrong') });
  const answer = await relay.connect(account, budget());
  expect(answer).toMatchObject({ kind: 'failed', failure: { phase: 'auth', reply: { code: 535 } } });
  expect(answer.kind === 'failed' && answer.failure.detail).toContain('401');
});

test('a message at the SIZE goes, one byte more does not', async () => {
  const { port, arrivals } = await start({ size: 5_000 });
  const connection = await connected(port);
  const head = 'Subject: x\r\n\r\n';
  const sized = (bytes: number): Buffer => {
    const body = 'y'
      .repeat(70)
      .concat('\r\n')
      .repeat(100)
      .slice(0, bytes - head.length - 2);
    return Buffer.from(`${head}${body.replace(/\r\n?$/, 'yy').slice(0, bytes - head.length - 2)}\r\n`);
  };
  expect(sized(5_000)).toHaveLength(5_000);
  expect((await connection.send(envelope, sized(5_000), budget())).kind).toBe('accepted');
  expect(await connection.send(envelope, sized(5_001), budget())).toMatchObject({
    kind: 'failed',
    failure: { reply: { code: 552 } },
  });
  expect(arrivals).toHaveLength(1);
  connection.destroy();
});

test('several connections at once, each with its own dialog', async () => {
  const { port, arrivals } = await start();
  const connections = await Promise.all([connected(port), connected(port)]);
  const results = await Promise.all(
    connections.flatMap((connection, which) => [
      connection
        .send(envelope, Buffer.from(`Subject: ${which}\r\n\r\nx\r\n`), budget())
        .then(async (first) => [
          first,
          await connection.send(envelope, Buffer.from(`Subject: again ${which}\r\n\r\nx\r\n`), budget()),
        ]),
    ]),
  );
  expect(results.flat().map(({ kind }) => kind)).toEqual(Array.from({ length: 4 }, () => 'accepted'));
  expect(arrivals).toHaveLength(4);
  for (const connection of connections) await connection.close();
});
