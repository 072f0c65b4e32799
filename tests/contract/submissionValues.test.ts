// A submission field by field: what is accepted at its edges, how it comes out, and in which words it is refused.
import { describe, expect, test } from '@jest/globals';
import {
  parseSubmission,
  recipientsOf,
  remarksOf,
  type Submission,
} from '../../shared/contract/submission.ts';
import { fieldDescriptions, fieldMaxima } from '../../shared/contract/submissionSchema.ts';
import { omit } from '../../shared/mail/omit.ts';
import { context, desk, good } from '../outbound/submissions.ts';

const aliased = {
  ...context,
  mailboxes: [{ ...desk, aliases: ['Help@example.com'] }, ...context.mailboxes.slice(1)],
};
const parse = (change: object = {}) => parseSubmission({ ...good, ...change }, aliased);
function accept(change: object = {}): Submission {
  const answer = parse(change);
  if (answer.kind === 'rejected') throw new Error(answer.problems.map(({ detail }) => detail).join(' '));
  return answer.submission;
}
const problemsOf = (change: object): readonly string[] => {
  const answer = parse(change);
  return answer.kind === 'ok' ? [] : answer.problems.map(({ detail }) => detail);
};
const file = (change: object = {}): object => ({ filename: 'a.txt', content: 'YQ==', ...change });

describe('how a submission comes out', () => {
  test('with its defaults', () => {
    expect(accept()).toEqual({
      kind: 'composed',
      id: good.id,
      mailbox: 'desk@example.com',
      priority: 'normal',
      from: { address: 'desk@example.com' },
      to: [{ address: 'aino@example.net' }],
      cc: [],
      bcc: [],
      replyTo: [],
      subject: 'Your ticket',
      text: 'It is solved.',
      references: [],
      headers: [],
      attachments: [],
    });
    const bare = omit(good, 'subject', 'text');
    const least = parseSubmission(bare, aliased);
    expect(least).toMatchObject({ kind: 'ok', submission: { subject: '' } });
    expect(least.kind === 'ok' && Object.hasOwn(least.submission, 'text')).toBe(false);
  });

  test('with everything', () => {
    expect(
      accept({
        mailbox: 'DESK@example.com',
        priority: 'bulk',
        from: { address: 'help@EXAMPLE.com', name: 'Help' },
        replyTo: 'r@x.example',
        to: [{ address: 'a@X.example', name: '' }, 'a@x.example', { address: 'b@x.example', name: 'B' }],
        cc: { address: 'c@x.example', name: 'C' },
        bcc: 'd@x.example',
        html: '<p>',
        inReplyTo: '<i@x>',
        references: '<r@x> <s@x>',
        headers: { 'X-Ticket': '1' },
        attachments: [
          file({ contentType: 'text/plain', contentId: 'c' }),
          { filename: 'b', blob: 'outbound-uploads/b' },
        ],
        sendAt: '2026-11-25T09:00:00Z',
        expiresAt: '2026-11-25T12:00:00+02:00',
        correlation: { ticket: [1] },
      }),
    ).toEqual({
      kind: 'composed',
      id: good.id,
      mailbox: 'desk@example.com',
      priority: 'bulk',
      from: { address: 'Help@example.com', name: 'Help' },
      replyTo: [{ address: 'r@x.example' }],
      to: [{ address: 'a@x.example' }, { address: 'b@x.example', name: 'B' }],
      cc: [{ address: 'c@x.example', name: 'C' }],
      bcc: [{ address: 'd@x.example' }],
      subject: 'Your ticket',
      text: 'It is solved.',
      html: '<p>',
      inReplyTo: '<i@x>',
      references: ['<r@x>', '<s@x>'],
      headers: [{ name: 'X-Ticket', value: '1' }],
      attachments: [
        {
          filename: 'a.txt',
          contentType: 'text/plain',
          contentId: 'c',
          content: { kind: 'inline', base64: 'YQ==' },
        },
        {
          filename: 'b',
          contentType: 'application/octet-stream',
          content: { kind: 'blob', reference: 'outbound-uploads/b' },
        },
      ],
      sendAt: Date.UTC(2026, 10, 25, 9),
      expiresAt: Date.UTC(2026, 10, 25, 10),
      correlation: { ticket: [1] },
    });
    expect(accept({ references: ['<r@x>'] })).toMatchObject({ references: ['<r@x>'] });
    expect(accept({ from: 'desk@example.com' })).toMatchObject({ from: { address: 'desk@example.com' } });
  });

  test('of a complete message only its blob and its envelope', () => {
    const raw = { version: 1, id: 'a', mailbox: 'desk@example.com', raw: { blob: 'outbound-uploads/a.eml' } };
    const answer = parseSubmission(raw, aliased);
    expect(answer.kind === 'ok' && answer.submission).toEqual({
      kind: 'raw',
      id: 'a',
      mailbox: 'desk@example.com',
      priority: 'normal',
      blob: 'outbound-uploads/a.eml',
      from: { address: 'desk@example.com' },
      to: [],
      cc: [],
      bcc: [],
    });
    const all = {
      from: 'desk@example.com',
      replyTo: 'a@x.example',
      subject: 's',
      text: 't',
      html: 'h',
      inReplyTo: '<i@x>',
      references: ['<r@x>'],
      headers: {},
      attachments: [],
    };
    const both = parseSubmission({ ...raw, ...all }, aliased);
    expect(both.kind === 'rejected' && both.problems).toEqual(
      Object.keys(all).map((field) => ({
        field,
        detail: `${field} cannot be combined with "raw", whose message has its own; remove one of them.`,
      })),
    );
    const elsewhere = parseSubmission({ ...raw, raw: { blob: 'other/a' } }, aliased);
    expect(elsewhere).toMatchObject({ kind: 'rejected', problems: [{ field: 'raw.blob' }] });
  });

  test('recipients are each once, in the order of to, cc and bcc', () => {
    const submission = accept({
      to: ['b@x.example'],
      cc: ['a@x.example', 'b@x.example'],
      bcc: ['c@x.example'],
    });
    expect(recipientsOf(submission)).toEqual(['b@x.example', 'a@x.example', 'c@x.example']);
  });
});

