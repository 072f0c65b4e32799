// What a notice says of a message beyond its class: texts, people, files, when it came, and every loss or guess.
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import type { Exchange } from '../../local/emulators/exchange/exchange.ts';
import type { DeliverOptions } from '../../local/emulators/exchange/mailStore.ts';
import { noticeLimitBytes, type WholeNotice } from '../../shared/contract/notice.ts';
import type { Mailbox } from '../../shared/mail/mailbox.ts';
import { certificates, closeAll, exchangeWith, tokenFor } from '../local/exchange/harness.ts';
import { closeParser, DESK, imapAt, mail, mailboxOf, queueOf, rigOf, TestTokens, type Rig } from './rig.ts';

afterEach(closeAll);
afterAll(closeParser);

const run = { invocationId: 'test' };

interface Told {
  readonly rig: Rig;
  readonly exchange: Exchange;
  readonly notice: WholeNotice;
}

async function told(
  raw: string | Uint8Array,
  options: DeliverOptions = {},
  more: Partial<Mailbox> = {},
): Promise<Told> {
  const exchange = await exchangeWith();
  const { ca } = await certificates();
  const imap = imapAt(exchange.imapPort, ca, new TestTokens((user) => tokenFor(user)));
  const rig = rigOf({ mailboxes: [mailboxOf(DESK, more)], imap });
  exchange.store.mailbox(DESK).deliver(raw, options);
  await rig.inbound.fetchAll(run);
  const [notice] = rig.mails();
  if (notice === undefined) throw new Error('nothing was announced');
  return { rig, exchange, notice };
}

const latin1 = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const multipart = (type: string, ...parts: readonly string[]): string =>
  [
    'From: Kim <kim@fabrikam.test>',
    `To: ${DESK}`,
    'Subject: The printer',
    'MIME-Version: 1.0',
    `Content-Type: ${type}`,
    '',
    ...parts,
    '',
  ].join('\r\n');
const mixed = 'multipart/mixed; boundary="b"';
const part = (type: string, body: string, ...fields: readonly string[]): string =>
  ['--b', `Content-Type: ${type}`, ...fields, '', body].join('\r\n');

describe('when it came', () => {
  const now = Date.now();
  test.each([
    ['just now', now - 60_000, true],
    ['yesterday, within a day', now - 23 * 3_600_000, true],
    ['more than a day ago', now - 25 * 3_600_000, false],
    ['two years ago', now - 730 * 86_400_000, false],
  ])('%s', async (_name, internalDate, mayAnswer) => {
    const { notice } = await told(mail({}), { internalDate, flags: ['\\Seen', '\\Answered'] });
    // The server counts seconds.
    expect(Date.parse(notice.receivedAt ?? '')).toBe(Math.floor(internalDate / 1000) * 1000);
    expect([...notice.flags].sort()).toEqual(['\\Answered', '\\Seen']);
    expect(notice.loopGuard.mayAnswer).toBe(mayAnswer);
  });

  test.each([
    ['its address', DESK],
    ['its address in capitals', DESK.toUpperCase()],
    ['an alias', 'Help@contoso.test'],
  ])('a message from the mailbox itself is not answered: %s', async (_name, address) => {
    const from = mail({ From: `Desk <${address}>`, To: 'kim@fabrikam.test' });
    const { notice } = await told(from, {}, { aliases: ['help@contoso.test'] });
    expect(notice.loopGuard).toEqual({
      mayAnswer: false,
      reasons: expect.arrayContaining(['its From is an address of the mailbox itself']),
    });
  });
});

