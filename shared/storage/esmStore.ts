// What the connector to ESM keeps and reads: its table, the blobs that notices and events name, its queues.
import type { BlobServiceClient } from '@azure/storage-blob';
import type { QueueServiceClient } from '@azure/storage-queue';
import type { EsmContents, EsmRows, PutBack } from '../esm/ports.ts';
import { StorageTrouble } from '../storageErrors.ts';
import { callOptions } from './clients.ts';
import { containerNames, queueNames } from './names.ts';
import { putMessage } from './queueMessage.ts';
import type { TableRows } from './tableRows.ts';
import { asTrouble, statusOf } from './trouble.ts';

/** The largest message over a slow link. */
const contentCallMs = 300_000;
const downloadRetries = 3;
const readable: readonly string[] = [containerNames.inboundContent, containerNames.outboundContent];

export class TableEsmRows implements EsmRows {
  readonly #rows: TableRows;

  constructor(rows: TableRows) {
    this.#rows = rows;
  }

  read(partition: string, key: string): ReturnType<EsmRows['read']> {
    return this.#rows.read(partition, key);
  }

  async write(
    partition: string,
    key: string,
    { etag, fields }: Parameters<EsmRows['write']>[2],
  ): ReturnType<EsmRows['write']> {
    const answer = await this.#rows.commit(partition, [
      etag === undefined ? { kind: 'insert', key, fields } : { kind: 'merge', key, fields, etag },
    ]);
    if (answer.kind === 'unknown') throw new StorageTrouble(`a row could not be written: ${answer.detail}`);
    if (answer.kind === 'refused') return { kind: 'conflict' };
    const written = answer.etags[key];
    if (written === undefined) throw new StorageTrouble('a row was written without an ETag');
    return { kind: 'written', etag: written };
  }
}

export class BlobEsmContents implements EsmContents {
  readonly #blobs: BlobServiceClient;

  constructor(blobs: BlobServiceClient) {
    this.#blobs = blobs;
  }

  async text(reference: string, mostBytes: number): Promise<string | undefined> {
    const chunks: Uint8Array[] = [];
    try {
      for await (const chunk of this.#download(reference, mostBytes)) chunks.push(chunk);
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      // An empty blob has no first byte to begin at.
      if (statusOf(error) === 416) return '';
      throw asTrouble('a content could not be read', error);
    }
    return Buffer.concat(chunks).toString('utf8');
  }

  async *open(reference: string): AsyncIterable<Uint8Array> {
    try {
      yield* this.#download(reference);
    } catch (error) {
      throw asTrouble('a content could not be read', error);
    }
  }

  async *#download(reference: string, count?: number): AsyncIterable<Uint8Array> {
    const slash = reference.indexOf('/');
    const container = reference.slice(0, Math.max(0, slash));
    if (!readable.includes(container))
      throw new Error('a notice names a blob outside of the bridge’s containers');
    const { readableStreamBody } = await this.#blobs
      .getContainerClient(container)
      .getBlobClient(reference.slice(slash + 1))
      .download(0, count, { maxRetryRequests: downloadRetries, ...callOptions(contentCallMs) });
    for await (const chunk of readableStreamBody ?? [])
      yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
  }
}

export function createPutBack(queues: QueueServiceClient): PutBack {
  const of = {
    notices: queues.getQueueClient(queueNames.inboundMail),
    events: queues.getQueueClient(queueNames.mailStatus),
  };
  return (queue, text, delayMs) => putMessage(of[queue], text, { delayMs });
}
