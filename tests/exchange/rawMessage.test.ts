import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { wireTrouble, withCrlf } from '../../shared/exchange/mimeChecks.ts';
import { composer, raw, stamp, type Raw } from './composing.ts';

const from = 'From: Desk <desk@example.com>';
const to = 'To: a@example.net';
const message = (...lines: readonly string[]): Buffer =>
  Buffer.from([...lines, '', 'Hello', ''].join('\r\n'));
const inspect = (bytes: Uint8Array, fields: Partial<Raw> = {}) => composer.inspect(raw(fields), bytes);

async function rebuilt(bytes: Uint8Array): Promise<string> {
  const blobs = new Map([['outbound-uploads/a.eml', bytes]]);
  return Buffer.from(await composer.compose(raw(), blobs, stamp)).toString('latin1');
}

describe('recipients', () => {
  test("the message's own To, Cc and Bcc, each once, the domain's case folded", async () => {
    const bytes = message(
      from,
      'To: "Last, First" <a@Example.NET>, b@example.net',
      'Cc: =?utf-8?q?=C3=84?= <c@example.net>,\r\n a@example.net',
      'Bcc: d@example.net',
    );
    expect(await inspect(bytes)).toEqual({
      kind: 'ok',
      recipients: ['a@example.net', 'b@example.net', 'c@example.net', 'd@example.net'],
    });
  });

  test("the submission's, where it names any", async () => {
    const fields = { to: [{ address: 'x@example.net' }], bcc: [{ address: 'y@example.net' }] };
    expect(await inspect(message(from, 'To: not an address at all'), fields)).toEqual({
      kind: 'ok',
      recipients: ['x@example.net', 'y@example.net'],
    });
  });

  test('an empty group names nobody; Bcc may then', async () => {
    const bytes = message(from, 'To: undisclosed-recipients:;', 'Bcc: b@example.net');
    expect(await inspect(bytes)).toMatchObject({ kind: 'ok', recipients: ['b@example.net'] });
  });

  test.each([
    ['nobody', message(from)],
    ['a group', message(from, 'To: team: a@example.net, b@example.net;')],
    ['a quoted local part', message(from, 'To: "a@evil.test x"@example.net')],
    ['no domain', message(from, 'To: somebody')],
    ['a route', message(from, 'To: <@evil.test:b@example.net>')],
    ['an encoded address', message(from, 'To: =?utf-8?q?a=40evil.test?=@example.net')],
    [
      'more than allowed',
      message(from, `To: ${Array.from({ length: 1_001 }, (_, n) => `u${n}@example.net`).join(',\r\n ')}`),
    ],
  ])('%s: refused in words', async (_name, bytes) => {
    const answer = await inspect(bytes);
    expect(answer).toMatchObject({ kind: 'rejected', problems: [{ field: 'raw.blob' }] });
    const detail = answer.kind === 'rejected' ? answer.problems[0].detail : '';
    expect(detail).toMatch(/^raw\.blob [\x20-\x7e]+\.$/);
  });
});

describe('what is refused', () => {
  const cases: readonly (readonly [string, Buffer, RegExp])[] = [
    ['no From', message(to), /no From/],
    ['two From fields', message(from, 'From: ceo@example.com', to), /2 from fields/],
    ['a From with two addresses', message('From: desk@example.com, ceo@example.com', to), /From that is not/],
    ['a From of another', message('From: ceo@example.com', to), /From that is not/],
    [
      'another From behind a display name',
      message('From: "desk@example.com" <ceo@example.com>', to),
      /From that is not/,
    ],
    ['a From group', message('From: g: desk@example.com;', to), /From that is not/],
    ['a From folded apart', message('From: desk@example.com,\r\n\tceo@example.com', to), /From that is not/],
    [
      'From with a space before its colon, twice',
      message('From : ceo@example.com', from, to),
      /2 from fields/,
    ],
    ['Resent fields', message(from, to, 'Resent-Bcc: x@example.net'), /Resent/],
    ['our own header', message(from, to, 'x-mail-bridge-ID: forged.1'), /X-Mail-Bridge/],
    ['two To fields', message(from, to, 'to: b@example.net'), /2 to fields/],
    [
      'two Content-Types',
      message(from, to, 'Content-Type: text/plain', 'Content-Type: text/html'),
      /2 content-type/,
    ],
    ['two Dates', message(from, to, 'Date: x', 'Date: y'), /2 date/],
    ['a Message-ID that is none', message(from, to, 'Message-ID: <a b@example.com>'), /Message-ID/],
    ['a line in the header that is no field', message(from, 'hello', to), /not a field/],
    ['a first line that continues nothing', message(' folded', from, to), /not a field/],
    ['8-bit in the header', message(from, to, 'Subject: \u00e4'), /outside ASCII in line 3/],
    ['NUL in the body', Buffer.concat([message(from, to), Buffer.from('a\0b')]), /NUL/],
    [
      'a line of 10 MB',
      Buffer.concat([message(from, to), Buffer.alloc(10_000_000, 'x')]),
      /998 bytes in line 5/,
    ],
    ['a line of 999', Buffer.concat([message(from, to), Buffer.alloc(999, 'x')]), /998 bytes/],
    [
      'a header of 600 kB',
      message(from, to, ...Array.from({ length: 700 }, () => `X-A: ${'v'.repeat(900)}`)),
      /header of/,
    ],
    [
      '10,000 fields',
      message(from, to, ...Array.from({ length: 10_000 }, () => 'X-A: v')),
      /10002 header fields/,
    ],
    ['nothing', Buffer.alloc(0), /no From/],
    ['the mbox line', message('From desk@example.com Wed Nov 25', from, to), /not a field/],
  ];
  test.each(cases)('%s', async (_name, bytes, detail) => {
    const answer = await inspect(bytes);
    expect(answer.kind).toBe('rejected');
    const all = answer.kind === 'rejected' ? answer.problems.map((problem) => problem.detail).join(' ') : '';
    expect(all).toMatch(detail);
    expect(all).toMatch(/^[\x20-\x7e]*$/);
  });

  test('and none of it can be composed by way of another door', async () => {
    await expect(rebuilt(Buffer.concat([message(from, to), Buffer.from('a\0b')]))).rejects.toThrow(
      'raw message',
    );
  });
});

