// IMAP by imapflow, the bridge's own client: Exchange's oddities, and orders to misbehave.
import { createHash, randomBytes } from 'node:crypto';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { ImapFlow } from 'imapflow';
import type { Exchange } from '../../../local/emulators/exchange/exchange.ts';
import type { ImapFault, ImapRule, ImapStep } from '../../../local/emulators/exchange/faults.ts';
import { Content } from '../../../local/emulators/exchange/content.ts';
import { certificates, closeAll, exchangeWith, LineClient, tokenFor, xoauth2 } from './harness.ts';
import { imapClient, playImap, samples } from './imapScenario.ts';

afterEach(closeAll);

const DESK = 'desk@contoso.test';

async function open(exchange: Exchange, folder = 'INBOX'): Promise<ImapFlow> {
  const { ca } = await certificates();
  const client = imapClient({ port: exchange.imapPort, ca, user: DESK, token: tokenFor(DESK) });
  await client.connect();
  await client.mailboxOpen(folder);
  return client;
}

function deliver(exchange: Exchange, count: number): void {
  for (let at = 1; at <= count; at += 1)
    exchange.store.mailbox(DESK).deliver(`Subject: ${at}\r\n\r\nbody ${at}\r\n`);
}

async function source(client: ImapFlow, uid: number): Promise<string | undefined> {
  const message = await client.fetchOne(`${uid}`, { source: true }, { uid: true });
  return message === false ? undefined : message.source?.toString('latin1');
}

/** A session that is past SELECT, line by line. */
async function lines(exchange: Exchange): Promise<(command: string) => Promise<string>> {
  const client = await LineClient.openTls(exchange.imapPort);
  const ask = (command: string): Promise<string> => {
    client.write(`t ${command}\r\n`);
    return client.until(/^(?:[^]*?\r\n)??t [^\n]*\n/);
  };
  await ask(`AUTHENTICATE XOAUTH2 ${xoauth2(DESK, tokenFor(DESK))}`);
  await ask('SELECT INBOX');
  return ask;
}

test("imapflow plays a mail client's whole life", async () => {
  const exchange = await exchangeWith();
  const { ca } = await certificates();
  const seen = await playImap({ port: exchange.imapPort, ca, user: DESK, token: tokenFor(DESK) });
  const answers = new Map(seen);
  expect(answers.get('exists')).toBe(Object.keys(samples).length);
  expect(answers.get('after it')).toEqual([1, 3, 4]);
  expect(answers.get('delete')).toEqual([true, true]);
});

