// Stages the package: host.json, a package.json whose `main` is exact, and the bundles; nothing else, so that
// `func azure functionapp publish NAME --no-build` ships what was tested. Prints its size and how long it takes
// to load in a worker.
//
// One CommonJS file holds the functions with everything they need: it loads in a third of the time that a tree of
// packages takes. A thread's script is a bundle of its own, beside it; `new URL('./…/NAME.ts', import.meta.url)` in
// the source finds the one as TypeScript and, rewritten here to NAME.cjs, the other in the package.
import { execFile } from 'node:child_process';
import { readFileSync, rmSync, statSync, readdirSync, mkdirSync, copyFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { build, type Plugin } from 'esbuild';
import { z } from 'zod';

export const maxPackageBytes = 3 * 1024 * 1024;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const main = 'main.cjs';
// CommonJS has no import.meta, and the Azure packages make a `require` from it.
const importMetaUrl = "const __importMetaUrl=require('url').pathToFileURL(__filename).href;";

/** Builds the package into `folder`, which is emptied first. */
export async function buildPackage(folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const threads = new Set<string>();
  await bundle(join(root, 'functions/index.ts'), join(folder, main), threads);
  for (const script of [...threads]) {
    await bundle(script, join(folder, `${basename(script, '.ts')}.cjs`), threads);
  }
  copyFileSync(join(root, 'host.json'), join(folder, 'host.json'));
  const { name, version, license } = z
    .object({ name: z.string(), version: z.string(), license: z.string() })
    .parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')));
  const manifest = { name, version, private: true, license, main };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
}

/** Makes one file of `entry` and all it imports; adds to `threads` the scripts that it starts as threads. */
async function bundle(entry: string, outfile: string, threads: Set<string>): Promise<void> {
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node22',
    minify: true,
    legalComments: 'none',
    // The worker gives this module to the library; it is on no registry.
    external: ['@azure/functions-core'],
    define: { 'import.meta.url': '__importMetaUrl' },
    banner: { js: importMetaUrl },
    plugins: [findThreads(threads)],
    logLevel: 'warning',
  });
}

/** Points the source's references to a thread's script at its bundle. */
function findThreads(threads: Set<string>): Plugin {
  return {
    name: 'find-threads',
    setup: (build) => {
      build.onLoad({ filter: /[\\/]shared[\\/].*\.ts$/ }, ({ path }) => {
        const contents = readFileSync(path, 'utf8').replaceAll(
          /new URL\('(\.{1,2}\/[\w/]+)\.ts', import\.meta\.url\)/g,
          (_whole, script: string) => {
            threads.add(join(dirname(path), `${script}.ts`));
            return `new URL('./${basename(script)}.cjs', import.meta.url)`;
          },
        );
        return { contents, loader: 'ts' };
      });
    },
  };
}

if (import.meta.main) {
  const { positionals } = parseArgs({ allowPositionals: true });
  const folder = resolve(positionals[0] ?? join(root, 'dist'));
  await buildPackage(folder);
  let totalBytes = 0;
  for (const file of readdirSync(folder).sort()) {
    const path = join(folder, file);
    const sizeBytes = statSync(path).size;
    totalBytes += sizeBytes;
    const zipped = gzipSync(readFileSync(path)).length;
    console.log(`${file.padEnd(24)} ${kilobytes(sizeBytes)}  ${kilobytes(zipped)} zipped`);
  }
  const host = join(root, 'local', 'host', 'main.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [host, '--list', '--app', folder]);
  const { functions, loadMs } = z
    .object({ functions: z.array(z.object({ name: z.string() })), loadMs: z.number() })
    .parse(JSON.parse(stdout));
  console.log(`${'together'.padEnd(24)} ${kilobytes(totalBytes)}  loads in ${loadMs} ms`);
  console.log(`functions: ${functions.map(({ name }) => name).join(', ')}`);
  if (totalBytes > maxPackageBytes) {
    console.error(`The package is larger than ${kilobytes(maxPackageBytes)}.`);
    process.exitCode = 1;
  }
}

function kilobytes(sizeBytes: number): string {
  return `${(sizeBytes / 1024).toFixed(0).padStart(5)} KiB`;
}
