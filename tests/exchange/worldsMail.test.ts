// What public reports say of composed mail: each kind with the case that was reported and others of the kind.
import { simpleParser } from 'mailparser';
import { describe, expect, test } from '@jest/globals';
import { parseSubmission } from '../../shared/contract/submission.ts';
import type { Attachment, Submission } from '../../shared/contract/submission.ts';
import { context, good } from '../outbound/submissions.ts';
import { composer, composeText, none, raw, stamp, submission } from './composing.ts';

const blanks = ' '.repeat(80);

/** The header block, without the empty line. */
const headerOf = (text: string): string => text.slice(0, text.indexOf('\r\n\r\n'));

const accepted = (change: Readonly<Record<string, unknown>>): Submission => {
  const answer = parseSubmission({ ...good, ...change }, context);
  if (answer.kind !== 'ok') throw new Error(JSON.stringify(answer.problems));
  return answer.submission;
};

const composed = async (change: Readonly<Record<string, unknown>>): Promise<string> =>
  Buffer.from(await composer.compose(accepted(change), none, stamp)).toString('latin1');

describe('no header line consists of white space', () => {
  test.each([
    ['a subject with trailing blanks', { subject: `Ticket 4711${blanks}` }],
    ['a subject with blanks in the middle', { subject: `Ticket${blanks}4711` }],
    ['a subject of blanks alone', { subject: blanks }],
    ['a subject in two languages, padded', { subject: `Pyynt\u00f6${blanks}${blanks}4711${blanks}` }],
    ['a padded field', { headers: { 'X-A': `a${blanks.repeat(3)}b` } }],
    ['a field of blanks', { headers: { 'X-A': blanks } }],
    ['a padded field of a list', { headers: { 'List-Id': `desk${blanks}<desk.example.com>` } }],
    [
      'a padded display name',
      { to: [{ address: 'aino@example.net', name: `Aino${blanks}Virtanen${blanks}` }] },
    ],
    [
      'padded names of many',
      {
        cc: Array.from({ length: 20 }, (_, n) => ({
          address: `n${n}@example.net`,
          name: `${blanks}N${n}${blanks}`,
        })),
      },
    ],
    ['a padded file name', { attachments: [{ filename: `a${blanks}b.txt`, content: 'YQ==' }] }],
    ['tabs', { subject: `a${'\u00a0'.repeat(90)}b` }],
  ])('%s', async (_what, change) => {
    const text = await composed({ ...change, html: '<p>Hello</p>' });
    expect(
      text
        .split('\r\n')
        .slice(0, headerOf(text).split('\r\n').length)
        .filter((line) => /^[ \t]+$/.test(line)),
    ).toEqual([]);
    const parts = text.split(/\r\n--/).map((part) => part.slice(0, part.indexOf('\r\n\r\n')));
    expect(parts.some((part) => /\r\n[ \t]+(?=\r\n)/.test(part))).toBe(false);
    const read = await simpleParser(text);
    expect(read.html).toContain('Hello');
  });

  test.each([
    ['after the subject', ['Subject: a', ' ', 'MIME-Version: 1.0']],
    ['within a folded field', ['Subject: a', '\t \t', ' b', 'MIME-Version: 1.0']],
    ['several', ['Subject: a', '  ', '  ', '   ', 'MIME-Version: 1.0', ' ']],
  ])('a raw message with one %s is repaired', async (_what, lines) => {
    const bytes = Buffer.from(
      ['From: desk@example.com', 'To: a@example.net', ...lines, 'X-Last: x', '', 'Body', ' ', ''].join(
        '\r\n',
      ),
    );
    const fields = raw();
    expect(await composer.inspect(fields, bytes)).toMatchObject({ kind: 'ok' });
    const text = Buffer.from(
      await composer.compose(fields, new Map([[fields.blob, bytes]]), stamp),
    ).toString();
    expect(
      headerOf(text)
        .split('\r\n')
        .filter((line) => line.trim() === ''),
    ).toEqual([]);
    expect(headerOf(text)).toContain('X-Last: x');
    expect(text.endsWith('\r\n\r\nBody\r\n \r\n')).toBe(true);
  });
});

