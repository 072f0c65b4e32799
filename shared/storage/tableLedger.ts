// The inbound ledger in the table `inbound`. One partition per mailbox, so that the cursor, what was announced
// and the actions still owed change in one transaction.
//
//   cursor                          lease and position; every transaction is conditional on its ETag
//   mail|<id>                       what is remembered of a message
//   pending|<uidValidity>|<uid>     an after-fetch action that is due
//
// The SDK repeats a call whose answer was lost, so an applied write can come back as refused. Each write of the
// cursor row carries a mark of its own; whoever is refused reads the row once and looks for the mark.
import type { TableClient, TransactionAction } from '@azure/data-tables';
import { z } from 'zod';
import type { Random } from '../clock.ts';
import type { Cursor, Entry, Ledger, LedgerAnswer, Lease, PendingAction } from '../inbound/ports.ts';
import { StorageTrouble } from '../outbound/ports.ts';
import { callSignal } from './clients.ts';
import { asTrouble, codeOf, statusOf } from './trouble.ts';

const cursorSchema = z.object({
  folder: z.string(),
  uidValidity: z.number(),
  lastUid: z.number(),
  owed: z.array(z.object({ uid: z.number(), tries: z.number() })),
  failureCount: z.number(),
  pausedUntil: z.number(),
  lastPassAt: z.number(),
  lastSuccessAt: z.number(),
  leftover: z.boolean(),
  detail: z.string(),
  vanishedCount: z.number(),
});

const cursorRow = z.object({
  etag: z.string(),
  tag: z.string(),
  until: z.number(),
  mark: z.string(),
  position: z.string().optional(),
});

const entryRow = z.object({
  id: z.string(),
  state: z.enum(['stored', 'announced']),
  headerPrint: z.string(),
  contentPrint: z.string(),
  rawSha256: z.string(),
  sizeBytes: z.number(),
  kind: z.string(),
  folder: z.string(),
  uidValidity: z.number(),
  uid: z.number(),
});

const pendingRow = z.object({ uidValidity: z.number(), uid: z.number(), id: z.string() });

type CursorRow = z.infer<typeof cursorRow>;

/** Every method throws StorageTrouble when the store does not answer with anything usable. */
export class TableLedger implements Ledger {
  private readonly table: TableClient;
  private readonly random: Random;

  constructor(table: TableClient, random: Random) {
    this.table = table;
    this.random = random;
  }

  async begin(
    mailboxKey: string,
    claim: { readonly owner: string; readonly now: number; readonly untilMs: number },
  ): ReturnType<Ledger['begin']> {
    const row = await this.readCursor(mailboxKey);
    if (row !== undefined && row.tag !== '' && row.until > claim.now) {
      return { kind: 'busy', until: row.until };
    }
    const tag = `${claim.owner}.${this.random.id()}`;
    const entity = {
      partitionKey: mailboxKey,
      rowKey: 'cursor',
      tag,
      until: double(claim.untilMs),
      mark: this.random.id(),
    };
    const answer = await outcome(() =>
      row === undefined
        ? this.table.createEntity(entity, { abortSignal: callSignal() })
        : this.table.updateEntity(entity, 'Merge', { etag: row.etag, abortSignal: callSignal() }),
    );
    if (answer.kind === 'ok') {
      return { kind: 'begun', lease: leaseOf(mailboxKey, tag, answer.value.etag), cursor: position(row) };
    }
    const now = await this.readCursor(mailboxKey);
    if (now?.mark !== entity.mark) return { kind: 'busy', until: now?.until ?? claim.now };
    return { kind: 'begun', lease: leaseOf(mailboxKey, tag, now.etag), cursor: position(now) };
  }

  async cursor(mailboxKey: string): Promise<Cursor | undefined> {
    return position(await this.readCursor(mailboxKey));
  }

  async find(mailboxKey: string, id: string): Promise<Entry | undefined> {
    const entity = await this.read(mailboxKey, `mail|${id}`);
    return entity === undefined ? undefined : entryRow.parse(entity);
  }

  async keep(mailboxKey: string, entry: Entry): Promise<boolean> {
    const entity = {
      partitionKey: mailboxKey,
      rowKey: `mail|${entry.id}`,
      ...entry,
      sizeBytes: double(entry.sizeBytes),
      uid: double(entry.uid),
      uidValidity: double(entry.uidValidity),
    };
    const answer = await outcome(() => this.table.createEntity(entity, { abortSignal: callSignal() }));
    if (answer.kind === 'ok') return true;
    return (await this.find(mailboxKey, entry.id))?.rawSha256 === entry.rawSha256;
  }

