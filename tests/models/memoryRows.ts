// A working table in memory: partitions, ETags, atomic transactions. It refuses what the real adapter refuses, by the
// same checks; tests/contracts runs one suite against both. A fault plan applies to every call, and
// may refuse it, lose its answer, or end the host.
import { StorageTrouble } from '../../shared/storageErrors.ts';
import type { CommitAnswer, Fields, Operation, Row, Rows } from '../../shared/outbound/ports.ts';
import type { ClockSampler } from '../../shared/storageErrors.ts';
import type { Clock } from '../../shared/clock.ts';
import { checkKey, checkOperations, checkQuery, storedFieldBytes } from '../../shared/storage/tableLimits.ts';
import type { VirtualClock } from './virtualClock.ts';

/** What happens to one call: its latency on the way there and back, and whether it arrives or is answered. */
export interface CallFault {
  readonly thereMs: number;
  readonly backMs: number;
  /** `lost`: applied, and no answer · `refused`: not applied · `repeated`: applied, its answer lost, repeated by the client. */
  readonly trouble?: 'lost' | 'refused' | 'repeated';
}

export interface Call {
  readonly kind: 'read' | 'query' | 'commit' | 'put' | 'get' | 'publish' | 'wake';
  readonly partition: string;
  readonly operations: readonly Operation[];
}

export type FaultPlan = (call: Call) => CallFault;
export const plain: FaultPlan = () => ({ thereMs: 2, backMs: 2 });

interface Stored {
  readonly etag: string;
  readonly fields: Fields;
}

/** Its rows, and their keys in order. */
interface Partition {
  readonly keys: string[];
  readonly rows: Map<string, Stored>;
}

const rowBytes = 1_048_576;

/** What all hosts share. */
export class MemoryTable {
  readonly #partitions = new Map<string, Partition>();
  #version = 0;

  read(partition: string, key: string): Row | undefined {
    checkKey(partition);
    checkKey(key);
    const stored = this.#partitions.get(partition)?.rows.get(key);
    return stored === undefined ? undefined : { key, ...stored };
  }

  query(partition: string, range: { from: string; to: string; limit: number }): readonly Row[] {
    checkQuery(partition, range.limit);
    return this.#rows(partition, range);
  }

  #rows(partition: string, { from, to, limit }: { from: string; to: string; limit: number }): readonly Row[] {
    const stored = this.#partitions.get(partition);
    if (stored === undefined) return [];
    const rows: Row[] = [];
    for (let index = place(stored.keys, from); rows.length < limit; index += 1) {
      const key = stored.keys[index];
      if (key === undefined || key >= to) break;
      const row = stored.rows.get(key);
      if (row !== undefined) rows.push({ key, ...row });
    }
    return rows;
  }

  /** All or nothing; the first operation that can't be done names the reason. */
  commit(partition: string, operations: readonly Operation[]): CommitAnswer {
    checkOperations(partition, operations);
    const stored = this.#partitions.get(partition) ?? { keys: [], rows: new Map<string, Stored>() };
    const written = new Map<string, Stored | undefined>();
    for (const [index, operation] of operations.entries()) {
      const row = stored.rows.get(operation.key);
      const reason = refusal(operation, row);
      if (reason !== undefined) return { kind: 'refused', reason, index };
      if (operation.kind === 'delete') written.set(operation.key, undefined);
      else {
        const kept = operation.kind === 'merge' ? row?.fields : undefined;
        const fields = { ...kept, ...operation.fields };
        if (sizeOf(fields) > rowBytes) throw new RangeError(`row ${operation.key} has more than 1 MiB`);
        written.set(operation.key, { etag: `W/"${(this.#version += 1)}"`, fields });
      }
    }
    this.#partitions.set(partition, stored);
    const etags: Record<string, string> = {};
    for (const [key, row] of written) {
      if (row === undefined) remove(stored, key);
      else {
        if (!stored.rows.has(key)) stored.keys.splice(place(stored.keys, key), 0, key);
        stored.rows.set(key, row);
        etags[key] = row.etag;
      }
    }
    return { kind: 'ok', etags };
  }

  /** All rows of a partition, for a test to look at. */
  all(partition: string): readonly Row[] {
    return this.#rows(partition, { from: '', to: '\u{10ffff}', limit: Number.MAX_SAFE_INTEGER });
  }

  /** A hand from outside: a row is gone. */
  lose(partition: string, key: string): void {
    const stored = this.#partitions.get(partition);
    if (stored !== undefined) remove(stored, key);
  }
}

