// What the storage SDKs throw, as StorageTrouble with status and code. The error itself, whose request may hold content,
// stays in `cause`, which no log line contains.
import { memberOf } from '../mail/foreign.ts';
import { boundedText } from '../mail/text.ts';
import { StorageTrouble } from '../storageErrors.ts';

const detailCharacters = 300;

/** What went wrong in a call to the store, for a log or a person: status and code, never a URL or a body. */
export function errorDetail(error: unknown): string {
  if (typeof error !== 'object' || error === null) return 'a value that is not an error was thrown';
  const name = memberOf(error, 'name');
  if (name === 'AbortError' || name === 'TimeoutError') return 'no answer in time';
  const [status, code] = [statusOf(error), codeOf(error)];
  const parts = [status === undefined ? undefined : `HTTP ${status}`, code].filter(
    (part) => part !== undefined,
  );
  return boundedText(
    parts.length > 0 ? parts.join(' ') : typeof name === 'string' ? name : 'error',
    detailCharacters,
  );
}

/** `what` failed because of `error`; StorageTrouble stays as it is. */
export function asTrouble(what: string, error: unknown): StorageTrouble {
  if (error instanceof StorageTrouble) return error;
  return new StorageTrouble(`${what}: ${errorDetail(error)}`, { cause: error });
}

/** Runs the call; whatever it throws becomes StorageTrouble. */
export async function orTrouble<Answer>(what: string, call: () => Promise<Answer>): Promise<Answer> {
  try {
    return await call();
  } catch (error) {
    throw asTrouble(what, error);
  }
}

/** The HTTP status of an answer that the SDK took for an error. */
export function statusOf(error: unknown): number | undefined {
  const status = memberOf(error, 'statusCode');
  return typeof status === 'number' ? status : undefined;
}

/** The service's own code; a transaction has it in `code`, a single call in the body that the SDK parsed. */
export function codeOf(error: unknown): string | undefined {
  const inBody = memberOf(memberOf(memberOf(error, 'details'), 'odataError'), 'code');
  const code = typeof inBody === 'string' ? inBody : memberOf(error, 'code');
  return typeof code === 'string' ? code : undefined;
}
