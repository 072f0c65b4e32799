// Every order to misbehave, seen from both ends: what the client gets, and what the log says of it.
import { afterEach, describe, expect, test } from '@jest/globals';
import { createTransport } from 'nodemailer';
import type { Exchange } from '../../../local/emulators/exchange/exchange.ts';
import type { SmtpFault, SmtpStep, StepInfo } from '../../../local/emulators/exchange/faults.ts';
import {
  certificates,
  closeAll,
  exchangeWith,
  HOST,
  mailText,
  ManualClock,
  sendBy,
  smtpClient,
  tokenFor,
  until,
} from './harness.ts';

afterEach(closeAll);

const DESK = 'desk@contoso.test';

/** One message by nodemailer, as the bridge's own client sends it. */
async function send(exchange: Exchange, recipients: readonly string[] = ['kim@fabrikam.test']) {
  const { ca } = await certificates();
  const transport = createTransport({
    host: HOST,
    port: exchange.smtpPort,
    requireTLS: true,
    tls: { ca, servername: 'localhost' },
    auth: { type: 'OAuth2', user: DESK, accessToken: tokenFor(DESK) },
  });
  try {
    const info = await transport.sendMail({ envelope: { from: DESK, to: [...recipients] }, raw: mailText() });
    return { kind: 'sent', response: info.response, rejected: info.rejected };
  } catch (trouble) {
    const { code, responseCode } = trouble as { readonly code?: string; readonly responseCode?: number };
    return { kind: 'failed', code, responseCode };
  } finally {
    transport.close();
  }
}

const steps: readonly SmtpStep[] = [
  'connect',
  'banner',
  'ehlo',
  'starttls',
  'auth',
  'mail',
  'rcpt',
  'data',
  'body',
  'dot',
  'reply',
];

describe('a cut', () => {
  test.each(steps)('at %s is a lost connection', async (at) => {
    const exchange = await exchangeWith();
    const rule = exchange.injectFault({ protocol: 'smtp', at, times: 1, does: { kind: 'cut' } });
    expect(await send(exchange)).toMatchObject({ kind: 'failed', responseCode: undefined });
    expect(rule.hits()).toBe(1);
    // Only after the message was taken did the server have it.
    expect(exchange.log.messages).toHaveLength(at === 'reply' ? 1 : 0);
    expect(exchange.log.messages[0]?.repliedNs).toBeUndefined();
    expect(exchange.log.connections[0]).toMatchObject({ closedBy: 'server' });
    expect(await send(exchange)).toMatchObject({ kind: 'sent' });
  });

  test('in the content comes after as many bytes as were asked for', async () => {
    const exchange = await exchangeWith();
    exchange.injectFault({ protocol: 'smtp', at: 'body', does: { kind: 'cut', afterBytes: 20 } });
    const client = await smtpClient(exchange);
    for (const line of [`MAIL FROM:<${DESK}>`, 'RCPT TO:<a@b.test>', 'DATA']) await client.command(line);
    client.write('1234567890');
    await new Promise((resolve) => setImmediate(resolve));
    expect(exchange.log.connections[0]?.closedNs).toBeUndefined();
    client.write('1234567890');
    expect(await client.reply()).toBe('closed');
  });
});

describe('a reply', () => {
  const cases: readonly (readonly [SmtpStep, object])[] = [
    ['banner', { responseCode: 421 }],
    ['ehlo', { responseCode: 421 }],
    ['starttls', { code: 'ETLS' }],
    ['auth', { code: 'EAUTH', responseCode: 421 }],
    ['mail', { code: 'EENVELOPE', responseCode: 421 }],
    ['rcpt', { responseCode: 421 }],
    ['data', { code: 'EENVELOPE', responseCode: 421 }],
    ['dot', { code: 'EMESSAGE', responseCode: 421 }],
    ['reply', { code: 'EMESSAGE', responseCode: 421 }],
  ];
  test.each(cases)('at %s is given instead of the usual one', async (at, expected) => {
    const exchange = await exchangeWith();
    const does: SmtpFault = {
      kind: 'reply',
      code: 421,
      enhanced: '4.3.2',
      text: 'Service not active',
      thenClose: true,
    };
    exchange.injectFault({ protocol: 'smtp', at, does });
    expect(await send(exchange)).toMatchObject({ kind: 'failed', ...expected });
    expect(exchange.log.refusals[0]).toMatchObject({ step: at, reply: '421 4.3.2 Service not active' });
    expect(exchange.log.messages).toHaveLength(at === 'reply' ? 1 : 0);
  });

  test('leaves the connection open unless it is to close', async () => {
    const exchange = await exchangeWith();
    exchange.injectFault({
      protocol: 'smtp',
      at: 'dot',
      times: 1,
      does: { kind: 'reply', code: 451, text: 'later' },
    });
    const client = await smtpClient(exchange);
    expect(await sendBy(client)).toBe('451 later');
    expect(await sendBy(client)).toMatch(/^250/);
  });

  test('in the middle of the content discards that message and no other', async () => {
    const exchange = await exchangeWith();
    exchange.injectFault({
      protocol: 'smtp',
      at: 'body',
      times: 1,
      does: { kind: 'reply', code: 452, text: 'no room' },
    });
    const client = await smtpClient(exchange);
    expect(await sendBy(client)).toBe('452 no room');
    expect(await sendBy(client, { content: mailText('b.1') })).toMatch(/^250/);
    expect(exchange.log.messages.map(({ bridgeId }) => bridgeId)).toEqual(['b.1']);
  });
});

