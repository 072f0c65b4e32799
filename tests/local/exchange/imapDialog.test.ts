// IMAP as a transcript: what is said to the emulator, and what it says.
import { afterEach, describe, expect, test } from '@jest/globals';
import type { AccountOptions } from '../../../local/emulators/exchange/accounts.ts';
import type { Exchange } from '../../../local/emulators/exchange/exchange.ts';
import {
  appToken,
  closeAll,
  exchangeWith,
  LineClient,
  ManualClock,
  tokenFor,
  until,
  xoauth2,
} from './harness.ts';

afterEach(closeAll);

const DESK = 'desk@contoso.test';

async function connect(exchange: Exchange): Promise<LineClient> {
  const client = await LineClient.openTls(exchange.imapPort);
  expect(await client.until(/^\* OK [^\n]*\n/)).toBe('* OK The Microsoft Exchange IMAP4 service is ready.');
  return client;
}

/** Everything up to the tagged answer, `|` between the lines. */
async function ask(client: LineClient, command: string): Promise<string> {
  client.write(`t ${command}\r\n`);
  return client.until(/^(?:[^]*?\r\n)??t [^\n]*\n/);
}

async function loggedIn(exchange: Exchange, token = tokenFor(DESK), user = DESK): Promise<LineClient> {
  const client = await connect(exchange);
  expect(await ask(client, `AUTHENTICATE XOAUTH2 ${xoauth2(user, token)}`)).toBe(
    't OK AUTHENTICATE completed.',
  );
  return client;
}

function deliver(exchange: Exchange, ...subjects: readonly string[]): void {
  for (const subject of subjects) {
    exchange.store
      .mailbox(DESK)
      .deliver(`Subject: ${subject}\r\nX-N: 1\r\n\r\nbody\r\n`, { internalDate: Date.UTC(2026, 10, 25, 9) });
  }
}

