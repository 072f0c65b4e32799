// Contents in the container `outbound-content`, each named by its SHA-256 in hex.
//
// Because a name is a hash, every write is idempotent: the same name means the same bytes, and a blob that exists is
// complete (a block blob appears only when it is committed). What ESM refers to is read from the upload container and
// nowhere else. A large blob is read twice, first to compute its hash and then to copy it, so that memory holds a few
// blocks of it and not all; the second read is bound to the first by the blob's ETag and hashed again.
import { sha256 } from '../mail/fingerprint.ts';
import { present } from '../mail/omit.ts';
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { BlockBlobClient, ContainerClient } from '@azure/storage-blob';
import type { Contents } from '../outbound/ports.ts';
import { readBlobReference } from '../mail/blobReference.ts';
import { StorageTrouble } from '../storageErrors.ts';
import { callOptions } from './clients.ts';
import { asTrouble, orTrouble, statusOf } from './trouble.ts';

const blockBytes = 4 * 1024 * 1024;
/** The service ceiling of one message is 150 MiB (Exchange Online limits); nothing of ours is larger. */
const contentMostBytes = 160 * 1024 * 1024;
/** For a call that transfers content: 150 MiB at a few MB a second. */
const contentCallMs = 120_000;
/** How often a broken download is resumed. */
const downloadRetries = 3;

type Adopted = Awaited<ReturnType<Contents['adopt']>>;

export class BlobContents implements Contents {
  readonly #content: ContainerClient;
  readonly #uploads: ContainerClient;

  constructor(content: ContainerClient, uploads: ContainerClient) {
    this.#content = content;
    this.#uploads = uploads;
  }

  reference(name: string): string {
    return `${this.#content.containerName}/${name}`;
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    if (name !== sha256(bytes)) {
      throw new Error('a content is named by the SHA-256 of its bytes');
    }
    await orTrouble('a content could not be stored', () =>
      this.#blob(name).uploadData(bytes, {
        maxSingleShotSize: blockBytes,
        blockSize: blockBytes,
        concurrency: 2,
        ...callOptions(contentCallMs),
      }),
    );
  }

  async get(name: string): Promise<Uint8Array | undefined> {
    if (!isHash(name)) return undefined;
    return orTrouble('a content could not be read', async () => {
      const opened = await open(this.#blob(name), contentMostBytes);
      if (opened.kind !== 'open') return undefined;
      const chunks: Buffer[] = [];
      for await (const chunk of opened.chunks) chunks.push(chunk);
      return Buffer.concat(chunks);
    });
  }

  async adopt(reference: string, maxBytes: number): Promise<Adopted> {
    const read = readBlobReference(reference, this.#uploads.containerName);
    if (read.kind === 'refused') return { kind: 'forbidden' };
    const source = this.#uploads.getBlockBlobClient(read.name);
    return orTrouble('an upload could not be copied', async (): Promise<Adopted> => {
      const most = Math.min(maxBytes, contentMostBytes);
      const opened = await open(source, most);
      if (opened.kind !== 'open') return opened;
      const { sha256, sizeBytes, bytes } = await digest(opened.chunks, most);
      if (sizeBytes > most) return { kind: 'tooLarge' };
      if (bytes !== undefined) await this.put(sha256, bytes);
      else await this.#copy(source, { sha256, etag: opened.etag, most });
      return { kind: 'adopted', name: sha256, sha256, sizeBytes };
    });
  }

  async removeIfOlder(name: string, olderThanMs: number): Promise<boolean> {
    if (!isHash(name)) return true;
    const blob = this.#blob(name);
    return orTrouble('a content could not be removed', async () => {
      try {
        const { date, lastModified, etag } = await blob.getProperties(callOptions());
        // Both are the store's time; without them the age is unknown.
        if (date === undefined || lastModified === undefined || etag === undefined) return false;
        if (date.getTime() - lastModified.getTime() <= olderThanMs) return false;
        await blob.delete({ conditions: { ifMatch: etag }, ...callOptions() });
        return true;
      } catch (error) {
        if (statusOf(error) === 404) return true;
        if (statusOf(error) === 412) return false;
        throw error;
      }
    });
  }

  async list(options: { readonly after?: string; readonly limit: number }): Promise<readonly string[]> {
    const { after, limit } = options;
    const names: string[] = [];
    try {
      const pages = this.#content
        .listBlobsFlat({ ...present({ startFrom: after }), ...callOptions() })
        // One more, because the listing begins with `after` itself.
        .byPage({ maxPageSize: Math.min(limit + 1, 5_000) });
      for await (const page of pages) {
        for (const { name } of page.segment.blobItems) {
          if (after !== undefined && name <= after) continue;
          names.push(name);
          if (names.length >= limit) return names;
        }
      }
    } catch (error) {
      throw asTrouble('contents could not be listed', error);
    }
    return names;
  }

  /** Reads the very blob that was hashed once more, into the store; if the content exists already, only its age is renewed. */
  async #copy(
    source: BlockBlobClient,
    first: { readonly sha256: string; readonly etag: string; readonly most: number },
  ): Promise<void> {
    const target = this.#content.getBlockBlobClient(first.sha256);
    if (await renew(target)) return;
    const again = await open(source, first.most, first.etag);
    if (again.kind !== 'open') throw new StorageTrouble('an upload changed while it was copied');
    const hash = createHash('sha256');
    const blocks: string[] = [];
    for await (const block of blocksOf(again.chunks)) {
      hash.update(block);
      const id = Buffer.from(String(blocks.length).padStart(8, '0')).toString('base64');
      await target.stageBlock(id, block, block.length, callOptions(contentCallMs));
      blocks.push(id);
    }
    // The blob is invisible until here: a copy that was interrupted leaves nothing behind.
    if (hash.digest('hex') !== first.sha256)
      throw new StorageTrouble('an upload changed while it was copied');
    await target.commitBlockList(blocks, callOptions());
  }

  #blob(name: string): BlockBlobClient {
    return this.#content.getBlockBlobClient(name);
  }
}

