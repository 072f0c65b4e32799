// The inbound ledger in the table `inbound` (its rows: ledgerRows.ts). One partition per mailbox, so that the cursor,
// what was announced and the pending actions change in one transaction, conditional on the cursor row's ETag.
//
// The SDK repeats a call whose answer was lost, so an applied write can come back as refused. Each write of the cursor
// row carries an id of its own; after a refusal the row is read once, and that id there means the write was applied.
import { odata, type TableClient, type TransactionAction } from '@azure/data-tables';
import type { Random } from '../clock.ts';
import type {
  Advance,
  Cursor,
  Lease,
  LeaseClaim,
  Ledger,
  LedgerAnswer,
  MessageEntry,
  PendingAction,
} from '../inbound/ports.ts';
import { StorageTrouble } from '../storageErrors.ts';
import { callOptions } from './clients.ts';
import {
  announcedRow,
  cursorKey,
  cursorRow,
  messageKey,
  messageRow,
  pendingKey,
  pendingRange,
  pendingRow,
  readCursorRow,
  readMessageRow,
  readPendingRow,
  type CursorRow,
  type LeaseColumns,
  type LedgerRow,
} from './ledgerRows.ts';
import { asTrouble, codeOf, orTrouble, statusOf } from './trouble.ts';

/** Entity group transaction limit (Azure Tables). */
const operationsPerTransaction = 100;
const rowsPerPage = 1_000;

/** Every method throws StorageTrouble if the store does not answer with anything usable. */
export class TableLedger implements Ledger {
  readonly #table: TableClient;
  readonly #random: Random;

  constructor(table: TableClient, random: Random) {
    this.#table = table;
    this.#random = random;
  }

  async acquireLease(mailboxKey: string, claim: LeaseClaim): ReturnType<Ledger['acquireLease']> {
    const row = await this.#readCursor(mailboxKey);
    if (row !== undefined && row.leaseTag !== '' && row.leaseUntil > claim.now) {
      return { kind: 'busy', until: row.leaseUntil };
    }
    const abandoned = row !== undefined && row.leaseTag !== '';
    const leaseTag = `${claim.owner}.${this.#random.id()}`;
    const writeId = this.#random.id();
    const lease = { leaseTag, leaseUntil: claim.leaseUntil };
    const entity = { partitionKey: mailboxKey, ...cursorRow(lease, writeId) };
    const answer = await answerOf(() =>
      row === undefined
        ? this.#table.createEntity(entity, callOptions())
        : this.#table.updateEntity(entity, 'Merge', { etag: row.etag, ...callOptions() }),
    );
    if (answer.kind === 'ok') {
      return {
        kind: 'acquired',
        lease: leaseOf(mailboxKey, leaseTag, answer.value.etag),
        cursor: row?.cursor,
        abandoned,
      };
    }
    const current = await this.#readCursor(mailboxKey);
    if (current?.writeId !== writeId) return { kind: 'busy', until: current?.leaseUntil ?? claim.now };
    return {
      kind: 'acquired',
      lease: leaseOf(mailboxKey, leaseTag, current.etag),
      cursor: current.cursor,
      abandoned,
    };
  }

  async cursor(mailboxKey: string): Promise<Cursor | undefined> {
    return (await this.#readCursor(mailboxKey))?.cursor;
  }

  async find(mailboxKey: string, id: string): Promise<MessageEntry | undefined> {
    const entity = await this.#read(mailboxKey, messageKey(id));
    return entity === undefined ? undefined : readMessageRow(entity);
  }

  async insert(mailboxKey: string, entry: MessageEntry): Promise<boolean> {
    const entity = { partitionKey: mailboxKey, ...messageRow(entry) };
    const answer = await answerOf(() => this.#table.createEntity(entity, callOptions()));
    if (answer.kind === 'ok') return true;
    return (await this.find(mailboxKey, entry.id))?.rawSha256 === entry.rawSha256;
  }

  async advance(lease: Lease, change: Advance): Promise<LedgerAnswer<{ readonly lease: Lease }>> {
    const { cursor, announced, pending, leaseUntil } = change;
    const inPartition = (row: LedgerRow): TransactionAction[1] => ({
      partitionKey: lease.mailboxKey,
      ...row,
    });
    return this.#writeCursor(lease, { leaseTag: lease.tag, leaseUntil, cursor }, [
      ...announced.map((id): TransactionAction => [
        'update',
        inPartition(announcedRow(id)),
        'Merge',
        { etag: '*' },
      ]),
      ...pending.map((action): TransactionAction => ['upsert', inPartition(pendingRow(action)), 'Replace']),
    ]);
  }

