// The text and the HTML of a message, and damaged multiparts.
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { bodiesOf, type Bodies } from '../../shared/classify/bodies.ts';
import { readMimeTree, walk, type MimePart } from '../../shared/classify/mimeTree.ts';
import { mailText } from '../../shared/mail/headers.ts';
import { multipart } from './made.ts';

const read = (raw: string): Bodies => bodiesOf(readMimeTree(mailText(Buffer.from(raw, 'latin1'))));
const whole = (...args: Parameters<typeof multipart>): string => {
  const { field, body } = multipart(...args);
  return `${field}\n\n${body}\n`;
};

describe('bodies', () => {
  test.each<[string, string, string | undefined, string | undefined]>([
    ['text', 'Content-Type: text/plain\n\nhello', 'hello', undefined],
    ['HTML', 'Content-Type: text/html\n\n<p>hello', undefined, '<p>hello'],
    ['no type', 'Subject: x\n\nhello', 'hello', undefined],
    ['a type that is none', 'Content-Type: plain\n\nhello', 'hello', undefined],
    [
      'alternatives',
      whole('alternative', ['text/plain', 'one'], ['text/html', '<b>two</b>']),
      'one',
      '<b>two</b>',
    ],
    [
      'alternatives, the other way round',
      whole('alternative', ['text/html', '<b>two</b>'], ['text/plain', 'one']),
      'one',
      '<b>two</b>',
    ],
    ['one alternative', whole('alternative', ['text/html', '<b>two</b>']), undefined, '<b>two</b>'],
    [
      'text, then HTML',
      whole('mixed', ['text/plain', 'a < b'], ['text/html', '<p>footer</p>']),
      'a < b\n\nfooter',
      '<div style="white-space: pre-wrap">a &lt; b</div>\n<p>footer</p>',
    ],
    [
      'HTML, then text',
      whole('mixed', ['text/html', '<p>one</p>'], ['text/plain', 'two']),
      '\none\ntwo',
      '<p>one</p>\n<div style="white-space: pre-wrap">two</div>',
    ],
    ['two texts', whole('mixed', ['text/plain', 'one'], ['text/plain', 'two']), 'one\ntwo', undefined],
    [
      'empty parts count for nothing',
      whole('mixed', ['text/plain', 'one'], ['text/html', ' \n ']),
      'one',
      undefined,
    ],
    ['a file', whole('mixed', ['text/plain', 'one'], ['text/plain; name="a.txt"', 'two']), 'one', undefined],
    [
      'an attached message',
      whole('mixed', ['text/plain', 'one'], ['message/rfc822', 'Subject: x\n\ntwo']),
      'one',
      undefined,
    ],
    [
      'only an attached message',
      whole('mixed', ['message/rfc822', 'Subject: x\n\ntwo']),
      undefined,
      undefined,
    ],
    ['nothing', 'Subject: x\n\n', undefined, undefined],
  ])('%s', (_name, raw, text, html) => {
    const found = read(raw);
    expect([found.text?.trimEnd(), found.html?.trimEnd()]).toEqual([text, html]);
    expect(found.remarks).toEqual([]);
  });

  test('an attached text is a file', () => {
    const raw = whole('mixed', ['text/plain', 'one'], ['text/plain\nContent-Disposition: attachment', 'two']);
    expect(read(raw).text?.trim()).toBe('one');
  });
});

