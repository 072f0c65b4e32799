// The host's end of the worker process: starts it, hands it invocations, and starts another when it ends.
//
// A function that overruns `functionTimeout` cannot be cancelled in Node, so the worker is killed, as the real
// host kills it, and with it every other invocation it was running; each of them has failed. A worker that ends
// by itself (a crash, out of memory, process.exit) is the same, without the time-out. A new worker is started
// at most three times in a minute; then the host gives up.
import { fork, type ChildProcess } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../../shared/clock.ts';
import type { HttpData, Registration, TypedData } from './coreModule.ts';
import type { HostLog } from './hostLog.ts';
import type { FromWorker, ToWorker } from './messages.ts';

/** What came of an invocation. A function's own failure is an outcome, not an exception. */
export type InvocationOutcome =
  | { readonly kind: 'succeeded'; readonly invocationId: string; readonly http?: HttpData }
  | { readonly kind: 'failed'; readonly invocationId: string; readonly detail: string };

export interface LoadedApp {
  readonly functions: readonly Registration[];
  readonly hooks: readonly string[];
  readonly loadMs: number;
}

export interface WorkerOptions {
  readonly appFolder: string;
  /** The whole environment of the worker: the app's settings among it. */
  readonly environment: NodeJS.ProcessEnv;
  readonly functionTimeoutMs: number | undefined;
  readonly clock: Clock;
  readonly log: HostLog;
  /** Called when no worker can be kept running. */
  readonly onGivenUp: (detail: string) => void;
}

interface Pending {
  readonly functionName: string;
  readonly finish: (outcome: InvocationOutcome) => void;
}

const maxRestartsPerMinute = 3;
const workerFile = fileURLToPath(new URL('./worker.ts', import.meta.url));

export class WorkerChannel {
  readonly #options: WorkerOptions;
  readonly #pending = new Map<string, Pending>();
  readonly #restartedAt: number[] = [];
  #child: ChildProcess | undefined;
  #loaded: Promise<LoadedApp> = Promise.reject(new Error('The worker was not started'));
  #ending = false;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#loaded.catch(() => undefined);
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Invocations that have not ended. */
  get runningCount(): number {
    return this.#pending.size;
  }

  /** Starts the worker and loads the app; rejects with the app's own error message if it cannot be loaded. */
  start(): Promise<LoadedApp> {
    this.#loaded = this.#startChild();
    this.#loaded.catch(() => undefined);
    return this.#loaded;
  }

  /** Runs a function once; while a worker is being replaced it waits for the next one. */
  async invoke(
    functionName: string,
    reason: string,
    data: TypedData,
    triggerMetadata: Readonly<Record<string, TypedData>> = {},
  ): Promise<InvocationOutcome> {
    const { clock, log } = this.#options;
    const invocationId = randomUUID();
    const line = { kind: 'invocation', function: functionName, invocationId, reason } as const;
    const startedAt = clock.monotonic();
    log({ ...line, event: 'started' });
    const outcome = await this.#run({ functionName, invocationId, data, triggerMetadata });
    const ms = Math.round(clock.monotonic() - startedAt);
    if (outcome.kind === 'succeeded') log({ ...line, event: 'succeeded', ms });
    else log({ ...line, event: 'failed', ms, error: outcome.detail });
    return outcome;
  }

