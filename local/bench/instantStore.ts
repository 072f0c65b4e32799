// The outbox's store for one process, in memory, which answers at once: what a bench then measures is not storage.
// It keeps the conditions of a table (ETags, what exists, what is missing), and none of its limits.
import type { Clock } from '../../shared/clock.ts';
import type { StorageTime } from '../../shared/limits/storageTime.ts';
import type {
  CommitAnswer,
  Contents,
  Fields,
  Operation,
  Queues,
  Row,
  Rows,
} from '../../shared/outbound/ports.ts';

interface Partition {
  /** In order. */
  readonly keys: string[];
  readonly rows: Map<string, Row>;
}

export class InstantRows implements Rows {
  readonly #partitions = new Map<string, Partition>();
  readonly #time: StorageTime;
  readonly #clock: Clock;
  #version = 0;

  /** Every answer tells `time` what a service's Date header would. */
  constructor(time: StorageTime, clock: Clock) {
    this.#time = time;
    this.#clock = clock;
    this.#tellTime();
  }

  read(partition: string, key: string): Promise<Row | undefined> {
    this.#tellTime();
    return Promise.resolve(this.#at(partition).rows.get(key));
  }

  query(
    partition: string,
    { from, to, limit }: { readonly from: string; readonly to: string; readonly limit: number },
  ): Promise<readonly Row[]> {
    this.#tellTime();
    const { keys, rows } = this.#at(partition);
    const found: Row[] = [];
    for (let at = placeOf(keys, from); at < keys.length && found.length < limit; at += 1) {
      const key = keys[at] ?? to;
      if (key >= to) break;
      const row = rows.get(key);
      if (row !== undefined) found.push(row);
    }
    return Promise.resolve(found);
  }

  commit(partition: string, operations: readonly Operation[]): Promise<CommitAnswer> {
    this.#tellTime();
    const { keys, rows } = this.#at(partition);
    for (const [index, operation] of operations.entries()) {
      const reason = refusal(operation, rows.get(operation.key));
      if (reason !== undefined) return Promise.resolve({ kind: 'refused', reason, index });
    }
    const etags: Record<string, string> = {};
    for (const operation of operations) {
      const { key } = operation;
      if (operation.kind === 'delete') {
        rows.delete(key);
        keys.splice(placeOf(keys, key), 1);
        continue;
      }
      const before = rows.get(key);
      if (before === undefined) keys.splice(placeOf(keys, key), 0, key);
      this.#version += 1;
      const etag = String(this.#version);
      const fields: Fields =
        operation.kind === 'merge' ? { ...before?.fields, ...operation.fields } : operation.fields;
      rows.set(key, { key, etag, fields });
      etags[key] = etag;
    }
    return Promise.resolve({ kind: 'ok', etags });
  }

  #at(name: string): Partition {
    const known = this.#partitions.get(name) ?? { keys: [], rows: new Map<string, Row>() };
    this.#partitions.set(name, known);
    return known;
  }

  #tellTime(): void {
    const at = this.#clock.monotonic();
    this.#time.observe({
      sentAt: at,
      dateMs: Math.floor(this.#clock.now() / 1_000) * 1_000,
      receivedAt: at,
    });
  }
}

function refusal(operation: Operation, row: Row | undefined): 'changed' | 'exists' | 'missing' | undefined {
  if (operation.kind === 'insert') return row === undefined ? undefined : 'exists';
  if (row === undefined)
    return operation.kind === 'delete' || operation.etag !== undefined ? 'missing' : undefined;
  return operation.etag !== undefined && operation.etag !== row.etag ? 'changed' : undefined;
}

/** Where a key is, or would be. */
function placeOf(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] ?? '') < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Nothing in this bench is larger than a row. */
export class InstantContents implements Contents {
  readonly #blobs = new Map<string, Uint8Array>();

  reference(name: string): string {
    return `instant/${name}`;
  }
  put(name: string, bytes: Uint8Array): Promise<void> {
    this.#blobs.set(name, bytes);
    return Promise.resolve();
  }
  get(name: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.#blobs.get(name));
  }
  adopt(): Promise<{ readonly kind: 'absent' }> {
    return Promise.resolve({ kind: 'absent' });
  }
  removeIfOlder(): Promise<boolean> {
    return Promise.resolve(false);
  }
  list(): Promise<readonly string[]> {
    return Promise.resolve([]);
  }
}

/** Takes everything and keeps nothing. */
export class InstantQueues implements Queues {
  publish(): Promise<void> {
    return Promise.resolve();
  }
  wake(): Promise<void> {
    return Promise.resolve();
  }
}
