// An account's state row is its lock: whatever changes anything of the account does it in one transaction that is
// conditional on that row.
//
// A transaction is given as a unit of work: a function from the account's state to what is to be written. Only `ok`
// proves that a transaction was applied by this call; the client repeats by itself, so an applied one can come back
// refused. After anything but `ok` the state is read again. It names who wrote it: if that was this call, the work
// is done; else the unit of work is run again on the state as it is now, and finds out itself whether its change is
// there.
import { StorageTrouble } from '../../storageErrors.ts';
import type { Dependencies } from '../dependencies.ts';
import type { Operation } from '../ports.ts';
import { decodeState, emptyState, encodeState, type AccountState } from '../records/accountState.ts';
import { messageKey, stateKey } from '../records/keys.ts';
import type { Message } from '../records/message.ts';
import { decodeMessage, recipientsIn } from '../records/messageRow.ts';
import { noneIfUnreadable } from '../records/unreadableRow.ts';
import { rebuildAccountState } from './rebuildAccountState.ts';

/** What a transaction is for: the column `kind` of the account's row has that of the last one. */
export type TransactionKind =
  | 'acquireLease'
  | 'extendLease'
  | 'releaseLease'
  | 'claim'
  | 'recordRefusals'
  | 'settle'
  | 'abandon'
  | 'concludeLookup'
  | 'withdraw'
  | 'resume'
  | 'quarantine'
  | 'hold'
  | 'reportHolds'
  | 'acquireSlot'
  | 'releaseSlot'
  | 'operate'
  | 'bounce'
  | 'signIn';

export interface Change<Result> {
  readonly state: AccountState;
  /** Rows to be written with it; none if absent. */
  readonly operations?: readonly Operation[];
  readonly result: Result;
}

/** Nothing (more) is to be written. */
export interface NoChange<Result> {
  readonly result: Result;
}

/** How the last run of the same unit of work ended: what was read before it may be old now. */
export interface Retry {
  /** Another changed the state, or a row was missing or already there: read the rows concerned again. */
  readonly rowsMayHaveChanged: boolean;
}

export type UnitOfWork<Result> = (
  state: AccountState,
  retry: Retry,
) => Change<Result> | NoChange<Result> | Promise<Change<Result> | NoChange<Result>>;

/** Operations written along with others if there is room, and dropped first if a row is missing. */
export interface Piggyback {
  take(most: number): readonly Operation[];
  written(operations: readonly Operation[]): void;
  dropped(operations: readonly Operation[]): void;
}

const mostOperations = 100;

export class AccountTransactions {
  readonly account: string;
  readonly #dependencies: Dependencies;
  #state: AccountState = emptyState;
  #etag: string | undefined;
  #stale = true;
  /** Grows whenever another was seen to have changed the state: what was read before is old. */
  #generation = 0;

  constructor(account: string, dependencies: Dependencies) {
    this.account = account;
    this.#dependencies = dependencies;
  }

  /** As last read or written. */
  get state(): AccountState {
    return this.#state;
  }

  get generation(): number {
    return this.#generation;
  }

