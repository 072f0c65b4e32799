import { expect, test } from '@jest/globals';
import { ContentScan } from '../../../intake/message/contentScan.ts';
import { readFields } from '../../../intake/message/headerFields.ts';
import { repeatKeyOf, submissionIdOf, type Received } from '../../../intake/message/identity.ts';
import { isNotification } from '../../../intake/message/marking.ts';

function received(
  text: string,
  recipients: readonly string[] = ['a@example.org'],
  chunkBytes = 50,
): Received {
  const scan = new ContentScan();
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += chunkBytes) scan.feed(bytes.subarray(at, at + chunkBytes));
  const scanned = scan.finish();
  return {
    fields: readFields(scanned.headerLines).fields,
    scanned,
    envelope: { mailFrom: 'd@example.com', recipients },
  };
}

const composed = (id: string, date: string, boundary: string, body = 'Hello'): string =>
  `From: d@example.com\r\nMessage-ID: <${id}>\r\nDate: ${date}\r\nContent-Type: multipart/mixed; \r\n\tboundary="${boundary}"\r\n\r\n--${boundary}\r\nContent-Type: multipart/alternative; boundary=in${boundary}\r\n\r\n--in${boundary}\r\n\r\n${body}\r\n--in${boundary}--\r\n--${boundary}--\r\n`;

test('one message composed twice has one repeat key and two ids', () => {
  const one = received(composed('1@x', 'Mon, 23 Nov 2026 10:00:00 +0200', '----=_Part_1'));
  const two = received(composed('2@x', 'Mon, 23 Nov 2026 10:00:31 +0200', '----=_Part_22'), undefined, 7);
  expect(repeatKeyOf(two)).toBe(repeatKeyOf(one));
  expect(submissionIdOf(two, 'n')).not.toBe(submissionIdOf(one, 'n'));
});

test.each([
  ['another body', received(composed('1@x', 'd', 'b', 'Hallo'))],
  ['another recipient', received(composed('1@x', 'd', 'b'), ['c@example.org'])],
  ['another subject', received(`Subject: x\r\n${composed('1@x', 'd', 'b')}`)],
])('%s has another repeat key', (_, other) => {
  expect(repeatKeyOf(other)).not.toBe(repeatKeyOf(received(composed('1@x', 'd', 'b'))));
});

test('the id is the same for the same message, whatever its arrival, if it has a Message-ID', () => {
  const text = 'Message-ID: <1@x>\r\n\r\nDisk full\r\n';
  expect(submissionIdOf(received(text), 'one')).toBe(submissionIdOf(received(text), 'two'));
  expect(submissionIdOf(received(text, ['b@example.org']), 'one')).not.toBe(
    submissionIdOf(received(text), 'one'),
  );
});

test('an alert without a Message-ID that says the same each hour is a new message each time', () => {
  const text = 'Subject: Disk full\r\n\r\nDisk full\r\n';
  expect(submissionIdOf(received(text), 'one')).not.toBe(submissionIdOf(received(text), 'two'));
});

test.each<[string, string, readonly object[], boolean]>([
  ['the mailbox', 'Subject: x', [{ mailbox: 'alerts@example.com' }], true],
  ['another mailbox', 'Subject: x', [{ mailbox: 'desk@example.com' }], false],
  ['the subject', 'Subject: Alert: disk', [{ subject: 'alert: *' }], true],
  ['an encoded subject', 'Subject: =?utf-8?Q?H=C3=A4lytys=3A_levy?=', [{ subject: 'hälytys: *' }], true],
  ['the middle of the subject', 'Subject: a resolved b', [{ subject: '*resolved*' }], true],
  ['the end of the subject', 'Subject: a resolved b', [{ subject: '*resolved' }], false],
  ['both', 'Subject: Alert', [{ mailbox: 'alerts@example.com', subject: 'alert' }], true],
  ['one of both', 'Subject: Other', [{ mailbox: 'alerts@example.com', subject: 'alert' }], false],
  ["an agent's answer", 'Subject: Alert\r\nIn-Reply-To: <1@x>', [{ subject: '*' }], false],
  ['mail that says what it is', 'Subject: Alert\r\nAuto-Submitted: no', [{ subject: '*' }], false],
])('marking by %s', (_, header, rules, expected) => {
  const { fields } = readFields(header.split('\r\n'));
  expect(isNotification(fields, 'Alerts@example.com', rules)).toBe(expected);
});
