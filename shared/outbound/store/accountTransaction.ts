// The one lock of an account, as whoever changes something in it holds it: the box as last read, and `transact`.
//
// A transaction is given as a wish: a function from the box to what should be written. Only `ok` proves that a
// transaction was applied by this call; the client repeats by itself, so an applied one can come back refused.
// After anything but `ok` the box is read again. It carries who wrote it: if that was us, the wish is fulfilled;
// else the wish is asked anew, against the box as it is now, and says itself when it finds its mark there.
import type { Box } from '../records/accountState.ts';
import { decodeBox, emptyBox, encodeBox } from '../records/accountState.ts';
import type { Dependencies } from '../dependencies.ts';
import { boxKey, messageKey } from '../records/keys.ts';
import { decodeMessage } from '../records/message.ts';
import type { Message } from '../records/message.ts';
import { StorageTrouble } from '../ports.ts';
import type { Operation } from '../ports.ts';
import { rebuildBox } from './rebuildAccountState.ts';

export interface Change<Result> {
  readonly box: Box;
  readonly operations: readonly Operation[];
  readonly result: Result;
}

/** Nothing (more) to write. */
export interface Settled<Result> {
  readonly settled: Result;
}

/** How the last try of the same wish ended: what was read before it may be old now. */
export interface Again {
  /** Another changed the box, or a row was missing or already there: read the rows concerned again. */
  readonly rowsMayHaveChanged: boolean;
}

export type Wish<Result> = (
  box: Box,
  again: Again,
) => Change<Result> | Settled<Result> | Promise<Change<Result> | Settled<Result>>;

/** Operations that ride along where there is room, and are dropped first where a row is missing. */
export interface Rider {
  take(most: number): readonly Operation[];
  written(operations: readonly Operation[]): void;
  dropped(operations: readonly Operation[]): void;
}

const mostOperations = 100;

export class Desk {
  readonly account: string;
  readonly #doors: Dependencies;
  #box: Box = emptyBox;
  #etag: string | undefined;
  #stale = true;
  /** Grows whenever another was seen to have changed the box: what was read before is old. */
  #generation = 0;

  constructor(account: string, doors: Dependencies) {
    this.account = account;
    this.#doors = doors;
  }

  get box(): Box {
    return this.#box;
  }

  get generation(): number {
    return this.#generation;
  }

  /** Reads the box. An absent one is rebuilt from the messages: it may have been lost. Throws StorageTrouble. */
  async read(): Promise<Box> {
    const row = await this.#doors.rows.read(this.account, boxKey);
    if (row?.etag !== this.#etag) this.#generation += 1;
    this.#box = row === undefined ? await rebuildBox(this.account, this.#doors) : decodeBox(row.fields);
    this.#etag = row?.etag;
    this.#stale = false;
    return this.#box;
  }

  /** The message as its row has it; undefined where there is none. Throws StorageTrouble. */
  readMessage(id: string): Promise<Message | undefined> {
    return readMessage(this.account, id, this.#doors);
  }

  /**
   * Writes what the wish asks for, in one transaction conditional on the box; asks again until it is written or
   * the wish is settled. Throws StorageTrouble when the store would not say after some tries.
   */
  async transact<Result>(wish: Wish<Result>, rider?: Rider): Promise<Result> {
    const { rows, clock, random, numbers } = this.#doors;
    let rowsMayHaveChanged = false;
    let mayRide = true;
    let trouble = 'the store did not answer';
    let lost: { readonly sent: Sent<Result>; readonly rowsDiffer: boolean } | undefined;
    for (let attempt = 0; attempt < numbers.transactionTriesCount; attempt += 1) {
      const pauseMs = numbers.transactionPauseMs * 2 ** (attempt - 2) * (0.5 + random.uniform());
      if (attempt > 1) await clock.sleep(pauseMs);
      if (this.#stale && !(await this.#tryRead())) continue;
      if (lost !== undefined) {
        const { sent, rowsDiffer } = lost;
        if (this.#box.writtenBy === sent.box.writtenBy) {
          // Applied, and nobody wrote since: the change that was seen is our own.
          this.#generation = sent.generation;
          rider?.written(sent.riding);
          return sent.result;
        }
        const differs = rowsDiffer && this.#etag === sent.etag;
        rowsMayHaveChanged ||= differs || this.#etag !== sent.etag;
        if (differs && sent.riding.length > 0) {
          mayRide = false;
          rider?.dropped(sent.riding);
        }
        lost = undefined;
      }
      const wished = await wish(this.#box, { rowsMayHaveChanged });
      if ('settled' in wished) return wished.settled;
      const sent: Sent<Result> = {
        box: { ...wished.box, writtenBy: random.id() },
        result: wished.result,
        riding: mayRide ? (rider?.take(mostOperations - 1 - wished.operations.length) ?? []) : [],
        etag: this.#etag,
        generation: this.#generation,
      };
      const answer = await rows.commit(this.account, [
        writeBox(sent.box, sent.etag),
        ...wished.operations,
        ...sent.riding,
      ]);
      const etag = answer.kind === 'ok' ? answer.etags[boxKey] : undefined;
      if (etag !== undefined) {
        this.#box = sent.box;
        this.#etag = etag;
        rider?.written(sent.riding);
        return sent.result;
      }
      this.#stale = true;
      trouble =
        answer.kind === 'unknown' ? answer.detail : answer.kind === 'refused' ? answer.reason : 'no ETag';
      lost = { sent, rowsDiffer: answer.kind === 'refused' && answer.reason !== 'changed' };
    }
    throw new StorageTrouble(
      `a transaction was not settled after ${numbers.transactionTriesCount} tries: ${trouble}`,
    );
  }

  async #tryRead(): Promise<boolean> {
    try {
      await this.read();
      return true;
    } catch (error) {
      if (error instanceof StorageTrouble) return false;
      throw error;
    }
  }
}

/** A transaction that was given to the store, and what was known when it was. */
interface Sent<Result> {
  readonly box: Box;
  readonly result: Result;
  readonly riding: readonly Operation[];
  readonly etag: string | undefined;
  readonly generation: number;
}

function writeBox(box: Box, etag: string | undefined): Operation {
  const fields = encodeBox(box);
  return etag === undefined
    ? { kind: 'insert', key: boxKey, fields }
    : { kind: 'replace', key: boxKey, fields, etag };
}

/** The message of a row, its recipients fetched where they are in a blob. Throws StorageTrouble. */
export async function readMessage(
  account: string,
  id: string,
  { rows, contents }: Pick<Dependencies, 'rows' | 'contents'>,
): Promise<Message | undefined> {
  const row = await rows.read(account, messageKey(id));
  if (row === undefined) return undefined;
  const blob = row.fields['recipientsBlob'];
  if (typeof blob !== 'string' || blob === '') return decodeMessage(row.key, row.fields);
  const bytes = await contents.get(blob);
  if (bytes === undefined)
    throw new StorageTrouble('the recipients of a message are not in the content store');
  return decodeMessage(row.key, row.fields, Buffer.from(bytes).toString());
}
