// The relay against real Postfix, and what it sent read back from real Dovecot: the production code on both ends,
// two servers that nobody here wrote between. Where the Exchange Online emulator should answer alike, it is
// asked the same.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Envelope, RelayConnection, SendResult } from '../../../shared/outbound/ports.ts';
import { composer, none, raw, stamp, submission } from '../../exchange/composing.ts';
import { account, budget, ScriptedTokens } from '../../exchange/relayTools.ts';
import { closeAll, exchangeWith, LineClient, tokenFor, xoauth2 } from '../../local/exchange/harness.ts';
import {
  connected,
  desk,
  eavesdrop,
  Inbox,
  kim,
  lee,
  messageMostBytes,
  relayTo,
  startServers,
  type Servers,
} from './servers.ts';

const stranger = 'user@example.net';
const nobody = 'nobody@example.com';
let servers: Servers;
let inbox: { readonly kim: Inbox; readonly lee: Inbox };

beforeAll(async () => {
  servers = await startServers();
  inbox = { kim: new Inbox(servers.dovecot, kim), lee: new Inbox(servers.dovecot, lee) };
});

afterAll(async () => {
  await closeAll();
  await servers.close();
});

const tokens = (): ScriptedTokens => new ScriptedTokens(servers.dovecot.token(desk));
const toPostfix = (): Promise<RelayConnection> => connected(servers.postfix.port, tokens());
const mail = (subject: string): Buffer => Buffer.from(`Subject: ${subject}\r\n\r\nHello.\r\n`);
const ofSize = (bytes: number): Buffer =>
  Buffer.from(`Subject: x\r\n\r\n${'y'.repeat(70)}\r\n`.padEnd(bytes, '\r\n'));

describe('what was composed is what arrives', () => {
  const detail = { subject: 'Päivitys \u{1F680}', text: '.\n..\n.QUIT\nFrom here\nHei, ääkköset\n' };
  const bytes = (count: number): string =>
    Buffer.from(Uint8Array.from({ length: count }, (_, at) => (at * 31) % 256)).toString('base64');
  const attachment = {
    filename: 'ääkköset.bin',
    contentType: 'application/octet-stream',
    content: { kind: 'inline', base64: bytes(2_000_000) },
  } as const;
  const blob = 'outbound-uploads/a.eml';
  const eightBit = Buffer.from(
    `From: ${desk}\r\nTo: ${kim}\r\nSubject: raw\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n.\r\n${'ä'.repeat(490)}\r\n`,
  );

  test.each([
    ['a text', () => composer.compose(submission(detail), none, stamp)],
    [
      'text, HTML and a large attachment',
      () =>
        composer.compose(
          submission({ ...detail, html: '<p>Hei</p>', bcc: [{ address: lee }], attachments: [attachment] }),
          none,
          stamp,
        ),
    ],
    [
      'a message of ESM’s own in eight bits',
      () => composer.compose(raw({ blob }), new Map([[blob, eightBit]]), stamp),
    ],
  ])('%s', async (_name, compose) => {
    const content = Buffer.from(await compose());
    const connection = await toPostfix();
    const result = await connection.send({ from: desk, to: [kim, lee] }, content, budget());
    await connection.close();
    expect(result).toMatchObject({
      kind: 'accepted',
      dotSent: true,
      reply: { code: 250, enhanced: '2.0.0' },
    });
    for (const one of [inbox.kim, inbox.lee]) {
      const [message = Buffer.alloc(0), ...others] = await one.next(1);
      expect(others).toEqual([]);
      const trace = message.subarray(0, message.length - content.length).toString('latin1');
      expect(message.subarray(trace.length).equals(content)).toBe(true);
      // Delivered-To only where one LMTP dialog is for one recipient.
      const fields = new Set(trace.match(/^[\w-]+(?=:)/gm));
      expect([...fields].filter((name) => name !== 'Delivered-To').sort()).toEqual([
        'Received',
        'Return-Path',
      ]);
      expect(trace).toMatch(/^Return-Path: <desk@example\.com>\r\n/);
      expect(trace).toContain('with ESMTPSA');
    }
  });
});

test('one connection takes message after message', async () => {
  const arrivals = (): number => servers.postfix.log().match(/smtpd\[\d+\]: connect from/g)?.length ?? 0;
  const before = arrivals();
  const connection = await toPostfix();
  for (const subject of ['1', '2', '3', '4', '5']) {
    const result = await connection.send({ from: desk, to: [kim] }, mail(subject), budget());
    expect([result.kind, connection.usable]).toEqual(['accepted', true]);
  }
  await connection.close();
  const subjects = (await inbox.kim.next(5)).map(
    (message) => /^Subject: (\d)/m.exec(message.toString())?.[1],
  );
  expect([...subjects].sort()).toEqual(['1', '2', '3', '4', '5']);
  expect(arrivals() - before).toBe(1);
});

