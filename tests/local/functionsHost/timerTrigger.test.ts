import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startHostProcess, type HostProcess } from '../../../local/functionsHost/hostProcess.ts';
import { Listening, until } from './listening.ts';

const appFolder = fileURLToPath(new URL('fixtures/timers', import.meta.url));
// The daily schedule is half a year away, so that only the host's start can run what follows it.
const settings = { QUICK: '* * * * * *', DAILY: '0 0 3 24 5 *', FIVE: '0 3 * * *' };
// Values for what the settings lack; the settings win.
const defaults = { QUICK: '0 0 0 1 1 *', FROM_FILE: '0 0 3 24 5 *' };

let folder: string;
let timersFile: string;
let listening: Listening;
let host: HostProcess | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'timers-'));
  timersFile = join(folder, 'timers.json');
  listening = new Listening();
});
afterEach(async () => {
  await host?.kill();
  host = undefined;
  await rm(folder, { recursive: true });
});

async function start(timersOff = false): Promise<HostProcess> {
  const defaultsFile = join(folder, 'defaults.json');
  await writeFile(defaultsFile, JSON.stringify(defaults));
  host = await startHostProcess({
    appFolder,
    settings,
    defaultsFile,
    timersFile,
    timersOff,
    onLine: listening.onLine,
  });
  return host;
}

test('a timer ticks by its schedule, and its runs never overlap', async () => {
  await start();
  await until('it ran three times', () => listening.invocations('everySecond', 'succeeded').length >= 3);
  const steps = listening
    .appLines()
    .flatMap((line) => (line['function'] === 'everySecond' ? [line['at']] : []));
  expect(steps.slice(0, 6)).toEqual(['in', 'out', 'in', 'out', 'in', 'out']);
  // A run of 1.5 s lets every other tick drop.
  const starts = listening
    .invocations('everySecond', 'started')
    .map((line) => Date.parse(String(line['at'])));
  expect((starts[2] ?? NaN) - (starts[0] ?? NaN)).toBeGreaterThanOrEqual(3000);
});

test('at the very first start nothing is past due, and only runOnStartup runs', async () => {
  await start();
  await until('it ran', () => listening.invocations('onStartup', 'succeeded').length === 1);
  expect(listening.appLines()).toContainEqual({ function: 'onStartup', isPastDue: false, status: null });
  expect(listening.invocations('monitored', 'started')).toEqual([]);
});

test('a tick missed while the host was away runs at once, past due, and is not run a second time', async () => {
  const first = await start();
  await until('the next ticks are written down', async () =>
    (await readFile(timersFile, 'utf8').catch(() => '')).includes('onStartup'),
  );
  await first.kill();
  const remembered = JSON.parse(await readFile(timersFile, 'utf8')) as Record<string, object>;
  // A schedule within the minute is not monitored, so there is nothing of it to be past due.
  expect(Object.keys(remembered).sort()).toEqual(['fails', 'monitored', 'onStartup']);
  const missed = { last: '2026-01-01T03:00:00.000Z', next: '2026-01-02T03:00:00.000Z' };
  await writeFile(timersFile, JSON.stringify({ ...remembered, monitored: missed }));

  const second = await start();
  await until('it ran', () => listening.invocations('monitored', 'succeeded').length === 1);
  expect(listening.appLines()).toContainEqual({
    function: 'monitored',
    isPastDue: true,
    status: { last: missed.last, next: missed.next, lastUpdated: missed.last },
  });
  await until('it was written down', async () => !(await readFile(timersFile, 'utf8')).includes(missed.next));
  await second.kill();
  await start();
  await until('the start is over', () => listening.invocations('onStartup', 'succeeded').length === 3);
  expect(listening.invocations('monitored', 'started')).toHaveLength(1);
});

test('a timer runs at once when asked to, reports the result, and can be switched off otherwise', async () => {
  const running = await start(true);
  expect(await running.run('monitored')).toBe(true);
  expect(await running.run('fails')).toBe(false);
  expect(listening.invocations('fails', 'failed')[0]).toMatchObject({
    error: expect.stringContaining('as asked') as unknown,
  });
  expect(listening.invocations('onStartup', 'started')).toEqual([]);
  expect(listening.invocations('everySecond', 'started')).toEqual([]);
});

test('a schedule that is not set, or of five fields, leaves its function out with the reason', async () => {
  const running = await start(true);
  expect(running.inError).toEqual({
    unset: "'%NOT_SET%' does not resolve to a value.",
    fiveFields: expect.stringContaining('has five fields, and NCRONTAB has six') as unknown,
  });
  await expect(running.run('unset')).rejects.toThrow('404');
});
