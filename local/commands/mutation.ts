// npm run mutation -- PATH…: mutation testing (Stryker) of files or folders of shared/, by the tests that are about that
// folder alone (below): each mutant waits for them, and simulations and scenarios would take days. Takes minutes to
// hours; results of mutants whose file and tests did not change are kept in .local/mutation. Ends with the table of what
// survived.
import { spawn } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { commandLine } from '../commandLine/commandLine.ts';

const root = join(import.meta.dirname, '..', '..');
const { positionals: paths } = commandLine(import.meta.filename, { allowPositionals: true, options: {} });

/** The tests of each folder that are judged here; tests/MODULE for any other. */
const testsOf: Readonly<Record<string, readonly string[]>> = {
  'shared/outbound/policy': [
    'tests/outbound/policy',
    'tests/outbound/judgeReply.test.ts',
    'tests/outbound/attemptEnd.test.ts',
  ],
  'shared/outbound/records': ['tests/outbound/records', 'tests/outbound/rows.test.ts'],
  'shared/contract': ['tests/contract', 'tests/config/published.test.ts'],
  'shared/oauth': [
    'tests/oauth/judgements.test.ts',
    'tests/oauth/errorResponse.test.ts',
    'tests/oauth/errorBodies.test.ts',
  ],
};

process.exitCode = await main();

async function main(): Promise<number> {
  const modules = paths.map((path) => /^(?:\.\/)?shared\/([a-z]+)/i.exec(path)?.[1]);
  const unknown = paths.find((path, n) => modules[n] === undefined || !existsSync(join(root, path)));
  if (paths.length === 0 || unknown !== undefined) {
    console.error(
      unknown === undefined
        ? 'npm run mutation -- PATH…: name at least one file or folder of shared/.'
        : `${unknown} is no file or folder of shared/; write it as it is seen from the root of the project.`,
    );
    return 2;
  }
  const tests = paths.flatMap(
    (path, n) =>
      Object.entries(testsOf).find(([folder]) => path.replace(/^\.\//, '').startsWith(folder))?.[1] ?? [
        existsSync(join(root, 'tests', modules[n] ?? '')) ? `tests/${modules[n] ?? ''}` : 'tests',
      ],
  );
  const globs = paths.map((path) =>
    statSync(join(root, path)).isDirectory() ? `${path.replace(/\/$/, '')}/**/*.ts` : path,
  );
  const stryker = join(root, 'node_modules', '@stryker-mutator', 'core', 'bin', 'stryker.js');
  const child = spawn(process.execPath, [stryker, 'run', '--mutate', globs.join(',')], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, MUTATION_TESTS: [...new Set(tests)].join(',') },
  });
  return new Promise((resolve) => {
    child.once('exit', (code) => {
      resolve(code ?? 1);
    });
  });
}
