// The launcher's installation, with an npm of our own in PATH.
import { afterEach, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** What the launcher prints and ends with if `npm ci` is this shell script. */
function install(npm: string): { readonly status: number | null; readonly stderr: string } {
  const folder = mkdtempSync(join(tmpdir(), 'start-'));
  folders.push(folder);
  mkdirSync(join(folder, 'local'));
  mkdirSync(join(folder, 'bin'));
  cpSync(join(import.meta.dirname, '../../local/start.mjs'), join(folder, 'local/start.mjs'));
  writeFileSync(join(folder, 'package-lock.json'), '{"packages":{}}');
  writeFileSync(join(folder, 'script.mjs'), '');
  writeFileSync(join(folder, 'bin/npm'), `#!/bin/sh\n${npm}\n`, { mode: 0o755 });
  return spawnSync(process.execPath, [join(folder, 'local/start.mjs'), 'script.mjs'], {
    encoding: 'utf8',
    env: { ...process.env, PATH: [join(folder, 'bin'), process.env['PATH']].join(delimiter) },
  });
}

test('140 lines of EBADENGINE looked as if it would not work: they are left out, every other warning is shown', () => {
  const { status, stderr } = install(
    `printf '%s\\n' 'npm warn EBADENGINE Unsupported engine {' 'npm warn EBADENGINE   package: "a@1",' 'npm warn EBADENGINE }' 'npm warn deprecated b@1: no longer kept' >&2`,
  );
  expect(status).toBe(0);
  expect(stderr).toBe(
    'Installing the packages of package-lock.json (npm ci) …\nnpm warn deprecated b@1: no longer kept\n',
  );
});

test('a failed installation shows what npm said and ends with its status', () => {
  const { status, stderr } = install(`echo 'npm error code E404' >&2; exit 3`);
  expect(status).toBe(3);
  expect(stderr).toContain('npm error code E404\n');
  expect(stderr).toContain('npm ci failed with status 3.');
});
