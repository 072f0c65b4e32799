import { expect, test } from '@jest/globals';
import { decodeMessage } from '../../../local/functionsHost/queueMessage.ts';

test.each(['{"a":1}', 'eyJhIjoxfQ==', '', 'null'])('without encoding %p is passed on unchanged', (text) => {
  expect(decodeMessage(text, 'none')).toEqual({ string: text });
});

test('base64 is decoded to text, with its byte order mark', () => {
  const text = '\u{feff}{"subject":"Hyvää päivää 📮"}';
  expect(decodeMessage(Buffer.from(text).toString('base64'), 'base64')).toEqual({ string: text });
});

test('base64 of what is no UTF-8 goes on as bytes', () => {
  const bytes = Buffer.from([0xff, 0xfe, 0x00]);
  expect(decodeMessage(bytes.toString('base64'), 'base64')).toEqual({ bytes });
});

test.each(['{"a":1}', 'abc', 'ab=c', '!!!!'])('%p is no base64', (text) => {
  expect(decodeMessage(text, 'base64')).toBeUndefined();
});
