import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { simpleParser, type ParsedMail } from 'mailparser';
import { wireTrouble } from '../../shared/exchange/mimeChecks.ts';
import { parseSubmission } from '../../shared/contract/submission.ts';
import { composeText, composer, none, raw, stamp, submission, type Composed } from './composing.ts';

async function roundTrip(fields: Partial<Composed>, blobs = none): Promise<ParsedMail> {
  const bytes = await composer.compose(submission(fields), blobs, stamp);
  expect(wireTrouble(bytes)).toBeUndefined();
  return simpleParser(Buffer.from(bytes), { skipTextToHtml: true, skipTextLinks: true });
}

function without(name: keyof Composed, fields: Composed): Composed {
  const copy = { ...fields };
  // Absent, not undefined: the two differ to the type, and might to the composer.
  Reflect.deleteProperty(copy, name);
  return copy;
}

const base64 = (text: string | Uint8Array): { readonly kind: 'inline'; readonly base64: string } => ({
  kind: 'inline',
  base64: Buffer.from(text).toString('base64'),
});

const golden = `X-Mail-Bridge-Id: INC-1.1
X-Mail-Bridge-Tag: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
X-Ticket: INC-1
List-ID: ESM <esm.example.com>
From: =?UTF-8?Q?Tuki_=C3=84?= <desk@example.com>
To: "A. User" <user@example.net>
Cc: c@example.net
Reply-To: desk+INC-1@example.com
In-Reply-To: <a@example.net>
References: <a@example.net> <b@example.net>
Subject: =?UTF-8?Q?Tiketti_INC-1_p=C3=A4ivitetty_?=
 =?UTF-8?Q?=F0=9F=9A=80?=
Message-ID: <fixed.1@example.com>
Date: Wed, 25 Nov 2026 09:00:00 +0000
MIME-Version: 1.0
Content-Type: multipart/mixed;
 boundary="--=_mail-0123456789abcdef0123456789abcdef-Part_1"

----=_mail-0123456789abcdef0123456789abcdef-Part_1
Content-Type: multipart/alternative;
 boundary="--=_mail-0123456789abcdef0123456789abcdef-Part_2"

----=_mail-0123456789abcdef0123456789abcdef-Part_2
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Hei!

.alkaa pisteell=C3=A4

----=_mail-0123456789abcdef0123456789abcdef-Part_2
Content-Type: multipart/related; type="text/html";
 boundary="--=_mail-0123456789abcdef0123456789abcdef-Part_4"

----=_mail-0123456789abcdef0123456789abcdef-Part_4
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: 7bit

<p>Hei! <img src="cid:logo@esm"></p>
----=_mail-0123456789abcdef0123456789abcdef-Part_4
Content-Type: image/png; name="=?UTF-8?Q?logo_=C3=A4=2Epng?="
Content-ID: <logo@esm>
Content-Transfer-Encoding: base64
Content-Disposition: inline; filename*0*=utf-8''logo%20%C3%A4.png

wolQTkc=
----=_mail-0123456789abcdef0123456789abcdef-Part_4--

----=_mail-0123456789abcdef0123456789abcdef-Part_2--

----=_mail-0123456789abcdef0123456789abcdef-Part_1
Content-Type: application/pdf;
 name="=?UTF-8?Q?Ty=C3=B6suhde_=E2=80=93_ohje=2Epdf?="
Content-Transfer-Encoding: base64
Content-Disposition: attachment;
 filename*0*=utf-8''Ty%C3%B6suhde%20%E2%80%93%20ohje.pdf

JVBERg==
----=_mail-0123456789abcdef0123456789abcdef-Part_1--
`;

