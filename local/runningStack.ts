// The file in which a running `npm start` says how it is reached, and whether somebody is there at all: after a
// kill the file is left behind.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Names and texts: the environment for commands that are started beside a running stack. Git-ignored. */
export const runningSettingsFile = join(dirname(import.meta.dirname), '.local', 'settings.json');

/** What the file says; undefined where there is none, or nothing usable in it. */
export function readRunning(file: string): Readonly<Record<string, string>> | undefined {
  try {
    const read: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return typeof read === 'object' && read !== null ? (read as Record<string, string>) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the stack that this file tells of answers. */
export async function isRunning(file: string): Promise<boolean> {
  const endpoint = /QueueEndpoint=([^;]+);/.exec(readRunning(file)?.['MailStore'] ?? '')?.[1];
  if (endpoint === undefined) return false;
  try {
    // Whatever it says: unsigned requests are refused.
    await (await fetch(endpoint, { signal: AbortSignal.timeout(2_000) })).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
