// `npm start`, and beside it `npm run submit` and `npm run quota`, as a person types them: processes of their own,
// their output checked, ended with Ctrl+C.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { plannedSamples } from '../../../local/demo/scenario.ts';
import { isRunning } from '../../../local/stack/runningStack.ts';
import { until } from '../../scenarios/rig.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const samples = join(root, 'local', 'samples');

interface Ended {
  readonly status: number | null;
  readonly output: string;
  readonly errors: string;
}

interface Started {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly ended: Promise<Ended>;
}

/** The command as its script in package.json runs it, in a process group of its own, as in a terminal. */
function start(script: string, ...args: readonly string[]): Started {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly scripts: Readonly<Record<string, string>>;
  };
  const [, ...detail] = (scripts[script] ?? '').split(' ');
  const { PATH, HOME } = process.env;
  const child = spawn(process.execPath, [...detail, ...args], {
    cwd: root,
    env: { PATH, HOME },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (status) => {
      resolve({ status, output, errors });
    });
  });
  return { child, output: () => output, ended };
}

const run = (script: string, ...args: readonly string[]): Promise<Ended> => start(script, ...args).ended;

const lastLine = (output: string): unknown => JSON.parse(output.trim().split('\n').at(-1) ?? '');

let folder: string;
let settingsFile: string;
let stack: Started;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'commands-'));
  settingsFile = join(folder, 'settings.json');
  stack = start('start', '--port', '0', '--quick', '--settings-file', settingsFile);
  await until(
    'npm start is ready',
    () => stack.output().includes('Submit the samples') || stack.child.exitCode !== null,
  );
}, 120_000);

