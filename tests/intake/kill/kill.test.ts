import { expect, test } from '@jest/globals';
import { killRun } from './killRun.ts';

test('an intake that is killed at every step loses nothing and hands nothing on twice', async () => {
  const result = await killRun({ messages: 20, stepsMost: 75, clients: 3, random: Math.random });
  expect(result).toMatchObject({ lost: [], twice: [], answered: 20 });
  expect(result.kills.size).toBeGreaterThan(5);
});
