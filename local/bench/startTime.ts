// From the start of the worker process until its functions are known: the package against an app of three empty
// functions, in turns. The worker is the local one: the platform's is on no public registry.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { systemClock } from '../../shared/clock.ts';
import { WorkerChannel } from '../functionsHost/workerChannel.ts';
import type { Part } from './rig.ts';

export interface StartFigures {
  readonly rounds: number;
  readonly appMs: number;
  readonly emptyMs: number;
}

const emptyApp = `import { app } from '@azure/functions';
app.http('one', { handler: () => ({ body: '' }) });
app.timer('two', { schedule: '0 0 * * * *', handler: () => undefined });
app.storageQueue('three', { queueName: 'three', connection: 'Store', handler: () => undefined });`;

export async function startTime(part: Part, { rounds }: { readonly rounds: number }): Promise<StartFigures> {
  const emptyFolder = mkdtempSync(join(tmpdir(), 'empty-app-'));
  try {
    await buildEmpty(emptyFolder);
    const times = { app: [] as number[], empty: [] as number[] };
    for (let round = 0; round <= rounds; round += 1) {
      const empty = await startMs(emptyFolder);
      const app = await startMs(part.appFolder);
      if (round === 0) continue; // the files are in the system's cache from here on
      times.empty.push(empty);
      times.app.push(app);
    }
    return { rounds, appMs: median(times.app), emptyMs: median(times.empty) };
  } finally {
    rmSync(emptyFolder, { recursive: true, force: true });
  }
}

async function buildEmpty(folder: string): Promise<void> {
  writeFileSync(join(folder, 'package.json'), '{ "name": "empty", "type": "module", "main": "main.mjs" }');
  writeFileSync(join(folder, 'host.json'), '{ "version": "2.0" }');
  await build({
    stdin: { contents: emptyApp, resolveDir: import.meta.dirname },
    outfile: join(folder, 'main.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    minify: true,
    external: ['@azure/functions-core'],
    banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
    logLevel: 'error',
  });
}

async function startMs(appFolder: string): Promise<number> {
  const channel = new WorkerChannel({
    appFolder,
    environment: { PATH: process.env['PATH'] },
    functionTimeoutMs: undefined,
    clock: systemClock,
    log: () => undefined,
    onGivenUp: () => undefined,
  });
  const startedAt = performance.now();
  await channel.start();
  const ms = performance.now() - startedAt;
  await channel.terminate(0);
  return ms;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