describe('the texts', () => {
  const alternative = (text: string, html: string): string =>
    multipart(
      'multipart/alternative; boundary="b"',
      part('text/plain; charset=utf-8', text, 'Content-Transfer-Encoding: 8bit'),
      part('text/html; charset=utf-8', html, 'Content-Transfer-Encoding: 8bit'),
      '--b--',
    );
  const html = (characters: number): string => `<p>${'y'.repeat(characters)}</p>`;
  test.each([
    ['both short', 'Hello', html(100), 'content', 'content'],
    ['a long HTML', 'Hello', html(60_000), 'content', 'blob'],
    ['both long', 'x'.repeat(60_000), html(60_000), 'blob', 'blob'],
    // Six characters for each as written.
    ['short, but of letters that are escaped', 'ä'.repeat(9_000), html(10), 'blob', 'content'],
    ['as much as fits', 'x'.repeat(40_000), html(20_000), 'content', 'blob'],
  ] as const)('%s', async (_name, text, page, textWhere, htmlWhere) => {
    const { notice, rig } = await told(Buffer.from(alternative(text, page)));
    const where = (one: object | undefined): string | undefined =>
      Object.keys(one ?? {}).find((key) => /content|blob/.test(key));
    expect([where(notice.text), where(notice.html)]).toEqual([textWhere, htmlWhere]);
    for (const one of queueOf(rig).texts) expect(one.length).toBeLessThanOrEqual(noticeLimitBytes);
    const read = (one: WholeNotice['text']): string =>
      one !== undefined && 'content' in one
        ? one.content
        : Buffer.from(rig.blobs.at(one?.blob ?? '') ?? []).toString();
    expect([read(notice.text).trim(), read(notice.html).trim()]).toEqual([text, page]);
  });
});

describe('nothing is lost or guessed without a remark', () => {
  test.each<[string, string, { readonly text?: RegExp; readonly remark: RegExp }]>([
    [
      'no boundary parameter',
      multipart('multipart/mixed', part('text/plain', 'Body A'), '--b--'),
      { text: /Body A/, remark: /boundary/ },
    ],
    [
      'another boundary',
      multipart('multipart/mixed; boundary="c"', part('text/plain', 'Body B'), '--b--'),
      { text: /Body B/, remark: /boundary/ },
    ],
    [
      'a multipart in base64',
      multipart(
        `${mixed}\r\nContent-Transfer-Encoding: base64`,
        Buffer.from(`${part('text/plain', 'Body C')}\r\n--b--\r\n`).toString('base64'),
      ),
      { text: /Body C/, remark: /encoded as a whole/ },
    ],
    ['no parts at all', multipart(mixed, 'Body D'), { text: /Body D/, remark: /no parts/ }],
    [
      'windows-1252 without a charset',
      multipart('text/plain', 'P\u00e4iv\u00e4'),
      { text: /Päivä/, remark: /No charset/ },
    ],
    [
      'an unknown charset',
      multipart('text/plain; charset=x-foo', 'P\u00e4iv\u00e4'),
      { text: /Päivä/, remark: /x-foo/ },
    ],
    [
      'opaque S/MIME',
      multipart(
        'application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\r\nContent-Transfer-Encoding: base64',
        'MIIB',
      ),
      { remark: /S\/MIME/ },
    ],
    [
      'opaque S/MIME, older name',
      multipart(
        'application/x-pkcs7-mime; smime-type=signed-data\r\nContent-Transfer-Encoding: base64',
        'MIIB',
      ),
      { remark: /S\/MIME/ },
    ],
    [
      'uuencode in the text',
      multipart('text/plain', `See:\r\nbegin 644 a.bin\r\nM${'#'.repeat(60)}\r\n\`\r\nend`),
      { text: /See/, remark: /uuencoded/ },
    ],
    [
      'an answer to an invitation',
      multipart(
        mixed,
        part('text/plain', 'Accepted'),
        part('text/calendar; method=REPLY', 'BEGIN:VCALENDAR'),
        '--b--',
      ),
      { text: /Accepted/, remark: /method REPLY/ },
    ],
    [
      'a method in the calendar alone',
      multipart(
        mixed,
        part('text/plain', 'x'),
        part('text/calendar', 'BEGIN:VCALENDAR\r\nMETHOD:CANCEL\r\nEND:VCALENDAR'),
        '--b--',
      ),
      { remark: /method CANCEL/ },
    ],
    [
      'Content-Location',
      multipart(
        'multipart/related; boundary="b"',
        part('text/html', '<img src="http://x.test/a.png">'),
        part('image/png', 'x', 'Content-Location: http://x.test/a.png'),
        '--b--',
      ),
      { remark: /Content-Location/ },
    ],
    [
      '2,500 recipients',
      mail({ To: Array.from({ length: 2_500 }, (_, n) => `r${n}@x.test`).join(',\r\n ') }),
      { remark: /1000 of 2500/ },
    ],
    [
      'a long subject',
      mail({ Subject: `=?utf-8?q?${'=F0=9F=98=80'.repeat(1_500)}?=` }),
      { remark: /subject was cut/ },
    ],
    [
      'octets that are not UTF-8',
      multipart('text/plain; charset=utf-8', 'P\u00e4iv\u00e4'),
      { text: /Päivä/, remark: /not UTF-8/ },
    ],
  ])('%s', async (_name, raw, { text, remark }) => {
    const { notice } = await told(latin1(raw));
    if (text !== undefined) expect(notice.text).toMatchObject({ content: expect.stringMatching(text) });
    expect(notice.remarks.join('\n')).toMatch(remark);
    expect(JSON.stringify(notice)).not.toContain('\ufffd');
  });

  test('a file of a damaged multipart is a part, and a signature does not hide the message', async () => {
    const raw = multipart(
      'multipart/mixed; boundary="missing"',
      part('text/plain', 'The printer is on fire.'),
      part('text/html', '<p>-- <br>Signature</p>'),
      part('image/png; name="fire.png"', 'cG5n', 'Content-Transfer-Encoding: base64'),
      '--b--',
    );
    const { notice } = await told(raw);
    expect(notice.parts).toMatchObject([{ filename: 'fire.png', contentType: 'image/png', sizeBytes: 3 }]);
    for (const one of [notice.text, notice.html]) {
      expect(one).toMatchObject({ content: expect.stringMatching(/on fire[^]*Signature/) });
    }
  });

  test('a part without a name is called after its Content-Location, an attached mail after its subject', async () => {
    const raw = multipart(
      mixed,
      part('text/plain', 'x'),
      part('image/png', 'x', 'Content-Location: http://x.test/pictures/a.png?size=1'),
      part('message/rfc822', 'Subject: Quarter: 3/4\r\n\r\nHi'),
      '--b--',
    );
    const { notice } = await told(raw);
    expect(notice.parts.map(({ filename }) => filename)).toEqual(['a.png', 'Quarter 3 4.eml']);
  });
});

