// Azurite, the storage emulator, as child processes. The queue service can have a process of its own: the
// emulator is single-threaded, and scanning a deep queue would slow the tables down.
//
// Nothing reaches outside: telemetry is off, and the servers listen on the loopback address only. Without a
// folder nothing is written either. The child gets no IPC channel: with one, SIGTERM leaves it alive.
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

export interface AzuriteOptions {
  /** Keep the data in this folder; in memory if absent. */
  readonly location?: string;
  /** Queues in a process of their own, apart from tables and blobs. */
  readonly separate?: boolean;
  /**
   * Keep the queues alone in this folder, if they are apart. In memory the emulator blocks every minute to
   * purge deleted messages; after some ten thousand messages it blocks for longer than a client's timeout.
   */
  readonly queuesLocation?: string;
  /** Files of a certificate and its key: https, and tokens of an identity are taken as well. */
  readonly https?: { readonly cert: string; readonly key: string };
}

export interface AzuritePorts {
  readonly blob: number;
  readonly queue: number;
  readonly table: number;
}

export interface Azurite {
  readonly connectionString: string;
  readonly ports: AzuritePorts;
  /** Ends the processes, at the latest by force; safe to call twice. */
  stop(): Promise<void>;
}

// The emulator's published account and key; they are the same in every installation.
export const azuriteAccount = 'devstoreaccount1';
export const azuriteKey =
  'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

// The full emulator and the stand-alone queue service print different texts.
const listeningPattern =
  /Azurite (\w+) service (?:is successfully listening at|successfully listens on) https?:\/\/127\.0\.0\.1:(\d+)\s/g;

const startLimitMs = 60_000;
const stopLimitMs = 5_000;

/** Starts the emulator and waits until every service listens. */
export async function startAzurite(options: AzuriteOptions = {}): Promise<Azurite> {
  const { location, separate = false, queuesLocation, https } = options;
  // The whole emulator names its real ports even for port 0 (the table service's own entry does not), so it is
  // the second process too; its queue service is then left alone.
  const starts = [startProcess('whole', location, https)];
  if (separate) {
    const queues = queuesLocation ?? (location === undefined ? undefined : join(location, 'queues'));
    starts.push(startProcess('queues', queues, https));
  }
  const results = await Promise.allSettled(starts);
  const running = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const stop = async (): Promise<void> => {
    await Promise.all(running.map(({ child }) => stopProcess(child)));
  };
  const [whole, queues] = running;
  if (whole === undefined || running.length < starts.length) {
    await stop();
    throw new Error('Azurite did not start', {
      cause: results.find((result) => result.status === 'rejected')?.reason,
    });
  }
  const ports = {
    blob: portOf(whole, 'Blob'),
    queue: portOf(queues ?? whole, 'Queue'),
    table: portOf(whole, 'Table'),
  };
  return {
    connectionString: connectionStringOf(ports, https === undefined ? 'http' : 'https'),
    ports,
    stop,
  };
}

/** The connection string of an emulator that listens on these ports of the loopback address. */
export function connectionStringOf(ports: AzuritePorts, protocol: 'http' | 'https' = 'http'): string {
  const endpoint = (service: string, port: number): string =>
    `${service}Endpoint=${protocol}://127.0.0.1:${port}/${azuriteAccount};`;
  return (
    `DefaultEndpointsProtocol=${protocol};AccountName=${azuriteAccount};AccountKey=${azuriteKey};` +
    endpoint('Blob', ports.blob) +
    endpoint('Queue', ports.queue) +
    endpoint('Table', ports.table)
  );
}

type Child = ChildProcessByStdio<null, Readable, null>;

interface Started {
  readonly child: Child;
  readonly ports: ReadonlyMap<string, number>;
}

async function startProcess(
  which: 'whole' | 'queues',
  location: string | undefined,
  https: AzuriteOptions['https'],
): Promise<Started> {
  const services = which === 'whole' ? ['Blob', 'Queue', 'Table'] : ['Queue'];
  const script = fileURLToPath(
    which === 'whole'
      ? import.meta.resolve('azurite/dist/src/azurite.js')
      : import.meta.resolve('azurite/dist/src/queue/main.js'),
  );
  const where = location === undefined ? ['--inMemoryPersistence'] : ['--location', location];
  const portFlags = services.flatMap((service) => [`--${service.toLowerCase()}Port`, '0']);
  const tls = https === undefined ? [] : ['--cert', https.cert, '--key', https.key, '--oauth', 'basic'];
  // The blob SDK speaks a newer version of the service than the emulator knows.
  const flags = ['--silent', '--disableTelemetry', '--skipApiVersionCheck', ...where, ...portFlags, ...tls];
  const child = spawn(process.execPath, [script, ...flags], { stdio: ['ignore', 'pipe', 'ignore'] });
  // A test that dies must not leave the emulator behind.
  const end = (): boolean => child.kill('SIGKILL');
  process.once('exit', end);
  child.once('exit', () => process.removeListener('exit', end));
  try {
    return { child, ports: await listeningPorts(child, services) };
  } catch (error) {
    await stopProcess(child);
    throw error;
  }
}

/** Reads the child's output until each service has printed its port; later output is discarded. */
function listeningPorts(child: Child, services: readonly string[]): Promise<ReadonlyMap<string, number>> {
  return new Promise((resolve, reject) => {
    const ports = new Map<string, number>();
    const late = setTimeout(() => {
      reject(new Error(`the emulator did not listen within ${startLimitMs} ms`));
    }, startLimitMs);
    child.once('exit', (code) => {
      clearTimeout(late);
      reject(new Error(`the emulator ended with status ${String(code)} before it listened`));
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      if (ports.size === services.length) return;
      output += chunk;
      for (const match of output.matchAll(listeningPattern)) {
        ports.set(match[1] ?? '', Number(match[2]));
      }
      if (ports.size === services.length) {
        clearTimeout(late);
        resolve(ports);
      }
    });
  });
}

function portOf(started: Started, service: string): number {
  const port = started.ports.get(service);
  if (port === undefined) throw new Error(`the emulator has no ${service} service`);
  return port;
}

async function stopProcess(child: Child): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const force = setTimeout(() => child.kill('SIGKILL'), stopLimitMs);
  await ended;
  clearTimeout(force);
}