  async advance(
    lease: Lease,
    change: {
      readonly cursor: Cursor;
      readonly announced: readonly string[];
      readonly pending: readonly PendingAction[];
      readonly leaseUntil: number;
    },
  ): Promise<LedgerAnswer<{ readonly lease: Lease }>> {
    const { mailboxKey } = lease;
    const more: TransactionAction[] = [
      ...change.announced.map((id): TransactionAction => [
        'update',
        { partitionKey: mailboxKey, rowKey: `mail|${id}`, state: 'announced' },
        'Merge',
        { etag: '*' },
      ]),
      ...change.pending.map((action): TransactionAction => [
        'upsert',
        {
          partitionKey: mailboxKey,
          rowKey: pendingKey(action),
          uidValidity: double(action.uidValidity),
          uid: double(action.uid),
          id: action.id,
        },
        'Replace',
      ]),
    ];
    return this.writeCursor(lease, { tag: lease.tag, until: change.leaseUntil, cursor: change.cursor }, more);
  }

  async pendingActions(mailboxKey: string, limit: number): Promise<readonly PendingAction[]> {
    const filter = `PartitionKey eq '${mailboxKey.replaceAll("'", "''")}' and RowKey ge 'pending|' and RowKey lt 'pending}'`;
    const pages = this.table
      .listEntities({ queryOptions: { filter }, abortSignal: callSignal() })
      .byPage({ maxPageSize: Math.min(limit, 1_000) });
    const found: PendingAction[] = [];
    await orTrouble(async () => {
      for await (const page of pages) {
        for (const entity of page) found.push(pendingRow.parse(entity));
        if (found.length >= limit) break;
      }
    });
    return found.slice(0, limit);
  }

  async settle(mailboxKey: string, done: readonly PendingAction[]): Promise<void> {
    for (let at = 0; at < done.length; at += 100) {
      const some = done.slice(at, at + 100);
      const together = await outcome(() =>
        this.table.submitTransaction(
          some.map((action): TransactionAction => [
            'delete',
            { partitionKey: mailboxKey, rowKey: pendingKey(action) },
          ]),
          { abortSignal: callSignal() },
        ),
      );
      if (together.kind === 'ok') continue;
      // One of them was gone already and the whole transaction fell: one by one.
      for (const action of some) {
        await outcome(() =>
          this.table.deleteEntity(mailboxKey, pendingKey(action), { abortSignal: callSignal() }),
        );
      }
    }
  }

  async end(lease: Lease, cursor: Cursor): Promise<LedgerAnswer<object>> {
    return this.writeCursor(lease, { tag: '', until: 0, cursor }, []);
  }

  private async writeCursor(
    lease: Lease,
    next: { readonly tag: string; readonly until: number; readonly cursor: Cursor },
    more: readonly TransactionAction[],
  ): Promise<LedgerAnswer<{ readonly lease: Lease }>> {
    const mark = this.random.id();
    const entity = {
      partitionKey: lease.mailboxKey,
      rowKey: 'cursor',
      tag: next.tag,
      until: double(next.until),
      mark,
      position: JSON.stringify(next.cursor),
    };
    const answer = await outcome(() =>
      this.table.submitTransaction([['update', entity, 'Merge', { etag: lease.version }], ...more], {
        abortSignal: callSignal(),
      }),
    );
    const etag =
      answer.kind === 'ok'
        ? answer.value.subResponses.find((one) => one.rowKey === 'cursor')?.etag
        : undefined;
    if (etag !== undefined) return { kind: 'ok', lease: leaseOf(lease.mailboxKey, lease.tag, etag) };
    const now = await this.readCursor(lease.mailboxKey);
    if (now?.mark !== mark) return { kind: 'lost' };
    return { kind: 'ok', lease: leaseOf(lease.mailboxKey, lease.tag, now.etag) };
  }

  private async readCursor(mailboxKey: string): Promise<CursorRow | undefined> {
    const entity = await this.read(mailboxKey, 'cursor');
    return entity === undefined ? undefined : cursorRow.parse(entity);
  }

  private async read(partition: string, key: string): Promise<object | undefined> {
    const answer = await outcome(() => this.table.getEntity(partition, key, { abortSignal: callSignal() }));
    return answer.kind === 'ok' ? answer.value : undefined;
  }
}

function position(row: CursorRow | undefined): Cursor | undefined {
  return row?.position === undefined ? undefined : cursorSchema.parse(JSON.parse(row.position));
}

function leaseOf(mailboxKey: string, tag: string, etag: string | undefined): Lease {
  if (etag === undefined) throw new StorageTrouble('The table answered without an ETag.');
  return { mailboxKey, tag, version: etag };
}

function pendingKey({ uidValidity, uid }: PendingAction): string {
  return `pending|${String(uidValidity).padStart(10, '0')}|${String(uid).padStart(10, '0')}`;
}

/** The SDK writes a number as Int32 or Double by its value; one column should keep one type. */
function double(value: number): { readonly type: 'Double'; readonly value: string } {
  return { type: 'Double', value: String(value) };
}

const noAnswer = 'the ledger did not answer';

/** 404, 409 and 412 are answers; everything else is trouble, and so is a table that is not there. */
async function outcome<T>(
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

async function orTrouble<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw asTrouble(noAnswer, error);
  }
}
