// All planted bugs still fit the code, and two of them, others each day, are caught. `npm run mutants` plants all.
import { describe, expect, test } from '@jest/globals';
import { ask, mutants, planted, plantIn } from './plant.ts';

const dayMs = 86_400_000;
const minuteMs = 60_000;

test('every text that a planted bug replaces stands exactly once in the code', async () => {
  const misfits: string[] = [];
  for (const { name, edits } of mutants) {
    for (const misfit of await plantIn(edits)) misfits.push(`${name}: ${misfit}`);
  }
  expect(misfits).toEqual([]);
});

test('each has a name of its own', () => {
  expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
  expect(mutants.length).toBeGreaterThanOrEqual(24);
});

const today = Math.floor(Date.now() / dayMs);
const todays = [2 * today, 2 * today + 1].flatMap((index) => mutants[index % mutants.length] ?? []);

describe.each(todays)('of today: $name ($what)', ({ edits, caughtBy }) => {
  test(
    'its check has nothing against the code as it stands',
    async () => {
      const said = await planted([], (copy) => ask(caughtBy, copy));
      expect(said).toMatchObject({ objects: false });
    },
    5 * minuteMs,
  );

  test(
    'its check catches it',
    async () => {
      const said = await planted(edits, (copy) => ask(caughtBy, copy));
      expect(said).toMatchObject({ objects: true });
    },
    5 * minuteMs,
  );
});
