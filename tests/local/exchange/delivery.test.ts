// Where a message goes once it was taken.
import { afterEach, describe, expect, test } from '@jest/globals';
import { simpleParser } from 'mailparser';
import { withOtherMessageId } from '../../../local/emulators/exchange/delivery.ts';
import { Content, headerFields, headerValue } from '../../../local/emulators/exchange/content.ts';
import type { Exchange } from '../../../local/emulators/exchange/exchange.ts';
import { decodeFolderName, encodeFolderName } from '../../../local/emulators/exchange/folderNames.ts';
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
const INFO = 'info@contoso.test';

function inbox(exchange: Exchange, address = DESK): readonly string[] {
  return exchange.store
    .mailbox(address)
    .role('inbox')
    .messages.map((message) => message.content.buffer().toString('utf8'));
}

describe('the copy in Sent Items', () => {
  const sentIn = (exchange: Exchange): Record<string, number> =>
    Object.fromEntries(
      [DESK, INFO].map((address) => [address, exchange.store.mailbox(address).role('sent').size]),
    );
  const accounts = [DESK, { address: INFO, sendAs: [DESK] }];

  test.each([
    ['authenticated' as const, { [DESK]: 1, [INFO]: 0 }],
    ['from' as const, { [DESK]: 0, [INFO]: 1 }],
    ['none' as const, { [DESK]: 0, [INFO]: 0 }],
  ])('lies in the mailbox that is reported: %s', async (mailbox, expected) => {
    const exchange = await exchangeWith({ accounts });
    exchange.smtp.sentItems.mailbox = mailbox;
    await sendBy(await smtpClient(exchange), { from: INFO, content: mailText('a.1', INFO) });
    expect(sentIn(exchange)).toEqual(expected);
  });

  test('is the message byte for byte, seen', async () => {
    const exchange = await exchangeWith();
    await sendBy(await smtpClient(exchange));
    const [copy] = exchange.store.mailbox(DESK).role('sent').messages;
    expect(copy?.content.buffer().toString()).toBe(mailText());
    expect([...(copy?.flags ?? [])]).toEqual(['\\Seen']);
  });

  test('appears later, where that is asked for', async () => {
    const clock = new ManualClock();
    const exchange = await exchangeWith({ clock });
    exchange.smtp.sentItems.delayMs = 10_000;
    const token = tokenFor(DESK, { expiresAt: clock.now() + 86_400_000 });
    await sendBy(await smtpClient(exchange, DESK, token));
    const sent = exchange.store.mailbox(DESK).role('sent');
    clock.advance(9_999);
    expect(sent.size).toBe(0);
    clock.advance(1);
    await until(() => sent.size === 1);
  });

  test('may have another Message-ID: that of the 250, with the old one kept', async () => {
    const exchange = await exchangeWith();
    exchange.smtp.sentItems.replaceMessageId = true;
    const reply = await sendBy(await smtpClient(exchange));
    const [copy] = exchange.store.mailbox(DESK).role('sent').messages;
    const fields = headerFields(copy?.content ?? Content.of(''));
    expect(reply).toContain(headerValue(fields, 'Message-ID') ?? 'none');
    expect(headerValue(fields, 'X-Microsoft-Original-Message-ID')).toBe('<a.1@contoso.test>');
    expect(headerValue(fields, 'X-Mail-Bridge-Id')).toBe('a.1');
  });

  test('keeps everything else when its Message-ID is replaced', () => {
    const content = new Content([
      Buffer.from('A: 1\r\nmessage-id:\r\n <x@y>\r\nB: 2\r'),
      Buffer.from('\n\r\nbody\r\n'),
    ]);
    expect(withOtherMessageId(content, 'new@z').buffer().toString()).toBe(
      'Message-ID: <new@z>\r\nX-Microsoft-Original-Message-ID: <x@y>\r\nA: 1\r\nB: 2\r\n\r\nbody\r\n',
    );
  });
});