test('goes as Exchange Online prints it', async () => {
  const exchange = await exchangeWith();
  deliver(exchange, 'one', 'two');
  const client = await connect(exchange);
  const dialog: readonly (readonly [string, string])[] = [
    [
      'CAPABILITY',
      '* CAPABILITY IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+|t OK CAPABILITY completed.',
    ],
    ['SELECT INBOX', 't BAD Command received in Invalid state.'],
    ['LOGIN desk secret', 't NO LOGIN failed.'],
    ['AUTHENTICATE PLAIN AGRlc2sAc2VjcmV0', 't NO AUTHENTICATE failed.'],
    [`AUTHENTICATE XOAUTH2 ${xoauth2(DESK, 'nonsense')}`, 't NO AUTHENTICATE failed.'],
    [`AUTHENTICATE XOAUTH2 ${xoauth2(DESK, tokenFor(DESK))}`, 't OK AUTHENTICATE completed.'],
    [
      'CAPABILITY',
      '* CAPABILITY IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE ID UNSELECT CLIENTACCESSRULES CLIENTNETWORKPRESENCELOCATION BACKENDAUTHENTICATE CHILDREN IDLE NAMESPACE LITERAL+|t OK CAPABILITY completed.',
    ],
    ['NAMESPACE', '* NAMESPACE (("" "/")) NIL NIL|t OK NAMESPACE completed.'],
    ['ENABLE CONDSTORE', 't BAD Command Error. 12'],
    ['LIST "" ""', '* LIST (\\Noselect) "/" ""|t OK LIST completed.'],
    [
      'LIST "" *',
      '* LIST (\\Marked \\HasNoChildren) "/" INBOX|* LIST (\\HasNoChildren) "/" "Sent Items"|* LIST (\\HasNoChildren) "/" Drafts|* LIST (\\HasNoChildren) "/" "Deleted Items"|* LIST (\\HasNoChildren) "/" "Junk Email"|* LIST (\\HasNoChildren) "/" Archive|t OK LIST completed.',
    ],
    ['LIST (SPECIAL-USE) "" *', 't BAD Command Argument Error. 11'],
    [
      'STATUS INBOX (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN)',
      '* STATUS INBOX (MESSAGES 2 RECENT 2 UIDNEXT 3 UIDVALIDITY 14 UNSEEN 2)|t OK STATUS completed.',
    ],
    ['STATUS INBOX (HIGHESTMODSEQ)', 't BAD Command Argument Error. 11'],
    ['FETCH 1 FLAGS', 't BAD Command received in Invalid state.'],
    ['SELECT Nowhere', "t NO Nowhere doesn't exist."],
    [
      'SELECT inbox',
      '* 2 EXISTS|* 2 RECENT|* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $MDNSent)|* OK [PERMANENTFLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $MDNSent)] Permanent flags|* OK [UNSEEN 1] Is the first unseen message|* OK [UIDVALIDITY 14] UIDVALIDITY value|* OK [UIDNEXT 3] The next unique identifier value|t OK [READ-WRITE] SELECT completed.',
    ],
    [
      'UID FETCH 1:* (FLAGS INTERNALDATE RFC822.SIZE)',
      '* 1 FETCH (RFC822.SIZE 182 FLAGS () INTERNALDATE "25-Nov-2026 09:00:00 +0000" UID 1)|* 2 FETCH (RFC822.SIZE 182 FLAGS () INTERNALDATE "25-Nov-2026 09:00:00 +0000" UID 2)|t OK UID FETCH completed.',
    ],
    [
      'FETCH 1 (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])',
      '* 1 FETCH (BODY[HEADER.FIELDS (SUBJECT)] {16}|Subject: one||UID 1)|t OK FETCH completed.'.replace(
        '||UID',
        '|| UID',
      ),
    ],
    ['FETCH 1 (BODY.PEEK[]<2.5>)', '* 1 FETCH (BODY[]<2> {5}|bject)|t OK FETCH completed.'],
    ['FETCH 1 BODY[TEXT]', '* 1 FETCH (BODY[TEXT] {6}|body| FLAGS (\\Seen))|t OK FETCH completed.'],
    ['FETCH 1 (MODSEQ)', 't BAD Command Argument Error. 11'],
    ['FETCH 1:2,x FLAGS', 't BAD Command Argument Error. 11'],
    ['FETCH 1 ()', 't BAD Command Argument Error. 11'],
    ['STORE 2 +FLAGS (\\Flagged Mine)', '* 2 FETCH (FLAGS (\\Flagged) UID 2)|t OK STORE completed.'],
    ['UID STORE 2 +FLAGS.SILENT (\\Deleted)', 't OK UID STORE completed.'],
    ['UID SEARCH HEADER X-N 1', '* SEARCH 1 2|t OK UID SEARCH completed.'],
    ['SEARCH NONSENSE', 't BAD Command Argument Error. 11'],
    ['UID COPY 1 Archive', 't OK [COPYUID 19 1 1] UID COPY completed.'],
    ['UID MOVE 1 "Deleted Items"', '* OK [COPYUID 17 1 1]|* 1 EXPUNGE|t OK UID MOVE completed.'],
    ['UID COPY 2 Nowhere', "t NO [TRYCREATE] Nowhere doesn't exist."],
    ['EXPUNGE', '* 1 EXPUNGE|t OK EXPUNGE completed.'],
    ['UNSELECT', 't OK UNSELECT completed.'],
    ['NONSENSE', 't BAD Command Error. 12'],
    ['LOGOUT', '* BYE Microsoft Exchange Server IMAP4 server signing off.|t OK LOGOUT completed.'],
  ];
  for (const [said, expected] of dialog) expect([said, await ask(client, said)]).toEqual([said, expected]);
  await client.closed();
  expect(exchange.log.connections[0]).toMatchObject({ protocol: 'imap', account: DESK, closedBy: 'quit' });
});

