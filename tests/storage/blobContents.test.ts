import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { connectionStringOf } from '../../local/stack/azurite.ts';
import { systemClock } from '../../shared/clock.ts';
import { BlobContents } from '../../shared/storage/blobContents.ts';
import { makeStoreClients, type StoreClients } from '../../shared/storage/clients.ts';
import { containerNames } from '../../shared/storage/names.ts';
import { startEmulator, type Emulator } from './emulator.ts';

const MIB = 1024 * 1024;
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const contentsOf = ({ blobs }: StoreClients): BlobContents =>
  new BlobContents(
    blobs.getContainerClient(containerNames.outboundContent),
    blobs.getContainerClient(containerNames.outboundUploads),
  );

let emulator: Emulator;
let contents: BlobContents;

beforeAll(async () => {
  emulator = await startEmulator();
  contents = contentsOf(emulator.clients);
});
afterAll(() => emulator.stop());

async function upload(name: string, bytes: Uint8Array): Promise<string> {
  const container = emulator.clients.blobs.getContainerClient(containerNames.outboundUploads);
  await container.getBlockBlobClient(name).uploadData(bytes);
  return `${containerNames.outboundUploads}/${name}`;
}

async function putNew(bytes: Uint8Array = randomBytes(20)): Promise<string> {
  const name = sha256(bytes);
  await contents.put(name, bytes);
  return name;
}

describe('put and get', () => {
  test.each([0, 1, 4 * MIB, 4 * MIB + 1, 13 * MIB])(
    '%i bytes come back, also when put twice',
    async (size) => {
      const bytes = randomBytes(size);
      const name = await putNew(bytes);
      await contents.put(name, bytes);
      const got = await contents.get(name);
      expect(Buffer.compare(Buffer.from(got ?? []), bytes)).toBe(0);
      expect(got?.length).toBe(size);
    },
  );

  test('what is not there, or is no name of ours, is undefined', async () => {
    expect(await contents.get('0'.repeat(64))).toBeUndefined();
    for (const name of ['', 'x', '../secrets', 'A'.repeat(64)])
      expect(await contents.get(name)).toBeUndefined();
  });

  test('a name that is not the hash of the bytes is a mistake', async () => {
    await expect(contents.put('0'.repeat(64), Buffer.from('x'))).rejects.toThrow('SHA-256');
  });
});

describe('adopt', () => {
  test.each([0, 17, 4 * MIB, 4 * MIB + 1, 21 * MIB])(
    '%i bytes become ours under their hash',
    async (size) => {
      const bytes = randomBytes(size);
      const reference = await upload(`folder/ä ö & ${size}.bin`, bytes);
      const answer = await contents.adopt(reference, size);
      expect(answer).toEqual({
        kind: 'adopted',
        name: sha256(bytes),
        sha256: sha256(bytes),
        sizeBytes: size,
      });
      expect(Buffer.compare(Buffer.from((await contents.get(sha256(bytes))) ?? []), bytes)).toBe(0);
      expect(await contents.adopt(reference, size)).toEqual(answer);
    },
  );

  test('ESM may delete its own afterwards', async () => {
    const bytes = randomBytes(5 * MIB);
    const reference = await upload('gone.bin', bytes);
    await contents.adopt(reference, 6 * MIB);
    await emulator.clients.blobs
      .getContainerClient(containerNames.outboundUploads)
      .getBlobClient('gone.bin')
      .delete();
    expect(await contents.adopt(reference, 6 * MIB)).toEqual({ kind: 'absent' });
    expect((await contents.get(sha256(bytes)))?.length).toBe(5 * MIB);
  });

  test('one byte more than allowed is too large, and leaves nothing behind', async () => {
    for (const size of [1_001, 5 * MIB]) {
      const bytes = randomBytes(size);
      const reference = await upload(`large${size}`, bytes);
      expect(await contents.adopt(reference, size - 1)).toEqual({ kind: 'tooLarge' });
      expect(await contents.get(sha256(bytes))).toBeUndefined();
    }
  });

  const uploads = containerNames.outboundUploads;
  test.each([
    ['another container of ours', `${containerNames.outboundContent}/${'0'.repeat(64)}`],
    ['a container that begins alike', `${uploads}2/a`],
    ['another case', `${uploads.toUpperCase()}/a`],
    ['a name alone', 'a'],
    ['no name', `${uploads}/`],
    ['nothing', ''],
    ['a leading slash', `/${uploads}/a`],
    ['two slashes', `${uploads}//a`],
    ['up', `${uploads}/../${containerNames.outboundContent}/x`],
    ['up, inside', `${uploads}/a/../../x`],
    ['here', `${uploads}/./a`],
    ['a trailing dot', `${uploads}/a.`],
    ['encoded dots', `${uploads}/%2e%2e/x`],
    ['an encoded slash', `${uploads}/..%2fx`],
    ['encoded twice', `${uploads}/%252e%252e/x`],
    ['a backslash', `${uploads}/..\\x`],
    ['an address', 'https://evil.example/outbound-uploads/a'],
    ['an address without scheme', '//evil.example/a'],
    ['a query', `${uploads}/a?sv=2020&sig=x`],
    ['a fragment', `${uploads}/a#b`],
    ['a control character', `${uploads}/a\u0000b`],
    ['a line break', `${uploads}/a\r\nb`],
    ['half a character', `${uploads}/\ud83d`],
    ['a very long name', `${uploads}/${'a'.repeat(1_025)}`],
  ])('%s is forbidden without a call', async (_name, reference) => {
    const from = emulator.observations.length;
    expect(await contents.adopt(reference, 1_000)).toEqual({ kind: 'forbidden' });
    expect(emulator.observations).toHaveLength(from);
  });
});

