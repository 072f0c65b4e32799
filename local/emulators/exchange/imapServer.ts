// The IMAP listener: implicit TLS, one session per connection.
import { createServer } from 'node:net';
import type { SecureContext } from 'node:tls';
import { ImapSession } from './imapSession.ts';
import type { ImapContext } from './imapSession.ts';
import { listen } from './listener.ts';
import type { Listener } from './listener.ts';
import { Wire } from './wire.ts';
import type { ConnectionRecord } from './serverLog.ts';

export function startImap(
  context: ImapContext & { readonly secureContext: SecureContext },
  port: number,
): Promise<Listener> {
  const open = new Set<Wire>();
  const server = createServer((socket) => {
    const record = context.log.opened('imap');
    const wire = new Wire(socket, (by) => {
      record.closedNs = context.log.nowNs();
      record.closedBy ??= by;
      open.delete(wire);
    });
    open.add(wire);
    serve(context, wire, record).then(
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

async function serve(
  context: ImapContext & { readonly secureContext: SecureContext },
  wire: Wire,
  record: ConnectionRecord,
): Promise<void> {
  const fault = context.faults.imap('connect', { protocol: 'imap', connection: record.number });
  if (fault?.kind === 'cut') {
    wire.cut();
    return;
  }
  if (fault?.kind === 'hang') await context.clock.sleep(fault.forMs ?? 2 ** 31 - 1, wire.gone);
  if (fault?.kind === 'delay') await context.clock.sleep(fault.ms, wire.gone);
  if (wire.isGone || !(await wire.startTls(context.secureContext))) return;
  record.tlsNs = context.log.nowNs();
  await new ImapSession(context, wire, record).run();
}
