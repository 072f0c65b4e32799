// A proxy between a host and the storage emulator, with one listener for each service. It sees every call outside the
// product: the bench counts them, a crash run kills the host at one, a fault run drops the answer.
import {
  Agent,
  createServer,
  request,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { connectionStringOf, type AzuritePorts } from '../stack/azurite.ts';
import { nameOf, readCall, type StorageCall, type StorageService } from './storageCall.ts';

export interface SeenCall extends StorageCall {
  /** Its effect, as named by nameOf. */
  readonly name: string;
}

export interface StorageAnswer {
  readonly status: number;
  readonly body: Buffer;
}

/** `refuse`: 503, not applied · `cut`: the connection ends, not applied. */
export type BeforeCall = 'forward' | 'refuse' | 'cut';
/** `lose`: applied, and the connection ends instead of the answer. */
export type AfterCall = 'pass' | 'lose';

export interface StorageProxyOptions {
  readonly ports: AzuritePorts;
  readonly before?: (call: SeenCall) => Promise<BeforeCall> | BeforeCall;
  readonly after?: (call: SeenCall, answer: StorageAnswer) => Promise<AfterCall> | AfterCall;
}

export interface StorageProxy {
  readonly connectionString: string;
  close(): Promise<void>;
}

const services: readonly StorageService[] = ['blob', 'queue', 'table'];

/** Listens on 127.0.0.1; the connection string is for the host. */
export async function startStorageProxy(options: StorageProxyOptions): Promise<StorageProxy> {
  const agent = new Agent({ keepAlive: true });
  const servers = await Promise.all(
    services.map((service) => listen(service, { ...options, agent, port: options.ports[service] })),
  );
  const port = (at: number): number => portOf(servers[at]);
  return {
    connectionString: connectionStringOf({ blob: port(0), queue: port(1), table: port(2) }),
    close: async () => {
      await Promise.all(
        servers.map(
          (server) =>
            new Promise<void>((resolve) => {
              server.close(() => {
                resolve();
              });
              server.closeAllConnections();
            }),
        ),
      );
      agent.destroy();
    },
  };
}

interface Context extends StorageProxyOptions {
  readonly agent: Agent;
  readonly port: number;
}

function listen(service: StorageService, context: Context): Promise<Server> {
  const server = createServer((incoming, outgoing) => {
    pass(service, incoming, outgoing, context).catch(() => {
      outgoing.destroy(); // the client or the emulator is gone: no response is possible
    });
  });
  // The SDK holds its connections; ending them here would look like a fault of the store.
  server.keepAliveTimeout = 300_000;
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      resolve(server);
    });
  });
}

async function pass(
  service: StorageService,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  context: Context,
): Promise<void> {
  const { method = 'GET', url = '/' } = incoming;
  const body = await collect(incoming);
  const call = readCall(service, method, url, body);
  const seen: SeenCall = { ...call, name: nameOf(call) };
  const decision = (await context.before?.(seen)) ?? 'forward';
  if (decision === 'cut') {
    incoming.socket.destroy();
    return;
  }
  if (decision === 'refuse') {
    outgoing.writeHead(503, { 'content-length': '0' }).end();
    return;
  }
  const { head, answer } = await forward(incoming, body, context);
  if (((await context.after?.(seen, answer)) ?? 'pass') === 'lose') {
    incoming.socket.destroy();
    return;
  }
  outgoing.writeHead(answer.status, head).end(answer.body);
}

async function forward(
  incoming: IncomingMessage,
  body: Buffer,
  { agent, port }: Context,
): Promise<{ readonly head: string[]; readonly answer: StorageAnswer }> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const { method, url, rawHeaders } = incoming;
    const onward = request(
      { agent, host: '127.0.0.1', port, method, path: url, headers: rawHeaders },
      resolve,
    );
    onward.once('error', reject);
    onward.end(body);
  });
  const answer = { status: response.statusCode ?? 502, body: await collect(response) };
  // The body is complete by now: its length replaces chunked encoding.
  const head = response.rawHeaders.flatMap((name, at, all) =>
    at % 2 === 1 || /^(transfer-encoding|content-length|connection|keep-alive)$/i.test(name)
      ? []
      : [name, all[at + 1] ?? ''],
  );
  const isHead = incoming.method === 'HEAD';
  const length = isHead ? (response.headers['content-length'] ?? '0') : String(answer.body.length);
  return { head: [...head, 'content-length', length], answer };
}

async function collect(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function portOf(server: Server | undefined): number {
  const address = server?.address();
  if (typeof address !== 'object' || address === null) throw new Error('the storage proxy does not listen');
  return address.port;
}
