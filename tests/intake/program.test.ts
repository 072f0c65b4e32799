// The built script as an operator runs it.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { buildIntake } from '../../local/build/buildPackage.ts';
import { client, mail } from './support/smtpDialog.ts';
import { newFolder, removeFolders, until } from './support/startedIntake.ts';
import { TestBridge } from './support/testBridge.ts';

let script: string;
let folder: string;
let port: number;
let bridge: TestBridge;
let running: ChildProcess | undefined;
let log = '';

beforeAll(async () => {
  const built = await newFolder();
  await buildIntake(join(built, 'made'));
  script = join(built, 'made', 'intake.js');
});

beforeEach(async () => {
  bridge = new TestBridge({ refusedRecipients: ['refused@example.org'] });
  await bridge.start();
  folder = await newFolder();
  port = await freePort();
  log = '';
  await writeFile(`${folder}/key`, `${bridge.key}\n`);
  await writeFile(
    `${folder}/intake.json`,
    JSON.stringify({
      name: 'esm-1',
      bridge: { url: bridge.url, keyFile: `${folder}/key` },
      spool: { folder: `${folder}/spool`, freeMegabytes: 100 },
      listen: [{ address: '127.0.0.1', port }],
    }),
  );
});

afterEach(async () => {
  if (running?.exitCode === null) running.kill('SIGKILL');
  await bridge.stop();
});

afterAll(removeFolders);

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const found = (server.address() as AddressInfo).port;
  await new Promise((resolve) => server.close(resolve));
  return found;
}

async function start(): Promise<ChildProcess> {
  const child = spawn(process.execPath, [script, 'run', '--settings', `${folder}/intake.json`], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.on('data', (chunk: Buffer) => (log += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  running = child;
  await until(() => log.includes('intake.listening'));
  return child;
}

function command(...args: readonly string[]): Promise<{ readonly status: number; readonly output: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [script, ...args, '--settings', `${folder}/intake.json`],
      (error, stdout, stderr) => {
        resolve({ status: Number(error?.code ?? 0), output: `${stdout}${stderr}` });
      },
    );
  });
}

async function send(to: string): Promise<string> {
  const dialog = await client(port);
  const reply = await dialog.send({ to: [to], content: mail() });
  await dialog.quit();
  return reply.split(' ').at(-1) ?? '';
}

test('check names what is wrong, and what is right', async () => {
  const good = await command('check');
  expect(good).toEqual({
    status: 0,
    output: expect.stringMatching(
      /ok {6}spool.*\nok {6}certificate: none.*\nok {6}bridge: reached; the key may send for desk@example\.com/s,
    ),
  });
  await bridge.stop();
  const bad = await command('check');
  expect(bad).toEqual({
    status: 1,
    output: expect.stringContaining(
      'FAILED  bridge: The bridge could not be reached: it refused the connection',
    ),
  });
});

test('a second intake on the same spool does not start', async () => {
  await start();
  const second = await command('run');
  expect(second).toEqual({ status: 1, output: expect.stringContaining('Another intake works on the spool') });
});

test('the start needs no bridge once it was reached; mail waits and status says why', async () => {
  const first = await start();
  await until(() => bridge.heartbeats.length > 0);
  first.kill('SIGTERM');
  await until(() => first.exitCode === 0);
  await bridge.stop();
  log = '';
  await start();
  expect(await send('a@example.org')).toMatch(/^smtp-/);
  const status = await command('status');
  expect(status.output).toMatch(/waiting {4}1, the oldest for 0 min/);
  expect(bridge.messages.size).toBe(0);
  await bridge.start();
  expect(await command('retry', 'all')).toMatchObject({ status: 0 });
  await until(() => bridge.messages.size === 1);
  expect(bridge.heartbeats[0]).toMatchObject({
    version: '0.1.0',
    accepting: true,
    rejectedCount: 0,
    spool: { count: 0, oldestAgeSeconds: 0, damagedCount: 0 },
  });
});

test('what the bridge refused is reported, listed, and sent once it may be', async () => {
  await start();
  const id = await send('refused@example.org');
  await until(() => log.includes('intake.rejected'));
  expect(bridge.failures[0]?.body).toMatchObject({
    id,
    kind: 'message',
    recipients: [{ recipient: 'refused@example.org', detail: expect.stringContaining('is refused') }],
  });
  const listed = await command('rejected');
  expect(listed.output).toMatch(
    new RegExp(`${id} .*desk@example\\.com -> refused@example\\.org\n.*is refused`),
  );
  expect(await command('status')).toMatchObject({
    status: 1,
    output: expect.stringContaining('rejected   1'),
  });
  expect(await command('retry', 'smtp-none')).toMatchObject({ status: 1 });
  const { url } = bridge;
  await bridge.stop();
  bridge = new TestBridge({ port: Number(new URL(url).port) });
  await bridge.start();
  expect(await command('retry', id)).toMatchObject({
    status: 0,
    output: expect.stringContaining('1 put back'),
  });
  await until(() => bridge.messages.has(id));
  await until(async () => (await command('status')).status === 0);
});

test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
  '%s ends it with 0; a message in transfer still gets its reply',
  async (signal) => {
    const child = await start();
    const dialog = await client(port);
    await dialog.say('MAIL FROM:<desk@example.com>');
    await dialog.say('RCPT TO:<a@example.org>');
    await dialog.say('DATA');
    dialog.write('From: desk@example.com\r\n');
    child.kill(signal);
    await until(() => log.includes('intake.stopping'));
    dialog.write('Subject: x\r\n\r\nHello\r\n.\r\n');
    expect(await dialog.reply()).toMatch(/^250 /);
    await until(() => child.exitCode === 0);
    expect(await readdir(`${folder}/spool/waiting`)).toHaveLength(bridge.messages.size === 1 ? 0 : 1);
  },
);

test('drain takes no more mail, hands on all and ends the process', async () => {
  const child = await start();
  await bridge.stop();
  for (let count = 0; count < 3; count += 1) await send('a@example.org');
  await bridge.start();
  expect(await command('drain')).toEqual({
    status: 0,
    output: expect.stringContaining('Everything was handed on'),
  });
  await until(() => child.exitCode === 0);
  expect(bridge.messages.size).toBe(3);
});

test('drain without a running intake hands on by itself', async () => {
  const child = await start();
  await bridge.stop();
  await send('a@example.org');
  child.kill('SIGKILL');
  await until(() => child.signalCode !== null);
  await bridge.start();
  expect(await command('drain')).toMatchObject({ status: 0 });
  expect(bridge.messages.size).toBe(1);
});
