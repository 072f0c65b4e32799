// The HTTP server that the Entra, Key Vault, managed identity and ESM emulators share: bounded request bodies, one
// handler, and a close() that destroys open connections.
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

const defaultBodyBytes = 262_144;

export interface HttpRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
  /** The same, undecoded. */
  readonly bytes: Buffer;
}

export interface HttpResponse {
  readonly status: number;
  /** True: the connection is cut in place of an answer. */
  readonly cut?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
  /** A string or bytes are sent as they are, anything else as JSON. */
  readonly body?: unknown;
}

export interface HttpListener {
  readonly port: number;
  close(): Promise<void>;
}

export interface HttpListenerOptions {
  /** PEM; without it the server speaks plain HTTP. */
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly port?: number;
  /** A longer request body is answered with 413. */
  readonly maxBodyBytes?: number;
}

/** Listens on 127.0.0.1. If the handler throws, the response is 500 with the error's message as its body. */
export async function startHttpListener(
  { tls, port, maxBodyBytes = defaultBodyBytes }: HttpListenerOptions,
  handle: (request: HttpRequest) => Promise<HttpResponse> | HttpResponse,
): Promise<HttpListener> {
  const listener = (request: http.IncomingMessage, response: http.ServerResponse): void => {
    void answer(request, maxBodyBytes, handle).then(
      ({ status, headers, body, cut = false }) => {
        if (cut) {
          request.socket.destroy();
          return;
        }
        const isText = typeof body === 'string';
        response.writeHead(status, {
          'content-type': isText ? 'text/html; charset=utf-8' : 'application/json; charset=utf-8',
          'cache-control': 'no-store',
          ...headers,
        });
        response.end(
          body === undefined ? '' : isText || body instanceof Uint8Array ? body : JSON.stringify(body),
        );
      },
      (error: unknown) => {
        response.writeHead(500, { 'content-type': 'text/plain' });
        response.end(`emulator: ${error instanceof Error ? error.message : 'failed'}`);
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
  maxBodyBytes: number,
  handle: (request: HttpRequest) => Promise<HttpResponse> | HttpResponse,
): Promise<HttpResponse> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBodyBytes) return { status: 413, body: {} };
    chunks.push(chunk);
  }
  const bytes = Buffer.concat(chunks);
  return handle({
    method: request.method ?? 'GET',
    url: new URL(request.url ?? '/', 'https://localhost'),
    headers: request.headers,
    body: bytes.toString('utf8'),
    bytes,
  });
}
