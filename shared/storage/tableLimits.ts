// What Azure Tables does not take, checked before anything is sent: keys, properties, rows and transactions
// ("Understanding the Table service data model", "Performing entity group transactions"). Only a bug in the caller can
// cause it, so it is thrown as an Error, at once.
import type { Field, Fields, Operation } from '../outbound/ports.ts';

const operationsPerTransaction = 100;
export const rowsPerQuery = 1_000;
/** 1 KiB in UTF-16. */
const keyCharacters = 512;
/** 64 KiB in UTF-16, and in bytes. */
const stringCharacters = 32_768;
const binaryBytes = 65_536;
const rowBytes = 1_048_576;
/** Of the request, so text counts as the UTF-8 of its JSON and binary as base64. */
const transactionBytes = 4 * 1_048_576;
/** Of one operation in the request: its heads, its keys twice, the names of its properties. */
const operationOverheadBytes = 1_000;

/** No / \ # ?, no control characters (C0, C1), at most 1 KiB. */
export function checkKey(key: string): void {
  if (key.length > keyCharacters || /[/\\#?\u0000-\u001f\u007f-\u009f]/.test(key)) {
    throw new Error('a table key has a forbidden character or is too long');
  }
}

export function checkQuery(partition: string, limit: number): void {
  checkKey(partition);
  if (!Number.isInteger(limit) || limit < 1 || limit > rowsPerQuery) {
    throw new Error(`a query asks for 1 to ${rowsPerQuery} rows, not ${limit}`);
  }
}

export function checkOperations(partition: string, operations: readonly Operation[]): void {
  checkKey(partition);
  if (operations.length < 1 || operations.length > operationsPerTransaction) {
    throw new Error(
      `a transaction has 1 to ${operationsPerTransaction} operations, not ${operations.length}`,
    );
  }
  const keys = new Set<string>();
  let bytes = 0;
  for (const operation of operations) {
    const { key } = operation;
    checkKey(key);
    if (keys.has(key)) throw new Error('a transaction names the same key twice');
    keys.add(key);
    bytes += operationOverheadBytes;
    if (operation.kind !== 'delete') bytes += checkFields(operation.fields);
  }
  if (bytes > transactionBytes) throw new Error('a transaction has more than 4 MiB');
}

/** Returns what the fields weigh in a request. */
function checkFields(fields: Fields): number {
  let requestBytes = 0;
  let storedBytes = 0;
  for (const [name, value] of Object.entries(fields)) {
    checkField(name, value);
    requestBytes += 2 * name.length + requestFieldBytes(value);
    storedBytes += 2 * name.length + storedFieldBytes(value);
  }
  if (storedBytes > rowBytes) throw new Error('a row has more than 1 MiB');
  return requestBytes;
}

export const storedFieldBytes = (field: Field): number =>
  typeof field === 'string' ? 2 * field.length : field instanceof Uint8Array ? field.length : 8;

const requestFieldBytes = (field: Field): number =>
  typeof field === 'string'
    ? Buffer.byteLength(JSON.stringify(field))
    : field instanceof Uint8Array
      ? Math.ceil(field.length / 3) * 4
      : 24;

function checkField(name: string, value: Field): void {
  if (
    !/^[A-Za-z_][A-Za-z0-9_]{0,254}$/.test(name) ||
    /^(?:partitionKey|rowKey|timestamp|etag)$/i.test(name)
  ) {
    throw new Error(`a property can't be named ${JSON.stringify(name.slice(0, 40))}`);
  }
  const fits =
    typeof value === 'number'
      ? Number.isFinite(value)
      : typeof value === 'string'
        ? value.length <= stringCharacters
        : typeof value === 'boolean' || value.byteLength <= binaryBytes;
  if (!fits) throw new Error(`the property ${name} holds more than a table property can`);
}
