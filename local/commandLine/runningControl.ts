// The control endpoint of the running `npm start`, for the commands that are about the local stack alone.
import { memberOf, messageOf, parseJson, textIn } from '../../shared/mail/foreign.ts';
import { readRunning, runningSettingsFile } from '../stack/runningStack.ts';

const requestMs = 30_000;

export interface RunningControl {
  /** Throws with the stack's own error text, or with the remedy if it does not run. */
  ask(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object): Promise<unknown>;
}

/** `file` is that of `npm start`, unless another was given with --settings-file. */
export function runningControl(file: string = runningSettingsFile): RunningControl {
  const running = readRunning(file);
  const url = running?.['LOCAL_CONTROL_URL'];
  if (url === undefined)
    throw new Error(
      'The local stack does not run. Start it with `npm start`; this command is about it alone.',
    );
  return {
    ask: async (method, path, body) => {
      const response = await fetch(new URL(path, url), {
        method,
        headers: { authorization: `Bearer ${running?.['LOCAL_KEY'] ?? ''}` },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(requestMs),
      }).catch((error: unknown) => {
        throw new Error(
          `The local stack no longer responds (${messageOf(memberOf(error, 'cause') ?? error)}). Start it again with \`npm start\`.`,
        );
      });
      const answer = parseJson(await response.text());
      if (response.ok) return answer;
      throw new Error(textIn(answer, 'detail') || `The local stack answered ${String(response.status)}.`);
    },
  };
}
