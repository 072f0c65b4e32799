import { describe, expect, test } from '@jest/globals';
import { isMessageId, messageIdBytes, parseMessageIds } from '../../shared/mail/messageId.ts';
import { joinPath, kindOf, quoteBriefly } from '../../shared/mail/quote.ts';
import { parseReply } from '../../shared/mail/reply.ts';
import { boundedText } from '../../shared/mail/text.ts';

describe('a reply', () => {
  test.each([
    [
      '250 2.0.0 OK <a@b.prod.outlook.com> [Hostname=x]',
      { code: 250, enhanced: '2.0.0', text: 'OK <a@b.prod.outlook.com> [Hostname=x]' },
    ],
    ['550-5.1.1 First\r\n550 5.1.1 Second\r\n', { code: 550, enhanced: '5.1.1', text: 'First Second' }],
    ['250-smtp.example\r\n250-SIZE 1\r\n250 HELP', { code: 250, text: 'smtp.example SIZE 1 HELP' }],
    [
      '535 5.7.139 Authentication unsuccessful',
      { code: 535, enhanced: '5.7.139', text: 'Authentication unsuccessful' },
    ],
    ['421', { code: 421, text: '' }],
    ['554 5.2.0', { code: 554, enhanced: '5.2.0', text: '' }],
    ['334 eyJzdGF0dXMiOiI0MDAifQ==', { code: 334, text: 'eyJzdGF0dXMiOiI0MDAifQ==' }],
    ['550 5.1.1234 not a status', { code: 550, text: '5.1.1234 not a status' }],
    ['550 No such user 5.1.1 here', { code: 550, text: 'No such user 5.1.1 here' }],
    ['550 a\u0000b\u001b[2Jc\u0085d\u2028e', { code: 550, text: 'a b [2Jc d e' }],
    ['451 4.7.0 half \ud83d', { code: 451, enhanced: '4.7.0', text: 'half \ufffd' }],
  ])('%j', (wire, reply) => {
    expect(parseReply(wire)).toEqual(reply);
  });

  test.each(['', 'hello', '99 x', '600 x', '1000 x', '-50 x', '2 50', 'x250 y', '250x'])(
    '%j is none',
    (wire) => {
      expect(parseReply(wire)).toBeUndefined();
    },
  );

  test('of ten megabytes is cut to a thousand characters', () => {
    const endless = '550-no\r\n'.repeat(1_250_000);
    expect(parseReply(endless)?.text.length).toBeLessThanOrEqual(1_000);
    expect(parseReply(`550 ${'\ud83d\ude42'.repeat(600)}`)?.text.length).toBe(1_000);
    expect(boundedText(`x${'\ud83d\ude42'.repeat(600)}`, 1_000)).toHaveLength(999);
  });
});

describe('a Message-ID', () => {
  test.each([
    '<a@b>',
    '<a$b!c@[1.2.3.4]>',
    '<"a b"@c>'.replace(' ', '_'),
    '<a@b@c>',
    // Opaque to everybody but their author.
    '<a>',
    '<@>',
    '<@b>',
    '<a@>',
    `<${'x'.repeat(messageIdBytes - 4)}@b>`,
  ])('%j is one', (text) => {
    expect(isMessageId(text)).toBe(true);
  });

  test.each([
    '',
    '<>',
    'a@b',
    '< >',
    '<a b@c>',
    '<a@b',
    '<a@b>x',
    '<<a@b>>',
    '<a@b>\r\n',
    '<\u00e4@b>',
    '<a\u0000@b>',
    `<${'x'.repeat(messageIdBytes - 3)}@b>`,
  ])('%j is none', (text) => {
    expect(isMessageId(text)).toBe(false);
  });

  test('stands among others only where all of them are', () => {
    expect(parseMessageIds('<a@b>  <c@d>')).toEqual(['<a@b>', '<c@d>']);
    expect(parseMessageIds('')).toEqual([]);
    expect(parseMessageIds('<a@b> c')).toBeUndefined();
    expect(parseMessageIds('<a@b>\t<c@d>')).toBeUndefined();
  });
});

test('foreign values in our sentences are short, quoted and printable', () => {
  expect(quoteBriefly('a"b\r\n\u00e4\u202e')).toBe('"a\\"b\\r\\n\\u00e4\\u202e"');
  expect(quoteBriefly('x'.repeat(1_000))).toHaveLength(65);
  expect(quoteBriefly('\ud83d')).toBe('"\\ufffd"');
  expect(joinPath('', 'a')).toBe('a');
  expect(joinPath('a[0]', 'b c')).toBe('a[0]."b c"');
  expect([undefined, null, [], {}, '', 1, true].map(kindOf)).toEqual([
    'nothing',
    'null',
    'a list',
    'an object',
    'text',
    'a number',
    'a boolean',
  ]);
});
