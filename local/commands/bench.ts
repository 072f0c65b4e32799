// npm run bench -- outbound: what the outbound side gets through, and what it costs, on the local stack.
// npm run bench -- inbound: how long a full mailbox takes, against plain imapflow, from real Dovecot.
//
//   --only NAME    of outbound, that part alone: sustained, calls, foresight or requeue
//   --quick        small sizes, to see that the bench works; its figures mean little
//   --json         nothing changes but the table, which is left out: the last line is the JSON either way
//
// Ends with 0 only where every figure is as it should be.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { countCalls } from '../bench/calls.ts';
import { foresight } from '../bench/foresight.ts';
import { benchInbound } from '../bench/inbound.ts';
import { inboundReport } from '../bench/inboundReport.ts';
import { reportOf, type Parts } from '../bench/report.ts';
import { requeue } from '../bench/requeue.ts';
import type { Part } from '../bench/rig.ts';
import { sustained } from '../bench/sustained.ts';
import { buildPackage } from '../build.ts';
import { commandLine } from '../commandLine.ts';
import { table } from '../table.ts';

const { values: flags, positionals } = commandLine(import.meta.filename, {
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
  },
});
const [side] = positionals;
if (side !== 'outbound' && side !== 'inbound') {
  console.error(
    'Usage: npm run bench -- outbound [--only sustained|calls|foresight|requeue] [--quick] [--json]\n' +
      '       npm run bench -- inbound [--quick] [--json]',
  );
  process.exit(2);
}

const startedAt = performance.now();
const minutes = (): string => ((performance.now() - startedAt) / 60_000).toFixed(1).padStart(4);
const appFolder = join(import.meta.dirname, '..', '..', '.local', `bench-package-${String(process.pid)}`);
const partOf = (name: string): Part => ({
  appFolder,
  say: (detail) => {
    console.log(`${minutes()} min  ${name}: ${detail}`);
  },
});

// An exit ends the emulators and, with its standard input, every host; a signal by itself would leave them.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

if (side === 'inbound') {
  const size = flags.quick ? { messages: 500, rounds: 1 } : { messages: 10_000, rounds: 3 };
  const figures = await benchInbound(partOf(side).say, size).catch((error: unknown) => {
    console.error(`It broke off: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(1);
  });
  const report = inboundReport(figures);
  if (!flags.json) {
    console.log(`\n${table(['what', 'how', 'figure', 'should be', ''], report.rows)}`);
    console.log(`\nThe whole took ${minutes().trim()} minutes.`);
  }
  console.log(JSON.stringify(report.json));
  process.exit(report.ok ? 0 : 1);
}

const sizes = flags.quick
  ? {
      sustained: { minutes: 2, backlogCount: 200, urgentCount: 1, pickUpCount: 5 },
      calls: [50, 100, 200],
      foresight: { backlogCount: 60, dayMessageCount: 24 },
      requeue: [100],
    }
  : {
      sustained: { minutes: 15, backlogCount: 10_000, urgentCount: 8, pickUpCount: 100 },
      calls: [100, 1_000, 10_000],
      foresight: { backlogCount: 1_000, dayMessageCount: 80 },
      requeue: [100, 1_000],
    };

const runs: Readonly<Record<keyof Parts, (part: Part) => Promise<Partial<Parts>>>> = {
  sustained: async (part) => ({ sustained: await sustained(part, sizes.sustained) }),
  calls: async (part) => ({ calls: await countCalls(part, sizes.calls) }),
  foresight: async (part) => ({ foresight: await foresight(part, sizes.foresight) }),
  requeue: async () => ({ requeue: await requeue(sizes.requeue) }),
};

// The forecast follows the deep backlogs, which keep both cores busy: it would foresee that and then see it end.
const sideBySide = [['sustained'], ['calls', 'foresight'], ['requeue']] as const;
const wanted = sideBySide
  .map((names) => names.filter((name) => flags.only === undefined || flags.only === name))
  .filter((names) => names.length > 0);
if (wanted.length === 0) {
  console.error(`There is no part ${String(flags.only)}; there are ${Object.keys(runs).join(', ')}.`);
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
          // A part that breaks off does not take the figures of the others with it.
          failed.push(name);
          partOf(name).say(`broke off: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
    }),
  );
  const report = reportOf(parts);
  if (!flags.json) {
    console.log(`\n${table(['what', 'how', 'figure', 'should be', ''], report.rows)}`);
    for (const { title, heads, rows } of report.more) console.log(`\n${title}\n${table(heads, rows)}`);
    console.log(`\nThe whole took ${minutes().trim()} minutes.`);
  }
  console.log(JSON.stringify(report.json));
  process.exitCode = report.ok && failed.length === 0 ? 0 : 1;
} finally {
  rmSync(appFolder, { recursive: true, force: true });
}
