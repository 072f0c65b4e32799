// How a command ends: its text for a person, with --json an object on the last line; a failure is a sentence and status 1.
import { messageOf } from '../../shared/mail/foreign.ts';

export interface CommandAnswer {
  readonly text: string;
  readonly json: unknown;
  /** False: status 1, although the command was carried out. */
  readonly isDone?: boolean;
}

/** Never throws. */
export async function printAnswer(
  answer: () => Promise<CommandAnswer>,
  { json: withJson }: { readonly json: boolean },
): Promise<void> {
  try {
    const { text, json, isDone = true } = await answer();
    console.log(text);
    if (withJson) console.log(JSON.stringify(json));
    process.exitCode = isDone ? 0 : 1;
  } catch (error) {
    console.error(messageOf(error));
    process.exitCode = 1;
  }
}
