// npm run crash: kills hosts before and after every durable step, on the local stack.
//
//   --repeats R    runs of each point (default 1); later repeats let some messages pass first
//   --lanes N      stacks in parallel (default 3)
//   --only TEXT    only points whose row contains this: `stop before`, `claimed`, `answer lost`
//   --json         ends with one JSON object on the last line
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { commandLine } from '../commandLine/commandLine.ts';
import { buildCrashPackage } from '../crash/crashPackage.ts';
import { crashRuns } from '../crash/crashRuns.ts';
import { table } from '../commandLine/table.ts';

const { values: flags } = commandLine(import.meta.filename, {
  options: {
    repeats: { type: 'string', default: '1' },
    lanes: { type: 'string', default: '3' },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const repeats = countOf('repeats', flags.repeats, 1_000);
const laneCount = countOf('lanes', flags.lanes, 16);
const appFolder = join(import.meta.dirname, '..', '..', '.local', `crash-package-${String(process.pid)}`);
// exit() stops the emulators and, by closing its standard input, every host; a signal alone would not.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
await buildCrashPackage(appFolder);
const startedAt = performance.now();
try {
  const report = await crashRuns({
    appFolder,
    repeats,
    laneCount,
    ...(flags.only === undefined ? {} : { only: flags.only }),
    log: (detail) => {
      console.log(detail);
    },
  });
  const { lines, crashPoints, lost, unexplainedDuplicates } = report;
  console.log(
    `\n${table(
      ['step', 'action', 'runs', 'longest, s', 'submissions', 'in doubt', 'lost', 'duplicates', ''],
      lines.map((line) => [
        line.name,
        line.how,
        line.runs,
        line.longestSeconds.toFixed(1),
        line.submissions,
        line.doubts,
        line.lost,
        line.duplicates,
        line.wrong.length === 0 ? 'ok' : 'NOT OK',
      ]),
    )}`,
  );
  for (const { name, how, wrong } of lines)
    for (const detail of wrong) console.log(`${how}, ${name}: ${detail}`);
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0);
  console.log(
    `\nThe faults of a lane run at the same time and share one duration.\n${String(crashPoints)} points and ${String(lines.length - crashPoints)} faults, ${String(repeats)} times each, in ${seconds} s; ${report.ok ? 'all checks passed.' : 'some checks FAILED.'}`,
  );
  if (flags.json) console.log(JSON.stringify({ crashPoints, repeats, lost, unexplainedDuplicates }));
  process.exitCode = report.ok ? 0 : 1;
} finally {
  rmSync(appFolder, { recursive: true, force: true });
}

function countOf(name: string, text: string, most: number): number {
  const count = Number(text);
  if (Number.isSafeInteger(count) && count >= 1 && count <= most) return count;
  console.error(`--${name} is a whole number from 1 to ${String(most)}.`);
  process.exit(2);
}
