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
  StoredContent,
  StoredMessage,
} from '../inbound/ports.ts';
import { StorageTrouble } from '../storageErrors.ts';
import { callOptions } from './clients.ts';
import {
  contentKey,
  contentRange,
  contentRow,
  cursorKey,
  cursorRow,
  knownKey,
  knownRange,
  knownRow,
  messageKey,
  messageRow,
  pendingKey,
  pendingRange,
  pendingRow,
  readContentRow,
  readCursorRow,
  readKnownRow,
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

  async advance(lease: Lease, change: Advance): ReturnType<Ledger['advance']> {
    const { cursor, stored, leaseUntil } = change;
    const next = { leaseTag: lease.tag, leaseUntil, cursor };
    const answer = await this.#writeCursor(lease, next, [
      ...stored.flatMap((one) => storedActions(lease.mailboxKey, one)),
      ...actionChanges(lease.mailboxKey, change),
    ]);
    if (answer.kind !== 'refused') return answer;
    // A row that must not be there, or one that is to be removed and is not there.
    const expected = stored.filter(({ knownDay }) => knownDay === undefined);
    const found = await Promise.all(expected.map(({ entry }) => this.find(lease.mailboxKey, entry.id)));
    const ids = found.flatMap((one) => (one === undefined ? [] : [one.id]));
    if (ids.length > 0) return { kind: 'known', ids };
    await this.clearActions(lease.mailboxKey, change.cleared);
    const again = await this.#writeCursor(lease, next, [
      ...stored.flatMap((one) => storedActions(lease.mailboxKey, { ...one, knownDay: '' })),
      ...actionChanges(lease.mailboxKey, { ...change, cleared: [] }),
    ]);
    if (again.kind === 'refused') throw new StorageTrouble('The ledger refused a transaction.');
    return again;
  }

  async pendingActions(mailboxKey: string, limit: number): Promise<readonly PendingAction[]> {
    return (await this.#range(mailboxKey, pendingRange, limit)).map(readPendingRow);
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

  async releaseLease(
    lease: Lease,
    last: Pick<Advance, 'cursor' | 'pending' | 'cleared'>,
  ): Promise<LedgerAnswer<object>> {
    const { cursor } = last;
    const next = { leaseTag: '', leaseUntil: 0, cursor };
    const answer = await this.#writeCursor(lease, next, actionChanges(lease.mailboxKey, last));
    if (answer.kind !== 'refused') return answer;
    await this.clearActions(lease.mailboxKey, last.cleared);
    const again = await this.#writeCursor(
      lease,
      next,
      actionChanges(lease.mailboxKey, { ...last, cleared: [] }),
    );
    if (again.kind === 'refused') throw new StorageTrouble('The ledger refused a transaction.');
    return again;
  }

  async contentBefore(mailboxKey: string, day: string, limit: number): Promise<readonly StoredContent[]> {
    return (await this.#range(mailboxKey, contentRange(day), limit)).map(readContentRow);
  }

  async contentAfter(
    mailboxKey: string,
    after: Pick<StoredContent, 'id' | 'day'> | undefined,
    limit: number,
  ): Promise<readonly StoredContent[]> {
    // The least key above it.
    const from = after === undefined ? contentRange('').from : `${contentKey(after)}!`;
    const to = 'content}';
    return (await this.#range(mailboxKey, { from, to }, limit)).map(readContentRow);
  }

  async contentOf(
    mailboxKey: string,
    at: Pick<StoredContent, 'id' | 'day'>,
  ): Promise<StoredContent | undefined> {
    const entity = await this.#read(mailboxKey, contentKey(at));
    return entity === undefined ? undefined : readContentRow(entity);
  }

  async contentRemoved(mailboxKey: string, contents: readonly StoredContent[]): Promise<void> {
    await this.#inTransactions(contents, (content) => [
      ['delete', { partitionKey: mailboxKey, rowKey: contentKey(content) }],
      ['upsert', { partitionKey: mailboxKey, ...knownRow(content) }, 'Replace'],
    ]);
  }

  async knownBefore(
    mailboxKey: string,
    day: string,
    limit: number,
  ): Promise<readonly Pick<StoredContent, 'id' | 'day'>[]> {
    return (await this.#range(mailboxKey, knownRange(day), limit)).map(readKnownRow);
  }

  async forget(mailboxKey: string, known: readonly Pick<StoredContent, 'id' | 'day'>[]): Promise<void> {
    await this.#inTransactions(known, (one) => [
      ['delete', { partitionKey: mailboxKey, rowKey: messageKey(one.id) }],
      ['delete', { partitionKey: mailboxKey, rowKey: knownKey(one) }],
    ]);
  }

  /** Many items in each transaction; if one is refused since a row is gone, each change by itself. */
  async #inTransactions<T>(
    items: readonly T[],
    changesOf: (item: T) => readonly TransactionAction[],
  ): Promise<void> {
    const changes = items.flatMap(changesOf);
    const submit = (some: readonly TransactionAction[]): Promise<{ readonly kind: 'ok' | 'refused' }> =>
      answerOf(() => this.#table.submitTransaction([...some], callOptions()));
    for (let at = 0; at < changes.length; at += operationsPerTransaction) {
      const some = changes.slice(at, at + operationsPerTransaction);
      if ((await submit(some)).kind === 'ok') continue;
      for (const one of some) await submit([one]);
    }
  }

  async #range(
    mailboxKey: string,
    { from, to }: { readonly from: string; readonly to: string },
    limit: number,
  ): Promise<readonly object[]> {
    const filter = odata`PartitionKey eq ${mailboxKey} and RowKey ge ${from} and RowKey lt ${to}`;
    const pages = this.#table
      .listEntities({ queryOptions: { filter }, ...callOptions() })
      .byPage({ maxPageSize: Math.min(limit, rowsPerPage) });
    const found: object[] = [];
    await orTrouble(noAnswer, async () => {
      for await (const page of pages) {
        found.push(...page);
        if (found.length >= limit) break;
      }
    });
    return found.slice(0, limit);
  }

  /** `refused`: the lease is ours, and a row of `more` is not as it was expected. */
  async #writeCursor(
    lease: Lease,
    next: LeaseColumns & { readonly cursor: Cursor },
    more: readonly TransactionAction[],
  ): Promise<LedgerAnswer<{ readonly lease: Lease }> | { readonly kind: 'refused' }> {
    const { mailboxKey, tag } = lease;
    const writeId = this.#random.id();
    const entity = { partitionKey: mailboxKey, ...cursorRow(next, writeId, next.cursor) };
    const answer = await answerOf(() =>
      this.#table.submitTransaction([['update', entity, 'Merge', { etag: lease.version }], ...more], {
        ...callOptions(),
      }),
    );
    // The service answers in the order of the changes; it names no row keys.
    const etag = answer.kind === 'ok' ? answer.value.subResponses[0]?.etag : undefined;
    if (etag !== undefined) return { kind: 'ok', lease: leaseOf(mailboxKey, tag, etag) };
    const current = await this.#readCursor(mailboxKey);
    if (current?.writeId === writeId) return { kind: 'ok', lease: leaseOf(mailboxKey, tag, current.etag) };
    return { kind: current?.etag === lease.version && more.length > 0 ? 'refused' : 'lost' };
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