describe('damage', () => {
  const inner = 'Content-Type: text/plain\n\nhello';
  const encoded = Buffer.from(`--b\n${inner}\n--b--\n`).toString('base64');
  test.each<[string, string, RegExp]>([
    ['the boundary never comes', 'Content-Type: multipart/mixed; boundary=zz\n\nhello', /no parts/],
    ['no boundary parameter', `Content-Type: multipart/mixed\n\n--b\n${inner}\n--b--`, /taken from the body/],
    [
      'an empty one',
      `Content-Type: multipart/mixed; boundary=""\n\n--b\n${inner}\n--b--`,
      /taken from the body/,
    ],
    [
      'a wrong one',
      `Content-Type: multipart/mixed; boundary=c\n\npreamble\n--b\n${inner}\n--b--`,
      /taken from the body/,
    ],
    ['a multipart without parts or boundary', 'Content-Type: multipart/alternative\n\nhello', /no parts/],
    [
      'a multipart in base64',
      `Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\n${encoded}`,
      /encoded as a whole/,
    ],
    [
      'the same without its boundary',
      `Content-Type: multipart/mixed\nContent-Transfer-Encoding: base64\n\n${encoded}`,
      /encoded as a whole/,
    ],
    [
      'a multipart in quoted-printable',
      `Content-Type: multipart/mixed; boundary="=b"\nContent-Transfer-Encoding: quoted-printable\n\n--=3Db\n${inner}\n--=3Db--`,
      /encoded as a whole/,
    ],
    ['no empty line below the header', 'Subject: x\nhello, this is no field\n', /empty line/],
    [
      'no empty line before the parts',
      `Content-Type: multipart/mixed; boundary=b\n--b\n${inner}\n--b--`,
      /empty line/,
    ],
    [
      'no empty line in a part',
      'Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\nhello, no field\n--b--',
      /empty line/,
    ],
    ['an inner multipart without a boundary', whole('mixed', ['multipart/alternative', 'hello']), /no parts/],
    ['no end', `Content-Type: multipart/mixed; boundary=b\n\n--b\n${inner}`, /^$/],
  ])('%s', (_name, raw, remark) => {
    const found = read(raw);
    expect(found.text).toContain('hello');
    expect(found.remarks.join(' ')).toMatch(remark);
  });

  test('a wrong charset, and text behind base64, are told', () => {
    expect(read('Content-Type: text/plain; charset=nonsense\n\np\xe4iv\xe4')).toEqual({
      text: 'päivä',
      remarks: ['The charset nonsense is unknown; the text was read as windows-1252.'],
    });
    expect(read('Content-Transfer-Encoding: base64\n\nYWJj\nSent by X.\n').remarks).toEqual([
      'Text that follows the end of a base64 part was left out.',
    ]);
  });

  test('a body with octets is never nothing without a remark', () => {
    const type = fc.constantFrom(
      'text/plain',
      'text/html',
      'multipart/mixed',
      'multipart/alternative; boundary=b',
      'multipart/mixed; boundary=b',
      'plain',
      '',
    );
    const encoding = fc.constantFrom('', '7bit', 'base64', 'quoted-printable', 'nonsense');
    const line = fc.constantFrom(
      '--b',
      '--b--',
      '--c',
      'Content-Type: text/plain',
      'Content-Type: text/html',
      '',
      'hello',
      '<p>x',
      'aGVsbG8=',
    );
    fc.assert(
      fc.property(type, encoding, fc.array(line, { maxLength: 12 }), (contentType, transfer, lines) => {
        const body = `${lines.join('\n')}\nwords at the end\n`;
        const raw = `Content-Type: ${contentType}\nContent-Transfer-Encoding: ${transfer}\n\n${body}`;
        const root = readMimeTree(mailText(Buffer.from(raw)));
        const { text, html, remarks } = bodiesOf(root);
        const other = [...walk(root)].length > 1 || transfer === 'base64';
        expect(text !== undefined || html !== undefined || remarks.length > 0 || other).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('the tree of parts', () => {
  test('at most 500 parts and 20 levels', () => {
    const flat = `Content-Type: multipart/mixed; boundary=b\n\n${'--b\n\nx\n'.repeat(2_000)}`;
    expect([...walk(readMimeTree(flat))].length).toBeLessThanOrEqual(501);
    const deep = Array.from(
      { length: 60 },
      (_, n) => `Content-Type: multipart/mixed; boundary=b${n}\n\n--b${n}\n`,
    ).join('');
    const levels = (part: MimePart): number => 1 + Math.max(0, ...part.parts.map(levels));
    expect(levels(readMimeTree(deep))).toBe(21);
  });

  test('a digest is of messages, and a message in base64 is read', () => {
    const digest = readMimeTree(
      'Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\nhello\n--b--',
    );
    expect([...walk(digest)].map(({ contentType }) => contentType)).toEqual([
      'multipart/digest',
      'message/rfc822',
      'text/plain',
    ]);
    const inside = Buffer.from('Subject: inner\n\nhello').toString('base64');
    const message = readMimeTree(
      `Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n${inside}`,
    );
    expect(message.parts[0]?.fields).toEqual([{ name: 'subject', value: 'inner' }]);
  });
});
