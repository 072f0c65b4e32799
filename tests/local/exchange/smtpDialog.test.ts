// SMTP as a transcript: what is said to the emulator, and what it says.
import { afterEach, describe, expect, test } from '@jest/globals';
import type { AccountOptions } from '../../../local/emulators/exchange/accounts.ts';
import {
  appToken,
  closeAll,
  exchangeWith,
  LineClient,
  mailText,
  sendBy,
  smtpClient,
  tokenFor,
  xoauth2,
} from './harness.ts';

afterEach(closeAll);

const DESK = 'desk@contoso.test';

describe('the dialog', () => {
  test('goes as Exchange Online prints it', async () => {
    const exchange = await exchangeWith();
    const client = await LineClient.open(exchange.smtpPort);
    expect(await client.reply()).toMatch(
      /^220 AM0PR01CA\w{4}\.outlook\.office365\.com Microsoft ESMTP MAIL Service ready at .* \+0000$/,
    );
    expect((await client.command('EHLO me')).split('|').slice(1)).toEqual([
      '250-SIZE 157286400',
      '250-PIPELINING',
      '250-DSN',
      '250-ENHANCEDSTATUSCODES',
      '250-STARTTLS',
      '250-8BITMIME',
      '250-BINARYMIME',
      '250-CHUNKING',
      '250 SMTPUTF8',
    ]);
    expect(await client.command(`MAIL FROM:<${DESK}>`)).toMatch(
      /^530 5\.7\.57 Client not authenticated to send mail\./,
    );
    expect(await client.command(`AUTH XOAUTH2 ${xoauth2(DESK, tokenFor(DESK))}`)).toMatch(/^504 5\.7\.4/);
    expect(await client.command('STARTTLS')).toBe('220 2.0.0 SMTP server ready');
    await client.startTls();
    expect(await client.command(`MAIL FROM:<${DESK}>`)).toMatch(/^503 5\.5\.2 Send hello first/);
    const inTls = (await client.command('EHLO me')).split('|');
    expect(inTls).toContain('250-AUTH LOGIN XOAUTH2');
    expect(inTls).not.toContain('250-STARTTLS');
    const dialog: readonly (readonly [string, RegExp])[] = [
      [`AUTH XOAUTH2 ${xoauth2(DESK, tokenFor(DESK))}`, /^235 2\.7\.0 Authentication successful$/],
      [`AUTH XOAUTH2 ${xoauth2(DESK, tokenFor(DESK))}`, /^503 5\.5\.2/],
      ['RCPT TO:<kim@fabrikam.test>', /^503 5\.5\.2 Need mail command$/],
      ['MAIL FROM: nobody', /^501 5\.5\.4/],
      [`MAIL FROM:<${DESK}> SIZE=157286401`, /^552 5\.3\.4/],
      [`MAIL FROM:<${DESK}> SIZE=100 BODY=8BITMIME`, /^250 2\.1\.0 Sender OK$/],
      [`MAIL FROM:<${DESK}>`, /^503 5\.5\.2 Sender already specified$/],
      ['DATA', /^503 5\.5\.2 Need rcpt command$/],
      ['RCPT TO:<not an address>', /^501 5\.1\.3/],
      ['RCPT TO:<kim@fabrikam.test> NOTIFY=FAILURE', /^250 2\.1\.5 Recipient OK$/],
      ['NOOP', /^250 2\.0\.0 OK$/],
      ['DATA', /^354 Start mail input; end with <CRLF>\.<CRLF>$/],
      [
        `${mailText()}.`,
        /^250 2\.0\.0 OK <[0-9A-F]{24}@AM0PR01MB\w{4}\.eurprd01\.prod\.outlook\.com> \[Hostname=AM0PR01MB\w{4}\.eurprd01\.prod\.outlook\.com\]$/,
      ],
      ['VRFY desk', /^500 5\.3\.3 Unrecognized command$/],
      ['RSET', /^250 2\.0\.0 Resetting$/],
      ['QUIT', /^221 2\.0\.0 Service closing transmission channel$/],
    ];
    for (const [said, expected] of dialog)
      expect(`${said} → ${await client.command(said)}`).toMatch(new RegExp(` → ${expected.source.slice(1)}`));
    await client.closed();
    expect(exchange.log.connections[0]).toMatchObject({ account: DESK, closedBy: 'quit' });
  });

  test('keeps clear text that came with STARTTLS out of the secure dialog', async () => {
    const exchange = await exchangeWith();
    const client = await LineClient.open(exchange.smtpPort);
    await client.reply();
    await client.command('EHLO me');
    client.write('STARTTLS\r\nNOOP\r\n');
    expect(await client.reply()).toMatch(/^220/);
    await client.startTls();
    // A server that kept the NOOP would answer it first.
    expect(await client.command('EHLO me')).toMatch(/^250-/);
  });

  test('answers pipelined commands in their order', async () => {
    const exchange = await exchangeWith();
    const client = await smtpClient(exchange);
    client.write(`MAIL FROM:<${DESK}>\r\nRCPT TO:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n`);
    const replies = [];
    for (let at = 0; at < 4; at += 1) replies.push((await client.reply()).slice(0, 9));
    expect(replies).toEqual(['250 2.1.0', '250 2.1.5', '250 2.1.5', '354 Start']);
  });

  test('takes chunks (BDAT) byte for byte', async () => {
    const exchange = await exchangeWith();
    const client = await smtpClient(exchange);
    await client.command(`MAIL FROM:<${DESK}> BODY=BINARYMIME`);
    await client.command('RCPT TO:<kim@fabrikam.test>');
    const text = mailText();
    client.write(`BDAT ${text.length}\r\n${text}`);
    expect(await client.reply()).toMatch(/^250 2\.0\.0/);
    client.write('BDAT 3 LAST\r\n.\n.');
    expect(await client.reply()).toMatch(/^250 2\.0\.0 OK </);
    const [copy] = exchange.store.mailbox(DESK).role('sent').messages;
    expect(copy?.content.buffer().toString()).toBe(`${text}.\n.`);
  });
});

