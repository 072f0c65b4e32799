import { afterAll, beforeAll, describe } from '@jest/globals';
import { BlobContents } from '../../shared/storage/blobContents.ts';
import { containerNames, tableNames } from '../../shared/storage/names.ts';
import { TableRows } from '../../shared/storage/tableRows.ts';
import { MemoryBlobs, MemoryContents } from '../models/memoryContents.ts';
import { MemoryRows, MemoryTable, Wire } from '../models/memoryRows.ts';
import { VirtualClock } from '../models/virtualClock.ts';
import { startEmulator, type Emulator } from '../storage/emulator.ts';
import { contentsContract } from './contentsContract.ts';
import { rowsContract } from './rowsContract.ts';

const real = <Answer>(work: Promise<Answer>): Promise<Answer> => work;

describe('the storage emulator', () => {
  let emulator: Emulator;
  beforeAll(async () => {
    emulator = await startEmulator();
  });
  afterAll(() => emulator.stop());

  describe('rows', () => {
    rowsContract(() => ({ rows: new TableRows(emulator.clients.table(tableNames.outbox)), run: real }));
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
    rowsContract(() => ({ rows: new MemoryRows(table, wire), run }));
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
