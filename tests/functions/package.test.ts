import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  buildPackage,
  maxPackageBytes,
  maxPackageFiles,
  maxStaticBytes,
  staticBytes,
} from '../../local/build/buildPackage.ts';
import { systemClock } from '../../shared/clock.ts';
import { createMimeParser } from '../../shared/exchange/mimeParser.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

interface Listed {
  readonly functions: readonly {
    readonly name: string;
    readonly bindings: Record<string, Record<string, unknown>>;
  }[];
  readonly hooks: readonly string[];
}

/** Registered only if EVENTS_TO says so. */
const ofTheConnector = ['deliverToEsm', 'reportToEsm'];

let folder: string;
let listed: Listed;

beforeAll(async () => {
  // Away from the project, so that nothing is found in its node_modules.
  folder = await mkdtemp(join(tmpdir(), 'package-'));
  await buildPackage(folder);
  const host = join(root, 'local/functionsHost/main.ts');
  const { stdout } = await run(process.execPath, [host, '--list', '--app', folder]);
  listed = JSON.parse(stdout) as Listed;
}, 60_000);
afterAll(async () => {
  await rm(folder, { recursive: true });
});

/** What the trigger says, without the name that the library makes up. */
function triggerOf(name: string): Record<string, unknown> {
  const bindings = listed.functions.find((each) => each.name === name)?.bindings ?? {};
  const [trigger = {}, ...others] = Object.values(bindings);
  expect(others).toEqual([]);
  return Object.fromEntries(
    Object.entries(trigger).filter(([key]) => key !== 'name' && key !== 'properties'),
  );
}

describe('the package', () => {
  test('holds host.json, package.json and the bundle, and nothing else', async () => {
    const files = await readdir(folder, { recursive: true });
    const unknown = files.filter((file) => !/^(host\.json|package\.json|[\w.-]+\.mjs)$/.test(file));
    expect(unknown).toEqual([]);
    expect(files).toEqual(expect.arrayContaining(['host.json', 'package.json', 'main.mjs']));
    expect(await readFile(join(folder, 'host.json'), 'utf8')).toBe(
      await readFile(join(root, 'host.json'), 'utf8'),
    );
  });

  test('names one file exactly as its main', async () => {
    const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    expect(manifest).toMatchObject({ main: 'main.mjs', private: true });
    expect(manifest).not.toHaveProperty('dependencies');
  });

  test('is small enough', async () => {
    const sizes = await Promise.all(
      (await readdir(folder)).map(async (file) => (await stat(join(folder, file))).size),
    );
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(maxPackageBytes);
  });

  test('has few files', async () => {
    expect((await readdir(folder)).length).toBeLessThanOrEqual(maxPackageFiles);
  });

  test('makes the host wait for little: main and what it imports statically', async () => {
    expect(await staticBytes(folder, 'main.mjs')).toBeLessThanOrEqual(maxStaticBytes);
  });

  test('what is imported on demand counts only if it is imported statically too', async () => {
    const planted = await mkdtemp(join(tmpdir(), 'package-'));
    await writeFile(join(planted, 'main.mjs'), `import{a}from"./a.mjs";const b=()=>import("./b.mjs");`);
    await writeFile(join(planted, 'a.mjs'), `import"./c.mjs";export{d}from"./d.mjs";`);
    await writeFile(join(planted, 'b.mjs'), 'x'.repeat(900));
    await writeFile(join(planted, 'c.mjs'), 'x'.repeat(100));
    await writeFile(join(planted, 'd.mjs'), 'x'.repeat(10));
    const written = await Promise.all(['main.mjs', 'a.mjs'].map((file) => stat(join(planted, file))));
    expect(await staticBytes(planted, 'main.mjs')).toBe(
      110 + written.reduce((sum, { size }) => sum + size, 0),
    );
    await rm(planted, { recursive: true });
  });

  test('names no folder of the machine that built it', async () => {
    const bundles = (await readdir(folder)).filter((file) => file.endsWith('.mjs'));
    for (const file of bundles) expect(await readFile(join(folder, file), 'utf8')).not.toContain(root);
  });
});