describe('ids and references', () => {
  test.each([
    '<20221107.4711>',
    '<@example.com>',
    '<left@>',
    '<a@b@c>',
    '<no-at-sign>',
    "<1%2!#$&'*+/=?^_`{|}~>",
    `<${'x'.repeat(898)}>`,
  ])('%s is answered', async (id) => {
    const text = await composed({ inReplyTo: id, references: [id] });
    const unfolded = headerOf(text).replace(/\r\n[ \t]/g, ' ');
    expect(unfolded).toMatch(/^In-Reply-To: +/m);
    expect(
      unfolded
        .split('\r\n')
        .filter((line) => line.includes(id))
        .map((line) => line.split(':')[0]),
    ).toEqual(expect.arrayContaining(['In-Reply-To', 'References']));
    expect(text.split('\r\n').every((line) => line.length <= 998)).toBe(true);
  });

  const exchangeId = (n: number): string =>
    `<${String(n).padStart(4, '0')}${'A1B2C3D4E5F6'.repeat(5)}@AM0PR01MB0000.eurprd01.prod.exchangelabs.com>`;

  test.each([
    ['76 of Exchange', 76, exchangeId],
    ['101 short ones', 101, (n: number) => `<${n}@example.com>`],
    ['1,000', 1_000, exchangeId],
    ['100 very long ones', 100, (n: number) => `<${String(n).padStart(890, 'x')}@x>`],
  ] as const)('%s are shortened to the first and the last ones', async (_what, count, idOf) => {
    const ids = Array.from({ length: count }, (_, n) => idOf(n));
    const text = await composed({ inReplyTo: ids.at(-1), references: ids });
    const field = (/^References:((?:.|\r\n[ \t])*)/m.exec(text)?.[1] ?? '')
      .split(/\s+/)
      .filter((id) => id !== '');
    expect(field[0]).toBe(ids[0]);
    expect(field.at(-1)).toBe(ids.at(-1));
    expect(field.slice(1)).toEqual(ids.slice(1 - field.length));
    expect(field.join(' ').length).toBeLessThanOrEqual(9_000);
    const again = await composed({ references: ids.join(' ') });
    expect(again).toContain(ids.at(-1));
  });
});

describe('automatic mail says so', () => {
  test.each([
    ['Auto-Submitted', 'auto-generated'],
    ['auto-submitted', 'auto-replied; owner-email="desk@example.com"'],
    ['Precedence', 'list'],
    ['Importance', 'Low'],
    ['X-Auto-Response-Suppress', 'All'],
    ['X-Priority', '5'],
    ['Thread-Index', 'AdnTq2l='],
    ['Feedback-ID', 'a:b:c'],
    ['Content-Language', 'fi'],
  ])('%s: %s stands in the mail', async (name, value) => {
    const header = headerOf(await composed({ headers: { [name]: value } }));
    expect(header.toLowerCase()).toContain(`${name}: ${value}`.toLowerCase());
  });

  test.each([
    'Received',
    'DKIM-Signature',
    'Bcc',
    'Return-Path',
    'Content-Type',
    'Disposition-Notification-To',
    'Sender',
    'Resent-To',
  ])('%s can not be set', (name) => {
    const answer = parseSubmission({ ...good, headers: { [name]: 'a@example.com' } }, context);
    expect(answer.kind).toBe('rejected');
  });

  test('a value that nobody understands is refused with those that are', () => {
    const answer = parseSubmission({ ...good, headers: { 'Auto-Submitted': 'yes' } }, context);
    expect(answer).toMatchObject({ kind: 'rejected', problems: [{ field: 'headers.Auto-Submitted' }] });
    expect(JSON.stringify(answer)).toContain('auto-generated');
  });

  test('the priority says it if the submission does not', async () => {
    expect(headerOf(await composed({ priority: 'high' }))).toContain('Importance: high');
    expect(headerOf(await composed({ priority: 'bulk' }))).toContain('Precedence: bulk');
    const set = headerOf(await composed({ priority: 'bulk', headers: { precedence: 'junk' } }));
    expect(set.match(/^precedence:.*$/gim)).toHaveLength(1);
    expect(headerOf(await composed({}))).not.toMatch(/Importance|Precedence/);
  });
});