type Opened =
  | { readonly kind: 'open'; readonly etag: string; readonly chunks: AsyncIterable<Buffer> }
  | { readonly kind: 'absent' | 'tooLarge' };

async function open(blob: BlockBlobClient, mostBytes: number, etag?: string): Promise<Opened> {
  try {
    const answer = await blob.download(0, undefined, {
      ...(etag === undefined ? {} : { conditions: { ifMatch: etag } }),
      maxRetryRequests: downloadRetries,
      ...callOptions(contentCallMs),
    });
    const stream = answer.readableStreamBody as Readable | undefined;
    if (stream === undefined || answer.etag === undefined) throw new Error('a download without a body');
    if ((answer.contentLength ?? 0) > mostBytes) {
      stream.on('error', () => undefined).destroy();
      return { kind: 'tooLarge' };
    }
    return { kind: 'open', etag: answer.etag, chunks: stream };
  } catch (error) {
    if (statusOf(error) === 404) return { kind: 'absent' };
    throw error;
  }
}

/** Hash and size, and the bytes themselves if they fit into one block. */
async function digest(
  chunks: AsyncIterable<Buffer>,
  mostBytes: number,
): Promise<{ readonly sha256: string; readonly sizeBytes: number; readonly bytes?: Uint8Array }> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  let kept: Buffer[] = [];
  for await (const chunk of chunks) {
    sizeBytes += chunk.length;
    if (sizeBytes > mostBytes) break;
    hash.update(chunk);
    if (sizeBytes <= blockBytes) kept.push(chunk);
    else kept = [];
  }
  const sha256 = hash.digest('hex');
  return sizeBytes <= blockBytes ? { sha256, sizeBytes, bytes: Buffer.concat(kept) } : { sha256, sizeBytes };
}

/** The chunks of a stream, joined into blocks. */
async function* blocksOf(chunks: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  let parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    parts.push(chunk);
    length += chunk.length;
    if (length < blockBytes) continue;
    yield Buffer.concat(parts);
    parts = [];
    length = 0;
  }
  if (length > 0) yield Buffer.concat(parts);
}

/** Writing its metadata makes a blob new to removeIfOlder. False if there is no such blob. */
async function renew(blob: BlockBlobClient): Promise<boolean> {
  try {
    await blob.setMetadata({}, callOptions());
    return true;
  } catch (error) {
    if (statusOf(error) === 404) return false;
    throw error;
  }
}

const isHash = (name: string): boolean => /^[0-9a-f]{64}$/.test(name);
