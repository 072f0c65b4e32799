// Ids and dates as mail in the wild writes them.
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { dateOf } from '../../shared/classify/mailDate.ts';
import { withoutComments } from '../../shared/mail/comments.ts';
import { mailText, messageIds, readHeaders, threadOf } from '../../shared/mail/headers.ts';
import { isMessageId } from '../../shared/mail/messageId.ts';

describe('message ids', () => {
  test.each<[string, readonly string[]]>([
    ['<a@b> text <c@d>\t<a@b> <no id>', ['<a@b>', '<c@d>']],
    ['abc@x.example', ['<abc@x.example>']],
    ['a@x.example, b@x.example; c@x.example', ['<a@x.example>', '<b@x.example>', '<c@x.example>']],
    ['a@x.example (the first)', ['<a@x.example>']],
    ['<a@x.exam ple> <b @x.example>', ['<a@x.example>', '<b@x.example>']],
    ['=?utf-8?Q?=3Ca=40x.example=3E?=', ['<a@x.example>']],
    ['=?utf-8?B?PGFAeC5l?= =?utf-8?B?eGFtcGxlPg==?=', ['<a@x.example>']],
    ['=?iso-8859-1?q?=3Ca=40x=3E_=3Cb=40x=3E?=', ['<a@x>', '<b@x>']],
    ['&lt;a@x.example&gt; &#60;b@x.example&#62;', ['<a@x.example>', '<b@x.example>']],
    ['<a&amp;b@x.example>', ['<a&b@x.example>']],
    ['<r@x.example> <a@x.example', ['<r@x.example>', '<a@x.example>']],
    ['<a@x.example <b@x.example>', ['<a@x.example>', '<b@x.example>']],
    ['a@x.example>', ['<a@x.example>']],
    ['<<a@x.example>>', ['<a@x.example>']],
    ['<a@b><c@d>,<e@f>', ['<a@b>', '<c@d>', '<e@f>']],
    ['<"quoted"@x.example>', ['<"quoted"@x.example>']],
    ['<a@b@c>', ['<a@b@c>']],
    // Opaque to everybody but their author.
    ['<20221107.4711>', ['<20221107.4711>']],
    ['<@x> <x@> <@>', ['<@x>', '<x@>', '<@>']],
    // No ids, or none that an answer can carry.
    ['<no id> < > <>', []],
    ['<"with a blank"@x.example>', []],
    ['<\xe4@x.example>', []],
    [`<${'a'.repeat(900)}@x>`, []],
    ['Your message of Friday, kim@x.example', []],
    ['Message from kim@x.example of Friday <a@b>', ['<a@b>']],
    ['', []],
  ])('%j', (value, ids) => {
    expect(messageIds(value)).toEqual(ids);
  });

  test('of more than a hundred the first and the last 99 are kept', () => {
    const many = Array.from({ length: 300 }, (_, n) => `<${n}@x.example>`);
    expect(messageIds(many.join(' '))).toEqual([many[0], ...many.slice(-99)]);
    expect(messageIds(many.slice(0, 100).join('\n '))).toEqual(many.slice(0, 100));
    expect(messageIds(many.slice(0, 101).join(''))).toEqual([many[0], ...many.slice(2, 101)]);
  });

  test('the nearest of References longer than 64 KB is kept', () => {
    const many = Array.from({ length: 2_000 }, (_, n) => `<${n}${'x'.repeat(60)}@x.example>`);
    expect(messageIds(many.join(' ')).at(-1)).toBe(many.at(-1));
  });

  test('whatever is read is an id that a submission accepts', () => {
    const piece = fc.oneof(
      fc.string({ maxLength: 12 }),
      fc.constantFrom(
        '<',
        '>',
        '@',
        ' ',
        '\r\n ',
        '"',
        '=?utf-8?Q?',
        '?=',
        '&lt;',
        'a@b',
        '(',
        ')',
        '\u00e4',
        '\ud800',
      ),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        for (const id of messageIds(pieces.join(''))) expect([id, isMessageId(id)]).toEqual([id, true]);
      }),
      { numRuns: 5_000 },
    );
  });

  test('the thread of a header block', () => {
    const text =
      'Message-ID: a@x\r\nIn-Reply-To: <b@\r\n x>\r\nReferences: <c@x>\r\nReferences: <b@x>\r\n\r\n';
    expect(threadOf(readHeaders(mailText(Buffer.from(text))))).toEqual({
      messageId: '<a@x>',
      inReplyTo: ['<b@x>'],
      references: ['<c@x>', '<b@x>'],
    });
  });
});

describe('comments', () => {
  test.each([
    ['a (b) c', 'a  c'],
    ['a (b (c) d) e', 'a  e'],
    ['(b\\) c) d', ' d'],
    ['a) b', 'a) b'],
    ['a (open', 'a '],
    ['a \\(', 'a \\'],
  ])('%j', (value, rest) => {
    expect(withoutComments(value)).toBe(rest);
  });
});