afterAll(async () => {
  if (stack.child.exitCode === null && stack.child.signalCode === null) pressCtrlC(stack);
  await stack.ended;
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

/** A terminal gives the signal to every process of the group. */
function pressCtrlC({ child }: Started): void {
  if (child.pid !== undefined) process.kill(-child.pid, 'SIGINT');
}

test('npm start prints all addresses, and keeps the settings for the other commands readable by its user only', () => {
  const detail = stack.output();
  for (const what of ['Functions host', 'master key', 'SMTP', 'IMAP', 'Entra', 'Key Vault', 'mailboxes'])
    expect(detail).toContain(what);
  expect(detail).toContain(settingsFile);
  expect(detail).toMatch(/Submit the samples: {2}npm run submit -- local\/samples\/\*\.json --watch/);
  const settings = JSON.parse(readFileSync(settingsFile, 'utf8')) as Record<string, unknown>;
  expect(settings).toMatchObject({ MailStore: expect.stringContaining('127.0.0.1') as unknown });
  expect(statSync(settingsFile).mode & 0o077).toBe(0);
});

test('a second one with the same settings file is refused, and leaves the file alone', async () => {
  const before = readFileSync(settingsFile, 'utf8');
  const { status, errors } = await run('start', '--port', '0', '--settings-file', settingsFile);
  expect(status).toBe(1);
  expect(errors).toContain('A stack is already running');
  expect(errors).toContain('--settings-file FILE');
  expect(readFileSync(settingsFile, 'utf8')).toBe(before);
}, 60_000);

test('npm run submit --watch prints each history; npm run quota shows the usage meanwhile', async () => {
  const planned = plannedSamples();
  const files = (await readdir(samples)).sort().map((name) => join(samples, name));
  const submitted = start('submit', ...files, '--watch', '--json', '--settings-file', settingsFile);
  await until('one is sent', () => submitted.output().includes('accepted → sent'));
  const quota = await run('quota', '--json', '--settings-file', settingsFile);
  const { status, output, errors } = await submitted.ended;

  expect([status, errors]).toEqual([0, '']);
  const lines = output.split('\n');
  expect(lines[0]).toBe(`${String(planned.length)} submissions put on outbound-mail`);
  const { ends } = lastLine(output) as { readonly ends: readonly Record<string, unknown>[] };
  expect(ends.map(({ id, state }) => [id, state])).toEqual(planned.map(({ id, end }) => [id, end]));
  for (const { id, end } of planned) {
    const history = end === 'sent' ? /^accepted → .*sent/ : /^rejected$/;
    const own = lines.filter((line) => line.startsWith(`${id}: `)).map((line) => line.slice(id.length + 2));
    expect(own.at(-1)).toMatch(history);
    // The closing table has each once more.
    expect(lines.filter((line) => line.includes(`.json`) && line.includes(` ${id} `))).toHaveLength(1);
  }
  expect(output).toContain('txt');

  expect([quota.status, quota.errors]).toEqual([0, '']);
  const { accounts } = lastLine(quota.output) as { readonly accounts: readonly Record<string, unknown>[] };
  const [desk, alerts] = accounts;
  expect(desk).toMatchObject({
    account: 'palvelupiste@kaupunki.example',
    messagesPerMinute: 30,
    recipientsPerDay: 10_000,
  });
  expect(Number(desk?.['slotsInUse'])).toBeGreaterThan(0);
  expect(Number(desk?.['recipientsToday'])).toBeGreaterThan(0);
  expect(alerts).toMatchObject({ account: 'halytykset@kaupunki.example' });
  expect(quota.output).toMatch(/palvelupiste@kau… +\d+\/30 +\d+\/10000 +\d+/);
  for (const line of quota.output.split('\n').slice(0, 4)) expect(line.length).toBeLessThanOrEqual(80);
}, 300_000);

test('npm run write, sent, events and fault: mail comes in and is reported, what left is listed, and a reply is lost', async () => {
  const beside = ['--json', '--settings-file', settingsFile];
  const desk = 'palvelupiste@kaupunki.example';
  const { messages } = lastLine((await run('sent', '--mailbox', desk, ...beside)).output) as {
    readonly messages: readonly { readonly subject: string; readonly messageId: string }[];
  };
  expect(messages.length).toBeGreaterThan(3);
  const written = await run(
    'write',
    ...['--to', desk, '--subject', 'Kiitos', '--reply-to-message', messages[0]?.messageId ?? ''],
    ...beside,
  );
  expect(written).toMatchObject({ status: 0, errors: '' });
  await until('it is fetched', () => stack.output().includes('"event":"inbound.announced"'));
  const nobody = await run('write', '--to', 'nobody@kaupunki.example', ...beside);
  expect([nobody.status, nobody.errors.trim()]).toEqual([
    1,
    'There is no mailbox nobody@kaupunki.example in the stack.',
  ]);
  const file = join(folder, 'mail.eml');
  writeFileSync(file, `From: a@muualla.example\nTo: Desk <${desk}>\nSubject: File\n\nHei.\n`);
  expect((await run('write', file, ...beside)).output).toContain(`Delivered to ${desk}`);

  const events = await run('events', 'MAJ-0007.alarm', ...beside);
  expect(events).toMatchObject({ status: 0, errors: '' });
  expect(events.output).toMatch(/\d{4}-\d\d-\d\d \d\d:\d\dZ +MAJ-0007\.alarm +mail\.sent/);
  expect((await run('events', '--limit', '3', ...beside)).output).toContain('mail.accepted');

  expect((await run('fault', ...beside)).output).toContain('consent-revoked');
  const fault = await run('fault', 'lost-reply', '--mailbox', desk, '--for', '10m', ...beside);
  expect(fault.output).toContain(`lost-reply for ${desk}: the next message is taken, and the reply is lost`);
  writeFileSync(
    join(folder, 'lost.json'),
    JSON.stringify({
      version: 1,
      id: 'LOST-1',
      mailbox: desk,
      to: ['a@muualla.example'],
      subject: 's',
      text: 't',
    }),
  );
  await run('submit', join(folder, 'lost.json'), '--settings-file', settingsFile);
  await until('it is in doubt, and found in Sent Items', async () =>
    (await run('events', 'LOST-1', ...beside)).output.includes('mail.sent'),
  );
  expect((await run('fault', 'none', ...beside)).output).toContain('1 ended.');
  for (const wrong of [['nothing'], ['quota', '--for', 'long'], ['consent-revoked']]) {
    const refused = await run('fault', ...wrong, ...beside);
    expect(refused.status).toBe(1);
    expect(refused.errors).toMatch(/faults are|--for is a time|give --mailbox/);
  }
}, 240_000);

test('npm run outbox lists messages, pauses and resumes an account, and reports what it cannot do', async () => {
  const account = 'palvelupiste@kaupunki.example';
  const outbox = (...args: readonly string[]): ReturnType<typeof run> =>
    run('outbox', ...args, '--json', '--settings-file', settingsFile);
  const listed = lastLine((await outbox('list', account)).output) as {
    readonly messages: readonly unknown[];
  };
  expect(listed.messages).toContainEqual(expect.objectContaining({ id: 'MAJ-0007.alarm', state: 'sent' }));
  expect((await outbox('pause', account)).status).toBe(0);
  const paused = await outbox();
  expect(paused.output).toContain('Paused by administrator@kaupunki.example.');
  const quota = await run('quota', '--settings-file', settingsFile);
  expect(quota.output).toContain('all mailboxes: on hold. Paused by');
  expect((await outbox('resume', account)).status).toBe(0);
  expect((await outbox()).output).not.toContain('paused');
  const late = await outbox('cancel', 'MAJ-0007.alarm');
  expect([late.status, late.output]).toEqual([
    1,
    expect.stringContaining('It is sent; this is not possible any more.'),
  ]);
  const nobody = await outbox('replay', 'nobody');
  expect([nobody.status, nobody.output]).toEqual([1, expect.stringContaining('There is no message nobody.')]);
  const wrong = await outbox('fly');
  expect([wrong.status, wrong.errors]).toEqual([1, expect.stringContaining('There is no action fly')]);
}, 120_000);

test('npm run submit reports problems with its files', async () => {
  const none = await run('submit', '--settings-file', settingsFile);
  expect([none.status, none.errors.trim()]).toEqual([
    1,
    'Name the files: npm run submit -- local/samples/*.json --watch',
  ]);
  const missing = await run('submit', join(folder, 'nothing.json'), '--settings-file', settingsFile);
  expect(missing.status).toBe(1);
  expect(missing.errors).toContain('nothing.json');
  expect(missing.output).toBe('');
}, 60_000);

// It comes twice, from the terminal and from the launcher, and the second one used to end it at once, with status 130.
test('Ctrl+C ends npm start in order: status 0, nothing left running, the settings gone', async () => {
  const left = readFileSync(settingsFile, 'utf8');
  pressCtrlC(stack);
  const { status, errors } = await stack.ended;
  expect([status, errors]).toEqual([0, '']);
  expect(existsSync(settingsFile)).toBe(false);
  writeFileSync(settingsFile, left);
  expect(await isRunning(settingsFile)).toBe(false);
}, 60_000);

test('without a running stack the commands report it, with a remedy', async () => {
  // After a kill the file would be left behind.
  expect(existsSync(settingsFile)).toBe(true);
  const sample = join(samples, '09-urgent.json');
  for (const [script, ...args] of [['submit', sample]] as const) {
    const stale = await run(script, ...args, '--settings-file', settingsFile);
    expect([stale.status, stale.output]).toEqual([1, '']);
    expect(stale.errors).toContain('The local stack no longer responds');
    const never = await run(script, ...args, '--settings-file', join(folder, 'never.json'));
    expect([never.status, never.output]).toEqual([1, '']);
    expect(never.errors.trim()).toBe(
      'No settings: start the local stack with `npm start`, or set MailStore and the other settings of docs/settings.md in the environment.',
    );
  }
}, 120_000);

test('without a running stack and without --app: which bridge, with the two ways', async () => {
  for (const script of ['quota', 'outbox', 'events']) {
    const stale = await run(script, '--settings-file', settingsFile);
    expect([stale.status, stale.output]).toEqual([1, '']);
    expect(stale.errors).toContain('The local stack no longer runs: start it again with `npm start`.');
    const never = await run(script, '--settings-file', join(folder, 'never.json'));
    expect([never.status, never.output]).toEqual([1, '']);
    expect(never.errors.trim()).toBe(
      'Which bridge? Start the local stack with `npm start`, or name a deployed one: --app https://NAME.azurewebsites.net',
    );
  }
  for (const [script, ...args] of [['fault', 'quota'], ['sent'], ['write', '--to', 'a@b.example']] as const) {
    const never = await run(script, ...args, '--settings-file', join(folder, 'never.json'));
    expect(never.errors).toContain('The local stack does not run. Start it with `npm start`');
  }
}, 120_000);

test('--help prints the header comment of the command; an unknown flag is named, with the same text', async () => {
  const help = await run('quota', '--help');
  expect(help.status).toBe(0);
  expect(help.output).toMatch(/^npm run quota: for each account.*\n {2}--app /s);
  const wrong = await run('quota', '--jsn');
  expect(wrong).toMatchObject({ status: 2, output: '' });
  expect(wrong.errors).toBe(`Unknown option '--jsn'\n\n${help.output}`);
});
