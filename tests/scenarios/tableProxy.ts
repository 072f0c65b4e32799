// A proxy in front of the emulator's table service that can refuse all requests: a storage outage as a host sees it.
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface TableProxy {
  /** The connection string with the table service behind the proxy. */
  readonly connectionString: string;
  refuse(): void;
  open(): void;
  /** The number of refused requests. */
  refusedCount(): number;
  close(): Promise<void>;
}

export async function startTableProxy(connectionString: string): Promise<TableProxy> {
  const endpoint = /TableEndpoint=http:\/\/127\.0\.0\.1:(\d+)\//.exec(connectionString);
  const port = Number(endpoint?.[1]);
  let refusing = false;
  let refused = 0;
  const pass = (asked: IncomingMessage, answer: ServerResponse): void => {
    if (refusing) {
      refused += 1;
      asked.resume();
      answer.writeHead(503, { 'content-type': 'application/json' }).end('{}');
      return;
    }
    const onward = request(
      { host: '127.0.0.1', port, path: asked.url, method: asked.method, headers: asked.headers },
      (came) => {
        answer.writeHead(came.statusCode ?? 502, came.headers);
        came.pipe(answer);
      },
    );
    onward.on('error', () => answer.destroy());
    asked.pipe(onward);
  };
  const server = createServer(pass).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const own = (server.address() as AddressInfo).port;
  return {
    connectionString: connectionString.replace(endpoint?.[0] ?? '', () =>
      (endpoint?.[0] ?? '').replace(`:${String(port)}/`, `:${String(own)}/`),
    ),
    refuse: () => {
      refusing = true;
    },
    open: () => {
      refusing = false;
    },
    refusedCount: () => refused,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
