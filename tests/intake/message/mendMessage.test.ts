// What ESM's MIME can be like, and what is handed on. Whatever is mended must pass the bridge's own strict reader.
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readRawMessage, rawProblems } from '../../../shared/exchange/rawMessage.ts';
import { parseAddressList } from '../../../intake/message/addressList.ts';
import { ContentScan } from '../../../intake/message/contentScan.ts';
import { readFields } from '../../../intake/message/headerFields.ts';
import { judge } from '../../../intake/message/judge.ts';
import { mendMessage, type OutgoingMessage } from '../../../intake/message/mendMessage.ts';

const served = {
  mailboxes: [{ address: 'desk@example.com', aliases: [] }],
  messageMostBytes: 36_700_160,
  recipientsMostCount: 500,
};

interface Outcome {
  readonly text: string;
  readonly remarks: readonly string[];
  readonly outgoing: OutgoingMessage;
}

/** Through scan, judgement and mending, as the intake does; undefined if it is refused. */
async function outcome(bytes: Buffer, chunkBytes = 1_000, mark = false): Promise<Outcome | undefined> {
  const scan = new ContentScan();
  for (let at = 0; at < bytes.length; at += chunkBytes) scan.feed(bytes.subarray(at, at + chunkBytes));
  const scanned = scan.finish();
  expect(scanned.sizeBytes).toBe(bytes.length);
  const { fields } = readFields(scanned.headerLines);
  const envelope = { mailFrom: 'desk@example.com', recipients: ['citizen@example.org'] };
  const unknownFrom = { kind: 'rewrite', mailbox: 'desk@example.com' } as const;
  const judgement = judge(fields, envelope, { served, unknownFrom });
  if (judgement.kind === 'refused') return undefined;
  const body = bytes.subarray(scanned.bodyAt);
  const outgoing = await mendMessage(
    {
      headerLines: scanned.headerLines,
      bodyIsClean: scanned.bodyIsClean,
      bodyBytes: body.length,
      body: async function* () {
        for (let at = 0; at < body.length; at += chunkBytes) yield body.subarray(at, at + chunkBytes);
        await Promise.resolve();
      },
    },
    { mailbox: judgement.mailbox, rewriteFrom: judgement.rewriteFrom, mark },
  );
  const text = await bytesOf(outgoing);
  expect(text.length).toBe(outgoing.sizeBytes);
  return { text: text.toString('latin1'), remarks: outgoing.remarks, outgoing };
}

async function bytesOf(outgoing: OutgoingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of outgoing.bytes()) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Every problem that the bridge would have with it. */
function problemsOf(text: string): readonly string[] {
  const bytes = Buffer.from(text, 'latin1');
  const raw = readRawMessage(bytes);
  if (raw.kind === 'refused') return raw.detail;
  const bare = /[^\r]\n|\r[^\n]/.test(text) ? ['has a bare CR or LF'] : [];
  const readAddresses = (value: string): { addresses: readonly string[]; hasGroup: boolean } => {
    const list = parseAddressList(value);
    return list.kind === 'ok'
      ? { addresses: list.people.map(({ address }) => address), hasGroup: list.hasGroup }
      : { addresses: [], hasGroup: false };
  };
  return [...bare, ...rawProblems(raw.value, ['desk@example.com'], readAddresses)];
}

const head = 'From: desk@example.com\r\nTo: citizen@example.org\r\nSubject: INC-1\r\n';
const long = 'word '.repeat(300);