describe('HTML alone gets a text alternative', () => {
  test.each([
    ['<p>It is <b>solved</b>.</p>', 'It is solved.'],
    ['<style>p{}</style><h1>Hei</h1><p>Pyynt\u00f6 on k\u00e4sitelty</p>', 'on k\u00e4sitelty'],
    ['<ul><li>one</li><li>two</li></ul>', '* one'],
    ['<a href="https://example.com/x">Open</a>', 'https://example.com/x'],
    [`${'<div>'.repeat(5_000)}deep`, ''],
  ])('%s', async (html, expected) => {
    const text = await composeText({ text: undefined, html } as never);
    const read = await simpleParser(text);
    expect(read.text ?? '').toContain(expected);
    if (expected !== '') expect(text).toMatch(/multipart\/alternative/);
  });
});

describe('invitations', () => {
  const calendar = (method: string | undefined): string =>
    Buffer.from(
      [
        'BEGIN:VCALENDAR',
        'VERSION:2.0',
        ...(method === undefined ? [] : [`METHOD:${method}`]),
        'BEGIN:VEVENT',
        'UID:4711',
        `SUMMARY:P\u00e4ivitys`,
        'END:VEVENT',
        'END:VCALENDAR',
        '',
      ].join('\r\n'),
    ).toString('base64');
  const attach = (contentType: string, method?: string): Record<string, unknown> => ({
    html: '<p>Please come</p>',
    attachments: [{ filename: 'invite.ics', contentType, content: calendar(method) }],
  });

  test.each([
    ['text/calendar; charset=utf-8', 'REQUEST'],
    ['text/calendar', 'CANCEL'],
    ['text/calendar; method=REPLY; charset="UTF-8"', 'REPLY'],
    ['Text/Calendar;charset=utf-8;component=VEVENT', 'request'],
  ])('%s with METHOD %s is the last of the alternatives', async (contentType, method) => {
    const text = await composed(attach(contentType, method));
    const boundary = /multipart\/alternative;\s*boundary="([^"]+)"/.exec(text)?.[1] ?? 'none';
    const types = text
      .split(`--${boundary}`)
      .slice(1, -1)
      .map((part) => /Content-Type: ([^\r]*(?:\r\n[ \t][^\r]*)*)/.exec(part)?.[1]?.replace(/\s+/g, ' '));
    expect(types).toEqual([
      expect.stringMatching(/^text\/plain/),
      expect.stringMatching(/^text\/html/),
      expect.stringContaining(`method=${method.toUpperCase()}`),
    ]);
    expect(text).toMatch(/application\/ics/);
    const read = await simpleParser(text);
    const found = read.attachments.find(({ contentType: type }) => type === 'text/calendar');
    expect(found?.content.toString()).toContain('P\u00e4ivitys');
  });

  test.each([
    ['without a METHOD', 'text/calendar', undefined],
    ['with METHOD PUBLISH', 'text/calendar; charset=utf-8', 'PUBLISH'],
    ['as a mere file', 'application/ics', 'REQUEST'],
  ])('%s it is an attachment', async (_what, contentType, method) => {
    const text = await composed(attach(contentType, method));
    expect(text.match(/Content-Disposition: attachment/g)).toHaveLength(1);
    expect(text).toMatch(/multipart\/mixed/);
  });

  test.each([
    'application/pdf; name="a b.pdf"',
    'text/plain;charset=utf-8;format=flowed',
    'image/svg+xml ; charset=utf-8',
    'application/pdf;',
  ])('a content type with parameters is understood: %s', (contentType) => {
    expect(accepted({ attachments: [{ filename: 'a', contentType, content: 'YQ==' }] }).kind).toBe(
      'composed',
    );
  });
});

