// An ordinary mail of exactly 5,000 bytes for the bench of the inbound side: headers as several servers leave them, a
// text and its HTML in quoted-printable. No two are the same, and none refers to another.

export const mailBytes = 5_000;

const detail =
  'The printer on the second floor says that its tray is empty, although somebody filled it this morning, and then it ' +
  'stops until it is switched off. Could you please send somebody? R=C3=A4is=C3=A4nen knows where the key is. ';

/** The `number`th mail of a run, with CRLF. */
export function benchMail(number: number): Uint8Array {
  const day = String(1 + (number % 28)).padStart(2, '0');
  const hops = [3, 2, 1].map(
    (hop) =>
      `Received: from relay${String(hop)}.fabrikam.example (relay${String(hop)}.fabrikam.example [192.0.2.${String(hop)}])\r\n` +
      `\tby relay${String(hop + 1)}.bench.example (Postfix) with ESMTPS id ${String(number)}X${String(hop)}\r\n` +
      `\tfor <desk@bench.example>; Mon, ${day} Nov 2026 09:00:0${String(hop)} +0200`,
  );
  const head = [
    ...hops,
    `From: Kim Virtanen <kim${String(number % 97)}@fabrikam.example>`,
    'To: Service Desk <desk@bench.example>',
    `Subject: =?utf-8?Q?The_printer_on_floor_2,_R=C3=A4is=C3=A4nen?= (${String(number)})`,
    `Date: Mon, ${day} Nov 2026 09:00:00 +0200`,
    `Message-ID: <${String(number)}.bench@fabrikam.example>`,
    'MIME-Version: 1.0',
    'X-Mailer: A mail client 16.0',
    'Content-Type: multipart/alternative; boundary="=_part"',
    '',
    '--=_part',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: quoted-printable',
    '',
    lines(detail.repeat(6)),
    '--=_part',
    'Content-Type: text/html; charset=utf-8',
    'Content-Transfer-Encoding: quoted-printable',
    '',
    '<html><head><style>p { margin: 0 }</style></head><body>=\r\n',
  ].join('\r\n');
  const tail = '=\r\n</body></html>\r\n--=_part--\r\n';
  const html = lines(`<p class=3D"MsoNormal">${detail}</p>`.repeat(20));
  const room = mailBytes - head.length - tail.length;
  // Cut before an escape, never within one.
  const body = html.slice(0, room).replace(/=[^\r]?$|=\r$/, (cut) => '.'.repeat(cut.length));
  return Buffer.from(head + body + tail, 'latin1');
}

/** A mail with three attachments; no two are the same. */
export function attachmentMail(number: number): Uint8Array {
  const part = (n: number): string =>
    [
      '--=_part',
      'Content-Type: application/octet-stream',
      `Content-Disposition: attachment; filename="file${String(n)}.bin"`,
      'Content-Transfer-Encoding: base64',
      '',
      Buffer.from(`Attachment ${String(n)} of mail ${String(number)}. `.repeat(40)).toString('base64'),
    ].join('\r\n');
  const head = [
    `From: Kim Virtanen <kim${String(number % 97)}@fabrikam.example>`,
    'To: Service Desk <desk@bench.example>',
    `Subject: Three files (${String(number)})`,
    'Date: Mon, 23 Nov 2026 09:00:00 +0200',
    `Message-ID: <${String(number)}.attached@fabrikam.example>`,
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary="=_part"',
    '',
    '--=_part',
    'Content-Type: text/plain; charset=utf-8',
    '',
    'See the files.',
  ].join('\r\n');
  return Buffer.from([head, part(1), part(2), part(3), '--=_part--', ''].join('\r\n'), 'latin1');
}

/** Lines of at most 76 characters with soft ends. */
function lines(text: string): string {
  return text.replace(/(?:[^=]|=3D|=C3=A4){64}/g, '$&=\r\n');
}