describe('what Postfix refuses', () => {
  test.each([
    ['somebody elsewhere', stranger],
    ['nobody here', nobody],
  ])('a recipient who is %s; the others get it', async (_name, refused) => {
    const connection = await toPostfix();
    const to = [kim, refused, lee];
    const result = await connection.send({ from: desk, to }, mail('partial'), budget());
    await connection.close();
    expect(result).toMatchObject({ kind: 'accepted', dotSent: true });
    expect(result.recipients.map(({ address, reply }) => [address, reply.code])).toEqual([
      [kim, 250],
      [refused, 550],
      [lee, 250],
    ]);
    expect(await inbox.kim.next(1)).toHaveLength(1);
    expect(await inbox.lee.next(1)).toHaveLength(1);
  });

  test('a sender who is not the one that logged in: 553, and the next message goes', async () => {
    const connection = await toPostfix();
    const foreign = await connection.send({ from: kim, to: [kim] }, mail('foreign'), budget());
    expect(foreign).toMatchObject({
      kind: 'failed',
      dotSent: false,
      failure: { phase: 'rcpt', reply: { code: 553, enhanced: '5.7.1' } },
    });
    const own = await connection.send({ from: desk, to: [kim] }, mail('own'), budget());
    await connection.close();
    expect(own.kind).toBe('accepted');
    const [message, ...others] = await inbox.kim.next(1);
    expect([message?.includes('Subject: own'), others]).toEqual([true, []]);
  });

  test('a message over its SIZE: refused here, in the words that Postfix has for it', async () => {
    const connection = await toPostfix();
    const size = messageMostBytes + 1;
    const result = await connection.send({ from: desk, to: [kim] }, ofSize(size), budget());
    expect(result).toMatchObject({ kind: 'failed', dotSent: false, failure: { phase: 'mail' } });
    const own = result.kind === 'failed' ? result.failure.reply : undefined;
    expect(connection.usable).toBe(true);
    await connection.close();
    const line = await loggedIn(servers.postfix.port);
    expect(await line.command(`MAIL FROM:<${desk}> SIZE=${String(size)}`)).toMatch(
      new RegExp(`^${String(own?.code)} ${own?.enhanced ?? ''} `),
    );
    line.destroy();
  });

  test('a message too large where no SIZE was told: 552 after the dot, and the next message goes', async () => {
    const connection = await connected(servers.postfix.withoutSizePort, tokens());
    const result = await connection.send(
      { from: desk, to: [kim] },
      ofSize(messageMostBytes + 100_000),
      budget(),
    );
    expect(result).toMatchObject({
      kind: 'failed',
      dotSent: true,
      failure: { phase: 'dot', reply: { code: 552, enhanced: '5.3.4' } },
    });
    expect((await connection.send({ from: desk, to: [kim] }, mail('small'), budget())).kind).toBe('accepted');
    await connection.close();
    const [message, ...others] = await inbox.kim.next(1);
    expect([message?.includes('Subject: small'), others]).toEqual([true, []]);
  });
});

describe('the token', () => {
  test.each([
    ['of another user', () => servers.dovecot.token(kim)],
    ['that has expired', () => servers.dovecot.token(desk, -1_000)],
  ])('%s is refused, renewed once, and refused again', async (_name, token) => {
    const bad = new ScriptedTokens(token());
    const answer = await (await relayTo(servers.postfix.port, bad)).connect(account, budget());
    expect(answer).toMatchObject({ kind: 'failed', failure: { phase: 'auth', reply: { code: 535 } } });
    expect(bad.asked.map(({ renew }) => renew)).toEqual([false, true]);
    expect(JSON.stringify(answer)).not.toContain(token());
  });

  test('that was refused is renewed, and the mailbox sends', async () => {
    const renewed = new ScriptedTokens(servers.dovecot.token(desk, -1_000), servers.dovecot.token(desk));
    const connection = await connected(servers.postfix.port, renewed);
    expect((await connection.send({ from: desk, to: [lee] }, mail('renewed'), budget())).kind).toBe(
      'accepted',
    );
    await connection.close();
    expect(await inbox.lee.next(1)).toHaveLength(1);
  });
});