describe('logging in', () => {
  const NOT_CONNECTED = 't BAD User is authenticated but not connected.';
  const cases: readonly (readonly [string, Partial<AccountOptions>, string, string, string])[] = [
    ['a good token', {}, DESK, tokenFor(DESK), 't OK'],
    [
      'a token without the scope',
      {},
      DESK,
      tokenFor(DESK, { scopes: ['SMTP.Send'] }),
      't NO AUTHENTICATE failed.',
    ],
    [
      'a token for another audience',
      {},
      DESK,
      tokenFor(DESK, { audienceOk: false }),
      't NO AUTHENTICATE failed.',
    ],
    ['an expired token', {}, DESK, tokenFor(DESK, { expiresAt: 1 }), 't NO AUTHENTICATE failed.'],
    ["the administrator's token", {}, DESK, tokenFor('admin@contoso.test'), NOT_CONNECTED],
    ['IMAP off', { imap: 'off' }, DESK, tokenFor(DESK), NOT_CONNECTED],
    [
      "a delegate's token",
      { shared: true, delegates: ['kim@contoso.test'] },
      DESK,
      tokenFor('kim@contoso.test'),
      't OK',
    ],
    ['an application', {}, DESK, appToken('app1'), 't OK'],
    ['an application without Full Access', { apps: [] }, DESK, appToken('app1'), NOT_CONNECTED],
    [
      'an application without the role',
      {},
      DESK,
      appToken('app1', { roles: [] }),
      't NO AUTHENTICATE failed.',
    ],
    [
      'an application by an address that is not the UPN',
      { upn: 'desk@contoso.onmicrosoft.test' },
      DESK,
      appToken('app1'),
      NOT_CONNECTED,
    ],
    [
      'an application by the UPN',
      { upn: 'desk@contoso.onmicrosoft.test' },
      'desk@contoso.onmicrosoft.test',
      appToken('app1'),
      't OK',
    ],
  ];
  test.each(cases)('with %s', async (_name, account, user, token, expected) => {
    const exchange = await exchangeWith({ accounts: [{ address: DESK, ...account }] });
    const client = await connect(exchange);
    const login = await ask(client, `AUTHENTICATE XOAUTH2 ${xoauth2(user, token)}`);
    const [selected = ''] = login.startsWith('t OK')
      ? (await ask(client, 'EXAMINE INBOX')).split('|').slice(-1)
      : [login];
    expect(selected.startsWith(expected)).toBe(true);
  });

  test('without an initial response is asked for one', async () => {
    const exchange = await exchangeWith();
    const client = await connect(exchange);
    client.write('t AUTHENTICATE XOAUTH2\r\n');
    expect(await client.until(/^\+ [^\n]*\n/)).toBe('+');
    client.write(`${xoauth2(DESK, tokenFor(DESK))}\r\n`);
    expect(await client.until(/^t [^\n]*\n/)).toBe('t OK AUTHENTICATE completed.');
  });

  test('authenticated but not connected ends in BYE', async () => {
    const exchange = await exchangeWith();
    const client = await loggedIn(exchange, tokenFor('admin@contoso.test'));
    expect(await ask(client, 'CAPABILITY')).toMatch(/OK CAPABILITY completed\.$/);
    expect(await ask(client, 'NAMESPACE')).toBe(NOT_CONNECTED);
    expect(await ask(client, 'LIST "" *')).toBe(NOT_CONNECTED);
    client.write('t NOOP\r\n');
    expect(await client.until(/^\* [^\n]*\n/)).toBe('* BYE Connection closed. 14');
    await client.closed();
  });

  test('too many connections of one mailbox are not connected, until one leaves', async () => {
    const exchange = await exchangeWith({ limits: { imapConnections: 2 } });
    const [first] = [await loggedIn(exchange), await loggedIn(exchange)];
    expect(await ask(await loggedIn(exchange), 'NOOP')).toBe(NOT_CONNECTED);
    await ask(first, 'LOGOUT');
    await first.closed();
    expect(await ask(await loggedIn(exchange), 'NOOP')).toBe('t OK NOOP completed.');
  });
});

describe('a token that runs out', () => {
  const expired = '* BYE Session invalidated - AccessTokenExpired|t BAD Command received in Invalid state.';

  test('between two commands', async () => {
    const clock = new ManualClock();
    const exchange = await exchangeWith({ clock });
    const client = await loggedIn(exchange, tokenFor(DESK, { expiresAt: clock.now() + 1_000 }));
    clock.advance(999);
    expect(await ask(client, 'NOOP')).toBe('t OK NOOP completed.');
    clock.advance(1);
    expect(await ask(client, 'SELECT INBOX')).toBe(expired);
    expect(await ask(client, 'NOOP')).toBe('t BAD Command received in Invalid state.');
    client.write('t NOOP\r\n');
    expect(await client.until(/^\* [^\n]*\n/)).toBe('* BYE Connection closed. 14');
  });

  test('in the middle of a FETCH', async () => {
    const clock = new ManualClock();
    const exchange = await exchangeWith({ clock });
    deliver(exchange, 'one', 'two', 'three');
    const client = await loggedIn(exchange, tokenFor(DESK, { expiresAt: clock.now() + 1_000 }));
    await ask(client, 'SELECT INBOX');
    exchange.injectFault({ protocol: 'imap', at: 'message', uid: 2, does: { kind: 'delay', ms: 1_000 } });
    const answer = ask(client, 'FETCH 1:* FLAGS');
    await until(() => clock.sleeping === 1);
    clock.advance(1_000);
    expect(await answer).toBe(`* 1 FETCH (FLAGS ())|* 2 FETCH (FLAGS ())|${expired}`);
  });

  test('while idle', async () => {
    const clock = new ManualClock();
    const exchange = await exchangeWith({ clock });
    const client = await loggedIn(exchange, tokenFor(DESK, { expiresAt: clock.now() + 1_000 }));
    await ask(client, 'SELECT INBOX');
    client.write('t IDLE\r\n');
    await client.until(/^\+ [^\n]*\n/);
    clock.advance(1_000);
    expect(await client.until(/^\* [^\n]*\n/)).toBe('* BYE Session invalidated - AccessTokenExpired');
  });
});

