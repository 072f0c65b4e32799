// A Functions host for one machine. It runs an app as it is deployed (host.json, package.json, bundle), with the
// real `@azure/functions` library, in a worker process of its own, and gives it what the platform would: settings,
// queue messages, timer ticks and HTTP requests, by the real host's rules. docs/local.md lists the rules it
// keeps and the ones it does not.
//
// As in the real host, a function that cannot be indexed (a setting without value, a schedule that cannot be read,
// a reserved route) is left out and named, and one whose setting `AzureWebJobs.NAME.Disabled` is true is left out
// too; the others run. An app that cannot be loaded at all stops the start.
import type { AddressInfo } from 'node:net';
import type { Server } from 'node:http';
import type { Clock, Random } from '../../shared/clock.ts';
import type { Binding, Registration, TypedData } from './coreModule.ts';
import type { HostLog } from './hostLog.ts';
import { readHostNumbers, type HostNumbers } from './hostNumbers.ts';
import { startHttpFront, type HttpFunction } from './httpFront.ts';
import { QueueListener } from './queueListener.ts';
import { parseRoute } from './routes.ts';
import { queueService, resolveNames, type HostSettings } from './settings.ts';
import { TimerListener } from './timerListener.ts';
import { TimerMemory } from './timerMemory.ts';
import { WorkerChannel, type InvocationOutcome, type LoadedApp } from './workerChannel.ts';

export interface FunctionsHostOptions {
  /** The folder with host.json. */
  readonly appFolder: string;
  /** The app's settings: resolved in bindings, and the environment of the worker. */
  readonly settings: HostSettings;
  /** How long a queue message in work is hidden; whole seconds, at least 2. The real host's is ten minutes. */
  readonly hideMs: number;
  /** 0 takes a free one. */
  readonly port: number;
  readonly keys: { readonly function: string; readonly master: string };
  /** Where the timers remember their ticks over a restart; without it they don't. */
  readonly timersFile: string | undefined;
  /** Timers run only when asked to, by POST /admin/functions/NAME. */
  readonly timersOff: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: HostLog;
  /** Called when the worker cannot be kept running. */
  readonly onGivenUp: (detail: string) => void;
}

export interface FunctionsHost {
  readonly port: number;
  readonly workerPid: number | undefined;
  readonly app: LoadedApp;
  /** Functions that were not indexed, with the reason. */
  readonly inError: Readonly<Record<string, string>>;
  /** Takes nothing new, waits for what runs, lets the app's appTerminate hooks run; each at most `graceMs`. */
  stop(graceMs: number): Promise<void>;
}

interface Listener {
  start(): void;
  stop(): Promise<void>;
}

interface Indexed {
  readonly listeners: Listener[];
  readonly httpFunctions: HttpFunction[];
  readonly runNow: Map<string, (input: string) => Promise<InvocationOutcome>>;
  readonly inError: Record<string, string>;
}

/** Loads the app and starts every trigger; rejects with the app's own error message if it cannot be loaded. */
export async function startFunctionsHost(options: FunctionsHostOptions): Promise<FunctionsHost> {
  const numbers = readHostNumbers(options.appFolder);
  const worker = startWorker(options, numbers);
  const app = await worker.start();
  const indexed = indexFunctions(app.functions, options, numbers, worker);
  const server = await startHttpFront(
    {
      functions: indexed.httpFunctions,
      keys: options.keys,
      invoke: (name, data) => worker.invoke(name, 'http', data),
      runNow: (name, input) => indexed.runNow.get(name)?.(input),
      status: () => ({ state: 'Running', processId: process.pid, workerPid: worker.pid }),
    },
    options.port,
  );
  for (const [name, detail] of Object.entries(indexed.inError)) {
    options.log({ kind: 'host', level: 'error', message: `The '${name}' function is in error: ${detail}` });
  }
  for (const listener of indexed.listeners) listener.start();
  return {
    port: portOf(server),
    get workerPid() {
      return worker.pid;
    },
    app,
    inError: indexed.inError,
    stop: (graceMs) =>
      stopAll({ server, worker, listeners: indexed.listeners, clock: options.clock }, graceMs),
  };
}

/** Loads the app, returns what it registered, and ends its worker: no trigger is started. */
export async function loadOnly(
  options: Pick<FunctionsHostOptions, 'appFolder' | 'settings' | 'clock' | 'log'>,
): Promise<LoadedApp> {
  const worker = startWorker({ ...options, onGivenUp: () => undefined }, readHostNumbers(options.appFolder));
  try {
    return await worker.start();
  } finally {
    await worker.terminate(5_000);
  }
}

function startWorker(
  options: Pick<FunctionsHostOptions, 'appFolder' | 'settings' | 'clock' | 'log' | 'onGivenUp'>,
  numbers: HostNumbers,
): WorkerChannel {
  const { appFolder, settings, clock, log, onGivenUp } = options;
  const { functionTimeoutMs } = numbers;
  return new WorkerChannel({ appFolder, environment: settings, functionTimeoutMs, clock, log, onGivenUp });
}