describe('whom a rule is for', () => {
  test('an account, a recipient, the k-th, a number of times', async () => {
    const other = 'info@contoso.test';
    const exchange = await exchangeWith({ accounts: [DESK, other] });
    const no = { kind: 'reply', code: 450, text: 'no' } as const;
    exchange.injectFault({ protocol: 'smtp', at: 'mail', account: other, does: no });
    const desk = await smtpClient(exchange);
    expect(await sendBy(desk)).toMatch(/^250/);
    expect(await sendBy(await smtpClient(exchange, other), { from: other })).toMatch(/^503/);
    exchange.clearFaults();
    exchange.injectFault({ protocol: 'smtp', at: 'rcpt', recipient: 'B@b.test', does: no });
    expect(await sendBy(desk, { to: ['a@b.test', 'b@b.test'] })).toMatch(/^250/);
    expect(exchange.log.messages.at(-1)).toMatchObject({
      to: ['a@b.test'],
      refused: [{ address: 'b@b.test', reply: '450 no' }],
    });
    exchange.clearFaults();
    exchange.injectFault({ protocol: 'smtp', at: 'dot', skip: 1, times: 2, does: no });
    const replies = [];
    for (let at = 0; at < 5; at += 1) replies.push((await sendBy(desk)).slice(0, 3));
    expect(replies).toEqual(['250', '450', '450', '250', '250']);
  });

  test('a time, and until it is ended', async () => {
    const clock = new ManualClock();
    const exchange = await exchangeWith({ clock });
    const client = await smtpClient(exchange, DESK, tokenFor(DESK, { expiresAt: clock.now() + 86_400_000 }));
    exchange.injectFault({
      protocol: 'smtp',
      at: 'noop',
      forMs: 1_000,
      does: { kind: 'reply', code: 450, text: 'timed' },
    });
    const rule = exchange.injectFault({
      protocol: 'smtp',
      at: 'noop',
      does: { kind: 'reply', code: 450, text: 'open' },
    });
    expect(await client.command('NOOP')).toBe('450 timed');
    clock.advance(1_000);
    expect(await client.command('NOOP')).toBe('450 open');
    rule.end();
    expect(await client.command('NOOP')).toMatch(/^250/);
  });
});

describe('silence', () => {
  test.each(steps)('at %s lasts until the connection ends', async (at) => {
    const exchange = await exchangeWith();
    const rule = exchange.injectFault({ protocol: 'smtp', at, does: { kind: 'hang' } });
    const sent = send(exchange);
    await until(() => rule.hits() > 0);
    exchange.cutAll('smtp');
    expect(await sent).toMatchObject({ kind: 'failed', responseCode: undefined });
    expect(exchange.log.messages).toHaveLength(at === 'reply' ? 1 : 0);
  });

  test('for a time ends in the usual answer', async () => {
    const clock = new ManualClock();
    const exchange = await exchangeWith({ clock });
    const client = await smtpClient(exchange, DESK, tokenFor(DESK, { expiresAt: clock.now() + 86_400_000 }));
    exchange.injectFault({ protocol: 'smtp', at: 'noop', does: { kind: 'hang', forMs: 60_000 } });
    const reply = client.command('NOOP');
    await until(() => clock.sleeping === 1);
    clock.advance(60_000);
    expect(await reply).toMatch(/^250/);
  });
});

