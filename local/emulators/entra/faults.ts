// Faults of the token endpoint: for the next responses, or for all of them until they are cleared.
import type { HttpResponse } from '../httpListener.ts';
import { refusalAnswer } from './refusals.ts';

export type EntraFault = (
  | { readonly kind: 'throttled'; readonly retryAfterSeconds?: number }
  /** 500, 502, 503… with an empty body, or a proxy's HTML page. */
  | { readonly kind: 'httpError'; readonly status: number; readonly html?: string }
  /** Any number of Entra's. */
  | { readonly kind: 'refusal'; readonly code: number }
  | { readonly kind: 'slow'; readonly delayMs: number }
) & {
  /** The number of responses affected; unlimited if absent. */
  readonly times?: number;
};

/** Faults in the order of their injection; the first one is active. */
export class FaultQueue {
  readonly #list: { fault: EntraFault; left: number }[] = [];

  add(fault: EntraFault): void {
    this.#list.push({ fault, left: fault.times ?? Number.POSITIVE_INFINITY });
  }

  clear(): void {
    this.#list.length = 0;
  }

  next(): EntraFault | undefined {
    const first = this.#list[0];
    if (first === undefined) return undefined;
    first.left -= 1;
    if (first.left <= 0) this.#list.shift();
    return first.fault;
  }
}

/** The response that replaces the regular one; undefined for a delay, which happens before it. */
export function faultResponse(fault: EntraFault, now: number): HttpResponse | undefined {
  switch (fault.kind) {
    case 'throttled':
      return {
        status: 429,
        headers:
          fault.retryAfterSeconds === undefined ? {} : { 'retry-after': String(fault.retryAfterSeconds) },
        body: { error: 'temporarily_unavailable', error_description: 'Too many requests.' },
      };
    case 'httpError':
      return { status: fault.status, body: fault.html ?? '' };
    case 'refusal':
      return refusalAnswer(fault.code, now);
    case 'slow':
      return undefined;
  }
}
