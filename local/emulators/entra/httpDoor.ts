// The small server under the stand-ins: bounded bodies, one handler, and an end that cuts what is still open.
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

const LARGEST_BODY_BYTES = 262_144;

export interface Asked {
  readonly method: string;
  readonly url: URL;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

export interface Answered {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** A string is sent as it is, anything else as JSON. */
  readonly body?: unknown;
}

export interface Door {
  readonly port: number;
  close(): Promise<void>;
}

export interface DoorOptions {
  /** PEM; without it the door speaks plain HTTP. */
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly port?: number;
}

/** Opens on 127.0.0.1. A handler that throws is an answer 500, and the test that caused it should see it. */
export async function openDoor(
  { tls, port }: DoorOptions,
  handle: (asked: Asked) => Promise<Answered> | Answered,
): Promise<Door> {
  const listener = (request: http.IncomingMessage, response: http.ServerResponse): void => {
    void answer(request, handle).then(
      ({ status, headers, body }) => {
        const isText = typeof body === 'string';
        response.writeHead(status, {
          'content-type': isText ? 'text/html; charset=utf-8' : 'application/json; charset=utf-8',
          'cache-control': 'no-store',
          ...headers,
        });
        response.end(body === undefined ? '' : isText ? body : JSON.stringify(body));
      },
      (error: unknown) => {
        response.writeHead(500, { 'content-type': 'text/plain' });
        response.end(`stand-in: ${error instanceof Error ? error.message : 'failed'}`);
      },
    );
  };
  const server = tls === undefined ? http.createServer(listener) : https.createServer({ ...tls }, listener);
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port ?? 0, '127.0.0.1', () => {
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        for (const socket of sockets) socket.destroy();
      }),
  };
}

async function answer(
  request: http.IncomingMessage,
  handle: (asked: Asked) => Promise<Answered> | Answered,
): Promise<Answered> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > LARGEST_BODY_BYTES) return { status: 413, body: {} };
    chunks.push(chunk);
  }
  return handle({
    method: request.method ?? 'GET',
    url: new URL(request.url ?? '/', 'https://localhost'),
    headers: request.headers,
    body: Buffer.concat(chunks).toString('utf8'),
  });
}
