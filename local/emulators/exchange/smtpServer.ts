// The SMTP listener: one session per connection, all of them ended when the server closes.
import { createServer } from 'node:net';
import { listen } from './listener.ts';
import type { Listener } from './listener.ts';
import type { SmtpContext } from './smtpContext.ts';
import { SmtpSession } from './smtpSession.ts';
import { Wire } from './wire.ts';

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