describe('rebuilding', () => {
  test('Bcc and Return-Path go, all else stays in its order and spelling', async () => {
    const bytes = message(
      'Return-Path: <bounce@example.com>',
      'Subject: =?utf-8?Q?p=C3=A4iv=C3=A4=C3=A4?=\r\n folded',
      from,
      to,
      'bCC: hidden@example.net,\r\n more@example.net',
      'message-id: <own@example.com>',
      'Date: Tue, 24 Nov 2026 10:00:00 +0200',
      'X-Ticket:INC-1',
    );
    expect(await inspect(bytes)).toMatchObject({ kind: 'ok', messageId: '<own@example.com>' });
    expect(await rebuilt(bytes)).toBe(
      [
        `X-Mail-Bridge-Id: INC-1.1`,
        `X-Mail-Bridge-Tag: ${'a'.repeat(64)}`,
        'Subject: =?utf-8?Q?p=C3=A4iv=C3=A4=C3=A4?=',
        ' folded',
        from,
        to,
        'message-id: <own@example.com>',
        'Date: Tue, 24 Nov 2026 10:00:00 +0200',
        'X-Ticket:INC-1',
        '',
        'Hello',
        '',
      ].join('\r\n'),
    );
  });

  test('an 8-bit body stays, every kind of line end becomes CRLF', async () => {
    const bytes = Buffer.from(`${from}\n${to}\r\rl\u00e4ine\n.\rend\r\n\n`, 'latin1');
    const text = await rebuilt(bytes);
    expect(text.slice(text.indexOf('From:'))).toBe(`${from}\r\n${to}\r\n\r\nl\u00e4ine\r\n.\r\nend\r\n\r\n`);
  });

  test('a message without a body has an empty one', async () => {
    expect(await rebuilt(Buffer.from(`${from}\r\n${to}`))).toMatch(/To: a@example\.net\r\n\r\n$/);
    expect(await rebuilt(Buffer.from(`${from}\r\n${to}\r\n`))).toMatch(/To: a@example\.net\r\n\r\n$/);
    expect(await rebuilt(Buffer.from(`${from}\r\n${to}\r\n\r\n`))).toMatch(/To: a@example\.net\r\n\r\n$/);
  });

  test('the body begins at the first empty line, whatever looks like a header after it', async () => {
    const bytes = message(from, to, '', 'Bcc: kept@example.net', 'From: other@example.com');
    expect(await inspect(bytes)).toMatchObject({ kind: 'ok', recipients: ['a@example.net'] });
    expect(await rebuilt(bytes)).toContain('Bcc: kept@example.net');
  });
});

describe('line ends', () => {
  test('any bytes come out with CRLF alone, their other bytes unchanged', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(0x0d, 0x0a, 0x2e, 0x61, 0xe4), { maxLength: 200 }), (values) => {
        const bytes = withCrlf(Uint8Array.from(values));
        const text = Buffer.from(bytes).toString('latin1');
        expect(text.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
        const expected = Buffer.from(values)
          .toString('latin1')
          .replace(/\r\n|\r|\n/g, '\r\n');
        expect(text).toBe(expected);
        const trouble = wireTrouble(bytes);
        expect(trouble === undefined || trouble.what === 'eightBitHeader').toBe(true);
      }),
    );
  });

  test.each([
    ['a\rb\r\n', 'bareCr'],
    ['a\r', 'bareCr'],
    ['a\nb', 'bareLf'],
    ['\r\na\n', 'bareLf'],
    ['\r\n\0', 'nul'],
    [`${'x'.repeat(999)}\r\n`, 'longLine'],
    [`\r\n${'x'.repeat(999)}`, 'longLine'],
    ['a\u00e4\r\n', 'eightBitHeader'],
    ['a\r\n\r\n\u00e4\r\n', undefined],
    [`${'x'.repeat(998)}\r\n`, undefined],
  ])('%j: %s', (text, what) => {
    expect(wireTrouble(Buffer.from(text, 'latin1'))?.what).toBe(what);
  });

  test('time grows with the length, not faster', async () => {
    const cost = async (times: number): Promise<number> => {
      const bytes = message(
        from,
        `To: ${'(('.repeat(times)}`,
        `Cc: ${'"'.repeat(times)}`,
        `X: ${' \t'.repeat(400)}`,
      );
      const startedAt = performance.now();
      for (let run = 0; run < 3; run += 1) await inspect(bytes);
      return performance.now() - startedAt;
    };
    await cost(100);
    // Lines are at most 998 bytes, so a hostile address field grows by folds; this is the longest in one line.
    expect(await cost(450)).toBeLessThan(2_000);
  });
});