/** A new message is inserted; one that is there moves its content row to another day. */
function storedActions(
  mailboxKey: string,
  { entry, content, knownDay }: StoredMessage,
): readonly TransactionAction[] {
  const inPartition = (row: LedgerRow): TransactionAction[1] => ({ partitionKey: mailboxKey, ...row });
  if (knownDay === undefined)
    return [
      ['create', inPartition(messageRow(entry))],
      ['upsert', inPartition(contentRow(content)), 'Replace'],
    ];
  const old = { id: content.id, day: knownDay };
  return [
    ['upsert', inPartition(messageRow(entry)), 'Replace'],
    ['upsert', inPartition(contentRow(content)), 'Replace'],
    ...(knownDay === '' || knownDay === content.day
      ? []
      : [['delete', { partitionKey: mailboxKey, rowKey: contentKey(old) }] satisfies TransactionAction]),
  ];
}

function actionChanges(
  mailboxKey: string,
  { pending, cleared }: Pick<Advance, 'pending' | 'cleared'>,
): readonly TransactionAction[] {
  const due = new Set(pending.map(pendingKey));
  return [
    ...pending.map((action): TransactionAction => [
      'upsert',
      { partitionKey: mailboxKey, ...pendingRow(action) },
      'Replace',
    ]),
    ...cleared
      .filter((action) => !due.has(pendingKey(action)))
      .map((action): TransactionAction => [
        'delete',
        { partitionKey: mailboxKey, rowKey: pendingKey(action) },
      ]),
  ];
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
