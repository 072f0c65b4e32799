// A planted bug: the production code with one rule switched off, as text replacements, and the cheapest check that must
// catch it. Each check must also pass on the unmodified code.
import type { FaultProfileName } from '../simulation/faultProfile.ts';
import type { Findings } from './check.ts';

export interface Mutant {
  /** Lower camel, as `--only` takes it. */
  readonly name: string;
  /** A description of the bug. */
  readonly what: string;
  /** Each text must occur exactly once in its file. */
  readonly edits: readonly Edit[];
  readonly caughtBy: Check;
}

export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

interface Worlds {
  readonly profile: FaultProfileName;
  readonly messages: number;
  readonly seeds: readonly number[];
}

export type Check =
  /** The oracle finds a violation, of this kind if one is named. */
  | (Worlds & { readonly by: 'violation'; readonly kind?: string })
  /** No violation, but a figure exceeds its bound. */
  | (Worlds & { readonly by: 'figure'; readonly figure: Figure; readonly atMost: number })
  /** A test fails. */
  | { readonly by: 'test'; readonly file: string; readonly name?: string };

export type Figure = Exclude<keyof Findings, 'violations'>;
