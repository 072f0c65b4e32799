// npm run mutation -- PATH…: mutation testing (Stryker) of files or folders of shared/, by the tests of the same
// module: shared/classify is tested by tests/classify. Takes minutes to hours; results of mutants whose file and tests
// did not change are kept in .local/mutation. Ends with the table of what survived; status 1 below the threshold.
import { spawn } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { commandLine } from '../commandLine/commandLine.ts';

const root = join(import.meta.dirname, '..', '..');
const { positionals: paths } = commandLine(import.meta.filename, { allowPositionals: true, options: {} });

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
  const roots = modules
    .filter((one) => existsSync(join(root, 'tests', one ?? '')))
    .map((one) => `tests/${one ?? ''}`);
  const globs = paths.map((path) =>
    statSync(join(root, path)).isDirectory() ? `${path.replace(/\/$/, '')}/**/*.ts` : path,
  );
  const stryker = join(root, 'node_modules', '@stryker-mutator', 'core', 'bin', 'stryker.js');
  const child = spawn(process.execPath, [stryker, 'run', '--mutate', globs.join(',')], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, MUTATION_TESTS: roots.length === 0 ? 'tests' : roots.join(',') },
  });
  return new Promise((resolve) => {
    child.once('exit', (code) => {
      resolve(code ?? 1);
    });
  });
}
