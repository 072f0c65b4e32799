// How the stand-in is told to misbehave: the next answers of the token endpoint, or all until it is mended.
import type { Answered } from './httpDoor.ts';
import { refusalAnswer } from './refusals.ts';

export type Trouble = (
  | { readonly kind: 'throttled'; readonly retryAfterSeconds?: number }
  /** A fault: 500, 502, 503… with an empty body, or a proxy's page in HTML. */
  | { readonly kind: 'fault'; readonly status: number; readonly html?: string }
  /** Any number of Entra's. */
  | { readonly kind: 'refusal'; readonly code: number }
  | { readonly kind: 'slow'; readonly delayMs: number }
) & {
  /** How many answers; all of them where nothing is said. */
  readonly times?: number;
};

/** The troubles in the order in which they were asked for; the first one is at work. */
export class TroubleList {
  private readonly list: { trouble: Trouble; left: number }[] = [];

  add(trouble: Trouble): void {
    this.list.push({ trouble, left: trouble.times ?? Number.POSITIVE_INFINITY });
  }

  clear(): void {
    this.list.length = 0;
  }

  next(): Trouble | undefined {
    const first = this.list[0];
    if (first === undefined) return undefined;
    first.left -= 1;
    if (first.left <= 0) this.list.shift();
    return first.trouble;
  }
}

/** The answer that a trouble gives in place of the right one; undefined for a delay, which comes before it. */
export function troubledAnswer(trouble: Trouble, now: number): Answered | undefined {
  switch (trouble.kind) {
    case 'throttled':
      return {
        status: 429,
        headers:
          trouble.retryAfterSeconds === undefined ? {} : { 'retry-after': String(trouble.retryAfterSeconds) },
        body: { error: 'temporarily_unavailable', error_description: 'Too many requests.' },
      };
    case 'fault':
      return { status: trouble.status, body: trouble.html ?? '' };
    case 'refusal':
      return refusalAnswer(trouble.code, now);
    case 'slow':
      return undefined;
  }
}
