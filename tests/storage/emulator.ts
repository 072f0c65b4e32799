// What the storage tests share: the emulator as a child process, and clients of it.
import { startAzurite, type Azurite } from '../../local/azurite.ts';
import { systemClock } from '../../shared/clock.ts';
import type { TimeWitness } from '../../shared/outbound/ports.ts';
import { ensureStore, makeStoreClients, type StoreClients } from '../../shared/storage/clients.ts';

export type Observation = Parameters<TimeWitness['observe']>[0];

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
    { clock: systemClock, witness: { observe: (answer) => void observations.push(answer) } },
  );
  await ensureStore(clients);
  return { azurite, clients, observations, stop: () => azurite.stop() };
}
