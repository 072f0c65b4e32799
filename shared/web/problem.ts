// Problem details (RFC 9457) as the routes answer them: what is wrong, and what can be done about it.
import type { WebAnswer } from './http.ts';

export interface Problem {
  /** A word that a program can switch on; its `type` is a URN that ends with it. */
  readonly name: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly remedy: string;
  readonly problems?: readonly { readonly field: string; readonly detail: string }[];
}

const always = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' } as const;

/** `application/problem+json`, never cached. */
export function problemAnswer({ name, ...problem }: Problem): WebAnswer {
  return {
    status: problem.status,
    headers: {
      ...always,
      'content-type': 'application/problem+json',
      ...(problem.status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
      ...(problem.status === 503 ? { 'retry-after': '60' } : {}),
    },
    body: JSON.stringify({ type: `urn:esm-mail-bridge:problem:${name}`, ...problem }),
  };
}

/** `application/json`, never cached. */
export const jsonAnswer = (status: number, value: object): WebAnswer => ({
  status,
  headers: { ...always, 'content-type': 'application/json; charset=utf-8' },
  body: JSON.stringify(value),
});
