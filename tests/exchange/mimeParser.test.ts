// Taking messages apart: what comes out of honest ones, and that hostile ones end in time.
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { systemClock } from '../../shared/clock.ts';
import { createMimeParser } from '../../shared/exchange/mimeParser.ts';
import type { ParsedMail } from '../../shared/inbound/parsedMail.ts';
import type { ParseAnswer } from '../../shared/inbound/ports.ts';
import { mail } from '../inbound/rig.ts';
import { bombs } from './mimeBombs.ts';

const worker = new URL('../../shared/exchange/mimeParserWorker.ts', import.meta.url);
const parser = createMimeParser({ worker, clock: systemClock });
let folder: string;
let sequence = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parse-'));
});

afterAll(async () => {
  await parser.close();
  await rm(folder, { recursive: true });
});

function prefix(): string {
  sequence += 1;
  return join(folder, `${sequence}-`);
}

function parse(bytes: Uint8Array | string): Promise<ParseAnswer> {
  return parser.parse({ kind: 'bytes', bytes: Buffer.from(bytes) }, prefix());
}

async function parsed(bytes: Uint8Array | string): Promise<ParsedMail> {
  const answer = await parse(bytes);
  if (answer.kind !== 'parsed') throw new Error(answer.detail);
  return answer.mail;
}

const multipart = (...parts: readonly string[]): string =>
  mail(
    { 'Message-ID': '<m@x>', 'Content-Type': 'multipart/mixed; boundary=b' },
    [...parts.map((part) => `--b\r\n${part}`), '--b--'].join('\r\n'),
  );