describe('the same message', () => {
  test('to the byte, as it has been since', async () => {
    expect(
      await composeText({
        from: { address: 'desk@example.com', name: 'Tuki Ä' },
        to: [{ address: 'user@example.net', name: 'A. User' }],
        cc: [{ address: 'c@example.net' }],
        bcc: [{ address: 'hidden@example.net' }],
        replyTo: [{ address: 'desk+INC-1@example.com' }],
        subject: 'Tiketti INC-1 päivitetty \u{1F680}',
        text: 'Hei!\n\n.alkaa pisteellä\n',
        html: '<p>Hei! <img src="cid:logo@esm"></p>',
        inReplyTo: '<a@example.net>',
        references: ['<a@example.net>', '<b@example.net>'],
        headers: [
          { name: 'X-Ticket', value: 'INC-1' },
          { name: 'List-Id', value: 'ESM <esm.example.com>' },
        ],
        attachments: [
          {
            filename: 'logo ä.png',
            contentType: 'image/png',
            contentId: 'logo@esm',
            content: base64('\u0089PNG'),
          },
          { filename: 'Työsuhde – ohje.pdf', contentType: 'application/pdf', content: base64('%PDF') },
        ],
      }),
    ).toBe(golden.replaceAll('\n', '\r\n'));
  });

  test('in every attempt, but for the private header and its tag', async () => {
    const fields = {
      html: '<p>x</p>',
      attachments: [{ filename: 'a', contentType: 'a/b', content: base64('x') }],
    };
    const first = await composeText(fields);
    expect(await composeText(fields)).toBe(first);
    const again = { ...stamp, bridgeId: 'INC-1.2', bridgeTag: 'b'.repeat(64) };
    const second = Buffer.from(await composer.compose(submission(fields), none, again)).toString('latin1');
    const differing = second.split('\r\n').filter((line) => !first.split('\r\n').includes(line));
    expect(differing).toEqual(['X-Mail-Bridge-Id: INC-1.2', `X-Mail-Bridge-Tag: ${'b'.repeat(64)}`]);
  });

  test('another seed gives other boundaries, and nothing else', async () => {
    const fields = { html: '<p>x</p>' };
    const other = { ...stamp, boundarySeed: 'f'.repeat(64) };
    const one = await composeText(fields);
    const two = Buffer.from(await composer.compose(submission(fields), none, other)).toString('latin1');
    expect(two).not.toBe(one);
    expect(two.replaceAll('f'.repeat(32), stamp.boundarySeed.slice(0, 32))).toBe(one);
  });
});

