// One HTTP request to ESM, and what became of it: bounded in time and size, never redirected, since every request
// carries the token.
import type { Clock } from '../../clock.ts';
import { memberOf, textIn } from '../../mail/foreign.ts';

export interface EsmRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | AsyncIterable<Uint8Array>;
  readonly timeoutMs: number;
}

export interface EsmResponse {
  readonly status: number;
  header(name: string): string | undefined;
  /** Rejects with AnswerLost if it is cut, or longer than `mostBytes`. */
  text(mostBytes: number): Promise<string>;
  /** The bytes as they come; rejects if they are cut. */
  bytes(): AsyncIterable<Uint8Array>;
}

/** Throws NotReached if the request did not leave, AnswerLost if no answer came. */
export type EsmTransport = (request: EsmRequest) => Promise<EsmResponse>;

/** No connection: ESM has seen nothing of the request. */
export class NotReached extends Error {
  override readonly name = 'NotReached';
}

/** The request may have been carried out. */
export class AnswerLost extends Error {
  override readonly name = 'AnswerLost';
}

/** Failures of the connection itself, before anything was sent. */
const notReachedCodes = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);

/** The transport of production: Node's fetch. */
export const fetchTransport: EsmTransport = async ({ method, url, headers, body, timeoutMs }) => {
  try {
    const response = await fetch(url, {
      method,
      headers,
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
      ...(body === undefined ? {} : bodyOf(body)),
    });
    return {
      status: response.status,
      header: (name) => response.headers.get(name) ?? undefined,
      text: (mostBytes) => textOf(streamOf(response), mostBytes),
      bytes: () => streamOf(response),
    };
  } catch (error) {
    throw lost(error);
  }
};

const bodyOf = (body: string | AsyncIterable<Uint8Array>): RequestInit =>
  typeof body === 'string' ? { body } : { body: ReadableStream.from(body), duplex: 'half' };

async function* streamOf(response: Response): AsyncIterable<Uint8Array> {
  if (response.body === null) return;
  try {
    for await (const chunk of response.body) yield chunk;
  } catch (error) {
    throw lost(error);
  }
}

/** UTF-8, at most so many bytes. */
export async function textOf(bytes: AsyncIterable<Uint8Array>, mostBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of bytes) {
    sizeBytes += chunk.length;
    if (sizeBytes > mostBytes) throw new AnswerLost('the answer is longer than ESM’s answers are');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function lost(error: unknown): Error {
  const code = textIn(memberOf(error, 'cause'), 'code');
  return notReachedCodes.has(code)
    ? new NotReached(`no connection (${code})`)
    : new AnswerLost(code === '' ? 'no answer in time' : `the connection was cut (${code})`);
}

/** An instant in `Retry-After`, seconds or a date (RFC 9110 10.2.3); undefined if it has none. */
export function retryAtOf(header: string | undefined, clock: Pick<Clock, 'now'>): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,6}$/.test(header)) return clock.now() + Number(header) * 1_000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : at;
}
