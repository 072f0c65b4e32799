// All planted bugs still apply to the code, and two of them, others each day, are caught. `npm run mutants` plants all.
import { describe, expect, test } from '@jest/globals';
import { runCheck, mutants, planted, plantIn } from './plant.ts';

const dayMs = 86_400_000;
const minuteMs = 60_000;

test('every text that a planted bug replaces occurs exactly once in the code', async () => {
  const misfits: string[] = [];
  for (const { name, edits } of mutants) {
    for (const misfit of await plantIn(edits)) misfits.push(`${name}: ${misfit}`);
  }
  expect(misfits).toEqual([]);
});

test('names are unique', () => {
  expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
  expect(mutants.length).toBeGreaterThanOrEqual(24);
});

const today = Math.floor(Date.now() / dayMs);
const todays = [2 * today, 2 * today + 1].flatMap((index) => mutants[index % mutants.length] ?? []);

describe.each(todays)('of today: $name ($what)', ({ edits, caughtBy }) => {
  test(
    'its check passes on the unmodified code',
    async () => {
      const result = await planted([], (copy) => runCheck(caughtBy, copy));
      expect(result).toMatchObject({ caught: false });
    },
    5 * minuteMs,
  );

  test(
    'its check catches it',
    async () => {
      const result = await planted(edits, (copy) => runCheck(caughtBy, copy));
      expect(result).toMatchObject({ caught: true });
    },
    5 * minuteMs,
  );
});