describe('a message', () => {
  test('in which nothing is wrong stays as it is, byte for byte', async () => {
    const text = `${head}X-Odd:  two  spaces\r\nReferences: <a@b>\r\n <c@d>\r\n\r\nBody\r\n..\r\n`;
    const found = await outcome(Buffer.from(text));
    expect(found?.text).toBe(text);
    expect(found?.remarks).toEqual([]);
  });

  test.each<[string, string, string, RegExp]>([
    [
      'UTF-8 in the subject',
      head.replace('INC-1', 'INC-1 pyyntö'),
      'Subject: =?utf-8?B?SU5DLTEgcHl5bnTDtg==?=\r\n',
      /Subject had characters/,
    ],
    [
      'a UTF-8 name in To',
      head.replace('citizen@', '"Müller, Jörg" <citizen@').replace('org\r', 'org>\r'),
      'To: =?utf-8?B?TcO8bGxlciwgSsO2cmc=?= <citizen@example.org>',
      /To had characters/,
    ],
    [
      'a group in To',
      head.replace('To: ', 'To: Team: "A, B" <a@example.org>, ').replace('example.org\r', 'example.org;\r'),
      'To: "A, B" <a@example.org>,\r\n citizen@example.org',
      /group/,
    ],
    [
      'an empty group in To',
      head.replace('citizen@example.org', 'undisclosed-recipients:;'),
      'To: undisclosed-recipients:;',
      /^$/,
    ],
    [
      'an address in To that is none',
      head.replace('citizen@example.org', 'Printer <printer>, c@example.org'),
      'To: c@example.org',
      /left out/,
    ],
    [
      'a To that cannot be read',
      head.replace('citizen@example.org', '"open <c@example.org>'),
      'To: undisclosed-recipients:;',
      /could not be read/,
    ],
    [
      'semicolons in To',
      head.replace('citizen@', 'a@example.org; citizen@'),
      'To: a@example.org,\r\n citizen@example.org',
      /semicolons/,
    ],
    ['two To fields', `${head}To: b@example.org\r\n`, 'To: citizen@example.org,\r\n b@example.org', /joined/],
    ['two subjects', `${head}Subject: INC-2\r\n`, 'Subject: INC-1', /more than once/],
    [
      'a foreign Sender',
      `${head}Sender: other@example.net\r\n`,
      'Subject: INC-1',
      /Sender was not the mailbox/,
    ],
    ['Resent fields', `${head}Resent-To: x@example.net\r\n`, 'Subject: INC-1', /Resent-To was removed/],
    [
      "the bridge's own fields",
      `${head}X-Mail-Bridge-Id: 7\r\n`,
      'Subject: INC-1',
      /X-Mail-Bridge-Id was removed/,
    ],
    ['a Message-ID that is none', `${head}Message-ID: 123\r\n`, 'Subject: INC-1', /Message-ID had parts/],
    ['a long line in the header', `${head}X-Long: ${long}\r\n`, 'X-Long: word word', /folded/],
    ['a long word in the header', `${head}X-Long: ${'x'.repeat(2_000)}\r\n`, 'X-Long: =?utf-8?B?', /encoded/],
    ['a control character', head.replace('INC-1', 'INC\u0007-1'), 'Subject: INC -1', /control characters/],
    ['bare LF', head.replaceAll('\r\n', '\n'), 'Subject: INC-1\r\n', /^$/],
    [
      'bare CR in the header',
      head.replace('Subject', 'X-A: 1\rSubject'),
      'X-A: 1\r\nSubject: INC-1\r\n',
      /^$/,
    ],
    [
      'a file name in UTF-8',
      `${head}Content-Type: application/pdf; name="Lähetys.pdf"\r\n`,
      "name*=utf-8''L%C3%A4hetys.pdf",
      /Content-Type had characters/,
    ],
    [
      'no From',
      head.replace('From: desk@example.com\r\n', ''),
      'From: desk@example.com\r\n',
      /From was missing/,
    ],
    [
      'a foreign From',
      head.replace('desk@example.com', '"A. Gent" <agent@esm.example>'),
      'From: "A. Gent" <desk@example.com>\r\nReply-To: "A. Gent" <agent@esm.example>',
      /moved to Reply-To/,
    ],
  ])('%s', async (_, header, expected, remark) => {
    const found = await outcome(Buffer.from(`${header}\r\nBody\r\n`));
    expect(found?.text).toContain(expected);
    expect(problemsOf(found?.text ?? '')).toEqual([]);
    expect(found?.remarks.join(' ')).toMatch(remark);
  });

  test('Latin-1 in the subject is read as windows-1252', async () => {
    const bytes = Buffer.from(`${head.replace('INC-1', 'pyynt\u00f6')}\r\nBody\r\n`, 'latin1');
    expect((await outcome(bytes))?.text).toContain(`=?utf-8?B?${Buffer.from('pyyntö').toString('base64')}?=`);
  });

  test('a header that never ends before the body is ended there', async () => {
    const found = await outcome(Buffer.from(`${head}Hello there\r\n\r\nMore\r\n`));
    expect(found?.text).toBe(`${head}\r\nHello there\r\n\r\nMore\r\n`);
    expect(found?.remarks.join(' ')).toContain('no field');
  });

  test('Bcc goes, without a remark', async () => {
    const found = await outcome(Buffer.from(`${head}Bcc: secret@example.org\r\n\r\nBody\r\n`));
    expect(found?.text).not.toContain('secret');
    expect(found?.remarks).toEqual([]);
  });

  test('marking adds two fields', async () => {
    const found = await outcome(Buffer.from(`${head}\r\nBody\r\n`), 1_000, true);
    expect(found?.text).toContain(
      'Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: OOF, AutoReply\r\n',
    );
  });
});

const decodeQp = (text: string): string =>
  text
    .replaceAll('=\r\n', '')
    .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));

