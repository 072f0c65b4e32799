// The host's log: one JSON object a line, on standard output or in a file.
import { appendFileSync } from 'node:fs';
import type { Clock } from '../../shared/clock.ts';

export type HostLine = Readonly<Record<string, unknown>> &
  (
    | {
        readonly kind: 'host';
        readonly level: 'debug' | 'information' | 'warning' | 'error';
        readonly message: string;
      }
    /** A line of the app: through the invocation's context (`category` user), or the library's own (system). */
    | { readonly kind: 'log'; readonly level: string; readonly category: string; readonly message: string }
    /** What the app printed past its context: in the real host a line without invocation. */
    | { readonly kind: 'console'; readonly stream: 'stdout' | 'stderr'; readonly message: string }
    | { readonly kind: 'worker'; readonly event: 'started' | 'ended'; readonly pid: number | undefined }
    | {
        readonly kind: 'invocation';
        readonly event: 'started' | 'succeeded' | 'failed';
        readonly function: string;
        readonly invocationId: string;
        readonly reason: string;
      }
  );

export type HostLog = (line: HostLine) => void;

/** Lines to `file`, if one is given, else to standard output; each with the time it was written. */
export function hostLog(clock: Clock, file: string | undefined): HostLog {
  const write =
    file === undefined
      ? (text: string): unknown => process.stdout.write(text)
      : (text: string): void => {
          appendFileSync(file, text);
        };
  return (line) => {
    write(`${JSON.stringify({ at: new Date(clock.now()).toISOString(), ...line })}\n`);
  };
}