  /** Reads the state. An absent row is rebuilt from the messages: it may have been lost. Throws StorageTrouble. */
  async read(): Promise<AccountState> {
    const row = await this.#dependencies.rows.read(this.account, stateKey);
    if (row?.etag !== this.#etag) this.#generation += 1;
    this.#state =
      row === undefined
        ? await rebuildAccountState(this.account, this.#dependencies)
        : decodeState(row.fields);
    this.#etag = row?.etag;
    this.#stale = false;
    return this.#state;
  }

  /** The message as its row has it; undefined if there is none. Throws StorageTrouble and UnreadableRow. */
  readMessage(id: string): Promise<Message | undefined> {
    return readMessage(this.account, id, this.#dependencies);
  }

  /**
   * Writes what the unit of work asks for, in one transaction conditional on the state; runs it again until it is
   * written or nothing is to be written. Throws StorageTrouble if the store gives no certain answer in some tries.
   */
  async transact<Result>(
    kind: TransactionKind,
    work: UnitOfWork<Result>,
    piggyback?: Piggyback,
  ): Promise<Result> {
    const { rows, clock, random, numbers } = this.#dependencies;
    let rowsMayHaveChanged = false;
    let mayPiggyback = true;
    let trouble = 'the store did not answer';
    let unconfirmed: { readonly sent: Sent<Result>; readonly rowsDiffer: boolean } | undefined;
    for (let attempt = 0; attempt < numbers.transactionTriesCount; attempt += 1) {
      const pauseMs = numbers.transactionPauseMs * 2 ** (attempt - 2) * (0.5 + random.uniform());
      if (attempt > 1) await clock.sleep(pauseMs);
      if (this.#stale && !(await this.#tryRead())) continue;
      if (unconfirmed !== undefined) {
        const { sent, rowsDiffer } = unconfirmed;
        if (this.#state.writtenBy === sent.state.writtenBy) {
          // Applied, and nobody wrote since: the change that was seen is our own.
          this.#generation = sent.generation;
          piggyback?.written(sent.piggybacked);
          return sent.result;
        }
        const differs = rowsDiffer && this.#etag === sent.etag;
        rowsMayHaveChanged ||= differs || this.#etag !== sent.etag;
        if (differs && sent.piggybacked.length > 0) {
          mayPiggyback = false;
          piggyback?.dropped(sent.piggybacked);
        }
        unconfirmed = undefined;
      }
      const change = await work(this.#state, { rowsMayHaveChanged });
      if (!('state' in change)) return change.result;
      const { operations = [], result } = change;
      const sent: Sent<Result> = {
        state: { ...change.state, writtenBy: random.id() },
        result,
        piggybacked: mayPiggyback ? (piggyback?.take(mostOperations - 1 - operations.length) ?? []) : [],
        etag: this.#etag,
        generation: this.#generation,
      };
      const answer = await rows.commit(this.account, [
        writeState(kind, sent.state, sent.etag),
        ...operations,
        ...sent.piggybacked,
      ]);
      const etag = answer.kind === 'ok' ? answer.etags[stateKey] : undefined;
      if (etag !== undefined) {
        this.#state = sent.state;
        this.#etag = etag;
        piggyback?.written(sent.piggybacked);
        return result;
      }
      this.#stale = true;
      trouble =
        answer.kind === 'unknown' ? answer.detail : answer.kind === 'refused' ? answer.reason : 'no ETag';
      unconfirmed = { sent, rowsDiffer: answer.kind === 'refused' && answer.reason !== 'changed' };
    }
    throw new StorageTrouble(
      `a transaction (${kind}) was not settled after ${numbers.transactionTriesCount} tries: ${trouble}`,
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
  readonly state: AccountState;
  readonly result: Result;
  readonly piggybacked: readonly Operation[];
  readonly etag: string | undefined;
  readonly generation: number;
}

function writeState(kind: TransactionKind, state: AccountState, etag: string | undefined): Operation {
  const fields = { ...encodeState(state), kind };
  return etag === undefined
    ? { kind: 'insert', key: stateKey, fields }
    : { kind: 'replace', key: stateKey, fields, etag };
}

/** The account's state, to look at only: what is written goes through AccountTransactions. Throws StorageTrouble. */
export async function readState(
  account: string,
  { rows }: Pick<Dependencies, 'rows'>,
): Promise<AccountState> {
  const row = await rows.read(account, stateKey);
  return row === undefined ? emptyState : decodeState(row.fields);
}

/**
 * The message of a row, its recipients fetched if they are in a blob; if that blob is gone it has none. Throws
 * StorageTrouble and UnreadableRow.
 */
export async function readMessage(
  account: string,
  id: string,
  { rows, contents }: Pick<Dependencies, 'rows' | 'contents'>,
): Promise<Message | undefined> {
  const row = await rows.read(account, messageKey(id));
  if (row === undefined) return undefined;
  const recipients = recipientsIn(row.fields);
  if ('text' in recipients) return decodeMessage(row, recipients.text);
  const bytes = await contents.get(recipients.blob);
  return decodeMessage(row, bytes === undefined ? '[]' : Buffer.from(bytes).toString());
}

/** The same, for a reader to whom a row that can't be read is none. Throws StorageTrouble. */
export const readIfReadable = (
  account: string,
  id: string,
  dependencies: Pick<Dependencies, 'rows' | 'contents'>,
): Promise<Message | undefined> => readMessage(account, id, dependencies).catch(noneIfUnreadable);
