// Decodes and names calls to the storage service. It sees the REST API from outside: it knows the format of requests and
// the row keys of the outbox, and does not query the product.
import {
  accountsPartition,
  headRange,
  stateKey,
  rejectedPartition,
} from '../../shared/outbound/records/keys.ts';

export type StorageService = 'blob' | 'queue' | 'table';

/** One write within a transaction, or the one write of a single call. */
export interface RowWrite {
  readonly act: 'insert' | 'merge' | 'replace' | 'delete';
  readonly partition: string;
  readonly key: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface StorageCall {
  readonly service: StorageService;
  readonly method: string;
  /** After the account's name, decoded: `outbound-mail/messages`. */
  readonly path: string;
  readonly body: Buffer;
  /** Rows that a table call writes; none for other calls. */
  readonly writes: readonly RowWrite[];
  /** The outbox's partition that a table call is about, where it is one. */
  readonly partition?: string;
  /** What a table call reads: a key, or the beginning of a range. */
  readonly reads?: string;
}

export function readCall(service: StorageService, method: string, url: string, body: Buffer): StorageCall {
  const [rawPath = '', query = ''] = url.split('?', 2);
  const path = decodeURIComponent(rawPath).replace(/^\/[^/]+\/?/, '');
  const call = { service, method, path, body, writes: [] };
  if (service !== 'table') return call;
  if (path === '$batch') {
    const writes = readBatch(body.toString('utf8'));
    const partition = writes[0]?.partition;
    return { ...call, writes, ...(partition === undefined ? {} : { partition }) };
  }
  const named = keysIn(path);
  if (method !== 'GET') {
    const write = readWrite(method, path, body.toString('utf8'));
    return write === undefined ? call : { ...call, writes: [write], partition: write.partition };
  }
  if (named !== undefined) return { ...call, partition: named.partition, reads: named.key };
  const filter = new URLSearchParams(query).get('$filter') ?? '';
  const [, partition, from = ''] =
    /PartitionKey eq '((?:[^']|'')*)' and RowKey ge '([^']*)'/.exec(filter) ?? [];
  return partition === undefined
    ? call
    : { ...call, partition: partition.replaceAll("''", "'"), reads: from };
}

/** The operations of an entity group transaction, in their order. */
function readBatch(text: string): readonly RowWrite[] {
  return text.split(/^--changeset_/m).flatMap((part) => {
    const [, method, url] =
      /^(POST|PUT|PATCH|MERGE|DELETE) https?:\/\/[^/]+\/[^/]+\/(\S+) HTTP\/1\.1\r?$/m.exec(part) ?? [];
    if (method === undefined || url === undefined) return [];
    const write = readWrite(method, decodeURIComponent(url), /^\{.*\}\r?$/m.exec(part)?.[0] ?? '');
    return write === undefined ? [] : [write];
  });
}

function readWrite(method: string, path: string, text: string): RowWrite | undefined {
  const fields = text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {};
  const { PartitionKey, RowKey } = fields;
  const named =
    keysIn(path) ??
    (typeof PartitionKey === 'string' && typeof RowKey === 'string'
      ? { partition: PartitionKey, key: RowKey }
      : undefined);
  if (named === undefined) return undefined;
  const acts: Readonly<Record<string, RowWrite['act']>> = {
    POST: 'insert',
    PUT: 'replace',
    DELETE: 'delete',
  };
  return { act: acts[method] ?? 'merge', ...named, fields };
}

function keysIn(path: string): { readonly partition: string; readonly key: string } | undefined {
  const [, partition, key] = /\(PartitionKey='(.*)',RowKey='(.*)'\)$/.exec(path) ?? [];
  if (partition === undefined || key === undefined) return undefined;
  return { partition: partition.replaceAll("''", "'"), key: key.replaceAll("''", "'") };
}

/** What a call does to the outbox, such as `claim`, `settle`, `read msg`, `put mail-status`, `take outbound-wake`. */
export function nameOf(call: StorageCall): string {
  const { service, method, path } = call;
  if (service === 'queue') return queueName(method, path);
  if (service === 'blob') return `${method.toLowerCase()} ${path.split('/')[0] ?? ''}`;
  if (call.writes.length > 0) return writeName(call);
  const table = path.replace(/\(.*$/, '');
  if (table !== 'outbox') return `read ${table}`;
  if (call.partition === accountsPartition) return 'read accounts';
  if (call.reads === headRange.from && table === path) return 'read head';
  return `read ${(call.reads ?? '').split('|')[0] ?? ''}`;
}

/** By the column `kind` of the account's row; other transactions of an account are named by what they write. */
const transactionNames: Readonly<Record<string, string>> = {
  acquireLease: 'lease',
  releaseLease: 'give back',
  claim: 'claim',
  settle: 'settle',
  abandon: 'settle',
  concludeLookup: 'conclude lookup',
};

function writeName({ writes, partition = '' }: StorageCall): string {
  const has = (act: RowWrite['act'], prefix: string): boolean =>
    writes.some((write) => write.act === act && write.key.startsWith(prefix));
  const state = writes.find(({ key }) => key === stateKey);
  if (state === undefined) {
    if (has('insert', 'msg|')) return 'accept';
    if (partition === accountsPartition) return `${writes[0]?.act ?? ''} account`;
    return partition === rejectedPartition ? 'reject' : 'write row';
  }
  const { kind } = state.fields;
  const name = typeof kind === 'string' ? transactionNames[kind] : undefined;
  if (name === 'settle' && has('insert', 'indoubt|')) return 'doubt';
  return name ?? (has('merge', 'msg|') ? 'transition' : 'keep lease');
}

function queueName(method: string, path: string): string {
  const [queue = '', , message] = path.split('/');
  const acts: Readonly<Record<string, string>> = {
    GET: 'take',
    POST: 'put',
    DELETE: 'delete',
    PUT: 'update',
  };
  const act =
    message === undefined || message === ''
      ? (acts[method] ?? method)
      : method === 'DELETE'
        ? 'delete'
        : 'update';
  return `${act} ${queue}`;
}