describe('who listens on the way', () => {
  test('hears nothing but the wish for TLS', async () => {
    const ear = await eavesdrop(servers.postfix.port);
    const connection = await connected(ear.port, tokens());
    const result = await connection.send({ from: desk, to: [lee] }, mail('secret subject'), budget());
    await connection.close();
    const heard = ear.heard();
    await ear.close();
    expect(result.kind).toBe('accepted');
    expect(heard).toContain('STARTTLS\r\n');
    for (const word of ['AUTH XOAUTH2', 'MAIL FROM', 'secret subject', desk])
      expect(heard).not.toContain(word);
    expect(await inbox.lee.next(1)).toHaveLength(1);
  });

  test('gets no token where the server has no TLS, and no mail', async () => {
    const ear = await eavesdrop(servers.postfix.withoutTlsPort);
    const answer = await (await relayTo(ear.port, tokens())).connect(account, budget());
    const heard = ear.heard();
    await ear.close();
    expect(answer).toMatchObject({ kind: 'failed', failure: { phase: 'tls' } });
    expect(heard).toContain('EHLO');
    expect(heard).not.toMatch(/AUTH|MAIL FROM/);
    expect(heard).not.toContain(servers.dovecot.token(desk).slice(0, 40));
  });

  test('Postfix itself wants TLS first', async () => {
    const client = await LineClient.open(servers.postfix.port);
    await client.reply();
    expect(await client.command('EHLO me')).not.toContain('AUTH');
    expect(await client.command(`MAIL FROM:<${desk}>`)).toMatch(/^530 5\.7\.0 /);
    expect(await client.command(`AUTH XOAUTH2 ${xoauth2(desk, 'x')}`)).toMatch(/^5\d\d 5\./);
    client.destroy();
  });
});

/** A client in TLS that is logged in and ready for MAIL, line by line. */
async function loggedIn(port: number): Promise<LineClient> {
  const client = await LineClient.open(port);
  await client.reply();
  await client.command('EHLO me');
  await client.command('STARTTLS');
  await client.startTls();
  await client.command('EHLO me');
  expect(await client.command(`AUTH XOAUTH2 ${xoauth2(desk, servers.dovecot.token(desk))}`)).toMatch(/^235 /);
  return client;
}

describe('the emulator answers as Postfix does', () => {
  const scenes: readonly (readonly [string, Envelope, Buffer])[] = [
    ['a message', { from: desk, to: [kim] }, mail('one')],
    ['a message to several', { from: desk, to: [kim, lee] }, mail('two')],
    ['one of three recipients refused', { from: desk, to: [kim, stranger, lee] }, mail('three')],
    ['every recipient refused', { from: desk, to: [stranger, nobody] }, mail('four')],
    ['eight bits', { from: desk, to: [kim] }, Buffer.from('Subject: x\r\n\r\nä\r\n')],
    ['lines of dots', { from: desk, to: [kim] }, Buffer.from('Subject: x\r\n\r\n.\r\n..\r\n.\r\n')],
    ['a message too large', { from: desk, to: [kim] }, ofSize(messageMostBytes + 1)],
  ];

  /** What the outbound side judges by: everything but the server's own words. */
  const essence = (result: SendResult, connection: RelayConnection): object => ({
    kind: result.kind,
    dotSent: result.dotSent,
    recipients: result.recipients.map(({ address, reply }) => [address, reply.code]),
    code: result.kind === 'accepted' ? result.reply.code : result.failure.reply?.code,
    phase: result.kind === 'accepted' ? undefined : result.failure.phase,
    usable: connection.usable,
  });

  async function standIn(): Promise<number> {
    const limits = { messageBytes: messageMostBytes };
    const exchange = await exchangeWith({ accounts: [desk, kim, lee], limits });
    for (const address of [stranger, nobody]) exchange.recipient(address, { kind: 'refuse' });
    return exchange.smtpPort;
  }

  test('to messages, one after another on one connection', async () => {
    const connections = [
      await toPostfix(),
      await connected(await standIn(), new ScriptedTokens(tokenFor(desk))),
    ];
    const [real, made] = await Promise.all(
      connections.map(async (connection) => {
        const seen: object[] = [];
        for (const [name, envelope, content] of scenes)
          seen.push({ name, ...essence(await connection.send(envelope, content, budget()), connection) });
        for (const to of [kim, stranger]) {
          const probe = await connection.probe({ from: desk, to: [to] }, budget());
          seen.push(
            probe.kind === 'ok'
              ? { kind: 'ok' }
              : { phase: probe.failure.phase, code: probe.failure.reply?.code },
          );
        }
        await connection.close();
        return seen;
      }),
    );
    expect(real).toHaveLength(scenes.length + 2);
    expect(made).toEqual(real);
  });

  test('to a token that is not good', async () => {
    const seen = [];
    for (const port of [servers.postfix.port, await standIn()]) {
      const bad = new ScriptedTokens('nonsense');
      const answer = await (await relayTo(port, bad)).connect(account, budget());
      const failure = answer.kind === 'failed' ? answer.failure : undefined;
      seen.push({ phase: failure?.phase, code: failure?.reply?.code, asked: bad.asked.length });
    }
    expect(seen[0]).toEqual({ phase: 'auth', code: 535, asked: 2 });
    expect(seen[1]).toEqual(seen[0]);
  });
});
