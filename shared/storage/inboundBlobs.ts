// Raw messages and their parts, in the container `inbound-content`. A blob is created once and never written again;
// its SHA-256 is in its metadata, so that two messages with one identity can be told apart without reading them.
import { bufferOf } from '../mail/foreign.ts';
import type { BlockBlobClient, ContainerClient } from '@azure/storage-blob';
import { open } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import type { InboundBlobs, RawMail } from '../inbound/ports.ts';
import { StorageTrouble } from '../storageErrors.ts';
import { callOptions } from './clients.ts';
import { asTrouble, orTrouble, statusOf } from './trouble.ts';

/** Large files are uploaded in blocks; the blob is invisible until the list of blocks is committed. */
const blockBytes = 2 * 1024 * 1024;
/** What one call removes. A Blob Batch may name 256; a call for so many can outlast the time of a try. */
const blobsPerBatch = 100;
/** 150 MB over a slow link. */
const largeCallMs = 240_000;

export class ContainerInboundBlobs implements InboundBlobs {
  readonly #container: ContainerClient;

  constructor(container: ContainerClient) {
    this.#container = container;
  }

  reference(name: string): string {
    return `${this.#container.containerName}/${name}`;
  }

  async create(name: string, content: RawMail, contentType: string): Promise<'created' | 'exists'> {
    const blob = this.#container.getBlockBlobClient(name);
    const options = {
      conditions: { ifNoneMatch: '*' },
      metadata: { sha256: await sha256(content) },
      blobHTTPHeaders: { blobContentType: contentType },
    };
    try {
      if (content.kind === 'bytes') {
        await blob.upload(bufferOf(content.bytes), content.bytes.byteLength, {
          ...options,
          ...callOptions(),
        });
      } else {
        await blob.uploadFile(content.path, {
          ...options,
          blockSize: blockBytes,
          concurrency: 2,
          ...callOptions(largeCallMs),
        });
      }
      return 'created';
    } catch (error) {
      // 409 BlobAlreadyExists; 412 if the store checked the condition first.
      if (statusOf(error) === 409 || statusOf(error) === 412) return 'exists';
      throw asTrouble('the blob store did not answer', error);
    }
  }

  async sha256Of(name: string): Promise<string | undefined> {
    const found = await this.#present(name, (blob) => blob.getProperties(callOptions()));
    return found?.metadata?.['sha256'];
  }

  async save(name: string, path: string): Promise<boolean> {
    const found = await this.#present(name, (blob) =>
      blob.downloadToFile(path, 0, undefined, callOptions(largeCallMs)),
    );
    return found !== undefined;
  }

  async remove(names: readonly string[]): Promise<void> {
    const batches = this.#container.getBlobBatchClient();
    for (let at = 0; at < names.length; at += blobsPerBatch) {
      const some = names.slice(at, at + blobsPerBatch).map((name) => this.#container.getBlobClient(name));
      const [only] = some;
      if (only === undefined) return;
      if (some.length === 1) {
        await this.#present(only.name, (blob) => blob.delete(callOptions()));
        continue;
      }
      const answer = await orTrouble('the blob store did not answer', () =>
        batches.deleteBlobs(some, callOptions()),
      );
      const failed = answer.subResponses.find(({ status }) => status >= 400 && status !== 404);
      if (failed !== undefined)
        throw new StorageTrouble(
          `blobs could not be removed: HTTP ${failed.status} ${failed.errorCode ?? ''}`,
        );
    }
  }

  async #present<T>(name: string, call: (blob: BlockBlobClient) => Promise<T>): Promise<T | undefined> {
    try {
      return await call(this.#container.getBlockBlobClient(name));
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw asTrouble('the blob store did not answer', error);
    }
  }
}

async function sha256(content: RawMail): Promise<string> {
  if (content.sha256 !== undefined) return content.sha256;
  const hash = createHash('sha256');
  if (content.kind === 'bytes') return hash.update(content.bytes).digest('hex');
  const file = await open(content.path);
  try {
    for await (const chunk of file.createReadStream({ highWaterMark: 64 * 1024 }))
      hash.update(bytesOf(chunk));
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}

function bytesOf(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  throw new TypeError('a file was read as text');
}