describe('what is refused, and in which words', () => {
  const references = (count: number): readonly string[] => new Array<string>(count).fill('<r@x>');
  test.each<[string, object, string]>([
    [
      'a mailbox that is not served',
      { mailbox: 'who@example.com' },
      'mailbox names "who@example.com", which the bridge does not serve; correct it, or have the mailbox added to MAILBOXES.',
    ],
    [
      'a mailbox that only reads',
      { mailbox: 'archive@example.com' },
      'mailbox names a mailbox that is served for reading only; use another, or have "send" set to true in MAILBOXES.',
    ],
    [
      'a foreign sender',
      { from: 'who@example.com' },
      'from is not the address of the mailbox, nor one of its aliases; leave it out, write one of: desk@example.com, Help@example.com; or have it added to "aliases" of the mailbox in MAILBOXES.',
    ],
    ['no recipients', { to: [] }, 'to has no recipients, nor do cc and bcc; write at least one address.'],
    [
      'too many recipients',
      {
        to: Array.from({ length: 300 }, (_, n) => `a${n}@x.example`),
        bcc: Array.from({ length: 201 }, (_, n) => `b${n}@x.example`),
      },
      'to has, with cc and bcc, 501 recipients; at most 500 are allowed: split the message.',
    ],
    [
      'a header of the bridge',
      { headers: { 'X-Mail-Bridge-Id': '1' } },
      "headers.X-Mail-Bridge-Id is one of the bridge's own header fields; remove it.",
    ],
    [
      'a header twice',
      { headers: { 'X-A': '1', 'x-a': '2' } },
      'headers.x-a is there twice, in another case; keep one.',
    ],
    [
      'an importance that is none',
      { headers: { importance: 'urgent' } },
      'headers.importance has a value that nobody understands there; write one of: high, normal, low.',
    ],
    [
      'a precedence that is none',
      { headers: { Precedence: 'bulk2' } },
      'headers.Precedence has a value that nobody understands there; write one of: bulk, list, junk, first-class, special-delivery, normal.',
    ],
    [
      'an Auto-Submitted that is none',
      { headers: { 'Auto-Submitted': 'xno' } },
      'headers.Auto-Submitted has a value that nobody understands there; write one of: no, auto-generated, auto-replied, auto-notified.',
    ],
    [
      'a priority that is none',
      { headers: { Priority: 'high' } },
      'headers.Priority has a value that nobody understands there; write one of: normal, urgent, non-urgent.',
    ],
    [
      'a sensitivity that is none',
      { headers: { Sensitivity: 'secret' } },
      'headers.Sensitivity has a value that nobody understands there; write one of: personal, private, company-confidential, normal.',
    ],
    [
      'too many headers',
      { headers: Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`X-${n}`, 'v'])) },
      'headers has 51 fields; at most 50 are allowed.',
    ],
    [
      'a header that can’t be set',
      { headers: { Received: 'x' } },
      `headers.Received is not a header field that can be set; write ${fieldDescriptions.headerName}.`,
    ],
    [
      'a header of another kind',
      { headers: { 'X-A': 7 } },
      `headers.X-A can't be a number; write ${fieldDescriptions.headerValue}.`,
    ],
    [
      'an attachment without bytes',
      { attachments: [{ filename: 'a' }] },
      'attachments[0] needs either "content" (base64) or "blob", and not both.',
    ],
    [
      'an attachment with both',
      { attachments: [file({ blob: 'outbound-uploads/a' })] },
      'attachments[0] needs either "content" (base64) or "blob", and not both.',
    ],
    [
      'the same content id twice',
      { attachments: [file({ contentId: 'c' }), file({ contentId: 'c' })] },
      'attachments[1].contentId is that of another attachment too; give each its own.',
    ],
    [
      'a year before 2000',
      { sendAt: '1999-12-31T23:59:59Z' },
      'sendAt is not between the years 2000 and 2200; correct it.',
    ],
    [
      'the year 2200',
      { expiresAt: '2200-01-01T00:00:00Z' },
      'expiresAt is not between the years 2000 and 2200; correct it.',
    ],
    [
      'sent when it has expired',
      { sendAt: '2026-11-25T09:00:00Z', expiresAt: '2026-11-25T09:00:00Z' },
      'sendAt is not before "expiresAt", so the message could never be sent; correct one of them.',
    ],
    [
      'correlation that is too long',
      { correlation: 'x'.repeat(4_095) },
      'correlation has 4097 characters as JSON; at most 4096 are allowed.',
    ],
    [
      'a number that would change',
      { correlation: { a: [9_007_199_254_740_993] } },
      'correlation has an integer too large to come back unchanged (over 2^53); write it as text.',
    ],
    ['no text', { subject: 7 }, `subject can't be a number; write ${fieldDescriptions.subject}.`],
    [
      'a subject that is too long',
      { subject: 'x'.repeat(2_501) },
      'subject has 2501 characters; at most 2500 are allowed.',
    ],
    [
      'too many references',
      { references: references(1_001) },
      'references has 1001 entries; at most 1000 are allowed.',
    ],
    [
      'a filename that is empty',
      { attachments: [file({ filename: '' })] },
      `attachments[0].filename is empty or too short; write ${fieldDescriptions.filename}.`,
    ],
    [
      'a filename with a path',
      { attachments: [file({ filename: 'a/b' })] },
      'attachments[0].filename has a slash or backslash; write the file name without a path.',
    ],
    [
      'another priority',
      { priority: 'urgent' },
      `priority is not what it must be; write ${fieldDescriptions.priority}.`,
    ],
    [
      'a field of a library',
      { attachments: [file({ path: '/etc/passwd' })] },
      'attachments[0].path is not a field that can be set; the bridge opens no files and no links: give "content" in base64, or "blob".',
    ],
    [
      'a link',
      { attachments: [file({ href: 'http://x' })] },
      'attachments[0].href is not a field that can be set; the bridge opens no files and no links: give "content" in base64, or "blob".',
    ],
    [
      'an envelope',
      { envelope: {} },
      'envelope is not a field that can be set; the recipients are those of to, cc and bcc.',
    ],
    [
      'delivery notices',
      { dsn: {} },
      'dsn is not a field that can be set; the bridge asks for no delivery notices.',
    ],
    [
      'a sender',
      { sender: 'x' },
      'sender is not a field that can be set; messages are sent as the mailbox: give "mailbox".',
    ],
    [
      'a Message-ID',
      { messageId: 'x' },
      'messageId is not a field that can be set; the bridge makes the Message-ID and reports it in its events.',
    ],
    [
      'a date',
      { date: 'x' },
      'date is not a field that can be set; the bridge dates the message; give "sendAt" to send it later.',
    ],
    ['a body', { body: 'x' }, 'body is not a field that can be set; give "text" or "html".'],
    [
      'a near name',
      { attachment: [] },
      'attachment is not a field that can be set; remove it, or did you mean "attachments"?',
    ],
    [
      'a name in another case',
      { Reply_To: 'x' },
      'Reply_To is not a field that can be set; remove it, or did you mean "replyTo"?',
    ],
    [
      'a plural',
      { subjects: 'x' },
      'subjects is not a field that can be set; remove it, or did you mean "subject"?',
    ],
    ['a name of nothing', { colour: 'x' }, 'colour is not a field that can be set; remove it.'],
    [
      'a near name further in',
      { attachments: [file({ Filename: 'x' })] },
      'attachments[0].Filename is not a field that can be set; remove it.',
    ],
    [
      'a recipient of another kind',
      { to: [7] },
      `to[0] can't be a number; write ${fieldDescriptions.person}.`,
    ],
    [
      'a recipient without an address',
      { to: [{ name: 'A' }] },
      `to[0].address is missing; write ${fieldDescriptions.address}.`,
    ],
    ['NUL in a text', { text: 'a\u0000b' }, 'text has a NUL character; remove it.'],
    [
      'half of a character',
      { html: 'a\ud83d' },
      'html has half of a character (a lone surrogate); correct the encoding.',
    ],
    [
      'an id that is none',
      { inReplyTo: 'x' },
      `inReplyTo is not a Message-ID; write ${fieldDescriptions.inReplyTo}.`,
    ],
    [
      'references with a part that is none',
      { references: '<r@x> y' },
      `references has a part that is no Message-ID; write ${fieldDescriptions.references}.`,
    ],
    [
      'a multipart attachment',
      { attachments: [file({ contentType: 'Multipart/mixed' })] },
      'attachments[0].contentType is a multipart type, which no attachment can have; write its own type.',
    ],
    [
      'content that is no base64',
      { attachments: [file({ content: 'YQ=' })] },
      `attachments[0].content is not base64; write ${fieldDescriptions.content}.`,
    ],
    [
      'content of another alphabet',
      { attachments: [file({ content: 'Y_==' })] },
      `attachments[0].content is not base64; write ${fieldDescriptions.content}.`,
    ],
    [
      'another version',
      { version: 2 },
      `version is not what it must be; write ${fieldDescriptions.version}.`,
    ],
  ])('%s', (_what, change, detail) => {
    expect(problemsOf(change)).toEqual([detail]);
  });

  test('what is at the edge is accepted', () => {
    for (const change of [
      { to: Array.from({ length: 500 }, (_, n) => `a${n}@x.example`) },
      { to: undefined, bcc: ['a@x.example'] },
      { headers: Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`X-${n}`, 'v'])) },
      { headers: { 'X-A': 'x'.repeat(900), 'list-Id': 'x', [`X-${'a'.repeat(70)}`]: '1' } },
      {
        headers: {
          'AUTO-SUBMITTED': ' auto-replied; x=y ',
          Precedence: 'List',
          IMPORTANCE: 'High',
          Priority: 'non-urgent',
          Sensitivity: 'Private',
        },
      },
      { subject: 'x'.repeat(2_500) },
      { references: references(1_000) },
      { correlation: 'x'.repeat(4_094) },
      { correlation: [9_007_199_254_740_991, 1e300, -1.5, null] },
      { sendAt: '2000-01-01T00:00:00Z', expiresAt: '2199-12-31T23:59:59Z' },
      {
        attachments: [file({ filename: 'f'.repeat(255), contentId: 'c' }), file({ contentId: 'd' }), file()],
      },
      { attachments: [file({ content: '' })] },
      { text: 'x'.repeat(4_000_000) },
    ]) {
      if ('correlation' in change && Array.isArray(change.correlation))
        expect(problemsOf({ correlation: change.correlation.filter((one) => one !== 1e300) })).toEqual([]);
      else expect(problemsOf(change)).toEqual([]);
    }
    expect(problemsOf({ text: 'x'.repeat(4_000_001) })).toHaveLength(1);
    expect(problemsOf({ headers: { 'X-A': 'x'.repeat(901) } })).toEqual([
      'headers.X-A has 901 characters; at most 900 are allowed.',
    ]);
    expect(problemsOf({ headers: { [`X-${'a'.repeat(71)}`]: '1' } })).toHaveLength(1);
    expect(problemsOf({ attachments: [file({ filename: 'f'.repeat(256) })] })).toHaveLength(1);
    expect(fieldMaxima.referencesCharacters).toBeGreaterThan(100_000);
  });

  test.each([
    'text/plain',
    'text/calendar; method=REQUEST',
    'text/calendar;method="REQUEST" ; charset=utf-8;',
    `a/${'b'.repeat(80)}`,
    `${'a'.repeat(64)}/b`,
  ])('the content type %s is understood', (contentType) => {
    expect(problemsOf({ attachments: [file({ contentType })] })).toEqual([]);
  });

  test.each([
    'text',
    'text/',
    '/plain',
    'text/plain x',
    'text/plain; x',
    'text/plain; x="',
    ' text/plain',
    '-/x',
    `a/${'b'.repeat(81)}`,
    `${'a'.repeat(65)}/b`,
    'text/plain; a="\u0001"',
  ])('the content type %j is refused', (contentType) => {
    expect(problemsOf({ attachments: [file({ contentType })] })).toEqual([
      `attachments[0].contentType is not what it must be; write ${fieldDescriptions.contentType}.`,
    ]);
  });

  test.each([
    ['a', true],
    ['A'.repeat(128), true],
    ['0._:@+-', true],
    ['', false],
    ['A'.repeat(129), false],
    ['.a', false],
    ['a/b', false],
    ['a b', false],
    ['a\n', false],
  ])('the id %j is one: %s', (id, expected) => {
    expect(problemsOf({ id })).toEqual(
      expected ? [] : [`id is not what it must be; write ${fieldDescriptions.id}.`],
    );
  });

  test.each([
    ['c@x', true],
    ['c'.repeat(250), true],
    ['c'.repeat(251), false],
    ['<c>', false],
    ['c c', false],
    ['', false],
  ])('the content id %j is one: %s', (contentId, expected) => {
    expect(problemsOf({ attachments: [file({ contentId })] }).length === 0).toBe(expected);
  });

  test('texts and attachments together have a size', () => {
    const small = { ...aliased, maxima: { recipientsCount: 500, contentBytes: 20 } };
    const answer = (change: object) => parseSubmission({ ...good, text: 'ä', ...change }, small);
    expect(answer({ html: 'x'.repeat(18) }).kind).toBe('ok');
    expect(answer({ html: 'x'.repeat(19) })).toMatchObject({
      problems: [
        {
          field: 'attachments',
          detail: 'attachments and texts have 21 bytes as sent; at most 20 are allowed.',
        },
      ],
    });
    expect(answer({ attachments: [file({ content: 'x'.repeat(16) })] }).kind).toBe('ok');
    expect(answer({ attachments: [file({ content: 'x'.repeat(20) })] }).kind).toBe('rejected');
  });
});

