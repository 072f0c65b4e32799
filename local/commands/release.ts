// npm run release: makes what is published, into `release/` or the folder named.
//   dist.zip      the package, for `az functionapp deployment source config-zip` and for unpacking before `func … publish`
//   sbom.cdx.json what the bundle contains (CycloneDX 1.6)
//   SHA256SUMS    of both, as sha256sum writes and checks them
//   --record      also records what this version writes, into tests/formats/VERSION (docs/release.md)
// The same source gives the same bytes.
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { buildPackage } from '../build/buildPackage.ts';
import { commandLine } from '../commandLine/commandLine.ts';
import { archive } from '../release/archive.ts';
import { bundledPackages } from '../release/bundledPackages.ts';
import { recordFormats } from '../release/recordFormats.ts';
import { sbom } from '../release/sbom.ts';

const root = join(import.meta.dirname, '..', '..');
const { values: flags, positionals } = commandLine(import.meta.filename, {
  options: { record: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const folder = resolve(positionals[0] ?? join(root, 'release'));

const { name, version, license } = z
  .object({ name: z.string(), version: z.string(), license: z.string() })
  .parse(readJson('package.json'));
const staging = mkdtempSync(join(tmpdir(), 'release-'));
try {
  const bundled = await buildPackage(staging);
  const zip = archive(staging);
  const packages = bundledPackages(bundled, readJson('package-lock.json'));
  const files = {
    'dist.zip': zip,
    'sbom.cdx.json': Buffer.from(sbom({ name, version, license, sha256: sha256(zip) }, packages)),
  };
  const sums = Object.entries(files).map(([file, bytes]) => `${sha256(bytes)}  ${file}\n`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [file, bytes] of Object.entries(files)) writeFileSync(join(folder, file), bytes);
  writeFileSync(join(folder, 'SHA256SUMS'), sums.join(''));
  console.log(`${name} ${version}, ${String(packages.length)} packages bundled, in ${folder}:`);
  console.log(sums.join('').trimEnd());
  if (flags.record) console.log(`Recorded what it writes: ${recordFormats(version)}`);
} finally {
  rmSync(staging, { recursive: true, force: true });
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(join(root, file), 'utf8'));
}
