// A part of what `npm run inspect -- --mutated 50000` tries.
import { expect, test } from '@jest/globals';
import { parseMutated } from './mutatedMails.ts';

test('10,000 broken mails: no crash, none over two seconds', async () => {
  const result = await parseMutated({ count: 10_000, seed: 5 });
  expect(result.crashes).toEqual([]);
  expect(result.slow).toBe(0);
  expect(result.parsed + result.unparsed).toBe(10_000);
  expect(result.parsed).toBeGreaterThan(5_000);
}, 180_000);
