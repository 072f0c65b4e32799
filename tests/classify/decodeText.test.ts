// The one decoder. Its inputs are octets: written here as latin1 text, so that each character is one.
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  decodeBytes,
  decodedField,
  decodeTransfer,
  structuredField,
} from '../../shared/classify/decodeText.ts';

const octets = (text: string): Buffer => Buffer.from(text, 'latin1');

describe('charsets', () => {
  test.each<[declared: string, bytes: string, text: string, remark: RegExp | undefined]>([
    ['utf-8', 'Hyv\xc3\xa4\xc3\xa4', 'Hyvää', undefined],
    ['UTF8', 'Hyv\xc3\xa4\xc3\xa4', 'Hyvää', undefined],
    ['"utf-8"', '\xc3\xa4', 'ä', undefined],
    ['utf-8', '\xef\xbb\xbfa', 'a', undefined],
    ['', 'plain', 'plain', undefined],
    ['us-ascii', 'plain', 'plain', undefined],
    ['us-ascii', 'Hyv\xc3\xa4', 'Hyvä', /No charset is declared.*UTF-8/],
    ['ansi_x3.4-1986', '\xc3\xa4', 'ä', /UTF-8/],
    ['ISO646-US', '\xc3\xa4', 'ä', /UTF-8/],
    ['ascii', 'p\xe4iv\xe4', 'päivä', /windows-1252/],
    ['', 'p\xe4iv\xe4', 'päivä', /No charset is declared.*windows-1252/],
    ['x-user-defined-9', 'p\xe4iv\xe4', 'päivä', /x-user-defined-9 is unknown.*windows-1252/],
    ['default', '\xc3\xa4', 'ä', /default is unknown.*UTF-8/],
    ['utf-7', 'a+AOQ-b', 'a+AOQ-b', /utf-7 is unknown/],
    ['__proto__', '\xe4', 'ä', /unknown/],
    // Families: the largest member.
    ['iso-8859-1', '\x80 \x93quoted\x94', '€ “quoted”', undefined],
    ['latin1', '\x80', '€', undefined],
    ['iso-8859-9', '\x80\xfe', '€ş', undefined],
    ['gb2312', '\xe9F \x819\xee9', '镕 㐀', undefined],
    ['gbk', '\x819\xee9', '㐀', undefined],
    ['ks_c_5601-1987', '\xb0\xa1\x81\x41', '가갂', undefined],
    ['shift_jis', '\x87@', '①', undefined],
    ['iso-8859-15', '\xa4', '€', undefined],
    ['windows-1257', '\xf0', 'š', undefined],
    ['koi8-r', '\xd0\xd2', 'пр', undefined],
    ['iso-2022-jp', '\x1b$B$3\x1b(B', 'こ', undefined],
    ['', '\x1b$B$3\x1b(B', 'こ', /ISO-2022-JP/],
    // Wrong.
    ['utf-8', 'Hyv\xc3\xa4\xc3\xa4 p\xe4iv\xe4\xe4', 'Hyvää päivää', /not UTF-8/],
    ['utf-8', '\xe2\x82', 'â‚', /not UTF-8/],
    ['utf-8', '\xf0\x9f\x98\x80\xff', '😀ÿ', /not UTF-8/],
    ['shift_jis', 'p\xc3\xa4', 'pﾃ､', undefined],
  ])('%s: %j', (declared, bytes, text, remark) => {
    const found = decodeBytes(octets(bytes), { declared });
    expect(found.text).toBe(text);
    if (remark === undefined) expect(found.remark).toBeUndefined();
    else expect(found.remark).toMatch(remark);
  });

  test.each<[html: string, text: string]>([
    ['<meta charset="iso-8859-5">\xe4', '<meta charset="iso-8859-5">ф'],
    ['<META http-equiv=Content-Type content="text/html; charset=windows-1251">\xe4', 'д'],
    ["<meta charset='koi8-r' >\xc4", 'д'],
    ['<p>\xe4', 'ä'],
    ['<meta charset="nonsense"><p>\xe4', 'ä'],
  ])('HTML that says %s', (html, end) => {
    const found = decodeBytes(octets(html), { html: true });
    expect(found.text.endsWith(end.slice(-1))).toBe(true);
    expect(found.remark).toBeDefined();
  });

  test('UTF-8 goes before what HTML says of itself, and what is declared before both', () => {
    expect(decodeBytes(octets('<meta charset="koi8-r">\xc3\xa4'), { html: true }).text).toMatch(/ä$/);
    expect(
      decodeBytes(octets('<meta charset="koi8-r">\xe4'), { html: true, declared: 'iso-8859-1' }).text,
    ).toMatch(/ä$/);
  });

  test('the charset of the body helps header fields', () => {
    expect(decodeBytes(octets('\xcf\xf0\xe8'), { body: 'windows-1251' }).text).toBe('При');
    expect(decodeBytes(octets('\xcf\xf0\xe8'), { body: 'nonsense' }).text).toBe('Ïðè');
    expect(decodedField('\xcf\xf0\xe8', 'windows-1251')).toBe('При');
  });

  test('any octets in any charset give well-formed text without a byte order mark', () => {
    const name = fc.oneof(
      fc.constantFrom(
        '',
        'utf-8',
        'utf-16',
        'utf-16be',
        'ucs2',
        'gb18030',
        'big5',
        'iso-2022-jp',
        'cp437',
        'utf-7',
      ),
      fc.string({ maxLength: 12 }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), name, fc.boolean(), (bytes, declared, html) => {
        const { text } = decodeBytes(bytes, { declared, html });
        return text.isWellFormed();
      }),
      { numRuns: 2_000 },
    );
  });

  test('UTF-8 is read as it was written', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), (text) => {
        fc.pre(!text.startsWith('\ufeff') && !text.includes('\u001b') && !text.includes('\ufffd'));
        expect(decodeBytes(Buffer.from(text), { declared: 'utf-8' })).toEqual({ text });
        expect(decodeBytes(Buffer.from(text), {}).text).toBe(text);
      }),
    );
  });
});

