// npm run bench -- outbound: throughput and cost of the outbound side, on the local stack.
// npm run bench -- inbound: time to fetch a full mailbox from real Dovecot, compared with plain imapflow.
// npm run bench -- intake: throughput, reply times and memory of the SMTP intake.
// npm run bench -- many: forty accounts under a backlog and a hundred mailboxes fetched, on one instance.
// npm run bench -- lifted: messages a second without the limits, against a bare nodemailer pool.
// npm run bench -- idle: storage calls of forty mailboxes without mail.
// npm run bench -- ops: the operator's first screen with fifty mailboxes and a hundred thousand finished messages.
// npm run bench -- start: from the worker's start until its functions are known.
//
//   --only NAME    one part of outbound: sustained, calls or forecast
//   --quick        small sizes, to check that the bench works; its figures are not significant
//   --json         omits the table; the last line is JSON either way
//
// Exits with 0 only if every figure meets its goal.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { countCalls } from '../bench/calls.ts';
import { forecastAccuracy } from '../bench/forecastAccuracy.ts';
import { benchInbound } from '../bench/inbound.ts';
import { benchIntake } from '../bench/intake.ts';
import { intakeReport } from '../bench/intakeReport.ts';
import { inboundReport } from '../bench/inboundReport.ts';
import { idle } from '../bench/idle.ts';
import { lifted } from '../bench/lifted.ts';
import { many } from '../bench/many.ts';
import { reportOf, type Parts, type Report } from '../bench/report.ts';
import { idleReport, liftedReport, manyReport, opsReport, startReport } from '../bench/scaleReport.ts';
import { startTime } from '../bench/startTime.ts';
import type { Part } from '../bench/rig.ts';
import { benchOps } from '../bench/ops.ts';
import { sustained } from '../bench/sustained.ts';
import { buildPackage } from '../build/buildPackage.ts';
import { commandLine } from '../commandLine/commandLine.ts';
import { table } from '../commandLine/table.ts';

const { values: flags, positionals } = commandLine(import.meta.filename, {
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
  },
});
const [side] = positionals;
const sides = ['outbound', 'inbound', 'intake', 'many', 'lifted', 'idle', 'ops', 'start'] as const;
if (!sides.some((one) => one === side)) {
  console.error(
    'Usage: npm run bench -- outbound [--only sustained|calls|forecast] [--quick] [--json]\n' +
      `       npm run bench -- ${sides.slice(1).join('|')} [--quick] [--json]`,
  );
  process.exit(2);
}

const startedAt = performance.now();
const minutes = (): string => ((performance.now() - startedAt) / 60_000).toFixed(1).padStart(4);
const appFolder = join(import.meta.dirname, '..', '..', '.local', `bench-package-${String(process.pid)}`);
const partOf = (name: string): Part => ({
  appFolder,
  log: (detail) => {
    console.log(`${minutes()} min  ${name}: ${detail}`);
  },
});
const printReport = ({ rows, json }: { readonly rows: Report['rows']; readonly json: object }): void => {
  if (!flags.json) {
    console.log(`\n${table(['what', 'how', 'figure', 'goal', ''], rows)}`);
    console.log(`\nTotal time: ${minutes().trim()} minutes.`);
  }
  console.log(JSON.stringify(json));
};

// exit() stops the emulators and, by closing its standard input, every host; a signal alone would not.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

if (side === 'intake') {
  const size = flags.quick
    ? { messages: 300, largeBytes: 5_000_000 }
    : { messages: 4_000, largeBytes: 35_000_000 };
  const report = intakeReport(await benchIntake(partOf(side).log, size));
  printReport(report);
  process.exit(report.ok ? 0 : 1);
}