describe('content', () => {
  const bodies: readonly (readonly [string, string])[] = [
    ['a leading dot', '.leading\r\n..two\r\n'],
    ['a dot line in the middle', 'a\r\n.\r\nb\r\n'],
    ['only a dot', '.\r\n'],
    ['nothing', ''],
    ['8-bit text', Buffer.from('äö€\r\n').toString('latin1')],
  ];
  test.each(bodies)('with %s arrives as it was, in any pieces', async (_name, body) => {
    const exchange = await exchangeWith();
    const client = await smtpClient(exchange);
    for (const pieceBytes of [1, 2, 3, 1_000]) {
      await client.command(`MAIL FROM:<${DESK}>`);
      await client.command('RCPT TO:<kim@fabrikam.test>');
      await client.command('DATA');
      const wire = `${mailText()}${body.replace(/^\./gm, '..')}.\r\n`;
      for (let at = 0; at < wire.length; at += pieceBytes)
        client.write(Buffer.from(wire.slice(at, at + pieceBytes), 'latin1'));
      expect(await client.reply()).toMatch(/^250/);
    }
    const copies = exchange.store.mailbox(DESK).role('sent').messages;
    expect(copies.map((copy) => copy.content.buffer().toString('latin1'))).toEqual(
      Array(4).fill(`${mailText()}${body}`),
    );
  });

  test('is not ended by a bare line end, and then refused', async () => {
    const exchange = await exchangeWith();
    const client = await smtpClient(exchange);
    await client.command(`MAIL FROM:<${DESK}>`);
    await client.command('RCPT TO:<kim@fabrikam.test>');
    await client.command('DATA');
    client.write(`${mailText()}one\n.\nMAIL FROM:<evil@x.test>\r\n.\r\n`);
    expect(await client.reply()).toMatch(/^550 5\.6\.11/);
    expect(exchange.log.messages).toHaveLength(0);
  });
});

