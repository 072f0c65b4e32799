// What `npm run release` makes: the same bytes each time, and a bill of materials that is of the bundle.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { unzipSync } from 'fflate';
import { bundledPackages } from '../../local/release/bundledPackages.ts';
import { sbom } from '../../local/release/sbom.ts';
import { bomProblems } from './cycloneDx.ts';

const root = join(import.meta.dirname, '../..');
const folders: string[] = [];

async function release(): Promise<Readonly<Record<string, Buffer>>> {
  const folder = mkdtempSync(join(tmpdir(), 'release-test-'));
  folders.push(folder);
  await promisify(execFile)(process.execPath, [join(root, 'local/commands/release.ts'), folder]);
  return Object.fromEntries(
    ['dist.zip', 'sbom.cdx.json', 'SHA256SUMS'].map((file) => [file, readFileSync(join(folder, file))]),
  );
}

let files: Readonly<Record<string, Buffer>>;
beforeAll(async () => {
  files = await release();
}, 120_000);
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
const file = (name: string): Buffer => files[name] ?? Buffer.alloc(0);

test('the same source gives the same bytes', async () => {
  expect(await release()).toEqual(files);
}, 120_000);

test('the checksums are those of the files, as sha256sum reads them', () => {
  const sum = (name: string): string => createHash('sha256').update(file(name)).digest('hex');
  expect(file('SHA256SUMS').toString()).toBe(
    `${sum('dist.zip')}  dist.zip\n${sum('sbom.cdx.json')}  sbom.cdx.json\n`,
  );
});

test('the zip holds the package, at its root', () => {
  const names = Object.keys(unzipSync(file('dist.zip')));
  expect(names).toEqual(expect.arrayContaining(['host.json', 'main.mjs', 'package.json']));
  expect(names.filter((name) => name.includes('/'))).toEqual([]);
});

interface Bom {
  readonly bomFormat: string;
  readonly specVersion: string;
  readonly metadata: { readonly component: { readonly hashes: readonly { readonly content: string }[] } };
  readonly components: readonly { readonly purl: string; readonly hashes?: readonly object[] }[];
  readonly dependencies: readonly { readonly dependsOn: readonly string[] }[];
}

test('the bill of materials names what is bundled, with hashes, and nothing that only tests need', () => {
  const bom = JSON.parse(file('sbom.cdx.json').toString()) as Bom;
  expect(bom).toMatchObject({ bomFormat: 'CycloneDX', specVersion: '1.6' });
  expect(bom.metadata.component.hashes[0]?.content).toBe(
    createHash('sha256').update(file('dist.zip')).digest('hex'),
  );
  const purls = bom.components.map(({ purl }) => purl);
  expect(new Set(purls).size).toBe(purls.length);
  for (const name of ['imapflow', 'nodemailer', 'zod', '%40azure/data-tables'])
    expect(purls.some((purl) => purl.startsWith(`pkg:npm/${name}@`))).toBe(true);
  for (const name of ['jest', 'azurite', 'esbuild', 'typescript'])
    expect(purls.filter((purl) => purl.startsWith(`pkg:npm/${name}@`))).toEqual([]);
  expect(bom.components.every(({ hashes }) => hashes?.length === 1)).toBe(true);
  expect(bom.dependencies[0]?.dependsOn).toEqual(purls);
});

describe('the form of the bill of materials', () => {
  const made = (): Record<string, unknown> =>
    JSON.parse(file('sbom.cdx.json').toString()) as Record<string, unknown>;

  test('is CycloneDX 1.6', () => {
    expect(bomProblems(made())).toEqual([]);
  });

  type Damage = (bom: Record<string, unknown>, first: Record<string, unknown>) => void;
  test.each<[string, Damage, RegExp]>([
    ['a field that does not exist', (bom) => (bom['author'] = 'x'), /Unrecognized key/],
    ['another version of the format', (bom) => (bom['specVersion'] = '1.4'), /specVersion/],
    ['a version below 1', (bom) => (bom['version'] = 0), /version/],
    [
      'a kind of component that does not exist',
      (_, first) => (first['type'] = 'package'),
      /components\.0\.type/,
    ],
    [
      'a hash in base64',
      (_, first) => (first['hashes'] = [{ alg: 'SHA-512', content: 'AAAA==' }]),
      /content/,
    ],
    [
      'a hash by the lockfile’s name',
      (_, first) => (first['hashes'] = [{ alg: 'sha512', content: 'a'.repeat(128) }]),
      /alg/,
    ],
    [
      'two expressions of licences',
      (_, first) => (first['licenses'] = [{ expression: 'MIT' }, { expression: 'ISC' }]),
      /licenses/,
    ],
    ['a purl with a bare scope', (_, first) => (first['purl'] = 'pkg:npm/@azure/identity@1.0.0'), /purl/],
    ['two components of one ref', (bom, first) => (bom['components'] = [first, first]), /twice/],
    [
      'a dependency that is no component',
      (bom) => (bom['dependencies'] = [{ ref: 'nobody' }]),
      /nobody is no component/,
    ],
  ])('%s is noticed', (_name, damage, said) => {
    const bom = made();
    const [first = {}] = bom['components'] as Record<string, unknown>[];
    damage(bom, first);
    expect(bomProblems(bom).join('; ')).toMatch(said);
  });
});

describe('the packages of bundled files', () => {
  const lockfile = {
    packages: {
      'node_modules/a': { version: '1.0.0', integrity: 'sha512-AAAA', license: 'MIT' },
      'node_modules/a/node_modules/@s/b': { version: '2.0.0', license: 'MIT OR Apache-2.0' },
    },
  };

  test('by the innermost node_modules, once each; our own files are none', () => {
    const found = bundledPackages(
      ['shared/x.ts', 'node_modules/a/i.js', 'node_modules/a/j.js', 'node_modules/a/node_modules/@s/b/k.js'],
      lockfile,
    );
    expect(found.map(({ name, version }) => `${name}@${version}`)).toEqual(['@s/b@2.0.0', 'a@1.0.0']);
  });

  test('one that the lockfile does not have is an error, not an omission', () => {
    expect(() => bundledPackages(['node_modules/c/i.js'], lockfile)).toThrow('node_modules/c is bundled');
  });

  test('a licence of several is an expression', () => {
    const text = sbom(
      { name: 'n', version: '1.0.0', license: 'MIT', sha256: 'ab' },
      bundledPackages(['node_modules/a/node_modules/@s/b/k.js'], lockfile),
    );
    expect(JSON.parse(text)).toMatchObject({
      components: [{ group: '@s', name: 'b', licenses: [{ expression: 'MIT OR Apache-2.0' }] }],
    });
  });
});