describe('an image that the HTML refers to is inline, however it is written', () => {
  const image = {
    filename: 'a.png',
    contentType: 'image/png',
    contentId: 'logo&1@x',
    content: { kind: 'inline', base64: 'YQ==' },
  } satisfies Attachment;
  test.each([
    'cid:logo&1@x',
    'CID:logo&1@x',
    'Cid:logo&amp;1@x',
    'cid:logo%261%40x',
    'cid:logo&#38;1&#x40;x',
  ])('%s', async (url) => {
    const text = await composeText({ html: `<img src="${url}">`, attachments: [image] });
    expect(text).toMatch(/multipart\/related/);
    expect(text).toMatch(/Content-Disposition: inline/);
  });
});

describe('From', () => {
  const named = { mailbox: 'named@example.com', from: { address: 'named@example.com' } };
  const fromOf = async (from: { readonly address: string; readonly name?: string }): Promise<string> =>
    /^From: (.*)$/m.exec(await composeText({ ...named, from }))?.[1]?.trim() ?? '';

  test('has the name of the mailbox unless the submission gives one', async () => {
    expect(await fromOf({ address: 'help@example.com' })).toBe('Service desk <help@example.com>');
    expect(await fromOf({ address: 'named@example.com', name: 'Aino' })).toBe('Aino <named@example.com>');
  });

  test.each([
    ['named@example.com', 'ok'],
    ['Help@Example.com', 'ok'],
    ['support@example.org', 'ok'],
    ['other@example.com', 'rejected'],
  ])('%s in a raw message: %s', async (address, kind) => {
    const bytes = Buffer.from(`From: X <${address}>\r\nTo: a@example.net\r\n\r\nBody\r\n`);
    const answer = await composer.inspect(raw({ mailbox: 'named@example.com' }), bytes);
    expect(answer.kind).toBe(kind);
    if (answer.kind === 'rejected')
      expect(answer.problems[0].detail).toContain('named@example.com, help@example.com, Support@example.org');
  });

  test('the Sender of another in a raw message is dropped, with a remark', async () => {
    const bytes = Buffer.from(
      'From: help@example.com\r\nSender: robot@elsewhere.example\r\nTo: a@example.net\r\n\r\nBody\r\n',
    );
    const fields = raw({ mailbox: 'named@example.com' });
    expect(await composer.inspect(fields, bytes)).toMatchObject({
      kind: 'ok',
      remarks: [expect.stringContaining('Sender')],
    });
    const text = Buffer.from(
      await composer.compose(fields, new Map([[fields.blob, bytes]]), stamp),
    ).toString();
    expect(text).not.toContain('robot@');
    expect(text).toContain('From: help@example.com');
  });

  test.each(['help@example.com', 'HELP@example.com'])('%s is accepted in a submission', (from) => {
    const mailboxes = context.mailboxes.map((mailbox) => ({ ...mailbox, aliases: ['help@example.com'] }));
    expect(parseSubmission({ ...good, from }, { ...context, mailboxes })).toMatchObject({
      kind: 'ok',
      submission: { from: { address: 'help@example.com' } },
    });
  });

  test('another is refused with the list', () => {
    const mailboxes = context.mailboxes.map((mailbox) => ({ ...mailbox, aliases: ['help@example.com'] }));
    const answer = parseSubmission({ ...good, from: 'boss@example.com' }, { ...context, mailboxes });
    expect(JSON.stringify(answer)).toContain('desk@example.com, help@example.com');
  });
});

test('a long subject is sent with what Exchange takes', async () => {
  const text = await composed({ subject: `Re: ${'a '.repeat(1_000)}` });
  const read = await simpleParser(text);
  expect(read.subject?.length).toBe(255);
  expect(submission({}).kind).toBe('composed');
});