describe('the bundle registers', () => {
  test('every trigger file, under its own name', async () => {
    const files = (await readdir(join(root, 'functions'))).map((file) => file.replace(/\.ts$/, ''));
    const names = files.filter((name) => !['index', 'appTerminate', ...ofTheConnector].includes(name));
    expect(listed.functions.map(({ name }) => name).sort()).toEqual(names.sort());
  });

  test('with EVENTS_TO esm the connector’s two consumers, too', async () => {
    const { stdout } = await run(
      process.execPath,
      [join(root, 'local/functionsHost/main.ts'), '--list', '--app', folder],
      { env: { ...process.env, EVENTS_TO: 'esm' } },
    );
    const { functions } = JSON.parse(stdout) as Listed;
    const others = listed.functions.map(({ name }) => name);
    expect(functions.map(({ name }) => name).sort()).toEqual([...others, ...ofTheConnector].sort());
  });

  test('the hook that ends its drains when the host stops', () => {
    expect(listed.hooks).toContain('appTerminate');
  });

  test.each([
    ['acceptMail', 'outbound-mail'],
    ['sendMail', 'outbound-wake'],
    ['heartbeat', 'heartbeat'],
  ])('%s on the queue %s', (name, queueName) => {
    expect(triggerOf(name)).toEqual({
      type: 'queueTrigger',
      direction: 'in',
      queueName,
      connection: 'MailStore',
    });
  });

  test.each([
    ['sweepOutbound', '%SWEEP_SCHEDULE%'],
    ['fetchMail', '%FETCH_SCHEDULE%'],
    ['pruneOutbox', '%PRUNE_SCHEDULE%'],
    ['pruneInbound', '%PRUNE_SCHEDULE%'],
    ['refreshTokens', '%REFRESH_SCHEDULE%'],
    ['exportOutbox', '0 37 2 * * *'],
  ])('%s on the schedule %s, and not at every start', (name, schedule) => {
    expect(triggerOf(name)).toEqual({ type: 'timerTrigger', direction: 'in', schedule });
  });

  test('no log hook: workers before 2025 fail on it', () => {
    expect(listed.hooks).not.toContain('log');
  });

  test('without a setting, a network or a file: loading it does nothing else', async () => {
    const bare = { PATH: process.env['PATH'] };
    const host = join(root, 'local/functionsHost/main.ts');
    const { stdout } = await run(process.execPath, [host, '--list', '--app', folder], { env: bare });
    expect((JSON.parse(stdout) as Listed).functions).toHaveLength(listed.functions.length);
  });
});

test('the parser runs as a thread of the package, with its charsets', async () => {
  const parser = createMimeParser({ worker: join(folder, 'mimeParserWorker.mjs'), clock: systemClock });
  const mail = 'From: a@example.com\r\nSubject: =?iso-2022-jp?B?GyRCRnxLXDhsGyhC?=\r\n\r\ntext\r\n';
  try {
    const answer = await parser.parse({ kind: 'bytes', bytes: Buffer.from(mail) }, join(folder, 'parts-'));
    expect(answer).toMatchObject({ kind: 'parsed', mail: { subject: '日本語' } });
  } finally {
    await parser.close();
  }
});

test('a main that matches no file is refused in words, not taken for an app without functions', async () => {
  const broken = await mkdtemp(join(tmpdir(), 'package-'));
  await cp(folder, broken, { recursive: true });
  await writeFile(join(broken, 'package.json'), '{ "main": "other.mjs" }');
  const host = join(root, 'local/functionsHost/main.ts');
  await expect(run(process.execPath, [host, '--list', '--app', broken])).rejects.toThrow(
    '"main" of package.json matches no file: other.mjs',
  );
  await rm(broken, { recursive: true });
});