/** Where a key is in a sorted list, or would be. */
function place(keys: readonly string[], key: string): number {
  let [low, high] = [0, keys.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] ?? '') < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

function remove({ keys, rows }: Partition, key: string): void {
  if (rows.delete(key)) keys.splice(place(keys, key), 1);
}

function refusal(
  operation: Operation,
  stored: Stored | undefined,
): 'changed' | 'exists' | 'missing' | undefined {
  if (operation.kind === 'insert') return stored === undefined ? undefined : 'exists';
  if (stored === undefined) return 'missing';
  return operation.etag === undefined || operation.etag === stored.etag ? undefined : 'changed';
}

const sizeOf = (fields: Fields): number =>
  Object.entries(fields).reduce((sum, [name, field]) => sum + 2 * name.length + storedFieldBytes(field), 0);

/** One host's way to the table: with latency, faults, and the Date of every answer. */
export class MemoryRows implements Rows {
  readonly #table: MemoryTable;
  readonly #wire: Wire;

  constructor(table: MemoryTable, wire: Wire) {
    this.#table = table;
    this.#wire = wire;
  }

  read(partition: string, key: string): Promise<Row | undefined> {
    return this.#wire.ask({ kind: 'read', partition, operations: [] }, () =>
      this.#table.read(partition, key),
    );
  }

  query(
    partition: string,
    range: { readonly from: string; readonly to: string; readonly limit: number },
    select?: readonly string[],
  ): Promise<readonly Row[]> {
    return this.#wire.ask({ kind: 'query', partition, operations: [] }, () =>
      this.#table.query(partition, range).map((row) =>
        select === undefined
          ? row
          : {
              ...row,
              fields: Object.fromEntries(
                Object.entries(row.fields).filter(([name]) => select.includes(name)),
              ),
            },
      ),
    );
  }

  async commit(partition: string, operations: readonly Operation[]): Promise<CommitAnswer> {
    try {
      return await this.#wire.ask({ kind: 'commit', partition, operations }, () =>
        this.#table.commit(partition, operations),
      );
    } catch (error) {
      if (error instanceof StorageTrouble) return { kind: 'unknown', detail: error.message };
      throw error;
    }
  }
}

/** Between one host and the services: latency, faults, Date headers, and a count of calls. */
export class Wire {
  readonly #world: VirtualClock;
  readonly #clock: Clock;
  readonly #witness: ClockSampler;
  faultPlan: FaultPlan = plain;
  calls: Call[] = [];
  #dead = false;

  constructor(world: VirtualClock, clock: Clock, witness: ClockSampler) {
    this.#world = world;
    this.#clock = clock;
    this.#witness = witness;
  }

  isDead(): boolean {
    return this.#dead;
  }

  /** Nothing of this host is ever answered again. */
  die(): void {
    this.#dead = true;
  }

  async ask<T>(call: Call, act: () => T): Promise<T> {
    if (this.isDead()) return never();
    this.calls.push(call);
    const fault = this.faultPlan(call);
    const sentAt = this.#clock.monotonic();
    await this.#world.sleep(fault.thereMs);
    if (this.isDead()) return never();
    if (fault.trouble === 'refused') {
      await this.#world.sleep(fault.backMs);
      throw new StorageTrouble('503 Server busy');
    }
    let answer = act();
    const dateMs = Math.floor(this.#world.now / 1_000) * 1_000;
    if (fault.trouble === 'repeated') answer = act();
    await this.#world.sleep(fault.backMs);
    if (this.isDead()) return never();
    if (fault.trouble === 'lost') throw new StorageTrouble('the connection was reset');
    this.#witness.observe({ sentAt, dateMs, receivedAt: this.#clock.monotonic() });
    return answer;
  }
}

function never<T>(): Promise<T> {
  return new Promise<T>(() => undefined);
}