  async #run(call: {
    functionName: string;
    invocationId: string;
    data: TypedData;
    triggerMetadata: Readonly<Record<string, TypedData>>;
  }): Promise<InvocationOutcome> {
    const { functionName, invocationId } = call;
    try {
      await this.#loaded;
    } catch (error) {
      return { kind: 'failed', invocationId, detail: String(error) };
    }
    const over = new AbortController();
    return new Promise((resolve) => {
      const finish = (outcome: InvocationOutcome): void => {
        over.abort();
        this.#pending.delete(invocationId);
        resolve(outcome);
      };
      this.#pending.set(invocationId, { functionName, finish });
      const traceParent = `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-01`;
      this.#send({ kind: 'invoke', ...call, traceParent });
      void this.#enforceTimeout(invocationId, over.signal);
    });
  }

  async #enforceTimeout(invocationId: string, over: AbortSignal): Promise<void> {
    const { functionTimeoutMs, clock, log } = this.#options;
    if (functionTimeoutMs === undefined) return;
    await clock.sleep(functionTimeoutMs, over);
    const pending = this.#pending.get(invocationId);
    if (over.aborted || pending === undefined) return;
    const detail = `Timeout value of ${functionTimeoutMs} ms exceeded by function '${pending.functionName}' (Id: '${invocationId}')`;
    log({ kind: 'host', level: 'error', message: `${detail}: the worker is killed` });
    pending.finish({ kind: 'failed', invocationId, detail });
    this.#child?.kill('SIGKILL');
  }

  /** Lets the app's appTerminate hooks run, then ends the worker; by force after `graceMs`. */
  async terminate(graceMs: number): Promise<void> {
    this.#ending = true;
    const child = this.#child;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const over = new AbortController();
    const ended = new Promise<void>((resolve) => {
      child.once('exit', () => {
        over.abort();
        resolve();
      });
    });
    this.#send({ kind: 'terminate' });
    await this.#options.clock.sleep(graceMs, over.signal);
    if (!over.signal.aborted) child.kill('SIGKILL');
    await ended;
  }

  #startChild(): Promise<LoadedApp> {
    const { appFolder, environment, log } = this.#options;
    const child = fork(workerFile, [], {
      cwd: appFolder,
      env: environment,
      execArgv: ['--disable-warning=ExperimentalWarning'],
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#child = child;
    log({ kind: 'worker', event: 'started', pid: child.pid });
    for (const stream of ['stdout', 'stderr'] as const) {
      const source = child[stream];
      if (source === null) continue;
      createInterface({ input: source }).on('line', (message) => {
        log({ kind: 'console', stream, message });
      });
    }
    return new Promise((resolve, reject) => {
      child.on('message', (message: FromWorker) => {
        switch (message.kind) {
          case 'loaded':
            resolve(message);
            break;
          case 'loadFailed':
            this.#ending = true;
            reject(new Error(message.detail));
            child.kill('SIGKILL');
            break;
          case 'log':
            log(message);
            break;
          case 'done':
            this.#finish(message);
            break;
        }
      });
      child.on('error', reject);
      child.once('exit', (code, signal) => {
        const detail = `the worker process ended (${signal ?? `status ${String(code)}`})`;
        log({ kind: 'worker', event: 'ended', pid: child.pid, code, signal });
        reject(new Error(detail));
        for (const [invocationId, pending] of [...this.#pending]) {
          pending.finish({ kind: 'failed', invocationId, detail });
        }
        if (!this.#ending) this.#restart(detail);
      });
      this.#send({ kind: 'load', appFolder });
    });
  }

  #finish(message: FromWorker & { readonly kind: 'done' }): void {
    const { invocationId, error, http } = message;
    const outcome: InvocationOutcome =
      error === undefined
        ? { kind: 'succeeded', invocationId, ...(http === undefined ? {} : { http }) }
        : { kind: 'failed', invocationId, detail: error };
    this.#pending.get(invocationId)?.finish(outcome);
  }

  #restart(detail: string): void {
    const now = this.#options.clock.monotonic();
    this.#restartedAt.push(now);
    if (this.#restartedAt.filter((at) => at > now - 60_000).length > maxRestartsPerMinute) {
      this.#ending = true;
      this.#options.onGivenUp(`${detail}, too often in one minute`);
      return;
    }
    this.start().catch((error: unknown) => {
      this.#options.onGivenUp(String(error));
    });
  }

  #send(message: ToWorker): void {
    // A worker that has just ended receives nothing; its exit fails the pending invocations.
    if (this.#child?.connected === true) this.#child.send(message);
  }
}