describe('oddities', () => {
  test('the names of folders follow the language', async () => {
    const exchange = await exchangeWith({ accounts: [{ address: DESK, language: 'fi' }] });
    const client = await open(exchange, 'Lähetetyt');
    expect((await client.list()).map(({ path, specialUse }) => [path, specialUse])).toContainEqual([
      'Lähetetyt',
      '\\Sent',
    ]);
    expect([...client.capabilities.keys()]).not.toContain('SPECIAL-USE');
    await client.logout();
  });

  test('the size is an estimate, unless it is reported to be right', async () => {
    const exchange = await exchangeWith();
    deliver(exchange, 1);
    const client = await open(exchange);
    const size = async (): Promise<number | undefined> =>
      (await client.fetchAll('1', { size: true }))[0]?.size;
    const [message] = exchange.store.mailbox(DESK).role('inbox').messages;
    expect(await size()).toBeGreaterThan(message?.content.sizeBytes ?? Infinity);
    exchange.imap.exactSize = true;
    expect(await size()).toBe(message?.content.sizeBytes);
    await client.logout();
  });

  test('messages are rebuilt: other boundaries in each session, the same parts', async () => {
    const exchange = await exchangeWith();
    exchange.imap.rebuild = true;
    const nested = samples['nested'] ?? '';
    exchange.store.mailbox(DESK).deliver(Buffer.from(nested, 'latin1'));
    const texts: string[] = [];
    for (let session = 0; session < 2; session += 1) {
      const client = await open(exchange);
      const text = (await source(client, 1)) ?? '';
      expect(await source(client, 1)).toBe(text);
      const [part] = await client.fetchAll('1', { bodyParts: ['2'] });
      expect(part?.bodyParts?.get('2')?.toString()).toBe('AAEC');
      texts.push(text);
      await client.logout();
    }
    expect(new Set([...texts, nested]).size).toBe(3);
    const boundary = /boundary="([^"]+)"/.exec(texts[0] ?? '')?.[1] ?? '?';
    expect(
      texts[0]
        ?.split(boundary)
        .join('outer')
        .split(/_\d{3}_rebuilt\w+_/)
        .join('inner'),
    ).toBe(nested);
  });

  test('BODYSTRUCTURE may be malformed: the client chokes on it, not on the source', async () => {
    const exchange = await exchangeWith();
    exchange.imap.malformedBodyStructure = true;
    exchange.store.mailbox(DESK).deliver(Buffer.from(samples['nested'] ?? '', 'latin1'));
    const ask = await lines(exchange);
    expect(await ask('FETCH 1 BODYSTRUCTURE')).toContain('BODYSTRUCTURE (NIL "MIXED"');
    const client = await open(exchange);
    expect(await source(client, 1)).toBe(samples['nested']);
    await client.logout();
  });

  test('a search in headers may find nothing', async () => {
    const exchange = await exchangeWith();
    deliver(exchange, 2);
    const client = await open(exchange);
    const search = () => client.search({ header: { subject: '2' } }, { uid: true });
    expect(await search()).toEqual([2]);
    exchange.imap.headerSearchFindsNothing = true;
    expect(await search()).toEqual([]);
    await client.logout();
  });

  test('a message that cannot be converted does not hide the others', async () => {
    const exchange = await exchangeWith();
    deliver(exchange, 1);
    exchange.store.mailbox(DESK).deliver('Subject: x\r\n\r\n', { unreadable: 'refused' });
    exchange.store.mailbox(DESK).deliver('Subject: x\r\n\r\n', { unreadable: 'placeholder' });
    const ask = await lines(exchange);
    const answer = await ask('UID FETCH 1:* BODY.PEEK[]');
    expect(answer.match(/UID \d/g)).toEqual(['UID 1', 'UID 3']);
    expect(answer).toContain('Retrieval using the IMAP4 protocol failed for the following message');
    expect(answer).toMatch(
      /\|t NO The requested message could not be converted to an RFC-822 compatible format\.$/,
    );
    expect(await ask('UID FETCH 1:* FLAGS')).toMatch(/UID 2\)\|.*\|t OK UID FETCH completed\.$/);
  });

  test('a mail of 150 MB arrives whole, and is written from where it lies', async () => {
    const exchange = await exchangeWith();
    const piece = randomBytes(1024 * 1024);
    const pieces = [Buffer.from('Subject: large\r\n\r\n'), ...Array<Buffer>(150).fill(piece)];
    const stored = exchange.store.mailbox(DESK).deliver(new Content(pieces));
    const memory = new Set(pieces.map(({ buffer }) => buffer));
    expect([...stored.content.slices(10, 140_000_000)].every(({ buffer }) => memory.has(buffer))).toBe(true);
    const client = await open(exchange);
    const expected = createHash('sha256');
    for (const one of pieces) expected.update(one);
    const { content } = await client.download('1', undefined, { uid: true });
    const got = createHash('sha256');
    for await (const chunk of content ?? []) got.update(chunk as Buffer);
    expect(got.digest('hex')).toBe(expected.digest('hex'));
    await client.logout();
  });
});

