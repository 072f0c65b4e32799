// npm run fuzz-http: mutated requests to every HTTP route, in every content type, against the package in the local host.
//   --requests N   how many; 50000
//   --in-process   the routes and all behind them in this process, over the store's models: many times faster
//   --seed S       which; 1
//   --at-once C    how many in flight; 16
// Prints how each was answered; exit status 1 unless each answer is a 2xx or a problem with a remedy, the worker never
// ended, and at least 30 % of the submissions were accepted.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../shared/clock.ts';
import { writeCallers } from '../../shared/http/callers.ts';
import { callerSecretName } from '../../shared/oauth/callerSecret.ts';
import { buildPackage } from '../build/buildPackage.ts';
import { commandLine } from '../commandLine/commandLine.ts';
import { fuzz, overHttp, type Send } from '../fuzzHttp/fuzzHttp.ts';
import { fuzzCallers, fuzzMailboxes, fuzzTarget } from '../fuzzHttp/callers.ts';
import { inProcess } from '../../tests/http/inProcess.ts';
import { startStack } from '../stack/stack.ts';

const { values: flags } = commandLine(import.meta.filename, {
  options: {
    requests: { type: 'string', default: '50000' },
    'in-process': { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    'at-once': { type: 'string', default: '16' },
  },
});

const atOnce = Number(flags['at-once']);
const started = performance.now();

async function run(send: Send, isAlive: () => boolean): Promise<void> {
  const report = await fuzz({
    send,
    count: Number(flags.requests),
    seed: Number(flags.seed),
    atOnce,
    ...fuzzTarget,
    onProgress: (done) => {
      console.error(
        `${String(done)} requests, ${String(Math.round((performance.now() - started) / 1_000))} s`,
      );
    },
  });
  const acceptedPercent = Math.round((100 * report.acceptedCount) / Math.max(1, report.submissionCount));
  const isSameWorker = isAlive();
  console.log(JSON.stringify({ ...report, acceptedPercent, isSameWorker }, undefined, 2));
  if (report.faultCount > 0 || acceptedPercent < 30 || !isSameWorker) process.exitCode = 1;
}

if (flags['in-process']) await run(inProcess(), () => true);
else {
  const appFolder = mkdtempSync(join(tmpdir(), 'fuzz-package-'));
  await buildPackage(appFolder);
  const stack = await startStack({
    clock: systemClock,
    mailboxes: fuzzMailboxes.map((address) => ({ address, signIn: 'application' })),
    settings: { EVENTS_TO: 'http', 'AzureWebJobs.sendMail.Disabled': 'true' },
  });
  stack.vault.seed(callerSecretName, writeCallers(fuzzCallers));
  const host = await stack.startHost({ appFolder, timersOff: true });
  const workerBefore = host.workerPid;
  try {
    await run(overHttp(host.url, atOnce), () => host.workerPid === workerBefore);
  } finally {
    await host.stop();
    await stack.close();
    rmSync(appFolder, { recursive: true, force: true });
  }
}