function indexFunctions(
  functions: readonly Registration[],
  options: FunctionsHostOptions,
  numbers: HostNumbers,
  worker: WorkerChannel,
): Indexed {
  const indexed: Indexed = { listeners: [], httpFunctions: [], runNow: new Map(), inError: {} };
  const memory = new TimerMemory(options.timersFile);
  for (const { name, bindings } of functions) {
    if (options.settings[`AzureWebJobs.${name}.Disabled`]?.toLowerCase() === 'true') continue;
    try {
      const all = Object.values(bindings);
      const trigger = all.find(({ type }) => type.toLowerCase().endsWith('trigger'));
      if (all.some((binding) => binding !== trigger && binding.type.toLowerCase() !== 'http')) {
        throw new Error('The local host has no bindings besides the triggers and the HTTP answer.');
      }
      switch (trigger?.type) {
        case 'queueTrigger':
          indexQueue(name, trigger, { indexed, options, numbers, worker });
          break;
        case 'timerTrigger':
          indexTimer(name, trigger, { indexed, options, memory, worker });
          break;
        case 'httpTrigger':
          indexed.httpFunctions.push(httpFunction(name, trigger, numbers.routePrefix));
          break;
        case undefined:
        default:
          throw new Error(`The local host has no trigger of type '${trigger?.type ?? 'none'}'.`);
      }
    } catch (error) {
      indexed.inError[name] = error instanceof Error ? error.message : String(error);
    }
  }
  return indexed;
}

function indexQueue(
  name: string,
  trigger: Binding,
  parts: { indexed: Indexed; options: FunctionsHostOptions; numbers: HostNumbers; worker: WorkerChannel },
): void {
  const { indexed, options, numbers, worker } = parts;
  const { settings, hideMs, clock, random, log } = options;
  const queueName = resolveNames(textOf(trigger, 'queueName'), settings);
  const invoke = (
    data: TypedData,
    metadata: Readonly<Record<string, TypedData>>,
  ): Promise<InvocationOutcome> => worker.invoke(name, `queue ${queueName}`, data, metadata);
  indexed.listeners.push(
    new QueueListener({
      functionName: name,
      queueName,
      service: queueService(textOf(trigger, 'connection'), settings),
      numbers: numbers.queues,
      hideMs,
      run: async (data, metadata) => (await invoke(data, metadata)).kind === 'succeeded',
      clock,
      random,
      log,
    }),
  );
  indexed.runNow.set(name, (input) => invoke({ string: input }, {}));
}

function indexTimer(
  name: string,
  trigger: Binding,
  parts: { indexed: Indexed; options: FunctionsHostOptions; memory: TimerMemory; worker: WorkerChannel },
): void {
  const { indexed, options, memory, worker } = parts;
  const { useMonitor } = trigger;
  const timer = new TimerListener({
    functionName: name,
    expression: resolveNames(textOf(trigger, 'schedule'), options.settings),
    runOnStartup: trigger['runOnStartup'] === true,
    useMonitor: typeof useMonitor === 'boolean' ? useMonitor : undefined,
    memory,
    run: async (data, reason) => (await worker.invoke(name, reason, data)).kind === 'succeeded',
    clock: options.clock,
  });
  if (!options.timersOff) indexed.listeners.push(timer);
  indexed.runNow.set(name, () => worker.invoke(name, 'asked for', timer.data(false)));
}

function httpFunction(name: string, trigger: Binding, prefix: string): HttpFunction {
  const { methods, authLevel, route } = trigger;
  const level = String(authLevel).toLowerCase();
  if (level !== 'anonymous' && level !== 'function' && level !== 'admin') {
    throw new Error(`The local host has no authLevel '${level}'.`);
  }
  return {
    name,
    route: parseRoute(typeof route === 'string' ? route : name, prefix),
    methods: Array.isArray(methods) ? methods.map((method) => String(method).toUpperCase()) : ['GET', 'POST'],
    authLevel: level,
  };
}

function textOf(binding: Binding, field: string): string {
  const value = binding[field];
  if (typeof value !== 'string') throw new Error(`The trigger's '${field}' is missing.`);
  return value;
}

function portOf(server: Server): number {
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string') throw new Error('The HTTP side does not listen');
  return address.port;
}

/** What the real host allows the worker for its appTerminate hooks before it kills it. */
const terminateMs = 5_000;

async function stopAll(
  parts: { server: Server; worker: WorkerChannel; listeners: readonly Listener[]; clock: Clock },
  graceMs: number,
): Promise<void> {
  const { server, worker, listeners, clock } = parts;
  server.close();
  const done = new AbortController();
  const ended = Promise.all(listeners.map((listener) => listener.stop())).finally(() => {
    done.abort();
  });
  await clock.sleep(graceMs, done.signal);
  if (done.signal.aborted) await ended;
  await worker.terminate(terminateMs);
  server.closeAllConnections();
}