describe('what a reader gets', () => {
  test('no Bcc, whoever is there', async () => {
    const text = await composeText({ bcc: [{ address: 'hidden@example.net', name: 'Hidden' }] });
    expect(text.toLowerCase()).not.toContain('bcc');
    expect(text).not.toContain('hidden');
  });

  test.each([
    'Työpyyntö – ääkköset.pdf',
    'Årsrapport Ærø.docx',
    'name with spaces.txt',
    '日本語\u{1F600}.bin',
    "it's 100% (final) \u201cv2\u201d.pdf",
    `${'pitkä-'.repeat(35)}.txt`,
    'semi;colon,comma=equals.txt',
    '.hidden',
  ])('the name %s, in both spellings', async (filename) => {
    const parsed = await roundTrip({
      attachments: [{ filename, contentType: 'application/octet-stream', content: base64('x') }],
    });
    expect(parsed.attachments.map((part) => part.filename)).toEqual([filename]);
    const text = await composeText({
      attachments: [{ filename, contentType: 'application/octet-stream', content: base64('x') }],
    });
    const unfolded = text.replace(/\r\n[ \t]+/g, ' ');
    const contentType = /Content-Type: application\/octet-stream;(.*)/.exec(unfolded)?.[1] ?? '';
    if (/^[\x20-\x7e]*$/.test(filename)) expect(contentType).toContain('name=');
    else {
      // RFC 2047 in the type's name, RFC 2231 in the disposition's.
      expect(contentType).toMatch(/name="=\?UTF-8\?[BQ]\?/);
      expect(text).toMatch(/filename\*(?:0\*)?=utf-8''/i);
    }
  });

  test('inline images beside the HTML that shows them, other parts with a Content-ID as attachments', async () => {
    const image = (filename: string, contentId: string) => ({
      filename,
      contentType: 'image/png',
      contentId,
      content: base64(filename),
    });
    const parsed = await roundTrip({
      html: '<img src="cid:shown@esm">',
      attachments: [image('shown one.png', 'shown@esm'), image('other.png', 'other@esm')],
    });
    expect(
      parsed.attachments.map(({ filename, cid, related, contentDisposition }) => ({
        filename,
        cid,
        related,
        contentDisposition,
      })),
    ).toEqual([
      { filename: 'shown one.png', cid: 'shown@esm', related: true, contentDisposition: 'inline' },
      { filename: 'other.png', cid: 'other@esm', related: undefined, contentDisposition: 'attachment' },
    ]);
    const text = await composeText({
      html: '<img src="cid:shown@esm">',
      attachments: [image('a', 'shown@esm')],
    });
    expect(text).toMatch(/multipart\/alternative/);
    expect(text).toMatch(/multipart\/related/);
  });

  test('a calendar with the method that its content has', async () => {
    const content = base64('BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n');
    const text = await composeText({
      attachments: [{ filename: 'invite.ics', contentType: 'text/calendar; charset=utf-8', content }],
    });
    expect(text.replace(/\r\n[ \t]+/g, ' ')).toMatch(
      /Content-Type: text\/calendar; charset=utf-8; method=REQUEST/,
    );
  });

  test('an attached message as its very bytes', async () => {
    const message = Buffer.from('Subject: x\n\nbare LF, \u00e4 and NUL \0\r', 'latin1');
    const parsed = await roundTrip({
      attachments: [{ filename: 'a.eml', contentType: 'message/rfc822', content: base64(message) }],
    });
    expect(parsed.attachments.map(({ filename, content }) => [filename, content])).toEqual([
      ['a.eml', message],
    ]);
  });

  test('threading and extra fields, one line each', async () => {
    const references = Array.from({ length: 100 }, (_, index) => `<${index}.${'r'.repeat(60)}@example.net>`);
    const parsed = await roundTrip({
      inReplyTo: '<parent@example.net>',
      references,
      headers: [
        { name: 'X-Long', value: 'v'.repeat(900) },
        { name: 'X-Utf', value: 'ääni \u{1F600}' },
        { name: 'List-Unsubscribe', value: '<https://esm.example.com/u?a=b&c=d>' },
      ],
    });
    expect(parsed.inReplyTo).toBe('<parent@example.net>');
    expect(parsed.references).toEqual(references);
    expect(parsed.headers.get('x-long')).toBe('v'.repeat(900));
    expect(parsed.headers.get('x-utf')).toBe(
      `=?UTF-8?B?${Buffer.from('ääni \u{1F600}').toString('base64')}?=`,
    );
    expect(parsed.messageId).toBe(stamp.messageId);
    expect(parsed.date?.getTime()).toBe(stamp.dateMs);
    expect(parsed.headers.get('x-mail-bridge-id')).toBe('INC-1.1');
  });

  test('a private header of the longest id, unbroken', async () => {
    const bridgeId = `${'x'.repeat(128)}.123456`;
    const bytes = await composer.compose(submission(), none, { ...stamp, bridgeId });
    expect(Buffer.from(bytes).toString()).toContain(`X-Mail-Bridge-Id: ${bridgeId}\r\n`);
  });

  test('text alone, HTML alone, both, nothing', async () => {
    expect((await roundTrip({ text: 'a' })).html).toBe(false);
    const withoutText = without('text', submission({ html: '<p>a</p>' }));
    const html = await simpleParser(Buffer.from(await composer.compose(withoutText, none, stamp)));
    expect(html.html && html.html.trim()).toBe('<p>a</p>');
    const nothing = without('text', submission());
    const empty = await composer.compose(nothing, none, stamp);
    expect(wireTrouble(empty)).toBeUndefined();
    const both = await roundTrip({ text: 'a', html: '<p>b</p>' });
    expect([both.text?.trim(), both.html && both.html.trim()]).toEqual(['a', '<p>b</p>']);
  });

  test('a thousand recipients in lines that fit', async () => {
    const to = Array.from({ length: 1_000 }, (_, index) => ({
      address: `user${index}@example.net`,
      name: `Käyttäjä ${index}`,
    }));
    const parsed = await roundTrip({ to });
    const found = Array.isArray(parsed.to) ? parsed.to : [parsed.to];
    expect(found.flatMap((field) => field?.value ?? [])).toHaveLength(1_000);
  });

  test('blobs, by reference as the submission has it', async () => {
    const bytes = createHash('sha512').update('x').digest();
    const attachments = [
      {
        filename: 'a.bin',
        contentType: 'application/octet-stream',
        content: { kind: 'blob', reference: 'outbound-uploads/a' } as const,
      },
    ];
    const parsed = await roundTrip({ attachments }, new Map([['outbound-uploads/a', bytes]]));
    expect(parsed.attachments[0]?.content).toEqual(bytes);
    await expect(composer.compose(submission({ attachments }), none, stamp)).rejects.toThrow('not fetched');
  });
});

describe('any submission', () => {
  const headerText = fc
    .string({ unit: 'grapheme', maxLength: 60 })
    .map((text) =>
      text
        .replace(/[\p{C}\p{Z}]/gu, ' ')
        .replace(/\s+/g, ' ')
        .trim(),
    )
    .filter((text) => !text.includes('=?'));
  const bodyText = fc
    .array(
      fc.oneof(fc.string({ unit: 'grapheme', maxLength: 40 }), fc.constantFrom('.', '..', 'From x', '', ' ')),
      {
        maxLength: 20,
      },
    )
    .map((lines) => lines.map((line) => line.replace(/[\u0000\r\n]/g, '')).join('\n'));
  const file = fc.record({
    filename: headerText.map((text) => `${text.replace(/[/\\]/g, '')}x.dat`),
    bytes: fc.uint8Array({ maxLength: 300 }),
  });

  test('comes back with its subject, names, texts, file names and bytes', async () => {
    await fc.assert(
      fc.asyncProperty(
        headerText,
        headerText.map((text) => text.replace(/[<>"\\]/g, '')),
        bodyText,
        fc.array(file, { maxLength: 3 }),
        async (subject, name, text, files) => {
          const parsed = await roundTrip({
            subject,
            to: [{ address: 'user@example.net', name }],
            text,
            attachments: files.map(({ filename, bytes }) => ({
              filename,
              contentType: 'application/octet-stream',
              content: base64(bytes),
            })),
          });
          expect(parsed.subject ?? '').toBe(subject);
          const to = Array.isArray(parsed.to) ? parsed.to[0] : parsed.to;
          expect(to?.value).toEqual([{ address: 'user@example.net', name }]);
          expect((parsed.text ?? '').trimEnd()).toBe(text.trimEnd());
          expect(parsed.attachments.map((part) => part.filename)).toEqual(
            files.map(({ filename }) => filename),
          );
          expect(parsed.attachments.map((part) => [...part.content])).toEqual(
            files.map(({ bytes }) => [...bytes]),
          );
        },
      ),
      { numRuns: 150 },
    );
  });

  test('with a text of any line ends: CRLF alone on the wire', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('\r', '\n', '\r\n', '.', 'a', '\u00e4', ' ', 'x'.repeat(1_200)), {
          maxLength: 30,
        }),
        async (pieces) => {
          const bytes = await composer.compose(
            submission({ text: pieces.join(''), html: pieces.join('') }),
            none,
            stamp,
          );
          expect(wireTrouble(bytes)).toBeUndefined();
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe('the samples', () => {
  test.each([
    '01-reply-with-emoji',
    '02-scandinavian-attachments',
    '03-inline-images',
    '05-forty-recipients',
  ])('%s', async (name) => {
    const written: unknown = JSON.parse(
      await readFile(new URL(`../../local/samples/${name}.json`, import.meta.url), 'utf8'),
    );
    const { mailbox } = written as { readonly mailbox: string };
    const answer = parseSubmission(written, {
      mailboxes: [
        {
          address: mailbox,
          signIn: 'application',
          imapUser: mailbox,
          smtpUser: mailbox,
          send: true,
          receive: true,
          folder: 'INBOX',
          afterFetch: { kind: 'none' },
          fetchFrom: { kind: 'all' },
          limits: { messagesPerMinute: 30, recipientsPerDay: 10_000, connections: 3 },
        },
      ],
      maxima: { recipientsCount: 500, contentBytes: 35_000_000 },
      uploadContainer: 'outbound-uploads',
    });
    if (answer.kind !== 'ok' || answer.submission.kind !== 'composed') throw new Error('not a composed one');
    const { submission: sample } = answer;
    const blobs = new Map(
      sample.attachments.flatMap(({ content }) =>
        content.kind === 'blob' ? [[content.reference, Buffer.from('x')] as const] : [],
      ),
    );
    const parsed = await simpleParser(Buffer.from(await composer.compose(sample, blobs, stamp)));
    expect(parsed.subject).toBe(sample.subject);
    expect(parsed.attachments.map((part) => part.filename).sort()).toEqual(
      sample.attachments.map((part) => part.filename).sort(),
    );
  });
});

test('a raw message goes through the same door', async () => {
  const bytes = Buffer.from('From: desk@example.com\nTo: a@example.net\nBcc: b@example.net\n\nHello\n');
  const sent = await composer.compose(raw(), new Map([['outbound-uploads/a.eml', bytes]]), stamp);
  expect(Buffer.from(sent).toString()).toBe(
    [
      'X-Mail-Bridge-Id: INC-1.1',
      `X-Mail-Bridge-Tag: ${'a'.repeat(64)}`,
      'Message-ID: <fixed.1@example.com>',
      'Date: Wed, 25 Nov 2026 09:00:00 +0000',
      'From: desk@example.com',
      'To: a@example.net',
      '',
      'Hello',
      '',
    ].join('\r\n'),
  );
});