describe('orders to misbehave', () => {
  const commands: readonly (readonly [string, ImapFault, string])[] = [
    ['NOOP', { kind: 'answer', status: 'NO', text: 'not now' }, 't NO not now'],
    [
      'UID FETCH 1 FLAGS',
      { kind: 'throttle', backoffMs: 92_415 },
      't BAD Request is throttled. Suggested Backoff Time: 92415 milliseconds',
    ],
    [
      'UID SEARCH ALL',
      { kind: 'throttle', backoffMs: 1, status: 'NO' },
      't NO Request is throttled. Suggested Backoff Time: 1 milliseconds',
    ],
    ['SELECT INBOX', { kind: 'line', text: 'Server Unavailable. 15' }, 'Server Unavailable. 15|* 2 EXISTS'],
    ['EXAMINE INBOX', { kind: 'bye', text: 'Connection is closed. 13' }, 'closed'],
    ['EXPUNGE', { kind: 'cut' }, 'closed'],
    [
      'STATUS INBOX (MESSAGES)',
      { kind: 'expire' },
      '* BYE Session invalidated - AccessTokenExpired|t BAD Command received in Invalid state.',
    ],
    ['UID MOVE 1 Archive', { kind: 'hang', forMs: 1 }, '* OK [COPYUID 19 1 1]'],
  ];
  test.each(commands)('at %s: %j', async (command, does, expected) => {
    const exchange = await exchangeWith();
    deliver(exchange, 2);
    const ask = await lines(exchange);
    const at = command.replace(/^((?:UID )?\w+).*/, '$1');
    const rule = exchange.injectFault({ protocol: 'imap', at, times: 1, does });
    expect((await ask(command)).slice(0, expected.length)).toBe(expected);
    expect(rule.hits()).toBe(1);
  });

  test.each(['connect', 'greeting', 'AUTHENTICATE'] as ImapStep[])(
    'a cut at %s fails the login',
    async (at) => {
      const exchange = await exchangeWith();
      exchange.injectFault({ protocol: 'imap', at, times: 1, does: { kind: 'cut' } });
      await expect(open(exchange)).rejects.toThrow();
      await (await open(exchange)).logout();
    },
  );

  test('a throttled login is no bad login', async () => {
    const exchange = await exchangeWith();
    exchange.injectFault({
      protocol: 'imap',
      at: 'AUTHENTICATE',
      times: 1,
      does: { kind: 'answer', status: 'NO', text: '[UNAVAILABLE] later' },
    });
    await expect(open(exchange)).rejects.toMatchObject({ serverResponseCode: 'UNAVAILABLE' });
  });

  test('the k-th FETCH only, of one folder and one account', async () => {
    const exchange = await exchangeWith();
    deliver(exchange, 1);
    const ask = await lines(exchange);
    const does = { kind: 'answer', status: 'NO', text: 'third' } as const;
    const rule = { protocol: 'imap', at: 'FETCH', does } as const;
    exchange.injectFault({ ...rule, account: 'other@contoso.test' });
    exchange.injectFault({ ...rule, folder: 'Archive' });
    exchange.injectFault({ ...rule, account: DESK, folder: 'INBOX', skip: 2, times: 1 });
    const answers = [];
    for (let at = 0; at < 4; at += 1) answers.push((await ask('FETCH 1 UID')).split('|').at(-1));
    expect(answers).toEqual([
      't OK FETCH completed.',
      't OK FETCH completed.',
      't NO third',
      't OK FETCH completed.',
    ]);
  });

  const within = (does: ImapFault, more: Partial<ImapRule> = {}): ImapRule => ({
    protocol: 'imap',
    at: 'message',
    times: 1,
    does,
    ...more,
  });

  test('throttled in the middle of a FETCH: some have come, and imapflow asks again', async () => {
    const exchange = await exchangeWith();
    deliver(exchange, 3);
    exchange.injectFault(within({ kind: 'throttle', backoffMs: 10 }, { uid: 2 }));
    const ask = await lines(exchange);
    expect(await ask('UID FETCH 1:* FLAGS')).toBe(
      '* 1 FETCH (FLAGS () UID 1)|t BAD Request is throttled. Suggested Backoff Time: 10 milliseconds',
    );
    const rule = exchange.injectFault(within({ kind: 'throttle', backoffMs: 10 }, { uid: 2 }));
    const client = await open(exchange);
    const uids = (await client.fetchAll('1:*', { flags: true })).map(({ uid }) => uid);
    expect([...new Set(uids)].sort()).toEqual([1, 2, 3]);
    expect(rule.hits()).toBe(1);
    await client.logout();
  });

  test('a message that vanishes is missing from a FETCH that otherwise goes on', async () => {
    const exchange = await exchangeWith();
    deliver(exchange, 3);
    exchange.injectFault(within({ kind: 'vanish' }, { uid: 2 }));
    const ask = await lines(exchange);
    expect(await ask('UID FETCH 1:* FLAGS')).toBe(
      '* 1 FETCH (FLAGS () UID 1)|* 3 FETCH (FLAGS () UID 3)|* 2 EXPUNGE|t NO Some of the requested messages no longer exist.',
    );
  });

  test('a cut within a literal', async () => {
    const exchange = await exchangeWith();
    exchange.store.mailbox(DESK).deliver(`Subject: x\r\n\r\n${'0123456789'.repeat(100_000)}`);
    exchange.injectFault(within({ kind: 'cut', afterBytes: 500_000 }));
    const client = await open(exchange);
    await expect(source(client, 1)).rejects.toThrow();
    const again = await open(exchange);
    expect((await source(again, 1))?.length).toBe(1_000_014);
    await again.logout();
  });

  test('BYE while idle', async () => {
    const exchange = await exchangeWith();
    exchange.injectFault({
      protocol: 'imap',
      at: 'idle',
      does: { kind: 'bye', text: 'Connection closed. 14' },
    });
    const client = await open(exchange);
    const closed = new Promise((resolve) =>
      client.on('close', () => {
        resolve('closed');
      }),
    );
    void client.idle().catch(() => undefined);
    expect(await closed).toBe('closed');
  });

  test('the hook is called before each command and each message, and can cut there', async () => {
    const seen: string[] = [];
    const exchange = await exchangeWith({
      beforeStep: (step, { folder = '', uid = '' }) => {
        seen.push(`${step} ${folder} ${uid}`.trim());
        return step === 'UID STORE' ? 'cut' : undefined;
      },
    });
    deliver(exchange, 2);
    const ask = await lines(exchange);
    await ask('UID FETCH 1:2 FLAGS');
    expect(await ask('UID STORE 1 +FLAGS (\\Seen)')).toBe('closed');
    expect(seen).toEqual([
      'greeting',
      'AUTHENTICATE',
      'SELECT',
      'UID FETCH INBOX',
      'message INBOX 1',
      'message INBOX 2',
      'UID STORE INBOX',
    ]);
    expect([...(exchange.store.mailbox(DESK).role('inbox').message(1)?.flags ?? [])]).toEqual([]);
  });
});