describe('recipients', () => {
  test('who have a mailbox here find it in their inbox, with a trace', async () => {
    const exchange = await exchangeWith({ accounts: [DESK, INFO] });
    await sendBy(await smtpClient(exchange), { to: ['INFO@contoso.test', 'kim@fabrikam.test'] });
    const [message = ''] = inbox(exchange, INFO);
    expect(message).toMatch(/^Received: from /);
    expect(message.endsWith(mailText())).toBe(true);
    expect(exchange.log.messages[0]?.to).toEqual(['INFO@contoso.test', 'kim@fabrikam.test']);
  });

  test.each([
    [{ kind: 'refuse' } as const, /^550 5\.1\.10 RESOLVER\.ADR\.RecipientNotFound/],
    [{ kind: 'refuse', reply: '550 5.1.1 User unknown' } as const, /^550 5\.1\.1 User unknown$/],
    [{ kind: 'defer' } as const, /^450 4\.2\.1/],
  ])('reported to be refused: %j', async (manner, expected) => {
    const exchange = await exchangeWith();
    exchange.recipient('gone@fabrikam.test', manner);
    const client = await smtpClient(exchange);
    await client.command(`MAIL FROM:<${DESK}>`);
    expect(await client.command('RCPT TO:<Gone@fabrikam.test>')).toMatch(expected);
    expect(await client.command('RCPT TO:<kim@fabrikam.test>')).toMatch(/^250/);
    exchange.recipient('gone@fabrikam.test', undefined);
    expect(await client.command('RCPT TO:<gone@fabrikam.test>')).toMatch(/^250/);
  });

  test('deferred a number of times, each address of the domain by itself', async () => {
    const exchange = await exchangeWith();
    exchange.recipient('*@slow.test', { kind: 'defer', times: 2 });
    const client = await smtpClient(exchange);
    await client.command(`MAIL FROM:<${DESK}>`);
    const replies: string[] = [];
    for (const name of ['a', 'b', 'a', 'b', 'a', 'b'])
      replies.push((await client.command(`RCPT TO:<${name}@slow.test>`)).slice(0, 3));
    expect(replies).toEqual(['450', '450', '450', '450', '250', '250']);
  });
});

describe('mail that Exchange writes', () => {
  const subject = 'Subject: =?utf-8?Q?P=C3=A4iv=C3=A4=C3=A4?=';
  const content = mailText().replace('Subject: Hello', subject);

  test('a report of non-delivery, with what was returned', async () => {
    const exchange = await exchangeWith();
    exchange.recipient('gone@fabrikam.test', {
      kind: 'bounce',
      status: '5.1.1',
      diagnostic: '550 5.1.1 User unknown',
    });
    await sendBy(await smtpClient(exchange), { to: ['gone@fabrikam.test', 'kim@fabrikam.test'], content });
    const reports = inbox(exchange);
    expect(reports).toHaveLength(1);
    const report = await simpleParser(reports[0] ?? '');
    expect(report).toMatchObject({ subject: 'Undeliverable: Päivää', inReplyTo: '<a.1@contoso.test>' });
    expect(report.headers.get('return-path')).toMatchObject({ value: [{ address: '' }] });
    expect(report.headers.get('content-type')).toMatchObject({
      value: 'multipart/report',
      params: { 'report-type': 'delivery-status' },
    });
    // mailparser puts the delivery-status part into the text.
    expect(report.text).toMatch(
      /Final-Recipient: rfc822;gone@fabrikam\.test\r?\nAction: failed\r?\nStatus: 5\.1\.1\r?\nDiagnostic-Code: smtp;550 5\.1\.1 User unknown/,
    );
    const [returned] = report.attachments;
    expect(returned?.contentType).toBe('message/rfc822');
    expect(returned?.content.toString()).toContain('X-Mail-Bridge-Id: a.1');
  });

  test('an automatic reply', async () => {
    const exchange = await exchangeWith();
    exchange.recipient('kim@fabrikam.test', { kind: 'outOfOffice', text: 'Lomalla ääkkösten kanssa.' });
    await sendBy(await smtpClient(exchange), { content });
    const reply = await simpleParser(inbox(exchange)[0] ?? '');
    expect(reply).toMatchObject({
      subject: 'Automatic reply: Päivää',
      text: 'Lomalla ääkkösten kanssa.\n',
      inReplyTo: '<a.1@contoso.test>',
    });
    expect(reply.headers.get('auto-submitted')).toBe('auto-generated');
  });

  test.each([
    ['to the null reverse-path', '', mailText()],
    ['to mail that is itself automatic', DESK, `Auto-Submitted: auto-replied\r\n${mailText()}`],
    ['to mail that asks for silence', DESK, `X-Auto-Response-Suppress: DR, OOF\r\n${mailText()}`],
  ])('is never sent %s', async (_name, from, text) => {
    const exchange = await exchangeWith();
    exchange.recipient('kim@fabrikam.test', { kind: 'outOfOffice' });
    expect(await sendBy(await smtpClient(exchange), { from, content: text })).toMatch(/^250/);
    expect(inbox(exchange)).toEqual([]);
  });
});

test.each([
  ['Lähetetyt', 'L&AOQ-hetetyt'],
  ['Skickat', 'Skickat'],
  ['Skräppost', 'Skr&AOQ-ppost'],
  ['Tom & Jerry', 'Tom &- Jerry'],
  ['日本語', '&ZeVnLIqe-'],
  ['😀', '&2D3eAA-'],
])('folder %s is %s on the wire', (name, wire) => {
  expect(encodeFolderName(name)).toBe(wire);
  expect(decodeFolderName(wire)).toBe(name);
});
