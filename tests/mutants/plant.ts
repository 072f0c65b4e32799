// Plants a bug in a copy of the tree and runs its check there. The copy has the code, the tests and a link to the
// installed packages; it is gone afterwards.
import { spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Findings } from './check.ts';
import { fakeMutants } from './fakes.ts';
import { inboundMutants } from './inbound.ts';
import type { Check, Edit, Mutant } from './mutant.ts';
import { outboundMutants } from './outbound.ts';

const root = dirname(dirname(import.meta.dirname));
const copied = ['package.json', 'jest.config.js', 'tsconfig.json', 'shared', 'tests', 'local'] as const;
const mostMs = 300_000;

export const mutants: readonly Mutant[] = [...outboundMutants, ...inboundMutants, ...fakeMutants];

/** Whether the check failed, and its message. */
export interface CheckResult {
  readonly caught: boolean;
  readonly detail: string;
}

/** Makes a copy of the tree with the edits for `use`, and removes it. Throws if an edit does not apply. */
export async function planted<T>(edits: readonly Edit[], use: (copy: string) => Promise<T>): Promise<T> {
  const copy = await mkdtemp(join(tmpdir(), 'esm-mail-bridge-mutant-'));
  try {
    for (const name of copied) await cp(join(root, name), join(copy, name), { recursive: true });
    await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
    const misfits = await plantIn(edits, copy);
    if (misfits.length > 0) throw new Error(misfits.join('\n'));
    return await use(copy);
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

/** Applies the edits to a copy; without one, only reports those that do not apply. A missing file counts as empty. */
export async function plantIn(edits: readonly Edit[], copy?: string): Promise<readonly string[]> {
  const texts = new Map<string, string>();
  const misfits: string[] = [];
  for (const { file, find, replace } of edits) {
    const text = texts.get(file) ?? (await readFile(join(copy ?? root, file), 'utf8').catch(() => ''));
    const parts = text.split(find);
    if (parts.length !== 2) misfits.push(`${file} contains ${parts.length - 1} times: ${find}`);
    texts.set(file, parts.join(replace));
  }
  if (copy !== undefined) for (const [file, text] of texts) await writeFile(join(copy, file), text);
  return misfits;
}

/** Runs a check in a copy. */
export async function runCheck(check: Check, copy: string): Promise<CheckResult> {
  if (check.by === 'test') {
    const named = check.name === undefined ? [] : ['-t', check.name];
    const jest = join(root, 'node_modules', '.bin', 'jest');
    const options = '--experimental-vm-modules --disable-warning=ExperimentalWarning';
    const { status, output } = await run(jest, ['--silent', check.file, ...named], copy, {
      NODE_OPTIONS: options,
    });
    const failed = /●.*›?.*$/m.exec(output)?.[0].replace(/^.*●\s*/, '') ?? '';
    const ran =
      /^Tests:.*\b[1-9]\d* (passed|failed)/m.test(output) || output.includes('Test suite failed to run');
    if (!ran) throw new Error(`no test ran for ${check.file} ${check.name ?? ''}:\n${output.slice(-2_000)}`);
    return { caught: status !== 0, detail: `test: ${failed === '' ? check.file : failed}` };
  }
  const { profile, messages, seeds } = check;
  const script = join(copy, 'tests', 'mutants', 'check.ts');
  const args = [
    '--disable-warning=ExperimentalWarning',
    script,
    profile,
    String(messages),
    ...seeds.map(String),
  ];
  const { status, output } = await run(process.execPath, args, copy, { NODE_OPTIONS: '' });
  if (status !== 0) return { caught: true, detail: `the run ended: ${output.slice(-300).trim()}` };
  const findings = JSON.parse(output.trim().split('\n').at(-1) ?? '{}') as Findings;
  const first = findings.violations.find(
    (detail) => check.by === 'figure' || detail.startsWith(check.kind ?? ''),
  );
  if (first !== undefined) return { caught: true, detail: `${profile}: ${first.split('\n')[0] ?? ''}` };
  if (check.by === 'violation') return { caught: false, detail: `${profile}: nothing violated` };
  const value = findings[check.figure];
  return {
    caught: value > check.atMost,
    detail: `${profile}: ${check.figure} ${Math.round(100 * value) / 100}, at most ${check.atMost}`,
  };
}

function run(
  command: string,
  args: readonly string[],
  cwd: string,
  environment: Readonly<Record<string, string>>,
): Promise<{ readonly status: number; readonly output: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env: { ...process.env, ...environment } });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
    const timer = setTimeout(() => child.kill('SIGKILL'), mostMs);
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ status: code ?? 1, output: Buffer.concat(chunks).toString() });
    });
  });
}
