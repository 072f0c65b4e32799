// Every notice can be answered: whatever mail came in, a submission made of the notice's own values is accepted.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { systemClock } from '../../shared/clock.ts';
import { answerable } from '../../shared/contract/answerable.ts';
import { parseSubmission } from '../../shared/contract/submission.ts';
import { createMimeParser } from '../../shared/exchange/mimeParser.ts';
import { outlineOf } from '../../shared/inbound/unparsedOutline.ts';
import { composer, none, stamp } from '../exchange/composing.ts';
import { context, good } from '../outbound/submissions.ts';

jest.setTimeout(300_000);

const parser = createMimeParser({
  worker: new URL('../../shared/exchange/mimeParserWorker.ts', import.meta.url),
  clock: systemClock,
});
let folder = '';
let sequence = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'answer-'));
});

afterAll(async () => {
  await parser.close();
  await rm(folder, { recursive: true });
});

/** The answer to everybody, with everything that the notice names; its problems, or none. */
async function answer(
  bytes: Buffer,
): Promise<{ readonly problems: unknown; readonly remarks: readonly string[] }> {
  sequence += 1;
  const parsed = await parser.parse({ kind: 'bytes', bytes }, join(folder, `${sequence}-`));
  const { part, remarks } = answerable(parsed.kind === 'parsed' ? parsed.mail : outlineOf(bytes));
  const { messageId, references, inReplyTo } = part;
  const ids = [...inReplyTo, ...references, ...(messageId === '' ? [] : [messageId])];
  const people = [...part.from, ...part.sender, ...part.replyTo, ...part.to, ...part.cc];
  const read = parseSubmission(
    {
      ...good,
      subject: `Re: ${part.subject}`,
      to: people.length === 0 ? ['somebody@example.net'] : people.slice(0, 400),
      ...(messageId === '' ? {} : { inReplyTo: messageId }),
      references: ids,
    },
    context,
  );
  if (read.kind === 'rejected') return { problems: read.problems, remarks };
  await composer.compose(read.submission, none, stamp);
  return { problems: [], remarks };
}

const mail = (fields: Readonly<Record<string, string>>): Buffer =>
  Buffer.from(
    `${Object.entries({ From: 'aino@example.net', To: 'desk@example.com', Subject: 'Help', ...fields })
      .map(([name, value]) => `${name}: ${value}`)
      .join('\r\n')}\r\n\r\nHelp\r\n`,
  );

test.each<[string, Readonly<Record<string, string>>]>([
  ['an id without an at-sign', { 'Message-ID': '<20221107.4711>' }],
  ['an id with nothing before the at-sign', { 'Message-ID': '<@x>' }],
  ['an 8-bit id', { 'Message-ID': '<p\u00e4ivi@x>' }],
  ['an id with a control character', { 'Message-ID': '<a\u0007b@x>' }],
  [
    '300 references',
    { References: Array.from({ length: 300 }, (_, n) => `<${n}.${'x'.repeat(80)}@x>`).join('\r\n ') },
  ],
  ['a domain in A-labels', { From: 'aino@xn--esimerkki-4za.fi' }],
  ['a domain in U-labels', { From: 'aino@esimerkki\u00e4.fi' }],
  ['a mailto address', { From: '<mailto:aino@example.net>' }],
  ['a quoted local part', { From: '"aino.v"@example.net, "a b"@example.net' }],
  ['an address literal', { From: 'aino@[192.0.2.1]' }],
  ['control characters in a decoded subject', { Subject: '=?utf-8?q?a=00b=0D=0ABcc:_x?=' }],
  ['a lone surrogate in a decoded subject', { Subject: '=?utf-16be?b?2AAAQQ==?=' }],
  ['control characters in a decoded name', { From: '=?utf-8?q?A=07=0A?= <aino@example.net>' }],
  ['an encoded word within an encoded word', { Subject: '=?utf-8?q?=3D=3Futf-7=3Fq=3Fx=3F=3D?=' }],
  ['a long subject', { Subject: 'word '.repeat(500) }],
  ['a group', { To: 'undisclosed-recipients:;', Cc: 'All: a@example.net, b@example.net;' }],
])('%s', async (_what, fields) => {
  expect((await answer(mail(fields))).problems).toEqual([]);
});

test('what is left out is remarked', async () => {
  const { remarks } = await answer(mail({ From: '"a b"@example.net, aino@[192.0.2.1]' }));
  expect(remarks).toEqual([
    expect.stringContaining('from: the address'),
    expect.stringContaining('left out'),
  ]);
});

test('any mail', async () => {
  const piece = fc.oneof(
    fc.constantFrom(
      '<',
      '>',
      '@',
      ',',
      ';',
      ':',
      '"',
      '(',
      ')',
      ' ',
      '\t',
      '\r\n ',
      '=?utf-8?q?=0A?=',
      '=?utf-16?b?2AA=?=',
      '\\',
      '.',
      'mailto:',
      'xn--',
      '\u00e4',
      '\u200b',
      '\u2028',
      '\ufeff',
      '?',
      '=',
      '[1.2.3.4]',
      'x@y.example',
      '<a@b>',
    ),
    fc.string({ maxLength: 12 }),
    fc.string({ unit: 'binary', maxLength: 6 }),
  );
  const value = fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join(''));
  const names = [
    'From',
    'Sender',
    'Reply-To',
    'To',
    'Cc',
    'Subject',
    'Message-ID',
    'In-Reply-To',
    'References',
  ];
  await fc.assert(
    fc.asyncProperty(fc.tuple(...names.map(() => value)), async (values) => {
      const text = names.map((name, index) => `${name}: ${values[index] ?? ''}`).join('\r\n');
      const { problems } = await answer(Buffer.from(`${text}\r\n\r\nHelp\r\n`));
      if (JSON.stringify(problems) !== '[]')
        throw new Error(`${JSON.stringify(text)}: ${JSON.stringify(problems)}`);
    }),
    { numRuns: 400 },
  );
});
