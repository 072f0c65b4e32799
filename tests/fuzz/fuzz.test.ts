// A small run of the fuzzers; `npm run fuzz` makes hundreds of thousands and counts the branches.
import { expect, test } from '@jest/globals';
import { fuzzMails } from './fuzzMails.ts';
import type { FuzzResult } from './fuzzResult.ts';
import { fuzzSubmissions } from './fuzzSubmissions.ts';

const faults = ({ exceptions, unreported }: FuzzResult): unknown => ({ exceptions, unreported });

test('hostile submissions: each is answered, what is accepted is composed and sent to its end', async () => {
  const result = await fuzzSubmissions(1_500, 7);
  expect(faults(result)).toEqual({ exceptions: [], unreported: [] });
  expect((result.ends['accepted'] ?? 0) + (result.ends['rejected'] ?? 0)).toBe(1_500);
  // The first 600 are those of the corpus, most of them bad.
  expect(result.ends['accepted'] ?? 0).toBeGreaterThan(300);
}, 600_000);

test('hostile mails: each is announced, and every bounce event that they make is published', async () => {
  const result = await fuzzMails(600, 7);
  expect(faults(result)).toEqual({ exceptions: [], unreported: [] });
}, 600_000);