describe('parts', () => {
  test('people, subject, ids and date', async () => {
    const found = await parsed(
      mail({
        From: '=?utf-8?Q?P=C3=A4ivi_M=C3=A4ki?= <paivi@fabrikam.test>',
        To: 'Team: a@contoso.test, "B, C" <b@contoso.test>;, desk@contoso.test',
        Subject: '=?iso-8859-1?Q?K=E4yt=F6s?= on =?utf-8?B?cG9pa2tp?=',
        'Message-ID': '<one@fabrikam.test>',
        'In-Reply-To': '<zero@contoso.test>',
        References: '<minus@x>\r\n <zero@contoso.test>',
      }),
    );
    expect(found).toMatchObject({
      from: [{ name: 'Päivi Mäki', address: 'paivi@fabrikam.test' }],
      subject: 'Käytös on poikki',
      messageId: '<one@fabrikam.test>',
      inReplyTo: ['<zero@contoso.test>'],
      references: ['<minus@x>', '<zero@contoso.test>'],
      dateMs: Date.UTC(2026, 10, 25, 7),
    });
    expect(found.to.map(({ address }) => address)).toEqual([
      'a@contoso.test',
      'b@contoso.test',
      'desk@contoso.test',
    ]);
  });

  test.each([
    [
      'RFC 2231',
      "Content-Disposition: attachment; filename*=utf-8''%C3%A5rs%20rapport.pdf",
      'års rapport.pdf',
    ],
    [
      'RFC 2231, in pieces',
      "Content-Disposition: attachment; filename*0*=utf-8''%C3%A5r; filename*1=s.pdf",
      'års.pdf',
    ],
    ['RFC 2047', 'Content-Disposition: attachment; filename="=?utf-8?Q?=C3=A5rs.pdf?="', 'års.pdf'],
    ['bare', 'Content-Disposition: attachment; filename="a b.pdf"', 'a b.pdf'],
    ['in Content-Type only', 'Content-Disposition: attachment', 'name.pdf'],
  ])('a file name by %s', async (_name, disposition, filename) => {
    const found = await parsed(
      multipart(
        `Content-Type: application/pdf; name=name.pdf\r\n${disposition}\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD`,
      ),
    );
    expect(found.parts).toMatchObject([
      { filename, contentType: 'application/pdf', sizeBytes: 3, role: 'file' },
    ]);
    expect(found.parts[0]?.sha256).toBe(createHash('sha256').update('ABC').digest('hex'));
  });

  test.each([
    ['windows-1252', Buffer.from('Preis: \x80 5', 'latin1'), 'Preis: € 5'],
    ['iso-8859-15', Buffer.from('Hinta \xa4 5', 'latin1'), 'Hinta € 5'],
    ['utf-8', Buffer.from('Hyvää', 'utf8'), 'Hyvää'],
    ['iso-2022-jp', Buffer.from('\x1b$B8eDT\x1b(B', 'latin1'), '後辻'],
    ['koi8-r', Buffer.from('\xf0\xf2', 'latin1'), 'ПР'],
  ])('a text in %s', async (charset, bytes, text) => {
    const head = mail(
      { 'Content-Type': `text/plain; charset=${charset}`, 'Content-Transfer-Encoding': '8bit' },
      '',
    );
    expect((await parsed(Buffer.concat([Buffer.from(head), bytes]))).text?.trim()).toBe(text);
  });

  test('inline pictures, calendars, attached mails and TNEF keep their kind', async () => {
    const found = await parsed(
      multipart(
        'Content-Type: text/html\r\n\r\n<img src="cid:one@x">',
        'Content-Type: image/png\r\nContent-Disposition: inline; filename=a.png\r\nContent-ID: <one@x>\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD',
        'Content-Type: text/calendar; method=REQUEST; charset=utf-8\r\n\r\nBEGIN:VCALENDAR\r\nEND:VCALENDAR',
        'Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nInner text',
        'Content-Type: application/ms-tnef; name=winmail.dat\r\nContent-Disposition: attachment; filename=winmail.dat\r\nContent-Transfer-Encoding: base64\r\n\r\neJ8+Ig==',
      ),
    );
    expect(found.parts.map(({ role, disposition, contentId }) => [role, disposition, contentId])).toEqual([
      ['file', 'inline', 'one@x'],
      ['calendar', 'attachment', ''],
      ['message', 'attachment', ''],
      ['tnef', 'attachment', ''],
    ]);
    expect(found.html).toContain('cid:one@x');
  });

  test('a large part is left in a file, byte for byte', async () => {
    const content = Buffer.alloc(700_000, 'abc');
    const found = await parsed(
      multipart(
        `Content-Type: application/zip\r\nContent-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\n${content.toString('base64').replace(/.{76}/g, '$&\r\n')}`,
      ),
    );
    const [part] = found.parts;
    if (part?.content.kind !== 'file') throw new Error('not in a file');
    expect((await readFile(part.content.path)).equals(content)).toBe(true);
  });

  test('what is there twice is remarked', async () => {
    expect((await parsed(`From: other@x.test\r\n${mail({})}`)).remarks).toEqual([
      'from occurs more than once',
    ]);
  });

  test('the same mail with other boundaries and encodings says the same', async () => {
    const one = multipart(
      'Content-Type: text/plain\r\n\r\nHyv=C3=A4'.replace(
        '\r\n\r\n',
        '; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n',
      ),
    );
    const other = one
      .replaceAll('boundary=b', 'boundary=other')
      .replaceAll('--b', '--other')
      .replace('quoted-printable', 'base64')
      .replace('Hyv=C3=A4', Buffer.from('Hyvä').toString('base64'));
    expect((await parsed(other)).contentFingerprint).toBe((await parsed(one)).contentFingerprint);
    expect((await parsed(one.replace('Hyv', 'Huv'))).contentFingerprint).not.toBe(
      (await parsed(one)).contentFingerprint,
    );
  });
});

