import { afterAll, describe, expect, jest, test } from '@jest/globals';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { layOut } from './bench.ts';

// The compiler is another process, and the machine may be busy.
jest.setTimeout(120_000);

const bench = layOut();
afterAll(() => {
  bench.remove();
});

const files = bench.files();
const read = (): ReadonlyMap<string, string> =>
  new Map(files.map((file) => [file, readFileSync(join(bench.folder, file), 'utf8')]));
const sources = read();

// A warning does not change the CLI's exit status, and linting main.bicep says nothing of its modules: each
// command goes over every file, and any line of diagnostics fails the file that it names.
const patterns = [
  ['build', '**/*.bicep'],
  ['build-params', '**/*.bicepparam'],
  ['lint', '**/*.bicep'],
  ['lint', '**/*.bicepparam'],
] as const;
const said = patterns.flatMap(([command, pattern]) => {
  const run = bench.bicep(command, '--pattern', pattern);
  return (run.stdout + run.stderr).split('\n').filter((line) => line.trim() !== '');
});

// Formats in place: it is a copy.
bench.bicep('format', '--pattern', '**/*.bicep*');
const formatted = read();

describe.each(files)('infra/%s', (file) => {
  test('builds, and has nothing for the linter to say', () => {
    expect(said.filter((line) => line.includes(`${join(bench.folder, file)}(`))).toEqual([]);
  });

  test('is formatted', () => {
    expect(formatted.get(file)).toBe(sources.get(file));
  });
});

test('the check of the format bites', () => {
  const path = join(bench.folder, 'planted.bicep');
  writeFileSync(path, `var   x = 1\n`);
  try {
    bench.bicep('format', '--pattern', '**/*.bicep*');
    expect(readFileSync(path, 'utf8')).toBe('var x = 1\n');
  } finally {
    rmSync(path);
  }
});

test('the compiler says nothing at all', () => {
  expect(said).toEqual([]);
});

test('the check bites: an unused parameter is an error, an unknown type a warning, and both are seen', () => {
  const path = join(bench.folder, 'planted.bicep');
  writeFileSync(
    path,
    `param unused string\n\nresource x 'Microsoft.Web/sites@2099-01-01' = {\n  name: 'x'\n}\n`,
  );
  try {
    const { stderr } = bench.bicep('lint', '--pattern', '**/*.bicep');
    expect(stderr).toContain(`${path}(1,7) : Error no-unused-params`);
    expect(stderr).toContain(`${path}(3,12) : Warning BCP081`);
  } finally {
    rmSync(path);
  }
});

test('a misspelt property of a mailbox does not compile', () => {
  const path = join(bench.folder, 'planted.bicepparam');
  const mailbox = `{ address: 'a@contoso.example', signIn: 'application', recieve: true }`;
  writeFileSync(
    path,
    `using 'main.bicep'\n\nparam name = 'mail-x'\nparam network = 'public'\nparam mailboxes = [${mailbox}]\n`,
  );
  try {
    expect(bench.bicep('build-params', 'planted.bicepparam', '--stdout').stderr).toContain('"recieve"');
  } finally {
    rmSync(path);
  }
});

test('infra/ refers to nothing outside itself', () => {
  const outside = files.filter((file) => {
    const depth = file.split('/').length - 1;
    return [...(sources.get(file) ?? '').matchAll(/'((?:\.\.\/)+)/g)].some(
      (match) => String(match[1]).length / '../'.length > depth,
    );
  });
  expect(outside).toEqual([]);
});
