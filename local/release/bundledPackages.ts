// Which packages of the lockfile are in the bundle, by what the bundler says it took.
import { z } from 'zod';

/** A package of the lockfile. */
export interface LockedPackage {
  readonly name: string;
  readonly version: string;
  /** As in the lockfile: `sha512-` and base64. */
  readonly integrity?: string;
  readonly license?: string;
}

const lockfileShape = z.object({
  packages: z.record(
    z.string(),
    z.object({
      name: z.string().optional(),
      version: z.string().optional(),
      integrity: z.string().optional(),
      license: z.string().optional(),
    }),
  ),
});

/**
 * The packages of which at least one file was bundled, by name and version. `files` are paths from the root. Throws if a
 * file's package is not in the lockfile.
 */
export function bundledPackages(files: readonly string[], lockfile: unknown): readonly LockedPackage[] {
  const { packages } = lockfileShape.parse(lockfile);
  const found = new Map<string, LockedPackage>();
  for (const file of files) {
    const path = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file)?.[0];
    if (path === undefined) continue;
    const locked = packages[path];
    if (locked?.version === undefined) throw new Error(`${path} is bundled and not in package-lock.json.`);
    const { version, integrity, license } = locked;
    found.set(path, {
      name: locked.name ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length),
      version,
      ...(integrity === undefined ? {} : { integrity }),
      ...(license === undefined ? {} : { license }),
    });
  }
  const byId = new Map([...found.values()].map((one) => [`${one.name}@${one.version}`, one]));
  return [...byId].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, locked]) => locked);
}
