// The stores of the connector in memory. Rows are conditional as Azure Tables' are; `before` may throw or lose an answer.
import type { EsmContents, EsmRows } from '../../shared/esm/ports.ts';
import { StorageTrouble } from '../../shared/storageErrors.ts';

interface StoredRow {
  etag: string;
  fields: Record<string, unknown>;
}

/** What happens to a write: it is applied and answered, applied with its answer lost, or not applied at all. */
export type WriteFate = 'applied' | 'answerLost' | 'failed';

export class MemoryRows implements EsmRows {
  readonly #rows = new Map<string, StoredRow>();
  readonly #fate: () => Promise<WriteFate>;
  #lastEtag = 0;

  constructor(fate: () => Promise<WriteFate> = () => Promise.resolve('applied')) {
    this.#fate = fate;
  }

  async read(partition: string, key: string): ReturnType<EsmRows['read']> {
    if ((await this.#fate()) === 'failed') throw new StorageTrouble('the store did not answer');
    const row = this.#rows.get(`${partition}\n${key}`);
    return row === undefined ? undefined : { etag: row.etag, fields: { ...row.fields } };
  }

  async write(
    partition: string,
    key: string,
    { etag, fields }: Parameters<EsmRows['write']>[2],
  ): ReturnType<EsmRows['write']> {
    const fate = await this.#fate();
    if (fate === 'failed') throw new StorageTrouble('the store did not answer');
    const at = `${partition}\n${key}`;
    const row = this.#rows.get(at);
    if (row?.etag !== etag) return { kind: 'conflict' };
    this.#lastEtag += 1;
    const next = String(this.#lastEtag);
    this.#rows.set(at, { etag: next, fields: { ...row?.fields, ...fields } });
    if (fate === 'answerLost') throw new StorageTrouble('the answer of the store was lost');
    return { kind: 'written', etag: next };
  }

  /** Rows of a partition that begins so, for the oracle. */
  all(prefix: string): readonly Readonly<Record<string, unknown>>[] {
    return [...this.#rows].filter(([key]) => key.startsWith(prefix)).map(([, { fields }]) => fields);
  }
}

export class MemoryContents implements EsmContents {
  readonly #blobs = new Map<string, Buffer>();

  put(reference: string, content: string): void {
    this.#blobs.set(reference, Buffer.from(content));
  }

  text(reference: string, mostBytes: number): Promise<string | undefined> {
    return Promise.resolve(this.#blobs.get(reference)?.subarray(0, mostBytes).toString('utf8'));
  }

  async *open(reference: string): AsyncIterable<Uint8Array> {
    const blob = this.#blobs.get(reference);
    if (blob === undefined) throw new StorageTrouble('there is no such blob');
    yield blob;
    await Promise.resolve();
  }
}