describe('age', () => {
  test('only what is older goes; what is gone is gone', async () => {
    const name = await putNew();
    expect(await contents.removeIfOlder(name, 60_000)).toBe(false);
    expect(await contents.get(name)).toBeDefined();
    expect(await contents.removeIfOlder(name, -60_000)).toBe(true);
    expect(await contents.get(name)).toBeUndefined();
    expect(await contents.removeIfOlder(name, 60_000)).toBe(true);
  });

  test('putting and adopting again make it young', async () => {
    const small = randomBytes(10);
    const large = randomBytes(5 * MIB);
    const references = [await upload('small', small), await upload('large', large)];
    const age = async (bytes: Uint8Array): Promise<number> => {
      const blob = emulator.clients.blobs
        .getContainerClient(containerNames.outboundContent)
        .getBlobClient(sha256(bytes));
      const { date, lastModified } = await blob.getProperties();
      return (date?.getTime() ?? NaN) - (lastModified?.getTime() ?? NaN);
    };
    for (const reference of references) await contents.adopt(reference, 6 * MIB);
    // Dates have whole seconds, so two and a half are at least two.
    await wait(2_500);
    expect(Math.min(await age(small), await age(large))).toBeGreaterThanOrEqual(2_000);
    for (const [reference, bytes] of [
      [references[0], small],
      [references[1], large],
    ] as const) {
      const before = await age(bytes);
      await contents.adopt(reference ?? '', 6 * MIB);
      expect(await age(bytes)).toBeLessThan(before);
    }
    await wait(2_500);
    const before = await age(small);
    await contents.put(sha256(small), small);
    expect(await age(small)).toBeLessThan(before);
  });
});

describe('list', () => {
  test('every name once, in order, page by page', async () => {
    for (let index = 0; index < 23; index += 1) await putNew();
    const all = await contents.list({ limit: 1_000 });
    expect([...all]).toEqual([...all].sort());
    const paged: string[] = [];
    for (let pages = 0; pages < 100; pages += 1) {
      const after = paged.at(-1);
      const page = await contents.list({ ...(after === undefined ? {} : { after }), limit: 7 });
      paged.push(...page);
      if (page.length < 7) break;
    }
    expect(paged).toEqual(all);
    expect(all.length).toBeGreaterThanOrEqual(23);
  });

  test('a name that is gone is a place to go on from', async () => {
    const [first, second] = await contents.list({ limit: 2 });
    await contents.removeIfOlder(first ?? '', -60_000);
    expect(await contents.list({ after: first ?? '', limit: 1 })).toEqual([second]);
  });
});

test('a store that fails is trouble, never an absent content', async () => {
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(503).end());
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const sick = contentsOf(
    makeStoreClients(
      {
        kind: 'connectionString',
        connectionString: connectionStringOf({ blob: port, queue: port, table: port }),
      },
      { clock: systemClock, clockSampler: { observe: () => undefined } },
    ),
  );
  const bytes = Buffer.from('x');
  const calls = [
    () => sick.put(sha256(bytes), bytes),
    () => sick.get(sha256(bytes)),
    () => sick.adopt(`${containerNames.outboundUploads}/a`, 10),
    () => sick.removeIfOlder(sha256(bytes), 0),
    () => sick.list({ limit: 1 }),
  ];
  try {
    await Promise.all(
      calls.map((call) =>
        expect(call()).rejects.toMatchObject({
          name: 'StorageTrouble',
          message: expect.stringContaining('503'),
        }),
      ),
    );
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
