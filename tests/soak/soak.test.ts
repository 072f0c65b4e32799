// Five minutes of `npm run soak`, and its judgement of what levels off.
import { afterAll, expect, test } from '@jest/globals';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildPackage } from '../../local/build/buildPackage.ts';
import { seededRandom } from '../../local/seededRandom.ts';
import { levelsOf, type Sample } from '../../local/soak/levels.ts';
import { soak } from '../../local/soak/soak.ts';

const appFolder = join(import.meta.dirname, '..', '..', '.local', `soak-test-${process.pid}`);
afterAll(() => {
  rmSync(appFolder, { recursive: true, force: true });
});

const minuteMs = 60_000;

test(
  'five minutes under load, with faults and deployments: nothing lost, everything levels off',
  async () => {
    await buildPackage(appFolder);
    const report = await soak({
      appFolder,
      durationMs: 5 * minuteMs,
      random: seededRandom(1),
      log: () => undefined,
    });
    expect(report.problems).toEqual([]);
    expect(report.deployments).toBeGreaterThanOrEqual(3);
    expect(report.sentCount).toBeGreaterThan(100);
  },
  20 * minuteMs,
);

const samples = (values: readonly number[], name: string): readonly Sample[] =>
  values.map((value, at) => ({ atMs: at, values: { [name]: value } }));

test.each([
  ['memory that grows without end', 'memoryMegabytes', [100, 150, 200, 250, 300, 350, 400, 450], false],
  ['memory that is higher once warm', 'memoryMegabytes', [100, 180, 200, 205, 200, 210, 205, 208], true],
  ['sockets that are never closed', 'sockets', [5, 10, 15, 20, 30, 40, 50, 60], false],
  ['rows that retention removes', 'outboxRows', [100, 300, 400, 420, 410, 430, 415, 425], true],
  ['rows that nothing removes', 'outboxRows', [100, 300, 500, 700, 900, 1_100, 1_300, 1_500], false],
])('%s', (_what, name, values, level) => {
  expect(levelsOf(samples(values, name))).toMatchObject([{ name, level }]);
});

test('too few samples prove nothing', () => {
  expect(levelsOf(samples([1, 1, 1], 'handles'))).toMatchObject([{ level: false }]);
});
