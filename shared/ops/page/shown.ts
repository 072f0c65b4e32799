import type { Person } from '../../web/access.ts';

/** What the parts of the page need of the request. */
export interface Shown {
  readonly person: Person;
  /** For every form. */
  readonly token: string;
  readonly setCookie: string;
  readonly query: URLSearchParams;
  /** The address of the page's script. */
  readonly script: string;
}