describe('transfer encodings', () => {
  test.each<[encoding: string, body: string, text: string, remark: RegExp | undefined]>([
    ['base64', 'aGVs\nbG8=\n', 'hello', undefined],
    ['BASE64 ', ' aGVs bG8= ', 'hello', undefined],
    ['base64', 'aGVs!bG8=', 'hello', undefined],
    ['base64', 'YQ==\nYg==', 'ab', undefined],
    ['base64', 'YQ==Yg==', 'ab', undefined],
    ['base64', 'YWJj\nSent by a gateway.\n', 'abc', /left out/],
    ['base64', 'YQ==\n--\nSent by a gateway.', 'a', /left out/],
    ['base64', '', '', undefined],
    ['quoted-printable', 'a=3Db=\nc =E4', 'a=bc ä', undefined],
    ['quoted-printable', 'a=zz b=', 'a=zz b', undefined],
    ['8bit', 'a\xe4', 'aä', undefined],
    ['', 'a', 'a', undefined],
    ['x-uuencode', 'begin 644 a', 'begin 644 a', /uuencoded/],
    ['nonsense', 'YQ==', 'YQ==', undefined],
  ])('%s: %j', (encoding, body, text, remark) => {
    const found = decodeTransfer(body, encoding);
    expect(found.bytes.toString('latin1')).toBe(text);
    if (remark === undefined) expect(found.remark).toBeUndefined();
    else expect(found.remark).toMatch(remark);
  });

  test('base64 of any length, folded anywhere, is undone', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 4, max: 76 }), (bytes, width) => {
        const lines =
          Buffer.from(bytes)
            .toString('base64')
            .match(new RegExp(`.{1,${width}}`, 'g')) ?? [];
        expect([...decodeTransfer(lines.join('\n'), 'base64').bytes]).toEqual([...bytes]);
      }),
    );
  });
});

describe('header fields', () => {
  test.each([
    ['=?utf-8?Q?K=C3=A4yt=C3=B6s?=', 'Käytös'],
    ['=?iso-8859-1?q?K=E4?= =?utf-8?B?w7Y=?=', 'Käö'],
    ['=?utf-8?B?w6TD?= =?UTF-8?B?pA==?= x', 'ää x'],
    ['a =?utf-8?Q?b?=   =?utf-8?Q?c?= d', 'a bc d'],
    ['=?utf-8*fi?Q?=C3=A4?=', 'ä'],
    ['=?unknown-8bit?Q?P=E4ivitys?=', 'Päivitys'],
    ['=?utf-8?q?a_b?=', 'a b'],
    ['=?utf-8?q?a_?= b', 'a  b'],
    ['=?utf-8?Q?a b?=', 'a b'],
    ['plain', 'plain'],
    ['=?broken', '=?broken'],
    ['P\xc3\xa4iv\xc3\xa4', 'Päivä'],
    ['P\xe4iv\xe4', 'Päivä'],
    ['=?utf-8?Q?a=0D=0ABcc:_x?=', 'a Bcc: x'],
    ['=?utf-8?Q?a=00b?=', 'a b'],
    ['=?utf-8?Q?a=E2=80=A8b=C2=85c?=', 'a b c'],
  ])('%s', (value, text) => {
    expect(decodedField(value)).toBe(text);
  });

  test('never a control character, a line separator or half a character', () => {
    const word = fc
      .tuple(fc.constantFrom('utf-8', 'utf-16', 'utf-7', 'gbk', 'x'), fc.uint8Array({ maxLength: 20 }))
      .map(([charset, bytes]) => `=?${charset}?B?${Buffer.from(bytes).toString('base64')}?=`);
    const value = fc.array(fc.oneof(word, fc.string({ unit: 'binary-ascii', maxLength: 8 })), {
      maxLength: 5,
    });
    fc.assert(
      fc.property(value, (pieces) => {
        const text = decodedField(pieces.join(' '));
        expect(text.isWellFormed()).toBe(true);
        expect(text).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
      }),
      { numRuns: 1_000 },
    );
  });

  test.each<[string, string, Readonly<Record<string, string>>]>([
    ['Text/Plain; CHARSET="utf-8" (c); format=flowed', 'text/plain', { charset: 'utf-8', format: 'flowed' }],
    ["a/b; name*0*=utf-8''a%20; name*1=b", 'a/b', { name: 'a b' }],
    ['', '', {}],
  ])('%s', (value, type, parameters) => {
    const found = structuredField(value);
    expect([found.value, Object.fromEntries(found.parameters)]).toEqual([type, parameters]);
  });
});
