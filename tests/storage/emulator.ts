// What the storage tests share: the emulator as a child process, and clients of it.
import { request, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http';
import { startAzurite, type Azurite } from '../../local/stack/azurite.ts';
import { systemClock } from '../../shared/clock.ts';
import type { ClockSampler } from '../../shared/storageErrors.ts';
import { ensureStore, makeStoreClients, type StoreClients } from '../../shared/storage/clients.ts';

export type Observation = Parameters<ClockSampler['observe']>[0];

export interface Emulator {
  readonly azurite: Azurite;
  readonly clients: StoreClients;
  /** What the time witness was told, in order. */
  readonly observations: Observation[];
  stop(): Promise<void>;
}

export async function startEmulator(): Promise<Emulator> {
  const azurite = await startAzurite();
  const observations: Observation[] = [];
  const clients = makeStoreClients(
    { kind: 'connectionString', connectionString: azurite.connectionString },
    { clock: systemClock, clockSampler: { observe: (answer) => void observations.push(answer) } },
  );
  await ensureStore(clients);
  return { azurite, clients, observations, stop: () => azurite.stop() };
}

/** One request as it stands, for proxies: the shared key signs no port, so it may be passed on. */
export function passOn(
  port: number,
  head: { readonly method: string; readonly path: string; readonly headers: OutgoingHttpHeaders },
  body: Uint8Array,
): Promise<{ readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: Buffer }> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, ...head }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => {
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) });
      });
    });
    outgoing.on('error', reject).end(body);
  });
}
