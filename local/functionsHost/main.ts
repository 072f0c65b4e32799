// The local host as a program:
//
//   node local/functionsHost/main.ts --app dist [--port 7071] [--hide-ms 600000] [--settings FILE] [--timers FILE]
//                           [--timers-off] [--log FILE] [--grace-ms 10000] [--function-key K] [--master-key K]
//                           [--follow-stdin] [--list]
//
// Settings come from the environment, as the platform gives them; --settings names a JSON object of names and
// texts for what the environment lacks. One line reports that it is ready, with port, process ids and keys. SIGTERM or
// SIGINT ends it in order, a second one at once; with --follow-stdin the end of standard input does too, so that
// it does not outlive its parent. --list prints what the app registers, and ends.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { systemClock, systemRandom } from '../../shared/clock.ts';
import { loadOnly, startFunctionsHost } from './functionsHost.ts';
import { hostLog } from './hostLog.ts';
import type { HostSettings } from './settings.ts';

const { values } = parseArgs({
  options: {
    app: { type: 'string' },
    port: { type: 'string', default: '7071' },
    'hide-ms': { type: 'string', default: '600000' },
    settings: { type: 'string' },
    timers: { type: 'string' },
    'timers-off': { type: 'boolean', default: false },
    log: { type: 'string' },
    'grace-ms': { type: 'string', default: '10000' },
    'function-key': { type: 'string', default: systemRandom.id() },
    'master-key': { type: 'string', default: systemRandom.id() },
    'follow-stdin': { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
});

const print = (value: object): void => {
  process.stdout.write(`${JSON.stringify(value)}\n`);
};
const fail = (detail: string): never => {
  process.stderr.write(`${detail}\n`);
  process.exit(1);
};

try {
  await (values.list ? list() : run());
} catch (error) {
  fail(error instanceof Error ? error.message : String(error));
}

async function list(): Promise<void> {
  const app = await loadOnly({
    appFolder: appFolder(),
    settings: readSettings(),
    clock: systemClock,
    log: () => undefined,
  });
  print({ functions: app.functions, hooks: app.hooks, loadMs: Math.round(app.loadMs) });
}

async function run(): Promise<void> {
  const graceMs = number('grace-ms', 0);
  const hideMs = number('hide-ms', 2000);
  if (hideMs % 1000 !== 0) throw new Error('--hide-ms is in whole seconds');
  const keys = { function: values['function-key'], master: values['master-key'] };
  const host = await startFunctionsHost({
    appFolder: appFolder(),
    settings: readSettings(),
    hideMs,
    port: number('port', 0),
    keys,
    timersFile: values.timers,
    timersOff: values['timers-off'],
    clock: systemClock,
    random: systemRandom,
    log: hostLog(systemClock, values.log),
    onGivenUp: (detail) => fail(`The worker cannot be kept running: ${detail}`),
  });
  let stopping = false;
  const stop = (): void => {
    if (stopping) process.exit(130);
    stopping = true;
    void host.stop(graceMs).then(() => process.exit(0));
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, stop);
  if (values['follow-stdin']) process.stdin.on('end', stop).resume();
  print({
    ready: true,
    pid: process.pid,
    workerPid: host.workerPid,
    port: host.port,
    url: `http://127.0.0.1:${host.port}`,
    keys,
    functions: host.app.functions.map(({ name }) => name),
    inError: host.inError,
    loadMs: Math.round(host.app.loadMs),
    startMs: Math.round(performance.now()),
  });
}

function appFolder(): string {
  if (values.app === undefined) throw new Error('--app names the folder with host.json');
  return resolve(values.app);
}

function number(name: 'port' | 'hide-ms' | 'grace-ms', least: number): number {
  const value = Number(values[name]);
  if (!Number.isSafeInteger(value) || value < least)
    throw new Error(`--${name} is a whole number from ${least}`);
  return value;
}

function readSettings(): HostSettings {
  if (values.settings === undefined) return process.env;
  const defaults = z.record(z.string(), z.string()).parse(JSON.parse(readFileSync(values.settings, 'utf8')));
  return { ...defaults, ...process.env };
}
