// Raw messages and notices in the real services (the emulator's).
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ContainerInboundBlobs } from '../../shared/storage/inboundBlobs.ts';
import { containerNames, queueNames } from '../../shared/storage/names.ts';
import { NoticeQueue } from '../../shared/storage/noticeQueue.ts';
import { startEmulator, type Emulator } from './emulator.ts';

let emulator: Emulator;
let folder: string;
let blobs: ContainerInboundBlobs;

beforeAll(async () => {
  emulator = await startEmulator();
  folder = await mkdtemp(join(tmpdir(), 'blobs-'));
  blobs = new ContainerInboundBlobs(emulator.clients.blobs.getContainerClient(containerNames.inboundContent));
});

afterAll(async () => {
  await emulator.stop();
  await rm(folder, { recursive: true });
});

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('a blob', () => {
  test('is created once and never written again', async () => {
    const first = randomBytes(1_000);
    expect(await blobs.create('m/1/raw.eml', { kind: 'bytes', bytes: first }, 'message/rfc822')).toBe(
      'created',
    );
    const again = await blobs.create(
      'm/1/raw.eml',
      { kind: 'bytes', bytes: randomBytes(10) },
      'message/rfc822',
    );
    expect(again).toBe('exists');
    expect(await blobs.sha256Of('m/1/raw.eml')).toBe(sha256(first));
    const path = join(folder, 'saved');
    expect(await blobs.save('m/1/raw.eml', path)).toBe(true);
    expect(await readFile(path)).toEqual(first);
    expect(blobs.reference('m/1/raw.eml')).toBe('inbound-content/m/1/raw.eml');
  });

  test('of a file in several blocks is the file, and is created once too', async () => {
    const bytes = randomBytes(9_000_001);
    const path = join(folder, 'large');
    await writeFile(path, bytes);
    const content = { kind: 'file', path, sizeBytes: bytes.length } as const;
    expect(await blobs.create('m/2/raw.eml', content, 'message/rfc822')).toBe('created');
    expect(await blobs.create('m/2/raw.eml', content, 'message/rfc822')).toBe('exists');
    const saved = join(folder, 'large-saved');
    await blobs.save('m/2/raw.eml', saved);
    expect(sha256(await readFile(saved))).toBe(sha256(bytes));
    expect(await blobs.sha256Of('m/2/raw.eml')).toBe(sha256(bytes));
  });

  test('that is not there has no hash and is not saved', async () => {
    expect(await blobs.sha256Of('m/3/raw.eml')).toBeUndefined();
    expect(await blobs.save('m/3/raw.eml', join(folder, 'none'))).toBe(false);
  });
});

describe('a notice', () => {
  test('lies on the queue as it is and never expires', async () => {
    const client = emulator.clients.queues.getQueueClient(queueNames.inboundMail);
    await new NoticeQueue(client).publish('{"a":"\\u00e4"}');
    const { receivedMessageItems } = await client.receiveMessages();
    expect(receivedMessageItems[0]?.messageText).toBe('{"a":"\\u00e4"}');
    expect(receivedMessageItems[0]?.expiresOn.getUTCFullYear()).toBe(9999);
  });

  test.each([
    ['not ASCII', 'ä'],
    ['a control character', 'a\u0001'],
    ['too long', 'x'.repeat(48 * 1024 + 1)],
  ])('that is %s is refused before it is sent', async (_name, text) => {
    const client = emulator.clients.queues.getQueueClient(queueNames.inboundMail);
    await expect(new NoticeQueue(client).publish(text)).rejects.toThrow(RangeError);
  });
});