describe('people', () => {
  test.each<[string, string, { readonly name: string; readonly address: string }]>([
    [
      'a domain in A-labels stays as it came',
      'Kim <kim@xn--mki-qla.example>',
      { name: 'Kim', address: 'kim@xn--mki-qla.example' },
    ],
    [
      'an encoded comma makes no second address',
      '=?utf-8?q?Kim=2C_a=40b.test?= <kim@x.test>',
      { name: 'Kim, a@b.test', address: 'kim@x.test' },
    ],
    [
      'line ends inside an encoded word',
      '=?utf-8?q?Kim=0D=0AX?= <kim@x.test>',
      { name: 'Kim X', address: 'kim@x.test' },
    ],
    [
      'the address encoded with the name',
      '=?utf-8?q?Kim_=3Ckim=40x=2Etest=3E?=',
      { name: 'Kim', address: 'kim@x.test' },
    ],
    [
      'raw octets are in the charset of the body',
      'J\u00f6rg <kim@x.test>',
      { name: 'Jörg', address: 'kim@x.test' },
    ],
    ['mailto:', 'Kim <mailto:kim@x.test>', { name: 'Kim', address: 'kim@x.test' }],
    ['a group', 'Desk: Kim <kim@x.test>;', { name: 'Kim', address: 'kim@x.test' }],
  ])('%s', async (_name, from, expected) => {
    const raw = mail({ From: from, 'Content-Type': 'text/plain; charset=iso-8859-1' });
    const { notice } = await told(latin1(raw));
    expect(notice.from).toEqual([expected]);
  });
});
