// What the emulator can be told to do wrong, to all requests, to the next few, or by a function that is asked each time.

export type EsmFault =
  /** Answers after that time. */
  | { readonly kind: 'slow'; readonly ms: number }
  /** 5xx; nothing is done. */
  | { readonly kind: 'serverError'; readonly status: number }
  /** 429; nothing is done. */
  | { readonly kind: 'throttled'; readonly retryAfterSeconds?: number }
  /** 401 to a token that is still valid: ESM was restarted, and knows none of its tokens. */
  | { readonly kind: 'forgetsTokens' }
  /** The connection is cut before anything is done. */
  | { readonly kind: 'lostRequest' }
  /** What was asked is done, and the connection cut in place of the answer. */
  | { readonly kind: 'lostAnswer' }
  /** A proxy's page in place of an answer, with 200. */
  | { readonly kind: 'page' }
  /** The REST module is switched off: 404 without a body, everywhere. */
  | { readonly kind: 'switchedOff' }
  | { readonly kind: 'none' };

/** A request as faults are chosen by. */
export interface EsmCall {
  readonly method: string;
  /** Below the base URL: `/dc/incident/data`. */
  readonly path: string;
}

export class EsmFaults {
  readonly #choose: ((call: EsmCall) => EsmFault | undefined) | undefined;
  #fault: EsmFault = { kind: 'none' };
  #left = 0;
  #only: ((call: EsmCall) => boolean) | undefined;

  constructor(choose?: (call: EsmCall) => EsmFault | undefined) {
    this.#choose = choose;
  }

  inject(fault: EsmFault, times: number, only?: (call: EsmCall) => boolean): void {
    this.#fault = fault;
    this.#left = times;
    this.#only = only;
  }

  of(call: EsmCall): EsmFault {
    if (this.#left > 0 && this.#only?.(call) !== false) {
      this.#left -= 1;
      return this.#fault;
    }
    return this.#choose?.(call) ?? { kind: 'none' };
  }
}
