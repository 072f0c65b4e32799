// npm run soak: the whole stack for hours, under mixed load, with faults of the server, killed hosts and deployments.
//
//   --hours H      how long the load lasts (default 2); 0.083 are five minutes
//   --seed S       of the load (default 1)
//   --json         ends with one JSON object on the last line
//
// Exits with 1 if a submission or a mail was lost, a limit was passed, or something does not level off.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildPackage } from '../build/buildPackage.ts';
import { commandLine } from '../commandLine/commandLine.ts';
import { table } from '../commandLine/table.ts';
import { seededRandom } from '../seededRandom.ts';
import { soak } from '../soak/soak.ts';

const { values: flags } = commandLine(import.meta.filename, {
  options: {
    hours: { type: 'string', default: '2' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
const hours = Number(flags.hours);
if (!(hours > 0 && hours <= 168)) {
  console.error('--hours takes a number above 0, at most 168.');
  process.exit(2);
}
// exit() stops the emulators and, by closing its standard input, every host; a signal alone would not.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

const appFolder = join(import.meta.dirname, '..', '..', '.local', `soak-package-${String(process.pid)}`);
await buildPackage(appFolder);
const startedAt = performance.now();
try {
  const report = await soak({
    appFolder,
    durationMs: hours * 3_600_000,
    random: seededRandom(Number(flags.seed)),
    log: (detail) => {
      const minutes = ((performance.now() - startedAt) / 60_000).toFixed(1).padStart(6);
      console.log(`${minutes} min  ${detail}`);
    },
  });
  const { levels, problems, ok, ...counts } = report;
  console.log(
    `\n${table(
      ['what', 'count'],
      Object.entries(counts).map(([name, count]) => [name, String(count)]),
    )}`,
  );
  console.log(
    `\n${table(
      ['level', 'second quarter', 'last quarter', 'most', ''],
      levels.map(({ name, early, late, most, level }) => [
        name,
        early.toFixed(0),
        late.toFixed(0),
        most.toFixed(0),
        level ? 'ok' : 'NOT OK',
      ]),
    )}`,
  );
  for (const problem of problems) console.log(problem);
  if (flags.json) console.log(JSON.stringify(report));
  process.exitCode = ok ? 0 : 1;
} finally {
  rmSync(appFolder, { recursive: true, force: true });
}
