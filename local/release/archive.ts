// The package as a zip whose bytes depend on nothing but the files: sorted, without the time of the build.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { zipSync } from 'fflate';

/** The earliest year that a zip can hold. Noon: the format has no zone. */
const mtime = '1980-01-02T12:00:00';
/** Unix, -rw-r--r--: without it the files would be unreadable for the platform's user. */
const attributes = { os: 3, attrs: 0o100644 << 16 };

/** A zip of the files in `folder`, without subfolders. */
export function archive(folder: string): Uint8Array {
  const names = readdirSync(folder).sort();
  const files = names.map((name) => [name, new Uint8Array(readFileSync(join(folder, name)))]);
  return zipSync(Object.fromEntries(files) as Record<string, Uint8Array>, { level: 9, mtime, ...attributes });
}
