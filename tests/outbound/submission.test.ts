import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { canonicalJson } from '../../shared/contract/canonicalJson.ts';
import { parseSubmission, recipientsOf, type Submission } from '../../shared/contract/submission.ts';
import { badSubmissions, context, desk, good } from './submissions.ts';

function accept(payload: unknown): Submission {
  const answer = parseSubmission(payload, context);
  if (answer.kind === 'rejected') throw new Error(answer.problems.map(({ detail }) => detail).join(' '));
  return answer.submission;
}

describe('what is refused', () => {
  test('is tried in more than 800 ways', () => {
    expect(badSubmissions.length).toBeGreaterThan(800);
    expect(new Set(badSubmissions.map(({ name }) => name)).size).toBe(badSubmissions.length);
  });

  test.each(badSubmissions.map((bad) => [bad.name, bad] as const))(
    '%s',
    (_name, { payload, field, detail }) => {
      const answer = parseSubmission(payload, context);
      if (answer.kind === 'ok') throw new Error('was accepted');
      const named = answer.problems.filter((problem) => problem.field === field);
      expect({ field, problems: answer.problems.map((problem) => problem.field) }).toEqual({
        field,
        problems: expect.arrayContaining([field]),
      });
      expect(named.map((problem) => problem.detail).join(' ')).toMatch(detail);
      expect(answer.problems.length).toBeLessThanOrEqual(20);
      for (const problem of answer.problems) {
        // A sentence in printable ASCII that names its field, of a length that people read.
        expect(problem.detail).toMatch(/^[\x20-\x7e]{10,600}[.?]$/);
        expect(problem.detail.startsWith(problem.field === '' ? 'The' : problem.field)).toBe(true);
      }
    },
  );

  test('is refused as JSON text, as bytes and as base64 alike', () => {
    for (const { name, payload, field } of badSubmissions) {
      if (typeof payload !== 'object' || payload === null || ArrayBuffer.isView(payload)) continue;
      const text = JSON.stringify(payload);
      if (text.length > 100_000) continue;
      for (const form of [text, Buffer.from(text), Buffer.from(text).toString('base64')]) {
        const answer = parseSubmission(form, context);
        expect([name, answer.kind]).toEqual([name, 'rejected']);
        if (answer.kind === 'rejected' && !name.includes('half')) {
          expect([name, answer.problems.map((problem) => problem.field)]).toEqual([
            name,
            expect.arrayContaining([field]),
          ]);
        }
      }
    }
  });

  test('says the id and the mailbox as far as they are usable', () => {
    expect(parseSubmission({ ...good, subject: 5 }, context)).toMatchObject({
      id: good.id,
      mailbox: desk.address,
    });
    const unusable = parseSubmission({ ...good, id: 'a/b', mailbox: 'x' }, context);
    expect(unusable).not.toHaveProperty('id');
    expect(unusable).not.toHaveProperty('mailbox');
  });

  test('has every problem at once, and at most twenty', () => {
    const answer = parseSubmission({ ...good, id: 'a/b', subject: 5, priority: 'urgent', x: 1 }, context);
    expect(answer.kind === 'rejected' ? answer.problems.map(({ field }) => field) : []).toEqual([
      'id',
      'subject',
      'priority',
      'x',
    ]);
    const many = parseSubmission({ ...good, to: Array.from({ length: 400 }, () => 'x') }, context);
    expect(many.kind === 'rejected' ? many.problems.length : 0).toBe(20);
    expect(many.kind === 'rejected' ? many.problems.at(-1)?.detail : '').toContain('more problems');
  });

  test('leaves every prototype as it was', () => {
    for (const { payload } of badSubmissions) parseSubmission(payload, context);
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(({} as Record<string, unknown>)['attachments']).toBeUndefined();
  });

  test('takes time that grows with the size and not with its square', () => {
    for (const make of [
      (size: number) => `${'a.'.repeat(size)}@example.net`,
      (size: number) => '=?'.repeat(size),
      (size: number) => `<${'@'.repeat(size)}`,
      (size: number) => 'A'.repeat(size),
    ]) {
      const hostile = make(300_000);
      const before = performance.now();
      parseSubmission(
        {
          ...good,
          to: hostile,
          subject: hostile,
          inReplyTo: hostile,
          references: hostile,
          headers: { 'X-A': hostile },
          attachments: [
            { filename: hostile, contentType: hostile, content: hostile, contentId: hostile, blob: hostile },
          ],
        },
        context,
      );
      // Quadratic work on 300,000 characters would take minutes.
      expect(performance.now() - before).toBeLessThan(5_000);
    }
  });
});

