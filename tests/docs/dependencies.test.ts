import { expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { dependencyPage, maxProductionPackages } from '../../local/build/dependencyPage.ts';
import { reasons } from '../../local/build/dependencyReasons.ts';
import { dependencyTree } from '../../local/build/dependencyTree.ts';

const root = join(import.meta.dirname, '../..');
const lockfile = (): unknown => JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));

/** Without sizes, which differ by platform, and without the padding of tables. */
const comparable = (page: string): string =>
  page
    .replaceAll(/\d+\.\d MB/g, 'N MB')
    .replaceAll(/[ -]{2,}/g, ' ')
    .replaceAll(/:? *\|/g, '|');

test('docs/dependencies.md is what the lockfile says: npm run dependencies', () => {
  expect(comparable(readFileSync(join(root, 'docs/dependencies.md'), 'utf8'))).toBe(
    comparable(dependencyPage()),
  );
});

test('every package has a reason, and no reason is of a package that has gone', () => {
  const { dependencies, devDependencies } = dependencyTree(lockfile());
  expect(Object.keys(reasons).sort()).toEqual(
    [...dependencies, ...devDependencies].map(({ name }) => name).sort(),
  );
});

test(`the shipped tree has at most ${String(maxProductionPackages)} packages`, () => {
  expect(dependencyTree(lockfile()).production.length).toBeLessThanOrEqual(maxProductionPackages);
});

test('what a root adds is what nothing else needs; the nearest copy is the one that is used', () => {
  const tree = dependencyTree({
    packages: {
      '': { dependencies: { a: '1', b: '1' }, devDependencies: { c: '1' } },
      'node_modules/a': { dependencies: { shared: '1', own: '1' }, optionalDependencies: { absent: '1' } },
      'node_modules/b': { dependencies: { shared: '2' } },
      'node_modules/c': { dependencies: { own: '1' } },
      'node_modules/own': { dependencies: { a: '1' } },
      'node_modules/shared': {},
      'node_modules/b/node_modules/shared': { dependencies: { own: '1' } },
    },
  });
  expect(tree.dependencies).toEqual([
    { name: 'a', version: '1', adds: [] },
    { name: 'b', version: '1', adds: ['node_modules/b', 'node_modules/b/node_modules/shared'] },
  ]);
  expect(tree.production).not.toContain('node_modules/c');
});
