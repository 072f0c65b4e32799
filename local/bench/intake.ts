// What the SMTP intake gets through: the built script as a process of its own, a bridge that takes everything, and
// clients on this machine. Figures depend on the disk, since every message is synced before its 250.
import { spawn, type ChildProcess } from 'node:child_process';
import { createServer, type IncomingMessage } from 'node:http';
import {
  connect,
  createServer as createTcpServer,
  type AddressInfo,
  type Server,
  type Socket,
} from 'node:net';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hashPassword } from '../../intake/smtp/passwords.ts';
import { buildIntake } from '../build/buildPackage.ts';

export interface IntakeBenchSize {
  readonly messages: number;
  /** Of the large messages. */
  readonly largeBytes: number;
}

export interface IntakeFigures {
  /** Messages a second over 10 connections that stay open. */
  readonly perSecond: number;
  /** Processor time of the intake for one message, in and on, in milliseconds: what does not depend on the machine's other work. */
  readonly processorMs: number;
  /** Milliseconds from the dot to the 250. */
  readonly answerMs: { readonly median: number; readonly p99: number; readonly most: number };
  /** The same while 8 clients log in with wrong passwords without a pause. */
  readonly withLogins: { readonly perSecond: number; readonly p99Ms: number; readonly loginsCount: number };
  /** Of the process, most of its life, while 4 large messages came in and were handed on. */
  readonly peakMebibytes: number;
  /** All that was answered with 250 reached the bridge. */
  readonly lostCount: number;
}

const connectionsCount = 10;
const smallBytes = 10_000;

