import type { SettingProblem } from './settings.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export type Bounds = readonly [least: number, most: number];

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

/** The environment, with what is found wrong in it. */
export class SettingsReader extends Problems {
  readonly environment: Environment;

  constructor(environment: Environment) {
    super();
    this.environment = environment;
  }

  /** A setting's text, trimmed; blank counts as absent, since a template cannot leave a setting out. */
  text(name: string): string | undefined {
    const text = this.environment[name]?.trim();
    return text === '' ? undefined : text;
  }

  /** A whole number within bounds, or the default with a problem noted. */
  wholeNumber(name: string, [least, most]: Bounds, fallback: number): number {
    const text = this.text(name);
    if (text === undefined) return fallback;
    const value = /^[0-9]{1,9}$/.test(text) ? Number(text) : NaN;
    if (value >= least && value <= most) return value;
    this.add(name, `must be a whole number from ${least} to ${most}; leave it out for ${fallback}`);
    return fallback;
  }

  /** One of a few values, or the default with a problem noted. */
  oneOf<Word extends string>(name: string, choices: readonly Word[], fallback: Word): Word {
    const text = this.text(name)?.toLowerCase();
    if (text === undefined) return fallback;
    const found = choices.find((word) => word === text);
    if (found === undefined) this.add(name, `must be ${choices.join(' or ')}; leave it out for ${fallback}`);
    return found ?? fallback;
  }

  /** An https address without a query, a fragment or a user, or undefined with a problem noted. */
  httpsAddress(name: string, text: string, example: string): string | undefined {
    const url = URL.parse(text);
    const isPlain = url?.search === '' && url.hash === '' && url.username === '' && url.password === '';
    if (url?.protocol === 'https:' && url.host !== '' && isPlain) return text.replace(/\/+$/, '');
    this.add(
      name,
      url?.protocol !== 'https:' || url.host === ''
        ? `must be an https address; write ${example}`
        : `must be an address without a query, a fragment or a user (no SAS token); write ${example}`,
    );
    return undefined;
  }
}
