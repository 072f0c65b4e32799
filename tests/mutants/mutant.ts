// A planted bug: the production code with one rule switched off, as replacements of text, and the cheapest check
// that has to notice. What a check finds in the code as it stands would prove nothing, so each also has to pass there.
import type { ClimateName } from '../simulation/climate.ts';
import type { Findings } from './check.ts';

export interface Mutant {
  /** Lower camel, as `--only` takes it. */
  readonly name: string;
  /** What is wrong with it, in words. */
  readonly what: string;
  /** Each text stands exactly once in its file. */
  readonly edits: readonly Edit[];
  readonly caughtBy: Check;
}

export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

interface Worlds {
  readonly climate: ClimateName;
  readonly messages: number;
  readonly seeds: readonly number[];
}

export type Check =
  /** The oracle finds a violation, of this kind where one is named. */
  | (Worlds & { readonly by: 'violation'; readonly kind?: string })
  /** Nothing is violated, but a figure is passed. */
  | (Worlds & { readonly by: 'figure'; readonly figure: Figure; readonly atMost: number })
  /** A test fails. */
  | { readonly by: 'test'; readonly file: string; readonly name?: string };

export type Figure = Exclude<keyof Findings, 'violations'>;
