// Why a call of ESM's API did not give what was asked for.

export interface EsmFailure {
  readonly kind: 'failure';
  /**
   * `unavailable` nothing was done, and a later try may succeed · `inDoubt` a write whose answer is unknown: it may have
   * been done · `denied` login or right: a person has to act · `missing` no such card, template or attribute ·
   * `tooLarge` above the instance's upload limit · `refused` ESM does not take this request as it is.
   */
  readonly reason: 'unavailable' | 'inDoubt' | 'denied' | 'missing' | 'tooLarge' | 'refused';
  readonly detail: string;
  readonly remedy?: string;
  /** HTTP status, if there was one. */
  readonly status?: number;
  /** When a later try makes sense (UTC ms). */
  readonly retryAt?: number;
}

export const failure = (
  reason: EsmFailure['reason'],
  detail: string,
  more: Pick<EsmFailure, 'remedy' | 'status' | 'retryAt'> = {},
): EsmFailure => ({ kind: 'failure', reason, detail, ...more });

export type EsmAnswer<Value> = { readonly kind: 'ok'; readonly value: Value } | EsmFailure;

export const ok = <Value>(value: Value): EsmAnswer<Value> => ({ kind: 'ok', value });
