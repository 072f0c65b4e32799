// The file in which a running `npm start` stores its settings for other commands, and a check whether that stack still
// runs: after a kill the file is left behind.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Names and texts: the environment for commands that are started beside a running stack. Git-ignored. */
export const runningSettingsFile = join(import.meta.dirname, '..', '..', '.local', 'settings.json');

/** The contents of the file; undefined if it is missing or unusable. */
export function readRunning(file: string): Readonly<Record<string, string>> | undefined {
  try {
    const read: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return typeof read === 'object' && read !== null ? (read as Record<string, string>) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the stack described by this file responds. */
export async function isRunning(file: string): Promise<boolean> {
  const endpoint = /QueueEndpoint=([^;]+);/.exec(readRunning(file)?.['MailStore'] ?? '')?.[1];
  if (endpoint === undefined) return false;
  try {
    // Any response will do; unsigned requests are refused.
    await (await fetch(endpoint, { signal: AbortSignal.timeout(2_000) })).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