describe('logging in', () => {
  const cases: readonly (readonly [string, Partial<AccountOptions>, string, string, RegExp])[] = [
    ['a good token', {}, DESK, tokenFor(DESK), /^235/],
    ['the account in another case', {}, 'Desk@Contoso.TEST', tokenFor(DESK), /^235/],
    ['a bad token', {}, DESK, 'nonsense', /^535 5\.7\.3 Authentication unsuccessful \[AM0PR01CA/],
    ['an expired token', {}, DESK, tokenFor(DESK, { expiresAt: Date.now() - 1 }), /^535 5\.7\.3/],
    ['a token for another audience', {}, DESK, tokenFor(DESK, { audienceOk: false }), /^535 5\.7\.3/],
    [
      'a token without the scope',
      {},
      DESK,
      tokenFor(DESK, { scopes: ['IMAP.AccessAsUser.All'] }),
      /^535 5\.7\.3/,
    ],
    ["another user's token", {}, DESK, tokenFor('admin@contoso.test'), /^535 5\.7\.3/],
    ['an unknown account', {}, 'who@contoso.test', tokenFor('who@contoso.test'), /^535 5\.7\.3/],
    [
      'a shared mailbox by its delegate',
      { shared: true, delegates: ['kim@contoso.test'] },
      DESK,
      tokenFor('kim@contoso.test'),
      /^535 5\.7\.3/,
    ],
    ['an application', {}, DESK, appToken('app1'), /^235/],
    ['an application without the role', {}, DESK, appToken('app1', { roles: [] }), /^535 5\.7\.3/],
    ['an application without the mailbox', { apps: ['app2'] }, DESK, appToken('app1'), /^535 5\.7\.3/],
    [
      'an application by App RBAC',
      { apps: [], rbacApps: ['app1'] },
      DESK,
      appToken('app1', { roles: [] }),
      /^235/,
    ],
    ['an application on a shared mailbox', { shared: true }, DESK, appToken('app1'), /^235/],
    [
      'SMTP AUTH off for the mailbox',
      { smtpAuth: 'offMailbox' },
      DESK,
      tokenFor(DESK),
      /^535 5\.7\.139 .*disabled for the Mailbox/,
    ],
    [
      'SMTP AUTH off for the tenant',
      { smtpAuth: 'offTenant' },
      DESK,
      tokenFor(DESK),
      /^535 5\.7\.139 .*disabled for the Tenant/,
    ],
  ];
  test.each(cases)('with %s', async (_name, account, user, token, expected) => {
    const exchange = await exchangeWith({ accounts: [{ address: DESK, ...account }] });
    const client = await LineClient.open(exchange.smtpPort);
    await client.reply();
    await client.command('EHLO test');
    await client.command('STARTTLS');
    await client.startTls();
    await client.command('EHLO test');
    expect(await client.command(`AUTH XOAUTH2 ${xoauth2(user, token)}`)).toMatch(expected);
  });

  test('by password ends with the text for basic authentication', async () => {
    const exchange = await exchangeWith();
    const client = await LineClient.open(exchange.smtpPort);
    await client.reply();
    await client.command('EHLO test');
    await client.command('STARTTLS');
    await client.startTls();
    await client.command('EHLO test');
    expect(await client.command('AUTH LOGIN')).toBe('334 VXNlcm5hbWU6');
    expect(await client.command('ZGVzaw==')).toBe('334 UGFzc3dvcmQ6');
    expect(await client.command('c2VjcmV0')).toMatch(/^535 5\.7\.139 .*basic authentication is disabled/);
  });
});

describe('sending as another', () => {
  const OTHER = 'info@contoso.test';
  const cases: readonly (readonly [string, readonly string[], string, string, RegExp])[] = [
    ['without a grant', [], OTHER, OTHER, /^554 5\.2\.0 .*SendAsDeniedException/],
    ['with a grant', [DESK], OTHER, OTHER, /^250/],
    ['in the From header only, without a grant', [], DESK, OTHER, /^554 5\.2\.0 .*SendAsDeniedException/],
    ['with a null reverse-path', [], '', DESK, /^250/],
  ];
  test.each(cases)('%s', async (_name, sendAs, envelope, header, expected) => {
    const exchange = await exchangeWith({ accounts: [DESK, { address: OTHER, sendAs }] });
    const client = await smtpClient(exchange);
    expect(await sendBy(client, { from: envelope, content: mailText('a.1', header) })).toMatch(expected);
  });
});
