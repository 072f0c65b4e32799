import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { buildCrashPackage } from '../../local/crash/crashPackage.ts';
import { crashRuns, type CrashReport } from '../../local/crash/crashRuns.ts';
import { points } from '../../local/crash/points.ts';

let appFolder: string;
let report: CrashReport;

beforeAll(async () => {
  appFolder = join(mkdtempSync(join(tmpdir(), 'crash-')), 'package');
  await buildCrashPackage(appFolder);
  report = await crashRuns({ appFolder, repeats: 1, laneCount: 3 });
}, 2_400_000);

afterAll(() => {
  rmSync(join(appFolder, '..'), { recursive: true, force: true });
});

test('at least twenty steps have a host killed before or after them, and every point was played', () => {
  const killed = points.filter(({ does }) => does === 'kill');
  expect(new Set(killed.map(({ name }) => name)).size).toBeGreaterThanOrEqual(20);
  for (const { name, does, when } of points)
    expect(report.lines).toContainEqual(expect.objectContaining({ name, how: `${does} ${when}`, runs: 1 }));
});

test('wherever a host is killed or stopped, whatever the store and the server do: nothing lost, nothing twice', () => {
  expect(
    report.lines.flatMap(({ how, name, wrong }) => wrong.map((detail) => `${how}, ${name}: ${detail}`)),
  ).toEqual([]);
  expect(report).toMatchObject({ lost: 0, unexplainedDuplicates: 0, ok: true });
});
