import { expect, test } from '@jest/globals';
import { asciiJson } from '../../shared/mail/text.ts';

test('what is not printable ASCII is escaped, and reads back as it was', () => {
  const value = '\u00e4\u007f\u0085\u2028\ud83d\ude42\ud800\r\n"\\';
  const text = asciiJson(value);
  expect(text).toBe('"\\u00e4\\u007f\\u0085\\u2028\\ud83d\\ude42\\ud800\\r\\n\\"\\\\"');
  expect(JSON.parse(text)).toBe(value);
});
