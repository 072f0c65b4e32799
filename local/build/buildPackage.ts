//   node local/build/buildPackage.ts [FOLDER]           the function package (dist/)
//   node local/build/buildPackage.ts intake [FOLDER]    the SMTP intake (dist-intake/)
//
// Stages the package: host.json, a package.json whose `main` is exact, and the bundle; nothing else, so that
// `func azure functionapp publish NAME --no-build` ships what was tested. Prints its size and how long it takes
// to load in a worker.
//
// The bundle is ES modules. A script that runs as a thread is called …Worker.ts and becomes …Worker.mjs beside
// `main.mjs`, where `new URL('./…/NAMEWorker.ts', import.meta.url)` of the source finds it; what both need, and what is imported only when it is needed, is in chunks of
// its own. Bundled it loads in a third of the time that a tree of packages takes.
import { execFile } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  globSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { build, type Plugin } from 'esbuild';
import { z } from 'zod';

export const maxPackageBytes = 5_000_000;
export const maxPackageFiles = 12;
/** Of `main.mjs` with all that it imports statically: the host waits for these before it starts any function. */
export const maxStaticBytes = 500_000;

const root = join(import.meta.dirname, '..', '..');
const threadScript = /new URL\('(\.{1,2}\/[\w/]+Worker)\.ts', import\.meta\.url\)/g;

// The packages written as CommonJS expect these three; an ES module has none of them.
const commonJsNames =
  "import{createRequire as __createRequire}from'node:module';import{fileURLToPath as __toPath}from'node:url';" +
  'const require=__createRequire(import.meta.url),__filename=__toPath(import.meta.url),' +
  "__dirname=__toPath(new URL('.',import.meta.url));";

/** Parts of packages that are not used, by file. Calling one throws an error. */
const leftOut: readonly { readonly file: RegExp; readonly exports: readonly string[] }[] = [
  // Listing blobs as Arrow tables; the default is XML.
  { file: /[\\/]apache-arrow[\\/].*\.m?js$/, exports: ['tableFromIPC'] },
  // Checksums of blobs beyond what HTTPS gives; off unless asked for.
  { file: /[\\/]@azure[\\/]storage-common[\\/]dist[\\/]esm[\\/]crc64\.js$/, exports: ['default'] },
  // Opens a browser on the machine, for an interactive sign-in.
  { file: /[\\/]node_modules[\\/]open[\\/]index\.js$/, exports: ['default'] },
  // IMAP through a SOCKS proxy.
  { file: /[\\/]socks[\\/]build[\\/]index\.js$/, exports: ['SocksClient'] },
];

/** Builds the package into `folder`, which is emptied first. Returns the paths of all that is bundled, from the root. */
export async function buildPackage(folder: string): Promise<readonly string[]> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const { metafile } = await build({
    absWorkingDir: root,
    metafile: true,
    entryPoints: [{ in: join(root, 'functions/index.ts'), out: 'main' }, ...threads()],
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node22',
    minify: true,
    legalComments: 'none',
    // The worker gives this module to the library; it is on no registry.
    external: ['@azure/functions-core'],
    banner: { js: commonJsNames },
    plugins: [ownSource, slimmer],
    logLevel: 'warning',
  });
  copyFileSync(join(root, 'host.json'), join(folder, 'host.json'));
  const { name, version, license } = z
    .object({ name: z.string(), version: z.string(), license: z.string() })
    .parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')));
  const manifest = { name, version, private: true, license, main: 'main.mjs' };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
  const bundled = Object.values(metafile.outputs).flatMap(({ inputs }) =>
    Object.entries(inputs).filter(([, { bytesInOutput }]) => bytesInOutput > 0),
  );
  return [...new Set(bundled.map(([path]) => path))].sort();
}

/** The size of a module of the package together with all that it imports statically, in bytes. */
export async function staticBytes(folder: string, file: string): Promise<number> {
  const seen = new Set<string>();
  const waiting = [file];
  let bytes = 0;
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    const text = await readFile(join(folder, name));
    bytes += text.length;
    for (const [, imported = ''] of text.toString('utf8').matchAll(staticImport)) waiting.push(imported);
  }
  return bytes;
}

/** As the bundler writes it: `from"./x.mjs"` or `import"./x.mjs"`; one on demand has a parenthesis. */
const staticImport = /\b(?:from|import)\s*"\.\/([\w.-]+\.mjs)"/g;

/** The scripts that run as threads, each an entry of its own. */
function threads(): readonly { readonly in: string; readonly out: string }[] {
  return globSync('shared/**/*Worker.ts', { cwd: root }).map((file) => ({
    in: join(root, file),
    out: basename(file, '.ts'),
  }));
}

/**
 * Points the source's references to a thread's script at its bundle, and names the schema library in the form
 * that lets the bundler leave out what is not used of it, its messages in fifty languages among that.
 */