if (side === 'inbound') {
  const size = flags.quick ? { messages: 500, rounds: 1 } : { messages: 10_000, rounds: 3 };
  const figures = await benchInbound(partOf(side).log, size).catch((error: unknown) => {
    console.error(`The bench failed: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(1);
  });
  const report = inboundReport(figures);
  printReport(report);
  process.exit(report.ok ? 0 : 1);
}

/** How far one app carries. */
const scale: Readonly<Record<string, (part: Part) => Promise<Pick<Report, 'ok' | 'rows' | 'json'>>>> = {
  many: async (part) =>
    manyReport(
      await many(
        part,
        flags.quick
          ? { accountCount: 4, minutes: 1, pickUpCount: 3, fetchedCount: 10 }
          : { accountCount: 40, minutes: 10, pickUpCount: 100, fetchedCount: 100 },
      ),
    ),
  lifted: async (part) =>
    liftedReport(
      await lifted(
        part,
        flags.quick
          ? { accountCount: 10, messages: 10, rounds: 1 }
          : { accountCount: 10, messages: 200, rounds: 3 },
      ),
    ),
  idle: async (part) => {
    const report = idleReport(
      await idle(part, flags.quick ? { mailboxCount: 3, minutes: 2 } : { mailboxCount: 40, minutes: 20 }),
    );
    if (!flags.json) console.log(`\n${table(['call', 'count'], report.calls)}`);
    return report;
  },
  ops: async (part) =>
    opsReport(
      await benchOps(
        part,
        flags.quick
          ? { mailboxCount: 5, finishedCount: 1_000, rounds: 3 }
          : { mailboxCount: 50, finishedCount: 100_000, rounds: 20 },
      ),
    ),
  start: async (part) => startReport(await startTime(part, { rounds: flags.quick ? 3 : 15 })),
};
const scaleRun = scale[side ?? ''];
if (scaleRun !== undefined) {
  await buildPackage(appFolder);
  const report = await scaleRun(partOf(side ?? '')).catch((error: unknown) => {
    console.error(`The bench failed: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  });
  rmSync(appFolder, { recursive: true, force: true });
  if (report !== undefined) printReport(report);
  process.exit(report?.ok === true ? 0 : 1);
}

const sizes = flags.quick
  ? {
      sustained: { minutes: 2, backlogCount: 200, urgentCount: 1, pickUpCount: 5 },
      calls: [50, 100, 200],
      forecast: { backlogCount: 60, dayMessageCount: 24 },
    }
  : {
      sustained: { minutes: 15, backlogCount: 10_000, urgentCount: 8, pickUpCount: 100 },
      calls: [100, 1_000, 10_000],
      forecast: { backlogCount: 1_000, dayMessageCount: 80 },
    };

const runs: Readonly<Record<keyof Parts, (part: Part) => Promise<Partial<Parts>>>> = {
  sustained: async (part) => ({ sustained: await sustained(part, sizes.sustained) }),
  calls: async (part) => ({ calls: await countCalls(part, sizes.calls) }),
  forecast: async (part) => ({ forecast: await forecastAccuracy(part, sizes.forecast) }),
};

// The forecast part runs after the deep backlogs, which keep both cores busy: run beside them, it would predict with a
// load that then ends.
const sideBySide = [['sustained'], ['calls', 'forecast']] as const;
const wanted = sideBySide
  .map((names) => names.filter((name) => flags.only === undefined || flags.only === name))
  .filter((names) => names.length > 0);
if (wanted.length === 0) {
  console.error(`Unknown part ${String(flags.only)}: use ${Object.keys(runs).join(', ')}.`);
  process.exit(2);
}
await buildPackage(appFolder);
try {
  const failed: string[] = [];
  let parts: Partial<Parts> = {};
  await Promise.all(
    wanted.map(async (names) => {
      for (const name of names) {
        try {
          const found = await runs[name](partOf(name));
          parts = { ...parts, ...found };
        } catch (error) {
          // A part that fails does not discard the figures of the others.
          failed.push(name);
          partOf(name).log(`failed: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
    }),
  );
  const report = reportOf(parts);
  if (!flags.json) {
    console.log(`\n${table(['what', 'how', 'figure', 'goal', ''], report.rows)}`);
    for (const { title, heads, rows } of report.more) console.log(`\n${title}\n${table(heads, rows)}`);
    console.log(`\nTotal time: ${minutes().trim()} minutes.`);
  }
  console.log(JSON.stringify(report.json));
  process.exitCode = report.ok && failed.length === 0 ? 0 : 1;
} finally {
  rmSync(appFolder, { recursive: true, force: true });
}