  async pendingActions(mailboxKey: string, limit: number): Promise<readonly PendingAction[]> {
    const { from, to } = pendingRange;
    const filter = odata`PartitionKey eq ${mailboxKey} and RowKey ge ${from} and RowKey lt ${to}`;
    const pages = this.#table
      .listEntities({ queryOptions: { filter }, ...callOptions() })
      .byPage({ maxPageSize: Math.min(limit, rowsPerPage) });
    const found: PendingAction[] = [];
    await orTrouble(noAnswer, async () => {
      for await (const page of pages) {
        for (const entity of page) found.push(readPendingRow(entity));
        if (found.length >= limit) break;
      }
    });
    return found.slice(0, limit);
  }

  async clearActions(mailboxKey: string, done: readonly PendingAction[]): Promise<void> {
    for (let at = 0; at < done.length; at += operationsPerTransaction) {
      const some = done.slice(at, at + operationsPerTransaction);
      const together = await answerOf(() =>
        this.#table.submitTransaction(
          some.map((action): TransactionAction => [
            'delete',
            { partitionKey: mailboxKey, rowKey: pendingKey(action) },
          ]),
          callOptions(),
        ),
      );
      if (together.kind === 'ok') continue;
      // One of them was gone already and the transaction was refused: one by one.
      for (const action of some) {
        await answerOf(() => this.#table.deleteEntity(mailboxKey, pendingKey(action), callOptions()));
      }
    }
  }

  async releaseLease(lease: Lease, cursor: Cursor): Promise<LedgerAnswer<object>> {
    return this.#writeCursor(lease, { leaseTag: '', leaseUntil: 0, cursor }, []);
  }

  async #writeCursor(
    lease: Lease,
    next: LeaseColumns & { readonly cursor: Cursor },
    more: readonly TransactionAction[],
  ): Promise<LedgerAnswer<{ readonly lease: Lease }>> {
    const { mailboxKey, tag } = lease;
    const writeId = this.#random.id();
    const entity = { partitionKey: mailboxKey, ...cursorRow(next, writeId, next.cursor) };
    const answer = await answerOf(() =>
      this.#table.submitTransaction([['update', entity, 'Merge', { etag: lease.version }], ...more], {
        ...callOptions(),
      }),
    );
    const etag =
      answer.kind === 'ok'
        ? answer.value.subResponses.find(({ rowKey }) => rowKey === cursorKey)?.etag
        : undefined;
    if (etag !== undefined) return { kind: 'ok', lease: leaseOf(mailboxKey, tag, etag) };
    const current = await this.#readCursor(mailboxKey);
    if (current?.writeId !== writeId) return { kind: 'lost' };
    return { kind: 'ok', lease: leaseOf(mailboxKey, tag, current.etag) };
  }

  async #readCursor(mailboxKey: string): Promise<CursorRow | undefined> {
    const entity = await this.#read(mailboxKey, cursorKey);
    return entity === undefined ? undefined : readCursorRow(entity);
  }

  async #read(partition: string, key: string): Promise<object | undefined> {
    const answer = await answerOf(() => this.#table.getEntity(partition, key, callOptions()));
    return answer.kind === 'ok' ? answer.value : undefined;
  }
}

function leaseOf(mailboxKey: string, tag: string, etag: string | undefined): Lease {
  if (etag === undefined) throw new StorageTrouble('The table answered without an ETag.');
  return { mailboxKey, tag, version: etag };
}

const noAnswer = 'the ledger did not answer';

/** 404, 409 and 412 are answers; everything else is trouble, and so is a table that does not exist. */
async function answerOf<T>(
  call: () => Promise<T>,
): Promise<{ readonly kind: 'ok'; readonly value: T } | { readonly kind: 'refused' }> {
  try {
    return { kind: 'ok', value: await call() };
  } catch (error) {
    const status = statusOf(error);
    const answered = status === 404 ? codeOf(error) !== 'TableNotFound' : status === 409 || status === 412;
    if (answered) return { kind: 'refused' };
    throw asTrouble(noAnswer, error);
  }
}