describe('a rejection', () => {
  test('shows twenty problems, the last of which says that there are more', () => {
    const wrong = (count: number): object => ({ to: Array.from({ length: count }, (_, n) => `x${n}`) });
    expect(problemsOf(wrong(20))).toHaveLength(20);
    expect(problemsOf(wrong(20))[19]).toMatch(/^to\[19\]/);
    expect(problemsOf(wrong(21))).toHaveLength(20);
    expect(problemsOf(wrong(21))[19]).toBe('There are more problems; correct these first.');
    expect(problemsOf(Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`f${n}`, 1])))).toHaveLength(
      20,
    );
  });

  test.each<[string, unknown, object]>([
    [
      'a field',
      { ...good, subject: 5, correlation: { a: 1 } },
      { id: good.id, mailbox: 'desk@example.com', correlation: { a: 1 } },
    ],
    ['an id that is none', { ...good, id: 'a/b' }, { mailbox: 'desk@example.com' }],
    ['a mailbox that is none', { ...good, mailbox: 'x' }, { id: good.id }],
    ['ids of another kind', { ...good, id: 7, mailbox: 7 }, {}],
    [
      'a correlation that is too long',
      { ...good, subject: 5, correlation: 'x'.repeat(4_095) },
      { id: good.id, mailbox: 'desk@example.com' },
    ],
    [
      'text that is cut',
      '{"id" : "a","mailbox":"Desk@Example.com","x',
      { id: 'a', mailbox: 'Desk@example.com' },
    ],
    ['bytes that are cut', Buffer.from('{"id":"a"'), { id: 'a' }],
    ['text that says it late', `{"x":"${'x'.repeat(65_536)}","id":"a"`, {}],
    ['an id with an escape', '{"id":"a\\u0062",', {}],
    [
      'an object that is too deep',
      {
        id: 'a',
        mailbox: 'desk@example.com',
        to: JSON.parse(`${'['.repeat(20)}${']'.repeat(20)}`) as unknown,
      },
      { id: 'a', mailbox: 'desk@example.com' },
    ],
    ['a list', [good], {}],
    ['nothing', undefined, {}],
    ['null', null, {}],
  ])('of %s says whose it is as far as that can be read', (_what, payload, known) => {
    const answer = parseSubmission(payload, aliased);
    expect(answer.kind).toBe('rejected');
    const { id, mailbox, correlation } = answer as { id?: string; mailbox?: string; correlation?: unknown };
    expect(JSON.parse(JSON.stringify({ id, mailbox, correlation }))).toEqual(known);
  });
});

test('an image that no attachment has is remarked on, five at most', () => {
  const html = Array.from({ length: 7 }, (_, n) => `<img src="cid:i${n}">`).join('');
  const remarks = remarksOf(accept({ html, attachments: [file({ contentId: 'i0' })] }));
  expect(remarks).toHaveLength(5);
  expect(remarks[0]).toBe(
    'The HTML refers to cid:"i1", which no attachment has; readers show nothing there.',
  );
  expect(remarksOf(accept())).toEqual([]);
  const raw = parseSubmission(
    { id: 'a', mailbox: 'desk@example.com', raw: { blob: 'outbound-uploads/a' } },
    aliased,
  );
  expect(raw.kind === 'ok' && remarksOf(raw.submission)).toEqual([]);
});