export async function benchIntake(
  say: (detail: string) => void,
  size: IntakeBenchSize,
): Promise<IntakeFigures> {
  const folder = mkdtempSync(join(tmpdir(), 'intake-bench-'));
  const sink = await startSink();
  try {
    await buildIntake(join(folder, 'made'));
    const first = await startIntake(folder, 'small', sink.url);
    say(`${size.messages} messages of ${smallBytes / 1_000} kB over ${connectionsCount} connections`);
    const alone = await load(first.port, size.messages);
    await until(() => sink.count() >= size.messages);
    const processorMs = Math.round((processorTimeMs(first.child) / size.messages) * 100) / 100;
    say('the same with log-ins');
    const logins = startLogins(first.port);
    const beside = await load(first.port, Math.ceil(size.messages / 4));
    const loginsCount = await logins.stop();
    await until(() => sink.count() >= size.messages + Math.ceil(size.messages / 4));
    await first.stop();
    say('4 large messages, in and on at once');
    const second = await startIntake(folder, 'large', sink.url);
    const before = sink.count();
    await Promise.all(
      Array.from({ length: 4 }, (_, number) => sendLarge(second.port, number, size.largeBytes)),
    );
    await until(() => sink.count() >= before + 4);
    // Once more, while the first four are still warm: what comes in meets what goes on.
    await Promise.all(
      Array.from({ length: 4 }, (_, number) => sendLarge(second.port, number + 4, size.largeBytes)),
    );
    await until(() => sink.count() >= before + 8);
    const peakMebibytes = Math.round(peakKibibytes(second.child) / 1_024);
    await second.stop();
    const sorted = alone.answersMs.toSorted((one, other) => one - other);
    return {
      perSecond: Math.round(alone.perSecond),
      processorMs,
      answerMs: { median: at(sorted, 0.5), p99: at(sorted, 0.99), most: at(sorted, 1) },
      withLogins: {
        perSecond: Math.round(beside.perSecond),
        p99Ms: at(
          beside.answersMs.toSorted((one, other) => one - other),
          0.99,
        ),
        loginsCount,
      },
      peakMebibytes,
      lostCount: size.messages + Math.ceil(size.messages / 4) + 8 - sink.count(),
    };
  } finally {
    sink.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Sink {
  readonly url: string;
  count(): number;
  close(): void;
}

/** A bridge that accepts everything. */
async function startSink(): Promise<Sink> {
  const ids = new Set<string>();
  const drained = async (request: IncomingMessage): Promise<string> => {
    let text = '';
    for await (const chunk of request as AsyncIterable<Buffer>)
      if (text.length < 10_000) text += chunk.toString('latin1');
    return text;
  };
  const server = createServer((request, response) => {
    void drained(request).then((text) => {
      const { method = '', url = '' } = request;
      if (url === '/api/mailboxes')
        response.end(JSON.stringify({ mailboxes: [{ address: 'desk@example.com' }] }));
      else if (url === '/api/uploads') {
        const name = `blob-${Math.random().toString(36).slice(2)}`;
        response
          .writeHead(201)
          .end(JSON.stringify({ url: `${address()}/blobs/${name}`, blob: `outbound-uploads/${name}` }));
      } else if (method === 'PUT') response.writeHead(201).end();
      else {
        ids.add(/^"(.*)"$/.exec(String(request.headers['idempotency-key']))?.[1] ?? text);
        response.writeHead(202).end('{}');
      }
    });
  });
  const address = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await listening(server);
  return {
    url: address(),
    count: () => ids.size,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function startIntake(
  folder: string,
  name: string,
  bridge: string,
): Promise<{ readonly port: number; readonly child: ChildProcess; stop(): Promise<void> }> {
  const port = await freePort();
  writeFileSync(join(folder, 'key'), 'bench-key-0123456789abcdef');
  const settings = {
    name,
    bridge: { url: bridge, keyFile: join(folder, 'key') },
    spool: { folder: join(folder, name), freeMegabytes: 100 },
    listen: [{ address: '127.0.0.1', port }],
    // So that a password is checked also on loopback.
    login: { anyLogin: false, users: { printer: await hashPassword('correct horse battery') } },
  };
  writeFileSync(join(folder, `${name}.json`), JSON.stringify(settings));
  const child = spawn(
    process.execPath,
    [
      '--max-semi-space-size=1',
      join(folder, 'made', 'intake.js'),
      'run',
      '--settings',
      join(folder, `${name}.json`),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, UV_THREADPOOL_SIZE: '16' } },
  );
  let log = '';
  child.stdout.on('data', (chunk: Buffer) => {
    log = log.length > 100_000 ? log : log + chunk.toString();
  });
  await until(() => log.includes('intake.listening'));
  return {
    port,
    child,
    stop: async () => {
      const ended = new Promise((resolve) => child.once('close', resolve));
      child.kill('SIGTERM');
      await ended;
    },
  };
}

interface Load {
  readonly perSecond: number;
  readonly answersMs: readonly number[];
}

/** All messages over ten connections, each of which sends its next one once it has its 250. */
async function load(port: number, messages: number): Promise<Load> {
  const clients = await Promise.all(Array.from({ length: connectionsCount }, () => Client.open(port)));
  const answersMs: number[] = [];
  let next = 0;
  const startedAt = performance.now();
  await Promise.all(
    clients.map(async (client) => {
      for (let number = next++; number < messages; number = next++) {
        await client.say('MAIL FROM:<desk@example.com>\r\nRCPT TO:<citizen@example.org>\r\nDATA\r\n', 3);
        const sentAt = performance.now();
        await client.say(`${message(number, smallBytes)}.\r\n`, 1);
        answersMs.push(performance.now() - sentAt);
      }
    }),
  );
  const seconds = (performance.now() - startedAt) / 1_000;
  for (const client of clients) client.close();
  return { perSecond: messages / seconds, answersMs };
}

/** Eight clients that log in with a wrong password again and again. */
function startLogins(port: number): { stop(): Promise<number> } {
  let isOver = false;
  let count = 0;
  const running = Array.from({ length: 8 }, async () => {
    while (!isOver) {
      const client = await Client.open(port);
      for (let tries = 0; tries < 5; tries += 1) {
        await client.say(
          `AUTH PLAIN ${Buffer.from(`\u0000printer\u0000wrong ${count}`).toString('base64')}\r\n`,
          1,
        );
        count += 1;
      }
      client.close();
    }
  });
  return {
    stop: async () => {
      isOver = true;
      await Promise.all(running);
      return count;
    },
  };
}

async function sendLarge(port: number, number: number, bytes: number): Promise<void> {
  const client = await Client.open(port);
  await client.say('MAIL FROM:<desk@example.com>\r\nRCPT TO:<citizen@example.org>\r\nDATA\r\n', 3);
  await client.say(`${message(number, bytes)}.\r\n`, 1);
  client.close();
}

function message(number: number, bytes: number): string {
  const line = `${'QUJD'.repeat(19)}\r\n`;
  const id = `${number}.${Math.random().toString(36).slice(2)}`;
  return `From: desk@example.com\r\nTo: citizen@example.org\r\nSubject: INC-${id}\r\nMessage-ID: <${id}@bench>\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n${line.repeat(Math.ceil(bytes / line.length))}`;
}

/** A client that pipelines and counts replies. */
class Client {
  readonly #socket: Socket;
  #lines = 0;
  #wake: () => void = () => undefined;
  #refusal: string | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    let rest = '';
    socket.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString('latin1')).split('\r\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (/^\d{3} /.test(line)) this.#lines += 1;
        if (line.startsWith('4')) this.#refusal = line;
      }
      this.#wake();
    });
    socket.on('error', (error) => {
      this.#refusal = error.message;
      this.#wake();
    });
  }

  static async open(port: number): Promise<Client> {
    const client = new Client(connect(port, '127.0.0.1'));
    await client.#replies(1);
    await client.say('EHLO bench\r\n', 1);
    return client;
  }

  async say(text: string, replies: number): Promise<void> {
    this.#socket.write(text, 'latin1');
    await this.#replies(replies);
  }

  close(): void {
    this.#socket.end('QUIT\r\n');
  }

  async #replies(count: number): Promise<void> {
    while (this.#lines < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      if (this.#refusal !== undefined) throw new Error(this.#refusal);
    }
    this.#lines -= count;
  }
}

/** User and system time so far (Linux): ticks of 10 ms in fields 14 and 15 of proc(5)'s stat. */
function processorTimeMs(child: ChildProcess): number {
  const stat = readFileSync(`/proc/${String(child.pid)}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** The most that the process ever had in memory (Linux). */
function peakKibibytes(child: ChildProcess): number {
  const status = readFileSync(`/proc/${String(child.pid)}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0);
}

function at(sorted: readonly number[], share: number): number {
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return Math.round(value * 10) / 10;
}

async function freePort(): Promise<number> {
  const server = createTcpServer();
  await listening(server);
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function listening(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
}

async function until(what: () => boolean): Promise<void> {
  for (let tries = 0; !what(); tries += 1) {
    if (tries > 30_000) throw new Error('It did not come to be within five minutes');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
