// The outbox in a table of the storage service.
//
// One transaction is one $batch request; the service applies all of it or nothing. Its result is one of
// three, never a guess: `ok`, `refused` (412, 409, 404), `unknown` (no answer, 5xx, throttled, access
// denied). The SDK repeats a call whose answer was lost, so an applied transaction can come back as refused: that is
// passed on as it is, and the caller reads again.
//
// Every number is written as Edm.Double: it holds all that a JavaScript number holds, and an untyped whole number
// would be taken for Int32 and refused beyond it. What only a bug in the caller can cause (an invalid key, the
// same key twice, more than a transaction holds, a 400) is thrown as an Error, at once.
import { odata, type TableClient, type TransactionAction } from '@azure/data-tables';
import type { CommitAnswer, Field, Fields, Operation, Row, Rows } from '../outbound/ports.ts';
import { callOptions } from './clients.ts';
import { withDeleteEtags } from './conditionalDeletes.ts';
import { checkKey, checkOperations, checkQuery } from './tableLimits.ts';
import { asTrouble, codeOf, statusOf, errorDetail } from './trouble.ts';

/** A page may come back empty with a continuation token; more than this means that the query never ends. */
const pagesPerQuery = 200;

export class TableRows implements Rows {
  readonly #table: TableClient;

  constructor(table: TableClient) {
    this.#table = table;
  }

  async read(partition: string, key: string): Promise<Row | undefined> {
    checkKey(partition);
    checkKey(key);
    try {
      return rowOf(await this.#table.getEntity(partition, key, callOptions()));
    } catch (error) {
      if (statusOf(error) === 404 && codeOf(error) !== 'TableNotFound') return undefined;
      throw asTrouble('a row could not be read', error);
    }
  }

  async query(
    partition: string,
    range: { readonly from: string; readonly to: string; readonly limit: number },
    select?: readonly string[],
  ): Promise<readonly Row[]> {
    const { from, to, limit } = range;
    checkQuery(partition, limit);
    const queryOptions = {
      filter: odata`PartitionKey eq ${partition} and RowKey ge ${from} and RowKey lt ${to}`,
      ...(select === undefined ? {} : { select: ['PartitionKey', 'RowKey', ...select] }),
    };
    const rows: Row[] = [];
    let pages = 0;
    try {
      const entities = this.#table.listEntities({ queryOptions, ...callOptions() });
      for await (const page of entities.byPage({ maxPageSize: limit })) {
        for (const entity of page) {
          rows.push(rowOf(entity));
          if (rows.length === limit) return rows;
        }
        pages += 1;
        if (pages === pagesPerQuery) throw new Error(`no end after ${pagesPerQuery} pages`);
      }
    } catch (error) {
      throw asTrouble('rows could not be read', error);
    }
    return rows;
  }

  async commit(partition: string, operations: readonly Operation[]): Promise<CommitAnswer> {
    checkOperations(partition, operations);
    const actions = operations.map((operation) => actionOf(partition, operation));
    const deleteEtags = operations.flatMap((operation) =>
      operation.kind === 'delete' ? [operation.etag] : [],
    );
    const abortSignal = withDeleteEtags(callOptions().abortSignal, deleteEtags);
    try {
      const answer = await this.#table.submitTransaction(actions, { abortSignal });
      const etags: Record<string, string> = {};
      for (const [index, { etag }] of answer.subResponses.entries()) {
        const operation = operations[index];
        if (operation !== undefined && operation.kind !== 'delete' && etag !== undefined) {
          etags[operation.key] = etag;
        }
      }
      return { kind: 'ok', etags };
    } catch (error) {
      return refusalOf(error);
    }
  }
}

function refusalOf(error: unknown): CommitAnswer {
  const status = statusOf(error);
  const code = codeOf(error);
  const index = indexOf(error);
  if (status === 412) return { kind: 'refused', reason: 'changed', ...index };
  if (status === 409 && code !== 'TableBeingDeleted') return { kind: 'refused', reason: 'exists', ...index };
  if (status === 404 && code !== 'TableNotFound') return { kind: 'refused', reason: 'missing', ...index };
  // The service refuses the transaction itself: repeating it can't help.
  if (status === 400 || status === 413) {
    throw new Error(`the store refused a transaction as malformed: ${errorDetail(error)}`, { cause: error });
  }
  return { kind: 'unknown', detail: errorDetail(error) };
}

/** A refused transaction says which operation it was: `1:The update condition ...`. */
function indexOf(error: unknown): { readonly index?: number } {
  const index = /^(\d{1,2}):/.exec(error instanceof Error ? error.message : '')?.[1];
  return index === undefined ? {} : { index: Number(index) };
}

function actionOf(partition: string, operation: Operation): TransactionAction {
  const keys = { partitionKey: partition, rowKey: operation.key };
  switch (operation.kind) {
    case 'insert':
      return ['create', { ...keys, ...propertiesOf(operation.fields) }];
    case 'merge':
    case 'replace':
      return [
        'update',
        { ...keys, ...propertiesOf(operation.fields) },
        operation.kind === 'merge' ? 'Merge' : 'Replace',
        { etag: operation.etag ?? '*' },
      ];
    case 'delete':
      return ['delete', keys];
  }
}

function propertiesOf(fields: Fields): Record<string, unknown> {
  const properties: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    properties[name] = typeof value === 'number' ? { type: 'Double', value } : value;
  }
  return properties;
}

const notFields = new Set(['odata.metadata', 'etag', 'partitionKey', 'rowKey', 'timestamp']);

function rowOf(entity: Readonly<Record<string, unknown>>): Row {
  const { rowKey, etag } = entity;
  if (typeof rowKey !== 'string' || typeof etag !== 'string')
    throw new Error('a row came without key or ETag');
  const fields: Record<string, Field> = {};
  for (const [name, value] of Object.entries(entity)) {
    if (notFields.has(name) || value === null || value === undefined) continue;
    fields[name] = fieldOf(name, value);
  }
  return { key: rowKey, etag, fields };
}

function fieldOf(name: string, value: unknown): Field {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  if (value instanceof Uint8Array) return value;
  if (typeof value === 'bigint') return Number(value);
  throw new Error(`the property ${name} of a row has an unexpected type`);
}