describe('a body', () => {
  test.each([1, 7, 65_536])('with long lines becomes quoted-printable, in chunks of %d', async (chunk) => {
    const line = `${'<b>ä</b> = '.repeat(400)} `;
    const found = await outcome(
      Buffer.from(`${head}Content-Type: text/html; charset=utf-8\r\n\r\n${line}\r\n.dot\r\n`),
      chunk,
    );
    expect(problemsOf(found?.text ?? '')).toEqual([]);
    expect(found?.text).toContain('Content-Transfer-Encoding: quoted-printable\r\n');
    const [, body = ''] = (found?.text ?? '').split(/\r\n\r\n(.*)/s);
    expect(Buffer.from(decodeQp(body), 'latin1').toString()).toBe(`${line}\r\n.dot\r\n`);
    expect(body.split('\r\n').every((one) => one.length <= 76)).toBe(true);
  });

  test('with LF alone gets CRLF', async () => {
    const found = await outcome(Buffer.from('From: desk@example.com\nTo: a@example.org\n\nOne\nTwo\n'));
    expect(found?.text).toBe('From: desk@example.com\r\nTo: a@example.org\r\n\r\nOne\r\nTwo\r\n');
  });

  const multipart = (part: string): string =>
    `${head}MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary="b 1"\r\n\r\npreamble\r\n--b 1\r\nContent-Type: text/plain\r\n\r\nfirst\r\n--b 1\r\n${part}\r\n--b 1--\r\nepilogue\r\n`;

  test('has only the part encoded that needs it, and its last line end stays with the boundary', async () => {
    const data = Buffer.from(
      Array.from({ length: 3_000 }, (_, index) => index % 256).filter((byte) => byte !== 10 && byte !== 13),
    );
    const text = Buffer.concat([
      Buffer.from(
        multipart(
          'Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\nDATA',
        ).split('DATA')[0] ?? '',
      ),
      data,
      Buffer.from('\r\n--b 1--\r\nepilogue\r\n'),
    ]);
    const found = await outcome(text, 77);
    expect(problemsOf(found?.text ?? '')).toEqual([]);
    const encoded = /base64\r\n\r\n([A-Za-z0-9+/=\r\n]+)\r\n--b 1--/.exec(found?.text ?? '')?.[1] ?? '';
    expect(Buffer.from(encoded, 'base64')).toEqual(data);
    expect(found?.text).toContain('--b 1\r\nContent-Type: text/plain\r\n\r\nfirst\r\n--b 1\r\n');
    expect(found?.text.endsWith('--b 1--\r\nepilogue\r\n')).toBe(true);
  });

  test('base64 in one line is wrapped', async () => {
    const data = Buffer.alloc(30_000, 'abc');
    const found = await outcome(
      Buffer.from(
        multipart(
          `Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n${data.toString('base64')}`,
        ),
      ),
    );
    expect(problemsOf(found?.text ?? '')).toEqual([]);
    const encoded = /base64\r\n\r\n([A-Za-z0-9+/=\r\n]+)\r\n--b 1--/.exec(found?.text ?? '')?.[1] ?? '';
    expect(Buffer.from(encoded, 'base64').equals(data)).toBe(true);
  });

  test('quoted-printable with long lines gets soft line ends, its own kept', async () => {
    const line = `${'=C3=A4x'.repeat(300)}=\r\ntail`;
    const found = await outcome(
      Buffer.from(`${head}Content-Transfer-Encoding: quoted-printable\r\n\r\n${line}\r\n`),
      13,
    );
    expect(problemsOf(found?.text ?? '')).toEqual([]);
    const [, body = ''] = (found?.text ?? '').split(/\r\n\r\n(.*)/s);
    expect(decodeQp(body)).toBe(decodeQp(`${line}\r\n`));
  });

  test('of a message within the message is mended too', async () => {
    const inner = `Content-Type: message/rfc822\r\n\r\nFrom: x@example.net\r\nSubject: ä\r\nContent-Type: text/plain\r\n\r\n${long}`;
    const found = await outcome(Buffer.from(multipart(inner)));
    expect(problemsOf(found?.text ?? '')).toEqual([]);
    expect(found?.text).toContain(
      'Subject: =?utf-8?B?w6Q=?=\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n',
    );
  });
});

test('whatever comes is refused, or handed on so that the bridge takes it, the same each time', async () => {
  const piece = fc.oneof(
    fc.constantFrom(
      'From: desk@example.com',
      'To: a@example.org',
      'To: x: a@b.example;',
      'Subject: ä',
      'Cc: <a@b.example> <c@d.example>',
      'Content-Type: multipart/mixed; boundary=b',
      'Content-Type: text/html',
      'Content-Transfer-Encoding: base64',
      'Content-Transfer-Encoding: quoted-printable',
      '--b',
      '--b--',
      '',
      '',
      'Content-Type: message/rfc822',
      'Sender: "',
      'Reply-To: =?utf-8?Q?=0D=0A?= <a@b.example>',
      ' folded',
      'no field',
      '.',
    ),
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.integer({ min: 900, max: 5_000 }).map((length) => 'x=\u00e4 '.repeat(length / 4)),
    fc.constant('\u0000'),
  );
  const line = fc.tuple(piece, fc.constantFrom('\r\n', '\r\n', '\r\n', '\n', '\r'));
  let handedOn = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(line, { maxLength: 30 }),
      fc.integer({ min: 1, max: 3_000 }),
      async (lines, chunk) => {
        const bytes = Buffer.from(`From: desk@example.com\r\n${lines.map((one) => one.join('')).join('')}`);
        const found = await outcome(bytes, chunk);
        if (found === undefined) return;
        handedOn += 1;
        expect(problemsOf(found.text)).toEqual([]);
        expect((await bytesOf(found.outgoing)).toString('latin1')).toBe(found.text);
        expect((await outcome(bytes, 64 * 1024))?.text).toBe(found.text);
      },
    ),
    { numRuns: 1_500 },
  );
  expect(handedOn).toBeGreaterThan(300);
});