const ownSource: Plugin = {
  name: 'own-source',
  setup: (building) => {
    building.onLoad({ filter: /[\\/]shared[\\/].*\.ts$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8')
        .replace("import { z } from 'zod';", "import * as z from 'zod';")
        .replaceAll(
          threadScript,
          (_whole, script: string) => `new URL('./${basename(script)}.mjs', import.meta.url)`,
        ),
      loader: 'ts',
    }));
  },
};

/** Keeps the package small: what is there twice, and what nothing here uses. */
const slimmer: Plugin = {
  name: 'slimmer',
  setup: (building) => {
    // Half of its users require the one build of this package, half import the other: one is enough.
    building.onResolve({ filter: /^libmime$/ }, ({ kind, resolveDir }) =>
      kind === 'require-call'
        ? building.resolve('libmime', { kind: 'import-statement', resolveDir })
        : undefined,
    );
    // Guesses a type from a file's name; the composer always gives one, as the submission's contract asks.
    building.onLoad(
      { filter: /[\\/]nodemailer[\\/]dist[\\/]esm[\\/]mime-funcs[\\/]mime-types\.js$/ },
      () => ({
        contents: `export const detectMimeType = () => 'application/octet-stream'; export const detectExtension = () => 'bin';`,
        loader: 'js',
      }),
    );
    for (const { file, exports } of leftOut) {
      const stub = (name: string): string =>
        `const ${name === 'default' ? 'missing' : name} = function () { throw new Error('left out of the bundle'); };` +
        `export ${name === 'default' ? 'default missing' : `{ ${name} }`};`;
      building.onLoad({ filter: file }, () => ({ contents: exports.map(stub).join('\n'), loader: 'js' }));
    }
  },
};

/**
 * Builds the SMTP intake into `folder`, which is emptied first: one script that runs on Node alone, and what packages
 * it. CommonJS, so that it runs wherever it lies, without a package.json beside it.
 */
export async function buildIntake(folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const { version } = z
    .object({ version: z.string() })
    .parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')));
  await build({
    entryPoints: [join(root, 'intake/main.ts')],
    outfile: join(folder, 'intake.js'),
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node22',
    minify: true,
    legalComments: 'none',
    define: { intakeVersion: JSON.stringify(version) },
    logLevel: 'warning',
  });
  cpSync(join(root, 'intake/packaging'), folder, { recursive: true });
}

if (import.meta.main) {
  const { positionals } = parseArgs({ allowPositionals: true });
  if (positionals[0] === 'intake') {
    const folder = resolve(positionals[1] ?? join(root, 'dist-intake'));
    await buildIntake(folder);
    console.log(
      `${join(folder, 'intake.js')}, ${kilobytes(statSync(join(folder, 'intake.js')).size).trim()}`,
    );
    process.exit();
  }
  const folder = resolve(positionals[0] ?? join(root, 'dist'));
  await buildPackage(folder);
  let totalBytes = 0;
  let zippedBytes = 0;
  for (const file of readdirSync(folder).sort()) {
    const sizeBytes = statSync(join(folder, file)).size;
    totalBytes += sizeBytes;
    zippedBytes += gzipSync(readFileSync(join(folder, file))).length;
    console.log(`${file.padEnd(24)} ${kilobytes(sizeBytes)}`);
  }
  const host = join(root, 'local', 'functionsHost', 'main.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [host, '--list', '--app', folder]);
  const { functions, loadMs } = z
    .object({ functions: z.array(z.object({ name: z.string() })), loadMs: z.number() })
    .parse(JSON.parse(stdout));
  console.log(`${'together'.padEnd(24)} ${kilobytes(totalBytes)}, ${kilobytes(zippedBytes).trim()} zipped`);
  console.log(`Loads in ${loadMs} ms and registers ${functions.map(({ name }) => name).join(', ')}.`);
  const waitedFor = await staticBytes(folder, 'main.mjs');
  console.log(`main.mjs with what it imports statically: ${kilobytes(waitedFor).trim()}.`);
  for (const [excess, complaint] of [
    [totalBytes > maxPackageBytes, `The package is larger than ${kilobytes(maxPackageBytes).trim()}.`],
    [
      waitedFor > maxStaticBytes,
      `main.mjs imports more than ${kilobytes(maxStaticBytes).trim()} statically.`,
    ],
    [readdirSync(folder).length > maxPackageFiles, `It has more than ${String(maxPackageFiles)} files.`],
  ] as const) {
    if (!excess) continue;
    console.error(complaint);
    process.exitCode = 1;
  }
}

function kilobytes(sizeBytes: number): string {
  return `${(sizeBytes / 1024).toFixed(0).padStart(5)} KiB`;
}
