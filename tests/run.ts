// npm test: the gates, then every test that this machine can run, then a summary.
//
//   node tests/run.ts                all of it
//   node tests/run.ts --checks       the gates alone (npm run check)
//   node tests/run.ts PATTERN…       the tests whose path matches, without the gates
//
// Tests that need a system package lie in a folder of their own and run when the package is installed. With
// CI=1 a missing package is a failure. The last line is the sum over the gates and all runners.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parts } from './parts.ts';
import { gates } from './gates/gates.ts';

const root = dirname(import.meta.dirname);
const inCi = (process.env['CI'] ?? '') !== '';

/**
 * Suites of whole stacks in real time, which start many processes each: beside two others of their kind they wait longer
 * for the processor than a person would wait for an answer. And one that measures memory, which is freed late on a busy
 * processor. They run after the others, two at a time.
 */
const heavy = [
  'tests/acceptance/faults',
  'tests/crash/',
  'tests/inbound/largeMail',
  'tests/local/commands/operatorCommands',
  'tests/scenarios/',
  'tests/soak/',
];

interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

const total: Count = { passed: 0, failed: 0, skipped: 0 };
const report: string[] = [];
const [only, ...patterns] = process.argv.slice(2);

if (only === undefined || only === '--checks') await runGates();
if (only !== '--checks') await runTests(only === undefined ? [] : [only, ...patterns]);

console.log('');
for (const line of report) console.log(line);
console.log(
  `${String(total.passed)} passed, ${String(total.failed)} failed, ${String(total.skipped)} skipped`,
);
process.exitCode = total.failed > 0 ? 1 : 0;

async function runGates(): Promise<void> {
  for (const { name, command } of gates) {
    const startedAt = performance.now();
    const { status, output } = await run(command, 'kept');
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    if (status === 0) {
      total.passed++;
      console.log(`ok      ${name} (${seconds} s)`);
    } else {
      total.failed++;
      report.push(`FAILED  ${name}: ${command.join(' ')}`);
      console.log(`FAILED  ${name} (${seconds} s): ${command.join(' ')}\n${output}`);
    }
  }
}

async function runTests(wanted: readonly string[]): Promise<void> {
  const missing = parts.filter((part) => !part.present());
  const unavailable = missing.map(({ folder }) => `/${folder}/`);
  if (wanted.length > 0) {
    await runJest(wanted, unavailable);
    return;
  }
  await runJest([], [...unavailable, ...heavy]);
  await runJest(['--maxWorkers', '2', ...heavy], unavailable);
  for (const part of parts) {
    if (!missing.includes(part)) {
      report.push(`ran      ${part.name}: ${part.folder}`);
    } else if (inCi) {
      total.failed++;
      report.push(`FAILED   ${part.name} is missing, and CI must have it. ${part.remedy}`);
    } else {
      total.skipped++;
      report.push(`skipped  ${part.name}: ${part.folder}. ${part.remedy}`);
    }
  }
}

/** One run of Jest over everything but the paths that match `left`; its results come from its JSON file. */
async function runJest(wanted: readonly string[], left: readonly string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'esm-mail-bridge-tests-'));
  const results = join(folder, 'results.json');
  const ignored = left.flatMap((pattern) => ['--testPathIgnorePatterns', pattern]);
  try {
    const { status } = await run(
      ['jest', '--json', '--outputFile', results, '--silent=false', ...ignored, ...wanted],
      'shown',
      { NODE_OPTIONS: '--experimental-vm-modules --disable-warning=ExperimentalWarning' },
    );
    const counts = readResults(results);
    if (counts === undefined) {
      total.failed++;
      report.push(`FAILED  Jest ended with status ${String(status)} and wrote no results`);
      return;
    }
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
    if (status !== 0 && counts.failed === 0) {
      total.failed++;
      report.push(`FAILED  Jest ended with status ${String(status)}`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readResults(path: string): Count | undefined {
  try {
    const results = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    const count = (key: string): number => Number(results[key] ?? 0);
    return {
      passed: count('numPassedTests'),
      failed: count('numFailedTests') + count('numRuntimeErrorTestSuites'),
      skipped: count('numPendingTests') + count('numTodoTests'),
    };
  } catch {
    return undefined;
  }
}

function run(
  [name, ...args]: readonly [string, ...string[]],
  output: 'kept' | 'shown',
  environment: Record<string, string> = {},
): Promise<{ status: number; output: string }> {
  return new Promise((resolve) => {
    const kept: Buffer[] = [];
    const child = spawn(join(root, 'node_modules', '.bin', name), args, {
      cwd: root,
      env: { ...process.env, ...environment },
      // Jest's --json prints the results on stdout as well: only its report, on stderr, is for reading.
      stdio: ['ignore', output === 'kept' ? 'pipe' : 'ignore', output === 'kept' ? 'pipe' : 'inherit'],
      shell: process.platform === 'win32',
    });
    child.stdout?.on('data', (chunk: Buffer) => kept.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => kept.push(chunk));
    child.on('error', (error) => {
      resolve({ status: 1, output: error.message });
    });
    child.on('close', (code) => {
      resolve({ status: code ?? 1, output: Buffer.concat(kept).toString('utf8') });
    });
  });
}
