// Mails made to hurt a parser. Sizes are those at which parsers in use were seen to fail.
const crlf = '\r\n';
const head = (contentType: string, more = ''): string =>
  `From: a@x.test${crlf}To: b@x.test${crlf}Subject: bomb${crlf}Message-ID: <bomb@x>${crlf}MIME-Version: 1.0${crlf}${more}Content-Type: ${contentType}${crlf}${crlf}`;

function nestedMultiparts(depth: number): string {
  let text = head('multipart/mixed; boundary=b0');
  for (let n = 0; n < depth; n += 1) {
    text += `--b${n}${crlf}Content-Type: multipart/mixed; boundary=b${n + 1}${crlf}${crlf}`;
  }
  return text;
}

function nestedMessages(depth: number): string {
  return head('message/rfc822') + `Content-Type: message/rfc822${crlf}${crlf}`.repeat(depth);
}

const megabyte = 1024 * 1024;

/** Name and content of each; made on demand, because together they are some 200 MB. */
export const bombs: readonly (readonly [string, () => Uint8Array])[] = [
  ['multipart nested 1,000 deep', () => nestedMultiparts(1_000)],
  ['multipart nested 50,000 deep', () => nestedMultiparts(50_000)],
  ['message/rfc822 nested 20,000 deep', () => nestedMessages(20_000)],
  ['message/rfc822 nested 40,000 deep', () => nestedMessages(40_000)],
  [
    '100,000 empty parts',
    () => head('multipart/mixed; boundary=b') + `--b${crlf}${crlf}${crlf}`.repeat(100_000),
  ],
  ['200,000 empty parts', () => head('multipart/mixed; boundary=b') + `--b${crlf}${crlf}`.repeat(200_000)],
  ['a million header lines', () => `X: y${crlf}`.repeat(1_000_000) + head('text/plain')],
  ['one header of 20 MB', () => `X: ${'y'.repeat(20 * megabyte)}${crlf}${head('text/plain')}`],
  ['a million folds', () => `Subject: a${`${crlf} a`.repeat(1_000_000)}${crlf}${crlf}`],
  ['200,000 addresses', () => `To: ${'a@b.test, '.repeat(200_000)}c@d.test${crlf}${head('text/plain')}`],
  [
    '100,000 encoded words',
    () => `Subject: ${'=?utf-8?q?=C3=A4?= '.repeat(100_000)}${crlf}${head('text/plain')}`,
  ],
  [
    '100,000 pieces of a parameter',
    () =>
      head(
        `application/pdf;${Array.from({ length: 100_000 }, (_one, n) => `${crlf} name*${n}=a`).join(';')}`,
      ),
  ],
  ['a parameter piece 999,999,999', () => head('application/pdf; name*999999999=a; name*0=b') + 'x'],
  ['100,000 open parentheses', () => `From: ${'('.repeat(100_000)}${crlf}${head('text/plain')}`],
  [
    '50,000 nested groups',
    () => `To: ${'g: '.repeat(50_000)}a@b${';'.repeat(50_000)}${crlf}${head('text/plain')}`,
  ],
  ['HTML of 2 million <', () => head('text/html') + '<'.repeat(2_000_000)],
  ['200,000 nested div', () => head('text/html') + '<div>'.repeat(200_000)],
  ['450,000 URLs', () => head('text/plain') + 'http://a.test '.repeat(450_000)],
  [
    '31 MB of base64',
    () =>
      head('application/pdf', `Content-Transfer-Encoding: base64${crlf}`) +
      `${'QUJD'.repeat(19)}${crlf}`.repeat(400_000),
  ],
  [
    'a million soft breaks',
    () =>
      head('text/plain', `Content-Transfer-Encoding: quoted-printable${crlf}`) +
      `a=${crlf}`.repeat(1_000_000),
  ],
  ['a line of 10 MB', () => head('text/plain') + 'x'.repeat(10 * megabyte)],
  ['25 MB of spaces in a header', () => `Subject:${' '.repeat(25 * megabyte)}x${crlf}${head('text/plain')}`],
  ['25 MB of carriage returns', () => '\r'.repeat(25 * megabyte)],
  ['25 MB of line feeds', () => '\n'.repeat(25 * megabyte)],
  ['utf-7', () => head('text/plain; charset=utf-7') + '+ADw-script+AD4-'],
  ['a charset that nobody knows', () => head('text/plain; charset=klingon') + 'nuqneH'],
  [
    'junk as TNEF',
    () => head('application/ms-tnef; name=winmail.dat') + '\u0078\u009f\u003e\u0022'.repeat(1_000),
  ],
  [
    'a header called __proto__',
    () => `__proto__: x${crlf}constructor: y${crlf}hasOwnProperty: z${crlf}${head('text/plain')}hi`,
  ],
  ['NUL', () => head('text/plain') + '\0'.repeat(100_000)],
  [
    'carriage returns alone',
    () =>
      (head('multipart/mixed; boundary=b') + `--b${crlf}${crlf}hi${crlf}--b--${crlf}`).replaceAll('\n', ''),
  ],
  ['nothing', () => ''],
  ['no header', () => `${crlf}${crlf}body`],
  ['two Content-Types', () => `Content-Type: text/html${crlf}${head('text/plain')}<b>hi</b>`],
  [
    'two boundaries',
    () =>
      head('multipart/mixed; boundary=a; boundary=b') +
      `--a${crlf}${crlf}a${crlf}--b${crlf}${crlf}b${crlf}--b--`,
  ],
  [
    'base64 with junk',
    () =>
      head('application/pdf', `Content-Transfer-Encoding: base64${crlf}`) +
      'QU*&^JD\u0000=QUJD===='.repeat(1_000),
  ],
  [
    'a boundary of 70 KB',
    () => head(`multipart/mixed; boundary="${'b'.repeat(70_000)}"`) + `--${'b'.repeat(70_000)}${crlf}${crlf}`,
  ],
  [
    'a bounce with 100,000 recipients',
    () =>
      head('multipart/report; report-type=delivery-status; boundary=b') +
      `--b${crlf}Content-Type: message/delivery-status${crlf}${crlf}` +
      `Final-Recipient: rfc822; a@b.test${crlf}Action: failed${crlf}Status: 5.1.1${crlf}${crlf}`.repeat(
        100_000,
      ),
  ],
  [
    'a notice of 100,000 addresses',
    () =>
      `From: MAILER-DAEMON@x.test${crlf}Subject: Undelivered Mail${crlf}${crlf}` +
      `<a@b.test>: 550 5.1.1 user unknown${crlf}`.repeat(100_000),
  ],
].map(([name, make]) => [name as string, () => Buffer.from((make as () => string)(), 'latin1')] as const);
