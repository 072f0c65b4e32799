import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { connectionStringOf } from '../../local/stack/azurite.ts';
import { systemClock } from '../../shared/clock.ts';
import { ensureStore, makeStoreClients } from '../../shared/storage/clients.ts';
import { containerNames, queueNames, tableNames } from '../../shared/storage/names.ts';
import { startEmulator, type Emulator, type Observation } from './emulator.ts';

describe('against the emulator', () => {
  let emulator: Emulator;
  beforeAll(async () => {
    emulator = await startEmulator();
  });
  afterAll(() => emulator.stop());

  test('everything named is there, and making it again is no trouble', async () => {
    const { clients } = emulator;
    await ensureStore(clients);
    const found = { queues: [], tables: [], containers: [] } as Record<string, string[]>;
    for await (const queue of clients.queues.listQueues()) found['queues']?.push(queue.name);
    for await (const table of clients.tables.listTables()) found['tables']?.push(table.name ?? '');
    for await (const container of clients.blobs.listContainers()) found['containers']?.push(container.name);
    expect(new Set(found['queues'])).toEqual(new Set(Object.values(queueNames)));
    expect(new Set(found['tables'])).toEqual(new Set(Object.values(tableNames)));
    expect(new Set(found['containers'])).toEqual(new Set(Object.values(containerNames)));
  });

  test.each([
    ['table', () => emulator.clients.table(tableNames.outbox).getEntity('nobody', 'nothing')],
    [
      'table batch',
      () =>
        emulator.clients
          .table(tableNames.outbox)
          .submitTransaction([['create', { partitionKey: 'batch', rowKey: 'one' }]]),
    ],
    ['blob', () => emulator.clients.blobs.getContainerClient(containerNames.inboundContent).getProperties()],
    ['queue', () => emulator.clients.queues.getQueueClient(queueNames.mailStatus).getProperties()],
  ])('each answer of the %s service is witnessed once, refusals too', async (_name, call) => {
    const from = emulator.observations.length;
    await Promise.allSettled([call()]);
    const seen = emulator.observations.slice(from);
    expect(seen).toHaveLength(1);
    for (const { sentAt, dateMs, receivedAt } of seen) {
      expect(sentAt).toBeLessThan(receivedAt);
      expect(Math.abs(dateMs - systemClock.now())).toBeLessThan(60_000);
    }
  });
});

describe('against a server of our own', () => {
  async function withServer(
    answer: (request: IncomingMessage, response: ServerResponse) => void,
    run: (port: number) => Promise<void>,
  ): Promise<void> {
    const server = createServer(answer).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    try {
      await run((server.address() as AddressInfo).port);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }
  const clientsOf = (port: number, observations: Observation[], tryMs?: number) =>
    makeStoreClients(
      {
        kind: 'connectionString',
        connectionString: connectionStringOf({ blob: port, queue: port, table: port }),
      },
      {
        clock: systemClock,
        clockSampler: { observe: (answer) => void observations.push(answer) },
        ...(tryMs === undefined ? {} : { tryMs }),
      },
    );

  test('a retried call reports each try by itself, so a back-off never widens the bounds', async () => {
    for (const service of ['table', 'blob', 'queue'] as const) {
      let tries = 0;
      const arrivals: number[] = [];
      const observations: Observation[] = [];
      await withServer(
        (request, response) => {
          request.resume();
          tries += 1;
          arrivals.push(systemClock.monotonic());
          response.writeHead(tries < 3 ? 503 : 404).end();
        },
        async (port) => {
          const clients = clientsOf(port, observations);
          const call = {
            table: () => clients.table('outbox').getEntity('a', 'b'),
            blob: () => clients.blobs.getContainerClient(containerNames.inboundContent).getProperties(),
            queue: () => clients.queues.getQueueClient('mail-status').getProperties(),
          }[service];
          await expect(call()).rejects.toMatchObject({ statusCode: 404 });
        },
      );
      expect([service, tries, observations.length]).toEqual([service, 3, 3]);
      for (const [index, { sentAt, receivedAt }] of observations.entries()) {
        expect(sentAt).toBeLessThanOrEqual(arrivals[index] ?? 0);
        expect(receivedAt).toBeGreaterThanOrEqual(arrivals[index] ?? Infinity);
        expect(sentAt).toBeGreaterThan(arrivals[index - 1] ?? -Infinity);
      }
    }
  });

  test('a server that is always busy is tried three times, no more', async () => {
    for (const service of ['table', 'blob', 'queue'] as const) {
      let tries = 0;
      await withServer(
        (request, response) => {
          request.resume();
          tries += 1;
          response.writeHead(503).end();
        },
        async (port) => {
          const clients = clientsOf(port, []);
          const call = {
            table: () => clients.table('outbox').getEntity('a', 'b'),
            blob: () => clients.blobs.getContainerClient(containerNames.inboundContent).getProperties(),
            queue: () => clients.queues.getQueueClient('mail-status').getProperties(),
          }[service];
          await expect(call()).rejects.toMatchObject({ statusCode: 503 });
        },
      );
      expect([service, tries]).toEqual([service, 3]);
    }
  });

  test('a try that is never answered ends', async () => {
    for (const service of ['table', 'blob', 'queue'] as const) {
      await withServer(
        (request) => void request.resume(),
        async (port) => {
          const clients = clientsOf(port, [], 100);
          const call = {
            table: () => clients.table('outbox').getEntity('a', 'b'),
            blob: () => clients.blobs.getContainerClient(containerNames.inboundContent).getProperties(),
            queue: () => clients.queues.getQueueClient('mail-status').getProperties(),
          }[service];
          await expect(call()).rejects.toThrow();
        },
      );
    }
  });
});

describe('what is refused before any call', () => {
  const options = { clock: systemClock, clockSampler: { observe: () => undefined } };
  const credential = { getToken: () => Promise.resolve({ token: 'x', expiresOnTimestamp: 0 }) };
  const uris = {
    kind: 'identity' as const,
    tableServiceUri: 'https://store.table.core.windows.net',
    blobServiceUri: 'https://store.blob.core.windows.net',
    queueServiceUri: 'https://store.queue.core.windows.net',
  };

  test('an identity over plain http', () => {
    expect(() =>
      makeStoreClients(
        { ...uris, blobServiceUri: 'http://store.blob.core.windows.net' },
        { ...options, credential },
      ),
    ).toThrow('https');
    expect(() => makeStoreClients(uris, options)).toThrow('credential');
    expect(makeStoreClients(uris, { ...options, credential }).blobs.url).toContain('https://store.blob');
  });

  test('plain http with a connection string that says https', () => {
    const httpsString =
      'DefaultEndpointsProtocol=https;AccountName=store;AccountKey=c2VjcmV0;TableEndpoint=https://127.0.0.1:9/store;';
    const clients = makeStoreClients(
      {
        kind: 'connectionString',
        connectionString:
          httpsString + 'BlobEndpoint=https://127.0.0.1:9/store;QueueEndpoint=https://127.0.0.1:9/store;',
      },
      options,
    );
    expect(clients.table('outbox').url).toMatch(/^https:/);
  });
});