describe('what the server has, it takes', () => {
  test('minutes after the client gave up, where that is asked for', async () => {
    const clock = new ManualClock();
    const exchange = await exchangeWith({ clock });
    exchange.injectFault({
      protocol: 'smtp',
      at: 'dot',
      times: 1,
      does: { kind: 'acceptLate', afterMs: 300_000 },
    });
    const client = await smtpClient(exchange, DESK, tokenFor(DESK, { expiresAt: clock.now() + 86_400_000 }));
    void sendBy(client);
    await until(() => clock.sleeping > 0);
    client.destroy();
    await until(() => exchange.log.connections[0]?.closedNs !== undefined);
    clock.advance(299_999);
    expect(exchange.log.messages).toEqual([]);
    clock.advance(1);
    await until(() => exchange.log.messages.length === 1);
    const [message] = exchange.log.messages;
    expect(message).toMatchObject({ bridgeId: 'a.1', clientThere: false });
    expect((message?.acceptedNs ?? 0) - (message?.dotNs ?? 0)).toBe(300_000 * 1e6);
    expect(exchange.store.mailbox(DESK).role('sent').size).toBe(1);
  });

  test('also when the client leaves while it takes its time', async () => {
    const clock = new ManualClock();
    const exchange = await exchangeWith({ clock, latency: (step) => (step === 'dot' ? 5_000 : 0) });
    const client = await smtpClient(exchange, DESK, tokenFor(DESK, { expiresAt: clock.now() + 86_400_000 }));
    void sendBy(client);
    await until(() => clock.sleeping === 1);
    client.destroy();
    await until(() => exchange.log.connections[0]?.closedNs !== undefined);
    clock.advance(5_000);
    await until(() => exchange.log.messages.length === 1);
    expect(exchange.log.messages[0]).toMatchObject({ clientThere: false });
    expect(exchange.log.messages[0]?.repliedNs).toBeUndefined();
  });
});

test('a server that closes takes nothing more', async () => {
  const clock = new ManualClock();
  const exchange = await exchangeWith({ clock, latency: (step) => (step === 'dot' ? 5_000 : 0) });
  const token = tokenFor(DESK, { expiresAt: clock.now() + 86_400_000 });
  void sendBy(await smtpClient(exchange, DESK, token));
  await until(() => clock.sleeping === 1);
  await exchange.close();
  // The server's sleep ends when it closes; give what follows it the time to go wrong.
  await new Promise((resolve) => setImmediate(resolve));
  expect(exchange.log.messages).toEqual([]);
});

test('the stamps of a message are in the order of its dialog', async () => {
  const clock = new ManualClock();
  const latency: Partial<Record<SmtpStep, number>> = { rcpt: 1, data: 2, dot: 4, reply: 8 };
  const exchange = await exchangeWith({ clock, latency: (step) => latency[step] ?? 0 });
  const client = await smtpClient(exchange, DESK, tokenFor(DESK, { expiresAt: clock.now() + 86_400_000 }));
  const sent = sendBy(client);
  for (const ms of Object.values(latency)) {
    await until(() => clock.sleeping === 1);
    clock.advance(ms);
  }
  expect(await sent).toMatch(/^250/);
  const [message] = exchange.log.messages;
  const { mailNs = 0, dotNs = 0, acceptedNs = 0, repliedNs = 0 } = message ?? {};
  expect([dotNs - mailNs, acceptedNs - dotNs, repliedNs - acceptedNs]).toEqual([3e6, 4e6, 8e6]);
  expect(message).toMatchObject({
    number: 1,
    connection: 1,
    account: DESK,
    from: DESK,
    to: ['kim@fabrikam.test'],
    messageId: '<a.1@contoso.test>',
    subject: 'Hello',
    sizeBytes: mailText().length,
    clientThere: true,
  });
});

test('the hook is called before every step, and can cut there', async () => {
  const seen: [string, StepInfo][] = [];
  let cutAt = '';
  const exchange = await exchangeWith({
    beforeStep: (step, info) => {
      seen.push([step, info]);
      return step === cutAt ? 'cut' : undefined;
    },
  });
  const client = await smtpClient(exchange);
  await sendBy(client);
  await client.command('QUIT');
  expect(seen.map(([step]) => step)).toEqual([
    'connect',
    'banner',
    'ehlo',
    'starttls',
    'ehlo',
    'auth',
    'mail',
    'rcpt',
    'data',
    'body',
    'dot',
    'reply',
    'quit',
  ]);
  expect(seen.find(([step]) => step === 'dot')?.[1]).toMatchObject({
    account: DESK,
    bridgeId: 'a.1',
    recipients: ['kim@fabrikam.test'],
  });
  cutAt = 'reply';
  expect(await sendBy(await smtpClient(exchange))).toBe('closed');
  expect(exchange.log.messages).toHaveLength(2);
});
