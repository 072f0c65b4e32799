import type { SettingProblem } from './settings.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Collects what is wrong while reading goes on, so that everything is reported at once. */
export class Problems {
  readonly #found: SettingProblem[] = [];

  /** `detail` continues the sentence that `subject` (the setting, or a path in it) begins. */
  add(setting: string, detail: string, subject = setting): void {
    this.#found.push({ setting, detail: `${subject} ${detail}${/[.?]$/.test(detail) ? '' : '.'}` });
  }

  get found(): readonly SettingProblem[] {
    return this.#found;
  }
}

/** A setting's text, trimmed; blank counts as absent, since a template cannot leave a setting out. */
export function textOf(environment: Environment, name: string): string | undefined {
  const text = environment[name]?.trim();
  return text === '' ? undefined : text;
}

/** A whole number within bounds, or the default with a problem noted. */
export function wholeNumber(
  environment: Environment,
  problems: Problems,
  setting: {
    readonly name: string;
    readonly least: number;
    readonly most: number;
    readonly fallback: number;
  },
): number {
  const { name, least, most, fallback } = setting;
  const text = textOf(environment, name);
  if (text === undefined) return fallback;
  const value = /^[0-9]{1,9}$/.test(text) ? Number(text) : NaN;
  if (value >= least && value <= most) return value;
  problems.add(name, `must be a whole number from ${least} to ${most}; leave it out for ${fallback}`);
  return fallback;
}

/** One of a few values, or the default with a problem noted. */
export function oneOf<Word extends string>(
  environment: Environment,
  problems: Problems,
  setting: { readonly name: string; readonly choices: readonly Word[]; readonly fallback: Word },
): Word {
  const { name, choices, fallback } = setting;
  const text = textOf(environment, name)?.toLowerCase();
  if (text === undefined) return fallback;
  const found = choices.find((word) => word === text);
  if (found === undefined)
    problems.add(name, `must be ${choices.join(' or ')}; leave it out for ${fallback}`);
  return found ?? fallback;
}

/** An https address without a query, a fragment or a user, or undefined with a problem noted. */
export function httpsAddress(
  problems: Problems,
  name: string,
  text: string,
  example: string,
): string | undefined {
  const url = URL.parse(text);
  if (url?.protocol !== 'https:' || url.host === '') {
    problems.add(name, `must be an https address; write ${example}`);
    return undefined;
  }
  if (url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '') {
    problems.add(
      name,
      `must be an address without a query, a fragment or a user (no SAS token); write ${example}`,
    );
    return undefined;
  }
  return text.replace(/\/+$/, '');
}
