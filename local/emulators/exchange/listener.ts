// A TCP listener that tracks its open connections.
import type { AddressInfo, Server, Socket } from 'node:net';
import type { Wire } from './wire.ts';

export interface Listener {
  readonly port: number;
  /** Cuts every open connection. */
  cutAll(): void;
  close(): Promise<void>;
}

/** Listens on 127.0.0.1; the answer closes it. */
export async function listen(server: Server, port: number, open: Set<Wire>): Promise<Listener> {
  // A connection that has been ended lingers until the client has closed its side too.
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const cutAll = (): void => {
    for (const wire of [...open]) wire.cut();
  };
  return {
    port: portOf(server.address()),
    cutAll,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        cutAll();
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('The server has no port');
  return address.port;
}
