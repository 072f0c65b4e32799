// Where a command learns how the store and the rest are reached: its own environment, else the file that a
// running `npm start` keeps.
import { readFileSync } from 'node:fs';
import { describeProblems, readSettings } from '../shared/config/readSettings.ts';
import type { Settings } from '../shared/config/settings.ts';
import { runningSettingsFile } from './stack.ts';

/** The environment for a command; says in words where there is none. */
export function commandEnvironment(): Readonly<Record<string, string | undefined>> {
  const { env } = process;
  if (env['MailStore'] !== undefined || env['MailStore__queueServiceUri'] !== undefined) return env;
  try {
    const running = JSON.parse(readFileSync(runningSettingsFile, 'utf8')) as Record<string, string>;
    return { ...running, ...env };
  } catch {
    throw new Error(
      'No settings: start the local stack with `npm start`, or set MailStore and the other settings of docs/settings.md in the environment.',
    );
  }
}

/** The settings of that environment; every problem in one error. */
export function commandSettings(): Settings {
  const answer = readSettings(commandEnvironment());
  if (answer.kind === 'ok') return answer.settings;
  throw new Error(describeProblems(answer));
}
