// The storage ports of one process: rows, contents and queues over its wire. The data behind them is shared.
import { createHash } from 'node:crypto';
import { StorageTrouble } from '../../shared/storageErrors.ts';
import type { CommitAnswer, Contents, Operation, Queues, Row, Rows } from '../../shared/outbound/ports.ts';
import type { MemoryTable } from '../models/memoryRows.ts';
import type { Wire } from './wire.ts';

/** Where the queues' messages go; the host's side of them is in trigger.ts. */
export interface QueueSinks {
  published(text: string): void;
  woken(account: string): void;
}

type Range = Parameters<Rows['query']>[1];

export class SimulatedRows implements Rows {
  readonly #table: MemoryTable;
  readonly #wire: Wire;

  constructor(table: MemoryTable, wire: Wire) {
    this.#table = table;
    this.#wire = wire;
  }

  read(partition: string, key: string): Promise<Row | undefined> {
    return this.#wire.ask(`read ${partition} ${key}`, () => this.#table.read(partition, key));
  }

  query(partition: string, range: Range, select?: readonly string[]): Promise<readonly Row[]> {
    return this.#wire.ask(`query ${partition} ${range.from}`, () => {
      const rows = this.#table.query(partition, range);
      return select === undefined ? rows : rows.map((row) => selected(row, select));
    });
  }

  async commit(partition: string, operations: readonly Operation[]): Promise<CommitAnswer> {
    try {
      const what = `commit ${partition} ${operations.map(({ kind, key }) => `${kind} ${key}`).join(' ')}`;
      return await this.#wire.ask(what, () => this.#table.commit(partition, operations));
    } catch (error) {
      if (error instanceof StorageTrouble) return { kind: 'unknown', detail: error.message };
      throw error;
    }
  }
}

function selected(row: Row, select: readonly string[]): Row {
  const fields: Record<string, Row['fields'][string]> = {};
  for (const name of select) {
    const field = row.fields[name];
    if (field !== undefined) fields[name] = field;
  }
  return { ...row, fields };
}

/** Blobs by name, with the time of their last put. */
export type Blobs = Map<string, { readonly bytes: Uint8Array; readonly putAt: number }>;

export class SimulatedContents implements Contents {
  readonly #blobs: Blobs;
  readonly #wire: Wire;
  readonly #now: () => number;

  constructor(blobs: Blobs, wire: Wire, now: () => number) {
    this.#blobs = blobs;
    this.#wire = wire;
    this.#now = now;
  }

  reference(name: string): string {
    return `outbound-content/${name}`;
  }

  put(name: string, bytes: Uint8Array): Promise<void> {
    return this.#wire.ask(`put ${name}`, () => {
      this.#blobs.set(name, { bytes, putAt: this.#now() });
    });
  }

  get(name: string): Promise<Uint8Array | undefined> {
    return this.#wire.ask(`get ${name}`, () => this.#blobs.get(name)?.bytes);
  }

  adopt(reference: string, maxBytes: number): ReturnType<Contents['adopt']> {
    return this.#wire.ask(`adopt ${reference}`, () => {
      const bytes = this.#blobs.get(reference)?.bytes;
      if (bytes === undefined) return { kind: 'absent' };
      if (bytes.length > maxBytes) return { kind: 'tooLarge' };
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      this.#blobs.set(sha256, { bytes, putAt: this.#now() });
      return { kind: 'adopted', name: sha256, sha256, sizeBytes: bytes.length };
    });
  }

  removeIfOlder(name: string, olderThanMs: number): Promise<boolean> {
    return this.#wire.ask(`remove ${name}`, () => {
      const putAt = this.#blobs.get(name)?.putAt;
      if (putAt === undefined) return true;
      return putAt + olderThanMs > this.#now() ? false : this.#blobs.delete(name);
    });
  }

  list({
    after = '',
    limit,
  }: {
    readonly after?: string;
    readonly limit: number;
  }): Promise<readonly string[]> {
    return this.#wire.ask('list', () =>
      [...this.#blobs.keys()]
        .filter((name) => name > after)
        .sort()
        .slice(0, limit),
    );
  }
}

const mostBytes = 65_536;

export class SimulatedQueues implements Queues {
  readonly #sinks: QueueSinks;
  readonly #wire: Wire;

  constructor(sinks: QueueSinks, wire: Wire) {
    this.#sinks = sinks;
    this.#wire = wire;
  }

  async publish(text: string): Promise<void> {
    check(text);
    return this.#wire.ask('publish', () => {
      this.#sinks.published(text);
    });
  }

  wake(account: string): Promise<void> {
    return this.#wire.ask(`ring ${account}`, () => {
      this.#sinks.woken(account);
    });
  }
}

function check(text: string): void {
  if (!/^[\x20-\x7e]*$/.test(text)) throw new RangeError('a queue message must be printable ASCII');
  if (text.length > mostBytes) throw new RangeError(`a queue message of ${text.length} bytes`);
}
