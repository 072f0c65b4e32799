// The host's log lines, for tests that wait for one.
import { setTimeout as sleep } from 'node:timers/promises';
import type { HostProcessLine } from '../../../local/functionsHost/hostProcess.ts';

export class Listening {
  readonly lines: HostProcessLine[] = [];
  readonly onLine = (line: HostProcessLine): void => {
    this.lines.push(line);
  };

  /** The app's log lines through its context, as the JSON that the fixtures write. */
  appLines(): readonly Readonly<Record<string, unknown>>[] {
    return this.lines
      .filter((line) => line['kind'] === 'log' && line['category'] === 'user')
      .map((line) => {
        const value: unknown = JSON.parse(String(line['message']));
        if (typeof value !== 'object' || value === null)
          throw new Error(`no object: ${String(line['message'])}`);
        return { function: line['functionName'], ...value };
      });
  }

  invocations(functionName: string, event: string): readonly HostProcessLine[] {
    return this.lines.filter(
      (line) => line['kind'] === 'invocation' && line['function'] === functionName && line['event'] === event,
    );
  }
}

/** Waits until the condition holds; fails with `what` after 20 s. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    if (await condition()) return;
    await sleep(50);
  }
  throw new Error(`Waited in vain: ${what}`);
}
