// The SMTP listener: one session per connection, all of them ended when the server closes.
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { SmtpContext } from './smtpSession.ts';
import { SmtpSession } from './smtpSession.ts';
import { Wire } from './wire.ts';

export interface Listener {
  readonly port: number;
  /** Cuts every open connection. */
  cutAll(): void;
  close(): Promise<void>;
}

export function startSmtp(context: SmtpContext, port: number): Promise<Listener> {
  const open = new Set<Wire>();
  const server = createServer((socket) => {
    const record = context.log.opened('smtp');
    const wire = new Wire(socket, (by) => {
      record.closedNs = context.log.nowNs();
      record.closedBy ??= by;
      context.connections.logOut(record);
      open.delete(wire);
    });
    open.add(wire);
    new SmtpSession(context, wire, record).run().then(
      () => {
        wire.end();
      },
      (trouble: unknown) => {
        wire.cut();
        throw trouble;
      },
    );
  });
  return listen(server, port, open);
}

/** Listens on 127.0.0.1, and says how to end that. */
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