describe('limits', () => {
  test.each(bombs)('%s ends within 10 seconds, and the main thread stays free', async (_name, make) => {
    const bytes = make();
    const started = performance.now();
    const answer = await parse(bytes);
    expect(['parsed', 'unparsed']).toContain(answer.kind);
    // The parser's own limit and a little for ending the thread.
    expect(performance.now() - started).toBeLessThan(12_000);
    expect(({} as { x?: unknown }).x).toBeUndefined();
    expect((await parse(mail({ Subject: 'after it' }))).kind).toBe('parsed');
  });

  test('a thread that takes too long is ended, and the next message gets another', async () => {
    const impatient = createMimeParser({
      worker,
      clock: {
        ...systemClock,
        sleep: (ms) => (ms === 10_000 ? Promise.resolve() : new Promise(() => undefined)),
      },
      threadCount: 1,
    });
    expect(await impatient.parse({ kind: 'bytes', bytes: Buffer.from(mail({})) }, prefix())).toEqual({
      kind: 'unparsed',
      detail: 'Parsing took longer than 10 s.',
    });
    await impatient.close();
  });

  const threadFrom = (code: string): URL =>
    new URL(
      `data:text/javascript,${encodeURIComponent(`import { parentPort } from 'node:worker_threads'; ${code}`)}`,
    );

  test('a message was unparsed because the machine was busy while the thread started', async () => {
    const slow = createMimeParser({
      worker: threadFrom(`
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        parentPort.on('message', () => parentPort.postMessage({ kind: 'unparsed', detail: 'read' }));
        parentPort.postMessage({ kind: 'ready' });`),
      clock: systemClock,
      limitMs: 300,
    });
    const answer = await slow.parse({ kind: 'bytes', bytes: Buffer.from(mail({})) }, prefix());
    expect(answer).toEqual({ kind: 'unparsed', detail: 'read' });
    await slow.close();
  });

  test('a thread that does not start is given up', async () => {
    const dead = createMimeParser({
      worker: threadFrom('setInterval(() => undefined, 1_000);'),
      clock: { ...systemClock, sleep: () => Promise.resolve() },
    });
    const answer = await dead.parse({ kind: 'bytes', bytes: Buffer.from(mail({})) }, prefix());
    expect(answer).toEqual({ kind: 'unparsed', detail: 'The parser did not start.' });
  });

  test('a thread that needs too much memory is ended', async () => {
    const small = createMimeParser({
      worker,
      clock: systemClock,
      memoryBytes: 64 * 1024 * 1024,
      threadCount: 1,
    });
    const path = join(folder, 'huge');
    await writeFile(path, `${mail({})}${'A line of text, again and again.\r\n'.repeat(3_000_000)}`);
    const answer = await small.parse({ kind: 'file', path, sizeBytes: 102_000_000 }, prefix());
    expect(answer).toMatchObject({ kind: 'unparsed' });
    expect(answer.kind === 'unparsed' ? answer.detail : '').toMatch(/memory/);
    expect((await small.parse({ kind: 'bytes', bytes: Buffer.from(mail({})) }, prefix())).kind).toBe(
      'parsed',
    );
    await small.close();
  });

  test('a thread gets the bytes of its message and nothing of what lies beside them in memory', async () => {
    const telling = `import { parentPort } from 'node:worker_threads';
      parentPort.on('message', ({ raw }) => parentPort.postMessage({
        kind: 'unparsed', detail: Buffer.from(raw.bytes.buffer).toString('latin1') }));`;
    const curious = createMimeParser({
      worker: new URL(`data:text/javascript,${encodeURIComponent(telling)}`),
      clock: systemClock,
    });
    const memory = Buffer.from('somebody else, a message, somebody else');
    const bytes = memory.subarray(15, 24);
    expect(await curious.parse({ kind: 'bytes', bytes }, prefix())).toEqual({
      kind: 'unparsed',
      detail: 'a message',
    });
    expect(bytes.toString()).toBe('a message');
    await curious.close();
  });

  test('many at once share the threads and all are answered', async () => {
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_one, n) => parsed(mail({ Subject: `number ${n}` }))),
    );
    expect(answers.map(({ subject }) => subject)).toEqual(
      Array.from({ length: 40 }, (_one, n) => `number ${n}`),
    );
  });
});