describe('what others do', () => {
  test('is reported when the command allows it: never an EXPUNGE during FETCH, STORE and SEARCH', async () => {
    const exchange = await exchangeWith();
    deliver(exchange, 'one', 'two', 'three');
    const client = await loggedIn(exchange);
    await ask(client, 'SELECT INBOX');
    const inbox = exchange.store.mailbox(DESK).role('inbox');
    inbox.remove(1);
    inbox.setFlags(2, ['\\Flagged']);
    deliver(exchange, 'four');
    expect(await ask(client, 'FETCH 3 UID')).toBe(
      '* 3 FETCH (UID 3)|* 2 FETCH (FLAGS (\\Flagged) UID 2)|* 4 EXISTS|* 4 RECENT|t OK FETCH completed.',
    );
    expect(await ask(client, 'FETCH 1 UID')).toBe('t NO Some of the requested messages no longer exist.');
    expect(await ask(client, 'SEARCH ALL')).toBe('* SEARCH 2 3 4|t OK SEARCH completed.');
    expect(await ask(client, 'NOOP')).toBe('* 1 EXPUNGE|t OK NOOP completed.');
    expect(await ask(client, 'FETCH 1:* UID')).toBe(
      '* 1 FETCH (UID 2)|* 2 FETCH (UID 3)|* 3 FETCH (UID 4)|t OK FETCH completed.',
    );
  });

  test('is pushed while idle', async () => {
    const exchange = await exchangeWith();
    const client = await loggedIn(exchange);
    await ask(client, 'SELECT INBOX');
    client.write('t IDLE\r\n');
    await client.until(/^\+ [^\n]*\n/);
    deliver(exchange, 'one');
    expect(await client.until(/^\* 1 EXISTS\r\n\* 1 RECENT\r\n/)).toBe('* 1 EXISTS|* 1 RECENT');
    client.write('DONE\r\n');
    expect(await client.until(/^t [^\n]*\n/)).toBe('t OK IDLE completed.');
  });

  test('a folder that is renamed stays selected, one that is deleted is gone', async () => {
    const exchange = await exchangeWith();
    const mailbox = exchange.store.mailbox(DESK);
    mailbox.deliver('Subject: x\r\n\r\n', { folder: 'Jono' });
    const client = await loggedIn(exchange);
    await ask(client, 'SELECT Jono');
    mailbox.rename('Jono', 'Uusi');
    expect(await ask(client, 'UID FETCH 1 FLAGS')).toBe(
      '* 1 FETCH (FLAGS () UID 1)|t OK UID FETCH completed.',
    );
    expect(await ask(client, 'STATUS Jono (MESSAGES)')).toBe("t NO Jono doesn't exist.");
    mailbox.delete('Uusi');
    expect(await ask(client, 'UID FETCH 1 FLAGS')).toBe("t NO Uusi doesn't exist.");
    expect(await ask(client, 'UID SEARCH ALL')).toBe("t NO Uusi doesn't exist.");
  });

  test('a new UIDVALIDITY ends the session; the next one sees it, 0 included', async () => {
    const exchange = await exchangeWith();
    deliver(exchange, 'one', 'two');
    const inbox = exchange.store.mailbox(DESK).role('inbox');
    const client = await loggedIn(exchange);
    await ask(client, 'SELECT INBOX');
    inbox.renumber(0, 101);
    client.write('t NOOP\r\n');
    expect(await client.until(/^\* [^\n]*\n/)).toBe('* BYE Connection is closed. 13');
    await client.closed();
    expect(await ask(await loggedIn(exchange), 'SELECT INBOX')).toContain(
      '|* OK [UIDVALIDITY 0] UIDVALIDITY value|* OK [UIDNEXT 103]',
    );
  });
});

describe('lines and literals', () => {
  test('a line that is too long is an error, and the next one is not', async () => {
    const exchange = await exchangeWith();
    deliver(exchange, 'one');
    const client = await loggedIn(exchange);
    await ask(client, 'SELECT INBOX');
    const uids = Array.from({ length: 8_000 }, (_, at) => at + 1).join(',');
    expect(await ask(client, `UID SEARCH UID ${uids}`)).toBe('t BAD Command Error. 10');
    expect(await ask(client, 'NOOP')).toBe('t OK NOOP completed.');
  });

  test('literals come with and without being waited for', async () => {
    const exchange = await exchangeWith();
    const client = await loggedIn(exchange);
    client.write('t APPEND {5}\r\n');
    expect(await client.until(/^\+ [^\n]*\n/)).toMatch(/^\+ /);
    client.write('INBOX (\\Seen) "24-Nov-2026 10:11:12 +0200" {12+}\r\nSubject: x\r\n\r\n');
    expect(await client.until(/^t [^\n]*\n/)).toBe('t OK [APPENDUID 14 1] APPEND completed.');
    const [message] = exchange.store.mailbox(DESK).role('inbox').messages;
    expect(message?.internalDate).toBe(Date.UTC(2026, 10, 24, 8, 11, 12));
    expect(message?.content.buffer().toString()).toBe('Subject: x\r\n');
  });
});