describe('what is accepted', () => {
  test.each([
    ['an object', good],
    ['JSON', JSON.stringify(good)],
    ['JSON with white space around', `\r\n ${JSON.stringify(good, undefined, 2)}\n`],
    ['bytes', Buffer.from(JSON.stringify(good))],
    ['bytes with a byte order mark', Buffer.from(`\ufeff${JSON.stringify(good)}`)],
    ['base64', Buffer.from(JSON.stringify(good)).toString('base64')],
    ['base64 in lines', Buffer.from(JSON.stringify(good)).toString('base64').replace(/.{76}/g, '$&\r\n')],
  ])('%s', (_name, payload) => {
    expect(accept(payload)).toEqual({
      kind: 'composed',
      id: good.id,
      mailbox: 'desk@example.com',
      priority: 'normal',
      from: { address: 'desk@example.com' },
      to: [{ address: 'aino@example.net' }],
      cc: [],
      bcc: [],
      replyTo: [],
      subject: good.subject,
      text: good.text,
      references: [],
      headers: [],
      attachments: [],
    });
  });

  test('everything that the contract names', () => {
    const submission = accept({
      ...good,
      from: { address: 'Desk@Example.com', name: 'P\u00e4ivyst\u00e4j\u00e4 \ud83d\ude42' },
      replyTo: 'desk+1@example.com',
      cc: [{ address: "o'hara@EXAMPLE.net", name: '' }],
      bcc: 'x@xn--esimerkki-4za.fi',
      html: '<p>\u00e4</p>\r\n',
      inReplyTo: '<a$b@[1.2.3.4]>',
      references: '<a@b> <c@d>',
      headers: { 'X-Ticket': 'INC-1 \u00e4', 'List-Id': '<x.example.com>' },
      attachments: [
        { filename: '\u00c5\u00e4.pdf', contentType: 'application/pdf', content: 'YQ==' },
        { filename: 'logo 1.png', contentId: 'logo@x', blob: 'outbound-uploads/2026/logo 1.png' },
        { filename: 'a.txt', contentType: 'text/plain; charset=utf-8', content: '' },
      ],
      priority: 'high',
      sendAt: '2026-11-25T11:00:00+02:00',
      expiresAt: '2026-11-25T09:00:00.001Z',
      correlation: { card: 7, list: [null, true, 'x'] },
    });
    expect(submission).toMatchObject({
      from: { address: 'desk@example.com', name: 'P\u00e4ivyst\u00e4j\u00e4 \ud83d\ude42' },
      replyTo: [{ address: 'desk+1@example.com' }],
      cc: [{ address: "o'hara@example.net" }],
      references: ['<a@b>', '<c@d>'],
      headers: [
        { name: 'X-Ticket', value: 'INC-1 \u00e4' },
        { name: 'List-Id', value: '<x.example.com>' },
      ],
      attachments: [
        { contentType: 'application/pdf', content: { kind: 'inline', base64: 'YQ==' } },
        {
          contentType: 'application/octet-stream',
          contentId: 'logo@x',
          content: { kind: 'blob', reference: 'outbound-uploads/2026/logo 1.png' },
        },
        { contentType: 'text/plain; charset=utf-8' },
      ],
      sendAt: Date.UTC(2026, 10, 25, 9),
      expiresAt: Date.UTC(2026, 10, 25, 9) + 1,
      correlation: { card: 7, list: [null, true, 'x'] },
    });
    expect(recipientsOf(submission)).toEqual([
      'aino@example.net',
      "o'hara@example.net",
      'x@xn--esimerkki-4za.fi',
    ]);
  });

  test('a raw message, with or without an envelope of its own', () => {
    const raw = { id: 'a', mailbox: 'desk@example.com', raw: { blob: 'outbound-uploads/x.eml' } };
    expect(accept(raw)).toMatchObject({ kind: 'raw', blob: 'outbound-uploads/x.eml', to: [] });
    expect(accept({ ...raw, bcc: ['a@example.net'] })).toMatchObject({
      kind: 'raw',
      bcc: [{ address: 'a@example.net' }],
    });
  });

  test('recipients are folded where they are one, and only there', () => {
    const submission = accept({
      ...good,
      to: ['a@Example.NET', 'a@example.net', 'A@example.net'],
      cc: ['a@example.net', 'b@example.net'],
    });
    expect(recipientsOf(submission)).toEqual(['a@example.net', 'A@example.net', 'b@example.net']);
  });

  test('500 recipients after folding, and 1,000 where the setting allows them', () => {
    const to = Array.from({ length: 500 }, (_, index) => `u${index}@example.net`);
    expect(accept({ ...good, to, cc: to }).to).toHaveLength(500);
    const wide = { ...context, maxima: { ...context.maxima, recipientsCount: 1_000 } };
    const more = Array.from({ length: 1_000 }, (_, index) => ({
      address: `u${index}@example.net`,
      name: 'x',
    }));
    expect(parseSubmission({ ...good, to: more }, wide).kind).toBe('ok');
  });

  test('a message whose content is as large as the mailbox may send, and not larger', () => {
    const small = { ...context, maxima: { ...context.maxima, contentBytes: 20 } };
    expect(parseSubmission({ ...good, text: 'x'.repeat(20) }, small).kind).toBe('ok');
    expect(parseSubmission({ ...good, text: '\u00e4'.repeat(10) + 'x' }, small).kind).toBe('rejected');
  });

  test('the samples, but for the two that are bad on purpose', () => {
    const folder = join(import.meta.dirname, '..', '..', 'local', 'samples');
    const files = readdirSync(folder).filter((file) => file.endsWith('.json'));
    expect(files.length).toBeGreaterThanOrEqual(8);
    for (const file of files) {
      const payload = readFileSync(join(folder, file), 'utf8');
      const known = { ...context, mailboxes: [{ ...desk, address: 'palvelupiste@kaupunki.example' }] };
      const answer = parseSubmission(payload, known);
      expect([file, answer.kind, answer.kind === 'rejected' ? answer.problems : []]).toEqual(
        /malformed|unknown/.test(file) ? [file, 'rejected', expect.anything()] : [file, 'ok', []],
      );
    }
  });
});

describe('the identity of content', () => {
  test('does not depend on the order of fields, and does on everything else', () => {
    const turned = Object.fromEntries(Object.entries(good).reverse());
    expect(canonicalJson(accept(good))).toBe(canonicalJson(accept(turned)));
    expect(canonicalJson(accept(good))).not.toBe(canonicalJson(accept({ ...good, text: 'It is solved!' })));
  });
});
