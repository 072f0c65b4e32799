// The packages of the lockfile by root: what each root brings, what would be gone without it, and how large that is.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const names = z.record(z.string(), z.string()).default({});
const lockfileShape = z.object({
  packages: z.record(
    z.string(),
    z.object({
      version: z.string().optional(),
      dependencies: names,
      devDependencies: names,
      optionalDependencies: names,
    }),
  ),
});
type Packages = z.infer<typeof lockfileShape>['packages'];

export interface Root {
  readonly name: string;
  readonly version: string;
  /** Paths of the packages that only this root needs, itself among them where nothing else needs it. */
  readonly adds: readonly string[];
}

export interface DependencyTree {
  /** Paths in the lockfile of everything that the shipped code can import. */
  readonly production: readonly string[];
  readonly dependencies: readonly Root[];
  readonly devDependencies: readonly Root[];
}

/** Reads the parsed package-lock.json. What one production root adds is counted against the other production roots. */
export function dependencyTree(lockfile: unknown): DependencyTree {
  const { packages } = lockfileShape.parse(lockfile);
  const root = packages[''];
  if (root === undefined) throw new Error('package-lock.json has no root package.');
  const needs = (roots: readonly string[]): ReadonlySet<string> => closure(packages, roots);
  const production = Object.keys(root.dependencies);
  const all = [...production, ...Object.keys(root.devDependencies)];
  const rootsOf = (written: Readonly<Record<string, string>>, among: readonly string[]): readonly Root[] =>
    Object.entries(written).map(([name, version]) => {
      const others = needs(among.filter((other) => other !== name));
      return { name, version, adds: [...needs([name])].filter((path) => !others.has(path)).sort() };
    });
  return {
    production: [...needs(production)].sort(),
    dependencies: rootsOf(root.dependencies, production),
    devDependencies: rootsOf(root.devDependencies, all),
  };
}

/** Everything that these packages of the project need, by the rules of node_modules. Each package is visited once. */
function closure(packages: Packages, roots: readonly string[]): ReadonlySet<string> {
  const seen = new Set<string>();
  const waiting = roots.flatMap((name) => find(packages, '', name));
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    const entry = packages[path];
    for (const name of Object.keys({ ...entry?.dependencies, ...entry?.optionalDependencies })) {
      waiting.push(...find(packages, path, name));
    }
  }
  return seen;
}

/** Where a package finds another: in its own folder, then further out. Empty for an optional one of another platform. */
function find(packages: Packages, from: string, name: string): readonly string[] {
  const folders = from === '' ? [] : from.split('/node_modules/');
  for (let depth = folders.length; depth >= 0; depth -= 1) {
    const folder = folders.slice(0, depth).join('/node_modules/');
    const path = folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`;
    if (packages[path] !== undefined) return [path];
  }
  return [];
}

/** The size of a package's own files in bytes; 0 if it is not installed, as for another platform. */
export function installedBytes(root: string, path: string): number {
  let bytes = 0;
  const folders = [join(root, path)];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    let listed;
    try {
      listed = readdirSync(folder, { withFileTypes: true });
    } catch {
      continue;
    }
    for (const one of listed) {
      if (one.isDirectory() && one.name !== 'node_modules') folders.push(join(folder, one.name));
      else if (one.isFile()) bytes += statSync(join(folder, one.name)).size;
    }
  }
  return bytes;
}
