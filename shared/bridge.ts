// The assembled program. Every trigger file hands what it was given to one method here, named as the function.
// Built on the first call, once per worker: importing this file does no I/O, so the host's start-up stays quick.

export { queueNames } from './storage/names.ts';

/** What the bridge uses of the library's invocation context: log lines written here carry the invocation's id. */
export interface Invocation {
  readonly invocationId: string;
  /** For a queue message: `id`, `dequeueCount`, `insertionTime`, `expirationTime`. Undefined for timers. */
  readonly triggerMetadata?: Readonly<Record<string, unknown>>;
  debug(line: string): void;
  info(line: string): void;
  warn(line: string): void;
  error(line: string): void;
}

/** One method per function. A payload is as the library hands it over: parsed JSON, or a string, or bytes (not UTF-8). */
export interface Bridge {
  acceptMail(payload: unknown, invocation: Invocation): Promise<void>;
  sendMail(payload: unknown, invocation: Invocation): Promise<void>;
  settlePoison(payload: unknown, invocation: Invocation): Promise<void>;
  sweepOutbound(invocation: Invocation): Promise<void>;
  pruneOutbox(invocation: Invocation): Promise<void>;
  fetchMail(invocation: Invocation): Promise<void>;
  refreshTokens(invocation: Invocation): Promise<void>;
}

let assembled: Promise<Bridge> | undefined;

/** The program of this worker; assembled from settings on the first call. */
export function bridge(): Promise<Bridge> {
  assembled ??= assemble();
  return assembled;
}

function assemble(): Promise<Bridge> {
  return Promise.reject(new Error('The bridge is not assembled yet'));
}