describe('dates', () => {
  const noon = Date.UTC(2026, 10, 27, 12);
  test.each<[string, number | undefined]>([
    ['Fri, 27 Nov 2026 12:00:00 +0000', noon],
    ['Fri, 27 Nov 2026 14:00:00 +0200', noon],
    ['Fri, 27 Nov 2026 06:30:00 -0530', noon],
    ['27 nov 2026 12:00 -0000', noon],
    ['fri,27 NOV 2026 12:00:00 GMT', noon],
    ['Fri, 27 Nov 2026 12:00:00 +0000 (UTC (so it says))', noon],
    ['Fri (a day), 27 Nov (a month) 2026 12 : 00 : 00 Z', noon],
    ['Fri, 27 Nov 2026\t12:00:00   UT', noon],
    ['Mon, 27 Nov 2026 12:00:00 +0000', noon],
    // 4.3: years of two and three digits, zones by name.
    ['27 Nov 26 12:00 GMT', noon],
    ['27 Nov 126 12:00 GMT', noon],
    ['27 Nov 49 12:00 GMT', Date.UTC(2049, 10, 27, 12)],
    ['27 Nov 99 12:00 GMT', Date.UTC(1999, 10, 27, 12)],
    ['27 Nov 50 12:00 GMT', undefined],
    ['27 Nov 2026 07:00 EST', noon],
    ['27 Nov 2026 08:00 EDT', noon],
    ['27 Nov 2026 06:00 CST', noon],
    ['27 Nov 2026 07:00 CDT', noon],
    ['27 Nov 2026 05:00 MST', noon],
    ['27 Nov 2026 06:00 MDT', noon],
    ['27 Nov 2026 04:00 PST', noon],
    ['27 Nov 2026 05:00 PDT', noon],
    ['27 Nov 2026 14:00 EET', noon],
    ['27 Nov 2026 15:00 eest', noon],
    ['27 Nov 2026 13:00 CET', noon],
    ['27 Nov 2026 14:00 CEST', noon],
    ['27 Nov 2026 13:00 MEZ', noon],
    ['27 Nov 2026 14:00 MESZ', noon],
    ['27 Nov 2026 13:00 WEST', noon],
    ['27 Nov 2026 15:00 MSK', noon],
    ['27 Nov 2026 12:00 XYZ', noon],
    ['27 Nov 2026 12:00 K', noon],
    ['29 Feb 2024 23:59:60 +0000', Date.UTC(2024, 2, 1)],
    ['1 Jan 1970 00:00:00 +0000', 0],
    // No dates.
    ['31 Dec 1969 23:59:59 +0000', undefined],
    ['1 Jan 2100 00:00:00 +0000', undefined],
    ['31 Dec 2099 23:59:59 +0000', Date.UTC(2099, 11, 31, 23, 59, 59)],
    ['pe, 27 marras 2026 10:00:00 +0200', undefined],
    ['ke, 27 maalis 2026 10:00:00 +0200', undefined],
    ['Fri, 27 Mai 2026 10:00:00 +0200', undefined],
    ['31 Feb 2026 10:00:00 +0000', undefined],
    ['29 Feb 2026 10:00:00 +0000', undefined],
    ['31 Apr 2026 10:00:00 +0000', undefined],
    ['0 Apr 2026 10:00:00 +0000', undefined],
    ['32 Mar 2026 10:00:00 +0000', undefined],
    ['27 Nov 2026 24:00:00 +0000', undefined],
    ['27 Nov 2026 23:60:00 +0000', undefined],
    ['27 Nov 2026 23:59:61 +0000', undefined],
    ['27 Nov 2026 10:00:00 +9999', undefined],
    ['27 Nov 2026 10:00:00 +2400', undefined],
    ['27 Nov 2026 10:00:00 +0260', undefined],
    ['27 Nov 2026 10:00:00', undefined],
    ['27 Nov 2026', undefined],
    ['27 Nov 2026 10:00:00 +0000 and more', undefined],
    ['x 27 Nov 2026 10:00:00 +0000', undefined],
    ['2026-11-27T10:00:00Z', undefined],
    ['01/02/2026 10:00:00', undefined],
    ['Fri Nov 27 10:00:00 2026', undefined],
    ['message 5', undefined],
    ['x 12', undefined],
    ['5', undefined],
    ['yesterday', undefined],
    ['', undefined],
  ])('%j', (value, instant) => {
    expect(dateOf(value)).toBe(instant);
  });

  test('every instant is read as it was written', () => {
    const instant = fc.date({ min: new Date(0), max: new Date(Date.UTC(2099, 11, 31)), noInvalidDate: true });
    fc.assert(
      fc.property(instant, (at) => {
        const whole = Math.floor(at.getTime() / 1000) * 1000;
        expect(dateOf(new Date(whole).toUTCString())).toBe(whole);
      }),
    );
  });
});

describe('header blocks', () => {
  const read = (text: string): readonly (readonly [string, string])[] =>
    readHeaders(mailText(Buffer.from(text))).fields.map(({ name, value }) => [name, value] as const);

  test('lines of white space only add nothing to a field', () => {
    expect(read('Subject: a\r\n \r\n\t\r\n b\r\nTo:\r\n  x@y\r\n\r\n')).toEqual([
      ['subject', 'a b'],
      ['to', 'x@y'],
    ]);
  });

  test('a header block of half a million folded empty lines', () => {
    expect(read(`Subject: a\n${' \n'.repeat(500_000)}To: b\n\nbody`)).toEqual([
      ['subject', 'a'],
      ['to', 'b'],
    ]);
  });

  test('a value is bounded, and the field behind it is read', () => {
    const [first, second] = read(`A: ${'x\n '.repeat(100_000)}\nB: 1\n\n`);
    expect(first?.[1].length).toBeLessThan(70_000);
    expect(second).toEqual(['b', '1']);
  });
});
