// Starts the local host as a process of its own and follows it: what the demo, `npm start` and the tests use.
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

export interface HostProcessOptions {
  readonly appFolder: string;
  /** The app's whole environment, but for what a process needs to run at all. */
  readonly settings: Readonly<Record<string, string>>;
  /** A JSON object with values for settings that are not given: `infra/settings.json`. */
  readonly defaultsFile?: string;
  /** How long a queue message in work is hidden; whole seconds, at least 2. Default: the real host's ten minutes. */
  readonly hideMs?: number;
  readonly port?: number;
  readonly timersFile?: string;
  readonly timersOff?: boolean;
  readonly keys?: { readonly function: string; readonly master: string };
  readonly graceMs?: number;
  /** Called with each line of the host: its log, an app's log, starts and ends of invocations. */
  readonly onLine?: (line: HostProcessLine) => void;
}

export type HostProcessLine = Readonly<Record<string, unknown>>;

export interface HostProcess {
  readonly pid: number;
  /** Of the worker that runs now. */
  readonly workerPid: number;
  readonly url: string;
  readonly keys: { readonly function: string; readonly master: string };
  readonly functions: readonly string[];
  /** Functions that were not indexed, with the reason. */
  readonly inError: Readonly<Record<string, string>>;
  /** How long the app took to load, and the host to be ready, each from its own process's start. */
  readonly loadMs: number;
  readonly startMs: number;
  /** Resolves when the process is gone, however it went. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** Runs a timer or queue function at once and waits for its end; false when it failed. */
  run(functionName: string, input?: string): Promise<boolean>;
  /** SIGTERM: what runs is finished, within the grace. */
  stop(): Promise<void>;
  /** SIGKILL to host and worker, as when the instance is lost. */
  kill(): Promise<void>;
  /** SIGSTOP to host and worker: nothing of it moves until `resume`. */
  pause(): void;
  /** SIGCONT to both. */
  resume(): void;
}

const readyLine = z.object({
  ready: z.literal(true),
  pid: z.int(),
  workerPid: z.int(),
  url: z.string(),
  keys: z.object({ function: z.string(), master: z.string() }),
  functions: z.array(z.string()),
  inError: z.record(z.string(), z.string()),
  loadMs: z.number(),
  startMs: z.number(),
});
const workerLine = z.object({ kind: z.literal('worker'), event: z.literal('started'), pid: z.int() });
const anyLine = z.record(z.string(), z.unknown());

const mainFile = fileURLToPath(new URL('./main.ts', import.meta.url));
// What the process itself needs; all else comes from the settings, as on the platform.
const inherited = ['PATH', 'HOME', 'TMPDIR', 'TEMP', 'TMP', 'SystemRoot'];

/** Resolves when every trigger is running; rejects with the host's output if it ends before that. */
export function startHostProcess(options: HostProcessOptions): Promise<HostProcess> {
  const environment = Object.fromEntries(inherited.map((name) => [name, process.env[name]]));
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', mainFile, ...flagsOf(options)],
    // The host ends when its standard input does, so that it does not outlive its parent.
    { env: { ...environment, ...options.settings }, stdio: ['pipe', 'pipe', 'pipe'] },
  );
  const ended = new Promise<Awaited<HostProcess['ended']>>((resolve) => {
    child.once('close', (code, signal) => {
      resolve({ code, signal });
    });
  });
  let workerPid = 0;
  let complaints = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints = (complaints + text).slice(-4000);
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    void ended.then(({ code, signal }) => {
      reject(new Error(`The local host ended (${signal ?? `status ${String(code)}`}): ${complaints.trim()}`));
    });
    createInterface({ input: child.stdout }).on('line', (text) => {
      const line = parseLine(text);
      const worker = workerLine.safeParse(line);
      if (worker.success) workerPid = worker.data.pid;
      const ready = readyLine.safeParse(line);
      if (ready.success) resolve(hostOf(ready.data, { child, ended, workerPid: () => workerPid }));
      else options.onLine?.(line);
    });
  });
}

function flagsOf(options: HostProcessOptions): readonly string[] {
  const { appFolder, defaultsFile, hideMs, port = 0, timersFile, timersOff = false, keys, graceMs } = options;
  return [
    ...['--app', appFolder, '--port', String(port), '--follow-stdin'],
    ...(defaultsFile === undefined ? [] : ['--settings', defaultsFile]),
    ...(hideMs === undefined ? [] : ['--hide-ms', String(hideMs)]),
    ...(timersFile === undefined ? [] : ['--timers', timersFile]),
    ...(timersOff ? ['--timers-off'] : []),
    ...(keys === undefined ? [] : ['--function-key', keys.function, '--master-key', keys.master]),
    ...(graceMs === undefined ? [] : ['--grace-ms', String(graceMs)]),
  ];
}

function parseLine(text: string): HostProcessLine {
  try {
    return anyLine.parse(JSON.parse(text));
  } catch {
    return { kind: 'console', stream: 'stdout', message: text };
  }
}

function hostOf(
  ready: z.infer<typeof readyLine>,
  process: { child: ChildProcess; ended: HostProcess['ended']; workerPid: () => number },
): HostProcess {
  const { child, ended, workerPid } = process;
  const { url, keys } = ready;
  return {
    ...ready,
    get workerPid() {
      return workerPid();
    },
    ended,
    run: async (functionName, input) => {
      const answer = await fetch(`${url}/admin/functions/${functionName}?wait=1`, {
        method: 'POST',
        headers: { 'x-functions-key': keys.master, 'content-type': 'application/json' },
        body: JSON.stringify({ input }),
      });
      await answer.arrayBuffer();
      if (answer.status !== 200 && answer.status !== 500) {
        throw new Error(`${functionName} cannot be run: the local host answered ${answer.status}`);
      }
      return answer.ok;
    },
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
    kill: async () => {
      signal(workerPid(), 'SIGKILL');
      child.kill('SIGKILL');
      await ended;
    },
    pause: () => {
      signal(workerPid(), 'SIGSTOP');
      child.kill('SIGSTOP');
    },
    resume: () => {
      child.kill('SIGCONT');
      signal(workerPid(), 'SIGCONT');
    },
  };
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // it is gone already
  }
}
