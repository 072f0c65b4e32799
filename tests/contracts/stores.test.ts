import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { BlobContents } from '../../shared/storage/blobContents.ts';
import { containerNames, queueNames, tableNames } from '../../shared/storage/names.ts';
import { StorageQueues } from '../../shared/storage/storageQueues.ts';
import { TableRows } from '../../shared/storage/tableRows.ts';
import { MemoryBlobs, MemoryContents } from '../models/memoryContents.ts';
import { MemoryQueue, MemoryQueues } from '../models/memoryQueues.ts';
import { MemoryRows, MemoryTable, Wire } from '../models/memoryRows.ts';
import { VirtualClock } from '../models/virtualClock.ts';
import { startEmulator, type Emulator } from '../storage/emulator.ts';
import { contentsContract } from './contentsContract.ts';
import { queuesContract } from './queuesContract.ts';
import { rowsContract } from './rowsContract.ts';
import type { RowsUnderTest } from './rowsContract.ts';
import { rowsLimits } from './rowsLimits.ts';

const real = <Answer>(work: Promise<Answer>): Promise<Answer> => work;

describe('the storage emulator', () => {
  let emulator: Emulator;
  beforeAll(async () => {
    emulator = await startEmulator();
  });
  afterAll(() => emulator.stop());

  describe('rows', () => {
    const make = (): RowsUnderTest => ({
      rows: new TableRows(emulator.clients.table(tableNames.outbox)),
      run: real,
    });
    rowsContract(make);
    rowsLimits(make);
  });

  describe('queues', () => {
    queuesContract(() => ({
      queues: new StorageQueues(emulator.clients.queues),
      run: real,
      published: async () => {
        const status = emulator.clients.queues.getQueueClient(queueNames.mailStatus);
        const { receivedMessageItems } = await status.receiveMessages({ numberOfMessages: 32 });
        return receivedMessageItems.map(({ messageText }) => messageText);
      },
    }));
  });

  describe('contents', () => {
    contentsContract(() => {
      const uploads = emulator.clients.blobs.getContainerClient(containerNames.outboundUploads);
      return {
        contents: new BlobContents(
          emulator.clients.blobs.getContainerClient(containerNames.outboundContent),
          uploads,
        ),
        uploadContainer: containerNames.outboundUploads,
        upload: async (name, bytes) => {
          await uploads.getBlockBlobClient(name).uploadData(bytes);
        },
        run: real,
      };
    });
  });
});

describe('the memory models', () => {
  const world = new VirtualClock();
  const wire = new Wire(world, world.host(), { observe: () => undefined });
  const run = <Answer>(work: Promise<Answer>): Promise<Answer> => world.run(work);

  describe('rows', () => {
    const table = new MemoryTable();
    const make = (): RowsUnderTest => ({ rows: new MemoryRows(table, wire), run });
    rowsContract(make);
    rowsLimits(make);

    // Of the service's documentation: the emulator looks at each request alone.
    test('a row that two merges make larger than 1 MiB is refused', async () => {
      const { rows } = make();
      const half = (first: number) =>
        Object.fromEntries(
          Array.from({ length: 9 }, (_, n) => [`f${String(first + n)}`, 'x'.repeat(32_000)]),
        );
      await run(rows.commit('grown', [{ kind: 'insert', key: 'row', fields: half(0) }]));
      const more = { kind: 'merge', key: 'row', fields: half(9) } as const;
      await expect(run(rows.commit('grown', [more]))).rejects.toThrow('1 MiB');
    });
  });

  describe('queues', () => {
    const queue = new MemoryQueue();
    queuesContract(() => ({
      queues: new MemoryQueues(queue, wire),
      run,
      published: () => Promise.resolve(queue.events),
    }));
  });

  describe('contents', () => {
    const blobs = new MemoryBlobs();
    contentsContract(() => ({
      contents: new MemoryContents(blobs, wire, world),
      uploadContainer: 'esm-upload',
      upload: (name, bytes) => {
        blobs.uploads.set(`esm-upload/${name}`, bytes);
        return Promise.resolve();
      },
      run,
    }));
  });
});
