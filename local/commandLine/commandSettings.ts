// Settings for a command: from its environment, else from the file that a running `npm start` keeps.
import { describeProblems, readSettings } from '../../shared/config/readSettings.ts';
import type { Settings } from '../../shared/config/settings.ts';
import { isRunning, readRunning, runningSettingsFile } from '../stack/runningStack.ts';

const ownSettings = 'MailStore and the other settings of docs/settings.md in the environment';

/** The environment for a command; throws if there is none. `file` defaults to that of `npm start`. */
export function commandEnvironment(
  file: string = runningSettingsFile,
): Readonly<Record<string, string | undefined>> {
  const { env } = process;
  if (isSet(env)) return env;
  const running = readRunning(file);
  // A machine may trust an authority of its own by this name; the running stack's servers have another.
  const authority = running?.['NODE_EXTRA_CA_CERTS'];
  if (running !== undefined) {
    return { ...running, ...env, ...(authority === undefined ? {} : { NODE_EXTRA_CA_CERTS: authority }) };
  }
  throw new Error(`No settings: start the local stack with \`npm start\`, or set ${ownSettings}.`);
}

/** The settings of that environment; every problem in one error. */
export function commandSettings(file?: string): Settings {
  const answer = readSettings(commandEnvironment(file));
  if (answer.kind === 'ok') return answer.settings;
  throw new Error(describeProblems(answer));
}

/** The error message for a failed command; names a stopped local stack if that is the cause. */
export async function commandTrouble(error: unknown, file: string = runningSettingsFile): Promise<string> {
  const detail = error instanceof Error ? error.message : String(error);
  if (isSet(process.env) || readRunning(file) === undefined || (await isRunning(file))) return detail;
  return `The local stack no longer responds. Start it again with \`npm start\`, or set ${ownSettings}.`;
}

const isSet = (env: NodeJS.ProcessEnv): boolean =>
  env['MailStore'] !== undefined || env['MailStore__queueServiceUri'] !== undefined;
