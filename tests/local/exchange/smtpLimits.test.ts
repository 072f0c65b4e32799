// The limits of an account, enforced and measured. Time is moved by hand.
import { afterEach, describe, expect, test } from '@jest/globals';
import type { ExchangeOptions } from '../../../local/emulators/exchange/exchange.ts';
import {
  closeAll,
  exchangeWith,
  mailText,
  ManualClock,
  sendBy,
  smtpClient,
  tokenFor,
  until,
} from './harness.ts';

afterEach(closeAll);

const DESK = 'desk@contoso.test';

async function world(options: Partial<ExchangeOptions> = {}) {
  const clock = new ManualClock();
  const token = tokenFor(DESK, { expiresAt: clock.now() + 30 * 86_400_000 });
  const exchange = await exchangeWith({ clock, ...options });
  return { clock, exchange, client: () => smtpClient(exchange, DESK, token) };
}

describe('30 messages in any period', () => {
  test('the 31st waits for its turn, is counted at once, and is a violation', async () => {
    const { clock, exchange, client } = await world();
    const one = await client();
    for (let sent = 0; sent < 30; sent += 1) {
      expect(await sendBy(one)).toMatch(/^250/);
      clock.advance(1_000);
    }
    let reply = '';
    const last = sendBy(one).then((text) => (reply = text));
    await until(() => exchange.log.messages.length === 31);
    expect(exchange.log.violations).toMatchObject([
      { kind: 'messageRate', account: DESK, count: 31, limit: 30 },
    ]);
    await until(() => clock.sleeping === 1);
    // The first went at 0 s and it is 30 s now: the turn is at 60 s.
    clock.advance(29_999);
    expect([reply, clock.sleeping]).toEqual(['', 1]);
    clock.advance(1);
    await last;
    expect(reply).toMatch(/^250/);
    expect(exchange.figures()).toMatchObject({
      messages: 31,
      mostMessages: 31,
      mostMessagesBy: { dot: 31, replied: 30 },
    });
  });

  test('the 31st a period after the first is in order', async () => {
    const { clock, exchange, client } = await world();
    const one = await client();
    expect(await sendBy(one)).toMatch(/^250/);
    clock.advance(59_000);
    for (let sent = 1; sent < 30; sent += 1) await sendBy(one);
    clock.advance(1_000);
    expect(await sendBy(one)).toMatch(/^250/);
    expect(exchange.log.violations).toEqual([]);
    expect(exchange.figures().mostMessages).toBe(30);
  });

  test('is refused where the older text is believed', async () => {
    const { exchange, client } = await world({ limits: { messagesPerPeriod: 2 } });
    exchange.smtp.overRate = 'refuse';
    const one = await client();
    await sendBy(one);
    await sendBy(one);
    expect(await sendBy(one)).toMatch(/^432 4\.3\.2 STOREDRV\.ClientSubmit/);
    expect(exchange.figures()).toMatchObject({
      messages: 2,
      mostMessages: 2,
      violations: [{ kind: 'messageRate' }],
    });
    expect(exchange.log.refusals.at(-1)).toMatchObject({ step: 'dot', bridgeId: 'a.1', account: DESK });
  });
});

describe('recipients in any day', () => {
  test('are refused with the quota text until old ones fall out', async () => {
    const { clock, exchange, client } = await world({ limits: { recipientsPerDay: 5 } });
    const one = await client();
    const three = { to: ['a@b.test', 'b@b.test', 'c@b.test'] };
    expect(await sendBy(one, three)).toMatch(/^250/);
    clock.advance(3_600_000);
    const two = await client();
    expect(await sendBy(two, three)).toMatch(
      /^554 5\.2\.0 STOREDRV\.Submission\.Exception:SubmissionQuotaExceededException; .*Hostname=/,
    );
    expect(await sendBy(two, { to: ['a@b.test', 'b@b.test'] })).toMatch(/^250/);
    clock.advance(82_800_000);
    expect(await sendBy(await client(), three)).toMatch(/^250/);
    expect(exchange.figures().mostRecipients).toBe(5);
    expect(exchange.log.violations).toMatchObject([{ kind: 'recipientRate', count: 6, limit: 5 }]);
  });
});

describe('3 connections', () => {
  test('the fourth is refused after its dot; a place is free when one closes', async () => {
    const { clock, exchange, client } = await world();
    const [first] = [await client(), await client(), await client()];
    const fourth = await client();
    expect(await sendBy(fourth)).toMatch(
      /^432 4\.3\.2 STOREDRV\.ClientSubmit; sender thread limit exceeded \[Hostname=/,
    );
    expect(await sendBy(first)).toMatch(/^250/);
    // With the clock standing still the first would never have been open at all.
    clock.advance(1);
    await first.command('QUIT');
    expect(await sendBy(fourth)).toMatch(/^250/);
    expect(exchange.figures()).toMatchObject({
      mostConnections: 4,
      violations: [{ kind: 'connections', count: 4, limit: 3 }],
    });
  });

  test('the fourth is refused at AUTH where that is asked for', async () => {
    const { exchange, client } = await world();
    exchange.smtp.overConnections = 'auth';
    await Promise.all([client(), client(), client()]);
    await expect(client()).rejects.toThrow(/^432 4\.3\.2 Concurrent connections limit exceeded/);
  });

  test('one that hangs up gives its place back', async () => {
    const { clock, exchange, client } = await world();
    for (let at = 0; at < 4; at += 1) {
      const one = await client();
      await sendBy(one);
      clock.advance(1);
      one.destroy();
      await until(() => exchange.log.connections.at(-1)?.closedNs !== undefined);
    }
    expect(exchange.figures()).toMatchObject({ mostConnections: 1, violations: [] });
    expect(exchange.log.connections.map(({ closedBy }) => closedBy)).toEqual(Array(4).fill('client'));
  });
});

describe('one message', () => {
  test('has at most so many recipients', async () => {
    const { exchange, client } = await world({ limits: { recipientsPerMessage: 2 } });
    const one = await client();
    expect(await sendBy(one, { to: ['a@b.test', 'b@b.test', 'c@b.test'] })).toMatch(/^250/);
    expect(exchange.log.messages[0]).toMatchObject({
      to: ['a@b.test', 'b@b.test'],
      refused: [{ address: 'c@b.test', reply: '452 4.5.3 Too many recipients (AS780090)' }],
    });
  });

  test.each([
    ['the mailbox allows', { accounts: [{ address: DESK, sendSizeBytes: 1_000 }] }],
    ['the service allows', { limits: { messageBytes: 1_000 } }],
  ])('is not larger than %s', async (_name, options) => {
    const { exchange, client } = await world(options);
    const one = await client();
    const fits = mailText().padEnd(998, 'x');
    expect(await sendBy(one, { content: `${fits}\r\n` })).toMatch(/^250/);
    expect(await sendBy(one, { content: `${fits}x\r\n` })).toMatch(/^552 5\.3\.4/);
    expect(exchange.log.messages.map(({ sizeBytes }) => sizeBytes)).toEqual([1_000]);
  });
});

test('a full mailbox can send nothing', async () => {
  const { exchange, client } = await world({ accounts: [{ address: DESK, full: true }] });
  expect(await sendBy(await client())).toMatch(/^554 5\.2\.2 mailbox full; .*QuotaExceeded/);
  expect(exchange.log.messages).toEqual([]);
});
